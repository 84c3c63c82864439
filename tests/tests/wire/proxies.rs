//! A server behind proxies. The test itself is the proxy: its headers from 127.0.0.1 count only if
//! the server trusts that address.

use std::net::SocketAddr;

use ws_server::prelude::*;

use crate::client::{Client, Head, upgrade};
use crate::running::Running;

/// Sends the address of its client.
struct Peer;

#[ws_handler]
impl Peer {
    fn init(handshake: &Handshake, socket: &Socket<Self>) -> Self {
        assert_eq!(handshake.peer_addr(), socket.peer_addr());
        let peer = socket.peer_addr().map(|peer| peer.to_string());
        let _ = socket.send(peer.unwrap_or_default());
        Peer
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false }

    peer: "/peer" => Peer;
}

fn trusting() -> Server<ws_server::extract::NoState> {
    Server::new(Routes::table()).trusted_proxies(["10.0.0.0/8", "127.0.0.1"])
}

async fn running(server: Server<ws_server::extract::NoState>) -> Running {
    Running::start(server.build().unwrap()).await
}

/// Requests a connection with more header lines.
async fn ask(address: SocketAddr, lines: &[&str]) -> (Client, Head) {
    let mut client = Client::connect(address).await;
    client.send(upgrade("/peer", lines)).await;
    let head = client.head().await;
    (client, head)
}

async fn status(server: &Running, lines: &[&str]) -> u16 {
    ask(server.address, lines).await.1.status
}

/// The address that the handler sees.
async fn peer(server: &Running, lines: &[&str]) -> String {
    let (mut client, head) = ask(server.address, lines).await;
    assert_eq!(head.status, 101, "{lines:?}");
    client.text().await
}

/// Header lines, and the client's address that follows from them.
const CLIENTS: &[(&[&str], &str)] = &[
    (&["X-Forwarded-For: 192.0.2.7"], "192.0.2.7:0"),
    (
        &["x-forwarded-for: 203.0.113.9, 192.0.2.7:80"],
        "192.0.2.7:80",
    ),
    (
        &[
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-For: 192.0.2.7, 10.0.0.2",
        ],
        "192.0.2.7:0",
    ),
    (&["X-Forwarded-For: 2001:db8::1"], "[2001:db8::1]:0"),
    (
        &["Forwarded: for=203.0.113.9, For=\"[2001:db8::1]:4711\";proto=https"],
        "[2001:db8::1]:4711",
    ),
    (
        &["Forwarded: for=192.0.2.7", "X-Forwarded-For: 192.0.2.7"],
        "192.0.2.7:0",
    ),
];

#[tokio::test]
async fn the_address_of_a_connection_is_taken_from_a_trusted_proxy() {
    let server = running(trusting()).await;
    for (lines, expected) in CLIENTS {
        assert_eq!(peer(&server, lines).await, *expected, "{lines:?}");
    }
    let nobody: [&[&str]; 4] = [
        &[],
        &["X-Forwarded-For: 203.0.113.9, unknown"],
        &["Forwarded: for=_hidden"],
        // One of the two headers was written by the client.
        &["Forwarded: for=203.0.113.9", "X-Forwarded-For: 192.0.2.7"],
    ];
    for lines in nobody {
        let peer = peer(&server, lines).await;
        assert!(peer.starts_with("127.0.0.1:"), "{lines:?}: {peer}");
    }
}

