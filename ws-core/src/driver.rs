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
use crate::outbox::{Io, Status};
use crate::page::PageSocket as _;
use crate::protocol::{Decoder, Role};
use crate::reply::Reply;
use crate::socket::Shared;

mod ahead;
mod clock;
mod finish;
mod hooks;
mod open;
mod read;
mod worker;

pub use open::{Connect, Connecting, Opened, connect};
pub(crate) use open::{Init, Ready, Unopened, begin};

use ahead::Ahead;
use clock::Clock;
use finish::Finishing;
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
    transport: Option<Io>,
    decoder: Decoder,
    running: Option<Running<H>>,
    /// A reply that waits for room in the outbox; nothing is read meanwhile.
    held: Option<Box<Reply>>,
    /// What was read while a hook ran.
    ahead: Option<Box<Ahead>>,
    clock: Clock,
    ends: Ends,
    /// A notification is next where a message waits too.
    mail_next: bool,
    /// Hooks that may still be called before it is the others' turn.
    calls_left: u16,
    finishing: Option<Box<Finishing>>,
    /// The connection's place among those that the server allows.
    slot: Option<Slot>,
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
            transport,
            decoder: Decoder::new(Role::Server, max_message).with_deflate(deflate),
            running: None,
            held: None,
            ahead: Ahead::of_early_bytes(early),
            clock: Clock::new(),
            ends: Ends::default(),
            mail_next: false,
            calls_left: CALLS_PER_POLL,
            finishing: None,
            slot,
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
        if self.transport.is_none() {
            let text = "the handshake was answered, but the connection could not be taken over";
            return Poll::Ready(CloseReason::new(
                CloseCause::UpgradeFailed,
                CloseCode::ABNORMAL,
                text,
            ));
        }
        self.calls_left = CALLS_PER_POLL;
        // The waker is known before orders are looked at, so that none is overlooked.
        self.cork(cx);
        if let Some(orders) = self.shared().new_orders() {
            self.clock.obey(orders);
        }
        if self.running.is_some() {
            self.poll_hook(cx, worker);
        }
        let mut bursts = BURSTS_PER_POLL;
        loop {
            let more = self.turn(cx, worker);
            let status = self.flush(cx, worker, true);
            if let Some(reason) = self.over(status.empty, cx) {
                return Poll::Ready(reason);
            }
            // The clock is looked at however busy the connection is.
            let due = self.poll_clock(cx, status, worker);
            if !more && !due && !self.held_has_room() {
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
        self.note(is_ending);
    }

    /// Others may have closed the connection.
    fn note(&mut self, is_ending: bool) {
        // After a loss the outbox takes nothing, but what was received is still handled.
        self.ends.closing |= is_ending && !self.ends.lost;
    }

    /// Works on what is there and reads more, until nothing more comes. Returns whether
    /// more may come, but it is the others' turn.
    fn turn(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker) -> bool {
        for _ in 0..READS_PER_TURN {
            self.work(cx, worker);
            if !self.may_read() || self.poll_read(cx, worker).is_pending() {
                self.answer_close();
                return self.calls_left == 0 && self.can_call() && self.has_work();
            }
        }
        true
    }

    /// Writes what this burst produced, and notes how the outbox stands then. With `uncork` it
    /// may be written to directly from now on.
    fn flush(&mut self, cx: &mut TaskContext<'_>, worker: &mut Worker, uncork: bool) -> Status {
        let outbox = self.context.socket.shared().outbox();
        let Some(transport) = self.transport.as_mut().map(Io::get_mut) else {
            return outbox.status();
        };
        if self.ends.closing {
            transport.closing();
        }
        let now = worker.now;
        let (written, mut status) = outbox.flush(cx, &mut worker.cork, transport, now, uncork);
        if let Err(error) = written
            && !self.ends.lost
        {
            tracing::debug!(parent: self.context.span(), %error, "the connection is lost");
            self.lose();
            status = self.shared().outbox().status();
        }
        self.note(status.ending);
        status
    }

    /// The transport has failed: nobody can send any more.
    fn lose(&mut self) {
        self.ends.lost = true;
        // A Close that had come before is still why the connection ends.
        let closed = self.ends.client_closed.as_ref();
        let reason = closed.map_or_else(lost, |closed| closed.1.clone());
        self.shared().outbox().shut(reason);
        self.shared().client_gone();
    }

    /// The client's Close is answered when everything before it is done (RFC 6455,
    /// section 5.5.1).
    fn answer_close(&mut self) {
        if self.ends.closing || self.is_busy() {
            return;
        }
        if let Some(closed) = &self.ends.client_closed {
            let (answer, reason) = &**closed;
            self.shared().outbox().close(answer, reason.clone());
            self.ends.closing = true;
        }
    }

    /// Whether a message or a notification waits for its hook.
    fn has_work(&self) -> bool {
        self.has_ahead() || self.has_mail()
    }

    /// Whether a hook runs, or waits for its turn or for room.
    fn is_busy(&self) -> bool {
        self.running.is_some() || self.held.is_some() || self.has_ahead()
    }

    fn has_ahead(&self) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.has_work())
    }

    /// Why the connection is over, if it is.
    fn over(&mut self, empty: bool, cx: &mut TaskContext<'_>) -> Option<CloseReason> {
        if self.running.is_some() {
            return None;
        }
        if self.ends.forced {
            return Some(lost());
        }
        if self.ends.lost || (self.ends.eof && !self.ends.closing) {
            let work = self.held.is_some() || (self.has_ahead() && self.handler.is_some());
            let done = self.ends.closing || !work;
            return (done && (empty || self.ends.lost)).then(lost);
        }
        if !self.ends.closing || !empty {
            return None;
        }
        // Our Close is written. The side that closes the stream first is the server
        // (RFC 6455, section 7.1.1).
        if !self.ends.shut && (self.ends.client_closed.is_some() || self.ends.deaf) {
            let closed = self.ends.client_closed.is_some();
            if let Some(transport) = self.transport.as_mut().map(Io::get_mut) {
                // Not before everything that the stream keeps is written. An error is an end.
                self.ends.shut =
                    (closed && transport.ends_on_drop()) || transport.poll_shutdown(cx).is_ready();
            }
            if !self.ends.shut {
                return None;
            }
        }
        (self.ends.client_closed.is_some() || self.ends.eof).then(lost)
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
