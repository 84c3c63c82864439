//! Pages that move between servers that share a log.
//!
//! A server that attaches a page which it has not issued logs a claim, and waits until it has read
//! it. Whoever reads the claim of another server ends its own stream of the page, unless that has a
//! handler that was started with other credentials. Before a claim that may be in vain, the server
//! asks: a handshake that is refused leaves the page where it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Pages;
use super::notice::PageNotice;
use crate::close::{Close, CloseCode};
use crate::log::Position;
use crate::log::shared::{AfterLane, Author, MAX_SILENCE, NoticeKind, Repeat};
use crate::page::Credentials;
use crate::page::credentials::CredentialMarks;
use crate::page::stream::{Attempt, ClaimId, Contested, PageReport, Stream};
use crate::topic::SharedLog;

/// This server cannot have a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unclaimed {
    /// The log did not take the claim.
    LogUnavailable,
    /// The handler of the page, on another server, was started with other credentials.
    OtherCredentials,
}

/// A claim that has begun.
struct Claim<'s> {
    pages: &'s Pages,
    stream: &'s Arc<Stream>,
    id: ClaimId,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(by) = self.stream.end_claim(self.id) {
            let follow_up = self.stream.end_superseded(&by);
            self.pages.follow_up(self.stream, follow_up);
        }
    }
}

impl Pages {
    /// Reads what was logged about a page before now, if several servers share a log and this one does
    /// not have the page: its former server may have handed it over. With credentials, also asks
    /// whether another server keeps the page from this client.
    ///
    /// # Errors
    ///
    /// [`Unclaimed`] if the log is unavailable, or another server keeps the page.
    pub(crate) async fn ask(
        &self,
        stream: &Stream,
        credentials: Option<&Credentials>,
    ) -> Result<(), Unclaimed> {
        let Some(shared) = self.topics.shared() else {
            return Ok(());
        };
        if stream.is_owned() {
            return Ok(());
        }
        let mut question = self.questions.begin();
        let asked = PageNotice::Asked {
            page: (**stream.id()).into(),
            question: question.number,
            credentials: self.marks(credentials),
        };
        Self::log_and_read(shared, &asked).await?;
        let may_be_kept = credentials.is_some() && shared.node().has_others();
        let is_kept = may_be_kept && question.is_kept().await;
        self.find_predecessor(stream);
        if is_kept {
            return Err(Unclaimed::OtherCredentials);
        }
        Ok(())
    }

    /// Makes this server the one to which a page is connected, if several share a log: all claims
    /// to the page that are newer will end its stream here.
    ///
    /// # Errors
    ///
    /// [`Unclaimed`] if the log is unavailable, and the page was not here before.
    pub(crate) async fn claim(
        &self,
        stream: &Arc<Stream>,
        report: PageReport,
        credentials: Option<&Credentials>,
    ) -> Result<(), Unclaimed> {
        let Some(shared) = self.topics.shared() else {
            return Ok(());
        };
        let attempt = report.attempt();
        let is_unavailable = shared.node().silence() >= MAX_SILENCE;
        let Some(id) = stream.begin_claim(attempt, is_unavailable) else {
            return Ok(());
        };
        let claim = Claim {
            pages: self,
            stream,
            id,
        };
        let attached = PageNotice::Attached {
            page: (**stream.id()).into(),
            attempt,
            claim: Some(id),
            credentials: self.marks(credentials),
        };
        Self::log_and_read(shared, &attached).await?;
        if !stream.has_read(claim.id) && !stream.has_ended() {
            // The log was replaced meanwhile.
            return Err(Unclaimed::LogUnavailable);
        }
        self.find_predecessor(stream);
        Ok(())
    }

    /// The server from which a page comes may have ended since its stream began here.
    fn find_predecessor(&self, stream: &Stream) {
        if let Some(ended) = self.ended.take(stream.id()) {
            stream.set_predecessor(ended);
        }
    }

    fn marks(&self, credentials: Option<&Credentials>) -> Option<CredentialMarks> {
        credentials.map(|credentials| self.credential_keys.marks(credentials))
    }

