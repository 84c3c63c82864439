//! Topics whose histories are empty or were evicted.

use std::collections::{BTreeMap, HashMap};

use crate::log::name::TopicName;
use crate::log::position::Offset;

/// The number of topics that are remembered; about 100 bytes each, besides their names.
const MAX_FORGOTTEN: usize = 4096;

/// Up to which offset each topic has lost its messages. Without it, a client that has had the last
/// message of a quiet topic could not continue.
#[derive(Debug)]
pub(super) struct Forgotten {
    lost: HashMap<TopicName, Offset>,
    by_age: BTreeMap<Offset, TopicName>,
    /// The same for all other topics together.
    floor: Offset,
}

impl Forgotten {
    /// All topics may have lost messages up to this offset.
    pub(super) fn new(floor: Offset) -> Self {
        Self {
            lost: HashMap::new(),
            by_age: BTreeMap::new(),
            floor,
        }
    }

    /// Adds a topic that has lost all of its messages, up to this offset.
    pub(super) fn add(&mut self, topic: TopicName, lost: Offset) {
        self.by_age.insert(lost, topic.clone());
        self.lost.insert(topic, lost);
        if self.lost.len() > MAX_FORGOTTEN
            && let Some((offset, oldest)) = self.by_age.pop_first()
        {
            self.lost.remove(&oldest);
            self.floor = offset;
        }
    }

    /// Up to which offset a topic may have lost messages.
    pub(super) fn lost(&self, topic: &TopicName) -> Offset {
        self.lost.get(topic).copied().unwrap_or(self.floor)
    }

    /// Same as [`lost`](Self::lost), for a topic that keeps messages from now on.
    pub(super) fn remove(&mut self, topic: &TopicName) -> Offset {
        let Some(lost) = self.lost.remove(topic) else {
            return self.floor;
        };
        self.by_age.remove(&lost);
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

    #[test]
    fn the_number_of_topics_is_limited() {
        let mut forgotten = Forgotten::new(Offset::ZERO);
        let most = u64::try_from(MAX_FORGOTTEN).unwrap();
        for number in 1..=most {
            forgotten.add(name(number), offset(number));
        }
        assert_eq!(forgotten.lost(&name(1)), offset(1));
        assert_eq!(forgotten.lost(&name(most + 1)), Offset::ZERO);
        // It is the newest again.
        assert_eq!(forgotten.remove(&name(1)), offset(1));
        forgotten.add(name(1), offset(most + 1));
        forgotten.add(name(most + 1), offset(most + 2));
        assert_eq!(
            (forgotten.len(), forgotten.by_age.len()),
            (MAX_FORGOTTEN, MAX_FORGOTTEN)
        );
        // The second has been dropped, and counts for all that are not known.
        assert_eq!(forgotten.lost(&name(1)), offset(most + 1));
        assert_eq!(forgotten.lost(&name(2)), offset(2));
        assert_eq!(forgotten.lost(&name(most + 2)), offset(2));
        assert_eq!(forgotten.lost(&name(3)), offset(3));
    }
}
