//! The client of a script: its options, the methods it knows, and calls with one message each way. Streams are `stream.rs`;
//! connections are `net`'s.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::TryFutureExt as _;

use super::Module;
use super::answer::{Answer, Content};
use super::asking::{Asked, Asking};
use super::failed::Called;
use super::message::{Writer, verify};
use super::options::{Connect, OF_HEALTH, Options};
use super::record::Recording;
use super::schemas::{Callee, Library, Server, Unreflected};
use super::trace;
use crate::clock::Instant;
use crate::net::grpc::{self, Call, Channel, Code, Compression, Health, Message, Metadata, Reply as NetReply, Status};
use crate::script::fields::describe;
use crate::script::raw::{self, Kind, Stack};
use crate::script::{ApiError, Operation, Reply, VuContext};

/// What `grpc.connect` gave.
pub(super) struct Client {
    pub(super) address: String,
    pub(super) options: grpc::Options,
    pub(super) timeout: Duration,
    pub(super) compression: Option<Compression>,
    library: Rc<Library>,
    /// It is asked for what was not loaded.
    server: Option<Rc<Server>>,
    channel: OnceCell<Rc<Channel>>,
    closed: Cell<bool>,
    /// Which limit its calls were last known to wait for; 0 for its own cap.
    pub(super) told: Cell<Option<usize>>,
}

/// A method, or how it can be found out.
pub(super) enum Found {
    Callee(Rc<Callee>),
    /// The server has to be asked.
    Ask,
}

impl Client {
    pub(super) fn new(address: String, connect: Connect, library: Rc<Library>) -> Self {
        let server = connect.reflect.then(|| {
            let authority = connect.options.authority.as_deref().unwrap_or_default();
            let tls = if connect.options.plaintext { "plain" } else { "tls" };
            library.server(format!("{tls} {address} {authority}"))
        });
        Self {
            address,
            options: connect.options,
            timeout: connect.timeout,
            compression: connect.compression,
            library,
            server,
            channel: OnceCell::new(),
            closed: Cell::new(false),
            told: Cell::new(None),
        }
    }

    /// The connection, made at first use.
    pub(super) fn channel(&self, vu: &VuContext) -> Result<Rc<Channel>, ApiError> {
        if let Some(channel) = self.channel.get() {
            return Ok(Rc::clone(channel));
        }
        let channel = vu.channel(&self.address, &self.options)?;
        Ok(Rc::clone(self.channel.get_or_init(|| channel)))
    }

    pub(super) fn close(&self) {
        self.closed.set(true);
        if let Some(channel) = self.channel.get() {
            channel.close();
        }
    }

    pub(super) fn open(&self, owner: &str) -> Result<(), ApiError> {
        if self.closed.get() {
            return Err(ApiError::Text(format!("{owner}: the client is closed")));
        }
        Ok(())
    }

    /// The method that a script has named.
    pub(super) fn find(&self, owner: &str, stack: &Stack<'_>, index: i32) -> Result<Found, ApiError> {
        let wrong = |text: String| ApiError::Text(format!("{owner}: {text}"));
        let Some(name) = stack.bytes(index) else {
            let got = describe(&stack.value(index)?);
            return Err(wrong(format!("`method` must be a string, got {got}")));
        };
        match (&self.server, self.library.find(name)) {
            (_, Some(Ok(callee))) => Ok(Found::Callee(callee)),
            (Some(server), _) => Ok(server.known(name).map_or(Found::Ask, Found::Callee)),
            (None, Some(Err(error))) => Err(wrong(error)),
            (None, None) => Err(wrong(
                "no method is known: load files with `kt.grpc.load(\"a.proto\")`, or connect with `reflect = true`"
                    .into(),
            )),
        }
    }

