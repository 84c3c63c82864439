//! Syntax errors between the lines of a table: each is reported once, and no line is lost.

use super::damaged::mistakes;
use super::{Macro, tokens};

/// Returns the first lines of the errors in a block, and the functions that it has.
fn read(block: &str) -> (Vec<String>, String) {
    let expansion = Macro::Dispatch.expand(tokens(""), tokens(block));
    let text = expansion.to_string();
    let first_line = |message: &str| message.lines().next().unwrap_or_default().to_owned();
    let found = mistakes(expansion);
    let found = found.iter().map(|mistake| first_line(&mistake.message));
    let functions = ["a", "b", "c", "d"];
    let is_there = |name: &&str| {
        let starts = [format!("fn {name} ("), format!("const {name} : [")];
        starts.iter().any(|start| text.contains(start))
    };
    (
        found.collect(),
        functions.into_iter().filter(is_there).collect(),
    )
}

fn assert_errors(lines: &str, expected: &[&str]) {
    let (found, functions) = read(&format!("pub struct Routes; {lines}"));
    assert_eq!(found, expected, "{lines}");
    assert_eq!(functions, "abcd", "{lines}");
}

#[test]
fn an_error_in_one_line_loses_no_other() {
    let line_ends = "end the line with `;` instead of `,`";
    let missing = "a `;` is missing after this";
    let no_handler = "a handler is missing after `=>`";
    for (lines, expected) in [
        (
            r#"a: "/a" => H, b: "/b" => H { mailbox: 8 }, c: "/c" => H; d: "/d" => use T,"#,
            &[line_ends, line_ends, line_ends][..],
        ),
        (
            r#"a: "/a" => H b: "/b" => H { mailbox: 8 } c: "/c" => use T d: "/d" => H"#,
            &[missing, missing, missing, missing],
        ),
        (
            r#"a: "/a" => b: "/b" => ; c: "/c" => { mailbox: 8 }; d: "/d" => use"#,
            &[
                no_handler,
                no_handler,
                no_handler,
                "a table is missing after `use`",
            ],
        ),
        (
            r#"state: App, a: "/a" => H; state App; b: "/b" H; c "/c" => H; d = "/d" => H;"#,
            &[
                line_ends,
                "expected `:`",
                "expected `=>` and a handler",
                "a `:` is missing after the name",
                "expected `:` after the name",
                "`state` is set twice",
            ],
        ),
        (
            r#"defaults: { mailbox: 8 } a: "/a" => H < b: "/b" => 5; c: C => H; d: "/d" => H x y;"#,
            &[
                "unexpected token after `defaults`",
                "expected the type of a handler, such as `chat::Room`",
                "expected the type of a handler, such as `chat::Room`",
                "the path of a route must be a string literal: the table is parsed before `C` \
                 has a value",
                "unexpected `x y`",
            ],
        ),
        (
            r#"pub a: "/a" => H; "b": "/b" => H::new(); c: "/c" => |m| m; d: "/d" => H(mailbox: 8);"#,
            &[
                "a route takes no visibility: its function has the visibility of the table",
                "the name of a route must not be quoted",
                "a handler must be a type: `init` creates its values",
                "a handler must be a type, not a closure",
                "options must be in braces",
            ],
        ),
    ] {
        assert_errors(lines, expected);
    }
}

#[test]
fn an_error_in_the_type_of_the_table_loses_no_line() {
    let lines = r#"a: "/a" => H; b: "/b" => H; c: "/c" => H; d: "/d" => H;"#;
    for (item, expected) in [
        ("pub struct Routes", "a `;` is missing after this"),
        ("pub struct Routes,", "end the line with `;` instead of `,`"),
        ("pub Routes;", "the type of a table must be a struct"),
        ("Routes;", "the type of a table must be a struct"),
        ("pub enum Routes;", "the type of a table must be a struct"),
        ("enum Routes { A }", "the type of a table must be a struct"),
    ] {
        let (found, functions) = read(&format!("{item} {lines}"));
        assert_eq!(found[0], expected, "{item}");
        assert_eq!(functions, "abcd", "{item}");
    }
}

