//! How a stream relates to those before and after it: its number, the base of its page's cursor,
//! and whether a page that returns continues.

use std::sync::Arc;

use crate::page::base::{BaseCursor, BaseKeys, StreamStamp};
use crate::session::SessionGeneration;

/// The cursor that a page reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ReportedCursor {
    /// The stream of its base.
    pub(crate) stamp: StreamStamp,
    /// The hash of its places.
    pub(crate) places: u64,
    /// Whether the page has received nothing since its base.
    pub(crate) is_empty: bool,
}

/// The beginning of a stream.
pub(in crate::page) struct StreamOrigin {
    /// Unique in the process.
    pub(in crate::page) number: u64,
    /// The end of the log at the beginning.
    pub(in crate::page) begin: BaseCursor,
    pub(in crate::page) base: BaseDue,
    /// The last stream of the page, if that has ended without a loss.
    pub(in crate::page) predecessor: Option<EndedStream>,
    pub(in crate::page) keys: Arc<BaseKeys>,
}

#[cfg(test)]
impl StreamOrigin {
    /// The beginning of the only stream of a page.
    pub(in crate::page) fn only() -> Self {
        Self {
            number: 1,
            begin: BaseCursor::default(),
            base: BaseDue::Done,
            predecessor: None,
            keys: Arc::new(BaseKeys::new(&crate::log::Secrets::random())),
        }
    }
}

/// A stream that has ended without a loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) struct EndedStream {
    pub(in crate::page) number: u64,
    pub(in crate::page) epoch: u64,
    /// The offset that the page must have received.
    pub(in crate::page) needed: u64,
    pub(in crate::page) place: EndedOn,
}

/// Where a stream has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum EndedOn {
    /// On this server.
    Here,
    /// On another server, where it had a handler: the epoch is over.
    #[cfg(feature = "cluster")]
    Elsewhere,
    /// On another server, which has taken the messages of the script up to this id. Nothing else
    /// belongs to the epoch, so it can go on.
    #[cfg(feature = "cluster")]
    HandedOver { client: Option<u64>, seen: u64 },
}

/// Whether the page needs a new base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum BaseDue {
    Due,
    /// The page has it, or has got a reset since it began: then its cursor is not continued.
    Done,
}

/// The part of a stream's state that survives it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags are independent of each other"
)]
pub(super) struct Lineage {
    pub(super) number: u64,
    /// The end of the log when the stream began, or when another session took it over; or the cursor
    /// with which the page has continued.
    pub(super) begin: BaseCursor,
    pub(super) base: BaseDue,
    pub(super) predecessor: Option<EndedStream>,
    /// The cursor with which the page continues, if its epoch ended without a loss.
    pub(super) continuation: Option<ReportedCursor>,
    /// The page has a subscription that other servers do not know.
    #[cfg(feature = "cluster")]
    pub(super) anchored: bool,
    /// The page is closed for good.
    #[cfg(feature = "cluster")]
    pub(super) is_closed: bool,
    /// The page has no cursor that continues: it has got a reset, or will.
    pub(super) was_reset: bool,
    /// Whether any socket was attached.
    pub(super) attached: bool,
    /// The client of the page does not know its id yet.
    pub(super) id_due: bool,
    /// The handler has failed, and its state is lost.
    pub(super) failed: bool,
    /// The stream has ended, and the page has missed nothing if it has received this offset.
    pub(super) needed_at_end: Option<u64>,
}

impl Lineage {
    pub(super) const fn new(
        number: u64,
        begin: BaseCursor,
        base: BaseDue,
        predecessor: Option<EndedStream>,
    ) -> Self {
        Self {
            number,
            begin,
            base,
            predecessor,
            continuation: None,
            #[cfg(feature = "cluster")]
            anchored: false,
            #[cfg(feature = "cluster")]
            is_closed: false,
            was_reset: false,
            attached: false,
            id_due: false,
            failed: false,
            needed_at_end: None,
        }
    }

    pub(super) const fn stamp(&self, session: SessionGeneration) -> StreamStamp {
        StreamStamp {
            number: self.number,
            session,
        }
    }
}
