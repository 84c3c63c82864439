//! The public API of `ws_server`, as a file in the tree: a change of it is a change of the file.
//!
//! rustdoc describes the crates as JSON. What the facade re-exports from the engine is listed under
//! the path that users name, with its signature.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

mod crates;
mod examples;
mod render;
mod surface;

use crates::Crates;
use surface::Surface;
use ws_tests::files;

/// The variable that makes the test write the file.
const UPDATE: &str = "UPDATE_PUBLIC_API";

/// The types and traits of other crates that signatures may name. Their next incompatible release
/// is one of this crate too.
const EXTERNAL: &[(&str, &str)] = &[
    ("bytes::bytes::Bytes", BYTES),
    ("bytestring::ByteString", BYTES),
    ("http::extensions::Extensions", HTTP),
    ("http::header::map::HeaderMap", HTTP),
    ("http::header::name::HeaderName", HTTP),
    ("http::header::value::HeaderValue", HTTP),
    ("http::request::Parts", HTTP),
    ("http::request::Request", HTTP),
    ("http::response::Response", HTTP),
    ("http::status::StatusCode", HTTP),
    ("http::uri::Uri", HTTP),
    ("http_body::Body", SERVICE),
    ("hyper::error::Error", SERVICE),
    ("hyper::service::service::Service", SERVICE),
    ("rustls::crypto::CryptoProvider", TLS),
    ("rustls::error::Error", TLS),
    ("rustls::server::server_conn::ResolvesServerCert", TLS),
    ("rustls::server::server_conn::ServerConfig", TLS),
    ("serde_core::de::Deserialize", SERDE),
    ("serde_core::de::DeserializeOwned", SERDE),
    ("serde_core::ser::Serialize", SERDE),
    (
        "serde_json::value::Value",
        "the test kit shows the payload of an event as it came",
    ),
    ("tokio::io::async_read::AsyncRead", TOKIO),
    ("tokio::io::async_write::AsyncWrite", TOKIO),
    ("tokio::net::addr::ToSocketAddrs", TOKIO),
    ("tokio::net::tcp::listener::TcpListener", TOKIO),
    ("tokio::net::tcp::stream::TcpStream", TOKIO),
    ("tokio::net::unix::listener::UnixListener", TOKIO),
    ("tokio::net::unix::stream::UnixStream", TOKIO),
    (
        "tokio::time::instant::Instant",
        "the clock that tests pause",
    ),
    ("tower_service::Service", SERVICE),
    ("warp::filter::Filter", WARP),
    ("warp::filter::boxed::BoxedFilter", WARP),
    ("warp::reject::Rejection", WARP),
    ("warp::reply::Reply", WARP),
    ("warp::reply::Response", WARP),
];

const BYTES: &str = "payloads are shared without a copy, as everywhere around tokio";
const HTTP: &str = "the common words for requests and responses";
const SERDE: &str = "payloads are what serde reads and writes";
const SERVICE: &str = "the library is a service in axum, hyper and tower";
const TLS: &str = "the provider of cryptography and its settings are the application's choice";
const TOKIO: &str = "the application may bind the listener, or bring its own";
const WARP: &str = "the library is part of a warp application";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The directory of what rustdoc has written about the crates.
static DESCRIBED: LazyLock<PathBuf> = LazyLock::new(describe);

/// Lets rustdoc describe the crates. It has a target directory of its own, because the `cargo test`
/// that runs this test may hold the lock of the other one.
fn describe() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-api");
    let output = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["doc", "--no-deps", "--all-features", "--quiet"])
        .args(["-p", "ws-core", "-p", "ws-macros", "-p", "ws-server"])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json")
        .env_remove("CARGO_ENCODED_RUSTDOCFLAGS")
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rustdoc failed:\n{errors}");
    target.join("doc")
}

