//! `--out`, which `run` and `quick` have in common: where a run's seconds go while it lasts. How they are written is `output`'s.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use super::github::GithubArgs;
use crate::output::{Naming, Outputs, Spec};
use crate::report;
use crate::results::{Ending, ExitCode, Header, Interval, OutputReport, Patience, Sink, Summary};

#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// Also write the metrics of each second there, while the run lasts; may be given several times. Kinds: csv=FILE,
    /// hlog=FILE, influx=URL, jsonl=FILE[.gz] (each sample), junit=FILE (at the end), otlp=URL, prometheus[=ADDR:PORT]
    /// (scraped), prometheus-rw=URL (remote write), statsd=HOST:PORT.
    // Text, as a mistake in it must not print a password that it holds.
    #[arg(long = "out", value_name = "KIND=TARGET", help_heading = OUTPUT)]
    out: Vec<String>,
    /// Names of the metrics that prometheus-rw writes: kingtide, or k6 for dashboards that were made for k6.
    #[arg(long, value_name = "NAMES", value_parser = naming, default_value = "kingtide", help_heading = OUTPUT)]
    metrics_compat: Naming,
    #[command(flatten)]
    pub(super) github: GithubArgs,
}

const OUTPUT: &str = "Outputs";

fn naming(text: &str) -> Result<Naming, String> {
    match text {
        "kingtide" => Ok(Naming::Kingtide),
        "k6" => Ok(Naming::K6),
        _ => Err("it is kingtide or k6".to_owned()),
    }
}

impl OutputArgs {
    /// The outputs as they were asked for.
    pub(super) fn specs(&self) -> Result<Vec<Spec>, Failure> {
        let parse = |text: &String| {
            let spec = text.parse::<Spec>();
            spec.map_err(|what| Failure::new(ExitCode::Usage, anyhow!("--out: {what}")))
        };
        let specs: Vec<Spec> = self.out.iter().map(parse).collect::<Result<_, _>>()?;
        if self.metrics_compat == Naming::K6 && !specs.iter().any(|spec| matches!(spec, Spec::PrometheusRw(_))) {
            let text = "--metrics-compat: names what prometheus-rw writes; add --out prometheus-rw=URL";
            return Err(Failure::new(ExitCode::Usage, anyhow!(text)));
        }
        Ok(specs)
    }

    /// Opens them. Nothing is lost without them, so that a run of `script` with one that cannot be had does not start.
    pub(super) fn open(&self, specs: &[Spec], script: &str) -> Result<Vec<Box<dyn Sink>>, Failure> {
        let invalid = |error: anyhow::Error| Failure::new(ExitCode::Invalid, error);
        let mut junits: Vec<Box<dyn Sink>> = Vec::new();
        let mut others = Vec::new();
        for spec in specs {
            match spec {
                Spec::Junit(path) => {
                    let junit = Junit::create(path, script);
                    let junit = junit.map_err(|error| invalid(anyhow!("--out {spec}: {error}")))?;
                    junits.push(Box::new(junit));
                }
                other => others.push(other.clone()),
            }
        }
        let outputs = Outputs::open(&others, self.metrics_compat).map_err(|error| invalid(error.into()))?;
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if !outputs.is_empty() {
            sinks.push(Box::new(outputs));
        }
        sinks.extend(junits);
        Ok(sinks)
    }
}

/// `junit=FILE`, which is written of the summary.
struct Junit {
    path: PathBuf,
}

impl Junit {
    /// Until the run is over the file says that it is not, in case that it never will be.
    fn create(path: &Path, script: &str) -> anyhow::Result<Self> {
        std::fs::write(path, report::junit_unfinished(script)?)?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Sink for Junit {
    fn begin(&mut self, _: &Arc<Header>) {}

    fn interval(&mut self, _: &Arc<Interval>) {}

    fn end(self: Box<Self>, summary: &Summary, _: &Patience) -> Ending {
        let text = report::junit(summary).map_err(anyhow::Error::from);
        let written = text.and_then(|text| Ok(std::fs::write(&self.path, text)?));
        let error = written.err().map(|error| error.to_string());
        let report = OutputReport {
            kind: "junit".to_owned(),
            target: self.path.display().to_string(),
            written: u64::from(error.is_none()),
            dropped: u64::from(error.is_some()),
            failures: u64::from(error.is_some()),
            error,
            ..OutputReport::default()
        };
        Box::pin(std::future::ready(vec![report]))
    }
}
