//! The services and messages that calls are made of, read at run time: `.proto` files without protoc, descriptor sets, and
//! what reflection answers. Messages themselves are the caller's business.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, MethodDescriptor};

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
    /// A `.proto` file that does not compile.
    #[error("{0}")]
    Compile(String),
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
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
        let _ = (files, import_paths);
        unimplemented!()
    }

    /// Reads a `FileDescriptorSet`, as `protoc --include_imports --descriptor_set_out` writes it.
    ///
    /// # Errors
    /// Bytes that are none, or a set without its imports.
    pub fn from_descriptor_set(bytes: &[u8]) -> Result<Self, SchemaError> {
        let _ = bytes;
        unimplemented!()
    }

    /// What both know.
    ///
    /// # Errors
    /// Different definitions of one name.
    pub fn merge(&self, other: &Self) -> Result<Self, SchemaError> {
        let _ = other;
        unimplemented!()
    }

    /// The method of a name: `pkg.Service/Method`, `/pkg.Service/Method` or `pkg.Service.Method`.
    ///
    /// # Errors
    /// There is none; the nearest is named.
    pub fn method(&self, name: &str) -> Result<Method, SchemaError> {
        let _ = name;
        unimplemented!()
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

impl Method {
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
