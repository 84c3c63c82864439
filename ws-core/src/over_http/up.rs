//! The body of a POST with messages.

use crate::protocol::OpCode;
use crate::protocol::encoder::encode_masked;

/// Converts the lines of a body into text frames of a client. Empty lines are ignored. The
/// connection checks each message, as it does for a WebSocket: UTF-8, size and contents.
pub(super) fn frames(body: &[u8]) -> Vec<u8> {
    let lines = body.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .flat_map(|line| encode_masked(OpCode::Text, true, line, [0; 4]))
        .collect()
}

/// Checks that the frames of a body contain its lines and nothing else.
///
/// # Panics
///
/// Panics if they do not.
#[cfg(any(test, fuzzing))]
pub(super) fn check_frames(body: &[u8]) {
    use crate::protocol::{Decoder, Event, Incoming, Role};

    let mut bytes = frames(body);
    let mut rest = &mut bytes[..];
    let mut decoder = Decoder::new(Role::Server, usize::MAX);
    for line in body.split(|byte| *byte == b'\n') {
        if line.is_empty() {
            continue;
        }
        match (std::str::from_utf8(line), decoder.decode(&mut rest)) {
            (Ok(line), Ok(Some(Event::Message(Incoming::Text(text))))) => {
                assert_eq!(text.as_str(), line);
            }
            // The connection ends with 1007.
            (Err(_), Err(_)) => return,
            (line, event) => panic!("{line:?} became {event:?}"),
        }
    }
    assert!(rest.is_empty(), "{rest:?} follows the last line");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_frames_of_a_body_are_its_lines(body in "[a-z{}\\n\\r\u{e9}\u{1f600}]{0,80}") {
            check_frames(body.as_bytes());
        }

        #[test]
        fn any_bytes_become_frames(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            check_frames(&body);
        }

        #[test]
        fn a_line_of_any_length_is_one_frame(length in 0_usize..70_000) {
            check_frames(&vec![b'x'; length]);
        }
    }

    #[test]
    fn a_body_without_lines_has_no_frames() {
        assert_eq!(frames(b""), b"");
        assert_eq!(frames(b"\n\n"), b"");
        assert_eq!(frames(b"\na\n\nb"), *b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b");
    }
}