#[tokio::test]
async fn without_a_trusted_proxy_the_address_of_a_connection_is_the_peers() {
    let elsewhere = Server::new(Routes::table()).trusted_proxies(["127.0.0.2", "10.0.0.0/8"]);
    for server in [Server::new(Routes::table()), elsewhere] {
        let server = running(server).await;
        for (lines, _) in CLIENTS {
            let (mut client, _) = ask(server.address, lines).await;
            let own = client.stream.local_addr().unwrap();
            assert_eq!(client.text().await, own.to_string(), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_trusted_proxy_also_counts_under_warps_own_server() {
    let ws = trusting().build().unwrap();
    let filter = ws.filter();
    let server = Running::under_warp(ws, filter).await;
    for (lines, expected) in CLIENTS {
        assert_eq!(peer(&server, lines).await, *expected, "{lines:?}");
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_limit_per_address_counts_clients() {
    let server = running(trusting().per_address(1)).await;
    let (_first, head) = ask(server.address, &["X-Forwarded-For: 192.0.2.1"]).await;
    assert_eq!(head.status, 101);
    assert_eq!(status(&server, &["X-Forwarded-For: 192.0.2.1"]).await, 429);
    assert_eq!(status(&server, &["Forwarded: for=192.0.2.1"]).await, 429);
    // A client that puts another address before its own is still itself.
    let spoofed = ["X-Forwarded-For: 203.0.113.9, 192.0.2.1"];
    assert_eq!(status(&server, &spoofed).await, 429);
    let (_second, head) = ask(server.address, &["X-Forwarded-For: 192.0.2.1, 192.0.2.2"]).await;
    assert_eq!(head.status, 101);
    assert_eq!(status(&server, &["X-Forwarded-For: 192.0.2.2"]).await, 429);
    // IPv6 addresses count by their /64 network.
    let (_third, head) = ask(server.address, &["X-Forwarded-For: 2001:db8::1"]).await;
    assert_eq!(head.status, 101);
    assert_eq!(
        status(&server, &["X-Forwarded-For: 2001:db8::ffff"]).await,
        429
    );
    assert_eq!(
        status(&server, &["X-Forwarded-For: 2001:db8:0:1::1"]).await,
        101
    );
}

#[tokio::test]
async fn an_unclosed_quote_of_the_client_does_not_hide_the_proxys_element() {
    let server = running(trusting().per_address(2)).await;
    let real = ["Forwarded: for=203.0.113.9"];
    let (_first, head) = ask(server.address, &real).await;
    assert_eq!(head.status, 101);
    let (_second, head) = ask(server.address, &real).await;
    assert_eq!(head.status, 101);
    assert_eq!(status(&server, &real).await, 429);
    for begun in ["for=127.0.0.1;\"", "for=127.0.0.1;x=\"", "for=\"127.0.0.1"] {
        for lines in [
            &[&*format!("Forwarded: {begun}, for=203.0.113.9")][..],
            &[&format!("Forwarded: {begun}"), real[0]],
            &[
                &format!("Forwarded: {begun}"),
                &format!("Forwarded: \", {}", &real[0][11..]),
            ],
        ] {
            assert_eq!(status(&server, lines).await, 400, "{lines:?}");
        }
    }
    // A forged host does not count either.
    let forged = "Forwarded: host=evil.test;\", for=203.0.113.10;host=shop.test";
    let lines = [forged, "Origin: http://evil.test"];
    assert_eq!(status(&server, &lines).await, 400);
    // Well-formed elements of the client are on the left of the proxy's own element.
    let lines = ["Forwarded: for=127.0.0.1;x=\"\", for=203.0.113.9"];
    assert_eq!(status(&server, &lines).await, 429);
}

#[tokio::test]
async fn the_own_address_of_a_trusted_proxy_is_limited() {
    let server = running(trusting().per_address(1)).await;
    let contradiction = ["Forwarded: for=203.0.113.9", "X-Forwarded-For: 192.0.2.7"];
    let (_only, head) = ask(server.address, &contradiction).await;
    assert_eq!(head.status, 101);
    for lines in [
        &contradiction[..],
        &["Forwarded: for=203.0.113.10", "X-Forwarded-For: 192.0.2.8"],
        &["X-Forwarded-For: unknown"],
        &[],
    ] {
        assert_eq!(status(&server, lines).await, 429, "{lines:?}");
    }
}

#[tokio::test]
async fn a_client_cannot_evade_its_limit_with_a_forged_address() {
    let server = running(Server::new(Routes::table()).per_address(1)).await;
    let (_first, head) = ask(server.address, &["X-Forwarded-For: 192.0.2.1"]).await;
    assert_eq!(head.status, 101);
    assert_eq!(status(&server, &["X-Forwarded-For: 192.0.2.2"]).await, 429);
    assert_eq!(status(&server, &["Forwarded: for=192.0.2.3"]).await, 429);
}

/// Header lines, and their statuses if the proxy is trusted and if it is not.
const ORIGINS: &[(&[&str], u16, u16)] = &[
    (
        &[
            "Origin: https://shop.test",
            "X-Forwarded-Host: shop.test",
            "X-Forwarded-Proto: https",
        ],
        101,
        403,
    ),
    (
        &[
            "Origin: http://shop.test",
            "X-Forwarded-Host: shop.test",
            "X-Forwarded-Proto: https",
        ],
        403,
        403,
    ),
    (
        &[
            "Origin: https://shop.test",
            "Forwarded: for=192.0.2.7;host=shop.test;proto=https",
        ],
        101,
        403,
    ),
    (
        &[
            "Origin: http://shop.test",
            "Forwarded: for=192.0.2.7;host=shop.test;proto=https",
        ],
        403,
        403,
    ),
    (
        &["Origin: https://example.com", "X-Forwarded-Host: shop.test"],
        403,
        101,
    ),
    (
        &["Origin: https://example.com", "X-Forwarded-Proto: wss"],
        101,
        101,
    ),
    (
        &["Origin: https://example.com", "X-Forwarded-Proto: http"],
        403,
        101,
    ),
    (
        &["Origin: https://evil.test", "X-Forwarded-Host: shop.test"],
        403,
        403,
    ),
];

#[tokio::test]
async fn the_servers_own_origin_is_taken_from_a_trusted_proxy_only() {
    let trusts = running(trusting()).await;
    let does_not = running(Server::new(Routes::table())).await;
    for (lines, trusted, untrusted) in ORIGINS {
        let statuses = (status(&trusts, lines).await, status(&does_not, lines).await);
        assert_eq!(statuses, (*trusted, *untrusted), "{lines:?}");
    }
}

#[tokio::test]
async fn public_url_overrides_the_origin_of_a_proxy() {
    let server = running(trusting().public_url("https://shop.test")).await;
    let lines = |origin| {
        [
            origin,
            "X-Forwarded-Host: evil.test",
            "X-Forwarded-Proto: http",
        ]
    };
    assert_eq!(
        status(&server, &lines("Origin: https://shop.test")).await,
        101
    );
    assert_eq!(
        status(&server, &lines("Origin: http://shop.test")).await,
        403
    );
    assert_eq!(
        status(&server, &lines("Origin: http://evil.test")).await,
        403
    );
}
