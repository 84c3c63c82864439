//! The decoder gives the same events and the same error for a stream in one piece and in two.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ws_core::protocol::{Decoder, Event, Incoming, Role};

const MAX_MESSAGE: usize = 1024;

/// An event by its contents: whether it borrows or owns them depends on the pieces.
fn contents(event: &Event<'_>) -> String {
    match event {
        Event::Message(Incoming::Text(text)) => format!("text {:?}", text.as_str()),
        Event::Message(Incoming::Binary(data)) => format!("binary {:?}", data.as_slice()),
        Event::Ping(payload) => format!("ping {:?}", payload.as_slice()),
        Event::Pong(payload) => format!("pong {:?}", payload.as_slice()),
        Event::Close(None) => "close".to_owned(),
        Event::Close(Some((code, text))) => format!("close {code:?} {:?}", text.as_str()),
    }
}

/// Every event, and the error that ends the stream.
fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::new(Role::Server, MAX_MESSAGE);
    let mut events = Vec::new();
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let mut input = &mut bytes[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(event)) => events.push(contents(&event)),
                Ok(None) => break,
                Err(error) => {
                    events.push(format!("{error:?}"));
                    return events;
                }
            }
        }
        assert!(decoder.buffered() <= MAX_MESSAGE + 14);
    }
    events
}

fuzz_target!(|data: &[u8]| {
    let Some((split_at, stream)) = data.split_first() else {
        return;
    };
    let (first, second) = stream.split_at(usize::from(*split_at).min(stream.len()));
    assert_eq!(events(&[stream]), events(&[first, second]));
});
