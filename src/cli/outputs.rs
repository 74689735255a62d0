//! `--out`, which `run` and `quick` have in common: where a run's seconds go while it lasts. How they are written is `output`'s.

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use crate::output::{Naming, Outputs, Spec};
use crate::results::{ExitCode, Sink};

#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// Also write the metrics of each second there, while the run lasts; may be given several times. Kinds: csv=FILE,
    /// influx=URL, otlp=URL, prometheus[=ADDR:PORT] (scraped), prometheus-rw=URL (remote write), statsd=HOST:PORT.
    // Text, as a mistake in it must not print a password that it holds.
    #[arg(long = "out", value_name = "KIND=TARGET", help_heading = OUTPUT)]
    out: Vec<String>,
    /// Names of the metrics that prometheus-rw writes: kingtide, or k6 for dashboards that were made for k6.
    #[arg(long, value_name = "NAMES", value_parser = naming, default_value = "kingtide", help_heading = OUTPUT)]
    metrics_compat: Naming,
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

    /// Opens them. Nothing is lost without them, so that a run with one that cannot be had does not start.
    pub(super) fn open(&self, specs: &[Spec]) -> Result<Option<Box<dyn Sink>>, Failure> {
        if specs.is_empty() {
            return Ok(None);
        }
        let outputs = Outputs::open(specs, self.metrics_compat);
        let outputs = outputs.map_err(|error| Failure::new(ExitCode::Invalid, error))?;
        Ok(Some(Box::new(outputs)))
    }
}
