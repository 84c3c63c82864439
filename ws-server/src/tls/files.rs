//! Certificates in files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::error::TlsError;
use super::validity;

/// The files of one certificate.
#[derive(Debug)]
pub(super) struct CertificateFiles {
    /// The chain: the certificate of the server first.
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

/// The bytes of these files. They are compared, so that only a change is parsed.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateFiles {
    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            chain: read(&self.chain)?,
            key: read(&self.key)?,
        })
    }

    /// Checks the contents: the key belongs to the certificate, which has not expired.
    pub(super) fn parse(
        &self,
        contents: &Contents,
        provider: &CryptoProvider,
    ) -> Result<Arc<CertifiedKey>, TlsError> {
        let no_certificate = || TlsError::NoCertificate {
            path: self.chain.clone(),
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&contents.chain)
            .collect::<Result<_, _>>()
            .map_err(|_| no_certificate())?;
        let first = chain.first().ok_or_else(no_certificate)?;
        let Some(end) = validity::not_after(first) else {
            let path = self.chain.clone();
            return Err(TlsError::Malformed { path });
        };
        if end < now() {
            let path = self.chain.clone();
            return Err(TlsError::Expired { path });
        }
        // The error may quote the key.
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| TlsError::NoKey {
            path: self.key.clone(),
        })?;
        let key = CertifiedKey::from_der(chain, key, provider);
        key.map(Arc::new).map_err(|source| TlsError::Key {
            path: self.key.clone(),
            source,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
