//! What can be written after `kingtide capacity`. What it means is next door.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use crate::cli::args::{MAX_SEED, pair, tag};
use crate::cli::github::GithubArgs;
use crate::plan::duration;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("load").required(true).args(["levels", "search"])))]
pub(in crate::cli) struct CapacityArgs {
    /// The Lua file with the plan.
    pub(super) script: PathBuf,

    /// Levels to try, as "api=50,100,200 events=100,500,1000": NAME is a scenario, rate (all open scenarios) or vus (all
    /// closed ones). The first levels of all names go together, then the second ones; the first that is not held ends it.
    #[arg(long, value_name = "NAME=N,N,...", help_heading = LOAD)]
    pub(super) levels: Vec<String>,
    /// With --levels: each level with every other. The first-named makes a row, the last-named is outermost, and what is
    /// not held ends its row.
    #[arg(long, requires = "levels", conflicts_with = "search", help_heading = LOAD)]
    pub(super) grid: bool,
    /// A range to search, as "rate=100..20000": doubled from the low end, then bisected, to the highest that is held.
    #[arg(long, value_name = "NAME=LOW..HIGH", help_heading = LOAD)]
    pub(super) search: Option<String>,
    /// With --search: how close to get, as a share of the load. Default: 5%.
    #[arg(long, value_name = "P%", value_parser = percent, requires = "search", conflicts_with = "levels", help_heading = LOAD)]
    pub(super) tolerance: Option<f64>,
    /// Warm-up of each probe, left out of its numbers; whole seconds.
    #[arg(long, value_name = "D", default_value = "5s", value_parser = whole_seconds, help_heading = LOAD)]
    pub(super) settle: Duration,
    /// How long each probe is measured; whole seconds.
    #[arg(long, value_name = "D", default_value = "20s", value_parser = some_seconds, help_heading = LOAD)]
    pub(super) measure: Duration,
    /// How long iterations in flight have after that.
    #[arg(long, value_name = "D", default_value = "5s", value_parser = duration::parse, help_heading = LOAD)]
    pub(super) drain: Duration,
    /// How long the system is left alone after a load that it did not hold, to work off what is left of it.
    #[arg(long, value_name = "D", default_value = "5s", value_parser = duration::parse, help_heading = LOAD)]
    pub(super) rest: Duration,

    /// What a load has to meet besides the script's own thresholds, as 'http_req_failed: rate<0.01'; may be given several
    /// times.
    #[arg(long = "stop", value_name = "METRIC: CONDITION", value_parser = stop, help_heading = RULES)]
    pub(super) stop: Vec<(String, String)>,
    /// How often a load that broke is probed again before it is believed.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=10), help_heading = RULES)]
    pub(super) confirm: u32,
    /// Let a suspect or invalid generator decide nothing; it is told all the same.
    #[arg(long, help_heading = RULES)]
    pub(super) allow_suspect: bool,

    /// Run only this scenario; may be given several times.
    #[arg(short, long = "scenario", value_name = "NAME", help_heading = SCRIPT)]
    pub(super) scenarios: Vec<String>,
    /// Set a variable that the script reads by kt.env.
    #[arg(short, long = "env", value_name = "NAME=VALUE", value_parser = pair, help_heading = SCRIPT)]
    pub(super) env: Vec<(String, String)>,
    /// Tag all samples.
    #[arg(short, long = "tag", value_name = "NAME=VALUE", value_parser = tag, help_heading = SCRIPT)]
    pub(super) tags: Vec<(String, String)>,
    /// Seed of everything random, the same in each probe. Default: a new one, told at the end.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MAX_SEED), help_heading = SCRIPT)]
    pub(super) seed: Option<u64>,
    /// Start the built-in systems on free ports of this machine, for as long as the search lasts, and set BASE_URL to them.
    #[arg(long, help_heading = SCRIPT)]
    pub(super) demo: bool,
    /// Threads that run virtual users. Default: all cores but one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256), help_heading = SCRIPT)]
    pub(super) threads: Option<u32>,