#[test]
fn an_error_in_an_option_loses_no_other() {
    let unknown = "unknown option `b`";
    for (options, expected) in [
        (
            "a = 1, b: 2",
            &["a `:` is missing before the value of an option"][..],
        ),
        ("!a, b: 2", &["an option needs a value"]),
        ("a, b: 2", &["an option needs a value"]),
        (
            "a 1, b: 2",
            &["a `:` is missing before the value of an option"],
        ),
        (
            "a => 1, b: 2",
            &["a `:` is missing before the value of an option"],
        ),
        ("a: 1; b: 2", &["options are separated by `,`, not by `;`"]),
        ("a: 1 b: 2", &["expected `,` between options"]),
        (
            "\"a\": 1, b: 2",
            &["the name of an option must not be quoted"],
        ),
        ("..a, b: 2", &["expected an option such as `mailbox: 64`"]),
    ] {
        let line = format!("pub struct Routes; a: \"/a\" => H {{ {options} }};");
        let (found, _) = read(&line);
        let known: Vec<_> = found
            .iter()
            .filter(|message| *message != "unknown option `a`")
            .collect();
        let expected: Vec<_> = expected.iter().copied().chain([unknown]).collect();
        assert_eq!(known, expected, "{options}");
    }
}

#[test]
fn every_missing_end_of_a_long_block_is_reported() {
    let lines = (0..300).map(|at| format!("r{at}: \"/r{at}\" => H "));
    let (found, _) = read(&format!("pub struct Routes; {}", lines.collect::<String>()));
    assert_eq!(found.len(), 300);
}

/// Returns the first lines of the errors in a block of topics, and the types that it has.
fn read_topics(block: &str) -> (Vec<String>, String) {
    let expansion = Macro::Topics.expand(tokens(""), tokens(block));
    let text = expansion.to_string();
    let first_line = |message: &str| message.lines().next().unwrap_or_default().to_owned();
    let found = mistakes(expansion);
    let found = found.iter().map(|mistake| first_line(&mistake.message));
    let is_there = |name: &&str| text.contains(&format!("struct {name} "));
    let types = ["A", "B", "C", "D"].into_iter().filter(is_there);
    (found.collect(), types.collect())
}

#[test]
fn an_error_in_one_topic_loses_no_other() {
    let line_ends = "end the line with `;` instead of `,`";
    let missing = "a `;` is missing after this";
    let no_value = "the type of its values is missing after `=>`";
    for (lines, expected) in [
        (
            r#"A: "a" => E, pub B: "b" => E { presence: M }, C: "c" => E; D: "d" => E,"#,
            &[line_ends, line_ends, line_ends][..],
        ),
        (
            r#"pub A: "a" => E pub(crate) B: "b" => E { presence: M } C: "c" => E D: "d" => E"#,
            &[missing, missing, missing, missing],
        ),
        (
            r#"A: "a" => pub B: "b" => ; pub C: "c" => { presence: M }; D: "d""#,
            &[
                no_value,
                no_value,
                no_value,
                "expected `=>` and the type of its values",
            ],
        ),
        (
            r#"struct Topics A "a" => E; B = "b" => E; C: P => E; D: => E;"#,
            &[
                missing,
                "a `:` is missing after the name",
                "expected `:` after the name",
                "the pattern of a topic must be a string literal: the block is parsed before `P` \
                 has a value",
                "the pattern is missing after the name",
            ],
        ),
        (
            r#"A: "a" => E::new(); B: "b" => "E"; C: "c" => E(presence: M); D: "d" => E x y;"#,
            &[
                "expected the type of the values, such as `Event`",
                "expected the type of the values, such as `Event`",
                "options must be in braces",
                "unexpected `x y`",
            ],
        ),
        (
            r#"pub A; B: E; C: "c" => Map<u8, u8> { presence: Map<u8, u8>, relay }; D: "d" => E;"#,
            &[
                "expected a topic such as `pub Room: \"room/{id: u64}\" => Event;`, or \
                 `pub struct Topics;`",
                "the pattern of a topic must be a string",
                "an option needs a value",
            ],
        ),
    ] {
        let (found, types) = read_topics(lines);
        assert_eq!(found, expected, "{lines}");
        assert_eq!(types, "ABCD", "{lines}");
    }
}
