//! What a page has received when `init` of its handler runs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::PageSubscribeError;
use super::queue::Loss;
use super::registry::{Deferred, Pages, Sharing};
use super::stream::{
    Incomplete, Origin, PageReport, ReportedCursor, RestoredBy, Stream, SubscribedBy,
};
use crate::log::Cursor;
use crate::topic::{
    AfterUnlock, EventPlan, HasHistory, Replay, Subscribable, TopicKey, TopicRef, TopicValue,
};

/// Why `init` of a handler with `attach: page` runs, and what the page has received.
///
/// A page whose connection was lost for longer than its grace time, or whose handler has ended,
/// gets another handler. With this argument, `init` continues the page's topics:
/// [`subscribe`](Self::subscribe) sends exactly the messages that the page has not received. If that
/// is possible for all of them, and nothing else that was accepted for the page is lost, the page
/// gets no reset and continues. Otherwise it gets a reset, and the topics begin again.
///
/// So only take this argument if `init` restores everything that the page needs; a handler that
/// does not take it makes the page load its state again.
///
/// Subscribe with [`Resumed::subscribe`] to all topics with a history. A page that is subscribed to
/// another topic by [`Page::subscribe`](super::Page::subscribe) gets a reset when it returns, unless
/// the topic is `relay: live`.
///
/// ```
/// use ws_server::page::Resumed;
/// use ws_server::prelude::*;
///
/// topics! {
///     pub Room: "room/{id: u64}" => String { history: 100, keep: 10m };
/// }
///
/// /// A page that shows a room.
/// struct Chat { room: Room }
///
/// #[ws_handler]
/// impl Chat {
///     fn init(Path(id): Path<u64>, resumed: Resumed) -> Result<Self, Refusal> {
///         let room = Room(id);
///         // A new page begins with the last 50 messages, one that returns gets what it missed.
///         resumed.subscribe("said", room.replay(50))?;
///         Ok(Chat { room })
///     }
///
///     fn message(&mut self, text: String, hub: &Hub) {
///         hub.publish(&self.room, &text);
///     }
/// }
///
/// dispatch! {
///     struct Routes;
///
///     chat: "/rooms/{id: u64}" => Chat { attach: page };
/// }
/// # assert_eq!(Room(7).name(), "room/7");
/// ```
#[derive(Clone)]
pub struct Resumed(Arc<PageResume>);

/// Why `init` of a page's handler runs.
///
/// ```
/// use ws_server::page::{Resumed, ResumeReason};
///
/// /// Whether the page needs a greeting.
/// fn is_new(resumed: &Resumed) -> bool {
///     resumed.reason() == ResumeReason::New
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ResumeReason {
    /// The page has just been rendered, and has received no message of a topic.
    New,
    /// The page has returned, and its topics continue behind the last message that it has received.
    Continued,
    /// The same, but it comes from another server, where it had another handler.
    Moved,
    /// The page has returned, and messages are lost or it is not known what it has received: it
    /// gets a reset.
    Lost,
}

/// A topic that a page can continue: one with a history, or its [`Replay`].
///
/// ```
/// use ws_server::page::{PageSubscribeError, Resumable, Resumed};
///
/// fn follow(resumed: &Resumed, topic: impl Resumable) -> Result<(), PageSubscribeError> {
///     resumed.subscribe("news", topic)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a page cannot continue `{Self}`",
    label = "not a topic with a history",
    note = "pass a reference to a topic with `history: 100, keep: 10m` in `topics!`, or its `replay(n)`"
)]
pub trait Resumable {
    #[doc(hidden)]
    type Plan: Subscribable;

    #[doc(hidden)]
    fn resumable(self) -> Self::Plan;
}

impl<D: HasHistory> Resumable for &D {
    type Plan = TopicRef<D::Value>;

    fn resumable(self) -> TopicRef<D::Value> {
        TopicRef::of(self)
    }
}

impl<T: TopicValue> Resumable for Replay<T> {
    type Plan = Self;

    fn resumable(self) -> Self {
        self
    }
}

impl Resumed {
    pub(crate) fn take_over(resume: &Arc<PageResume>) -> Self {
        resume.lock().is_taken_over = true;
        Self(resume.clone())
    }

    /// Why `init` runs. It becomes [`Lost`](ResumeReason::Lost) if a topic cannot be continued.
    pub fn reason(&self) -> ResumeReason {
        self.0.lock().reason
    }

    /// Pushes everything published to the topic to the page, as events of this name, like
    /// [`Page::subscribe`](super::Page::subscribe).
    ///
    /// A page that has returned gets exactly the messages behind the last one that it has received.
    /// A new page gets those since it was rendered, or the last ones of a
    /// [`replay`](crate::topic::DeclaredTopic::replay). If a message is missing, the page gets a
    /// reset, and all topics of this `Resumed` begin with their replay or with the next message.
    ///
    /// # Errors
    ///
    /// [`PageSubscribeError`] if the page has ended or has too many subscriptions.
    pub fn subscribe<T: Resumable>(&self, event: &str, topic: T) -> Result<(), PageSubscribeError> {
        self.0.subscribe(EventPlan::new(event, topic.resumable()))
    }
}

impl fmt::Debug for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resumed").field(&self.reason()).finish()
    }
}

/// What a page reports when it connects.
#[derive(Clone, Debug)]
pub(crate) struct PageReturn {
    pub(crate) report: PageReport,
    /// The cursor of the page, if that is valid.
    pub(crate) cursor: Option<Arc<Cursor>>,
}

