//! Entries on the streams that this version did not write.

use ws_server::redis::RedisError;

use crate::nodes::{assert_quiet, join, lane_of, node, publish, texts};
use crate::server::RedisServer;

/// Bytes as a text of the protocol's inline commands.
fn quoted(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("\\x{byte:02x}"));
    format!("\"{}\"", digits.collect::<String>())
}

/// The fields of entries: of another program, of a later version, cut, too short, of bytes that
/// only look right, and of all 256 bytes.
fn foreign() -> Vec<String> {
    let head = |version, kind| [b'W', b'L', version, kind];
    let author = [0, 0, 0, 0, 0, 0, 0, 9];
    let whole = [&head(1, 0)[..], &author, &[1, 1, 0, 3, 0, 1, b't']].concat();
    let mut fields = vec![
        "name value".to_owned(),
        "e 1 f 2".to_owned(),
        "e text".to_owned(),
    ];
    let entries: [&[u8]; 7] = [
        b"",
        &[&head(2, 0)[..], &author, &[1]].concat(),
        &[&head(1, 9)[..], &author, &[1]].concat(),
        &[&head(1, 0)[..], &author, &[1, 0xff, 0xff, 0xff]].concat(),
        &head(1, 0),
        &whole[..whole.len() - 2],
        &(0..=u8::MAX).collect::<Vec<_>>(),
    ];
    fields.extend(entries.iter().map(|entry| format!("e {}", quoted(entry))));
    fields
}

#[tokio::test]
async fn entries_that_cannot_be_read_are_skipped_and_counted() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let mut clients = [join(&one).await, join(&two).await];
    let log = server.log_of(lane_of("lines"));
    publish(&one, "before").await;
    for fields in foreign() {
        let added = server.command(&format!("XADD {log} * {fields}"));
        assert!(added.starts_with('$'), "{added} for {fields}");
    }
    publish(&two, "after").await;
    for client in &mut clients {
        assert_eq!(texts(client, 2).await, ["before", "after"]);
        assert_quiet(client).await;
    }
    let count = foreign().len() as u64;
    for node in [&one, &two] {
        assert_eq!(node.hub().skipped_entries(), count);
    }
    // A node that starts behind them reads the same.
    let late = node(&server).await;
    assert_eq!(texts(&mut join(&late).await, 2).await, ["before", "after"]);
    assert_eq!(late.hub().skipped_entries(), count);
}

#[tokio::test]
async fn random_entries_never_disturb_a_node() {
    let server = RedisServer::start();
    let node = node(&server).await;
    let mut client = join(&node).await;
    let log = server.log_of(lane_of("lines"));
    // A generator with a period of 2^64, so that each run has the same entries.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut commands = Vec::new();
    for _ in 0..300 {
        // From the kind on: the author has the number 5 or more, so it is no node.
        let len = random() % 40;
        let mut entry = vec![b'W', b'L', 1];
        entry.extend((0..len).map(|_| random().to_le_bytes()[3]));
        commands.push(format!("XADD {log} * e {}", quoted(&entry)));
    }
    let answers = server.command(&commands.join("\r\n"));
    assert_eq!(answers.matches("\r\n$").count() + 1, 300, "{answers}");
    publish(&node, "after").await;
    let mut client = match client.receive().await {
        // Some of them may be valid: then the author seems to have lost entries.
        ws_server::testkit::Received::Close(..) => join(&node).await,
        ws_server::testkit::Received::Message(message) => {
            assert_eq!(message.as_text(), Some("after"));
            client
        }
        other => panic!("{other:?}"),
    };
    publish(&node, "last").await;
    while client.text().await != "last" {}
    assert!(node.hub().skipped_entries() > 200);
}

#[tokio::test]
async fn a_user_whose_permissions_are_too_few_gets_the_code_of_the_refusal() {
    let server = RedisServer::start();
    server.command("ACL SETUSER ws on >password ~ws:* +@read +@write +@connection");
    let url = server.url("ws:password@");
    let redis = ws_server::redis::Redis::new(&url).unwrap();
    let address = redis.address().to_owned();
    let code = "NOPERM".to_owned();
    assert_eq!(
        redis.connected().await,
        Err(RedisError::Refused { address, code })
    );
}
