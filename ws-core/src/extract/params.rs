//! `Path<T>`: the parameters of a route.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use super::AnyRoute;
use crate::error::Refusal;

/// The parameters of the route's path, in `init` only.
///
/// `T` is the parameter's type if the route has one, a tuple if it has several, or a struct with
/// `#[derive(PathParams)]` whose fields have the names of the parameters.
///
/// ```
/// use ws_server::extract::Path;
///
/// // A route "/rooms/{id: u64}/chat".
/// fn init(Path(id): Path<u64>) -> u64 {
///     id
/// }
/// # assert_eq!(init(Path(7)), 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Path<T>(pub T);

impl<T> Deref for Path<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The values of a route's parameters, percent-decoded, in the order of the pattern.
///
/// ```
/// use ws_server::Refusal;
/// use ws_server::extract::Params;
///
/// /// Reads the parameters of `"/rooms/{room: u64}/seats/{seat: u8}"`.
/// fn place(params: &Params) -> Result<(u64, u8), Refusal> {
///     Ok((params.parse_named("room")?, params.parse(1)?))
/// }
/// # let params = Params::new(vec![("room", "7".to_owned()), ("seat", "2".to_owned())]);
/// # assert_eq!(place(&params), Ok((7, 2)));
/// # assert_eq!(params.named("seat"), Some("2"));
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Params {
    values: Vec<(&'static str, String)>,
}

impl Params {
    /// Creates parameters from names and values.
    #[doc(hidden)]
    pub fn new(values: Vec<(&'static str, String)>) -> Self {
        Self { values }
    }

    /// The value of the parameter with this name, percent-decoded.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    /// Names and values in the order of the pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(name, value)| (*name, &**value))
    }

    /// Parses the value at this position of the pattern as a `T`.
    ///
    /// # Errors
    ///
    /// 404 if there is no such value, or if it does not parse: the path then does not belong to the
    /// route.
    pub fn parse<T: FromStr>(&self, index: usize) -> Result<T, Refusal> {
        self.values
            .get(index)
            .and_then(|(_, value)| value.parse().ok())
            .ok_or(Refusal::NOT_FOUND)
    }

    /// Parses the value of this name as a `T`.
    ///
    /// # Errors
    ///
    /// Same as [`parse`](Self::parse).
    pub fn parse_named<T: FromStr>(&self, name: &str) -> Result<T, Refusal> {
        self.named(name)
            .and_then(|value| value.parse().ok())
            .ok_or(Refusal::NOT_FOUND)
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Params ")?;
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Implemented by a type that can be made from the parameters of the route `R`.
///
/// `dispatch!` implements it for the type of a single parameter and for the tuple of several;
/// `#[derive(PathParams)]` implements it for structs.
///
/// If your own extractor reads parameters, bound its route by this trait; then a route without the
/// parameters does not compile:
///
/// ```
/// use ws_server::error::Refusal;
/// use ws_server::extract::{FromHandshake, FromParams, Opening};
///
/// struct Seat(u64);
///
/// impl<'a, H, R> FromHandshake<'a, H, R> for Seat
/// where
///     u64: FromParams<R>,
/// {
///     async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
///         <u64 as FromParams<R>>::from_params(opening.handshake().params()).map(Self)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the parameters of this route do not provide a `{Self}`",
    label = "the handler of this route takes `Path<{Self}>`",
    note = "one parameter `{{id: u64}}` provides `Path<u64>`, several provide a tuple in the \
            order of the \
            path, and a struct with `#[derive(PathParams)]` takes them by name"
)]
pub trait FromParams<R>: Sized {
    /// The names of the parameters that it takes, if it takes them by name.
    const FIELDS: Option<&'static [&'static str]> = None;

    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// A refusal if a value is not of its type.
    fn from_params(params: &Params) -> Result<Self, Refusal>;
}

/// Without a table there are no parameters, so the argument is refused with 404.
#[diagnostic::do_not_recommend]
impl<T> FromParams<AnyRoute> for T {
    fn from_params(_: &Params) -> Result<Self, Refusal> {
        Err(Refusal::NOT_FOUND)
    }
}

/// A second marker without a route. If [`AnyRoute`] were the only marker that provides any `T`, the
/// compiler would name it in its messages about routes that do not provide a `T`.
enum NoRoute {}

#[diagnostic::do_not_recommend]
impl<T> FromParams<NoRoute> for T {
    fn from_params(_: &Params) -> Result<Self, Refusal> {
        Err(Refusal::NOT_FOUND)
    }
}

/// Implemented by the marker of a route in a table: its parameters have names, which the fields of
/// `T` can use.
///
/// `dispatch!` implements it for every route and every `T`; [`AnyRoute`] does not implement it. So
/// to implement [`FromParams<R>`] for all routes in tables, write
/// `impl<R: NamesParams<Self>> FromParams<R> for Place`.
///
/// ```
/// use ws_server::Refusal;
/// use ws_server::extract::{FromParams, NamesParams, Params};
///
/// /// A place of `"/maps/{x: u32}/{y: u32}"`.
/// struct Place { x: u32, y: u32 }
///
/// impl<R: NamesParams<Self>> FromParams<R> for Place {
///     const FIELDS: Option<&'static [&'static str]> = Some(&["x", "y"]);
///
///     fn from_params(params: &Params) -> Result<Self, Refusal> {
///         Ok(Self { x: params.parse_named("x")?, y: params.parse_named("y")? })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "this route does not belong to a table",
    label = "not a route of a table"
)]
pub trait NamesParams<T> {}

/// Implemented by the marker of a route that has a parameter named `Name` of type `T`.
///
/// The name is a list of its characters, `NameChar<'i', NameChar<'d', NameEnd>>`, so
/// that the compiler can compare it.
#[diagnostic::on_unimplemented(
    message = "this route has no parameter for a field of the struct: expected a `{T}`",
    label = "a field of the struct in `Path<…>` has no parameter of its name and type",
    note = "name the fields as the parameters of the path, with the same types; `{{name}}` is a `String`"
)]
#[doc(hidden)]
pub trait HasParam<Name, T> {}

/// One character of a parameter's name, and the rest of it.
#[derive(Debug)]
#[doc(hidden)]
pub struct NameChar<const C: char, Rest>(std::marker::PhantomData<Rest>);

/// The end of a parameter's name.
#[derive(Debug)]
#[doc(hidden)]
pub enum NameEnd {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_are_found_by_name_and_by_index() {
        let params = Params::new(vec![("a", "7".to_owned()), ("b", "käse".to_owned())]);
        assert_eq!((params.named("b"), params.named("c")), (Some("käse"), None));
        assert_eq!(params.parse::<u8>(0).ok(), Some(7));
        assert_eq!(params.parse_named::<u8>("a").ok(), Some(7));
        for refused in [
            params.parse::<u8>(1),
            params.parse(2),
            params.parse_named("c"),
        ] {
            assert_eq!(refused.unwrap_err().status(), 404);
        }
    }

    #[test]
    fn debug_output_has_names_and_values() {
        let params = Params::new(vec![("a", "x".to_owned())]);
        assert_eq!(format!("{params:?}"), r#"Params {"a": "x"}"#);
    }
}
