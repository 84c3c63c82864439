//! How many anonymous sessions each address holds, in the order of their last use.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;

use slab::Slab;

use crate::address::ClientNetwork;
use crate::session::SessionKey;

/// A session's place in the list of its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ListPosition(NonZeroU32);

impl ListPosition {
    /// Returns `None` if the index is too large to be stored.
    fn at(index: usize) -> Option<Self> {
        let number = u32::try_from(index).ok()?.checked_add(1)?;
        NonZeroU32::new(number).map(Self)
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// One session in the list of its address.
struct Node {
    key: SessionKey,
    network: ClientNetwork,
    before: Option<ListPosition>,
    after: Option<ListPosition>,
}

/// The sessions of one address, at least one.
struct List {
    first: ListPosition,
    last: ListPosition,
    len: u32,
}

/// Anonymous sessions by address; those of each address are in the order of their last use.
///
/// Every operation takes constant time, or logarithmic time in the number of addresses.
#[derive(Default)]
pub(super) struct AnonymousSessions {
    nodes: Slab<Node>,
    lists: HashMap<ClientNetwork, List>,
    /// The length of each list, for finding the longest.
    lens: BTreeSet<(u32, ClientNetwork)>,
}

impl AnonymousSessions {
    /// Adds a session that was used just now.
    pub(super) fn insert(
        &mut self,
        network: ClientNetwork,
        key: SessionKey,
    ) -> Option<ListPosition> {
        let position = ListPosition::at(self.nodes.vacant_key())?;
        self.nodes.insert(Node {
            key,
            network,
            before: None,
            after: None,
        });
        self.append(network, position);
        self.resize(network, 1);
        Some(position)
    }

    pub(super) fn remove(&mut self, position: ListPosition) {
        let network = self.nodes[position.index()].network;
        self.detach(network, position);
        self.resize(network, -1);
        self.nodes.remove(position.index());
    }

    /// Marks the session as just used.
    pub(super) fn touch(&mut self, position: ListPosition) {
        let Node { network, after, .. } = self.nodes[position.index()];
        if after.is_some() {
            self.detach(network, position);
            self.append(network, position);
        }
    }

    /// How many sessions the address holds.
    pub(super) fn count(&self, network: ClientNetwork) -> u32 {
        self.lists.get(&network).map_or(0, |list| list.len)
    }

    /// The addresses with their number of sessions, the largest first.
    pub(super) fn largest(&self) -> impl Iterator<Item = (u32, ClientNetwork)> {
        self.lens.iter().rev().copied()
    }

    /// The least recently used session of the address.
    pub(super) fn least_recent(
        &self,
        network: ClientNetwork,
    ) -> Option<(ListPosition, SessionKey)> {
        let position = self.lists.get(&network)?.first;
        Some((position, self.nodes[position.index()].key))
    }

    /// Appends a node that is in no list to the list of its address.
    fn append(&mut self, network: ClientNetwork, position: ListPosition) {
        let list = self.lists.entry(network).or_insert(List {
            first: position,
            last: position,
            len: 0,
        });
        let before = (list.last != position).then_some(list.last);
        list.last = position;
        let node = &mut self.nodes[position.index()];
        (node.before, node.after) = (before, None);
        if let Some(before) = before {
            self.nodes[before.index()].after = Some(position);
        }
    }

    /// Unlinks a node from its list. The list keeps its length; if this is its only node, it keeps
    /// its ends too.
    fn detach(&mut self, network: ClientNetwork, position: ListPosition) {
        let Node { before, after, .. } = self.nodes[position.index()];
        if let Some(before) = before {
            self.nodes[before.index()].after = after;
        }
        if let Some(after) = after {
            self.nodes[after.index()].before = before;
        }
        if let Some(list) = self.lists.get_mut(&network) {
            list.first = if before.is_none() {
                after.unwrap_or(position)
            } else {
                list.first
            };
            list.last = if after.is_none() {
                before.unwrap_or(position)
            } else {
                list.last
            };
        }
    }

    /// Changes the count of an address by one; an address without sessions is removed.
    fn resize(&mut self, network: ClientNetwork, change: i32) {
        let Some(list) = self.lists.get_mut(&network) else {
            return;
        };
        self.lens.remove(&(list.len, network));
        list.len = list.len.saturating_add_signed(change);
        if list.len == 0 {
            self.lists.remove(&network);
        } else {
            self.lens.insert((list.len, network));
        }
    }

    /// How many addresses hold sessions.
    #[cfg(test)]
    pub(super) fn networks(&self) -> usize {
        assert_eq!(self.lists.len(), self.lens.len());
        self.lists.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn network(number: u8) -> ClientNetwork {
        ClientNetwork::of(IpAddr::from([203, 0, 113, number]))
    }

    /// The keys of an address, the least recently used first.
    fn order(held: &AnonymousSessions, network: ClientNetwork) -> Vec<SessionKey> {
        let mut next = held.lists.get(&network).map(|list| list.first);
        let mut keys = Vec::new();
        while let Some(position) = next {
            let node = &held.nodes[position.index()];
            keys.push(node.key);
            next = node.after;
        }
        keys
    }

    #[derive(Clone, Copy, Debug)]
    enum ListOperation {
        Insert(u8),
        Remove(prop::sample::Index),
        Touch(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = ListOperation> {
        prop_oneof![
            3 => (0..4_u8).prop_map(ListOperation::Insert),
            2 => any::<prop::sample::Index>().prop_map(ListOperation::Remove),
            4 => any::<prop::sample::Index>().prop_map(ListOperation::Touch),
        ]
    }

    proptest! {
        /// The reference keeps all sessions in one vector, in the order of their use.
        #[test]
        fn the_lists_are_those_of_a_vector(steps in prop::collection::vec(step(), 0..200)) {
            let mut held = AnonymousSessions::default();
            let mut model: Vec<(u8, SessionKey, ListPosition)> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    ListOperation::Insert(of) => {
                        let key = SessionKey::of_foreign(&number.to_string());
                        let position = held.insert(network(of), key).unwrap();
                        model.push((of, key, position));
                    }
                    ListOperation::Remove(at) if !model.is_empty() => {
                        let (_, _, position) = model.remove(at.index(model.len()));
                        held.remove(position);
                    }
                    ListOperation::Touch(at) if !model.is_empty() => {
                        let used = model.remove(at.index(model.len()));
                        held.touch(used.2);
                        model.push(used);
                    }
                    ListOperation::Remove(_) | ListOperation::Touch(_) => {}
                }
                let mut lens = Vec::new();
                for of in 0..4 {
                    let keys = model.iter().filter(|it| it.0 == of).map(|it| it.1);
                    let keys: Vec<_> = keys.collect();
                    let count = held.count(network(of)) as usize;
                    prop_assert_eq!(count, keys.len());
                    let least_recent = held.least_recent(network(of)).map(|it| it.1);
                    prop_assert_eq!(least_recent, keys.first().copied());
                    lens.extend((count > 0).then_some(count));
                    prop_assert_eq!(order(&held, network(of)), keys);
                }
                lens.sort_unstable_by(|a, b| b.cmp(a));
                let largest: Vec<_> = held.largest().map(|it| it.0 as usize).collect();
                prop_assert_eq!(largest, lens);
                prop_assert_eq!(held.nodes.len(), model.len());
                held.networks();
            }
        }
    }
}
