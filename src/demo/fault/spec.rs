//! A fault as people write it: which knob, how far, from when until when. What faults add up to is in `set`.

use std::time::Duration;

use serde_json::{Value, json};

use super::Menu;
use super::value::{fraction, invalid, length, operation, part, rate, text, time, units};
use crate::demo::shop::BreakerMode;
use crate::plan::duration;

/// Why a fault is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Not a JSON object, or not `KIND=VALUE[@START][+DURATION]`.
    #[error("{0}")]
    Shape(String),
    /// No such fault.
    #[error("there is no fault `{kind}`; faults are {known}")]
    Kind {
        /// What was asked for.
        kind: String,
        /// What the system has.
        known: String,
    },
    /// A key that means nothing here.
    #[error("`{0}` is not a key of a fault; keys are fault, value, start, end, duration, operation")]
    Key(String),
    /// A value that the key cannot take.
    #[error("`{key}`: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// What is turned, and how far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::demo) enum Knob {
    Latency(Duration),
    Errors(f64),
    Reset(f64),
    Stall,
    ColdStart,
    /// Everything, or one part.
    Down(Option<&'static str>),
    Stuck(f64),
    Stock(u64),
    Breaker(BreakerMode),
    SlowDrain(f64),
    FailedEvents(f64),
    Handler(Duration),
    ApiCapacity(f64),
    EventCapacity(f64),
    RewardDelay(Duration),
    RewardErrors(f64),
}

/// One fault with its window.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultSpec {
    pub(super) knob: Knob,
    pub(super) start: Duration,
    /// None: until it is cleared.
    pub(super) end: Option<Duration>,
    /// None: every operation.
    pub(super) operation: Option<&'static str>,
}

impl FaultSpec {
    pub(in crate::demo) fn always(knob: Knob) -> Self {
        Self {
            knob,
            start: Duration::ZERO,
            end: None,
            operation: None,
        }
    }

    pub(in crate::demo) fn cold_start(length: Duration) -> Self {
        Self {
            end: Some(length),
            ..Self::always(Knob::ColdStart)
        }
    }

