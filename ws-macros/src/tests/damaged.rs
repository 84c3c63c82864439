//! Unfinished blocks, as they are while a user types: for any tokens, a macro reports the mistake
//! and its position, and generates code that a compiler can parse.

use proc_macro2::{Delimiter, Group, Literal, Span, TokenStream, TokenTree};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use quote::ToTokens;

use super::samples::{SAMPLES, Sample};
use super::{Macro, count, tokens};

/// Tokens that are put in the place of others.
const UNEXPECTED_TOKENS: [&str; 40] = [
    "7",
    "0",
    "1.5",
    "-1",
    "18446744073709551616",
    "1e9",
    "0x10",
    "20s",
    "16 KiB",
    "0.5s",
    "'c'",
    "b'c'",
    "b\"bytes\"",
    "c\"text\"",
    "\"\"",
    "\"/\"",
    "\"rooms\"",
    "\"room/{id: u64}\"",
    "\"room/{id}-x/\"",
    "latest",
    "live",
    "\"/rooms/{id\"",
    "\"/{id: }\"",
    "\"/{id: u64}/{of: u8}\"",
    "\"/{*rest}/x\"",
    "\"/{r#type: &'a str}\"",
    "\"/{id: fn(\"",
    "\"/\\u{e9}/\\u{0}\"",
    "r#\"/raw\"#",
    "true",
    "_",
    "self",
    "Self",
    "r#type",
    "async",
    "table",
    "'static",
    "#[cfg(unix)]",
    "=>",
    "::",
];

/// Mistakes of a whole call: a part is missing at its end, so there is no token to report it at.
const WITHOUT_POSITION: &[&str] = &[
    "the table needs a type",
    "unexpected end of input",
    "write `crate = ",
    "write `workers = ",
];

/// One syntax error.
#[derive(Clone, Debug)]
enum Damage {
    Dropped,
    Doubled,
    /// Swapped with the next token.
    Swapped,
    /// A group without its contents.
    Emptied,
    /// Put in invisible brackets, as the variables of `macro_rules!` are.
    Wrapped,
    Replaced(&'static str),
    ReplacedByText(String),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => Just(Damage::Dropped),
        2 => Just(Damage::Doubled),
        2 => Just(Damage::Swapped),
        1 => Just(Damage::Emptied),
        1 => Just(Damage::Wrapped),
        4 => select(&UNEXPECTED_TOKENS[..]).prop_map(Damage::Replaced),
        2 => "/?[a-z{}*:# é./%]{0,9}".prop_map(Damage::ReplacedByText),
    ]
}

impl Damage {
    /// Makes the mistake at the token of this number, counted through all groups. If there are
    /// fewer tokens, subtracts their number.
    fn make(&self, stream: TokenStream, number: &mut Option<usize>) -> TokenStream {
        let mut made = TokenStream::new();
        let mut rest = stream.into_iter();
        while let Some(token) = rest.next() {
            match number.take() {
                Some(0) => made.extend(self.at(token, rest.by_ref())),
                left => {
                    *number = left.map(|left| left - 1);
                    let TokenTree::Group(group) = token else {
                        made.extend([token]);
                        continue;
                    };
                    made.extend([regrouped(&group, self.make(group.stream(), number))]);
                }
            }
        }
        made
    }

    /// Returns the replacement of a token.
    fn at(&self, token: TokenTree, rest: &mut impl Iterator<Item = TokenTree>) -> TokenStream {
        match self {
            Self::Dropped => TokenStream::new(),
            Self::Doubled => [token.clone(), token].into_iter().collect(),
            Self::Swapped => rest.next().into_iter().chain([token]).collect(),
            Self::Emptied => match token {
                TokenTree::Group(group) => regrouped(&group, TokenStream::new()).into(),
                token => token.into(),
            },
            Self::Wrapped => {
                let span = token.span();
                let mut group = Group::new(Delimiter::None, token.into());
                group.set_span(span);
                TokenTree::Group(group).into()
            }
            Self::Replaced(unexpected) => respanned(tokens(unexpected), token.span()),
            Self::ReplacedByText(text) => {
                respanned(Literal::string(text).into_token_stream(), token.span())
            }
        }
    }
}

/// Returns a group with other contents.
fn regrouped(group: &Group, content: TokenStream) -> TokenTree {
    let mut made = Group::new(group.delimiter(), content);
    made.set_span(group.span());
    made.into()
}

/// Returns the tokens with another span, including those in groups.
fn respanned(tokens: TokenStream, place: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            token = regrouped(group, respanned(group.stream(), place));
        }
        token.set_span(place);
        token
    });
    moved.collect()
}

/// One `compile_error!` of an expansion.
#[derive(Debug, PartialEq)]
pub(crate) struct Mistake {
    pub message: String,
    /// The text at which it is reported, and the position of that text.
    place: Option<(String, std::ops::Range<usize>)>,
}

