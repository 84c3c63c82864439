//! HTTP/1.1 or HTTP/2, on a stream without ALPN.

use std::io;

use tokio::io::AsyncRead;

use crate::prefixed::Prefixed;

/// The first bytes of HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::server) enum Sniffed {
    Http1,
    Http2,
}

/// Reads ahead as few bytes as show what the client speaks.
pub(in crate::server) async fn sniff<I: AsyncRead + Unpin>(
    stream: &mut Prefixed<I>,
) -> io::Result<Sniffed> {
    loop {
        let is_over = stream.read_ahead().await? == 0;
        let ahead = stream.ahead();
        if ahead == PREFACE {
            return Ok(Sniffed::Http2);
        }
        if is_over || !PREFACE.starts_with(ahead) {
            return Ok(Sniffed::Http1);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn sniff_pieces(pieces: &[&[u8]]) -> Sniffed {
        let (mut client, server) = tokio::io::duplex(1024);
        let pieces: Vec<_> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let sending = tokio::spawn(async move {
            for piece in pieces {
                client.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let sniffed = sniff(&mut Prefixed::new(server)).await.unwrap();
        sending.await.unwrap();
        sniffed
    }

    #[tokio::test]
    async fn only_the_whole_preface_is_http2() {
        assert_eq!(sniff_pieces(&[PREFACE]).await, Sniffed::Http2);
        let bytes: Vec<_> = PREFACE.chunks(1).collect();
        assert_eq!(sniff_pieces(&bytes).await, Sniffed::Http2);
        assert_eq!(sniff_pieces(&[b"P", b"OST /"]).await, Sniffed::Http1);
        assert_eq!(sniff_pieces(&[&PREFACE[..23]]).await, Sniffed::Http1);
        let almost = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r";
        assert_eq!(sniff_pieces(&[almost]).await, Sniffed::Http1);
        assert_eq!(sniff_pieces(&[]).await, Sniffed::Http1);
    }
}
