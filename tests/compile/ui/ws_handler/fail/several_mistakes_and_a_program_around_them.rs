//! A handler with five mistakes, and a program that uses all of it: each mistake is reported
//! once, the block stays as it is, and no use is reported.
#![deny(warnings)]

use ws_server::prelude::*;

#[derive(Clone, FromRef)]
struct App {
    name: String,
}

enum Event {
    Said(String),
}

struct Room<T> {
    values: Vec<T>,
}

#[ws_handler]
impl<T: Clone + Send + 'static> Room<T> {
    /// How many.
    const LIMIT: usize = 8;

    fn init(&self, Path(_id): Path<u64>, _: State<String>) -> Self {
        Room { values: Vec::new() }
    }

    fn message(self, text: String) -> String {
        text
    }

    fn info(&mut self, Event::Said(text): &Event) -> String {
        text.clone()
    }

    fn terminate(self, Query(_query): Query<Vec<(u8, u8)>>) -> u8 {
        0
    }

    fn push(&mut self, value: T) -> usize {
        self.values.push(value);
        self.values.len().min(Self::LIMIT)
    }
}

mod inner {
    use ws_server::prelude::*;

    dispatch! {
        /// The inner table.
        pub struct Routes;
        state: super::App;

        room: "/{id: u64}" => super::Room<u8>;
    }
}

dispatch! {
    /// The table.
    pub struct Routes;
    state: App;

    room: "/rooms/{id: u64}" => Room<String> { mailbox: 8, require_session: false };
    page: "/page/{id: u64}" => Room<u8> { attach: page };
    start: "/start/{id: u64}" => Room<u8> { start: choose };
    inner: "/inner" => use inner::Routes;
}

fn choose<R>(_: &Handshake) -> Start<R>
where
    Room<u16>: Handler<R>,
{
    Start::with::<Room<u16>>()
}

fn notify(socket: &Socket<Room<u8>>) {
    let _ = socket.notify(Event::Said("hello".to_owned()));
    let _ = socket.notify_after(std::time::Duration::from_secs(1), Event::Said(String::new()));
}

fn keep<T: Clone + Send + 'static>(room: &mut Room<T>, value: T) -> usize {
    room.push(value) + Room::<T>::LIMIT
}

fn server() -> Result<(), ws_server::Error> {
    let app = App {
        name: "app".to_owned(),
    };
    let _ = Server::new(Routes::table()).state(app).build()?;
    Ok(())
}

fn main() {
    let urls = [Routes::room(7), Routes::page(8), Routes::inner(inner::Routes::room(9))];
    let _ = (urls, notify, keep::<u8>, server());
}
