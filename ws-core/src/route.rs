//! Routing tables: what `dispatch!` generates, and the router that a server makes of it.
//!
//! A table is constant data and one generated function that matches a path, see
//! [`Matcher`]. [`Table::into_router`] resolves the options of every route, gives each
//! nested table its part of the state. That routes of different tables do not contradict
//! each other the compiler has seen to, see [`conflict`].
//!
//! A path is split at `/`; empty segments (leading, doubled and trailing slashes) do not
//! count. Segments are percent-decoded before they are compared (RFC 3986, section 2.4).

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

/// Segments that a pattern may have, the prefixes of outer tables included.
pub const MAX_SEGMENTS: usize = 32;

#[cfg(test)]
mod tests;
