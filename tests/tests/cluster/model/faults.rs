//! Faults that need several steps.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_server::cluster::Lane;
use ws_server::testkit::Restart;

use super::{Mode, NODES, World};

impl World {
    pub(super) async fn lose_something(&mut self) {
        let lane = Lane(u16::try_from(self.random.below(8)).unwrap());
        let keep = self.random.below(3);
        let server = self.cluster.server();
        match self.mode {
            Mode::Lossless => {}
            Mode::Trimming if keep == 0 => self.trim_past_a_reader().await,
            Mode::Trimming => server.trim(lane, keep),
            Mode::Restarting => match keep {
                0 => server.save(),
                1 => server.restart(Restart::Saved),
                _ => server.restart(Restart::Current),
            },
            Mode::Losing => {
                let node = self.random.below(NODES);
                self.lose_last_of(node).await;
            }
        }
    }

    /// The log loses the last message that a node has published, before another one has read it.
    async fn lose_last_of(&mut self, node: usize) {
        let reader = (node + 1) % NODES;
        self.cut(reader);
        self.publish_on(node);
        sleep(Duration::from_millis(100)).await;
        self.lose_last_entries();
        self.cluster.heal(reader);
    }

    pub(super) fn lose_last_entries(&self) {
        for lane in 0..8 {
            let lost = self.cluster.server().lose_last(Lane(lane));
            for message in lost.into_iter().flatten() {
                let id: usize = message.as_text().unwrap().parse().unwrap();
                self.published.lock().unwrap()[id].lost = Some(Instant::now());
            }
        }
    }

    /// Entries are removed that a node has not read.
    async fn trim_past_a_reader(&mut self) {
        let node = self.random.below(NODES);
        self.cut(node);
        self.publish_on((node + 1) % NODES);
        self.publish_on((node + 2) % NODES);
        sleep(Duration::from_millis(200)).await;
        for lane in 0..8 {
            let keep = self.random.below(2);
            self.cluster.server().trim(Lane(lane), keep);
        }
        self.cluster.heal(node);
    }
}
