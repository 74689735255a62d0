//! `kingtide quick`: one request, without a script. The plan, the run and the report are those of every other run.

mod args;
mod script;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use http::header::{CONNECTION, COOKIE};
use http::{HeaderValue, Method};

pub(super) use self::args::QuickArgs;

use super::tui::Tui;
use super::{Failure, block_on, signals, terminal, ui};
use crate::clock;
use crate::control::Control;
use crate::direct::Call;
use crate::net::{Connections, HeaderList, HttpVersion};
use crate::output::Spec;
use crate::plan::overrides::{DEFAULT_MAX_DURATION, DEFAULT_MAX_VUS, default_pre_allocated};
use crate::plan::{Executor, OnSaturation, Plan, Scenario, Traces, validate};
use crate::results::{ExitCode, run_name};
use crate::run::{self, RunOptions, Test};
use crate::schedule::{Shape, Spacing};

/// The name of the one scenario.
const SCENARIO: &str = "quick";
/// As many as hey and oha take.
const DEFAULT_VUS: u64 = 50;
/// As long as wrk takes.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

pub(super) fn command(args: QuickArgs) -> Result<u8, Failure> {
    let plan = plan(&args)?;
    let call = call(&args)?;
    if args.print_script {
        terminal::out(&script::print(&plan, &call));
        return Ok(0);
    }
    super::run::check_summary_file(args.summary_json.as_deref())?;
    let specs = args.output.specs(args.summary_json.as_deref())?;
    block_on(whole(args, specs, plan, call))?
}

async fn whole(args: QuickArgs, specs: Vec<Spec>, plan: Plan, call: Call) -> Result<u8, Failure> {
    ui::check(args.ui, None)?;
    let control = Arc::new(Control::new());
    let test = Test::of_call(call, plan, Arc::clone(&control));
    let test = test.map_err(|error| Failure::new(ExitCode::Usage, error))?;
    signals::listen(Arc::clone(&control)).map_err(|error| Failure::new(ExitCode::Internal, error))?;
    test.session
        .connections
        .name_run(&run_name(&test.session.script, clock::wall()));
    let server = ui::start(args.ui, None, Arc::clone(&control))?;
    let sink = ui::sink(server.as_ref())?;
    let outputs = args.output.open(&specs, &test.session.script.display().to_string())?;
    let tui = args.ui.tui.then(|| Tui::start(control)).transpose()?;
    let options = RunOptions {
        threads: args.threads.unwrap_or_else(run::default_threads),
        allow_suspect: args.allow_suspect,
    };
    let mut observer = super::run::observer(args.quiet, tui.as_ref(), &test.plan);
    let sinks = sink
        .into_iter()
        .chain(tui.as_ref().and_then(Tui::sink))
        .chain(outputs)
        .collect();
    let outcome = run::run(test, &options, &mut *observer, sinks).await;
    drop(observer);
    drop(tui);
    terminal::out(&super::run::text(&outcome.summary));
    args.output.github.run(&outcome.summary);
    let code = super::run::keep(&outcome.summary, args.summary_json.as_deref(), false);
    ui::close(server).await;
    Ok(code)
}

fn usage(text: String) -> Failure {
    Failure::new(ExitCode::Usage, anyhow!(text))
}

