//! Tables of `dispatch!`: matching, options and URLs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use proptest::prelude::*;
use ws_server::extract::NoState;

use ws_core::route::{Lookup, Origins, RouteSpec, Router};
use ws_server::limits::OnFull;
use ws_server::limits::{LimitOptions, Limits, Rate};
use ws_server::prelude::*;
use ws_server::route::RouteUrl;

/// Accepts every connection; these tests open none.
struct Any;

#[ws_handler]
impl Any {
    fn init(_: &Handshake) -> Self {
        Any
    }
}

#[derive(Clone)]
struct App {
    db: Db,
}

#[derive(Clone)]
struct Db;

impl FromRef<App> for Db {
    fn from_ref(app: &App) -> Self {
        app.db.clone()
    }
}

/// A text without vowels.
#[derive(Clone, Debug, PartialEq)]
struct Slug(String);

impl FromStr for Slug {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.contains(['a', 'e', 'i', 'o', 'u']) {
            Err(())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

dispatch! {
    struct Routes;
    state: App;

    home: "/" => Any;
    lobby: "/rooms" => Any;
    room: "/rooms/{id: u64}" => Any;
    named: "/rooms/{name}" => Any;
    chat: "/rooms/{id: u64}/chat" => Any;
    of_slug: "/rooms/{slug: Slug}/feed" => Any;
    topic: "/rooms/{name}/{topic}" => Any;
    any: "/rooms/{*rest}" => Any;
    r#type: "/types/{type: u8}" => Any;
    #[cfg(any())]
    gone: "/gone/{id: Missing}" => Missing;
    #[cfg(all())]
    kept: "/gone/{name}" => Any;
    admin: "/admin" => use admin::Routes;
}

mod admin {
    use super::{Any, Db};
    use ws_server::prelude::*;

