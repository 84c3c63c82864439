//! No text is the id of a page without a session, unless the server has sealed it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, changes) = input;
    ws_core::page::check_forgery(text, changes);
});
