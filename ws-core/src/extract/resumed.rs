//! What a page has received, for `init` of its handler.

use super::{FromHandshake, HasPage, Opening};
use crate::error::Refusal;
use crate::page::Resumed;

impl<'a, H, R: HasPage> FromHandshake<'a, H, R> for Resumed {
    const FIELDS: Option<&'static [&'static str]> = Some(&[]);

    /// On a route without `attach: page`, the application cannot restore the page: 500.
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        let resume = opening.handshake.resume.as_ref();
        let resumed = resume.map(Self::take_over);
        resumed.ok_or_else(|| {
            let route = opening.context.endpoint.name();
            tracing::error!(
                route,
                "`Resumed` requires `attach: page`; add it to the route"
            );
            Refusal::INTERNAL_SERVER_ERROR
        })
    }
}
