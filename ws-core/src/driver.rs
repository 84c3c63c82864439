//! The life of one connection: its own small task.
//!
//! [`connect`] runs `init` while the handshake waits. What comes of it, an [`Opened`]
//! connection, is then given its transport, and a driver reads, calls hooks, writes
//! and watches the clock until the end, and then calls `terminate`.
//!
//! The driver is compiled once per handler. What differs between routes, the extraction
//! of arguments, it reaches through three function pointers.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::close::{Close, CloseCause, CloseCode, CloseReason};
use crate::error::log_panic;
use crate::extract::{Context, Endpoint};
use crate::handler::{HookFuture, Hooks};
use crate::hook::Hook;
use crate::hub::Slot;
use crate::outbox::Io;
use crate::page::PageSocket as _;
use crate::protocol::{Decoder, Role};
use crate::socket::Shared;

mod ahead;
mod clock;
mod finish;
mod hooks;
mod line;
mod open;
mod read;
mod worker;

pub use open::{Connect, Connecting, Opened, connect};
pub(crate) use open::{Init, Ready, Unopened, begin};

use ahead::Ahead;
use clock::Clock;
use finish::Finishing;
use line::Line;
use worker::Worker;

/// Messages and notifications that one connection handles before it is the others' turn.
const CALLS_PER_POLL: u16 = 512;

/// How often a driver writes a full outbox before it lets other connections run.
const BURSTS_PER_POLL: usize = 8;

/// How often a driver reads before it lets other connections run.
const READS_PER_TURN: usize = 8;

/// Drives one connection from its upgrade to the end of `terminate`.
struct Driver<H: 'static> {
    hooks: &'static Hooks<H>,
    /// The handler; it is elsewhere while an async hook runs.
    handler: Option<H>,
    context: Context<H>,
    running: Option<Running<H>>,
    line: Line,
    /// A notification is next where a message waits too.
    mail_next: bool,
    finishing: Option<Box<Finishing>>,
}

/// An async hook under way.
struct Running<H> {
    hook: Hook,
    future: HookFuture<H>,
    since: Instant,
}

/// What has ended already. The ends are independent: any of them may come first.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are not states of one machine"
)]
struct Ends {
    /// The client's Close, with what to answer.
    client_closed: Option<Box<(Close, CloseReason)>>,
    /// Our Close is in the outbox; data is discarded.
    closing: bool,
    /// The client broke the protocol: nothing it sends can be read any more.
    deaf: bool,
    /// The client has ended its side of the stream.
    eof: bool,
    /// The transport failed.
    lost: bool,
    /// Our side of the stream was ended, or ends when the stream is dropped.
    shut: bool,
    /// Time is up: nothing is waited for any more.
    forced: bool,
}

/// Nothing in a driver is pinned in place: futures are boxed.
impl<H: 'static> Unpin for Driver<H> {}

impl<H: Send + 'static> Future for Driver<H> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.finishing.is_none() {
            match this.poll_guarded(cx) {
                Poll::Ready(reason) => this.begin_finish(reason),
                Poll::Pending => return Poll::Pending,
            }
        }
        this.poll_finish(cx)
    }
}

