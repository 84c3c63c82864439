//! The build cost of tables: the time of `cargo check`, and the code size of each route and each
//! handler.
//!
//! ```text
//! cargo run -p ws-tests --example table_cost              # all of it, some 20 minutes
//! cargo run -p ws-tests --example table_cost -- code
//! ```
//!
//! The measurements are `routes`, `nested` and `code`. The crates are generated in a directory of
//! their own below the temporary directory. Times are medians of rounds in which the crates take
//! turns; compare the ratios, not the absolute times.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

mod tables;

use tables::{Handlers, Shape, Table};

/// Every round checks every crate once.
const ROUNDS: usize = 5;

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|known| known == name);
    let scratch = Scratch::new();
    if is_wanted("routes") {
        routes(&scratch);
    }
    if is_wanted("nested") {
        nested(&scratch);
    }
    if is_wanted("code") {
        code(&scratch);
    }
}

/// A thousand routes: handlers with extractors compared with plain ones.
fn routes(scratch: &Scratch) {
    let table = |handlers| Table::flat(Shape::Typed, handlers, 1_000);
    let tables = [Handlers::Plain, Handlers::Path, Handlers::FourHooks].map(table);
    let times = scratch.check(&tables);
    println!("cargo check of 1,000 routes with a parameter");
    for (table, time) in tables.iter().zip(&times) {
        let ratio = time.as_secs_f64() / times[0].as_secs_f64();
        println!("  {:24} {time:8.2?}  {ratio:.2}", table.handlers.name());
    }
}

/// Two tables below one prefix, and one table below a prefix of the other's routes, compared with
/// the same routes in one table.
fn nested(scratch: &Scratch) {
    for shape in [Shape::Literal, Shape::ParameterFirst] {
        println!("cargo check of twice as many routes {}", shape.name());
        for count in [100, 200, 500, 1_000] {
            let tables = [
                Table::flat(shape, Handlers::Plain, 2 * count),
                Table::beside(shape, count),
                Table::below(shape, count),
            ];
            let times = scratch.check(&tables);
            let more = |at: usize| times[at].as_secs_f64() - times[0].as_secs_f64();
            println!(
                "  {count:5}: one table {:.2?}, two beside each other {:+.2} s, one in the other \
                 {:+.2} s",
                times[0],
                more(1),
                more(2),
            );
        }
    }
}

/// The bytes of `.text` that a route and a handler add to an optimized program.
fn code(scratch: &Scratch) {
    println!("bytes of .text in a release build");
    for handlers in [Handlers::Plain, Handlers::FourHooks] {
        let text = |count| scratch.text(&Table::flat(Shape::Typed, handlers, count));
        println!(
            "  each route, {:24} {:6}",
            handlers.name(),
            (text(300) - text(100)) / 200
        );
    }
    for handlers in [Handlers::OwnPlain, Handlers::OwnFourHooks] {
        let text = |count| scratch.text(&Table::flat(Shape::Typed, handlers, count));
        println!(
            "  each handler, {:22} {:6}",
            handlers.name(),
            (text(60) - text(20)) / 40
        );
    }
}

/// The directory of the generated crate.
struct Scratch {
    root: PathBuf,
}

impl Scratch {
    fn new() -> Self {
        let root = std::env::temp_dir().join("ws-table-cost");
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = tests.with_file_name("ws-server");
        let manifest = format!(
            "[package]\nname = \"table-cost\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [dependencies]\nws-server = {{ path = \"{}\" }}\n[workspace]\n",
            library.display(),
        );
        std::fs::create_dir_all(root.join("src")).unwrap();
        std::fs::write(root.join("Cargo.toml"), manifest).unwrap();
        std::fs::copy(tests.with_file_name("Cargo.lock"), root.join("Cargo.lock")).unwrap();
        Self { root }
    }

    fn write(&self, table: &Table) {
        std::fs::write(self.root.join("src/main.rs"), table.program()).unwrap();
    }

    fn cargo(&self, arguments: &[&str]) {
        let status = Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.root.join("target"))
            .env("CARGO_INCREMENTAL", "0")
            .status()
            .unwrap();
        assert!(status.success(), "cargo {arguments:?}");
    }

    /// The median time to check a program with each of these tables.
    fn check(&self, tables: &[Table]) -> Vec<Duration> {
        let mut times = vec![Vec::new(); tables.len()];
        // The first round builds the dependencies.
        for round in 0..=ROUNDS {
            for (table, times) in tables.iter().zip(&mut times) {
                self.write(table);
                let start = Instant::now();
                self.cargo(&["check", "--quiet"]);
                if round > 0 {
                    times.push(start.elapsed());
                }
            }
        }
        let median = |mut times: Vec<Duration>| {
            times.sort();
            times[times.len() / 2]
        };
        times.into_iter().map(median).collect()
    }

    /// The size of the section `.text` of an optimized program, as printed by `size` of binutils.
    fn text(&self, table: &Table) -> usize {
        self.write(table);
        self.cargo(&["build", "--quiet", "--release"]);
        let program = self.root.join("target/release/table-cost");
        let output = Command::new("size")
            .arg("-A")
            .arg(program)
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let line = output.lines().find(|line| line.starts_with(".text"));
        let size = line.and_then(|line| line.split_whitespace().nth(1));
        size.expect("a section `.text`").parse().unwrap()
    }
}
