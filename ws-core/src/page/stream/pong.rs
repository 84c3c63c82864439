//! The answer to a ping, which may move the cursor of a page.

use super::state::frame;
use super::{PongSent, Stream};
use crate::id::ConnectionId;
use crate::log::Cursor;
use crate::wire::ToPage;

impl Stream {
    /// Answers a ping. If the page has received everything, its cursor moves to the ends of the lanes.
    pub(in crate::page) fn pong(
        &self,
        socket: ConnectionId,
        heads: Option<&Cursor>,
        spread: Option<u32>,
    ) -> PongSent {
        let mut state = self.lock();
        let Some(attached) = state.socket.clone().filter(|it| it.id() == socket) else {
            return PongSent::No;
        };
        let is_sent = state.queue.unsent() == 0 && !state.queue.is_reset_due();
        let is_complete = is_sent && state.unfinished == 0;
        #[cfg(feature = "cluster")]
        let is_complete = is_complete && !state.lineage.anchored;
        let heads = heads.filter(|_| is_complete);
        let base = heads.and_then(|heads| state.renew_base(heads, &self.keys, &self.id));
        if let Some(base) = base {
            let _ = attached
                .outbox()
                .push(&frame(&ToPage::Base { base: Some(base) }));
        }
        let at = heads.map(Cursor::to_places);
        if at.is_some() {
            (state.places_due, state.has_unplaced) = (None, false);
        }
        match attached.outbox().push(&frame(&ToPage::Pong { at, spread })) {
            Ok(()) => PongSent::Yes,
            Err(_) => PongSent::No,
        }
    }
}
