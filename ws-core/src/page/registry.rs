//! The live pages of one server, and the pushes to them.

use std::sync::atomic::AtomicU64;
#[cfg(feature = "cluster")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::BrowserClientPaths;
use super::base::{BaseCursor, BaseKeys};
use super::budget::Budget;
#[cfg(feature = "cluster")]
use super::credentials::CredentialKeys;
use super::feed::Feed;
use super::queue::QueuedPush;
use super::reaper::Reaper;
use super::stream::{AttachError, AttachRequest, FollowUp, PageSocket, PongSent, Stream};
use crate::close::Close;
use crate::id::ConnectionId;
use crate::limits::PageLimits;
#[cfg(feature = "cluster")]
use crate::log::shared::{NoticeKind, Repeat};
use crate::log::{self, Cursor};
use crate::session::{
    Session, SessionGeneration, SessionId, SessionNotice, SessionPages, SessionSubscribeError,
};
use crate::stats::RefusalCounters;
use crate::throttle::LogThrottle;
#[cfg(feature = "cluster")]
use crate::topic::SharedLog;
use crate::topic::{EventPlan, Pushed, TopicKey, Topics};
use crate::wire::Push;

#[cfg(feature = "cluster")]
mod anchors;
mod anonymous;
mod counters;
mod cursors;
mod ended;
mod index;
mod issuer;
#[cfg(feature = "cluster")]
mod moved;
#[cfg(feature = "cluster")]
mod notice;
mod open;
#[cfg(feature = "cluster")]
mod owner;
mod pushes;
#[cfg(feature = "cluster")]
mod questions;
mod reap;
mod refuse;
mod relief;
mod reports;
mod session_topics;
#[cfg(feature = "cluster")]
mod shared_topics;
mod spread;
mod too_many;
mod topics;
#[cfg(feature = "cluster")]
mod unlogged;

#[cfg(feature = "cluster")]
use anchors::Anchors;
pub(crate) use cursors::{OpenedCursor, RefusedCursor};
use ended::EndedStreams;
use index::PageIndex;
use issuer::AnonymousIssuer;
pub(crate) use open::OpenError;
#[cfg(feature = "cluster")]
pub(crate) use owner::Unclaimed;
pub(crate) use pushes::PushTo;
#[cfg(feature = "cluster")]
use questions::Questions;
use relief::Relief;
use session_topics::SessionTopics;
#[cfg(feature = "cluster")]
use shared_topics::SharedTopics;
pub(crate) use too_many::TooMany;
pub(super) use topics::{Deferred, Sharing};
#[cfg(feature = "cluster")]
use unlogged::UnloggedNotices;

/// The pages of one server.
pub(crate) struct Pages {
    limits: PageLimits,
    /// The maximum number of sockets that one push writes to directly; a task handles the rest.
    inline: usize,
    /// The name of the query parameter with a page's id.
    parameter: String,
    client_paths: OnceLock<BrowserClientPaths>,
    /// Connections that were refused because there are too many pages.
    full: LogThrottle,
    index: Mutex<PageIndex>,
    reaper: Reaper,
    /// The bytes queued for all pages together.
    queued: Arc<Budget>,
    /// The bytes that wait for the handlers of all pages together.
    fed: Arc<Budget>,
    relief: Relief,
    topics: Arc<Topics>,
    session_topics: SessionTopics,
    #[cfg(feature = "cluster")]
    shared_topics: SharedTopics,
    refusals: Arc<RefusalCounters>,
    ended: EndedStreams,
    #[cfg(feature = "cluster")]
    anchors: Anchors,
    #[cfg(feature = "cluster")]
    questions: Questions,
    #[cfg(feature = "cluster")]
    unlogged: UnloggedNotices,
    #[cfg(feature = "cluster")]
    credential_keys: CredentialKeys,
    /// This server is about to end.
    #[cfg(feature = "cluster")]
    is_leaving: AtomicBool,
    base_keys: Arc<BaseKeys>,
    anonymous: AnonymousIssuer,
    /// Numbers of streams are those of no other server.
    #[cfg(feature = "cluster")]
    first_stream: u64,
    last_stream: AtomicU64,
    weak_self: Weak<Self>,
}

