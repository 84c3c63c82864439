//! The visitor's server-side state.
//!
//! A visitor's cookie holds a [`SessionToken`]. A [`SessionStore`] keeps a [`SessionRecord`] under
//! the hash of the token. [`Sessions`] finds, begins, renews and ends the sessions of one server. A
//! [`Session`] is a handle that hooks and HTTP handlers hold.

mod arrivals;
mod backend;
mod cookie_options;
pub mod cookies;
mod current_key;
mod error;
mod id;
mod keeper;
mod live;
mod memory;
mod newcomer;
mod notice;
mod options;
mod pages;
mod private;
mod pushes;
mod record;
mod registry;
mod server;
mod sessions;
mod shared;
mod store;
mod subscriptions;
#[cfg(test)]
mod tests;

pub use crate::log::Secrets;
pub use cookie_options::{CookieOptions, SECURE_PREFIX, SameSite};
pub use error::{SessionError, SessionSubscribeError, StoreError};
pub use id::{SessionId, SessionKey, SessionToken};
pub use live::Session;
pub use memory::MemoryStore;
pub use newcomer::Newcomer;
pub use options::{SessionOptions, SessionOptionsError};
pub use record::{SessionGeneration, SessionRecord};
pub use sessions::{NoSession, Sessions};
pub use store::{ForeignSession, SessionSource, SessionStore};

pub(crate) use live::Attachment;
pub(crate) use notice::SessionNotice;
pub(crate) use pages::SessionPages;
pub(crate) use server::SessionSocket;
