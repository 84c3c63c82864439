//! The options of a topic, the meaning of their values, and the rules between them.

use std::time::Duration;

use proc_macro2::{Ident, Span};
use syn::{ExprPath, Type};

use super::grammar::GRAMMAR;
use crate::block::constant::Constant;
use crate::block::options::{Resolved, must_be_literal, resolve};
use crate::block::quantity::{Measure, Quantity, TimeRange};
use crate::block::settings::Setting;
use crate::block::types::{TypeWords, checked};
use crate::block::value::{Number, Value, ValueKind};
use crate::errors::Errors;

/// The number of messages in a history.
const MESSAGES: Quantity = Quantity::Count {
    smallest: 1,
    largest: 10_000,
};

/// How long a message stays in a history.
const KEEP: Quantity = Quantity::Time(TimeRange::Within {
    shortest: Duration::from_secs(1),
    longest: Duration::from_secs(24 * 60 * 60),
    text: "from `1s` to `24h`",
});

const MEMBER: TypeWords = TypeWords {
    value: "a member",
    example: "presence: Member",
};

/// The kind of value that an option takes.
#[derive(Clone, Copy)]
enum OptionKind {
    History,
    Keep,
    Presence,
    Relay,
}

const OPTIONS: &[(&str, OptionKind)] = &[
    ("history", OptionKind::History),
    ("keep", OptionKind::Keep),
    ("presence", OptionKind::Presence),
    ("relay", OptionKind::Relay),
];

/// The meaning of an option's value.
enum OptionValue {
    Literal(Measure),
    Constant(Constant),
    Member(Type),
    Live,
}

/// A number of messages, or a time.
pub(crate) enum Amount {
    Literal(Measure),
    /// A value that only the compiler can evaluate, and the span of the `:` before it.
    Constant(Constant, Option<Span>),
}

/// The options of a topic.
#[derive(Default)]
pub(crate) struct Options {
    /// The number of messages in the history, and how long each is kept.
    pub history: Option<(Amount, Amount)>,
    /// The type of the members, if the topic has presence.
    pub member: Option<Type>,
    /// Whether messages bypass the log.
    pub is_live: bool,
    /// Whether a mistake was reported: then some options may be missing.
    pub are_flawed: bool,
}

/// The names of all options.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(known, _)| *known)
}

impl Options {
    /// Resolves options; mistakes are reported and omitted.
    pub(crate) fn resolve(settings: &[Setting], errors: &Errors) -> Self {
        let before = errors.count();
        let mut resolved = resolve(settings, OPTIONS, errors, |name, kind, value| {
            kind.read(name, value, errors)
        });
        check_history_has_limits(&resolved, errors);
        check_live_is_not_logged(&resolved, errors);
        let choices = &mut resolved.choices;
        let mut amount = |name| {
            let choice = choices.remove(name)?;
            match choice.value {
                OptionValue::Literal(measure) => Some(Amount::Literal(measure)),
                OptionValue::Constant(constant) => Some(Amount::Constant(constant, choice.colon)),
                OptionValue::Member(_) | OptionValue::Live => None,
            }
        };
        let history = amount("history").zip(amount("keep"));
        let member = choices.remove("presence").map(|choice| choice.value);
        let member = match member {
            Some(OptionValue::Member(member)) => Some(member),
            _ => None,
        };
        Self {
            history,
            member,
            is_live: choices.contains_key("relay"),
            are_flawed: errors.count() > before,
        }
    }
}

/// A history is limited by number and by time: without either, it would grow or never end.
fn check_history_has_limits(options: &Resolved<OptionValue>, errors: &Errors) {
    let is_missing = |name| !options.choices.contains_key(name) && !options.flawed.contains(&name);
    let written = |name: &str| options.choices.get(name)?.written.as_ref();
    if let (Some(history), true) = (written("history"), is_missing("keep")) {
        errors.push(
            history,
            "`history` needs `keep`, the time for which a message is kept\n\
             help: add `keep: 10m`",
        );
    }
    if let (Some(keep), true) = (written("keep"), is_missing("history")) {
        errors.push(
            keep,
            "`keep` needs `history`, the number of messages that are kept\n\
             help: add `history: 100`, or `history: latest`",
        );
    }
}

/// History and presence are in the log, which a live topic bypasses.
fn check_live_is_not_logged(options: &Resolved<OptionValue>, errors: &Errors) {
    let Some(live) = options.choices.get("relay") else {
        return;
    };
    for (name, what) in [
        ("history", "keeps no messages"),
        ("presence", "has no members"),
    ] {
        if options.choices.contains_key(name) || options.flawed.contains(&name) {
            errors.push(
                &live.written,
                format!(
                    "a topic with `relay: live` {what}: they would be in the log, which it bypasses\n\
                     help: remove `relay: live` or `{name}`"
                ),
            );
        }
    }
}

/// Returns the constant that is the value of an option, if the option may have one.
pub(crate) fn constant_in_value(option: &Ident, value: &ValueKind) -> Option<ExprPath> {
    let (_, kind) = OPTIONS.iter().find(|(known, _)| option == known)?;
    match kind {
        OptionKind::History | OptionKind::Keep => Constant::named_by(value),
        OptionKind::Presence | OptionKind::Relay => None,
    }
}

impl OptionKind {
    /// Returns the sentence that describes the values of the option.
    fn expected(self, name: &str) -> String {
        let expected = match self {
            Self::History => "a count such as `100`, or `latest`",
            Self::Keep => "a time such as `90s`, `10m` or `1h`",
            Self::Presence => "the type of a member, such as `Member`",
            Self::Relay => "`live`",
        };
        format!("`{name}` must be {expected}")
    }

    fn read(self, name: &str, value: &Value, errors: &Errors) -> Result<OptionValue, String> {
        let is =
            |name: &str| matches!(&value.kind, ValueKind::Identifier(written) if written == name);
        match (self, &value.kind) {
            (Self::History, ValueKind::Number(number)) => self.amount(MESSAGES, name, number),
            (Self::History, _) if is("latest") => Ok(OptionValue::Literal(Measure::Number(1))),
            (Self::Keep, ValueKind::Number(number)) => self.amount(KEEP, name, number),
            (Self::Presence, ValueKind::Type(ty)) => {
                let member = checked((**ty).clone(), &MEMBER, errors);
                Ok(OptionValue::Member(member))
            }
            (Self::Relay, _) if is("live") => Ok(OptionValue::Live),
            (_, kind) => match (self, Constant::named_by(kind)) {
                (Self::History, Some(path)) => Ok(constant(MESSAGES, path)),
                (Self::Keep, Some(path)) => Ok(constant(KEEP, path)),
                (_, Some(_)) => Err(must_be_literal(&self.expected(name), GRAMMAR.block)),
                (_, None) => Err(self.expected(name)),
            },
        }
    }

    fn amount(
        self,
        quantity: Quantity,
        name: &str,
        number: &Number,
    ) -> Result<OptionValue, String> {
        if matches!(self, Self::History) && !number.is_integer() {
            return Err(self.expected(name));
        }
        quantity.read(name, number).map(OptionValue::Literal)
    }
}

fn constant(quantity: Quantity, path: ExprPath) -> OptionValue {
    OptionValue::Constant(Constant { quantity, path })
}
