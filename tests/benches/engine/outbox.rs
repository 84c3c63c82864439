//! Frames from a task to a client's socket.

use criterion::{Criterion, Throughput};
use ws_core::hub::Hub;
use ws_core::message::Message;
use ws_server::prelude::*;

use crate::name;
use crate::sink::{Connections, Sink};

/// Only receives.
struct Client;

#[ws_handler]
impl Client {
    fn init(_: &Handshake) -> Self {
        Client
    }
}

/// The number of frames that are queued before a flush.
const BURST: usize = 16;

/// A small message is copied behind its header, a large one is shared.
const SIZES: [usize; 3] = [16, 125, 16 * 1024];

pub(crate) fn send(criterion: &mut Criterion) {
    let hub = Hub::default();
    let direct = Connections::open::<Client>(&hub, 1, Sink { direct: true });
    let queued = Connections::open::<Client>(&hub, 1, Sink { direct: false });
    let mut group = criterion.benchmark_group("outbox");
    for size in SIZES {
        let message = Message::binary(vec![b'p'; size]);
        group.throughput(Throughput::Elements(1));
        group.bench_function(
            format!("straight to the socket/{}", name(size)),
            |bencher| {
                let client = &direct.senders[0];
                bencher.iter(|| client.send(message.clone()).unwrap());
                assert_eq!(client.buffered(), 0);
            },
        );
        group.throughput(Throughput::Elements(BURST as u64));
        let queue = format!("queued by {BURST}, then flushed/{}", name(size));
        group.bench_function(queue, |bencher| {
            let client = &queued.senders[0];
            bencher.iter(|| {
                for _ in 0..BURST {
                    client.send(message.clone()).unwrap();
                }
                queued.runtime.block_on(tokio::task::yield_now());
            });
            assert_eq!(client.buffered(), 0);
        });
    }
    group.finish();
}
