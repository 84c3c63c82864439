//! A minimal browser: it stores cookies and sends them back, without further rules.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::client::{Client, Head, upgrade};

/// Cookies, and the address of their server.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    address: SocketAddr,
    pub cookies: BTreeMap<String, String>,
    /// Header lines that are added to every request.
    pub lines: Vec<String>,
}

impl Browser {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cookies: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    /// The header line `Cookie`, if there are cookies.
    pub(crate) fn cookie_line(&self) -> Option<String> {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let pairs: Vec<_> = pairs.collect();
        (!pairs.is_empty()).then(|| format!("Cookie: {}", pairs.join("; ")))
    }

    fn all_lines(&self) -> Vec<String> {
        self.cookie_line()
            .into_iter()
            .chain(self.lines.clone())
            .collect()
    }

    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> &str {
        let value = self.cookies.get(name);
        value.unwrap_or_else(|| panic!("no cookie `{name}`: {:?}", self.cookies))
    }

    /// A request without a body; its cookies are stored.
    pub(crate) async fn request(&mut self, method: &str, path: &str) -> (Head, String) {
        self.ask(method, path, &[], "").await
    }

    /// A POST with a form whose fields are already encoded.
    pub(crate) async fn form(&mut self, path: &str, fields: &str) -> (Head, String) {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        self.ask("POST", path, &[kind], fields).await
    }

    /// A POST with JSON.
    pub(crate) async fn json(&mut self, path: &str, body: &str) -> (Head, String) {
        let kind = "Content-Type: application/json";
        self.ask("POST", path, &[kind], body).await
    }

    async fn ask(&mut self, method: &str, path: &str, more: &[&str], body: &str) -> (Head, String) {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: example.com\r\n");
        let length = format!("Content-Length: {}", body.len());
        let own = self.all_lines();
        let lines = own.iter().map(|line| &**line);
        for line in lines.chain(more.iter().copied()).chain([&*length]) {
            request.push_str(line);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body);
        let (head, body) = Client::ask(self.address, &request).await;
        self.keep(&head);
        (head, body)
    }

    fn keep(&mut self, head: &Head) {
        for line in head.all("set-cookie") {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a value");
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The body of a GET that succeeds.
    pub(crate) async fn get(&mut self, path: &str) -> String {
        let (head, body) = self.request("GET", path).await;
        assert_eq!(head.status, 200, "{path}: {body}");
        body
    }

    /// The body of a POST that succeeds.
    pub(crate) async fn post(&mut self, path: &str) -> String {
        let (head, body) = self.request("POST", path).await;
        assert_eq!(head.status, 200, "{path}: {body}");
        body
    }

    /// The request of an opening handshake, with the cookies.
    pub(crate) fn handshake(&self, path: &str) -> String {
        let lines = self.all_lines();
        upgrade(path, &lines.iter().map(|line| &**line).collect::<Vec<_>>())
    }

    /// The status of a handshake.
    pub(crate) async fn status(&self, path: &str) -> u16 {
        Client::ask(self.address, &self.handshake(path))
            .await
            .0
            .status
    }

    /// Opens a connection.
    pub(crate) async fn open(&self, path: &str) -> Client {
        let mut client = Client::connect(self.address).await;
        client.send(self.handshake(path)).await;
        let head = client.head().await;
        assert_eq!(head.status, 101, "{path}: {head:?}");
        client
    }
}
