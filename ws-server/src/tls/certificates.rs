//! The certificates of a server, which can be reloaded.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::error::TlsError;
use super::files::{CertificateFiles, Contents};

/// The certificates of a server, from files in PEM format. Clones share them.
///
/// Each handshake gets the first certificate that is valid for the name that the client asks for
/// (SNI), or else the first of all: the client then refuses it with a precise message.
///
/// [`Tls::reload_every`](super::Tls::reload_every) reloads them in intervals; [`reload`](Self::reload)
/// does it at once, such as on SIGHUP. Open connections keep their certificate.
///
/// ```no_run
/// use ws_server::tls::Certificates;
///
/// # fn main() -> Result<(), ws_server::tls::TlsError> {
/// let certificates = Certificates::from_files([
///     ("example.com/fullchain.pem", "example.com/key.pem"),
///     ("example.org/fullchain.pem", "example.org/key.pem"),
/// ])?;
/// # Ok(())
/// # }
/// ```
///
/// It implements `ResolvesServerCert`, for a `ServerConfig` of your own.
#[derive(Clone)]
pub struct Certificates(Arc<SharedCertificates>);

struct SharedCertificates {
    files: Vec<CertificateFiles>,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<[Arc<CertifiedKey>]>>,
    /// The contents of the files at the last attempt to load them.
    last: Mutex<Vec<Contents>>,
}

impl Certificates {
    /// Loads pairs of files: a chain, which begins with the certificate of the server, and its
    /// private key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if there is no pair, or for the first one that cannot be used: a file cannot be
    /// read, the certificate is malformed or has expired, or the key does not belong to it.
    pub fn from_files<C, K>(files: impl IntoIterator<Item = (C, K)>) -> Result<Self, TlsError>
    where
        C: Into<PathBuf>,
        K: Into<PathBuf>,
    {
        Self::with_provider(Arc::new(ring::default_provider()), files)
    }

    /// Does the same as [`from_files`](Self::from_files) with another provider of cryptography.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use ws_server::tls::rustls::crypto::ring;
    /// use ws_server::tls::{Certificates, TlsError};
    ///
    /// fn without_aes_128() -> Result<Certificates, TlsError> {
    ///     let mut provider = ring::default_provider();
    ///     provider.cipher_suites.retain(|suite| !format!("{suite:?}").contains("AES_128"));
    ///     Certificates::with_provider(Arc::new(provider), [("cert.pem", "key.pem")])
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_files`](Self::from_files).
    pub fn with_provider<C, K>(
        provider: Arc<CryptoProvider>,
        files: impl IntoIterator<Item = (C, K)>,
    ) -> Result<Self, TlsError>
    where
        C: Into<PathBuf>,
        K: Into<PathBuf>,
    {
        let files = files.into_iter().map(|(chain, key)| CertificateFiles {
            chain: chain.into(),
            key: key.into(),
        });
        let files: Vec<_> = files.collect();
        if files.is_empty() {
            return Err(TlsError::NoCertificates);
        }
        let contents = read(&files)?;
        let current = parse(&files, &contents, &provider)?;
        Ok(Self(Arc::new(SharedCertificates {
            files,
            provider,
            current: RwLock::new(current),
            last: Mutex::new(contents),
        })))
    }

    /// Reads the files again. Returns whether they have changed since the last attempt; only then
    /// are they parsed. Either all certificates are replaced, or none. It blocks while it reads.
    ///
    /// ```no_run
    /// use tokio::signal::unix::{SignalKind, signal};
    /// use ws_server::tls::Certificates;
    ///
    /// async fn reload_on_hangup(certificates: Certificates) -> std::io::Result<()> {
    ///     let mut hangups = signal(SignalKind::hangup())?;
    ///     while hangups.recv().await.is_some() {
    ///         if let Err(error) = certificates.reload() {
    ///             tracing::error!(%error, "the certificates are not reloaded");
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_files`](Self::from_files). Then the server keeps the certificates that it has.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let shared = &*self.0;
        let mut last = shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = read(&shared.files)?;
        if *last == contents {
            return Ok(false);
        }
        *last = contents;
        let parsed = parse(&shared.files, &last, &shared.provider)?;
        *shared
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = parsed;
        Ok(true)
    }

    pub(super) fn provider(&self) -> &Arc<CryptoProvider> {
        &self.0.provider
    }
}

fn read(files: &[CertificateFiles]) -> Result<Vec<Contents>, TlsError> {
    files.iter().map(CertificateFiles::read).collect()
}

fn parse(
    files: &[CertificateFiles],
    contents: &[Contents],
    provider: &CryptoProvider,
) -> Result<Arc<[Arc<CertifiedKey>]>, TlsError> {
    let pairs = files.iter().zip(contents);
    pairs
        .map(|(files, contents)| files.parse(contents, provider))
        .collect()
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.current.read();
        let current = current.unwrap_or_else(PoisonError::into_inner).clone();
        let name = hello.server_name();
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        // With one certificate there is no choice.
        let named = name.filter(|_| current.len() > 1);
        let named = named.and_then(|name| current.iter().find(|key| is_valid_for(key, &name)));
        named.or_else(|| current.first()).cloned()
    }
}

fn is_valid_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = key.end_entity_cert().ok();
    let certificate =
        certificate.and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
    certificate.is_some_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

/// Shows no key.
impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("files", &self.0.files)
            .finish_non_exhaustive()
    }
}
