//! What can be written on the command line; help, completions and the man page follow from it. What it means is next door.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;
use url::Url;

use super::capacity::CapacityArgs;
use super::demo::DemoArgs;
use super::outputs::OutputArgs;
use super::quick::QuickArgs;
use super::report::{HistoryArgs, ReportArgs};
use super::ui::{UiArgs, listen_addr};
use crate::clock;
use crate::metrics::own_tag;
use crate::net::{base_url, http_url};
use crate::plan::duration;
use crate::plan::overrides::Overrides;
use crate::schedule::Stage;

/// A load engine: user journeys in Lua, a Rust core, and a verdict on the system and on the generator itself.
#[derive(Debug, Parser)]
#[command(name = "kingtide", version, about, max_term_width = 100)]
pub(super) struct Cli {
    /// Show debug lines of journeys and of kingtide.
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Cli {
    /// Reads a command line, whose first word is the program.
    ///
    /// # Errors
    /// What is wrong with it, or the text that was asked for in place of a command.
    pub(super) fn read(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(words)?;
        // By hand: to clap what the environment says conflicts as well, and it names an option that nobody has typed.
        if let Some((name @ ("run" | "capacity"), given)) = matches.subcommand()
            && given.get_flag("no_results")
            && given.value_source("results") == Some(ValueSource::CommandLine)
            && let Some(command) = command.find_subcommand_mut(name)
        {
            let text = "the argument '--results <DIR>' cannot be used with '--no-results'";
            return Err(command.error(ErrorKind::ArgumentConflict, text));
        }
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a script's scenarios and judge the outcome.
    Run(RunArgs),
    /// Load one URL, without a script.
    Quick(QuickArgs),
    /// Find the highest load that the system holds.
    Capacity(CapacityArgs),
    /// Show what a run has left in its folder, also of one that was killed.
    Report(ReportArgs),
    /// List past runs, newest first.
    History(HistoryArgs),
    /// Load and validate a script without any load, and show its plan.
    Check(CheckArgs),
    /// Open a prompt with kt loaded, as one virtual user.
    Repl(ReplArgs),
    /// Run a project's own tests, the files *.test.lua.
    Test(TestArgs),
    /// Write a project: a sample journey with data and a test, settings for editors, a CI workflow.
    Init(InitArgs),
    /// Start the built-in systems to try journeys on: a shop, an orchestrator of events and a challenge system.
    Demo(DemoArgs),
    /// Look at a run that was started with --control, or change it.
    Ctl(CtlArgs),
    /// Write deterministic sample data.
    Data(DataArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page (roff).
    Man,
}

/// What `run` and `check` have in common: the script and what changes its plan.
#[derive(Debug, Args)]
pub(super) struct ScriptArgs {
    /// The Lua file with the plan.
    pub(super) script: PathBuf,
    /// Number of virtual users, for every selected scenario that has it.
    #[arg(short = 'u', long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(super) vus: Option<u64>,
    /// Duration of the load, as 30s or 1m30s.
    #[arg(short, long, value_name = "D", value_parser = duration::parse, allow_negative_numbers = true)]
    pub(super) duration: Option<Duration>,
    /// Number of iterations.
    #[arg(short, long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(super) iterations: Option<u64>,
    /// Iterations started per time unit.
    #[arg(short, long, value_name = "N", value_parser = rate, allow_negative_numbers = true)]
    pub(super) rate: Option<f64>,
    /// A stage of a ramp, as 30s:100 (duration:target); may be given several times.
    #[arg(long = "stage", value_name = "D:TARGET", value_parser = stage)]
    pub(super) stages: Vec<Stage<f64>>,
    /// Compress all schedules: 0.1 is ten times as fast. Rates, sleeps and timeouts stay as they are.
    #[arg(long, value_name = "F", value_parser = time_scale)]
    pub(super) time_scale: Option<f64>,
    /// Run only this scenario; may be given several times.
    #[arg(short, long = "scenario", value_name = "NAME")]
    pub(super) scenarios: Vec<String>,
    /// Set a variable that the script reads by kt.env.
    #[arg(short, long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) env: Vec<(String, String)>,
    /// Tag all samples.
    #[arg(short, long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    pub(super) tags: Vec<(String, String)>,
    /// Send trace ids (W3C traceparent) with all requests and have this share of them, 0 to 1, kept by who looks at traces.
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub(super) trace_sampling: Option<f64>,
    /// Seed of everything random; the same seed gives the same journeys. Default: a new one, told in the summary.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MAX_SEED))]
    pub(super) seed: Option<u64>,
    /// Start the built-in systems on free ports of this machine, for as long as the run lasts, and set BASE_URL to them.
    #[arg(long)]
    pub(super) demo: bool,
}

/// A double, which every reader of JSON uses, holds integers up to this.
pub(super) const MAX_SEED: u64 = 1 << 53;

impl ScriptArgs {
    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            vus: self.vus,
            duration: self.duration,
            iterations: self.iterations,
            rate: self.rate,
            stages: self.stages.clone(),
            time_scale: self.time_scale,
            scenarios: self.scenarios.clone(),
            tags: self.tags.iter().cloned().collect(),
            trace_sampling: self.trace_sampling,
            ..Overrides::default()
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) script: ScriptArgs,
    /// Write the summary as JSON to this file.
    #[arg(long, value_name = "FILE")]
    pub(super) summary_json: Option<PathBuf>,
    /// Folder in which each run gets a folder of its own.
    #[arg(long, value_name = "DIR", default_value = "results", env = "KINGTIDE_RESULTS")]
    pub(super) results: PathBuf,
    /// Leave nothing on disk.
    #[arg(long)]
    pub(super) no_results: bool,
    /// Threads that run virtual users. Default: all cores but one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) threads: Option<u32>,
    /// Run one iteration of each scenario, with setup and teardown and without thresholds. Leaves no results.
    #[arg(long)]
    pub(super) once: bool,
    /// With --once: show each request, answer, check and pause as it happens, on stderr. Credentials are left out.
    #[arg(long)]
    pub(super) trace_http: bool,
    /// Do not let a suspect or invalid generator change the exit code.
    #[arg(long)]
    pub(super) allow_suspect: bool,
    /// Listen for commands into the run (status, pause, rates, stop); port 0 takes a free one. `kingtide ctl` sends them.
    #[arg(long, value_name = "ADDR:PORT", value_parser = listen_addr)]
    pub(super) control: Option<SocketAddr>,
    #[command(flatten)]
    pub(super) ui: UiArgs,
    /// Follow the script: what is saved runs from each virtual user's next iteration on.
    #[arg(short, long)]
    pub(super) watch: bool,
    /// Show no progress, only the summary.
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) script: ScriptArgs,
    /// Also run one iteration of each scenario, with setup and teardown.
    #[arg(long)]
    pub(super) once: bool,
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Test files, and folders in which they are looked for.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Only tests whose names hold this text.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) filter: String,
    /// Set a variable that tests read by kt.env. BASE_URL is also what relative URLs are resolved against.
    #[arg(short, long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) env: Vec<(String, String)>,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=MAX_SEED))]
    pub(super) seed: u64,
    /// Start the built-in systems on free ports of this machine, and set BASE_URL to them.
    #[arg(long)]
    pub(super) demo: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReplArgs {
    /// A script whose globals and HTTP options are at hand, and its plan as `plan`.
    pub(super) script: Option<PathBuf>,
    /// What relative URLs are resolved against, and BASE_URL.
    #[arg(long, value_name = "URL", value_parser = base_url)]
    pub(super) base_url: Option<Url>,
    /// Set a variable that kt.env reads.
    #[arg(short, long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) env: Vec<(String, String)>,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=MAX_SEED))]
    pub(super) seed: u64,
    /// Start the built-in systems on free ports of this machine, and set BASE_URL to them.
    #[arg(long)]
    pub(super) demo: bool,
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Folder of the project; it may hold other files.
    #[arg(default_value = ".")]
    pub(super) dir: PathBuf,
    /// Overwrite the files that a project begins with, and no others.
    #[arg(long)]
    pub(super) force: bool,
    /// Only write .kingtide/ anew, for editors, after kingtide has been upgraded.
    #[arg(long, conflicts_with = "force")]
    pub(super) stubs: bool,
}

#[derive(Debug, Args)]
pub(super) struct CtlArgs {
    /// Where the run listens, as it printed it.
    // Needed, as the token is; but what may stand behind a command too cannot be `required`.
    #[arg(long, value_name = "URL", env = "KINGTIDE_CONTROL", global = true, value_parser = http_url)]
    pub(super) at: Option<Url>,
    /// The run's token, as it printed it.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "KINGTIDE_TOKEN",
        hide_env_values = true,
        global = true
    )]
    pub(super) token: Option<String>,
    /// Print the answer as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: CtlCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum CtlCommand {
    /// Where the run stands.
    Status,
    /// Let all schedules stand still.
    Pause,
    /// Let them go on from where they stood.
    Resume,
    /// Set the rate of a scenario, in iterations for each of its time units.
    Rate {
        /// The scenario.
        scenario: String,
        /// The rate.
        #[arg(allow_negative_numbers = true, value_parser = finite)]
        rate: f64,
    },
    /// Set the number of virtual users of a scenario.
    Vus {
        /// The scenario.
        scenario: String,
        /// How many.
        vus: u64,
    },
    /// End the run gracefully, with exit code 103.
    Stop,
}

