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

use std::time::Duration;

use bytes::{Buf, Bytes};
use bytestring::ByteString;
use ws_core::log::Generation;
use ws_core::log::shared::{HistoryMessage, Kept};
use ws_core::message::Message;

use super::reading::entry_id;

/// The bytes behind the id and before the payload.
const HEAD: usize = 8 + 2 + 8 + 1;

/// The form of a message without the id of its entry.
pub(super) fn pack(generation: Generation, kept: &Kept) -> Vec<u8> {
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
