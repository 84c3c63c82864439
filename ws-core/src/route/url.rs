//! Typed URLs: builds the path of a route.

use std::fmt::{self, Display};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{RouteData, Segment};
use crate::page::StreamUrl;

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Same as [`ESCAPED`], plus the dot.
const DOTS_ESCAPED: &AsciiSet = &ESCAPED.add(b'.');

/// The path of a route with its parameters filled in, created by the functions of a table.
///
/// Values are percent-encoded. A URL cannot express two kinds of values: an empty parameter, since
/// empty segments are ignored, and `.` or `..` as a whole segment, which browsers resolve even if
/// encoded.
///
/// ```
/// use ws_server::prelude::*;
///
/// struct User;
///
/// #[ws_handler]
/// impl User {
///     fn init() -> Self {
///         User
///     }
/// }
///
/// dispatch! {
///     struct Routes;
///
///     user: "/users/{name}" => User;
/// }
///
/// # fn main() {
/// let url = Routes::user("Ada L.").query("since", 7);
/// assert_eq!(url.to_string(), "/users/Ada%20L.?since=7");
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[must_use = "a URL does nothing by itself"]
pub struct RouteUrl {
    text: String,
    has_query: bool,
}

impl RouteUrl {
    /// Creates the URL of the route with the marker `R`, with these values in the order of the
    /// pattern. A missing value is left empty.
    #[doc(hidden)]
    pub fn of<R: RouteData>(values: &[&dyn Display]) -> Self {
        let mut text = String::new();
        let mut values = values.iter();
        for segment in R::SHAPE {
            match segment {
                Segment::Literal(literal) => push_segment(&mut text, literal),
                Segment::Typed(_) | Segment::Text => {
                    let value = values.next().map(ToString::to_string).unwrap_or_default();
                    push_segment(&mut text, &encode(&value));
                }
                Segment::Rest => {
                    let value = values.next().map(ToString::to_string).unwrap_or_default();
                    for part in value.split('/').filter(|part| !part.is_empty()) {
                        push_segment(&mut text, &encode(part));
                    }
                }
            }
        }
        Self {
            text: or_root(text),
            has_query: false,
        }
    }

    /// Prepends the prefix of an outer table.
    #[doc(hidden)]
    pub fn with_prefix(self, prefix: &[&str]) -> Self {
        let mut text = String::new();
        for literal in prefix {
            push_segment(&mut text, literal);
        }
        let path = match self.text.strip_prefix('/') {
            Some(path) if path.is_empty() || path.starts_with('?') => path,
            _ => &self.text,
        };
        if text.is_empty() {
            return self;
        }
        text.push_str(path);
        Self { text, ..self }
    }

    /// Prepends the base path of a server, which is empty or, for example, `/live`.
    #[doc(hidden)]
    pub fn with_base(&self, base: &str) -> String {
        let path = match self.text.strip_prefix('/') {
            Some(path) if path.is_empty() || path.starts_with('?') => path,
            _ => &self.text,
        };
        if base.is_empty() {
            self.text.clone()
        } else {
            format!("{base}{path}")
        }
    }

    /// Adds a pair to the query; both parts are percent-encoded.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # struct Search;
    /// # #[ws_handler]
    /// # impl Search { fn init() -> Self { Search } }
    /// # dispatch! { struct Routes; search: "/" => Search; }
    /// # fn main() {
    /// let url = Routes::search().query("q", "a&b").query("page", 2);
    /// assert_eq!(url.to_string(), "/?q=a%26b&page=2");
    /// # }
    /// ```
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        let value = value.to_string();
        self.text.extend(utf8_percent_encode(name, ESCAPED));
        self.text.push('=');
        self.text.extend(utf8_percent_encode(&value, ESCAPED));
        self
    }

    /// The URL: an absolute path, and the query if there is one.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn push_segment(text: &mut String, segment: &str) {
    text.push('/');
    text.push_str(segment);
}

/// A pattern without segments is the root.
fn or_root(text: String) -> String {
    if text.is_empty() {
        "/".to_owned()
    } else {
        text
    }
}

/// Encodes a segment. The dots of a dot segment are encoded too, since the client would resolve it
/// (RFC 3986, section 5.2.4).
fn encode(value: &str) -> String {
    let set = if matches!(value, "." | "..") {
        DOTS_ESCAPED
    } else {
        ESCAPED
    };
    utf8_percent_encode(value, set).to_string()
}

impl StreamUrl for RouteUrl {
    fn with_base(&self, base: &str) -> String {
        self.with_base(base)
    }
}

impl Display for RouteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for RouteUrl {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl From<RouteUrl> for String {
    fn from(url: RouteUrl) -> Self {
        url.text
    }
}
