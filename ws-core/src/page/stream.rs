//! The state of a page on the server: its queue, its socket and its handler.

use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use super::base::BaseKeys;
use super::budget::Budget;
use super::feed::Feed;
use super::queue::{PushSource, QueuedPush, UnsentOffset, cost};
use crate::address::ClientNetwork;
use crate::close::Close;
use crate::id::ConnectionId;
use crate::limits::PageLimits;
use crate::outbox::Outbox;
use crate::session::{Session, SessionError};
use crate::wire::{LanePlace, Push, ToPage};

mod accept;
mod end;
mod epoch;
mod gaps;
mod handshakes;
mod incomplete;
mod init_lock;
mod lineage;
mod locked;
#[cfg(feature = "cluster")]
mod moving;
mod outcomes;
#[cfg(feature = "cluster")]
mod ownership;
mod pong;
mod returning;
mod state;
mod topics;
mod weight;

pub(crate) use end::logon_close;
use end::superseded;
pub(super) use epoch::epoch_text;
pub(crate) use epoch::{AttachRequest, Epoch, PageReport, Position};
pub(super) use incomplete::Incomplete;
pub(crate) use init_lock::InitClient;
use init_lock::InitLock;
#[cfg(any(test, feature = "cluster"))]
pub(super) use lineage::EndedOn;
use lineage::Lineage;
pub(crate) use lineage::ReportedCursor;
pub(super) use lineage::{BaseDue, EndedStream, StreamOrigin};
#[cfg(feature = "cluster")]
pub(super) use moving::HandedOver;
pub(crate) use outcomes::{Accepted, AttachError, PongSent, Progress};
#[cfg(feature = "cluster")]
pub(crate) use ownership::Attempt;
#[cfg(feature = "cluster")]
pub(in crate::page) use ownership::{ClaimId, Contested};
pub(crate) use returning::RestoredBy;
pub(super) use returning::{Follows, Origin};
pub(super) use state::FollowUp;
use state::{ResumePlan, StreamState, WaitingWriter, follow_up_of_close, frame};
use topics::TopicSubscriptions;
pub(super) use topics::{NotAdded, SubscribedBy};

/// A socket attached to a page's stream.
pub(crate) trait PageSocket: Send + Sync {
    fn id(&self) -> ConnectionId;
    fn outbox(&self) -> &Outbox;
    /// Closes the socket after the messages that wait.
    fn close_page(&self, close: &Close);
    /// Requests a call of [`Pages::resume_sending`](super::Pages::resume_sending) when the outbox
    /// has room again.
    fn notify_when_writable(&self);
}

/// Notifies the handler of a page's socket that its outbox may have room again.
pub struct CapacityFreed;

/// The stream of one page.
pub(crate) struct Stream {
    id: Arc<str>,
    limits: PageLimits,
    /// The address from which the page began; unset if many visitors may share it.
    address: OnceLock<ClientNetwork>,
    state: Mutex<StreamState>,
    topics: TopicSubscriptions,
    keys: Arc<BaseKeys>,
    number: u64,
    is_anonymous: bool,
    /// Allows one socket at a time to run `init` of the page's handler.
    pub(crate) init_lock: InitLock,
    /// Locked while the application handles a message of the page, so that messages of one page
    /// never overlap, even if the socket of a message has been replaced.
    pub(crate) handling: tokio::sync::Mutex<()>,
}

impl Stream {
    pub(super) fn new(
        id: Arc<str>,
        session: Session,
        limits: PageLimits,
        budget: &Arc<Budget>,
        origin: StreamOrigin,
    ) -> Result<Self, SessionError> {
        let mut epoch = [0; 8];
        getrandom::fill(&mut epoch).map_err(|_| SessionError::Random)?;
        let StreamOrigin {
            number,
            begin,
            base,
            predecessor,
            keys,
        } = origin;
        let lineage = Lineage::new(number, begin, base, predecessor);
        let epoch = u64::from_be_bytes(epoch);
        let is_anonymous = session.is_of_page();
        let state = StreamState::new(epoch, session, &limits, budget, lineage);
        Ok(Self {
            id,
            limits,
            address: OnceLock::new(),
            state: Mutex::new(state),
            topics: TopicSubscriptions::default(),
            keys,
            number,
            is_anonymous,
            init_lock: InitLock::default(),
            handling: tokio::sync::Mutex::const_new(()),
        })
    }

    /// The subscriptions of the page.
    pub(super) const fn topics(&self) -> &TopicSubscriptions {
        &self.topics
    }

    /// The connection that is attached.
    pub(super) fn socket(&self) -> Option<ConnectionId> {
        self.lock().socket.as_ref().map(|socket| socket.id())
    }

