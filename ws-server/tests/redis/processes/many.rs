//! Many pages of a process that is killed continue on the other one, which had none of them.

use std::ops::Range;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::device::Device;
use super::killed::{READS, connect_page, reads_of};
use super::server::ServerProcess;
use crate::browser::Client;
use crate::server::RedisServer;

const PAGES: usize = 200;

/// Messages before the process is killed, before the pages return, and while they do; half of each
/// to each topic.
const PART: usize = 20;

/// All messages.
const ALL: usize = 4 * PART;

/// The data of all pushes.
const PUSHES: [usize; 3] = [0, 1, 2];

fn text_of(number: usize) -> String {
    let kind = if number.is_multiple_of(2) {
        ""
    } else {
        "tell "
    };
    format!("{kind}{number}")
}

/// Publishes one message after the other.
async fn publish(speaker: &mut Client, numbers: Range<usize>) {
    for number in numbers {
        say(speaker, &text_of(number)).await;
    }
}

/// Returns when the log has it.
async fn say(speaker: &mut Client, text: &str) {
    speaker.send(text).await;
    assert_eq!(speaker.text().await.as_deref(), Some(text));
}

/// A page reads on its server, and on the other one when it may return. Notifies the test after the
/// first part, and when it is back. Returns the texts that it has received.
async fn read(
    mut page: Device,
    other: u16,
    mut may_return: watch::Receiver<bool>,
    progress: mpsc::Sender<()>,
) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(text) = page.event().await {
        texts.push(text);
        if texts.len() == PART + 1 {
            progress.send(()).await.unwrap();
        }
    }
    may_return.wait_for(|may| *may).await.unwrap();
    let welcome = page.move_to(other).await;
    assert_eq!(welcome["continued"], true, "{welcome}");
    progress.send(()).await.unwrap();
    while texts.len() < ALL + PUSHES.len() {
        texts.push(page.event().await.unwrap());
    }
    texts
}

/// Waits until one more page has got on.
async fn wait(progressed: &mut mpsc::Receiver<()>, reading: &mut JoinSet<Vec<String>>) {
    tokio::select! {
        progress = progressed.recv() => progress.unwrap(),
        Some(ended) = reading.join_next() => panic!("a page has ended early: {ended:?}"),
    }
}

/// The texts of a page that have this beginning, without it.
fn with_beginning<'t>(texts: &'t [String], begin: &str) -> Vec<&'t str> {
    let texts = texts.iter();
    let rest = texts.filter_map(|text| text.strip_prefix(begin));
    rest.filter(|rest| rest.parse::<usize>().is_ok()).collect()
}

fn check(texts: &[String]) {
    let numbers = |numbers: Vec<usize>| numbers.iter().map(ToString::to_string).collect();
    let expected: [(&str, Vec<String>); 3] = [
        ("speaker ", numbers((0..ALL).step_by(2).collect())),
        ("speaker tell ", numbers((1..ALL).step_by(2).collect())),
        ("", numbers(PUSHES.to_vec())),
    ];
    for (begin, expected) in expected {
        assert_eq!(with_beginning(texts, begin), expected, "{begin:?}");
    }
}

#[tokio::test]
async fn all_pages_of_a_killed_process_continue_on_a_process_without_subscribers() {
    let redis = RedisServer::start();
    let mut servers = [ServerProcess::start(&redis), ServerProcess::start(&redis)];
    let mut chat = Client::connect(servers[0].port, "/chat/a").await;
    let mut speaker = Client::connect(servers[1].port, "/speaker").await;
    let (may_return, _) = watch::channel(false);
    let (progress, mut progressed) = mpsc::channel(PAGES);
    let mut reading = JoinSet::new();
    for _ in 0..PAGES {
        let page = connect_page(&servers[0], &mut chat).await;
        let may_return = may_return.subscribe();
        reading.spawn(read(page, servers[1].port, may_return, progress.clone()));
    }
    // The log has it behind the subscriptions of the pages.
    chat.send("push 0").await;
    assert_eq!(chat.text().await.as_deref(), Some("pushed"));
    publish(&mut speaker, 0..PART).await;
    for _ in 0..PAGES {
        wait(&mut progressed, &mut reading).await;
    }
    let reads = reads_of(&redis);
    servers[0].kill();
    publish(&mut speaker, PART..2 * PART).await;
    say(&mut speaker, "push 1").await;
    may_return.send_replace(true);
    for number in 0..PAGES {
        wait(&mut progressed, &mut reading).await;
        let done = 2 * PART + number * PART / PAGES;
        let next = 2 * PART + (number + 1) * PART / PAGES;
        publish(&mut speaker, done..next).await;
    }
    say(&mut speaker, "push 2").await;
    publish(&mut speaker, 3 * PART..ALL).await;
    while let Some(texts) = reading.join_next().await {
        check(&texts.unwrap());
    }
    assert_eq!(reads_of(&redis), reads, "{READS:?}");
}
