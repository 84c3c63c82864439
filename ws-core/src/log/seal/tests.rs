//! Sealed texts that are changed, of another topic, or too long.

use super::*;
use crate::log::name::Lane;
use crate::log::position::{EntryId, Generation, Offset};

const SECRET: [u8; 32] = [7; 32];

fn sealer(secret: [u8; 32]) -> Sealer {
    Sealer::new(&Secrets::new([secret]).unwrap())
}

fn position() -> Position {
    Position {
        generation: Generation(42),
        lane: Lane(3),
        offset: Offset::new(EntryId::new(1_700_000_000_000, 5), 17),
    }
}

fn room(id: u64) -> TopicName {
    TopicName::new(format!("room/{id}"))
}

#[test]
fn a_position_is_opened_by_every_server_with_the_secret() {
    let text = sealer(SECRET).seal(&position(), &room(7));
    assert_eq!(text.len(), 56);
    assert_eq!(sealer(SECRET).open(&text, &room(7)), Ok(position()));
    let other = sealer([8; 32]).open(&text, &room(7));
    assert_eq!(other, Err(SealError::Invalid));
    assert_eq!(format!("{:?}", sealer(SECRET)), "Sealer(…)");
}

#[test]
fn a_changed_text_is_invalid() {
    let sealer = sealer(SECRET);
    let text = sealer.seal(&position(), &room(7));
    for at in 0..text.len() {
        let replaced = if text.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let changed = format!("{}{replaced}{}", &text[..at], &text[at + 1..]);
        let opened = sealer.open(&changed, &room(7));
        assert_eq!(opened, Err(SealError::Invalid), "{at}");
    }
    let long = "A".repeat(MAX_TEXT + 1);
    for invalid in ["", "AAAA", "not base64!", &text[..20], &long] {
        let opened = sealer.open(invalid, &room(7));
        assert_eq!(opened, Err(SealError::Invalid), "{invalid}");
    }
}

#[test]
fn a_position_belongs_to_one_topic() {
    let sealer = sealer(SECRET);
    let text = sealer.seal(&position(), &room(8));
    assert_eq!(sealer.open(&text, &room(7)), Err(SealError::OfAnotherTopic));
}

/// Seals any bytes.
fn sealed(sealer: &Sealer, bytes: &[u8]) -> String {
    sealer.keys.seal(bytes.to_vec())
}

#[test]
fn a_text_of_another_version_or_with_more_is_invalid() {
    let sealer = sealer(SECRET);
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&hash(&room(7)));
    position().put(&mut bytes);
    let open = |bytes: &[u8]| sealer.open(&sealed(&sealer, bytes), &room(7));
    assert_eq!(open(&bytes), Ok(position()));
    let more = [&bytes[..], &[0]].concat();
    assert_eq!(open(&more), Err(SealError::Invalid));
    bytes[0] = 2;
    assert_eq!(open(&bytes), Err(SealError::Invalid));
    assert_eq!(open(&[]), Err(SealError::Invalid));
}
