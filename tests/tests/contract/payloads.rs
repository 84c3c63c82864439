//! The payloads and replies of `message`, type by type.

use std::borrow::Cow;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use ws_core::testkit::{Received, TestKit};
use ws_server::decode::DecodeError;
use ws_server::decode::MsgPack;
use ws_server::error::EncodeError;
use ws_server::prelude::*;

#[derive(Deserialize, Serialize, Debug)]
struct Point {
    x: u32,
    y: u32,
}

/// Defines handlers that send their payload back in `Debug` format.
macro_rules! takers {
    ($($name:ident: $payload:ty;)*) => { $(
        struct $name;

        #[ws_handler]
        impl $name {
            fn init() -> Self {
                $name
            }

            fn message(&mut self, payload: $payload) -> String {
                format!("{payload:?}")
            }
        }
    )* };
}

takers! {
    TakesString: String;
    TakesByteString: ByteString;
    TakesBytes: Bytes;
    TakesMessage: Message;
    TakesJson: Json<Point>;
    TakesMsgPack: MsgPack<Point>;
    TakesResult: Result<Json<Point>, DecodeError>;
}

/// The handler's answer to a message: a text, or the code and text of the Close.
async fn answer<H>(message: impl Into<Message>) -> Result<String, (u16, String)>
where
    H: ws_server::handler::Handler<ws_server::extract::AnyRoute>,
{
    let mut client = TestKit::new().handler::<H>().connect().await.unwrap();
    client.send(message).await;
    match client.receive().await {
        Received::Message(message) => Ok(message.as_text().expect("text").to_owned()),
        Received::Close(code, text) => Err((code.get(), text)),
        other => panic!("{other:?}"),
    }
}

fn binary(bytes: &'static [u8]) -> Message {
    Message::binary(bytes)
}

/// `{x: 1, y: 2}` in `MessagePack`.
const POINT: &[u8] = b"\x82\xa1x\x01\xa1y\x02";

