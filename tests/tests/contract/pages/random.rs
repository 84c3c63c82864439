//! Connections that are cut at random points: every message arrives once and in order.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// Echoes every message, in order.
struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

dispatch! {
    struct Echoes;

    stream: "/stream" => PageStream;
    echo:   "/echo"   => Echo { attach: page };
}

/// One step of a test.
#[derive(Clone, Debug)]
enum Act {
    Push(u8),
    Send(u8),
    /// The page reads this many messages, or all if there are fewer.
    Read(u8),
    /// All tasks run until they wait.
    Settle,
    /// Time passes, less than the grace time.
    Wait(u8),
    Acknowledge(bool),
    Cut,
    Connect,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1..20_u8).prop_map(Act::Push),
        4 => (1..8_u8).prop_map(Act::Send),
        6 => (1..10_u8).prop_map(Act::Read),
        3 => Just(Act::Settle),
        1 => (1..15_u8).prop_map(Act::Wait),
        1 => any::<bool>().prop_map(Act::Acknowledge),
        3 => Just(Act::Cut),
        5 => Just(Act::Connect),
    ]
}

struct Exchange {
    page: Page,
    tab: Tab,
    pushed: u64,
    sent: u64,
    got: Vec<TabEvent>,
}

impl Exchange {
    async fn act(&mut self, act: &Act) {
        match act {
            Act::Push(count) => {
                for _ in 0..*count {
                    self.pushed += 1;
                    // Some do not fit the network at once.
                    let text = "x".repeat(usize::try_from(self.pushed % 7).unwrap() * 100);
                    self.page.push("n", &json!([self.pushed, text]));
                }
            }
            Act::Send(count) => {
                for _ in 0..*count {
                    self.sent += 1;
                    self.tab.send(&self.sent.to_string()).await;
                }
            }
            Act::Read(count) => {
                for _ in 0..*count {
                    self.read_one().await;
                }
            }
            Act::Settle => settle().await,
            Act::Wait(seconds) => {
                tokio::time::sleep(secs((*seconds).into())).await;
                // The page reads everything here. If it did not, it would be closed as stalled.
                if self.tab.client.is_some() {
                    let got = self.tab.received_so_far().await;
                    self.got.extend(got);
                }
            }
            Act::Acknowledge(does) => self.tab.acknowledges = *does,
            Act::Cut => self.tab.disconnect().await,
            Act::Connect if self.tab.client.is_none() => self.connect().await,
            Act::Connect => {}
        }
    }

    async fn connect(&mut self) {
        self.tab.connect().await.expect("the page gets in");
    }

    async fn read_one(&mut self) {
        if self.tab.client.is_none() {
            return;
        }
        let soon = std::time::Duration::from_millis(1);
        if let Ok(got) = tokio::time::timeout(soon, self.tab.next()).await {
            assert!(
                matches!(got, TabEvent::Event(..) | TabEvent::Text(_)),
                "{got:?}"
            );
            self.got.push(got);
        }
    }

    /// Lets everything in transit arrive.
    async fn arrive(&mut self) {
        self.tab.acknowledges = true;
        self.tab.disconnect().await;
        self.connect().await;
        let last = self.tab.received_so_far().await;
        self.got.extend(last);
        assert_eq!(self.tab.unseen(), 0);
    }

    /// The numbers of the pushes and the echoed texts, in the order of arrival.
    fn arrived(&self) -> (Vec<u64>, Vec<String>) {
        let events = self.got.iter().filter_map(|got| match got {
            TabEvent::Event(_, data) => data[0].as_u64(),
            _ => None,
        });
        let texts = self.got.iter().filter_map(|got| match got {
            TabEvent::Text(text) => Some(text.clone()),
            _ => None,
        });
        (events.collect(), texts.collect())
    }
}

async fn run(
    path: &str,
    room: fn(ws_core::testkit::ClientBuilder) -> ws_core::testkit::ClientBuilder,
    acts: &[Act],
) {
    let kit = TestKit::table(Echoes::table(), NoState).unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let journal = received.clone();
    kit.hub().on_page_message(move |sent, _| {
        let text = sent.message.as_text().unwrap().to_owned();
        journal.lock().unwrap().push(text.clone());
        text
    });
    let visitor = kit.visitor().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, path, &page);
    tab.change_handshake = room;
    let mut exchange = Exchange {
        page,
        tab,
        pushed: 0,
        sent: 0,
        got: Vec::new(),
    };
    for act in acts {
        exchange.act(act).await;
        // A page is never away for its whole grace time.
        if matches!(act, Act::Wait(_)) && exchange.tab.client.is_none() {
            exchange.connect().await;
        }
    }
    exchange.arrive().await;
    let (pushed, echoed) = exchange.arrived();
    assert_eq!(pushed, (1..=exchange.pushed).collect::<Vec<_>>());
    let sent: Vec<_> = (1..=exchange.sent).map(|n| n.to_string()).collect();
    assert_eq!(echoed, sent);
    if path == "/stream" {
        assert_eq!(*received.lock().unwrap(), sent);
    }
}

fn exchange(
    path: &str,
    room: fn(ws_core::testkit::ClientBuilder) -> ws_core::testkit::ClientBuilder,
    acts: &[Act],
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(run(path, room, acts));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // A failure prints the shortest list of steps that causes it.

    #[test]
    fn nothing_is_lost_or_repeated_on_a_page_stream(acts in prop::collection::vec(act(), 1..80)) {
        exchange("/stream", |builder| builder, &acts);
    }

    #[test]
    fn nothing_is_lost_or_repeated_on_a_network_with_little_room(acts in prop::collection::vec(act(), 1..80)) {
        exchange("/stream", |builder| builder.network_capacity(100), &acts);
    }

    #[test]
    fn nothing_is_lost_or_repeated_between_a_page_and_its_handler(acts in prop::collection::vec(act(), 1..80)) {
        exchange("/echo", |builder| builder.network_capacity(200).without_direct_writes(), &acts);
    }
}
