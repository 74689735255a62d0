//! `kingtide run`: loads the script, runs it, prints and saves what it has shown.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use super::args::{RunArgs, ScriptArgs};
use super::demo::DemoChild;
use super::once::once;
use super::tui::Tui;
use super::{Failure, block_on, git, manifest, progress, signals, terminal, trace, ui};
use crate::clock;
use crate::control::Control;
use crate::plan::Plan;
use crate::report::page::report_html;
use crate::report::{Style, render};
use crate::results::{
    self, ExitCode, Keeper, Reason, RunFolder, Sink, StoreError, Summary, run_name, timestamp, write_json,
};
use crate::run::{self, LoadOptions, Observer, RunOptions, Test};

pub(super) fn command(args: RunArgs) -> Result<u8, Failure> {
    block_on(whole(args))?
}

async fn whole(args: RunArgs) -> Result<u8, Failure> {
    ui::check(args.ui, args.control)?;
    let control = Arc::new(Control::new());
    let specs = args.output.specs(args.summary_json.as_deref())?;
    let revision = git::Question::ask(&args.script.script, keeps_results(&args));
    let (test, demo) = rehearsed(&args, &control).await?;
    let ready = before(&args, &test, Arc::clone(&control)).and_then(|folder| {
        let ready = || {
            let server = ui::start(args.ui, args.control, Arc::clone(&control))?;
            let sink = ui::sink(server.as_ref())?;
            // Late, as files are emptied by it.
            let outputs = args.output.open(&specs, &test.session.script.display().to_string())?;
            let tui = args.ui.tui.then(|| Tui::start(control)).transpose()?;
            Ok((folder.clone(), server, sink, tui, outputs))
        };
        ready().inspect_err(|_: &Failure| folder.iter().for_each(RunFolder::discard))
    });
    let (folder, server, sink, tui, outputs) = match ready {
        Ok(ready) => ready,
        Err(failure) => {
            finish(demo).await;
            return Err(failure);
        }
    };
    let mut manifest = manifest::of(&args, &test, &revision);
    complain(folder.as_ref().map(|folder| folder.write_manifest(&manifest)));
    let options = options(&args);
    let mut observer = observer(args.quiet || args.once, tui.as_ref(), &test.plan);
    let shown = sink.into_iter().chain(tui.as_ref().and_then(Tui::sink));
    let (keeper, unkept) = keeper(folder.as_ref());
    let sinks = keeper.into_iter().chain(shown).chain(outputs).collect();
    let outcome = run::run(test, &options, &mut *observer, sinks).await;
    drop(observer);
    drop(tui);
    finish(demo).await;

    let mut summary = outcome.summary;
    not_kept(&mut summary, unkept);
    manifest.git = revision.answer();
    manifest.started_at = timestamp(outcome.started);
    manifest.ended_at = Some(timestamp(clock::wall()));
    let own_text = custom(&outcome.files, &mut summary);
    terminal::out(&own_text.unwrap_or_else(|| text(&summary).into_bytes()));
    let mut unsaved = false;
    if let Some(folder) = &folder {
        unsaved |= complain(Some(folder.write_summary(&summary)));
        unsaved |= complain(Some(folder.write_manifest(&manifest)));
        unsaved |= complain(Some(write_report(folder)));
        if !args.quiet {
            terminal::note(&format!("results in {}", folder.path().display()));
        }
    }
    args.output.github.run(&summary);
    let code = keep(&summary, args.summary_json.as_deref(), unsaved);
    ui::close(server).await;
    Ok(code)
}

/// The report is made of what is on disk, as it would be at any later time.
fn write_report(folder: &RunFolder) -> Result<(), StoreError> {
    let run = results::open(folder.path())?;
    folder.write_report(&report_html(&run))?;
    Ok(())
}

/// Who keeps the seconds of the run; or why nobody does, which is told already.
fn keeper(folder: Option<&RunFolder>) -> (Option<Box<dyn Sink>>, Option<StoreError>) {
    match folder.map(|folder| Keeper::new(folder.path())) {
        Some(Ok(keeper)) => (Some(Box::new(keeper)), None),
        Some(Err(error)) => {
            terminal::error(&error.to_string());
            (None, Some(error))
        }
        None => (None, None),
    }
}

