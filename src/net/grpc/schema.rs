//! The services and messages that calls are made of, read at run time: `.proto` files without protoc, descriptor sets, and
//! what reflection answers. Messages themselves are the caller's business.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::uri::PathAndQuery;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use protox::Compiler;

/// Services and messages.
#[derive(Debug, Clone)]
pub struct Schema(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: DescriptorPool,
    files: Vec<PathBuf>,
}

/// One method.
#[derive(Debug, Clone)]
pub struct Method(Arc<MethodInner>);

#[derive(Debug)]
struct MethodInner {
    path: PathAndQuery,
    descriptor: MethodDescriptor,
}

/// What is wrong with a schema, or with what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A `.proto` file that cannot be read or does not compile; `file:line:column: what`.
    #[error("{0}")]
    Compile(String),
    /// A descriptor set that is none, or lacks files.
    #[error("not a usable descriptor set: {0}")]
    Descriptors(String),
    /// A name that is not there.
    #[error("{0}")]
    Unknown(String),
}

impl Schema {
    /// Compiles `.proto` files. They and what they import are looked for in the import paths, and the files themselves also
    /// as paths of their own, whose folder is an import path then. The well-known types are built in.
    ///
    /// # Errors
    /// A file that cannot be read or does not compile, with file, line and column.
    pub fn compile(files: &[PathBuf], import_paths: &[PathBuf]) -> Result<Self, SchemaError> {
        let mut includes = import_paths.to_vec();
        for file in files {
            let inside =
                |include: &PathBuf| file.starts_with(include) || (file.is_relative() && include.join(file).is_file());
            if !includes.iter().any(inside) {
                includes.push(file.parent().map(Path::to_owned).unwrap_or_default());
            }
        }
        let mut compiler = Compiler::new(&includes).map_err(|error| compile_error(&error))?;
        compiler.include_imports(true);
        for file in files {
            compiler.open_file(file).map_err(|error| {
                let is_missing = error.is_file_not_found() && error.file().is_none();
                match is_missing {
                    true => not_found(file, &includes),
                    false => compile_error(&error),
                }
            })?;
        }
        let files = compiler.files().filter_map(|file| file.path().map(Path::to_owned));
        Ok(Self::new(compiler.descriptor_pool(), files.collect()))
    }

    /// Reads a `FileDescriptorSet`, as `protoc --include_imports --descriptor_set_out` writes it. The well-known types may
    /// be left out.
    ///
    /// # Errors
    /// Bytes that are none, or a set without its imports.
    pub fn from_descriptor_set(bytes: &[u8]) -> Result<Self, SchemaError> {
        let pool = DescriptorPool::decode(bytes).or_else(|_| {
            let mut pool = well_known()?;
            let added = pool.decode_file_descriptor_set(bytes);
            added
                .map(|()| pool)
                .map_err(|error| SchemaError::Descriptors(format!("{error:?}")))
        })?;
        if pool.files().len() == 0 {
            return Err(SchemaError::Descriptors("there is no file in it".to_owned()));
        }
        Ok(Self::new(pool, Vec::new()))
    }

    /// A schema of files in any order, imports included.
    pub(super) fn from_files(files: Vec<FileDescriptorProto>) -> Result<Self, SchemaError> {
        let mut pool = DescriptorPool::new();
        let added = pool.add_file_descriptor_protos(files);
        added.map_err(|error| SchemaError::Descriptors(format!("{error:?}")))?;
        Ok(Self::new(pool, Vec::new()))
    }

    /// The method of a text that is known to be right; the other is its name.
    pub(super) fn standard(text: &str, method: &str) -> Method {
        let file = protox::file::File::from_source("standard.proto", text).expect("it is right");
        let schema = Self::from_files(vec![file.file_descriptor_proto().clone()]).expect("it is whole");
        schema.method(method).expect("it is there")
    }

    fn new(pool: DescriptorPool, files: Vec<PathBuf>) -> Self {
        Self(Arc::new(Inner { pool, files }))
    }

    /// What both know. Of a file that both have, this one's is kept.
    ///
    /// # Errors
    /// Different files define one name.
    pub fn merge(&self, other: &Self) -> Result<Self, SchemaError> {
        let mut pool = self.0.pool.clone();
        for file in other.0.pool.files() {
            let added = pool.decode_file_descriptor_proto(&*file.encode_to_vec());
            added.map_err(|error| SchemaError::Descriptors(format!("{error:?}")))?;
        }
        let mut files = self.0.files.clone();
        files.extend(
            other
                .0
                .files
                .iter()
                .filter(|file| !self.0.files.contains(file))
                .cloned(),
        );
        Ok(Self::new(pool, files))
    }

