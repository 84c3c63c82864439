//! Options that are numbers: sizes, counts, times and rates, with their ranges. A literal is checked
//! here, and a constant by the compiler, in the same way.

use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::value::{Number, unit_of_time};

/// The maximum of sizes and counts, so that they fit a `usize` on every target.
pub(crate) const MAX_NUMBER: u64 = u32::MAX as u64;

/// The maximum of times: longer ones are mistakes, and sums of times must not overflow.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The kind of number that an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    Size,
    /// A count in this range.
    Count {
        smallest: u64,
        largest: u64,
    },
    Time(TimeRange),
    /// A time above zero, or `off`.
    TimeOrOff,
    /// A number of messages in a time, or `off`.
    Rate,
}

/// The values of a time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeRange {
    /// Up to [`MAX_TIME`].
    AboveZero,
    Within {
        shortest: Duration,
        longest: Duration,
        /// The range in messages: ``from `1s` to `24h` ``.
        text: &'static str,
    },
}

/// The value of a number.
#[derive(Clone, Copy)]
pub(crate) enum Measure {
    Number(u64),
    Time(Duration),
    Rate(u32, Duration),
}

impl Quantity {
    /// A count above zero.
    pub(crate) const COUNT: Self = Self::Count {
        smallest: 1,
        largest: MAX_NUMBER,
    };
    /// A count that may be zero.
    pub(crate) const COUNT_OR_NONE: Self = Self::Count {
        smallest: 0,
        largest: MAX_NUMBER,
    };
    /// A time above zero.
    pub(crate) const TIME: Self = Self::Time(TimeRange::AboveZero);

    /// Whether the option can be disabled with `off`.
    pub(crate) fn can_be_off(self) -> bool {
        matches!(self, Self::TimeOrOff | Self::Rate)
    }

    /// Returns the sentence that describes the values of the option.
    pub(crate) fn expected(self, name: &str) -> String {
        let expected = match self {
            Self::Size => "a size such as `16 KiB`, `1 MiB` or `100 B`",
            Self::Count { .. } => "a count such as `64`, without a unit",
            Self::Time(_) => "a time such as `25s`, `500ms`, `2m` or `1h`",
            Self::TimeOrOff => "a time such as `25s`, `500ms`, `2m` or `1h`, or `off`",
            Self::Rate => "a number of messages in a time such as `20/s` or `100/m`, or `off`",
        };
        format!("`{name}` must be {expected}")
    }

    /// Returns the value of a literal.
    ///
    /// # Errors
    ///
    /// Returns the message if the number has another unit, or is out of range.
    pub(crate) fn read(self, name: &str, number: &Number) -> Result<Measure, String> {
        match self {
            Self::Size => self.size(name, number).map(Measure::Number),
            Self::Count { smallest, largest } => self
                .count(name, number, smallest, largest)
                .map(Measure::Number),
            Self::Time(_) | Self::TimeOrOff => self.time(name, number).map(Measure::Time),
            Self::Rate => Err(self.expected(name)),
        }
    }

    fn size(self, name: &str, number: &Number) -> Result<u64, String> {
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
            Some(size) if size <= MAX_NUMBER => Ok(size),
            _ => Err(format!("`{name}` must be below 4 GiB")),
        }
    }

    fn count(
        self,
        name: &str,
        number: &Number,
        smallest: u64,
        largest: u64,
    ) -> Result<u64, String> {
        if !number.is_integer() {
            return Err(self.expected(name));
        }
        match number.integer() {
            Some(count) if count < smallest => Err(format!("`{name}` must be above zero")),
            Some(count) if count <= largest => Ok(count),
            _ => Err(format!("`{name}` must be at most {largest}")),
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
        let time = number.duration();
        if let Self::Time(TimeRange::Within {
            shortest,
            longest,
            text,
        }) = self
        {
            let is_within = |time: &Duration| (shortest..=longest).contains(time);
            return time
                .filter(is_within)
                .ok_or_else(|| format!("`{name}` must be {text}"));
        }
        match time {
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

    /// Returns the value of a literal such as `20/s`.
    ///
    /// # Errors
    ///
    /// Returns the message if the option is no rate, or if the number is out of range.
    pub(crate) fn rate(self, name: &str, number: &Number, unit: &str) -> Result<Measure, String> {
        if self != Self::Rate {
            return Err(self.expected(name));
        }
        let Some(per) = unit_of_time(unit) else {
            return Err(format!(
                "`{unit}` is not a unit of time\nhelp: {}",
                self.expected(name)
            ));
        };
        if !number.is_integer() {
            return Err(self.expected(name));
        }
        match number.integer().map(u32::try_from) {
            Some(Ok(0)) => Err(format!(
                "`{name}` must be above zero\nhelp: `{name}: off` disables the limit"
            )),
            Some(Ok(messages)) => Ok(Measure::Rate(messages, per)),
            _ => Err(format!("`{name}` must be at most {MAX_NUMBER} messages")),
        }
    }

    /// The type that a constant must have.
    pub(crate) fn constant_type(self, core: &TokenStream) -> TokenStream {
        match self {
            Self::Time(_) | Self::TimeOrOff => quote!(::core::time::Duration),
            Self::Rate => quote!(#core::limits::Rate),
            Self::Size | Self::Count { .. } => quote!(::core::primitive::usize),
        }
    }

    /// Returns the conditions under which a constant is invalid for an option, with their messages.
    pub(crate) fn faults(self, name: &str, constant: &Ident) -> Vec<(TokenStream, String)> {
        let max_secs = MAX_TIME.as_secs();
        let too_long = |time: TokenStream| {
            (
                quote!(#time.as_secs() > #max_secs),
                format!("`{name}` must be at most one year"),
            )
        };
        let above_zero = format!("`{name}` must be above zero");
        match self {
            Self::Size => vec![
                (quote!(#constant == 0), above_zero),
                (
                    quote!(#constant as ::core::primitive::u64 > #MAX_NUMBER),
                    format!("`{name}` must be below 4 GiB"),
                ),
            ],
            Self::Count { smallest, largest } => {
                let zero = (smallest > 0).then(|| (quote!(#constant == 0), above_zero));
                let max = (
                    quote!(#constant as ::core::primitive::u64 > #largest),
                    format!("`{name}` must be at most {largest}"),
                );
                zero.into_iter().chain([max]).collect()
            }
            Self::TimeOrOff => {
                let message = format!("{above_zero}\nhelp: `{name}: off` disables it");
                vec![
                    (quote!(#constant.is_zero()), message),
                    too_long(quote!(#constant)),
                ]
            }
            Self::Rate => vec![
                (
                    quote!(#constant.per.is_zero()),
                    format!("the interval of `{name}` must be above zero"),
                ),
                too_long(quote!(#constant.per)),
            ],
            Self::Time(TimeRange::Within {
                shortest,
                longest,
                text,
            }) => {
                let (shortest, longest) = (shortest.as_nanos(), longest.as_nanos());
                let outside = quote! {
                    #constant.as_nanos() < #shortest || #constant.as_nanos() > #longest
                };
                vec![(outside, format!("`{name}` must be {text}"))]
            }
            Self::Time(TimeRange::AboveZero) => vec![
                (quote!(#constant.is_zero()), above_zero),
                too_long(quote!(#constant)),
            ],
        }
    }
}