#[tokio::test(start_paused = true)]
async fn a_payload_of_every_type_arrives() {
    let json = r#"{"x":1,"y":2}"#;
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(answer::<TakesString>("é").await, ok(r#""é""#));
    assert_eq!(answer::<TakesByteString>("é").await, ok(r#""é""#));
    assert_eq!(
        answer::<TakesBytes>(binary(b"\xff")).await,
        ok(r#"b"\xff""#)
    );
    assert_eq!(answer::<TakesMessage>("a").await, ok(r#"Text("a")"#));
    assert_eq!(
        answer::<TakesMessage>(binary(b"a")).await,
        ok(r#"Binary(b"a")"#)
    );
    assert_eq!(
        answer::<TakesJson>(json).await,
        ok("Json(Point { x: 1, y: 2 })")
    );
    let point = answer::<TakesMsgPack>(binary(POINT)).await;
    assert_eq!(point, ok("MsgPack(Point { x: 1, y: 2 })"));
    assert_eq!(
        answer::<TakesResult>(json).await,
        ok("Ok(Json(Point { x: 1, y: 2 }))")
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_of_the_wrong_kind_closes_with_1003() {
    let wants_text = Err((1003, "text expected".to_owned()));
    let wants_binary = Err((1003, "binary expected".to_owned()));
    assert_eq!(answer::<TakesString>(binary(b"a")).await, wants_text);
    assert_eq!(answer::<TakesByteString>(binary(b"a")).await, wants_text);
    assert_eq!(answer::<TakesJson>(binary(b"{}")).await, wants_text);
    assert_eq!(answer::<TakesBytes>("a").await, wants_binary);
    assert_eq!(answer::<TakesMsgPack>("a").await, wants_binary);
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_does_not_decode_closes_with_1007() {
    let undecodable = Err((1007, "undecodable payload".to_owned()));
    assert_eq!(answer::<TakesJson>(r#"{"x":1}"#).await, undecodable);
    assert_eq!(answer::<TakesMsgPack>(binary(b"\xc1")).await, undecodable);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_takes_a_result_gets_the_decode_error() {
    let malformed = answer::<TakesResult>("nonsense").await.unwrap();
    assert!(malformed.starts_with("Err(Malformed("), "{malformed}");
    assert_eq!(
        answer::<TakesResult>(binary(b"a")).await.unwrap(),
        "Err(ExpectedText)"
    );
}

/// Has no `message`.
struct TakesNothing;

#[ws_handler]
impl TakesNothing {
    fn init() -> Self {
        TakesNothing
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_without_message_closes_with_1003() {
    let refused = Err((1003, "this endpoint accepts no messages".to_owned()));
    assert_eq!(answer::<TakesNothing>("a").await, refused);
    assert_eq!(answer::<TakesNothing>(binary(b"a")).await, refused);
}

/// Defines handlers that answer every message with a value of the type, and tests of the answer.
macro_rules! givers {
    ($($name:ident, $hook:ident: $reply:ty = $value:expr => $expected:expr;)*) => { $(
        struct $name;

        #[ws_handler]
        impl $name {
            fn init() -> Self {
                $name
            }

            fn message(&mut self, _: String) -> $reply {
                $value
            }

            async fn info(&mut self, _: ()) -> $reply {
                tokio::task::yield_now().await;
                $value
            }
        }

        #[tokio::test(start_paused = true)]
        async fn $hook() {
            let expected: &[Received] = &$expected;
            let mut client = TestKit::new().handler::<$name>().connect().await.unwrap();
            client.send("?").await;
            assert_eq!(client.received_so_far().await, expected, "from `message`");
            let mut client = TestKit::new().handler::<$name>().connect().await.unwrap();
            client.socket::<$name>().notify(()).unwrap();
            crate::journal::settle().await;
            assert_eq!(client.received_so_far().await, expected, "from `info`");
        }
    )* };
}

fn text(text: &'static str) -> Received {
    Received::Message(text.into())
}

fn close(code: CloseCode, text: &str) -> Received {
    Received::Close(code, text.to_owned())
}

givers! {
    Nothing, a_reply_of_nothing: () = () => [];
    OwnedText, a_string_is_a_text_message: String = "a".to_owned() => [text("a")];
    StaticText, a_static_text_is_a_text_message: &'static str = "a" => [text("a")];
    CowText, a_cow_is_a_text_message: Cow<'static, str> = Cow::Borrowed("a") => [text("a")];
    SharedText, a_byte_string_is_a_text_message: ByteString = "a".into() => [text("a")];
    Binary, bytes_are_a_binary_message: Bytes = Bytes::from_static(b"\xff")
        => [Received::Message(binary(b"\xff"))];
    JsonText, json_is_a_text_message: Json<Point> = Json(Point { x: 1, y: 2 })
        => [text(r#"{"x":1,"y":2}"#)];
    Packed, msg_pack_is_a_binary_message: MsgPack<Point> = MsgPack(Point { x: 1, y: 2 })
        => [Received::Message(binary(POINT))];
    Either, a_message_is_sent_as_it_is: Message = binary(b"m") => [Received::Message(binary(b"m"))];
    Chunks, concat_makes_one_message_of_chunks: Message = Message::concat(["a", "b", "c"])
        => [text("abc")];
    Some1, an_option_is_its_value: Option<&'static str> = Some("a") => [text("a")];
    None1, or_nothing: Option<&'static str> = None => [];
    Many, a_vec_is_many_messages: Vec<&'static str> = vec!["a", "b"] => [text("a"), text("b")];
    Ends, a_close_ends_the_connection: Close = Close::policy("x")
        => [close(CloseCode::POLICY, "x")];
    Last, a_reply_may_come_before_a_close: (Vec<&'static str>, Close)
        = (vec!["a", "b"], Close::NORMAL)
        => [text("a"), text("b"), close(CloseCode::NORMAL, "")];
    Fine, the_ok_of_a_result_is_the_reply: Result<&'static str, Close> = Ok("a") => [text("a")];
    Fault, the_err_of_a_result_closes: Result<(), Close> = Err(Close::policy("x"))
        => [close(CloseCode::POLICY, "x")];
}

/// A value that cannot be encoded.
struct Broken;

impl Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a secret"))
    }
}

givers! {
    Unencodable, a_reply_that_cannot_be_encoded_closes_with_1011: Json<Broken> = Json(Broken)
        => [close(CloseCode::INTERNAL_ERROR, "")];
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_encoded_is_not_sent() {
    let client = TestKit::new()
        .handler::<TakesNothing>()
        .connect()
        .await
        .unwrap();
    let error = client
        .socket::<TakesNothing>()
        .send(Json(Broken))
        .unwrap_err();
    assert_eq!(error, EncodeError::new("a secret").into());
    assert_eq!(error.into_inner(), None);
}
