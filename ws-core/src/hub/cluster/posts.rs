//! POSTs of page streams over HTTP that reach another server than their stream.
//!
//! Such a server checks the visitor as it does for a stream of its own. Then it logs the POST, addressed
//! to the server of the stream, which treats it like one that it has received, and logs the outcome. A
//! POST and its outcome are in one lane, which the stream decides: so the POSTs of a stream keep
//! their order, and those of many streams spread over all lanes.
//!
//! ```text
//! forward   ForwardedPost  on the server that has received a POST
//! receive                  on the server of the stream
//!   notice  PostNotice     their entries in the log
//!   token   StreamOwner    the token of a stream, which names its server, and its address in the log
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::hub::PostError;
use crate::log::Lane;
use crate::log::shared::Incarnation;

mod forward;
mod notice;
mod receive;
mod token;

pub(crate) use forward::ForwardedPost;
pub(crate) use receive::HostedPosts;
pub(crate) use token::StreamOwner;

use token::StreamAddress;

/// What became of a POST: whether the connection of the stream has read its messages.
type Outcome = Result<(), PostError>;

/// A stream that takes POSTs from the log.
pub(crate) trait PostStream: Send + Sync + 'static {
    /// Takes a POST. Its place among others is that of the first poll.
    fn take(self: Arc<Self>, number: Option<u64>, body: Bytes) -> BoxFuture<'static, Outcome>;
}

/// The streams of this server, and the POSTs that it has passed on.
#[derive(Default)]
pub(in crate::hub) struct Posts(Mutex<PostsState>);

#[derive(Default)]
struct PostsState {
    streams: HashMap<StreamAddress, Weak<dyn PostStream>>,
    /// By the numbers of the requests: at most [`forward::MAX_FORWARDED`].
    forwarded: HashMap<u64, Forwarded>,
    last_request: u64,
}

/// A POST whose outcome is not known.
struct Forwarded {
    to: Incarnation,
    stream: StreamAddress,
    lane: Lane,
    outcome: Option<oneshot::Sender<Outcome>>,
}

impl Forwarded {
    fn settle(&mut self, outcome: Outcome) {
        if let Some(sender) = self.outcome.take() {
            // Without a receiver the client has gone.
            let _ = sender.send(outcome);
        }
    }
}

impl Posts {
    fn lock(&self) -> MutexGuard<'_, PostsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server has ended, and its streams with it.
    pub(super) fn node_died(&self, dead: Incarnation) {
        let mut state = self.lock();
        for forwarded in state.forwarded.values_mut().filter(|it| it.to == dead) {
            forwarded.settle(Err(PostError::Ended));
        }
    }

    /// Entries of a lane are lost: POSTs or their outcomes may be among them.
    pub(super) fn reset_lane(&self, lane: Lane) {
        let mut state = self.lock();
        for forwarded in state.forwarded.values_mut().filter(|it| it.lane == lane) {
            forwarded.settle(Err(PostError::Unavailable));
        }
    }
}
