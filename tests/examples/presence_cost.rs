//! Measures presence: `cargo run --release -p ws-tests --example presence_cost`.
//!
//! 10,000 connections enter one topic, each under its own key. The program prints the time of each
//! `enter` beside that of an insertion into a `HashMap`, the memory of each member, and the time in
//! which 1,000 watchers get a snapshot of 500 members and an event, and 10,000 watchers of 10,000
//! members a change of their number.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use ws_core::testkit::{TestClient, TestKit};
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;

const MEMBERS: usize = 10_000;
const WATCHERS: usize = 1_000;
/// The largest number of members that watchers get.
const LISTED: usize = 500;

#[derive(Serialize, Deserialize)]
struct Member {
    name: String,
    is_typing: bool,
}

topics! {
    /// A room of the chat.
    Room: "room/{id: u64}" => String { presence: Member };
}

/// Does nothing.
struct Guest;

#[ws_handler]
impl Guest {
    fn init() -> Self {
        Guest
    }
}

async fn connect(kit: &TestKit, count: usize) -> Vec<TestClient> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let client = kit.handler::<Guest>().connect().await;
        clients.push(client.expect("the kit accepts every client"));
    }
    clients
}

fn member(number: usize) -> (String, Member) {
    let key = format!("user-{number:06}");
    let name = format!("Visitor {number}");
    let is_typing = false;
    (key, Member { name, is_typing })
}

/// The time of each of `count` runs.
fn time(count: usize, run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed() / u32::try_from(count).expect("a small number")
}

fn enter(clients: &[TestClient], room: Room) {
    for (number, client) in clients.iter().enumerate() {
        let (key, member) = member(number);
        client.socket::<Guest>().enter(&room, &key, member);
    }
}

async fn measure_members() {
    let kit = TestKit::with_limits(ServerLimits::DEFAULT.per_address(None));
    let clients = connect(&kit, MEMBERS).await;
    // The first connection of a topic allocates what all of them share.
    enter(&clients[..1], Room(1));
    let mut spent = Duration::ZERO;
    let memory = allocation_counter::measure(|| {
        spent = time(MEMBERS, || enter(&clients, Room(7)));
    });
    assert_eq!(kit.hub().member_count(&Room(7)), MEMBERS);
    println!("enter                      {spent:>12.0?}");
    let per_member = memory.bytes_current / i64::try_from(MEMBERS).expect("a small number");
    println!("memory of a member         {per_member:>10} B");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = time(MEMBERS, || enter(&clients, Room(7)));
    println!("enter again, no change     {spent:>12.0?}");
    let spent = time(MEMBERS, || {
        for (number, client) in clients.iter().enumerate() {
            client.socket::<Guest>().leave(&Room(7));
            black_box(number);
        }
    });
    println!("leave                      {spent:>12.0?}");
    let spent = time(1, || drop(black_box(kit.hub().members(&Room(7)))));
    println!("all members, decoded       {spent:>12.0?}");
    let spent = time(1, || {
        drop(black_box(kit.hub().members_page(&Room(7), None, 100)));
    });
    println!("a page of 100 members      {spent:>12.0?}");
}

fn measure_floor() {
    let pairs: Vec<(String, Member)> = (0..MEMBERS).map(member).collect();
    let mut map = HashMap::new();
    let spent = time(MEMBERS, || {
        for (key, member) in pairs {
            map.insert(key, member);
        }
    });
    black_box(&map);
    println!("HashMap::insert            {spent:>12.0?}");
    let members: Vec<Member> = map.into_values().collect();
    let spent = time(MEMBERS, || {
        for member in &members {
            black_box(serde_json::to_string(member).is_ok());
        }
    });
    println!("JSON of a member           {spent:>12.0?}");
}

async fn measure_watchers() {
    let kit = TestKit::with_limits(ServerLimits::DEFAULT.per_address(None));
    let guests = connect(&kit, LISTED - 1).await;
    let watchers = connect(&kit, WATCHERS).await;
    enter(&guests, Room(7));
    let spent = time(WATCHERS, || {
        for watcher in &watchers {
            watcher.socket::<Guest>().watch(&Room(7));
        }
    });
    println!("snapshot to a watcher      {spent:>12.0?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (key, member) = member(MEMBERS);
    let socket = guests[0].socket::<Guest>();
    let start = Instant::now();
    socket.enter(&Room(7), &key, member);
    tokio::task::yield_now().await;
    let spent = start.elapsed() / 1_000;
    println!("event to a watcher         {spent:>12.0?}");
}

async fn measure_many_watchers() {
    let kit = TestKit::with_limits(ServerLimits::DEFAULT.per_address(None));
    let clients = connect(&kit, MEMBERS).await;
    enter(&clients, Room(7));
    let spent = time(MEMBERS, || {
        for client in &clients {
            client.socket::<Guest>().watch(&Room(7));
        }
    });
    println!("count to a watcher         {spent:>12.0?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before: usize = clients.iter().map(TestClient::unread).sum();
    let start = Instant::now();
    clients[0].socket::<Guest>().leave(&Room(7));
    // The member is shown for another `linger`, and its leaving may wait for a `tick`.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let idle = start.elapsed();
    let after: usize = clients.iter().map(TestClient::unread).sum();
    let bytes = (after - before) / MEMBERS;
    println!("bytes to a watcher         {bytes:>10} B after {idle:.1?}");
    let (key, member) = member(MEMBERS);
    let start = Instant::now();
    clients[0].socket::<Guest>().enter(&Room(7), &key, member);
    tokio::task::yield_now().await;
    let spent = start.elapsed() / u32::try_from(MEMBERS).expect("a small number");
    println!("new count to a watcher     {spent:>12.0?}");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    measure_floor();
    runtime.block_on(async {
        measure_members().await;
        measure_watchers().await;
        measure_many_watchers().await;
    });
}
