//! All four hooks as async functions, which hold arguments while they wait.
#![deny(warnings)]

use std::future::ready;

use ws_server::prelude::*;

struct Room {
    log: Vec<String>,
}

enum Info {
    Kick(String),
}

#[ws_handler]
impl Room {
    async fn init(
        handshake: &Handshake,
        Query(query): Query<Vec<(String, String)>>,
        session: Session,
        hub: &Hub,
        socket: &Socket<Self>,
    ) -> Result<Self, Refusal> {
        let log = vec![handshake.path().to_owned(), session.id().to_string()];
        ready(()).await;
        let asked = ready((hub, socket, query)).await.2;
        if asked.is_empty() {
            return Err(Refusal::FORBIDDEN);
        }
        Ok(Self { log })
    }

    async fn message(&mut self, text: String, socket: &Socket<Self>, hub: Hub) -> Vec<String> {
        ready(()).await;
        self.log.push(text);
        let _ = ready((socket, &hub)).await;
        let _ = socket.notify(Info::Kick("too much".to_owned()));
        self.log.clone()
    }

    async fn info(&mut self, Info::Kick(why): Info, page: Option<Page>) -> Close {
        ready(page).await;
        Close::policy(why)
    }

    async fn terminate(mut self, hub: &Hub, reason: CloseReason, session: Option<Session>) {
        ready((hub, session)).await;
        self.log.push(reason.to_string());
    }
}

pub(crate) fn main() {
    is_handler::<Room>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
