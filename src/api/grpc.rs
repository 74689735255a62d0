//! `kt.grpc`: calls and streams from a journey, without code generation. Clients and calls are `grpc/client.rs`, streams
//! `grpc/stream.rs`, messages `grpc/message/`, what is known of a server's methods `grpc/schemas.rs` and `grpc/asking.rs`;
//! connections and timings are `net`'s.

mod answer;
mod asking;
mod client;
mod failed;
mod message;
mod options;
mod record;
mod schemas;
mod stream;
mod trace;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mlua::{Table, Value};

use crate::script::fields::describe;
use crate::script::protos::Source;
use crate::script::raw::{Flow, Kind, Pinned, Stack};
use crate::script::{ApiError, Args, Host, Operation, Pushed, Revision, VuContext};

pub(in crate::api) use answer::check_failed;

use answer::Face;
use client::Client;
use options::Connect;
use schemas::Library;
use stream::Stream;

/// What a VM has for calls.
pub(super) struct Module {
    answers: Rc<Face>,
    /// Tables of clients and streams before they are filled.
    clients: Pinned,
    streams: Pinned,
    /// The names of the fields that hold what is behind them.
    client: Pinned,
    stream: Pinned,
    library: RefCell<(u32, Rc<Library>)>,
}

/// What a misspelt method of a client or a stream is answered with.
const STRICT: &str = r#"
local owner, missing, table = ...
return setmetatable(table, { __metatable = "locked", __index = function(_, key) error(missing(key), 2) end })"#;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let lua = &host.lua;
    let (clients, streams) = (lua.create_table()?, lua.create_table()?);
    clients.raw_set("__client", false)?;
    streams.raw_set("__stream", false)?;
    let module = Rc::new(Module {
        answers: Rc::new(Face::new(host)?),
        clients: Pinned::new(lua, &clients)?,
        streams: Pinned::new(lua, &streams)?,
        client: Pinned::new(lua, "__client")?,
        stream: Pinned::new(lua, "__stream")?,
        library: RefCell::new((0, Rc::default())),
    });
    client_methods(host, &module, &clients)?;
    stream_methods(host, &module, &streams)?;
    strict(host, "client", &clients, &["call", "stream", "health", "close"])?;
    strict(
        host,
        "stream",
        &streams,
        &["send", "close_send", "recv", "finish", "cancel"],
    )?;
    let table = lua.create_table()?;
    let own = Rc::clone(&module);
    host.add(&table, "grpc.load", move |host, args| load(host, &own, args))?;
    let own = Rc::clone(&module);
    host.add(&table, "grpc.load_descriptor_set", move |host, args| {
        load_descriptor_set(host, &own, args)
    })?;
    host.add(&table, "grpc.connect", move |host, args| connect(host, &module, args))?;
    Ok(Value::Table(table))
}

