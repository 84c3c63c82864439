//! The order in which pages without a socket end.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use super::stream::Stream;

/// Pages that end unless a socket connects, and whether the task that ends them is running.
#[derive(Default)]
pub(super) struct Reaper {
    state: Mutex<ReaperState>,
}

#[derive(Default)]
struct ReaperState {
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    streams: HashMap<u64, Weak<Stream>>,
    last: u64,
    runs: bool,
}

/// The next step of the task.
pub(super) enum ReaperStep {
    /// The deadline of this page has passed.
    Due(Arc<Stream>),
    /// The first page is due at this time.
    At(Instant),
    /// No page waits: the task ends.
    Never,
}

impl Reaper {
    /// No code that can panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, ReaperState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a page that is due at this time. If more than `max_waiting` pages wait after that, returns
    /// those that have waited longest; they are no longer watched.
    pub(super) fn watch(
        &self,
        stream: &Arc<Stream>,
        at: Instant,
        max_waiting: usize,
    ) -> Vec<Arc<Stream>> {
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        state.due.push(Reverse((at, number)));
        state.streams.insert(number, Arc::downgrade(stream));
        if state.due.len() > max_waiting {
            state.make_room(max_waiting)
        } else {
            Vec::new()
        }
    }

    /// Marks the task as running. Returns false if it was running already.
    pub(super) fn begin(&self) -> bool {
        !std::mem::replace(&mut self.lock().runs, true)
    }

    /// Marks the task as stopped although pages still wait.
    pub(super) fn stop(&self) {
        self.lock().runs = false;
    }

    /// Takes the next page that is due. If none waits, the task is marked as stopped.
    pub(super) fn next(&self, now: Instant) -> ReaperStep {
        let mut state = self.lock();
        loop {
            let Some(Reverse((at, _))) = state.due.peek().copied() else {
                state.runs = false;
                return ReaperStep::Never;
            };
            if at > now {
                return ReaperStep::At(at);
            }
            let stream = state.take_first();
            if let Some(stream) = stream.and_then(|stream| stream.upgrade()) {
                return ReaperStep::Due(stream);
            }
        }
    }
}

impl ReaperState {
    /// Removes pages that no longer wait. If there are still too many, returns those that have
    /// waited longest: several at once, so that this does not happen for every page. Pages without
    /// a session come first, since anyone can begin them.
    fn make_room(&mut self, max_waiting: usize) -> Vec<Arc<Stream>> {
        let streams = &mut self.streams;
        let mut waiting = Vec::new();
        self.due.retain(|Reverse(key)| {
            let stream = streams.get(&key.1).and_then(Weak::upgrade);
            let stream = stream.filter(|stream| stream.is_waiting());
            match &stream {
                Some(stream) => waiting.push((!stream.is_anonymous(), *key)),
                None => drop(streams.remove(&key.1)),
            }
            stream.is_some()
        });
        if waiting.len() <= max_waiting {
            return Vec::new();
        }
        waiting.sort_unstable();
        waiting.truncate((max_waiting / 8).max(1));
        let evicted: HashMap<_, _> = waiting
            .into_iter()
            .filter_map(|(_, (_, number))| Some((number, streams.remove(&number)?)))
            .collect();
        self.due
            .retain(|Reverse((_, number))| !evicted.contains_key(number));
        evicted
            .into_values()
            .filter_map(|it| it.upgrade())
            .collect()
    }

    /// Takes the page that is due first.
    fn take_first(&mut self) -> Option<Weak<Stream>> {
        let Reverse((_, number)) = self.due.pop()?;
        self.streams.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::PageLimits;
    use crate::page::budget::Budget;
    use crate::page::stream::StreamOrigin;
    use crate::session::{Session, SessionId, Sessions};

    async fn new_stream() -> Arc<Stream> {
        let (session, _) = Sessions::default().begin().await.unwrap();
        stream_of(session)
    }

    fn stream_of(session: Session) -> Arc<Stream> {
        let budget = Budget::new(usize::MAX);
        let stream = Stream::new(
            "page".into(),
            session,
            PageLimits::DEFAULT,
            &budget,
            StreamOrigin::only(),
        );
        Arc::new(stream.unwrap())
    }

    /// The page that is due now.
    fn due(reaper: &Reaper, now: Instant) -> Option<Arc<Stream>> {
        match reaper.next(now) {
            ReaperStep::Due(stream) => Some(stream),
            ReaperStep::At(_) | ReaperStep::Never => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn live_pages_are_due_in_the_order_of_their_times() {
        let reaper = Reaper::default();
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        let [second, gone, first] = [new_stream().await, new_stream().await, new_stream().await];
        for (stream, seconds) in [(&second, 2), (&gone, 1), (&first, 1)] {
            assert!(reaper.watch(stream, at(seconds), 10).is_empty());
        }
        drop(gone);
        assert!(matches!(reaper.next(at(0)), ReaperStep::At(next) if next == at(1)));
        assert!(due(&reaper, at(1)).is_some_and(|it| Arc::ptr_eq(&it, &first)));
        assert!(matches!(reaper.next(at(1)), ReaperStep::At(next) if next == at(2)));
        assert!(due(&reaper, at(2)).is_some_and(|it| Arc::ptr_eq(&it, &second)));
        assert!(matches!(reaper.next(at(9)), ReaperStep::Never));
    }

    #[tokio::test(start_paused = true)]
    async fn one_task_runs_at_a_time_until_it_has_nothing_to_watch() {
        let reaper = Reaper::default();
        assert!(reaper.begin());
        assert!(!reaper.begin());
        reaper.stop();
        assert!(reaper.begin());
        assert!(matches!(reaper.next(Instant::now()), ReaperStep::Never));
        assert!(reaper.begin(), "the task has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn pages_above_the_limit_end_in_the_order_of_their_times() {
        let reaper = Reaper::default();
        let mut streams = Vec::new();
        for seconds in [3, 1, 2] {
            let stream = new_stream().await;
            let at = Instant::now() + Duration::from_secs(seconds);
            let evicted = reaper.watch(&stream, at, 2);
            streams.push(stream);
            match &evicted[..] {
                [] => assert_ne!(streams.len(), 3),
                [longest] => assert!(Arc::ptr_eq(longest, &streams[1]) && seconds == 2),
                more => panic!("{} pages are evicted", more.len()),
            }
        }
        // A page without a session ends first, although it is due last.
        let anonymous = stream_of(Session::of_page(SessionId::from_bytes([1; 16])));
        let at = Instant::now() + Duration::from_secs(9);
        let evicted = reaper.watch(&anonymous, at, 2);
        assert!(matches!(&evicted[..], [it] if Arc::ptr_eq(it, &anonymous)));
        // A page that has ended frees its place.
        assert_eq!(
            streams[0].end_early(),
            crate::page::stream::FollowUp::Remove
        );
        let stream = new_stream().await;
        assert!(reaper.watch(&stream, Instant::now(), 2).is_empty());
    }
}
