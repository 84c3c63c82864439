//! A connection attached to the stream of a page.

use super::ConnectionShared;
use crate::close::{Close, CloseCause};
use crate::id::ConnectionId;
use crate::outbox::Outbox;
use crate::page::{CapacityFreed, PageSocket};

impl PageSocket for ConnectionShared {
    fn id(&self) -> ConnectionId {
        self.id
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn close_page(&self, close: &Close) {
        self.close(close, CloseCause::ServerClosed);
    }

    fn notify_when_writable(&self) {
        // At most one such notification is pending, so the mailbox has room.
        let _ = self.notify(CapacityFreed);
    }
}
