//! Nodes over the engine in memory.

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::log::position::{EntryId, Offset};
use crate::log::shared::entry::VERSIONS;
use crate::log::shared::faults::{FaultyServer, Restart};
use crate::message::Message;

mod endurance;
mod evicted;

/// Collects the messages and resets of a node.
#[derive(Default)]
struct Collected(Mutex<Vec<String>>);

impl Apply for Arc<Collected> {
    fn apply(&self, event: &Event<'_>, author: Author) -> AfterLane {
        let text = match event {
            Event::Message { message, .. } => message.message.as_text().unwrap().to_owned(),
            Event::Relayed { message, .. } if author == Author::Another => {
                format!("relayed: {}", message.message.as_text().unwrap())
            }
            Event::Reset { reason, .. } => format!("reset: {reason:?}"),
            Event::Record { record, .. } => format!("{author:?}: {record:?}"),
            _ => return None,
        };
        self.0.lock().unwrap().push(text);
        None
    }

    fn died(&self, _: Incarnation) {
        self.0.lock().unwrap().push("a node died".into());
    }

    fn announce(&self, _: Lane) {
        self.0.lock().unwrap().push("announced".into());
    }
}

struct TestNode {
    node: Node,
    collected: Arc<Collected>,
}

impl std::ops::Deref for TestNode {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

fn options(incarnation: u64) -> NodeOptions {
    NodeOptions {
        versions: VERSIONS,
        fail_closed_after: None,
        incarnation: Incarnation(incarnation),
        incarnations: Incarnations::Random,
        lanes: Lanes::new(1).unwrap(),
        append: AppendLimits::DEFAULT,
        window: WindowLimits::DEFAULT,
        history_bytes: 1_000_000,
    }
}

fn start_with(engine: impl Engine, options: NodeOptions) -> TestNode {
    let collected = Arc::<Collected>::default();
    let node = Node::new(engine, collected.clone(), options);
    node.start();
    TestNode { node, collected }
}

fn start(server: &FaultyServer, incarnation: u64) -> TestNode {
    start_with(server.connect(), options(incarnation))
}

fn server() -> FaultyServer {
    FaultyServer::new(Lanes::new(1).unwrap(), 1)
}

async fn publish(node: &TestNode, text: &str) -> Result<Position, AppendError> {
    publish_to(node, text, None).await
}

fn publish_to(
    node: &TestNode,
    text: &str,
    history: Option<HistoryLimits>,
) -> impl Future<Output = Result<Position, AppendError>> + use<> {
    let (sender, outcome) = tokio::sync::oneshot::channel();
    let ticket: Ticket = Box::new(|outcome| {
        let _ = sender.send(outcome);
    });
    let queued = node.publish(message(text, history), ticket);
    let queued = queued.map_err(|(_, error)| error);
    async move {
        queued?;
        outcome.await.unwrap_or(Err(AppendError::Unconfirmed))
    }
}

fn message(text: &str, history: Option<HistoryLimits>) -> LoggedMessage {
    LoggedMessage {
        topic: topic(),
        message: Message::text(text.to_owned()),
        history,
        except: None,
        is_volatile: false,
    }
}

fn topic() -> TopicName {
    TopicName::new("t".to_owned())
}

fn since(node: &TestNode, from: Position) -> Result<Vec<String>, ReplayError> {
    node.with_lane(from.lane, |lane| {
        let lane = lane.ok_or(ReplayError::Ahead)?;
        let messages = lane.since(&topic(), from, None, Instant::now())?;
        Ok(texts(&messages))
    })
}

fn texts(messages: &[crate::log::shared::PositionedMessage]) -> Vec<String> {
    let texts = messages.iter().map(|it| it.message.as_text().unwrap());
    texts.map(str::to_owned).collect()
}

fn received(node: &TestNode) -> Vec<String> {
    node.collected.0.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn an_accepted_message_was_delivered_here_and_reaches_the_other_node() {
    let server = server();
    let (a, b) = (start(&server, 1), start(&server, 2));
    let at = publish(&a, "x").await.unwrap();
    assert_eq!(received(&a), ["x"]);
    b.reached(at).await;
    assert_eq!(received(&b), ["x"]);
    // A client of one node continues at the other.
    publish(&b, "y").await.unwrap();
    assert_eq!(since(&b, at), Ok(vec!["y".into()]));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_late_reads_the_window_before_it_is_ready() {
    let server = server();
    let a = start(&server, 1);
    let at = publish(&a, "x").await.unwrap();
    let last = publish(&a, "y").await.unwrap();
    let late = start(&server, 2);
    assert_eq!(since(&late, at), Err(ReplayError::Ahead));
    late.ready().await;
    assert_eq!(received(&late), ["x", "y"]);
    late.reached(last).await;
    assert_eq!(since(&late, at), Ok(vec!["y".into()]));
    let far = Position {
        offset: Offset::before(EntryId::new(u64::MAX, 0)),
        ..last
    };
    assert_eq!(since(&late, far), Err(ReplayError::Ahead));
}

#[tokio::test(start_paused = true)]
async fn messages_that_no_connection_could_carry_are_unavailable() {
    let server = server();
    let engine = server.connect();
    let node = start_with(engine.clone(), options(1));
    node.ready().await;
    engine.cut();
    let begin = Instant::now();
    let outcome = publish(&node, "x").await;
    assert_eq!(outcome, Err(AppendError::Unavailable));
    assert_eq!(begin.elapsed().as_secs(), 5);
    engine.heal();
    publish(&node, "y").await.unwrap();
    assert_eq!(received(&node), ["y"]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_server_confirms_nothing_and_delivers_once_when_it_continues() {
    let server = server();
    let (a, b) = (start(&server, 1), start(&server, 2));
    a.ready().await;
    server.pause();
    assert_eq!(publish(&a, "x").await, Err(AppendError::Unconfirmed));
    server.resume().await;
    let at = publish(&a, "y").await.unwrap();
    b.reached(at).await;
    assert_eq!(
        (received(&a), received(&b)),
        (vec!["x".into(), "y".into()], received(&a))
    );
    assert!(a.shared.skipped.lock().unwrap().repeated > 0);
}

#[tokio::test(start_paused = true)]
async fn a_history_is_kept_by_the_engine() {
    let server = server();
    let (a, b) = (start(&server, 1), start(&server, 2));
    let limits = HistoryLimits {
        messages: 2.try_into().unwrap(),
        keep: Duration::from_secs(600),
    };
    for text in ["x", "y", "z"] {
        publish_to(&a, text, Some(limits)).await.unwrap();
    }
    let last = |node: &TestNode| {
        node.with_lane(Lane(0), |lane| {
            let messages = lane.unwrap().last(&topic(), 9, limits, Instant::now())?;
            Ok::<_, ReplayError>(texts(&messages))
        })
    };
    assert_eq!(last(&a), Ok(vec!["y".into(), "z".into()]));
    // The log itself is trimmed, the history is not.
    server.trim(Lane(0), 0);
    let late = start(&server, 3);
    late.ready().await;
    assert_eq!(last(&late), Err(ReplayError::NotLoaded));
    late.load_history(&topic(), limits).await.unwrap();
    assert_eq!(last(&late), Ok(vec!["y".into(), "z".into()]));
    publish_to(&b, "w", Some(limits)).await.unwrap();
    let at = publish_to(&late, "v", Some(limits)).await.unwrap();
    a.reached(at).await;
    for node in [&a, &b, &late] {
        assert_eq!(last(node), Ok(vec!["w".into(), "v".into()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_resets_every_node() {
    let server = server();
    let (a, b) = (start(&server, 1), start(&server, 2));
    server.save();
    let old = publish(&a, "x").await.unwrap();
    b.reached(old).await;
    server.restart(Restart::Saved);
    let at = publish(&b, "y").await.unwrap();
    a.reached(at).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for node in [&a, &b] {
        let messages = received(node);
        let expected = ["x", "reset: Generation", "y"];
        let all = messages.iter().filter(|text| expected.contains(&&***text));
        assert_eq!(all.collect::<Vec<_>>(), expected);
        assert!(messages.contains(&"announced".into()));
        assert!(messages.contains(&"Another: Cleared".into()));
    }
    assert_eq!(since(&a, old), Err(ReplayError::Gap));
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_a_node_end_with_it() {
    let server = server();
    let node = start(&server, 1);
    let pending = publish_to(&node, "x", None);
    drop(node);
    assert_eq!(pending.await, Err(AppendError::Unconfirmed));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(server.executed().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_relayed_message_reaches_the_other_nodes_and_does_not_return() {
    let server = server();
    let (a, b) = (start(&server, 1), start(&server, 2));
    a.ready().await;
    b.ready().await;
    a.relay(message("x", None));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        (received(&a), received(&b)),
        (vec![], vec!["relayed: x".into()])
    );
    server.fail(100);
    b.relay(message("y", None));
    tokio::time::sleep(Duration::from_secs(10)).await;
    server.fail(0);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!((received(&a).len(), b.relay_losses()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_cut_off_is_dead_and_comes_back_as_another() {
    let server = server();
    let engine = server.connect();
    let (a, b) = (start_with(engine.clone(), options(1)), start(&server, 2));
    a.ready().await;
    b.ready().await;
    engine.cut();
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(received(&b), ["a node died"]);
    engine.heal();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let texts = received(&a);
    let of_itself = texts
        .iter()
        .filter(|text| *text == "a node died" || *text == "announced");
    assert_eq!(of_itself.collect::<Vec<_>>(), ["a node died", "announced"]);
    assert!(received(&b).contains(&"Another: Cleared".into()));
    let at = publish(&a, "x").await.unwrap();
    b.reached(at).await;
    assert_eq!(received(&b).last().unwrap(), "x");
    assert!(!received(&b).iter().any(|text| text.starts_with("reset")));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_missed_its_own_death_learns_of_it() {
    let server = server();
    let engine = server.connect();
    let (a, b) = (start_with(engine.clone(), options(1)), start(&server, 2));
    a.ready().await;
    b.ready().await;
    engine.cut();
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(received(&b), ["a node died"]);
    // The heartbeats that it has missed are gone.
    server.trim(Lane(0), 0);
    engine.heal();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let texts = received(&a);
    assert_eq!(texts[0], "reset: Lost");
    let died = texts.iter().filter(|text| *text == "a node died");
    assert_eq!(died.count(), 1, "{texts:?}");
    assert!(texts.contains(&"Another: Died(Incarnation(1))".into()));
    // It goes on under another incarnation, which no node takes for dead.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let deaths = received(&b)
        .into_iter()
        .filter(|text| text == "a node died");
    assert_eq!(deaths.count(), 1);
}

const HISTORY: HistoryLimits = HistoryLimits {
    messages: NonZeroU32::new(9).unwrap(),
    keep: Duration::from_secs(600),
};

async fn replayed(node: &TestNode) -> Vec<String> {
    node.load_history(&topic(), HISTORY).await.unwrap();
    node.with_lane(Lane(0), |lane| {
        let last = lane.unwrap().last(&topic(), 9, HISTORY, Instant::now());
        texts(&last.unwrap())
    })
}

/// The first copy of an entry is removed before a node starts, which then reads the second one.
#[tokio::test(start_paused = true)]
async fn a_node_that_may_have_missed_the_first_copy_of_an_entry_does_not_deliver_the_second() {
    let server = server();
    let engine = server.connect();
    let (a, b) = (start_with(engine.clone(), options(1)), start(&server, 2));
    publish_to(&a, "before", Some(HISTORY)).await.unwrap();
    server.pause();
    let unanswered = publish_to(&a, "x", Some(HISTORY));
    tokio::time::sleep(Duration::from_millis(50)).await;
    engine.cut();
    server.resume().await;
    let at = publish_to(&b, "first", Some(HISTORY)).await.unwrap();
    assert_eq!(since(&b, at), Ok(vec![]));
    server.trim(Lane(0), 0);
    let late = start(&server, 3);
    late.ready().await;
    let from = publish_to(&b, "between", Some(HISTORY)).await.unwrap();
    late.reached(from).await;
    engine.heal();
    assert_eq!(unanswered.await, Err(AppendError::Unconfirmed));
    let at = publish_to(&a, "after", Some(HISTORY)).await.unwrap();
    b.reached(at).await;
    late.reached(at).await;
    // A client that has had the message comes from the other node.
    let all = ["before", "x", "first", "between", "after"];
    let of_messages = |node| {
        let mut texts = received(node);
        texts.retain(|text| all.contains(&&**text) || text.starts_with("reset"));
        texts
    };
    assert_eq!(of_messages(&b), all);
    assert_eq!(since(&b, from), Ok(vec!["after".into()]));
    assert_eq!(since(&late, from), Err(ReplayError::Gap));
    let resets = ["reset: Lost", "between", "reset: Lost", "after"];
    assert_eq!(of_messages(&late), resets, "it knew no number of the other");
    for node in [&a, &b, &late] {
        assert_eq!(replayed(node).await, all);
    }
}
