//! A stream with sockets that keep every frame, and a handler that waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Wake, Waker};

use proptest::prelude::*;

use super::*;
use crate::message::Message;
use crate::page::Credentials;
use crate::session::Sessions;

mod continuing;
mod ending;
#[cfg(feature = "cluster")]
mod moving;
mod returning;

const LIMITS: PageLimits = PageLimits {
    messages: 8,
    bytes: 4096,
    ..PageLimits::DEFAULT
};

const ROUTE: usize = 1;

/// An application that has a function for messages of pages, and one that has none.
const HANDLES: fn() -> Option<()> = || Some(());
const REFUSES: fn() -> Option<()> = || None;

struct FakeSocket {
    id: ConnectionId,
    outbox: Outbox,
}

/// A socket whose client reads nothing.
pub(in crate::page) fn fake_socket() -> Arc<dyn PageSocket> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    Arc::new(FakeSocket {
        id: ConnectionId::new(LAST.fetch_add(1, Ordering::Relaxed) + 1),
        outbox: Outbox::new(usize::MAX / 2, usize::MAX / 2),
    })
}

impl PageSocket for FakeSocket {
    fn id(&self) -> ConnectionId {
        self.id
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn close_page(&self, _: &Close) {}

    fn notify_when_writable(&self) {}
}

/// The contents of a stream, to compare with its budgets.
pub(in crate::page) struct StreamContents {
    /// Bytes that belong to this queue alone.
    pub(in crate::page) own: usize,
    /// Messages shared with other pages, with their bytes.
    pub(in crate::page) shared: Vec<(usize, usize)>,
    /// Bytes that wait for the handler.
    pub(in crate::page) fed: usize,
}

impl Stream {
    pub(in crate::page) fn contents(&self) -> StreamContents {
        let state = self.lock();
        let (own, shared) = state.queue.queued_bytes();
        let fed = state.feed.as_ref().map_or(0, |feed| feed.weight());
        StreamContents { own, shared, fed }
    }

    pub(in crate::page) fn last_sent(&self) -> u64 {
        self.lock().queue.last_sent()
    }

    pub(in crate::page) fn last_accepted(&self) -> u64 {
        self.lock().accepted
    }
}

/// A stream with its session.
struct Fixture {
    stream: Stream,
    session: Session,
    sessions: Sessions,
    budget: Arc<Budget>,
}

#[cfg(feature = "cluster")]
pub(in crate::page) async fn new_stream() -> Stream {
    Fixture::new().await.stream
}

pub(in crate::page) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(future)
}

impl Fixture {
    async fn new() -> Self {
        let sessions = Sessions::default();
        let (session, _) = sessions.begin().await.unwrap();
        let budget = Budget::new(LIMITS.all_bytes);
        Self {
            stream: Stream::new(
                "page".into(),
                session.clone(),
                LIMITS,
                &budget,
                StreamOrigin::only(),
            )
            .unwrap(),
            budget,
            session,
            sessions,
        }
    }

    /// Attaches a socket of this script, which knows no epoch.
    fn attach(&self, client: u64) -> ConnectionId {
        let socket = fake_socket();
        let report = PageReport {
            position: None,
            client: Some(client),
            attempt: None,
            cursor: None,
        };
        let attached = self.stream.attach(
            &self.session,
            AttachRequest {
                route: ROUTE,
                report,
            },
            &socket,
            None,
        );
        attached.unwrap();
        socket.id()
    }

    /// Sets a handler for the page.
    fn with_handler(&self) -> Arc<Feed> {
        self.with_handler_for(None)
    }

    /// Sets a handler that was started with these credentials.
    fn with_handler_for(&self, credentials: Option<Credentials>) -> Arc<Feed> {
        let feed = Arc::new(Feed::new(LIMITS.bytes, &self.budget));
        let client = InitClient {
            session: self.session.clone(),
            credentials,
        };
        let set = self.stream.set_handler(feed.clone(), &client, ROUTE);
        set.unwrap();
        feed
    }
}

#[test]
fn a_message_read_from_an_earlier_script_does_not_count_for_the_next() {
    run(async {
        let fixture = Fixture::new().await;
        let (stream, feed) = (&fixture.stream, fixture.with_handler());
        let first = fixture.attach(1);
        let hello = Message::text("hello");
        assert_eq!(stream.accept(first, 1, &hello, REFUSES), Accepted::Queued);
        let mut bytes = [0; 64];
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(read) = feed.poll_read(&mut cx, &mut bytes) else {
            panic!("no message is ready");
        };
        // The next script attaches after the handler has taken the message and before it reports
        // that.
        let second = fixture.attach(2);
        stream.mark_seen(read.last.expect("a whole message"));
        assert_eq!(stream.lock().seen, 0);
        assert!(!stream.lock().seen_due);
        // The first message of the new script has the same id, and is seen when it is taken.
        assert_eq!(stream.accept(second, 1, &hello, REFUSES), Accepted::Queued);
        let Poll::Ready(read) = feed.poll_read(&mut cx, &mut bytes) else {
            panic!("no message is ready");
        };
        stream.mark_seen(read.last.expect("a whole message"));
        assert_eq!(stream.lock().seen, 1);
    });
}

