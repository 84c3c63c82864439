//! `Path<T>`: the parameters of a route.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::error::Refusal;

/// The parameters of the route's path, in `init` only.
///
/// `T` is the parameter's type where the route has one, a tuple where it has several,
/// or a struct with `#[derive(PathParams)]` whose fields have the parameters' names.
///
/// ```
/// use ws_core::extract::Path;
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
#[derive(Clone)]
pub struct Params {
    values: Values,
}

/// The most values that stand in one text; nearly no pattern has more parameters.
const JOINED: usize = 4;

#[derive(Clone)]
enum Values {
    /// Each on its own.
    Each(Vec<(&'static str, String)>),
    /// One behind the other, which takes one allocation for all of them. Each has its name,
    /// and its end in the text: 16 bits of a number, which is moved faster than a list.
    Joined {
        names: &'static [&'static str],
        text: String,
        ends: u64,
    },
}

impl Params {
    /// These values under these names.
    pub fn new(values: Vec<(&'static str, String)>) -> Self {
        Self {
            values: Values::Each(values),
        }
    }

    /// A value for each of these names, in turn appended to a text by `write`. All of them
    /// together have no more than so many bytes.
    pub(crate) fn read<E>(
        names: &'static [&'static str],
        bytes: usize,
        mut write: impl FnMut(&mut String) -> Result<(), E>,
    ) -> Result<Self, E> {
        if names.len() <= JOINED && u16::try_from(bytes).is_ok() {
            let mut text = String::with_capacity(bytes);
            let mut ends = 0;
            for place in 0..names.len() {
                write(&mut text)?;
                ends |= (text.len() as u64) << (16 * place);
            }
            let values = Values::Joined { names, text, ends };
            return Ok(Self { values });
        }
        let values = names.iter().map(|name| {
            let mut value = String::new();
            write(&mut value).map(|()| (*name, value))
        });
        Ok(Self::new(values.collect::<Result<_, _>>()?))
    }

    /// The name and the value at this place of the pattern.
    fn get(&self, place: usize) -> Option<(&'static str, &str)> {
        match &self.values {
            Values::Each(values) => values.get(place).map(|(name, value)| (*name, &**value)),
            Values::Joined { names, text, ends } => {
                let name = names.get(place)?;
                // The end of the one before it, which is 0 for the first.
                let [start, end] = [ends << 16 >> (16 * place), ends >> (16 * place)];
                let [start, end] = [start, end].map(|end| (end & 0xffff) as usize);
                Some((name, text.get(start..end)?))
            }
        }
    }

    /// The value of this name, as it stands in the path, percent-decoded.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// Names and values in the order of the pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        (0..).map_while(|place| self.get(place))
    }

    /// The value at this place of the pattern, read as a `T`.
    ///
    /// # Errors
    ///
    /// 404 where there is no such value, or it is no `T`: then the path is not one of
    /// the route's.
    pub fn parse<T: FromStr>(&self, place: usize) -> Result<T, Refusal> {
        self.get(place)
            .and_then(|(_, value)| value.parse().ok())
            .ok_or(Refusal::NOT_FOUND)
    }

    /// The value of this name, read as a `T`.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_named<T: FromStr>(&self, name: &str) -> Result<T, Refusal> {
        self.named(name)
            .and_then(|value| value.parse().ok())
            .ok_or(Refusal::NOT_FOUND)
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Params {}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Params ")?;
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Says that the parameters of the route `R` give a `Self`.
///
/// `dispatch!` implements it for the type of a single parameter and for the tuple of
/// several; `#[derive(PathParams)]` implements it for structs.
#[diagnostic::on_unimplemented(
    message = "the parameters of this route do not give a `{Self}`",
    label = "the handler of this route takes `Path<{Self}>`",
    note = "one parameter `{{id: u64}}` gives `Path<u64>`, several give a tuple in the order of the \
            path, and a struct with `#[derive(PathParams)]` takes them by name"
)]
pub trait FromParams<R>: Sized {
    /// The names of the parameters that it takes, where it takes them by name.
    const FIELDS: Option<&'static [&'static str]> = None;

    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// A refusal where a value is not of its type.
    fn from_params(params: &Params) -> Result<Self, Refusal>;
}

/// Says that the route `Self` has a parameter named `Name` of type `T`.
///
/// The name is a list of its characters, `NameChar<'i', NameChar<'d', NameEnd>>`, so
/// that the compiler can compare it.
#[diagnostic::on_unimplemented(
    message = "this route has no parameter for a field of the struct: wanted a `{T}`",
    label = "a field of the struct in `Path<…>` has no parameter of its name and type",
    note = "name the fields as the parameters of the path, with the same types; `{{name}}` is a `String`"
)]
pub trait HasParam<Name, T> {}

/// One character of a parameter's name, and the rest of it.
#[derive(Debug)]
pub struct NameChar<const C: char, Rest>(std::marker::PhantomData<Rest>);

/// The end of a parameter's name.
#[derive(Debug)]
pub enum NameEnd {}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f"];

    /// The same values, read from a path and made of a list.
    fn both(names: &'static [&'static str], values: &[&str]) -> [Params; 2] {
        let mut rest = values.iter();
        let bytes = values.iter().map(|value| value.len()).sum();
        let read = Params::read(names, bytes, |text| {
            text.push_str(rest.next().ok_or(())?);
            Ok::<_, ()>(())
        });
        let values = values.iter().map(|value| (*value).to_owned());
        let listed = names.iter().copied().zip(values).collect();
        [read.unwrap(), Params::new(listed)]
    }

    #[test]
    fn values_are_the_same_however_they_are_kept() {
        let values = ["7", "", "käse", "a/b", "x", ""];
        for count in 0..=values.len() {
            let [read, listed] = both(&NAMES[..count], &values[..count]);
            let pairs: Vec<_> = read.iter().collect();
            assert_eq!(pairs, listed.iter().collect::<Vec<_>>());
            assert_eq!(pairs.len(), count);
            assert_eq!(read, listed);
            for (place, name) in NAMES.iter().enumerate() {
                let value = values[..count].get(place).copied();
                assert_eq!((read.named(name), listed.named(name)), (value, value));
                let parsed = read.parse::<String>(place);
                assert_eq!(parsed.ok().as_deref(), value);
            }
        }
    }

    #[test]
    fn values_may_be_of_any_length() {
        for length in [65_534, 65_535, 65_536, 200_000] {
            let long = "x".repeat(length);
            let [read, listed] = both(&["a", "b"], &[&long, "y"]);
            assert_eq!(read.iter().last(), Some(("b", "y")));
            assert_eq!(read, listed);
        }
    }

    #[test]
    fn params_that_differ_are_not_equal() {
        let [one, _] = both(&["a", "b"], &["x", "yz"]);
        for (names, values) in [(&["a", "b"], ["xy", "z"]), (&["a", "c"], ["x", "yz"])] {
            let [other, listed] = both(names, &values);
            assert!(one != other && one != listed);
        }
        assert_ne!(one, both(&["a"], &["x"])[0]);
    }

    #[test]
    fn a_value_that_cannot_be_written_is_an_error() {
        for count in [1, 6] {
            let read = Params::read(&NAMES[..count], 0, |_| Err(()));
            assert_eq!(read, Err(()));
        }
    }

    #[test]
    fn params_show_their_names_and_values() {
        let [read, listed] = both(&["a"], &["x"]);
        assert_eq!(format!("{read:?}"), r#"Params {"a": "x"}"#);
        assert_eq!(format!("{listed:?}"), r#"Params {"a": "x"}"#);
    }
}
