//! Values of options: numbers with units, identifiers, lists.
//!
//! Units are suffixes or identifiers after the number: `25s`, `16KiB`, `16 KiB`, `20/s`. No unit
//! begins with `e`: the compiler's lexer would read it as an exponent.

use std::time::Duration;

use proc_macro2::{Literal, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::parse::discouraged::Speculative;
use syn::punctuated::Punctuated;
use syn::{ExprPath, Ident, LitBool, LitStr, Result, Token, Type, bracketed, token};

use super::unfinished::with_missing_name;

/// A value with its tokens.
pub(crate) struct Value {
    pub tokens: TokenStream,
    pub kind: ValueKind,
}

/// The form of a value.
pub(crate) enum ValueKind {
    /// `true`, `false`
    Flag(bool),
    /// `off`, `close`, `any`
    Identifier(Ident),
    /// `crate::devices::by_version`, `<Small as Limits>::MAILBOX`; a path of one identifier is a
    /// [`Identifier`](Self::Identifier).
    Path(ExprPath),
    /// `"why"`
    Text(LitStr),
    /// `["a", "b"]`
    List(Vec<LitStr>),
    /// `64`, `16 KiB`, `0.5s`
    Number(Number),
    /// `20/s`
    PerUnit(Number, String),
    /// `chat::Member`
    Type(Box<Type>),
    /// Anything else.
    Other,
    /// A value that could not be parsed, which was reported.
    Invalid,
}

/// A decimal number and its unit, which is empty if there is none.
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct Number {
    pub whole: String,
    /// The digits after the decimal point.
    pub fraction: Option<String>,
    pub unit: String,
}

impl Value {
    /// The value of an option in which a mistake was reported.
    pub(crate) fn invalid(tokens: TokenStream) -> Self {
        Self {
            tokens,
            kind: ValueKind::Invalid,
        }
    }

    /// Parses one value; a value of unknown form is kept for the message about it.
    pub(crate) fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut tokens = TokenStream::new();
        let kind = if input.peek(LitBool) {
            let flag: LitBool = input.parse()?;
            flag.to_tokens(&mut tokens);
            ValueKind::Flag(flag.value)
        } else if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            text.to_tokens(&mut tokens);
            ValueKind::Text(text)
        } else if input.peek(syn::Lit) && !input.peek(Token![-]) {
            let literal: Literal = input.parse()?;
            literal.to_tokens(&mut tokens);
            number(&literal, input, &mut tokens)?
        } else if input.peek(token::Bracket) {
            list(input, &mut tokens)?
        } else if input.peek(Ident::peek_any) || input.peek(Token![::]) || input.peek(Token![<]) {
            identifier_or_path(input, &mut tokens)?
        } else {
            ValueKind::Other
        };
        Self::until_separator(input, tokens, kind)
    }

    /// Parses the value of an option that takes a type; an unfinished path is an error.
    pub(crate) fn parse_type(input: ParseStream<'_>) -> Result<Self> {
        let fork = input.fork();
        let Ok(ty) = fork.parse::<Type>() else {
            let other = Self::until_separator(input, TokenStream::new(), ValueKind::Other)?;
            return match with_missing_name::<Type>(&other.tokens) {
                Some(_) => Err(syn::Error::new_spanned(other.tokens, "expected a type")),
                None => Ok(other),
            };
        };
        input.advance_to(&fork);
        let tokens = ty.to_token_stream();
        Self::until_separator(input, tokens, ValueKind::Type(Box::new(ty)))
    }

    /// Completes a value whose first tokens were parsed.
    fn until_separator(
        input: ParseStream<'_>,
        mut tokens: TokenStream,
        kind: ValueKind,
    ) -> Result<Self> {
        // If more tokens follow, it is an expression.
        let ends = input.is_empty() || input.peek(Token![,]) || input.peek(Token![;]);
        let kind = if ends || input.peek(Ident::peek_any) {
            kind
        } else {
            ValueKind::Other
        };
        if matches!(kind, ValueKind::Other) {
            while !input.is_empty() && !input.peek(Token![,]) && !input.peek(Token![;]) {
                input.parse::<TokenTree>()?.to_tokens(&mut tokens);
            }
        }
        Ok(Self { tokens, kind })
    }
}

/// Parses an identifier, or a path of several; returns neither if it is part of an expression.
fn identifier_or_path(input: ParseStream<'_>, tokens: &mut TokenStream) -> Result<ValueKind> {
    let is_path = input.peek(Token![<]) || input.peek(Token![::]) || input.peek2(Token![::]);
    let kind = if is_path {
        let path: ExprPath = input.parse()?;
        path.to_tokens(tokens);
        ValueKind::Path(path)
    } else {
        let word = input.call(Ident::parse_any)?;
        word.to_tokens(tokens);
        ValueKind::Identifier(word)
    };
    // An identifier with a colon is the next option, without a comma before it.
    let is_expression = input.peek(Ident::peek_any) && !input.peek2(Token![:]);
    Ok(if is_expression {
        ValueKind::Other
    } else {
        kind
    })
}

/// Parses the tokens after a number: a unit, or `/` and a unit.
fn number(
    literal: &Literal,
    input: ParseStream<'_>,
    tokens: &mut TokenStream,
) -> Result<ValueKind> {
    let mut number = match Number::read(&literal.to_string()) {
        Ok(number) => number,
        Err(message) => return Err(syn::Error::new(literal.span(), message)),
    };
    // An identifier with a colon is the next option, without a comma before it.
    let has_unit = input.peek(Ident::peek_any) && !input.peek2(Token![:]);
    if number.unit.is_empty() && has_unit {
        let unit = input.call(Ident::parse_any)?;
        unit.to_tokens(tokens);
        number.unit = unit.to_string();
    }
    if !input.peek(Token![/]) {
        return Ok(ValueKind::Number(number));
    }
    input.parse::<Token![/]>()?.to_tokens(tokens);
    if !input.peek(Ident::peek_any) {
        return Ok(ValueKind::Other);
    }
    let unit = input.call(Ident::parse_any)?;
    unit.to_tokens(tokens);
    Ok(ValueKind::PerUnit(number, unit.to_string()))
}