impl Pages {
    pub(crate) fn new(
        limits: PageLimits,
        inline: usize,
        parameter: String,
        topics: Arc<Topics>,
        refusals: Arc<RefusalCounters>,
    ) -> Arc<Self> {
        let first_stream = log::random_number() >> 1;
        Arc::new_cyclic(|weak_self| Self {
            limits: limits.clamped(),
            inline,
            parameter,
            client_paths: OnceLock::new(),
            full: LogThrottle::default(),
            index: Mutex::default(),
            reaper: Reaper::default(),
            queued: Budget::new(limits.all_bytes),
            fed: Budget::new(limits.all_bytes),
            relief: Relief::default(),
            session_topics: SessionTopics::default(),
            #[cfg(feature = "cluster")]
            shared_topics: SharedTopics::new(&limits),
            refusals,
            ended: EndedStreams::new(limits.waiting),
            #[cfg(feature = "cluster")]
            anchors: Anchors::default(),
            #[cfg(feature = "cluster")]
            questions: Questions::default(),
            #[cfg(feature = "cluster")]
            unlogged: UnloggedNotices::default(),
            #[cfg(feature = "cluster")]
            credential_keys: CredentialKeys::new(topics.secrets()),
            #[cfg(feature = "cluster")]
            is_leaving: AtomicBool::new(false),
            base_keys: Arc::new(BaseKeys::new(topics.secrets())),
            anonymous: AnonymousIssuer::new(topics.secrets()),
            #[cfg(feature = "cluster")]
            first_stream,
            last_stream: AtomicU64::new(first_stream),
            topics,
            weak_self: weak_self.clone(),
        })
    }

    /// Sets the paths at which browsers find the client. Only the first call has an effect.
    pub(crate) fn set_client_paths(&self, paths: BrowserClientPaths) {
        let _ = self.client_paths.set(paths);
    }

    pub(super) fn client_paths(&self) -> &BrowserClientPaths {
        self.client_paths.get_or_init(BrowserClientPaths::default)
    }

    pub(super) fn parameter(&self) -> &str {
        &self.parameter
    }

    /// The number of topics that a page may be subscribed to.
    #[cfg(feature = "cluster")]
    pub(super) const fn max_subscriptions(&self) -> usize {
        self.limits.subscriptions
    }

    /// Creates a feed for the messages of a page to its handler.
    pub(crate) fn new_feed(&self) -> Arc<Feed> {
        Arc::new(Feed::new(self.limits.bytes, &self.fed))
    }

    fn index(&self) -> MutexGuard<'_, PageIndex> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a stream with this number is, or was, one of this server.
    #[cfg(feature = "cluster")]
    fn is_own(&self, number: u64) -> bool {
        (self.first_stream..=self.last_stream.load(Ordering::Relaxed)).contains(&number)
    }

    /// Answers a ping of a page, with the places that it has reached.
    pub(crate) fn pong(&self, stream: &Stream, socket: ConnectionId) -> PongSent {
        stream.pong(socket, self.places_now().as_ref(), self.spread())
    }

    /// The ends of the lanes, if several servers share the log: a page that has received everything
    /// may move.
    #[cfg(feature = "cluster")]
    fn places_now(&self) -> Option<Cursor> {
        self.shared_places()
    }

