//! When bytes have arrived: the system stamps them as they come in, so that an answer's time does not contain how long this
//! process took to come round to reading it. Linux; elsewhere, and where the system refuses, it is when they were read.
//!
//! Source: `Documentation/networking/timestamping.rst` of Linux, `SO_TIMESTAMPNS`. Of TCP, whose reads know no packets, the
//! stamp is that of the last one that was read (`tcp_update_recv_tstamps`).

use std::io;
use std::task::{Context, Poll};
use std::time::SystemTime;

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

#[cfg(target_os = "linux")]
pub(super) use linux::{ask, poll_read};

#[cfg(target_os = "linux")]
mod linux {
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;
    use std::task::ready;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, cmsg_space, recvmsg, setsockopt, sockopt};
    use nix::sys::time::TimeSpec;
    use tokio::io::Interest;

    use super::*;

    /// Room for one stamp, where the system may write it.
    #[repr(align(8))]
    struct Control([u8; cmsg_space::<TimeSpec>()]);

    /// From now on, what arrives is stamped.
    pub fn ask(tcp: &TcpStream) {
        // Where it is refused, reading stands for it.
        let _ = setsockopt(tcp, sockopt::ReceiveTimestampns, &true);
    }

    /// Reads as [`AsyncRead`](tokio::io::AsyncRead) does, and tells when the last of it has arrived, if the system knows.
    pub fn poll_read(
        tcp: &TcpStream,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Option<SystemTime>>> {
        let room = buf.initialize_unfilled();
        let read = loop {
            ready!(tcp.poll_read_ready(cx))?;
            let mut read = None;
            let _ = tcp.try_io(Interest::READABLE, || {
                match receive(tcp, room) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                    result => read = Some(result),
                }
                // Less than there is room for is all there is: nobody need ask before something happens.
                match &read {
                    Some(Ok((bytes, _))) if (1..room.len()).contains(bytes) => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(()),
                }
            });
            if let Some(read) = read {
                break read;
            }
        };
        Poll::Ready(read.map(|(bytes, at)| {
            buf.advance(bytes);
            at
        }))
    }

    fn receive(tcp: &TcpStream, room: &mut [u8]) -> io::Result<(usize, Option<SystemTime>)> {
        let mut control = Control([0; cmsg_space::<TimeSpec>()]);
        let mut parts = [IoSliceMut::new(room)];
        let received = recvmsg::<()>(tcp.as_raw_fd(), &mut parts, Some(&mut control.0), MsgFlags::empty())?;
        let at = received
            .cmsgs()
            .ok()
            .into_iter()
            .flatten()
            .find_map(|message| match message {
                ControlMessageOwned::ScmTimestampns(at) => SystemTime::UNIX_EPOCH.checked_add(at.into()),
                _ => None,
            });
        Ok((received.bytes, at))
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use others::{ask, poll_read};

#[cfg(not(target_os = "linux"))]
mod others {
    use std::task::ready;

    use super::*;

    /// Nothing is stamped here.
    pub fn ask(_: &TcpStream) {}

    /// Reads as [`AsyncRead`](tokio::io::AsyncRead) does.
    pub fn poll_read(
        tcp: &TcpStream,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Option<SystemTime>>> {
        let room = buf.initialize_unfilled();
        loop {
            ready!(tcp.poll_read_ready(cx))?;
            match tcp.try_read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    buf.advance(read?);
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }
}
