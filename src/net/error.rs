//! Why an exchange failed: k6's error codes where the meaning is the same, our own beside them. No retry policy.

use std::net::SocketAddr;
use std::{fmt, io};

use super::tls;

/// A failed exchange: a stable code, its class, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NetError {
    /// The code of `kind`, k6's `error_code`.
    pub code: u16,
    /// The class.
    pub kind: ErrorKind,
    /// What happened, for people; no secret in it.
    pub message: String,
}

impl NetError {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            code: kind.code(),
            kind,
            message: message.into(),
        }
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        /// The classes of failures. Codes up to 1299, 1300, 1310, 1311, 1600 to 1650 and 1701 are k6's, the others
        /// ours.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorKind { $($(#[doc = $doc])+ $name,)+ }

        impl ErrorKind {
            /// Every kind, in the order of the codes; documentation and `explain` are made from it.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its stable code.
            #[must_use]
            pub fn code(self) -> u16 {
                match self { $(Self::$name => $code,)+ }
            }

            /// Whether somebody waited for as long as they would.
            #[must_use]
            pub fn is_timeout(self) -> bool {
                matches!(self, Self::Timeout | Self::ConnectTimeout)
            }

            /// A few words for tables.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

kinds! {
    /// Anything without a code of its own.
    Other = 1000, "network error";
    /// The URL cannot be requested: no host, a scheme other than http and https, a header that cannot be sent.
    BadRequest = 1020, "request that cannot be sent";
    /// The time limit was over.
    Timeout = 1050, "timeout";
    /// The resolver failed for a reason that is not the name.
    Dns = 1100, "name resolution failed";
    /// The name does not exist or has no address of a usable family.
    NoAddress = 1101, "no address for the name";
    /// A socket failed in a way without a code of its own.
    Tcp = 1200, "socket error";
    /// The peer had closed while we were writing (broken pipe).
    BrokenPipe = 1201, "broken pipe while writing";
    /// A connection could not be made for another reason: no route, no local port left, too many open files.
    Connect = 1210, "could not connect";
    /// The operating system gave up connecting.
    ConnectTimeout = 1211, "connecting timed out";
    /// Nobody listens there.
    Refused = 1212, "connection refused";
    /// The peer reset the connection.
    Reset = 1220, "connection reset by peer";
    /// The peer closed the connection before the response was complete.
    Closed = 1221, "connection closed before the response was complete";
    /// The proxy did not open a tunnel.
    Proxy = 1230, "proxy refused the tunnel";
    /// This machine has no port, file descriptor or memory left for a connection; not the system's fault.
    LocalResource = 1240, "this machine has no resources left for a connection";
    /// The TLS handshake failed, or an alert arrived.
    Tls = 1300, "TLS error";
    /// The certificate's issuer is not trusted.
    TlsUnknownAuthority = 1310, "certificate of an unknown authority";
    /// The certificate is for another name.
    TlsWrongName = 1311, "certificate for another name";
    /// The certificate is not valid now, or revoked.
    TlsExpired = 1312, "certificate expired, revoked or not yet valid";
    /// HTTP/2 was insisted on.
    NoHttp2 = 1600, "the server does not speak HTTP/2";
    /// The server closed the connection for new streams (GOAWAY) and did not process this one.
    GoAway = 1610, "HTTP/2 connection closed by the server (GOAWAY)";
    /// The server ended the stream before the response was complete (RST_STREAM).
    StreamReset = 1630, "HTTP/2 stream reset by the server";
    /// A frame that breaks the protocol ended the connection: flow control, compression, framing.
    Http2Protocol = 1650, "HTTP/2 protocol error";
    /// The content encoding is broken.
    Decompression = 1701, "broken content encoding";
    /// The body is larger than the limit, as received or decoded.
    BodyTooLarge = 1702, "body over the limit";
    /// What arrived is not an HTTP response.
    Malformed = 1703, "malformed response";
    /// More redirects than the request allows.
    TooManyRedirects = 1704, "too many redirects";
    /// A redirect to something that is not an http or https URL.
    BadRedirect = 1705, "redirect that cannot be followed";
    /// What answered is no gRPC server: no `grpc-status`, another content type, a broken frame.
    NotGrpc = 1800, "answer that is not gRPC";
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Why connecting failed.
pub(super) fn connect_error(error: &io::Error, addr: SocketAddr) -> NetError {
    let (kind, text) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (ErrorKind::Refused, format!("connection refused by {addr}")),
        io::ErrorKind::TimedOut => (ErrorKind::ConnectTimeout, format!("connecting to {addr} timed out")),
        _ if is_local(error) => (
            ErrorKind::LocalResource,
            format!("this machine cannot open another connection: {error}"),
        ),
        _ => (ErrorKind::Connect, format!("cannot connect to {addr}: {error}")),
    };
    NetError::new(kind, text)
}

/// Whether the operating system refused for want of its own resources.
fn is_local(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let local = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::ADDRNOTAVAIL,
        Errno::NOBUFS,
        Errno::NOMEM,
    ];
    Errno::from_io_error(error).is_some_and(|errno| local.contains(&errno))
}

/// Why reading or writing failed, whichever layer says it.
pub(super) fn io_error(error: &io::Error) -> NetError {
    if let Some(error) = tls::find(error) {
        return tls::classify(error);
    }
    let kind = match error.kind() {
        io::ErrorKind::ConnectionReset => ErrorKind::Reset,
        io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted => ErrorKind::Closed,
        // What TLS calls a record that is none.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => ErrorKind::Malformed,
        _ => ErrorKind::Tcp,
    };
    let message = match kind {
        ErrorKind::Malformed => format!("malformed response: {error}"),
        ErrorKind::Tcp => format!("socket error: {error}"),
        _ => kind.text().to_owned(),
    };
    NetError::new(kind, message)
}

/// The error of a body over the limit.
pub(super) fn too_large(limit: u64) -> NetError {
    NetError::new(
        ErrorKind::BodyTooLarge,
        format!("the body is larger than {limit} bytes (http.max_body)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_or_ports_is_this_machines() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 80));
        let table = [(24, 1240), (99, 1240), (111, 1212), (113, 1210)]; // EMFILE, EADDRNOTAVAIL, ECONNREFUSED, EHOSTUNREACH
        for (errno, code) in table {
            assert_eq!(connect_error(&io::Error::from_raw_os_error(errno), addr).code, code);
        }
    }

    #[test]
    fn the_guide_has_every_code() {
        let guide = include_str!("../../docs/guide/http.md");
        for kind in ErrorKind::ALL {
            let row = format!("\n| {} | ", kind.code());
            assert!(guide.contains(&row), "{kind}: no row for {}", kind.code());
        }
    }

    #[test]
    fn codes_are_unique_and_in_order() {
        let codes: Vec<u16> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
    }
}
