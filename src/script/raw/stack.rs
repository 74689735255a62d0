//! The stack of a coroutine, as a function of ours sees it: arguments first, results on top.
#![expect(unsafe_code, reason = "the VM's C interface; see the module above")]

use std::any::TypeId;
use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

use mlua::ffi::{self, lua_State};
use mlua::{FromLuaMulti, IntoLuaMulti, Lua, Value, WeakLua};

use super::coroutine::Pinned;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing there, or nil.
    Nil,
    /// True or false.
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// A table.
    Table,
    /// A function.
    Function,
    /// JSON's null, or another bare pointer.
    Pointer,
    /// Userdata, threads, buffers, vectors.
    Other,
}

/// The stack of the coroutine that has called a function of ours.
pub struct Stack<'a> {
    state: *mut lua_State,
    lua: &'a WeakLua,
    _frame: PhantomData<&'a mut lua_State>,
}

/// How many values a call has room for from its beginning on, besides its arguments: so many positions can be read.
const ROOM: i32 = ffi::LUA_MINSTACK;

/// The tag of userdata that holds a [`Object`]; the binding uses none.
const TAG: c_int = 100;

/// The atom of strings that are UTF-8.
const TEXT: i16 = 1;

/// Has a VM find out once for each of its strings whether it is UTF-8, and not whenever one is read as text.
///
/// # Errors
/// When the VM is out of memory.
pub fn remember_texts(lua: &Lua) -> mlua::Result<()> {
    // SAFETY: the callbacks belong to the VM, which is not running; this one is set for as long as the VM lives.
    unsafe { lua.exec_raw((), |state| (*ffi::lua_callbacks(state)).useratom = Some(atom_of)) }
}

unsafe extern "C-unwind" fn atom_of(_: *mut lua_State, start: *const c_char, length: usize) -> i16 {
    // SAFETY: the VM gives the bytes of a string that it holds.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
    std::str::from_utf8(bytes).map_or(0, |_| TEXT)
}

/// What our userdata holds: a box, and what is in it.
struct Object {
    of: TypeId,
    boxed: *mut c_void,
    drop: unsafe fn(*mut c_void),
}

impl<'a> Stack<'a> {
    /// # Safety
    /// `state` runs a C function, the caller, for as long as the result lives; `lua` is its VM.
    pub(super) unsafe fn new(state: *mut lua_State, lua: &'a WeakLua) -> Self {
        Self {
            state,
            lua,
            _frame: PhantomData,
        }
    }

    /// The VM.
    #[must_use]
    pub fn lua(&self) -> Lua {
        self.lua.upgrade()
    }

    /// How many values there are.
    #[must_use]
    pub fn top(&self) -> i32 {
        // SAFETY: reads two pointers of a live state.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// What the value at `index` is.
    #[must_use]
    pub fn kind(&self, index: i32) -> Kind {
        match self.raw_type(index) {
            ffi::LUA_TNIL | ffi::LUA_TNONE => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TLIGHTUSERDATA => Kind::Pointer,
            _ => Kind::Other,
        }
    }

    fn raw_type(&self, index: i32) -> c_int {
        self.assert_readable(index);
        // SAFETY: a position that can be read; above the top it is none.
        unsafe { ffi::lua_type(self.state, index) }
    }

    /// Checks what callers promise: a position up to the top, or one that each call has room for.
    fn assert_readable(&self, index: i32) {
        debug_assert!(
            index > 0 && (index <= ROOM || index <= self.top()),
            "position {index} of {}: what is that far above the top cannot be read",
            self.top()
        );
    }

    /// The name of a type, as messages have it.
    #[must_use]
    pub fn type_name(&self, index: i32) -> &'static str {
        match self.raw_type(index) {
            ffi::LUA_TNIL | ffi::LUA_TNONE => "nil",
            ffi::LUA_TBOOLEAN => "boolean",
            ffi::LUA_TNUMBER => "number",
            ffi::LUA_TSTRING => "string",
            ffi::LUA_TTABLE => "table",
            ffi::LUA_TFUNCTION => "function",
            ffi::LUA_TLIGHTUSERDATA => "lightuserdata",
            ffi::LUA_TTHREAD => "thread",
            ffi::LUA_TBUFFER => "buffer",
            ffi::LUA_TVECTOR => "vector",
            _ => "userdata",
        }
    }

