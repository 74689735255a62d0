//! Lua code of ours around host functions: compiled once in a process, loaded once in a VM. What it does is up to those who
//! wrote it.
//!
//! Every VM runs the same few pieces when its modules open, and every virtual user runs some of them for its data sets and
//! metrics: compiling them was half of the time from the start to the first request, and a copy of the code for each user
//! was memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mlua::chunk::{ChunkMode, Compiler};
use mlua::{Function, Lua};
use rustc_hash::FxBuildHasher;

use super::raw::INTERNAL;

/// Bytecode by its source, for all VMs.
static COMPILED: Mutex<Option<HashMap<String, Arc<[u8]>>>> = Mutex::new(None);

/// The pieces that one VM has loaded, by their source.
#[derive(Debug, Default)]
pub(super) struct Internal {
    loaded: RefCell<HashMap<String, Function, FxBuildHasher>>,
}

impl Internal {
    /// The function that `code` is; it may be called any number of times.
    ///
    /// # Errors
    /// When the code is wrong, which its tests show, or the VM is out of memory.
    pub(super) fn function(&self, lua: &Lua, code: &str) -> mlua::Result<Function> {
        if let Some(known) = self.loaded.borrow().get(code) {
            return Ok(known.clone());
        }
        let function = lua
            .load(&*compiled(code)?)
            .set_name(format!("={}", INTERNAL.to_string_lossy()))
            .set_mode(ChunkMode::Binary)
            .into_function()?;
        self.loaded.borrow_mut().insert(code.to_owned(), function.clone());
        Ok(function)
    }
}

fn compiled(code: &str) -> mlua::Result<Arc<[u8]>> {
    // Whatever another thread's panic left behind: entries are whole.
    let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(bytes) = known.get(code) {
        return Ok(Arc::clone(bytes));
    }
    let bytes: Arc<[u8]> = Compiler::new().compile(code)?.into();
    known.insert(code.to_owned(), Arc::clone(&bytes));
    Ok(bytes)
}
