//! Makes this server the one that has a page, if several share a log.

#![cfg_attr(
    not(feature = "cluster"),
    expect(
        unused_variables,
        clippy::missing_const_for_fn,
        clippy::unused_async,
        reason = "there are no other servers"
    )
)]

use std::sync::Arc;

use crate::error::Refusal;
#[cfg(feature = "cluster")]
use crate::page::{AttachError, Unclaimed};
use crate::page::{Credentials, Page, PageReport, Stream};

/// Asks whether another server keeps the page from a client with these credentials, and reads what
/// was logged about the page before. A page whose id was issued in this handshake is nowhere else.
///
/// # Errors
///
/// 401 as on one server; 503 if the log is unavailable.
pub(super) async fn ask(
    page: &Page,
    stream: &Stream,
    credentials: Option<&Credentials>,
) -> Result<(), Refusal> {
    #[cfg(feature = "cluster")]
    if page.fresh().is_none() {
        let asked = page.pages().ask(stream, credentials).await;
        asked.map_err(refuse)?;
    }
    Ok(())
}

/// Makes this server the owner of the page. From now on, the former owner has lost it.
///
/// # Errors
///
/// 503 if the log is unavailable.
pub(super) async fn claim(
    page: &Page,
    stream: &Arc<Stream>,
    report: PageReport,
    credentials: Option<&Credentials>,
) -> Result<(), Refusal> {
    #[cfg(feature = "cluster")]
    page.pages()
        .claim(stream, report, credentials)
        .await
        .map_err(refuse)?;
    Ok(())
}

/// Ends the stream of a page that has been on another server since, of which this one has not read
/// yet. Returns whether it has ended: then the page needs a new one.
pub(super) fn end_if_left(page: &Page, stream: &Arc<Stream>, report: &PageReport) -> bool {
    #[cfg(feature = "cluster")]
    let has_ended = page.pages().end_if_left(stream, report);
    #[cfg(not(feature = "cluster"))]
    let has_ended = false;
    has_ended
}

#[cfg(feature = "cluster")]
fn refuse(reason: Unclaimed) -> Refusal {
    match reason {
        Unclaimed::LogUnavailable => Refusal::unavailable("the log is unavailable: try again"),
        Unclaimed::OtherCredentials => AttachError::OtherCredentials.into(),
    }
}