    /// Asks the server for a method, until `deadline`.
    pub(super) async fn ask(
        &self,
        vu: &VuContext,
        owner: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Rc<Callee>, Unreflected> {
        let channel = self.channel(vu).map_err(Unreflected::Misuse);
        let found = match (channel, &self.server) {
            (Ok(channel), Some(server)) => server.find(vu, &channel, name, deadline).await,
            (Err(error), _) => Err(error),
            (_, None) => Err(Unreflected::Misuse("the server tells no schema".to_owned().into())),
        };
        found.map_err(|error| match error {
            Unreflected::Misuse(ApiError::Text(text)) => {
                Unreflected::Misuse(ApiError::Text(format!("{owner}: {text}")))
            }
            error => error,
        })
    }
}

/// A call that is ready.
pub(super) struct Prepared {
    pub(super) client: Rc<Client>,
    pub(super) callee: Rc<Callee>,
    pub(super) message: Option<Message>,
    pub(super) recording: Recording,
    pub(super) metadata: Metadata,
    pub(super) timeout: Duration,
    pub(super) compression: Option<Compression>,
    pub(super) discard: bool,
}

impl Prepared {
    /// Reads the options at `options`, and the message at `message` if there is to be one.
    pub(super) fn read(
        vu: &Rc<VuContext>,
        owner: &'static str,
        client: &Rc<Client>,
        callee: Rc<Callee>,
        stack: &mut Stack<'_>,
        (message, options): (Option<i32>, i32),
    ) -> Result<Self, ApiError> {
        let before = stack.top();
        let message = match message {
            Some(at) => Some(written(owner, &callee, stack, at)?),
            None => None,
        };
        let options = Options::read(owner, stack, options)?;
        let recording = Recording::new(vu, &callee, &options, stack)?;
        stack.truncate(before);
        Ok(Self::new(client, callee, message, recording, options))
    }

    pub(super) fn new(
        client: &Rc<Client>,
        callee: Rc<Callee>,
        message: Option<Message>,
        recording: Recording,
        options: Options,
    ) -> Self {
        Self {
            client: Rc::clone(client),
            callee,
            message,
            recording,
            metadata: options.metadata,
            timeout: options.timeout.unwrap_or(client.timeout),
            compression: options.compression.unwrap_or(client.compression),
            discard: options.discard,
        }
    }

    /// The call, whose message is taken out.
    pub(super) fn call(&mut self) -> Call<'_> {
        Call {
            method: &self.callee.method,
            metadata: &self.metadata,
            timeout: self.timeout,
            message: self.message.take(),
            compression: self.compression,
            discard: self.discard,
        }
    }
}

/// A table as the request of a method.
pub(super) fn written(owner: &str, callee: &Callee, stack: &mut Stack<'_>, at: i32) -> Result<Message, ApiError> {
    let written = Writer::message(&callee.types, stack, at, callee.input);
    written.map_err(|what| ApiError::Text(format!("{owner}: {what}")))
}

/// `client:call(method, request, options)`.
pub(super) fn call(module: &Rc<Module>, vu: &Rc<VuContext>, stack: &mut Stack<'_>) -> Result<Operation, ApiError> {
    const OWNER: &str = "client:call";
    stack.resize(4);
    let client = module.client(OWNER, stack)?;
    match client.find(OWNER, stack, 2)? {
        Found::Callee(callee) => {
            is_unary(OWNER, &client, &callee)?;
            let prepared = Prepared::read(vu, OWNER, &client, callee, stack, (Some(3), 4))?;
            tell(vu, &prepared, stack, 3)?;
            let sending = send(Rc::clone(vu), Rc::clone(module), Box::new(prepared));
            // Not an async block around it, which would hold it twice.
            Ok(Box::pin(sending.map_ok(|answer| answer as Reply)))
        }
        Found::Ask => {
            let asking = Asking::read(OWNER, &client, stack, 4)?;
            let request = stack.value(3)?;
            let (vu, module) = (Rc::clone(vu), Rc::clone(module));
            Ok(Box::pin(async move {
                let (asking, callee) = match asking.ask(&vu, OWNER).await? {
                    Asked::Known(asking, callee) => (asking, callee),
                    Asked::Untold(untold) => return Ok(untold.ended(&vu, &module, false) as Reply),
                };
                is_unary(OWNER, &client, &callee)?;
                let prepared = raw::with_stack(&vu.host.lua, request, |stack| {
                    let message = written(OWNER, &callee, stack, 1)?;
                    let prepared = asking.prepared(&vu, callee, Some(message))?;
                    tell(&vu, &prepared, stack, 1)?;
                    Ok::<_, ApiError>(prepared)
                })??;
                send(vu, module, Box::new(prepared)).await.map(|answer| answer as Reply)
            }))
        }
    }
}