fn client_methods(host: &Rc<Host>, module: &Rc<Module>, table: &Table) -> mlua::Result<()> {
    type Begin = fn(&Rc<Module>, &Rc<VuContext>, &mut Stack<'_>) -> Result<Operation, ApiError>;
    let begin: [(&str, &'static str, Begin); 3] = [
        ("call", "client:call", client::call),
        ("stream", "client:stream", stream::begin),
        ("health", "client:health", client::health),
    ];
    for (name, full, begin) in begin {
        let own = Rc::clone(module);
        table.raw_set(name, host.wait_fn(full, move |vu, stack| begin(&own, vu, stack))?)?;
    }
    let own = Rc::clone(module);
    let close = host.stack_fn(move |_, stack| {
        own.client("client:close", stack)?.close();
        Ok(Flow::Return(0))
    })?;
    table.raw_set("close", close)
}

fn stream_methods(host: &Rc<Host>, module: &Rc<Module>, table: &Table) -> mlua::Result<()> {
    let own = Rc::clone(module);
    let send = host.wait_fn("stream:send", move |vu, stack| {
        stream::send(&own.stream("stream:send", stack)?, vu, stack)
    })?;
    table.raw_set("send", send)?;
    let own = Rc::clone(module);
    let recv = host.wait_fn("stream:recv", move |vu, stack| {
        stream::recv(&own.stream("stream:recv", stack)?, vu)
    })?;
    table.raw_set("recv", recv)?;
    let own = Rc::clone(module);
    let finish = host.wait_fn("stream:finish", move |vu, stack| {
        stream::finish(&own.stream("stream:finish", stack)?, vu)
    })?;
    table.raw_set("finish", finish)?;
    let own = Rc::clone(module);
    let close_send = host.stack_fn(move |_, stack| stream::close_send(&own.stream("stream:close_send", stack)?))?;
    table.raw_set("close_send", close_send)?;
    let own = Rc::clone(module);
    let cancel = host.stack_fn(move |host, stack| {
        let stream = own.stream("stream:cancel", stack)?;
        stream::cancel(&stream, host, stack)
    })?;
    table.raw_set("cancel", cancel)
}

/// Reading what a client or a stream does not have names what was meant.
fn strict(host: &Rc<Host>, owner: &'static str, table: &Table, names: &'static [&'static str]) -> mlua::Result<()> {
    let missing = host.lua.create_function(move |_, key: Value| {
        let key = describe(&key).replace('"', "");
        let hint = crate::script::fields::suggest(&key, names.iter().copied());
        Ok(format!("a {owner} has no `{key}`{hint}"))
    })?;
    host.run_internal::<Table>(STRICT, (owner, missing, table)).map(drop)
}

impl Module {
    /// What scripts of the running revision have loaded.
    fn library(&self, revision: &Revision) -> Rc<Library> {
        let mut known = self.library.borrow_mut();
        if known.0 != revision.number {
            *known = (revision.number, Rc::default());
        }
        Rc::clone(&known.1)
    }

    /// The client that a function was called on.
    fn client(&self, owner: &str, stack: &mut Stack<'_>) -> Result<Rc<Client>, ApiError> {
        self.behind::<Client>(owner, stack, &self.client, "client")
    }

    /// The stream that a function was called on.
    fn stream(&self, owner: &str, stack: &mut Stack<'_>) -> Result<Rc<Stream>, ApiError> {
        self.behind::<Stream>(owner, stack, &self.stream, "stream")
    }

    fn behind<T: 'static>(
        &self,
        owner: &str,
        stack: &mut Stack<'_>,
        field: &Pinned,
        what: &str,
    ) -> Result<Rc<T>, ApiError> {
        let top = stack.top();
        if top >= 1 && stack.kind(1) == Kind::Table {
            stack.push_field_pinned(1, field);
            let found = stack.object::<Rc<T>>(top + 1).cloned();
            stack.truncate(top);
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(ApiError::Text(format!(
            "{owner}: call it with a colon, on a {what}: `{owner}(…)`"
        )))
    }
}

/// `grpc.load(files, { import_paths })`.
fn load(host: &Rc<Host>, module: &Module, args: &Args<'_, '_>) -> Result<(), ApiError> {
    let revision = host.current()?.revision();
    let paths = match args.options(2, &["import_paths"])? {
        Some(options) => options.list("import_paths")?,
        None => None,
    };
    let folder = host.session.script.parent().unwrap_or(Path::new("")).to_owned();
    let folder = if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder
    };
    let mut import_paths = Vec::new();
    for path in paths.unwrap_or_default() {
        let found = folder.join(&path);
        if !found.is_dir() {
            return Err(args.error(format!(
                "`import_paths` names `{}`, which is no folder",
                found.display()
            )));
        }
        import_paths.push(found);
    }
    let names = names(args)?;
    if names.is_empty() {
        return Err(args.error("`files` is empty"));
    }
    let mut files = Vec::new();
    for name in &names {
        let in_imports = import_paths
            .iter()
            .map(|path| path.join(name))
            .find(|path| path.is_file());
        let beside = folder.join(name);
        let found = match in_imports {
            _ if beside.is_file() => Ok(beside),
            Some(found) => Ok(found),
            None => revision.find_data(name),
        };
        files.push(found.map_err(|error| args.error(error))?);
    }
    import_paths.push(folder);
    let source = Source::Protos { files, import_paths };
    module
        .library(&revision)
        .add(host, &source)
        .map_err(|error| args.error(error))
}

/// The files that are to be loaded.
fn names(args: &Args<'_, '_>) -> Result<Vec<String>, ApiError> {
    const WANTED: &str = "a file name or a list of them";
    if args.kind(1) != Kind::Table {
        let name = args.text(1, "files").map_err(|_| args.wrong("files", WANTED, 1))?;
        return Ok(vec![name.into_owned()]);
    }
    let list = args.table(1, "files")?;
    let name = |value: mlua::Result<Value>| match value? {
        Value::String(name) => Ok(name.to_string_lossy()),
        other => Err(args.error(format!("`files` must be {WANTED}, got {}", describe(&other)))),
    };
    list.sequence_values::<Value>().map(name).collect()
}

/// `grpc.load_descriptor_set(file)`.
fn load_descriptor_set(host: &Rc<Host>, module: &Module, args: &Args<'_, '_>) -> Result<(), ApiError> {
    let revision = host.current()?.revision();
    let name = args.text(1, "file")?;
    let path = revision.find_data(&name).map_err(|error| args.error(error))?;
    let source = Source::Descriptors(path);
    module
        .library(&revision)
        .add(host, &source)
        .map_err(|error| args.error(error))
}

/// `grpc.connect(address, options)`: a client, without a connection yet.
fn connect(host: &Rc<Host>, module: &Module, args: &mut Args<'_, '_>) -> Result<Pushed, ApiError> {
    let address = args.text(1, "address")?.into_owned();
    if !matches!(args.kind(2), Kind::Nil | Kind::Table) {
        return Err(args.wrong("options", "a table", 2));
    }
    let vu = host.current()?;
    let connect = Connect::read(&vu, &args.value(2)?)?;
    connect.options.check(&address).map_err(|error| args.error(error))?;
    let stack = args.stack();
    let client = Rc::new(Client::new(address, connect, module.library(&vu.revision())));
    stack.push_clone(&module.clients);
    let table = stack.top();
    stack.push_pinned(&module.client);
    stack.push_object(Box::new(client));
    stack.set(table);
    Ok(Pushed(1))
}
