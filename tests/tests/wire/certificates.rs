//! Certificates for tests of TLS, in files of a directory of the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber, date_time_ymd,
};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A directory that is removed when it is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ws-tests-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Signs certificates, and is trusted by its clients.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pem: String,
}

/// A certificate and its key in PEM format.
pub(crate) struct Signed {
    pub chain: String,
    pub key: String,
    /// Identifies it, as clients see it.
    pub der: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tests");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        Self {
            root: root.der().clone(),
            pem: root.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// The certificate of the authority in PEM format.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate for these names, which expires in this year.
    pub(crate) fn sign_until(&self, names: &[&str], year: i32) -> Signed {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let serial = NEXT.fetch_add(1, Ordering::Relaxed) as u64;
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        Signed {
            chain: signed.pem(),
            key: key.serialize_pem(),
            der: signed.der().clone(),
        }
    }

    /// Signs a certificate for these names.
    pub(crate) fn sign(&self, names: &[&str]) -> Signed {
        self.sign_until(names, 2100)
    }

    /// The settings of a client that trusts the authority and offers these protocols.
    pub(crate) fn client(&self, protocols: &[&str]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        config
    }

    pub(crate) fn connector(&self, protocols: &[&str]) -> TlsConnector {
        TlsConnector::from(Arc::new(self.client(protocols)))
    }
}

impl Signed {
    /// Writes the files `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, directory: &Directory, name: &str) -> (PathBuf, PathBuf) {
        let chain = directory.write(&format!("{name}.pem"), &self.chain);
        let key = directory.write(&format!("{name}.key"), &self.key);
        (chain, key)
    }
}

/// The path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}
