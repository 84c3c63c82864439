//! The options of a route, and the meaning of their values.

mod constant;
mod lists;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{ExprPath, Ident};

pub use self::constant::Constant;
use self::lists::{origins, protocols};
use super::ast::Setting;
use super::value::{Number, Value, ValueKind, unit_of_time};
use crate::errors::Errors;
use crate::source::nearest;

/// The kind of value that an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
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
const OPTIONS: &[(&str, Kind)] = &[
    ("require_session", Kind::Flag),
    ("require_page", Kind::Flag),
    ("origins", Kind::Origins),
    ("cross_site", Kind::Reason),
    ("protocols", Kind::Protocols),
    ("deflate", Kind::Flag),
    ("start", Kind::Start),
    ("attach", Kind::Attach),
    ("max_message", Kind::Size),
    ("outbox", Kind::Size),
    ("outbox_frames", Kind::Count),
    ("on_full", Kind::OnFull),
    ("mailbox", Kind::Count),
    ("timers", Kind::CountOrNone),
    ("tasks", Kind::CountOrNone),
    ("subscriptions", Kind::Count),
    ("read_ahead", Kind::Size),
    ("rate", Kind::Rate),
    ("ping", Kind::TimeOrOff),
    ("idle", Kind::TimeOrOff),
    ("stall", Kind::Time),
    ("stall_bytes", Kind::Size),
    ("init_timeout", Kind::Time),
    ("hook_timeout", Kind::Time),
    ("close_timeout", Kind::Time),
    ("terminate_timeout", Kind::Time),
];

/// The maximum of sizes and counts, so that they fit a `usize` on every target.
pub const MOST: u64 = u32::MAX as u64;

/// The maximum of times: longer ones are mistakes, and sums of times must not overflow.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The meaning of an option's value.
#[derive(Clone)]
pub enum Meaning {
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
pub enum Origins {
    Same,
    Any,
    List(Vec<String>),
}

/// The origins that pages of any site can have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CrossSite {
    /// `any`.
    Any,
    /// `null` in a list.
    Null,
}

/// One option of a route.
#[derive(Clone)]
pub struct Choice {
    pub meaning: Meaning,
    /// The value as written, for spans; `None` if it is from `defaults`.
    pub written: Option<TokenStream>,
    /// The span of the `:` before it.
    pub sign: Option<Span>,
}

/// The options of a route, or those of `defaults`.
#[derive(Clone, Default)]
pub struct Options {
    pub choices: BTreeMap<&'static str, Choice>,
    /// Options that are present, but have an invalid value.
    flawed: Vec<&'static str>,
    /// Whether a contradiction between options was reported.
    pub are_contradictory: bool,
}

