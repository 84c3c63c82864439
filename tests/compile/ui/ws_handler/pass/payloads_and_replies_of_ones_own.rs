//! Payloads and replies in formats of the application: CBOR both ways, JSON text beside raw
//! binary, and a payload that copies nothing but what it keeps.
#![deny(warnings)]

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ws_server::call::Call;
use ws_server::decode::{FromMessage, Payload};
use ws_server::{decode::DecodeError, error::EncodeError, prelude::*};
use ws_server::reply::{IntoReply, Reply};
use ws_server::socket::IntoMessage;

/// A value as CBOR, in a binary message.
struct Cbor<T>(T);

impl<T: DeserializeOwned> FromMessage for Cbor<T> {
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        let value = ciborium::from_reader(payload.binary()?);
        value.map(Cbor).map_err(DecodeError::malformed)
    }
}

impl<T: Serialize> IntoMessage for Cbor<T> {
    type Value = T;

    fn into_message(self) -> Result<Message, EncodeError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(&self.0, &mut bytes).map_err(EncodeError::new)?;
        Ok(Message::binary(bytes))
    }
}

impl<T: Serialize> IntoReply for Cbor<T> {
    type Value = T;

    fn into_reply(self) -> Reply {
        self.into_message().or_close().into_reply()
    }
}

#[derive(Serialize, Deserialize)]
struct Reading {
    celsius: f32,
}

struct Thermometer;

#[ws_handler]
impl Thermometer {
    fn init(socket: &Socket<Self>) -> Self {
        let _ = socket.send(Cbor(Reading { celsius: 0.0 }));
        Thermometer
    }

    fn message(&mut self, Cbor(reading): Cbor<Reading>) -> Cbor<Reading> {
        Cbor(reading)
    }

    fn info(&mut self, reading: Reading) -> Option<Cbor<Reading>> {
        Some(Cbor(reading))
    }
}

/// The same, and the hook sees what does not decode.
struct Lenient;

#[ws_handler]
impl Lenient {
    fn init() -> Self {
        Lenient
    }

    async fn message(
        &mut self,
        reading: Result<Cbor<Reading>, DecodeError>,
        _hub: &Hub,
    ) -> Result<Vec<Cbor<Reading>>, Close> {
        Ok(vec![reading?])
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    Begin { name: String },
    End,
}

/// JSON text and raw binary.
enum Input {
    Command(Call<Command>),
    Chunk(Bytes),
}

impl FromMessage for Input {
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        if payload.is_text() {
            Json::from_message(payload).map(|Json(command)| Input::Command(command))
        } else {
            Bytes::from_message(payload).map(Input::Chunk)
        }
    }
}

/// What the handler says: JSON text, or raw binary.
enum Output {
    Done(Answer<usize, String>),
    Chunk(Bytes),
}

impl IntoReply for Output {
    type Value = Self;

    fn into_reply(self) -> Reply {
        match self {
            Output::Done(answer) => answer.into_reply(),
            Output::Chunk(chunk) => chunk.into_reply(),
        }
    }
}

struct Upload {
    name: String,
    size: usize,
}

#[ws_handler]
impl Upload {
    fn init() -> Self {
        let name = String::new();
        Upload { name, size: 0 }
    }

    fn message(&mut self, input: Input) -> Vec<Output> {
        match input {
            Input::Chunk(chunk) => {
                self.size += chunk.len();
                vec![Output::Chunk(chunk)]
            }
            Input::Command(call) => {
                let (id, command) = call.split();
                if let Command::Begin { name } = command {
                    (self.name, self.size) = (name, 0);
                }
                vec![Output::Done(Answer::ok(id, self.size))]
            }
        }
    }
}

/// The first word of a message, of either kind; the rest is never copied.
struct FirstWord(String);

impl FromMessage for FirstWord {
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        if payload.is_empty() || payload.len() > 100 {
            return Err(DecodeError::malformed("one word to a hundred bytes"));
        }
        let text = std::str::from_utf8(payload.as_bytes()).map_err(DecodeError::malformed)?;
        let word = text.split(' ').next().unwrap_or_default();
        Ok(FirstWord(word.to_owned()))
    }
}

struct Words;

#[ws_handler]
impl Words {
    fn init() -> Self {
        Words
    }

    fn message(&mut self, FirstWord(word): FirstWord) -> String {
        word
    }
}

/// A payload type can be tried without a connection.
fn first_word(message: &Message) -> Result<String, DecodeError> {
    FirstWord::from_message(message.into()).map(|FirstWord(word)| word)
}

pub(crate) fn main() {
    assert_eq!(first_word(&Message::text("hello world")), Ok("hello".to_owned()));
    let close = first_word(&Message::binary(vec![0xff])).unwrap_err().close_code();
    assert_eq!(close, CloseCode::INVALID_PAYLOAD);
    let binary = Message::binary(vec![0]);
    let wrong = Cbor::<Reading>::from_message((&Message::text("")).into());
    assert_eq!(wrong.map(|_| ()), Err(DecodeError::ExpectedBinary));
    assert!(matches!(Input::from_message((&binary).into()), Ok(Input::Chunk(_))));
    is_handler::<Thermometer>();
    is_handler::<Lenient>();
    is_handler::<Upload>();
    is_handler::<Words>();
    let _ = Command::End;
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
