//! Name resolution through the system's resolver, with a cache for one core thread. No overrides and no connecting.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::sync::OnceCell;

use super::config::{AddrPolicy, AddrSelect, DnsConfig};
use super::{ErrorKind, NetError};
use crate::clock::{self, Instant};

/// Asks the system and remembers its answers. Many VUs that ask for one name at once cause one question.
pub(super) struct Resolver {
    config: DnsConfig,
    answers: RefCell<HashMap<Rc<str>, Rc<Answer>>>,
    /// State of a small generator: which address comes first need not be unpredictable, only spread.
    random: Cell<u64>,
}

#[derive(Default)]
struct Answer {
    found: OnceCell<Found>,
    turn: Cell<usize>,
}

struct Found {
    addrs: Result<Vec<IpAddr>, NetError>,
    /// None is for ever.
    until: Option<Instant>,
}

impl Resolver {
    pub fn new(config: DnsConfig) -> Self {
        Self {
            config,
            answers: RefCell::default(),
            random: Cell::new(0),
        }
    }

    /// The addresses of `name` in the order in which to try them; never empty.
    ///
    /// # Errors
    /// The name is unknown, or the resolver failed.
    pub async fn resolve(&self, name: &Rc<str>, port: u16) -> Result<Vec<SocketAddr>, NetError> {
        let answer = self.answer(name);
        let found = answer
            .found
            .get_or_init(|| async {
                let addrs = lookup(name, self.config.policy).await;
                Found::new(addrs, self.config)
            })
            .await;
        let found = found.addrs.as_ref().map_err(NetError::clone)?;
        let mut addrs: Vec<SocketAddr> = found.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        let preferred = addrs.iter().take_while(|a| a.is_ipv4() == addrs[0].is_ipv4()).count();
        let first = match self.config.select {
            AddrSelect::First => 0,
            AddrSelect::Random => self.next_random() % preferred,
            AddrSelect::RoundRobin => answer.turn.replace(answer.turn.get().wrapping_add(1)) % preferred,
        };
        addrs[..preferred].rotate_left(first);
        Ok(addrs)
    }

    /// The entry of a name; a fresh one when there is none or its time is over.
    fn answer(&self, name: &Rc<str>) -> Rc<Answer> {
        let mut answers = self.answers.borrow_mut();
        if let Some(answer) = answers.get(name) {
            // An answer under way is everybody's.
            let until = answer.found.get().and_then(|found| found.until);
            if until.is_none_or(|until| clock::now() < until) {
                return Rc::clone(answer);
            }
        }
        let fresh = Rc::<Answer>::default();
        if let Some(old) = answers.insert(Rc::clone(name), Rc::clone(&fresh)) {
            fresh.turn.set(old.turn.get());
        }
        fresh
    }

    /// splitmix64 (Steele, Lea, Flood 2014).
    fn next_random(&self) -> usize {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 1) as usize
    }
}

impl Found {
    fn new(addrs: Result<Vec<IpAddr>, NetError>, config: DnsConfig) -> Self {
        let now = clock::now();
        let until = match &addrs {
            // A time to live that no clock can hold is for ever.
            Ok(_) => now.checked_add(config.ttl),
            // Those who waited share a failure; the next one asks again.
            Err(_) => Some(now),
        };
        Self { addrs, until }
    }
}

async fn lookup(name: &str, policy: AddrPolicy) -> Result<Vec<IpAddr>, NetError> {
    let found: io::Result<Vec<IpAddr>> = tokio::net::lookup_host((name, 0))
        .await
        .map(|all| all.map(|a| a.ip()).collect());
    let addrs = match found {
        Ok(addrs) => order(addrs, policy),
        Err(error) => return Err(lookup_error(name, &error)),
    };
    if addrs.is_empty() {
        let message = format!("no usable address for {name:?} (policy {policy:?})");
        return Err(NetError::new(ErrorKind::NoAddress, message));
    }
    Ok(addrs)
}

/// The standard library reports every answer of `getaddrinfo` but EAI_SYSTEM as an uncategorised error with a text. Only
/// EAI_AGAIN ("Temporary failure in name resolution") is not about the name.
fn lookup_error(name: &str, error: &io::Error) -> NetError {
    let text = error.to_string();
    let about_the_resolver = error.raw_os_error().is_some() || text.contains("emporary failure");
    let kind = if about_the_resolver {
        ErrorKind::Dns
    } else {
        ErrorKind::NoAddress
    };
    NetError::new(kind, format!("cannot resolve {name:?}: {text}"))
}

