//! The members of topics, for the application.

use std::any::type_name;

use super::Hub;
use crate::presence::event::Freshness;
use crate::presence::record::{Key, Value};
use crate::topic::HasPresence;

impl Hub {
    /// The members of the topic with their keys, in the order of the keys; from memory, without
    /// waiting. A member is contained until its leaving is shown to watchers.
    ///
    /// A member that does not decode is missing, and logged at `error`. For topics with many
    /// members see [`members_page`](Self::members_page).
    ///
    /// ```
    /// use ws_server::Hub;
    /// use ws_server::topic::HasPresence;
    ///
    /// fn names<Room: HasPresence<Member = String>>(hub: &Hub, room: &Room) -> Vec<String> {
    ///     hub.members(room).into_iter().map(|(_, name)| name).collect()
    /// }
    /// ```
    pub fn members<D: HasPresence>(&self, topic: &D) -> Vec<(String, D::Member)> {
        self.members_page(topic, None, usize::MAX)
    }

    /// At most `limit` members of the topic, in the order of their keys, beginning behind the key
    /// `after`: the page that follows the one that ends with `after`.
    ///
    /// ```
    /// use ws_server::Hub;
    /// use ws_server::topic::HasPresence;
    ///
    /// /// The sum over all members, a hundred at a time.
    /// fn sum<Room: HasPresence<Member = u32>>(hub: &Hub, room: &Room) -> u32 {
    ///     let (mut sum, mut last) = (0, None::<String>);
    ///     loop {
    ///         let page = hub.members_page(room, last.as_deref(), 100);
    ///         let Some((key, _)) = page.last() else { return sum };
    ///         last = Some(key.clone());
    ///         sum += page.iter().map(|(_, points)| points).sum::<u32>();
    ///     }
    /// }
    /// ```
    pub fn members_page<D: HasPresence>(
        &self,
        topic: &D,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(String, D::Member)> {
        let name = self.topics().name_of(topic);
        let members = self.presence().members(&name, after, limit);
        // Decoded without a lock: it runs code of the application.
        let decode = |(key, value): (Key, Value)| Some((key.to_string(), decode::<D>(&value)?));
        members.into_iter().filter_map(decode).collect()
    }

    /// The member of the topic with this key.
    pub fn member<D: HasPresence>(&self, topic: &D, key: &str) -> Option<D::Member> {
        let name = self.topics().name_of(topic);
        decode::<D>(&self.presence().member(&name, key)?)
    }

    /// Whether the members of some topics may be out of date: this server has not read the whole log
    /// that it shares with others for three seconds, for example because it cannot reach it. Members
    /// of other servers may have left, entered or changed meanwhile. Watchers get an event with
    /// [`is_stale`](crate::presence::event::MembersEvent::is_stale). Always false in one process.
    ///
    /// ```
    /// use ws_server::Hub;
    /// use ws_server::topic::HasPresence;
    ///
    /// /// The number of members, with a mark if it is uncertain.
    /// fn count<Room: HasPresence>(hub: &Hub, room: &Room) -> String {
    ///     let mark = if hub.has_stale_members() { "about " } else { "" };
    ///     format!("{mark}{}", hub.member_count(room))
    /// }
    /// ```
    pub fn has_stale_members(&self) -> bool {
        self.presence().freshness() == Freshness::Stale
    }

    /// The number of members of the topic; from memory, without waiting.
    pub fn member_count<D: HasPresence>(&self, topic: &D) -> usize {
        self.presence().count(&self.topics().name_of(topic))
    }
}

fn decode<D: HasPresence>(value: &str) -> Option<D::Member> {
    let decoded = serde_json::from_str(value);
    decoded
        .inspect_err(|error| {
            let member = type_name::<D::Member>();
            tracing::error!(member, "a member of a topic cannot be decoded");
            // The cause may quote the member.
            tracing::debug!(member, %error, "a member of a topic cannot be decoded");
        })
        .ok()
}