    /// Reads the body of `POST /__fault`.
    ///
    /// # Errors
    /// [`FaultError`] naming the key that is wrong.
    pub(in crate::demo) fn from_json(body: &[u8], menu: &Menu) -> Result<Self, FaultError> {
        let value: Value = serde_json::from_slice(body).map_err(|e| FaultError::Shape(format!("not JSON: {e}")))?;
        let Value::Object(object) = value else {
            return Err(FaultError::Shape("a fault is a JSON object".to_owned()));
        };
        const KEYS: [&str; 6] = ["fault", "value", "start", "end", "duration", "operation"];
        if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(FaultError::Key(key.clone()));
        }
        let kind = text(&object, "fault")?
            .ok_or_else(|| invalid("fault", format!("is missing; one of {}", menu.kinds.join(", "))))?;
        let value = text(&object, "value")?;
        let start = time(&object, "start")?.unwrap_or_default();
        let (end, length) = (time(&object, "end")?, time(&object, "duration")?);
        if end.is_some() && length.is_some() {
            return Err(invalid("end", "give either `end` or `duration`".to_owned()));
        }
        let end = end.or(length.map(|length| start + length));
        let operation = match text(&object, "operation")? {
            None => None,
            Some(name) => Some(operation(&name, menu)?),
        };
        Self::build(menu, &kind, value.as_deref(), (start, end), operation)
    }

    /// The name of the knob.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.knob {
            Knob::Latency(_) => "latency",
            Knob::Errors(_) => "errors",
            Knob::Reset(_) => "reset",
            Knob::Stall => "stall",
            Knob::ColdStart => "cold_start",
            Knob::Down(_) => "down",
            Knob::Stuck(_) => "stuck",
            Knob::Stock(_) => "stock",
            Knob::Breaker(_) => "breaker",
            Knob::SlowDrain(_) => "slow_drain",
            Knob::FailedEvents(_) => "failed_events",
            Knob::Handler(_) => "handler",
            Knob::ApiCapacity(_) => "api_capacity",
            Knob::EventCapacity(_) => "event_capacity",
            Knob::RewardDelay(_) => "reward_delay",
            Knob::RewardErrors(_) => "reward_errors",
        }
    }

    /// The value as it would be posted; null where the window says it all.
    pub(super) fn value(&self) -> Value {
        match self.knob {
            Knob::Latency(time) | Knob::Handler(time) | Knob::RewardDelay(time) => json!(duration::format(time)),
            Knob::Errors(share)
            | Knob::Reset(share)
            | Knob::Stuck(share)
            | Knob::SlowDrain(share)
            | Knob::FailedEvents(share)
            | Knob::RewardErrors(share) => json!(share),
            Knob::ApiCapacity(rate) | Knob::EventCapacity(rate) => json!(rate),
            Knob::Stall | Knob::ColdStart => Value::Null,
            Knob::Down(part) => json!(part.unwrap_or("all")),
            Knob::Stock(units) => json!(units),
            Knob::Breaker(mode) => json!(mode.name()),
        }
    }

    fn build(
        menu: &Menu,
        kind: &str,
        value: Option<&str>,
        (start, end): (Duration, Option<Duration>),
        operation: Option<&'static str>,
    ) -> Result<Self, FaultError> {
        let unknown = || FaultError::Kind {
            kind: kind.to_owned(),
            known: menu.kinds.join(", "),
        };
        if !menu.kinds.contains(&kind) {
            return Err(unknown());
        }
        let given = || value.ok_or_else(|| invalid("value", format!("`{kind}` needs one")));
        let knob = match kind {
            "latency" => Knob::Latency(length("value", given()?)?),
            "errors" => Knob::Errors(fraction(given()?)?),
            "reset" => Knob::Reset(fraction(given()?)?),
            "stuck" => Knob::Stuck(fraction(given()?)?),
            "stall" => Knob::Stall,
            "cold_start" => Knob::ColdStart,
            "down" => Knob::Down(part(given()?, menu)?),
            "stock" => Knob::Stock(units(given()?)?),
            "breaker" => Knob::Breaker(given()?.parse()?),
            "slow_drain" => Knob::SlowDrain(fraction(given()?)?),
            "failed_events" => Knob::FailedEvents(fraction(given()?)?),
            "handler" => Knob::Handler(length("value", given()?)?),
            "api_capacity" => Knob::ApiCapacity(rate(given()?)?),
            "event_capacity" => Knob::EventCapacity(rate(given()?)?),
            "reward_delay" => Knob::RewardDelay(length("value", given()?)?),
            "reward_errors" => Knob::RewardErrors(fraction(given()?)?),
            _ => return Err(unknown()),
        };
        if operation.is_some() && !matches!(knob, Knob::Latency(_) | Knob::Errors(_) | Knob::Reset(_)) {
            return Err(invalid("operation", format!("`{kind}` is not about one operation")));
        }
        let end = match (knob, value, end) {
            (Knob::Stall | Knob::ColdStart, Some(value), None) => Some(start + length("value", value)?),
            (Knob::Stall | Knob::ColdStart, None, None) => {
                return Err(invalid("value", format!("`{kind}` needs its length")));
            }
            (Knob::Stall | Knob::ColdStart, Some(_), Some(_)) => {
                return Err(invalid("value", format!("the length of `{kind}` is given twice")));
            }
            (_, _, end) => end,
        };
        if end.is_some_and(|end| end <= start) {
            return Err(invalid("end", "is not after the start".to_owned()));
        }
        Ok(Self {
            knob,
            start,
            end,
            operation,
        })
    }

    /// Reads `KIND=VALUE[@START][+DURATION]`, for flags: `stall=5s@10s`, `errors=5%@1m+30s`.
    ///
    /// # Errors
    /// [`FaultError`] naming what is wrong.
    pub(in crate::demo) fn from_flag(flag: &str, menu: &Menu) -> Result<Self, FaultError> {
        let shape = || FaultError::Shape(format!("`{flag}` is not KIND=VALUE[@START][+DURATION]"));
        let (kind, rest) = flag.split_once('=').ok_or_else(shape)?;
        let (rest, lasting) = match rest.split_once('+') {
            Some((rest, lasting)) => (rest, Some(length("duration", lasting)?)),
            None => (rest, None),
        };
        let (value, start) = match rest.split_once('@') {
            Some((value, start)) => (value, length("start", start)?),
            None => (rest, Duration::ZERO),
        };
        let value = (!value.is_empty()).then_some(value);
        Self::build(menu, kind, value, (start, lasting.map(|lasting| start + lasting)), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{orchestrator, shop};

    fn window(knob: Knob, start: u64, end: Option<u64>) -> FaultSpec {
        FaultSpec {
            knob,
            start: Duration::from_secs(start),
            end: end.map(Duration::from_secs),
            operation: None,
        }
    }

    /// Body, flag, what both say: faults of requests.
    fn requests() -> Vec<(&'static str, &'static str, FaultSpec)> {
        let ms = Duration::from_millis;
        vec![
            (
                r#"{"fault":"latency","value":"200ms"}"#,
                "latency=200ms",
                window(Knob::Latency(ms(200)), 0, None),
            ),
            (
                r#"{"fault":"errors","value":"5%","start":60,"duration":"30s"}"#,
                "errors=5%@1m+30s",
                window(Knob::Errors(0.05), 60, Some(90)),
            ),
            (
                r#"{"fault":"errors","value":0.5}"#,
                "errors=0.5",
                window(Knob::Errors(0.5), 0, None),
            ),
            (
                r#"{"fault":"reset","value":1,"start":"1s","end":"3s"}"#,
                "reset=1@1s+2s",
                window(Knob::Reset(1.0), 1, Some(3)),
            ),
            (
                r#"{"fault":"stall","value":"5s","start":"10s"}"#,
                "stall=5s@10s",
                window(Knob::Stall, 10, Some(15)),
            ),
            (
                r#"{"fault":"stall","duration":"5s"}"#,
                "stall=+5s",
                window(Knob::Stall, 0, Some(5)),
            ),
        ]
    }

    /// As [`requests`], for the shop itself.
    fn system() -> Vec<(&'static str, &'static str, FaultSpec)> {
        vec![
            (
                r#"{"fault":"cold_start","value":20}"#,
                "cold_start=20",
                window(Knob::ColdStart, 0, Some(20)),
            ),
            (
                r#"{"fault":"down","value":"order"}"#,
                "down=order",
                window(Knob::Down(Some("order")), 0, None),
            ),
            (
                r#"{"fault":"down","value":"all"}"#,
                "down=all",
                window(Knob::Down(None), 0, None),
            ),
            (
                r#"{"fault":"stuck","value":"20 %"}"#,
                "stuck=20%",
                window(Knob::Stuck(0.2), 0, None),
            ),
            (
                r#"{"fault":"stock","value":0}"#,
                "stock=0",
                window(Knob::Stock(0), 0, None),
            ),
            (
                r#"{"fault":"breaker","value":"trip"}"#,
                "breaker=trip",
                window(Knob::Breaker(BreakerMode::Trip), 0, None),
            ),
        ]
    }

    #[test]
    fn reads_bodies_and_flags_alike() {
        for (body, flag, expected) in requests().into_iter().chain(system()) {
            let read = FaultSpec::from_json(body.as_bytes(), &shop::MENU);
            assert_eq!(read.unwrap(), expected, "{body}");
            assert_eq!(FaultSpec::from_flag(flag, &shop::MENU).unwrap(), expected, "{flag}");
        }
        let one = br#"{"fault":"errors","value":1,"operation":"POST /api/orders"}"#;
        let one = FaultSpec::from_json(one, &shop::MENU).unwrap();
        assert_eq!(one.operation, Some("POST /api/orders"));
    }

    #[test]
    fn each_system_has_its_own_faults() {
        let half = FaultSpec::from_flag("slow_drain=50%@10s", &orchestrator::MENU).unwrap();
        assert_eq!(half, window(Knob::SlowDrain(0.5), 10, None));
        assert_eq!((half.kind(), half.value()), ("slow_drain", json!(0.5)));
        let some = FaultSpec::from_json(br#"{"fault":"failed_events","value":0.01}"#, &orchestrator::MENU).unwrap();
        assert_eq!(some, window(Knob::FailedEvents(0.01), 0, None));
        for (flag, menu, part) in [
            (
                "slow_drain=0.5",
                &shop::MENU,
                "no fault `slow_drain`; faults are latency",
            ),
            ("stock=5", &orchestrator::MENU, "failed_events"),
            ("down=order", &orchestrator::MENU, "`order` is not orchestrator or all"),
        ] {
            let message = FaultSpec::from_flag(flag, menu).unwrap_err().to_string();
            assert!(message.contains(part), "{flag}: {message}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        // body, part of the message
        let table = [
            ("", "not JSON"),
            ("[]", "JSON object"),
            ("{}", "`fault`: is missing"),
            (r#"{"fault":"lag","value":1}"#, "no fault `lag`"),
            (r#"{"fault":"latency"}"#, "needs one"),
            (r#"{"fault":"latency","value":"5 parsecs"}"#, "parsecs"),
            (r#"{"fault":"latency","value":true}"#, "a text or a number"),
            (
                r#"{"fault":"latency","value":"1s","operation":"GET /"}"#,
                "operations are POST /api/customers",
            ),
            (
                r#"{"fault":"stall","value":"1s","operation":"POST /api/orders"}"#,
                "not about one operation",
            ),
            (
                r#"{"fault":"latency","value":"1s","starts":1}"#,
                "`starts` is not a key",
            ),
            (r#"{"fault":"errors","value":2}"#, "`2` is not a fraction"),
            (r#"{"fault":"errors","value":"101%"}"#, "not a fraction"),
            (r#"{"fault":"stock","value":-1}"#, "whole number"),
            (r#"{"fault":"breaker","value":"ajar"}"#, "off, trip or open"),
            (r#"{"fault":"down","value":"shipping"}"#, "not account"),
            (
                r#"{"fault":"errors","value":1,"start":"5s","end":"5s"}"#,
                "not after the start",
            ),
            (r#"{"fault":"errors","value":1,"duration":"5s","end":"5s"}"#, "either"),
            (r#"{"fault":"stall"}"#, "needs its length"),
            (r#"{"fault":"stall","value":"1s","end":"1s"}"#, "twice"),
        ];
        for (body, part) in table {
            let message = FaultSpec::from_json(body.as_bytes(), &shop::MENU)
                .unwrap_err()
                .to_string();
            assert!(message.contains(part), "{body}: {message}");
        }
        let message = FaultSpec::from_flag("latency", &shop::MENU).unwrap_err().to_string();
        assert!(message.contains("KIND=VALUE"), "{message}");
    }
}
