//! The example `devices` as a process: bearer tokens, and two protocol versions on one path.

use serde_json::{Value, json};
use ws_tests::{Example, within};

use crate::client::{Client, Head, close, upgrade};
use crate::examples::{get, post};

const TOKEN: &str = "Authorization: Bearer b0iler-t0ken";

async fn devices() -> Example {
    Example::start("devices", &[]).await
}

/// Connects a device that is accepted.
async fn device(example: &Example, lines: &[&str]) -> (Client, Head) {
    let mut client = Client::connect(example.address).await;
    client.send(upgrade("/devices/boiler", lines)).await;
    let head = client.head().await;
    assert_eq!(head.status, 101, "{head:?}");
    (client, head)
}

/// The status, challenge and body of a refused device.
async fn refused(example: &Example, path: &str, lines: &[&str]) -> (u16, String, String) {
    let (head, body) = Client::ask(example.address, &upgrade(path, lines)).await;
    assert_eq!(head.header("set-cookie"), None);
    let challenge = head.header("www-authenticate").unwrap_or("none").to_owned();
    (head.status, challenge, body.trim_end().to_owned())
}

async fn json_of(client: &mut Client) -> Value {
    serde_json::from_str(&client.text().await).unwrap()
}

/// The boiler's entry in the list of devices.
async fn boiler(example: &Example) -> Value {
    let (status, kind, body) = get(example, "/api/devices").await;
    assert_eq!((status, kind.as_deref()), (200, Some("application/json")));
    let all: Value = serde_json::from_str(&body).unwrap();
    all["boiler"].clone()
}

