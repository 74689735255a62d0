//! What the virtual users of one core thread share: connections where the options say so, otherwise those are each VU's.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, header};
use rustc_hash::FxHashMap;
use rustls::ClientConfig;
use url::{ParseError, Position, Url};

use super::NetError;
use super::address::{Address, Recent, plain_absolute};
use super::config::{ConfigError, HttpConfig};
use super::dns::Resolver;
use super::grpc::Endpoints;
use super::h1::{Conn, Scratch, line};
use super::hosts::Hosts;
use super::pool::Slot;
use super::pools::{Pools, Seat};
use super::target::{Proxy, Target};
use super::tls::TlsParts;
use super::trace::Tracer;

/// Origins that are remembered; a script that makes up more host names than that works them out again.
const MAX_TARGETS: usize = 10_000;

/// An idle connection that is shared, and the slot that it takes.
type IdleConn = (Box<Conn>, Slot);

/// Resolver cache, TLS configuration, known origins and options of one core thread.
pub struct Shared {
    /// Its number in this process; addresses remember whose target they know.
    id: u64,
    pub(super) config: HttpConfig,
    pub(super) resolver: Resolver,
    pub(super) user_agent: Option<HeaderValue>,
    /// The same as a header line; empty without.
    pub(super) user_agent_line: Box<[u8]>,
    pub(super) scratch: Scratch,
    /// Where requests carry traces.
    pub(super) tracer: Option<Tracer>,
    hosts: Hosts,
    proxy: Option<Proxy>,
    tls_parts: TlsParts,
    tls: OnceCell<Result<Arc<ClientConfig>, NetError>>,
    http: RefCell<HashMap<Box<str>, Rc<Target>>>,
    https: RefCell<HashMap<Box<str>, Rc<Target>>>,
    /// Origins as somebody writes them, with an address there.
    written: RefCell<FxHashMap<Box<str>, Address>>,
    base: RefCell<Option<(Url, Address, Box<Recent>)>>,
    pools: Arc<Pools>,
    /// This core's number among those of the pools.
    core: usize,
    /// Its place where connections are shared.
    pub(super) seat: Option<Seat>,
    /// HTTP/1.1 connections that are shared and wait for use, the most recently used last.
    idle: Rc<RefCell<Vec<IdleConn>>>,
    /// The gRPC clients of this core.
    pub(super) endpoints: Endpoints,
}

impl Shared {
    /// Checks the options and reads the files that they name.
    ///
    /// # Errors
    /// Options that cannot work.
    pub fn new(config: HttpConfig) -> Result<Rc<Self>, ConfigError> {
        Self::among(config, &Arc::default())
    }

    /// One of several that share connections, if the options say so.
    ///
    /// # Errors
    /// Options that cannot work.
    pub fn among(config: HttpConfig, pools: &Arc<Pools>) -> Result<Rc<Self>, ConfigError> {
        Self::at(config, pools, pools.seat())
    }

    pub(super) fn at(config: HttpConfig, pools: &Arc<Pools>, core: usize) -> Result<Rc<Self>, ConfigError> {
        Self::make(config, pools, core).map(Rc::new)
    }

