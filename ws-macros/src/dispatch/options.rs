//! The options of a route, and the meaning of their values.

mod constant;
mod lists;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{ExprPath, Ident};

pub(crate) use self::constant::Constant;
use self::lists::{origins, protocols};
use super::ast::Setting;
use super::value::{Number, Value, ValueKind, unit_of_time};
use crate::errors::Errors;
use crate::source::nearest;

/// The kind of value that an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OptionKind {
    Size,
    /// A count above zero.
    Count,
    /// A count that may be zero.
    CountOrNone,
    Time,
    TimeOrOff,
    Rate,
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
    ("max_message", OptionKind::Size),
    ("outbox", OptionKind::Size),
    ("outbox_frames", OptionKind::Count),
    ("on_full", OptionKind::OnFull),
    ("mailbox", OptionKind::Count),
    ("timers", OptionKind::CountOrNone),
    ("tasks", OptionKind::CountOrNone),
    ("subscriptions", OptionKind::Count),
    ("read_ahead", OptionKind::Size),
    ("rate", OptionKind::Rate),
    ("ping", OptionKind::TimeOrOff),
    ("idle", OptionKind::TimeOrOff),
    ("stall", OptionKind::Time),
    ("stall_bytes", OptionKind::Size),
    ("init_timeout", OptionKind::Time),
    ("hook_timeout", OptionKind::Time),
    ("close_timeout", OptionKind::Time),
    ("terminate_timeout", OptionKind::Time),
];

/// The maximum of sizes and counts, so that they fit a `usize` on every target.
pub(crate) const MAX_NUMBER: u64 = u32::MAX as u64;

/// The maximum of times: longer ones are mistakes, and sums of times must not overflow.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

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

/// One option of a route.
#[derive(Clone)]
pub(crate) struct Choice {
    pub value: OptionValue,
    /// The value as written, for spans; `None` if it is from `defaults`.
    pub written: Option<TokenStream>,
    /// The span of the `:` before it.
    pub colon: Option<Span>,
}

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
        let mut options = Self::default();
        let mut seen: Vec<&Ident> = Vec::new();
        for setting in settings {
            let name = &setting.name;
            if seen.contains(&name) {
                errors.push(
                    name,
                    format!("the option `{name}` is set twice\nhelp: remove one"),
                );
                continue;
            }
            seen.push(name);
            let Some((known, kind)) = OPTIONS.iter().find(|(known, _)| name == known) else {
                options.flawed.extend(nearest(&name.to_string(), names()));
                errors.push(name, unknown_option(&name.to_string()));
                continue;
            };
            if matches!(setting.value.kind, ValueKind::Invalid) {
                options.flawed.push(known);
                continue;
            }
            match kind.read(known, &setting.value, errors) {
                Ok(value) => {
                    let choice = Choice {
                        value,
                        written: Some(setting.value.tokens.clone()),
                        colon: Some(setting.colon),
                    };
                    options.choices.insert(known, choice);
                }
                Err(message) => {
                    options.flawed.push(known);
                    errors.push(&setting.value.tokens, message);
                }
            }
        }
        options
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
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(known, _)| *known)
}

fn unknown_option(name: &str) -> String {
    if let Some(known) = nearest(name, names()) {
        return format!("unknown option `{name}`\nhelp: did you mean `{known}`?");
    }
    let list = names().collect::<Vec<_>>().join("`, `");
    format!("unknown option `{name}`\nhelp: the options are `{list}`")
}

/// Returns the function or the constant that is the value of an option, if the option may have one.
pub(crate) fn item_in_value(option: &Ident, value: &ValueKind) -> Option<ExprPath> {
    let (_, kind) = OPTIONS.iter().find(|(known, _)| option == known)?;
    match (kind, value) {
        (OptionKind::Start, ValueKind::Path(path)) => Some(path.clone()),
        (OptionKind::Start, ValueKind::Identifier(word)) => item_path(word),
        _ => Constant::named_by(value).filter(|_| kind.may_be_constant()),
    }
}

