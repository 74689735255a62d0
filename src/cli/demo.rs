//! `kingtide demo`, and the child process behind `--demo`.

mod args;

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

pub(super) use args::DemoArgs;

use super::{Failure, block_on, terminal};
use crate::clock;
use crate::demo::{self, ChallengeOptions, DemoOptions, OrchestratorOptions, ShopOptions};
use crate::results::ExitCode;
use crate::run;
use args::ChallengeArgs;

/// Serves until Ctrl-C, SIGTERM, or the end of stdin.
pub(super) fn command(args: DemoArgs) -> Result<u8, Failure> {
    let until_stdin_closes = args.until_stdin_closes;
    let options = options(args)?;
    run::raise_file_limit();
    let served = block_on(demo::serve(options, ended(until_stdin_closes), |variables| {
        let lines: String = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        // The empty line says that there are no more variables.
        terminal::out(&format!("{lines}\n"));
    }))?;
    served.map_err(|error| Failure::new(ExitCode::Invalid, error))?;
    Ok(0)
}

/// The ports of the other systems, counted from the shop's: its services' four come first.
const ORCHESTRATOR_OFFSET: u16 = 5;
const CHALLENGE_OFFSET: u16 = 6;
const CHALLENGE_GRPC_OFFSET: u16 = 7;

fn options(args: DemoArgs) -> Result<DemoOptions, Failure> {
    if args.port > u16::MAX - CHALLENGE_GRPC_OFFSET {
        let text = format!(
            "--port {}: there is no room for the {CHALLENGE_GRPC_OFFSET} ports after it",
            args.port
        );
        return Err(Failure::new(ExitCode::Invalid, anyhow!(text)));
    }
    let port = |offset| if args.port == 0 { 0 } else { args.port + offset };
    let orchestrator = OrchestratorOptions {
        seed: args.seed,
        port: port(ORCHESTRATOR_OFFSET),
        drain: args.orchestrator.orchestrator_drain,
        queue: args.orchestrator.orchestrator_queue,
        full: args.orchestrator.orchestrator_full,
        faults: args.orchestrator.orchestrator_faults.clone(),
    };
    let challenge = ChallengeOptions {
        port: port(CHALLENGE_OFFSET),
        grpc_port: port(CHALLENGE_GRPC_OFFSET),
        ..challenge_options(args.seed, &args.challenge)
    };
    Ok(DemoOptions {
        shop: shop_options(args),
        orchestrator,
        challenge,
    })
}

fn challenge_options(seed: u64, args: &ChallengeArgs) -> ChallengeOptions {
    ChallengeOptions {
        seed,
        users: args.challenge_users,
        challenges: args.challenge_count,
        goals: args.challenge_goals,
        progress: args.challenge_progress,
        token_lifetime: args.challenge_token_lifetime,
        handler: args.challenge_handler,
        jitter: args.challenge_jitter,
        streams: args.challenge_streams,
        flush: args.challenge_flush,
        buffer: args.challenge_buffer,
        overflow: args.challenge_overflow,
        stat: args.challenge_stat,
        api_capacity: args.challenge_api_capacity,
        event_capacity: args.challenge_event_capacity,
        faults: args.challenge_faults.clone(),
        ..ChallengeOptions::default()
    }
}

fn shop_options(args: DemoArgs) -> ShopOptions {
    ShopOptions {
        seed: args.seed,
        port: args.port,
        service_ports: !args.no_services,
        gateway: args.gateway,
        stock: args.stock,
        stuck: args.stuck,
        breaker: args.breaker,
        pending_timeout: args.pending_timeout,
        saga_base: args.saga_base,
        saga_capacity: args.saga_capacity,
        latency: args.latency,
        error_rate: args.error_rate,
        reset_rate: args.reset_rate,
        cold_start: args.cold_start,
        faults: args.faults,
    }
}

async fn ended(until_stdin_closes: bool) {
    if until_stdin_closes {
        // A thread, because a blocking read of stdin cannot be cancelled when the process ends otherwise.
        let (done, closed) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = done.send(());
        });
        let _ = closed.await;
        return;
    }
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// How long the demo may take to listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The demo in a child process; it ends when this is dropped, or when this process ends in any way, because its stdin closes.
#[derive(Debug)]
pub(super) struct DemoChild {
    child: Child,
    /// `NAME`, `value` of everything that it serves.
    pub(super) variables: Vec<(String, String)>,
}

impl DemoChild {
    /// Starts it on free ports and waits until it listens.
    pub(super) async fn start(seed: u64) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the demo cannot be found")?;
        let mut child = Command::new(program)
            .args(["demo", "--port", "0", "--until-stdin-closes", "--seed"])
            .arg(seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that Ctrl-C ends the run, and the run ends the demo.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("the demo cannot be started")?;
        let stdout = child.stdout.take().ok_or_else(|| anyhow!("the demo has no stdout"))?;
        let read = async {
            let mut lines = BufReader::new(stdout).lines();
            let mut variables = Vec::new();
            while let Some(line) = lines.next_line().await? {
                match line.split_once('=') {
                    Some((name, value)) => variables.push((name.to_owned(), value.to_owned())),
                    None if line.is_empty() => return Ok(variables),
                    None => bail!("the demo printed `{line}`"),
                }
            }
            bail!("the demo ended before it listened")
        };
        match clock::timeout(START_LIMIT, read).await {
            Ok(Ok(variables)) => Ok(Self { child, variables }),
            Ok(Err(error)) => {
                let mut said = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    let _ = child.start_kill();
                    let _ = stderr.read_to_string(&mut said).await;
                }
                Err(error.context(said.trim().to_owned()))
            }
            Err(_) => bail!("the demo did not listen within {START_LIMIT:?}"),
        }
    }

    /// Closes its stdin and waits until it has ended.
    pub(super) async fn stop(mut self) {
        drop(self.child.stdin.take());
        if clock::timeout(Duration::from_secs(5), self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}
