//! Messages in the list of a topic's history.
//!
//! | part | bytes |
//! |---|---|
//! | the id of the entry, and a space | added by the script |
//! | generation | 8 |
//! | index | 2 |
//! | how long it is kept, in milliseconds | 8 |
//! | kind | 1: `t` for text, `b` for binary |
//! | payload | the rest |

use std::collections::HashMap;
use std::time::Duration;

use ::redis::Cmd;
use bytes::{Buf, Bytes};
use bytestring::ByteString;
use ws_core::log::Generation;
use ws_core::log::shared::{HistoryMessage, Kept};
use ws_core::message::Message;

use super::answers::entry_id;

/// The bytes behind the id and before the payload.
const HEAD: usize = 8 + 2 + 8 + 1;

/// Groups the messages of an entry by their topics, in order: a command of Redis for each message
/// would cost several times as much as the entry itself. The groups are not empty.
pub(super) fn by_topic(kept: &[Kept]) -> Vec<Vec<&Kept>> {
    let mut groups: Vec<Vec<&Kept>> = Vec::new();
    let mut places = HashMap::new();
    for kept in kept {
        let place = *places.entry(&kept.topic).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(kept),
            None => groups.push(vec![kept]),
        }
    }
    groups
}

/// Adds the arguments for messages of one topic: its limits, and as many of the last messages as
/// the history can have.
pub(super) fn add(command: &mut Cmd, generation: Generation, kept: &[&Kept]) {
    let Some(last) = kept.last() else {
        return;
    };
    let limits = last.limits;
    let most = usize::try_from(limits.messages.get()).unwrap_or(usize::MAX);
    let kept = &kept[kept.len().saturating_sub(most)..];
    command.arg(limits.messages.get());
    command.arg(super::milliseconds(limits.keep));
    command.arg(kept.len());
    for kept in kept {
        command.arg(pack(generation, kept));
    }
}

/// The form of a message without the id of its entry.
fn pack(generation: Generation, kept: &Kept) -> Vec<u8> {
    let payload = kept.message.as_bytes();
    let mut packed = Vec::with_capacity(HEAD + payload.len());
    packed.extend_from_slice(&generation.0.to_be_bytes());
    packed.extend_from_slice(&kept.index.to_be_bytes());
    packed.extend_from_slice(&super::milliseconds(kept.limits.keep).to_be_bytes());
    packed.push(if kept.message.is_text() { b't' } else { b'b' });
    packed.extend_from_slice(payload);
    packed
}

/// Reads a message at this time of the server. Returns `None` if it is too old or malformed.
pub(super) fn unpack(mut packed: Bytes, now: u64) -> Option<HistoryMessage> {
    let space = packed.iter().position(|byte| *byte == b' ')?;
    let entry = entry_id(&packed[..space])?;
    packed.advance(space + 1);
    if packed.len() < HEAD {
        return None;
    }
    let generation = Generation(packed.get_u64());
    let index = packed.get_u16();
    let keep = Duration::from_millis(packed.get_u64());
    let message = match packed.get_u8() {
        b't' => Message::Text(ByteString::try_from(packed).ok()?),
        b'b' => Message::Binary(packed),
        _ => return None,
    };
    let age = Duration::from_millis(now.saturating_sub(entry.time));
    (age < keep).then_some(HistoryMessage {
        generation,
        entry,
        index,
        message,
        age,
    })
}
