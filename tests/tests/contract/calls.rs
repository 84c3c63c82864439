//! `Call<T>` and `Answer<R, E>`: requests, and the answers with their ids.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ws_core::testkit::{Received, TestClient, TestKit};
use ws_server::call::{BodyError, CallId, Checked};
use ws_server::error::EncodeError;
use ws_server::extract::AnyRoute;
use ws_server::prelude::*;

use crate::journal::settle;

#[derive(Deserialize)]
struct Rename {
    name: String,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Renamed {
    name: String,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
enum RenameError {
    Taken,
    Malformed { why: BodyError },
}

impl From<BodyError> for RenameError {
    fn from(why: BodyError) -> Self {
        Self::Malformed { why }
    }
}

fn rename(rename: Rename) -> Result<Renamed, RenameError> {
    match &*rename.name {
        "root" => Err(RenameError::Taken),
        _ => Ok(Renamed { name: rename.name }),
    }
}

/// Defines handlers with this `message`.
macro_rules! handlers {
    ($($name:ident: $($word:ident)* ($($argument:tt)*) -> $reply:ty { $($body:tt)* })*) => { $(
        struct $name;

        #[ws_handler]
        impl $name {
            fn init() -> Self {
                $name
            }

            $($word)* message($($argument)*) -> $reply {
                $($body)*
            }
        }
    )* };
}

handlers! {
    AtOnce: fn(&mut self, Json(call): Json<Call<Rename>>) -> Answer<Renamed, RenameError> {
        let (id, body) = call.split();
        id.answer(rename(body))
    }

    Nothing: fn(&mut self, Json(call): Json<Call<()>>) -> Answer<(), ()> {
        call.answer(Ok(()))
    }

    Slowly: async fn(&mut self, Json(call): Json<Call<Rename>>) -> Answer<Renamed, RenameError> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (id, body) = call.split();
        id.answer(rename(body))
    }

    Whatever: fn(
        &mut self,
        Json(call): Json<Call<Checked<Rename>>>,
    ) -> Answer<Renamed, RenameError> {
        let (id, Checked(body)) = call.split();
        id.answer(body.map_err(RenameError::from).and_then(rename))
    }

    Spawns: fn(
        &mut self,
        Json(call): Json<Call<u64>>,
        socket: &Socket<Self>,
    ) -> Result<(), Close> {
        let after = Duration::from_secs(call.body);
        let answer: Answer<_, ()> = call.answer(Ok("spawned"));
        socket
            .spawn(async move {
                tokio::time::sleep(after).await;
                answer
            })
            .or_close()
    }

    Sends: fn(&mut self, Json(call): Json<Call<u64>>, socket: &Socket<Self>) -> () {
        let socket = socket.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(call.body)).await;
            let answer: Answer<_, ()> = call.answer(Ok("sent"));
            socket.send(answer).unwrap();
            socket.send_async(call.id.answer::<(), _>(Err("sent again"))).await.unwrap();
        });
    }

    Many: fn(&mut self, Json(calls): Json<Vec<Call<u8>>>) -> Vec<Answer<u8, u8>> {
        let answer = |call: Call<u8>| call.answer(if call.body < 10 { Ok(1) } else { Err(2) });
        calls.into_iter().map(answer).collect()
    }

    Perhaps: fn(&mut self, Json(call): Json<Call<bool>>) -> Option<Answer<(), ()>> {
        call.body.then(|| Answer::ok(call.id, ()))
    }

    Last: fn(&mut self, Json(call): Json<Call<()>>) -> (Answer<(), ()>, Close) {
        (Answer::error(call.id, ()), Close::NORMAL)
    }

    Unencodable: fn(&mut self, Json(call): Json<Call<()>>) -> Answer<Secret, ()> {
        call.answer(Ok(Secret))
    }
}

/// A value that cannot be encoded.
struct Secret;

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a secret"))
    }
}

/// Receives calls among other messages.
#[derive(Deserialize)]
#[serde(untagged)]
enum Incoming {
    Call(Call<Checked<Rename>>),
    Say { text: String },
}

