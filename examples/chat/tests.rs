//! Tests of the rooms with the test kit: in memory, with paused time.

use std::time::Duration;

use serde_json::{Value, json};
use warp::Filter;
use ws_server::prelude::*;
use ws_server::testkit::{PageReceived, TestKit, TestPage, TestVisitor};

use crate::removals::{self, Removals};
use crate::room::Refused;
use crate::topics::{Event, HISTORY, Room, now};
use crate::{Routes, names, pages};

/// Longer than a member that has left is shown.
const AFTER_LINGER: Duration = Duration::from_secs(5);

fn kit() -> TestKit {
    TestKit::table(Routes::table(), Removals::default()).unwrap()
}

async fn enter(kit: &TestKit, visitor: &TestVisitor, room: &str) -> TestPage {
    let page = kit.page(&format!("/rooms/{room}")).visitor(visitor);
    page.connect().await.unwrap()
}

async fn enter_as(kit: &TestKit, user: &str, room: &str) -> TestPage {
    enter(kit, &kit.user(user).await, room).await
}

/// The messages of the handler that have arrived until now.
async fn messages(page: &mut TestPage) -> Vec<Value> {
    let message = |received| match received {
        PageReceived::Text(text) => Some(serde_json::from_str(&text).unwrap()),
        PageReceived::Event(..) => None,
        other => panic!("received {other:?}"),
    };
    let received = page.received_so_far().await;
    received.into_iter().filter_map(message).collect()
}

/// The texts among these messages.
fn texts(messages: &[Value]) -> Vec<&str> {
    let said = messages.iter().filter(|message| message["type"] == "said");
    said.map(|message| message["text"].as_str().unwrap())
        .collect()
}

/// The names in the lists of these events.
fn members(messages: &[Value], list: &str) -> Vec<String> {
    let listed = messages
        .iter()
        .filter_map(|message| message[list].as_array());
    let name = |member: &Value| member.get(0).unwrap_or(member).as_str().unwrap().to_owned();
    listed.flatten().map(name).collect()
}

fn say(text: &str) -> Value {
    json!({"type": "say", "text": text})
}

fn follow(room: &str) -> Value {
    json!({"type": "follow", "room": room})
}