#[tokio::test]
async fn devices_of_both_versions_report_readings_and_get_commands() {
    let example = devices().await;
    let interval = r#"{"interval":5}"#;
    assert_eq!(get(&example, "/api/devices").await.2, "{}");
    assert_eq!(post(&example, "/api/devices/boiler", interval).await, 404);

    let (mut old, head) = device(&example, &[TOKEN, "Sec-WebSocket-Protocol: v1.devices"]).await;
    assert_eq!(head.header("sec-websocket-protocol"), Some("v1.devices"));
    for (line, answer) in [
        ("temperature 21.5", "ok"),
        ("temperature warm", "error the value must be a number"),
        (
            "temperature NaN",
            "error a reading needs a name of 1 to 32 bytes and a finite value",
        ),
        (
            "interval 0",
            "error the interval must be a number of seconds from 1 to 65535",
        ),
        ("temperature", "error a line must have a name and a value"),
    ] {
        old.send_text(line).await;
        assert_eq!(old.text().await, answer, "{line}");
    }
    let seen = json!({
        "connections": 1, "version": "v1", "interval": null, "readings": {"temperature": 21.5}
    });
    assert_eq!(boiler(&example).await, seen);

    let both = "Sec-WebSocket-Protocol: v1.devices, v2.devices";
    let (mut new, head) = device(&example, &[TOKEN, both]).await;
    assert_eq!(head.header("sec-websocket-protocol"), Some("v2.devices"));
    new.send_text(r#"{"type":"reading","id":1,"name":"pressure","value":1.5}"#)
        .await;
    assert_eq!(json_of(&mut new).await, json!({"type": "ack", "id": 1}));
    new.send_text(r#"{"type":"reading","id":2,"name":"","value":1}"#)
        .await;
    let why = "a reading needs a name of 1 to 32 bytes and a finite value";
    let answer = json!({"type": "refused", "id": 2, "why": why});
    assert_eq!(json_of(&mut new).await, answer);

    assert_eq!(post(&example, "/api/devices/boiler", interval).await, 202);
    assert_eq!(post(&example, "/api/devices/pump", interval).await, 404);
    assert_eq!(old.text().await, "interval 5");
    assert_eq!(
        json_of(&mut new).await,
        json!({"type": "set_interval", "seconds": 5})
    );
    assert_eq!(
        post(&example, "/api/devices/boiler", r#"{"interval":0}"#).await,
        400
    );
    new.send_text(r#"{"type":"interval","id":3,"seconds":5}"#)
        .await;
    assert_eq!(json_of(&mut new).await, json!({"type": "ack", "id": 3}));

    let readings = json!({"temperature": 21.5, "pressure": 1.5});
    let seen = json!({"connections": 2, "version": "v2", "interval": 5, "readings": readings});
    assert_eq!(boiler(&example).await, seen);
    for mut client in [old, new] {
        client.send(close(1000, "")).await;
        assert_eq!(client.close_frame().await.0, 1000);
        client.end().await;
    }
    // The end of the stream reaches the client before the handler has ended.
    within("the end of both handlers", async {
        while boiler(&example).await["connections"] != 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn only_a_device_with_its_own_token_is_accepted() {
    let example = devices().await;
    let v2 = "Sec-WebSocket-Protocol: v2.devices";
    let v1 = "Sec-WebSocket-Protocol: v1.devices";
    for version in [v2, v1] {
        let refused = async |path, line| {
            let (status, challenge, _) = refused(&example, path, &[version, line]).await;
            (status, challenge)
        };
        let refusal = |status, challenge: &str| (status, challenge.to_owned());
        let (none, other) = ("X-Nothing: here", "Authorization: Bearer pump.t0ken");
        let boiler = "/devices/boiler";
        assert_eq!(refused(boiler, none).await, refusal(401, "Bearer"));
        assert_eq!(
            refused(boiler, "Authorization: Bearer guess").await,
            refusal(401, "Bearer error=\"invalid_token\"")
        );
        assert_eq!(
            refused(boiler, "Authorization: Bearer two words").await,
            refusal(401, "Bearer error=\"invalid_request\"")
        );
        assert_eq!(refused(boiler, other).await, refusal(403, "none"));
        assert_eq!(
            refused("/devices/pumpkin", other).await,
            refusal(403, "none")
        );
        assert_eq!(
            refused("/devices/boiler?access_token=b0iler-t0ken", none)
                .await
                .0,
            401
        );
    }
    assert_eq!(get(&example, "/api/devices").await.2, "{}");
}

#[tokio::test]
async fn the_refusal_of_a_device_without_a_version_lists_the_versions() {
    let example = devices().await;
    let message = "offer the subprotocol v2.devices or v1.devices".to_owned();
    let message = (400, "none".to_owned(), message);
    for lines in [
        &[TOKEN][..],
        &[TOKEN, "Sec-WebSocket-Protocol: v3.devices"],
        &["Sec-WebSocket-Protocol: bearer, b0iler-t0ken"],
        // A subprotocol after `bearer` is a token.
        &["Sec-WebSocket-Protocol: bearer, v2.devices"],
    ] {
        assert_eq!(
            refused(&example, "/devices/boiler", lines).await,
            message,
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn a_browser_can_send_its_token_as_a_subprotocol_and_it_is_not_echoed() {
    let example = devices().await;
    let origin = "Origin: https://elsewhere.example";
    for (offer, chosen) in [
        ("v2.devices, bearer, b0iler-t0ken", "v2.devices"),
        ("bearer, b0iler-t0ken, v1.devices", "v1.devices"),
    ] {
        let line = format!("Sec-WebSocket-Protocol: {offer}");
        let (_, head) = device(&example, &[origin, &line]).await;
        assert_eq!(head.header("sec-websocket-protocol"), Some(chosen));
        let shown = format!("{head:?}");
        assert!(
            !shown.contains("t0ken") && !shown.contains("bearer"),
            "{shown}"
        );
        assert_eq!(head.header("set-cookie"), None);
    }
    let (status, _, body) = refused(
        &example,
        "/devices/boiler",
        &["Sec-WebSocket-Protocol: v2.devices, bearer, pump.t0ken"],
    )
    .await;
    assert_eq!(
        (status, &*body),
        (403, "this token belongs to another device")
    );
}

#[tokio::test]
async fn the_readings_of_a_device_are_bounded() {
    let example = devices().await;
    let (mut client, _) = device(&example, &[TOKEN, "Sec-WebSocket-Protocol: v1.devices"]).await;
    for number in 0..16 {
        client.send_text(&format!("r{number} {number}")).await;
        assert_eq!(client.text().await, "ok");
    }
    client.send_text("another 1").await;
    assert_eq!(
        client.text().await,
        "error the device has too many different readings"
    );
    client.send_text("r0 7").await;
    assert_eq!(client.text().await, "ok");
    assert_eq!(boiler(&example).await["readings"]["r0"], 7.0);
}

#[tokio::test]
async fn a_page_shows_the_devices() {
    let (status, kind, page) = get(&devices().await, "/").await;
    assert_eq!(
        (status, kind.as_deref()),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(page.contains("/api/devices"), "{page}");
}
