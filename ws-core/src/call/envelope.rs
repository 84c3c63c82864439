//! The JSON of calls and answers.
//!
//! Derived implementations would also accept arrays, such as `[7, …]`, which may be other messages
//! in an untagged enum. And a derive cannot express "one of `ok` and `error`".

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Answer, Call, CallId};

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| {
            let expected = &"an integer of at most 2^53 - 1";
            Error::invalid_value(Unexpected::Unsigned(number), expected)
        })
    }
}

impl<T: Serialize> Serialize for Call<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut call = serializer.serialize_struct("Call", 2)?;
        call.serialize_field("call", &self.id)?;
        call.serialize_field("body", &self.body)?;
        call.end()
    }
}

impl<R: Serialize, E: Serialize> Serialize for Answer<R, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut answer = serializer.serialize_struct("Answer", 2)?;
        answer.serialize_field("answer", &self.id)?;
        match &self.result {
            Ok(value) => answer.serialize_field("ok", value)?,
            Err(error) => answer.serialize_field("error", error)?,
        }
        answer.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Call<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Call", &["call", "body"], CallVisitor(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum CallMember {
    Call,
    Body,
    /// Later versions of the envelope may have more members.
    #[serde(other)]
    Other,
}

struct CallVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for CallVisitor<T> {
    type Value = Call<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call: an object with `call` and `body`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut body) = (None, None);
        while let Some(member) = map.next_key()? {
            match member {
                CallMember::Call if id.is_some() => return Err(Error::duplicate_field("call")),
                CallMember::Call => id = Some(map.next_value()?),
                CallMember::Body if body.is_some() => return Err(Error::duplicate_field("body")),
                CallMember::Body => body = Some(map.next_value()?),
                CallMember::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Call {
            id: id.ok_or_else(|| Error::missing_field("call"))?,
            body: body.ok_or_else(|| Error::missing_field("body"))?,
        })
    }
}

impl<'de, R: Deserialize<'de>, E: Deserialize<'de>> Deserialize<'de> for Answer<R, E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = &["answer", "ok", "error"];
        deserializer.deserialize_struct("Answer", members, AnswerVisitor(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum AnswerMember {
    Answer,
    Ok,
    Error,
    /// Later versions of the envelope may have more members.
    #[serde(other)]
    Other,
}

struct AnswerVisitor<R, E>(PhantomData<(R, E)>);

impl<'de, R: Deserialize<'de>, E: Deserialize<'de>> Visitor<'de> for AnswerVisitor<R, E> {
    type Value = Answer<R, E>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer: an object with `answer`, and either `ok` or `error`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut result) = (None, None);
        while let Some(member) = map.next_key()? {
            match member {
                AnswerMember::Answer if id.is_some() => {
                    return Err(Error::duplicate_field("answer"));
                }
                AnswerMember::Answer => id = Some(map.next_value()?),
                AnswerMember::Ok | AnswerMember::Error if result.is_some() => {
                    return Err(Error::custom("an answer has one of `ok` and `error`"));
                }
                AnswerMember::Ok => result = Some(Ok(map.next_value()?)),
                AnswerMember::Error => result = Some(Err(map.next_value()?)),
                AnswerMember::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Answer {
            id: id.ok_or_else(|| Error::missing_field("answer"))?,
            result: result.ok_or_else(|| Error::custom("an answer has `ok` or `error`"))?,
        })
    }
}
