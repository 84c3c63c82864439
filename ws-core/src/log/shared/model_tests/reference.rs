//! What clients must have received: computed from all entries that the server has executed.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::time::Instant;

use crate::log::name::{Lane, TopicName};
use crate::log::position::{Generation, Offset, Position};
use crate::log::shared::append::AppendError;
use crate::log::shared::entry::{Body, Incarnation, Record};
use crate::log::shared::faults::Executed;
use crate::message::Message;

/// What a client has received between two resets.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    start: Position,
    /// When it has come to its node.
    pub(super) attached: Instant,
    /// The client has received everything up to here.
    pub(super) end: Position,
    /// The node that delivers to the client.
    pub(super) node: u64,
    /// Each with the node that has delivered it.
    pub(super) messages: Vec<(Position, String, u64)>,
}

impl Segment {
    pub(super) fn new(start: Position, node: u64) -> Self {
        Self {
            start,
            attached: Instant::now(),
            end: start,
            node,
            messages: Vec::new(),
        }
    }

    pub(super) fn receive(&mut self, at: Position, message: &Message) {
        let id = message.as_text().unwrap().to_owned();
        self.messages.push((at, id, self.node));
        self.end = at;
    }
}

/// A message in the log.
struct Logged {
    topic: TopicName,
    id: String,
    is_required: bool,
    /// When it was removed without a trace.
    lost: Option<Instant>,
}

type Place = (u64, Lane, Offset);

/// The whole log.
pub(super) struct Reference {
    messages: BTreeMap<Place, Logged>,
    /// The places of every message.
    places: HashMap<String, Vec<Place>>,
    /// The last message of each lane.
    last: HashMap<Lane, Place>,
    generation: Generation,
}

const fn place(at: Position) -> Place {
    (at.generation.0, at.lane, at.offset)
}

impl Reference {
    pub(super) fn new(
        executed: Vec<Executed>,
        dead: &[Incarnation],
        generation: Generation,
    ) -> Self {
        let mut reference = Self {
            messages: BTreeMap::new(),
            places: HashMap::new(),
            last: HashMap::new(),
            generation,
        };
        let mut numbers = HashSet::new();
        for Executed {
            lane,
            generation,
            id,
            entry,
            lost,
        } in executed
        {
            // Of several copies, the first counts.
            let is_first = numbers.insert((lane, entry.incarnation, entry.number));
            // If the publisher died too, there is no trace of what was lost.
            let has_trace = lost.is_none() || !dead.contains(&entry.incarnation);
            let Body::Records(records) = entry.body else {
                continue;
            };
            for (index, record) in (1..).zip(records) {
                let Record::Message(message) = record else {
                    continue;
                };
                let (topic, message) = (message.topic, message.message);
                let offset = Offset::new(id, index);
                let id = message.as_text().unwrap().to_owned();
                let place = (generation.0, lane, offset);
                reference.places.entry(id.clone()).or_default().push(place);
                let is_required = is_first && has_trace;
                reference.messages.insert(
                    place,
                    Logged {
                        topic,
                        id,
                        is_required,
                        lost,
                    },
                );
                if is_first && lost.is_none() {
                    reference.last.insert(lane, place);
                }
            }
        }
        reference
    }

    /// Checks what a publisher was told about its message.
    pub(super) fn check_outcome(
        &self,
        id: &str,
        outcome: Result<Position, AppendError>,
        strict: bool,
    ) -> Result<(), String> {
        let places = self.places.get(id).map_or(&[][..], |places| places);
        let is_right = match outcome {
            Ok(at) if strict => places.first() == Some(&place(at)),
            Ok(at) => places.contains(&place(at)),
            Err(AppendError::Unconfirmed) => true,
            Err(_) => places.is_empty(),
        };
        let wrong = || format!("message {id}: {outcome:?}, but it is at {places:?}");
        is_right.then_some(()).ok_or_else(wrong)
    }

    /// Checks what a client has received.
    pub(super) fn check_client(
        &self,
        topic: &TopicName,
        segments: &[Segment],
        strict: bool,
    ) -> Result<(), String> {
        if strict && segments.len() > 1 {
            return Err(format!(
                "{topic:?}: a reset, but nothing was lost: {segments:?}"
            ));
        }
        let mut received: HashSet<(u64, &str)> = HashSet::new();
        for segment in segments {
            let mut last = place(segment.start);
            let mut in_segment = HashSet::new();
            for (at, id, node) in &segment.messages {
                let found = self.messages.get(&place(*at));
                if found.is_none_or(|found| found.id != *id || found.topic != *topic) {
                    return Err(format!("{topic:?}: message {id} is not at {at:?}"));
                }
                if last >= place(*at) {
                    return Err(format!("{topic:?}: message {id} at {at:?} is out of order"));
                }
                last = place(*at);
                if !in_segment.insert(id) || !received.insert((*node, id)) {
                    return Err(format!("{topic:?}: message {id} was delivered twice"));
                }
            }
        }
        let segment = segments.last().ok_or("a client without a segment")?;
        self.check_complete(topic, segment)
    }

    /// Checks that nothing is missing since the last reset.
    fn check_complete(&self, topic: &TopicName, segment: &Segment) -> Result<(), String> {
        let lane = segment.start.lane;
        let is_current = segment.end.generation == self.generation;
        if !is_current
            || self
                .last
                .get(&lane)
                .is_some_and(|last| place(segment.end) < *last)
        {
            return Err(format!("{topic:?}: received up to {:?} only", segment.end));
        }
        let range = place(segment.start)..=place(segment.end);
        let all = self
            .messages
            .range(range)
            .skip_while(|it| *it.0 <= place(segment.start));
        for ((_, in_lane, _), logged) in all {
            // What was lost before the client came to its node may be unknown to both nodes.
            let was_there = logged.lost.is_none_or(|lost| segment.attached <= lost);
            let is_own = *in_lane == lane && logged.topic == *topic;
            if is_own
                && was_there
                && logged.is_required
                && segment.messages.iter().all(|(_, id, _)| *id != logged.id)
            {
                let id = &logged.id;
                return Err(format!("{topic:?}: message {id} is missing in {segment:?}"));
            }
        }
        Ok(())
    }
}
