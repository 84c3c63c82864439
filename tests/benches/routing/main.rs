//! The cost of a route lookup, compared with `matchit`, which has no percent-decoding and no
//! parameter types.
//!
//! ```text
//! cargo bench -p ws-tests --bench routing
//! ```
//!
//! Every line of a table is one resource with five routes. `sed` generates it from a path such as
//! `rooms` or `admin/rooms`:
//!
//! ```text
//! sed -E 'h; s|/|_|; G; s|(.*)\n(.*)|    \1: "/\2" => Any; \1_one: "/\2/{id: u64}" => Any; \1_set: "/\2/{id: u64}/settings" => Any; \1_log: "/\2/{id: u64}/events/{name}" => Any; \1_raw: "/\2/{id: u64}/raw/{*rest}" => Any;|'
//! ```

use std::hint::black_box;
use std::time::Duration;

use criterion::{Bencher, Criterion, Throughput};
use ws_core::route::{Lookup, Router};
use ws_server::extract::NoState;
use ws_server::limits::LimitOptions;
use ws_server::prelude::*;
use ws_server::route::Table;

mod hundred;
mod ten;
mod thousand;

/// Accepts every connection; the benchmark opens none.
struct Any;

#[ws_handler]
impl Any {
    fn init(_: &Handshake) -> Self {
        Any
    }
}

/// One table in both routers.
struct RouterPair {
    router: Router,
    matchit: matchit::Router<usize>,
    patterns: Vec<String>,
}

impl RouterPair {
    fn new(table: Table<NoState>) -> Self {
        let router = table
            .into_router(NoState, &Hub::default(), &LimitOptions::NONE)
            .unwrap();
        let patterns: Vec<_> = router.routes().map(|route| route.path.clone()).collect();
        let mut matchit = matchit::Router::new();
        for (number, pattern) in patterns.iter().enumerate() {
            let untyped = pattern.replace(": u64", "");
            matchit.insert(untyped, number).unwrap();
        }
        Self {
            router,
            matchit,
            patterns,
        }
    }

    /// The total length of all values, so that every value is read; `None` without a match.
    fn find(&self, path: &str) -> Option<usize> {
        match &self.router.find(path) {
            Lookup::Found(_, params) => Some(params.iter().map(|(_, value)| value.len()).sum()),
            _ => None,
        }
    }

    fn find_with_matchit(&self, path: &str) -> Option<usize> {
        let found = self.matchit.at(path).ok()?;
        Some(found.params.iter().map(|(_, value)| value.len()).sum())
    }

    /// Paths from all parts of the table.
    fn paths(&self, case: Case) -> Vec<String> {
        let patterns = self.patterns.iter().map(String::as_str);
        let paths: Vec<_> = patterns.filter_map(|pattern| case.path(pattern)).collect();
        let step = paths.len().div_ceil(PATHS);
        paths.into_iter().step_by(step).collect()
    }
}

/// The largest number of paths that take turns, so that the branch predictor cannot learn one path.
const PATHS: usize = 16;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Case {
    Literal,
    Parameter,
    Wildcard,
    Miss,
}

impl Case {
    const ALL: [Self; 4] = [Self::Literal, Self::Parameter, Self::Wildcard, Self::Miss];

    /// A path of this case for a pattern, if the pattern allows one.
    fn path(self, pattern: &str) -> Option<String> {
        let kind = match (pattern.contains('{'), pattern.contains("{*")) {
            (false, _) => Self::Literal,
            (true, false) => Self::Parameter,
            (true, true) => Self::Wildcard,
        };
        let path = pattern
            .replace("{id: u64}", "4711")
            .replace("{name}", "closed")
            .replace("{*rest}", "reports/2024/summary.txt");
        match (self, kind) {
            (Self::Miss, Self::Literal) => Some(format!("/nowhere{path}")),
            (Self::Miss, Self::Parameter) => Some(format!("{path}/nothing")),
            _ => (self == kind).then_some(path),
        }
    }
}

fn compare(criterion: &mut Criterion, name: &str, table: Table<NoState>) {
    let pair = RouterPair::new(table);
    for case in Case::ALL {
        let paths = pair.paths(case);
        for path in &paths {
            let found = pair.find(path);
            assert_eq!(found, pair.find_with_matchit(path), "{path}");
            assert_eq!(found.is_none(), case == Case::Miss, "{path}");
        }
        let mut group = criterion.benchmark_group(format!("{name}/{case:?}"));
        group.throughput(Throughput::Elements(paths.len() as u64));
        let look_up = |find: fn(&RouterPair, &str) -> Option<usize>| {
            let (pair, paths) = (&pair, &paths);
            move |bencher: &mut Bencher<'_>| {
                bencher.iter(|| {
                    for path in paths {
                        black_box(find(pair, black_box(path)));
                    }
                });
            }
        };
        group.bench_function("ours", look_up(RouterPair::find));
        group.bench_function("matchit", look_up(RouterPair::find_with_matchit));
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    compare(&mut criterion, "10", ten::Routes::table());
    compare(&mut criterion, "100", hundred::Routes::table());
    compare(&mut criterion, "1000", thousand::Routes::table());
    criterion.final_summary();
}
