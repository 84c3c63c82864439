//! Order: within one source, among sources, and between messages and notifications.

use ws_core::protocol::OpCode;
use ws_core::protocol::encoder::encode_masked;
use ws_core::testkit::TestKit;
use ws_server::prelude::*;

use crate::journal::{Journal, secs, settle};
use crate::probe::Probe;

/// Answers with the message, one word at a time.
struct Echo(Journal);

#[ws_handler]
impl Echo {
    fn init(journal: Journal) -> Self {
        Echo(journal)
    }

    fn message(&mut self, text: String, socket: &Socket<Self>) -> String {
        self.0.note(format!("message {text}"));
        if text == "notify" {
            for number in 0..6 {
                socket.notify(number).unwrap();
            }
        }
        text
    }

    fn info(&mut self, number: usize, socket: &Socket<Self>) {
        self.0.note(format!("info {number}"));
        // Each run queues the next notification, so one is always waiting.
        if number >= 100 {
            let _ = socket.notify(number + 1);
        }
    }
}

on_both_transports! {
    async fn messages_are_answered_in_order(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Echo>(&TestKit::new()));
        let mut client = builder.connect().await.unwrap();
        for number in 0..100 {
            client.send(number.to_string()).await;
        }
        for number in 0..100 {
            assert_eq!(client.text().await, number.to_string());
        }
    }

    async fn notifications_of_one_task_arrive_in_order(on_transport: TransportChoice) {
        let journal = Journal::new();
        let client = on_transport(journal.client::<Echo>(&TestKit::new())).connect().await.unwrap();
        let socket = client.socket::<Echo>();
        for number in 0..50 {
            socket.notify_async(number).await.unwrap();
        }
        settle().await;
        let expected: Vec<_> = (0..50).map(|number| format!("info {number}")).collect();
        assert_eq!(journal.lines(), expected);
    }

    async fn messages_of_one_task_arrive_in_order_on_a_slow_network(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Echo>(&TestKit::new()).network_capacity(7));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Echo>();
        // Small, large and empty messages, with `send` and `send_async`.
        let text = |number: usize| format!("{number}{}", "x".repeat(number % 7 * 1000));
        let sending = tokio::spawn(async move {
            for number in 0..40 {
                if number % 3 == 0 {
                    socket.send(text(number)).unwrap();
                } else {
                    socket.send_async(text(number)).await.unwrap();
                }
            }
        });
        for number in 0..40 {
            assert_eq!(client.text().await, text(number));
        }
        sending.await.unwrap();
    }

    async fn frames_of_different_senders_never_interleave(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let mut client = on_transport(kit.handler::<Chorus>().network_capacity(13)).connect().await.unwrap();
        let socket = client.socket::<Chorus>();
        let topic: Topic<Message> = Topic::local("voices");
        let tasks = ["a", "b", "c"].map(|voice| {
            let (socket, hub, topic) = (socket.clone(), kit.hub().clone(), topic.clone());
            tokio::spawn(async move {
                for number in 0..20 {
                    let text = format!("{voice}{number} {}", voice.repeat(6000));
                    if voice == "c" {
                        hub.publish(&topic, &Message::text(text));
                        tokio::task::yield_now().await;
                    } else {
                        socket.send_async(text).await.unwrap();
                    }
                }
            })
        });
        let mut next = [0; 3];
        for _ in 0..60 {
            // The client's decoder fails if a frame is torn.
            let text = client.text().await;
            let (name, sound) = text.split_once(' ').unwrap();
            let (voice, number) = name.split_at(1);
            assert_eq!(sound, voice.repeat(6000));
            let place = "abc".find(voice).unwrap();
            assert_eq!(number, next[place].to_string(), "of {voice}");
            next[place] += 1;
        }
        for task in tasks {
            task.await.unwrap();
        }
    }

    async fn send_subscribe_publish_and_the_reply_of_one_hook_keep_their_order(on_transport: TransportChoice) {
        let mut client = on_transport(TestKit::new().handler::<Chorus>()).connect().await.unwrap();
        client.send("sing").await;
        let mut received = Vec::new();
        for _ in 0..6 {
            received.push(client.text().await);
        }
        let expected = ["sent", "published", "sent again", "one", "two", "three"];
        assert_eq!(received, expected);
    }

    async fn a_task_outside_of_hooks_keeps_its_order(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let mut client = on_transport(kit.handler::<Chorus>()).connect().await.unwrap();
        let (socket, topic) = (client.socket::<Chorus>(), Topic::<u32>::local("numbers"));
        kit.hub().publish(&topic, &0);
        socket.subscribe(&topic);
        kit.hub().publish(&topic, &1);
        socket.send("a").unwrap();
        kit.hub().publish(&topic, &2);
        socket.unsubscribe(&topic);
        kit.hub().publish(&topic, &3);
        socket.send("b").unwrap();
        for expected in ["1", "a", "2", "b"] {
            assert_eq!(client.text().await, expected);
        }
    }
}

