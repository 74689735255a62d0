//! What can be written after `kingtide demo`, a part for each system. What it means is next door.

use std::time::Duration;

use clap::Args;

use crate::demo::challenge::{Overflow, StatMode};
use crate::demo::{BreakerMode, FaultSpec, challenge, orchestrator, shop};
use crate::plan::duration;

#[derive(Debug, Args)]
pub(in crate::cli) struct DemoArgs {
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(in crate::cli) seed: u64,
    /// Port of BASE_URL; the shop's services take the four after it, the other systems the three after those. 0 takes
    /// free ports.
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub(in crate::cli) port: u16,
    /// The shop at BASE_URL only, without ports for its four services.
    #[arg(long)]
    pub(in crate::cli) no_services: bool,
    /// BASE_URL behaves like a gateway: 2-5 ms more, and 20 writes/s per client, then 429.
    #[arg(long)]
    pub(in crate::cli) gateway: bool,
    /// Units of each product; 0 fails every reservation.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(in crate::cli) stock: u64,
    /// Fraction of sagas that never advance.
    #[arg(long, value_name = "F", default_value_t = 0.0)]
    pub(in crate::cli) stuck: f64,
    /// The circuit breaker around products: off, trip or open.
    #[arg(long, value_name = "MODE", default_value = "off")]
    pub(in crate::cli) breaker: BreakerMode,
    /// After this long a pending order fails; 0 keeps it pending.
    #[arg(long, value_name = "D", default_value = "30s", value_parser = duration::parse)]
    pub(in crate::cli) pending_timeout: Duration,
    /// Duration of a saga that has the shop for itself.
    #[arg(long, value_name = "D", default_value = "1.4s", value_parser = duration::parse)]
    pub(in crate::cli) saga_base: Duration,
    /// Sagas per second that the shared queue can do.
    #[arg(long, value_name = "R", default_value_t = 19.5)]
    pub(in crate::cli) saga_capacity: f64,
    /// Added to every operation's service time.
    #[arg(long, value_name = "D", default_value = "0s", value_parser = duration::parse)]
    pub(in crate::cli) latency: Duration,
    /// Fraction of requests answered with 500.
    #[arg(long, value_name = "F", default_value_t = 0.0)]
    pub(in crate::cli) error_rate: f64,
    /// Fraction of requests whose connection is reset.
    #[arg(long, value_name = "F", default_value_t = 0.0)]
    pub(in crate::cli) reset_rate: f64,
    /// For this long after the start answers take longer, 700 ms at first.
    #[arg(long, value_name = "D", default_value = "0s", value_parser = duration::parse)]
    pub(in crate::cli) cold_start: Duration,
    /// A fault from a time on, for a time; may be given several times.
    #[arg(long = "fault", value_name = "KIND=VALUE[@START][+DURATION]", value_parser = shop::fault)]
    pub(in crate::cli) faults: Vec<FaultSpec>,
    /// End when stdin closes instead of on Ctrl-C; ties the demo to the process that started it.
    #[arg(long)]
    pub(in crate::cli) until_stdin_closes: bool,
    #[command(flatten)]
    pub(in crate::cli) orchestrator: OrchestratorArgs,
    #[command(flatten)]
    pub(in crate::cli) challenge: ChallengeArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Orchestrator")]
pub(in crate::cli) struct OrchestratorArgs {
    /// Events routed per second; what comes faster makes its queue grow.
    #[arg(long, value_name = "R", default_value_t = 5_000.0)]
    pub(in crate::cli) orchestrator_drain: f64,
    /// Events that fit into its queue; more are refused.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub(in crate::cli) orchestrator_queue: u64,
    /// Status of what does not fit: 429 or 503.
    #[arg(long, value_name = "STATUS", default_value_t = 429)]
    pub(in crate::cli) orchestrator_full: u16,
    /// A fault of the orchestrator from a time on, for a time; may be given several times.
    #[arg(
        long = "orchestrator-fault",
        value_name = "KIND=VALUE[@START][+DURATION]",
        value_parser = orchestrator::fault
    )]
    pub(in crate::cli) orchestrator_faults: Vec<FaultSpec>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Challenge system")]
pub(in crate::cli) struct ChallengeArgs {
    /// Users, user-000000 and so on.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(in crate::cli) challenge_users: u32,
    /// Challenges, challenge-0 and so on.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(in crate::cli) challenge_count: u16,
    /// Goals of each challenge, goal-0 and so on.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(in crate::cli) challenge_goals: u16,
    /// Fraction of users who have played before, those with even numbers first.
    #[arg(long, value_name = "F", default_value_t = 0.5)]
    pub(in crate::cli) challenge_progress: f64,
    /// How long a token lives at most.
    #[arg(long, value_name = "D", default_value = "24h", value_parser = duration::parse)]
    pub(in crate::cli) challenge_token_lifetime: Duration,
    /// What an event takes under its user's lock.
    #[arg(long, value_name = "D", default_value = "1ms", value_parser = duration::parse)]
    pub(in crate::cli) challenge_handler: Duration,
    /// Up to this long more for each event, uniform.
    #[arg(long, value_name = "D", default_value = "0s", value_parser = duration::parse)]
    pub(in crate::cli) challenge_jitter: Duration,
    /// Calls that a gRPC connection may have open at once.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(in crate::cli) challenge_streams: u32,
    /// How often buffered events are written to the database.
    #[arg(long, value_name = "D", default_value = "1s", value_parser = duration::parse)]
    pub(in crate::cli) challenge_flush: Duration,
    /// Events that fit into the buffer.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(in crate::cli) challenge_buffer: usize,
    /// When the buffer is full: drop-oldest, or block.
    #[arg(long, value_name = "MODE", default_value = "drop-oldest")]
    pub(in crate::cli) challenge_overflow: Overflow,
    /// What the value of a statItemUpdated is: absolute, or an increment.
    #[arg(long, value_name = "MODE", default_value = "absolute")]
    pub(in crate::cli) challenge_stat: StatMode,
    /// HTTP requests per second that it can do; more wait in a queue. Without it, what the machine can do.
    #[arg(long, value_name = "R")]
    pub(in crate::cli) challenge_api_capacity: Option<f64>,
    /// Events per second that it can do; more wait in a queue.
    #[arg(long, value_name = "R")]
    pub(in crate::cli) challenge_event_capacity: Option<f64>,
    /// A fault of the challenge system from a time on, for a time; may be given several times.
    #[arg(
        long = "challenge-fault",
        value_name = "KIND=VALUE[@START][+DURATION]",
        value_parser = challenge::fault
    )]
    pub(in crate::cli) challenge_faults: Vec<FaultSpec>,
}
