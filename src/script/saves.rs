//! Tells when files of a script have been saved. The file system's news make it quick, a look each second makes it
//! certain: news get lost on network file systems and with folders that come and go. What a save means is `run`'s.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::stamp::{Files, Stamp};
use crate::clock::{self, Instant};

/// Files are left alone for this long before they count as saved: editors write in several steps, people save several
/// files at once.
const QUIET: Duration = Duration::from_millis(50);

/// Files that are written without a pause are looked at after so many times [`QUIET`].
const MOST_ROUNDS: usize = 20;

/// How many times [`QUIET`] a file may be away before that counts as a change: some editors remove it and write it anew.
const AWAY: usize = 10;

/// How often files are looked at without news.
const LOOK: Duration = Duration::from_secs(1);

/// How many symbolic links are followed on the way to a file.
const MOST_LINKS: usize = 16;

/// Why files cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("files cannot be watched: {0}")]
pub struct SavesError(#[from] notify::Error);

/// Watches files.
#[derive(Debug)]
pub struct Saves {
    watcher: RecommendedWatcher,
    news: mpsc::UnboundedReceiver<()>,
    files: Files,
    folders: BTreeSet<PathBuf>,
    /// When the files are looked at without news.
    next_look: Instant,
    /// Files that may be about to change further.
    settling: Option<Settling>,
}

/// Files that are looked at until they stay as they are.
#[derive(Debug)]
struct Settling {
    /// As they were the last time.
    seen: Files,
    /// How often they have been looked at again.
    rounds: usize,
    /// When they are looked at again.
    next: Instant,
}

impl Saves {
    /// Watches `files`, each from the state that is given with it on.
    ///
    /// # Errors
    /// The system has no more to give of what watching takes.
    pub fn of(files: Files) -> Result<Self, SavesError> {
        let (sender, news) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |_: notify::Result<notify::Event>| {
            // Whatever it was: the files themselves say what has changed. Nobody listens at the very end.
            let _ = sender.send(());
        })?;
        let mut saves = Self {
            watcher,
            news,
            files: Files::new(),
            folders: BTreeSet::new(),
            next_look: clock::now(),
            settling: None,
        };
        saves.follow(files);
        Ok(saves)
    }

    /// Watches `files` from now on, each from the state that is given with it on.
    pub fn follow(&mut self, files: Files) {
        self.files = files;
        self.next_look = clock::now();
        self.settling = None;
        self.listen();
    }

    /// Watches these files besides.
    pub fn follow_too(&mut self, files: Files) {
        let all = std::mem::take(&mut self.files).into_iter().chain(files);
        self.follow(all.collect());
    }

    /// Waits until files have been saved, removed or put where they were missing, and names them. Cancelling loses
    /// nothing: who asks again waits for the rest.
    pub async fn changed(&mut self) -> Vec<PathBuf> {
        loop {
            if self.settling.is_none() {
                tokio::select! {
                    _ = self.news.recv() => {}
                    () = clock::sleep_until(self.next_look) => {}
                }
                self.settling = Some(Settling {
                    seen: look(&self.files),
                    rounds: 0,
                    next: clock::now() + QUIET,
                });
            }
            let seen = self.settled().await;
            self.next_look = clock::now() + LOOK;
            let is_new = |(file, stamp): &(PathBuf, Option<Stamp>)| self.files.get(file) != Some(stamp);
            let changed: Files = seen.into_iter().filter(is_new).collect();
            if changed.is_empty() {
                continue;
            }
            let names = changed.keys().cloned().collect();
            self.files.extend(changed);
            // Links may lead elsewhere now.
            self.listen();
            return names;
        }
    }

    /// How the files are, once they stay as they are.
    async fn settled(&mut self) -> Files {
        while let Some(settling) = &mut self.settling
            && settling.rounds < MOST_ROUNDS
            && settling.seen != self.files
        {
            clock::sleep_until(settling.next).await;
            while self.news.try_recv().is_ok() {}
            let later = look(&self.files);
            let is_away = self
                .files
                .iter()
                .any(|(file, before)| before.is_some() && later.get(file) == Some(&None));
            if later == settling.seen && !(is_away && settling.rounds < AWAY) {
                break;
            }
            settling.seen = later;
            settling.rounds += 1;
            settling.next = clock::now() + QUIET;
        }
        self.settling.take().map(|settling| settling.seen).unwrap_or_default()
    }

    /// Asks for news from every folder in which a change may show. What cannot be watched is looked at each second.
    fn listen(&mut self) {
        let folders: BTreeSet<PathBuf> = self.files.keys().flat_map(|file| folders(file)).collect();
        for gone in self.folders.difference(&folders) {
            let _ = self.watcher.unwatch(gone);
        }
        for folder in &folders {
            // Again, too: there may be another folder in its place.
            let _ = self.watcher.watch(folder, RecursiveMode::NonRecursive);
        }
        self.folders = folders;
    }
}

fn look(files: &Files) -> Files {
    files.keys().map(|file| (file.clone(), Stamp::of(file))).collect()
}

