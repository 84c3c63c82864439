//! Makes room for frames of topics, under the policies of their subscriptions.

use super::queue::{DropReason, FrameKind, FrameQueue};
use super::{DroppedPayloads, Policy};

/// The outcome of making room for a frame of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Capacity {
    /// There is room.
    Available,
    /// The frame must be dropped.
    DropNewest,
    /// The connection must be closed.
    Overflow,
}

/// Makes room for a frame of a topic as far as its policy allows. If that fails, nothing is
/// dropped.
pub(super) fn make_room(
    queue: &mut FrameQueue,
    len: usize,
    kind: FrameKind,
    policy: Policy,
    dropped: &mut DroppedPayloads,
) -> Capacity {
    match policy {
        Policy::Latest => {
            let waiting = queue.total_of(kind, |_| false);
            // A frame that replaces older ones needs no further room, unless it is larger.
            let replaces = waiting.frames > 0 && waiting.bytes >= len;
            if replaces || queue.fits_without(waiting, len) {
                if waiting.frames > 0 {
                    queue.drop_all(kind, dropped);
                }
                return Capacity::Available;
            }
        }
        _ if queue.fits(len) => return Capacity::Available,
        Policy::Close => return Capacity::Overflow,
        Policy::DropNewest => {}
        Policy::DropOldest => {
            let enough = |oldest| queue.fits_without(oldest, len);
            let oldest = queue.total_of(kind, enough);
            if queue.fits_without(oldest, len) {
                for _ in 0..oldest.frames {
                    queue.drop_oldest(kind, dropped);
                }
                return Capacity::Available;
            }
        }
    }
    queue.count_dropped(1, DropReason::Policy(policy));
    Capacity::DropNewest
}
