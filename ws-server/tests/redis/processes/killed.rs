//! Pages of a process that is killed continue on the other one.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::device::Device;
use super::server::ServerProcess;
use crate::browser::Client;
use crate::server::RedisServer;

/// Clients of each server that publish.
const CLIENTS: usize = 4;

/// What each of them publishes, half of it to each topic.
const COUNT: usize = 1_500;

/// Pages of each server.
const PAGES: usize = 3;

/// Events of a page when its server is killed.
const KILLED_AFTER: usize = 9_000;

/// How many messages each client may be ahead of a page: those of all fit into what a page can get at
/// once after it has moved.
const LEAD: usize = 60;

/// The time in which the members of a dead server leave.
const LEAVING: Duration = Duration::from_secs(15);

/// The last message of each topic.
const LAST: [&str; 2] = ["last", "tell last"];

async fn push(chat: &mut Client, number: usize) {
    chat.send(&format!("push {number}")).await;
    assert_eq!(chat.text().await.as_deref(), Some("pushed"));
}

#[tokio::test]
async fn a_page_of_a_killed_process_continues_on_the_other_one_without_a_reset() {
    let redis = RedisServer::start();
    let mut servers = [ServerProcess::start(&redis), ServerProcess::start(&redis)];
    let mut chat = Client::connect(servers[1].port, "/chat/ada").await;
    let mut device = Device::connect(servers[0].port).await;
    for number in 0..5 {
        push(&mut chat, number).await;
        assert_eq!(device.event().await, Some(number.to_string()));
    }
    servers[0].kill();
    assert_eq!(device.event().await, None);
    for number in 5..10 {
        push(&mut chat, number).await;
    }
    let welcome = device.move_to(servers[1].port).await;
    assert_eq!(welcome["continued"], true, "{welcome}");
    for number in 10..15 {
        push(&mut chat, number).await;
    }
    for number in 5..15 {
        assert_eq!(device.event().await, Some(number.to_string()));
    }
}

/// How many messages of each client each page has received.
type Progress = Vec<watch::Receiver<HashMap<String, usize>>>;

/// What was received, in order.
#[derive(Default)]
struct Received {
    texts: Vec<String>,
    /// Topics of which the last message has come.
    ends: usize,
    /// How often a page has connected to another server.
    moves: u32,
}

impl Received {
    /// Notes a text. Returns whether it was the last one.
    fn note(&mut self, text: String) -> bool {
        if LAST.iter().any(|last| text.ends_with(last)) {
            self.ends += 1;
        }
        self.texts.push(text);
        self.ends == LAST.len()
    }

    /// The messages of one of the two topics: only these have an order.
    fn of_topic(&self, has_history: bool) -> Vec<&String> {
        let texts = self.texts.iter();
        texts
            .filter(|text| text.contains(" tell ") == has_history)
            .collect()
    }
}

/// The client of this name publishes its messages, until its server is killed. Returns it and what it
/// has received.
async fn publish(mut client: Client, name: String, mut pages: Progress) -> (Client, Received) {
    let mut received = Received::default();
    for number in 0..COUNT {
        for page in &mut pages {
            let is_near = |counts: &HashMap<String, usize>| {
                number < counts.get(&name).copied().unwrap_or_default() + LEAD
            };
            if page.wait_for(is_near).await.is_err() {
                // The pages have all that was published: the server was killed before the rest.
                return (client, received);
            }
        }
        let kind = if number % 2 == 0 { "" } else { "tell " };
        if client.try_send(&format!("{kind}{number}")).await.is_err() {
            return (client, received);
        }
        // Half of what is under way is that of others.
        while received.texts.len() < number * CLIENTS {
            let Some(text) = client.text().await else {
                return (client, received);
            };
            received.note(text);
        }
    }
    (client, received)
}

/// A page reads up to the last message; on another server if its own is killed.
async fn read(
    mut page: Device,
    other: u16,
    progress: watch::Sender<HashMap<String, usize>>,
) -> Received {
    let mut received = Received::default();
    loop {
        let Some(text) = page.event().await else {
            let welcome = page.move_to(other).await;
            assert_eq!(welcome["continued"], true, "{welcome}");
            received.moves += 1;
            continue;
        };
        let (name, _) = text.split_once(' ').unwrap();
        progress.send_modify(|counts| *counts.entry(name.to_owned()).or_default() += 1);
        let is_last = received.note(text);
        if is_last {
            return received;
        }
    }
}

/// The commands that read histories, members or old entries.
pub(super) const READS: [&str; 5] = ["xrange", "xrevrange", "lrange", "hgetall", "smembers"];

/// The place of the command that a server executes once for each node with members, when it starts.
const MEMBERS: usize = 4;

/// How often Redis has executed each of [`READS`], also in scripts.
pub(super) fn reads_of(redis: &RedisServer) -> [u64; READS.len()] {
    let stats = redis.command("INFO commandstats");
    READS.map(|command| {
        let begin = format!("cmdstat_{command}:calls=");
        let calls = stats.lines().find_map(|line| line.strip_prefix(&begin));
        calls.map_or(0, |calls| {
            let (calls, _) = calls.split_once(',').unwrap();
            calls.parse().unwrap()
        })
    })
}

