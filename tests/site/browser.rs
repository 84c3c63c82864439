// A browser as far as the examples of the front page need one.

/// A listener on a free port, and a browser that asks it.
async fn site() -> (tokio::net::TcpListener, Browser) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cookies = std::collections::BTreeMap::new();
    (listener, Browser { address, cookies })
}

/// Keeps the cookies that it gets.
struct Browser {
    address: std::net::SocketAddr,
    cookies: std::collections::BTreeMap<String, String>,
}

impl Browser {
    /// The whole response to a request such as `GET /`.
    #[allow(dead_code, reason = "not every example has pages")]
    async fn ask(&mut self, request: &str) -> String {
        let response = self
            .exchange(request, "Connection: close\r\nContent-Length: 0")
            .await;
        for set in response
            .lines()
            .filter_map(|line| line.strip_prefix("set-cookie: "))
        {
            let pair = set.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// The response to a handshake, or the head of it if the connection stays open.
    async fn upgrade(&self, path: &str) -> String {
        let lines = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: page.v1\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        self.exchange(&format!("GET {path}"), lines).await
    }

    async fn exchange(&self, request: &str, lines: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        let address = self.address;
        let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookies}\r\n{lines}");
        stream
            .write_all(format!("{head}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        // To its end; after a head without a body the connection stays open.
        let mut response = Vec::new();
        while response.starts_with(b"HTTP/1.1 200 ") || !response.windows(4).any(|it| it == b"\r\n\r\n")
        {
            if stream.read_buf(&mut response).await.unwrap() == 0 {
                break;
            }
        }
        String::from_utf8_lossy(&response).into_owned()
    }
}
