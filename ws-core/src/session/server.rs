//! The interfaces of a session to its server and to its sockets.

use std::sync::Arc;

use super::backend::Backend;
use super::{SessionGeneration, SessionId};

/// The server that a session belongs to.
pub(super) trait SessionServer: Send + Sync {
    fn backend(&self) -> &Arc<Backend>;
    /// Starts to keep sessions alive, now that one has a socket.
    fn start_keeper(&self);
    /// Forgets a session whose last handle is dropped.
    fn forget(&self, id: SessionId, renewals: u32);
    /// Holds a session while its pages are subscribed to topics.
    fn subscriptions_changed(&self, id: SessionId);
    /// A session has ended, up to this logon.
    fn ended(&self, session: SessionGeneration);
}

/// A socket that is closed when its session ends.
pub(crate) trait SessionSocket: Send + Sync {
    /// Closes the socket: its session has ended.
    fn session_ended(&self);
}
