//! `kingtide capacity`: the highest load that a system holds. How it is searched is the campaign's.

mod args;

use std::collections::BTreeMap;

use anyhow::anyhow;

pub(super) use self::args::CapacityArgs;

use super::demo::DemoChild;
use super::run::{check_summary_file, finish, new_seed, style};
use super::{Failure, block_on, signals, terminal};
use crate::campaign::{
    self, Cell, Engine, Halt, Journal, Refused, Search, Strategy, Switch, Times, Witness, conduct, levels, range,
};
use crate::clock;
use crate::plan::overrides::Overrides;
use crate::report::capacity as text;
use crate::results::{Asked, Axis, Capacity, ExitCode, FileHash, Probe, StoreError, millis, timestamp, write_json};
use crate::run::{self, LoadOptions, RunOptions};

pub(super) fn command(args: CapacityArgs) -> Result<u8, Failure> {
    let strategy = strategy(&args).map_err(|error| Failure::new(ExitCode::Usage, error))?;
    check_summary_file(args.summary_json.as_deref())?;
    if !args.script.exists() {
        let text = format!("error: there is no file `{}`", args.script.display());
        return Err(Failure::new(ExitCode::Invalid, anyhow!(text)));
    }
    block_on(whole(args, strategy))?
}

async fn whole(mut args: CapacityArgs, strategy: Strategy) -> Result<u8, Failure> {
    let asked = asked(&args, &strategy);
    let script = args.script.display().to_string();
    let resumed = match args.resume {
        true => Some(Journal::resume(&args.results, &script, &asked, args.seed).map_err(refused)?),
        false => None,
    };
    if let Some((_, document)) = &resumed {
        // As it was written then: files are compared with their names.
        args.script = document.script.clone().into();
    }
    let known = resumed.as_ref().map(|(_, document)| document.seed);
    let seed = known.or(args.seed).unwrap_or_else(new_seed);
    let demo = match args.demo {
        true => Some(DemoChild::start(seed).await.map_err(internal)?),
        false => None,
    };
    let searched = search(&args, strategy, asked, seed, demo.as_ref(), resumed).await;
    finish(demo).await;
    searched
}

/// Everything between the start of the demo and its end.
async fn search(
    args: &CapacityArgs,
    mut strategy: Strategy,
    mut asked: Asked,
    seed: u64,
    demo: Option<&DemoChild>,
    resumed: Option<(Journal, Capacity)>,
) -> Result<u8, Failure> {
    let switch = std::sync::Arc::new(Switch::default());
    let switches = std::sync::Arc::clone(&switch);
    signals::listen_to(move || switches.current()).map_err(internal)?;
    let load = load_options(args, seed, demo);
    let times = times(args);
    let checked = campaign::check(&load, times, &extremes(&strategy), switch.current()).await;
    let (test, told, whole) = checked.map_err(|error| Failure::new(ExitCode::Invalid, error))?;
    let revision = test.session.revision();
    asked.script_hash = revision.hash();
    asked.env_hash = env_hash(args, &asked.script_hash);
    drop(test);
    if let Strategy::Search(range) = &mut strategy {
        range.whole = whole;
    }
    for note in told {
        terminal::note(&format!("capacity: {note}"));
    }
    let (mut search, journal) = begin(args, strategy, asked, seed, resumed)?;
    let mut engine = Engine {
        load,
        times,
        options: RunOptions {
            threads: args.threads.unwrap_or_else(run::default_threads),
            allow_suspect: args.allow_suspect,
        },
        script_hash: search.document().asked.script_hash.clone(),
        switch: &switch,
        broke: search.document().probes.last().is_some_and(|probe| !probe.held),
        keep: Box::new(|number, summary| match &journal {
            Some(journal) => journal.write_summary(number, summary).map(Some).map_err(unkept),
            None => Ok(None),
        }),
    };
    let mut notes = Notes {
        journal: journal.as_ref(),
        quiet: args.quiet,
        times,
    };
    let ended = conduct(&mut search, &mut engine, &mut notes).await;
    Ok(told_and_kept(args, &search, journal.as_ref(), ended))
}

