//! Hot reload: when a file of the script has been saved, it is evaluated aside and put in the place of the running one, or
//! it is said why not, and the running one goes on. Virtual users take it up by themselves; what of a plan may change while
//! it runs is `edit`'s.
//!
//! Evaluating may take as long as a script may compute, and reading data longer: it has a thread of its own, and a session
//! of its own, so that the run goes on meanwhile, and an edit that is refused leaves nothing behind.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::{self, Instant};
use crate::exec::{self, Change};
use crate::metrics::{Registry, Selector, Totals};
use crate::plan::overrides::Overrides;
use crate::plan::{Limits, Plan};
use crate::results::{EventSummary, RevisionSummary, millis};
use crate::script::saves::{Saves, SavesError};
use crate::script::{Revision, Session};

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
    /// What is being tried.
    trial: Option<oneshot::Receiver<Tried>>,
}

/// What came of trying a revision.
#[derive(Debug)]
pub(super) struct Tried {
    files: Vec<PathBuf>,
    revision: Arc<Revision>,
    /// Or why it is refused, as people read it.
    outcome: Result<Good, String>,
}

/// What a revision gave that could be evaluated.
#[derive(Debug)]
struct Good {
    plan: Plan,
    /// The run's metrics with those that it declares.
    registry: Registry,
}

/// Begins to evaluate what was saved, on a thread that ends by itself. Without a thread nothing is ever sent.
fn try_out(files: Vec<PathBuf>, test: &Test) -> oneshot::Receiver<Tried> {
    let revision = Arc::new(test.session.revision().next());
    let session = Arc::new(test.session.aside(&revision));
    let overrides = test.script().map(|script| script.overrides.clone());
    let (overrides, limits) = (overrides.unwrap_or_default(), test.plan.limits);
    let (done, tried) = oneshot::channel();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = match runtime {
            Ok(runtime) => {
                let trying = attempt(&session, &revision, &overrides, limits);
                tokio::task::LocalSet::new().block_on(&runtime, trying)
            }
            Err(error) => Err(format!("error: there is no runtime to evaluate the script in: {error}")),
        };
        // Nobody waits any more when the run is over.
        let _ = done.send(Tried {
            files,
            revision,
            outcome,
        });
    };
    let _ = std::thread::Builder::new()
        .name("kingtide-reload".to_owned())
        .spawn(work);
    tried
}

/// Evaluates a revision in a session of its own.
async fn attempt(
    session: &Arc<Session>,
    revision: &Arc<Revision>,
    overrides: &Overrides,
    limits: Limits,
) -> Result<Good, String> {
    let read = load::read(session, revision, overrides, limits).await;
    let read = read.map_err(|error| error.text)?;
    if !session.control.reasons().is_empty() {
        return Err("error: the top level of the file called `kt.run.abort` or `kt.run.fail`".to_owned());
    }
    let (used, most) = (read.host.lua.used_memory() as u64, read.plan.limits.memory);
    if used > most {
        return Err(format!(
            "error: the top level of the file takes {used} bytes, and the plan's `limits.memory` is {most}"
        ));
    }
    Ok(Good {
        plan: read.plan,
        registry: session.registry.clone(),
    })
}

impl Reloads {
    /// Watches the files of the running script.
    pub(super) fn of(revision: &Revision) -> Result<Self, SavesError> {
        Ok(Self {
            saves: Saves::of(revision.files())?,
            origin: clock::now(),
            in_vain: Vec::new(),
            trial: None,
        })
    }

    /// The load begins.
    pub(super) fn begin(&mut self, origin: Instant) {
        self.origin = origin;
    }

    /// Waits until files have been saved and tried; for ever when nobody watches. Cancelling loses nothing.
    pub(super) async fn tried(watching: &mut Option<Self>, test: &Test) -> Tried {
        let Some(reloads) = watching else {
            return std::future::pending().await;
        };
        loop {
            let trial = match &mut reloads.trial {
                Some(trial) => trial,
                none => {
                    let files = reloads.saves.changed().await;
                    none.insert(try_out(files, test))
                }
            };
            let tried = trial.await;
            reloads.trial = None;
            match tried {
                Ok(tried) => return tried,
                Err(_) => {
                    tracing::error!(target: "kingtide::run", "a saved script could not be tried: its thread is gone")
                }
            }
        }
    }

    /// Puts what was tried in the place of what runs. `None` when it is the same.
    pub(super) async fn settle(
        &mut self,
        tried: Tried,
        test: &mut Test,
        shared: &exec::Shared,
        totals: &mut Totals,
        judge: &mut Judge,
    ) -> Option<Reload> {
        let Tried {
            files,
            revision,
            outcome,
        } = tried;
        let running = test.session.revision();
        if outcome.is_ok() && revision.hash() == running.hash() {
            self.saves.follow(revision.files());
            return None;
        }
        let adopted = match outcome {
            Ok(good) => self.adopt(good, &revision, test, shared, totals, judge).await,
            Err(error) => Err(error),
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
        good: Good,
        revision: &Arc<Revision>,
        test: &mut Test,
        shared: &exec::Shared,
        totals: &mut Totals,
        judge: &mut Judge,
    ) -> Result<Vec<Change>, String> {
        let mut edited = edit::merge(&test.plan, good.plan)?;
        test.session
            .registry
            .adopt(&good.registry)
            .map_err(|error| format!("error: {error}"))?;
        let running: Vec<&str> = test.plan.scenarios.iter().map(|scenario| &*scenario.name).collect();
        edited
            .changes
            .extend(edit::without_others(&mut edited.plan.thresholds, &running));
        let elapsed = clock::now().saturating_duration_since(self.origin);
        // The current second is under way on all cores; the one after it is the first whole one.
        let since = Duration::from_secs(elapsed.as_secs() + 1);
        let kept = &test.plan.thresholds;
        let is_past = |stage: &str, scenario: Option<&str>| {
            let of = running.iter().enumerate();
            let of = of.filter(|(_, name)| scenario.is_none_or(|only| only == **name));
            let at = self.origin + since;
            let mut of = of.filter_map(|(index, _)| shared.has_passed(index, &test.session.control, stage, at));
            of.next().is_some_and(|passed| passed && of.all(|passed| passed))
        };
        let past = edit::without_past(kept, &mut edited.plan.thresholds, is_past);
        edited.changes.extend(past);
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
        totals.restage(super::stages(&plan));
        revision.set_plan(Arc::clone(&plan));
        judge.follow(&plan);
        test.plan = plan;
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
