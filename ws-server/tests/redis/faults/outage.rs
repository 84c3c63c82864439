//! A server that does not answer for a while, or refuses commands: no client is closed.

use std::collections::BTreeSet;
use std::time::Duration;

use ws_server::prelude::*;
use ws_server::redis::{RedisEngine, RedisStore};
use ws_server::session::SessionStore;
use ws_server::topic::PublishError;

use crate::nodes::{
    Lines, assert_quiet, impatient_node, join, node, options, publish, publish_again, start, texts,
    texts_up_to,
};
use crate::server::RedisServer;

async fn outcome(hub: &Hub, line: &str) -> Result<(), PublishError> {
    hub.publish(Lines, &line.to_owned()).await.map(drop)
}

#[tokio::test]
async fn a_stop_longer_than_every_time_out_closes_no_client_and_doubles_nothing() {
    let server = RedisServer::start();
    let (one, two) = (impatient_node(server.redis()).await, node(&server).await);
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    publish(&one, "before").await;
    // Its calls take as long as a connection may be silent, and as an attempt to connect.
    let store = RedisStore::new(server.redis());
    store.count().await.unwrap();
    server.pause();
    let (sent, queued, ()) = tokio::join!(
        outcome(one.hub(), "sent"),
        async {
            tokio::task::yield_now().await;
            outcome(one.hub(), "queued").await
        },
        async {
            for _ in 0..3 {
                store.count().await.unwrap_err();
            }
        }
    );
    assert_eq!(sent, Err(PublishError::Unconfirmed));
    assert_eq!(queued, Err(PublishError::Unavailable));
    assert_eq!(ada.text().await, "before");
    assert_eq!(bob.text().await, "before");
    assert_quiet(&mut ada).await;
    assert_quiet(&mut bob).await;
    server.resume();
    // Its connections may still be bad, so some of these may be unconfirmed too.
    let after = publish_again(&one, "after").await;
    let last = publish_again(&two, "last").await;
    let to_ada = texts_up_to(&mut ada, &last).await;
    // What was sent may arrive; for all or for none, and once.
    assert_eq!(texts_up_to(&mut bob, &last).await, to_ada);
    assert_eq!(to_ada.iter().collect::<BTreeSet<_>>().len(), to_ada.len());
    assert!(to_ada.contains(&after), "{to_ada:?}");
    let is_sent = |text: &&String| {
        ["sent", "after, ", "last, "]
            .iter()
            .any(|it| text.starts_with(it))
    };
    assert_eq!(to_ada.iter().find(|text| !is_sent(text)), None);
    assert_quiet(&mut ada).await;
    assert_quiet(&mut bob).await;
}

#[tokio::test]
async fn a_server_that_sleeps_delays_messages_only() {
    let server = RedisServer::with(&["--enable-debug-command", "yes"]);
    let (one, two) = (node(&server).await, node(&server).await);
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    let sleep = std::thread::spawn({
        let port = server.port();
        move || crate::server::send(port, "DEBUG SLEEP 1.5")
    });
    let lines: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    for line in &lines {
        assert_eq!(outcome(one.hub(), line).await, Ok(()));
    }
    assert!(sleep.join().unwrap().starts_with("+OK"));
    for client in [&mut ada, &mut bob] {
        assert_eq!(texts(client, lines.len()).await, lines);
        assert_quiet(client).await;
    }
}

#[tokio::test]
async fn connections_that_are_killed_under_load_lose_and_double_nothing() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    let lines: Vec<_> = (0..400).map(|number| number.to_string()).collect();
    let publish_all = async {
        for (index, line) in lines.iter().enumerate() {
            if index % 40 == 20 {
                server.command("CLIENT KILL TYPE normal SKIPME yes");
            }
            assert_eq!(outcome(one.hub(), line).await, Ok(()));
        }
    };
    let ((), to_ada, to_bob) = tokio::join!(
        publish_all,
        texts(&mut ada, lines.len()),
        texts(&mut bob, lines.len())
    );
    assert_eq!(to_ada, lines);
    assert_eq!(to_bob, lines);
    assert_quiet(&mut ada).await;
    assert_quiet(&mut bob).await;
}

#[tokio::test]
async fn a_full_server_refuses_publishes_and_closes_no_client() {
    let server = RedisServer::start();
    let (one, two) = (impatient_node(server.redis()).await, node(&server).await);
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    publish(&one, "before").await;
    // So little that trimming does not help.
    server.command("CONFIG SET maxmemory 1");
    let refused = outcome(one.hub(), "refused").await;
    assert_eq!(refused, Err(PublishError::Unavailable));
    server.command("CONFIG SET maxmemory 0");
    publish(&two, "after").await;
    for client in [&mut ada, &mut bob] {
        assert_eq!(texts(client, 2).await, ["before", "after"]);
        assert_quiet(client).await;
    }
}

#[tokio::test]
async fn a_node_that_starts_before_its_server_is_ready_when_the_server_comes() {
    let mut server = RedisServer::stopped(&[]);
    let options = options().publish_timeout(Duration::from_millis(300));
    let early = start(RedisEngine::new(server.redis(), options.lanes), &options);
    let refused = outcome(early.hub(), "too early").await;
    assert_eq!(refused, Err(PublishError::Unavailable));
    assert!(server.run());
    early.hub().ready().await;
    let mut ada = join(&early).await;
    let mut bob = join(&node(&server).await).await;
    publish(&early, "hello").await;
    for client in [&mut ada, &mut bob] {
        assert_eq!(texts(client, 1).await, ["hello"]);
    }
}
