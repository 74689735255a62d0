//! Where a name really is: overrides from the options, with or without port, with wildcards. No resolver.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use url::Host;

use super::config::ConfigError;

/// The parsed `hosts` option.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// `name` and `name:port`.
    exact: HashMap<String, Place>,
    /// `.suffix` and `.suffix:port`, the longest suffix first.
    wild: Vec<(String, Place)>,
}

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// An address, or a name to resolve.
    pub host: PlaceHost,
    /// The port, if not the URL's.
    pub port: Option<u16>,
}

/// The host of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PlaceHost {
    /// An address.
    Ip(IpAddr),
    /// A name to resolve.
    Name(String),
}

impl Hosts {
    /// Parses the option.
    ///
    /// # Errors
    /// A key or a value that is neither name nor address, with or without port.
    pub fn parse(entries: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let mut hosts = Self::default();
        for (name, value) in entries {
            let wrong = |reason: &str| ConfigError::Host {
                name: name.clone(),
                reason: reason.to_owned(),
            };
            let place = place(value).ok_or_else(|| {
                wrong(&format!(
                    "expected an address or a name, with or without port, got {value:?}"
                ))
            })?;
            match key(name).map_err(|reason| wrong(&reason))? {
                (true, suffix) => hosts.wild.push((suffix, place)),
                (false, name) => {
                    if hosts.exact.insert(name, place).is_some() {
                        return Err(wrong("the same host is there twice, written differently"));
                    }
                }
            }
        }
        // `:port` makes a suffix longer, so that it comes before the same suffix without.
        hosts
            .wild
            .sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Ok(hosts)
    }

    /// Where `host` (lower case, an IPv6 address in brackets) is, if an entry says so.
    pub fn find(&self, host: &str, port: u16) -> Option<&Place> {
        if self.exact.is_empty() && self.wild.is_empty() {
            return None;
        }
        let with_port = format!("{host}:{port}");
        let exact = self.exact.get(&with_port).or_else(|| self.exact.get(host));
        let wild = |(suffix, place)| {
            let ends = |name: &str| name.len() > str::len(suffix) && name.ends_with(suffix);
            (ends(host) || ends(&with_port)).then_some(place)
        };
        exact.or_else(|| {
            self.wild
                .iter()
                .map(|(suffix, place)| (suffix.as_str(), place))
                .find_map(wild)
        })
    }
}

/// A key as `find` is asked for it, which is how URLs have their hosts; whether it is a suffix, with its dot. Else what is
/// wrong.
fn key(written: &str) -> Result<(bool, String), String> {
    let written = written.trim();
    let (host, port) = split_port(written).ok_or("the port must be a number up to 65535")?;
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let (is_wild, host) = match host.strip_prefix("*.") {
        Some(suffix) => (true, suffix),
        None => (false, host),
    };
    if host.is_empty() || host.contains('*') {
        return Err("expected `name`, `name:port`, `*.name` or `*.name:port`".to_owned());
    }
    let parsed = match host.parse::<Ipv6Addr>() {
        Ok(_) => Host::parse(&format!("[{host}]")),
        Err(_) => Host::parse(host),
    };
    match (is_wild, parsed) {
        (false, Ok(host)) => Ok((false, format!("{host}{port}"))),
        (true, Ok(Host::Domain(suffix))) => Ok((true, format!(".{suffix}{port}"))),
        (true, Ok(_)) => Err("`*.` stands before a name, not before an address".to_owned()),
        (_, Err(error)) => Err(format!(
            "{host:?} is no host that a URL can have ({error}); expected `name`, `name:port`, `*.name` or `*.name:port`"
        )),
    }
}

fn place(value: &str) -> Option<Place> {
    let value = value.trim();
    if let Ok(addr) = value.parse::<SocketAddr>() {
        return Some(Place {
            host: PlaceHost::Ip(addr.ip()),
            port: Some(addr.port()),
        });
    }
    let bare = value
        .strip_prefix('[')
        .and_then(|v| v.strip_suffix(']'))
        .unwrap_or(value);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(Place {
            host: PlaceHost::Ip(ip),
            port: None,
        });
    }
    let (name, port) = split_port(value)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!name.is_empty() && name.chars().all(fits)).then(|| Place {
        host: PlaceHost::Name(name.to_ascii_lowercase()),
        port,
    })
}

/// Splits `host:port`; an IPv6 address without brackets has no port. None if the port is not one.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => Some((host, Some(port.parse().ok()?))),
        _ => Some((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(entries: &[(&str, &str)]) -> Result<Hosts, ConfigError> {
        Hosts::parse(
            &entries
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn the_most_specific_entry_wins() {
        let hosts = hosts(&[
            ("api.test", "127.0.0.1"),
            ("API.test:81", "127.0.0.2:8081"),
            ("*.test", "127.0.0.3"),
            ("*.test:82", "127.0.0.4:1"),
            ("*.deep.test", "127.0.0.5"),
            ("[::1]", "[::2]:7"),
            ("named.io", "real.host:90"),
            ("Bücher.test", "127.0.0.6"),
            ("*.straße.test:80", "127.0.0.7"),
            ("fd00::0:1", "127.0.0.8"),
            ("[FD00::2]:81", "127.0.0.9"),
        ])
        .unwrap();
        for (host, port, expected) in [
            ("api.test", 80, Some(("127.0.0.1", None))),
            ("api.test", 81, Some(("127.0.0.2", Some(8081)))),
            ("other.test", 80, Some(("127.0.0.3", None))),
            ("other.test", 82, Some(("127.0.0.4", Some(1)))),
            ("a.deep.test", 80, Some(("127.0.0.5", None))),
            ("a.b.deep.test", 82, Some(("127.0.0.5", None))),
            ("test", 80, None),
            ("nottest", 80, None),
            ("[::1]", 80, Some(("::2", Some(7)))),
            ("named.io", 80, Some(("real.host", Some(90)))),
            ("xn--bcher-kva.test", 80, Some(("127.0.0.6", None))),
            ("a.xn--strae-oqa.test", 80, Some(("127.0.0.7", None))),
            ("[fd00::1]", 80, Some(("127.0.0.8", None))),
            ("[fd00::2]", 81, Some(("127.0.0.9", None))),
            ("[fd00::2]", 80, None),
        ] {
            let found = hosts.find(host, port).map(|place| {
                let host = match &place.host {
                    PlaceHost::Ip(ip) => ip.to_string(),
                    PlaceHost::Name(name) => name.clone(),
                };
                (host, place.port)
            });
            let expected = expected.map(|(host, port): (&str, Option<u16>)| (host.to_owned(), port));
            assert_eq!(found, expected, "{host}:{port}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_key() {
        for (key, value) in [
            ("a", ""),
            ("a", "two words"),
            ("a", "http://x"),
            ("a", "127.0.0.1:99999"),
            ("", "127.0.0.1"),
            ("*", "127.0.0.1"),
            ("*.", "127.0.0.1"),
            ("a.*.b", "127.0.0.1"),
            ("a:http", "127.0.0.1"),
            ("two words", "127.0.0.1"),
            ("http://a", "127.0.0.1"),
            ("*.::1", "127.0.0.1"),
            ("*.127.0.0.1", "127.0.0.1"),
            ("1.2.3.999", "127.0.0.1"),
        ] {
            let error = hosts(&[(key, value)]).expect_err(key).to_string();
            assert!(error.starts_with(&format!("http.hosts[{key:?}]: ")), "{error}");
        }
        let error = hosts(&[("a.test", "127.0.0.1"), ("A.test", "127.0.0.2")]).unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
    }
}
