//! What a page has received, for `init` of its handler.

use super::{AttachesPage, FromHandshake, Opening};
use crate::error::Refusal;
use crate::page::Resumed;

impl<'a, H, R: AttachesPage> FromHandshake<'a, H, R> for Resumed {
    const FIELDS: Option<&'static [&'static str]> = Some(&[]);

    /// A test of the handler alone, without a table, has no page: 500.
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        let resume = opening.handshake.resume.as_ref();
        let resumed = resume.map(Self::take_over);
        resumed.ok_or_else(|| {
            tracing::error!("`Resumed` requires a page; test the handler on a route of its table");
            Refusal::INTERNAL_SERVER_ERROR
        })
    }
}
