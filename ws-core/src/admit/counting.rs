//! Counts responses to handshakes and refusals of a server.

use crate::hub::Hub;
use crate::route::Route;
use crate::stats::RefusalReason;

/// Counts a response to a handshake. `route` is `None` if the path is invalid, so that the request
/// belongs to no route.
pub fn count_response(hub: &Hub, route: Option<&Route>, status: u16) {
    match route {
        Some(route) => route.count_handshake(status),
        None => hub.counters().count_unrouted(status),
    }
}

/// Counts a client that is refused before it has sent a request.
pub fn count_refusal(hub: &Hub, reason: RefusalReason) {
    hub.count_refusal(reason);
}
