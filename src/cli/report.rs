//! `kingtide report` and `kingtide history`: what past runs have left in their folders. Nothing is measured here.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::run::{style, text};
use super::{Failure, terminal};
use crate::report;
use crate::results::{self, ExitCode, Hlog, Run};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The folder of a run, its name in the results folder, or `last`.
    #[arg(default_value = "last")]
    run: PathBuf,
    /// As the run printed it. This is the default.
    #[arg(long, group = "format")]
    text: bool,
    /// One page with charts that needs nothing else, as `report.html` in the run's folder.
    #[arg(long, group = "format")]
    html: bool,
    /// The summary as JSON.
    #[arg(long, group = "format")]
    json: bool,
    /// Markdown for pull requests: verdict, thresholds and tables.
    #[arg(long, group = "format")]
    markdown: bool,
    /// JUnit's XML for CI servers: a case for each threshold, invariant and check, and for the generator.
    #[arg(long, group = "format")]
    junit: bool,
    /// HdrHistogram's interval log of all durations, second by second.
    #[arg(long, group = "format")]
    hlog: bool,
    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Folder in which each run has a folder of its own.
    #[arg(long, value_name = "DIR", default_value = "results", env = "KINGTIDE_RESULTS")]
    results: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// At most so many runs, the newest first.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Folder in which each run has a folder of its own.
    #[arg(long, value_name = "DIR", default_value = "results", env = "KINGTIDE_RESULTS")]
    results: PathBuf,
}

/// The exit code says whether the report could be made, and nothing about the run.
pub(super) fn report(args: &ReportArgs) -> Result<u8, Failure> {
    let invalid = |error| Failure::new(ExitCode::Invalid, anyhow::Error::new(error));
    let folder = results::find(&args.results, &args.run).map_err(invalid)?;
    let run = results::open(&folder).map_err(invalid)?;
    let text = rendered(args, &run).map_err(|error| Failure::new(ExitCode::Invalid, error))?;
    match &args.output {
        None => terminal::out(&text),
        Some(file) => write(file, &text).map_err(|error| Failure::new(ExitCode::Invalid, error))?,
    }
    Ok(0)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn rendered(args: &ReportArgs, run: &Run) -> anyhow::Result<String> {
    let folder = run.folder.display();
    if args.hlog {
        let missing = || match &run.unread {
            Some(why) => anyhow!("{why}"),
            None => anyhow!("{folder} has no intervals: the load never began"),
        };
        let header = run.header.as_ref().ok_or_else(missing)?;
        let mut log = Hlog::new(Vec::new(), header)?;
        for interval in &run.intervals {
            log.interval(interval)?;
        }
        return Ok(String::from_utf8(log.into_inner())?);
    }
    let summary = run.summary.as_ref();
    let summary =
        summary.ok_or_else(|| anyhow!("{folder} has neither a summary nor intervals: the load never began"))?;
    Ok(if args.html {
        if let Some(why) = &run.unread {
            terminal::note(&format!("report: {why}; the page has no charts"));
        }
        report::page::report_html(run)
    } else if args.json {
        serde_json::to_string_pretty(summary)? + "\n"
    } else if args.markdown {
        report::markdown(summary)
    } else if args.junit {
        report::junit(summary)?
    } else if args.output.is_some() {
        let plain = report::Style {
            unicode: true,
            colour: false,
            width: 100,
        };
        report::render(summary, plain)
    } else {
        text(summary)
    })
}

pub(super) fn history(args: &HistoryArgs) -> Result<u8, Failure> {
    let mut runs = results::history(&args.results).map_err(|error| Failure::new(ExitCode::Invalid, error))?;
    runs.truncate(args.limit as usize);
    if args.json {
        let text = serde_json::to_string_pretty(&runs).map_err(|error| Failure::new(ExitCode::Internal, error))?;
        terminal::out(&(text + "\n"));
    } else if runs.is_empty() {
        terminal::note(&format!("there are no runs in {}", args.results.display()));
    } else {
        terminal::out(&report::history(&runs, style()));
    }
    Ok(0)
}
