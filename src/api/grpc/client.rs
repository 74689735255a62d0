//! The client of a script: its options, the methods it knows, and calls with one message each way. Streams are `stream.rs`;
//! connections are `net`'s.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::TryFutureExt as _;

use super::Module;
use super::answer::{Answer, Content};
use super::failed::Called;
use super::message::{Writer, verify};
use super::options::{Connect, Expected, Options};
use super::record::Recording;
use super::schemas::{Callee, Library, Server, Unreflected};
use super::trace;
use crate::clock;
use crate::net::grpc::{
    Call, Channel, Code, Compression, Fields, Health, Message, Metadata, Reply as NetReply, Status,
};
use crate::net::{Timings, grpc};
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

    /// Asks the server for a method.
    pub(super) async fn ask(&self, vu: &VuContext, owner: &str, name: &str) -> Result<Rc<Callee>, Unasked> {
        let raised = |error: ApiError| {
            Unasked::Raised(match error {
                ApiError::Text(text) => ApiError::Text(format!("{owner}: {text}")),
                value @ ApiError::Value(_) => value,
            })
        };
        let channel = self.channel(vu).map_err(raised)?;
        let Some(server) = &self.server else {
            return Err(raised(ApiError::Text("the server tells no schema".into())));
        };
        let found = server.find(vu, &channel, name, &Metadata::new(), self.timeout).await;
        found.map_err(|error| match error {
            Unreflected::Misuse(error) => raised(error),
            Unreflected::Failed(status) => Unasked::Failed(Box::new(failed(status))),
        })
    }
}

/// Why a method is still not known.
pub(super) enum Unasked {
    /// A mistake of the script's.
    Raised(ApiError),
    /// A failed call.
    Failed(Box<NetReply>),
}

/// The reply of a call that was never made.
pub(super) fn failed(status: Status) -> NetReply {
    let now = clock::now();
    NetReply {
        status,
        message: None,
        headers: Fields::default(),
        trailers: Fields::default(),
        timings: Timings::default(),
        blocked_by: None,
        error: None,
        messages: (0, 0),
        sent: 0,
        received: 0,
        remote_addr: None,
        reused: false,
        retried: false,
        trace: None,
        started_at: now,
        finished_at: now,
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
        Ok(Self {
            client: Rc::clone(client),
            callee,
            message,
            recording,
            metadata: options.metadata,
            timeout: options.timeout.unwrap_or(client.timeout),
            compression: options.compression.unwrap_or(client.compression),
            discard: options.discard,
        })
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
            let prepared = unary(vu, OWNER, &client, callee, stack, (3, 4))?;
            let sending = send(Rc::clone(vu), Rc::clone(module), Box::new(prepared));
            // Not an async block around it, which would hold it twice.
            Ok(Box::pin(sending.map_ok(|answer| answer as Reply)))
        }
        Found::Ask => {
            let name = stack.lossy(2).unwrap_or_default().into_owned();
            let (request, options) = (stack.value(3)?, stack.value(4)?);
            let (vu, module) = (Rc::clone(vu), Rc::clone(module));
            Ok(Box::pin(async move {
                let callee = match client.ask(&vu, OWNER, &name).await {
                    Ok(callee) => callee,
                    Err(unasked) => return not_asked(&vu, &module, &client, &name, unasked),
                };
                let prepared = raw::with_stack(&vu.host.lua, (request, options), |stack| {
                    unary(&vu, OWNER, &client, callee, stack, (1, 2))
                })??;
                send(vu, module, Box::new(prepared)).await.map(|answer| answer as Reply)
            }))
        }
    }
}

/// The answer to a call whose method the server did not tell.
pub(super) fn not_asked(
    vu: &VuContext,
    module: &Rc<Module>,
    client: &Client,
    name: &str,
    unasked: Unasked,
) -> Result<Reply, ApiError> {
    match unasked {
        Unasked::Raised(error) => Err(error),
        Unasked::Failed(reply) => {
            let name = name.trim_start_matches('/');
            let recording = Recording {
                tags: vu
                    .host
                    .recorder()?
                    .tags(&vu.tags()?, &[("method", name), ("name", name)]),
                expected: Expected::default(),
            };
            let ok = recording.ended(vu, client, Called::default(), &reply, (false, false));
            Ok(Box::new(Answer {
                face: Rc::clone(&module.answers),
                reply: *reply,
                ok,
                tags: recording.tags,
                content: Content::None,
            }))
        }
    }
}

fn unary(
    vu: &Rc<VuContext>,
    owner: &'static str,
    client: &Rc<Client>,
    callee: Rc<Callee>,
    stack: &mut Stack<'_>,
    (request, options): (i32, i32),
) -> Result<Prepared, ApiError> {
    client.open(owner)?;
    let method = &callee.method;
    if method.is_client_streaming() || method.is_server_streaming() {
        return Err(ApiError::Text(format!(
            "{owner}: `{}` is a stream; use `client:stream(…)`",
            callee.name()
        )));
    }
    let prepared = Prepared::read(vu, owner, client, callee, stack, (Some(request), options))?;
    if trace::is_on(vu) {
        trace::sending(vu, &prepared, &stack.value(request)?);
    }
    Ok(prepared)
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
    let options = Options::read(OWNER, stack, 3)?;
    let name = options.name.and_then(|name| stack.lossy(name)).unwrap_or(METHOD.into());
    let mut extra = vec![("method", METHOD), ("name", &*name)];
    extra.extend(options.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let recording = Recording {
        tags: vu.host.recorder()?.tags(&vu.tags()?, &extra),
        expected: options.expected,
    };
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
