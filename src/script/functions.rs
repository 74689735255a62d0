//! The functions that modules are made of: those that answer at once, and operations, which suspend the virtual user while
//! Rust works. Both read their arguments on the stack and leave their results there; failures are raised at the line of the
//! script that called. What they do is in `api`; how a coroutine is driven meanwhile is in `bridge`.

use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::TryFutureExt as _;
use futures_util::future::LocalBoxFuture;
use mlua::{Function, Table};

use super::args::Args;
use super::context::VuContext;
use super::host::{ApiError, Host};
use super::raw::{self, Flow, Stack};
use super::results::Results;
use crate::clock::{self, Doze, Instant};

/// What an operation gives when it is done.
pub type Reply = Box<dyn Push>;

/// The result of an operation, which becomes values when its coroutine goes on.
pub trait Push {
    /// Pushes the values; gives how many.
    ///
    /// # Errors
    /// When the VM is out of memory.
    fn push(self: Box<Self>, host: &Rc<Host>, stack: &mut Stack<'_>) -> Result<i32, ApiError>;
}

/// Results that need no host.
struct Plain<R>(R);

impl<R: Results> Push for Plain<R> {
    fn push(self: Box<Self>, _: &Rc<Host>, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        self.0.give(stack)
    }
}

/// Results as an operation gives them.
pub fn reply(results: impl Results + 'static) -> Reply {
    Box::new(Plain(results))
}

/// An operation that is under way.
pub type Operation = LocalBoxFuture<'static, Result<Reply, ApiError>>;

/// What a virtual user waits for.
pub enum Pending {
    /// An operation.
    Operation(Operation),
    /// Think time, which thousands of users spend most of their time in: in place, not allocated.
    Sleep(Sleep),
}

/// Think time.
#[derive(Debug)]
pub struct Sleep {
    from: Instant,
    doze: Doze,
}

impl From<Operation> for Pending {
    fn from(operation: Operation) -> Self {
        Self::Operation(operation)
    }
}

impl From<Sleep> for Pending {
    fn from(sleep: Sleep) -> Self {
        Self::Sleep(sleep)
    }
}

impl Sleep {
    /// From now on, for `duration`.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        let from = clock::now();
        let doze = clock::doze(from, duration);
        Self { from, doze }
    }
}

impl Pending {
    /// Goes on with it for `vu`, whose time asleep is counted.
    pub(super) fn poll(&mut self, vu: &VuContext, cx: &mut Context<'_>) -> Poll<Result<Reply, ApiError>> {
        match self {
            Self::Operation(operation) => operation.as_mut().poll(cx),
            Self::Sleep(sleep) => {
                ready!(Pin::new(&mut sleep.doze).poll(cx));
                vu.slept.set(vu.slept.get() + (clock::now() - sleep.from));
                Poll::Ready(Ok(reply(())))
            }
        }
    }
}

impl Host {
    /// A function that answers at once, and that messages call `name`.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn function<F, R>(self: &Rc<Self>, name: &'static str, call: F) -> mlua::Result<Function>
    where
        F: Fn(&Rc<Self>, &mut Args<'_, '_>) -> Result<R, ApiError> + 'static,
        R: Results,
    {
        self.stack_fn(move |host, stack| {
            let results = call(host, &mut Args::new(name, stack))?;
            Ok(Flow::Return(results.give(stack)?))
        })
    }

    /// Adds a function to the table of a module: `time.now` is its `now`.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn add<F, R>(self: &Rc<Self>, table: &Table, name: &'static str, call: F) -> mlua::Result<()>
    where
        F: Fn(&Rc<Self>, &mut Args<'_, '_>) -> Result<R, ApiError> + 'static,
        R: Results,
    {
        let (_, key) = name.rsplit_once('.').unwrap_or(("", name));
        table.raw_set(key, self.function(name, call)?)
    }

    /// As [`Host::function`], for what looks at the stack itself, or calls a function of the script.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn stack_fn<F>(self: &Rc<Self>, call: F) -> mlua::Result<Function>
    where
        F: Fn(&Rc<Self>, &mut Stack<'_>) -> Result<Flow, ApiError> + 'static,
    {
        let weak = Rc::downgrade(self);
        raw::function(&self.lua, move |stack| call(&alive(&weak)?, stack), None)
    }

    /// A function that suspends the virtual user until the future is done that `start` makes of the arguments.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn operation<F, Fut, R>(self: &Rc<Self>, name: &'static str, start: F) -> mlua::Result<Function>
    where
        F: Fn(&Rc<VuContext>, &mut Args<'_, '_>) -> Result<Fut, ApiError> + 'static,
        Fut: Future<Output = Result<R, ApiError>> + 'static,
        R: Results + 'static,
    {
        self.wait_fn(name, move |vu, stack| {
            let doing = start(vu, &mut Args::new(name, stack))?;
            // Not an async block around it, which would hold it twice.
            let operation: Operation = Box::pin(doing.map_ok(reply));
            Ok(operation)
        })
    }

    /// As [`Host::operation`], for what looks at the stack itself, or whose results do.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn wait_fn<F, P>(self: &Rc<Self>, name: &'static str, start: F) -> mlua::Result<Function>
    where
        F: Fn(&Rc<VuContext>, &mut Stack<'_>) -> Result<P, ApiError> + 'static,
        P: Into<Pending>,
    {
        let (host, own) = (Rc::downgrade(self), Rc::downgrade(self));
        raw::function(
            &self.lua,
            move |stack| alive(&host)?.begin(name, stack, &start),
            Some(Box::new(move |stack| alive(&own)?.go_on(stack))),
        )
    }

    /// The first half of an operation: starts it and lets the coroutine wait.
    fn begin<F, P>(&self, name: &str, stack: &mut Stack<'_>, start: &F) -> Result<Flow, ApiError>
    where
        F: Fn(&Rc<VuContext>, &mut Stack<'_>) -> Result<P, ApiError>,
        P: Into<Pending>,
    {
        if !stack.can_wait() {
            return Err(ApiError::Text(format!(
                "{name} cannot be called here: sort comparators, gsub callbacks and metamethods cannot wait"
            )));
        }
        let vu = self.current()?;
        if let Some(when) = vu.lifecycle.get().still() {
            return Err(ApiError::Text(format!(
                "{name} cannot be used {when}; call it in setup, vu_init or the journey"
            )));
        }
        let pending = start(&vu, stack)?;
        *self.pending.borrow_mut() = Some(pending.into());
        Ok(Flow::Wait)
    }

    /// The second half of an operation: its results, on the stack.
    fn go_on(self: &Rc<Self>, stack: &mut Stack<'_>) -> Result<Flow, ApiError> {
        let reply = self.reply.borrow_mut().take();
        let reply = reply.ok_or_else(|| ApiError::Text("an operation went on without a result".into()))?;
        Ok(Flow::Return(reply?.push(self, stack)?))
    }
}

/// The host, for a function of it that is being called.
fn alive(host: &Weak<Host>) -> Result<Rc<Host>, ApiError> {
    host.upgrade().ok_or_else(|| ApiError::Text("the VM is closing".into()))
}