#[derive(Debug, Args)]
pub(super) struct DataArgs {
    #[command(subcommand)]
    pub(super) set: DataSet,
}

#[derive(Debug, Subcommand)]
pub(super) enum DataSet {
    /// 100 customers and 100 products of the shop, with the ids that the demo knows.
    Shop {
        /// Folder to write to.
        #[arg(long, value_name = "DIR", default_value = "data")]
        out: PathBuf,
    },
    /// Users of the challenge system, its challenges, and a token for each user.
    Challenge {
        /// Folder to write to.
        #[arg(long, value_name = "DIR", default_value = "data")]
        out: PathBuf,
        /// How many users.
        #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        users: u32,
        /// When tokens begin: a time such as 2026-01-01T00:00:00Z, or now, which makes other bytes each time.
        #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z", value_parser = moment)]
        issued_at: i64,
        /// How long tokens live; ten years unless told otherwise.
        #[arg(long, value_name = "D", default_value = "87600h", value_parser = duration::parse)]
        lifetime: Duration,
    },
    /// Events for the orchestrator, a line of JSON each, with unique correlation ids.
    Events {
        /// How many.
        #[arg(value_name = "N", value_parser = count)]
        count: u64,
        /// File to write to; it appears whole or not at all. - is stdout.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Seed of everything random; the same seed gives the same bytes.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

pub(super) fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    own_tag(&name).map_or(Ok((name, value)), Err)
}

/// Seconds since 1970.
fn moment(text: &str) -> Result<i64, String> {
    if text == "now" {
        let since = clock::wall().duration_since(UNIX_EPOCH);
        return Ok(since.map_or(0, |since| since.as_secs() as i64));
    }
    let parsed = text.parse::<jiff::Timestamp>();
    parsed
        .map(jiff::Timestamp::as_second)
        .map_err(|error| format!("{error}; write it as 2026-01-01T00:00:00Z, or now"))
}

/// A share, from none to all.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write it as a share from 0 to 1, for example 0.01".to_owned())
}