fn list(input: ParseStream<'_>, tokens: &mut TokenStream) -> Result<ValueKind> {
    input.fork().parse::<TokenTree>()?.to_tokens(tokens);
    let content;
    bracketed!(content in input);
    let texts = Punctuated::<TokenTree, Token![,]>::parse_terminated(&content)?;
    let texts = texts
        .into_iter()
        .map(|text| syn::parse2::<LitStr>(text.into_token_stream()));
    match texts.collect::<Result<Vec<_>>>() {
        Ok(texts) => Ok(ValueKind::List(texts)),
        Err(error) => Err(syn::Error::new(
            error.span(),
            "expected a list of strings\nhelp: write `[\"…\", \"…\"]`",
        )),
    }
}

impl Number {
    /// Parses a literal in the form of the compiler's lexer.
    fn read(literal: &str) -> std::result::Result<Self, String> {
        let digits = |text: &str| -> String { text.chars().filter(|&c| c != '_').collect() };
        let end = literal
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .unwrap_or(literal.len());
        let (whole, behind) = literal.split_at(end);
        if whole.is_empty() {
            return Err(format!("`{literal}` is not a number"));
        }
        if whole == "0" && behind.starts_with(['x', 'o', 'b']) {
            return Err(format!("write `{literal}` as a decimal number"));
        }
        let (fraction, unit) = match behind.strip_prefix('.') {
            None => (None, behind),
            Some(behind) => {
                let end = behind
                    .find(|c: char| !c.is_ascii_digit() && c != '_')
                    .unwrap_or(behind.len());
                let (fraction, unit) = behind.split_at(end);
                (Some(digits(fraction)), unit)
            }
        };
        if unit.starts_with(['e', 'E']) {
            return Err(format!("write `{literal}` without an exponent"));
        }
        Ok(Self {
            whole: digits(whole),
            fraction,
            unit: unit.trim_start_matches('_').to_owned(),
        })
    }

    /// Whether the number has neither a unit nor a fraction.
    pub(crate) fn is_integer(&self) -> bool {
        self.unit.is_empty() && self.fraction.is_none()
    }

    /// Returns the number as a whole number of its unit.
    pub(crate) fn integer(&self) -> Option<u64> {
        if self.fraction.is_some() {
            None
        } else {
            self.whole.parse().ok()
        }
    }

    /// Returns the number as a time, if its unit is `ms`, `s`, `m` or `h`.
    pub(crate) fn duration(&self) -> Option<Duration> {
        let unit = unit_of_time(&self.unit)?;
        let whole = u32::try_from(self.whole.parse::<u64>().ok()?).ok()?;
        let fraction = match &self.fraction {
            Some(digits) if digits.len() > 9 => return None,
            Some(digits) => {
                let scale = 10_u32.pow(9 - u32::try_from(digits.len()).ok()?);
                let billionths = digits.parse::<u32>().unwrap_or(0) * scale;
                let nanos = unit.as_nanos() * u128::from(billionths) / 1_000_000_000;
                Duration::from_nanos(u64::try_from(nanos).ok()?)
            }
            None => Duration::ZERO,
        };
        unit.checked_mul(whole)?.checked_add(fraction)
    }
}

/// Returns the length of a unit of time.
pub(crate) fn unit_of_time(unit: &str) -> Option<Duration> {
    Some(match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(60 * 60),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(literal: &str) -> (String, String) {
        let number = Number::read(literal).unwrap();
        let fraction = number
            .fraction
            .map(|digits| format!(".{digits}"))
            .unwrap_or_default();
        (format!("{}{fraction}", number.whole), number.unit)
    }

    #[test]
    fn a_number_is_split_from_its_unit() {
        assert_eq!(read("25s"), ("25".to_owned(), "s".to_owned()));
        assert_eq!(read("16KiB"), ("16".to_owned(), "KiB".to_owned()));
        assert_eq!(read("0.5s"), ("0.5".to_owned(), "s".to_owned()));
        assert_eq!(read("1_024"), ("1024".to_owned(), String::new()));
        assert_eq!(read("0"), ("0".to_owned(), String::new()));
    }

    #[test]
    fn hexadecimal_and_exponents_are_rejected() {
        assert_eq!(
            Number::read("0x10").unwrap_err(),
            "write `0x10` as a decimal number"
        );
        assert_eq!(
            Number::read("0b1").unwrap_err(),
            "write `0b1` as a decimal number"
        );
        assert_eq!(
            Number::read("1e5").unwrap_err(),
            "write `1e5` without an exponent"
        );
        assert_eq!(
            Number::read("2.5E3s").unwrap_err(),
            "write `2.5E3s` without an exponent"
        );
        assert_eq!(Number::read("'c'").unwrap_err(), "`'c'` is not a number");
    }

    #[test]
    fn times_are_exact() {
        let time = |literal| Number::read(literal).unwrap().duration();
        assert_eq!(time("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(time("0.5s"), Some(Duration::from_millis(500)));
        assert_eq!(time("1.25m"), Some(Duration::from_secs(75)));
        assert_eq!(time("1h"), Some(Duration::from_secs(60 * 60)));
        assert_eq!(time("0.000000001s"), Some(Duration::from_nanos(1)));
        assert_eq!(time("5"), None);
        assert_eq!(time("5KiB"), None);
        assert_eq!(time("99999999999s"), None);
    }
}