/// Whether this is `[(); compile_error!(…)]`: a type that contains an error which is already
/// reported, so that its uses are not reported. The compiler does not show it twice.
fn is_type_of_an_error(group: &Group) -> bool {
    let start: Vec<_> = group.stream().into_iter().take(2).collect();
    let start: Vec<_> = start.iter().map(ToString::to_string).collect();
    group.delimiter() == Delimiter::Bracket && start == ["()", ";"]
}

/// Returns every `compile_error!`, at any depth.
pub(crate) fn mistakes(expansion: TokenStream) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut tokens = expansion.into_iter().peekable();
    let mut place = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(name) if name == "compile_error" => {
                place = Some(name.span());
                tokens.next_if(|token| matches!(token, TokenTree::Punct(_)));
            }
            TokenTree::Group(group) if is_type_of_an_error(&group) => {}
            TokenTree::Group(group) => {
                let Some(span) = place.take() else {
                    found.extend(mistakes(group.stream()));
                    continue;
                };
                let message = syn::parse2::<syn::LitStr>(group.stream());
                found.push(Mistake {
                    message: message.expect("the text of an error").value(),
                    place: span.source_text().map(|text| (text, span.byte_range())),
                });
            }
            _ => {}
        }
    }
    found
}

/// Whether the compiler would pass these tokens to the macro: attributes and derives get whole
/// items, and the compiler itself reports all other mistakes.
fn reaches_the_macro(of: Macro, input: &TokenStream) -> bool {
    let is_item = || syn::parse2::<syn::Item>(input.clone()).is_ok();
    // Only `syn` accepts a field with this name.
    let no_name = "_ :";
    match of {
        Macro::Dispatch | Macro::Topics => true,
        Macro::Handler | Macro::Main => is_item(),
        Macro::FromRef | Macro::PathParams => is_item() && !input.to_string().contains(no_name),
    }
}

/// Checks the properties of an expansion of any tokens; returns its reported mistakes.
fn check(of: Macro, arguments: TokenStream, input: &TokenStream, texts: [&str; 2]) -> Vec<Mistake> {
    let expansion = of.expand(arguments, input.clone());
    let found = mistakes(expansion.clone());
    if !reaches_the_macro(of, input) {
        return found;
    }
    let read = syn::parse2::<syn::File>(expansion.clone());
    assert!(
        read.is_ok(),
        "{:?} of\n{input}\nis\n{expansion}",
        read.err()
    );
    for mistake in &found {
        let inside = mistake.place.as_ref().is_some_and(|(reported, place)| {
            texts
                .iter()
                .any(|text| text.get(place.clone()) == Some(reported))
        });
        let has_none = WITHOUT_POSITION
            .iter()
            .any(|start| mistake.message.starts_with(start));
        assert!(
            inside || has_none,
            "{mistake:?} has no position in\n{input}"
        );
    }
    found
}

/// Makes all mistakes, one after another, in the arguments and in the item of the macro.
fn damaged(sample: &Sample, damages: &[(Damage, Index)]) -> (TokenStream, TokenStream) {
    let (mut arguments, mut input) = (tokens(sample.arguments), tokens(sample.input));
    for (damage, index) in damages {
        let (first, second) = (count(arguments.clone()), count(input.clone()));
        let at = index.index((first + second).max(1));
        let mut number = Some(at);
        arguments = damage.make(arguments, &mut number);
        input = damage.make(input, &mut number);
    }
    (arguments, input)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1024,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_damaged_block_is_expanded_or_reported_at_its_position(
        sample in select(&SAMPLES[..]),
        damages in prop::collection::vec((damage(), any::<Index>()), 1..4),
    ) {
        let (arguments, input) = damaged(&sample, &damages);
        let texts = [sample.arguments, sample.input];
        let found = check(sample.of, arguments, &input, texts);
        // A doubled token has the same span twice.
        if !damages.iter().any(|(damage, _)| matches!(damage, Damage::Doubled)) {
            for (number, mistake) in found.iter().enumerate() {
                prop_assert!(
                    !found[..number].contains(mistake),
                    "{:?} is reported twice for\n{}", mistake, input
                );
            }
        }
    }

    /// No macro assumes anything about its tokens.
    #[test]
    fn arbitrary_tokens_are_reported(
        of in select(&[
            Macro::Handler, Macro::Main, Macro::Dispatch, Macro::Topics, Macro::FromRef,
            Macro::PathParams,
        ][..]),
        words in prop::collection::vec(select(&UNEXPECTED_TOKENS[..]), 0..12),
    ) {
        let text = words.join(" ");
        let found = check(of, tokens(""), &tokens(&text), ["", &text]);
        // A block without topics is valid.
        let is_empty_block = of == Macro::Topics && words.is_empty();
        prop_assert_eq!(found.is_empty(), is_empty_block, "{}", text);
    }
}

/// The samples are valid; otherwise the tests above would damage nothing.
#[test]
fn without_damage_nothing_is_reported() {
    for Sample {
        of,
        arguments,
        input,
    } in SAMPLES
    {
        let found = check(of, tokens(arguments), &tokens(input), [arguments, input]);
        assert!(found.is_empty(), "{of:?}: {found:?}");
    }
}
