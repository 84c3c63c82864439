//! Connections whose messages are compressed (RFC 7692).

use flate2::{Compress, Compression, FlushCompress};
use ws_core::protocol::OpCode;
use ws_core::protocol::encoder::encode_masked;
use ws_core::testkit::TestKit;
use ws_server::prelude::*;

use crate::journal::{Journal, limits, settle};

/// Records the length of messages. A number is answered with that many long messages.
struct Many(Journal);

#[ws_handler]
impl Many {
    fn init(journal: Journal) -> Self {
        Many(journal)
    }

    fn message(&mut self, text: String) -> Vec<String> {
        self.0.note(format!("message {}", text.len()));
        let count: usize = text.parse().unwrap_or(0);
        (0..count).map(long).collect()
    }
}

/// A long text that compresses well and differs from all others.
fn long(number: usize) -> String {
    format!("{number} ").repeat(1000)
}

/// A text as a compressed frame of a client.
fn packed(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut compress = Compress::new(Compression::best(), false);
    let sync = FlushCompress::Sync;
    compress
        .compress_vec(text.as_bytes(), &mut out, sync)
        .unwrap();
    let mut frame = encode_masked(OpCode::Text, true, &out[..out.len() - 4], [1, 2, 3, 4]);
    frame[0] |= 0x40;
    frame
}

on_both_transports! {
    async fn replies_that_wait_for_room_arrive_whole_and_in_order(on_transport: TransportChoice) {
        let builder = Journal::new().client::<Many>(&TestKit::new()).deflate();
        let small = limits(|it| (it.outbox, it.outbox_frames) = (8 << 10, 4));
        let mut client = on_transport(builder.limits(small).network_capacity(100)).connect().await.unwrap();
        client.send_bytes(&packed("200")).await;
        settle().await;
        assert!(client.socket::<Many>().buffered() <= 8 << 10);
        for number in 0..200 {
            assert_eq!(client.text().await, long(number));
        }
    }

    async fn an_outbox_counts_compressed_bytes(on_transport: TransportChoice) {
        let builder = Journal::new().client::<Many>(&TestKit::new()).deflate();
        let mut client = on_transport(builder.network_capacity(1)).connect().await.unwrap();
        let socket = client.socket::<Many>();
        for number in 0..10 {
            socket.send(long(number)).unwrap();
        }
        assert!((100..1000).contains(&socket.buffered()), "{}", socket.buffered());
        for number in 0..10 {
            assert_eq!(client.text().await, long(number));
        }
    }

    async fn a_client_whose_few_bytes_inflate_to_many_does_not_delay_others(on_transport: TransportChoice) {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let builder = || on_transport(journal.client::<Many>(&kit).deflate());
        let mut greedy = builder().connect().await.unwrap();
        let mut modest = builder().connect().await.unwrap();
        // 400 calls alone do not exceed the budget of one turn.
        let bytes = packed(&"x".repeat(60_000)).repeat(400);
        assert!(bytes.len() < 64 << 10);
        tokio::join!(greedy.send_bytes(&bytes), modest.send("hello"));
        settle().await;
        let lines = journal.lines_of("message");
        assert_eq!(lines.len(), 401);
        let place = lines.iter().position(|line| line == "message 5").unwrap();
        assert!((1..250).contains(&place), "{place}");
    }
}
