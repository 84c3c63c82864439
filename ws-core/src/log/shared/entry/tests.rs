//! Entries are read as they were written, and nothing else is.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> TopicName {
    TopicName::new(text.to_owned())
}

fn message(topic: &str, message: impl Into<Message>) -> Record {
    Record::Message(LoggedMessage {
        topic: name(topic),
        message: message.into(),
        history: None,
        except: None,
        is_volatile: false,
    })
}

/// A message with everything that it may have.
fn full_message() -> Record {
    Record::Message(LoggedMessage {
        topic: name("room/7"),
        message: Bytes::from_static(b"\xff").into(),
        history: Some(HistoryLimits {
            messages: NonZeroU32::MAX,
            keep: Duration::from_millis(1_500),
        }),
        except: Some(u64::MAX),
        is_volatile: true,
    })
}

fn entry(body: Body) -> Entry {
    let (incarnation, number) = match body {
        Body::Marker(_) => (Incarnation::NONE, 0),
        _ => (Incarnation(0x0102_0304_0506_0708), 300),
    };
    Entry {
        behind: EntryId::new(1_700_000_000_000, 3),
        incarnation,
        number,
        body,
    }
}

fn bodies() -> Vec<Body> {
    let heartbeat = Heartbeat {
        versions: VERSIONS,
        accepted: vec![0, 1, u64::MAX],
        connections: 3,
        lag: std::time::Duration::from_millis(7),
    };
    let long = "n".repeat(256);
    vec![
        Body::Records(vec![message("room/7", "hé"), message(&long, Bytes::new())]),
        Body::Records(vec![
            full_message(),
            Record::Cleared,
            Record::Member {
                kind: 3,
                content: "content".into(),
            },
            Record::Notice {
                kind: NoticeKind::Session,
                content: "{}".into(),
            },
            Record::Notice {
                kind: NoticeKind::Disconnect,
                content: Bytes::new(),
            },
            Record::Recall,
            Record::Died(Incarnation(u64::MAX)),
        ]),
        Body::Empty,
        Body::Heartbeat(heartbeat),
        Body::Marker(Generation(u64::MAX)),
    ]
}

#[test]
fn every_entry_is_read_as_it_was_written_and_no_shorter() {
    for body in bodies() {
        let entry = entry(body);
        let bytes = entry.encode();
        assert_eq!(Entry::decode(bytes.clone()), Ok(entry.clone()));
        for cut in 0..bytes.len() {
            let error = Entry::decode(bytes.slice(..cut)).unwrap_err();
            let expected = if cut < 2 {
                EntryError::Foreign
            } else {
                EntryError::Malformed
            };
            assert_eq!(error, expected, "{cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        let longer = Entry::decode(longer.into());
        if matches!(entry.body, Body::Heartbeat(_)) {
            assert_eq!(longer, Ok(entry), "a later version may report more");
        } else {
            assert_eq!(longer, Err(EntryError::Malformed));
        }
    }
}

#[test]
fn every_incarnation_is_another() {
    let one = Incarnation::random();
    assert_ne!(one, Incarnation::NONE);
    assert_ne!(one, Incarnation::random());
}

#[test]
fn the_format_of_version_1_never_changes() {
    let bytes = entry(Body::Records(vec![message("ab", "xyz")])).encode();
    let mut expected = b"WL\x01\x00\x01\x02\x03\x04\x05\x06\x07\x08\xac\x02".to_vec();
    expected.extend_from_slice(b"\x80\xd0\x95\xff\xbc1\x03");
    expected.extend_from_slice(b"\x01\x00\x07\x00\x02abxyz");
    assert_eq!(bytes, expected);
}

#[test]
fn only_records_have_a_later_version() {
    for body in bodies() {
        let entry = entry(body);
        let bytes = entry.encode_as(2);
        let has_records = matches!(entry.body, Body::Records(_));
        assert_eq!(bytes[2], if has_records { 2 } else { 1 });
        assert_eq!(Entry::decode_up_to(bytes.clone(), 2), Ok(entry.clone()));
        assert_eq!(Entry::decode(bytes).is_ok(), !has_records);
    }
}

#[test]
fn foreign_newer_and_oversized_entries_are_named() {
    let decode = |bytes: &[u8]| Entry::decode(Bytes::copy_from_slice(bytes));
    assert_eq!(decode(b"hello"), Err(EntryError::Foreign));
    assert_eq!(
        decode(b"WL\x02??"),
        Err(EntryError::Newer {
            version: 2,
            highest: 1
        })
    );
    let large = vec![0; MAX_ENTRY + 1];
    let error = EntryError::TooLarge { len: large.len() };
    assert_eq!(decode(&large), Err(error));
    let bytes = entry(Body::Empty).encode();
    for (at, value) in [(2, 0), (3, 9)] {
        let mut bytes = bytes.to_vec();
        bytes[at] = value;
        assert_eq!(decode(&bytes), Err(EntryError::Malformed), "{at}");
    }
    let mut nobody = bytes.to_vec();
    nobody[4..12].fill(0);
    assert_eq!(decode(&nobody), Err(EntryError::Malformed));
}

#[test]
fn a_record_of_an_unknown_kind_keeps_its_index() {
    let records = vec![message("a", "1"), message("b", "2"), message("c", "3")];
    let mut bytes = entry(Body::Records(records.clone())).encode().to_vec();
    // Each record has 6 bytes: kind, length, flags, length of the name, name, payload.
    let second = bytes.len() - 12;
    assert_eq!(bytes[second..second + 3], [TEXT, 4, 0]);
    for (place, value) in [(second, 77), (second + 2, 8)] {
        let before = std::mem::replace(&mut bytes[place], value);
        let read = Entry::decode(bytes.clone().into()).unwrap();
        let expected = vec![records[0].clone(), Record::Unknown, records[2].clone()];
        assert_eq!(read.body, Body::Records(expected));
        bytes[place] = before;
    }
}

#[test]
fn text_must_be_utf_8_and_a_topic_must_have_a_name() {
    let good = entry(Body::Records(vec![message("a", "1")]))
        .encode()
        .to_vec();
    let last = good.len() - 1;
    let mut bytes = good.clone();
    bytes[last] = 0xff;
    assert_eq!(Entry::decode(bytes.into()), Err(EntryError::Malformed));
    let mut bytes = good;
    bytes[last - 2] = 0;
    assert_eq!(Entry::decode(bytes.into()), Err(EntryError::Malformed));
}

#[test]
fn the_largest_message_fits_into_an_entry() {
    let large = Bytes::from(vec![7; MAX_MESSAGE]);
    let entry = entry(Body::Records(vec![message(&"n".repeat(256), large)]));
    assert_eq!(Entry::decode(entry.encode()), Ok(entry));
}

proptest! {
    #[test]
    fn random_bytes_are_refused_without_a_panic(tail in vec(any::<u8>(), 0..200)) {
        let bytes = [&b"WL\x01"[..], &tail].concat();
        if let Ok(entry) = Entry::decode(bytes.clone().into())
            && !matches!(&entry.body, Body::Records(all) if all.contains(&Record::Unknown))
            && !matches!(&entry.body, Body::Heartbeat(_))
        {
            prop_assert_eq!(entry.encode(), bytes);
        }
    }

    #[test]
    fn a_changed_entry_is_read_or_refused(at in 3..60_usize, value: u8) {
        for body in bodies() {
            let mut bytes = entry(body).encode().to_vec();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = Entry::decode(bytes.into());
        }
    }
}
