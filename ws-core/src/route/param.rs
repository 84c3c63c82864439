//! Types of parameters, as functions that parse and format them.

use std::fmt::{self, Display};
use std::str::FromStr;

use super::path::{decode, has_escape};
use crate::error::Refusal;
use crate::extract::Params;

/// The type `T` of parameters `{id: T}` of a table.
///
/// An expansion has one constant for each type, and uses it whenever it matches, parses or formats
/// such a parameter, so that the compiler reports an unsuitable type only once.
pub struct ParamType<T> {
    can_parse: fn(&str) -> bool,
    read: fn(&Params, usize) -> Result<T, Refusal>,
    write: fn(&T) -> String,
}

impl<T> ParamType<T> {
    /// Creates the functions for a type that can be parsed from a segment and formatted into a URL.
    pub const fn new() -> Self
    where
        T: FromStr + Display,
    {
        Self {
            can_parse: |text| text.parse::<T>().is_ok(),
            read: Params::parse,
            write: T::to_string,
        }
    }

    /// Whether a path segment, percent-decoded, is a valid `T`. A segment that cannot be decoded
    /// fits every type, so that its route is found and the client receives 400.
    #[inline]
    pub fn fits(&self, segment: &str) -> bool {
        if has_escape(segment) {
            return decode(segment).map_or(true, |text| (self.can_parse)(&text));
        }
        (self.can_parse)(segment)
    }

    /// Parses the parameter at this index of the pattern.
    ///
    /// # Errors
    ///
    /// Same as [`Params::parse`].
    pub fn read(&self, params: &Params, index: usize) -> Result<T, Refusal> {
        (self.read)(params, index)
    }

    /// Formats a value for a URL.
    pub fn write(&self, value: &T) -> String {
        (self.write)(value)
    }
}

impl<T: FromStr + Display> Default for ParamType<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for ParamType<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParamType<{}>", std::any::type_name::<T>())
    }
}
