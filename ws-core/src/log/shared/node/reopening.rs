//! Opens lanes while others are read.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::NodeShared;
use crate::log::name::Lane;
use crate::log::shared::engine::{EngineError, Opened};

/// The time between two attempts to open a lane that an engine has left out of a read.
const REOPEN: Duration = Duration::from_millis(250);

/// A lane, and whether it was opened.
pub(super) type Answer = (Lane, Result<Opened, EngineError>);

/// The lanes that are being opened. Each has an answer of its own: one server may not answer.
#[derive(Default)]
pub(super) struct Reopening {
    under_way: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// When the last attempt for a lane has ended; `None` while it is under way.
    ended: HashMap<Lane, Option<Instant>>,
}

impl Reopening {
    /// Begins to open these lanes, unless that is under way or was tried a moment ago.
    pub(super) fn open(&mut self, node: &Arc<NodeShared>, lanes: &[Lane], now: Instant) {
        for lane in lanes {
            let is_due = match self.ended.get(lane) {
                None => true,
                Some(ended) => ended.is_some_and(|at| now.duration_since(at) >= REOPEN),
            };
            if is_due {
                self.ended.insert(*lane, None);
                let (node, lane) = (node.clone(), *lane);
                let open = async move { (lane, node.engine.open(lane).await) };
                self.under_way.push(Box::pin(open));
            }
        }
    }

    /// The next answer; waits for ever if nothing is under way.
    pub(super) async fn next(&mut self) -> Answer {
        let Some(answer) = self.under_way.next().await else {
            return pending().await;
        };
        self.ended.insert(answer.0, Some(Instant::now()));
        answer
    }
}
