//! The subscribers of one topic, without gaps.

use super::Subscriber;

/// The subscribers of one topic. Each has a slot, which stays the same; a publish passes over the
/// subscribers only, however many there have been.
#[derive(Default)]
pub(super) struct SubscriberList {
    list: Vec<Subscriber>,
    /// The slot of each subscriber in `list`.
    slots: Vec<Slot>,
    /// For each slot, the index of its subscriber in `list`; for a free slot, the next free one.
    indexes: Vec<u32>,
    /// The first free slot, or the number of slots.
    free: u32,
}

/// The slot of a subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(u32);

impl Slot {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

impl SubscriberList {
    pub(super) fn add(&mut self, subscriber: Subscriber) -> Slot {
        let number = |len| u32::try_from(len).expect("a topic has fewer than 2^32 subscribers");
        let index = number(self.list.len());
        let slot = Slot(self.free);
        if slot.index() == self.indexes.len() {
            self.indexes.push(index);
            self.free = number(self.indexes.len());
        } else {
            self.free = std::mem::replace(&mut self.indexes[slot.index()], index);
        }
        self.list.push(subscriber);
        self.slots.push(slot);
        slot
    }

    /// Removes the subscriber of a slot, which becomes free.
    pub(super) fn remove(&mut self, slot: Slot) -> Subscriber {
        let index = std::mem::replace(&mut self.indexes[slot.index()], self.free);
        self.free = slot.0;
        let index = index as usize;
        let removed = self.list.swap_remove(index);
        self.slots.swap_remove(index);
        if let Some(moved) = self.slots.get(index) {
            self.indexes[moved.index()] = u32::try_from(index).unwrap_or_default();
        }
        if self.list.len() < self.list.capacity() / 4 {
            self.list.shrink_to(2 * self.list.len());
            self.slots.shrink_to(2 * self.slots.len());
        }
        removed
    }

    /// The subscriber of a slot; `None` if the slot is free.
    #[cfg(feature = "cluster")]
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Subscriber> {
        let index = *self.indexes.get(slot.index())? as usize;
        let is_used = self.slots.get(index) == Some(&slot);
        self.list.get_mut(index).filter(|_| is_used)
    }

    #[cfg(feature = "cluster")]
    pub(super) fn all_mut(&mut self) -> &mut [Subscriber] {
        &mut self.list
    }

    /// Replaces the subscriber of a slot. Returns the earlier one.
    pub(super) fn replace(&mut self, slot: Slot, subscriber: Subscriber) -> Subscriber {
        let index = self.indexes[slot.index()] as usize;
        std::mem::replace(&mut self.list[index], subscriber)
    }

    pub(super) fn all(&self) -> &[Subscriber] {
        &self.list
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::ConnectionId;

    fn subscriber(id: u64) -> Subscriber {
        Subscriber::Listener {
            id: ConnectionId::new(id),
            deliver: Box::new(|_, _| None),
        }
    }

    fn id(subscriber: &Subscriber) -> u64 {
        subscriber.connections()[0].get()
    }

    proptest! {
        #[test]
        fn a_slot_keeps_its_subscriber(steps in prop::collection::vec((0..3_u8, 0..64_usize), 0..200)) {
            let mut list = SubscriberList::default();
            let mut known: Vec<(Slot, u64)> = Vec::new();
            for (next, (kind, at)) in (1..).zip(steps) {
                let at = known.len().checked_sub(1).map(|last| at.min(last));
                match (kind, at) {
                    (1, Some(at)) => {
                        let (slot, expected) = known.swap_remove(at);
                        prop_assert_eq!(id(&list.remove(slot)), expected);
                    }
                    (2, Some(at)) => {
                        let earlier = list.replace(known[at].0, subscriber(next));
                        prop_assert_eq!(id(&earlier), known[at].1);
                        known[at].1 = next;
                    }
                    _ => known.push((list.add(subscriber(next)), next)),
                }
                let mut all: Vec<_> = list.all().iter().map(id).collect();
                let mut expected: Vec<_> = known.iter().map(|(_, id)| *id).collect();
                all.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(all, expected);
                prop_assert_eq!(list.len(), known.len());
            }
        }
    }

    #[test]
    fn a_topic_that_had_many_subscribers_is_as_small_as_one_that_has_few() {
        let mut list = SubscriberList::default();
        let slots: Vec<_> = (0..100_000).map(|id| list.add(subscriber(id))).collect();
        for slot in &slots[..99_999] {
            list.remove(*slot);
        }
        assert_eq!(list.all().len(), 1);
        assert_eq!(id(&list.all()[0]), 99_999);
        assert!(list.list.capacity() < 10, "{}", list.list.capacity());
        // Free slots are used again.
        for id in 0..99_999 {
            list.add(subscriber(id));
        }
        assert_eq!(list.indexes.len(), 100_000);
    }
}
