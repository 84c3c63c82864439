//! The server that has received a POST for a stream of another one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, pending, select};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::notice::{OutcomeNotice, PostNotice, UnknownPost};
use super::token::{StreamAddress, StreamOwner};
use super::{Forwarded, Outcome, Posts};
use crate::hub::{Hub, PostError};
use crate::log::Lane;
use crate::log::shared::{Bounded, Incarnation, Node, NoticeKind};

/// POSTs of all streams that a server passes on at a time.
pub(super) const MAX_FORWARDED: usize = 1_024;

/// How long the server waits for the outcome of a POST: time for the log, and for a handler that is busy
/// with earlier messages.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(5);

/// A POST that is passed on to the server of its stream. It counts among those in progress until it is
/// dropped.
pub(crate) struct ForwardedPost {
    node: Arc<Node>,
    posts: Arc<Posts>,
    to: Incarnation,
    stream: StreamAddress,
    lane: Lane,
    request: u64,
    outcome: oneshot::Receiver<Outcome>,
}

impl Drop for ForwardedPost {
    fn drop(&mut self) {
        self.posts.lock().forwarded.remove(&self.request);
    }
}

impl Hub {
    /// Begins to pass a POST on, to the server that has made the token for this owner; `most` POSTs of
    /// a stream may be in progress here.
    ///
    /// # Errors
    ///
    /// [`PostError::Ended`] if no living server of the cluster, or this one, has made the token;
    /// [`PostError::Busy`] if too many POSTs of the stream are in progress;
    /// [`PostError::Unavailable`] if the log is unavailable, or too many POSTs are passed on.
    pub(crate) fn forward_post(
        &self,
        token: &str,
        owner: StreamOwner,
        most: usize,
    ) -> Result<ForwardedPost, PostError> {
        let shared = self.topics().shared().ok_or(PostError::Ended)?;
        let to = self.home_of(token, owner).ok_or(PostError::Ended)?;
        let node = shared.node();
        if node.is_this(to) || !node.is_alive(to) {
            return Err(PostError::Ended);
        }
        let stream = StreamAddress::of(token, owner);
        let lane = node.lane_of_hash(stream.hash());
        if node.is_stale(lane) {
            return Err(PostError::Unavailable);
        }
        let posts = self.inner.posts.clone();
        let (request, outcome) = posts.register(to, stream, lane, most)?;
        Ok(ForwardedPost {
            node: node.clone(),
            posts,
            to,
            stream,
            lane,
            request,
            outcome,
        })
    }

    /// Applies the outcome of a POST, if this server has passed it on.
    pub(in crate::hub::cluster) fn post_outcome_read(
        &self,
        content: &[u8],
        node: &Node,
    ) -> Result<(), UnknownPost> {
        let read = OutcomeNotice::read(content)?;
        if node.is_this(read.to) {
            let mut posts = self.inner.posts.lock();
            if let Some(forwarded) = posts.forwarded.get_mut(&read.request) {
                forwarded.settle(read.outcome);
            }
        }
        Ok(())
    }
}

impl Posts {
    /// Registers a POST.
    fn register(
        &self,
        to: Incarnation,
        stream: StreamAddress,
        lane: Lane,
        most: usize,
    ) -> Result<(u64, oneshot::Receiver<Outcome>), PostError> {
        let mut state = self.lock();
        if state.forwarded.len() >= MAX_FORWARDED {
            return Err(PostError::Unavailable);
        }
        let of_stream = state.forwarded.values().filter(|it| it.stream == stream);
        if of_stream.count() >= most {
            return Err(PostError::Busy);
        }
        state.last_request += 1;
        let request = state.last_request;
        let (sender, outcome) = oneshot::channel();
        let forwarded = Forwarded {
            to,
            stream,
            lane,
            outcome: Some(sender),
        };
        state.forwarded.insert(request, forwarded);
        Ok((request, outcome))
    }
}

impl ForwardedPost {
    /// Logs the POST, and waits for its outcome for [`OUTCOME_TIMEOUT`]. A POST whose outcome is not
    /// known may still be read; its number prevents that a repeated one is read twice.
    pub(crate) async fn send(mut self, number: Option<u64>, body: Vec<u8>) -> Outcome {
        let post = PostNotice {
            to: self.to,
            request: self.request,
            number,
            stream: self.stream,
            body: Bytes::from(body),
        };
        let (failed, has_failed) = oneshot::channel();
        let ticket = Box::new(move |outcome: Result<_, _>| {
            if outcome.is_err() {
                // Without a receiver the outcome is known, or the client has gone.
                let _ = failed.send(());
            }
        });
        let notice = (NoticeKind::Post, post.to_bytes());
        drop(post);
        let queued = self
            .node
            .push_notice_in(self.lane, notice, Bounded::ByQueue, ticket);
        if queued.is_err() {
            return Err(PostError::Unavailable);
        }
        let failed = pin!(async {
            if has_failed.await.is_err() {
                // The log has the POST.
                pending::<()>().await;
            }
        });
        match timeout(OUTCOME_TIMEOUT, select(&mut self.outcome, failed)).await {
            Ok(Either::Left((Ok(outcome), _))) => outcome,
            Ok(Either::Left((Err(_), _)) | Either::Right(_)) | Err(_) => {
                Err(PostError::Unavailable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_and_a_lost_lane_settle_their_own_posts_only() {
        let posts = Posts::default();
        let (dead, living) = (Incarnation(1), Incarnation(2));
        let mut all = [(dead, Lane(1)), (living, Lane(2)), (living, Lane(1))].map(|(to, lane)| {
            let stream = StreamAddress::of("token", StreamOwner::of("page", &[1; 16], "/"));
            let (_, outcome) = posts.register(to, stream, lane, 3).unwrap();
            outcome
        });
        let mut settled = || all.each_mut().map(|outcome| outcome.try_recv().ok());
        posts.node_died(dead);
        assert_eq!(settled(), [Some(Err(PostError::Ended)), None, None]);
        posts.reset_lane(Lane(2));
        assert_eq!(settled(), [None, Some(Err(PostError::Unavailable)), None]);
    }
}