    /// Whether the function that is running may wait: it was not called by a metamethod or by one of the VM's own functions.
    #[must_use]
    pub fn can_wait(&self) -> bool {
        // SAFETY: compares two counters.
        unsafe { ffi::lua_isyieldable(self.state) != 0 }
    }

    /// Whether the value at `index` is neither nil nor false.
    #[must_use]
    pub fn is_true(&self, index: i32) -> bool {
        // SAFETY: any value that `raw_type` accepts.
        self.kind(index) != Kind::Nil && unsafe { ffi::lua_toboolean(self.state, index) } != 0
    }

    /// Whether the value at `index` is JSON's null.
    #[must_use]
    pub fn is_null(&self, index: i32) -> bool {
        // SAFETY: a light userdata is its pointer.
        self.kind(index) == Kind::Pointer && unsafe { ffi::lua_tolightuserdata(self.state, index) }.is_null()
    }

    /// A number; strings are none.
    #[must_use]
    pub fn number(&self, index: i32) -> Option<f64> {
        // SAFETY: checked to be a number.
        (self.kind(index) == Kind::Number).then(|| unsafe { ffi::lua_tonumber(self.state, index) })
    }

    /// The bytes of a string; numbers are none.
    #[must_use]
    pub fn bytes(&self, index: i32) -> Option<&[u8]> {
        self.string(index, ptr::null_mut())
    }