/// A new search, or the one that was written down.
fn begin(
    args: &CapacityArgs,
    strategy: Strategy,
    asked: Asked,
    seed: u64,
    resumed: Option<(Journal, Capacity)>,
) -> Result<(Search, Option<Journal>), Failure> {
    if let Some((journal, document)) = resumed {
        journal.same(&document, &asked).map_err(refused)?;
        let search = Search::resume(strategy, document).map_err(|error| {
            let folder = journal.folder().display();
            Failure::new(
                ExitCode::Invalid,
                anyhow!("--resume: {error} in {folder}; begin a new one"),
            )
        })?;
        terminal::note(&format!(
            "capacity: goes on after probe {}, in {}",
            search.document().probes.len(),
            journal.folder().display()
        ));
        return Ok((search, Some(journal)));
    }
    let now = clock::wall();
    let search = Search::new(strategy, asked, args.script.display().to_string(), seed, timestamp(now));
    if args.no_results {
        return Ok((search, None));
    }
    let journal = Journal::create(&args.results, &args.script, now);
    let journal = journal.map_err(|error| {
        let hint = "choose another folder by --results DIR, or none by --no-results";
        Failure::new(ExitCode::Invalid, anyhow!("{error}; {hint}"))
    })?;
    journal.write(search.document()).map_err(internal)?;
    Ok((search, Some(journal)))
}

/// Prints and writes what was found, and gives the exit code.
fn told_and_kept(args: &CapacityArgs, search: &Search, journal: Option<&Journal>, ended: Result<(), Halt>) -> u8 {
    let document = search.document();
    if args.json {
        let json = serde_json::to_string_pretty(document).unwrap_or_default();
        terminal::out(&format!("{json}\n"));
    } else {
        terminal::out(&text::render(document, style()));
    }
    args.github.capacity(document);
    let code = match &ended {
        Ok(()) => document.exit_code.unwrap_or_else(|| ExitCode::Internal.number()),
        Err(Halt::Stopped) => ExitCode::Signal.number(),
        Err(Halt::Failed { code, .. }) => code.number(),
    };
    if let Err(halt) = &ended {
        terminal::error(&halt.to_string());
        let count = document.probes.len();
        let hint = match journal {
            Some(_) => format!("probes that are kept: {count}; the same command with --resume goes on after them"),
            None => format!("probes that were made and, with --no-results, not kept: {count}"),
        };
        terminal::note(&format!("capacity: {hint}"));
    }
    if let Some(journal) = journal.filter(|_| !args.quiet) {
        terminal::note(&format!("results in {}", journal.folder().display()));
    }
    let written = args.summary_json.as_deref().map(|file| write_json(file, document));
    if let Some(Err(error)) = written {
        terminal::error(&error.to_string());
        return if code == 0 { ExitCode::Internal.number() } else { code };
    }
    code
}

/// What is searched.
fn strategy(args: &CapacityArgs) -> Result<Strategy, campaign::SpecError> {
    if let Some(search) = &args.search {
        return Ok(Strategy::Search(range(
            search,
            args.tolerance.unwrap_or(DEFAULT_TOLERANCE),
        )?));
    }
    let axes = levels(&args.levels.join(" "), args.grid)?;
    Ok(if args.grid {
        Strategy::Grid(axes)
    } else {
        Strategy::Levels(axes)
    })
}

/// Close enough to plan with, and about as close as probes of some seconds repeat.
const DEFAULT_TOLERANCE: f64 = 0.05;

/// Loads that hold every level of the search at least once.
fn extremes(strategy: &Strategy) -> Vec<Cell> {
    let cell = |axes: &[Axis], at: &dyn Fn(&Axis) -> Option<f64>| -> Cell {
        let levels = axes.iter().filter_map(|axis| {
            let value = at(axis)?;
            Some(crate::plan::probe::Level {
                name: axis.name.clone(),
                value,
            })
        });
        levels.collect()
    };
    let axes = axes(strategy);
    let most = axes.iter().map(|axis| axis.values.len()).max().unwrap_or(0);
    let nth = |index: usize| {
        cell(&axes, &|axis: &Axis| {
            axis.values.get(index).or(axis.values.last()).copied()
        })
    };
    (0..most).map(nth).collect()
}

fn axes(strategy: &Strategy) -> Vec<Axis> {
    match strategy {
        Strategy::Levels(axes) | Strategy::Grid(axes) => axes.clone(),
        Strategy::Search(range) => vec![Axis {
            name: range.name.clone(),
            values: vec![range.low, range.high],
        }],
    }
}

