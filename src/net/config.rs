//! The network options of a run, as validated data. No reading of files and no defaults that depend on the machine.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::headers::HeaderList;

/// Options of the HTTP client; one set for the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpConfig {
    /// Limit for a request with all its redirects, from name resolution to the last body byte; default 60 s.
    pub timeout: Duration,
    /// TLS options.
    pub tls: TlsConfig,
    /// Where names really are: `name`, `name:port` or `*.name[:port]` → `address`, `address:port` or `name[:port]`.
    pub hosts: HashMap<String, String>,
    /// Source addresses; VU `i` uses the `i` modulo `n`-th of those that fit the target's family.
    pub local_addrs: Vec<IpAddr>,
    /// An HTTP proxy for every request, with optional userinfo.
    pub proxy: Option<Url>,
    /// The `user-agent` of requests that set none; empty sends none.
    pub user_agent: String,
    /// Sent with every request that does not set them itself.
    pub headers: HeaderList,
    /// Name resolution.
    pub dns: DnsConfig,
    /// The largest response body in bytes, as received and decoded, default 16 MiB. Discarded bodies have no limit.
    pub max_body: u64,
    /// Which HTTP is spoken.
    pub version: HttpVersion,
    /// How long connections live, and whose they are.
    pub connections: Connections,
    /// How many redirects a request follows unless it says otherwise (callers copy it into [`super::Request`]).
    pub max_redirects: u32,
    /// How long cookies live.
    pub cookies: CookieMode,
    /// Sends `accept-encoding: gzip, deflate, br, zstd` unless the request has that header; default off, like k6.
    pub compression: bool,
    /// Drops all response bodies, as if every request asked for it.
    pub discard_body: bool,
    /// Requests and calls carry trace ids, this share of which (0 to 1) is marked as sampled; without it they carry none.
    pub trace_sampling: Option<f64>,
}

impl HttpConfig {
    /// How many of `wanted` core threads these options can keep busy: an HTTP/1.1 connection is bound to one, so that with
    /// fewer shared ones than threads some would have none.
    #[must_use]
    pub fn most_threads(&self, wanted: u32) -> u32 {
        match (self.connections, self.version) {
            (Connections::Shared(limit), HttpVersion::Auto | HttpVersion::Http1) => {
                wanted.min(u32::try_from(limit.get()).unwrap_or(u32::MAX))
            }
            _ => wanted,
        }
    }

    /// Whether a connection that was made under `other` is as good as one made under these options.
    #[must_use]
    pub fn connects_like(&self, other: &Self) -> bool {
        let made_by = |config: &Self| {
            let config = config.clone();
            (
                config.tls,
                config.hosts,
                config.local_addrs,
                config.proxy,
                config.dns,
                config.version,
                config.connections,
            )
        };
        made_by(self) == made_by(other)
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            tls: TlsConfig::default(),
            hosts: HashMap::new(),
            local_addrs: Vec::new(),
            proxy: None,
            user_agent: super::USER_AGENT.to_owned(),
            headers: HeaderList::new(),
            dns: DnsConfig::default(),
            max_body: 16 << 20,
            version: HttpVersion::Auto,
            connections: Connections::PerVu,
            max_redirects: 10,
            cookies: CookieMode::PerIteration,
            compression: false,
            discard_body: false,
            trace_sampling: None,
        }
    }
}

/// TLS options. Certificates are verified against the platform's roots unless `insecure`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Accepts every server certificate.
    pub insecure: bool,
    /// Roots trusted besides the platform's.
    pub ca: Option<Pem>,
    /// The client's certificate chain; needs `key`.
    pub cert: Option<Pem>,
    /// The client's private key; needs `cert`.
    pub key: Option<Pem>,
    /// The name asked for (SNI) and verified, instead of the URL's host.
    pub server_name: Option<String>,
}

/// PEM data: where it is, or what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pem {
    /// A file, read when the client is made.
    Path(PathBuf),
    /// The text itself.
    Bytes(Vec<u8>),
}

/// Name resolution; the defaults are k6's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsConfig {
    /// How long an answer is used; zero asks each time, [`Duration::MAX`] once.
    pub ttl: Duration,
    /// Which address of several is tried first; the others follow only when it cannot be connected to.
    pub select: AddrSelect,
    /// Which address family counts.
    pub policy: AddrPolicy,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(300),
            select: AddrSelect::Random,
            policy: AddrPolicy::PreferIpv4,
        }
    }
}

/// Which address of several is tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddrSelect {
    /// The first of the answer.
    First,
    /// Any.
    Random,
    /// Each in turn, over all VUs of a core.
    RoundRobin,
}

/// Which address family counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddrPolicy {
    /// IPv4, and IPv6 after it.
    PreferIpv4,
    /// IPv6, and IPv4 after it.
    PreferIpv6,
    /// IPv4 alone.
    OnlyIpv4,
    /// IPv6 alone.
    OnlyIpv6,
    /// As the resolver sorted them.
    Any,
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// https: what the server picks of HTTP/2 and HTTP/1.1 (ALPN, RFC 7301); http: HTTP/1.1.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: https insists on it, http begins with it (prior knowledge, RFC 9113, section 3.3).
    Http2,
}

/// How long connections live, and whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// As long as their VU, and its own.
    PerVu,
    /// As long as an iteration, and its VU's own.
    PerIteration,
    /// As long as the run, and everybody's: at most so many to an origin, over all VUs of the process.
    Shared(NonZeroUsize),
}

/// How long cookies live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieMode {
    /// The jar is emptied at the end of each iteration.
    PerIteration,
    /// The jar lives as long as its VU.
    Keep,
    /// No jar: only cookies that a request sets itself are sent.
    Off,
}

/// Network options that cannot work, found before any load.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("http.tls.{option}: cannot read {}: {source}", path.display())]
    File {
        /// The key under `http.tls`.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// PEM data without what is needed, or a key that does not fit.
    #[error("http.tls.{option}: {reason}")]
    Tls {
        /// The key under `http.tls`.
        option: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A proxy that is not a plain HTTP proxy.
    #[error("http.proxy: {0}")]
    Proxy(String),
    /// An entry of `hosts`.
    #[error("http.hosts[{name:?}]: {reason}")]
    Host {
        /// Its key.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A user agent that cannot be a header value.
    #[error("http.user_agent: not a valid header value: {0:?}")]
    UserAgent(String),
}
