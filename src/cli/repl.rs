//! `kingtide repl`: reads, evaluates and prints, until the end of the input. Reading is `prompt`'s, evaluating `script`'s.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::ReplArgs;
use super::demo::DemoChild;
use super::prompt::{Names, Prompt, Read};
use super::{Failure, block_on, terminal, test};
use crate::control::Control;
use crate::plan::overrides::Overrides;
use crate::results::ExitCode;
use crate::run::{self, LoadOptions, Test};
use crate::script::repl::{Answer, Repl};
use crate::script::{ScriptError, Session};

pub(super) fn command(args: ReplArgs) -> Result<u8, Failure> {
    block_on(whole(args))?
}

async fn whole(args: ReplArgs) -> Result<u8, Failure> {
    let internal = |error: anyhow::Error| Failure::new(ExitCode::Internal, error);
    let interrupt = signal(SignalKind::interrupt()).map_err(|error| internal(error.into()))?;
    let demo = if args.demo {
        Some(DemoChild::start(args.seed).await.map_err(internal)?)
    } else {
        None
    };
    let mut vars: BTreeMap<String, String> = demo.iter().flat_map(|demo| demo.variables.iter().cloned()).collect();
    vars.extend(args.env.iter().cloned());
    vars.extend(args.base_url.iter().map(|url| ("BASE_URL".to_owned(), url.to_string())));
    let code = match open(&args, vars).await {
        Ok((_test, repl)) => converse(repl, interrupt).await,
        Err(failure) => Err(failure),
    };
    super::run::finish(demo).await;
    code
}

/// The virtual user, with the script's plan or a plain one.
async fn open(args: &ReplArgs, vars: BTreeMap<String, String>) -> Result<(Option<Test>, Repl), Failure> {
    let invalid = |text: String| Failure::new(ExitCode::Invalid, anyhow!(text));
    let Some(script) = &args.script else {
        let setting = test::setting(&vars, String::new())?;
        let session = Session::new(Path::new("repl.lua"), vars, args.seed, Arc::new(Control::new()));
        let repl = Repl::new(Arc::new(session), setting).map_err(|error| invalid(error.to_string()))?;
        return Ok((None, repl));
    };
    if !script.exists() {
        return Err(invalid(format!("there is no file `{}`", script.display())));
    }
    let options = LoadOptions {
        script: script.clone(),
        vars,
        seed: args.seed,
        overrides: Overrides::default(),
        watch: false,
    };
    let test = run::load(options, Arc::new(Control::new()))
        .await
        .map_err(|error| Failure::new(ExitCode::Invalid, error))?;
    if let (Some(wanted), own) = (&args.base_url, &test.plan.http.base_url)
        && own.as_ref() != Some(wanted)
    {
        let own = own.as_ref().map_or("none".to_owned(), ToString::to_string);
        terminal::note(&format!("the script has a base_url of its own, which stays: {own}"));
    }
    test.session.revision().set_plan(Arc::clone(&test.plan));
    let repl = match test.script() {
        Some(script) => Repl::of_script(&script.host, &script.loaded),
        None => return Err(invalid("there is no script".to_owned())),
    };
    let repl = repl.map_err(|error| invalid(error.to_string()))?;
    Ok((Some(test), repl))
}

/// Reads and answers until the end. A pipe that raised something ends with its exit code; a person has seen it.
async fn converse(mut repl: Repl, mut interrupt: Signal) -> Result<u8, Failure> {
    let names: Names = Arc::new(Mutex::new(repl.names()));
    let started = Prompt::start(Arc::clone(&names));
    let mut prompt = started.map_err(|error| Failure::new(ExitCode::Internal, error))?;
    if prompt.is_terminal {
        terminal::note(&format!(
            "kingtide {}: `kt`, `http` and `check` are at hand, Tab completes, Ctrl-C cancels, Ctrl-D ends",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let (mut input, mut failed) = (String::new(), false);
    loop {
        let read = tokio::select! {
            read = prompt.read(if input.is_empty() { "kt> " } else { "..> " }) => read,
            // On a terminal the key is read as a key; this is a signal from elsewhere.
            _ = interrupt.recv() => return Ok(ExitCode::Signal.number()),
        };
        match read {
            Read::Line(line) if input.is_empty() => input = line,
            Read::Line(line) => input = format!("{input}\n{line}"),
            Read::Interrupted => {
                input.clear();
                continue;
            }
            Read::End => break,
        }
        let evaluated = tokio::select! {
            evaluated = repl.eval(&input) => Some(evaluated),
            _ = interrupt.recv() => None,
        };
        match evaluated {
            Some(Ok(Answer::Incomplete)) => continue,
            Some(Ok(Answer::Values(values))) => values.iter().for_each(|value| terminal::out(&format!("{value}\n"))),
            Some(Err(error)) => {
                failed = true;
                tell(&repl, &error);
            }
            None => terminal::note("cancelled"),
        }
        // A key that was pressed while the script computed has done its work, or came too late for it.
        while prompt.is_terminal && interrupt.recv().now_or_never().is_some() {}
        input.clear();
        *names.lock().unwrap_or_else(PoisonError::into_inner) = repl.names();
    }
    if !input.is_empty() {
        failed = true;
        terminal::error("the input ends in the middle of a statement");
    }
    Ok(if failed && !prompt.is_terminal {
        ExitCode::ScriptError
    } else {
        ExitCode::Passed
    }
    .number())
}

fn tell(repl: &Repl, error: &ScriptError) {
    let session = repl.session();
    terminal::error(&session.redact(&error.render(&session.revision().sources)));
}
