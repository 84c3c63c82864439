//! The rules of a block, and the resolution of its meaning.

use syn::ext::IdentExt;
use syn::{Ident, LitStr, Type};

use super::ast::{Line, TopicsBlock, UnparsedLine};
use super::declaration::{FaultyTopic, Topic, Topics};
use super::grammar::{GRAMMAR, type_name};
use super::options::Options;
use super::overlap;
use crate::block::line::{LinePattern, TargetType};
use crate::block::names::{LineNames, is_usable};
use crate::block::pattern::{Pattern, Segment, Syntax, intended_param_count, is_inexact};
use crate::block::syntax::check_one_library;
use crate::block::types::{TypeWords, checked, error_type};
use crate::errors::Errors;

const VALUE: TypeWords = TypeWords {
    value: "a value of a topic",
    example: "pub Room: \"room/{id}\" => Event;",
};

/// Checks a block.
pub(crate) fn topics(block: TopicsBlock, errors: &Errors) -> Topics {
    check_one_item(&block, errors);
    check_one_library(&block.crates, errors);
    let item = block.items.into_iter().next();
    let mut names = LineNames::default();
    if let Some(item) = &item {
        // The first name cannot be taken.
        let _ = names.register(&item.name, &item.attrs, &GRAMMAR, errors);
    }
    let (mut valid, mut faulty) = (Vec::new(), Vec::new());
    for line in block.lines {
        let before = errors.count();
        let has_usable_name = has_usable_name(&line, &mut names, errors);
        let is_parsed =
            line.value_error.is_none() && !matches!(line.pattern, LinePattern::Invalid(_));
        let topic = topic(line, errors);
        match errors.last() {
            _ if is_parsed && errors.count() == before => valid.push(topic),
            Some(error) if has_usable_name => faulty.push(FaultyTopic {
                topic,
                unknown: error_type(&error),
            }),
            _ => {}
        }
    }
    overlap::check(&valid, errors);
    for line in block.unparsed_lines {
        let of_faulty = faulty.iter().map(|faulty| &faulty.topic);
        let mut known = valid.iter().chain(of_faulty);
        let is_new = known.all(|topic| topic.name.unraw() != line.name.unraw());
        if is_new && syn::parse_str::<Ident>(&line.name.to_string()).is_ok() {
            faulty.push(unparsed(line));
        }
    }
    Topics {
        item,
        library: block.crates.into_iter().next(),
        valid,
        faulty,
    }
}

/// Checks that the type of the block appears only once.
fn check_one_item(block: &TopicsBlock, errors: &Errors) {
    for item in block.items.iter().skip(1) {
        errors.push(
            &item.name,
            "a block has one name, and this one already has a `struct`\n\
             help: remove one, or write a second block",
        );
    }
}

/// Checks the name of a line, which becomes a type, so it must be a valid and unique name. Returns
/// whether a type can have it.
fn has_usable_name(line: &Line, names: &mut LineNames, errors: &Errors) -> bool {
    let name = &line.name;
    if !is_usable(name, errors) {
        return false;
    }
    if name.unraw().to_string().starts_with(char::is_lowercase) {
        let written = type_name(name);
        errors.push(
            name,
            format!(
                "the name of a topic must be in camel case, because it is a type\n\
                 help: write `{written}`"
            ),
        );
    }
    names.register(name, &line.attrs, &GRAMMAR, errors).is_ok()
}

fn topic(line: Line, errors: &Errors) -> Topic {
    let (pattern, text) = match line.pattern {
        LinePattern::Text(text) => (Pattern::parse(&text, Syntax::TopicName, errors), text),
        LinePattern::Invalid(_) => (Pattern::invalid(), LitStr::new("", line.name.span())),
    };
    let params = params(&pattern, &text, errors);
    let value = match (line.value, line.value_error) {
        (TargetType::Type(ty), _) => checked(*ty, &VALUE, errors),
        (TargetType::Invalid(_), Some(error)) => error_type(&error),
        (TargetType::Invalid(_), None) => syn::parse_quote!(()),
    };
    Topic {
        attrs: line.attrs,
        vis: line.vis,
        name: line.name,
        params,
        text,
        pattern,
        value,
        options: Options::resolve(&line.options.list, errors),
    }
}

/// Returns the types of the parameters. Those that a mistake hides, or that cannot be parameters, are
/// types that contain the reported error.
fn params(pattern: &Pattern, text: &LitStr, errors: &Errors) -> Vec<Type> {
    let reported = errors.last().filter(|_| pattern.is_flawed);
    let unknown = reported.as_ref().map(error_type);
    let known = pattern.params().map(|segment| match (segment, &unknown) {
        (Segment::Typed { written, .. }, Some(unknown)) if is_inexact(written) => unknown.clone(),
        (Segment::Typed { ty, .. }, _) => (**ty).clone(),
        _ => syn::parse_quote!(::std::string::String),
    });
    let known: Vec<Type> = known.collect();
    let count = intended_param_count(&text.value(), Syntax::TopicName);
    match &unknown {
        Some(unknown) if known.len() != count => vec![unknown.clone(); count],
        _ => known,
    }
}

/// A topic of which only the name is known, with one parameter.
fn unparsed(line: UnparsedLine) -> FaultyTopic {
    let unknown = error_type(&line.error);
    let topic = Topic {
        attrs: Vec::new(),
        vis: line.vis,
        text: LitStr::new("", line.name.span()),
        name: line.name,
        pattern: Pattern::invalid(),
        params: vec![unknown.clone()],
        value: unknown.clone(),
        options: Options {
            are_flawed: true,
            ..Options::default()
        },
    };
    FaultyTopic { topic, unknown }
}
