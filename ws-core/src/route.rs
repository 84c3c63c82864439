//! Routing tables: the output of `dispatch!`, and the router that a server builds from it.
//!
//! A table is constant data plus one generated function that matches a path; see [`Matcher`].
//! [`Table::into_router`] resolves the options of every route and gives each nested table its part
//! of the state. The compiler has already checked that routes of different tables do not overlap;
//! see [`conflict`].
//!
//! A path is split at `/`; empty segments (leading, doubled and trailing slashes) are ignored.
//! Segments are percent-decoded before they are compared (RFC 3986, section 2.4).

mod captures;
pub mod conflict;
mod nesting;
#[doc(hidden)]
pub mod options;
mod param;
mod path;
mod router;
mod spec;
mod start;
mod state;
mod table;
mod url;

pub use captures::Captures;
pub use param::ParamType;
pub use path::{Matcher, Segments};
pub use router::{Lookup, Route, Router, RouterError};
pub use spec::{Origins, RouteData, RouteOptions, RouteSpec, Segment};
pub use start::{Decide, Decision, IntoStart, Serves, Start, StartFn, decide, is_start};
pub use state::{GivesState, TableState, is_state};
pub use table::{Entry, Table};
pub use url::RouteUrl;

/// The most segments that a pattern may have, including the prefixes of outer tables.
pub const MAX_SEGMENTS: usize = 32;

#[cfg(test)]
mod tests;
