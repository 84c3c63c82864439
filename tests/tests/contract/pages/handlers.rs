//! Handlers that live as long as a page: `attach: page`.

use super::*;
use crate::journal::Journal;

mod flow;
mod opening;
pub(crate) mod pressure;

/// Publishes to a topic and listens to it.
pub(crate) struct Listener;

#[ws_handler]
impl Listener {
    fn init(socket: &Socket<Self>) -> Self {
        socket.listen::<_, u64>(Topic::<u64>::local("numbers"));
        Listener
    }

    fn info(&mut self, number: u64) -> String {
        number.to_string()
    }
}

/// Counts messages, and runs the command in a message.
struct Desk {
    journal: Journal,
    count: u64,
    user: Option<String>,
}

#[ws_handler]
impl Desk {
    async fn init(
        journal: Journal,
        session: Session,
        handshake: &Handshake,
        socket: &Socket<Self>,
    ) -> Result<Self, Refusal> {
        if let Some(seconds) = handshake.header("x-slow") {
            tokio::time::sleep(secs(seconds.parse().unwrap())).await;
        }
        let user = session.user().map(str::to_owned);
        if user.as_deref() == Some("eve") {
            return Err(Refusal::FORBIDDEN.body("not you"));
        }
        journal.note(format!("init {}", user.as_deref().unwrap_or("nobody")));
        socket.subscribe(Topic::<u64>::local("news"));
        Ok(Desk {
            journal,
            count: 0,
            user,
        })
    }

    async fn message(
        &mut self,
        text: String,
        socket: &Socket<Self>,
        page: Page,
    ) -> ws_server::reply::Reply {
        use ws_server::reply::IntoReply;
        self.count += 1;
        self.journal.note(format!("message {text}"));
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match word {
            "later" => {
                socket.notify_after(secs(rest.parse().unwrap()), "late".to_owned());
                ().into_reply()
            }
            "many" => {
                let count: usize = rest.parse().unwrap();
                (0..count)
                    .map(|n| n.to_string())
                    .collect::<Vec<_>>()
                    .into_reply()
            }
            "bytes" => Message::binary(vec![0xfb, 0xff, 1]).into_reply(),
            "push" => {
                page.push("pushed", &self.count);
                ().into_reply()
            }
            "leave" => ("bye".to_owned(), Close::normal("done")).into_reply(),
            "panic" => panic!("on command"),
            "slow" => {
                tokio::time::sleep(secs(rest.parse().unwrap())).await;
                "done".into_reply()
            }
            _ => {
                let user = self.user.as_deref().unwrap_or("nobody");
                format!("{} {text} of {user}", self.count).into_reply()
            }
        }
    }

    fn info(&mut self, text: String) -> String {
        self.journal.note(format!("info {text}"));
        text
    }

    fn terminate(self, reason: CloseReason) {
        let (cause, code) = (reason.cause, reason.code.get());
        self.journal.note(format!("terminate {cause:?} {code}"));
    }
}

dispatch! {
    struct Desks;

    desk:   "/desk"   => Desk { attach: page };
    stream: "/stream" => PageStream;
}

struct Office {
    kit: TestKit,
    visitor: TestVisitor,
    journal: Journal,
}

impl Office {
    async fn new() -> Self {
        Self::with(PageLimits::DEFAULT).await
    }

    async fn with(pages: PageLimits) -> Self {
        let kit = TestKit::with_limits(ServerLimits::DEFAULT.pages(pages));
        let kit = kit.with_table(Desks::table(), NoState).unwrap();
        let visitor = kit.visitor().await;
        let journal = Journal::new();
        JOURNAL.with(|current| current.borrow_mut().replace(journal.clone()));
        Self {
            kit,
            visitor,
            journal,
        }
    }

    fn tab(&self) -> Tab {
        self.tab_of(&self.visitor.page())
    }

    fn tab_of(&self, page: &Page) -> Tab {
        let mut tab = Tab::of(&self.kit, &self.visitor, "/desk", page);
        tab.change_handshake =
            |builder| JOURNAL.with(|journal| journal.borrow().as_ref().unwrap().attach(builder));
        tab
    }
}

thread_local! {
    /// The journal for the handlers of the test that runs on this thread.
    static JOURNAL: std::cell::RefCell<Option<Journal>> = const { std::cell::RefCell::new(None) };
}

