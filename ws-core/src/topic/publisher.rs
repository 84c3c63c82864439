//! Where a publish runs: this decides how its frames are written.

use tokio::runtime::Handle;
use tokio::task;

use super::burst::Burst;
use super::flush::DeferredFlush;
use super::{Topics, round};
use crate::outbox::{FlushId, TopicWrite};

/// The publisher of one message.
pub(super) struct Publisher {
    place: Place,
    /// The flush that writes what is queued.
    flush: FlushId,
    /// The number of idle sockets that the publisher may write to itself.
    max_direct: usize,
}

/// Where a publisher runs.
enum Place {
    /// In a burst of a connection. More publishes may follow, and all leave in one write.
    Burst,
    /// In a task on the runtime of the connections: more publishes may follow, of this task or of
    /// others that are ready.
    Task,
    /// Elsewhere. A task on the current runtime may never run, so none is waited for.
    Outside(Option<Handle>),
}

impl Publisher {
    /// The publisher that runs on this thread now.
    pub(super) fn current(topics: &Topics) -> Self {
        Self::new(topics.runtime.get(), topics.inline)
    }

    fn new(runtime: Option<&Handle>, max_direct: usize) -> Self {
        let place = if Burst::is_open() {
            Place::Burst
        } else if task::try_id().is_some() && is_current(runtime) {
            Place::Task
        } else {
            Place::Outside(runtime.cloned())
        };
        let flush = match place {
            Place::Burst | Place::Task => round::flush_id(),
            Place::Outside(_) => FlushId::next(),
        };
        Self {
            place,
            flush,
            max_direct,
        }
    }

    /// How the next frame is written, after this number of frames.
    pub(super) fn mode(&self, written: usize) -> TopicWrite {
        match self.place {
            Place::Outside(_) if written < self.max_direct => TopicWrite::Direct,
            _ => self.queue(),
        }
    }

    /// Frames are only queued.
    pub(super) fn queue(&self) -> TopicWrite {
        TopicWrite::Queue(self.flush)
    }

    /// Flushes the outboxes, now or later.
    pub(super) fn flush(self, deferred: DeferredFlush) {
        if deferred.is_empty() {
            return;
        }
        match self.place {
            Place::Burst if Burst::is_open() => Burst::defer(deferred, self.max_direct),
            Place::Burst | Place::Task => {
                round::defer(deferred, self.max_direct);
                round::spawn_flush();
            }
            Place::Outside(runtime) => match Handle::try_current() {
                Ok(current) => drop(runtime.unwrap_or(current).spawn(deferred.flush())),
                // Without a runtime there is no other task, so this thread writes.
                Err(_) => deferred.flush_now(),
            },
        }
    }
}

/// Only queues: for the first messages of a subscriber.
impl Default for Publisher {
    fn default() -> Self {
        Self::new(None, 0)
    }
}

/// Whether the current runtime is the one of the connections, if that is known.
fn is_current(runtime: Option<&Handle>) -> bool {
    runtime.is_none_or(|runtime| {
        Handle::try_current().is_ok_and(|current| current.id() == runtime.id())
    })
}
