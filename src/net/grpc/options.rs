//! How a server is reached, as validated data.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use http::uri::Authority;
use url::Url;

use super::Metadata;
use crate::net::{ConfigError, Connections, HttpConfig, HttpVersion, Shared, TlsConfig};

/// Options of a gRPC client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Speaks HTTP/2 without TLS (prior knowledge).
    pub plaintext: bool,
    /// TLS options; not with `plaintext`.
    pub tls: TlsConfig,
    /// The `:authority`, and the name that TLS verifies unless `tls.server_name` says otherwise; default: the address.
    pub authority: Option<String>,
    /// Whose connections are, `PerVu` or `Shared(n)`: then at most n for the whole process. `PerIteration` is as `PerVu`
    /// here; the caller drops the channel.
    pub connections: Connections,
    /// Calls in flight over the whole process, streams included; the others wait in their order.
    pub max_in_flight: Option<NonZeroUsize>,
    /// The largest message to receive, in bytes as encoded and decompressed; default 4 MiB.
    pub max_receive_size: usize,
    /// The largest message to send, in bytes as encoded; default none but the protocol's 4 GiB.
    pub max_send_size: usize,
    /// How long opening a connection may take, name resolution and TLS included; default 10 s.
    pub connect_timeout: Duration,
    /// The `user-agent`; empty sends none.
    pub user_agent: String,
    /// Sent with every call.
    pub metadata: Metadata,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            plaintext: false,
            tls: TlsConfig::default(),
            authority: None,
            connections: Connections::PerVu,
            max_in_flight: None,
            max_receive_size: 4 << 20,
            max_send_size: u32::MAX as usize,
            connect_timeout: Duration::from_secs(10),
            user_agent: crate::net::USER_AGENT.to_owned(),
            metadata: Metadata::new(),
        }
    }
}

impl Options {
    /// Whether a client can be made of these: for scripts that are checked before any load.
    ///
    /// # Errors
    /// An address or options that cannot work.
    pub fn check(&self, address: &str) -> Result<(), OptionsError> {
        let reach = self.reach(address, &HttpConfig::default())?;
        reach.checked().map(drop)
    }

    /// How many calls there may be in flight; more than can be counted are as good as any number.
    pub(super) fn cap(&self) -> Option<usize> {
        let cap = self.max_in_flight?.get();
        Some(cap.min(tokio::sync::Semaphore::MAX_PERMITS))
    }

    /// Where `address` is and how it is reached; `hosts`, `dns` and `local_addrs` are the plan's.
    pub(super) fn reach(&self, address: &str, plan: &HttpConfig) -> Result<Reach, OptionsError> {
        let url = self.url(address)?;
        let authority = match &self.authority {
            None => None,
            Some(text) => {
                let authority = Authority::try_from(text.as_str());
                let authority = authority.map_err(|_| wrong("authority", "not a host name with or without port"))?;
                if text.contains('@') {
                    return Err(wrong("authority", "a user has no place in it"));
                }
                Some(authority)
            }
        };
        let mut tls = self.tls.clone();
        if self.plaintext && tls != TlsConfig::default() {
            return Err(wrong(
                "plaintext",
                "there is no TLS then; take away `tls` or `plaintext`",
            ));
        }
        if tls.server_name.is_none() {
            tls.server_name = authority.as_ref().map(|authority| authority.host().to_owned());
        }
        let config = HttpConfig {
            tls,
            hosts: plan.hosts.clone(),
            local_addrs: plan.local_addrs.clone(),
            dns: plan.dns,
            trace_sampling: plan.trace_sampling,
            user_agent: self.user_agent.clone(),
            version: HttpVersion::Http2,
            connections: Connections::PerVu,
            ..HttpConfig::default()
        };
        Ok(Reach { url, authority, config })
    }

