//! A table written by hand like one of `dispatch!`: matched, nested and printed as URLs.

use std::time::Duration;

use proptest::prelude::*;

use super::Segment::{Literal, Rest, Text, Typed};
use super::*;
use crate::error::Refusal;
use crate::extract::{FromRef, NoState, Opening, Params};
use crate::handler::Handler;
use crate::hub::Hub;
use crate::limits::{LimitError, LimitOptions};

/// Declares the marker of a route.
macro_rules! marker {
    ($name:ident, $pattern:literal, $params:expr, $shape:expr, $options:expr) => {
        enum $name {}
        impl RouteData for $name {
            const SPEC: &'static RouteSpec = &RouteSpec {
                name: stringify!($name),
                pattern: $pattern,
                params: $params,
                options: $options,
            };
            const SHAPE: &'static [Segment] = $shape;
        }
    };
}

const OPEN_TO_ALL: RouteOptions = RouteOptions {
    require_session: Some(false),
    protocols: Some(&["v2.chat"]),
    origins: Some(Origins::Any),
    limits: LimitOptions {
        mailbox: Some(3),
        ..LimitOptions::NONE
    },
    ..RouteOptions::NONE
};

marker!(Lobby, "/rooms", &[], &[Literal("rooms")], OPEN_TO_ALL);
marker!(
    Room,
    "/rooms/{id: u64}",
    &["id"],
    &[Literal("rooms"), Typed("u64")],
    RouteOptions::NONE
);
marker!(
    Named,
    "/rooms/{name}",
    &["name"],
    &[Literal("rooms"), Text],
    RouteOptions::NONE
);
marker!(
    Files,
    "/files/{*rest}",
    &["rest"],
    &[Literal("files"), Rest],
    RouteOptions {
        require_page: Some(false),
        ..RouteOptions::NONE
    }
);

/// A handler for every route.
struct Any;

impl<R> Handler<R> for Any {
    async fn init(_: &Opening<Self>) -> Result<Self, Refusal> {
        Err(Refusal::NOT_FOUND)
    }
}

fn matcher(path: Segments<'_>) -> Option<usize> {
    if let Some(path) = path.strip_literal(b"rooms") {
        let segment = path.first();
        if !segment.is_empty() && path.skip(segment.len()).is_end() {
            let is_number = ParamType::<u64>::new().fits(segment);
            return Some(if is_number { 1 } else { 2 });
        }
        if path.is_end() {
            return Some(0);
        }
    }
    path.strip_literal(b"files").map(|_| 4)
}

/// Number 3 is missing, like a route that is disabled by `cfg`.
fn table<S>() -> Table<S> {
    const ENTRIES: &[Entry] = &[
        Entry::new::<Any, Lobby, Lobby>(0),
        Entry::new::<Any, Room, Room>(1),
        Entry::new::<Any, Named, Named>(2),
        Entry::new::<Any, Files, Files>(4),
    ];
    Table::new(matcher, ENTRIES)
}

fn router_of<S: Send + Sync + 'static>(table: Table<S>, state: S) -> Result<Router, RouterError> {
    table.into_router(state, &Hub::default(), &LimitOptions::NONE)
}

fn router() -> Router {
    router_of(table(), NoState).unwrap()
}

/// The route's name with its parameters as a list, or another result of the lookup.
fn found(router: &Router, path: &str) -> String {
    match router.find(path) {
        Lookup::Missing => "missing".to_owned(),
        Lookup::Malformed => "malformed".to_owned(),
        Lookup::Found(route, captures) => {
            let values = captures
                .iter()
                .map(|(name, value)| format!(" {name}={value}"));
            let values: String = values.collect();
            let params = captures.into_params();
            let owned = params
                .iter()
                .map(|(name, value)| format!(" {name}={value}"));
            assert_eq!(values, owned.collect::<String>());
            format!("{}{values}", route.path)
        }
    }
}

#[test]
fn a_path_leads_to_the_most_specific_route() {
    let router = router();
    assert_eq!(found(&router, "/rooms"), "/rooms");
    assert_eq!(found(&router, "//rooms//7/"), "/rooms/{id: u64} id=7");
    assert_eq!(
        found(&router, "/rooms/caf%C3%A9"),
        "/rooms/{name} name=café"
    );
    assert_eq!(found(&router, "/files"), "/files/{*rest} rest=");
    assert_eq!(
        found(&router, "/files/a%20b//c"),
        "/files/{*rest} rest=a b/c"
    );
    assert_eq!(found(&router, "/rooms/7/8"), "missing");
    assert_eq!(found(&router, "/"), "missing");
}