    dispatch! {
        pub(crate) struct Routes;
        state: Db;

        home: "/" => Any;
        user: "/users/{name}" => Any;
    }
}

dispatch! {
    struct Configured;
    defaults { max_message: 32 KiB, require_session: false, ping: 20s }

    plain: "/plain" => Any;
    full: "/full" => Any {
        max_message: 16KiB, outbox: 2 MiB, outbox_frames: 10, on_full: refuse, mailbox: 1_000,
        timers: 0, tasks: 1, subscriptions: 9, read_ahead: 100 B, rate: 20/s, ping: off, idle: off, stall: 0.5s,
        stall_bytes: 1 KiB,
        init_timeout: 500ms, hook_timeout: 2m, close_timeout: 1h, terminate_timeout: 3 s,
        require_session: true, require_page: false, origins: ["https://a.example"],
        protocols: ["v2.chat", "v1.chat"], deflate: true,
    };
    page: "/page" => Any { attach: page, require_session: true, rate: 5/s };
    open: "/open" => Any { rate: off, origins: any };
    strict: "/strict" => Any { rate: 100/m, origins: same, max_message: 100 };
}

fn router() -> Router {
    Routes::table()
        .into_router(App { db: Db }, &Hub::default(), &LimitOptions::NONE)
        .unwrap()
}

/// The pattern that matches a path, and the values of its parameters.
fn found(router: &Router, path: &str) -> String {
    match router.find(path) {
        Lookup::Missing => "missing".to_owned(),
        Lookup::Malformed => "malformed".to_owned(),
        Lookup::Found(route, params) => {
            let values = params
                .iter()
                .map(|(name, value)| format!(" {name}={value}"));
            format!("{}{}", route.path, values.collect::<String>())
        }
    }
}

#[test]
fn a_path_leads_to_the_most_specific_route_and_falls_back() {
    let router = router();
    for (path, expected) in [
        ("/", "/"),
        ("", "/"),
        ("/rooms/", "/rooms"),
        ("/rooms/7", "/rooms/{id: u64} id=7"),
        ("/rooms/x", "/rooms/{name} name=x"),
        ("/rooms/7/chat", "/rooms/{id: u64}/chat id=7"),
        ("/rooms/7/feed", "/rooms/{slug: Slug}/feed slug=7"),
        ("/rooms/sky/feed", "/rooms/{slug: Slug}/feed slug=sky"),
        (
            "/rooms/sea/feed",
            "/rooms/{name}/{topic} name=sea topic=feed",
        ),
        ("/rooms/x/chat", "/rooms/{name}/{topic} name=x topic=chat"),
        ("/rooms/7/chat/more", "/rooms/{*rest} rest=7/chat/more"),
        ("/types/255", "/types/{type: u8} type=255"),
        ("/types/256", "missing"),
        ("/gone/7", "/gone/{name} name=7"),
        ("/admin", "/admin"),
        ("/admin/users/a%2Fb", "/admin/users/{name} name=a/b"),
        ("/users/a", "missing"),
        ("/rooms/%zz", "malformed"),
        ("/types/%ff", "malformed"),
        ("/%zz", "missing"),
    ] {
        assert_eq!(found(&router, path), expected, "{path}");
    }
}

#[test]
fn a_url_is_typed_and_knows_its_route() {
    assert_eq!(Routes::home().to_string(), "/");
    assert_eq!(Routes::room(42).to_string(), "/rooms/42");
    assert_eq!(
        Routes::topic("a b", String::from("ü")).to_string(),
        "/rooms/a%20b/%C3%BC"
    );
    assert_eq!(
        Routes::of_slug(Slug("sky".to_owned())).to_string(),
        "/rooms/sky/feed"
    );
    assert_eq!(Routes::any("x/y z").to_string(), "/rooms/x/y%20z");
    assert_eq!(Routes::r#type(3).to_string(), "/types/3");
    assert_eq!(Routes::kept("x").to_string(), "/gone/x");
    let user = Routes::admin(admin::Routes::user("ada")).query("tab", "a&b");
    assert_eq!(String::from(user), "/admin/users/ada?tab=a%26b");
    assert_eq!(Routes::admin(admin::Routes::home()).to_string(), "/admin");
}

fn configured(name: &str) -> (RouteSpec, Limits) {
    let router = Configured::table()
        .into_router(NoState, &Hub::default(), &LimitOptions::NONE)
        .unwrap();
    let route = router
        .routes()
        .find(|route| route.spec.name == name)
        .unwrap();
    (*route.spec, *route.endpoint.limits())
}

#[test]
fn defaults_of_the_block_apply_to_routes_without_the_option() {
    let (spec, limits) = configured("plain");
    assert_eq!(spec.options.require_session, Some(false));
    assert_eq!(limits.max_message, 32 * 1024);
    assert_eq!(limits.ping, Some(Duration::from_secs(20)));
    assert_eq!(limits.idle, Limits::DEFAULT.idle);
    assert_eq!((spec.options.origins, spec.options.protocols), (None, None));
}

#[test]
fn every_option_reaches_the_route() {
    let (spec, limits) = configured("full");
    let expected = Limits::DEFAULT
        .max_message(16 * 1024)
        .outbox(2 * 1024 * 1024)
        .outbox_frames(10)
        .on_full(OnFull::Refuse)
        .mailbox(1000)
        .timers(0)
        .tasks(1)
        .subscriptions(9)
        .read_ahead(100)
        .rate(Some(Rate::new(20, Duration::from_secs(1))))
        .ping(None)
        .idle(None)
        .stall(Duration::from_millis(500))
        .stall_bytes(1024)
        .init_timeout(Duration::from_millis(500))
        .hook_timeout(Duration::from_secs(2 * 60))
        .close_timeout(Duration::from_secs(60 * 60))
        .terminate_timeout(Duration::from_secs(3));
    assert_eq!(limits, expected);
    assert_eq!(spec.options.require_session, Some(true));
    assert_eq!(spec.options.require_page, Some(false));
    assert_eq!(
        spec.options.origins,
        Some(Origins::List(&["https://a.example"]))
    );
    assert_eq!(spec.options.protocols, Some(&["v2.chat", "v1.chat"][..]));
    assert_eq!(spec.options.deflate, Some(true));
    assert_eq!(configured("plain").0.options.deflate, None);
}

#[test]
fn a_route_knows_that_its_handler_is_attached_to_a_page() {
    let (page, limits) = configured("page");
    assert!(page.options.attach_page);
    assert_eq!(page.options.require_session, Some(true));
    assert_eq!(limits.rate, Some(Rate::new(5, Duration::from_secs(1))));
    for other in ["plain", "full", "open"] {
        assert!(!configured(other).0.options.attach_page, "{other}");
    }
}

#[test]
fn off_is_different_from_an_absent_option() {
    let (open, _) = configured("open");
    assert_eq!(open.options.limits.rate, Some(None));
    assert_eq!(open.options.origins, Some(Origins::Any));
    let (strict, limits) = configured("strict");
    assert_eq!(limits.rate, Some(Rate::new(100, Duration::from_secs(60))));
    assert_eq!(
        (strict.options.origins, limits.max_message),
        (Some(Origins::Same), 100)
    );
}

#[test]
fn a_table_in_a_function_is_a_table_like_any_other() {
    struct Local;

    #[ws_handler]
    impl Local {
        fn init(_: &Handshake) -> Self {
            Local
        }
    }

    dispatch! {
        struct Here;
        local: "/local/{id: u64}" => Local;
    }

    let router = Here::table()
        .into_router(NoState, &Hub::default(), &LimitOptions::NONE)
        .unwrap();
    assert_eq!(
        found(&router, Here::local(3).as_str()),
        "/local/{id: u64} id=3"
    );
}

fn names_and_values(url: &RouteUrl) -> (&'static str, Vec<String>) {
    match router().find(url.as_str()) {
        Lookup::Found(route, params) => (
            route.spec.name,
            params.iter().map(|(_, value)| value.to_owned()).collect(),
        ),
        other => panic!("{url} leads to {other:?}"),
    }
}

proptest! {
    #[test]
    fn values_survive_a_round_trip_through_their_url(name in "(?s).+", topic in "(?s).+", id: u64) {
        let (_, values) = names_and_values(&Routes::topic(&name, &topic));
        let single = values == [name.clone(), topic.clone()] || values == [name.clone()];
        prop_assert!(single, "{values:?}");
        prop_assert_eq!(names_and_values(&Routes::chat(id)), ("chat", vec![id.to_string()]));
        let user = Routes::admin(admin::Routes::user(&name));
        prop_assert_eq!(names_and_values(&user), ("user", vec![name]));
    }

    #[test]
    fn the_generated_matcher_never_panics(path in "(?s).*", tail in "(/|%|7|x|chat|feed|rooms){0,60}") {
        let router = router();
        let _ = router.find(&path);
        let _ = router.find(&format!("/rooms/{tail}"));
    }
}

/// Constants that other parts of a program can also use.
mod shared {
    use super::*;

    pub(crate) const MESSAGE: usize = 4096;
    pub(crate) const PING: Duration = Duration::from_secs(7);
    pub(crate) const RATE: Rate = Rate::new(3, Duration::from_secs(2));
}

dispatch! {
    struct FromConstants;
    defaults { ping: shared::PING, mailbox: shared::MESSAGE }

    inherits: "/inherits" => Any { rate: shared::RATE, stall: shared::PING };
    has_own:  "/own" => Any { mailbox: 8, idle: shared::PING, ping: off };
}

#[test]
fn a_constant_reaches_the_route_as_a_literal_does() {
    let router = FromConstants::table()
        .into_router(NoState, &Hub::default(), &LimitOptions::NONE)
        .unwrap();
    let limits: Vec<_> = router
        .routes()
        .map(|route| *route.endpoint.limits())
        .collect();
    let inherits = Limits::DEFAULT
        .ping(Some(shared::PING))
        .mailbox(4096)
        .rate(Some(shared::RATE))
        .stall(shared::PING);
    let has_own = Limits::DEFAULT
        .ping(None)
        .mailbox(8)
        .idle(Some(shared::PING));
    assert_eq!(limits, [inherits, has_own]);
}
