//! Applies what was read from a shared log to the state of a hub.

use std::sync::{Arc, Weak};

use super::super::{Hub, HubShared};
use super::disconnect::DisconnectNotice;
use crate::log::shared::{
    AfterLane, Apply, Author, Event, Incarnation, Lag, Node, NoticeKind, Record, RecordedMember,
    ResetReason,
};
use crate::log::{Lane, Position};
use crate::presence::event::Freshness;
use crate::session::SessionNotice;
use crate::topic::{Burst, SharedLog};

/// The state of a hub. The node does not keep the hub alive.
pub(super) struct HubState(pub(super) Weak<HubShared>);

impl HubState {
    fn hub(&self) -> Option<Hub> {
        let inner = self.0.upgrade()?;
        Some(Hub { inner })
    }

    fn with_node(&self, run: impl FnOnce(&Hub, &Arc<Node>)) {
        if let Some(hub) = self.hub()
            && let Some(shared) = hub.topics().shared()
        {
            run(&hub, shared.node());
        }
    }
}

impl Apply for HubState {
    fn apply(&self, event: &Event<'_>, author: Author) -> AfterLane {
        let hub = self.hub()?;
        let (topics, presence) = (hub.topics(), hub.presence());
        let shared = topics.shared()?;
        match event {
            Event::Message { at, message, .. } if message.topic.is_address() => {
                hub.inner.pages.push_read(message, *at)
            }
            Event::Message { at, message, .. } => topics.deliver_read(message, Some(*at), author),
            Event::Relayed { message, .. } if author == Author::Another => {
                topics.deliver_read(message, None, author)
            }
            Event::Record {
                at,
                author: incarnation,
                record,
            } => match record {
                Record::Member { kind, content } => {
                    let by = (*incarnation, author);
                    presence.apply_read(shared.node(), (*kind, content), *at, by)
                }
                Record::Cleared => Some(presence.clear_read(shared.node(), *incarnation, *at)),
                Record::Notice {
                    kind: NoticeKind::Subscription,
                    content,
                } => {
                    let pages = &hub.inner.pages;
                    let read = pages.subscription_read(content, author, *incarnation);
                    read.unwrap_or_else(|_| skip_record(shared.node()))
                }
                Record::Notice {
                    kind: NoticeKind::Post,
                    content,
                } => {
                    let read = hub.post_read(content, *incarnation, at.lane, shared.node());
                    read.unwrap_or_else(|_| skip_record(shared.node()))
                }
                Record::Notice { kind, content } => {
                    hub.notice_read((*kind, content), *at, author, shared)
                }
                // Another server has lost what was in this lane.
                Record::Recall if at.lane == Lane::CONTROL => {
                    Some(Box::new(move || hub.repeat_disconnects()))
                }
                Record::Message(_) | Record::Recall | Record::Died(_) | Record::Unknown => None,
            },
            Event::Reset { at, reason } => {
                let reason = *reason;
                presence.reset_lane(at.lane);
                hub.inner.posts.reset_lane(at.lane);
                let interrupted = topics.reset_lane(shared, at.lane);
                if at.lane != Lane::CONTROL {
                    return interrupted;
                }
                let pages = hub.inner.pages.clone();
                if reason != ResetReason::Uncertain {
                    pages.subscriptions_lost();
                }
                Some(Box::new(move || {
                    pages.pushes_lost();
                    if let Some(interrupt) = interrupted {
                        interrupt();
                    }
                    hub.notices_lost(reason);
                }))
            }
            _ => None,
        }
    }

    fn burst(&self, apply: &mut dyn FnMut()) {
        let _burst = Burst::open();
        apply();
    }

    fn load_members(&self, members: Vec<RecordedMember>) {
        if let Some(hub) = self.hub() {
            let is_common = |member: &RecordedMember| member.node == Incarnation::NONE;
            let (common, members): (Vec<_>, Vec<_>) = members.into_iter().partition(is_common);
            hub.presence().load_members(&members);
            hub.inner.pages.load_subscriptions(&common);
        }
    }

