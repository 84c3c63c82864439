//! The responses to offers.

use http::HeaderMap;
use proptest::collection::vec;
use proptest::prelude::*;

use super::Deflate;

const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The response to these header lines.
fn response_header(lines: &[&str]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("sec-websocket-extensions", line.parse().unwrap());
    }
    let header = Deflate::negotiate(&headers)?.response_header();
    Some(header.to_str().unwrap().to_owned())
}

#[test]
fn offers_are_accepted_as_the_rfc_requires() {
    let bits = |bits: u8| format!("{PLAIN}; server_max_window_bits={bits}");
    let table: &[(&[&str], Option<String>)] = &[
        (&[], None),
        (&[""], None),
        // Section 5.1 and 7.1.
        (&["permessage-deflate"], Some(PLAIN.into())),
        (
            &["permessage-deflate; client_max_window_bits; server_max_window_bits=10"],
            Some(bits(10)),
        ),
        (
            &[
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10, \
               permessage-deflate; client_max_window_bits",
            ],
            Some(bits(10)),
        ),
        (
            &["permessage-foo; x=10, permessage-deflate"],
            Some(PLAIN.into()),
        ),
        (
            &[
                "permessage-foo",
                "permessage-deflate;server_max_window_bits=9",
            ],
            Some(bits(9)),
        ),
        (
            &["permessage-deflate; server_max_window_bits=\"10\""],
            Some(bits(10)),
        ),
        (
            &["permessage-deflate; server_max_window_bits=\"1\\5\""],
            Some(bits(15)),
        ),
        (
            &["permessage-deflate ; server_no_context_takeover ;client_no_context_takeover"],
            Some(PLAIN.into()),
        ),
        (
            &["permessage-deflate; client_max_window_bits=8"],
            Some(PLAIN.into()),
        ),
        // zlib cannot compress with this window; the client's second offer is acceptable.
        (
            &["permessage-deflate; server_max_window_bits=8, permessage-deflate"],
            Some(PLAIN.into()),
        ),
        // A comma in quotes is not a separator.
        (
            &["foo; x=\"a, permessage-deflate; server_max_window_bits=9, b\", permessage-deflate"],
            Some(PLAIN.into()),
        ),
        (&["foo; x=\"\\\", permessage-deflate"], None),
        (&["x-webkit-deflate-frame, PERMESSAGE-DEFLATE"], None),
    ];
    for (lines, expected) in table {
        assert_eq!(response_header(lines), *expected, "{lines:?}");
    }
}

#[test]
fn an_invalid_offer_is_declined_and_the_next_one_accepted() {
    for parameters in [
        "unknown",
        "x=1",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits=10",
        "server_no_context_takeover=1",
        "server_no_context_takeover=\"\"",
        "client_no_context_takeover=true",
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=\"\"",
        "server_max_window_bits=\"10",
        "server_max_window_bits=7",
        "server_max_window_bits=8",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits=+9",
        "server_max_window_bits=-9",
        "server_max_window_bits=9 9",
        "server_max_window_bits=100",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=x",
        "",
        ";",
        "=10",
        "server max window bits=10",
    ] {
        let bad = format!("permessage-deflate; {parameters}");
        // An unterminated quote extends to the end of its line.
        assert_eq!(response_header(&[&bad]), None, "{bad}");
        let good = "permessage-deflate; client_max_window_bits";
        assert_eq!(response_header(&[&bad, good]), Some(PLAIN.into()), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_header_makes_negotiation_panic(
        lines in vec(
            prop_oneof![
                vec(any::<u8>(), 0..80),
                "(permessage-deflate|;|,|=|\"|\\\\| |server_max_window_bits|1|9|x){0,20}"
                    .prop_map(String::into_bytes),
            ],
            0..4,
        ),
    ) {
        let mut headers = HeaderMap::new();
        for line in lines {
            if let Ok(line) = http::HeaderValue::from_bytes(&line) {
                headers.append("sec-websocket-extensions", line);
            }
        }
        if let Some(negotiated) = Deflate::negotiate(&headers) {
            prop_assert!((9..=15).contains(&negotiated.window_bits()));
            prop_assert!(negotiated.response_header().to_str().unwrap().starts_with(PLAIN));
        }
    }
}
