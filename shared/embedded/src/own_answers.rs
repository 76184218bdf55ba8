//! Bodies for the answers that the HTTP library gives by itself.
//!
//! hyper refuses what is no request (400), a target that is too long (414) and a head that is too large (431) before any service
//! sees it, by a head without a body, the last that it writes on the connection. It has no hook for that, so it is told from the
//! services' answers where it is written: those have a body with each of these statuses.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest head that hyper writes by itself, with room to spare.
const LONGEST: usize = 512;
const STATUSES: [StatusCode; 3] =
    [StatusCode::BAD_REQUEST, StatusCode::URI_TOO_LONG, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE];

/// A stream that puts a body behind such a head.
#[derive(Debug)]
pub(crate) struct OwnAnswers<T> {
    stream: T,
    body: Option<fn(StatusCode) -> Bytes>,
    /// What is to be written before all else.
    pending: BytesMut,
}

impl<T> OwnAnswers<T> {
    pub(crate) fn new(stream: T, body: Option<fn(StatusCode) -> Bytes>) -> Self {
        Self { stream, body, pending: BytesMut::new() }
    }
}

impl<T: AsyncWrite + Unpin> OwnAnswers<T> {
    fn poll_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.pending))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.pending.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Where in some bytes a head of hyper's own begins that ends them, and its status.
fn own_head(bytes: &[u8]) -> Option<(usize, StatusCode)> {
    let from = bytes.len().saturating_sub(LONGEST);
    let start = from + bytes[from..].windows(9).rposition(|window| window == b"HTTP/1.1 ")?;
    let head = std::str::from_utf8(&bytes[start..]).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.get(9..12)?.parse().ok().filter(|status| STATUSES.contains(status))?;
    lines.any(|line| line.eq_ignore_ascii_case("content-length: 0")).then_some((start, status))
}

impl<T: AsyncWrite + Unpin> AsyncWrite for OwnAnswers<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_pending(context))?;
        if let Some(body) = this.body
            && let Some((start, status)) = own_head(bytes)
        {
            let body = body(status);
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            for part in [&bytes[..start], head.as_bytes(), &body] {
                this.pending.extend_from_slice(part);
            }
            if let Poll::Ready(Err(error)) = this.poll_pending(context) {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pending(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pending(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }

    /// Only what is written in one piece can be looked at.
    fn is_write_vectored(&self) -> bool {
        self.body.is_none()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.body.is_none() {
            return Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        }
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| &**part);
        Pin::new(this).poll_write(context, first)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for OwnAnswers<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_head_without_a_body_is_hypers_own() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(own_head(own.as_bytes()), Some((0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)));
        let answered = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(own_head(format!("{answered}{own}").as_bytes()).map(|(start, _)| start), Some(answered.len()));
        for other in [
            answered,
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            "",
        ] {
            assert_eq!(own_head(other.as_bytes()), None, "{other}");
        }
        assert_eq!(own_head(format!("{own}{answered}").as_bytes()), None);
    }
}