pub(super) fn count(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("it is a whole number of at least 1".to_owned()),
    }
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("a rate is a number above zero".to_owned()),
    }
}

/// What JSON can say; the run knows which of them it takes.
fn finite(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "a rate is a number above zero".to_owned())
}

fn stage(text: &str) -> Result<Stage<f64>, String> {
    const FORM: &str = "write it as DURATION:TARGET, for example 30s:100";
    let (time, target) = text.rsplit_once(':').ok_or(FORM)?;
    match target.parse::<f64>() {
        Ok(target) if target.is_finite() && target >= 0.0 => Ok(Stage {
            duration: duration::parse(time).map_err(|error| error.to_string())?,
            target,
            name: None,
        }),
        _ => Err(format!("{FORM}; a target is a number of at least zero")),
    }
}

fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1e-6..=1e6).contains(&factor) => Ok(factor),
        _ => Err("a factor is a number above zero, for example 0.1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_for_results_and_none_contradict_each_other() {
        // Who takes it from the environment is in `tests/e2e`.
        for command in ["run", "capacity"] {
            let words = |more: &[&'static str]| {
                let load = if command == "run" { "--quiet" } else { "--levels=api=1" };
                [&["kingtide", command, "j.lua", load, "--no-results"][..], more].concat()
            };
            assert!(Cli::read(words(&[])).is_ok(), "{command}");
            let error = Cli::read(words(&["--results", "results"])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
            let text = error.to_string();
            assert!(
                text.contains("'--results <DIR>' cannot be used with '--no-results'")
                    && text.contains(&format!("Usage: kingtide {command}")),
                "{text}"
            );
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_port_alone_is_an_address_of_this_machine() {
        // options, where control and page listen
        let table = [
            (["--control", "1234"], Some("127.0.0.1:1234")),
            (["--control", "localhost:0"], Some("127.0.0.1:0")),
            (["--control", "[::1]:9"], Some("[::1]:9")),
            (["--control", "here"], None),
        ];
        for (more, wanted) in table {
            let read = Cli::try_parse_from([&["kingtide", "run", "j.lua"][..], &more].concat());
            match (read.map(|cli| cli.command), wanted) {
                (Ok(Command::Run(args)), Some(wanted)) => {
                    assert_eq!(
                        args.control.map(|addr| addr.to_string()).as_deref(),
                        Some(wanted),
                        "{more:?}"
                    );
                }
                (Err(error), None) => assert!(error.to_string().contains("write it as 127.0.0.1:5665"), "{error}"),
                (got, _) => panic!("{more:?}: {got:?}"),
            }
        }
        for ui in ["--ui", "--ui=0", "--ui=localhost:0"] {
            assert!(
                Cli::try_parse_from(["kingtide", "quick", "http://h/", ui]).is_ok(),
                "{ui}"
            );
        }
    }

    #[test]
    fn a_rate_that_json_cannot_say_is_not_sent() {
        for (text, is_sent) in [
            ("2.5", true),
            ("-5", true),
            ("nan", false),
            ("inf", false),
            ("x", false),
        ] {
            let read = Cli::read(["kingtide", "ctl", "rate", "a", text]);
            assert_eq!(read.is_ok(), is_sent, "{text}");
        }
    }

    #[test]
    fn stages_are_written_as_in_k6() {
        let table = [
            ("30s:100", Some((30_000, 100.0))),
            ("1m30s:2.5", Some((90_000, 2.5))),
            ("0s:7", Some((0, 7.0))),
            ("30s", None),
            (":5", None),
            ("30s:", None),
            ("30s:-1", None),
            ("30s:inf", None),
        ];
        for (text, expected) in table {
            let got = stage(text).ok().map(|stage| (stage.duration.as_millis(), stage.target));
            assert_eq!(got, expected, "{text}");
        }
    }
}
