//! Programs with large tables.

use std::fmt::Write as _;

/// The form of the paths in a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `/r7/list`
    Literal,
    /// `/r7/{_id: u64}`
    Typed,
    /// `/{_id: u64}/r7`
    ParameterFirst,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Literal => "of literals",
            Self::Typed => "that end in a parameter",
            Self::ParameterFirst => "that begin with a parameter",
        }
    }

    fn path(self, name: &str) -> String {
        match self {
            Self::Literal => format!("/{name}/list"),
            Self::Typed => format!("/{name}/{{_id: u64}}"),
            Self::ParameterFirst => format!("/{{_id: u64}}/{name}"),
        }
    }
}

/// The handlers of the routes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handlers {
    /// One handler without extractors.
    Plain,
    /// One handler that takes `Path<u64>`.
    Path,
    /// One handler with four hooks, each of which takes `State`.
    FourHooks,
    /// Like `Plain`, with a handler of its own for each route.
    OwnPlain,
    /// Like `FourHooks`, with a handler of its own for each route.
    OwnFourHooks,
}

impl Handlers {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain | Self::OwnPlain => "plain",
            Self::Path => "Path<u64>",
            Self::FourHooks | Self::OwnFourHooks => "four hooks with State",
        }
    }

    fn is_own(self) -> bool {
        matches!(self, Self::OwnPlain | Self::OwnFourHooks)
    }

    fn of_route(self, number: usize) -> String {
        format!("Handler{}", if self.is_own() { number } else { 0 })
    }

    fn declare(self, count: usize) -> String {
        let hooks = match self {
            Self::Plain | Self::OwnPlain => {
                "fn init() -> Self { Self::default() }
                 fn message(&mut self, text: String) -> String { text }"
            }
            Self::Path => {
                "fn init(Path(_): Path<u64>) -> Self { Self::default() }
                 fn message(&mut self, text: String) -> String { text }"
            }
            Self::FourHooks | Self::OwnFourHooks => {
                "fn init(Path(_): Path<u64>, app: State<App>) -> Self { drop(app); Self::default() }
                 fn message(&mut self, text: String, app: State<App>) -> String { drop(app); text }
                 fn info(&mut self, text: String, app: State<App>) -> String { drop(app); text }
                 fn terminate(self, app: State<App>) { drop(app) }"
            }
        };
        let handler = |number| {
            let name = self.of_route(number);
            // Each handler has a different size, because the compiler merges equal functions.
            let state = vec!["u64"; number].join(", ");
            format!(
                "#[derive(Default)] pub struct {name}({state});\n\
                 #[ws_handler] impl {name} {{ {hooks} }}\n"
            )
        };
        (0..if self.is_own() { count } else { 1 })
            .map(handler)
            .collect()
    }
}

/// A program with these tables.
pub(crate) struct Table {
    pub handlers: Handlers,
    count: usize,
    /// The blocks of `dispatch!`.
    blocks: String,
}

impl Table {
    /// One table.
    pub(crate) fn flat(shape: Shape, handlers: Handlers, count: usize) -> Self {
        let lines = lines(shape, handlers, "r", "", count);
        Self {
            handlers,
            count,
            blocks: block(&lines),
        }
    }

    /// Two tables below one prefix.
    pub(crate) fn beside(shape: Shape, count: usize) -> Self {
        let handlers = Handlers::Plain;
        let mut blocks = String::new();
        for module in ["a", "b"] {
            blocks += &inner(module, &lines(shape, handlers, module, "", count));
        }
        blocks += &block("a: \"/p\" => use a::Routes; b: \"/p\" => use b::Routes;");
        Self {
            handlers,
            count,
            blocks,
        }
    }

    /// One table below a prefix that each route of the outer table has.
    pub(crate) fn below(shape: Shape, count: usize) -> Self {
        let handlers = Handlers::Plain;
        let mut blocks = inner("b", &lines(shape, handlers, "b", "", count));
        let outer = lines(shape, handlers, "a", "/p", count);
        blocks += &block(&format!("{outer} b: \"/p\" => use b::Routes;"));
        Self {
            handlers,
            count,
            blocks,
        }
    }

    /// The whole program.
    pub(crate) fn program(&self) -> String {
        format!(
            "#![allow(dead_code)]\nuse ws_server::prelude::*;\n#[derive(Clone)] pub struct App;\n\
             {}{}fn main() {{ let ws = Server::new(Routes::table()).state(App).build(); \
             println!(\"{{}}\", ws.is_ok()); }}\n",
            self.handlers.declare(self.count),
            self.blocks,
        )
    }
}

fn lines(shape: Shape, handlers: Handlers, name: &str, prefix: &str, count: usize) -> String {
    let mut lines = String::new();
    for number in 0..count {
        let (path, handler) = (
            shape.path(&format!("{name}{number}")),
            handlers.of_route(number),
        );
        writeln!(lines, "{name}{number}: \"{prefix}{path}\" => {handler};").unwrap();
    }
    lines
}

fn block(lines: &str) -> String {
    format!(
        "dispatch! {{ pub struct Routes; state: App; defaults {{ require_session: false }}\n\
         {lines} }}\n"
    )
}

fn inner(module: &str, lines: &str) -> String {
    format!("pub mod {module} {{ use super::*; {} }}\n", block(lines))
}
