//! Notices about pages that the log must take: they wait for room, and are logged again until it has
//! them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::Notify;

use super::Pages;
use super::notice::PageNotice;
use crate::log::shared::NoticeKind;
use crate::throttle::LogThrottle;

/// Notices in the queue of the first lane at the same time. The log takes 64 of them in one entry.
const MAX_IN_FLIGHT: usize = 1_024;

/// Notices that wait for those: more than a server has pages, each with its last notice.
const MAX_WAITING: usize = 262_144;

/// The notices that the log does not have yet.
#[derive(Default)]
pub(super) struct UnloggedNotices {
    state: Mutex<State>,
    changed: Notify,
    throttle: LogThrottle,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    waiting: VecDeque<Bytes>,
}

/// There are too many notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoRoom;

impl UnloggedNotices {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds a notice. Returns it if it can be logged now.
    fn add(&mut self, notice: Bytes) -> Result<Option<Bytes>, NoRoom> {
        if self.in_flight < MAX_IN_FLIGHT {
            self.in_flight += 1;
            return Ok(Some(notice));
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err(NoRoom);
        }
        self.waiting.push_back(notice);
        Ok(None)
    }

    /// The log has one of them. Returns the next one.
    fn logged(&mut self) -> Option<Bytes> {
        let next = self.waiting.pop_front();
        self.in_flight -= usize::from(next.is_none());
        next
    }
}

impl Pages {
    /// Logs a notice, again until the log has it.
    pub(super) fn log_until_accepted(&self, notice: &PageNotice) -> Result<(), NoRoom> {
        let added = self.unlogged.lock().add(notice.to_bytes());
        match added {
            Ok(Some(notice)) => self.log_unlogged(notice),
            Ok(None) => {}
            Err(NoRoom) => {
                if let Some(count) = self.unlogged.throttle.count() {
                    let limit = MAX_WAITING;
                    tracing::error!(limit, count, "notices about pages are lost");
                }
                return Err(NoRoom);
            }
        }
        Ok(())
    }

    fn log_unlogged(&self, notice: Bytes) {
        let Some(shared) = self.topics.shared() else {
            return;
        };
        let pages: Weak<Self> = self.weak_self.clone();
        let content = notice.clone();
        // Called after `publish_timeout` at the latest, without any lock.
        let ticket = Box::new(move |outcome: Result<_, _>| {
            let Some(pages) = pages.upgrade() else {
                return;
            };
            let next = match outcome {
                Ok(_) => pages.unlogged.lock().logged(),
                Err(_) => Some(notice),
            };
            match next {
                Some(next) => pages.log_unlogged(next),
                None => pages.unlogged.changed.notify_waiters(),
            }
        });
        shared
            .node()
            .push_notice_once(NoticeKind::Page, content, ticket);
    }

    /// Waits until the log has all notices about pages.
    pub(crate) async fn all_logged(&self) {
        loop {
            let mut changed = std::pin::pin!(self.unlogged.changed.notified());
            changed.as_mut().enable();
            if self.unlogged.lock().in_flight == 0 {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_wait_for_room_in_their_order_and_the_last_ones_have_none() {
        let mut state = State::default();
        let notice = |number: usize| Bytes::from(number.to_string());
        for number in 0..MAX_IN_FLIGHT {
            assert_eq!(state.add(notice(number)), Ok(Some(notice(number))));
        }
        for number in 0..MAX_WAITING {
            assert_eq!(state.add(notice(number)), Ok(None));
        }
        assert_eq!(state.add(notice(0)), Err(NoRoom));
        for number in 0..MAX_WAITING {
            assert_eq!(state.logged(), Some(notice(number)));
        }
        assert_eq!(state.in_flight, MAX_IN_FLIGHT);
        for _ in 0..MAX_IN_FLIGHT {
            assert_eq!(state.logged(), None);
        }
        assert_eq!(state.in_flight, 0);
    }

    #[cfg(feature = "test-kit")]
    #[tokio::test(start_paused = true)]
    async fn a_page_whose_anchor_has_no_room_gets_one_with_its_next_subscription() {
        let cluster = crate::testkit::Cluster::new(1).await;
        let rendered = cluster.node(0).visitor().await.page();
        let pages = rendered.pages();
        let id = rendered.id().into();
        let stream = pages.open(&id, rendered.owner(), None).unwrap();
        while pages.unlogged.lock().add(Bytes::new()).is_ok() {}
        pages.anchor(&stream);
        assert!(stream.anchor(), "the others do not know of it");
    }
}