    /// A string, with a replacement for what is not UTF-8.
    #[must_use]
    pub fn lossy(&self, index: i32) -> Option<Cow<'_, str>> {
        match self.text(index) {
            Some(text) => Some(Cow::Borrowed(text)),
            None => self.bytes(index).map(String::from_utf8_lossy),
        }
    }

    /// A string that is UTF-8.
    #[must_use]
    pub fn text(&self, index: i32) -> Option<&str> {
        let mut atom = 0;
        let bytes = self.string(index, &raw mut atom)?;
        if atom == c_int::from(TEXT) {
            // SAFETY: none but `atom_of` gives strings this atom, and their bytes never change.
            return Some(unsafe { std::str::from_utf8_unchecked(bytes) });
        }
        std::str::from_utf8(bytes).ok()
    }

    /// A string's bytes, and its atom, unless null is given for it.
    fn string(&self, index: i32, atom: *mut c_int) -> Option<&[u8]> {
        self.assert_readable(index);
        let mut length = 0;
        // SAFETY: as in `raw_type`; null for anything but a string; otherwise valid for `length` bytes, which stay where they are
        // while the string is on the stack: `self` is borrowed until then. `atom` is null or a place of the caller's.
        unsafe {
            let start = ffi::lua_tolstringatom(self.state, index, &raw mut length, atom);
            (!start.is_null()).then(|| std::slice::from_raw_parts(start.cast::<u8>(), length))
        }
    }

    /// The length of the list in a table, without metamethods; 0 for anything else.
    #[must_use]
    pub fn list_len(&self, index: i32) -> usize {
        if self.kind(index) != Kind::Table {
            return 0;
        }
        // SAFETY: a table.
        unsafe { ffi::lua_objlen(self.state, index) }
    }

    /// How many entries a table has, those of its list included; 0 for anything else.
    #[must_use]
    pub fn entries(&self, index: i32) -> usize {
        if self.kind(index) != Kind::Table {
            return 0;
        }
        let (top, mut at, mut count) = (self.top(), 0, 0);
        while let Some(next) = self.next(index, at) {
            // SAFETY: the key and the value that were just pushed.
            unsafe { ffi::lua_settop(self.state, top) };
            (at, count) = (next, count + 1);
        }
        count
    }

    /// The object that [`Stack::push_object`] has put into the userdata at `index`.
    #[must_use]
    pub fn object<T: 'static>(&self, index: i32) -> Option<&T> {
        self.assert_readable(index);
        // SAFETY: as in `raw_type`; null for anything but userdata with our tag. That holds an `Object`, whose box holds what its
        // type says; it lives while the userdata is on the stack, and `self` is borrowed until then.
        unsafe {
            let object = ffi::lua_touserdatatagged(self.state, index, TAG)
                .cast::<Object>()
                .as_ref()?;
            (object.of == TypeId::of::<T>()).then(|| &*object.boxed.cast::<T>())
        }
    }

    /// The value at `index` as the binding knows it.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn value(&self, index: i32) -> mlua::Result<Value> {
        debug_assert!(index > 0, "positions count from 1");
        if index > self.top() {
            return Ok(Value::Nil);
        }
        let lua = self.lua();
        // SAFETY: the value is pinned in the registry while it changes stacks: the binding's own stack may be this one, on which
        // it cannot be moved.
        unsafe {
            let pin = ffi::lua_ref(self.state, index);
            let value = lua.exec_raw((), |state| push_pin(state, pin));
            ffi::lua_unref(self.state, pin);
            value
        }
    }

    /// Takes the values above `below` as the binding knows them.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn take<R: FromLuaMulti>(&mut self, below: i32) -> mlua::Result<R> {
        let mut values = mlua::MultiValue::new();
        for index in below + 1..=self.top() {
            values.push_back(self.value(index)?);
        }
        self.truncate(below);
        R::from_lua_multi(values, &self.lua())
    }

    /// Pushes values of the binding; gives how many.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn push_values(&self, values: impl IntoLuaMulti) -> mlua::Result<i32> {
        let lua = self.lua();
        let values = values.into_lua_multi(&lua)?;
        let mut count = 0;
        for value in values {
            match value {
                Value::Nil => self.push_nil(),
                Value::Boolean(value) => self.push_bool(value),
                Value::Number(value) => self.push_number(value),
                Value::String(text) => self.push_bytes(&text.as_bytes()),
                other => {
                    let mut pin = ffi::LUA_REFNIL;
                    // SAFETY: as in `value`, the other way round.
                    unsafe {
                        lua.exec_raw::<()>(other, |state| pin = ffi::lua_ref(state, 1))?;
                        push_pin(self.state, pin);
                        ffi::lua_unref(self.state, pin);
                    }
                }
            }
            count += 1;
        }
        Ok(count)
    }

    /// Pushes nil.
    pub fn push_nil(&self) {
        // SAFETY: pushing makes room or raises.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    /// Pushes JSON's null.
    pub fn push_null(&self) {
        // SAFETY: as above.
        unsafe { ffi::lua_pushlightuserdatatagged(self.state, ptr::null_mut(), 0) }
    }

    /// Pushes true or false.
    pub fn push_bool(&self, value: bool) {
        // SAFETY: as above.
        unsafe { ffi::lua_pushboolean(self.state, c_int::from(value)) }
    }

    /// Pushes a number.
    pub fn push_number(&self, value: f64) {
        // SAFETY: as above.
        unsafe { ffi::lua_pushnumber(self.state, value) }
    }

    /// Pushes a string.
    pub fn push_bytes(&self, bytes: &[u8]) {
        // SAFETY: as above; the VM copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.state, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes an empty table with room for that many entries.
    pub fn push_table(&self, list: i32, fields: i32) {
        // SAFETY: as above.
        unsafe { ffi::lua_createtable(self.state, list.max(0), fields.max(0)) }
    }

    /// Pushes the value at `index` once more.
    pub fn push_copy(&self, index: i32) {
        self.assert_readable(index);
        // SAFETY: as in `raw_type`; what is above the top is nil.
        unsafe { ffi::lua_pushvalue(self.state, index) }
    }

    /// Pushes what is pinned.
    pub fn push_pinned(&self, pinned: &Pinned) {
        // SAFETY: a pin of the same VM, alive while it is borrowed.
        unsafe { push_pin(self.state, pinned.pin()) }
    }

    /// Pushes a copy of the table that is pinned: its fields and its metatable.
    pub fn push_clone(&mut self, pinned: &Pinned) {
        self.push_pinned(pinned);
        let table = self.top();
        debug_assert!(self.kind(table) == Kind::Table, "only tables are cloned");
        // SAFETY: a table at that place, which the copy then takes.
        unsafe {
            ffi::lua_clonetable(self.state, table);
            ffi::lua_replace(self.state, table);
        }
    }

    /// Puts the value on top in the place of another, and takes it off there.
    pub fn replace(&mut self, index: i32) {
        debug_assert!(index > 0 && index < self.top(), "a place below the top");
        // SAFETY: both are there.
        unsafe { ffi::lua_replace(self.state, index) }
    }

    /// Pushes userdata that owns `object`.
    pub fn push_object<T: 'static>(&self, object: Box<T>) {
        unsafe fn drop_box<T>(boxed: *mut c_void) {
            // SAFETY: called once, with what `into_raw` gave below.
            drop(unsafe { Box::from_raw(boxed.cast::<T>()) });
        }
        unsafe extern "C" fn destroy(_: *mut lua_State, object: *mut c_void) {
            // SAFETY: the VM calls this once for userdata with our tag, which holds an `Object` from its first moment on.
            unsafe {
                let object = object.cast::<Object>().read();
                (object.drop)(object.boxed);
            }
        }
        // SAFETY: the size is that of an `Object`, which is written before anything else can run; when the VM has no memory,
        // it raises before the box has been given up.
        unsafe {
            if ffi::lua_getuserdatadtor(self.state, TAG).is_none() {
                ffi::lua_setuserdatadtor(self.state, TAG, Some(destroy));
            }
            let place = ffi::lua_newuserdatatagged(self.state, size_of::<Object>(), TAG);
            place.cast::<Object>().write(Object {
                of: TypeId::of::<T>(),
                boxed: Box::into_raw(object).cast(),
                drop: drop_box::<T>,
            });
        }
    }

    /// Makes it that many values: takes off what is too much, adds nil where something is missing.
    pub fn resize(&mut self, top: i32) {
        self.truncate(top);
        while self.top() < top {
            self.push_nil();
        }
    }

    /// Takes values off until `top` are left.
    pub fn truncate(&mut self, top: i32) {
        if top < self.top() {
            // SAFETY: at least that many are there, and at least none.
            unsafe { ffi::lua_settop(self.state, top.max(0)) }
        }
    }

    /// Pushes the next key and value of a table, or nothing at its end. `at` is 0 at first, and what this gave before.
    #[must_use]
    pub fn next(&self, table: i32, at: i32) -> Option<i32> {
        debug_assert!(self.kind(table) == Kind::Table && at >= 0, "only tables have entries");
        // SAFETY: a table; a place that is none any more ends the walk.
        let next = unsafe { ffi::lua_rawiter(self.state, table, at) };
        (next >= 0).then_some(next)
    }

    /// Pushes the entry of a list, without metamethods.
    pub fn push_item(&self, table: i32, position: i32) {
        debug_assert!(self.kind(table) == Kind::Table, "only tables have entries");
        // SAFETY: a table.
        unsafe { ffi::lua_rawgeti_(self.state, table, position) };
    }

    /// Pushes a field of a table, without metamethods.
    pub fn push_field(&self, table: i32, name: &CStr) {
        debug_assert!(self.kind(table) == Kind::Table, "only tables have fields");
        // SAFETY: a table, and a name that ends.
        unsafe { ffi::lua_rawgetfield(self.state, table, name.as_ptr()) };
    }

    /// Pushes a field whose name is pinned, without metamethods.
    pub fn push_field_pinned(&self, table: i32, name: &Pinned) {
        debug_assert!(self.kind(table) == Kind::Table, "only tables have fields");
        self.push_pinned(name);
        // SAFETY: a table, and a key on top.
        unsafe { ffi::lua_rawget(self.state, table) };
    }

    /// Sets the key and the value on top in a table, and takes them off.
    pub fn set(&mut self, table: i32) {
        debug_assert!(
            self.kind(table) == Kind::Table && table < self.top() - 1,
            "a table, a key and a value"
        );
        debug_assert!(self.kind(self.top() - 1) != Kind::Nil, "nil is no key");
        // SAFETY: a table and two values above it; a read-only table raises.
        unsafe { ffi::lua_rawset(self.state, table) }
    }

    /// Sets a field to the value on top, and takes it off.
    pub fn set_field(&mut self, table: i32, name: &CStr) {
        debug_assert!(
            self.kind(table) == Kind::Table && table < self.top(),
            "a table and a value"
        );
        // SAFETY: as above.
        unsafe { ffi::lua_rawsetfield(self.state, table, name.as_ptr()) }
    }

    /// Sets an entry of a list to the value on top, and takes it off.
    pub fn set_item(&mut self, table: i32, position: i32) {
        debug_assert!(
            self.kind(table) == Kind::Table && table < self.top(),
            "a table and a value"
        );
        // SAFETY: as above.
        unsafe { ffi::lua_rawseti_(self.state, table, position) }
    }

    /// Moves the values above `table` into it, behind the `before` items that its list has. Nil at that place becomes a table
    /// of the right size first. Gives how many items there are then.
    pub fn move_items(&mut self, table: i32, before: i32) -> i32 {
        let count = self.top() - table;
        self.ensure_table(table, count, 0);
        for position in (before + 1..=before + count).rev() {
            self.set_item(table, position);
        }
        before + count
    }

    /// Moves the values above `table`, key by key with its value, into its fields. Where keys may come `twice`, the last of them
    /// counts; otherwise that is not looked after, which is faster. Nil at that place becomes a table of the right size first.
    pub fn move_fields(&mut self, table: i32, twice: bool) {
        let top = self.top();
        self.ensure_table(table, 0, (top - table) / 2);
        if !twice {
            for _ in (table + 1..top).step_by(2) {
                self.set(table);
            }
            return;
        }
        for key in (table + 1..top).step_by(2) {
            self.push_copy(key);
            self.push_copy(key + 1);
            self.set(table);
        }
        self.truncate(table);
    }

    fn ensure_table(&mut self, index: i32, list: i32, fields: i32) {
        if self.kind(index) == Kind::Nil {
            self.push_table(list, fields);
            self.replace(index);
        }
    }

    /// Sets the metatable of a table or of userdata to the table on top, and takes it off.
    pub fn set_metatable(&mut self, index: i32) {
        debug_assert!(
            matches!(self.raw_type(index), ffi::LUA_TTABLE | ffi::LUA_TUSERDATA)
                && index < self.top()
                && self.kind(self.top()) == Kind::Table,
            "a table or userdata, and its metatable"
        );
        // SAFETY: two tables, or userdata and a table.
        unsafe { ffi::lua_setmetatable(self.state, index) };
    }

    /// Pushes the metatable of a table, if it has one.
    #[must_use]
    pub fn push_metatable(&self, table: i32) -> bool {
        debug_assert!(self.kind(table) == Kind::Table, "only tables");
        // SAFETY: a table.
        unsafe { ffi::lua_getmetatable(self.state, table) != 0 }
    }
}

