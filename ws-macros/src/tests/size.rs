//! The size of the code for a hook and for a route. Users pay for every token with compile time, in
//! each of their builds, so growth must be a decision and not an accident.

use proc_macro2::TokenStream;

use super::{Macro, count, tokens};

/// An input, and the maximum number of tokens of its expansion.
struct Budget {
    what: &'static str,
    written: &'static str,
    tokens: usize,
}

/// A budget is some 15 % above the size when it was set, so that it does not block repairs.
const fn budget(what: &'static str, written: &'static str, tokens: usize) -> Budget {
    Budget {
        what,
        written,
        tokens,
    }
}

/// A handler that does nothing.
const HANDLER: Budget = budget("handler", "fn init() -> Self { Room }", 300);

/// The tokens that each hook adds, with an argument that is selected by its type.
const HOOKS: [Budget; 6] = [
    budget(
        "message",
        "fn message(&mut self, text: String, hub: &Hub) {}",
        391,
    ),
    budget(
        "async message",
        "async fn message(&mut self, text: String, hub: &Hub) {}",
        485,
    ),
    budget(
        "info",
        "fn info(&mut self, event: Event, hub: &Hub) {}",
        363,
    ),
    budget(
        "async info",
        "async fn info(&mut self, event: Event, hub: &Hub) {}",
        458,
    ),
    budget("terminate", "fn terminate(self, hub: &Hub) {}", 306),
    budget(
        "async terminate",
        "async fn terminate(self, hub: &Hub) {}",
        345,
    ),
];

/// A table without routes.
const EMPTY_TABLE: Budget = budget("table", "struct Routes; state: App;", 575);

/// The tokens that each line adds.
const LINES: [Budget; 7] = [
    budget("literal route", r#"new: "/new" => Room;"#, 510),
    budget("route with a text", r#"name: "/{name}" => Room;"#, 882),
    budget(
        "route with a typed parameter",
        r#"id: "/{id: u64}" => Room;"#,
        837,
    ),
    budget(
        "route with two parameters",
        r#"two: "/{id: u64}/{name}" => Room;"#,
        1070,
    ),
    budget("wildcard route", r#"rest: "/{*rest}" => Room;"#, 864),
    budget(
        "route with five options",
        r#"set: "/set" => Room { ping: 20s, idle: 1m, rate: 20/s, mailbox: 8, origins: same };"#,
        754,
    ),
    budget(
        "nested table",
        r#"admin: "/admin" => use admin::Routes;"#,
        350,
    ),
];

/// A block of topics that has only a name.
const EMPTY_TOPICS: Budget = budget("topics", "pub struct Topics;", 82);

/// The tokens that each topic adds.
const TOPICS: [Budget; 4] = [
    budget("literal topic", r#"pub Lobby: "lobby" => String;"#, 287),
    budget(
        "topic with a text",
        r#"pub Price: "price/{symbol}" => Tick;"#,
        328,
    ),
    budget(
        "topic with two parameters",
        r#"pub Seat: "room/{id: u64}/{name}" => Event;"#,
        377,
    ),
    budget(
        "topic with history and presence",
        r#"pub Room: "room/{id: u64}" => Event { history: 100, keep: 10m, presence: Member };"#,
        510,
    ),
];

/// Returns the number of tokens that a macro adds to its input.
fn added(of: Macro, written: &str) -> usize {
    let given = tokens(written);
    count(of.expand(TokenStream::new(), given.clone())).saturating_sub(count(given))
}

/// Prints a figure, and returns whether it is within its budget.
fn within(budget: &Budget, figure: usize) -> bool {
    println!("{:30} {figure:5} of {:5}", budget.what, budget.tokens);
    figure <= budget.tokens
}

#[test]
fn a_hook_expands_within_its_budget() {
    let handler = |hook: &str| {
        let block = format!("impl Room {{ {} {hook} }}", HANDLER.written);
        added(Macro::Handler, &block)
    };
    let alone = handler("");
    let mut kept = within(&HANDLER, alone);
    for hook in &HOOKS {
        kept &= within(hook, handler(hook.written) - alone);
    }
    assert!(
        kept,
        "an expansion exceeds its budget: generate less code, or raise the budget deliberately"
    );
}

#[test]
fn a_route_expands_within_its_budget() {
    let table = |line: &str| {
        let block = format!("{} {line}", EMPTY_TABLE.written);
        added(Macro::Dispatch, &block)
    };
    let alone = table("");
    let mut kept = within(&EMPTY_TABLE, alone);
    for line in &LINES {
        kept &= within(line, table(line.written) - alone);
    }
    assert!(
        kept,
        "an expansion exceeds its budget: generate less code, or raise the budget deliberately"
    );
}

#[test]
fn a_topic_expands_within_its_budget() {
    let block = |line: &str| {
        let block = format!("{} {line}", EMPTY_TOPICS.written);
        added(Macro::Topics, &block)
    };
    let alone = block("");
    let mut kept = within(&EMPTY_TOPICS, alone);
    for line in &TOPICS {
        kept &= within(line, block(line.written) - alone);
    }
    assert!(
        kept,
        "an expansion exceeds its budget: generate less code, or raise the budget deliberately"
    );
}

/// Lines of one kind cost the same each: the generated code compares no line with every other one.
#[test]
fn the_hundredth_route_costs_as_much_as_the_second() {
    let table = |lines: usize| {
        let lines = (0..lines).map(|line| format!("r{line}: \"/r{line}/{{id: u64}}\" => Room;"));
        let lines: String = lines.collect();
        let block = format!("{} {lines}", EMPTY_TABLE.written);
        added(Macro::Dispatch, &block)
    };
    let second = table(2) - table(1);
    let hundredth = table(100) - table(99);
    println!("second {second}, hundredth {hundredth}");
    assert!(hundredth <= second + second / 10);
}

/// Routes with the same parameters and requirements share a marker, so that the compiler checks
/// their handlers once.
#[test]
fn routes_of_one_kind_share_a_marker() {
    let traits = |lines: &str| {
        let block = format!("{} {lines}", EMPTY_TABLE.written);
        let text = Macro::Dispatch.expand(TokenStream::new(), tokens(&block));
        let text = text.to_string();
        [
            "HasSession for",
            "HasPage for",
            "Provides <",
            "FromParams <",
            "HasParam <",
        ]
        .map(|name| text.matches(name).count())
    };
    let lines = (0..100).map(|line| format!("r{line}: \"/r{line}/{{id: u64}}\" => Room;"));
    let hundred: String = lines.collect();
    assert_eq!(traits(&hundred), [1; 5]);
    let other = [
        r#"name: "/{room: u64}" => Room;"#,
        r#"ty: "/{id: u32}" => Room;"#,
        r#"more: "/{id: u64}/{name}" => Room;"#,
        r#"session: "/{id: u64}/s" => Room { require_session: false };"#,
        r#"page: "/{id: u64}/p" => Room { require_page: false };"#,
        r#"#[cfg(unix)] cfg: "/{id: u64}/c" => Room;"#,
    ];
    for line in other {
        let [.., state, params, _] = traits(&format!("{hundred} {line}"));
        assert_eq!((state, params), (2, 2), "{line}");
    }
}
