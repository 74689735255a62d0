//! Calls and streams of methods that the server has to be asked for: the answer is theirs, or it is why they have failed.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use super::Module;
use super::answer::{Answer, Content};
use super::client::{Client, Prepared};
use super::failed::Called;
use super::options::Options;
use super::record::Recording;
use super::schemas::{Callee, Unreflected};
use crate::clock::{self, Instant};
use crate::net::grpc::{Fields, Message, Metadata, Reply, Status};
use crate::net::{ErrorKind, NetError, Timings};
use crate::script::raw::Stack;
use crate::script::{ApiError, VuContext};

/// A call or a stream whose method the server has to be asked for. Its time runs.
pub(super) struct Asking {
    client: Rc<Client>,
    method: String,
    /// That of its options, which is not on a stack any more.
    name: Option<String>,
    options: Options,
    started: Instant,
}

/// What came of it.
pub(super) enum Asked {
    Known(Box<Asking>, Rc<Callee>),
    Untold(Box<Untold>),
}

impl Asking {
    /// Of the method at 2 on the stack, with the options at `options`.
    pub(super) fn read(
        owner: &'static str,
        client: &Rc<Client>,
        stack: &mut Stack<'_>,
        options: i32,
    ) -> Result<Box<Self>, ApiError> {
        let (before, started) = (stack.top(), clock::now());
        let options = Options::read(owner, stack, options)?;
        let name = options.name.and_then(|name| stack.lossy(name)).map(Cow::into_owned);
        stack.truncate(before);
        Ok(Box::new(Self {
            client: Rc::clone(client),
            method: stack.lossy(2).unwrap_or_default().into_owned(),
            name,
            options,
            started,
        }))
    }

    fn limit(&self) -> Duration {
        self.options.timeout.unwrap_or(self.client.timeout)
    }

    /// # Errors
    /// A mistake of the script's.
    pub(super) async fn ask(self: Box<Self>, vu: &VuContext, owner: &str) -> Result<Asked, ApiError> {
        let deadline = clock::later(self.started, self.limit());
        let (mut status, mut error) = match self.client.ask(vu, owner, &self.method, deadline).await {
            Ok(callee) => return Ok(Asked::Known(self, callee)),
            Err(Unreflected::Misuse(error)) => return Err(error),
            Err(Unreflected::Failed(status, error)) => (status, error),
        };
        if let Some(error) = error.as_mut().filter(|error| error.kind == ErrorKind::Timeout) {
            // Of the limit that the script knows.
            error.message = format!(
                "timed out after {:?} while asking the server for its schema",
                self.limit()
            );
            status.message = error.message.as_str().into();
        }
        Ok(Asked::Untold(Box::new(Untold {
            recording: self.recording(vu, self.method.trim_start_matches('/'))?,
            metadata: self.options.metadata,
            reply: failed(status, error, self.started),
            client: self.client,
        })))
    }

    fn recording(&self, vu: &VuContext, method: &str) -> Result<Recording, ApiError> {
        let options = &self.options;
        Recording::named(vu, method, self.name.as_deref(), &options.tags, options.expected)
    }

    /// Once the method is known; what is left of its time is the call's.
    pub(super) fn prepared(
        self: Box<Self>,
        vu: &VuContext,
        callee: Rc<Callee>,
        message: Option<Message>,
    ) -> Result<Prepared, ApiError> {
        let recording = self.recording(vu, callee.name())?;
        let mut prepared = Prepared::new(&self.client, callee, message, recording, self.options);
        let spent = clock::now().saturating_duration_since(self.started);
        prepared.timeout = prepared.timeout.saturating_sub(spent);
        Ok(prepared)
    }
}

/// A call or a stream whose method the server did not tell: it was never made, and has failed.
pub(super) struct Untold {
    client: Rc<Client>,
    recording: Recording,
    metadata: Metadata,
    reply: Reply,
}

impl Untold {
    /// Records it, and makes it an answer.
    pub(super) fn ended(self, vu: &VuContext, module: &Module, is_stream: bool) -> Box<Answer> {
        let called = Called {
            metadata: Some(&self.metadata),
            ..Called::default()
        };
        let ok = self
            .recording
            .ended(vu, &self.client, called, &self.reply, (is_stream, false));
        Box::new(Answer {
            face: Rc::clone(&module.answers),
            reply: self.reply,
            ok,
            tags: self.recording.tags,
            content: Content::None,
        })
    }
}

/// The reply of a call that was never made.
fn failed(status: Status, error: Option<Box<NetError>>, started_at: Instant) -> Reply {
    Reply {
        status,
        message: None,
        headers: Fields::default(),
        trailers: Fields::default(),
        timings: Timings::default(),
        blocked_by: None,
        error: error.map(|error| *error),
        messages: (0, 0),
        sent: 0,
        received: 0,
        remote_addr: None,
        reused: false,
        retried: false,
        trace: None,
        started_at,
        finished_at: clock::now(),
    }
}