/// Sends in several ways from one hook.
struct Chorus;

#[ws_handler]
impl Chorus {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Topic::<Message>::local("voices"));
        Chorus
    }

    fn message(&mut self, _: String, socket: &Socket<Self>, hub: &Hub) -> Vec<&'static str> {
        let topic = Topic::<String>::local("words");
        hub.publish(&topic, &"nobody is subscribed yet".to_owned());
        socket.send("sent").unwrap();
        socket.subscribe(&topic);
        hub.publish(&topic, &"published".to_owned());
        socket.send("sent again").unwrap();
        vec!["one", "two", "three"]
    }
}

/// The calls of `message` and `info`, as a string of `m` and `i`.
fn turns(journal: &Journal) -> String {
    let lines = journal.lines().into_iter();
    lines
        .filter_map(|line| match line.split(' ').next() {
            Some("message") => Some('m'),
            Some("info") => Some('i'),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn messages_and_notifications_that_waited_for_a_hook_take_turns() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Probe>(&kit).connect().await.unwrap();
    let socket = client.socket::<Probe>();
    client.send("wait 1").await;
    for number in 0..10 {
        socket.notify(number.to_string()).unwrap();
        client.send("say it").await;
    }
    tokio::time::sleep(secs(2)).await;
    assert_eq!(turns(&journal), format!("m{}", "im".repeat(10)));
}

#[tokio::test(start_paused = true)]
async fn messages_and_notifications_take_turns_in_a_burst() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Echo>(&kit).connect().await.unwrap();
    let mut burst = Vec::new();
    for text in ["notify", "b", "c", "d", "e"] {
        burst.extend(encode_masked(OpCode::Text, true, text.as_bytes(), [0; 4]));
    }
    client.send_bytes(&burst).await;
    settle().await;
    assert_eq!(turns(&journal), "mimimimimii");
}

#[tokio::test(start_paused = true)]
async fn endless_notifications_do_not_starve_messages() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Echo>(&kit).connect().await.unwrap();
    client.socket::<Echo>().notify(100).unwrap();
    client.send("received").await;
    assert_eq!(client.text().await, "received");
    // Other tasks still run if the handler notifies itself forever.
    client.socket::<Echo>().close(Close::NORMAL);
    assert_eq!(client.closed().await.0, CloseCode::NORMAL);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_messages_does_not_starve_notifications() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Probe>(&kit).connect().await.unwrap();
    client.send("wait 1").await;
    for number in 0..200 {
        client.send(format!("say {number}")).await;
    }
    client.socket::<Probe>().notify("now".to_owned()).unwrap();
    tokio::time::sleep(secs(2)).await;
    let place = journal.lines().iter().position(|line| line == "info now");
    // `init`, the call and the end of "wait", then the notification's turn.
    assert_eq!(place, Some(3));
    assert_eq!(journal.lines_of("message").len(), 201);
    assert_eq!(client.text().await, "waited");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_waits_keeps_its_place() {
    let builder = Journal::new().client::<Probe>(&TestKit::new());
    let mut client = builder.connect().await.unwrap();
    client.send("wait 5").await;
    client.send("say second").await;
    client.send("wait 5").await;
    client.send("say fourth").await;
    for expected in ["waited", "second", "waited", "fourth"] {
        assert_eq!(client.text().await, expected);
    }
}
