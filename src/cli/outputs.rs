//! `--out`, which `run` and `quick` have in common: where a run's seconds go while it lasts. How they are written is `output`'s.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use super::github::GithubArgs;
use crate::output::{Naming, Outputs, Spec};
use crate::report;
use crate::results::{Ending, ExitCode, Header, Interval, OutputReport, Patience, PieceFile, Sink, Summary};

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
    /// The outputs as they were asked for, beside a file for the summary.
    pub(super) fn specs(&self, summary: Option<&Path>) -> Result<Vec<Spec>, Failure> {
        let parse = |text: &String| {
            let spec = text.parse::<Spec>();
            spec.map_err(|what| Failure::new(ExitCode::Usage, anyhow!("--out: {what}")))
        };
        let specs: Vec<Spec> = self.out.iter().map(parse).collect::<Result<_, _>>()?;
        if self.metrics_compat == Naming::K6 && !specs.iter().any(|spec| matches!(spec, Spec::PrometheusRw(_))) {
            let text = "--metrics-compat: names what prometheus-rw writes; add --out prometheus-rw=URL";
            return Err(Failure::new(ExitCode::Usage, anyhow!(text)));
        }
        each_its_own(&specs, summary)?;
        Ok(specs)
    }

    /// Opens them. A run of `script` with one that cannot be had does not start, and nothing is lost then: files are emptied
    /// when all are there.
    pub(super) fn open(&self, specs: &[Spec], script: &str) -> Result<Vec<Box<dyn Sink>>, Failure> {
        let invalid = |error: anyhow::Error| Failure::new(ExitCode::Invalid, error);
        let (junits, others): (Vec<_>, Vec<_>) = specs.iter().cloned().partition(|spec| matches!(spec, Spec::Junit(_)));
        let refused = |spec: &Spec, error: &dyn Display| invalid(anyhow!("--out {spec}: {error}"));
        for spec in &junits {
            let opened = spec.file().map(PieceFile::open).transpose();
            opened.map_err(|error| refused(spec, &error))?;
        }
        let outputs = Outputs::open(&others, self.metrics_compat).map_err(|error| invalid(error.into()))?;
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if !outputs.is_empty() {
            sinks.push(Box::new(outputs));
        }
        for spec in &junits {
            if let Some(path) = spec.file() {
                let junit = Junit::create(path, script).map_err(|error| refused(spec, &error))?;
                sinks.push(Box::new(junit));
            }
        }
        Ok(sinks)
    }
}

/// Two that write to one file write over each other.
fn each_its_own(specs: &[Spec], summary: Option<&Path>) -> Result<(), Failure> {
    let outputs = specs
        .iter()
        .filter_map(|spec| Some((format!("--out {spec}"), spec.file()?)));
    let summary = summary.map(|file| (format!("--summary-json {}", file.display()), file));
    let mut known: Vec<(PathBuf, String)> = Vec::new();
    for (name, file) in outputs.chain(summary) {
        let Some(place) = place(file) else { continue };
        if let Some((_, other)) = known.iter().find(|(known, _)| *known == place) {
            let text = format!("{other} and {name}: give each a file of its own");
            return Err(Failure::new(ExitCode::Usage, anyhow!(text)));
        }
        known.push((place, name));
    }
    Ok(())
}

/// Where a file is or will be, behind links; nothing for a device or pipe, which takes what several write.
fn place(file: &Path) -> Option<PathBuf> {
    match fs::metadata(file) {
        Ok(found) if !found.is_file() => None,
        Ok(_) => fs::canonicalize(file).ok(),
        Err(_) => {
            let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
            let folder = fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()?;
            Some(folder.join(file.file_name()?))
        }
    }
}

/// `junit=FILE`, which is written of the summary.
struct Junit {
    path: PathBuf,
}

impl Junit {
    /// Until the run is over the file says that it is not, in case that it never will be.
    fn create(path: &Path, script: &str) -> anyhow::Result<Self> {
        fs::write(path, report::junit_unfinished(script)?)?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Sink for Junit {
    fn begin(&mut self, _: &Arc<Header>) {}

    fn interval(&mut self, _: &Arc<Interval>) {}

    fn end(self: Box<Self>, summary: &Summary, _: &Patience) -> Ending {
        let text = report::junit(summary).map_err(anyhow::Error::from);
        let written = text.and_then(|text| Ok(fs::write(&self.path, text)?));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_by_one_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("old"), "").unwrap();
        std::os::unix::fs::symlink(file("old"), file("link")).unwrap();
        let specs = |names: [&str; 2]| [Spec::Csv(file(names[0])), Spec::Junit(file(names[1]))];
        // two outputs, the file of the summary, whether that is well
        let table = [
            (["a", "b"], "c", true),
            (["a", "./a"], "c", false),
            (["a", "b"], "../NAME/b", false),
            (["old", "link"], "c", false),
            (["old", "b"], "link", false),
            (["none/a", "none/b"], "c", true),
        ];
        for (outputs, summary, fits) in table {
            let name = folder.path().file_name().unwrap().to_string_lossy();
            let summary = file(&summary.replace("NAME", &name));
            let checked = each_its_own(&specs(outputs), Some(&summary));
            assert_eq!(checked.is_ok(), fits, "{outputs:?} {summary:?}");
        }
        let null = Spec::Csv("/dev/null".into());
        assert!(each_its_own(&[null.clone(), null], None).is_ok(), "it takes everything");
        let failure = each_its_own(&specs(["a", "a"]), None).unwrap_err();
        assert_eq!(failure.code, ExitCode::Usage);
    }
}
