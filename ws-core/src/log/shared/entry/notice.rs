//! The kinds of notices.

const SESSION: u8 = 8;
const DISCONNECT: u8 = 9;
const LEAVING: u8 = 10;
const SUBSCRIPTION: u8 = 16;
const PAGE: u8 = 17;
const POST: u8 = 18;
const POST_OUTCOME: u8 = 19;

/// The kinds of notices. Their contents are defined by what applies them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoticeKind {
    /// Sessions have ended, or a logon has renewed one.
    Session,
    /// Connections must be closed.
    Disconnect,
    /// The author ends, after everything that it has logged.
    Leaving,
    /// The subscription of a page or a session has changed.
    Subscription,
    /// A page has connected to the author, or is bound to it.
    Page,
    /// A POST for a stream of another node has reached the author.
    Post,
    /// What became of such a POST.
    PostOutcome,
}

impl NoticeKind {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Session => SESSION,
            Self::Disconnect => DISCONNECT,
            Self::Leaving => LEAVING,
            Self::Subscription => SUBSCRIPTION,
            Self::Page => PAGE,
            Self::Post => POST,
            Self::PostOutcome => POST_OUTCOME,
        }
    }

    pub(super) const fn of(number: u8) -> Option<Self> {
        match number {
            SESSION => Some(Self::Session),
            DISCONNECT => Some(Self::Disconnect),
            LEAVING => Some(Self::Leaving),
            SUBSCRIPTION => Some(Self::Subscription),
            PAGE => Some(Self::Page),
            POST => Some(Self::Post),
            POST_OUTCOME => Some(Self::PostOutcome),
            _ => None,
        }
    }
}
