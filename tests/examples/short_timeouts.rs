//! An echo with short ping and idle timeouts, for the test that pauses a process:
//!
//! ```sh
//! cargo run -p ws-tests --example short_timeouts -- --listen 127.0.0.1:3032
//! ```

use std::error::Error;

use tokio::net::TcpListener;
use ws_server::prelude::*;

/// Echoes every message.
struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }
}

dispatch! {
    struct Routes;

    echo: "/echo" => Echo { require_session: false, ping: 300ms, idle: 1500ms };
}

#[ws_server::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [option, address] = &arguments[..] else {
        return Err("expected `--listen ADDR`".into());
    };
    if option != "--listen" {
        return Err(format!("unknown option `{option}`").into());
    }
    let ws = Server::new(Routes::table()).build()?;
    let listener = TcpListener::bind(address).await?;
    println!("http://{}/", listener.local_addr()?);
    ws.run_until(listener, std::future::pending()).await;
    Ok(())
}
