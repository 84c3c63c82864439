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
struct Publish {
    topic: u64,
    policy: Policy,
    len: usize,
    volatile: bool,
}

#[derive(Clone, Debug)]
enum Operation {
    Push(usize),
    Publish(Publish),
    /// Publishes that are written together, after all of them.
    Burst(Vec<Publish>),
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
    let volatile = prop::bool::weighted(0.1);
    let publish =
        (1..3_u64, policy, len(), volatile).prop_map(|(topic, policy, len, volatile)| Publish {
            topic,
            policy,
            len,
            volatile,
        });
    prop_oneof![
        1 => len().prop_map(Operation::Push),
        6 => publish.clone().prop_map(Operation::Publish),
        2 => vec(publish, 1..9).prop_map(Operation::Burst),
        2 => (0..60_usize).prop_map(Operation::Accept),
    ]
}

/// The outbox under test, beside its model.
struct Both {
    client: Arc<LimitedClient>,
    outbox: Outbox,
    model: Model,
    /// The number of the last frame.
    number: u8,
}

impl Both {
    fn new() -> Self {
        let client = Arc::new(LimitedClient::default());
        let outbox = Outbox::new(MAX_BYTES, MAX_FRAMES);
        outbox.connect(Some(client.clone()));
        Self {
            client,
            outbox,
            model: Model::default(),
            number: 0,
        }
    }

    /// The next frame, and the same for the model.
    fn frame(&mut self, topic: u64, len: usize) -> (Frame, ModelFrame) {
        self.number = self.number.wrapping_add(1);
        let number = self.number;
        let frame = Frame::whole(Bytes::from(vec![number; len]));
        let written = 0;
        let model_frame = ModelFrame {
            topic,
            number,
            len,
            written,
        };
        (frame, model_frame)
    }

    fn push(&mut self, len: usize) -> Result<(), TestCaseError> {
        let (frame, model_frame) = self.frame(0, len);
        let queue: Vec<_> = self.model.queue.iter().cloned().collect();
        let fits = fits(&queue, len);
        let expected = if fits { Ok(()) } else { Err(PushError::Full) };
        prop_assert_eq!(self.outbox.push(&frame), expected);
        if fits {
            self.model.put(model_frame);
        }
        Ok(())
    }

    /// The deliveries to the outbox and to the model.
    fn publish(&mut self, publish: &Publish, mode: TopicWrite) -> [Delivery; 2] {
        let (frame, model_frame) = self.frame(publish.topic, publish.len);
        let topic_frame = TopicFrame {
            frame: &frame,
            topic: publish.topic,
            policy: publish.policy,
            volatile: publish.volatile,
        };
        let mut after = AfterPush::default();
        let delivery = self.outbox.push_topic(topic_frame, mode, &mut after);
        let Publish {
            policy, volatile, ..
        } = *publish;
        [
            delivery,
            self.model.push_topic(model_frame, policy, volatile),
        ]
    }

    fn accept(&mut self, bytes: usize) {
        self.model.room += bytes;
        self.client.0.lock().unwrap().0 += bytes;
        self.model.write();
        self.outbox.flush_direct();
    }

    fn run(&mut self, operation: Operation) -> Result<(), TestCaseError> {
        match operation {
            Operation::Push(len) => self.push(len)?,
            Operation::Publish(publish) => {
                let before = self.model.queue.clone();
                let [delivery, expected] = self.publish(&publish, TopicWrite::Direct);
                prop_assert_eq!(delivery, expected);
                // If the new frame was not accepted, no older frame was dropped.
                if delivery != Delivery::Accepted {
                    prop_assert_eq!(&self.model.queue, &before);
                }
            }
            Operation::Burst(publishes) => {
                let flush = FlushId::next();
                for publish in &publishes {
                    let [delivery, expected] = self.publish(publish, TopicWrite::Queue(flush));
                    // A frame that the burst accepts may be dropped when the burst is written.
                    let overflows = expected == Delivery::Overflow;
                    prop_assert_eq!(delivery == Delivery::Overflow, overflows);
                }
                self.outbox.flush_direct();
            }
            Operation::Accept(bytes) => self.accept(bytes),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let bytes: usize = self.model.queue.iter().map(|it| it.len - it.written).sum();
        prop_assert_eq!(self.outbox.buffered(), bytes);
        prop_assert_eq!(self.outbox.has_waiting(), bytes > 0);
        prop_assert_eq!(self.outbox.dropped(), self.model.dropped);
        prop_assert_eq!(&self.client.0.lock().unwrap().1, &self.model.written);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The model writes each frame of a burst by itself: writing them together changes nothing.
    #[test]
    fn the_outbox_drops_frames_as_its_policies_allow(operations in vec(operation(), 1..60)) {
        let mut both = Both::new();
        for operation in operations {
            both.run(operation)?;
            both.check()?;
        }
        both.accept(usize::MAX / 2);
        both.check()?;
    }
}