    pub(super) const fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Identifies the stream among all of the process.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Whether the page has no session.
    pub(super) const fn is_anonymous(&self) -> bool {
        self.is_anonymous
    }

    /// Makes the next `welcome` contain the id of the page: its client does not know it yet.
    pub(super) fn require_id(&self) {
        self.lock().lineage.id_due = true;
    }

    /// The address from which the page began; `None` if many visitors may share it.
    pub(super) fn network(&self) -> Option<ClientNetwork> {
        self.address.get().copied()
    }

    /// Sets the address from which the page began, once.
    pub(super) fn set_address(&self, address: ClientNetwork) {
        let _ = self.address.set(address);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    pub(super) fn session(&self) -> Session {
        self.lock().session.clone()
    }

    /// Whether a socket is attached to the stream, or a handshake for it is pending.
    pub(super) fn is_in_use(&self) -> bool {
        let state = self.lock();
        state.socket.is_some() || state.pending_handshakes > 0
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether this stream belongs to a different visitor than `session`: its handler was created
    /// before a logon, or its queue belongs to another user.
    pub(crate) fn belongs_to_another_visitor(&self, session: &Session) -> bool {
        let state = self.lock();
        let user = state.session.user();
        let another = user.is_some() && user != session.user();
        (another || state.feed.is_some()) && state.session.renewals() < session.renewals()
    }

    /// Sets the handler, which was started for this client: from now on, messages of the page go to
    /// its feed.
    pub(crate) fn set_handler(
        &self,
        feed: Arc<Feed>,
        client: &InitClient,
        route: usize,
    ) -> Result<(), AttachError> {
        let mut state = self.lock();
        // A logon may have replaced the session, or another route may have attached the page.
        state.check(&client.session, route)?;
        state.route = Some(route);
        state.credentials.clone_from(&client.credentials);
        state.feed = Some(feed);
        Ok(())
    }

    /// Checks that a socket of this session with this request may attach.
    pub(crate) fn check(
        &self,
        session: &Session,
        request: AttachRequest,
    ) -> Result<(), AttachError> {
        let state = self.lock();
        state.check(session, request.route)?;
        state.plan(request.report)?;
        Ok(())
    }

    /// Checks that a socket with this request may attach to the stream, or to a new one in its
    /// place.
    pub(super) fn check_or_replace(
        &self,
        session: &Session,
        request: AttachRequest,
    ) -> Result<(), AttachError> {
        if self.belongs_to_another_visitor(session) {
            return Ok(());
        }
        match self.check(session, request) {
            Err(AttachError::Ended) => Ok(()),
            checked => checked,
        }
    }

    /// Attaches this socket to the page's stream, and closes the previous one.
    pub(super) fn attach(
        &self,
        session: &Session,
        AttachRequest { route, report }: AttachRequest,
        socket: &Arc<dyn PageSocket>,
        spread: Option<u32>,
    ) -> Result<(Session, FollowUp), AttachError> {
        let mut state = self.lock();
        state.check(session, route)?;
        let plan = state.plan(report)?;
        let is_same_script = report.client.is_some() && report.client == state.client;
        state.resume(&plan);
        let earlier = state.socket.replace(socket.clone());
        state.route = Some(route);
        state.clear_deadline();
        state.suspended = None;
        (state.outbox_is_full, state.seen_due) = (false, false);
        let before = std::mem::replace(&mut state.session, session.clone());
        let base = state.take_base(&report, &plan, &self.keys, &self.id);
        let offset = state.queue.base();
        // The outbox of a new socket is empty, so there is room for one frame of any size.
        let welcome = ToPage::Welcome {
            epoch: epoch_text(state.epoch),
            offset,
            seen: state.seen,
            base,
            continued: plan.continued.then_some(true),
            page: std::mem::take(&mut state.lineage.id_due).then(|| self.id.to_string()),
            spread,
        };
        let _ = socket.outbox().push(&frame(&welcome));
        #[cfg(feature = "cluster")]
        if state.lineage.anchored {
            state.drop_base();
        }
        state.pump();
        let closed = state.close_if_done();
        drop(state);
        if let Some(earlier) = earlier {
            earlier.close_page(&superseded(is_same_script));
        }
        Ok((before, follow_up_of_close(closed)))
    }

    /// Moves the page to this session, if it is newer. The current socket may then belong to an
    /// earlier visitor, so it is closed.
    pub(super) fn adopt(&self, session: &Session) -> Option<(Session, FollowUp)> {
        let mut state = self.lock();
        if state.ended || session.renewals() <= state.session.renewals() {
            return None;
        }
        let before = std::mem::replace(&mut state.session, session.clone());
        let socket = state.socket.take();
        let follow_up = state.start_deadline(&self.limits);
        drop(state);
        if let Some(socket) = socket {
            socket.close_page(&logon_close());
        }
        Some((before, follow_up))
    }

    /// Detaches this socket; with `bye` the page ends for good.
    pub(super) fn detach(&self, socket: ConnectionId, bye: bool) -> FollowUp {
        let mut state = self.lock();
        if state.ended || !state.is_attached(socket) {
            return FollowUp::Nothing;
        }
        state.socket = None;
        let over = state.last_close().is_some();
        let follow_up = if bye || over || state.session.has_ended() {
            state.end(bye);
            FollowUp::Remove
        } else {
            state.start_deadline(&self.limits)
        };
        drop(state);
        follow_up
    }

    /// Adds a message and writes it. Returns whether the page accepted it.
    pub(crate) fn push(&self, push: &Push) -> bool {
        let accepted = self.enqueue(QueuedPush::for_one(push), None);
        if accepted {
            self.pump();
        } else {
            self.lock().count_refused();
        }
        accepted
    }

    /// Same as [`push`](Self::push), for an event at this place of the log, but the caller must call
    /// [`pump`](Self::pump).
    pub(super) fn enqueue(&self, queued: QueuedPush, at: Option<LanePlace>) -> bool {
        let mut state = self.lock();
        let accepts = state.accepts_pushes();
        if accepts {
            let queued = state.placed(queued, at);
            state.push(queued, PushSource::Application, &self.limits);
        }
        accepts
    }

    /// Writes messages to the socket, as far as it accepts them. Returns whether the page
    /// [needs places](Self::needs_places).
    pub(super) fn pump(&self) -> bool {
        let mut state = self.lock();
        state.pump();
        state.needs_places()
    }

    /// Same as [`push`](Self::push), for the handler: it waits while a socket is attached and the
    /// page does not keep up.
    pub(crate) fn poll_push(&self, cx: &Context<'_>, push: &Push) -> Poll<bool> {
        let mut state = self.lock();
        let cost = cost(push);
        if state.must_wait(cost, &self.limits) {
            let waker = cx.waker().clone();
            state.writer = Some(WaitingWriter { waker, cost });
            return Poll::Pending;
        }
        state.writer = None;
        if !state.accepts_pushes() {
            state.count_refused();
            return Poll::Ready(false);
        }
        let source = match state.socket {
            Some(_) => PushSource::Handler,
            // Without a socket there is nothing to wait for.
            None => PushSource::Application,
        };
        let queued = QueuedPush::for_one(push);
        state.push(queued, source, &self.limits);
        state.pump();
        Poll::Ready(true)
    }

    /// Same as [`push`](Self::push), for the last messages of a handler: all of them are kept, and
    /// none is accepted after them.
    pub(crate) fn push_last(&self, push: &Push) {
        let mut state = self.lock();
        state.count_refused();
        if !state.ended && state.ending.is_none() {
            state.begin_closing();
            state
                .queue
                .push_last(QueuedPush::for_one(push), &self.limits);
            state.pump();
        }
    }

    /// The progress of the page with the sent messages.
    pub(crate) fn progress(&self) -> Progress {
        let state = self.lock();
        let socket = state.socket.as_ref();
        Progress {
            acknowledged: state.queue.base(),
            is_writing: socket.is_some_and(|socket| socket.outbox().buffered() > 0),
        }
    }

    /// Continues after the outbox of the socket has room again.
    pub(super) fn resume_sending(&self, socket: ConnectionId) -> FollowUp {
        let mut state = self.lock();
        if !state.is_attached(socket) {
            return FollowUp::Nothing;
        }
        state.outbox_is_full = false;
        state.pump();
        let closed = state.close_if_done();
        drop(state);
        follow_up_of_close(closed)
    }

    /// Notifies the page that a logon has replaced its visitor's session.
    pub(super) fn notify_renewed(&self) {
        let state = self.lock();
        if let Some(socket) = &state.socket {
            // If the outbox is full, the notification is lost: the page learns of the logon later.
            let _ = socket.outbox().push(&frame(&ToPage::Renewed));
        }
    }

    /// The page acknowledges everything up to this offset over this socket.
    pub(super) fn ack(&self, socket: ConnectionId, offset: u64) -> Result<FollowUp, UnsentOffset> {
        let mut state = self.lock();
        if !state.is_attached(socket) {
            return Ok(FollowUp::Nothing);
        }
        let sent = state.queue.check(offset)?;
        if !state.queue.ack(sent) {
            return Ok(FollowUp::Nothing);
        }
        state.pump();
        let closed = state.close_if_done();
        // A page that keeps acknowledging receives all messages that its handler left.
        state.extend_deadline(&self.limits);
        drop(state);
        Ok(follow_up_of_close(closed))
    }
}

#[cfg(test)]
pub(super) mod tests;
