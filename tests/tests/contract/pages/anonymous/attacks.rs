//! Ids that a client must not use, and cookies that must not count.

use super::*;

/// The status and the text of a refusal.
async fn refused(builder: ClientBuilder) -> (u16, String) {
    let refusal = builder.connect().await.unwrap_err();
    (refusal.status().as_u16(), refusal.text().to_owned())
}

/// The page of a device that has a message waiting.
async fn victim(kit: &TestKit) -> TestPage {
    let mut victim = device(kit, "/lamp").await;
    victim.disconnect().await;
    assert_eq!(victim.page().push("secret", &42), 1);
    victim
}

#[tokio::test(start_paused = true)]
async fn a_forged_id_gets_a_page_of_its_own_and_no_message_of_another() {
    let (kit, _) = kit();
    let mut victim = victim(&kit).await;
    let id = victim.page().id().to_owned();
    for at in 0..id.len() - 1 {
        let other = if id.as_bytes()[at] == b'A' { "B" } else { "A" };
        let forged = format!("{}{other}{}", &id[..at], &id[at + 1..]);
        let builder = with_query(&kit, "/lamp", &format!("z_pid={forged}"));
        let (welcome, mut client) = welcome(builder).await;
        let fresh = welcome["page"].as_str().unwrap();
        assert!(fresh != id && fresh != forged);
        let reset = json!({"type": "reset", "why": "restart", "offset": 0});
        let first = tokio::time::timeout(secs(1), client.json::<serde_json::Value>());
        assert_eq!(first.await.expect("a reset"), reset);
        assert!(client.received_so_far().await.is_empty());
        assert!(kit.hub().page(&forged).is_none());
    }
    victim.reconnect().await.unwrap();
    assert_eq!(victim.event::<u64>("secret").await, 42);
}