/// What the options ask for.
fn plan(args: &QuickArgs) -> Result<Plan, Failure> {
    let scenario = Scenario::of(SCENARIO, executor(args));
    if let (Some(vus), Some(most)) = (args.vus, args.max_vus)
        && vus > most
    {
        return Err(usage(format!("--vus: is {vus}, more than --max-vus ({most})")));
    }
    validate::scenario(&scenario).map_err(|(key, what)| usage(format!("{}: {what}", option(args, key))))?;
    let mut plan = Plan::of(vec![scenario]);
    let config = &mut plan.http.config;
    if args.timeout == Some(Duration::ZERO) {
        return Err(usage("--timeout: must be longer than zero".to_owned()));
    }
    config.timeout = args.timeout.unwrap_or(config.timeout);
    config.max_redirects = args.redirects.unwrap_or(config.max_redirects);
    config.tls.insecure = args.insecure;
    config.headers = headers(args);
    // Nobody looks at the bodies, so that their size is no matter.
    config.discard_body = true;
    if args.no_keepalive {
        config.connections = Connections::PerIteration;
        // As RFC 9112, section 9.6 asks of a client that keeps none: the server closes first then, so that the port is free
        // again at once. HTTP/2 leaves the header out.
        if config.headers.get(&CONNECTION).is_none() {
            config.headers.append(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    if let Some(shared) = args.connections {
        config.connections = Connections::Shared(shared);
    }
    config.version = match args.http_version {
        Some(version) => version,
        None if args.http2 => HttpVersion::Http2,
        None => config.version,
    };
    plan.trace(args.trace_sampling.map(|sampling| Traces { sampling, url: None }));
    plan.tags = args.tags.iter().cloned().collect();
    plan.thresholds.clone_from(&args.thresholds);
    plan.thresholds
        .sort_by_key(|threshold| (threshold.selector.to_string(), threshold.expression.clone()));
    Ok(plan)
}

/// The headers, sorted by name; several of cookies are one, as on the wire.
fn headers(args: &QuickArgs) -> HeaderList {
    let mut all: Vec<_> = args.headers.clone();
    let cookies = all.extract_if(.., |(name, _)| *name == COOKIE);
    let cookies: Vec<_> = cookies.map(|(_, value)| value).collect();
    let joined: Vec<&[u8]> = cookies.iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&joined.join(&b"; "[..]))
        && !cookies.is_empty()
    {
        all.push((COOKIE, joined));
    }
    all.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    let mut headers = HeaderList::default();
    for (name, value) in all {
        headers.append(name, value);
    }
    headers
}

/// The option that a key of the plan comes from.
fn option(args: &QuickArgs, key: &str) -> &'static str {
    match key {
        "rate" => "--rate",
        "duration" | "max_duration" => "--duration",
        "max_vus" | "pre_allocated_vus" if args.max_vus.is_some() => "--max-vus",
        _ => "--vus",
    }
}

fn executor(args: &QuickArgs) -> Executor {
    let duration = args.duration.unwrap_or(DEFAULT_DURATION);
    if let Some(rate) = args.rate {
        let shape = Shape::ConstantArrivalRate {
            rate,
            time_unit: Duration::from_secs(1),
            duration,
            arrival: Spacing::Constant,
        };
        let max_vus = args.max_vus.or(args.vus).unwrap_or(DEFAULT_MAX_VUS);
        return Executor::Open {
            pre_allocated_vus: args.vus.unwrap_or_else(|| default_pre_allocated(&shape, max_vus)),
            shape,
            max_vus,
            on_saturation: OnSaturation::Queue,
        };
    }
    let vus = args.vus.unwrap_or(DEFAULT_VUS);
    match args.iterations {
        // More users than requests would only be made to do nothing.
        Some(iterations) => Executor::SharedIterations {
            vus: vus.min(iterations),
            iterations,
            max_duration: args.duration.unwrap_or(DEFAULT_MAX_DURATION),
        },
        None => Executor::ConstantVus { vus, duration },
    }
}

/// The request that the options describe.
fn call(args: &QuickArgs) -> Result<Call, Failure> {
    let body = body(args)?;
    let by_body = if body.is_some() { Method::POST } else { Method::GET };
    let mut call = Call::new(args.method.clone().unwrap_or(by_body), args.url.clone());
    call.body = body.unwrap_or_default();
    call.expect = args.expect.clone().unwrap_or_default();
    Ok(call)
}

/// The body, if one was given, with that of a file read.
fn body(args: &QuickArgs) -> Result<Option<Bytes>, Failure> {
    let invalid = |what: String| Failure::new(ExitCode::Invalid, anyhow!(what));
    let named = args.body_file.clone().map(|path| ("--body-file", path));
    let text = args.body.as_deref();
    let named = named.or_else(|| Some(("--body", text?.strip_prefix('@')?.into())));
    let Some((option, path)) = named else {
        return Ok(text.map(|text| Bytes::copy_from_slice(text.as_bytes())));
    };
    let read = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(&path)
    };
    read.map(|bytes| Some(bytes.into()))
        .map_err(|error| invalid(format!("{option}: cannot read `{}`: {error}", path.display())))
}

#[cfg(test)]
mod tests;
