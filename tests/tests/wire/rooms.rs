//! The example `mount` as a process: users, pages and rooms of one application.

use serde_json::{Value, json};
use ws_tests::Example;

use crate::browser::Browser;
use crate::client::{Client, close, upgrade};
use crate::examples::{get, post};

const ADA: &str = "name=ada&password=analytical+engine&room=7";
const GRACE: &str = "name=grace&password=a+nanosecond+of+wire&room=7";

async fn mount() -> Example {
    Example::start("mount", &[]).await
}

/// A browser with a session and without a user.
async fn guest(example: &Example) -> Browser {
    let mut browser = Browser::new(example.address);
    browser.get("/").await;
    browser
}

/// Logs on with the page's form. The right password redirects to the room.
async fn log_on(browser: &mut Browser, form: &str) {
    let (head, _) = browser.form("/logon", form).await;
    assert_eq!(
        (head.status, head.header("location")),
        (303, Some("/?room=7"))
    );
}

async fn user(example: &Example, form: &str) -> Browser {
    let mut browser = guest(example).await;
    log_on(&mut browser, form).await;
    browser
}

/// The value of an attribute of a page's body.
fn data<'p>(page: &'p str, name: &str) -> &'p str {
    let start = format!(" data-{name}=\"");
    let (_, value) = page.split_once(&start).expect("the page has the attribute");
    value.split_once('"').unwrap().0
}

/// The path for the socket of a new page of this browser.
async fn chat(browser: &mut Browser) -> String {
    let page = browser.get("/?room=7").await;
    let (room, id) = (data(&page, "room"), data(&page, "page"));
    format!("/rooms/{room}/chat?z_pid={id}")
}

/// A tab: a page that has connected.
async fn tab(browser: &mut Browser) -> Client {
    let path = chat(browser).await;
    browser.open(&path).await
}

async fn event(client: &mut Client) -> Value {
    serde_json::from_str(&client.text().await).unwrap()
}

fn entered(name: Option<&str>, people: usize) -> Value {
    json!({"type": "entered", "name": name, "people": people})
}

fn said(name: &str, text: &str) -> Value {
    json!({"type": "said", "name": name, "text": text})
}

fn refused() -> Value {
    json!({"type": "refused", "why": "log on to write"})
}