    /// Go on with the newest search of this script and these options, from the probe where it was stopped or killed.
    #[arg(long, conflicts_with = "no_results", help_heading = RESULT)]
    pub(super) resume: bool,
    /// Folder in which each search gets a folder of its own.
    #[arg(long, value_name = "DIR", default_value = "results", env = "KINGTIDE_RESULTS", help_heading = RESULT)]
    pub(super) results: PathBuf,
    /// Leave nothing on disk; such a search cannot be resumed.
    #[arg(long, help_heading = RESULT)]
    pub(super) no_results: bool,
    #[command(flatten)]
    pub(in crate::cli) github: GithubArgs,
    /// Write what was found as JSON to this file.
    #[arg(long, value_name = "FILE", help_heading = RESULT)]
    pub(super) summary_json: Option<PathBuf>,
    /// Print what was found as JSON.
    #[arg(long, help_heading = RESULT)]
    pub(super) json: bool,
    /// Show no progress, only the result.
    #[arg(short, long, help_heading = RESULT)]
    pub(super) quiet: bool,
}

const LOAD: &str = "Load";
const RULES: &str = "Rules";
const SCRIPT: &str = "Script";
const RESULT: &str = "Result";

fn whole_seconds(text: &str) -> Result<Duration, String> {
    let read = duration::parse(text).map_err(|error| error.to_string())?;
    if read.subsec_nanos() > 0 {
        return Err("it is whole seconds: samples are kept by the second".to_owned());
    }
    Ok(read)
}

fn some_seconds(text: &str) -> Result<Duration, String> {
    match whole_seconds(text)? {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        read => Ok(read),
    }
}

/// A share, written with its sign so that 5 and 0.05 cannot be mistaken for each other.
fn percent(text: &str) -> Result<f64, String> {
    let number = text
        .trim()
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(percent) if (0.1..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write it as a percentage from 0.1% to 100%, for example 5%".to_owned()),
    }
}

/// A metric or sub-metric, a colon, and an expression. Tags in braces have colons too. Whether there is such a metric is
/// known when the script has been loaded.
fn stop(text: &str) -> Result<(String, String), String> {
    const FORM: &str = "write it as 'METRIC: CONDITION', for example 'http_req_failed: rate<0.01'";
    let metric_end = text.rfind('}').map_or(0, |brace| brace + 1);
    let at = text[metric_end..].find(':').ok_or(FORM)? + metric_end;
    let (metric, condition) = (text[..at].trim(), text[at + 1..].trim());
    if metric.is_empty() || condition.is_empty() {
        return Err(FORM.to_owned());
    }
    Ok((metric.to_owned(), condition.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_a_metric_and_a_condition() {
        let table = [
            ("http_req_failed: rate<0.01", Some(("http_req_failed", "rate<0.01"))),
            ("m{name:GET /a}:p(95)<2s", Some(("m{name:GET /a}", "p(95)<2s"))),
            ("http_req_failed=rate<0.01", None),
            ("m{name:GET /a}", None),
            (": rate<1", None),
            ("m:", None),
        ];
        for (text, expected) in table {
            let got = stop(text).ok();
            let got = got
                .as_ref()
                .map(|(metric, condition)| (metric.as_str(), condition.as_str()));
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn shares_carry_their_sign_and_parts_are_whole_seconds() {
        for (text, share) in [
            ("5%", Some(0.05)),
            (" 0.5 %", Some(0.005)),
            ("5", None),
            ("0%", None),
            ("200%", None),
        ] {
            assert_eq!(percent(text).ok(), share, "{text}");
        }
        for (text, seconds) in [("5s", Some(5)), ("1m", Some(60)), ("0", Some(0)), ("1500ms", None)] {
            assert_eq!(whole_seconds(text).ok().map(|d| d.as_secs()), seconds, "{text}");
        }
        assert!(some_seconds("0s").is_err());
    }
}
