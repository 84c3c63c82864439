//! Types of parameters, as the functions that read and write them.

use std::fmt::{self, Display};
use std::str::FromStr;

use super::path::{decode, has_escape};
use crate::error::Refusal;
use crate::extract::Params;

/// The type `T` of parameters `{id: T}` of a table.
///
/// An expansion has one constant of it for each type, and uses that wherever it matches,
/// reads or writes such a parameter: so a type that cannot be one is reported once.
pub struct ParamType<T> {
    reads: fn(&str) -> bool,
    read: fn(&Params, usize) -> Result<T, Refusal>,
    write: fn(&T) -> String,
}

impl<T> ParamType<T> {
    /// Any type that can be read from a segment and written into a URL.
    pub const fn new() -> Self
    where
        T: FromStr + Display,
    {
        Self {
            reads: |text| text.parse::<T>().is_ok(),
            read: Params::parse,
            write: T::to_string,
        }
    }

    /// Whether a segment of a path is a `T`, once it is decoded. What does not decode fits every
    /// type, so that its route is found and the client is told what is wrong.
    #[inline]
    pub fn fits(&self, segment: &str) -> bool {
        if has_escape(segment) {
            return decode(segment).map_or(true, |text| (self.reads)(&text));
        }
        (self.reads)(segment)
    }

    /// The parameter at this place of the pattern.
    ///
    /// # Errors
    ///
    /// As [`Params::parse`].
    pub fn read(&self, params: &Params, place: usize) -> Result<T, Refusal> {
        (self.read)(params, place)
    }

    /// The text of a value, for a URL.
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