#[tokio::test(start_paused = true)]
async fn text_that_is_no_id_is_refused_and_begins_no_page() {
    let (kit, journal) = kit();
    let ada = kit.user("ada").await;
    let malformed = "this endpoint requires a page of this site: its page id is malformed";
    let long = "A".repeat(60_000);
    for id in [
        "",
        "x",
        "A A",
        "%00",
        &"A".repeat(54),
        &"A".repeat(56),
        &long,
        &"*".repeat(55),
    ] {
        let builder = || with_query(&kit, "/lamp", &format!("z_pid={}", id.replace(' ', "%20")));
        assert_eq!(
            refused(builder()).await,
            (400, malformed.to_owned()),
            "{id}"
        );
        assert_eq!(refused(builder().session(&ada)).await.0, 400);
    }
    let twice = with_query(&kit, "/lamp", "z_pid=a&z_pid=b");
    let text = "this endpoint requires a page of this site: the query of the request has more than \
                one page id";
    assert_eq!(refused(twice).await, (403, text.to_owned()));
    assert_eq!(kit.hub().page_count(), 0);
    assert!(journal.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_session_never_attaches_without_it() {
    let (kit, journal) = kit();
    let (ada, bob) = (kit.user("ada").await, kit.user("bob").await);
    let page = ada.page();
    page.push("secret", &42);
    let query = format!("z_pid={}", page.id());
    let (status, text) = refused(with_query(&kit, "/lamp", &query)).await;
    let expected = "this endpoint requires a page of this site: the request has no session cookie";
    assert_eq!((status, &*text), (403, expected));
    let (status, text) = refused(with_query(&kit, "/lamp", &query).session(&bob)).await;
    let expected =
        "this endpoint requires a page of this site: its page id was not issued to its session";
    assert_eq!((status, &*text), (403, expected));
    assert!(journal.lines().is_empty());
    let (welcome, mut client) = welcome(with_query(&kit, "/lamp", &query).session(&ada)).await;
    assert!(welcome.get("page").is_none());
    assert_eq!(client.json::<serde_json::Value>().await["data"], 42);
    assert_eq!(journal.lines(), ["init ada New"]);
}

#[tokio::test(start_paused = true)]
async fn cookies_do_not_count_with_or_without_an_id_of_a_device() {
    let (kit, journal) = kit();
    let ada = kit.user("ada").await;
    let cookies = |page: &str| format!("{}; z_pid={page}", ada.cookie());
    let (own, device) = (ada.page(), device(&kit, "/any").await);
    assert_eq!(journal.lines(), ["init no session New"]);
    // The page of the session is known from the cookies only.
    let without = with_query(&kit, "/lamp", "").header("cookie", &cookies(own.id()));
    let (first, _client) = welcome(without).await;
    assert!(first["page"].is_string());
    // A page of another site has got an id, and makes the visitor's browser connect with it.
    let query = format!("z_pid={}", device.page().id());
    let planted = with_query(&kit, "/any", &query);
    let planted = planted.header("cookie", &cookies(own.id()));
    let planted = planted.header("origin", "https://evil.example");
    let (second, _client) = welcome(planted).await;
    assert!(second.get("page").is_none());
    // The page keeps its handler.
    assert_eq!(journal.lines(), ["init no session New"; 2]);
    assert_eq!(
        kit.hub().user("ada").push("secret", &42),
        1,
        "to the rendered page only"
    );
    assert_eq!(ada.session().push("secret", &42), 1);
}

#[tokio::test(start_paused = true)]
async fn an_id_of_a_device_is_no_page_of_a_session() {
    let (kit, _) = kit();
    let ada = kit.user("ada").await;
    let lamp = device(&kit, "/lamp").await;
    let id = lamp.page().id();
    assert!(kit.hub().find_page(ada.session(), id).is_none());
    let (status, text) =
        refused(with_query(&kit, "/desk", &format!("z_pid={id}")).session(&ada)).await;
    let expected =
        "this endpoint requires a page of this site: its page id was not issued to its session";
    assert_eq!((status, &*text), (403, expected));
    assert_eq!(
        refused(with_query(&kit, "/desk", &format!("z_pid={id}")))
            .await
            .0,
        403
    );
    // It is no cookie either.
    let cookies = format!("{}; z_pid={id}", ada.cookie());
    assert_eq!(
        refused(with_query(&kit, "/desk", "").header("cookie", &cookies))
            .await
            .0,
        403
    );
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_another_page_is_refused_or_forgotten() {
    let (kit, _) = kit();
    let (own, _first) = welcome(with_query(&kit, "/lamp", "")).await;
    let (other, _second) = welcome(with_query(&kit, "/lamp", "")).await;
    let (id, base) = (
        own["page"].as_str().unwrap(),
        other["base"].as_str().unwrap(),
    );
    let (status, text) = refused(with_query(
        &kit,
        "/lamp",
        &format!("z_pid={id}&base={base}"),
    ))
    .await;
    assert_eq!(
        (status, &*text),
        (400, "`base` and `at` are no cursor of this page")
    );
    // A fresh page begins without the cursor of the one that it replaces.
    let (fresh, mut client) = welcome(with_query(
        &kit,
        "/lamp",
        &format!("base={base}&epoch=x&offset=9"),
    ))
    .await;
    assert!(fresh["page"].is_string());
    assert_eq!(client.json::<serde_json::Value>().await["why"], "restart");
}

#[tokio::test(start_paused = true)]
async fn the_newest_connection_owns_the_page_and_another_route_is_refused() {
    let (kit, journal) = kit();
    let mut lamp = device(&kit, "/lamp").await;
    let query = format!("z_pid={}", lamp.page().id());
    assert_eq!(refused(with_query(&kit, "/any", &query)).await.0, 409);
    let (_, _client) = welcome(with_query(&kit, "/lamp", &query)).await;
    assert_eq!(lamp.closed().await.0.get(), 4409);
    assert_eq!(journal.lines(), ["init no session New"]);
}
