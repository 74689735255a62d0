//! `statsd=HOST:PORT`: the plain StatsD protocol over UDP, which carries no tags: they become parts of the name. UDP tells nobody
//! what arrived.

use std::net::{ToSocketAddrs as _, UdpSocket};

use super::row::{Row, Value, rows, statistics};
use super::tally::Tally;
use crate::results::Interval;

/// Fits into a packet on every path (the StatsD project's advice for the Internet at large is 512, for Ethernet 1432).
const MOST_BYTES: usize = 1_432;

/// A socket that is bound to one receiver.
pub(super) struct Statsd {
    socket: UdpSocket,
}

impl Statsd {
    /// To the first address of `target`.
    ///
    /// # Errors
    /// A name that does not resolve, or what the system said.
    pub(super) fn connect(target: &str) -> Result<Self, String> {
        let mut addrs = target.to_socket_addrs().map_err(|error| error.to_string())?;
        let addr = addrs.next().ok_or_else(|| "the name has no address".to_owned())?;
        let from: (std::net::IpAddr, u16) = match addr {
            std::net::SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
            std::net::SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
        };
        let socket = UdpSocket::bind(from).and_then(|socket| socket.connect(addr).map(|()| socket));
        let socket = socket.map_err(|error| error.to_string())?;
        Ok(Self { socket })
    }

    /// Sends a second.
    pub(super) fn interval(&mut self, interval: &Interval, tally: &Tally) {
        let mut packet = String::new();
        let mut in_packet = 0;
        for line in rows(interval).iter().flat_map(lines) {
            if !packet.is_empty() && packet.len() + 1 + line.len() > MOST_BYTES {
                self.send(&mut packet, &mut in_packet, tally);
            }
            if !packet.is_empty() {
                packet.push('\n');
            }
            packet.push_str(&line);
            in_packet += line.lines().count() as u64;
        }
        self.send(&mut packet, &mut in_packet, tally);
    }

    fn send(&self, packet: &mut String, lines: &mut u64, tally: &Tally) {
        if *lines > 0 {
            match self.socket.send(packet.as_bytes()) {
                Ok(_) => tally.written(*lines),
                Err(error) => {
                    tally.failed(error.to_string(), false);
                    tally.dropped(*lines);
                }
            }
        }
        packet.clear();
        *lines = 0;
    }
}

/// What stays together in a packet. Counters are what was added; distributions are the percentiles of the second, as a receiver
/// cannot merge ours.
fn lines(row: &Row<'_>) -> Vec<String> {
    let name = name(row);
    match &row.value {
        Value::Counter(value) => vec![format!("{name}:{value}|c")],
        Value::Gauge(value) => vec![gauge(&name, *value)],
        Value::Rate { passes, total } => vec![format!("{name}.passes:{passes}|c"), format!("{name}.total:{total}|c")],
        Value::Trend(trend) => {
            let mut lines = vec![
                format!("{name}.count:{}|c", trend.count),
                gauge(&format!("{name}.min"), trend.min),
                gauge(&format!("{name}.max"), trend.max),
            ];
            let told = statistics(trend).into_iter();
            lines.extend(told.map(|(stat, value)| gauge(&format!("{name}.{stat}"), value)));
            lines
        }
    }
}

/// A sign means a change, so that only values without one are absolute: what is below zero is a change from zero.
fn gauge(name: &str, value: f64) -> String {
    match value.is_sign_negative() {
        true => format!("{name}:0|g\n{name}:{value}|g"),
        false => format!("{name}:{value}|g"),
    }
}

/// `kingtide.http_reqs.status.200`
fn name(row: &Row<'_>) -> String {
    let plain = |text: &str| -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        text.chars().map(plain).collect()
    };
    let mut name = format!("kingtide.{}", plain(row.metric));
    for (key, value) in &row.tags {
        name.push_str(&format!(".{}.{}", plain(key), plain(value)));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::row::samples;

    /// The packets of a second, all of them.
    fn sent(interval: &Interval) -> Vec<String> {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = receiver.local_addr().unwrap().to_string();
        let tally = Tally::default();
        Statsd::connect(&target).unwrap().interval(interval, &tally);
        let report = tally.report();
        assert_eq!(report.dropped, 0);
        let mut packets = Vec::new();
        let (mut lines, mut buffer) = (0, [0; 2_000]);
        while lines < report.written {
            let length = receiver.recv(&mut buffer).unwrap();
            assert!(length <= MOST_BYTES);
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            lines += text.lines().count() as u64;
            packets.push(text.to_owned());
        }
        packets
    }

    #[test]
    fn a_receiver_gets_whole_lines() {
        let packets = sent(&samples::interval(0));
        let lines: Vec<&str> = packets.iter().flat_map(|packet| packet.lines()).collect();
        for line in [
            "kingtide.http_reqs:10|c",
            "kingtide.http_reqs.status.200:10|c",
            "kingtide.http_req_duration.name.GET__a_b____.count:10|c",
            "kingtide.http_req_duration.max:1000|g",
            "kingtide.http_req_failed.passes:1|c",
            "kingtide.http_req_failed.total:10|c",
            "kingtide.vus:3|g",
            "kingtide.generator_cpu:12.5|g",
            "kingtide.scenario_iterations_dropped.scenario.sagas:1|c",
        ] {
            assert!(lines.contains(&line), "{line} is not in {lines:#?}");
        }
    }

    /// As a server of StatsD does it.
    #[test]
    fn a_value_below_zero_is_no_change() {
        let mut interval = samples::interval(0);
        interval.thresholds[0].limit = -3.5;
        interval.thresholds[0].observed = Some(-0.25);
        let mut gauges = std::collections::HashMap::<String, f64>::new();
        for packet in [sent(&interval), sent(&interval)].concat() {
            let mut before = "";
            for line in packet.lines() {
                let Some((name, value)) = line.strip_suffix("|g").and_then(|line| line.split_once(':')) else {
                    continue;
                };
                let is_change = value.starts_with('-');
                // What gets lost is lost as a whole.
                assert!(!is_change || before == format!("{name}:0|g"), "{packet}");
                let known = gauges.entry(name.to_owned()).or_default();
                *known = if is_change { *known } else { 0.0 } + value.parse::<f64>().unwrap();
                before = line;
            }
        }
        let by_name = |wanted: &str| {
            gauges
                .iter()
                .find(|(name, _)| name.contains(wanted))
                .map(|(_, value)| *value)
        };
        assert_eq!(by_name("threshold_limit"), Some(-3.5), "{gauges:?}");
        assert_eq!(by_name("threshold_observed"), Some(-0.25), "{gauges:?}");
        assert_eq!(by_name("vus"), Some(3.0), "{gauges:?}");
    }
}
