//! Handlers and tables in closures, constants, async blocks, methods and generic functions.
#![deny(warnings)]

use ws_server::extract::NoState;
use ws_server::{prelude::*, route::Table};

macro_rules! declare {
    ($name:ident) => {
        struct Echo;

        #[ws_handler]
        impl Echo {
            fn init() -> Self {
                Echo
            }

            fn message(&mut self, text: String) -> String {
                text
            }
        }

        dispatch! {
            struct $name;

            echo: "/echo/{_id: u64}" => Echo;
        }
    };
}

trait Service {
    const TABLE: fn() -> Table<NoState>;

    fn url(&self) -> String;
}

struct Of<T>(T);

impl<T> Service for Of<T> {
    const TABLE: fn() -> Table<NoState> = {
        declare!(Constant);
        Constant::table
    };

    fn url(&self) -> String {
        declare!(Method);
        let _ = Method::table();
        Method::echo(1).to_string()
    }
}

fn generic<T: ToString>(value: &T) -> String {
    declare!(Generic);
    let _ = Generic::table();
    Generic::echo(2).to_string() + &value.to_string()
}

const fn of_a_constant() -> fn() -> Table<NoState> {
    declare!(InConst);
    let _ = InConst::echo;
    InConst::table
}

#[ws_server::main(workers = 1)]
pub(crate) async fn main() {
    declare!(Main);
    let _ = Main::table();
    let closure = || {
        declare!(Closure);
        let _ = Closure::table();
        Closure::echo(3).to_string()
    };
    let block = async {
        declare!(Async);
        let _ = Async::table();
        std::future::ready(()).await;
        Async::echo(4).to_string()
    };
    let urls = [Of(0).url(), generic(&'!'), closure(), block.await, Main::echo(5).to_string()];
    assert_eq!(urls, ["/echo/1", "/echo/2!", "/echo/3", "/echo/4", "/echo/5"]);
    let _ = (<Of<u8> as Service>::TABLE(), of_a_constant()());
}
