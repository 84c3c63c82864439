//! The position of a page in its stream.

use super::lineage::ReportedCursor;
#[cfg(feature = "cluster")]
use super::ownership::Attempt;

/// The position and the script that a page reports in its handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PageReport {
    /// `None` if the page knows no epoch.
    pub(crate) position: Option<Position>,
    /// Identifies the script that runs in the page, if it reports one.
    pub(crate) client: Option<u64>,
    /// The number of its connection, if it counts them.
    pub(crate) attempt: Option<u64>,
    /// The page's cursor, if it has one with a valid base.
    pub(crate) cursor: Option<ReportedCursor>,
}

#[cfg(feature = "cluster")]
impl PageReport {
    /// Whether this is the first connection of a script: the page has received nothing.
    pub(in crate::page) fn is_first(&self) -> bool {
        let is_at_begin = self.position.is_none_or(|position| position.offset == 0);
        let is_empty = self.cursor.is_some_and(|cursor| cursor.is_empty);
        self.attempt == Some(1) && is_at_begin && is_empty
    }

    /// The connection for which a server claims the page.
    pub(in crate::page) const fn attempt(&self) -> Attempt {
        Attempt {
            client: self.client,
            number: self.attempt,
        }
    }
}

/// The request of a socket for a page's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AttachRequest {
    /// The route of the socket.
    pub(crate) route: usize,
    pub(crate) report: PageReport,
}

/// The position that a page reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub(crate) epoch: Epoch,
    pub(crate) offset: u64,
}

/// Identifies one stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Epoch {
    Ours(u64),
    /// Well-formed, but not created by this library.
    Other,
}

/// The text of an epoch in the protocol.
pub(in crate::page) fn epoch_text(epoch: u64) -> String {
    format!("{epoch:016x}")
}

impl Epoch {
    /// Parses an epoch of the protocol: 1 to 32 characters that need no escaping.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=32).contains(&text.len()) || !text.bytes().all(plain) {
            return None;
        }
        let ours = u64::from_str_radix(text, 16).ok();
        let ours = ours.filter(|epoch| epoch_text(*epoch) == text);
        Some(ours.map_or(Self::Other, Self::Ours))
    }
}