#[test]
fn a_script_never_sees_acknowledgements_of_messages_of_an_earlier_one() {
    run(async {
        let fixture = Fixture::new().await;
        let (stream, feed) = (&fixture.stream, fixture.with_handler());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut bytes = [0; 64];
                let mut cx = Context::from_waker(Waker::noop());
                while !done.load(Ordering::Relaxed) {
                    if let Poll::Ready(read) = feed.poll_read(&mut cx, &mut bytes)
                        && let Some(last) = read.last
                    {
                        stream.mark_seen(last);
                    }
                }
            });
            for client in 0..2_000 {
                let socket = fixture.attach(client);
                let sent = client % 3;
                for id in 1..=sent {
                    stream.accept(socket, id, &Message::text("x"), REFUSES);
                    assert!(stream.lock().seen <= id, "{client}");
                }
                assert!(stream.lock().seen <= sent, "{client}");
            }
            done.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn a_rejected_socket_does_not_change_the_stream() {
    run(async {
        let fixture = Fixture::new().await;
        let stream = &fixture.stream;
        let socket = fixture.attach(1);
        let first = stream.accept(socket, 1, &Message::text("x"), HANDLES);
        assert_eq!(first, Accepted::New(()));
        let epoch = stream.epoch();
        for position in [epoch, epoch.wrapping_add(1)] {
            let report = PageReport {
                position: Some(Position {
                    epoch: Epoch::Ours(position),
                    offset: 99_999,
                }),
                client: (position != epoch).then_some(2),
                attempt: None,
                cursor: None,
            };
            let refused = stream.attach(
                &fixture.session,
                AttachRequest {
                    route: ROUTE,
                    report,
                },
                &fake_socket(),
                None,
            );
            assert_eq!(refused.err(), Some(AttachError::UnsentOffset));
        }
        assert_eq!(stream.epoch(), epoch);
        let next = stream.accept(socket, 2, &Message::text("y"), HANDLES);
        assert_eq!(next, Accepted::New(()), "the first socket continues");
    });
}

/// Whether the waker was called.
#[derive(Default)]
struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One step of the test.
#[derive(Clone, Copy, Debug)]
enum StreamStep {
    /// The handler writes, or retries.
    Write(usize),
    Push(usize),
    /// The page acknowledges the last offset minus this number.
    Ack(u64),
    /// A socket of this script attaches.
    Attach(u64),
    Detach,
    /// A logon moves the page to another session.
    Logon,
    /// All pages together exceed their limit.
    Overflow,
    /// The handler closes after this number of messages.
    Finish(usize),
    End,
}

fn step() -> impl Strategy<Value = StreamStep> {
    prop_oneof![
        24 => (0..6_000_usize).prop_map(StreamStep::Write),
        12 => (0..2_000_usize).prop_map(StreamStep::Push),
        16 => (0..4_u64).prop_map(StreamStep::Ack),
        6 => (0..3_u64).prop_map(StreamStep::Attach),
        2 => Just(StreamStep::Detach),
        1 => Just(StreamStep::Logon),
        1 => Just(StreamStep::Overflow),
        1 => (0..3_usize).prop_map(StreamStep::Finish),
        1 => Just(StreamStep::End),
    ]
}

/// A stream whose handler sometimes waits.
struct WaitingHandler {
    fixture: Fixture,
    socket: Option<ConnectionId>,
    flag: Arc<WakeFlag>,
    /// The message that the handler waits to send.
    blocked_push: Option<Push>,
}

impl WaitingHandler {
    async fn apply(&mut self, step: StreamStep) {
        let text = |size: usize| Push::text(&"x".repeat(size));
        let stream = &self.fixture.stream;
        match step {
            StreamStep::Write(size) => {
                let push = self.blocked_push.take().unwrap_or_else(|| text(size));
                self.flag = Arc::default();
                let waker = Waker::from(self.flag.clone());
                if stream
                    .poll_push(&Context::from_waker(&waker), &push)
                    .is_pending()
                {
                    self.blocked_push = Some(push);
                }
            }
            StreamStep::Push(size) => {
                stream.push(&text(size));
            }
            StreamStep::Ack(behind_last) => {
                let sent = stream.lock().queue.last().saturating_sub(behind_last);
                if let Some(socket) = self.socket {
                    // An offset that was never sent is refused, and changes nothing.
                    let _ = stream.ack(socket, sent);
                }
            }
            StreamStep::Attach(client) => {
                if !stream.has_ended() {
                    self.socket = Some(self.fixture.attach(client));
                }
            }
            StreamStep::Detach => {
                if let Some(socket) = self.socket.take() {
                    stream.detach(socket, false);
                }
            }
            StreamStep::Logon => {
                let renewed = self
                    .fixture
                    .sessions
                    .renew(&self.fixture.session, None)
                    .await;
                self.fixture.session = renewed.unwrap().0;
                self.fixture.stream.adopt(&self.fixture.session);
            }
            StreamStep::Overflow => {
                stream.overflow();
            }
            StreamStep::Finish(count) => {
                for _ in 0..count {
                    stream.push_last(&text(1_000));
                }
                stream.finish(&Close::NORMAL);
            }
            StreamStep::End => {
                stream.end(&Close::GOING_AWAY);
            }
        }
    }

    /// Checks that a handler that can continue was woken.
    fn check(&self) {
        let Some(push) = &self.blocked_push else {
            return;
        };
        let state = self.fixture.stream.lock();
        let open = !state.ended && !state.closing && state.ending.is_none();
        let fits = state.queue.fits(cost(push), PushSource::Handler, &LIMITS);
        let waits = open && state.socket.is_some() && !fits;
        drop(state);
        let woken = self.flag.0.load(Ordering::Relaxed);
        assert!(woken || waits, "the handler was not woken");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_waiting_handler_is_woken_as_soon_as_it_can_continue(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        run(async {
            let mut waiting = WaitingHandler {
                fixture: Fixture::new().await,
                socket: None,
                flag: Arc::default(),
                blocked_push: None,
            };
            for step in steps {
                waiting.apply(step).await;
                waiting.check();
            }
        });
    }
}
