//! A position or an entry of the log that can be read is read again from its own form.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ws_core::log::check_round_trip(bytes));
