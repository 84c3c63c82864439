//! Limits from a configuration.
//!
//! Durations are texts such as `"500ms"`, `"10s"`, `"5m"`, `"1h"` or `"2d"`, or numbers of seconds;
//! sizes are numbers of bytes, or texts such as `"64 KiB"` or `"1 MiB"`; rates are texts such as
//! `"20/s"` or `"5/10s"`; `"off"` removes an optional limit. All numbers may be texts, because the
//! variables of an environment are.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Http2Limits, KIB, MIB, OnFull, PageLimits, PresenceLimits, Rate};

/// Implements `Deserialize` for a struct of limits: those that the configuration does not contain
/// keep their initial value, and names that do not exist are refused.
macro_rules! deserialize_limits {
    ($limits:ident, $initial:expr, $value:ident => $set:expr, $($name:ident: $type:ty,)*) => {
        impl<'de> serde::Deserialize<'de> for $limits {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Map;

                impl<'de> serde::de::Visitor<'de> for Map {
                    type Value = $limits;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a map of limits")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<$limits, A::Error> {
                        use crate::limits::deserialize::{Field, check_new, named};

                        const NAMES: &[&str] = &[$(stringify!($name)),*];
                        let mut limits = $initial;
                        let mut known = Vec::new();
                        while let Some(name) = map.next_key::<String>()? {
                            check_new(&mut known, &name)?;
                            $(if name == stringify!($name) {
                                let read = <$type as Field>::read(&mut map);
                                let $value = read.map_err(|error| named(&name, &error))?;
                                limits.$name = $set;
                                continue;
                            })*
                            return Err(serde::de::Error::unknown_field(&name, NAMES));
                        }
                        Ok(limits)
                    }
                }

                deserializer.deserialize_map(Map)
            }
        }
    };
}

pub(super) use deserialize_limits;

/// Adds the name of the limit to an error.
pub(super) fn named<E: Error>(name: &str, error: &E) -> E {
    E::custom(format_args!("`{name}`: {error}"))
}

/// Refuses a name that appears twice.
pub(super) fn check_new<E: Error>(known: &mut Vec<String>, name: &str) -> Result<(), E> {
    if known.iter().any(|earlier| earlier == name) {
        return Err(E::custom(format_args!("duplicate field `{name}`")));
    }
    known.push(name.to_owned());
    Ok(())
}

/// A type of limits, as the value of a map.
pub(super) trait Field: Sized {
    fn read<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error>;
}

/// Limits that are maps themselves.
macro_rules! nested {
    ($($limits:ty),*) => {
        $(impl Field for $limits {
            fn read<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
                map.next_value()
            }
        })*
    };
}

nested!(Http2Limits, PageLimits, PresenceLimits);

impl<T: FromScalar> Field for T {
    fn read<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        Self::from_scalar(map.next_value()?).map_err(A::Error::custom)
    }
}

/// A value that is no map.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Scalar {
    Nothing,
    Integer(u64),
    Float(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        let value = u64::try_from(value);
        value
            .map(Scalar::Integer)
            .map_err(|_| E::custom("a limit cannot be negative"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.trim().to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_none<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        Scalar::deserialize(deserializer)
    }
}

/// A type of limits that is no map. Errors describe the expected value.
pub(super) trait FromScalar: Sized {
    fn from_scalar(value: Scalar) -> Result<Self, &'static str>;
}

impl<T: FromScalar> FromScalar for Option<T> {
    fn from_scalar(value: Scalar) -> Result<Self, &'static str> {
        match value {
            Scalar::Nothing => Ok(None),
            Scalar::Text(text) if text == "off" => Ok(None),
            other => T::from_scalar(other).map(Some),
        }
    }
}

impl FromScalar for u64 {
    fn from_scalar(value: Scalar) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected a number, or a size such as \"64 KiB\"";
        match value {
            Scalar::Integer(number) => Ok(number),
            Scalar::Text(text) => {
                let (number, unit) = split(&text).ok_or(EXPECTED)?;
                let unit = match unit {
                    "" | "B" => 1,
                    "KiB" => KIB,
                    "MiB" => MIB,
                    _ => return Err(EXPECTED),
                };
                let size = unit as u64;
                number.checked_mul(size).ok_or("the size is too large")
            }
            Scalar::Nothing | Scalar::Float(_) => Err(EXPECTED),
        }
    }
}

impl FromScalar for usize {
    fn from_scalar(value: Scalar) -> Result<Self, &'static str> {
        let number = u64::from_scalar(value)?;
        Self::try_from(number).map_err(|_| "the number is too large")
    }
}

impl FromScalar for Duration {
    fn from_scalar(value: Scalar) -> Result<Self, &'static str> {
        match value {
            Scalar::Integer(seconds) => Ok(Self::from_secs(seconds)),
            Scalar::Float(seconds) => {
                Self::try_from_secs_f64(seconds).map_err(|_| "the number of seconds is not valid")
            }
            Scalar::Text(text) => duration(&text).ok_or(
                "expected a duration such as \"500ms\", \"10s\", \"5m\", \"1h\" or \"2d\", or a \
                 number of seconds",
            ),
            Scalar::Nothing => Err("expected a duration; this one cannot be \"off\""),
        }
    }
}

