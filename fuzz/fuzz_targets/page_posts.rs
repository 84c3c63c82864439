//! The frames of a POST's body contain its lines and nothing else.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| ws_core::over_http::check_frames(body));
