//! What the filter, the accept loop and every clone of a server share.

use std::fmt;

use ws_core::admit::Policy;
use ws_core::hub::Hub;
use ws_core::limits::ServerLimits;
use ws_core::route::Router;

/// A server's configuration, checked, and its hub.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) hub: Hub,
    pub(crate) policy: Policy,
    pub(crate) limits: ServerLimits,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
