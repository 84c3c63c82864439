//! A page without cookies, over TCP.

use serde_json::Value;

use crate::browser::Client;

/// A page without cookies: what it knows, and its connection.
pub(super) struct Device {
    pub(super) client: Client,
    pub(super) id: String,
    epoch: String,
    base: String,
    offset: u64,
    /// Of each lane from which it has a message.
    places: Vec<String>,
}

fn member(message: &Value, name: &str) -> Option<String> {
    Some(message[name].as_str()?.to_owned())
}

async fn next(client: &mut Client) -> Value {
    serde_json::from_str(&client.text().await.unwrap()).unwrap()
}

impl Device {
    pub(super) async fn connect(port: u16) -> Self {
        let mut client = Client::connect_page(port, "/device?client=7&attempt=1").await;
        let welcome = next(&mut client).await;
        Self {
            client,
            id: member(&welcome, "page").unwrap(),
            epoch: member(&welcome, "epoch").unwrap(),
            base: member(&welcome, "base").unwrap(),
            offset: 0,
            places: Vec::new(),
        }
    }

    /// Connects to another server. Returns its `welcome`.
    pub(super) async fn move_to(&mut self, port: u16) -> Value {
        let Self {
            id,
            epoch,
            base,
            offset,
            places,
            ..
        } = self;
        let at = places.join("-");
        let query = format!("z_pid={id}&epoch={epoch}&offset={offset}&base={base}&at={at}");
        let path = format!("/device?client=7&attempt=2&{query}");
        self.client = Client::connect_page(port, &path).await;
        let welcome = next(&mut self.client).await;
        self.epoch = member(&welcome, "epoch").unwrap();
        self.offset = welcome["offset"].as_u64().unwrap();
        self.note_base(&welcome);
        welcome
    }

    /// The data of the next event; `None` if the connection has ended.
    ///
    /// # Panics
    ///
    /// Panics if the page gets a `reset`, or if an event is missing.
    pub(super) async fn event(&mut self) -> Option<String> {
        loop {
            let text = self.client.text().await?;
            let message: Value = serde_json::from_str(&text).unwrap();
            match message["type"].as_str().unwrap() {
                "event" => {
                    assert_eq!(message["offset"], self.offset + 1, "{message}");
                    self.offset += 1;
                    self.note_places(&message);
                    self.acknowledge().await;
                    return member(&message, "data");
                }
                "pong" => self.note_places(&message),
                "base" => self.note_base(&message),
                _ => panic!("{message}"),
            }
        }
    }

    /// Acknowledges every 32nd message.
    async fn acknowledge(&mut self) {
        if self.offset.is_multiple_of(32) {
            let ack = format!(r#"{{"type":"ack","offset":{}}}"#, self.offset);
            // If the connection has ended, the next read shows it.
            let _ = self.client.try_send(&ack).await;
        }
    }

    fn note_base(&mut self, message: &Value) {
        if let Some(base) = member(message, "base") {
            self.base = base;
            self.places.clear();
        }
    }

    /// A place replaces the one of the same lane.
    fn note_places(&mut self, message: &Value) {
        let lane = |place: &str| place.split('.').next().map(str::to_owned);
        for place in message["at"].as_str().unwrap().split('-') {
            self.places.retain(|it| lane(it) != lane(place));
            self.places.push(place.to_owned());
        }
    }
}
