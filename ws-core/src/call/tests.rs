//! The JSON of calls and answers, down to the last member.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn encode(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn id(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

#[test]
fn a_call_is_decoded_and_encoded() {
    let call = Call {
        id: id(7),
        body: vec![1, 2],
    };
    assert_eq!(encode(&call), r#"{"call":7,"body":[1,2]}"#);
    assert_eq!(decode(r#"{"call":7,"body":[1,2]}"#), Ok(call.clone()));
    assert_eq!(
        decode(r#"{"trace":{},"body":[1,2],"call":7}"#),
        Ok(call),
        "in any order, with more members"
    );
}

#[test]
fn an_id_is_an_integer_of_at_most_53_bits() {
    let of = |number: &str| decode::<CallId>(number).map(CallId::get);
    assert_eq!(of("0"), Ok(0));
    assert_eq!(of("9007199254740991"), Ok(9_007_199_254_740_991));
    let too_large = of("9007199254740992").unwrap_err();
    assert!(
        too_large.contains("expected an integer of at most 2^53 - 1"),
        "{too_large}"
    );
    for invalid in [
        "18446744073709551616",
        "-1",
        "-0",
        "7.0",
        "1e3",
        r#""7""#,
        "null",
        "true",
    ] {
        let error = of(invalid).unwrap_err();
        assert!(error.starts_with("invalid "), "{invalid}: {error}");
    }
    assert_eq!(CallId::new(u64::MAX), None);
    assert_eq!(encode(&CallId::MAX), "9007199254740991");
}

#[test]
fn a_call_without_a_valid_envelope_is_an_error() {
    let error = |text| decode::<Call<Option<u8>>>(text).unwrap_err();
    assert!(error("{}").starts_with("missing field `call`"));
    assert!(error(r#"{"body":1}"#).starts_with("missing field `call`"));
    // Not even if the body is optional: then it is written as `null`.
    assert!(error(r#"{"call":1}"#).starts_with("missing field `body`"));
    assert!(error(r#"{"call":1,"call":2,"body":1}"#).starts_with("duplicate field `call`"));
    assert!(error(r#"{"call":1,"body":1,"body":2}"#).starts_with("duplicate field `body`"));
    let array = error("[1,2]");
    assert!(
        array.contains("expected a call: an object with `call` and `body`"),
        "{array}"
    );
    let null = decode::<Call<Option<u8>>>(r#"{"call":1,"body":null}"#);
    assert_eq!(null.map(|call| call.body), Ok(None));
}

#[test]
fn an_answer_is_encoded_and_decoded() {
    type TextAnswer = Answer<u8, String>;
    let (ok, error) = (
        TextAnswer::ok(id(1), 5),
        TextAnswer::error(id(2), "no".to_owned()),
    );
    assert_eq!(encode(&ok), r#"{"answer":1,"ok":5}"#);
    assert_eq!(encode(&error), r#"{"answer":2,"error":"no"}"#);
    assert_eq!(decode(&encode(&ok)), Ok(ok));
    assert_eq!(decode(&encode(&error)), Ok(error));
    assert_eq!(
        decode(r#"{"ok":null,"took":3,"answer":1}"#),
        Ok(Answer::<(), ()>::ok(id(1), ()))
    );
}

#[test]
fn an_answer_has_one_of_ok_and_error() {
    let error = |text| decode::<Answer<u8, u8>>(text).unwrap_err();
    assert!(error(r#"{"answer":1}"#).starts_with("an answer has `ok` or `error`"));
    for doubled in [
        r#"{"answer":1,"ok":1,"error":2}"#,
        r#"{"answer":1,"error":1,"ok":2}"#,
        r#"{"answer":1,"ok":1,"ok":2}"#,
        r#"{"answer":1,"error":1,"error":2}"#,
    ] {
        assert!(
            error(doubled).starts_with("an answer has one of `ok` and `error`"),
            "{doubled}"
        );
    }
    assert!(error(r#"{"answer":1,"answer":1,"ok":2}"#).starts_with("duplicate field `answer`"));
    assert!(error(r#"{"ok":1}"#).starts_with("missing field `answer`"));
    assert!(error("[1,2]").starts_with("invalid type: sequence"));
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    Rename { name: String },
    Move { x: i64, y: f64 },
}

/// The detail of a body that does not decode.
fn detail<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
    let call: Call<Checked<T>> = decode(text).unwrap();
    assert_eq!(call.id, id(7));
    call.body.0.unwrap_err().detail().to_owned()
}

#[test]
fn an_invalid_checked_body_keeps_its_call_at_any_position() {
    let body = |text| decode::<Call<Checked<Command>>>(text).map(|call| call.body.0.unwrap());
    assert_eq!(
        body(r#"{"call":7,"body":{"x":-1,"y":0.5,"type":"move"}}"#),
        Ok(Command::Move { x: -1, y: 0.5 })
    );
    let missing = "missing field `name`";
    assert_eq!(
        detail::<Command>(r#"{"call":7,"body":{"type":"rename"}}"#),
        missing
    );
    assert_eq!(
        detail::<Command>(r#"{"body":{"z":[1,{}],"type":"rename","w":{}},"call":7,"v":[]}"#),
        missing,
        "the members after it are decoded"
    );
    assert_eq!(
        detail::<u8>(r#"{"call":7,"body":256}"#),
        "invalid value: integer `256`, expected u8"
    );
    assert_eq!(
        detail::<Vec<u8>>(r#"{"call":7,"body":[1,[2,3]]}"#),
        "invalid type: sequence, expected u8"
    );
}

/// Members in the order of the text.
#[derive(Debug, PartialEq)]
struct Members(Vec<String>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> serde::de::Visitor<'de> for Keys {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, serde::de::IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Members(keys))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

#[derive(Deserialize, Debug)]
struct Named {
    #[expect(dead_code, reason = "only decoded")]
    name: u8,
}

#[test]
fn a_checked_body_keeps_the_order_of_members_and_rejects_duplicates() {
    let call: Call<Checked<Members>> = decode(r#"{"call":7,"body":{"z":1,"a":2,"m":3}}"#).unwrap();
    let members = ["z", "a", "m"].map(str::to_owned).to_vec();
    assert_eq!(call.body, Checked(Ok(Members(members))));
    assert_eq!(
        detail::<Named>(r#"{"call":7,"body":{"name":1,"name":2}}"#),
        "duplicate field `name`"
    );
}

#[test]
fn an_invalid_envelope_fails_with_any_body() {
    for invalid in [
        r#"{"call":7}"#,
        r#"{"call":-7,"body":1}"#,
        r#"{"body":1}"#,
        r#"{"call":7,"body":}"#,
        r#"{"call":7,"body":[1}"#,
        r#"{"call":7,"body":1"#,
        r#"{"call":7,"body":1} more"#,
        r#"{"call":7,"body":"\ud800"}"#,
    ] {
        assert!(
            decode::<Call<Checked<Option<u8>>>>(invalid).is_err(),
            "{invalid}"
        );
    }
    let deep = format!(
        r#"{{"call":7,"body":{}{}}}"#,
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    assert!(
        decode::<Call<Checked<u8>>>(&deep).is_err(),
        "too deep for the parser"
    );
}

#[test]
fn a_detail_is_truncated() {
    let long = format!(r#"{{"call":7,"body":"{}"}}"#, "é".repeat(10_000));
    let detail = detail::<u8>(&long);
    assert!(detail.starts_with("invalid type: string \"éé"), "{detail}");
    assert!(detail.ends_with("é…"), "{detail}");
    assert_eq!(detail.chars().count(), 201);
}

#[test]
fn a_body_error_shows_its_detail_to_clients_and_not_in_logs() {
    let call: Call<Checked<u8>> = decode(r#"{"call":7,"body":"secret"}"#).unwrap();
    let error = call.body.0.clone().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the body of the call could not be decoded"
    );
    assert_eq!(format!("{error:?}"), "BodyError { .. }");
    assert!(!format!("{call:?}").contains("secret"));
    let detail = r#""invalid type: string \"secret\", expected u8""#;
    assert_eq!(encode(&error), detail);
    assert_eq!(decode(detail), Ok(error));
}