impl FromScalar for OnFull {
    fn from_scalar(value: Scalar) -> Result<Self, &'static str> {
        match value {
            Scalar::Text(text) if text == "close" => Ok(Self::Close),
            Scalar::Text(text) if text == "refuse" => Ok(Self::Refuse),
            _ => Err("expected \"close\" or \"refuse\""),
        }
    }
}

impl FromScalar for Rate {
    fn from_scalar(value: Scalar) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected a rate such as \"20/s\" or \"5/10s\"";
        let Scalar::Text(text) = value else {
            return Err(EXPECTED);
        };
        let (messages, per) = text.split_once('/').ok_or(EXPECTED)?;
        let messages = messages.trim().parse().map_err(|_| EXPECTED)?;
        let per = per.trim();
        let unit = Some(per).filter(|per| !per.is_empty());
        let one = || duration(&format!("1{}", unit?));
        match duration(per).or_else(one) {
            Some(per) if messages > 0 && !per.is_zero() => Ok(Self::new(messages, per)),
            _ => Err(EXPECTED),
        }
    }
}

/// A whole number, and its unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// A duration with a unit, or a number of seconds.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = |factor| number.checked_mul(factor).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(60 * 60),
        "d" => seconds(24 * 60 * 60),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use crate::limits::{LimitOptions, ServerLimits, SessionLimits};

    use super::*;

    fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn limits_of_a_connection_have_the_syntax_of_a_table() {
        let configured = json!({
            "max_message": "1 MiB", "outbox": 4096, "outbox_frames": "64", "on_full": "refuse",
            "ping": "20s", "idle": "off", "rate": "5/10s", "stall": 1.5, "hook_timeout": "500ms",
        });
        let expected = LimitOptions::NONE
            .max_message(MIB)
            .outbox(4096)
            .outbox_frames(64)
            .on_full(OnFull::Refuse)
            .ping(Some(20 * SECOND))
            .idle(None)
            .rate(Some(Rate::new(5, 10 * SECOND)))
            .stall(Duration::from_millis(1_500))
            .hook_timeout(Duration::from_millis(500));
        assert_eq!(read(configured), Ok(expected));
        let rate = LimitOptions::NONE.rate(Some(Rate::new(20, SECOND)));
        assert_eq!(read(json!({ "rate": "20/s" })), Ok(rate));
        assert_eq!(
            read(json!({ "rate": null })),
            Ok(LimitOptions::NONE.rate(None))
        );
    }

    #[test]
    fn limits_of_a_server_keep_their_defaults() {
        let configured = json!({
            "max_connections": 50_000, "per_address": "off", "drain_delay": "5s", "keep_alive": "2m",
            "pages": { "grace": "1h", "bytes": "64KiB" },
        });
        let pages = PageLimits::DEFAULT.grace(3_600 * SECOND).bytes(64 * KIB);
        let expected = ServerLimits::DEFAULT
            .max_connections(Some(50_000))
            .per_address(None)
            .drain_delay(5 * SECOND)
            .keep_alive(120 * SECOND)
            .pages(pages);
        assert_eq!(read(configured), Ok(expected));
        assert_eq!(read(json!({})), Ok(SessionLimits::DEFAULT));
    }

    #[test]
    fn errors_name_the_limit() {
        let error = |value| read::<ServerLimits>(value).unwrap_err();
        let unknown = error(json!({ "max_conections": 1 }));
        assert!(
            unknown.starts_with("unknown field `max_conections`, expected one of"),
            "{unknown}"
        );
        let texts = [
            (
                json!({ "keep_alive": "5 parsecs" }),
                "`keep_alive`: expected a duration",
            ),
            (
                json!({ "keep_alive": "off" }),
                "`keep_alive`: expected a duration",
            ),
            (
                json!({ "keep_alive": null }),
                "`keep_alive`: expected a duration",
            ),
            (
                json!({ "shutdown": -1 }),
                "`shutdown`: a limit cannot be negative",
            ),
            (
                json!({ "shutdown": -1.5 }),
                "`shutdown`: the number of seconds is not valid",
            ),
            (
                json!({ "head": 1.5 }),
                "`head`: expected a number, or a size",
            ),
            (
                json!({ "head": "64 KB" }),
                "`head`: expected a number, or a size",
            ),
            (
                json!({ "head": "99999999999999 MiB" }),
                "`head`: the size is too large",
            ),
            (
                json!({ "head": true }),
                "`head`: invalid type: boolean `true`",
            ),
            (json!({ "head": [1] }), "`head`: invalid type: sequence"),
            (
                json!({ "pages": { "grace": "x" } }),
                "`pages`: `grace`: expected a duration",
            ),
            (
                json!({ "pages": 1 }),
                "`pages`: invalid type: integer `1`, expected a map of limits",
            ),
        ];
        for (value, start) in texts {
            let error = error(value);
            assert!(error.starts_with(start), "{error}");
        }
        for rate in ["20", "0/s", "20/0s", "20/", "x/s", "-1/s"] {
            let error = read::<LimitOptions>(json!({ "rate": rate })).unwrap_err();
            assert!(
                error.starts_with("`rate`: expected a rate"),
                "{rate}: {error}"
            );
        }
        let twice = serde_json::from_str::<LimitOptions>(r#"{"tasks":1,"tasks":2}"#);
        let twice = twice.unwrap_err().to_string();
        assert!(twice.starts_with("duplicate field `tasks`"), "{twice}");
    }
}
