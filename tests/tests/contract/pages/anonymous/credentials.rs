//! The credentials that `init` has checked count for every later connection of a device.

use std::time::Duration;

use ws_server::extract::Bearer;

use super::*;

/// A device that authenticates itself.
struct Meter;

#[ws_handler]
impl Meter {
    async fn init(bearer: Bearer, State(journal): State<Journal>) -> Result<Self, Refusal> {
        // Other connections arrive meanwhile.
        tokio::time::sleep(Duration::from_secs(1)).await;
        journal.note(format!("init {}", bearer.token()));
        match bearer.token() {
            "wrong" => Err(Bearer::invalid()),
            _ => Ok(Meter),
        }
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

dispatch! {
    struct Meters;
    state: Journal;

    meter: "/meter" => Meter { attach: page, require_session: false };
}

const OTHER: &str = "the credentials differ from those that this page began with: present these, or \
                     leave out `z_pid` to get another page";

fn kit() -> (TestKit, Journal) {
    let journal = Journal::new();
    let kit = TestKit::table(Meters::table(), journal.clone()).unwrap();
    (kit, journal)
}

/// A handshake for the page with this id.
fn open(kit: &TestKit, id: &str) -> ClientBuilder {
    with_query(kit, "/meter", &format!("z_pid={id}"))
}

async fn meter(kit: &TestKit) -> TestPage {
    let page = kit.page("/meter").without_cookies();
    let page = page.each_handshake(|it| it.header("authorization", "Bearer t0p"));
    page.connect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_id_without_the_credentials_of_its_page_does_not_take_it_over() {
    let (kit, journal) = kit();
    let mut meter = meter(&kit).await;
    let id = meter.page().id().to_owned();
    let other = [
        open(&kit, &id),
        open(&kit, &id).header("authorization", "Bearer other"),
        open(&kit, &id).header("authorization", "Basic t0p"),
        with_query(&kit, "/meter", &format!("z_pid={id}"))
            .header("sec-websocket-protocol", "bearer, other"),
    ];
    for builder in other {
        let refusal = builder.connect().await.unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.text()), (401, OTHER));
        let response = refusal.into_response();
        let challenge = &response.headers()["www-authenticate"];
        assert_eq!(challenge, "Bearer error=\"invalid_token\"");
    }
    // The page has noticed nothing.
    meter.send("reading").await;
    assert_eq!(meter.text().await, "reading");
    // The same while it waits for its client.
    meter.disconnect().await;
    assert_eq!(open(&kit, &id).connect().await.unwrap_err().status(), 401);
    assert_eq!(meter.page().push("n", &1), 1);
    meter.reconnect().await.unwrap();
    assert_eq!(meter.event::<u64>("n").await, 1);
    assert_eq!(journal.lines(), ["init t0p"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_token_counts_as_a_subprotocol_too() {
    let (kit, journal) = kit();
    let mut meter = meter(&kit).await;
    let id = meter.page().id().to_owned();
    let builder = kit.open(&format!("/meter?z_pid={id}"));
    let (_, _client) =
        welcome(builder.header("sec-websocket-protocol", "page.v1, bearer, t0p")).await;
    assert_eq!(meter.closed().await.0.get(), 4409);
    assert_eq!(journal.lines(), ["init t0p"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_token_counts_when_the_page_has_ended() {
    let (kit, journal) = kit();
    let mut meter = meter(&kit).await;
    let id = meter.page().id().to_owned();
    meter.disconnect().await;
    let renewed = || open(&kit, &id).header("authorization", "Bearer newer");
    tokio::time::sleep(secs(15)).await;
    assert_eq!(renewed().connect().await.unwrap_err().text(), OTHER);
    // The refusal has not extended the grace time.
    tokio::time::sleep(secs(6)).await;
    let (welcome, _client) = welcome(renewed()).await;
    assert_eq!((welcome.get("page"), kit.hub().page_count()), (None, 1));
    assert_eq!(journal.lines(), ["init t0p", "init newer"]);
}

#[tokio::test(start_paused = true)]
async fn connections_share_the_outcome_of_init_only_with_the_same_credentials() {
    let (kit, journal) = kit();
    let mut meter = meter(&kit).await;
    let id = meter.page().id().to_owned();
    meter.disconnect().await;
    tokio::time::sleep(secs(30)).await;
    let connect = |token: &str| {
        let builder = open(&kit, &id).header("authorization", &format!("Bearer {token}"));
        builder.connect()
    };
    let (first, same, owner, other) = tokio::join!(
        connect("wrong"),
        connect("wrong"),
        connect("t0p"),
        connect("late")
    );
    let invalid = "the bearer token is not valid";
    assert_eq!(first.unwrap_err().text(), invalid);
    assert_eq!(same.unwrap_err().text(), invalid);
    let _client = owner.unwrap();
    assert_eq!(other.unwrap_err().text(), OTHER);
    assert_eq!(journal.lines(), ["init t0p", "init wrong", "init t0p"]);
}
