//! Serves the browser client.

use std::io::Write;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName,
    IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use sha2::{Digest, Sha256};
use ws_core::fields::elements;
use ws_core::page::BrowserClientPaths;

use crate::base::BasePath;
use crate::body::WsBody;

/// The source of the browser client: an ES module without dependencies.
const SOURCE: &str = include_str!("../client/client.js");

/// The source of its page streams over HTTP, which the client loads if it needs them.
const HTTP_SOURCE: &str = include_str!("../client/http.js");

/// The import of that source by the client.
const HTTP_IMPORT: &str = "\"./http.js\"";

/// Its types, for editors and TypeScript compilers.
const TYPES: &str = include_str!("../client/client.d.ts");

/// The default path prefix.
pub(crate) const PREFIX: &str = "/ws-server";

/// Two files whose content never changes under their names, the short file that re-exports the
/// first, and the types of both.
struct ClientFiles {
    /// Identifies the content: the first 64 bits of its SHA-256, in hexadecimal.
    hash: String,
    client: ClientFile,
    /// The same for the file that the client imports.
    http_hash: String,
    http: ClientFile,
    alias: ClientFile,
    types: ClientFile,
}

struct ClientFile {
    content_type: HeaderValue,
    plain: Bytes,
    gzip: Bytes,
    /// A strong validator for each of the two files (RFC 9110, section 8.8.3).
    tags: [HeaderValue; 2],
}

static FILES: LazyLock<ClientFiles> = LazyLock::new(|| {
    let http = without_comments(HTTP_SOURCE);
    let http_hash = short_hash(&http);
    let source = without_comments(SOURCE);
    let source = source.replace(HTTP_IMPORT, &format!("\"./http-{http_hash}.js\""));
    let hash = short_hash(&source);
    // The page's tag and the imports of scripts must load the same module.
    let alias = format!("export * from \"./client-{hash}.js\";\n");
    let script = HeaderValue::from_static("text/javascript; charset=utf-8");
    let types = HeaderValue::from_static("application/typescript; charset=utf-8");
    ClientFiles {
        client: ClientFile::new(source, &hash, script.clone()),
        http: ClientFile::new(http, &http_hash, script.clone()),
        http_hash,
        alias: ClientFile::new(alias, &format!("alias-{hash}"), script),
        types: ClientFile::new(
            TYPES.to_owned(),
            &format!("types-{}", short_hash(TYPES)),
            types,
        ),
        hash,
    }
});

/// Removes indentation and lines that are comments, to make the file smaller. No text of the client
/// has several lines.
fn without_comments(source: &str) -> String {
    let lines = source.lines().map(str::trim_start);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    code.flat_map(|line| [line, "\n"]).collect()
}

/// Returns the first 64 bits of the SHA-256, in hexadecimal.
fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    let first = digest[..8]
        .iter()
        .fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    format!("{first:016x}")
}

impl ClientFile {
    fn new(text: String, name: &str, content_type: HeaderValue) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let written = gzip.write_all(text.as_bytes());
        written.expect("writing to memory never fails");
        let tag = |kind: &str| {
            let tag = HeaderValue::try_from(format!("\"{name}{kind}\""));
            tag.expect("a hash is valid in a header")
        };
        Self {
            content_type,
            gzip: gzip.finish().expect("writing to memory never fails").into(),
            plain: text.into(),
            tags: [tag(""), tag("-gzip")],
        }
    }

    /// Returns the response to a GET or HEAD with these headers.
    fn respond(&self, headers: &HeaderMap, cache: &'static str) -> Response<WsBody> {
        let gzip = accepts_gzip(headers);
        let (body, tag) = if gzip {
            (&self.gzip, &self.tags[1])
        } else {
            (&self.plain, &self.tags[0])
        };
        let mut tags = elements(headers, &IF_NONE_MATCH);
        let is_known = tags.any(|known| {
            known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag.as_bytes()
        });
        let mut response = if is_known {
            status(StatusCode::NOT_MODIFIED)
        } else {
            Response::new(body.clone().into())
        };
        let mut set = |name: HeaderName, value: &HeaderValue| {
            response.headers_mut().insert(name, value.clone());
        };
        set(ETAG, tag);
        set(VARY, &HeaderValue::from_static("accept-encoding"));
        set(CACHE_CONTROL, &HeaderValue::from_static(cache));
        if !is_known {
            set(CONTENT_TYPE, &self.content_type);
            let no_sniff = HeaderName::from_static("x-content-type-options");
            set(no_sniff, &HeaderValue::from_static("nosniff"));
            if gzip {
                set(CONTENT_ENCODING, &HeaderValue::from_static("gzip"));
            }
        }
        response
    }
}

/// Whether the client accepts gzip (RFC 9110, section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    for element in elements(headers, &ACCEPT_ENCODING) {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let coding = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            let weight = part
                .strip_prefix(b"q=")
                .or_else(|| part.strip_prefix(b"Q="));
            weight.is_some_and(|weight| weight.iter().all(|byte| b"0.".contains(byte)))
        });
        if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
            return !refused;
        }
        any |= coding == b"*" && !refused;
    }
    any
}

fn status(status: StatusCode) -> Response<WsBody> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// The URLs at which pages find the client, as browsers see them.
pub(crate) fn urls(base: &BasePath, prefix: &str, http_fallback: bool) -> BrowserClientPaths {
    let base = base.as_str();
    BrowserClientPaths {
        base_path: base.to_owned(),
        script_path: format!("{base}{prefix}/client-{}.js", FILES.hash),
        new_page_path: format!("{base}{prefix}/page"),
        http_fallback,
    }
}

/// A resource below the path of the browser client.
#[derive(Clone, Copy)]
pub(crate) enum ClientResource {
    File(CachedFile),
    /// A new page of the visitor, for a POST.
    NewPage,
}

/// A file, and the value of its `Cache-Control`.
#[derive(Clone, Copy)]
pub(crate) struct CachedFile {
    file: &'static ClientFile,
    cache: &'static str,
}

/// Finds the resource with this path, which does not contain the base.
pub(crate) fn find(prefix: &str, path: &str) -> Option<ClientResource> {
    let name = path.strip_prefix(prefix)?.strip_prefix('/')?;
    if name == "page" {
        return Some(ClientResource::NewPage);
    }
    let (file, cache) = match name {
        "client.js" => (&FILES.alias, "no-cache"),
        "client.d.ts" => (&FILES.types, "no-cache"),
        _ => (hashed_file(name)?, "public, max-age=31536000, immutable"),
    };
    Some(ClientResource::File(CachedFile { file, cache }))
}

/// Finds a file whose name contains its hash.
fn hashed_file(name: &str) -> Option<&'static ClientFile> {
    let (kind, hash) = name.strip_suffix(".js")?.split_once('-')?;
    let file = match kind {
        "client" if hash == FILES.hash => &FILES.client,
        "http" if hash == FILES.http_hash => &FILES.http,
        _ => return None,
    };
    Some(file)
}

impl CachedFile {
    /// Returns the response to a request with this method and these headers.
    pub(crate) fn respond(self, method: &Method, headers: &HeaderMap) -> Response<WsBody> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return method_not_allowed(HeaderValue::from_static("GET, HEAD"));
        }
        self.file.respond(headers, self.cache)
    }
}

/// The response to a request whose method is not one of these.
pub(crate) fn method_not_allowed(allowed: HeaderValue) -> Response<WsBody> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, allowed);
    response
}
