//! What an outbox has counted.

use super::Outbox;
use crate::stats::OutboxTotals;

impl Outbox {
    /// Takes what was counted since the last call. Also returns the number of queued bytes.
    pub(crate) fn take_totals(&self) -> (usize, OutboxTotals) {
        let mut state = self.lock();
        let (binary, dropped) = state.queue.take_counts();
        let totals = OutboxTotals {
            pushed: [std::mem::take(&mut state.pushed_texts).into(), binary],
            written: std::mem::take(&mut state.written),
            dropped,
        };
        (state.queue.bytes(), totals)
    }
}