/// The lines that only one of the two texts has, in order: `-` for the old, `+` for the new.
fn difference(old: &str, new: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (old, new) = (lines(old), lines(new));
    let gone = old.difference(&new).map(|line| (line, '-'));
    let added = new.difference(&old).map(|line| (line, '+'));
    let changes: BTreeMap<_, _> = gone.chain(added).collect();
    let changes = changes
        .iter()
        .map(|(line, sign)| format!("{sign} {line}\n"));
    changes.collect()
}

#[test]
fn the_public_api_is_the_one_that_the_file_lists() {
    let crates = Crates::read(&DESCRIBED, &["ws_core", "ws_server"]);
    let surface = Surface::of(&crates, "ws_server");
    let found = surface.text();
    let path = workspace().join("ws-server/public-api.txt");
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &found).unwrap();
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == listed,
        "the public API is not the one that ws-server/public-api.txt lists:\n\n{}\n\
         If the change is wanted, write the file, and describe in CHANGELOG.md what users have to \
         change:\n\n    {UPDATE}=1 cargo test -p ws-tests --all-features --test public_api\n",
        difference(&listed, &found),
    );

    let nameless: Vec<_> = surface.nameless.iter().collect();
    assert!(
        nameless.is_empty(),
        "these types are in public signatures, and no public path leads to them: {nameless:#?}"
    );
    let allowed: BTreeSet<String> = EXTERNAL
        .iter()
        .map(|(path, _)| (*path).to_owned())
        .collect();
    let new: Vec<_> = surface.external.difference(&allowed).collect();
    assert!(
        new.is_empty(),
        "these types of other crates are in public signatures; use a type of this crate, or add \
         them to the list in this test with a reason: {new:#?}"
    );
    let unused: Vec<_> = allowed.difference(&surface.external).collect();
    assert!(unused.is_empty(), "no signature names these: {unused:#?}");
}

#[test]
fn every_public_item_has_an_example() {
    let crates = Crates::read(&DESCRIBED, &["ws_core", "ws_server"]);
    let macros = Crates::read(&DESCRIBED, &["ws_macros"]);
    let mut items = surface::items(&crates, "ws_server");
    items.extend(examples::macros(&macros));
    for known in ["Server", "dispatch", "limits", "topic::TopicValue"] {
        let path = format!("ws_server::{known}");
        assert!(items.iter().any(|(item, _)| *item == path), "{path}");
    }
    let (missing, exceptions) = (examples::missing(&items), examples::exceptions());
    let new: Vec<_> = missing.difference(&exceptions).collect();
    assert!(
        new.is_empty(),
        "the documentation of these items has no example, or that of the module does not begin \
         with a sentence that explains its purpose: {new:#?}"
    );
    let unused: Vec<_> = exceptions.difference(&missing).collect();
    assert!(unused.is_empty(), "these items have examples: {unused:#?}");
}

/// What programs must not name: it changes with every version.
fn hidden_module() -> String {
    format!("__macro_{}", env!("CARGO_PKG_VERSION").replace('.', "_"))
}

#[test]
fn the_hidden_module_carries_the_version() {
    let facade = fs::read_to_string(workspace().join("ws-server/src/lib.rs")).unwrap();
    let declaration = format!(
        "#[doc(hidden)]\npub use expansions::engine as {};",
        hidden_module()
    );
    assert!(
        facade.contains(&declaration),
        "ws-server/src/lib.rs has no hidden `{}`; rename its hidden module with the version",
        hidden_module()
    );
}

#[test]
fn no_error_of_the_compiler_shows_the_hidden_module() {
    let texts = files(&workspace().join("tests/compile/ui"), "stderr");
    assert!(texts.len() > 100, "{} expected texts", texts.len());
    for path in texts {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("__macro_"), "{}", path.display());
    }
}

#[test]
fn a_difference_shows_the_lines_that_changed() {
    let old = "pub fn a()\npub fn b(u8)\npub fn c()\n";
    let new = "pub fn a()\npub fn b(u16)\npub fn c()\n";
    assert_eq!(difference(old, new), "+ pub fn b(u16)\n- pub fn b(u8)\n");
}
