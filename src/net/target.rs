//! What an origin means for connections: where to dial, which name to verify, which `host` to send; worked out once.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderValue, header};
use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::config::{ConfigError, HttpConfig, HttpVersion};
use super::h1::line;
use super::hosts::{Hosts, Place, PlaceHost};
use super::pool::Pool;
use super::{ErrorKind, NetError, auth};

/// One origin as this run reaches it.
pub(super) struct Target {
    /// Where the socket goes: the origin, an override of it, or the proxy.
    pub dial: Dial,
    /// The value of `host`.
    pub host: HeaderValue,
    /// The same as a header line.
    pub host_line: Box<[u8]>,
    /// The same for HTTP/2; none where a host name is no authority.
    pub authority: Option<Authority>,
    /// The TLS name of an https origin.
    pub tls_name: Option<ServerName<'static>>,
    /// The proxy on the way.
    pub via: Via,
    /// Which protocol there can be.
    pub speaks: Speaks,
    /// Scheme, host and port, which tell it from other targets of the process.
    pub origin: String,
    /// Its connections, where they are shared.
    pub pool: OnceCell<Arc<Pool>>,
}

/// Which protocol is spoken with an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// What the server picks in the TLS handshake.
    Either,
}

/// Where the socket goes.
pub(super) enum Dial {
    /// An address that is known.
    Addr(SocketAddr),
    /// A name to resolve.
    Name(Rc<str>, u16),
}

/// How a proxy takes part.
pub(super) enum Via {
    /// None.
    Direct,
    /// The request names the whole URL (RFC 9112, section 3.2.2).
    Forward(Option<HeaderValue>),
    /// `CONNECT` to this authority first (RFC 9110, section 9.3.6).
    Tunnel(String, Option<HeaderValue>),
}

/// The proxy of the run.
pub(super) struct Proxy {
    host: Host<String>,
    port: u16,
    auth: Option<HeaderValue>,
}

impl Proxy {
    /// Checks the option.
    ///
    /// # Errors
    /// Anything but `http://[user:password@]host[:port]`.
    pub fn parse(url: &Url) -> Result<Self, ConfigError> {
        let scheme = url.scheme();
        if scheme != "http" {
            let message = format!("only http:// proxies are supported, got {scheme}://");
            return Err(ConfigError::Proxy(message));
        }
        let host = url
            .host()
            .ok_or_else(|| ConfigError::Proxy("the URL has no host".to_owned()))?;
        Ok(Self {
            host: host.to_owned(),
            port: url.port().unwrap_or(80),
            auth: auth::from_userinfo(url),
        })
    }
}

impl Target {
    /// Works out the target of a URL.
    ///
    /// # Errors
    /// A URL that is not http or https, or without host.
    pub fn new(url: &Url, config: &HttpConfig, hosts: &Hosts, proxy: Option<&Proxy>) -> Result<Self, NetError> {
        let bad = |message: String| NetError::new(ErrorKind::BadRequest, message);
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            other => {
                return Err(bad(format!(
                    "cannot request a URL of scheme {other:?}, only http and https"
                )));
            }
        };
        let (Some(host), Some(host_text)) = (url.host(), url.host_str()) else {
            return Err(bad(format!("the URL has no host: {url}")));
        };
        let port = url.port_or_known_default().unwrap_or(if https { 443 } else { 80 });
        let host_header = match url.port() {
            Some(port) => format!("{host_text}:{port}"),
            None => host_text.to_owned(),
        };
        let speaks = match (config.version, https) {
            (HttpVersion::Http1, _) | (HttpVersion::Auto, false) => Speaks::Http1,
            (HttpVersion::Http2, _) => Speaks::Http2,
            (HttpVersion::Auto, true) => Speaks::Either,
        };
        let tls_name = https.then(|| tls_name(config, &host)).transpose()?;
        let (dial, via) = match proxy {
            None => (dial(&host, host_text, port, hosts), Via::Direct),
            Some(proxy) => {
                let auth = proxy.auth.clone();
                // What a proxy forwards is HTTP/1.1; HTTP/2 goes through it.
                let via = match https || speaks == Speaks::Http2 {
                    true => Via::Tunnel(format!("{host_text}:{port}"), auth),
                    false => Via::Forward(auth),
                };
                (
                    dial(&borrowed(&proxy.host), &proxy.host.to_string(), proxy.port, hosts),
                    via,
                )
            }
        };
        let authority = Authority::try_from(host_header.as_str()).ok();
        let host = HeaderValue::try_from(host_header).map_err(|_| bad(format!("not a host name: {host_text:?}")))?;
        let mut host_line = Vec::new();
        line(&mut host_line, &header::HOST, &host);
        Ok(Self {
            dial,
            host,
            host_line: host_line.into_boxed_slice(),
            authority,
            tls_name,
            via,
            speaks,
            origin: format!("{}://{host_text}:{port}", url.scheme()),
            pool: OnceCell::new(),
        })
    }
}

fn borrowed(host: &Host<String>) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(ip) => Host::Ipv4(*ip),
        Host::Ipv6(ip) => Host::Ipv6(*ip),
    }
}

fn dial(host: &Host<&str>, text: &str, port: u16, hosts: &Hosts) -> Dial {
    match (hosts.find(text, port), host) {
        (Some(Place { host, port: other }), _) => {
            let port = other.unwrap_or(port);
            match host {
                PlaceHost::Ip(ip) => Dial::Addr(SocketAddr::new(*ip, port)),
                PlaceHost::Name(name) => Dial::Name(name.as_str().into(), port),
            }
        }
        (None, Host::Domain(name)) => Dial::Name((*name).into(), port),
        (None, Host::Ipv4(ip)) => Dial::Addr(SocketAddr::new((*ip).into(), port)),
        (None, Host::Ipv6(ip)) => Dial::Addr(SocketAddr::new((*ip).into(), port)),
    }
}

fn tls_name(config: &HttpConfig, host: &Host<&str>) -> Result<ServerName<'static>, NetError> {
    let name = match (&config.tls.server_name, host) {
        (Some(name), _) => ServerName::try_from(name.clone()),
        (None, Host::Domain(name)) => ServerName::try_from((*name).to_owned()),
        (None, Host::Ipv4(ip)) => Ok(ServerName::from(std::net::IpAddr::from(*ip))),
        (None, Host::Ipv6(ip)) => Ok(ServerName::from(std::net::IpAddr::from(*ip))),
    };
    name.map_err(|_| NetError::new(ErrorKind::BadRequest, format!("not a name that TLS can verify: {host}")))
}
