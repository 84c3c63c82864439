//! TLS: certificates that are reloaded while the server runs, and a listener.
//!
//! ```no_run
//! use ws_server::Ws;
//! use ws_server::tls::{Certificates, Tls};
//!
//! async fn run(ws: Ws) -> Result<(), Box<dyn std::error::Error>> {
//!     let certificates = Certificates::from_files([("fullchain.pem", "key.pem")])?;
//!     let tcp = tokio::net::TcpListener::bind("0.0.0.0:443").await?;
//!     ws.run_listener(Tls::new(certificates).listener(tcp)?).await?;
//!     Ok(())
//! }
//! ```
//!
//! Over such a listener, cookies are `Secure` and named `__Host-…`, and the server's own origin is
//! of `https`; [`public_url`](crate::Server::public_url) takes precedence.
//!
//! The cryptography is that of rustls with `ring`. [`Certificates::with_provider`] and
//! [`Tls::from_config`] take any other.

mod certificates;
mod error;
mod files;
mod listener;
mod settings;
mod validity;

pub use certificates::Certificates;
pub use error::TlsError;
pub use listener::{TlsListener, TlsStream};
pub use settings::Tls;
/// The version of rustls whose types appear here.
pub use tokio_rustls::rustls;
