//! Which methods a script can call: of the files that it has loaded, and of servers that tell. Each method is looked up once
//! in a VM.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::message::{Id, Types};
use crate::clock::{self, Instant};
use crate::metrics::TagSet;
use crate::net::grpc::{Ask, Channel, Code, Metadata, Method, ReflectError, Schema, Status, reflect};
use crate::net::{ErrorKind, NetError};
use crate::script::protos::Source;
use crate::script::{ApiError, Host, VuContext};

/// What a VM knows in one revision of the script.
#[derive(Default)]
pub(super) struct Library {
    book: RefCell<Option<Rc<Book>>>,
    sources: RefCell<Vec<Source>>,
    servers: RefCell<HashMap<String, Rc<Server>>>,
}

/// A schema as one VM knows it.
pub(super) struct Book {
    schema: Schema,
    types: Rc<Types>,
    methods: Methods,
}

/// Methods by the name that scripts call them by.
type Methods = RefCell<FxHashMap<Box<[u8]>, Rc<Callee>>>;

/// A server that tells its schema.
pub(super) struct Server {
    key: String,
    methods: Methods,
    /// By service.
    books: RefCell<HashMap<String, Rc<Book>>>,
}

/// A method, and what its calls need.
pub(super) struct Callee {
    pub(super) method: Method,
    pub(super) types: Rc<Types>,
    pub(super) input: Id,
    pub(super) output: Id,
    /// The last tags that calls without a name of their own began with, and what came of them.
    pub(super) tags: RefCell<Option<(u64, TagSet)>>,
}

impl Callee {
    /// `pkg.Service/Method`.
    pub(super) fn name(&self) -> &str {
        self.method.path().trim_start_matches('/')
    }

    /// The name of its response, as errors have it.
    pub(super) fn output_name(&self) -> String {
        self.method.descriptor().output().full_name().to_owned()
    }
}

impl Library {
    /// Adds what a source declares; what was added before stays.
    ///
    /// # Errors
    /// What is wrong with the files, or with two of them together.
    pub(super) fn add(&self, host: &Host, source: &Source) -> Result<(), String> {
        if self.sources.borrow().contains(source) {
            return Ok(());
        }
        let revision = host
            .current()
            .map_err(|_| "no script is running".to_owned())?
            .revision();
        let schema = revision.protos.schema(source);
        // Compiling is not the script's own computing.
        host.watch.forgive();
        let schema = schema?;
        let merged = match &*self.book.borrow() {
            Some(book) => book.schema.merge(&schema).map_err(|error| error.to_string())?,
            None => schema,
        };
        *self.book.borrow_mut() = Some(Book::new(merged));
        self.sources.borrow_mut().push(source.clone());
        Ok(())
    }

    /// The server of a key, which clients with the same options have in common.
    pub(super) fn server(&self, key: String) -> Rc<Server> {
        let mut servers = self.servers.borrow_mut();
        let server = servers.entry(key).or_insert_with_key(|key| {
            Rc::new(Server {
                key: key.clone(),
                methods: Methods::default(),
                books: RefCell::default(),
            })
        });
        Rc::clone(server)
    }

    /// A method of what was loaded. None: nothing was.
    pub(super) fn find(&self, name: &[u8]) -> Option<Result<Rc<Callee>, String>> {
        self.book.borrow().as_ref().map(|book| book.find(name))
    }
}

impl Book {
    fn new(schema: Schema) -> Rc<Self> {
        Rc::new(Self {
            types: Types::new(schema.pool().clone()),
            methods: Methods::default(),
            schema,
        })
    }

    fn find(&self, name: &[u8]) -> Result<Rc<Callee>, String> {
        if let Some(callee) = self.methods.borrow().get(name) {
            return Ok(Rc::clone(callee));
        }
        let callee = self.look_up(name)?;
        self.methods.borrow_mut().insert(name.into(), Rc::clone(&callee));
        Ok(callee)
    }

    fn look_up(&self, name: &[u8]) -> Result<Rc<Callee>, String> {
        let name = String::from_utf8_lossy(name);
        let method = self.schema.method(&name).map_err(|error| error.to_string())?;
        Ok(Rc::new(Callee {
            input: self.types.id(&method.descriptor().input()),
            output: self.types.id(&method.descriptor().output()),
            types: Rc::clone(&self.types),
            method,
            tags: RefCell::default(),
        }))
    }
}

impl Server {
    /// A method that was asked for before.
    pub(super) fn known(&self, name: &[u8]) -> Option<Rc<Callee>> {
        self.methods.borrow().get(name).cloned()
    }

    /// A method of a service that the server is asked about, once in a run, and until `deadline`.
    ///
    /// # Errors
    /// The name is none, or the server does not tell.
    pub(super) async fn find(
        &self,
        vu: &VuContext,
        channel: &Channel,
        name: &str,
        deadline: Instant,
    ) -> Result<Rc<Callee>, Unreflected> {
        let service = service_of(name).ok_or_else(|| {
            Unreflected::Misuse(ApiError::Text(format!(
                "`{name}` is no method; write it as \"pkg.Service/Method\""
            )))
        })?;
        let known = self.books.borrow().get(service).cloned();
        let book = match known {
            Some(book) => book,
            None => {
                let place = vu.host.session.reflected.place(&self.key, service);
                let asked = place.get_or_ask(deadline, || async {
                    let limit = deadline.saturating_duration_since(clock::now());
                    reflect(channel, Ask::Service(service), &Metadata::new(), limit).await
                });
                let schema = Box::pin(asked).await.map_err(unreflected)?;
                let book = Book::new(schema);
                self.books.borrow_mut().insert(service.to_owned(), Rc::clone(&book));
                book
            }
        };
        let callee = book
            .find(name.as_bytes())
            .map_err(|error| Unreflected::Misuse(ApiError::Text(error)))?;
        self.methods
            .borrow_mut()
            .insert(name.as_bytes().into(), Rc::clone(&callee));
        Ok(callee)
    }
}

/// Why a method of a server is not known.
pub(super) enum Unreflected {
    /// It has none of that name.
    Misuse(ApiError),
    /// It did not tell: a failure of the network or the server.
    Failed(Status, Option<Box<NetError>>),
}

/// `None`: others have asked until the time was over.
fn unreflected(error: Option<Arc<ReflectError>>) -> Unreflected {
    match error.as_deref() {
        // Some servers have a status for a service that they do not know.
        Some(ReflectError::Call { status, error }) if status.code != Code::NotFound => {
            let message = format!("reflection: {status}").into();
            let code = status.code;
            Unreflected::Failed(Status { code, message }, error.clone())
        }
        Some(error) => Unreflected::Misuse(ApiError::Text(error.to_string())),
        None => {
            let message = "timed out while others asked the server for its schema";
            let error = NetError::new(ErrorKind::Timeout, message);
            let status = Status {
                code: Code::DeadlineExceeded,
                message: message.into(),
            };
            Unreflected::Failed(status, Some(Box::new(error)))
        }
    }
}

/// `pkg.Service` of `pkg.Service/Method` or `pkg.Service.Method`.
fn service_of(name: &str) -> Option<&str> {
    let name = name.strip_prefix('/').unwrap_or(name);
    let (service, method) = name.split_once('/').or_else(|| name.rsplit_once('.'))?;
    (!service.is_empty() && !method.is_empty()).then_some(service)
}