fn remove(name: &str) -> Value {
    json!({"type": "remove", "name": name})
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_the_last_messages_and_all_later_ones_without_a_gap() {
    let (kit, rooms) = (kit(), Room("tea".to_owned()));
    let publish = |number: usize| {
        let (name, text, at) = ("ada".to_owned(), number.to_string(), now());
        kit.hub().publish(&rooms, &Event::Said { name, text, at });
    };
    let bob = kit.user("bob").await;
    for number in 0..100 {
        publish(number);
    }
    let publishing = async {
        for number in 100..300 {
            publish(number);
            tokio::task::yield_now().await;
        }
    };
    let (mut page, ()) = tokio::join!(enter(&kit, &bob, "tea"), publishing);
    let received = messages(&mut page).await;
    let first: usize = texts(&received)[0].parse().unwrap();
    assert!((100 - HISTORY..300 - HISTORY).contains(&first), "{first}");
    let expected: Vec<String> = (first..300).map(|number| number.to_string()).collect();
    assert_eq!(texts(&received), expected);

    let mut later = enter(&kit, &bob, "tea").await;
    assert_eq!(
        texts(&messages(&mut later).await),
        expected[expected.len() - HISTORY..]
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_with_two_tabs_is_one_member_until_the_last_is_closed() {
    let kit = kit();
    let ada = kit.user("ada").await;
    let mut first = enter(&kit, &ada, "tea").await;
    let mut bob = enter_as(&kit, "bob", "tea").await;
    tokio::time::sleep(AFTER_LINGER).await;
    assert_eq!(
        members(&messages(&mut bob).await, "members"),
        ["ada", "bob"]
    );

    let mut second = enter(&kit, &ada, "tea").await;
    tokio::time::sleep(AFTER_LINGER).await;
    assert_eq!(
        members(&messages(&mut second).await, "members"),
        ["ada", "bob"]
    );
    first.bye().await;
    tokio::time::sleep(AFTER_LINGER).await;
    assert_eq!(messages(&mut bob).await, [] as [Value; 0]);

    second.bye().await;
    tokio::time::sleep(AFTER_LINGER).await;
    let changes = messages(&mut bob).await;
    assert_eq!(members(&changes, "left"), ["ada"]);
    assert_eq!(kit.hub().member_count(&Room("tea".to_owned())), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_in_a_room_can_remove_another_who_then_stays_out_for_a_while() {
    let kit = kit();
    let mut ada = enter_as(&kit, "ada", "tea").await;
    tokio::time::sleep(AFTER_LINGER).await;
    let bob = kit.user("bob").await;
    let mut tabs = [
        enter(&kit, &bob, "tea").await,
        enter(&kit, &bob, "tea").await,
    ];
    let mut elsewhere = enter(&kit, &bob, "lobby").await;

    let refused: Result<(), Refused> = tabs[0].try_request(&remove("ada")).await;
    assert_eq!(refused, Err(Refused::NotModerator));
    for name in ["ada", "carol"] {
        let refused: Result<(), Refused> = ada.try_request(&remove(name)).await;
        assert_eq!(refused, Err(Refused::NotHere));
    }
    let () = ada.request(&remove("bob")).await;
    let reason = "ada removed you from this room";
    for tab in &mut tabs {
        assert_eq!(tab.closed().await, (CloseCode::POLICY, reason.to_owned()));
    }
    let shown = messages(&mut ada).await;
    let removed = shown
        .iter()
        .find(|message| message["type"] == "removed")
        .unwrap();
    assert_eq!(
        (&removed["name"], &removed["by"]),
        (&json!("bob"), &json!("ada"))
    );
    let () = elsewhere.request(&say("still here")).await;

    let again = || kit.page("/rooms/tea").visitor(&bob).connect();
    let refused = again().await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.text()), (410, reason));
    tokio::time::sleep(AFTER_LINGER).await;
    assert_eq!(kit.hub().member_count(&Room("tea".to_owned())), 1);
    tokio::time::sleep(removals::DURATION).await;
    again().await.unwrap();
}

/// Otherwise a reload of the page would give the room to the next member.
#[tokio::test(start_paused = true)]
async fn a_moderator_who_reloads_the_page_remains_moderator() {
    let kit = kit();
    let ada = kit.user("ada").await;
    let mut page = enter(&kit, &ada, "tea").await;
    // The order of the members is that of real time.
    let came = now();
    while now() == came {
        std::hint::spin_loop();
    }
    let _bob = enter_as(&kit, "bob", "tea").await;
    page.bye().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut page = enter(&kit, &ada, "tea").await;
    let () = page.request(&remove("bob")).await;
}

#[tokio::test(start_paused = true)]
async fn typing_is_shown_to_those_who_are_here_and_not_kept() {
    let kit = kit();
    let mut ada = enter_as(&kit, "ada", "tea").await;
    let mut bob = enter_as(&kit, "bob", "tea").await;
    messages(&mut bob).await;
    let () = ada.request(&json!({"type": "typing"})).await;
    let () = ada.request(&say("hello")).await;
    let shown = messages(&mut bob).await;
    assert_eq!(shown[0], json!({"type": "typing", "name": "ada"}));
    assert_eq!(texts(&shown), ["hello"]);

    let mut carol = enter_as(&kit, "carol", "tea").await;
    let shown = messages(&mut carol).await;
    assert_eq!(texts(&shown), ["hello"]);
    assert!(
        shown.iter().all(|message| message["type"] != "typing"),
        "{shown:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_in_another_room_counts_the_messages_and_notices_that_they_were_read() {
    let kit = kit();
    let mut ada = enter_as(&kit, "ada", "tea").await;
    let bob = kit.user("bob").await;
    let mut lobby = enter(&kit, &bob, "lobby").await;
    let () = lobby.request(&follow("tea")).await;
    lobby.received_so_far().await;
    let () = ada.request(&say("hello")).await;
    assert_eq!(lobby.event::<String>("activity/tea").await, "ada");
    enter(&kit, &bob, "tea").await;
    assert_eq!(lobby.event::<String>("opened").await, "tea");
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_invalid_are_refused() {
    let kit = kit();
    let mut ada = enter_as(&kit, "ada", "tea").await;
    for (text, expected) in [
        (" ".to_owned(), Refused::Empty),
        ("ä".repeat(501), Refused::TooLong { max: 500 }),
    ] {
        let refused: Result<(), Refused> = ada.try_request(&say(&text)).await;
        assert_eq!(refused, Err(expected));
    }
    let () = ada.request(&say(&"ä".repeat(500))).await;

    let guest = kit.page("/rooms/tea").connect().await.unwrap_err();
    assert_eq!(guest.status(), 401);
    let bob = kit.user("bob").await;
    let unknown = kit
        .page("/rooms/Tea")
        .visitor(&bob)
        .connect()
        .await
        .unwrap_err();
    assert_eq!(unknown.status(), 404);
}

/// Otherwise a page could keep long texts as the names of events, and would count the messages of a
/// room in which its user must not be.
#[tokio::test(start_paused = true)]
async fn only_rooms_in_which_the_user_may_be_are_followed() {
    let kit = kit();
    let mut ada = enter_as(&kit, "ada", "tea").await;
    let bob = kit.user("bob").await;
    let mut lobby = enter(&kit, &bob, "lobby").await;
    for room in ["../x", "Tea", "", &"a".repeat(1_000)] {
        let refused: Result<(), Refused> = lobby.try_request(&follow(room)).await;
        assert_eq!(refused, Err(Refused::NoSuchRoom), "{room}");
    }
    let () = lobby.request(&follow("tea")).await;
    let _tab = enter(&kit, &bob, "tea").await;
    let () = ada.request(&remove("bob")).await;
    lobby.received_so_far().await;

    let () = ada.request(&say("in private")).await;
    assert_eq!(lobby.received_so_far().await, []);
    let refused: Result<(), Refused> = lobby.try_request(&follow("tea")).await;
    assert_eq!(refused, Err(Refused::Removed));
    let () = ada.request(&say("still in private")).await;
    assert_eq!(lobby.received_so_far().await, []);
}

/// Otherwise a removed user could end a removal by many others in a room of the user's own.
#[tokio::test(start_paused = true)]
async fn one_moderator_cannot_end_the_removals_of_another() {
    let removals = Removals::default();
    removals.add("tea", "eve", "ada");
    for _ in 0..2_000 {
        removals.add("den", "alt", "eve");
    }
    assert_eq!(removals.moderator("tea", "eve").as_deref(), Some("ada"));
    for number in 0..2_000 {
        removals.add("den", &format!("alt {number}"), "eve");
    }
    assert_eq!(removals.moderator("tea", "eve").as_deref(), Some("ada"));
    assert_eq!(
        removals.moderator("den", "alt 1999").as_deref(),
        Some("eve")
    );
    assert_eq!(removals.moderator("den", "alt 0"), None);

    // Removed again, a user stays out for the whole time again.
    tokio::time::advance(removals::DURATION / 2).await;
    removals.add("tea", "eve", "ada");
    tokio::time::advance(removals::DURATION / 2).await;
    assert_eq!(removals.moderator("tea", "eve").as_deref(), Some("ada"));
    tokio::time::advance(removals::DURATION / 2).await;
    assert_eq!(removals.moderator("tea", "eve"), None);
}

/// Otherwise a page of another site could log its visitor on under a name of its choice.
#[tokio::test(start_paused = true)]
async fn a_form_of_another_site_cannot_log_on() {
    let ws = Server::new(Routes::table())
        .state(Removals::default())
        .build()
        .unwrap();
    let pages = pages(&ws).recover(ws_server::recover);
    for (origin, expected) in [("http://evil.example", 403), ("http://chat.example", 303)] {
        let response = warp::test::request()
            .method("POST")
            .path("/logon")
            .header("host", "chat.example")
            .header("origin", origin)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("name=eve")
            .reply(&pages)
            .await;
        assert_eq!(response.status(), expected, "{origin}");
        let has_cookie = response.headers().contains_key("set-cookie");
        assert_eq!(has_cookie, expected == 303, "{origin}");
    }
}

#[test]
fn names_are_short_and_rooms_need_no_escaping() {
    let longest = "a".repeat(names::MAX_NAME);
    for name in ["ada", "Ada Lovelace", "Zoë", "r2-d2", "a.b_c", &longest] {
        assert!(names::is_user(name), "{name:?}");
    }
    for name in ["", "<b>Ada</b>", "{{room}}", "a\nb", &format!("{longest}a")] {
        assert!(!names::is_user(name), "{name:?}");
    }
    for name in ["tea", "room-7", &longest] {
        assert!(names::is_room(name), "{name:?}");
    }
    for name in ["", "Tea", "a/b", "{{user}}", &format!("{longest}a")] {
        assert!(!names::is_room(name), "{name:?}");
    }
}

/// Otherwise a user could write in the name of another.
#[test]
fn no_two_names_look_the_same() {
    for name in [
        " ada",
        "ada ",
        "ada  lovelace",
        "ada\u{a0}lovelace", // spaces
        "ada\u{200b}",
        "ada\u{3164}",
        "\u{ad}ada",   // invisible
        "\u{202e}ada", // from right to left
        "zoe\u{308}",  // a combining mark
        "\u{430}da",   // a Cyrillic letter
    ] {
        assert!(!names::is_user(name), "{name:?}");
    }
}
