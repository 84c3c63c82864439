//! The page protocol: its names and message formats, for both directions. `PAGE-PROTOCOL.md`
//! describes their meaning.

use serde::{Deserialize, Serialize};

mod from_page;
mod over_http;
mod place;
mod push;
mod to_page;

pub(crate) use from_page::FromPage;
pub(crate) use over_http::OverHttp;
pub(crate) use place::{EntryPlace, LanePlace, parse_places};
pub(crate) use push::Push;
pub(crate) use to_page::{Gap, ToPage};

/// The subprotocol (RFC 6455, section 1.9) of page streams.
///
/// ```
/// use ws_server::extract::Handshake;
/// use ws_server::page::PAGE_PROTOCOL;
///
/// /// Whether the client asked for a page stream.
/// fn wants_stream(handshake: &Handshake) -> bool {
///     let offered = handshake.header("sec-websocket-protocol").unwrap_or("");
///     offered.split(',').any(|name| name.trim() == PAGE_PROTOCOL)
/// }
/// ```
pub const PAGE_PROTOCOL: &str = "page.v1";

/// The largest number in the page protocol and in requests: every JSON parser reads it exactly.
pub(crate) const LARGEST_NUMBER: u64 = (1 << 53) - 1;

/// The query parameters of a page's handshake, in addition to the id of the page. Others are
/// ignored.
#[derive(Serialize, Deserialize)]
pub(crate) struct PageQuery {
    pub(crate) client: Option<u64>,
    /// Counts the connections of this client.
    pub(crate) attempt: Option<u64>,
    pub(crate) epoch: Option<String>,
    pub(crate) offset: Option<u64>,
    /// The sealed base of the cursor, and the cursor.
    pub(crate) base: Option<String>,
    pub(crate) at: Option<String>,
}

/// The response to a browser that requests the id of a new page.
#[derive(Serialize)]
pub(crate) struct NewPage<'p> {
    pub(crate) page: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<String>,
}

/// Checks that the places of a cursor, if the text has some, are unchanged by parsing.
#[cfg(fuzzing)]
pub fn check_cursor(text: &str) {
    place::check_round_trip(text);
}

/// Checks that a message of a page, if the text is one, is unchanged by encoding and parsing.
#[cfg(fuzzing)]
pub fn check_round_trip(text: &str) {
    from_page::check_round_trip(text);
}

/// Serializes a message of the protocol.
pub(crate) fn json(shape: &impl Serialize) -> String {
    serde_json::to_string(shape).expect("a message of the page protocol can be encoded as JSON")
}

/// The largest message for a payload of this size: JSON encodes a control character as six
/// characters, and the other members need little space.
pub(crate) const fn max_encoded_len(max_message: usize) -> usize {
    max_message.saturating_mul(6).saturating_add(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_of_any_text_fits_its_limit() {
        let worst = serde_json::to_string(&"\u{1}".repeat(100)).unwrap();
        assert!(worst.len() + 64 < max_encoded_len(100));
    }

    #[test]
    fn a_new_page_is_announced_with_its_epoch_if_it_has_one() {
        let mut page = NewPage {
            page: "id",
            epoch: Some("ff".to_owned()),
            base: Some("AQ".to_owned()),
        };
        assert_eq!(json(&page), r#"{"page":"id","epoch":"ff","base":"AQ"}"#);
        (page.epoch, page.base) = (None, None);
        assert_eq!(json(&page), r#"{"page":"id"}"#);
    }
}
