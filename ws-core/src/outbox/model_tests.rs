//! Compares the outbox with a model of it: a list of frames, and every policy in a few lines.

use std::collections::VecDeque;
use std::io::IoSlice;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const MAX_BYTES: usize = 100;
const MAX_FRAMES: usize = 6;

/// A client that accepts as many bytes as it has room for.
#[derive(Default)]
struct LimitedClient(Mutex<(usize, Vec<u8>)>);

impl DirectWrite for LimitedClient {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let (room, written) = &mut *self.0.lock().unwrap();
        if *room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut count = 0;
        for slice in slices {
            let len = slice.len().min(*room);
            written.extend_from_slice(&slice[..len]);
            *room -= len;
            count += len;
        }
        Ok(count)
    }
}

/// A frame of the model: all of its bytes equal its number.
#[derive(Clone, PartialEq, Eq, Debug)]
struct ModelFrame {
    topic: u64,
    number: u8,
    len: usize,
    written: usize,
}

#[derive(Default)]
struct Model {
    queue: VecDeque<ModelFrame>,
    dropped: u64,
    room: usize,
    written: Vec<u8>,
}

fn fits(waiting: &[ModelFrame], len: usize) -> bool {
    let bytes: usize = waiting.iter().map(|frame| frame.len - frame.written).sum();
    waiting.is_empty() || (bytes + len <= MAX_BYTES && waiting.len() < MAX_FRAMES)
}

impl Model {
    /// The queue without this number of the oldest frames of a topic that are not partly written.
    fn without(&self, topic: u64, count: usize) -> Vec<ModelFrame> {
        let mut left = count;
        let mut kept = Vec::new();
        for frame in &self.queue {
            if frame.topic == topic && frame.written == 0 && left > 0 {
                left -= 1;
            } else {
                kept.push(frame.clone());
            }
        }
        kept
    }

    fn push_topic(&mut self, frame: ModelFrame, policy: Policy, volatile: bool) -> Delivery {
        let of_topic = |it: &&ModelFrame| it.topic == frame.topic && it.written == 0;
        let of_topic: Vec<_> = self.queue.iter().filter(of_topic).collect();
        let replaced: usize = of_topic.iter().map(|it| it.len).sum();
        let all = of_topic.len();
        let dropped = match policy {
            _ if volatile && !self.queue.is_empty() => None,
            Policy::Latest if all > 0 && replaced >= frame.len => Some(all),
            Policy::Latest => {
                Some(all).filter(|all| fits(&self.without(frame.topic, *all), frame.len))
            }
            Policy::Close | Policy::DropNewest => {
                Some(0).filter(|_| fits(&self.without(frame.topic, 0), frame.len))
            }
            Policy::DropOldest => {
                (0..=all).find(|count| fits(&self.without(frame.topic, *count), frame.len))
            }
        };
        match dropped {
            Some(count) => {
                self.queue = self.without(frame.topic, count).into();
                self.dropped += count as u64;
                self.put(frame);
                Delivery::Accepted
            }
            None if policy == Policy::Close && !volatile => Delivery::Overflow,
            None => {
                self.dropped += 1;
                Delivery::Skipped
            }
        }
    }

    fn put(&mut self, frame: ModelFrame) {
        let idle = self.queue.is_empty();
        self.queue.push_back(frame);
        if idle {
            self.write();
        }
    }

    fn write(&mut self) {
        while let Some(front) = self.queue.front_mut() {
            let len = (front.len - front.written).min(self.room);
            self.written.extend(vec![front.number; len]);
            self.room -= len;
            front.written += len;
            if front.written < front.len {
                return;
            }
            self.queue.pop_front();
        }
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Push(usize),
    Publish {
        topic: u64,
        policy: Policy,
        len: usize,
        volatile: bool,
    },
    /// The client gets room for this many more bytes.
    Accept(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let policy = prop_oneof![
        Just(Policy::Close),
        Just(Policy::DropOldest),
        Just(Policy::DropNewest),
        Just(Policy::Latest),
    ];
    let len = || prop_oneof![4 => 1..40_usize, 1 => 40..130_usize];
    prop_oneof![
        1 => len().prop_map(Operation::Push),
        6 => (1..3_u64, policy, len(), prop::bool::weighted(0.1)).prop_map(
            |(topic, policy, len, volatile)| Operation::Publish { topic, policy, len, volatile }
        ),
        2 => (0..60_usize).prop_map(Operation::Accept),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_outbox_drops_frames_as_its_policies_allow(operations in vec(operation(), 1..60)) {
        let client = Arc::new(LimitedClient::default());
        let outbox = Outbox::new(MAX_BYTES, MAX_FRAMES);
        outbox.connect(Some(client.clone()));
        let mut model = Model::default();
        for (number, operation) in operations.into_iter().enumerate() {
            let number = u8::try_from(number).unwrap();
            let before = model.queue.clone();
            let model_frame = |topic, len| ModelFrame { topic, number, len, written: 0 };
            let frame = |len| Frame::whole(Bytes::from(vec![number; len]));
            match operation {
                Operation::Push(len) => {
                    let queue: Vec<_> = model.queue.iter().cloned().collect();
                    let fits = fits(&queue, len);
                    prop_assert_eq!(outbox.push(&frame(len)).is_ok(), fits);
                    if fits {
                        model.put(model_frame(0, len));
                    }
                }
                Operation::Publish { topic, policy, len, volatile } => {
                    let mut dropped = DroppedPayloads::default();
                    let frame = &frame(len);
                    let topic_frame = TopicFrame { frame, topic, policy, volatile };
                    let delivery = outbox.push_topic(topic_frame, WriteMode::Direct, &mut dropped);
                    let expected = model.push_topic(model_frame(topic, len), policy, volatile);
                    prop_assert_eq!(delivery, expected);
                    // If the new frame was not accepted, no older frame was dropped.
                    if delivery != Delivery::Accepted {
                        prop_assert_eq!(&model.queue, &before);
                    }
                }
                Operation::Accept(bytes) => {
                    model.room += bytes;
                    client.0.lock().unwrap().0 += bytes;
                    model.write();
                    outbox.flush_direct();
                }
            }
            let bytes: usize = model.queue.iter().map(|it| it.len - it.written).sum();
            prop_assert_eq!(outbox.buffered(), bytes);
            prop_assert_eq!(outbox.has_waiting(), bytes > 0);
            prop_assert_eq!(outbox.dropped(), model.dropped);
        }
        client.0.lock().unwrap().0 = usize::MAX / 2;
        model.room = usize::MAX / 2;
        model.write();
        outbox.flush_direct();
        prop_assert_eq!(&client.0.lock().unwrap().1, &model.written);
    }
}
