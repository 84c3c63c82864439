//! Futures and functions that never return: their output is `!` from the edition 2024 on.
#![deny(warnings)]

use std::future::pending;

use ws_server::prelude::*;

struct Clock;

#[ws_handler]
impl Clock {
    fn init(socket: &Socket<Self>, hub: &Hub) -> Result<Self, Refusal> {
        let sender = socket.sender();
        let endless = socket.spawn(async move {
            loop {
                pending::<()>().await;
                let _ = sender.send("tick");
            }
        });
        endless.or_refuse()?;
        let perhaps_endless = socket.spawn(async move {
            loop {
                if true {
                    return;
                }
                pending::<()>().await;
            }
        });
        perhaps_endless.or_refuse()?;
        let fails = socket.spawn(async move {
            loop {
                pending::<Result<(), Close>>().await?;
            }
            #[allow(unreachable_code)]
            Ok::<(), Close>(())
        });
        fails.or_refuse()?;
        socket.spawn(async { panic!("it ends so") }).or_refuse()?;
        hub.on_page_message(|_, _| panic!("it ends so"));
        Ok(Clock)
    }

    async fn message(&mut self, _text: String, socket: &Socket<Self>) {
        let handle = socket.clone();
        let _ = socket.spawn(async move {
            while handle.is_open() {
                pending::<()>().await;
            }
        });
    }
}

pub(crate) fn main() {
    is_handler::<Clock>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