/// Drops the families that do not count and sorts the preferred one first; the resolver's order is kept within.
fn order(mut addrs: Vec<IpAddr>, policy: AddrPolicy) -> Vec<IpAddr> {
    match policy {
        AddrPolicy::PreferIpv4 => addrs.sort_by_key(IpAddr::is_ipv6),
        AddrPolicy::PreferIpv6 => addrs.sort_by_key(IpAddr::is_ipv4),
        AddrPolicy::OnlyIpv4 => addrs.retain(IpAddr::is_ipv4),
        AddrPolicy::OnlyIpv6 => addrs.retain(IpAddr::is_ipv6),
        AddrPolicy::Any => {}
    }
    let mut seen = Vec::new();
    addrs.retain(|addr| {
        !seen.contains(addr) && {
            seen.push(*addr);
            true
        }
    });
    addrs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split_whitespace().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn policies_choose_and_sort_families() {
        let found = "::1 10.0.0.1 ::2 10.0.0.2 10.0.0.1";
        for (policy, expected) in [
            (AddrPolicy::PreferIpv4, "10.0.0.1 10.0.0.2 ::1 ::2"),
            (AddrPolicy::PreferIpv6, "::1 ::2 10.0.0.1 10.0.0.2"),
            (AddrPolicy::OnlyIpv4, "10.0.0.1 10.0.0.2"),
            (AddrPolicy::OnlyIpv6, "::1 ::2"),
            (AddrPolicy::Any, "::1 10.0.0.1 ::2 10.0.0.2"),
        ] {
            assert_eq!(order(ips(found), policy), ips(expected), "{policy:?}");
        }
    }

    /// A resolver that already knows `name`.
    fn knowing(config: DnsConfig, name: &Rc<str>, addrs: &str) -> Resolver {
        let resolver = Resolver::new(config);
        let found = Found::new(Ok(order(ips(addrs), config.policy)), config);
        assert!(resolver.answer(name).found.set(found).is_ok());
        resolver
    }

    #[tokio::test(start_paused = true)]
    async fn selection_turns_the_preferred_family_only() {
        let name: Rc<str> = "a.test".into();
        let first = |select| {
            let name = Rc::clone(&name);
            async move {
                let config = DnsConfig {
                    select,
                    ..DnsConfig::default()
                };
                let resolver = knowing(config, &name, "10.0.0.1 10.0.0.2 10.0.0.3 ::1");
                let mut firsts = Vec::new();
                for _ in 0..60 {
                    let addrs = resolver.resolve(&name, 80).await.unwrap();
                    assert_eq!(addrs[3].ip(), ips("::1")[0]);
                    firsts.push(addrs[0].ip().to_string().as_bytes()[7] - b'0');
                }
                firsts
            }
        };
        assert_eq!(first(AddrSelect::First).await, [1; 60]);
        assert_eq!(first(AddrSelect::RoundRobin).await[..6], [1, 2, 3, 1, 2, 3]);
        let random = first(AddrSelect::Random).await;
        for n in 1..=3 {
            let hits = random.iter().filter(|first| **first == n).count();
            assert!((8..=32).contains(&hits), "{n} came first {hits} times of 60");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_live_as_long_as_they_may() {
        let name: Rc<str> = "a.test".into();
        for (ttl, after, kept) in [
            (Duration::from_secs(5), Duration::from_secs(4), true),
            (Duration::from_secs(5), Duration::from_secs(5), false),
            (Duration::ZERO, Duration::ZERO, false),
            (Duration::MAX, Duration::from_secs(1_000_000), true),
        ] {
            let config = DnsConfig {
                ttl,
                ..DnsConfig::default()
            };
            let resolver = knowing(config, &name, "10.0.0.1");
            clock::sleep(after).await;
            assert_eq!(
                resolver.answer(&name).found.get().is_some(),
                kept,
                "{ttl:?} after {after:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist() {
        let resolver = Resolver::new(DnsConfig::default());
        let error = resolver.resolve(&"nonexistent.invalid".into(), 80).await.unwrap_err();
        // Without any name server the system's resolver cannot know that.
        assert!([1100, 1101].contains(&error.code), "{error:?}");
        assert!(error.message.contains("nonexistent.invalid"), "{error}");
    }
}
