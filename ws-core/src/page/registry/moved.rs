//! Builds the stream of a page that comes from another server: from the log, behind its cursor.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::pushes::{PushTo, Read, read};
use super::{Pages, SharedLog};
use crate::log::shared::{OpenedLane, PositionedMessage};
use crate::log::{Cursor, Lane, Position, TopicName};
use crate::page::base::MAX_CURSOR_TEXT;
use crate::page::queue::{Loss, QueuedPush};
use crate::page::stream::{PageReport, ReportedCursor, Stream};
use crate::session::{Session, SessionGeneration};
use crate::wire::parse_places;

/// How long a page waits until this server has read as much of the log as it has received.
const MAX_LAG: Duration = Duration::from_secs(3);

/// What was sent to a page behind its cursor is no longer known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Forgotten;

impl Pages {
    /// Waits until this server has read what the cursor of a page covers, for a short time.
    pub(in crate::page) async fn reach(
        &self,
        page: &str,
        session: SessionGeneration,
        base: &str,
        places: &str,
    ) {
        let Some(shared) = self.topics.shared() else {
            return;
        };
        let base = self.base_keys.open(base, page, session.id).ok();
        let places = Some(places).filter(|it| it.len() <= MAX_CURSOR_TEXT);
        let places = places.and_then(|it| parse_places(it, super::cursors::MAX_PLACES).ok());
        let (Some(base), Some(places)) = (base, places) else {
            return;
        };
        let deadline = Instant::now() + MAX_LAG;
        let node = shared.node();
        let known = base.cursor.positions().map(|begin| {
            let place = places.iter().find(|it| it.lane == begin.lane.0);
            let place = place.and_then(|it| it.place);
            let offset = place.map_or(begin.offset, Into::into);
            Position { offset, ..begin }
        });
        for position in known.filter(|it| it.lane.index() < node.lane_count()) {
            let _ = timeout_at(deadline, node.reached(position)).await;
        }
    }

    /// Ends a stream that the script of its page has left for another server: this one has not read
    /// the claim of that yet. Returns whether it has ended.
    pub(crate) fn end_if_left(&self, stream: &Arc<Stream>, report: &PageReport) -> bool {
        let is_left = report.cursor.is_some_and(|cursor| {
            self.is_shared() && !self.is_own(cursor.stamp.number) && stream.is_left(report, &cursor)
        });
        if is_left {
            let follow_up = stream.end_superseded(&report.attempt());
            self.follow_up(stream, follow_up);
        }
        is_left
    }

    /// Whether the stream of another server, to which a cursor belongs, continues as this one.
    pub(super) fn comes_from_elsewhere(&self, stream: &Stream, cursor: &ReportedCursor) -> bool {
        self.is_shared() && !self.is_own(cursor.stamp.number) && stream.can_begin_with(cursor)
    }

    /// Pushes may be missing: no page gets a later one as if nothing had happened. Called without any
    /// lock.
    pub(crate) fn pushes_lost(&self) {
        let streams: Vec<_> = self.index().pages.values().cloned().collect();
        for stream in &streams {
            stream.lose();
        }
    }

    /// Queues all pushes to a page behind its cursor again: those that it has not received may wait
    /// in the queue of another server. What waits here is among them.
    pub(super) fn queue_pushes_behind(
        &self,
        shared: &SharedLog,
        stream: &Arc<Stream>,
        cursor: &Cursor,
    ) -> Result<(), Forgotten> {
        if stream.was_attached() {
            // Another connection of the page has begun it already, behind another cursor.
            return Err(Forgotten);
        }
        // Subscriptions of an `init` that has failed: their messages wait among the others.
        for subscription in stream.topics().begin() {
            drop(self.topics.unsubscribe(subscription));
        }
        let from = cursor.position(Lane::CONTROL).ok_or(Forgotten)?;
        let session = stream.session();
        shared.node().with_lane(Lane::CONTROL, |opened| {
            let opened = opened.ok_or(Forgotten)?;
            // This server cannot know what was before.
            let is_known = opened.start() <= from
                && !self.anchors.may_hold(stream.id(), from.offset)
                && !self.ended.may_have_lost(from.offset);
            if !is_known {
                return Err(Forgotten);
            }
            let pushes = Self::pushes_behind(opened, from, stream.id(), &session)?;
            stream.begin_with(pushes);
            Ok(())
        })
    }

    /// The pushes to a page and its visitor behind a position, in their order.
    fn pushes_behind(
        opened: &OpenedLane,
        from: Position,
        page: &str,
        session: &Session,
    ) -> Result<Vec<QueuedPush>, Forgotten> {
        let user = session.user().map(|user| PushTo::User(user).topic());
        let addresses = [
            PushTo::Page(page),
            PushTo::Session(session.id()),
            PushTo::All,
        ];
        let addresses = addresses.map(PushTo::topic).into_iter().chain(user);
        let mut found: Vec<PositionedMessage> = Vec::new();
        for topic in addresses {
            let topic: TopicName = topic;
            let messages = opened.since(&topic, from, None, Instant::now());
            found.extend(messages.map_err(|_| Forgotten)?);
        }
        found.sort_unstable_by_key(|it| it.at.offset);
        let mut pushes = Vec::new();
        for PositionedMessage { at, message } in found {
            let Some(Read { renewals, push }) = read(&message) else {
                continue;
            };
            if renewals > session.renewals() {
                // It was sent after a logon that the page does not know.
                return Err(Forgotten);
            }
            if renewals > 0 && renewals < session.renewals() {
                continue;
            }
            // Other messages of the lane may follow.
            let push = push.at(at.place_in_replay(false));
            pushes.push(QueuedPush::for_one(&push).with_loss(Loss::IsHarmless));
        }
        Ok(pushes)
    }

    /// The ends of the lanes, if every subscriber of this server has received everything up to
    /// there.
    pub(super) fn shared_places(&self) -> Option<Cursor> {
        let shared = self.topics.shared()?;
        let is_complete = !shared.has_waiting();
        is_complete.then(|| self.topics.heads())
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests;
