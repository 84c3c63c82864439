//! A server in a process of its own.

use tokio::net::TcpListener;
use ws_server::limits::PageLimits;
use ws_server::prelude::*;
use ws_server::session::Secrets;

/// More pages than any run has.
const MAX_PAGES: usize = 1_000_000;

topics! {
    /// The numbers that the pages get.
    News: "news" => String { history: 100, keep: 10m };
}

/// Publishes what its client sends, and returns it when it is in the log. Counts the servers of the
/// cluster on request.
struct Publisher;

#[ws_handler]
impl Publisher {
    fn init() -> Self {
        Publisher
    }

    async fn message(&mut self, text: String, hub: &Hub) -> Result<String, Close> {
        if text == "nodes" {
            let view = hub.cluster().expect("the servers share a log");
            return Ok(view.nodes.len().to_string());
        }
        hub.publish(News, &text).await?;
        Ok(text)
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false, ping: off, idle: off }

    publish: "/publish" => Publisher;
    page: "/page" => PageStream { attach: page };
}

/// Runs a server until its process is killed. Prints its port. Every message of a page subscribes
/// the page.
pub(crate) async fn run(redis: &str) {
    let secrets = Secrets::new([[7; 32]]).expect("32 bytes");
    let limits = PageLimits::DEFAULT
        .per_address(MAX_PAGES)
        .anonymous(MAX_PAGES)
        .anonymous_rate(None);
    let server = Server::new(Routes::table()).redis([redis]).secrets(secrets);
    // All pages have one address. The limit of handshakes is the default.
    let server = server.per_address(None).page_limits(limits);
    let ws = server.build().expect("a valid configuration");
    ws.hub().on_page_message(|sent, _| {
        let subscribed = sent.page.subscribe("news", News);
        subscribed.expect("the page has one subscription");
    });
    ws.ready().await;
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    println!("{}", listener.local_addr().expect("bound").port());
    let ended = ws.run_listener(listener).await;
    ended.expect("the server runs until it is killed");
}