    fn died(&self, dead: Incarnation) {
        self.with_node(|hub, node| {
            hub.presence().died(node, dead);
            hub.inner.pages.subscriber_died(dead);
            hub.inner.posts.node_died(dead);
        });
    }

    fn announce(&self, lane: Lane) {
        self.with_node(|hub, node| hub.presence().announce(node, lane));
        if lane == Lane::CONTROL
            && let Some(hub) = self.hub()
        {
            hub.inner.pages.announce_subscriptions();
        }
    }

    fn beat(&self) {
        if let Some(hub) = self.hub() {
            let idle = hub.sessions().limits().idle;
            hub.inner.pages.check_subscriptions(idle);
        }
    }

    fn set_lag(&self, lane: Lane, lag: Lag) {
        let freshness = match lag {
            Lag::None => Freshness::Current,
            Lag::Stale => Freshness::Stale,
        };
        self.with_node(|hub, node| hub.presence().set_freshness(node, lane, freshness));
    }

    fn connections(&self) -> u64 {
        let hub = self.hub();
        let count = hub.map_or(0, |hub| hub.connection_count());
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    fn fail_closed(&self) {
        if let Some(hub) = self.hub() {
            hub.fail_closed();
        }
    }
}

/// A record that cannot be read is probably of a later version.
fn skip_record(node: &Node) -> AfterLane {
    node.skip_record();
    None
}

impl Hub {
    /// Notices of this lane are lost: those of other servers may have ended sessions, and others may not
    /// have got those of this one.
    fn notices_lost(&self, reason: ResetReason) {
        if reason == ResetReason::Uncertain {
            return;
        }
        self.sessions().notices_lost();
        self.repeat_disconnects();
    }

    /// Applies a notice after the lane is unlocked: closing a connection may run code of the
    /// application.
    fn notice_read(
        &self,
        (kind, content): (NoticeKind, &[u8]),
        at: Position,
        author: Author,
        shared: &SharedLog,
    ) -> AfterLane {
        let hub = self.clone();
        match kind {
            // It had its effect here before it was logged.
            NoticeKind::Session if author == Author::This => None,
            NoticeKind::Session => {
                let Some(notice) = SessionNotice::read(content) else {
                    return skip_record(shared.node());
                };
                Some(Box::new(move || hub.sessions().apply(notice)))
            }
            NoticeKind::Page => hub.inner.pages.notice_read(content, at, author),
            // The node has done it, or it was applied already.
            NoticeKind::Leaving | NoticeKind::Subscription | NoticeKind::Post => None,
            NoticeKind::PostOutcome => match hub.post_outcome_read(content, shared.node()) {
                Ok(()) => None,
                Err(_) => skip_record(shared.node()),
            },
            NoticeKind::Disconnect => {
                let Some(notice) = DisconnectNotice::read(content) else {
                    return skip_record(shared.node());
                };
                Some(Box::new(move || hub.disconnect_once(&notice)))
            }
        }
    }
}

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::log::shared::Repeat;
    use crate::testkit::Cluster;

    #[tokio::test(start_paused = true)]
    async fn records_with_the_content_of_a_later_version_are_skipped_and_counted() {
        let cluster = Cluster::new(2).await;
        let hub = cluster.node(0).hub();
        let node = hub.topics().shared().unwrap().node();
        let later = || r#"{"moved":{"planet":"mars"}}"#.into();
        let kinds = [
            NoticeKind::Session,
            NoticeKind::Disconnect,
            NoticeKind::Subscription,
        ];
        for kind in kinds {
            node.push_notice(kind, later(), Repeat::UntilAccepted);
        }
        let content = later();
        node.push_member(Lane(3), Record::Member { kind: 2, content });
        cluster.settle().await;
        // Its own session notices had their effect before.
        for (node, skipped) in [(0, 3), (1, 4)] {
            let view = cluster.node(node).hub().cluster().unwrap();
            assert_eq!(view.skipped, skipped, "node {node}");
        }
    }
}