handlers! {
    Either: fn(&mut self, Json(incoming): Json<Incoming>) -> Message {
        match incoming {
            Incoming::Call(call) => Message::text(match call.body.0 {
                Ok(rename) => format!("call {} of {}", call.id, rename.name),
                Err(error) => format!("call {} of no such thing: {}", call.id, error.detail()),
            }),
            Incoming::Say { text } => Message::text(format!("say {text}")),
        }
    }
}

async fn client<H: Handler<AnyRoute>>() -> TestClient {
    TestKit::new().handler::<H>().connect().await.unwrap()
}

/// The answer to one message: a text, or the close code.
async fn asked<H: Handler<AnyRoute>>(text: &'static str) -> Result<String, CloseCode> {
    let mut client = client::<H>().await;
    client.send(text).await;
    match client.receive().await {
        Received::Message(message) => Ok(message.as_text().unwrap().to_owned()),
        Received::Close(code, _) => Err(code),
        other => panic!("{other:?}"),
    }
}

fn ok(text: &str) -> Result<String, CloseCode> {
    Ok(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_ok_or_a_typed_error_with_the_id_of_its_call() {
    let mut client = client::<AtOnce>().await;
    client
        .send(r#"{"call":7,"body":{"name":"Ada"},"more":[]}"#)
        .await;
    client
        .send(r#"{"body":{"name":"root"},"call":9007199254740991}"#)
        .await;
    assert_eq!(client.text().await, r#"{"answer":7,"ok":{"name":"Ada"}}"#);
    assert_eq!(
        client.text().await,
        r#"{"answer":9007199254740991,"error":{"type":"taken"}}"#
    );
    let nothing = asked::<Nothing>(r#"{"call":0,"body":null}"#).await;
    assert_eq!(nothing, ok(r#"{"answer":0,"ok":null}"#));
}

#[tokio::test(start_paused = true)]
async fn a_client_in_rust_exchanges_the_same_messages() {
    let mut client = client::<AtOnce>().await;
    let id = CallId::new(7).unwrap();
    let body = Renamed { name: "Ada".into() };
    client.send_json(&Call { id, body }).await;
    let answer: Answer<Renamed, RenameError> = client.json().await;
    let body = Renamed { name: "Ada".into() };
    assert_eq!(answer, Answer::ok(id, body));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_a_call_closes_with_1007() {
    for wrong in [
        r#"{"call":9007199254740992,"body":{"name":"Ada"}}"#,
        r#"{"call":-1,"body":{"name":"Ada"}}"#,
        r#"{"call":1.5,"body":{"name":"Ada"}}"#,
        r#"{"call":"7","body":{"name":"Ada"}}"#,
        r#"{"call":7}"#,
        r#"{"body":{"name":"Ada"}}"#,
        r#"[7,{"name":"Ada"}]"#,
        "7",
    ] {
        let invalid = Err(CloseCode::INVALID_PAYLOAD);
        assert_eq!(asked::<AtOnce>(wrong).await, invalid, "{wrong}");
        assert_eq!(asked::<Whatever>(wrong).await, invalid, "checked: {wrong}");
    }
    let wrong_body = r#"{"call":7,"body":{}}"#;
    assert_eq!(
        asked::<AtOnce>(wrong_body).await,
        Err(CloseCode::INVALID_PAYLOAD)
    );
}

#[tokio::test(start_paused = true)]
async fn a_checked_body_that_does_not_decode_is_answered_and_the_connection_stays_open() {
    let mut client = client::<Whatever>().await;
    client.send(r#"{"call":1,"body":{"nam":"Ada"}}"#).await;
    client.send(r#"{"call":2,"body":[[]]}"#).await;
    client.send(r#"{"call":3,"body":{"name":"Ada"}}"#).await;
    client.send(r#"{"call":4,"body":{"name":"root"}}"#).await;
    assert_eq!(
        client.text().await,
        r#"{"answer":1,"error":{"type":"malformed","why":"missing field `name`"}}"#
    );
    let second: Answer<Renamed, RenameError> = client.json().await;
    assert_eq!(second.id.get(), 2);
    let Err(RenameError::Malformed { why }) = second.result else {
        panic!("{second:?}");
    };
    assert_eq!(
        why.detail(),
        "invalid type: sequence, expected a string",
        "the first element, read as `name`"
    );
    assert_eq!(client.text().await, r#"{"answer":3,"ok":{"name":"Ada"}}"#);
    assert_eq!(
        client.text().await,
        r#"{"answer":4,"error":{"type":"taken"}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn an_async_hook_answers_when_it_returns() {
    let mut client = client::<Slowly>().await;
    client.send(r#"{"call":1,"body":{"name":"Ada"}}"#).await;
    client.send(r#"{"call":2,"body":{"name":"root"}}"#).await;
    settle().await;
    assert_eq!(client.received_in_one_read().await, []);
    assert_eq!(client.text().await, r#"{"answer":1,"ok":{"name":"Ada"}}"#);
    assert_eq!(
        client.text().await,
        r#"{"answer":2,"error":{"type":"taken"}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_answered_by_spawned_futures_overtake_each_other() {
    let mut client = client::<Spawns>().await;
    client.send(r#"{"call":1,"body":20}"#).await;
    client.send(r#"{"call":2,"body":10}"#).await;
    assert_eq!(client.text().await, r#"{"answer":2,"ok":"spawned"}"#);
    assert_eq!(client.text().await, r#"{"answer":1,"ok":"spawned"}"#);
}

#[tokio::test(start_paused = true)]
async fn any_task_can_send_an_answer_through_the_socket() {
    let mut client = client::<Sends>().await;
    client.send(r#"{"call":5,"body":3}"#).await;
    assert_eq!(client.text().await, r#"{"answer":5,"ok":"sent"}"#);
    assert_eq!(client.text().await, r#"{"answer":5,"error":"sent again"}"#);
}

#[tokio::test(start_paused = true)]
async fn answers_combine_as_other_replies_do() {
    let mut client = client::<Many>().await;
    client
        .send(r#"[{"call":1,"body":5},{"call":2,"body":50}]"#)
        .await;
    assert_eq!(client.text().await, r#"{"answer":1,"ok":1}"#);
    assert_eq!(client.text().await, r#"{"answer":2,"error":2}"#);
    let mut client = self::client::<Perhaps>().await;
    client.send(r#"{"call":1,"body":false}"#).await;
    client.send(r#"{"call":2,"body":true}"#).await;
    assert_eq!(client.text().await, r#"{"answer":2,"ok":null}"#);
    let mut client = self::client::<Last>().await;
    client.send(r#"{"call":1,"body":null}"#).await;
    assert_eq!(client.text().await, r#"{"answer":1,"error":null}"#);
    assert_eq!(client.closed().await.0, CloseCode::NORMAL);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_encoded_closes_with_1011_and_is_not_sent() {
    let call = r#"{"call":1,"body":null}"#;
    assert_eq!(
        asked::<Unencodable>(call).await,
        Err(CloseCode::INTERNAL_ERROR)
    );
    let client = client::<Unencodable>().await;
    let answer: Answer<_, ()> = Answer::ok(CallId::MAX, Secret);
    let error = client.socket::<Unencodable>().send(answer).unwrap_err();
    assert_eq!(error, EncodeError::new("a secret").into());
    assert_eq!(error.into_inner(), None);
}

#[tokio::test(start_paused = true)]
async fn an_untagged_enum_takes_calls_and_other_messages() {
    let call = asked::<Either>(r#"{"call":7,"body":{"name":"Ada"}}"#).await;
    assert_eq!(call, ok("call 7 of Ada"));
    let wrong = asked::<Either>(r#"{"call":7,"body":{"nam":"Ada"}}"#).await;
    assert_eq!(wrong, ok("call 7 of no such thing: missing field `name`"));
    let say = asked::<Either>(r#"{"text":"hello"}"#).await;
    assert_eq!(say, ok("say hello"));
    let neither = asked::<Either>(r#"{"call":-7,"body":1}"#).await;
    assert_eq!(neither, Err(CloseCode::INVALID_PAYLOAD));
}
