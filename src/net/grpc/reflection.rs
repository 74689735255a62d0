//! Server reflection: a schema from the server itself. Names of services are asked for, never those of methods, which some
//! servers do not know; imports are fetched until there is none missing.

use std::collections::{HashMap, VecDeque};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;

use super::health::encoded;
use super::{Call, Channel, Code, Metadata, Method, Received, Schema, SchemaError, Status, Stream};
use crate::clock;
use crate::net::NetError;

/// More files than this are no schema but an endless tale.
const MAX_FILES: usize = 10_000;

/// The versions of the service, the newer one first.
static METHODS: LazyLock<[Method; 2]> = LazyLock::new(|| {
    ["v1", "v1alpha"].map(|version| {
        let text = format!(
            r#"
            syntax = "proto3";
            package grpc.reflection.{version};
            message ServerReflectionRequest {{}}
            message ServerReflectionResponse {{}}
            service ServerReflection {{
                rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse);
            }}
            "#
        );
        Schema::standard(
            &text,
            &format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"),
        )
    })
});

/// A question of `grpc/reflection/v1/reflection.proto`; that of `v1alpha` is the same.
#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(oneof = "Wanted", tags = "3, 4, 7")]
    wanted: Option<Wanted>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
enum Wanted {
    #[prost(string, tag = "3")]
    File(String),
    #[prost(string, tag = "4")]
    Symbol(String),
    #[prost(string, tag = "7")]
    Services(String),
}

impl Wanted {
    fn what(&self) -> String {
        match self {
            Self::File(name) => format!("file {name:?}"),
            Self::Symbol(name) => format!("service {name:?}"),
            Self::Services(_) => "list of its services".to_owned(),
        }
    }
}