    #[cfg(not(feature = "cluster"))]
    #[expect(
        clippy::unused_self,
        reason = "only a shared log has places that matter"
    )]
    const fn places_now(&self) -> Option<Cursor> {
        None
    }

    /// The number of live pages.
    pub(crate) fn count(&self) -> usize {
        self.index().pages.len()
    }

    /// The stream of this page, if it has one.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Stream>> {
        self.index().pages.get(id).cloned()
    }

    /// Attaches this socket to a page's stream.
    pub(crate) fn attach(
        &self,
        stream: &Arc<Stream>,
        session: &Session,
        request: AttachRequest,
        socket: &Arc<dyn PageSocket>,
    ) -> Result<(), AttachError> {
        self.rebase(stream, session);
        self.join_session_topics(stream);
        self.join_page_topics(stream);
        let (before, follow_up) = stream.attach(session, request, socket, self.spread())?;
        self.reindex(stream, &before, session);
        self.follow_up(stream, follow_up);
        Ok(())
    }

    /// Detaches this socket from the stream; with `bye` the page is closed for good.
    pub(crate) fn detach(&self, stream: &Arc<Stream>, socket: ConnectionId, bye: bool) {
        self.follow_up(stream, stream.detach(socket, bye));
        #[cfg(feature = "cluster")]
        self.hand_over_if_leaving(stream);
    }

    /// Delivers the queued messages of the page, then the Close of its handler.
    pub(crate) fn finish(&self, stream: &Arc<Stream>, close: &Close) {
        self.follow_up(stream, stream.finish(close));
    }

    /// Ends a page. Returns whether it was alive.
    pub(crate) fn end(&self, stream: &Arc<Stream>, close: &Close) -> bool {
        let follow_up = stream.end(close);
        self.follow_up(stream, follow_up);
        follow_up == FollowUp::Remove
    }

    /// Adds a message to these pages. Returns the number of pages that accepted it. Writes to the
    /// first sockets directly and leaves the rest to a task; the queue of each page keeps the
    /// order.
    fn deliver(&self, streams: Vec<Arc<Stream>>, push: &Push) -> usize {
        let mut accepted = streams;
        let queued = QueuedPush::for_many(push, &self.queued);
        accepted.retain(|stream| stream.enqueue(queued.clone(), None));
        drop(queued);
        let inline = accepted.len().min(self.inline);
        let deferred = accepted.split_off(inline);
        let reached = inline + deferred.len();
        for stream in &accepted {
            stream.pump();
        }
        if !deferred.is_empty() {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => {
                    runtime.spawn(pump(deferred));
                }
                Err(_) => {
                    for stream in &deferred {
                        stream.pump();
                    }
                }
            }
        }
        self.relieve();
        reached
    }

    /// Moves the base of a page's cursor to the end of the log if a newer session takes it over.
    fn rebase(&self, stream: &Arc<Stream>, session: &Session) {
        if stream.session().renewals() < session.renewals() {
            stream.rebase(BaseCursor::at(self.topics.heads().to_bytes()));
        }
    }

    /// Registers the page under its new session, if the session has changed.
    fn reindex(&self, stream: &Arc<Stream>, before: &Session, now: &Session) {
        if before.generation() == now.generation() {
            return;
        }
        let mut index = self.index();
        // It may have moved again in the meantime, or ended: then it must not be registered.
        if index.remove_from_session(stream, before) && !stream.has_ended() {
            index.add_to_session(stream, &stream.session());
        }
        drop(index);
        self.join_session_topics(stream);
    }

    fn follow_up(&self, stream: &Arc<Stream>, follow_up: FollowUp) {
        match follow_up {
            FollowUp::Nothing => {}
            FollowUp::Watch(at) => self.watch(stream, at),
            FollowUp::Remove => self.remove(stream),
        }
    }

    fn remove(&self, stream: &Arc<Stream>) {
        self.index().remove(stream);
        self.note_end(stream);
        for subscription in stream.topics().end() {
            drop(self.topics.unsubscribe(subscription));
        }
        #[cfg(feature = "cluster")]
        if !stream.continues_elsewhere() && !stream.is_stray() && !self.is_leaving() {
            self.end_shared_topics(stream);
        }
    }

    #[cfg(not(feature = "cluster"))]
    fn note_end(&self, stream: &Stream) {
        self.ended.set(stream.id(), stream.ended_as());
    }
}

/// The number of pages that a task writes to before it yields.
const PAGES_PER_TURN: usize = 256;

async fn pump(streams: Vec<Arc<Stream>>) {
    for chunk in streams.chunks(PAGES_PER_TURN) {
        for stream in chunk {
            stream.pump();
        }
        tokio::task::yield_now().await;
    }
}

impl SessionPages for Pages {
    fn push(&self, session: SessionGeneration, id: &dyn Fn() -> SessionId, push: &Push) -> Pushed {
        self.push_to_session(session, id, push)
    }

    fn renewed(&self, before: SessionGeneration, now: SessionGeneration, user: Option<&str>) {
        self.renew_session_topics(now, user);
        for stream in self.streams_of_session(before) {
            stream.notify_renewed();
        }
    }

    #[cfg(feature = "cluster")]
    fn renewed_elsewhere(&self, now: SessionGeneration, user: Option<&str>) {
        self.renew_session_topics(now, user);
    }

    fn subscribe(
        &self,
        session: SessionGeneration,
        user: Option<&str>,
        plan: &EventPlan,
    ) -> Result<(), SessionSubscribeError> {
        self.subscribe_session(session, user, plan, Sharing::Everywhere)
    }

    fn unsubscribe(&self, session: SessionGeneration, topic: &TopicKey) -> bool {
        self.unsubscribe_session(session, topic)
    }

    fn has_subscriptions(&self, session: SessionId) -> bool {
        self.has_session_topics(session)
    }

    #[cfg(feature = "cluster")]
    fn announce(&self, notice: &SessionNotice) {
        if let Some(shared) = self.topics.shared() {
            let content = notice.to_bytes().into();
            let node = shared.node();
            node.push_notice(NoticeKind::Session, content, Repeat::UntilAccepted);
        }
    }

    #[cfg(not(feature = "cluster"))]
    fn announce(&self, _: &SessionNotice) {}

    fn ended(&self, session: SessionGeneration) {
        self.end_session(session);
    }
}

impl Pages {
    fn streams_of_session(&self, generation: SessionGeneration) -> Vec<Arc<Stream>> {
        let index = self.index();
        index.sessions.get(&generation).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
