//! The functions that modules are made of: those that answer at once, and operations, which suspend the virtual user while
//! Rust works. What they do is in `api`; how a coroutine is driven meanwhile is in `bridge`.

use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::TryFutureExt as _;
use futures_util::future::LocalBoxFuture;
use mlua::{Function, MultiValue};

use super::context::VuContext;
use super::host::{ApiError, ApiResult, Host, answer};
use super::raw::{self, Flow, Stack};
use crate::clock::{self, Doze, Instant};

/// What an operation gives when it is done.
pub enum Reply {
    /// Values.
    Values(MultiValue),
    /// Something that pushes its own, straight onto the stack of the script.
    Push(Box<dyn Push>),
}

/// The result of an operation, which becomes values when its coroutine goes on.
pub trait Push {
    /// Pushes the values; gives how many.
    ///
    /// # Errors
    /// When the VM is out of memory.
    fn push(self: Box<Self>, host: &Rc<Host>, stack: &mut Stack<'_>) -> Result<i32, ApiError>;
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
                Poll::Ready(Ok(Reply::Values(MultiValue::new())))
            }
        }
    }
}

impl Host {
    /// A function that answers at once. Failures are raised at the caller's line.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn sync_fn<F>(self: &Rc<Self>, call: F) -> mlua::Result<Function>
    where
        F: Fn(&Rc<Self>, MultiValue) -> ApiResult + 'static,
    {
        let raw = self.raw_fn(call)?;
        self.prelude.get::<Function>("sync")?.call(raw)
    }

    /// As [`Host::sync_fn`], but for Lua code of ours that raises itself: answers `(true, …)` or `(false, message)`.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn raw_fn<F>(self: &Rc<Self>, call: F) -> mlua::Result<Function>
    where
        F: Fn(&Rc<Self>, MultiValue) -> ApiResult + 'static,
    {
        let weak: Weak<Self> = Rc::downgrade(self);
        self.lua.create_function(move |lua, args: MultiValue| {
            let host = weak
                .upgrade()
                .ok_or_else(|| mlua::Error::runtime("the VM is closing"))?;
            answer(lua, call(&host, args))
        })
    }

    /// A function that reads its arguments from the stack and leaves its results there: for what journeys call often.
    /// Failures are raised at the caller's line.
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

    /// A function that suspends the virtual user until the operation that it starts is done. It reads its arguments from
    /// the stack.
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

    /// A function that suspends the virtual user until its future is done.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn op_fn<F, Fut>(self: &Rc<Self>, name: &'static str, start: F) -> mlua::Result<Function>
    where
        F: Fn(Rc<VuContext>, MultiValue) -> Fut + 'static,
        Fut: Future<Output = ApiResult> + 'static,
    {
        self.wait_fn(name, move |vu, stack| {
            Ok(values_of(start(Rc::clone(vu), stack.take(0)?)))
        })
    }

    /// As [`Host::op_fn`], but for Lua code of ours that raises itself: answers `(true, …)` or `(false, message)`.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn raw_op_fn<F, Fut>(self: &Rc<Self>, name: &'static str, start: F) -> mlua::Result<Function>
    where
        F: Fn(Rc<VuContext>, MultiValue) -> Fut + 'static,
        Fut: Future<Output = ApiResult> + 'static,
    {
        let (host, own) = (Rc::downgrade(self), Rc::downgrade(self));
        raw::function(
            &self.lua,
            move |stack| {
                let begun = alive(&host)?.begin(name, stack, &|vu: &Rc<VuContext>, stack: &mut Stack<'_>| {
                    Ok(values_of(start(Rc::clone(vu), stack.take(0)?)))
                });
                begun.or_else(|error| told(stack, error))
            },
            Some(Box::new(move |stack| {
                stack.truncate(0);
                stack.push_bool(true);
                match alive(&own)?.go_on(stack) {
                    Ok(Flow::Return(count)) => Ok(Flow::Return(count + 1)),
                    Ok(flow) => Ok(flow),
                    Err(error) => told(stack, error),
                }
            })),
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
        let count = match reply? {
            Reply::Values(values) => stack.push_values(values)?,
            Reply::Push(result) => result.push(self, stack)?,
        };
        Ok(Flow::Return(count))
    }
}

/// The host, for a function of it that is being called.
fn alive(host: &Weak<Host>) -> Result<Rc<Host>, ApiError> {
    host.upgrade().ok_or_else(|| ApiError::Text("the VM is closing".into()))
}

/// A future of values as an operation.
fn values_of(future: impl Future<Output = ApiResult> + 'static) -> Operation {
    // Not an async block around it, which would hold it twice.
    Box::pin(future.map_ok(Reply::Values))
}

/// An error for Lua code of ours: `false, message`.
///
/// # Errors
/// When the VM is out of memory.
pub fn told(stack: &mut Stack<'_>, error: ApiError) -> Result<Flow, ApiError> {
    stack.truncate(0);
    stack.push_bool(false);
    match error {
        ApiError::Text(text) => stack.push_bytes(text.as_bytes()),
        ApiError::Value(value) => drop(stack.push_values(value)?),
    }
    Ok(Flow::Return(2))
}