/// An answer.
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(oneof = "Given", tags = "4, 6, 7")]
    given: Option<Given>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Given {
    #[prost(message, tag = "4")]
    Files(Files),
    #[prost(message, tag = "6")]
    Services(Services),
    #[prost(message, tag = "7")]
    Error(Refusal),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Files {
    /// Each a `FileDescriptorProto`.
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Services {
    #[prost(message, repeated, tag = "1")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Refusal {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// Of what a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    /// All services that it lists; one that it then cannot describe is left out, unless it is the only one.
    All,
    /// One service: `pkg.Service`.
    Service(&'a str),
}

/// Why a server's schema is not known.
#[derive(Debug, thiserror::Error)]
pub enum ReflectError {
    /// The call failed; `UNIMPLEMENTED`: the server has no reflection.
    #[error("reflection: {status}{}", match status.code { Code::Unimplemented => "; the server has none", _ => "" })]
    Call {
        /// With what.
        status: Status,
        /// Why the status is not the server's.
        error: Option<Box<NetError>>,
    },
    /// The server answered a question with an error.
    #[error("reflection: the server has no {what}: {message}")]
    Unknown {
        /// What was asked for.
        what: String,
        /// What it said.
        message: String,
    },
    /// What it sent is no schema.
    #[error("reflection: {0}")]
    Schema(#[from] SchemaError),
}

impl ReflectError {
    /// Whether the time was over in which it was asked.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Call { status, .. } if status.code == Code::DeadlineExceeded)
    }
}

/// Asks a server for its schema: by `grpc.reflection.v1`, or `v1alpha` where that is not known.
///
/// # Errors
/// The server has no reflection, does not know the service, or sent what is no schema.
pub async fn reflect(
    channel: &Channel,
    ask: Ask<'_>,
    metadata: &Metadata,
    timeout: Duration,
) -> Result<Schema, ReflectError> {
    let started = clock::now();
    let mut last = None;
    for method in &*METHODS {
        let call = Call {
            method,
            metadata,
            timeout: timeout.saturating_sub(clock::now().saturating_duration_since(started)),
            message: None,
            compression: None,
            discard: false,
        };
        let mut talk = Talk {
            stream: Some(channel.open(&call).await),
            files: HashMap::new(),
        };
        match talk.learn(ask).await {
            Err(ReflectError::Call { status, .. }) if status.code == Code::Unimplemented => last = Some(status),
            Err(error) => return Err(error),
            Ok(()) => {
                if let Some(mut stream) = talk.stream.take() {
                    stream.close_send();
                    stream.finish().await;
                }
                return Ok(Schema::from_files(talk.files.into_values().collect())?);
            }
        }
    }
    let status = last.unwrap_or_else(|| Status::new(Code::Unimplemented, ""));
    Err(ReflectError::Call { status, error: None })
}

/// Questions and answers.
struct Talk {
    /// None when it is over.
    stream: Option<Stream>,
    files: HashMap<String, FileDescriptorProto>,
}

impl Talk {
    /// Fetches all files.
    async fn learn(&mut self, ask: Ask<'_>) -> Result<(), ReflectError> {
        match ask {
            Ask::Service(name) => self.symbol(name).await?,
            Ask::All => {
                let services = self.services().await?;
                let mut refusal = None;
                for name in &services {
                    match self.symbol(name).await {
                        Err(error @ ReflectError::Unknown { .. }) => refusal = Some(error),
                        other => other?,
                    }
                }
                if let Some(refusal) = refusal.filter(|_| self.files.is_empty()) {
                    return Err(refusal);
                }
            }
        }
        let mut missing: VecDeque<String> = self.files.values().flat_map(|file| file.dependency.clone()).collect();
        while let Some(name) = missing.pop_front() {
            if self.files.contains_key(&name) {
                continue;
            }
            let wanted = Wanted::File(name.clone());
            for file in self.fetch(wanted).await? {
                missing.extend(file.dependency.iter().cloned());
                self.keep(file)?;
            }
            if !self.files.contains_key(&name) {
                return Err(unknown(&Wanted::File(name), "it sent another file"));
            }
        }
        Ok(())
    }

    async fn services(&mut self) -> Result<Vec<String>, ReflectError> {
        let wanted = Wanted::Services(String::new());
        match self.ask(wanted.clone()).await? {
            Given::Services(list) => Ok(list.services.into_iter().map(|service| service.name).collect()),
            _ => Err(unknown(&wanted, "it answered something else")),
        }
    }

    async fn symbol(&mut self, name: &str) -> Result<(), ReflectError> {
        for file in self.fetch(Wanted::Symbol(name.to_owned())).await? {
            self.keep(file)?;
        }
        Ok(())
    }

    fn keep(&mut self, file: FileDescriptorProto) -> Result<(), ReflectError> {
        if self.files.len() >= MAX_FILES {
            return Err(SchemaError::Descriptors(format!("more than {MAX_FILES} files")).into());
        }
        self.files.entry(file.name().to_owned()).or_insert(file);
        Ok(())
    }

    async fn fetch(&mut self, wanted: Wanted) -> Result<Vec<FileDescriptorProto>, ReflectError> {
        let Given::Files(files) = self.ask(wanted.clone()).await? else {
            return Err(unknown(&wanted, "it answered something else"));
        };
        if files.files.is_empty() {
            return Err(unknown(&wanted, "it sent no file"));
        }
        let decoded = files.files.iter().map(|bytes| FileDescriptorProto::decode(&**bytes));
        let decoded: Result<Vec<_>, _> = decoded.collect();
        decoded.map_err(|error| SchemaError::Descriptors(error.to_string()).into())
    }

    async fn ask(&mut self, wanted: Wanted) -> Result<Given, ReflectError> {
        let question = Question {
            host: String::new(),
            wanted: Some(wanted.clone()),
        };
        let Some(stream) = &mut self.stream else {
            return Err(unknown(&wanted, "the talk is over"));
        };
        stream.send(encoded(&question)).await;
        let Received::Message(bytes) = stream.recv().await else {
            return Err(self.failed().await);
        };
        match answer(bytes)? {
            Given::Error(refusal) => Err(unknown(&wanted, &refusal.message)),
            given => Ok(given),
        }
    }

    /// Why there is no answer.
    async fn failed(&mut self) -> ReflectError {
        let (mut status, mut error) = (Status::new(Code::Unknown, ""), None);
        if let Some(stream) = self.stream.take() {
            let reply = stream.finish().await;
            (status, error) = (reply.status, reply.error.map(Box::new));
        }
        if status.code == Code::Ok {
            status = Status::new(Code::Unknown, "the server ended the call before it answered");
        }
        ReflectError::Call { status, error }
    }
}

fn answer(bytes: Bytes) -> Result<Given, ReflectError> {
    let broken = |what: &str| ReflectError::Schema(SchemaError::Descriptors(what.to_owned()));
    let answer = Answer::decode(bytes).map_err(|error| broken(&error.to_string()))?;
    answer.given.ok_or_else(|| broken("an answer without content"))
}

fn unknown(wanted: &Wanted, message: &str) -> ReflectError {
    ReflectError::Unknown {
        what: wanted.what(),
        message: message.to_owned(),
    }
}
