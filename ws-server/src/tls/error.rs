//! Errors of certificates and of TLS settings.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use tokio_rustls::rustls;

/// Why certificates or TLS settings cannot be used. No text contains a key.
///
/// If the operating system or rustls reports an error, it is the source. `{:#}` appends it to the
/// text.
///
/// ```
/// use ws_server::tls::{Certificates, TlsError};
///
/// let missing = Certificates::from_files([("/missing/cert.pem", "/missing/key.pem")]);
/// assert!(matches!(missing, Err(TlsError::Read { .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// No pair of files was given.
    #[error("there is no certificate; name at least one pair of files")]
    NoCertificates,
    /// A file cannot be read.
    #[error(fmt = fmt_read)]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file contains no certificate in PEM format.
    #[error("the file {} contains no certificate in PEM format", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file contains no private key in PEM format.
    #[error("the file {} contains no private key in PEM format", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The first certificate of a file is malformed.
    #[error("the first certificate in {} is malformed", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The first certificate of a file has expired.
    #[error("the certificate in {} has expired; renew it", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
    },
    /// The key cannot be used, or does not belong to the certificate.
    #[error(fmt = fmt_key)]
    Key {
        /// The file of the key.
        path: PathBuf,
        /// The error of rustls.
        source: rustls::Error,
    },
    /// The provider of cryptography does not support the required versions of TLS.
    #[error(fmt = fmt_versions)]
    Versions(#[source] rustls::Error),
}

fn fmt_read(path: &Path, source: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "cannot read {}; check the path and its permissions",
        path.display()
    )?;
    fmt_causes(source, f)
}

fn fmt_key(path: &Path, source: &rustls::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "the key in {} cannot be used with its certificate",
        path.display()
    )?;
    fmt_causes(source, f)
}

fn fmt_versions(source: &rustls::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("the provider of cryptography does not support these versions of TLS")?;
    fmt_causes(source, f)
}

/// Appends the causes to the text in the alternate form, `{:#}`.
fn fmt_causes(cause: &(dyn Error + 'static), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut next = f.alternate().then_some(cause);
    while let Some(cause) = next {
        write!(f, ": {cause}")?;
        next = cause.source();
    }
    Ok(())
}
