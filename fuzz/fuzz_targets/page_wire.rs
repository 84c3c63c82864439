//! A message of a page that parses also parses from the text that a page sends for it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| ws_core::wire::check_round_trip(text));
