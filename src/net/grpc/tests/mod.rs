//! Calls against tonic's server, and against servers that do exactly what a test wants.

mod calls;
mod faults;
mod limits;
mod server;
mod services;
mod streams;
mod tls;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use prost::Message as _;

use super::*;
use crate::clock;
use crate::net::tests::run;
use crate::net::{Connections, ErrorKind, HttpConfig, Shared};

/// The service of the tests.
const ECHO: &str = r#"
syntax = "proto3";
package echo.v1;
message Ask { string text = 1; int64 count = 2; bytes data = 3; }
message Answer { string text = 1; bytes data = 2; }
service Echo {
  rpc One(Ask) returns (Answer);
  rpc Many(Ask) returns (stream Answer);
  rpc Sum(stream Ask) returns (Answer);
  rpc Talk(stream Ask) returns (stream Answer);
}
"#;

#[derive(Clone, PartialEq, prost::Message)]
struct Ask {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(int64, tag = "2")]
    count: i64,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

fn schema() -> Schema {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("echo.proto");
    std::fs::write(&file, ECHO).unwrap();
    Schema::compile(&[file], &[]).unwrap()
}

fn method(name: &str) -> Method {
    schema().method(&format!("echo.v1.Echo/{name}")).unwrap()
}

fn plaintext() -> Options {
    Options {
        plaintext: true,
        ..Options::default()
    }
}

fn sharing(limit: usize) -> Options {
    Options {
        connections: Connections::Shared(NonZeroUsize::new(limit).unwrap()),
        ..plaintext()
    }
}

fn shared() -> Rc<Shared> {
    Shared::new(HttpConfig::default()).unwrap()
}

/// A channel of a core's only user.
fn channel(addr: SocketAddr, options: &Options) -> Channel {
    Channel::new(&Endpoint::of(&shared(), &addr.to_string(), options).unwrap(), 0)
}

fn message(ask: &Ask) -> Message {
    Message::from(&*ask.encode_to_vec())
}

fn ask(text: &str) -> Ask {
    Ask {
        text: text.to_owned(),
        ..Ask::default()
    }
}

static NO_METADATA: Metadata = Metadata::new();

/// A call with one message.
fn call<'a>(method: &'a Method, ask: &Ask) -> Call<'a> {
    Call {
        message: Some(message(ask)),
        ..call_of_many(method)
    }
}

/// A call whose messages come later.
fn call_of_many(method: &Method) -> Call<'_> {
    Call {
        method,
        metadata: &NO_METADATA,
        timeout: Duration::from_secs(10),
        message: None,
        compression: None,
        discard: false,
    }
}

impl Reply {
    /// The answer of a call that worked.
    fn answer(&self) -> Answer {
        assert_eq!(self.status.code, Code::Ok, "{self:?}");
        Answer::decode(self.message.clone().unwrap()).unwrap()
    }

    /// Code, and the code of the error.
    fn ending(&self) -> (Code, Option<ErrorKind>) {
        (self.status.code, self.error.as_ref().map(|error| error.kind))
    }
}
