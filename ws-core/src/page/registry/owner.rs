//! Pages that move between servers that share a log.
//!
//! A server that attaches a page which it has not issued logs a claim, and waits until it has read
//! it. Whoever reads the claim of another server ends its own stream of the page.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Pages;
use crate::log::Position;
use crate::log::shared::{AfterLane, Author, MAX_SILENCE, NoticeKind, Repeat};
use crate::page::stream::{Attempt, Contested, HandedOver, PageReport, Stream};
use crate::topic::SharedLog;

/// What servers log about pages. A later version may add members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PageNotice {
    /// A page connects to the author.
    Attached { page: Box<str>, attempt: Attempt },
    /// A page has subscriptions that only the author knows.
    Anchored { page: Box<str> },
    /// The author ends, and with it the stream of a page.
    HandedOver(HandedOver),
}

impl PageNotice {
    fn to_bytes(&self) -> bytes::Bytes {
        let json = serde_json::to_vec(self).expect("texts and numbers are JSON");
        json.into()
    }

    fn read(content: &[u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }
}

/// The log did not take the claim of this server to a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unclaimed;

/// A claim that has begun.
struct Claim<'s> {
    stream: &'s Stream,
    is_read: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.stream.end_claim(self.is_read);
    }
}

impl Pages {
    /// Makes this server the one to which a page is connected, if several share a log: all claims
    /// to the page that are newer will end its stream here.
    ///
    /// # Errors
    ///
    /// [`Unclaimed`] if the log is unavailable, and the page was not here before.
    pub(crate) async fn claim(&self, stream: &Stream, report: PageReport) -> Result<(), Unclaimed> {
        let Some(shared) = self.topics.shared() else {
            return Ok(());
        };
        let attempt = report.attempt();
        let is_unavailable = shared.node().silence() >= MAX_SILENCE;
        if !stream.begin_claim(attempt, is_unavailable) {
            return Ok(());
        }
        let mut claim = Claim {
            stream,
            is_read: false,
        };
        let page = (**stream.id()).into();
        let read = Self::log(shared, &PageNotice::Attached { page, attempt });
        let position = read.await.map_err(|_| Unclaimed)?;
        shared.node().reached(position.ok_or(Unclaimed)?).await;
        claim.is_read = true;
        // The server that it comes from may have ended since the stream began.
        if let Some(ended) = self.ended.take(stream.id()) {
            stream.set_predecessor(ended);
        }
        Ok(())
    }

    /// From now on, a page that loses its connection goes to another server.
    pub(crate) fn begin_leaving(&self) {
        self.is_leaving.store(self.is_shared(), Ordering::Relaxed);
    }

    /// Whether this server is about to end.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// Hands a page over to the other servers, if this one is about to end and the page is not
    /// connected.
    pub(super) fn hand_over_if_leaving(&self, stream: &Arc<Stream>) {
        if self.is_leaving() {
            self.follow_up(stream, stream.end_unattached());
        }
    }

    /// Hands over all pages that are not connected.
    pub(crate) fn hand_over_all(&self) {
        let streams: Vec<_> = self.index().pages.values().cloned().collect();
        for stream in &streams {
            self.hand_over_if_leaving(stream);
        }
    }

    /// A stream has ended. The others must know how, if this server is about to end, or if the page
    /// has missed something.
    pub(super) fn log_end(&self, stream: &Stream) {
        if !self.is_shared() {
            return;
        }
        let end = if self.is_leaving() {
            Some(stream.handed_over())
        } else {
            stream.lost()
        };
        if let Some(end) = end {
            self.log_until_accepted(&PageNotice::HandedOver(end));
        }
    }

    /// Logs a notice. The receiver gets its position, or nothing if the log does not take it.
    fn log(shared: &SharedLog, notice: &PageNotice) -> oneshot::Receiver<Option<Position>> {
        let (sender, outcome) = oneshot::channel();
        let ticket = Box::new(move |outcome: Result<Position, _>| {
            // Without a receiver the handshake is over.
            let _ = sender.send(outcome.ok());
        });
        let content = notice.to_bytes();
        let node = shared.node();
        node.push_notice_once(NoticeKind::Page, content, ticket);
        outcome
    }

    /// Logs a notice again until the log has it.
    fn log_until_accepted(&self, notice: &PageNotice) {
        if let Some(shared) = self.topics.shared() {
            let node = shared.node();
            node.push_notice(NoticeKind::Page, notice.to_bytes(), Repeat::UntilAccepted);
        }
    }

    /// Applies a notice that was read from the log.
    pub(crate) fn notice_read(&self, content: &[u8], at: Position, author: Author) -> AfterLane {
        match PageNotice::read(content)? {
            PageNotice::Anchored { page } => {
                self.anchors.add(page.into(), at.offset, Instant::now());
                None
            }
            PageNotice::Attached { .. } | PageNotice::HandedOver(_) if author == Author::This => {
                None
            }
            PageNotice::HandedOver(it) => {
                self.ended.set(&it.page.as_ref().into(), Some(it.ended()));
                None
            }
            PageNotice::Attached { page, attempt } => {
                let stream = self.find(&page)?;
                let pages = self.weak_self.upgrade()?;
                Some(Box::new(move || {
                    pages.attached_elsewhere(&stream, &attempt);
                }))
            }
        }
    }

    /// A page has connected to another server.
    fn attached_elsewhere(&self, stream: &Arc<Stream>, by: &Attempt) {
        match stream.contest(by) {
            Contested::Undecided => {}
            Contested::Won(attempt) => {
                let page = (**stream.id()).into();
                self.log_until_accepted(&PageNotice::Attached { page, attempt });
            }
            Contested::Lost => self.follow_up(stream, stream.end_superseded(by)),
        }
    }

    /// A page has got a subscription that other servers do not know. It gets a reset when it moves
    /// to one of them.
    pub(in crate::page) fn anchor(&self, stream: &Stream) {
        if self.is_shared() && stream.anchor() {
            let page = (**stream.id()).into();
            self.log_until_accepted(&PageNotice::Anchored { page });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_as_they_were_written() {
        let page: Box<str> = "abc".into();
        let attempt = Attempt {
            client: Some(7),
            number: None,
        };
        let attached = PageNotice::Attached {
            page: page.clone(),
            attempt,
        };
        let expected = r#"{"attached":{"page":"abc","attempt":{"client":7,"number":null}}}"#;
        assert_eq!(attached.to_bytes(), expected);
        for notice in [attached, PageNotice::Anchored { page }] {
            assert_eq!(PageNotice::read(&notice.to_bytes()), Some(notice));
        }
        assert_eq!(PageNotice::read(br#"{"moved":{}}"#), None);
    }
}