impl<H: Send + 'static> Driver<H> {
    fn new(
        handler: H,
        hooks: &'static Hooks<H>,
        context: Context<H>,
        transport: Option<Io>,
        early: &Bytes,
        slot: Option<Slot>,
    ) -> Self {
        let max_message = context.endpoint.limits().max_message;
        let deflate = context.socket.shared().outbox().deflate().is_some();
        Self {
            hooks,
            handler: Some(handler),
            context,
            running: None,
            line: Line {
                transport,
                decoder: Decoder::new(Role::Server, max_message).with_deflate(deflate),
                held: None,
                ahead: Ahead::of_early_bytes(early),
                clock: Clock::new(),
                ends: Ends::default(),
                calls_left: CALLS_PER_POLL,
                slot,
            },
            mail_next: false,
            finishing: None,
        }
    }

    fn shared(&self) -> &Shared {
        self.context.socket.shared()
    }

    /// Panics of hooks are caught where hooks are called. Should anything else of the
    /// application panic in here, it ends this connection, with its `terminate`.
    fn poll_guarded(&mut self, cx: &mut TaskContext<'_>) -> Poll<CloseReason> {
        let mut worker = Worker::take();
        let live = catch_unwind(AssertUnwindSafe(|| self.poll_live(cx, &mut worker)));
        match live {
            Ok(live) => {
                worker.give_back();
                live
            }
            // The buffers may be in pieces: the thread makes new ones.
            Err(panic) => {
                let _entered = self.context.span().enter();
                log_panic(&*panic);
                let close = Close::internal();
                Poll::Ready(CloseReason::of(CloseCause::HookPanic, &close))
            }
        }
    }

    /// Lives until the connection is over; then says why.
    fn poll_live(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) -> Poll<CloseReason> {
        if self.line.transport.is_none() {
            let text = "the handshake was answered, but the connection could not be taken over";
            return Poll::Ready(CloseReason::new(
                CloseCause::UpgradeFailed,
                CloseCode::ABNORMAL,
                text,
            ));
        }
        self.line.calls_left = CALLS_PER_POLL;
        // The waker is known before orders are looked at, so that none is overlooked.
        self.cork(cx);
        if let Some(orders) = self.shared().new_orders() {
            self.line.clock.obey(orders);
        }
        if self.running.is_some() {
            self.poll_hook(cx, worker);
        }
        let mut bursts = BURSTS_PER_POLL;
        loop {
            let more = self.turn(cx, worker);
            let shared = self.context.socket.shared();
            let status = self.line.flush(shared, cx, worker, true);
            if let Some(reason) = self.over(status.empty, cx) {
                return Poll::Ready(reason);
            }
            // The clock is looked at however busy the connection is.
            let due = self.poll_clock(cx, status, worker);
            if !more && !due && !self.line.held_has_room(self.shared()) {
                return Poll::Pending;
            }
            bursts -= 1;
            if more || bursts == 0 {
                yield_turn(cx);
                return Poll::Pending;
            }
            self.cork(cx);
        }
    }

    /// Begins a burst.
    fn cork(&mut self, cx: &TaskContext<'_>) {
        let is_ending = self.shared().outbox().cork(cx.waker());
        self.line.note(is_ending);
    }

    /// Works on what is there and reads more, until nothing more comes. Returns whether
    /// more may come, but it is the others' turn.
    fn turn(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) -> bool {
        for _ in 0..READS_PER_TURN {
            self.work(cx, worker);
            if !self.may_read() || self.poll_read(cx, worker).is_pending() {
                self.answer_close();
                return self.line.calls_left == 0 && self.can_call() && self.has_work();
            }
        }
        true
    }

    /// Whether a message or a notification waits for its hook.
    fn has_work(&self) -> bool {
        self.has_ahead() || self.has_mail()
    }

    /// Whether a hook runs, or waits for its turn or for room.
    fn is_busy(&self) -> bool {
        self.running.is_some() || self.line.held.is_some() || self.has_ahead()
    }

    fn has_ahead(&self) -> bool {
        self.line.has_ahead()
    }

    fn answer_close(&mut self) {
        if !self.line.ends.closing && !self.is_busy() {
            self.line.answer_close(self.context.socket.shared());
        }
    }

    /// Why the connection is over, if it is.
    fn over(&mut self, empty: bool, cx: &mut TaskContext<'_>) -> Option<CloseReason> {
        if self.running.is_some() {
            return None;
        }
        self.line.over(empty, self.handler.is_some(), cx)
    }
}

impl<H: 'static> Drop for Driver<H> {
    /// Also where the task is dropped before its time, nothing stays behind.
    fn drop(&mut self) {
        undo(self.context.socket.shared(), &self.context.endpoint);
        self.context.socket.shared().finish();
    }
}

/// Goes on when the others had their turn. They include those whose messages the runtime has not
/// seen yet: a mere wake-up would let a connection that floods run many turns before the runtime
/// looks at the network again.
fn yield_turn(cx: &mut TaskContext<'_>) {
    // The first poll leaves the wake-up to the runtime.
    let _ = pin!(yield_now()).poll(cx);
}

/// Ends everything that hangs on a connection, and forgets it.
fn undo(shared: &Shared, endpoint: &Endpoint) {
    shared.end(lost());
    let of_page = endpoint.common().of_page;
    endpoint.hub().forget(shared.id(), of_page);
}

/// The reason of an end that nobody declared (RFC 6455, section 7.1.5).
fn lost() -> CloseReason {
    CloseReason::new(CloseCause::Lost, CloseCode::ABNORMAL, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tasks are allocated in steps of 128 bytes, and tokio adds 112 to a driver.
    #[test]
    fn a_connection_of_a_unit_handler_is_small() {
        struct Unit;
        assert!(
            size_of::<Driver<Unit>>() <= 272,
            "{}",
            size_of::<Driver<Unit>>()
        );
        assert!(size_of::<Shared>() <= 320, "{}", size_of::<Shared>());
    }
}
