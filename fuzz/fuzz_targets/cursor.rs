//! The places of a cursor that parse are formatted as the same text.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| ws_core::wire::check_cursor(text));