    /// Logs a notice, and waits until this server has read it.
    async fn log_and_read(shared: &SharedLog, notice: &PageNotice) -> Result<(), Unclaimed> {
        let position = Self::log(shared, notice).await;
        let position = position.ok().flatten().ok_or(Unclaimed::LogUnavailable)?;
        shared.node().reached(position).await;
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

    /// Remembers how a stream has ended.
    pub(super) fn note_end(&self, stream: &Stream) {
        if !self.is_shared() {
            self.ended.set(stream.id(), stream.ended_as());
        } else if !stream.is_stray() {
            self.log_end(stream);
            self.ended.set(stream.id(), stream.ended_as());
        } else if let Some(before) = stream.predecessor() {
            // The page is on another server: how its stream ends there counts.
            self.ended.put_back(stream.id(), before);
        }
    }

    /// The others must know how a stream has ended, if this server is about to end, or if the page
    /// has missed something.
    fn log_end(&self, stream: &Stream) {
        let end = if self.is_leaving() {
            stream.handed_over()
        } else {
            stream.lost()
        };
        if let Some(end) = end {
            // Without room, it is logged as an error.
            let _ = self.log_until_accepted(&PageNotice::HandedOver(end));
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

    /// Applies a notice that was read from the log.
    pub(crate) fn notice_read(&self, content: &[u8], at: Position, author: Author) -> AfterLane {
        match (PageNotice::read(content)?, author) {
            (PageNotice::Anchored { page }, _) => {
                self.anchors.add(page.into(), at.offset, Instant::now());
            }
            (PageNotice::Attached { page, claim, .. }, Author::This) => {
                // At once: the next claim in the log is newer.
                self.find(&page)?.claim_read(claim?);
            }
            (_, Author::This) => {}
            (PageNotice::HandedOver(it), Author::Another) => {
                let page = it.page.as_ref().into();
                self.ended.set_elsewhere(&page, it.ended(), at.offset);
            }
            (PageNotice::Answered { question, is_kept }, Author::Another) => {
                self.questions.answer(question, is_kept);
            }
            (notice, Author::Another) => return self.notice_of_another(notice),
        }
        None
    }

    /// Applies a notice of another server to the stream of its page, without the lock of the lane.
    fn notice_of_another(&self, notice: PageNotice) -> AfterLane {
        let (PageNotice::Asked { page, .. }
        | PageNotice::Attached { page, .. }
        | PageNotice::Kept { page, .. }) = &notice
        else {
            return None;
        };
        let stream = self.find(page)?;
        let pages = self.weak_self.upgrade()?;
        Some(Box::new(move || match notice {
            PageNotice::Asked {
                question,
                credentials: Some(credentials),
                ..
            } => pages.answer(&stream, question, &credentials),
            PageNotice::Attached {
                attempt,
                claim,
                credentials,
                ..
            } => pages.attached_elsewhere(&stream, (&attempt, claim), credentials.as_ref()),
            PageNotice::Kept { stream: number, .. } if number == stream.number() => {
                pages.end(&stream, &kept());
            }
            _ => {}
        }))
    }

    /// Answers the question of another server for a page, if this one has it.
    fn answer(&self, stream: &Stream, question: u64, credentials: &CredentialMarks) {
        let is_kept = stream.keeps_page(|own| !self.credential_keys.are_of(credentials, own));
        if let (Some(is_kept), Some(shared)) = (is_kept, self.topics.shared()) {
            let answer = PageNotice::Answered { question, is_kept }.to_bytes();
            // Nobody waits for a late answer.
            let once = Repeat::Never(Box::new(|| {}));
            shared.node().push_notice(NoticeKind::Page, answer, once);
        }
    }

    /// A page has connected to another server.
    fn attached_elsewhere(
        &self,
        stream: &Arc<Stream>,
        (by, claim): (&Attempt, Option<ClaimId>),
        credentials: Option<&CredentialMarks>,
    ) {
        let are_other = |own: &Credentials| {
            credentials.is_some_and(|marks| !self.credential_keys.are_of(marks, own))
        };
        let page = (**stream.id()).into();
        let reply = match stream.contest(by, are_other) {
            Contested::Undecided => None,
            Contested::Won(attempt) => Some(PageNotice::Attached {
                page,
                attempt,
                claim: None,
                credentials: self.marks(stream.credentials().as_ref()),
            }),
            Contested::Kept => {
                claim.map(|ClaimId { stream, .. }| PageNotice::Kept { page, stream })
            }
            Contested::Lost => {
                self.follow_up(stream, stream.end_superseded(by));
                None
            }
        };
        if let Some(reply) = reply {
            // Without room, it is logged as an error.
            let _ = self.log_until_accepted(&reply);
        }
    }

    /// A page has got a subscription that other servers do not know. It gets a reset when it moves
    /// to one of them.
    pub(in crate::page) fn anchor(&self, stream: &Stream) {
        if self.is_shared() && stream.anchor() {
            let page = (**stream.id()).into();
            if self
                .log_until_accepted(&PageNotice::Anchored { page })
                .is_err()
            {
                stream.raise_anchor();
            }
        }
    }
}

/// The Close of a connection whose page another server keeps: it has found out too late.
fn kept() -> Close {
    Close::new(
        CloseCode::UNAUTHORIZED,
        "the credentials differ from those that this page began with",
    )
}

#[cfg(all(test, feature = "test-kit"))]
mod tests;
