//! The HTML that attaches a page to its stream.

use std::fmt;

use super::Page;

/// The paths at which browsers load the client and request the id of a new page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrowserClientPaths {
    /// The base path of the server, or empty. Typed URLs of routes do not contain it.
    pub base_path: String,
    /// The path of the client, an ES module.
    pub script_path: String,
    /// The path that responds to a POST with the id of a new page.
    pub new_page_path: String,
    /// Whether pages may use HTTP if their network blocks WebSockets.
    pub http_fallback: bool,
}

impl Default for BrowserClientPaths {
    fn default() -> Self {
        Self {
            base_path: String::new(),
            script_path: "/ws-server/client.js".to_owned(),
            new_page_path: "/ws-server/page".to_owned(),
            http_fallback: false,
        }
    }
}

/// The URL of a page's stream, for [`Page::stream_tag`].
///
/// The base path of the server is added to a typed URL such as `Routes::stream()`; a text is used
/// unchanged.
///
/// ```
/// use ws_server::Page;
/// use ws_server::page::StreamUrl;
///
/// /// The head of every page of the site: `head(&page, &Routes::stream())`.
/// fn head(page: &Page, stream: &impl StreamUrl) -> String {
///     format!("<head><title>News</title>{}</head>", page.stream_tag(stream))
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the URL of a stream",
    note = "pass a typed URL such as `&Routes::stream()`, or a text such as `\"/websocket\"`"
)]
pub trait StreamUrl {
    /// The URL for browsers, on a server with this base path.
    #[doc(hidden)]
    fn with_base(&self, base: &str) -> String;
}

impl StreamUrl for str {
    fn with_base(&self, _base: &str) -> String {
        self.to_owned()
    }
}

impl StreamUrl for String {
    fn with_base(&self, _base: &str) -> String {
        self.clone()
    }
}

impl<U: StreamUrl + ?Sized> StreamUrl for &U {
    fn with_base(&self, base: &str) -> String {
        (**self).with_base(base)
    }
}

/// The `<script>` of a page, see [`Page::stream_tag`]. `Display` prints it as HTML.
///
/// ```
/// use ws_server::Page;
///
/// fn html(page: &Page) -> String {
///     let stream = page.stream_tag("/stream").nonce("r4nd0m");
///     format!("<!doctype html><title>News</title>{stream}")
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// # let hub = ws_server::Hub::default();
/// # let (session, _) = hub.sessions().begin().await.unwrap();
/// # let html = html(&hub.open_page(&session).unwrap());
/// # assert!(html.contains("data-stream=\"/stream\""));
/// # assert!(html.ends_with("nonce=\"r4nd0m\"></script>"));
/// # });
/// ```
#[must_use = "the tag belongs into the page's HTML"]
pub struct StreamTag {
    page: Page,
    url: String,
    nonce: Option<String>,
}

impl StreamTag {
    pub(super) const fn new(page: Page, url: String) -> Self {
        Self {
            page,
            url,
            nonce: None,
        }
    }

    /// Sets the nonce, if the page's Content-Security-Policy requires one.
    pub fn nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }
}

impl fmt::Display for StreamTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages = self.page.pages();
        let client = pages.client_paths();
        f.write_str(r#"<script type="module""#)?;
        attribute(f, "src", &client.script_path)?;
        attribute(f, "data-stream", &self.url)?;
        attribute(f, "data-parameter", pages.parameter())?;
        attribute(f, "data-page", self.page.id())?;
        if let Some(epoch) = self.page.epoch() {
            attribute(f, "data-epoch", &epoch)?;
        }
        if let Some(base) = self.page.base() {
            attribute(f, "data-base", base)?;
        }
        attribute(f, "data-fresh", &client.new_page_path)?;
        if client.http_fallback {
            attribute(f, "data-transport", "auto")?;
        }
        if let Some(nonce) = &self.nonce {
            attribute(f, "nonce", nonce)?;
        }
        f.write_str("></script>")
    }
}

/// Writes one attribute, escaped.
fn attribute(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    write!(f, " {name}=\"")?;
    for part in value.split_inclusive(['&', '"', '<', '>']) {
        let (plain, special) = match part.char_indices().next_back() {
            Some((at, special @ ('&' | '"' | '<' | '>'))) => (&part[..at], Some(special)),
            _ => (part, None),
        };
        f.write_str(plain)?;
        f.write_str(match special {
            Some('&') => "&amp;",
            Some('"') => "&quot;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            _ => "",
        })?;
    }
    f.write_str("\"")
}

impl fmt::Debug for StreamTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamTag(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PageLimits;
    use crate::page::Pages;
    use crate::session::Sessions;

    #[tokio::test]
    async fn a_tag_has_the_url_to_connect_to_and_escapes_it() {
        let sessions = Sessions::default();
        let (session, _) = sessions.begin().await.unwrap();
        let pages = Pages::new(
            PageLimits::DEFAULT,
            1,
            "z_pid".to_owned(),
            std::sync::Arc::new(crate::topic::Topics::new(1, 0)),
            std::sync::Arc::default(),
        );
        let page = Page::issue(&pages, &session, None).unwrap();
        let tag = page.stream_tag("/a?b=\"<c>\"&d").nonce("n").to_string();
        let (id, epoch, base) = (page.id(), page.epoch().unwrap(), page.base().unwrap());
        let expected = format!(
            "<script type=\"module\" src=\"/ws-server/client.js\" \
             data-stream=\"/a?b=&quot;&lt;c&gt;&quot;&amp;d\" data-parameter=\"z_pid\" \
             data-page=\"{id}\" data-epoch=\"{epoch}\" data-base=\"{base}\" \
             data-fresh=\"/ws-server/page\" \
             nonce=\"n\"></script>"
        );
        assert_eq!(tag, expected);
        let found = Page::of(&pages, &session, id).unwrap();
        assert!(!found.stream_tag("/").to_string().contains("data-epoch"));
    }
}
