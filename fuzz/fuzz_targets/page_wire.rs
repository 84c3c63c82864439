//! A message of a page that was read is read again from the text that a page writes for it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| ws_core::wire::check_round_trip(text));
