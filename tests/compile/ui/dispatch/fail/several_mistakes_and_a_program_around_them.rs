//! Tables with seven mistakes, and a program that uses all of them: each mistake is reported once,
//! and no use is.
#![deny(warnings)]

use ws_server::{prelude::*, route::Table};

#[derive(Clone)]
struct App;

struct Room;

#[ws_handler]
impl Room {
    fn init(Path(_id): Path<u64>, _: State<App>) -> Self {
        Room
    }

    fn info(&mut self, _: u8) {}
}

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

mod admin {
    use ws_server::prelude::*;

    dispatch! {
        /// An inner table with mistakes.
        pub struct Routes;
        state: super::App;

        one: "/one/{id: u64}" => super::Room { mailbocks: 8 };
        two: "/two/{id: u64}" super::Room;
    }
}

dispatch! {
    /// The outer table.
    pub struct Routes;
    state: App;

    room: "/rooms/{id: u64}" => Room { idle: 0s };
    open: "/open/{id: u64" => Room;
    both: "/both/{first}-{second}/{third: u64}" => Room;
    text: "/text/{name}/{*rest}" => Echo { ping: 1 };
    admin: "/admin" => use admin::Routes { ping: 20s };
}

dispatch! {
    /// A table without a mistake, around those with some.
    pub struct Outer;
    state: App;

    api: "/api" => use Routes;
    admin: "/admin" => use admin::Routes;
    room: "/rooms/{id: u64}" => Room;
}

fn urls() -> Vec<String> {
    let admin = Routes::admin(admin::Routes::one(7));
    let urls = [
        Routes::room(7),
        Routes::open(7),
        Routes::both("a", "b", 7),
        Routes::text("ada", String::from("a/b")),
        admin::Routes::two(7),
        Outer::api(admin),
        Outer::admin(admin::Routes::one(8)),
        Outer::room(9),
    ];
    urls.map(|url| url.to_string()).to_vec()
}

fn server() -> Result<(), ws_server::Error> {
    let _: Table<App> = Routes::table();
    let _ = Server::new(Routes::table()).state(App).build()?;
    let _ = Server::new(Outer::table()).state(App).build()?;
    Ok(())
}

fn notify(socket: &Socket<Room>) {
    let _ = socket.notify(7);
}

fn main() {
    let _ = (urls(), server(), notify);
}
