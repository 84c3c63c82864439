//! One publish to many subscribers. The times are for each delivery.

use criterion::{Criterion, Throughput};
use ws_core::hub::Hub;
use ws_core::limits::ServerLimits;
use ws_server::prelude::*;

use crate::sink::{Connections, Sink};

topics! {
    Logged: "logged" => Bytes;
    History: "history" => Bytes { history: 100, keep: 10m };
}

fn news() -> Topic<Bytes> {
    Topic::local("news")
}

/// Subscribes to a topic of each kind.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(news());
        socket.subscribe(Logged);
        socket.subscribe(History);
        Reader
    }
}

const SUBSCRIBERS: [usize; 4] = [1, 100, 1000, 10_000];

/// Either the publish writes to every socket itself, or it only queues, and a task writes. On a
/// thread without a runtime, that task runs at once.
const MODES: [(&str, usize); 2] = [("written", usize::MAX), ("queued, then written", 0)];

pub(crate) fn publish(criterion: &mut Criterion) {
    let topic = news();
    let message = Bytes::from(vec![b'p'; 125]);
    for (mode, inline) in MODES {
        let mut group = criterion.benchmark_group(format!("publish/{mode}"));
        for count in SUBSCRIBERS {
            let hub = Hub::new(ServerLimits::DEFAULT.publish_inline(inline));
            let readers = Connections::open::<Reader>(&hub, count, Sink { direct: true });
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(count.to_string(), |bencher| {
                bencher.iter(|| assert_eq!(hub.publish(&topic, &message).reached(), count));
            });
            assert!(readers.senders.iter().all(|reader| reader.buffered() == 0));
        }
        group.finish();
    }
}

/// The topics with a log, beside a local one.
pub(crate) fn logged(criterion: &mut Criterion) {
    let message = Bytes::from(vec![b'p'; 125]);
    for count in [1000, 5000] {
        let hub = Hub::new(ServerLimits::DEFAULT.publish_inline(usize::MAX));
        let readers = Connections::open::<Reader>(&hub, count, Sink { direct: true });
        let mut group = criterion.benchmark_group(format!("publish/{count} subscribers"));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function("local", |bencher| {
            bencher.iter(|| assert_eq!(hub.publish(news(), &message).reached(), count));
        });
        group.bench_function("logged", |bencher| {
            bencher.iter(|| assert_eq!(hub.publish(Logged, &message).reached(), count));
        });
        group.bench_function("logged, with a history", |bencher| {
            bencher.iter(|| assert_eq!(hub.publish(History, &message).reached(), count));
        });
        group.finish();
        assert!(readers.senders.iter().all(|reader| reader.buffered() == 0));
    }
}