#[test]
fn an_invalid_escape_is_malformed_only_if_a_route_matches() {
    let router = router();
    assert_eq!(found(&router, "/rooms/%ff"), "malformed");
    assert_eq!(found(&router, "/files/a/%zz"), "malformed");
    assert_eq!(found(&router, "/%zz/a"), "missing");
    assert_eq!(found(&router, "/rooms/a/%zz"), "missing");
}

#[test]
fn options_of_a_route_override_those_of_the_server() {
    let server = LimitOptions {
        mailbox: Some(9),
        timers: Some(5),
        ..LimitOptions::NONE
    };
    let router = table()
        .into_router(NoState, &Hub::default(), &server)
        .unwrap();
    let route = |name| {
        router
            .routes()
            .find(|route| route.spec.name == name)
            .unwrap()
    };
    let lobby = route("Lobby");
    assert_eq!(
        (
            lobby.endpoint.limits().mailbox,
            lobby.endpoint.limits().timers
        ),
        (3, 5)
    );
    assert_eq!(
        (lobby.require_session(), lobby.require_page()),
        (false, false)
    );
    assert_eq!(
        (lobby.origins(), lobby.protocols()),
        (Some(Origins::Any), &["v2.chat"][..])
    );
    let files = route("Files");
    assert_eq!(
        (files.require_session(), files.require_page()),
        (true, false)
    );
    let room = route("Room");
    assert_eq!((room.require_session(), room.require_page()), (true, true));
    assert_eq!((room.endpoint.limits().mailbox, room.origins()), (9, None));
    assert_eq!(room.protocols(), [""; 0]);
}

#[test]
fn invalid_limits_are_an_error_with_the_name_of_the_route() {
    let idle = Duration::from_secs(10);
    let server = LimitOptions {
        idle: Some(Some(idle)),
        ..LimitOptions::NONE
    };
    let error = table()
        .into_router(NoState, &Hub::default(), &server)
        .unwrap_err();
    let ping = Duration::from_secs(25);
    let limit = LimitError::PingNotBelowIdle { ping, idle };
    assert_eq!(
        error,
        RouterError::Limit {
            name: "Lobby",
            path: "/rooms".to_owned(),
            error: limit
        }
    );
    assert_eq!(
        error.to_string(),
        "the limits of the route `Lobby` (/rooms) are invalid: `ping` (25s) is not below `idle` \
         (10s); choose a shorter `ping` or a longer `idle`"
    );
}

