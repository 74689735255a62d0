//! What a user may choose about the shop, one field per flag of `kingtide demo`. Parsing of flags is in `cli`.

use std::str::FromStr;
use std::time::Duration;

use crate::demo::fault::{FaultError, FaultSpec, Knob, invalid};

/// How orders with unknown product ids and failed reservations are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BreakerMode {
    /// No breaker: unknown ids are refused with 422, a failed reservation cancels its own order only.
    #[default]
    Off,
    /// As the first team's system: unknown product ids are accepted with 201 and fail at the reservation; five failed
    /// reservations within 10 s open the breaker for 30 s, and orders accepted meanwhile never advance.
    Trip,
    /// Always open: no saga advances.
    Open,
}

/// As in flags and faults: `off`, `trip`, `open`.
impl FromStr for BreakerMode {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        [Self::Off, Self::Trip, Self::Open]
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| invalid("value", "a breaker is off, trip or open".to_owned()))
    }
}

impl BreakerMode {
    pub(in crate::demo) fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Trip => "trip",
            Self::Open => "open",
        }
    }
}

/// The shop's settings; `ShopOptions::default()` is a healthy shop on its usual ports.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopOptions {
    /// `--seed N`: everything random follows from it and from request numbers. Default 1.
    pub seed: u64,
    /// `--port N`: `BASE_URL`'s port; the services take the four after it. 0 takes free ports. Default 8080.
    pub port: u16,
    /// `--no-services` clears it: whether the four services also listen on ports of their own. Default true.
    pub service_ports: bool,
    /// `--gateway`: `BASE_URL` behaves like the team's gateway: 2–5 ms more, and 20 writes/s per client, then 429.
    pub gateway: bool,
    /// `--stock N`: units of each preloaded product. Default 1,000,000, which no 30-minute run depletes; 0 fails from
    /// the start.
    pub stock: u64,
    /// `--stuck F`: fraction of sagas that never advance. Default 0.
    pub stuck: f64,
    /// `--breaker off|trip|open`. Default off.
    pub breaker: BreakerMode,
    /// `--pending-timeout D`: an order still PENDING after this long becomes FAILED, though its saga keeps its place in
    /// the queue. Zero: it stays PENDING for ever. Default 30 s.
    pub pending_timeout: Duration,
    /// `--saga-base D`: a lone saga's duration. Default 1.4 s.
    pub saga_base: Duration,
    /// `--saga-capacity R`: sagas per second of the shared queue. Default 19.5.
    pub saga_capacity: f64,
    /// `--latency D`: added to every operation's service time. Default zero.
    pub latency: Duration,
    /// `--error-rate F`: fraction of requests answered with 500 and without effect. Default 0.
    pub error_rate: f64,
    /// `--reset-rate F`: fraction of requests whose connection is reset instead of answered. Default 0.
    pub reset_rate: f64,
    /// `--cold-start D`: for this long after the start answers take longer, 700 ms at first, then linearly less.
    /// Default zero.
    pub cold_start: Duration,
    /// `--fault KIND=VALUE[@START][+DURATION]`, repeatable: faults timed from the start. Default none.
    pub faults: Vec<FaultSpec>,
}

/// Units of each preloaded product, and what the generated catalogue says.
pub(in crate::demo) const DEFAULT_STOCK: u64 = 1_000_000;

impl Default for ShopOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            port: 8080,
            service_ports: true,
            gateway: false,
            stock: DEFAULT_STOCK,
            stuck: 0.0,
            breaker: BreakerMode::Off,
            pending_timeout: Duration::from_secs(30),
            saga_base: Duration::from_millis(1_400),
            saga_capacity: 19.5,
            latency: Duration::ZERO,
            error_rate: 0.0,
            reset_rate: 0.0,
            cold_start: Duration::ZERO,
            faults: Vec::new(),
        }
    }
}

impl ShopOptions {
    /// The first option whose value makes no sense, and why.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let fractions = [
            ("stuck", self.stuck),
            ("error_rate", self.error_rate),
            ("reset_rate", self.reset_rate),
        ];
        for (name, value) in fractions {
            if !(0.0..=1.0).contains(&value) {
                return Some((name, format!("{value} is not a fraction between 0 and 1")));
            }
        }
        if !(0.001..=1e6).contains(&self.saga_capacity) {
            let text = format!("{} is not a rate from 0.001 to 1000000 per second", self.saga_capacity);
            return Some(("saga_capacity", text));
        }
        if self.service_ports && self.port > u16::MAX - 4 {
            return Some((
                "port",
                format!("{} leaves no room for the services' four ports", self.port),
            ));
        }
        None
    }

    /// Everything that disturbs the shop from its start on, as faults: one mechanism for flags and for `/__fault`.
    pub(super) fn initial_faults(&self) -> Vec<FaultSpec> {
        let mut faults = self.faults.clone();
        let mut add = |set: bool, knob| {
            if set {
                faults.push(FaultSpec::always(knob));
            }
        };
        add(self.stuck > 0.0, Knob::Stuck(self.stuck));
        add(self.breaker != BreakerMode::Off, Knob::Breaker(self.breaker));
        add(self.latency > Duration::ZERO, Knob::Latency(self.latency));
        add(self.error_rate > 0.0, Knob::Errors(self.error_rate));
        add(self.reset_rate > 0.0, Knob::Reset(self.reset_rate));
        if self.cold_start > Duration::ZERO {
            faults.push(FaultSpec::cold_start(self.cold_start));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_disturb_nothing() {
        let options = ShopOptions::default();
        assert_eq!(options.problem(), None);
        assert_eq!(options.initial_faults(), Vec::new());
    }

    #[test]
    fn nonsense_is_named() {
        let base = ShopOptions::default;
        let table = [
            ("stuck", ShopOptions { stuck: 1.5, ..base() }),
            (
                "error_rate",
                ShopOptions {
                    error_rate: -0.1,
                    ..base()
                },
            ),
            (
                "reset_rate",
                ShopOptions {
                    reset_rate: f64::NAN,
                    ..base()
                },
            ),
            (
                "saga_capacity",
                ShopOptions {
                    saga_capacity: 0.0,
                    ..base()
                },
            ),
            (
                "saga_capacity",
                ShopOptions {
                    saga_capacity: 1e-20,
                    ..base()
                },
            ),
            ("port", ShopOptions { port: 65_533, ..base() }),
        ];
        for (name, options) in table {
            assert_eq!(options.problem().map(|(field, _)| field), Some(name));
        }
    }

    #[test]
    fn flags_become_faults_from_the_start() {
        let options = ShopOptions {
            stuck: 0.2,
            latency: Duration::from_millis(5),
            cold_start: Duration::from_secs(9),
            breaker: BreakerMode::Open,
            ..ShopOptions::default()
        };
        let knobs: Vec<_> = options.initial_faults().into_iter().map(|fault| fault.kind()).collect();
        assert_eq!(knobs, ["stuck", "breaker", "latency", "cold_start"]);
    }
}
