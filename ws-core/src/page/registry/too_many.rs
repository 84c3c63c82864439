//! The limits of pages.

/// A limit of pages is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TooMany {
    OfSession,
    OfAddress,
    /// Of pages without a session, in all.
    Anonymous,
    /// Of new pages without a session, of one address.
    OfRate,
}