impl Options {
    /// Resolves options; mistakes are reported and omitted.
    pub fn resolve(settings: &[Setting], errors: &Errors) -> Self {
        let mut options = Self::default();
        let mut seen: Vec<&Ident> = Vec::new();
        for setting in settings {
            let name = &setting.name;
            if seen.contains(&name) {
                errors.push(
                    name,
                    format!("the option `{name}` is there twice\nhelp: remove one"),
                );
                continue;
            }
            seen.push(name);
            let Some((known, kind)) = OPTIONS.iter().find(|(known, _)| name == known) else {
                options.flawed.extend(nearest(&name.to_string(), names()));
                errors.push(name, unknown_option(&name.to_string()));
                continue;
            };
            if matches!(setting.value.kind, ValueKind::Unread) {
                options.flawed.push(known);
                continue;
            }
            match kind.read(known, &setting.value, errors) {
                Ok(meaning) => {
                    let choice = Choice {
                        meaning,
                        written: Some(setting.value.tokens.clone()),
                        sign: Some(setting.sign),
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
    pub fn or(mut self, defaults: &Self) -> Self {
        for (name, choice) in &defaults.choices {
            let inherited = || Choice {
                meaning: choice.meaning.clone(),
                written: None,
                sign: None,
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
    pub fn decide_handlers(&self) -> bool {
        const DECIDE: [&str; 4] = ["require_session", "require_page", "attach", "start"];
        !self.are_contradictory && !self.flawed.iter().any(|name| DECIDE.contains(name))
    }

    /// Whether an option is present, with a valid value or not.
    fn says(&self, name: &str) -> bool {
        self.choices.contains_key(name) || self.flawed.contains(&name)
    }

    /// Returns the function of `start`, if it is set.
    pub fn start(&self) -> Option<&ExprPath> {
        match &self.choices.get("start")?.meaning {
            Meaning::Start(path) => Some(path),
            _ => None,
        }
    }

    /// Whether the handler lives as long as a page.
    pub fn attaches_page(&self) -> bool {
        self.choices.contains_key("attach")
    }

    /// Returns the origins that allow pages of any site to connect with the sessions of their
    /// visitors, if there are any.
    pub fn cross_site(&self) -> Option<CrossSite> {
        let Meaning::Origins(origins) = &self.choices.get("origins")?.meaning else {
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
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.choices.get(name)?.meaning {
            Meaning::Flag(flag) => Some(flag),
            _ => None,
        }
    }
}

/// The names of all options.
pub fn names() -> impl Iterator<Item = &'static str> {
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
pub fn item_of(option: &Ident, value: &ValueKind) -> Option<ExprPath> {
    let (_, kind) = OPTIONS.iter().find(|(known, _)| option == known)?;
    match (kind, value) {
        (Kind::Start, ValueKind::Path(path)) => Some(path.clone()),
        (Kind::Start, ValueKind::Word(word)) => name_of_item(word),
        _ => Constant::named_by(value).filter(|_| kind.may_be_constant()),
    }
}

/// Returns an identifier that can name a function or a constant; a keyword cannot.
fn name_of_item(word: &Ident) -> Option<ExprPath> {
    let name = syn::parse2::<Ident>(word.into_token_stream()).ok()?;
    Some(syn::parse_quote!(#name))
}

impl Kind {
    /// Returns the sentence that describes the values of the option.
    fn takes(self, name: &str) -> String {
        let takes = match self {
            Self::Size => "a size such as `16 KiB`, `1 MiB` or `100 B`",
            Self::Count | Self::CountOrNone => "a count such as `64`, without a unit",
            Self::Time => "a time such as `25s`, `500ms`, `2m` or `1h`",
            Self::TimeOrOff => "a time such as `25s`, `500ms`, `2m` or `1h`, or `off`",
            Self::Rate => "a number of messages in a time such as `20/s` or `100/m`, or `off`",
            Self::OnFull => "`close` or `refuse`",
            Self::Flag => "`true` or `false`",
            Self::Origins => "`same`, `any`, or a list such as `[\"https://app.example\"]`",
            Self::Reason => "the reason why that is safe, in a few words: `\"…\"`",
            Self::Protocols => "a list of names such as `[\"v2.chat\", \"v1.chat\"]`",
            Self::Start => {
                "the path of a function of the handshake, such as `only_v2` or \
                 `crate::devices::by_version`"
            }
            Self::Attach => "`page`",
        };
        format!("`{name}` is {takes}")
    }

    fn read(self, name: &str, value: &Value, errors: &Errors) -> Result<Meaning, String> {
        let word = |word: &str| matches!(&value.kind, ValueKind::Word(written) if written == word);
        match (self, &value.kind) {
            (Self::Flag, ValueKind::Flag(flag)) => Ok(Meaning::Flag(*flag)),
            (Self::Size, ValueKind::Number(number)) => self.size(name, number),
            (Self::Count | Self::CountOrNone, ValueKind::Number(number)) => {
                self.count(name, number)
            }
            (Self::Time, ValueKind::Number(number)) => self.time(name, number).map(Meaning::Time),
            (Self::TimeOrOff, ValueKind::Number(number)) => self
                .time(name, number)
                .map(|time| Meaning::TimeOrOff(Some(time))),
            (Self::TimeOrOff, _) if word("off") => Ok(Meaning::TimeOrOff(None)),
            (Self::Rate, ValueKind::PerUnit(number, unit)) => self.rate(name, number, unit),
            (Self::Rate, _) if word("off") => Ok(Meaning::Rate(None)),
            (Self::OnFull, _) if word("close") => Ok(Meaning::OnFull { refuse: false }),
            (Self::OnFull, _) if word("refuse") => Ok(Meaning::OnFull { refuse: true }),
            (Self::Origins, _) if word("same") => Ok(Meaning::Origins(Origins::Same)),
            (Self::Origins, _) if word("any") => Ok(Meaning::Origins(Origins::Any)),
            (Self::Origins, ValueKind::List(list)) => {
                origins(list, errors).map(|list| Meaning::Origins(Origins::List(list)))
            }
            (Self::Protocols, ValueKind::List(list)) => {
                protocols(list, errors).map(Meaning::Protocols)
            }
            (Self::Reason, ValueKind::Text(text)) if !text.value().trim().is_empty() => {
                Ok(Meaning::Reason)
            }
            (Self::Start, ValueKind::Path(path)) => Ok(Meaning::Start(path.clone())),
            (Self::Start, ValueKind::Word(word)) => name_of_item(word)
                .map(Meaning::Start)
                .ok_or_else(|| self.takes(name)),
            (Self::Attach, _) if word("page") => Ok(Meaning::AttachPage),
            (_, kind) => match Constant::named_by(kind) {
                Some(path) if self.may_be_constant() => {
                    Ok(Meaning::Constant(Constant { kind: self, path }))
                }
                Some(_) => Err(format!(
                    "{}\nhelp: write it out: the table is read before constants have values",
                    self.takes(name)
                )),
                None => Err(self.takes(name)),
            },
        }
    }

    fn size(self, name: &str, number: &Number) -> Result<Meaning, String> {
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
                            "`{other}` is no unit of size\nhelp: {}",
                            self.takes(name)
                        ));
                    }
                };
                return Err(format!(
                    "`{other}` is no unit of size\nhelp: write `{binary}`"
                ));
            }
        };
        if number.fraction.is_some() {
            return Err(format!(
                "`{name}` is a whole number\nhelp: write it in a smaller unit"
            ));
        }
        let Some(count) = number.integer() else {
            return Err(format!("`{name}` is below 4 GiB"));
        };
        match count.checked_mul(unit) {
            Some(0) => Err(format!("`{name}` must be above zero")),
            Some(size) if size <= MOST => Ok(Meaning::Number(size)),
            _ => Err(format!("`{name}` is below 4 GiB")),
        }
    }

    fn count(self, name: &str, number: &Number) -> Result<Meaning, String> {
        if !number.unit.is_empty() || number.fraction.is_some() {
            return Err(self.takes(name));
        }
        match number.integer() {
            Some(0) if self == Self::Count => Err(format!("`{name}` must be above zero")),
            Some(count) if count <= MOST => Ok(Meaning::Number(count)),
            _ => Err(format!("`{name}` is at most {MOST}")),
        }
    }

    fn time(self, name: &str, number: &Number) -> Result<Duration, String> {
        if unit_of_time(&number.unit).is_none() {
            return Err(match &*number.unit {
                "" => format!("a time needs a unit\nhelp: {}", self.takes(name)),
                other => format!("`{other}` is no unit of time\nhelp: {}", self.takes(name)),
            });
        }
        match number.duration() {
            Some(time) if time.is_zero() && self == Self::TimeOrOff => Err(format!(
                "`{name}` must be above zero\nhelp: `{name}: off` turns it off"
            )),
            Some(time) if time.is_zero() => Err(format!("`{name}` must be above zero")),
            Some(time) if time <= LONGEST => Ok(time),
            _ => Err(format!("`{name}` is at most one year, to the nanosecond")),
        }
    }

    fn rate(self, name: &str, number: &Number, unit: &str) -> Result<Meaning, String> {
        let Some(per) = unit_of_time(unit) else {
            return Err(format!(
                "`{unit}` is no unit of time\nhelp: {}",
                self.takes(name)
            ));
        };
        if !number.unit.is_empty() || number.fraction.is_some() {
            return Err(self.takes(name));
        }
        match number.integer().map(u32::try_from) {
            Some(Ok(0)) => Err(format!(
                "`{name}` must be above zero\nhelp: `{name}: off` sets no limit"
            )),
            Some(Ok(messages)) => Ok(Meaning::Rate(Some((messages, per)))),
            _ => Err(format!("`{name}` is at most {MOST} messages")),
        }
    }
}
