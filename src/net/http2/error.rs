//! What the errors of `h2` mean: a class and a sentence, and whether the request may be sent again.

use h2::{Error, Reason};

use super::MAX_HEADER_LIST;
use super::exchange::Again;
use crate::net::error::io_error;
use crate::net::{ErrorKind, NetError};

/// Why an exchange failed, and whether it may be repeated. `settled`: whether the server has sent its settings.
pub(in crate::net) fn classify(error: &Error, settled: bool) -> (NetError, Again) {
    let fail = |kind: ErrorKind, message: String, again| (NetError::new(kind, message), again);
    if let Some(io) = error.get_io() {
        let mut failure = io_error(io);
        // h2 calls the end of the stream a broken pipe, whoever was writing.
        if failure.kind == ErrorKind::BrokenPipe {
            failure = NetError::new(ErrorKind::Closed, ErrorKind::Closed.text());
        }
        return (failure, Again::Idempotent);
    }
    let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
    let name = name(reason);
    match (error.is_go_away(), error.is_reset(), error.is_remote()) {
        (true, _, true) => {
            let message = format!("the server has closed the HTTP/2 connection (GOAWAY, {name})");
            fail(ErrorKind::GoAway, message, Again::Safe)
        }
        (true, _, false) if !settled => {
            let message = format!("the server does not speak HTTP/2 here ({name})");
            fail(ErrorKind::NoHttp2, message, Again::Never)
        }
        (true, _, false) => {
            let message = format!("HTTP/2 protocol error of the server: {name}");
            fail(ErrorKind::Http2Protocol, message, Again::Never)
        }
        (_, true, true) => {
            let again = if reason == Reason::REFUSED_STREAM {
                Again::Safe
            } else {
                Again::Never
            };
            let message = format!("the server has reset the HTTP/2 stream ({name})");
            fail(ErrorKind::StreamReset, message, again)
        }
        // h2 does not tell the one from the other.
        (_, true, false) => {
            let message = format!("malformed response, or headers of more than {MAX_HEADER_LIST} bytes ({name})");
            fail(ErrorKind::Malformed, message, Again::Never)
        }
        (false, false, _) => fail(ErrorKind::BadRequest, error.to_string(), Again::Never),
    }
}

/// A reason as RFC 9113, section 7 spells it.
fn name(reason: Reason) -> String {
    match reason {
        Reason::NO_ERROR => "NO_ERROR",
        Reason::PROTOCOL_ERROR => "PROTOCOL_ERROR",
        Reason::INTERNAL_ERROR => "INTERNAL_ERROR",
        Reason::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
        Reason::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
        Reason::STREAM_CLOSED => "STREAM_CLOSED",
        Reason::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
        Reason::REFUSED_STREAM => "REFUSED_STREAM",
        Reason::CANCEL => "CANCEL",
        Reason::COMPRESSION_ERROR => "COMPRESSION_ERROR",
        Reason::CONNECT_ERROR => "CONNECT_ERROR",
        Reason::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
        Reason::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
        Reason::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
        other => return format!("reason {}", u32::from(other)),
    }
    .to_owned()
}
