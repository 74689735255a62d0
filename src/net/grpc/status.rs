//! How calls end: gRPC's codes, and which of them HTTP and HTTP/2 mean by theirs (gRPC over HTTP/2, "Errors", and "HTTP to gRPC
//! status code mapping").

use h2::Reason;
use http::HeaderMap;

use crate::net::ErrorKind;

/// A gRPC status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// It worked.
    Ok = 0,
    /// The caller gave it up.
    Cancelled = 1,
    /// Nobody knows, or a server that sends no status.
    Unknown = 2,
    /// The request makes no sense.
    InvalidArgument = 3,
    /// The time limit was over.
    DeadlineExceeded = 4,
    /// There is no such thing.
    NotFound = 5,
    /// There is one already.
    AlreadyExists = 6,
    /// The caller may not.
    PermissionDenied = 7,
    /// A quota, or a message over its limit.
    ResourceExhausted = 8,
    /// The system is not in the state for it.
    FailedPrecondition = 9,
    /// Another was faster; may be tried again.
    Aborted = 10,
    /// Past the end.
    OutOfRange = 11,
    /// No such method.
    Unimplemented = 12,
    /// Something that must not happen.
    Internal = 13,
    /// Not there, or no connection.
    Unavailable = 14,
    /// Data is lost.
    DataLoss = 15,
    /// Nobody knows who the caller is.
    Unauthenticated = 16,
}

impl Code {
    /// All of them in their order.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// As the specification spells it: `DEADLINE_EXCEEDED`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl Code {
    /// The code of a number; those that nobody knows are `UNKNOWN`.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        Self::ALL.get(at).copied().unwrap_or(Self::Unknown)
    }

    /// What an HTTP status means that came without a gRPC status.
    pub(super) fn of_http(status: http::StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// What a reset stream means.
    pub(super) fn of_reset(reason: Reason) -> Self {
        match reason {
            Reason::NO_ERROR
            | Reason::PROTOCOL_ERROR
            | Reason::INTERNAL_ERROR
            | Reason::FLOW_CONTROL_ERROR
            | Reason::SETTINGS_TIMEOUT
            | Reason::FRAME_SIZE_ERROR
            | Reason::COMPRESSION_ERROR
            | Reason::CONNECT_ERROR => Self::Internal,
            Reason::REFUSED_STREAM => Self::Unavailable,
            Reason::CANCEL => Self::Cancelled,
            Reason::ENHANCE_YOUR_CALM => Self::ResourceExhausted,
            Reason::INADEQUATE_SECURITY => Self::PermissionDenied,
            _ => Self::Unknown,
        }
    }

    /// What a failure means that has no reason of a stream's.
    pub(super) fn of_failure(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Timeout => Self::DeadlineExceeded,
            ErrorKind::BodyTooLarge => Self::ResourceExhausted,
            ErrorKind::BadRequest | ErrorKind::Decompression | ErrorKind::Malformed | ErrorKind::Http2Protocol => {
                Self::Internal
            }
            ErrorKind::Other | ErrorKind::NotGrpc => Self::Unknown,
            // All that is left keeps calls from getting there.
            _ => Self::Unavailable,
        }
    }
}

/// How a call ended: a code, and what the server says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// For people; often empty.
    pub message: Box<str>,
}

impl Status {
    pub(super) fn new(code: Code, message: &str) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// What `grpc-status` and `grpc-message` say; none without the first.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get("grpc-status")?.as_bytes();
        if value == b"0" && !headers.contains_key("grpc-message") {
            return Some(Self::new(Code::Ok, ""));
        }
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        let said = headers.get("grpc-message").map(|text| percent_decoded(text.as_bytes()));
        let said = said.unwrap_or_default();
        Some(match number {
            Some(number) if number <= 16 => Self::new(Code::from_number(number), &said),
            _ => {
                let value = String::from_utf8_lossy(value);
                let message = format!("the server sent grpc-status {value:?}, which nobody knows; {said}");
                Self::new(Code::Unknown, message.trim_end_matches([';', ' ']))
            }
        })
    }
}

/// Undoes the percent encoding of `grpc-message`; what is no encoding stays as it is.
fn percent_decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        let hex = |at: usize| others.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &others[2..];
            }
            _ => {
                out.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.message {
            "" => f.write_str(self.code.name()),
            message => write!(f, "{}: {message}", self.code.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn said(pairs: &[(&'static str, &'static str)]) -> Option<Status> {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.insert(*name, HeaderValue::from_static(value));
        }
        Status::of(&map)
    }

    #[test]
    fn codes_are_their_numbers() {
        for (number, code) in (0_u8..).zip(Code::ALL) {
            assert_eq!((code.number(), Code::from_number(number.into())), (number, code));
        }
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(u32::MAX), Code::Unknown);
    }

    #[test]
    fn what_a_server_says() {
        let table = [
            ("0", "", Code::Ok, ""),
            ("5", "no%20such%20%C3%A4", Code::NotFound, "no such \u{e4}"),
            ("13", "100% %zz %4", Code::Internal, "100% %zz %4"),
            ("16", "%FF", Code::Unauthenticated, "\u{fffd}"),
            (
                "17",
                "",
                Code::Unknown,
                "the server sent grpc-status \"17\", which nobody knows",
            ),
            (
                "x",
                "y",
                Code::Unknown,
                "the server sent grpc-status \"x\", which nobody knows; y",
            ),
        ];
        for (number, message, code, text) in table {
            let status = said(&[("grpc-status", number), ("grpc-message", message)]).unwrap();
            assert_eq!((status.code, &*status.message), (code, text));
        }
        assert_eq!(said(&[("grpc-status", "0")]).unwrap(), Status::new(Code::Ok, ""));
        assert_eq!(said(&[("grpc-message", "x")]), None);
    }

    #[test]
    fn statuses_of_http_and_resets_are_mapped_as_specified() {
        for (status, code) in [
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
            (200, Code::Unknown),
            (500, Code::Unknown),
            (418, Code::Unknown),
        ] {
            assert_eq!(
                Code::of_http(http::StatusCode::from_u16(status).unwrap()),
                code,
                "{status}"
            );
        }
        for (reason, code) in [
            (0, Code::Internal),
            (1, Code::Internal),
            (2, Code::Internal),
            (3, Code::Internal),
            (4, Code::Internal),
            (5, Code::Unknown),
            (6, Code::Internal),
            (7, Code::Unavailable),
            (8, Code::Cancelled),
            (9, Code::Internal),
            (10, Code::Internal),
            (11, Code::ResourceExhausted),
            (12, Code::PermissionDenied),
            (13, Code::Unknown),
            (99, Code::Unknown),
        ] {
            assert_eq!(Code::of_reset(Reason::from(reason)), code, "{reason}");
        }
    }
}