fn text_event(text: &str) -> TabEvent {
    TabEvent::Text(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_handler_outlives_its_sockets_and_its_messages_use_the_queue() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("a").await;
    assert_eq!(tab.received_so_far().await, [text_event("1 a of nobody")]);
    tab.send("later 5").await;
    settle().await;
    tab.disconnect().await;
    // While the page is away, the handler keeps running.
    tokio::time::sleep(secs(10)).await;
    office.kit.hub().publish(Topic::<u64>::local("news"), &7);
    settle().await;
    tab.connect().await.unwrap();
    assert_eq!(
        tab.received_so_far().await,
        [text_event("late"), text_event("7")]
    );
    tab.send("b").await;
    tab.send("bytes").await;
    tab.send("push").await;
    let expected = [
        text_event("3 b of nobody"),
        TabEvent::Binary("+/8B".to_owned()),
        event("pushed", 5),
    ];
    let mut got = tab.received_so_far().await;
    got.sort_by_key(|got| format!("{got:?}"));
    let mut sorted = expected.to_vec();
    sorted.sort_by_key(|got| format!("{got:?}"));
    assert_eq!(got, sorted);
    assert_eq!(office.journal.lines_of("init"), ["init nobody"]);
    assert_eq!(
        office.kit.hub().connection_count(),
        1,
        "the page is no connection"
    );
}

#[tokio::test(start_paused = true)]
async fn terminate_runs_when_the_page_ends_by_its_grace_time() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.disconnect().await;
    tokio::time::sleep(secs(19)).await;
    assert_eq!(office.journal.lines_of("terminate"), Vec::<String>::new());
    tokio::time::sleep(secs(2)).await;
    assert_eq!(
        office.journal.lines_of("terminate"),
        ["terminate Lost 1006"]
    );
    // A page that returns later gets a new handler, and a reset.
    tab.connect().await.unwrap();
    assert_eq!(
        tab.received_so_far().await,
        [TabEvent::Reset("restart".to_owned())]
    );
    assert_eq!(office.journal.lines_of("init").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn bye_ends_the_handler_like_a_close_of_the_client() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send_raw(&json!({"type": "bye"})).await;
    tab.next().await;
    settle().await;
    let terminated = ["terminate ClientClosed 1001"];
    assert_eq!(office.journal.lines_of("terminate"), terminated);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_handler_ends_the_page_with_1011() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("panic").await;
    assert!(matches!(tab.next().await, TabEvent::Closed(1011, _)));
    settle().await;
    let terminated = ["terminate HookPanic 1011"];
    assert_eq!(office.journal.lines_of("terminate"), terminated);
    tab.connect().await.unwrap();
    assert_eq!(
        tab.received_so_far().await,
        [TabEvent::Reset("restart".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_session_ends_the_handler_and_its_socket_with_4401() {
    let mut office = Office::new().await;
    let mut tab = office.tab().connected().await;
    let mut away = office.tab().connected().await;
    away.disconnect().await;
    office.visitor.logoff().await;
    assert!(matches!(tab.next().await, TabEvent::Closed(4401, _)));
    settle().await;
    let terminated = ["terminate Expired 4401"; 2];
    assert_eq!(office.journal.lines_of("terminate"), terminated);
}

#[tokio::test(start_paused = true)]
async fn the_reply_of_a_page_s_running_hook_precedes_the_close_of_a_shutdown() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("slow 2").await;
    settle().await;
    let hub = office.kit.hub().clone();
    let shutdown = tokio::spawn(async move { hub.shutdown(secs(16)).await });
    assert_eq!(tab.next().await, TabEvent::Text("done".to_owned()));
    assert!(matches!(tab.next().await, TabEvent::Closed(1001, _)));
    shutdown.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_handlers_of_pages_too() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    let mut away = office.tab().connected().await;
    away.disconnect().await;
    let hub = office.kit.hub().clone();
    let shutdown = tokio::spawn(async move { hub.shutdown(secs(10)).await });
    assert!(matches!(tab.next().await, TabEvent::Closed(1001, _)));
    shutdown.await.unwrap();
    let terminated = ["terminate Shutdown 1001"; 2];
    assert_eq!(office.journal.lines_of("terminate"), terminated);
}
