//! When the topics of a hub have something to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Topics in the order of their times, and whether the task that serves them is running.
pub(super) struct Agenda<T> {
    state: Mutex<AgendaState<T>>,
    /// Notified when a topic is due earlier than all others.
    earlier: Arc<Notify>,
}

struct AgendaState<T> {
    /// The number of a topic makes its entry unique.
    due: BTreeMap<(Instant, u64), Weak<T>>,
    is_running: bool,
}

/// The next step of the task.
pub(super) enum AgendaStep<T> {
    /// The time of this topic has come.
    Due(Arc<T>),
    /// The first topic is due at this time, or earlier after a notification.
    At(Instant, Arc<Notify>),
    /// No topic waits: the task ends.
    Never,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        let state = AgendaState {
            due: BTreeMap::new(),
            is_running: false,
        };
        Self {
            state: Mutex::new(state),
            earlier: Arc::default(),
        }
    }
}

impl<T> Agenda<T> {
    /// No code of the application runs under the lock.
    fn lock(&self) -> MutexGuard<'_, AgendaState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a topic from one time to another; `None` if it has nothing to do.
    pub(super) fn reschedule(
        &self,
        topic: &Arc<T>,
        number: u64,
        from: Option<Instant>,
        to: Option<Instant>,
    ) {
        let mut state = self.lock();
        if let Some(from) = from {
            state.due.remove(&(from, number));
        }
        let Some(to) = to else {
            return;
        };
        state.due.insert((to, number), Arc::downgrade(topic));
        let is_first = state.due.first_key_value().map(|(key, _)| *key) == Some((to, number));
        drop(state);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Marks the task as running. Returns false if it was running already, or has nothing to do.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.lock();
        !state.due.is_empty() && !std::mem::replace(&mut state.is_running, true)
    }

    /// Marks the task as stopped although topics still wait.
    pub(super) fn stop(&self) {
        self.lock().is_running = false;
    }

    /// Takes the next topic that is due. If none waits, the task is marked as stopped.
    pub(super) fn next(&self, now: Instant) -> AgendaStep<T> {
        let mut state = self.lock();
        loop {
            let Some(first) = state.due.first_entry() else {
                state.is_running = false;
                return AgendaStep::Never;
            };
            let at = first.key().0;
            if at > now {
                return AgendaStep::At(at, self.earlier.clone());
            }
            if let Some(topic) = first.remove().upgrade() {
                return AgendaStep::Due(topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(agenda: &Agenda<u64>, now: Instant) -> Result<u64, Option<Instant>> {
        match agenda.next(now) {
            AgendaStep::Due(topic) => Ok(*topic),
            AgendaStep::At(at, _) => Err(Some(at)),
            AgendaStep::Never => Err(None),
        }
    }

    #[test]
    fn topics_are_due_in_the_order_of_their_times() {
        let (agenda, now) = (Agenda::default(), Instant::now());
        let seconds = |seconds| now + Duration::from_secs(seconds);
        let topics: Vec<Arc<u64>> = (0..4).map(Arc::new).collect();
        for (topic, due) in topics.iter().zip([2, 1, 1, 3]) {
            agenda.reschedule(topic, **topic, None, Some(seconds(due)));
        }
        agenda.reschedule(&topics[3], 3, Some(seconds(3)), Some(seconds(1)));
        agenda.reschedule(&topics[1], 1, Some(seconds(1)), None);
        assert_eq!(at(&agenda, now), Err(Some(seconds(1))));
        assert_eq!(at(&agenda, seconds(1)), Ok(2));
        assert_eq!(at(&agenda, seconds(1)), Ok(3));
        assert_eq!(at(&agenda, seconds(1)), Err(Some(seconds(2))));
        drop(topics);
        assert_eq!(at(&agenda, seconds(2)), Err(None));
    }

    #[test]
    fn one_task_runs_while_a_topic_waits() {
        let (agenda, now) = (Agenda::default(), Instant::now());
        assert!(!agenda.begin(), "there is nothing to do");
        let topic = Arc::new(1);
        agenda.reschedule(&topic, 1, None, Some(now));
        assert!(agenda.begin());
        assert!(!agenda.begin());
        agenda.stop();
        assert!(agenda.begin());
        assert_eq!(at(&agenda, now), Ok(1));
        assert_eq!(at(&agenda, now), Err(None));
        agenda.reschedule(&topic, 1, None, Some(now));
        assert!(agenda.begin(), "the task has ended");
    }

    #[tokio::test]
    async fn the_task_is_notified_of_an_earlier_time_only() {
        let (agenda, now) = (Agenda::default(), Instant::now());
        let seconds = |seconds| now + Duration::from_secs(seconds);
        let topics = [Arc::new(1), Arc::new(2)];
        agenda.reschedule(&topics[0], 1, None, Some(seconds(2)));
        let AgendaStep::At(_, earlier) = agenda.next(now) else {
            panic!("a topic waits");
        };
        earlier.notified().await;
        agenda.reschedule(&topics[1], 2, None, Some(seconds(3)));
        assert_eq!(
            futures::poll!(std::pin::pin!(earlier.notified())),
            std::task::Poll::Pending
        );
        agenda.reschedule(&topics[1], 2, Some(seconds(3)), Some(seconds(1)));
        earlier.notified().await;
    }
}
