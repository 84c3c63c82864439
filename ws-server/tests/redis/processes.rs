//! Two servers in processes of their own, which share one Redis.

use std::mem;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::browser::Client;
use crate::server::RedisServer;

mod device;
mod killed;
mod many;
mod server;

use server::{ServerProcess, members_of};

/// The messages of each client.
const COUNT: usize = 1_250;

/// Clients of each server.
const CLIENTS: usize = 4;

/// Sends all messages of a client, and returns everything that it receives.
async fn talk(mut client: Client) -> (Client, Vec<String>) {
    let mut all = Vec::new();
    for number in 0..COUNT {
        client.send(&number.to_string()).await;
        // Half of what is under way is that of others.
        while all.len() < number * CLIENTS {
            all.push(client.text().await.unwrap());
        }
    }
    while all.len() < 2 * CLIENTS * COUNT {
        all.push(client.text().await.unwrap());
    }
    (client, all)
}

#[tokio::test]
async fn two_processes_deliver_alike_and_members_of_a_killed_one_leave() {
    let redis = RedisServer::start();
    let mut servers = [ServerProcess::start(&redis), ServerProcess::start(&redis)];
    let mut talks = Vec::new();
    for (server, name) in servers.iter().zip(["a", "b"]) {
        for number in 0..CLIENTS {
            let path = format!("/chat/{name}{number}");
            talks.push(talk(Client::connect(server.port, &path).await));
        }
    }
    let mut talked = futures::future::join_all(talks).await;
    let order = mem::take(&mut talked[0].1);
    assert_eq!(order.len(), 10_000);
    for (_, all) in &talked[1..] {
        assert!(*all == order, "a client has received another order");
    }
    for (name, number) in ["a", "b"]
        .iter()
        .flat_map(|name| (0..CLIENTS).map(move |it| (name, it)))
    {
        let begin = format!("{name}{number} ");
        let own = order.iter().filter_map(|text| text.strip_prefix(&begin));
        assert!(
            own.eq((0..COUNT)
                .map(|number| number.to_string())
                .collect::<Vec<_>>())
        );
    }
    let mut client = talked.pop().unwrap().0;
    let all = "members a0,a1,a2,a3,b0,b1,b2,b3";
    while members_of(&mut client).await != all {
        sleep(Duration::from_millis(20)).await;
    }
    servers[0].kill();
    let killed = Instant::now();
    for (client, _) in &mut talked[..CLIENTS] {
        assert_eq!(client.text().await, None);
    }
    let expected = "members b0,b1,b2,b3";
    let mut members = members_of(&mut client).await;
    while members != expected {
        assert_eq!(members, all, "the members of a node leave together");
        sleep(Duration::from_millis(20)).await;
        members = members_of(&mut client).await;
    }
    println!(
        "the members of the killed process have left after {:?}",
        killed.elapsed()
    );
}
