//! The lines of a response that carries a page stream over HTTP, besides the messages to the page.

use serde::Serialize;

/// A line that is not a message of the stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum OverHttp<'a> {
    /// The first line.
    Open {
        /// The secret that a POST with messages names.
        attachment: &'a str,
        /// The largest body of such a POST, in bytes.
        limit: usize,
    },
    /// The page must show that it is alive.
    Ping,
    /// The last line: the Close that a WebSocket would receive.
    Close { code: u16, reason: &'a str },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json;

    #[test]
    fn the_lines_have_the_names_of_the_protocol() {
        let open = OverHttp::Open {
            attachment: "A-_",
            limit: 1024,
        };
        let close = OverHttp::Close {
            code: 4409,
            reason: "a\n",
        };
        let expected = r#"{"type":"open","attachment":"A-_","limit":1024}"#;
        assert_eq!(json(&open), expected);
        assert_eq!(json(&OverHttp::Ping), r#"{"type":"ping"}"#);
        let expected = r#"{"type":"close","code":4409,"reason":"a\n"}"#;
        assert_eq!(json(&close), expected);
    }
}
