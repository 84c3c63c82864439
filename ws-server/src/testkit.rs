//! Test handlers and tables in memory, without a network and with paused time.
//!
//! A [`TestKit`] is a server without sockets. It has the admission, the driver and the hub of a
//! real server, and its clients are values in the test. Under
//! `#[tokio::test(start_paused = true)]`, time passes only while all tasks wait, so a test of a
//! minute takes no time and its result does not depend on the machine. `tokio::time::sleep`
//! advances time deadline by deadline. `tokio::time::advance` past several deadlines acts like
//! a pause of the process, after which clients are pinged before they are closed.
//!
//! ```
//! use ws_server::prelude::*;
//! use ws_server::testkit::TestKit;
//!
//! struct Echo;
//!
//! #[ws_handler]
//! impl Echo {
//!     fn init() -> Self {
//!         Echo
//!     }
//!
//!     fn message(&mut self, text: String) -> String {
//!         text
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let kit = TestKit::new();
//! let mut client = kit.handler::<Echo>().connect().await.unwrap();
//! client.send("hello").await;
//! assert_eq!(client.text().await, "hello");
//! client.close(CloseCode::NORMAL, "bye").await;
//! assert_eq!(client.closed().await, (CloseCode::NORMAL, String::new()));
//! assert_eq!(client.terminated().await.code, CloseCode::NORMAL);
//! # });
//! ```
//!
//! [`TestKit::table`] does the same for a table: the path selects the route, and the kit
//! performs every check of a real handshake.
#[doc(inline)]
pub use ws_core::log::shared::{FaultyEngine, FaultyServer, MemoryEngine, Restart};
#[doc(inline)]
pub use ws_core::testkit::{
    Acks, ClientBuilder, Cluster, OpCode, PageBuilder, PageReceived, Received, ResetReason,
    TestClient, TestKit, TestPage, TestVisitor,
};

pub mod engines {
    //! A test suite for engines of the log, which can also test your own.
    #[doc(inline)]
    pub use ws_core::testkit::engines::{
        check_engine, check_replaced, check_trimmed, new_append, new_kept, new_read,
    };
}

pub mod stores {
    //! A test suite for session stores and session sources, which can also test your own.
    //!
    //! ```
    //! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    //! #     .block_on(async {
    //! use ws_server::session::MemoryStore;
    //! use ws_server::testkit::stores;
    //!
    //! stores::check_store(&MemoryStore::new(1_000)).await;
    //! // Only for a store that evicts sessions when it is full.
    //! stores::check_eviction(&MemoryStore::new(20), 20).await;
    //! # });
    //! ```
    //!
    //! The suite panics at the first error, with a description. It waits until sessions expire:
    //! run it with paused time if the store uses tokio's clock. Otherwise it runs in real time,
    //! in less than ten seconds.
    #[doc(inline)]
    pub use ws_core::testkit::stores::{check_eviction, check_source, check_store};
}
