//! The visitor's server-side state.

use std::sync::Arc;

/// The session of a visitor, found by the cookie `z_sid`.
///
/// A hook takes it as an argument on a route that requires a session, and
/// `Option<Session>` on any route. Cloning is cheap; all clones are one session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    id: Arc<str>,
}

impl Session {
    /// The session with this id.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into() }
    }

    /// The public name of the session, good for logs and maps. It is not the cookie.
    pub fn id(&self) -> &str {
        &self.id
    }
}
