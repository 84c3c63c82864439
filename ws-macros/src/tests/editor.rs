//! The view of an expansion in an editor: from a token it goes to the first of all tokens of the
//! expansion with the same span. It completes a name by expanding the table twice, unchanged and
//! with an identifier at the cursor.

use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};

use super::{Macro, tokens};

/// A table with every kind of name that a user can write in it.
const TABLE: &str = "pub struct Routes;
    state: app::App;
    defaults { ping: INTERVAL }
    home: \"/\" => Home;
    room: \"/rooms/{id: u64}\" => chat::Room { max_message: limits::LARGE, start: by_version };
    desk: \"/desk\" => Desk { attach: page };
    admin: \"/admin\" => use crate::admin::Table;";

/// Collects all names of a stream with their spans, in order.
fn names(stream: TokenStream, found: &mut Vec<(String, Range<usize>)>) {
    for token in stream {
        match token {
            TokenTree::Ident(name) => found.push((name.to_string(), name.span().byte_range())),
            TokenTree::Group(group) => names(group.stream(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Returns the names of an expansion that have the span of this name in the table.
fn names_at(word: &str) -> Vec<String> {
    let mut all = Vec::new();
    names(Macro::Dispatch.expand(tokens(""), tokens(TABLE)), &mut all);
    let start = TABLE.find(word).expect("a word of the table");
    let place = start..start + word.len();
    let at = all.into_iter().filter(|(_, found)| *found == place);
    at.map(|(name, _)| name).collect()
}

/// Counts how often each name of the table is in its expansion. One use is for editors, one for the
/// compiler; for a route with parameters, a third one checks whether its handler reads them.
#[test]
fn the_span_of_a_name_has_only_this_name() {
    for (word, uses) in [
        ("INTERVAL", 2),
        ("Home", 2),
        ("chat", 2),
        ("Room", 2),
        ("limits", 2),
        ("LARGE", 2),
        ("Desk", 2),
        ("Table", 2),
        ("max_message", 1),
        ("ping", 1),
        ("start", 1),
        ("attach", 1),
    ] {
        let found = names_at(word);
        assert!(found.iter().all(|name| name == word), "{word}: {found:?}");
        assert_eq!(found.len(), uses, "{word}");
    }
}

/// The names of the table and of its state appear in many places.
#[test]
fn the_span_of_a_name_of_the_table_has_only_this_name() {
    for word in ["Routes", "app", "App"] {
        let found = names_at(word);
        assert!(!found.is_empty(), "{word}");
        assert!(found.iter().all(|name| name == word), "{word}: {found:?}");
    }
}

/// The compiler reports errors at the types that it infers from it.
#[test]
fn the_span_of_a_start_function_has_no_other_name() {
    assert_eq!(
        names_at("by_version"),
        ["by_version", "_", "_", "by_version"]
    );
}

/// The function for the URL is first; markers have the span for the compiler's messages.
#[test]
fn an_editor_finds_the_function_of_a_route_first() {
    for word in ["home", "room", "desk", "admin"] {
        assert_eq!(names_at(word), [word, "pub", "enum", word], "{word}");
    }
}

/// A block with every kind of type at which an editor can be used.
const BLOCK: &str = "impl Lobby {
    fn init(Path(id): Path<u64>, _: Limits) -> Result<Self, Problem> { Lobby }
    async fn message(&mut self, _: Frame, hub: &Hub, _: Seat) -> Answer { answer() }
    fn info(&mut self, _: Event, _: wire::Sender) {}
    fn terminate(self, _: CloseReason) {}
}";

#[test]
fn the_span_of_a_type_of_a_hook_has_only_this_type() {
    let mut all = Vec::new();
    names(Macro::Handler.expand(tokens(""), tokens(BLOCK)), &mut all);
    for word in [
        "Lobby",
        "Path<",
        "u64",
        "Limits",
        "Result",
        "Problem",
        "Frame",
        "Hub",
        "Seat",
        "Answer",
        "Event",
        "wire",
        "Sender",
        "CloseReason",
    ] {
        let start = BLOCK.find(word).expect("a word of the block");
        let word = word.trim_end_matches('<');
        let place = start..start + word.len();
        let found = all.iter().filter(|(_, at)| *at == place);
        let found: Vec<_> = found.map(|(name, _)| name).collect();
        assert!(found.len() > 1, "{word}");
        assert!(found.iter().all(|name| *name == word), "{word}: {found:?}");
    }
}

/// Returns the expansion as text, with the identifier at the cursor if there is one.
fn expansion(table: &str, word: &str) -> String {
    let block = format!("pub struct Routes; {}", table.replace('|', word));
    Macro::Dispatch
        .expand(tokens(""), tokens(&block))
        .to_string()
}

#[test]
fn an_unfinished_path_has_the_position_of_a_finished_one() {
    const CURSOR: &str = "here_is_the_cursor";
    for (table, before) in [
        (r#"a: "/a" => chat::| b: "/b" => Room;"#, "let _ : chat :: "),
        (
            r#"a: "/a" => chat::|; b: "/b" => Room;"#,
            "let _ : chat :: ",
        ),
        (r#"a: "/a" => chat::| { ping: 20s };"#, "let _ : chat :: "),
        (r#"a: "/a" => crate::chat::|"#, "let _ : crate :: chat :: "),
        (r#"a: "/a" => Ro|; b: "/b" => Room;"#, "let _ : "),
        (
            r#"b: "/b" => Room; a: "/a" => |;"#,
            "let _ : Room ; let _ : ",
        ),
        (r#"a: "/a" => use admin::|"#, "let _ : admin :: "),
        (
            r#"a: "/a" => use admin::|; b: "/b" => Room;"#,
            "let _ : admin :: ",
        ),
        (r#"a: "/a" => use |;"#, "let _ : "),
        (r#"state: app::|; a: "/a" => Room;"#, "let _ : app :: "),
        (r#"state: Ap|; a: "/a" => Room;"#, "let _ : "),
        (r#"a: "/a" => Room { max_| };"#, ":: route :: options :: "),
        (
            r#"a: "/a" => Room { ping: 20s, max_| };"#,
            ":: route :: options :: ",
        ),
        (r#"a: "/a" => Room { | };"#, ":: route :: options :: "),
        (
            r#"a: "/a" => Room { ping: 20s, | };"#,
            ":: route :: options :: ",
        ),
        (
            r#"defaults { | } a: "/a" => Room;"#,
            ":: route :: options :: ",
        ),
        (
            r#"defaults { pi| } a: "/a" => Room;"#,
            ":: route :: options :: ",
        ),
        (
            r#"a: "/a" => Room { start: on| };"#,
            "is_start :: < () , _ , _ > (& ",
        ),
        (
            r#"a: "/a" => Room { start: crate::devices::|, ping: 20s };"#,
            "is_start :: < () , _ , _ > (& crate :: devices :: ",
        ),
        (
            r#"a: "/a" => Room { mailbox: limits::| };"#,
            "let _ = limits :: ",
        ),
    ] {
        let (as_is, with_word) = (expansion(table, ""), expansion(table, CURSOR));
        let at = with_word.find(CURSOR).unwrap_or_else(|| panic!("{table}"));
        let typed = table.split('|').next().unwrap_or_default();
        let typed = typed.rsplit([' ', ':']).next().unwrap_or_default();
        let (start, _) = with_word.split_at(at - typed.len());
        assert!(start.ends_with(before), "{table}: {start}");
        assert!(as_is.starts_with(start), "{table}:\n{start}\n{as_is}");
        assert!(
            as_is.find("rust_analyzer") < with_word.find("struct"),
            "{table}"
        );
    }
}

/// Editors take the documentation of an option from the constant of its name.
#[test]
fn every_option_has_a_constant_with_its_documentation() {
    let of_routes = include_str!("../../../ws-core/src/route/options.rs");
    let of_topics = include_str!("../../../ws-core/src/topic/options.rs");
    let route_options: Vec<_> = crate::dispatch::option_names().collect();
    let topic_options: Vec<_> = crate::topics::option_names().collect();
    for (source, mut options) in [(of_routes, route_options), (of_topics, topic_options)] {
        let constants = source.lines().filter_map(|line| {
            let (name, _) = line.strip_prefix("pub const ")?.split_once(':')?;
            Some(name)
        });
        let mut constants: Vec<_> = constants.collect();
        constants.sort_unstable();
        options.sort_unstable();
        assert_eq!(constants, options);
    }
}

/// A block of topics with every kind of name that a user can write in it.
const TOPICS: &str = "pub struct Topics;
    pub Room: \"room/{id: u64}\" => chat::Event { history: limits::MESSAGES, keep: KEEP, presence: Member };
    pub(crate) Typing: \"typing/{id}\" => Typist { relay: live };";

/// One use is for editors, one for the compiler. The name of a topic is also in each of its traits.
#[test]
fn the_span_of_a_name_in_a_block_of_topics_has_only_this_name() {
    let mut all = Vec::new();
    names(Macro::Topics.expand(tokens(""), tokens(TOPICS)), &mut all);
    for (word, uses) in [
        ("Topics", 1),
        ("chat", 2),
        ("Event", 2),
        ("limits", 2),
        ("MESSAGES", 2),
        ("KEEP", 2),
        ("Member", 2),
        ("Typist", 2),
        ("history", 1),
        ("keep", 1),
        ("presence", 1),
        ("relay", 1),
        ("Room", 6),
        ("Typing", 3),
    ] {
        let start = TOPICS.find(word).expect("a word of the block");
        let place = start..start + word.len();
        let found = all.iter().filter(|(_, at)| *at == place);
        let found: Vec<_> = found.map(|(name, _)| name).collect();
        assert!(found.iter().all(|name| *name == word), "{word}: {found:?}");
        assert_eq!(found.len(), uses, "{word}");
    }
}

#[test]
fn an_unfinished_name_in_a_topic_has_the_position_of_a_finished_one() {
    const CURSOR: &str = "here_is_the_cursor";
    let options = ":: topic :: options :: ";
    for (block, before) in [
        (r#"A: "a" => chat::| B: "b" => Event;"#, "let _ : chat :: "),
        (r#"A: "a" => chat::|;"#, "let _ : chat :: "),
        (r#"A: "a" => Ev|; B: "b" => Event;"#, "let _ : "),
        (
            r#"B: "b" => Event; A: "a" => |;"#,
            "let _ : Event ; let _ : ",
        ),
        (r#"A: "a" => Event { his| };"#, options),
        (r#"A: "a" => Event { | };"#, options),
        (r#"A: "a" => Event { history: 1, | };"#, options),
        (
            r#"A: "a" => Event { history: limits::| };"#,
            "let _ = limits :: ",
        ),
        (
            r#"A: "a" => Event { presence: chat::| };"#,
            "let _ : chat :: ",
        ),
        (r#"A: "a" => Event { presence: Mem| };"#, "let _ : "),
    ] {
        let expansion = |word: &str| {
            let block = block.replace('|', word);
            Macro::Topics.expand(tokens(""), tokens(&block)).to_string()
        };
        let (as_is, with_word) = (expansion(""), expansion(CURSOR));
        let at = with_word.find(CURSOR).unwrap_or_else(|| panic!("{block}"));
        let typed = block.split('|').next().unwrap_or_default();
        let typed = typed.rsplit([' ', ':']).next().unwrap_or_default();
        let (start, _) = with_word.split_at(at - typed.len());
        assert!(start.ends_with(before), "{block}: {start}");
        assert!(as_is.starts_with(start), "{block}:\n{start}\n{as_is}");
    }
}

/// In editors all tokens are in the first line.
#[test]
fn an_overlap_names_the_line_only_if_it_is_another_one() {
    let lines = ["struct Routes;", r#"a: "/{a}" => H;"#, r#"b: "/{b}" => H;"#];
    for (gap, expected) in [
        (" ", "`b` and `a` overlap"),
        ("\n", "`b` and `a` (line 2) overlap"),
    ] {
        let found = expansion(lines.join(gap).trim_start_matches("struct Routes;"), "");
        assert!(found.contains(expected), "{found}");
    }
}
