//! Calls of several messages, as a script goes through them line by line. One that an iteration leaves open is given up at
//! its end, however that ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;

use super::Module;
use super::answer::Answer;
use super::asking::{Asked, Asking, Untold};
use super::client::{Found, Prepared, ended, written};
use super::message::{Reader, verify};
use super::schemas::Callee;
use super::trace;
use crate::net::Timings;
use crate::net::grpc::{Code, Received, Reply as NetReply, Status, Stream as NetStream};
use crate::script::raw::{Flow, Stack};
use crate::script::{ApiError, Host, Operation, Push, Reply, VuContext, reply};

/// A stream behind its table.
pub(super) struct Stream {
    module: Rc<Module>,
    /// None where the server did not tell the method.
    callee: Option<Rc<Callee>>,
    /// Not there while an operation has it, and when it is over.
    open: RefCell<Option<Open>>,
    over: Cell<bool>,
    /// What was wrong with a message that was received.
    broken: RefCell<Option<String>>,
}

/// A stream that a script has not done with.
enum Open {
    Begun(NetStream, Box<Prepared>),
    /// It failed before it began.
    Untold(Box<Untold>),
}

/// A stream that an operation has; it has it no longer when it ends or is given up.
struct Taken {
    stream: Rc<Stream>,
    open: Option<(NetStream, Box<Prepared>)>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some((open, prepared)) = self.open.take() {
            *self.stream.open.borrow_mut() = Some(Open::Begun(open, prepared));
        }
    }
}