/// The folders in which a change of `file` shows: its own, and those of the symbolic links that lead to it.
fn folders(file: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut ways = vec![std::path::absolute(file).unwrap_or_else(|_| file.to_owned())];
    let mut links = 0;
    while let Some(way) = ways.pop() {
        found.extend(way.parent().map(Path::to_owned));
        for place in way.ancestors() {
            let (Ok(target), Some(parent)) = (std::fs::read_link(place), place.parent()) else {
                continue;
            };
            found.insert(parent.to_owned());
            links += 1;
            if links < MOST_LINKS {
                let rest = way.strip_prefix(place).unwrap_or(Path::new(""));
                ways.push(parent.join(target).join(rest));
            }
        }
    }
    found.retain(|folder| folder.is_dir());
    found
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Long enough for a machine that is busy with other things.
    const DEADLINE: Duration = Duration::from_secs(20);

    struct Bed {
        folder: tempfile::TempDir,
        saves: Saves,
    }

    impl Bed {
        fn with(prepare: impl FnOnce(&Path), files: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            prepare(folder.path());
            let files = files.iter().map(|file| folder.path().join(file));
            let files = files.map(|file| (file.clone(), Stamp::of(&file))).collect();
            let saves = Saves::of(files).unwrap();
            Self { folder, saves }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        async fn changed(&mut self) -> Vec<String> {
            let changed = clock::timeout(DEADLINE, self.saves.changed())
                .await
                .expect("it was saved");
            let name = |file: PathBuf| file.strip_prefix(self.folder.path()).unwrap().display().to_string();
            changed.into_iter().map(name).collect()
        }
    }

    fn two_files(folder: &Path) {
        fs::write(folder.join("a.lua"), "1").unwrap();
        fs::write(folder.join("b.lua"), "1").unwrap();
    }

    #[tokio::test]
    async fn written_in_place_or_by_renaming() {
        let mut bed = Bed::with(two_files, &["a.lua", "b.lua"]);
        fs::write(bed.path("unrelated"), "x").unwrap();
        fs::write(bed.path("a.lua"), "22").unwrap();
        assert_eq!(bed.changed().await, ["a.lua"]);
        // As vim and others do: the old one away, a new one in its place.
        fs::rename(bed.path("b.lua"), bed.path("b.lua~")).unwrap();
        fs::write(bed.path(".b.lua.tmp"), "1").unwrap();
        fs::rename(bed.path(".b.lua.tmp"), bed.path("b.lua")).unwrap();
        assert_eq!(bed.changed().await, ["b.lua"]);
    }

    /// As the loop of a run does, which has other things to do ten times a second.
    #[tokio::test]
    async fn who_is_called_away_all_the_time_hears_of_it() {
        let mut bed = Bed::with(two_files, &["a.lua", "b.lua"]);
        fs::remove_file(bed.path("a.lua")).unwrap();
        let deadline = clock::now() + DEADLINE;
        let changed = loop {
            assert!(clock::now() < deadline, "nothing was heard");
            if let Ok(changed) = clock::timeout(QUIET / 2, bed.saves.changed()).await {
                break changed;
            }
        };
        assert_eq!(changed, [bed.path("a.lua")]);
    }

    #[tokio::test]
    async fn several_at_once_are_one_change() {
        let mut bed = Bed::with(two_files, &["a.lua", "b.lua"]);
        fs::write(bed.path("a.lua"), "22").unwrap();
        fs::write(bed.path("b.lua"), "22").unwrap();
        assert_eq!(bed.changed().await, ["a.lua", "b.lua"]);
    }

    #[tokio::test]
    async fn what_was_saved_before_anybody_watched_is_told() {
        let mut bed = Bed::with(two_files, &["a.lua"]);
        let before = Files::from([(bed.path("a.lua"), None)]);
        bed.saves.follow(before);
        assert_eq!(bed.changed().await, ["a.lua"]);
    }

    #[tokio::test]
    async fn removed_and_put_back_and_what_was_missing() {
        let mut bed = Bed::with(two_files, &["a.lua", "new/c.lua"]);
        fs::remove_file(bed.path("a.lua")).unwrap();
        assert_eq!(bed.changed().await, ["a.lua"]);
        fs::write(bed.path("a.lua"), "1").unwrap();
        assert_eq!(bed.changed().await, ["a.lua"]);
        fs::create_dir(bed.path("new")).unwrap();
        fs::write(bed.path("new/c.lua"), "1").unwrap();
        assert_eq!(bed.changed().await, ["new/c.lua"]);
    }

    /// As Kubernetes mounts a ConfigMap: files are links through `..data`, which is renamed over.
    #[tokio::test]
    async fn a_link_that_leads_elsewhere() {
        let prepare = |folder: &Path| {
            for version in ["..v1", "..v2"] {
                fs::create_dir(folder.join(version)).unwrap();
                two_files(&folder.join(version));
            }
            symlink("..v1", folder.join("..data")).unwrap();
            symlink("..data/a.lua", folder.join("a.lua")).unwrap();
        };
        let mut bed = Bed::with(prepare, &["a.lua"]);
        for version in ["..v2", "..v1"] {
            symlink(version, bed.path("..data_tmp")).unwrap();
            fs::rename(bed.path("..data_tmp"), bed.path("..data")).unwrap();
            assert_eq!(bed.changed().await, ["a.lua"], "{version}");
        }
        fs::write(bed.path("..v1/a.lua"), "22").unwrap();
        assert_eq!(bed.changed().await, ["a.lua"], "the file behind the link");
    }

    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(!folders(&folder.path().join("a/x.lua")).is_empty());
    }
}
