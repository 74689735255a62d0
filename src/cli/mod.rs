//! The command line: the only code that prints or exits. What commands do is in the library below.

mod args;
mod capacity;
mod check;
mod ctl;
mod data;
mod demo;
mod echo;
mod git;
mod github;
mod init;
mod logging;
mod manifest;
mod once;
mod outputs;
mod progress;
mod prompt;
mod quick;
mod repl;
mod report;
mod run;
mod signals;
mod terminal;
mod test;
mod trace;
mod tui;
mod ui;

use std::process::ExitCode as Process;

use clap::CommandFactory as _;

use crate::results::ExitCode;

use self::args::{Cli, Command};

/// A command's failure: the exit code and what to tell.
#[derive(Debug)]
struct Failure {
    code: ExitCode,
    error: anyhow::Error,
}

impl Failure {
    fn new(code: ExitCode, error: impl Into<anyhow::Error>) -> Self {
        Self {
            code,
            error: error.into(),
        }
    }
}

/// Parses the command line, runs the command, and gives the process's exit code.
#[must_use]
pub fn main() -> Process {
    crate::script::raw::keep_freed();
    // With two providers in the graph rustls would refuse to choose; ours is named where it is used, and here for good.
    crate::net::install_crypto_provider();
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() {
                ExitCode::Usage
            } else {
                ExitCode::Passed
            };
            terminal::written(error.print());
            return ended(code.number());
        }
    };
    logging::install(cli.verbose);
    let github = match &cli.command {
        Command::Run(options) => Some(options.output.github),
        Command::Quick(options) => Some(options.output.github),
        Command::Capacity(options) => Some(options.github),
        _ => None,
    };
    let done = match cli.command {
        Command::Run(options) => run::command(options),
        Command::Quick(options) => quick::command(options),
        Command::Capacity(options) => capacity::command(options),
        Command::Report(options) => report::report(&options),
        Command::History(options) => report::history(&options),
        Command::Check(options) => check::command(options),
        Command::Repl(options) => repl::command(options),
        Command::Test(options) => test::command(options),
        Command::Init(options) => init::command(&options),
        Command::Demo(options) => demo::command(options),
        Command::Ctl(options) => ctl::command(options),
        Command::Data(options) => data::command(&options),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kingtide", &mut text);
            terminal::out(&text);
            Ok(0)
        }
        Command::Man => man(),
    };
    match done {
        Ok(code) => ended(code),
        Err(failure) => {
            let text = told(&failure.error);
            terminal::error(&text);
            if let Some(github) = github {
                github.failed(&text);
            }
            ended(failure.code.number())
        }
    }
}

/// An error with its causes. Of those that an error tells itself, none is said twice.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What was to be shown and is not is no success.
fn ended(code: u8) -> Process {
    let Some(error) = terminal::unwritten() else {
        return Process::from(code);
    };
    terminal::error(&format!("cannot write to stdout: {error}"));
    Process::from(if code == 0 { ExitCode::Invalid.number() } else { code })
}

/// Runs a future on this thread's runtime, with a `LocalSet` for what is bound to the thread.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                ExitCode::Internal,
                anyhow::Error::new(error).context("the runtime cannot start"),
            )
        })?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, future))
}

/// The main page, and one for each command after it.
fn man() -> Result<u8, Failure> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let mut render = |command: clap::Command| clap_mangen::Man::new(command).render(&mut page);
    let rendered = render(command.clone()).and_then(|()| {
        command
            .get_subcommands()
            .filter(|inner| inner.get_name() != "help")
            .try_for_each(|inner| {
                let name = format!("kingtide-{}", inner.get_name());
                render(inner.clone().display_name(name))
            })
    });
    rendered.map_err(|error| Failure::new(ExitCode::Internal, error))?;
    terminal::out(&page);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn what_an_error_says_itself_is_not_repeated() {
        let own = crate::results::open(std::path::Path::new("nowhere")).unwrap_err();
        let text = told(&own.into());
        assert_eq!(text.matches("No such file").count(), 1, "{text}");
        let plain = Err::<(), _>(std::fmt::Error).context("cannot read a").unwrap_err();
        assert_eq!(told(&plain), format!("cannot read a: {}", std::fmt::Error));
    }
}