/// What a search that goes on has to ask for too; what the script is, is not known yet.
fn asked(args: &CapacityArgs, strategy: &Strategy) -> Asked {
    let (kind, tolerance) = match strategy {
        Strategy::Levels(_) => ("levels", None),
        Strategy::Grid(_) => ("grid", None),
        Strategy::Search(range) => ("search", Some(range.tolerance)),
    };
    Asked {
        kind: kind.to_owned(),
        levels: axes(strategy),
        tolerance,
        stop: args
            .stop
            .iter()
            .map(|(metric, condition)| format!("{metric}: {condition}"))
            .collect(),
        settle_ms: millis(args.settle),
        measure_ms: millis(args.measure),
        drain_ms: millis(args.drain),
        rest_ms: millis(args.rest),
        confirm: args.confirm,
        allow_suspect: args.allow_suspect,
        scenarios: args.scenarios.clone(),
        tags: args.tags.iter().cloned().collect(),
        demo: args.demo,
        threads: args.threads.unwrap_or_else(run::default_threads),
        script_hash: String::new(),
        env_hash: String::new(),
    }
}

/// Tells whether variables are the same without telling what they are.
fn env_hash(args: &CapacityArgs, script_hash: &str) -> String {
    let all: BTreeMap<&String, &String> = args.env.iter().map(|(name, value)| (name, value)).collect();
    let text = format!("{script_hash}\n{all:?}");
    FileHash::of_content(&args.script, text.as_bytes()).sha256
}

fn load_options(args: &CapacityArgs, seed: u64, demo: Option<&DemoChild>) -> LoadOptions {
    let mut vars: BTreeMap<String, String> = demo.iter().flat_map(|demo| demo.variables.iter().cloned()).collect();
    vars.extend(args.env.iter().cloned());
    LoadOptions {
        script: args.script.clone(),
        vars,
        seed,
        overrides: Overrides {
            scenarios: args.scenarios.clone(),
            tags: args.tags.iter().cloned().collect(),
            thresholds: args.stop.clone(),
            ..Overrides::default()
        },
        watch: false,
    }
}

fn times(args: &CapacityArgs) -> Times {
    Times {
        settle: args.settle,
        measure: args.measure,
        drain: args.drain,
        rest: args.rest,
    }
}

fn refused(error: Refused) -> Failure {
    Failure::new(ExitCode::Invalid, error)
}

fn internal(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(ExitCode::Internal, error)
}

/// What cannot be kept would be lost when the search is resumed.
fn unkept(error: StoreError) -> Halt {
    Halt::Failed {
        code: ExitCode::Internal,
        message: error.to_string(),
    }
}

/// A line on stderr at the start and at the end of each probe, and the file on disk.
struct Notes<'a> {
    journal: Option<&'a Journal>,
    quiet: bool,
    times: Times,
}

impl Witness for Notes<'_> {
    fn begins(&mut self, search: &Search, cell: &Cell, attempt: u32) {
        if self.quiet {
            return;
        }
        let document = search.document();
        let load = match search.course().strategy().most() {
            Some(most) => format!("load {} of at most {most}", search.course().ruled().len() + 1),
            None => format!("probe {}", document.probes.len() + 1),
        };
        let again = if attempt > 1 { ", again to be sure" } else { "" };
        let broke = document.probes.last().is_some_and(|probe| !probe.held);
        let rest = if broke && !self.times.rest.is_zero() {
            format!("{:?} of rest, ", self.times.rest)
        } else {
            String::new()
        };
        let levels = cell.iter().map(|level| (level.name.clone(), level.value)).collect();
        terminal::note(&format!(
            "capacity: {load}: {}{again}: {rest}{:?} to settle, {:?} measured",
            text::named(document, &levels),
            self.times.settle,
            self.times.measure
        ));
    }

    fn ends(&mut self, search: &Search, probe: &Probe) -> Result<(), Halt> {
        if let Some(journal) = self.journal {
            journal.write(search.document()).map_err(unkept)?;
        }
        if !self.quiet {
            terminal::note(&format!("capacity: {}", text::line(search.document(), probe)));
        }
        Ok(())
    }
}
