//! A lane whose only author is gone: no later message and no heartbeat of it shows that messages are
//! missing. Only the generation does.

use ws_server::cluster::Lane;
use ws_server::testkit::TestKit;
use ws_server::topic::Position;

use super::judge::{Connection, End, Line, Outcome, Source};
use super::load::{Load, TOPICS, continue_from};
use crate::nodes::lane_of;

/// Messages before the snapshot, and after it.
const EACH: usize = 3;

/// The numbers of authors that end, behind those of the nodes.
const AUTHORS: usize = 1_000;

/// What an author has left.
pub(super) struct Legacy {
    source: Source,
    /// The numbers and positions of the messages that were accepted.
    accepted: Vec<(usize, Position)>,
}

/// The first room in a lane in which nobody else publishes.
fn quiet_room() -> u64 {
    let busy: Vec<Lane> = (0..TOPICS)
        .map(|topic| lane_of(&format!("room/{topic}")))
        .collect();
    let is_quiet = |topic: &u64| {
        let lane = lane_of(&format!("room/{topic}"));
        lane != Lane(0) && !busy.contains(&lane)
    };
    (TOPICS..100).find(is_quiet).unwrap()
}

impl Load {
    /// On a node that ends then, publishes some messages before `save` and some after it. `author`
    /// is another number in each call.
    pub(super) async fn leave_messages(
        &self,
        node: TestKit,
        author: usize,
        save: impl FnOnce(),
    ) -> Legacy {
        let source = Source {
            node: AUTHORS + author,
            topic: quiet_room(),
        };
        let mut legacy = Legacy {
            source,
            accepted: Vec::new(),
        };
        self.publish_lines(&node, 0..EACH, &mut legacy).await;
        save();
        self.publish_lines(&node, EACH..2 * EACH, &mut legacy).await;
        legacy
    }

    async fn publish_lines(
        &self,
        node: &TestKit,
        numbers: std::ops::Range<usize>,
        legacy: &mut Legacy,
    ) {
        let source = legacy.source;
        for number in numbers {
            let (_, position) = self.publish_line(node, Line { source, number }).await;
            legacy.accepted.extend(position.map(|it| (number, it)));
        }
    }

    /// From each of its positions, a client continues on a node that has seen nothing before. Then
    /// another author publishes there: with its message, the client must have the whole legacy
    /// behind its position, unless it was refused.
    pub(super) async fn inherit(&self, node: &TestKit, legacy: Legacy) {
        let Legacy { source, accepted } = legacy;
        for (number, position) in accepted {
            let heir = Source {
                node: source.node + AUTHORS * (number + 1),
                ..source
            };
            let last = Line {
                source: heir,
                number: 0,
            };
            let client = continue_from(node, source.topic, position, |received| {
                received.contains(&last)
            });
            let ((received, end), (outcome, _)) =
                tokio::join!(client, self.publish_line(node, last));
            // Without the last message, nothing is certain about the others.
            let end = match end {
                End::Left if outcome == Outcome::Accepted && received.contains(&last) => End::Open,
                end => end,
            };
            let due = [(source, number + 1)].into();
            self.record()
                .clients
                .push(vec![Connection { due, received, end }]);
        }
    }
}
