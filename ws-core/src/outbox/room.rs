//! Makes room for frames of topics, under the policies of their subscriptions.

use super::queue::{Kind, Queue};
use super::{Dropped, Policy};

/// The outcome of making room for a frame of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    /// There is room.
    Made,
    /// The frame must be dropped.
    LeftOut,
    /// The connection must be closed.
    Overflow,
}

/// Makes room for a frame of a topic as far as its policy allows. If that fails, nothing is
/// dropped.
pub(super) fn make_room(
    queue: &mut Queue,
    len: usize,
    kind: Kind,
    policy: Policy,
    dropped: &mut Dropped,
) -> Room {
    match policy {
        Policy::Latest => {
            let waiting = queue.waiting_of(kind, |_| false);
            // A frame that replaces older ones needs no further room, unless it is larger.
            let replaces = waiting.frames > 0 && waiting.bytes >= len;
            if replaces || queue.fits_without(waiting, len) {
                if waiting.frames > 0 {
                    queue.drop_all(kind, dropped);
                }
                return Room::Made;
            }
        }
        _ if queue.fits(len) => return Room::Made,
        Policy::Close => return Room::Overflow,
        Policy::DropNewest => {}
        Policy::DropOldest => {
            let enough = |oldest| queue.fits_without(oldest, len);
            let oldest = queue.waiting_of(kind, enough);
            if queue.fits_without(oldest, len) {
                for _ in 0..oldest.frames {
                    queue.drop_oldest(kind, dropped);
                }
                return Room::Made;
            }
        }
    }
    queue.count_dropped();
    Room::LeftOut
}