/// A run that would have passed has not when some of its seconds are not on disk; the summary says so as it says all else.
fn not_kept(summary: &mut Summary, unkept: Option<StoreError>) {
    let lost = summary.outputs.iter().find(|output| output.kind == "results");
    let lost = lost.map(|lost| lost.error.clone().unwrap_or_else(|| "the disk is too slow".to_owned()));
    let Some(why) = unkept.map(|error| error.to_string()).or(lost) else {
        return;
    };
    if summary.exit_code == 0 {
        let code = ExitCode::Internal;
        summary.exit_code = code.number();
        summary.verdict = code.verdict();
        summary.run.reasons.push(Reason {
            exit_code: code.number(),
            message: format!("not all of its seconds were kept: {why}"),
        });
    }
}

/// Writes the summary where it is wanted, and gives the exit code. A run whose numbers could not be kept has not passed,
/// whatever it measured.
pub(super) fn keep(summary: &Summary, file: Option<&Path>, unsaved: bool) -> u8 {
    let unsaved = complain(file.map(|file| write_json(file, summary))) || unsaved;
    if unsaved && summary.exit_code == 0 {
        ExitCode::Internal.number()
    } else {
        summary.exit_code
    }
}

/// As [`prepare`], with the plan of `--once` and the trace of `--trace-http`.
async fn rehearsed(args: &RunArgs, control: &Arc<Control>) -> Result<(Test, Option<DemoChild>), Failure> {
    if args.trace_http && !args.once {
        let text = "--trace-http writes every step, which would be unreadable under load and slow it down; add --once";
        return Err(Failure::new(ExitCode::Usage, anyhow!(text)));
    }
    let (mut test, demo) = prepare(&args.script, args.watch, Arc::clone(control)).await?;
    if args.once {
        test.set_plan(once(&test.plan));
    }
    if args.trace_http {
        let _ = test.session.trace.set(trace::to_stderr());
    }
    Ok((test, demo))
}

fn options(args: &RunArgs) -> RunOptions {
    let threads = args.threads.unwrap_or_else(run::default_threads);
    RunOptions {
        threads: if args.once { 1 } else { threads },
        allow_suspect: args.allow_suspect || args.once,
    }
}

/// Who shows how the run goes.
pub(super) fn observer(is_quiet: bool, tui: Option<&Tui>, plan: &Plan) -> Box<dyn Observer> {
    if let Some(observer) = tui.and_then(Tui::observer) {
        return observer;
    }
    match (is_quiet, terminal::is_interactive()) {
        (true, _) => Box::new(progress::Quiet::default()),
        (false, true) => Box::new(progress::Live::new(plan)),
        (false, false) => Box::new(progress::Plain::default()),
    }
}

/// Starts the demo if it is wanted, then loads and validates the script, whose changes are followed if `watch` is set.
pub(super) async fn prepare(
    args: &ScriptArgs,
    watch: bool,
    control: Arc<Control>,
) -> Result<(Test, Option<DemoChild>), Failure> {
    if !args.script.exists() {
        let text = format!("error: there is no file `{}`", args.script.display());
        return Err(Failure::new(ExitCode::Invalid, anyhow!(text)));
    }
    let seed = args.seed.unwrap_or_else(new_seed);
    let demo = if args.demo {
        Some(
            DemoChild::start(seed)
                .await
                .map_err(|error| Failure::new(ExitCode::Internal, error))?,
        )
    } else {
        None
    };
    let mut vars: BTreeMap<String, String> = demo.iter().flat_map(|demo| demo.variables.iter().cloned()).collect();
    vars.extend(args.env.iter().cloned());
    let options = LoadOptions {
        script: args.script.clone(),
        vars,
        seed,
        overrides: args.overrides(),
        watch,
    };
    match run::load(options, control).await {
        Ok(test) => Ok((test, demo)),
        Err(error) => {
            finish(demo).await;
            Err(Failure::new(ExitCode::Invalid, error))
        }
    }
}

/// Six digits are easy to repeat by hand.
pub(super) fn new_seed() -> u64 {
    let nanos = clock::wall()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| since.as_nanos());
    u64::try_from(nanos / 1_000 % 1_000_000).unwrap_or(1)
}

/// One iteration is no measurement to keep.
fn keeps_results(args: &RunArgs) -> bool {
    !args.no_results && !args.once
}

