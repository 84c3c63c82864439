//! The options of a route, and the meaning of their values.

mod lists;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use syn::{ExprPath, Ident};

use self::lists::{origins, protocols};
use super::grammar::GRAMMAR;
use crate::block::constant::{Constant, item_path};
use crate::block::options::{self, Resolved, must_be_literal};
use crate::block::quantity::{Measure, Quantity};
use crate::block::settings::Setting;
use crate::block::value::{Value, ValueKind};
use crate::errors::Errors;

/// The kind of value that an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OptionKind {
    Quantity(Quantity),
    OnFull,
    Flag,
    Origins,
    Reason,
    Protocols,
    Start,
    Attach,
}

/// All options; those after the first eight are fields of `LimitOptions`.
const OPTIONS: &[(&str, OptionKind)] = &[
    ("require_session", OptionKind::Flag),
    ("require_page", OptionKind::Flag),
    ("origins", OptionKind::Origins),
    ("cross_site", OptionKind::Reason),
    ("protocols", OptionKind::Protocols),
    ("deflate", OptionKind::Flag),
    ("start", OptionKind::Start),
    ("attach", OptionKind::Attach),
    ("max_message", OptionKind::Quantity(Quantity::Size)),
    ("outbox", OptionKind::Quantity(Quantity::Size)),
    ("outbox_frames", OptionKind::Quantity(Quantity::COUNT)),
    ("on_full", OptionKind::OnFull),
    ("mailbox", OptionKind::Quantity(Quantity::COUNT)),
    ("timers", OptionKind::Quantity(Quantity::COUNT_OR_NONE)),
    ("tasks", OptionKind::Quantity(Quantity::COUNT_OR_NONE)),
    ("subscriptions", OptionKind::Quantity(Quantity::COUNT)),
    ("read_ahead", OptionKind::Quantity(Quantity::Size)),
    ("rate", OptionKind::Quantity(Quantity::Rate)),
    ("ping", OptionKind::Quantity(Quantity::TimeOrOff)),
    ("idle", OptionKind::Quantity(Quantity::TimeOrOff)),
    ("stall", OptionKind::Quantity(Quantity::TIME)),
    ("stall_bytes", OptionKind::Quantity(Quantity::Size)),
    ("init_timeout", OptionKind::Quantity(Quantity::TIME)),
    ("hook_timeout", OptionKind::Quantity(Quantity::TIME)),
    ("close_timeout", OptionKind::Quantity(Quantity::TIME)),
    ("terminate_timeout", OptionKind::Quantity(Quantity::TIME)),
];

/// The meaning of an option's value.
#[derive(Clone)]
pub(crate) enum OptionValue {
    Flag(bool),
    Number(u64),
    Time(Duration),
    TimeOrOff(Option<Duration>),
    Rate(Option<(u32, Duration)>),
    OnFull {
        refuse: bool,
    },
    Origins(Origins),
    /// The reason is for readers of the table.
    Reason,
    Protocols(Vec<String>),
    Start(ExprPath),
    AttachPage,
    /// A value that only the compiler can evaluate.
    Constant(Constant),
}

/// The origins that may connect.
#[derive(Clone)]
pub(crate) enum Origins {
    Same,
    Any,
    List(Vec<String>),
}

/// The origins that pages of any site can have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrossSite {
    /// `any`.
    Any,
    /// `null` in a list.
    Null,
}

/// One option of a route; if it is not written there, it is from `defaults`.
pub(crate) type Choice = options::Choice<OptionValue>;

/// The options of a route, or those of `defaults`.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub choices: BTreeMap<&'static str, Choice>,
    /// Options that are present, but have an invalid value.
    flawed: Vec<&'static str>,
    /// Whether a contradiction between options was reported.
    pub are_contradictory: bool,
}

impl Options {
    /// Resolves options; mistakes are reported and omitted.
    pub(crate) fn resolve(settings: &[Setting], errors: &Errors) -> Self {
        let read = |name, kind: OptionKind, value: &Value| kind.read(name, value, errors);
        let Resolved { choices, flawed } = options::resolve(settings, OPTIONS, errors, read);
        Self {
            choices,
            flawed,
            are_contradictory: false,
        }
    }

    /// Returns these options, completed by those of `defaults`.
    pub(crate) fn or(mut self, defaults: &Self) -> Self {
        for (name, choice) in &defaults.choices {
            let inherited = || Choice {
                value: choice.value.clone(),
                written: None,
                colon: None,
            };
            self.choices.entry(name).or_insert_with(inherited);
        }
        self.are_contradictory |= defaults.are_contradictory;
        for name in &defaults.flawed {
            if !self.choices.contains_key(name) {
                self.flawed.push(name);
            }
        }
        self
    }

    /// Whether all options are known that determine which handlers a route accepts.
    pub(crate) fn determine_handlers(&self) -> bool {
        const DECIDE: [&str; 4] = ["require_session", "require_page", "attach", "start"];
        !self.are_contradictory && !self.flawed.iter().any(|name| DECIDE.contains(name))
    }

    /// Whether an option is present, with a valid value or not.
    fn is_present(&self, name: &str) -> bool {
        self.choices.contains_key(name) || self.flawed.contains(&name)
    }

    /// Returns the function of `start`, if it is set.
    pub(crate) fn start(&self) -> Option<&ExprPath> {
        match &self.choices.get("start")?.value {
            OptionValue::Start(path) => Some(path),
            _ => None,
        }
    }