    /// The method of a name: `pkg.Service/Method`, `/pkg.Service/Method` or `pkg.Service.Method`.
    ///
    /// # Errors
    /// There is none; the nearest is named.
    pub fn method(&self, name: &str) -> Result<Method, SchemaError> {
        let bare = name.strip_prefix('/').unwrap_or(name);
        let Some((service, method)) = bare.rsplit_once('/').or_else(|| bare.rsplit_once('.')) else {
            let all = self.method_names();
            let hint = nearest(bare, &all, |known| known.rsplit('/').next().unwrap_or(known));
            let message = format!("{name:?} is not a method: write it as \"pkg.Service/Method\"{hint}");
            return Err(SchemaError::Unknown(message));
        };
        let Some(found) = self.0.pool.get_service_by_name(service) else {
            let services: Vec<String> = self.services().collect();
            let hint = match services.is_empty() {
                true => "; the schema defines none".to_owned(),
                false => nearest(service, &services, |known| known),
            };
            return Err(SchemaError::Unknown(format!("there is no service {service:?}{hint}")));
        };
        let Some(descriptor) = found.methods().find(|known| known.name() == method) else {
            let methods: Vec<String> = found.methods().map(|method| method.name().to_owned()).collect();
            let hint = nearest(method, &methods, |known| known);
            let message = format!("service {service:?} has no method {method:?}{hint}");
            return Err(SchemaError::Unknown(message));
        };
        Method::new(service, descriptor)
    }

    /// The names of all services.
    pub fn services(&self) -> impl Iterator<Item = String> {
        self.0.pool.services().map(|service| service.full_name().to_owned())
    }

    fn method_names(&self) -> Vec<String> {
        let services = self.0.pool.services();
        let names = services.flat_map(|service| {
            let methods: Vec<String> = service
                .methods()
                .map(|method| format!("{}/{}", service.full_name(), method.name()))
                .collect();
            methods
        });
        names.collect()
    }

    /// All that is known, for messages inside of `Any`.
    #[must_use]
    pub fn pool(&self) -> &DescriptorPool {
        &self.0.pool
    }

    /// The files that were read, imports included.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.files.iter().map(PathBuf::as_path)
    }
}

fn compile_error(error: &protox::Error) -> SchemaError {
    // Its other form has no place in it.
    SchemaError::Compile(format!("{error:?}"))
}

fn not_found(file: &Path, includes: &[PathBuf]) -> SchemaError {
    let looked: Vec<String> = includes
        .iter()
        .map(|path| format!("{:?}", path.display().to_string()))
        .collect();
    let looked = looked.join(", ");
    SchemaError::Compile(format!("{}: not found in the import paths {looked}", file.display()))
}

/// The types that every schema may use without bringing them.
fn well_known() -> Result<DescriptorPool, SchemaError> {
    const FILES: [&str; 11] = [
        "any",
        "api",
        "descriptor",
        "duration",
        "empty",
        "field_mask",
        "source_context",
        "struct",
        "timestamp",
        "type",
        "wrappers",
    ];
    let mut compiler = Compiler::with_file_resolver(protox::file::GoogleFileResolver::new());
    for file in FILES {
        let opened = compiler.open_file(format!("google/protobuf/{file}.proto"));
        opened.map_err(|error| compile_error(&error))?;
    }
    Ok(compiler.descriptor_pool())
}

/// `; did you mean …?`, or what there is.
fn nearest(name: &str, known: &[String], part: impl Fn(&str) -> &str) -> String {
    let distance = |other: &&String| {
        let (a, b) = (name.to_ascii_lowercase(), part(other).to_ascii_lowercase());
        // A service without its package is near, however long that is.
        match b.rsplit('.').next() == Some(&*a) {
            true => 0,
            false => strsim::damerau_levenshtein(&a, &b),
        }
    };
    match known.iter().min_by_key(distance) {
        Some(best) if distance(&best) <= 2.max(name.len() / 3) => format!("; did you mean {best:?}?"),
        _ if known.is_empty() => String::new(),
        _ => format!(
            "; there is {}",
            known.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
    }
}

impl Method {
    pub(super) fn new(service: &str, descriptor: MethodDescriptor) -> Result<Self, SchemaError> {
        let path = format!("/{service}/{}", descriptor.name());
        let path = PathAndQuery::try_from(path).map_err(|error| SchemaError::Unknown(error.to_string()))?;
        Ok(Self(Arc::new(MethodInner { path, descriptor })))
    }

    pub(super) fn path_and_query(&self) -> &PathAndQuery {
        &self.0.path
    }

    /// `/pkg.Service/Method`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path.as_str()
    }

    /// `pkg.Service`.
    #[must_use]
    pub fn service(&self) -> &str {
        self.path()[1..].split('/').next().unwrap_or_default()
    }

    /// Its name in its service.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.descriptor.name()
    }

    /// Its messages.
    #[must_use]
    pub fn descriptor(&self) -> &MethodDescriptor {
        &self.0.descriptor
    }

    /// Whether the caller sends several messages.
    #[must_use]
    pub fn is_client_streaming(&self) -> bool {
        self.0.descriptor.is_client_streaming()
    }

    /// Whether the server sends several messages.
    #[must_use]
    pub fn is_server_streaming(&self) -> bool {
        self.0.descriptor.is_server_streaming()
    }
}

#[cfg(test)]
mod tests;