/// Returns an identifier that can name a function or a constant; a keyword cannot.
fn item_path(word: &Ident) -> Option<ExprPath> {
    let name = syn::parse2::<Ident>(word.into_token_stream()).ok()?;
    Some(syn::parse_quote!(#name))
}

impl OptionKind {
    /// Returns the sentence that describes the values of the option.
    fn expected(self, name: &str) -> String {
        let expected = match self {
            Self::Size => "a size such as `16 KiB`, `1 MiB` or `100 B`",
            Self::Count | Self::CountOrNone => "a count such as `64`, without a unit",
            Self::Time => "a time such as `25s`, `500ms`, `2m` or `1h`",
            Self::TimeOrOff => "a time such as `25s`, `500ms`, `2m` or `1h`, or `off`",
            Self::Rate => "a number of messages in a time such as `20/s` or `100/m`, or `off`",
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
            (Self::Size, ValueKind::Number(number)) => self.size(name, number),
            (Self::Count | Self::CountOrNone, ValueKind::Number(number)) => {
                self.count(name, number)
            }
            (Self::Time, ValueKind::Number(number)) => {
                self.time(name, number).map(OptionValue::Time)
            }
            (Self::TimeOrOff, ValueKind::Number(number)) => self
                .time(name, number)
                .map(|time| OptionValue::TimeOrOff(Some(time))),
            (Self::TimeOrOff, _) if is("off") => Ok(OptionValue::TimeOrOff(None)),
            (Self::Rate, ValueKind::PerUnit(number, unit)) => self.rate(name, number, unit),
            (Self::Rate, _) if is("off") => Ok(OptionValue::Rate(None)),
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
            (_, kind) => match Constant::named_by(kind) {
                Some(path) if self.may_be_constant() => {
                    Ok(OptionValue::Constant(Constant { kind: self, path }))
                }
                Some(_) => Err(format!(
                    "{}\nhelp: write a literal: the table is checked before constants have values",
                    self.expected(name)
                )),
                None => Err(self.expected(name)),
            },
        }
    }

    fn size(self, name: &str, number: &Number) -> Result<OptionValue, String> {
        let unit: u64 = match &*number.unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            other => {
                let binary = match &*other.to_ascii_lowercase() {
                    "k" | "kb" | "kib" => "KiB",
                    "m" | "mb" | "mib" => "MiB",
                    "g" | "gb" | "gib" => "GiB",
                    _ => {
                        return Err(format!(
                            "`{other}` is not a unit of size\nhelp: {}",
                            self.expected(name)
                        ));
                    }
                };
                return Err(format!(
                    "`{other}` is not a unit of size\nhelp: write `{binary}`"
                ));
            }
        };
        if number.fraction.is_some() {
            return Err(format!(
                "`{name}` must be a whole number\nhelp: use a smaller unit"
            ));
        }
        let Some(count) = number.integer() else {
            return Err(format!("`{name}` must be below 4 GiB"));
        };
        match count.checked_mul(unit) {
            Some(0) => Err(format!("`{name}` must be above zero")),
            Some(size) if size <= MAX_NUMBER => Ok(OptionValue::Number(size)),
            _ => Err(format!("`{name}` must be below 4 GiB")),
        }
    }

    fn count(self, name: &str, number: &Number) -> Result<OptionValue, String> {
        if !number.unit.is_empty() || number.fraction.is_some() {
            return Err(self.expected(name));
        }
        match number.integer() {
            Some(0) if self == Self::Count => Err(format!("`{name}` must be above zero")),
            Some(count) if count <= MAX_NUMBER => Ok(OptionValue::Number(count)),
            _ => Err(format!("`{name}` must be at most {MAX_NUMBER}")),
        }
    }

    fn time(self, name: &str, number: &Number) -> Result<Duration, String> {
        if unit_of_time(&number.unit).is_none() {
            return Err(match &*number.unit {
                "" => format!("a time needs a unit\nhelp: {}", self.expected(name)),
                other => format!(
                    "`{other}` is not a unit of time\nhelp: {}",
                    self.expected(name)
                ),
            });
        }
        match number.duration() {
            Some(time) if time.is_zero() && self == Self::TimeOrOff => Err(format!(
                "`{name}` must be above zero\nhelp: `{name}: off` disables it"
            )),
            Some(time) if time.is_zero() => Err(format!("`{name}` must be above zero")),
            Some(time) if time <= MAX_TIME => Ok(time),
            _ => Err(format!(
                "`{name}` must be at most one year, in whole nanoseconds"
            )),
        }
    }

    fn rate(self, name: &str, number: &Number, unit: &str) -> Result<OptionValue, String> {
        let Some(per) = unit_of_time(unit) else {
            return Err(format!(
                "`{unit}` is not a unit of time\nhelp: {}",
                self.expected(name)
            ));
        };
        if !number.unit.is_empty() || number.fraction.is_some() {
            return Err(self.expected(name));
        }
        match number.integer().map(u32::try_from) {
            Some(Ok(0)) => Err(format!(
                "`{name}` must be above zero\nhelp: `{name}: off` disables the limit"
            )),
            Some(Ok(messages)) => Ok(OptionValue::Rate(Some((messages, per)))),
            _ => Err(format!("`{name}` must be at most {MAX_NUMBER} messages")),
        }
    }
}