    /// Whether the handler lives as long as a page.
    pub(crate) fn attaches_page(&self) -> bool {
        self.choices.contains_key("attach")
    }

    /// Returns the origins that allow pages of any site to connect with the sessions of their
    /// visitors, if there are any.
    pub(crate) fn cross_site(&self) -> Option<CrossSite> {
        let OptionValue::Origins(origins) = &self.choices.get("origins")?.value else {
            return None;
        };
        let which = match origins {
            Origins::Any => CrossSite::Any,
            Origins::List(list) if list.iter().any(|origin| origin == "null") => CrossSite::Null,
            Origins::List(_) | Origins::Same => return None,
        };
        self.flag("require_session")
            .unwrap_or(true)
            .then_some(which)
    }

    /// Returns the value of a flag, if it is set.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.choices.get(name)?.value {
            OptionValue::Flag(flag) => Some(flag),
            _ => None,
        }
    }
}

/// The names of all options.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(known, _)| *known)
}

/// Returns the function or the constant that is the value of an option, if the option may have one.
pub(crate) fn item_in_value(option: &Ident, value: &ValueKind) -> Option<ExprPath> {
    let (_, kind) = OPTIONS.iter().find(|(known, _)| option == known)?;
    match (kind, value) {
        (OptionKind::Start, ValueKind::Path(path)) => Some(path.clone()),
        (OptionKind::Start, ValueKind::Identifier(word)) => item_path(word),
        (OptionKind::Quantity(_), _) => Constant::named_by(value),
        _ => None,
    }
}

impl OptionKind {
    /// Returns the sentence that describes the values of the option.
    fn expected(self, name: &str) -> String {
        let expected = match self {
            Self::Quantity(quantity) => return quantity.expected(name),
            Self::OnFull => "`close` or `refuse`",
            Self::Flag => "`true` or `false`",
            Self::Origins => "`same`, `any`, or a list such as `[\"https://app.example\"]`",
            Self::Reason => "a short reason why this is safe: `\"…\"`",
            Self::Protocols => "a list of names such as `[\"v2.chat\", \"v1.chat\"]`",
            Self::Start => {
                "the path of a function that takes the handshake, such as `only_v2` or \
                 `crate::devices::by_version`"
            }
            Self::Attach => "`page`",
        };
        format!("`{name}` must be {expected}")
    }

    fn read(self, name: &str, value: &Value, errors: &Errors) -> Result<OptionValue, String> {
        let is =
            |name: &str| matches!(&value.kind, ValueKind::Identifier(written) if written == name);
        match (self, &value.kind) {
            (Self::Flag, ValueKind::Flag(flag)) => Ok(OptionValue::Flag(*flag)),
            (Self::Quantity(quantity), ValueKind::Number(number)) => {
                let measure = quantity.read(name, number)?;
                Ok(OptionValue::measured(quantity, measure))
            }
            (Self::Quantity(quantity @ Quantity::Rate), ValueKind::PerUnit(number, unit)) => {
                let measure = quantity.rate(name, number, unit)?;
                Ok(OptionValue::measured(quantity, measure))
            }
            (Self::Quantity(Quantity::Rate), _) if is("off") => Ok(OptionValue::Rate(None)),
            (Self::Quantity(Quantity::TimeOrOff), _) if is("off") => {
                Ok(OptionValue::TimeOrOff(None))
            }
            (Self::OnFull, _) if is("close") => Ok(OptionValue::OnFull { refuse: false }),
            (Self::OnFull, _) if is("refuse") => Ok(OptionValue::OnFull { refuse: true }),
            (Self::Origins, _) if is("same") => Ok(OptionValue::Origins(Origins::Same)),
            (Self::Origins, _) if is("any") => Ok(OptionValue::Origins(Origins::Any)),
            (Self::Origins, ValueKind::List(list)) => {
                origins(list, errors).map(|list| OptionValue::Origins(Origins::List(list)))
            }
            (Self::Protocols, ValueKind::List(list)) => {
                protocols(list, errors).map(OptionValue::Protocols)
            }
            (Self::Reason, ValueKind::Text(text)) if !text.value().trim().is_empty() => {
                Ok(OptionValue::Reason)
            }
            (Self::Start, ValueKind::Path(path)) => Ok(OptionValue::Start(path.clone())),
            (Self::Start, ValueKind::Identifier(word)) => item_path(word)
                .map(OptionValue::Start)
                .ok_or_else(|| self.expected(name)),
            (Self::Attach, _) if is("page") => Ok(OptionValue::AttachPage),
            (_, kind) => match (self, Constant::named_by(kind)) {
                (Self::Quantity(quantity), Some(path)) => {
                    Ok(OptionValue::Constant(Constant { quantity, path }))
                }
                (_, Some(_)) => Err(must_be_literal(&self.expected(name), GRAMMAR.block)),
                (_, None) => Err(self.expected(name)),
            },
        }
    }
}

impl OptionValue {
    /// The value of a literal.
    fn measured(quantity: Quantity, measure: Measure) -> Self {
        match measure {
            Measure::Number(number) => Self::Number(number),
            Measure::Time(time) if quantity.can_be_off() => Self::TimeOrOff(Some(time)),
            Measure::Time(time) => Self::Time(time),
            Measure::Rate(messages, per) => Self::Rate(Some((messages, per))),
        }
    }
}
