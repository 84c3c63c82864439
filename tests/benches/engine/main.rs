//! The engine without the system: bytes to messages and back, queued frames, and the cost of a
//! publish for each subscriber. Clients are sinks in memory.
//!
//! ```text
//! cargo bench -p ws-tests --bench engine
//! ```

use std::time::Duration;

use criterion::Criterion;

mod bytes;
mod frames;
mod outbox;
mod publish;
mod sink;

/// The sizes for per-byte work: a short chat message, the longest payload with a header of two
/// bytes, a memory page, and the largest read.
const SIZES: [usize; 4] = [16, 125, 4 * 1024, 64 * 1024];

/// The size in the name of a case.
fn name(size: usize) -> String {
    match size {
        0x10_0000.. => format!("{} MiB", size >> 20),
        0x400.. => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    frames::decode(&mut criterion);
    frames::encode(&mut criterion);
    bytes::mask(&mut criterion);
    bytes::utf8(&mut criterion);
    outbox::send(&mut criterion);
    publish::publish(&mut criterion);
    publish::logged(&mut criterion);
    criterion.final_summary();
}