impl std::fmt::Debug for Stack<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries((1..=self.top()).map(|index| self.kind(index)))
            .finish()
    }
}

/// Pushes what a pin holds.
///
/// # Safety
/// `pin` came from `lua_ref` in the VM of `state` and was not given back.
pub(super) unsafe fn push_pin(state: *mut lua_State, pin: c_int) {
    // SAFETY: the registry is a table.
    unsafe { ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, pin) };
}

/// Makes a value on a stack of a VM that is not running: `work` pushes it.
///
/// # Errors
/// What the VM raises meanwhile; inside, the error of `work`.
pub fn make<E>(lua: &Lua, work: impl FnOnce(&mut Stack<'_>) -> Result<(), E>) -> mlua::Result<Result<Value, E>> {
    let weak = lua.weak();
    let mut error = None;
    // SAFETY: as below; the values that it leaves are the results of the call.
    let value = unsafe {
        lua.exec_raw::<Value>((), |state| {
            let mut stack = Stack::new(state, &weak);
            error = work(&mut stack).err();
        })?
    };
    Ok(error.map_or(Ok(value), Err))
}

/// Runs `work` on a stack of a VM that is not running: for values of the binding that have to be read or made without it.
///
/// # Errors
/// What the VM raises meanwhile.
pub fn with_stack<R>(lua: &Lua, args: impl IntoLuaMulti, work: impl FnOnce(&mut Stack<'_>) -> R) -> mlua::Result<R> {
    let weak = lua.weak();
    let mut result = None;
    // SAFETY: the closure is called as a C function with the arguments on its stack; what it leaves there is dropped.
    unsafe {
        lua.exec_raw::<()>(args, |state| {
            let mut stack = Stack::new(state, &weak);
            result = Some(work(&mut stack));
            stack.truncate(0);
        })?;
    }
    result.ok_or_else(|| mlua::Error::runtime("a stack was not used"))
}
