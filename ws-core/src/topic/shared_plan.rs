//! The subscription of a page or a session, as other nodes read it: they may not have the declaration
//! of its topic.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::events::EventPlan;
use super::key::{TopicKey, TopicRef};
use super::start::Start;
use crate::log::{HistoryLimits, TopicName};

/// An [`EventPlan`] without the types of the program. A later version may add members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SharedPlan {
    event: Box<str>,
    /// Text of the topic is never JSON.
    #[serde(default, skip_serializing_if = "is_false")]
    bare_text: bool,
    /// The topic is logged: not `relay: live`.
    #[serde(default, skip_serializing_if = "is_false")]
    logged: bool,
    /// The number of messages that the topic keeps, and for how many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    history: Option<(NonZeroU32, u64)>,
    /// The number of messages with which the subscription of a new page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replay: Option<usize>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl SharedPlan {
    /// What other nodes must know of a subscription; `None` if its topic exists only in this process.
    pub(crate) fn of(plan: &EventPlan) -> Option<(TopicName, Self)> {
        let (TopicKey::Declared(name), Some(declared)) = (&plan.topic.key, plan.topic.declared)
        else {
            return None;
        };
        let history = declared.kept().map(|HistoryLimits { messages, keep }| {
            let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
            (messages, keep)
        });
        let shared = Self {
            event: (&**plan.event()).into(),
            bare_text: plan.is_bare_text(),
            logged: declared.is_logged(),
            history,
            replay: match plan.start {
                Start::Replay(last) => Some(last),
                Start::Now | Start::Since(_) | Start::Behind(_) => None,
            },
        };
        Some((name.clone(), shared))
    }

    /// The subscription to the topic of this name.
    pub(crate) fn plan(&self, topic: &TopicName) -> EventPlan {
        let kept = self.history.map(|(messages, keep)| HistoryLimits {
            messages,
            keep: Duration::from_millis(keep),
        });
        let topic = TopicRef::elsewhere(topic.clone(), kept, self.logged);
        let start = self.replay.map_or(Start::Now, Start::Replay);
        EventPlan::elsewhere(&self.event, topic, start, self.bare_text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Topic;
    use super::super::declaration::{Declaration, Part};
    use super::super::declared::{DeclaredTopic, HasHistory, Logged, NameWriter};
    use super::super::events::Continuity;
    use super::*;

    /// A topic with a history, and one without.
    struct News;
    struct Typing;

    const KEPT: Declaration = Declaration::new("news", &[Part::Text("news")])
        .history(NonZeroU32::new(7).unwrap(), Duration::from_secs(60));
    const LIVE: Declaration = Declaration::new("typing", &[Part::Text("typing")]).live();

    impl DeclaredTopic for News {
        type Value = String;
        const DECLARATION: &'static Declaration = &KEPT;

        fn write_name(&self, to: &mut NameWriter) {
            to.text("news");
        }
    }

    impl Logged for News {}
    impl HasHistory for News {}

    impl DeclaredTopic for Typing {
        type Value = u8;
        const DECLARATION: &'static Declaration = &LIVE;

        fn write_name(&self, to: &mut NameWriter) {
            to.text("typing");
        }
    }

    #[test]
    fn another_node_subscribes_to_the_same_topic_in_the_same_way() {
        let news = EventPlan::new("said", News.replay(3));
        let (name, shared) = SharedPlan::of(&news).unwrap();
        let json = serde_json::to_string(&shared).unwrap();
        let expected =
            r#"{"event":"said","bare_text":true,"logged":true,"history":[7,60000],"replay":3}"#;
        assert_eq!((name.as_str(), &*json), ("news", expected));
        let read: SharedPlan = serde_json::from_str(&json).unwrap();
        let there = read.plan(&name);
        assert_eq!(there.topic.key, news.topic.key);
        assert_eq!(there.continuity(), Continuity::History);
        assert!(there.is_replay() && there.is_bare_text());
        assert_eq!(SharedPlan::of(&there), Some((name, shared)));

        let typing = EventPlan::new("typing", TopicRef::of(&Typing));
        let (name, shared) = SharedPlan::of(&typing).unwrap();
        assert_eq!(
            serde_json::to_string(&shared).unwrap(),
            r#"{"event":"typing"}"#
        );
        assert_eq!(shared.plan(&name).continuity(), Continuity::BestEffort);
    }

    #[test]
    fn a_topic_of_this_process_is_not_shared() {
        let topic: Topic<String> = Topic::local("prices");
        assert_eq!(SharedPlan::of(&EventPlan::new("price", topic)), None);
    }
}
