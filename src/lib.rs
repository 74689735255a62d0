//! kingtide: a load engine that runs user journeys written in Lua. Not a general HTTP client and not a Lua framework.
//!
//! Reading order, from the bottom up:
//!
//! 1. [`clock`]: the only place that reads time and sleeps.
//! 2. [`schedule`], [`net`], [`metrics`]: pure arrival times; protocol clients; samples, snapshots and thresholds.
//! 3. [`plan`], [`vu`], [`samples`], [`control`], [`results`], [`failures`]: what the user asked for; the line between
//!    executors and scripts; what an exchange leaves in the metrics; commands into a run; what it leaves on disk; which
//!    failed requests are kept.
//! 4. [`exec`], [`script`], [`api`], [`output`], [`report`], [`live`]: who runs when; the Lua host; its modules; seconds in
//!    others' formats; results as text; live control.
//! 5. [`run`], [`demo`]: one test run, wired; the built-in systems under test.
//! 6. [`campaign`]: several runs with one question.
//! 7. [`cli`]: the only code that prints or exits.
//!
//! ```text
//! plan ─► exec ──Iteration──► Vu (script + api) ──► net
//!           │                    │ samples
//!           └────────────────► metrics ──Snapshot──► threshold · report ──► cli
//! ```

pub mod api;
pub mod campaign;
pub mod cli;
pub mod clock;
pub mod control;
pub mod demo;
pub mod direct;
pub mod exec;
pub mod failures;
pub mod live;
pub mod metrics;
pub mod net;
pub mod output;
pub mod plan;
pub mod report;
pub mod results;
pub mod run;
pub mod samples;
pub mod schedule;
pub mod script;
pub mod vu;
