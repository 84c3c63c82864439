//! A compressed message is inflated up to the limit of messages, or refused. No header of an offer
//! makes the negotiation panic.

#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use ws_core::protocol::encoder::encode_masked;
use ws_core::protocol::{Decoder, Deflate, Event, Incoming, OpCode, Role};

const MAX_MESSAGE: usize = 4096;

/// The bit of a frame's first byte that marks a compressed message (RFC 7692, section 6).
const RSV1: u8 = 0x40;

fuzz_target!(|data: &[u8]| {
    if let Ok(offer) = HeaderValue::from_bytes(data) {
        let headers = HeaderMap::from_iter([(http::header::SEC_WEBSOCKET_EXTENSIONS, offer)]);
        if let Some(deflate) = Deflate::negotiate(&headers) {
            assert!((9..=15).contains(&deflate.window_bits()));
            let accepted = deflate.response_header();
            let accepted = accepted.to_str().expect("a header in ASCII");
            assert!(accepted.starts_with("permessage-deflate; server_no_context_takeover; "));
        }
    }
    let mut frame = encode_masked(OpCode::Binary, true, data, [1, 2, 3, 4]);
    frame[0] |= RSV1;
    let mut decoder = Decoder::new(Role::Server, MAX_MESSAGE).with_deflate(true);
    let mut input = &mut frame[..];
    if let Ok(Some(Event::Message(message))) = decoder.decode(&mut input) {
        let len = match &message {
            Incoming::Text(text) => text.as_str().len(),
            Incoming::Binary(bytes) => bytes.as_slice().len(),
        };
        assert!(len <= MAX_MESSAGE);
    }
});
