//! The page of the test kit behaves like the browser client.

use ws_core::testkit::{Acks, PageReceived, ResetReason};

use super::*;

/// Answers requests, counts messages, and runs commands.
struct Profile {
    count: u64,
}

#[ws_handler]
impl Profile {
    fn init() -> Self {
        Profile { count: 0 }
    }

    fn message(&mut self, message: Message, page: Page) -> ws_server::reply::Reply {
        use ws_server::reply::IntoReply;
        let Some(text) = message.as_text() else {
            return message.into_reply();
        };
        if let Ok(call) = serde_json::from_str::<Call<String>>(text) {
            let (id, name) = call.split();
            page.push("asked", &name);
            let answer: Answer<usize, &str> = match &*name {
                "" => Answer::error(id, "empty"),
                name => Answer::ok(id, name.len()),
            };
            return answer.into_reply();
        }
        self.count += 1;
        match text {
            "leave" => Close::normal("done").into_reply(),
            text => format!("{} {text}", self.count).into_reply(),
        }
    }
}

dispatch! {
    struct Profiles;

    profile: "/profile" => Profile { attach: page };
    stream:  "/stream"  => PageStream;
}

fn kit() -> TestKit {
    TestKit::table(Profiles::table(), NoState).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_page_gets_each_message_once_over_any_connections() {
    let kit = kit();
    let ada = kit.user("ada").await;
    let mut page = kit.page("/profile").visitor(&ada).connect().await.unwrap();
    page.send("a").await;
    assert_eq!(page.text().await, "1 a");
    page.send(Message::binary(vec![0xfb, 0xff])).await;
    assert_eq!(page.binary().await, [0xfb, 0xff][..]);
    assert_eq!(kit.hub().user("ada").push("n", &1), 1);
    assert_eq!(page.event::<u64>("n").await, 1);
    // In transit when the connection is cut, in both directions.
    kit.hub().user("ada").push("n", &2);
    page.send("b").await;
    page.disconnect().await;
    page.send("c").await;
    kit.hub().user("ada").push("n", &3);
    page.reconnect().await.unwrap();
    let mut got = page.received_so_far().await;
    got.sort_by_key(|got| format!("{got:?}"));
    let n = |n: u64| PageReceived::Event("n".to_owned(), n.into());
    let text = |text: &str| PageReceived::Text(text.to_owned());
    assert_eq!(got, [n(2), n(3), text("2 b"), text("3 c")]);
    assert_eq!(page.unseen(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_acknowledges_while_the_test_waits_for_something_else() {
    let kit = kit();
    let mut page = kit.page("/stream").connect().await.unwrap();
    for n in 0..32_u64 {
        page.page().push("n", &n);
    }
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    assert_eq!(kit.hub().page_bytes(), 0, "with every 32nd at once");
    page.page().push("n", &32_u64);
    tokio::time::sleep(std::time::Duration::from_millis(98)).await;
    assert!(kit.hub().page_bytes() > 0);
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    assert_eq!(kit.hub().page_bytes(), 0, "after 100 ms");
    // It answers pings, so it stays connected.
    tokio::time::sleep(secs(300)).await;
    for n in 0..33_u64 {
        assert_eq!(page.event::<u64>("n").await, n);
    }
    page.acks(Acks::Withheld);
    for n in 0..2_000_u64 {
        page.page().push("n", &n);
    }
    let reset = PageReceived::Reset(ResetReason::Overflow);
    assert!(page.received_so_far().await.contains(&reset));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_away_for_too_long_gets_a_reset() {
    let kit = kit();
    let mut page = kit.page("/profile").connect().await.unwrap();
    page.send("a").await;
    assert_eq!(page.text().await, "1 a");
    page.disconnect().await;
    page.send("b").await;
    tokio::time::sleep(secs(30)).await;
    page.reconnect().await.unwrap();
    assert_eq!(page.reset().await, ResetReason::Restart);
    assert_eq!(page.text().await, "1 b");
    assert_eq!(page.unconfirmed(), []);
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_and_other_messages_are_kept() {
    let kit = kit();
    let mut page = kit.page("/profile").connect().await.unwrap();
    assert_eq!(page.request::<usize>(&"four").await, 4);
    let error: Result<usize, String> = page.try_request(&"").await;
    assert_eq!(error, Err("empty".to_owned()));
    assert_eq!(page.event::<String>("asked").await, "four");
    assert_eq!(page.event::<String>("asked").await, "");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_reaches_the_test() {
    let kit = kit();
    let visitor = kit.visitor().await;
    let rendered = visitor.page();
    let builder = || kit.page("/profile").visitor(&visitor).page(&rendered);
    let mut first = builder().connect().await.unwrap();
    let mut second = builder().connect().await.unwrap();
    let superseded = (
        CloseCode::SUPERSEDED,
        "another socket has the page".to_owned(),
    );
    assert_eq!(first.closed().await, superseded);
    assert_eq!(second.reset().await, ResetReason::Restart);
    second.send("leave").await;
    assert_eq!(
        second.closed().await,
        (CloseCode::NORMAL, "done".to_owned())
    );
    // A page that is closed for good.
    second.reconnect().await.unwrap();
    second.bye().await;
    assert_eq!(second.closed().await, (CloseCode::NORMAL, String::new()));
    settle().await;
    assert_eq!(kit.hub().page_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_handshake_is_the_error_of_connect() {
    let kit = kit();
    let builder = kit
        .page("/profile")
        .each_handshake(|builder| builder.without_header("cookie"));
    let refusal = builder.connect().await.unwrap_err();
    assert_eq!(refusal.status(), 403);
    let refusal = kit.page("/nowhere").connect().await.unwrap_err();
    assert_eq!(refusal.status(), 404);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "expected the event \"n\", received Text(\"1 a\")")]
async fn an_unexpected_message_is_shown() {
    let kit = kit();
    let mut page = kit.page("/profile").connect().await.unwrap();
    page.send("a").await;
    page.event::<u64>("n").await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the expected message did not arrive within 60s")]
async fn a_test_that_waits_too_long_fails() {
    let kit = kit();
    let mut page = kit.page("/stream").connect().await.unwrap();
    page.text().await;
}
