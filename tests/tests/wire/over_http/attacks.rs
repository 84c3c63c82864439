//! Messages with a forged, foreign or ended attachment, replays, and messages of a wrong form.

use super::*;
use crate::client::within;

#[tokio::test]
async fn an_attachment_takes_messages_only_of_its_page_session_and_route() {
    let (server, mut reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let mut down = page.open("/notes", 0).await;
    assert_eq!(down.line().await, welcome(&page, 0, 0));
    let same_session = TestPage::of(&server, page.browser.clone()).await;
    let other = TestPage::new(&server).await;
    let other_down = other.open("/notes", 0).await;
    let (body, lines) = (text(1, "forged"), [TYPE, ORIGIN]);
    let token = &down.attachment;
    for (expected, sender, target) in [
        (409, &page, page.attached("/notes", &other_down.attachment)),
        (
            409,
            &page,
            page.attached("/notes", &"A".repeat(token.len())),
        ),
        (409, &page, page.attached("/notes", "")),
        (409, &page, page.attached("/notes", &token[1..])),
        (409, &page, page.attached("/alive", token)),
        (409, &same_session, same_session.attached("/notes", token)),
        (409, &other, other.attached("/notes", token)),
        (403, &other, page.attached("/notes", token)),
        (400, &page, format!("/notes?attachment={token}")),
        (
            400,
            &page,
            format!("{}&attachment={token}", page.attached("/notes", token)),
        ),
    ] {
        let (status, answer) = sender.ask(&target, &lines, &body).await;
        assert_eq!(status, expected, "{target}: {answer}");
        assert!(!answer.contains(&**token), "{answer}");
    }
    // A page of another site knows neither, and cannot send the type.
    let target = page.attached("/notes", token);
    for (expected, lines) in [
        (403, ["Origin: https://evil.example", TYPE]),
        (403, [TYPE, TYPE]),
        (415, [ORIGIN, "Content-Type: text/plain"]),
    ] {
        let expected = if lines[0] == lines[1] { 415 } else { expected };
        assert_eq!(
            page.ask(&target, &lines, &body).await.0,
            expected,
            "{lines:?}"
        );
    }
    assert_eq!(page.ask(&target, &[TYPE], &body).await.0, 403, "no origin");
    // Nothing of that has reached the handler.
    assert_eq!(page.post("/notes", &down, &text(1, "own")).await, 204);
    assert_eq!(reports.next().await, r#"Text("own")"#);
}

#[tokio::test]
async fn a_replayed_post_changes_nothing() {
    let (server, mut reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let mut down = page.open("/notes", 0).await;
    let body = format!("{}\n{}", text(1, "a"), text(2, "b"));
    for _ in 0..3 {
        assert_eq!(page.post("/notes", &down, &body).await, 204);
    }
    assert_eq!(page.post("/notes", &down, &text(3, "c")).await, 204);
    let mut received = Vec::new();
    while received.len() < 3 {
        received.push(reports.next().await);
    }
    assert_eq!(received, [r#"Text("a")"#, r#"Text("b")"#, r#"Text("c")"#]);
    let mut echoes = Vec::new();
    while echoes.len() < 3 {
        let line = down.line().await;
        if line["type"] == "text" {
            echoes.push(line["data"].clone());
        }
    }
    assert_eq!(echoes, ["a", "b", "c"]);
}

#[tokio::test]
async fn messages_of_a_wrong_form_end_the_stream_with_the_code_of_a_websocket() {
    let (server, _reports) = start(|server| server).await;
    let mut skipped = text(1, "a");
    skipped.push('\n');
    skipped.push_str(&text(3, "c"));
    for (body, code) in [
        ("no JSON", 1007),
        (r#"{"type":"text","id":1}"#, 1007),
        ("\u{0}", 1007),
        (r#"{"type":"ack","offset":9}"#, 1008),
        (&*skipped, 1008),
        (&*text(1, &"x".repeat(1025)), 1009),
    ] {
        let page = TestPage::new(&server).await;
        let mut down = page.open("/notes", 0).await;
        assert_eq!(page.post("/notes", &down, body).await, 204, "{body}");
        let close = loop {
            let line = down.line().await;
            if line["type"] == "close" {
                break line;
            }
        };
        assert_eq!(close["code"], code, "{body}");
        assert_eq!(down.next().await, None);
        assert_eq!(page.post("/notes", &down, &text(1, "late")).await, 409);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let (server, _reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let down = page.open("/notes", 0).await;
    let largest = usize::try_from(down.limit).unwrap();
    // The largest message fits, also if each of its characters takes six in JSON.
    let text = json!({"type": "text", "id": 1, "data": "\u{1}".repeat(1024)}).to_string();
    assert!(text.len() < largest, "{largest}");
    assert_eq!(page.post("/notes", &down, &text).await, 204);
    assert_eq!(page.post("/notes", &down, &"\n".repeat(largest)).await, 204);
    let target = page.attached("/notes", &down.attachment);
    let lines = [TYPE, ORIGIN, "Transfer-Encoding: chunked"];
    let head = page.request(&target, &lines[..2], "");
    let announced = head.replace(
        "Content-Length: 0",
        &format!("Content-Length: {}", largest + 1),
    );
    let (answer, body) = Client::ask(server.address, &announced).await;
    assert_eq!(answer.status, 413);
    assert_eq!(body, format!("the body is larger than {largest} bytes\n"));
    let chunked = page
        .request(&target, &lines, "")
        .replace("Content-Length: 0\r\n", "");
    let chunk = "\n".repeat(largest + 1);
    let chunked = format!("{chunked}{:x}\r\n{chunk}\r\n0\r\n\r\n", chunk.len());
    assert_eq!(Client::ask(server.address, &chunked).await.0.status, 413);
}

#[tokio::test]
async fn posts_of_one_page_take_turns_and_the_third_is_refused() {
    let (server, mut reports) = start(|server| server).await;
    let page = TestPage::new(&server).await;
    let down = page.open("/notes", 0).await;
    let target = page.attached("/notes", &down.attachment);
    let (first, second) = (text(1, "first"), text(2, "second"));
    let request = page.request(&target, &[TYPE, ORIGIN], &first);
    let (head, end) = request.split_at(request.len() - 5);
    let mut slow = Client::connect(server.address).await;
    slow.send(head).await;
    let mut waiting = Client::connect(server.address).await;
    // The server has no event for the arrival of a head: a third POST shows that two have arrived.
    waiting
        .send(page.request(&target, &[TYPE, ORIGIN], &second))
        .await;
    let busy = async { while page.post("/notes", &down, "\n").await != 429 {} };
    within("two POSTs are in progress", async {
        tokio::select! {
            () = busy => {}
            (head, _) = waiting.response() => panic!("it did not wait: {head:?}"),
        }
    })
    .await;
    slow.send(end).await;
    assert_eq!(slow.head().await.status, 204);
    assert_eq!(waiting.head().await.status, 204);
    assert_eq!(reports.next().await, r#"Text("first")"#);
    assert_eq!(reports.next().await, r#"Text("second")"#);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let (ws, _reports) = built(|server| server.body_timeout(std::time::Duration::from_millis(200)));
    let application = Router::new().fallback_service(ws.service());
    let server = Running::under_axum(ws, application).await;
    let page = TestPage::new(&server).await;
    let down = page.open("/notes", 0).await;
    let target = page.attached("/notes", &down.attachment);
    let request = page.request(&target, &[TYPE, ORIGIN], "unfinished");
    let mut slow = Client::connect(server.address).await;
    slow.send(&request[..request.len() - 3]).await;
    assert_eq!(slow.head().await.status, 408);
    assert_eq!(page.post("/notes", &down, &text(1, "a")).await, 204);
}
