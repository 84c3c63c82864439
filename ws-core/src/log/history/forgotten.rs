//! Topics whose histories are empty or were evicted.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use crate::log::name::TopicName;
use crate::log::position::Offset;

/// The number of topics that are remembered; about 130 bytes each, besides their names.
const MAX_FORGOTTEN: usize = 4096;

/// What a history has lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lost {
    /// The newest message that is no longer kept.
    pub(super) last: Offset,
    /// The newest one that was removed because of the limit in bytes, and when.
    pub(super) evicted: Option<(Offset, Instant)>,
}

impl Lost {
    pub(super) const fn up_to(last: Offset) -> Self {
        Self {
            last,
            evicted: None,
        }
    }
}

/// Up to which offset each topic has lost its messages. Without it, a client that has had the last
/// message of a quiet topic could not continue.
#[derive(Debug)]
pub(super) struct Forgotten {
    lost: HashMap<TopicName, Lost>,
    by_age: BTreeMap<Offset, TopicName>,
    /// The same for all other topics together.
    floor: Lost,
}

impl Forgotten {
    /// All topics may have lost messages up to this offset.
    pub(super) fn new(floor: Offset) -> Self {
        Self {
            lost: HashMap::new(),
            by_age: BTreeMap::new(),
            floor: Lost::up_to(floor),
        }
    }

    /// Adds a topic that has lost all of its messages.
    pub(super) fn add(&mut self, topic: TopicName, lost: Lost) {
        self.by_age.insert(lost.last, topic.clone());
        self.lost.insert(topic, lost);
        if self.lost.len() > MAX_FORGOTTEN
            && let Some((_, oldest)) = self.by_age.pop_first()
            && let Some(lost) = self.lost.remove(&oldest)
        {
            // A topic that is kept for long may lose messages that are older than the floor.
            self.floor = Lost {
                last: self.floor.last.max(lost.last),
                evicted: self.floor.evicted.max(lost.evicted),
            };
        }
    }

    /// What a topic may have lost.
    pub(super) fn lost(&self, topic: &TopicName) -> Lost {
        self.lost.get(topic).copied().unwrap_or(self.floor)
    }

    /// Same as [`lost`](Self::lost), for a topic that keeps messages from now on.
    pub(super) fn remove(&mut self, topic: &TopicName) -> Lost {
        let Some(lost) = self.lost.remove(topic) else {
            return self.floor;
        };
        self.by_age.remove(&lost.last);
        lost
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lost.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::position::EntryId;

    fn offset(number: u64) -> Offset {
        Offset::new(EntryId::new(0, number), 1)
    }

    fn name(number: u64) -> TopicName {
        TopicName::new(number.to_string())
    }

    fn add(forgotten: &mut Forgotten, topic: u64, lost: u64) {
        forgotten.add(name(topic), Lost::up_to(offset(lost)));
    }

    fn lost(forgotten: &Forgotten, topic: u64) -> Offset {
        forgotten.lost(&name(topic)).last
    }

    const MOST: u64 = MAX_FORGOTTEN as u64;

    #[test]
    fn the_number_of_topics_is_limited() {
        let mut forgotten = Forgotten::new(Offset::ZERO);
        for number in 1..=MOST {
            add(&mut forgotten, number, number);
        }
        assert_eq!(lost(&forgotten, 1), offset(1));
        assert_eq!(lost(&forgotten, MOST + 1), Offset::ZERO);
        // It is the newest again.
        assert_eq!(forgotten.remove(&name(1)).last, offset(1));
        add(&mut forgotten, 1, MOST + 1);
        add(&mut forgotten, MOST + 1, MOST + 2);
        assert_eq!(
            (forgotten.len(), forgotten.by_age.len()),
            (MAX_FORGOTTEN, MAX_FORGOTTEN)
        );
        // The second has been dropped, and counts for all that are not known.
        assert_eq!(lost(&forgotten, 1), offset(MOST + 1));
        assert_eq!(lost(&forgotten, 2), offset(2));
        assert_eq!(lost(&forgotten, MOST + 2), offset(2));
        assert_eq!(lost(&forgotten, 3), offset(3));
    }

    /// It could otherwise tell a client that nothing is missing.
    #[test]
    fn what_is_known_of_all_other_topics_never_becomes_older() {
        let mut forgotten = Forgotten::new(offset(9));
        for number in 1..=MOST + 1 {
            add(&mut forgotten, number, 100 + number);
        }
        assert_eq!(lost(&forgotten, 1), offset(101));
        // Its messages were kept longer.
        add(&mut forgotten, MOST + 2, 50);
        assert_eq!(lost(&forgotten, MOST + 2), offset(101));
        assert_eq!(lost(&forgotten, 1), offset(101));
    }
}