    fn url(&self, address: &str) -> Result<Url, OptionsError> {
        let unfit = |reason: &str| OptionsError::Address {
            address: address.to_owned(),
            reason: reason.to_owned(),
        };
        if address.starts_with("unix:") {
            return Err(unfit("sockets of this machine are not supported"));
        }
        let place = address
            .strip_prefix("dns:")
            .map_or(address, |rest| rest.trim_start_matches('/'));
        if place.contains("://") {
            return Err(unfit(
                "write it without a scheme, as \"host:port\"; `plaintext` says whether there is TLS",
            ));
        }
        if place.is_empty() || place.contains(|c: char| c.is_whitespace() || "/?#@".contains(c)) {
            return Err(unfit("write it as \"host:port\""));
        }
        let scheme = if self.plaintext { "http" } else { "https" };
        let url = Url::parse(&format!("{scheme}://{place}/"));
        let url = url.map_err(|error| unfit(&format!("{error}; write it as \"host:port\"")))?;
        // 80 is a port for it, but `url` does not keep it; so what is written counts.
        let has_port = place
            .rsplit_once(':')
            .is_some_and(|(host, port)| !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')));
        if self.plaintext && !has_port {
            return Err(unfit("it has no port"));
        }
        Ok(url)
    }
}

/// Where a server is, and how it is reached.
pub(super) struct Reach {
    pub url: Url,
    pub authority: Option<Authority>,
    pub config: HttpConfig,
}

impl Reach {
    /// Reads the files that the options name.
    pub fn checked(&self) -> Result<Rc<Shared>, OptionsError> {
        Shared::new(self.config.clone()).map_err(|error| explained(&error))
    }
}

fn wrong(option: &str, reason: impl Into<String>) -> OptionsError {
    OptionsError::Option {
        option: option.to_owned(),
        reason: reason.into(),
    }
}

/// An error of HTTP's options in this one's terms.
pub(super) fn explained(error: &ConfigError) -> OptionsError {
    match error {
        ConfigError::File { option, path, source } => wrong(
            &format!("tls.{option}"),
            format!("cannot read {}: {source}", path.display()),
        ),
        ConfigError::Tls { option, reason } => wrong(&format!("tls.{option}"), reason),
        ConfigError::UserAgent(text) => wrong("user_agent", format!("not a valid header value: {text:?}")),
        // These are the plan's, and have been checked there.
        ConfigError::Proxy(_) | ConfigError::Host { .. } => wrong("hosts", error.to_string()),
    }
}

/// Options that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// An address that is none.
    #[error("address {address:?}: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// One of the options.
    #[error("{option}: {reason}")]
    Option {
        /// Its key, `tls.ca` for one.
        option: String,
        /// What is wrong.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Pem;

    #[test]
    fn addresses() {
        for (address, plaintext, expected) in [
            ("localhost:50051", true, Ok("http://localhost:50051/")),
            ("127.0.0.1:80", true, Ok("http://127.0.0.1/")),
            ("[::1]:9", true, Ok("http://[::1]:9/")),
            ("dns:///api.test:9", false, Ok("https://api.test:9/")),
            ("dns:api.test:9", false, Ok("https://api.test:9/")),
            ("api.test", false, Ok("https://api.test/")),
            ("api.test", true, Err("no port")),
            ("[::1]", true, Err("no port")),
            ("http://api.test:80", true, Err("without a scheme")),
            ("api.test:80/x", true, Err("host:port")),
            ("a@b:1", true, Err("host:port")),
            ("", true, Err("host:port")),
            ("api.test:99999", true, Err("host:port")),
            ("unix:/tmp/x", true, Err("not supported")),
        ] {
            let options = Options {
                plaintext,
                ..Options::default()
            };
            match (options.reach(address, &HttpConfig::default()), expected) {
                (Ok(reach), Ok(url)) => assert_eq!(reach.url.as_str(), url),
                (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
                (reach, _) => panic!("{address}: {:?}", reach.map(|reach| reach.url)),
            }
        }
    }

    #[test]
    fn options_that_cannot_work_are_named() {
        let check = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            options.check("api.test:1").map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| {}), Ok(()));
        let ca = |options: &mut Options| options.tls.ca = Some(Pem::Path("none.pem".into()));
        for (change, expected) in [
            (ca as fn(&mut Options), "tls.ca: cannot read none.pem: "),
            (
                |options| options.tls.cert = Some(Pem::Bytes(Vec::new())),
                "tls.key: missing",
            ),
            (
                |options| options.user_agent = "a\nb".to_owned(),
                "user_agent: not a valid",
            ),
            (
                |options| options.authority = Some("a b".to_owned()),
                "authority: not a host",
            ),
            (
                |options| options.authority = Some("a@b".to_owned()),
                "authority: a user",
            ),
            (
                |options| (options.plaintext, options.tls.insecure) = (true, true),
                "plaintext: there is no TLS",
            ),
        ] {
            let error = check(change).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
