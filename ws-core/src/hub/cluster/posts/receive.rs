//! The server of a stream: it takes the POSTs that other servers have passed on.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures::FutureExt;

use super::notice::{OutcomeNotice, PostNotice, UnknownPost};
use super::token::{StreamAddress, StreamOwner};
use super::{Outcome, PostStream, Posts};
use crate::hub::{Hub, PostError};
use crate::log::Lane;
use crate::log::shared::{AfterLane, Bounded, Incarnation, Node, NoticeKind};

/// A stream of this server that takes POSTs from the log, until this is dropped.
pub(crate) struct HostedPosts {
    posts: Arc<Posts>,
    stream: StreamAddress,
}

impl Drop for HostedPosts {
    fn drop(&mut self) {
        self.posts.lock().streams.remove(&self.stream);
    }
}

/// Where the outcome of a POST goes.
#[derive(Clone, Copy)]
struct ReplyTo {
    node: Incarnation,
    request: u64,
    lane: Lane,
}

impl ReplyTo {
    /// Logs the outcome. If the log does not take it, the other server gives up after a time.
    fn send(self, node: &Node, outcome: Outcome) {
        let notice = OutcomeNotice {
            to: self.node,
            request: self.request,
            outcome,
        };
        let notice = (NoticeKind::PostOutcome, notice.to_bytes());
        // The number of POSTs of a stream in progress bounds it.
        let _ = node.push_notice_in(self.lane, notice, Bounded::ByAuthor, Box::new(|_| {}));
    }
}

impl Hub {
    /// Lets a stream take the POSTs with this token that reach other servers, if any shares the log.
    pub(crate) fn host_posts(
        &self,
        token: &str,
        owner: StreamOwner,
        stream: Weak<dyn PostStream>,
    ) -> Option<HostedPosts> {
        self.topics().shared()?;
        let address = StreamAddress::of(token, owner);
        let posts = self.inner.posts.clone();
        posts.lock().streams.insert(address, stream);
        Some(HostedPosts {
            posts,
            stream: address,
        })
    }

    /// Takes a POST that was read from the log, if it is for this server.
    pub(in crate::hub::cluster) fn post_read(
        &self,
        content: &Bytes,
        author: Incarnation,
        lane: Lane,
        node: &Arc<Node>,
    ) -> Result<AfterLane, UnknownPost> {
        let post = PostNotice::read(content)?;
        if !node.is_this(post.to) {
            return Ok(None);
        }
        let reply_to = ReplyTo {
            node: author,
            request: post.request,
            lane,
        };
        let found = self.inner.posts.lock().streams.get(&post.stream).cloned();
        let (stream, node) = (found.and_then(|it| it.upgrade()), node.clone());
        Ok(Some(Box::new(move || match stream {
            Some(stream) => take(stream, post, reply_to, &node),
            None => reply_to.send(&node, Err(PostError::Ended)),
        })))
    }
}

/// Takes a POST. The first poll is here, so that POSTs keep the order of the log.
fn take(stream: Arc<dyn PostStream>, post: PostNotice, reply_to: ReplyTo, node: &Arc<Node>) {
    let mut taken = stream.take(post.number, post.body);
    if let Some(outcome) = (&mut taken).now_or_never() {
        return reply_to.send(node, outcome);
    }
    // The task is one of the node's.
    let weak = Arc::downgrade(node);
    node.spawn(async move {
        let outcome = taken.await;
        if let Some(node) = weak.upgrade() {
            reply_to.send(&node, outcome);
        }
    });
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use futures::future::BoxFuture;

    use super::*;
    use crate::testkit::Cluster;

    struct Idle;

    impl PostStream for Idle {
        fn take(self: Arc<Self>, _: Option<u64>, _: Bytes) -> BoxFuture<'static, Outcome> {
            unreachable!("there is no POST")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_ended_is_forgotten() {
        let cluster = Cluster::new(1).await;
        let hub = cluster.node(0).hub();
        let owner = StreamOwner::of("page", &[1; 16], "/");
        let stream: Weak<Idle> = Weak::new();
        let count = || hub.inner.posts.lock().streams.len();
        let hosted = hub.host_posts("token", owner, stream);
        assert_eq!(count(), 1);
        drop(hosted);
        assert_eq!(count(), 0);
    }
}
