//! Echo and fan-out, for conformance and load tools.
//!
//! `/echo` sends every message back; `/fanout` sends it to every client of that route, including
//! the sender; `/room/7` does the same for the clients of one room; `/deflate` is `/echo` for
//! clients that compress their messages (RFC 7692). `--workers 1` runs everything on a single
//! thread. Without `--guarded`, there are no limits per address and no origin check.

use examples::{OptionSet, Options, announce};
use ws_server::prelude::*;

/// The first line of `--help`.
const ABOUT: &str = "Echo on /echo, compressed on /deflate, and fan-out on /fanout: for \
                     conformance and load tools.";

/// Sends every message back unchanged.
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

/// Sends every message to every client.
struct Fanout {
    clients: Topic<Message>,
}

#[ws_handler]
impl Fanout {
    fn init(socket: &Socket<Self>) -> Self {
        let clients = Topic::local("clients");
        socket.subscribe(&clients);
        Fanout { clients }
    }

    fn message(&mut self, message: Message, hub: &Hub) {
        hub.publish(&self.clients, &message);
    }
}

/// Sends every message to every client of the same room.
struct Room {
    clients: Topic<Message>,
}

#[ws_handler]
impl Room {
    fn init(Path(id): Path<u32>, socket: &Socket<Self>) -> Self {
        let clients = Topic::local(format!("room/{id}"));
        socket.subscribe(&clients);
        Room { clients }
    }

    fn message(&mut self, message: Message, hub: &Hub) {
        hub.publish(&self.clients, &message);
    }
}

dispatch! {
    struct Routes;

    defaults { require_session: false, max_message: 64 MiB }

    echo:    "/echo"           => Echo;
    fanout:  "/fanout"         => Fanout;
    room:    "/room/{id: u32}" => Room;
    deflate: "/deflate"        => Echo { deflate: true, origins: any };
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
    let options = Options::from_command_line(ABOUT, OptionSet::All)?;
    match options.workers {
        Some(workers) => ws_server::runtime::block_on_with_workers(workers, serve(options)),
        None => ws_server::runtime::block_on(serve(options)),
    }
}
