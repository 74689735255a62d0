//! From a target to an open connection: resolve, connect, tunnel, TLS. No requests.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::config::HttpVersion;
use super::error::{connect_error, io_error};
use super::h1::Conn;
use super::hop::{Hop, Phase};
use super::io::{Counted, Meter, Stream};
use super::shared::Shared;
use super::target::{Dial, Speaks, Target, Via};
use super::{ErrorKind, NetError, tls};

/// The head of a proxy's answer is not larger than this.
const MAX_PROXY_HEAD: usize = 16 << 10;

/// A connection as it was opened.
pub(super) enum Opened {
    /// Ready for HTTP/1.1.
    Http1(Box<Conn>),
    /// A stream whose peer expects HTTP/2, and its meter.
    Http2(Stream, Rc<Meter>),
}

/// Opens a connection to a target for the VU `vu_id`. Boxed are the steps that not every connection needs: thousands of users
/// may be here at once.
///
/// # Errors
/// Whatever step failed.
pub(super) async fn open(shared: &Shared, target: &Rc<Target>, vu_id: u64, hop: &mut Hop) -> Result<Opened, NetError> {
    let meter = Rc::<Meter>::default();
    hop.watch(&meter);
    let tcp = connect(shared, &target.dial, vu_id, hop).await?;
    // Small requests must not wait for the peer's delayed acknowledgements.
    tcp.set_nodelay(true).map_err(|error| io_error(&error))?;
    let mut counted = Counted::new(tcp, Rc::clone(&meter));
    if let Via::Tunnel(authority, auth) = &target.via {
        let auth = auth.as_ref().map(|value| value.as_bytes());
        Box::pin(tunnel(&mut counted, authority, auth)).await?;
    }
    let mut is_http2 = target.speaks == Speaks::Http2;
    let stream = match &target.tls_name {
        None => Stream::plain(counted),
        Some(name) => {
            let config = shared.tls()?;
            hop.enter(Phase::Tls);
            let connecting = TlsConnector::from(config).connect(name.clone(), counted);
            let tls = Box::pin(connecting).await.map_err(|error| handshake_error(&error))?;
            is_http2 = tls.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
            Stream::tls(tls)
        }
    };
    if is_http2 {
        return Ok(Opened::Http2(stream, meter));
    }
    if shared.config.version == HttpVersion::Http2 {
        return Err(NetError::new(ErrorKind::NoHttp2, tls::NO_HTTP2));
    }
    let conn = Box::new(Conn::new(stream, meter, Rc::clone(target), hop.remote));
    Ok(Opened::Http1(conn))
}

async fn connect(shared: &Shared, dial: &Dial, vu_id: u64, hop: &mut Hop) -> Result<TcpStream, NetError> {
    let resolved;
    let addrs = match dial {
        Dial::Addr(addr) => std::slice::from_ref(addr),
        Dial::Name(name, port) => {
            hop.enter(Phase::Dns);
            resolved = Box::pin(shared.resolver.resolve(name, *port)).await?;
            &resolved
        }
    };
    hop.enter(Phase::Connecting);
    let mut failure = None;
    for addr in addrs {
        hop.remote = Some(*addr);
        match connect_to(*addr, source(&shared.config.local_addrs, *addr, vu_id)).await {
            Ok(tcp) => return Ok(tcp),
            // The first address is the one that was chosen: its failure is the one to report.
            Err(error) => failure = failure.or_else(|| Some(connect_error(&error, *addr))),
        }
    }
    Err(failure.unwrap_or_else(|| NetError::new(ErrorKind::NoAddress, "no address to connect to")))
}

async fn connect_to(addr: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(addr).await
}

/// The source address of a VU: those of the target's family in turn.
fn source(local: &[IpAddr], remote: SocketAddr, vu_id: u64) -> Option<IpAddr> {
    let fitting = || local.iter().filter(|ip| ip.is_ipv4() == remote.is_ipv4());
    let count = fitting().count() as u64;
    let turn = vu_id.checked_rem(count)?;
    fitting().nth(usize::try_from(turn).ok()?).copied()
}

/// Opens a tunnel through a proxy (RFC 9110, section 9.3.6). What follows the head of the proxy's answer is the server's: with
/// HTTP/2 it may speak first (RFC 9113, section 3.4).
async fn tunnel(stream: &mut Counted, authority: &str, auth: Option<&[u8]>) -> Result<(), NetError> {
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
    if let Some(auth) = auth {
        request.extend_from_slice(b"proxy-authorization: ");
        request.extend_from_slice(auth);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(|error| io_error(&error))?;

    let refused = |message: String| NetError::new(ErrorKind::Proxy, message);
    let mut head = Vec::with_capacity(256);
    loop {
        // No more than the end of the head still lacks, so that no read goes beyond it.
        let lacking = match head.as_slice() {
            [.., b'\r', b'\n', b'\r', b'\n'] => break,
            [.., b'\r', b'\n', b'\r'] => 1,
            [.., b'\r', b'\n'] => 2,
            [.., b'\r'] => 3,
            _ => 4,
        };
        let mut piece = [0; 4];
        let read = stream.read(&mut piece[..lacking]).await;
        let read = read.map_err(|error| io_error(&error))?;
        head.extend_from_slice(&piece[..read]);
        let status = status_of(&head);
        if let Some(status) = status.filter(|status| !(200..300).contains(status)) {
            return Err(refused(format!(
                "the proxy answered CONNECT {authority} with status {status}"
            )));
        }
        if read == 0 || head.len() > MAX_PROXY_HEAD {
            return Err(refused(format!(
                "the proxy did not answer CONNECT {authority} with a complete head"
            )));
        }
    }
    match status_of(&head) {
        Some(_) => Ok(()),
        None => Err(refused("the proxy's answer is not HTTP/1.1".to_owned())),
    }
}

/// The status in `HTTP/1.x NNN`, if that much is there.
fn status_of(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let code = rest.get(2..5).filter(|_| rest.get(1) == Some(&b' '))?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

fn handshake_error(error: &io::Error) -> NetError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return NetError::new(ErrorKind::Tls, "the server closed the connection in the TLS handshake");
    }
    io_error(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_addresses_take_turns_within_a_family() {
        let local: Vec<IpAddr> = ["127.0.0.2", "::1", "127.0.0.3"].map(|ip| ip.parse().unwrap()).to_vec();
        let v4: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let v6: SocketAddr = "[::1]:80".parse().unwrap();
        for (remote, vu, expected) in [
            (v4, 0, "127.0.0.2"),
            (v4, 1, "127.0.0.3"),
            (v4, 2, "127.0.0.2"),
            (v6, 0, "::1"),
            (v6, 7, "::1"),
        ] {
            assert_eq!(source(&local, remote, vu), expected.parse().ok(), "{remote} {vu}");
        }
        assert_eq!(source(&[], v4, 3), None);
        assert_eq!(source(&local[1..2], v4, 3), None);
    }

    #[test]
    fn the_status_of_a_proxy() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK", Some(200)),
            ("HTTP/1.0 407", Some(407)),
            ("HTTP/1.1 20", None),
            ("HTTP/2 200 ", None),
            ("SSH-2.0-x", None),
            ("", None),
        ] {
            assert_eq!(status_of(head.as_bytes()), expected, "{head}");
        }
    }
}