fn is_unary(owner: &str, client: &Client, callee: &Callee) -> Result<(), ApiError> {
    client.open(owner)?;
    let method = &callee.method;
    if method.is_client_streaming() || method.is_server_streaming() {
        return Err(ApiError::Text(format!(
            "{owner}: `{}` is a stream; use `client:stream(…)`",
            callee.name()
        )));
    }
    Ok(())
}

fn tell(vu: &Rc<VuContext>, prepared: &Prepared, stack: &Stack<'_>, request: i32) -> Result<(), ApiError> {
    if trace::is_on(vu) {
        trace::sending(vu, prepared, &stack.value(request)?);
    }
    Ok(())
}

/// Sends one message and receives one.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function would hold its arguments twice, and each request allocates its future"
)]
fn send(
    vu: Rc<VuContext>,
    module: Rc<Module>,
    mut prepared: Box<Prepared>,
) -> impl Future<Output = Result<Box<Answer>, ApiError>> {
    async move {
        let channel = prepared.client.channel(&vu)?;
        let call = prepared.call();
        let reply = channel.unary(&call).await;
        // For the case that it has failed.
        let Call { message, .. } = call;
        prepared.message = message;
        Ok(ended(&vu, &module, *prepared, reply, false, false))
    }
}

/// Records how a call ended, and makes it an answer.
pub(super) fn ended(
    vu: &VuContext,
    module: &Module,
    call: Prepared,
    mut reply: NetReply,
    is_stream: bool,
    by_script: bool,
) -> Box<Answer> {
    let callee = call.callee;
    if let Some(bytes) = &reply.message
        && let Err(what) = verify(&callee.types, &vu.host.lua, bytes, callee.output)
    {
        let message = format!("the answer is no {}: {what}", callee.output_name());
        reply.status = Status {
            code: Code::Internal,
            message: message.into(),
        };
        reply.message = None;
    }
    let called = Called {
        callee: Some(&callee),
        message: call.message.as_ref(),
        metadata: Some(&call.metadata),
    };
    let ok = call
        .recording
        .ended(vu, &call.client, called, &reply, (is_stream, by_script));
    trace::ended(vu, &callee, &reply);
    Box::new(Answer {
        face: Rc::clone(&module.answers),
        reply,
        ok,
        tags: call.recording.tags,
        content: Content::Of(callee),
    })
}

/// `client:health(service, options)`.
pub(super) fn health(module: &Rc<Module>, vu: &Rc<VuContext>, stack: &mut Stack<'_>) -> Result<Operation, ApiError> {
    const OWNER: &str = "client:health";
    const METHOD: &str = "grpc.health.v1.Health/Check";
    stack.resize(3);
    let client = module.client(OWNER, stack)?;
    client.open(OWNER)?;
    let service = match stack.kind(2) {
        Kind::Nil => String::new(),
        Kind::String => stack.lossy(2).unwrap_or_default().into_owned(),
        _ => {
            let got = describe(&stack.value(2)?);
            return Err(ApiError::Text(format!(
                "{OWNER}: `service` must be a string, got {got}"
            )));
        }
    };
    let options = Options::read_of(&OF_HEALTH, OWNER, stack, 3)?;
    let name = options.name.and_then(|name| stack.lossy(name));
    let recording = Recording::named(vu, METHOD, name.as_deref(), &options.tags, options.expected)?;
    let (vu, module) = (Rc::clone(vu), Rc::clone(module));
    Ok(Box::pin(async move {
        let channel = client.channel(&vu)?;
        let timeout = options.timeout.unwrap_or(client.timeout);
        let (reply, health) = Box::pin(grpc::health(&channel, &service, &options.metadata, timeout)).await;
        let called = Called {
            metadata: Some(&options.metadata),
            ..Called::default()
        };
        let expected = recording.ended(&vu, &client, called, &reply, (false, false));
        Ok(Box::new(Answer {
            face: Rc::clone(&module.answers),
            ok: expected && health.is_none_or(|health| health == Health::Serving),
            tags: recording.tags,
            content: health.map_or(Content::None, Content::Health),
            reply,
        }) as Reply)
    }))
}
