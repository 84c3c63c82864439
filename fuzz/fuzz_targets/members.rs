//! A record of a member that can be read is read again from its own form, and is within its limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use ws_core::limits::{MAX_MEMBER, MAX_MEMBER_KEY};
use ws_core::presence::record::{Change, Record};

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, content) = input;
    let Ok((topic, record)) = Record::get(kind, content) else {
        return;
    };
    assert!((1..=MAX_MEMBER_KEY).contains(&record.key.len()));
    if let Change::Entered(value) | Change::Changed(value) = &record.change {
        assert!(value.len() <= MAX_MEMBER);
        // Members are inserted into the JSON of events. Only the syntax matters: a number may be
        // out of the range of an `f64`.
        let list = format!("[{value}]");
        let list: Vec<IgnoredAny> = serde_json::from_str(&list).expect("JSON");
        assert_eq!(list.len(), 1);
    }
    let mut written = Vec::new();
    record.put(topic, &mut written);
    assert_eq!(record.kind(), kind);
    assert_eq!(written, content);
});
