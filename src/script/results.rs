//! What functions of ours give to a script: values that go straight onto its stack.

use std::borrow::Cow;

use mlua::{Function, Table, Value};

use super::host::ApiError;
use super::raw::Stack;

/// One value or several.
pub trait Results {
    /// Pushes them; gives how many.
    ///
    /// # Errors
    /// When the VM is out of memory.
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError>;
}

/// That many values that are on top already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed(pub i32);

impl Results for Pushed {
    fn give(self, _: &mut Stack<'_>) -> Result<i32, ApiError> {
        Ok(self.0)
    }
}

impl Results for () {
    fn give(self, _: &mut Stack<'_>) -> Result<i32, ApiError> {
        Ok(0)
    }
}

impl Results for bool {
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        stack.push_bool(self);
        Ok(1)
    }
}

/// Numbers of a script are doubles.
impl Results for f64 {
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        stack.push_number(self);
        Ok(1)
    }
}

impl Results for u32 {
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        f64::from(self).give(stack)
    }
}

macro_rules! whole {
    ($($number:ty)*) => {
        $(impl Results for $number {
            fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
                #[expect(clippy::cast_precision_loss, reason = "numbers of a script are doubles")]
                (self as f64).give(stack)
            }
        })*
    };
}
whole!(i64 u64 usize);

/// Strings of a script are bytes.
macro_rules! string {
    ($($string:ty)*) => {
        $(impl Results for $string {
            fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
                stack.push_bytes(self.as_ref());
                Ok(1)
            }
        })*
    };
}
string!(&str String Vec<u8> &[u8]);

impl Results for Cow<'_, str> {
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        (*self).give(stack)
    }
}

/// Values of the binding.
macro_rules! value {
    ($($value:ty)*) => {
        $(impl Results for $value {
            fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
                Ok(stack.push_values(self)?)
            }
        })*
    };
}
value!(Value Table Function);

/// Nil where there is none.
impl<T: Results> Results for Option<T> {
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        match self {
            Some(results) => results.give(stack),
            None => {
                stack.push_nil();
                Ok(1)
            }
        }
    }
}

/// What was wanted, or nil and what was wrong.
impl<T: Results> Results for Result<T, String> {
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        match self {
            Ok(results) => results.give(stack),
            Err(problem) => (None::<()>, problem).give(stack),
        }
    }
}

impl<A: Results, B: Results> Results for (A, B) {
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        Ok(self.0.give(stack)? + self.1.give(stack)?)
    }
}
