//! Calls of several messages, as a script goes through them line by line. One that an iteration leaves open is given up at
//! its end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;

use super::Module;
use super::answer::Answer;
use super::client::{Found, Prepared, ended, not_asked, written};
use super::message::{Reader, verify};
use super::schemas::Callee;
use super::trace;
use crate::net::grpc::{Code, Received, Status, Stream as NetStream};
use crate::script::raw::{self, Flow, Stack};
use crate::script::{ApiError, Host, Lifecycle, Operation, Push, Reply, VuContext, reply};

/// A stream behind its table.
pub(super) struct Stream {
    module: Rc<Module>,
    callee: Rc<Callee>,
    /// Not there while an operation has it, and when it is over.
    open: RefCell<Option<(NetStream, Prepared)>>,
    over: Cell<bool>,
    /// What was wrong with a message that was received.
    broken: RefCell<Option<String>>,
}

/// Gives a stream up with its iteration, however that ends.
struct Ward(Rc<Stream>);

impl Drop for Ward {
    fn drop(&mut self) {
        drop(self.0.open.take());
    }
}

/// `client:stream(method, options)`.
pub(super) fn begin(module: &Rc<Module>, vu: &Rc<VuContext>, stack: &mut Stack<'_>) -> Result<Operation, ApiError> {
    const OWNER: &str = "client:stream";
    stack.resize(3);
    let client = module.client(OWNER, stack)?;
    client.open(OWNER)?;
    let found = client.find(OWNER, stack, 2)?;
    let ready = match found {
        Found::Callee(callee) => Ok(Prepared::read(vu, OWNER, &client, callee, stack, (None, 3))?),
        Found::Ask => Err((stack.lossy(2).unwrap_or_default().into_owned(), stack.value(3)?)),
    };
    let (vu, module) = (Rc::clone(vu), Rc::clone(module));
    Ok(Box::pin(async move {
        let mut prepared = match ready {
            Ok(prepared) => prepared,
            Err((name, options)) => {
                let callee = match client.ask(&vu, OWNER, &name).await {
                    Ok(callee) => callee,
                    Err(unasked) => return not_asked(&vu, &module, &client, &name, unasked),
                };
                raw::with_stack(&vu.host.lua, options, |stack| {
                    Prepared::read(&vu, OWNER, &client, callee, stack, (None, 1))
                })??
            }
        };
        let channel = client.channel(&vu)?;
        trace::opening(&vu, &prepared);
        let open = channel.open(&prepared.call()).await;
        let stream = Rc::new(Stream {
            callee: Rc::clone(&prepared.callee),
            open: RefCell::new(Some((open, prepared))),
            over: Cell::new(false),
            broken: RefCell::default(),
            module,
        });
        // What `vu_init` opens lasts as long as its user.
        if vu.lifecycle.get() == Lifecycle::Iteration {
            let ward = Ward(Rc::clone(&stream));
            vu.at_end(Box::new(move |vu| drop(ward.0.cancel(vu))));
        }
        Ok(Box::new(Begun(stream)) as Reply)
    }))
}

/// A stream that has begun.
struct Begun(Rc<Stream>);

impl Push for Begun {
    fn push(self: Box<Self>, _: &Rc<Host>, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        let module = Rc::clone(&self.0.module);
        stack.push_clone(&module.streams);
        let table = stack.top();
        stack.push_pinned(&module.stream);
        stack.push_object(Box::new(self.0));
        stack.set(table);
        Ok(1)
    }
}

impl Stream {
    /// Takes it for an operation; nobody else has it then.
    fn take(&self, owner: &str) -> Result<(NetStream, Prepared), ApiError> {
        self.open.borrow_mut().take().ok_or_else(|| {
            let why = if self.over.get() {
                "the stream is over: it was finished or cancelled"
            } else {
                "the stream belongs to an iteration that is over"
            };
            ApiError::Text(format!("{owner}: {why}"))
        })
    }

    fn put(&self, open: (NetStream, Prepared)) {
        *self.open.borrow_mut() = Some(open);
    }

