//! An origin that parses also parses from its own text, and so does an entry of a list.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ws_core::admit::{AllowedOrigin, Origin};

fuzz_target!(|text: &str| {
    if let Ok(origin) = text.parse::<Origin>() {
        assert_eq!(origin.to_string().parse(), Ok(origin.clone()));
        assert!(AllowedOrigin::Exact(origin.clone()).allows(&origin));
    }
    if let Ok(entry) = text.parse::<AllowedOrigin>() {
        assert_eq!(entry.to_string().parse(), Ok(entry));
    }
});
