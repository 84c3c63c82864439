//! Parses the offers of clients (RFC 7692, sections 5.1 and 7.1).

use std::borrow::Cow;
use std::num::NonZeroU8;

use super::Deflate;
use crate::fields::{self, QuoteTracker, is_token};

const NAME: &[u8] = b"permessage-deflate";

/// Returns the first acceptable offer of a header line.
pub(super) fn first_acceptable(line: &[u8]) -> Option<Deflate> {
    split(line, b',').find_map(parse_offer)
}

/// Accepts or declines one element of the list.
fn parse_offer(element: &[u8]) -> Option<Deflate> {
    let mut parts = split(element, b';');
    if parts.next() != Some(NAME) {
        return None;
    }
    let mut seen = SeenParameters::default();
    let mut negotiated = Deflate::default();
    for part in parts {
        let (name, value) = parameter(part)?;
        let is_seen = match (name, value) {
            (b"server_no_context_takeover", None) => &mut seen.server_takeover,
            (b"client_no_context_takeover", None) => &mut seen.client_takeover,
            (b"server_max_window_bits", Some(value)) => {
                // zlib has no window of 8 bits for raw data, and a larger one would violate the
                // offer.
                negotiated.requested_bits =
                    Some(window_bits(&value).filter(|bits| bits.get() > 8)?);
                &mut seen.server_bits
            }
            // The client accepts a smaller window for its own messages if the server requests one.
            // This server does not: its window of 15 bits can inflate data of any smaller one.
            (b"client_max_window_bits", None) => &mut seen.client_bits,
            (b"client_max_window_bits", Some(value)) => {
                window_bits(&value)?;
                &mut seen.client_bits
            }
            _ => return None,
        };
        if std::mem::replace(is_seen, true) {
            return None;
        }
    }
    Some(negotiated)
}

/// The parameters seen in an offer, to detect duplicates.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are a set of four names"
)]
struct SeenParameters {
    server_takeover: bool,
    client_takeover: bool,
    server_bits: bool,
    client_bits: bool,
}

/// The value of a parameter.
type Value<'v> = Cow<'v, [u8]>;

/// Parses the name and value of a parameter (RFC 6455, section 9.1). Returns `None` if invalid.
fn parameter(part: &[u8]) -> Option<(&[u8], Option<Value<'_>>)> {
    let (name, value) = match part.iter().position(|byte| *byte == b'=') {
        None => (part, None),
        Some(at) => (
            part[..at].trim_ascii_end(),
            Some(unquoted(part[at + 1..].trim_ascii_start())?),
        ),
    };
    is_token(name).then_some((name, value))
}

/// The value without its quotes. A quoted value must be a token too.
fn unquoted(value: &[u8]) -> Option<Value<'_>> {
    fields::unquote(value).filter(|value| is_token(value))
}

/// Parses a decimal from 8 to 15 without leading zeros (section 7.1.2).
fn window_bits(value: &[u8]) -> Option<NonZeroU8> {
    let bits = match *value {
        [digit @ b'8'..=b'9'] => digit - b'0',
        [b'1', digit @ b'0'..=b'5'] => 10 + (digit - b'0'),
        _ => return None,
    };
    NonZeroU8::new(bits)
}

/// Splits text at the separators outside quotes, and trims the parts.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quotes = QuoteTracker::default();
    text.split(move |byte| quotes.is_separator(*byte, separator))
        .map(<[u8]>::trim_ascii)
}