    /// Gives it up, if it is not over; that it ended so is the script's own doing.
    fn cancel(&self, vu: &VuContext) -> Option<Box<Answer>> {
        let (stream, prepared) = self.open.borrow_mut().take()?;
        self.over.set(true);
        let reply = stream.cancel();
        let by_script = reply.status.code == Code::Cancelled;
        Some(ended(vu, &self.module, prepared, reply, true, by_script))
    }
}

/// `stream:send(message)`: whether it could be sent.
pub(super) fn send(stream: &Rc<Stream>, vu: &Rc<VuContext>, stack: &mut Stack<'_>) -> Result<Operation, ApiError> {
    const OWNER: &str = "stream:send";
    stack.resize(2);
    let message = written(OWNER, &stream.callee, stack, 2)?;
    if trace::is_on(vu) {
        trace::message(vu, &stream.callee, &stack.value(2)?);
    }
    let (mut open, prepared) = stream.take(OWNER)?;
    let stream = Rc::clone(stream);
    Ok(Box::pin(async move {
        let sent = open.send(message).await;
        if !stream.callee.method.is_client_streaming() {
            // There is one message only.
            open.close_send();
        }
        stream.put((open, prepared));
        Ok(reply(sent))
    }))
}

/// `stream:close_send()`.
pub(super) fn close_send(stream: &Rc<Stream>) -> Result<Flow, ApiError> {
    let (mut open, prepared) = stream.take("stream:close_send")?;
    open.close_send();
    stream.put((open, prepared));
    Ok(Flow::Return(0))
}

/// `stream:recv()`: the next message, or nil at the end.
pub(super) fn recv(stream: &Rc<Stream>, vu: &Rc<VuContext>) -> Result<Operation, ApiError> {
    let (mut open, prepared) = stream.take("stream:recv")?;
    let (stream, vu) = (Rc::clone(stream), Rc::clone(vu));
    Ok(Box::pin(async move {
        let received = match open.recv().await {
            Received::Message(_) if stream.broken.borrow().is_some() => None,
            Received::Message(bytes) => {
                let callee = &stream.callee;
                match verify(&callee.types, &vu.host.lua, &bytes, callee.output) {
                    Ok(()) => Some(bytes),
                    Err(what) => {
                        let text = format!("a message is no {}: {what}", callee.output_name());
                        stream.broken.borrow_mut().get_or_insert(text);
                        None
                    }
                }
            }
            Received::End => None,
        };
        stream.put((open, prepared));
        let callee = Rc::clone(&stream.callee);
        Ok(Box::new(Next { callee, received }) as Reply)
    }))
}

/// The next message of a stream, if there is one.
struct Next {
    callee: Rc<Callee>,
    received: Option<Bytes>,
}

impl Push for Next {
    fn push(self: Box<Self>, _: &Rc<Host>, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        match &self.received {
            Some(bytes) => {
                let read = Reader::new(&self.callee.types).push(stack, bytes, self.callee.output);
                read.map_err(ApiError::Text)?;
            }
            None => stack.push_nil(),
        }
        Ok(1)
    }
}

/// `stream:finish()`: how it ended.
pub(super) fn finish(stream: &Rc<Stream>, vu: &Rc<VuContext>) -> Result<Operation, ApiError> {
    let (open, prepared) = stream.take("stream:finish")?;
    let (stream, vu) = (Rc::clone(stream), Rc::clone(vu));
    stream.over.set(true);
    Ok(Box::pin(async move {
        let is_broken = stream.broken.borrow().is_some();
        let mut reply = if is_broken { open.cancel() } else { open.finish().await };
        if let Some(what) = stream.broken.take() {
            reply.status = Status {
                code: Code::Internal,
                message: what.into(),
            };
        }
        Ok(ended(&vu, &stream.module, prepared, reply, true, false) as Reply)
    }))
}

/// `stream:cancel()`: gives it up.
pub(super) fn cancel(stream: &Rc<Stream>, host: &Rc<Host>, stack: &mut Stack<'_>) -> Result<Flow, ApiError> {
    match stream.cancel(&*host.current()?) {
        Some(answer) => answer.push(host, stack).map(Flow::Return),
        None => Err(ApiError::Text("stream:cancel: the stream is over".to_owned())),
    }
}
