// Serves the pages that the front page shows, and asks them as a browser does.

include!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/site/browser.rs"
));

fn serves(table: ws_server::route::Table<ws_server::extract::NoState>, pages: fn(&Ws) -> WsFilter) {
    ws_server::runtime::block_on(async move {
        let ws = Server::new(table).build().unwrap();
        let filter = ws.filter().or(pages(&ws));
        let (listener, mut browser) = site().await;
        let serving = tokio::spawn(ws.serve_listener(filter, listener));
        let home = browser.ask("GET /").await;
        assert!(
            home.contains("<script type=\"module\" src=\"/ws-server/client-"),
            "{home}"
        );
        let client = browser.ask("GET /ws-server/client.js").await;
        assert!(client.contains("export * from"), "{client}");
        assert!(
            browser
                .upgrade("/profile")
                .await
                .starts_with("HTTP/1.1 101 ")
        );
        let pushed = browser.ask("POST /news/hello").await;
        assert!(pushed.ends_with("\r\n\r\n1"), "{pushed}");
        serving.abort();
    });
}
