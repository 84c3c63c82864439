//! The log: the order of what is published to declared topics, and what is kept of it.
//!
//! The log consists of ordered *lanes*; the name of a topic decides its lane. In these files, each
//! uses only those below it in its list:
//!
//! ```text
//! shared    Node         the log that several nodes share, with the feature `cluster`
//! local     LocalLog     the log of one process
//!   history Histories    the last messages of each topic
//! cursor    Cursor       places that pages keep
//! seal      Sealer       positions that clients keep
//! secret    Secrets      the keys of seals
//! position  Position     offsets in lanes, and positions in the log
//! name      TopicName    names, and the lanes that they belong to
//! codec                  numbers of the binary forms
//! random                 random numbers
//! ```

mod codec;
mod cursor;
mod history;
mod local;
mod name;
mod position;
mod random;
mod seal;
mod secret;
#[cfg(feature = "cluster")]
pub mod shared;

pub(crate) use cursor::{Cursor, InvalidCursor};
pub use history::HistoryLimits;
pub(crate) use history::{Gap, KeptMessage};
pub(crate) use local::{LocalLog, MAX_MESSAGE};
pub use name::{Lane, Lanes, TopicName};
#[cfg(feature = "cluster")]
pub(crate) use position::Offset;
pub(crate) use position::Position;
pub use position::{EntryId, Generation};
pub(crate) use seal::{MAX_TEXT, SealError, Sealer};
#[cfg(feature = "cluster")]
pub use secret::EntrySeals;
pub use secret::Secrets;
pub(crate) use secret::{SealKeys, Unsealed};

/// A random number.
///
/// # Panics
///
/// Panics if the operating system provides none.
pub(crate) fn random_number() -> u64 {
    random::number()
}

/// Checks that what is read from these bytes is written in a form that reads the same.
#[cfg(fuzzing)]
pub fn check_round_trip(bytes: &[u8]) {
    position::check_round_trip(bytes);
    #[cfg(feature = "cluster")]
    shared::check_round_trip(bytes);
}