/// `client:stream(method, options)`.
pub(super) fn begin(module: &Rc<Module>, vu: &Rc<VuContext>, stack: &mut Stack<'_>) -> Result<Operation, ApiError> {
    const OWNER: &str = "client:stream";
    stack.resize(3);
    let client = module.client(OWNER, stack)?;
    client.open(OWNER)?;
    let ready = match client.find(OWNER, stack, 2)? {
        Found::Callee(callee) => Ok(Prepared::read(vu, OWNER, &client, callee, stack, (None, 3))?),
        Found::Ask => Err(Asking::read(OWNER, &client, stack, 3)?),
    };
    let (vu, module) = (Rc::clone(vu), Rc::clone(module));
    Ok(Box::pin(async move {
        let asked = match ready {
            Ok(prepared) => Ok(prepared),
            Err(asking) => match asking.ask(&vu, OWNER).await? {
                Asked::Known(asking, callee) => Ok(asking.prepared(&vu, callee, None)?),
                Asked::Untold(untold) => Err(untold),
            },
        };
        let (callee, open) = match asked {
            Ok(mut prepared) => {
                let channel = client.channel(&vu)?;
                trace::opening(&vu, &prepared);
                let open = channel.open(&prepared.call()).await;
                (Some(Rc::clone(&prepared.callee)), Open::Begun(open, Box::new(prepared)))
            }
            Err(untold) => (None, Open::Untold(untold)),
        };
        let stream = Rc::new(Stream {
            module,
            callee,
            open: RefCell::new(Some(open)),
            over: Cell::new(false),
            broken: RefCell::default(),
        });
        // What `vu_init` opens lasts as long as its user.
        let left = Rc::clone(&stream);
        vu.at_end(Box::new(move |vu, interrupted| drop(left.give_up(vu, interrupted))));
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
    /// What a script calls that has done with it.
    fn gone(&self, owner: &str) -> ApiError {
        let why = if self.over.get() {
            "the stream is over: it was finished or cancelled"
        } else {
            "the stream belongs to an iteration that is over"
        };
        ApiError::Text(format!("{owner}: {why}"))
    }

    /// Takes it for an operation; nobody else has it then. None: it failed before it began.
    fn take(self: &Rc<Self>, owner: &str) -> Result<Option<Taken>, ApiError> {
        let mut open = self.open.borrow_mut();
        match open.take() {
            Some(Open::Begun(begun, prepared)) => Ok(Some(Taken {
                stream: Rc::clone(self),
                open: Some((begun, prepared)),
            })),
            Some(untold) => {
                *open = Some(untold);
                Ok(None)
            }
            None => Err(self.gone(owner)),
        }
    }

    /// A message that was none is how it ended.
    fn break_off(&self, reply: &mut NetReply) {
        if let Some(what) = self.broken.take() {
            reply.status = Status {
                code: Code::Internal,
                message: what.into(),
            };
        }
    }

    /// Gives it up, if it is not over; that one under way ends so is the script's own doing. One that was interrupted has no
    /// time, as its iteration has none.
    fn give_up(&self, vu: &VuContext, interrupted: bool) -> Option<Box<Answer>> {
        let open = self.open.borrow_mut().take()?;
        self.over.set(true);
        let (mut stream, prepared) = match open {
            Open::Begun(stream, prepared) => (stream, prepared),
            Open::Untold(untold) => return Some(untold.ended(vu, &self.module, true)),
        };
        let by_script = self.broken.borrow().is_none() && !stream.is_over();
        let mut reply = stream.cancel();
        self.break_off(&mut reply);
        if by_script && interrupted {
            let Timings { blocked, dns, .. } = reply.timings;
            reply.timings = Timings {
                blocked,
                dns,
                ..Timings::default()
            };
        }
        Some(ended(vu, &self.module, *prepared, reply, true, by_script))
    }
}

/// `stream:send(message)`: whether it could be sent.
pub(super) fn send(stream: &Rc<Stream>, vu: &Rc<VuContext>, stack: &mut Stack<'_>) -> Result<Operation, ApiError> {
    const OWNER: &str = "stream:send";
    stack.resize(2);
    let ready = match &stream.callee {
        None => None,
        Some(callee) => {
            let message = written(OWNER, callee, stack, 2)?;
            if trace::is_on(vu) {
                trace::message(vu, callee, &stack.value(2)?);
            }
            Some((message, callee.method.is_client_streaming()))
        }
    };
    let ready = stream.take(OWNER)?.zip(ready);
    Ok(Box::pin(async move {
        let Some((mut taken, (message, goes_on))) = ready else {
            return Ok(reply(false));
        };
        let Some((open, _)) = &mut taken.open else {
            return Ok(reply(false));
        };
        let sent = open.send(message).await;
        if !goes_on {
            // There is one message only.
            open.close_send();
        }
        drop(taken);
        Ok(reply(sent))
    }))
}

/// `stream:close_send()`.
pub(super) fn close_send(stream: &Rc<Stream>) -> Result<Flow, ApiError> {
    if let Some(mut taken) = stream.take("stream:close_send")?
        && let Some((open, _)) = &mut taken.open
    {
        open.close_send();
    }
    Ok(Flow::Return(0))
}

/// `stream:recv()`: the next message, or nil at the end.
pub(super) fn recv(stream: &Rc<Stream>, vu: &Rc<VuContext>) -> Result<Operation, ApiError> {
    let taken = stream.take("stream:recv")?;
    let vu = Rc::clone(vu);
    Ok(Box::pin(async move {
        let Some(mut taken) = taken else {
            return Ok(Box::new(Next(None)) as Reply);
        };
        let received = match &mut taken.open {
            Some((open, _)) => open.recv().await,
            None => Received::End,
        };
        let stream = &taken.stream;
        let next = match (received, &stream.callee) {
            (Received::Message(bytes), Some(callee)) if stream.broken.borrow().is_none() => {
                match verify(&callee.types, &vu.host.lua, &bytes, callee.output) {
                    Ok(()) => Some((Rc::clone(callee), bytes)),
                    Err(what) => {
                        let text = format!("a message is no {}: {what}", callee.output_name());
                        stream.broken.borrow_mut().get_or_insert(text);
                        None
                    }
                }
            }
            _ => None,
        };
        Ok(Box::new(Next(next)) as Reply)
    }))
}

/// The next message of a stream, if there is one.
struct Next(Option<(Rc<Callee>, Bytes)>);

impl Push for Next {
    fn push(self: Box<Self>, _: &Rc<Host>, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        match &self.0 {
            Some((callee, bytes)) => {
                let read = Reader::new(&callee.types).push(stack, bytes, callee.output);
                read.map_err(ApiError::Text)?;
            }
            None => stack.push_nil(),
        }
        Ok(1)
    }
}

/// `stream:finish()`: how it ended.
pub(super) fn finish(stream: &Rc<Stream>, vu: &Rc<VuContext>) -> Result<Operation, ApiError> {
    const OWNER: &str = "stream:finish";
    let taken = stream.take(OWNER)?;
    let (stream, vu) = (Rc::clone(stream), Rc::clone(vu));
    stream.over.set(true);
    Ok(Box::pin(async move {
        let is_broken = stream.broken.borrow().is_some();
        let begun = match taken {
            Some(mut taken) => {
                if let Some((open, _)) = taken.open.as_mut().filter(|_| !is_broken) {
                    open.run_out().await;
                }
                taken.open.take()
            }
            None => None,
        };
        let Some((open, prepared)) = begun else {
            let answer = stream.give_up(&vu, false);
            return answer.map(|answer| answer as Reply).ok_or_else(|| stream.gone(OWNER));
        };
        let mut reply = if is_broken { open.cancel() } else { open.finish().await };
        stream.break_off(&mut reply);
        Ok(ended(&vu, &stream.module, *prepared, reply, true, false) as Reply)
    }))
}

/// `stream:cancel()`: gives it up.
pub(super) fn cancel(stream: &Rc<Stream>, host: &Rc<Host>, stack: &mut Stack<'_>) -> Result<Flow, ApiError> {
    match stream.give_up(&*host.current()?, false) {
        Some(answer) => answer.push(host, stack).map(Flow::Return),
        None => Err(ApiError::Text("stream:cancel: the stream is over".to_owned())),
    }
}
