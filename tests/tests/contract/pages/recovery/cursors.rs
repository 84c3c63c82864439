//! Cursors as text, valid and invalid.

use std::collections::BTreeMap;

use super::*;

/// A page that keeps its cursor as text.
pub(super) struct CursorTab {
    pub(super) path: &'static str,
    kit: TestKit,
    visitor: TestVisitor,
    page: String,
    epoch: String,
    offset: u64,
    base: String,
    at: BTreeMap<String, String>,
    client: Option<ws_core::testkit::TestClient>,
}

impl CursorTab {
    pub(super) fn new(kit: &TestKit, visitor: &TestVisitor, page: &Page) -> Self {
        Self {
            path: "/chat",
            kit: kit.clone(),
            visitor: visitor.clone(),
            page: page.id().to_owned(),
            epoch: page.epoch().unwrap(),
            offset: 0,
            base: page.base().unwrap().to_owned(),
            at: BTreeMap::new(),
            client: None,
        }
    }

    fn places(&self) -> String {
        let places: Vec<_> = self.at.values().map(String::as_str).collect();
        places.join("-")
    }

    /// Connects with this cursor. Returns the status of a refusal.
    async fn try_connect(&mut self, cursor: &str) -> Result<(), u16> {
        let Self {
            path,
            page,
            epoch,
            offset,
            ..
        } = self;
        let target = format!("{path}?z_pid={page}&epoch={epoch}&offset={offset}&{cursor}");
        let builder = self.kit.open(&target).session(&self.visitor);
        let builder = builder.header("sec-websocket-protocol", "page.v1");
        let client = builder.connect().await;
        self.client = Some(client.map_err(|refusal| refusal.status().as_u16())?);
        let welcome = self.next().await;
        let epoch = welcome["epoch"].as_str().unwrap();
        epoch.clone_into(&mut self.epoch);
        self.offset = welcome["offset"].as_u64().unwrap();
        if let Some(base) = welcome["base"].as_str() {
            (self.base, self.at) = (base.to_owned(), BTreeMap::new());
        }
        Ok(())
    }

    pub(super) async fn connect(&mut self) {
        let cursor = format!("base={}&at={}", self.base, self.places());
        self.try_connect(&cursor).await.unwrap();
    }

    pub(super) async fn next(&mut self) -> serde_json::Value {
        let message: serde_json::Value = self.client.as_mut().unwrap().json().await;
        if let Some(at) = message["at"].as_str() {
            for place in at.split('-') {
                let lane = place.split('.').next().unwrap();
                self.at.insert(lane.to_owned(), place.to_owned());
            }
        }
        if let (Some(offset), Some("event")) =
            (message["offset"].as_u64(), message["type"].as_str())
        {
            self.offset = offset;
        }
        message
    }

    /// The data of all events until that of `init`.
    async fn data(&mut self) -> Vec<serde_json::Value> {
        let mut all = Vec::new();
        loop {
            let message = self.next().await;
            all.push(message["data"].clone());
            if message["event"] == "init" {
                return all;
            }
        }
    }

    pub(super) async fn lose(&mut self) {
        self.client.take().unwrap().reset().await;
        tokio::time::sleep(AWAY).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_not_of_the_page_is_refused_or_causes_a_reset() {
    let (kit, visitor) = chats().await;
    let page = visitor.page();
    let mut tab = CursorTab::new(&kit, &visitor, &page);
    tab.connect().await;
    publish(&kit, 1, [1]);
    publish(&kit, 2, [1]);
    assert_eq!(tab.data().await.len(), 1);
    assert_eq!(tab.next().await["data"], 1);
    assert_eq!(tab.next().await["data"], 1);
    tab.lose().await;
    let base = tab.base.clone();
    let own = tab.places();
    let (lane, _) = own.split_once('.').unwrap();
    let other = visitor.page().base().unwrap().to_owned();
    let (third, _) = kit.hub().sessions().begin().await.unwrap();
    let third = kit.hub().open_page(&third).unwrap();
    let third = third.base().unwrap();
    let long = "A".repeat(2_049);
    for cursor in [
        format!("at={own}"),
        format!("base=&at={own}"),
        format!("base=a%20b&at={own}"),
        format!("base={long}&at={own}"),
        // Of another page, and of another session.
        format!("base={other}&at={own}"),
        format!("base={third}&at={own}"),
        format!("base={base}&at={lane}"),
        format!("base={base}&at=x"),
        format!("base={base}&at={own}-{own}"),
        format!("base={base}&at={lane}.0.0"),
        format!("base={base}&at={lane}.0.99.1"),
        format!("base={base}&at=99.0.0.1"),
        format!("base={base}&at={long}"),
        format!("base={base}&at={own}&at={own}"),
    ] {
        let refused = tab.try_connect(&cursor).await;
        if cursor.ends_with(&format!("at={lane}")) {
            // It is well-formed: the place is unknown.
            assert_eq!(refused, Ok(()), "{cursor}");
            assert_eq!(tab.next().await["why"], "restart");
            tab = CursorTab {
                client: None,
                ..tab
            };
            tab.epoch = page.epoch().unwrap();
            continue;
        }
        assert_eq!(refused, Err(400), "{cursor}");
    }
    // Of another server, or forged: nothing is sent from before.
    let foreign = TestKit::new().visitor().await;
    let foreign = foreign.page().base().unwrap().to_owned();
    let (start, last) = base.split_at(base.len() - 1);
    let forged = format!("{start}{}", if last == "A" { "Q" } else { "A" });
    for base in [&foreign, &forged] {
        let page = visitor.page();
        let mut tab = CursorTab::new(&kit, &visitor, &page);
        tab.connect().await;
        assert_eq!(tab.data().await, [json!(1), json!("New New")]);
        tab.lose().await;
        let cursor = format!("base={base}&at={own}");
        tab.try_connect(&cursor).await.unwrap();
        assert_eq!(tab.next().await["why"], "restart");
        assert_eq!(tab.data().await, [json!(1), json!("Lost Lost")]);
    }
}
