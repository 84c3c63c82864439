// Serves the pages that the front page shows, and asks them as a browser does.

include!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/site/browser.rs"
));

struct Live;

#[ws_handler]
impl Live {
    fn init() -> Self {
        Live
    }
}

dispatch! {
    struct Routes;

    live: "/live" => Live;
}

fn serves(pages: fn(&Ws) -> WsFilter) {
    ws_server::runtime::block_on(async move {
        let ws = Server::new(Routes::table()).build().unwrap();
        let filter = ws.filter().or(pages(&ws));
        let (listener, mut browser) = site().await;
        let serving = tokio::spawn(ws.serve_listener(filter, listener));
        let refused = browser.ask("GET /live").await;
        assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
        for (request, end) in [
            ("GET /", "Hello, stranger!"),
            ("POST /logon/ada", "welcome"),
            ("GET /", "Hello, ada!"),
        ] {
            let response = browser.ask(request).await;
            assert!(response.ends_with(end), "{request}: {response}");
        }
        assert!(browser.upgrade("/live").await.starts_with("HTTP/1.1 101 "));
        assert!(browser.ask("POST /logoff").await.ends_with("goodbye"));
        assert!(browser.upgrade("/live").await.starts_with("HTTP/1.1 403 "));
        serving.abort();
    });
}
