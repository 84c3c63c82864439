//! Pages under a rolling restart: with and without a handler.

use std::sync::Arc;

use tokio::time::sleep;
use ws_server::page::Resumed;
use ws_server::prelude::*;
use ws_server::testkit::{PageReceived, TestPage};

use super::{LAST, Servers, TICK, Wire};

/// Shows the topic on a page, and reports why it has begun.
pub(super) struct Show;

#[ws_handler]
impl Show {
    fn init(resumed: Resumed, page: Page) -> Result<Self, Refusal> {
        resumed.subscribe("said", &Wire)?;
        page.push("began", &format!("{:?}", resumed.reason()));
        Ok(Show)
    }
}

/// The route of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Without a handler.
    Stream,
    /// With a handler.
    Handled,
}

impl Kind {
    const fn path(self) -> &'static str {
        match self {
            Self::Stream => "/stream",
            Self::Handled => "/handled",
        }
    }
}

/// What a page has received.
pub(super) struct PageRead {
    pub(super) kind: Kind,
    pub(super) texts: Vec<String>,
    /// Why its handlers have begun, in order.
    pub(super) began: Vec<String>,
    /// How often its connection was closed.
    pub(super) closed: usize,
}

/// Connects a page that gets the topic.
pub(super) async fn connect(servers: &Servers, preferred: usize, kind: Kind) -> TestPage {
    let kit = servers.get(preferred);
    let page = kit.page(kind.path()).without_cookies().connect().await;
    let mut page = page.unwrap();
    match kind {
        Kind::Stream => page.page().subscribe("said", Wire).unwrap(),
        Kind::Handled => assert_eq!(page.event::<String>("began").await, "New"),
    }
    page
}

async fn reconnect(page: &mut TestPage, servers: &Servers, preferred: usize) {
    // The server may begin to drain meanwhile.
    loop {
        page.set_server(&servers.get(preferred));
        match page.reconnect().await {
            Ok(()) => return,
            Err(refusal) => assert_eq!(refusal.status(), 503, "{refusal:?}"),
        }
        sleep(TICK).await;
    }
}

/// Reads up to the last message, over any number of connections.
///
/// # Panics
///
/// Panics if the page gets a reset.
pub(super) async fn run(
    mut page: TestPage,
    servers: Arc<Servers>,
    (preferred, kind): (usize, Kind),
) -> PageRead {
    let mut read = PageRead {
        kind,
        texts: Vec::new(),
        began: Vec::new(),
        closed: 0,
    };
    loop {
        match page.receive().await {
            PageReceived::Event(event, data) => {
                let text = data.as_str().unwrap().to_owned();
                if event == "began" {
                    read.began.push(text);
                } else if text == LAST {
                    return read;
                } else {
                    read.texts.push(text);
                }
            }
            PageReceived::Closed(code, reason) => {
                assert_eq!(code, CloseCode::SERVICE_RESTART, "{reason}");
                assert!(reason.starts_with("retry="), "{reason}");
                read.closed += 1;
                reconnect(&mut page, &servers, preferred).await;
            }
            other => panic!("{other:?} of a page: {kind:?}"),
        }
    }
}