#[tokio::test]
async fn mount_shares_its_rooms_between_json_and_chat() {
    let mount = mount().await;
    let mut ada = user(&mount, ADA).await;
    let mut grace = user(&mount, GRACE).await;
    assert_eq!(get(&mount, "/api/rooms").await.2, "{}");
    let (head, _) = ada.json("/api/rooms/7", r#"{"text":"anybody?"}"#).await;
    assert_eq!(head.status, 404);

    let mut first = tab(&mut ada).await;
    assert_eq!(event(&mut first).await, entered(Some("ada"), 1));
    let mut second = tab(&mut grace).await;
    for client in [&mut first, &mut second] {
        assert_eq!(event(client).await, entered(Some("grace"), 2));
    }
    assert_eq!(get(&mount, "/api/rooms").await.2, r#"{"7":2}"#);

    first.send_text(r#"{"type":"say","text":"hi"}"#).await;
    let (head, _) = grace
        .json("/api/rooms/7", r#"{"text":"closing time"}"#)
        .await;
    assert_eq!(head.status, 202);
    for client in [&mut first, &mut second] {
        let mut both = [event(client).await, event(client).await];
        both.sort_by_key(|said| said["name"].to_string());
        assert_eq!(both, [said("ada", "hi"), said("grace", "closing time")]);
    }

    second.send_text(r#"{"type":"leave"}"#).await;
    assert_eq!(second.close_frame().await.0, 1000);
    second.send(close(1000, "")).await;
    second.end().await;
    let left = json!({"type": "left", "name": "grace", "people": 1});
    assert_eq!(event(&mut first).await, left);
    assert_eq!(get(&mount, "/api/rooms").await.2, r#"{"7":1}"#);

    for (path, status) in [
        ("/rooms/7/chat", 403),
        ("/rooms/seven/chat", 404),
        ("/rooms/7/chat/more", 404),
    ] {
        let (head, _) = Client::ask(mount.address, &upgrade(path, &[])).await;
        assert_eq!(head.status, status, "{path}");
    }
    first.send_text("not json").await;
    assert_eq!(first.close_frame().await.0, 1007);
}

#[tokio::test]
async fn mount_lets_guests_read_but_not_write() {
    let mount = mount().await;
    let mut guest = guest(&mount).await;
    let mut listening = tab(&mut guest).await;
    assert_eq!(event(&mut listening).await, entered(None, 1));
    listening
        .send_text(r#"{"type":"say","text":"me too"}"#)
        .await;
    assert_eq!(event(&mut listening).await, refused());

    // Nor over HTTP, with a session or without.
    let text = r#"{"text":"me too"}"#;
    let (head, body) = guest.json("/api/rooms/7", text).await;
    assert_eq!(
        (head.status, head.header("content-type")),
        (403, Some("application/json"))
    );
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), refused());
    assert_eq!(post(&mount, "/api/rooms/7", text).await, 403);

    let mut ada = user(&mount, ADA).await;
    let mut speaking = tab(&mut ada).await;
    assert_eq!(event(&mut speaking).await, entered(Some("ada"), 2));
    speaking.send_text(r#"{"type":"say","text":"hi"}"#).await;
    // No attempt of the guest has reached the room.
    assert_eq!(event(&mut speaking).await, said("ada", "hi"));
    assert_eq!(event(&mut listening).await, entered(Some("ada"), 2));
    assert_eq!(event(&mut listening).await, said("ada", "hi"));
    drop(listening);
    let left = json!({"type": "left", "name": null, "people": 1});
    assert_eq!(event(&mut speaking).await, left);
}

#[tokio::test]
async fn mount_hides_whether_the_user_or_the_password_is_wrong() {
    let mount = mount().await;
    let mut browser = guest(&mount).await;
    let cookies = browser.cookies.clone();
    for name in ["ada", "nobody"] {
        let form = format!("name={name}&password=guess&room=7");
        let (head, body) = browser.form("/logon", &form).await;
        assert_eq!(
            (head.status, head.header("location"), &*body),
            (303, Some("/?room=7&wrong"), ""),
            "{name}"
        );
    }
    assert_eq!(browser.cookies, cookies, "nothing has changed");
    let page = browser.get("/?room=7&wrong").await;
    assert!(page.contains("The name or the password is wrong"));
    assert_eq!(data(&page, "user"), "");
    assert!(!browser.get("/").await.contains("the password is wrong"));
}

#[tokio::test]
async fn mount_accepts_only_the_password_of_the_user() {
    let mount = mount().await;
    let mut browser = guest(&mount).await;
    for (form, status, location) in [
        (
            "name=ada&password=a+nanosecond+of+wire&room=7",
            303,
            Some("/?room=7&wrong"),
        ),
        ("name=ada&password=&room=7", 303, Some("/?room=7&wrong")),
        (
            "name=ADA&password=analytical+engine&room=7",
            303,
            Some("/?room=7&wrong"),
        ),
        (
            "name=ada&password=analytical+engine&room=//evil.example",
            400,
            None,
        ),
        ("name=ada&room=7", 400, None),
    ] {
        let (head, _) = browser.form("/logon", form).await;
        let response = (head.status, head.header("location"));
        assert_eq!(response, (status, location), "{form}");
    }
    let long = format!("name=ada&room=7&password={}", "x".repeat(4096));
    assert_eq!(browser.form("/logon", &long).await.0.status, 413);
    assert_eq!(data(&browser.get("/").await, "user"), "");
    // A logon is refused if its form is on another site.
    browser.lines = vec!["Origin: http://evil.example".to_owned()];
    assert_eq!(browser.form("/logon", ADA).await.0.status, 403);
}

#[tokio::test]
async fn mount_renews_the_session_at_logon_and_shows_its_user() {
    let mount = mount().await;
    let mut browser = guest(&mount).await;
    let mut open = tab(&mut browser).await;
    assert_eq!(event(&mut open).await, entered(None, 1));
    let mut before = browser.clone();
    let old = chat(&mut before).await;
    log_on(&mut browser, ADA).await;
    assert_ne!(browser.cookie("z_sid"), before.cookie("z_sid"));
    // The earlier cookie is invalid, even if an attacker has copied it.
    assert_eq!(before.status(&old).await, 403);
    let (head, _) = before.json("/api/rooms/7", r#"{"text":"as ada"}"#).await;
    assert_eq!(head.status, 403);
    open.send_text(r#"{"type":"say","text":"as ada"}"#).await;
    assert_eq!(event(&mut open).await, refused());

    let page = browser.get("/").await;
    assert_eq!(data(&page, "user"), "ada");
    assert!(page.contains("action=\"/logoff\"") && !page.contains("action=\"/logon\""));
    // A name in the query is ignored.
    let path = chat(&mut browser).await;
    let mut tab = browser.open(&format!("{path}&name=grace")).await;
    assert_eq!(event(&mut tab).await, entered(Some("ada"), 2));
    tab.send_text(r#"{"type":"say","text":"me","name":"grace"}"#)
        .await;
    assert_eq!(event(&mut tab).await, said("ada", "me"));
}

#[tokio::test]
async fn mount_closes_every_tab_at_logoff() {
    let mount = mount().await;
    let mut ada = user(&mount, ADA).await;
    let mut grace = user(&mount, GRACE).await;
    let mut stays = tab(&mut grace).await;
    assert_eq!(event(&mut stays).await, entered(Some("grace"), 1));
    let mut tabs = [tab(&mut ada).await, tab(&mut ada).await];
    for people in [2, 3] {
        assert_eq!(event(&mut stays).await, entered(Some("ada"), people));
    }
    let mut before = ada.clone();
    let (head, _) = ada.form("/logoff", "room=7").await;
    assert_eq!(
        (head.status, head.header("location")),
        (303, Some("/?room=7"))
    );
    assert!(ada.cookies.is_empty(), "{:?}", ada.cookies);
    for tab in &mut tabs {
        let (_, code) = tab.until_close().await;
        assert_eq!(code, 4401);
    }
    for people in [2, 1] {
        let left = json!({"type": "left", "name": "ada", "people": people});
        assert_eq!(event(&mut stays).await, left);
    }
    let (head, _) = before.json("/api/rooms/7", r#"{"text":"still me"}"#).await;
    assert_eq!(head.status, 403);
    let page = before.get("/").await;
    assert_eq!(data(&page, "user"), "");
    stays.send_text(r#"{"type":"say","text":"alone"}"#).await;
    assert_eq!(event(&mut stays).await, said("grace", "alone"));
}

#[tokio::test]
async fn mount_logs_one_user_off_when_another_logs_on() {
    let mount = mount().await;
    let mut browser = user(&mount, ADA).await;
    let mut of_ada = tab(&mut browser).await;
    assert_eq!(event(&mut of_ada).await, entered(Some("ada"), 1));
    log_on(&mut browser, GRACE).await;
    let (_, code) = of_ada.until_close().await;
    assert_eq!(code, 4401);
    assert_eq!(data(&browser.get("/").await, "user"), "grace");
}

#[tokio::test]
async fn mount_shows_a_name_as_text_and_keeps_pages_private() {
    let mount = mount().await;
    let mut browser = user(&mount, "name=r%26d&password=tea+%26+toast&room=7").await;
    let (head, page) = browser.request("GET", "/?room=7").await;
    assert_eq!(head.header("cache-control"), Some("private, no-cache"));
    assert_eq!(data(&page, "user"), "r&amp;d");
    assert!(page.contains("<b>r&amp;d</b>") && !page.contains("r&d"));
    let mut tab = tab(&mut browser).await;
    assert_eq!(event(&mut tab).await, entered(Some("r&d"), 1));
    // Not even the room number from the query can become markup.
    assert_eq!(browser.request("GET", "/?room=%3Cb%3E").await.0.status, 400);
}
