//! Without the feature `cluster`, no stream is on another server.

use std::convert::Infallible;
use std::future::Ready;
use std::sync::Arc;

use super::{Attachment, Owner, PostError, PostNumber};
use crate::hub::Hub;

pub(super) const fn token(_: &Hub, _: &Owner) -> Option<String> {
    None
}

pub(super) struct Hosted;

pub(super) const fn host(_: &Hub, _: &str, _: &Arc<Attachment>) -> Hosted {
    Hosted
}

pub(super) const fn largest_everywhere(_: &Hub, limit: usize) -> usize {
    limit
}

/// A POST for a stream of another server: there is none.
#[derive(Debug)]
pub struct PostElsewhere(Infallible);

impl PostElsewhere {
    /// Refuses a POST whose attachment this server does not have.
    ///
    /// # Errors
    ///
    /// [`PostError::Ended`].
    pub const fn begin(_: &Hub, _: &str, _: &Owner) -> Result<Self, PostError> {
        Err(PostError::Ended)
    }

    /// Never called.
    pub const fn largest_body(&self, _: usize) -> usize {
        match self.0 {}
    }

    /// Never called.
    pub fn send(self, _: Option<PostNumber>, _: Vec<u8>) -> Ready<Result<(), PostError>> {
        match self.0 {}
    }
}
