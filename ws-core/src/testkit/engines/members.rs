//! Checks the recorded members.

use bytes::Bytes;

use crate::log::shared::{Engine, Incarnation, MemberChange};

const NODES: [Incarnation; 2] = [Incarnation(0x0050_17e1), Incarnation(0x0050_17e2)];

/// The recorded members of the suite's nodes, sorted.
async fn all(engine: &impl Engine) -> Vec<(u64, Bytes, Bytes)> {
    let all = engine.all_members().await.expect("`all_members` fails");
    let all = all
        .into_iter()
        .filter(|member| NODES.contains(&member.node));
    let mut all: Vec<_> = all.map(|it| (it.node.0, it.key, it.value)).collect();
    all.sort_unstable();
    all
}

async fn record(
    engine: &impl Engine,
    node: Incarnation,
    changes: &[(&'static [u8], Option<&'static str>)],
) {
    let change = |(key, value): &(&'static [u8], Option<&'static str>)| MemberChange {
        key: Bytes::from_static(key),
        value: value.map(Bytes::from),
    };
    let changes: Vec<_> = changes.iter().map(change).collect();
    let recorded = engine.record_members(node, &changes).await;
    recorded.expect("`record_members` fails");
}

pub(super) async fn check(engine: &impl Engine) {
    let [a, b] = NODES;
    record(engine, a, &[(b"ada\0\xff", Some("1")), (b"bob", Some(""))]).await;
    record(engine, b, &[(b"ada\0\xff", Some("2"))]).await;
    let ada = |node: Incarnation, value: &'static str| {
        (node.0, Bytes::from_static(b"ada\0\xff"), Bytes::from(value))
    };
    let bob = (a.0, Bytes::from("bob"), Bytes::new());
    assert_eq!(all(engine).await, [ada(a, "1"), bob.clone(), ada(b, "2")]);
    // The changes of one call are made in their order.
    let changes: [(&[u8], _); 4] = [
        (b"ada\0\xff", Some("3")),
        (b"ada\0\xff", None),
        (b"eve", None),
        (b"eve", Some("4")),
    ];
    record(engine, a, &changes).await;
    let eve = (a.0, Bytes::from("eve"), Bytes::from("4"));
    assert_eq!(all(engine).await, [bob, eve, ada(b, "2")]);
    record(engine, a, &[]).await;
    for (node, left) in [(a, vec![ada(b, "2")]), (a, vec![ada(b, "2")]), (b, vec![])] {
        let removed = engine.remove_members(node).await;
        removed.expect("`remove_members` fails");
        assert_eq!(all(engine).await, left);
    }
}
