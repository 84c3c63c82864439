//! Every payload, and every argument that the library defines, in hooks of both kinds.
#![deny(warnings)]

use bytestring::ByteString;
use ws_server::{decode::DecodeError, prelude::*};

#[derive(Clone)]
struct Db;

macro_rules! handlers {
    ($($name:ident: $payload:ty;)*) => {
        $(
            struct $name;

            #[ws_handler]
            impl $name {
                fn init(
                    _socket: &Socket<Self>, _handle: Socket<Self>, _hub: &Hub, _shared: Hub,
                    _db: State<Db>, _session: Session, _page: Page, _query: Query<Vec<(u8, u8)>>,
                    _perhaps: Option<Session>, _maybe: Option<Page>, _handshake: &Handshake,
                ) -> Self {
                    $name
                }

                fn message(
                    &mut self, _payload: $payload, _socket: &Socket<Self>, _handle: Socket<Self>,
                    _hub: &Hub, _shared: Hub, _db: State<Db>, _session: Session, _page: Page,
                    _perhaps: Option<Session>, _maybe: Option<Page>,
                ) {
                }

                async fn info(
                    &mut self, _payload: $payload, _socket: &Socket<Self>, _handle: Socket<Self>,
                    _hub: &Hub, _shared: Hub, _db: State<Db>, _session: Session, _page: Page,
                    _perhaps: Option<Session>, _maybe: Option<Page>,
                ) {
                }

                async fn terminate(
                    self, _socket: &Socket<Self>, _hub: &Hub, _db: State<Db>, _reason: CloseReason,
                    _session: Session, _page: Page,
                ) {
                }
            }
        )*

        pub(crate) fn main() {
            $(is_handler::<$name>();)*
        }
    };
}

handlers! {
    Text: String;
    Shared: ByteString;
    Binary: Bytes;
    Either: Message;
    Decoded: Json<Vec<u8>>;
    Checked: Result<Json<Vec<u8>>, DecodeError>;
    Qualified: ws_server::decode::Json<std::string::String>;
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