struct OuterState;
struct InnerState(&'static str);

impl FromRef<OuterState> for InnerState {
    fn from_ref(_: &OuterState) -> Self {
        Self("inner")
    }
}

fn nothing<S>() -> Table<S> {
    Table::new(|_| None, &[])
}

#[test]
fn a_nested_table_has_its_prefix_and_its_part_of_the_state() {
    let router = router_of(
        table::<OuterState>().nest(&["admin"], table::<InnerState>()),
        OuterState,
    )
    .unwrap();
    assert_eq!(
        found(&router, "/admin/rooms/7"),
        "/admin/rooms/{id: u64} id=7"
    );
    assert_eq!(found(&router, "/rooms/7"), "/rooms/{id: u64} id=7");
    let Lookup::Found(route, _) = router.find("/admin/rooms") else {
        panic!("a route")
    };
    assert_eq!(route.endpoint.state().get::<InnerState>().0, "inner");
    assert_eq!(
        (route.spec.pattern, &*route.path),
        ("/rooms", "/admin/rooms")
    );
}

marker!(
    Everything,
    "/{*rest}",
    &["rest"],
    &[Rest],
    RouteOptions::NONE
);
marker!(
    AdminRooms,
    "/admin/rooms",
    &[],
    &[Literal("admin"), Literal("rooms")],
    RouteOptions::NONE
);

#[test]
fn of_several_tables_the_most_specific_match_wins() {
    const ENTRIES: &[Entry] = &[Entry::new::<Any, Everything, Everything>(0)];
    let everything = Table::<NoState>::new(|_| Some(0), ENTRIES);
    let router = router_of(everything.nest(&["admin"], table::<NoState>()), NoState).unwrap();
    assert_eq!(found(&router, "/admin/rooms"), "/admin/rooms");
    assert_eq!(
        found(&router, "/admin/nothing"),
        "/{*rest} rest=admin/nothing"
    );
}

#[test]
fn routes_of_two_tables_with_the_same_shape_are_a_conflict() {
    const ENTRIES: &[Entry] = &[Entry::new::<Any, AdminRooms, AdminRooms>(0)];
    let outer = Table::<NoState>::new(|_| Some(0), ENTRIES);
    let error = router_of(outer.nest(&["admin"], table::<NoState>()), NoState).unwrap_err();
    let path = || "/admin/rooms".to_owned();
    assert_eq!(
        error,
        RouterError::Conflict {
            first: path(),
            second: path()
        }
    );
}

marker!(
    Long,
    "/…",
    &[],
    &[Literal("x"); MAX_SEGMENTS],
    RouteOptions::NONE
);

#[test]
fn a_prefix_that_makes_a_pattern_too_long_is_an_error() {
    const ENTRIES: &[Entry] = &[Entry::new::<Any, Long, Long>(0)];
    let long = || Table::<NoState>::new(|_| Some(0), ENTRIES);
    assert_eq!(router_of(long(), NoState).unwrap().routes().count(), 1);
    let error = router_of(nothing::<NoState>().nest(&["a"], long()), NoState).unwrap_err();
    assert_eq!(
        error,
        RouterError::TooManySegments {
            path: "/a/…".to_owned(),
            segments: MAX_SEGMENTS + 1
        }
    );
}

#[test]
fn a_url_is_encoded_and_takes_a_query() {
    let url = RouteUrl::of::<Named>(&[&"a/b?c d%é"]);
    assert_eq!(url.as_str(), "/rooms/a%2Fb%3Fc%20d%25%C3%A9");
    let url = url.query("a b", "c&d").query("n", 7);
    assert_eq!(
        String::from(url),
        "/rooms/a%2Fb%3Fc%20d%25%C3%A9?a%20b=c%26d&n=7"
    );
    assert_eq!(
        RouteUrl::of::<Files>(&[&"/a b//c/"]).to_string(),
        "/files/a%20b/c"
    );
    assert_eq!(RouteUrl::of::<Files>(&[&""]).to_string(), "/files");
    assert_eq!(RouteUrl::of::<Named>(&[&".."]).to_string(), "/rooms/%2E%2E");
    assert_eq!(RouteUrl::of::<Everything>(&[&""]).to_string(), "/");
}

#[test]
fn a_url_of_a_nested_table_begins_with_the_prefix() {
    assert_eq!(
        RouteUrl::of::<Lobby>(&[]).with_prefix(&["a", "b"]).as_str(),
        "/a/b/rooms"
    );
    let root = || RouteUrl::of::<Everything>(&[&""]);
    assert_eq!(root().with_prefix(&["a"]).as_str(), "/a");
    assert_eq!(root().with_prefix(&[]).as_str(), "/");
    assert_eq!(root().query("x", 1).with_prefix(&["a"]).as_str(), "/a?x=1");
}

fn params(router: &Router, url: &RouteUrl) -> (&'static str, Params) {
    match router.find(url.as_str()) {
        Lookup::Found(route, captures) => (route.spec.name, captures.into_params()),
        other => panic!("{url} leads to {other:?}"),
    }
}

proptest! {
    #[test]
    fn a_string_round_trips_through_its_url(name in "(?s).+") {
        let (route, params) = params(&router(), &RouteUrl::of::<Named>(&[&name]));
        prop_assert_eq!(params.named("name").or(params.named("id")), Some(&*name));
        let expected = if name.parse::<u64>().is_ok() { "Room" } else { "Named" };
        prop_assert_eq!(route, expected);
    }

    #[test]
    fn a_number_round_trips_through_its_url(id: u64) {
        let (route, params) = params(&router(), &RouteUrl::of::<Room>(&[&id]));
        prop_assert_eq!((route, params.parse_named::<u64>("id")), ("Room", Ok(id)));
    }

    #[test]
    fn a_wildcard_round_trips_through_its_url(parts in prop::collection::vec("[^/]+", 0..50)) {
        let rest = parts.join("/");
        let (route, params) = params(&router(), &RouteUrl::of::<Files>(&[&rest]));
        prop_assert_eq!((route, params.named("rest")), ("Files", Some(&*rest)));
    }

    #[test]
    fn no_path_makes_matching_panic(path in "(?s).*", escapes in "(/|%|[0-9a-fA-F]|rooms|files){0,80}") {
        let router = router();
        let _ = router.find(&path);
        let _ = router.find(&escapes);
        let _ = router.find(&format!("/rooms/{escapes}"));
        let _ = router.find(&format!("/files/{path}"));
    }

    #[test]
    fn a_query_survives_any_text(name in "(?s).*", value in "(?s).*") {
        let url = RouteUrl::of::<Lobby>(&[]).query(&name, &value);
        let query = url.as_str().strip_prefix("/rooms?").unwrap();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
        prop_assert_eq!(pairs, vec![(name, value)]);
    }
}
