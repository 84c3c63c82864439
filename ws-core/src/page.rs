//! One rendered page in one tab.

use std::sync::Arc;

/// The page that opened a connection, found by the id `z_pid` that was issued to it.
///
/// A hook takes it as an argument on a route that requires a session and a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    id: Arc<str>,
}

impl Page {
    /// The page with this id.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into() }
    }

    /// The id of the page.
    pub fn id(&self) -> &str {
        &self.id
    }
}