/// What must work before the load starts: signals, and a place for the results.
fn before(args: &RunArgs, test: &Test, control: Arc<Control>) -> Result<Option<RunFolder>, Failure> {
    signals::listen(control).map_err(|error| Failure::new(ExitCode::Internal, error))?;
    check_summary_file(args.summary_json.as_deref())?;
    let now = clock::wall();
    if !keeps_results(args) {
        let name = run_name(&test.session.script, now);
        test.session.connections.name_run(&name);
        return Ok(None);
    }
    let folder = RunFolder::create(&args.results, &test.session.script, now);
    if let Ok(folder) = &folder {
        test.session.connections.name_run(&folder.name());
    }
    folder.map(Some).map_err(|error| {
        let hint = "choose another folder by --results DIR, or none by --no-results";
        Failure::new(ExitCode::Invalid, anyhow!("{error}; {hint}"))
    })
}

/// That `--summary-json` can be written at the end.
pub(super) fn check_summary_file(file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let invalid = |text: String| Err(Failure::new(ExitCode::Invalid, anyhow!(text)));
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return invalid(format!("--summary-json: there is no folder `{}`", parent.display()));
    }
    if file.is_dir() {
        return invalid(format!("--summary-json: `{}` is a folder; name a file", file.display()));
    }
    Ok(())
}

/// Ends the demo, if there is one.
pub(super) async fn finish(demo: Option<DemoChild>) {
    if let Some(demo) = demo {
        demo.stop().await;
    }
}

/// Tells what could not be saved; true when something could not.
fn complain<T>(saved: Option<Result<T, StoreError>>) -> bool {
    if let Some(Err(error)) = saved {
        terminal::error(&error.to_string());
        return true;
    }
    false
}

/// The summary as people read it.
pub(super) fn text(summary: &Summary) -> String {
    render(summary, style())
}

/// How text for stdout is to look.
pub(super) fn style() -> Style {
    Style {
        unicode: terminal::unicode(),
        colour: terminal::colour(),
        width: terminal::width(),
    }
}

/// Writes the files that the script's `summary` asked for, and gives the text that it wants to be printed.
fn custom(files: &BTreeMap<String, Vec<u8>>, summary: &mut Summary) -> Option<Vec<u8>> {
    for (name, content) in files.iter().filter(|(name, _)| *name != "stdout") {
        if let Err(error) = write_custom(name, content) {
            let text = format!("{error:#}");
            // Where the script has a text of its own, the warning is in none that is printed.
            terminal::error(&text);
            summary.warnings.push(text);
        }
    }
    files.get("stdout").cloned()
}

/// Writes a file that the script's `summary` asked for: below the current folder only.
fn write_custom(name: &str, content: &[u8]) -> anyhow::Result<()> {
    let path = Path::new(name);
    if path
        .components()
        .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Err(anyhow!("summary: `{name}` must be a path below the current folder"));
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("summary: cannot create `{}`", parent.display()))?;
    }
    std::fs::write(path, content).with_context(|| format!("summary: cannot write `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn summary(exit_code: u8, outputs: &Value) -> Summary {
        let summary = json!({ "schema": "kingtide.summary/1", "verdict": "pass", "exit_code": exit_code,
            "run": { "script": "j.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z", "duration_ms": 1_000 },
            "scenarios": {}, "metrics": {}, "checks": [], "thresholds": [], "outputs": outputs,
            "generator": { "verdict": "valid", "cpu_percent": 0.0, "reasons": [] } });
        serde_json::from_value(summary).unwrap()
    }

    #[test]
    fn a_run_whose_seconds_are_lost_has_not_passed() {
        let lost = |kind: &str| json!([{ "kind": kind, "target": "a", "written": 5, "dropped": 2, "error": "full" }]);
        // exit code, outputs, exit code then
        let table = [
            (0, json!([]), 0),
            (0, lost("csv"), 0),
            (0, lost("results"), 109),
            (99, lost("results"), 99),
        ];
        for (before, outputs, after) in table {
            let mut summary = summary(before, &outputs);
            not_kept(&mut summary, None);
            assert_eq!(summary.exit_code, after, "{outputs}");
            let reasons: Vec<_> = summary.run.reasons.iter().map(|reason| &*reason.message).collect();
            let expected = ["not all of its seconds were kept: full"];
            assert_eq!(reasons, expected[usize::from(after != 109)..]);
        }
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(&folder.path().join("gone"));
        let mut summary = summary(0, &json!([]));
        not_kept(&mut summary, keeper.err());
        assert_eq!(summary.exit_code, 109);
    }
}