/// The return of a page to a stream without a handler.
pub(crate) struct PageResume {
    pages: Arc<Pages>,
    stream: Arc<Stream>,
    by: RestoredBy,
    reported: Option<ReportedCursor>,
    /// What a page that comes from another server reports.
    #[cfg(feature = "cluster")]
    moved: Option<PageReport>,
    cursor: Option<Arc<Cursor>>,
    state: Mutex<ResumeState>,
}

struct ResumeState {
    reason: ResumeReason,
    /// `init` has taken the argument, and restores the page.
    is_taken_over: bool,
    /// The topics that continue.
    continued: Vec<EventPlan>,
    /// Set until all topics are subscribed.
    incomplete: Option<Incomplete>,
}

impl PageResume {
    pub(crate) fn new(
        pages: &Arc<Pages>,
        stream: &Arc<Stream>,
        page: &PageReturn,
        by: RestoredBy,
    ) -> Self {
        let incomplete = Some(stream.begin_incomplete());
        // A page that was rendered by another server has no handler there yet: any `init` is right.
        #[cfg(feature = "cluster")]
        let by = if pages.is_shared() && page.report.is_first() {
            RestoredBy::Session
        } else {
            by
        };
        let position = page.report.position;
        let came_from = |it: &ReportedCursor| pages.came_from(stream, it, position, by);
        let origin = page.report.cursor.as_ref().and_then(came_from);
        let origin = origin.filter(|origin| {
            let cursor = page.report.cursor.as_ref().zip(page.cursor.as_ref());
            cursor.is_some_and(|(reported, cursor)| {
                pages.begin_behind(stream, *origin, reported, cursor)
            })
        });
        let reported = page.report.cursor.filter(|_| origin.is_some());
        let cursor = page.cursor.as_ref().filter(|_| reported.is_some());
        let reason = match reported {
            Some(reported) if reported.is_empty => ResumeReason::New,
            Some(_) if origin == Some(Origin::Elsewhere) => ResumeReason::Moved,
            Some(_) => ResumeReason::Continued,
            None if stream.is_unknown_to(position) => ResumeReason::Lost,
            None => ResumeReason::New,
        };
        Self {
            pages: pages.clone(),
            stream: stream.clone(),
            by,
            reported,
            #[cfg(feature = "cluster")]
            moved: (origin == Some(Origin::Elsewhere)).then_some(page.report),
            cursor: cursor.cloned(),
            state: Mutex::new(ResumeState {
                reason,
                is_taken_over: false,
                continued: Vec::new(),
                incomplete,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ResumeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, plan: EventPlan) -> Result<(), PageSubscribeError> {
        let mut state = self.lock();
        let cursor = self.cursor.as_ref();
        let behind = match state.reason {
            ResumeReason::New if plan.is_replay() => None,
            ResumeReason::New | ResumeReason::Continued | ResumeReason::Moved => {
                cursor.map(|it| plan.behind(it))
            }
            ResumeReason::Lost => None,
        };
        let Some(behind) = behind else {
            let added = self.add(&plan);
            drop(state);
            added?.finish(plan.topic.key.name());
            return Ok(());
        };
        match self.add(&behind) {
            Err(PageSubscribeError::Since(_)) => {}
            added => {
                let key = plan.topic.key.clone();
                state.continued.push(plan);
                drop(state);
                added?.finish(key.name());
                return Ok(());
            }
        }
        // What the page has got of the other topics is not enough either: it loads its state again.
        state.reason = ResumeReason::Lost;
        let mut continued = std::mem::take(&mut state.continued);
        for plan in &continued {
            self.remove(&plan.topic.key);
        }
        self.stream.lose();
        continued.push(plan);
        let mut added = Deferred::default();
        for plan in continued {
            let after_unlock = self.add(&plan)?;
            added.push(plan.topic.key, after_unlock);
        }
        drop(state);
        added.finish();
        Ok(())
    }

    fn add(&self, plan: &EventPlan) -> Result<AfterUnlock, PageSubscribeError> {
        let loss = Loss::of_continuing(plan);
        let added = self.pages.subscribe_stream(
            &self.stream,
            plan,
            (SubscribedBy::Page, Sharing::Here),
            loss,
        );
        Ok(added?)
    }

    fn remove(&self, topic: &TopicKey) {
        self.pages
            .unsubscribe_stream(&self.stream, topic, (SubscribedBy::Page, Sharing::Here));
    }

    /// Decides whether the page continues without a reset, after `init` or without a handler.
    pub(crate) fn decide(&self) {
        self.continue_stream();
        self.lock().incomplete = None;
        self.pages.settle_places(&self.stream);
    }

    fn continue_stream(&self) {
        let state = self.lock();
        let (Some(reported), Some(cursor)) = (self.reported, &self.cursor) else {
            return;
        };
        // The epoch of the page goes on.
        if self.stream.has_stamp(reported.stamp) {
            return;
        }
        let is_restored = self.by == RestoredBy::Session || state.is_taken_over;
        if state.reason == ResumeReason::Lost || !is_restored {
            return;
        }
        drop(state);
        // It has reported the same before, and what it has missed is in the queue.
        if self.stream.has_continued(&reported) {
            return;
        }
        // Only now, because an `init` that does not restore the page gives it another epoch.
        #[cfg(feature = "cluster")]
        if let Some(moved) = &self.moved {
            self.stream.take_over(moved);
        }
        let is_empty = reported.is_empty;
        match self
            .pages
            .continue_session_topics(&self.stream, cursor, is_empty)
        {
            Ok(()) => {
                let places = self.pages.places();
                self.stream.set_continuation(reported, cursor, places);
            }
            Err(_) => self.stream.lose(),
        }
    }
}

impl fmt::Debug for PageResume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageResume(…)")
    }
}
