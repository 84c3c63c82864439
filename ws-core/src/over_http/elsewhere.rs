//! POSTs that reach another server than their stream: see `hub/cluster/posts`.

use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Attachment, MAX_POSTS, Owner, PostError, PostNumber};
use crate::hub::{ForwardedPost, HostedPosts, Hub, PostStream, StreamOwner};
use crate::log::MAX_MESSAGE;

/// A token with which other servers find the stream, if any shares the log.
pub(super) fn token(hub: &Hub, owner: &Owner) -> Option<String> {
    hub.new_stream_token(digest(owner))
}

/// Keeps a stream known to the other servers.
pub(super) type Hosted = Option<HostedPosts>;

/// Lets a stream take the POSTs that reach other servers.
pub(super) fn host(hub: &Hub, token: &str, attachment: &Arc<Attachment>) -> Hosted {
    let stream: Weak<Attachment> = Arc::downgrade(attachment);
    hub.host_posts(token, digest(&attachment.owner), stream)
}

/// The largest body that every server takes, at most `limit`, in bytes.
pub(super) fn largest_everywhere(hub: &Hub, limit: usize) -> usize {
    let is_shared = hub.topics().shared().is_some();
    if is_shared {
        most_elsewhere(limit)
    } else {
        limit
    }
}

/// The largest body that is passed on, at most `limit`, in bytes: the log takes no more.
fn most_elsewhere(limit: usize) -> usize {
    limit.min(MAX_MESSAGE)
}

/// The owner, as all servers know it.
fn digest(owner: &Owner) -> StreamOwner {
    StreamOwner::of(&owner.page, owner.session.as_bytes(), &owner.route)
}

/// A POST for a stream of another server that shares the log.
pub struct PostElsewhere(ForwardedPost);

impl fmt::Debug for PostElsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostElsewhere").finish_non_exhaustive()
    }
}

impl PostElsewhere {
    /// Begins to pass a POST on to the server that has made this token for this owner.
    ///
    /// # Errors
    ///
    /// [`PostError::Ended`] if no other living server has made it, [`PostError::Busy`] if this server
    /// passes on too many POSTs of the stream, [`PostError::Unavailable`] if the log is unavailable or
    /// too many POSTs of all streams are passed on.
    pub fn begin(hub: &Hub, token: &str, owner: &Owner) -> Result<Self, PostError> {
        hub.forward_post(token, digest(owner), MAX_POSTS).map(Self)
    }

    /// The largest body that is passed on, at most `limit`, in bytes.
    pub fn largest_body(&self, limit: usize) -> usize {
        most_elsewhere(limit)
    }

    /// Sends the lines of a body, and waits until the connection of the stream has read them.
    ///
    /// # Errors
    ///
    /// [`PostError`].
    pub async fn send(self, number: Option<PostNumber>, body: Vec<u8>) -> Result<(), PostError> {
        self.0.send(number.map(PostNumber::get), body).await
    }
}

impl PostStream for Attachment {
    fn take(
        self: Arc<Self>,
        number: Option<u64>,
        body: Bytes,
    ) -> BoxFuture<'static, Result<(), PostError>> {
        let number = number.and_then(PostNumber::new);
        async move { self.turn().await?.send(number, &body).await }.boxed()
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests;