/// Connects the publishers and the pages of a server. The pages are subscribed to both topics.
async fn connect(server: &ServerProcess, name: &str) -> (Vec<Client>, Vec<Device>) {
    let (mut clients, mut pages) = (Vec::new(), Vec::new());
    for number in 0..CLIENTS {
        let path = format!("/chat/{name}{number}");
        clients.push(Client::connect(server.port, &path).await);
    }
    for _ in 0..PAGES {
        pages.push(connect_page(server, &mut clients[0]).await);
    }
    (clients, pages)
}

/// Connects a page. The client, of the same server, subscribes it to both topics.
pub(super) async fn connect_page(server: &ServerProcess, client: &mut Client) -> Device {
    let page = Device::connect(server.port).await;
    client.send(&format!("subscribe {}", page.id)).await;
    assert_eq!(client.text().await.as_deref(), Some("subscribed"));
    page
}

/// Waits until a server knows these members of the hall; there is one more, who asks.
async fn wait_for_members(port: u16, names: &str) {
    let mut client = Client::connect(port, "/chat/observer").await;
    let expected = format!("members {names},observer");
    loop {
        client.send("members").await;
        let members = loop {
            let text = client.text().await.unwrap();
            if text.starts_with("members ") {
                break text;
            }
        };
        if members == expected {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Checks that the log has what a client has published in order: all of it, unless its server was
/// killed.
fn check_publisher(all: &Received, name: &str) {
    let begin = format!("{name} ");
    for (has_history, first) in [(false, 0), (true, 1)] {
        let own = all.of_topic(has_history).into_iter();
        let own = own.filter_map(|text| text.strip_prefix(&begin));
        let own: Vec<_> = own.filter(|text| !LAST.contains(text)).collect();
        let sent = (first..COUNT).step_by(2).map(|number| {
            let kind = if has_history { "tell " } else { "" };
            format!("{kind}{number}")
        });
        let sent: Vec<_> = sent.collect();
        if name.starts_with('a') {
            assert!(sent.starts_with(&own.iter().map(ToString::to_string).collect::<Vec<_>>()));
        } else {
            assert_eq!(own, sent);
        }
    }
}

/// Checks that a page has received each message of a topic once and in order.
fn check_equal(page: usize, read: &[&String], all: &[&String]) {
    let place = read.iter().zip(all).position(|(one, other)| one != other);
    let place = place.unwrap_or(read.len().min(all.len()));
    let next = |texts: &[&String]| {
        texts
            .iter()
            .skip(place)
            .take(5)
            .map(|it| it.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert!(
        read == all,
        "page {page}: [{}] instead of [{}] after {place} messages",
        next(read),
        next(all)
    );
}

#[tokio::test]
async fn pages_of_a_killed_process_continue_under_load_without_a_reset_or_a_read_from_redis() {
    let redis = RedisServer::start();
    let mut servers = [ServerProcess::start(&redis), ServerProcess::start(&redis)];
    let ports = [servers[0].port, servers[1].port];
    let (killed_clients, killed_pages) = connect(&servers[0], "a").await;
    let (clients, pages) = connect(&servers[1], "b").await;
    let (mut progress, mut reading) = (Progress::new(), Vec::new());
    for page in killed_pages.into_iter().chain(pages) {
        let (sender, receiver) = watch::channel(HashMap::new());
        progress.push(receiver);
        reading.push(tokio::spawn(read(page, ports[1], sender)));
    }
    let start = |clients: Vec<Client>, server: &str| -> Vec<_> {
        let clients = clients.into_iter().enumerate();
        let publish = |(number, client)| {
            let name = format!("{server}{number}");
            tokio::spawn(publish(client, name, progress.clone()))
        };
        clients.map(publish).collect()
    };
    let (killed_clients, clients) = (start(killed_clients, "a"), start(clients, "b"));
    let mut page = progress[0].clone();
    page.wait_for(|counts| counts.values().sum::<usize>() >= KILLED_AFTER)
        .await
        .unwrap();
    let reads = reads_of(&redis);
    assert_eq!(
        reads[MEMBERS], 2,
        "each server has read the members at its start"
    );
    servers[0].kill();
    let left = timeout(LEAVING, wait_for_members(ports[1], "b0,b1,b2,b3"));
    let (left, published) = tokio::join!(left, join_all(clients));
    left.expect("the members of the dead server leave");
    let published = published.into_iter().map(Result::unwrap);
    let mut published: Vec<(Client, Received)> = published.collect();
    let (mut client, mut all) = published.swap_remove(0);
    for text in LAST {
        client.send(text).await;
    }
    while all.ends < LAST.len() {
        all.note(client.text().await.unwrap());
    }
    for (number, read) in join_all(reading).await.into_iter().enumerate() {
        let read = read.unwrap();
        assert_eq!(read.moves, u32::from(number < PAGES));
        for has_history in [false, true] {
            check_equal(
                number,
                &read.of_topic(has_history),
                &all.of_topic(has_history),
            );
        }
    }
    assert_eq!(reads_of(&redis), reads, "{READS:?}");
    for name in ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"] {
        check_publisher(&all, name);
    }
    for client in join_all(killed_clients).await {
        client.unwrap();
    }
}
