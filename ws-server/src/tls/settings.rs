//! The settings of TLS.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::certificates::Certificates;
use super::error::TlsError;
use super::listener::TlsListener;
use crate::listener::Listener;

/// The default of [`Tls::handshake_timeout`].
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The default of [`Tls::reload_every`].
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// The settings of TLS; [`listener`](Self::listener) puts it around a listener.
///
/// ```no_run
/// use std::time::Duration;
/// use tokio::net::TcpListener;
/// use ws_server::tls::{Certificates, Tls, TlsError, TlsListener};
///
/// fn listener(tcp: TcpListener) -> Result<TlsListener<TcpListener>, TlsError> {
///     let certificates = Certificates::from_files([("fullchain.pem", "key.pem")])?;
///     Tls::new(certificates)
///         .tls13_only()
///         .handshake_timeout(Duration::from_secs(5))
///         .listener(tcp)
/// }
/// ```
#[derive(Debug)]
#[must_use = "settings do nothing without a listener"]
pub struct Tls {
    source: Source,
    handshake_timeout: Duration,
    reload_every: Option<Duration>,
}

#[derive(Debug)]
enum Source {
    Certificates {
        certificates: Certificates,
        tls13_only: bool,
    },
    Config(Box<ServerConfig>),
}

impl Tls {
    /// TLS 1.2 and 1.3 with these certificates, without certificates of clients.
    pub const fn new(certificates: Certificates) -> Self {
        let source = Source::Certificates {
            certificates,
            tls13_only: false,
        };
        Self {
            source,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            reload_every: Some(RELOAD_INTERVAL),
        }
    }

    /// TLS with a configuration of rustls, such as for certificates of clients, or for another
    /// provider of cryptography. Protocols for ALPN are added if the configuration has none.
    ///
    /// [`tls13_only`](Self::tls13_only) and [`reload_every`](Self::reload_every) have no effect;
    /// [`Certificates`] can be the configuration's resolver.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use ws_server::tls::rustls::ServerConfig;
    /// use ws_server::tls::rustls::server::danger::ClientCertVerifier;
    /// use ws_server::tls::{Certificates, Tls};
    ///
    /// fn mutual(certificates: Certificates, clients: Arc<dyn ClientCertVerifier>) -> Tls {
    ///     let config = ServerConfig::builder()
    ///         .with_client_cert_verifier(clients)
    ///         .with_cert_resolver(Arc::new(certificates));
    ///     Tls::from_config(config)
    /// }
    /// ```
    pub fn from_config(config: ServerConfig) -> Self {
        Self {
            source: Source::Config(Box::new(config)),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            reload_every: None,
        }
    }

    /// Refuses TLS 1.2.
    pub const fn tls13_only(mut self) -> Self {
        if let Source::Certificates { tls13_only, .. } = &mut self.source {
            *tls13_only = true;
        }
        self
    }

    /// Sets the time within which a client must complete the handshake. The default is 10 s.
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets how often the files of the certificates are read again; `None` for never. The default is
    /// a minute. An invalid certificate is logged at `error`, once until the files change, and the
    /// server keeps the one that it has.
    pub fn reload_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.reload_every = interval.into();
        self
    }

    /// Puts TLS around a listener.
    ///
    /// # Errors
    ///
    /// [`TlsError::Versions`] if the provider of cryptography supports none of the versions.
    pub fn listener<L: Listener>(self, inner: L) -> Result<TlsListener<L>, TlsError> {
        let (mut config, certificates) = match self.source {
            Source::Config(config) => (*config, None),
            Source::Certificates {
                certificates,
                tls13_only,
            } => {
                let config = config(&certificates, tls13_only)?;
                (config, Some(certificates))
            }
        };
        let chooses_protocols = config.alpn_protocols.is_empty();
        if chooses_protocols {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let interval = self.reload_every.filter(|interval| !interval.is_zero());
        let reload = certificates.zip(interval);
        Ok(TlsListener::new(
            inner,
            Arc::new(config),
            chooses_protocols,
            self.handshake_timeout,
            reload,
        ))
    }
}

fn config(certificates: &Certificates, tls13_only: bool) -> Result<ServerConfig, TlsError> {
    let versions = if tls13_only {
        &[&TLS13][..]
    } else {
        &[&TLS12, &TLS13]
    };
    let builder = ServerConfig::builder_with_provider(certificates.provider().clone())
        .with_protocol_versions(versions)
        .map_err(TlsError::Versions)?;
    Ok(builder
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates.clone())))
}
