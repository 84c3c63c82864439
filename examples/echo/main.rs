//! Echo and fan-out, for conformance and load tools.
//!
//! `/echo` sends every message back, `/fanout` sends it to everybody who is connected
//! there, the sender included; `/deflate` is `/echo` for clients that compress their messages
//! (RFC 7692). `--workers 1` serves with a single thread in all. Limits per
//! address and the check of origins are lifted, unless `--guarded` asks for them.

use examples::{Options, Takes, announce};
use ws_server::prelude::*;

/// The first line of `--help`.
const ABOUT: &str = "Echo on /echo, compressed on /deflate, and fan-out on /fanout: for \
                     conformance and load tools.";

/// Sends every message back as it came.
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

/// Sends every message to everybody.
struct Fanout {
    everybody: Topic<Message>,
}

#[ws_handler]
impl Fanout {
    fn init(socket: &Socket<Self>) -> Self {
        let everybody = Topic::local("everybody");
        socket.subscribe(&everybody);
        Fanout { everybody }
    }

    fn message(&mut self, message: Message, hub: &Hub) {
        hub.publish(&self.everybody, &message);
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false, max_message: 64 MiB }

    echo:    "/echo"    => Echo;
    fanout:  "/fanout"  => Fanout;
    deflate: "/deflate" => Echo { deflate: true, origins: any };
}

async fn serve(options: Options) -> examples::Result<()> {
    let mut server = Server::new(Routes::table());
    if !options.guarded {
        server = server.any_origin().per_address(None);
    }
    let ws = server.build()?;
    let listener = options.bind().await?;
    announce(&listener, "/")?;
    Ok(ws.run_listener(listener).await?)
}

fn main() -> examples::Result<()> {
    let options = Options::from_command_line(ABOUT, Takes::Everything)?;
    match options.workers {
        Some(workers) => ws_server::runtime::block_on_with_workers(workers, serve(options)),
        None => ws_server::runtime::block_on(serve(options)),
    }
}