    fn make(config: HttpConfig, pools: &Arc<Pools>, core: usize) -> Result<Self, ConfigError> {
        let user_agent = match config.user_agent.as_str() {
            "" => None,
            text => Some(HeaderValue::from_str(text).map_err(|_| ConfigError::UserAgent(text.to_owned()))?),
        };
        let mut user_agent_line = Vec::new();
        if let Some(user_agent) = &user_agent {
            line(&mut user_agent_line, &header::USER_AGENT, user_agent);
        }
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            resolver: Resolver::new(config.dns),
            user_agent,
            user_agent_line: user_agent_line.into_boxed_slice(),
            scratch: Scratch::default(),
            tracer: config.trace_sampling.map(|sampling| Tracer::new(sampling, pools)),
            hosts: Hosts::parse(&config.hosts)?,
            proxy: config.proxy.as_ref().map(Proxy::parse).transpose()?,
            tls_parts: TlsParts::load(&config.tls)?,
            tls: OnceCell::new(),
            http: RefCell::default(),
            https: RefCell::default(),
            written: RefCell::default(),
            base: RefCell::default(),
            pools: Arc::clone(pools),
            core,
            seat: pools.join(&config, core),
            idle: Rc::default(),
            endpoints: Endpoints::default(),
            config,
        })
    }

    /// What takes the place of this under other options. It knows the same origins where connections are made as before,
    /// so that those of [`super::Client`]s stay good.
    ///
    /// # Errors
    /// Options that cannot work.
    pub fn follow(&self, config: HttpConfig) -> Result<Rc<Self>, ConfigError> {
        let mut next = Self::make(config, &self.pools, self.core)?;
        next.endpoints = self.endpoints.follow(&self.config, &next.config);
        if next.config.connects_like(&self.config) {
            next.http.replace(self.http.borrow().clone());
            next.https.replace(self.https.borrow().clone());
            next.idle = Rc::clone(&self.idle);
            if let Some(tls) = self.tls.get() {
                let _ = next.tls.set(tls.clone());
            }
        }
        Ok(Rc::new(next))
    }

    /// The options.
    #[must_use]
    pub fn config(&self) -> &HttpConfig {
        &self.config
    }

    /// Loads the trusted roots now. The first https request does it otherwise, and its neighbours wait the milliseconds
    /// that it takes.
    ///
    /// # Errors
    /// The platform has no roots and the options name none.
    pub fn warm_tls(&self) -> Result<(), NetError> {
        self.tls().map(drop)
    }

    pub(super) fn tls(&self) -> Result<Arc<ClientConfig>, NetError> {
        self.tls
            .get_or_init(|| self.tls_parts.build(self.config.version))
            .clone()
    }

    /// Lets go of the connections that are shared, so that others may have them. Requests in flight go on.
    pub fn release(&self) {
        if let Some(seat) = &self.seat {
            seat.clear();
        }
        self.idle.take();
        self.endpoints.release();
    }

    /// What all cores share, and this one's number among them.
    pub(super) fn place(&self) -> (&Arc<Pools>, usize) {
        (&self.pools, self.core)
    }

    /// An HTTP/1.1 connection to the target that waits for use, if the pool has granted one.
    pub(super) fn take_idle(&self, target: &Rc<Target>) -> Option<IdleConn> {
        let mut idle = self.idle.borrow_mut();
        // Not the same target after an edit, but the same pool.
        let at = idle.iter().rposition(|(conn, _)| conn.target.origin == target.origin)?;
        Some(idle.remove(at))
    }

    /// Keeps one for whoever comes next.
    pub(super) fn put_idle(&self, conn: Box<Conn>, slot: Slot) {
        self.idle.borrow_mut().push((conn, slot));
    }

    /// Reads an absolute URL, or one that is relative to `base`. Plain paths below a known origin cost no parsing.
    ///
    /// # Errors
    /// Those of [`Url::parse`], and of [`Url::join`] for a relative text.
    pub fn address(&self, text: &str, base: Option<&Url>) -> Result<Address, ParseError> {
        if text.starts_with('/') {
            // No scheme: relative, whatever follows.
            return self.relative(text, base);
        }
        if let Some((origin, path, path_end)) = plain_absolute(text) {
            if let Some(known) = self.written.borrow().get(origin) {
                return Ok(known.plain(path, path_end, false));
            }
            let address = Address::parse(text)?;
            let mut written = self.written.borrow_mut();
            if written.len() >= MAX_TARGETS {
                written.clear();
            }
            written.insert(origin.into(), address.clone());
            return Ok(address);
        }
        match Address::parse(text) {
            Err(ParseError::RelativeUrlWithoutBase) => self.relative(text, base),
            absolute => absolute,
        }
    }

    fn relative(&self, text: &str, base: Option<&Url>) -> Result<Address, ParseError> {
        let base = base.ok_or(ParseError::RelativeUrlWithoutBase)?;
        let mut known = self.base.borrow_mut();
        let (_, address, recent) = match &mut *known {
            Some(known) if known.0 == *base => known,
            other => other.insert((base.clone(), Address::from(base.clone()), Box::default())),
        };
        recent.join(address, text)
    }

    /// The target of an address, worked out once for each origin.
    pub(super) fn target(&self, address: &Address) -> Result<Rc<Target>, NetError> {
        address.target(self.id, || self.find(address.url()))
    }

    fn find(&self, url: &Url) -> Result<Rc<Target>, NetError> {
        let known = match url.scheme() {
            "https" => &self.https,
            "http" => &self.http,
            // Refused there, with its reason.
            _ => return Target::new(url, &self.config, &self.hosts, None).map(Rc::new),
        };
        let origin = &url[Position::BeforeHost..Position::AfterPort];
        if let Some(target) = known.borrow().get(origin) {
            return Ok(Rc::clone(target));
        }
        let target = Rc::new(Target::new(url, &self.config, &self.hosts, self.proxy.as_ref())?);
        let mut known = known.borrow_mut();
        if known.len() >= MAX_TARGETS {
            known.clear();
        }
        known.insert(origin.into(), Rc::clone(&target));
        Ok(target)
    }
}
