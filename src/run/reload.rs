//! Hot reload: when a file of the script has been saved, evaluates it aside and puts it in the place of the running one, or
//! says why not and lets the running one go on. Virtual users take it up by themselves; what of a plan may change while
//! it runs is `edit`'s.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::exec::{self, Change};
use crate::metrics::{Selector, Totals};
use crate::results::{EventSummary, RevisionSummary};
use crate::script::Revision;
use crate::script::saves::{Saves, SavesError};

use super::edit;
use super::judge::Judge;
use super::load::{self, Test};

/// What became of files that were saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// Since the start of the load.
    pub at: Duration,
    /// The files.
    pub files: Vec<PathBuf>,
    /// What it led to.
    pub outcome: Reloaded,
}

/// What saved files led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// The edited script runs from each virtual user's next iteration on.
    Adopted {
        /// Its number; the script that the run began with is 1.
        revision: u32,
        /// SHA-256 over everything that it read.
        hash: String,
        /// What changed in the plan.
        applied: Vec<String>,
        /// What was to change and did not, with the reason.
        refused: Vec<String>,
    },
    /// The running one goes on.
    Refused {
        /// Its number.
        revision: u32,
        /// Why, as people read it.
        error: String,
    },
}

/// The revisions of a run that is watched.
#[derive(Debug)]
pub(super) struct Reloads {
    saves: Saves,
    origin: Instant,
    /// What the last edit asked for in vain: it is told once, although every further edit asks for it again.
    in_vain: Vec<Change>,
}

impl Reloads {
    /// Watches the files of the running script.
    pub(super) fn of(revision: &Revision) -> Result<Self, SavesError> {
        Ok(Self {
            saves: Saves::of(revision.files())?,
            origin: clock::now(),
            in_vain: Vec::new(),
        })
    }

    /// The load begins.
    pub(super) fn begin(&mut self, origin: Instant) {
        self.origin = origin;
    }

    /// Waits until files have been saved; for ever when nobody watches. Cancelling loses nothing.
    pub(super) async fn changed(watching: &mut Option<Self>) -> Vec<PathBuf> {
        match watching {
            Some(reloads) => reloads.saves.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Tries to put what was saved in the place of what runs. `None` when it is the same.
    pub(super) async fn attempt(
        &mut self,
        files: Vec<PathBuf>,
        test: &mut Test,
        shared: &exec::Shared,
        totals: &mut Totals,
        judge: &mut Judge,
    ) -> Option<Reload> {
        let running = test.session.revision();
        let revision = Arc::new(running.next());
        let read = load::read(&test.session, &revision, &test.overrides).await;
        if read.is_ok() && revision.hash() == running.hash() {
            self.saves.follow(revision.files());
            return None;
        }
        let adopted = match read {
            Ok(read) => self.adopt(read, &revision, test, shared, totals, judge).await,
            Err(error) => Err(error.text),
        };
        let at = clock::now().saturating_duration_since(self.origin);
        let outcome = match adopted {
            Ok(changes) => {
                self.saves.follow(revision.files());
                let (refused, applied): (Vec<_>, Vec<_>) =
                    changes.into_iter().partition(|change| change.refused.is_some());
                let before = std::mem::replace(&mut self.in_vain, refused.clone());
                let news = refused.iter().filter(|change| !before.contains(change));
                Reloaded::Adopted {
                    revision: revision.number,
                    hash: revision.hash(),
                    applied: applied.into_iter().map(|change| change.what).collect(),
                    refused: news.map(edit::with_reason).collect(),
                }
            }
            Err(error) => {
                self.saves.follow_too(revision.files());
                Reloaded::Refused {
                    revision: running.number,
                    error,
                }
            }
        };
        let reload = Reload { at, files, outcome };
        judge.note_reload(&reload);
        Some(reload)
    }

    /// Makes a revision that was read the newest.
    async fn adopt(
        &self,
        read: load::Read,
        revision: &Arc<Revision>,
        test: &mut Test,
        shared: &exec::Shared,
        totals: &mut Totals,
        judge: &mut Judge,
    ) -> Result<Vec<Change>, String> {
        let mut edited = edit::merge(&test.plan, read.plan)?;
        let elapsed = clock::now().saturating_duration_since(self.origin);
        // The current second is under way on all cores; the one after it is the first whole one.
        let since = Duration::from_secs(elapsed.as_secs() + 1);
        let kept = &test.plan.thresholds;
        let fresh = edit::thresholds(kept, &mut edited.plan.thresholds, since);
        let selectors: Vec<Selector> = fresh.iter().map(|threshold| threshold.selector.clone()).collect();
        test.catalog
            .add(&test.session.registry, &selectors)
            .map_err(|error| format!("error: {error}"))?;
        judge
            .invariants
            .load(&test.session, revision, &edited.plan)
            .await
            .map_err(|error| test.session.redact(&error.render(&revision.sources)))?;
        totals.watch_more(&fresh);
        edited.changes.extend(judge.rethink(&edited.plan.thresholds, totals));

        let replanned = exec::replan(&test.session.control, shared, &edited.plan.scenarios);
        edited.plan.scenarios = replanned.scenarios;
        edited.changes.extend(replanned.changes);

        let plan = Arc::new(edited.plan);
        revision.set_plan(Arc::clone(&plan));
        let _ = read.host.recorder.set(test.recorder.clone());
        judge.follow(&plan);
        test.plan = plan;
        test.host = read.host;
        test.loaded = read.loaded;
        test.context = read.context;
        test.session.adopt(Arc::clone(revision));
        Ok(edited.changes)
    }
}

impl Reload {
    /// The files as one text.
    #[must_use]
    pub fn files(&self) -> String {
        let files: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        files.join(", ")
    }

    /// As an event of the run.
    pub(super) fn event(&self) -> EventSummary {
        let (what, revision, detail) = match &self.outcome {
            Reloaded::Adopted { revision, .. } => ("reload", revision, self.files()),
            Reloaded::Refused { revision, error } => ("reload-refused", revision, error.clone()),
        };
        EventSummary {
            at_ms: millis(self.at),
            what: what.to_owned(),
            scenario: None,
            value: Some(f64::from(*revision)),
            detail: Some(detail),
        }
    }

    /// As a revision of the run, unless it was refused.
    pub(super) fn revision(&self) -> Option<RevisionSummary> {
        let Reloaded::Adopted {
            revision,
            hash,
            applied,
            refused,
        } = &self.outcome
        else {
            return None;
        };
        Some(RevisionSummary {
            number: *revision,
            at_ms: millis(self.at),
            hash: hash.clone(),
            file: self.files(),
            changed: applied.clone(),
            refused: refused.clone(),
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
