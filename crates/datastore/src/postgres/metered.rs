//! Stream from a server that fails before an answer is longer than it may be.
//!
//! The client library collects every message whole, and the rows of an answer together, whatever length the server
//! announces; and a tenant decides what is read in its database: a view of its own raises errors of any size.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Most bytes of an answer, unless [`Allowance::raise`] permits more. The operator's own questions have short answers.
const USUAL: usize = 1 << 20;
/// Bytes of a message's head: its kind, and the length of all that follows the kind.
const HEAD: usize = 5;
/// Kind of the message with which an answer ends.
const READY: u8 = b'Z';

/// Most bytes that one answer of a session may have, all messages counted, and what exceeded it.
pub(super) struct Allowance {
    most: AtomicUsize,
    exceeded: OnceLock<String>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            most: AtomicUsize::new(USUAL),
            exceeded: OnceLock::new(),
        }
    }
}

impl Allowance {
    /// Permits answers of up to `most` bytes from now on.
    pub(super) fn raise(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Text about the message that ended the session, if one did.
    pub(super) fn exceeded(&self) -> Option<&str> {
        self.exceeded.get().map(String::as_str)
    }
}

/// Stream of a session behind its TLS, which follows the heads of the messages that are read.
pub(super) struct Metered<S> {
    inner: S,
    meter: Meter,
}

impl<S> Metered<S> {
    /// Stream whose next byte is the first one of a message.
    pub(super) fn new(inner: S, allowance: Arc<Allowance>) -> Self {
        let meter = Meter {
            allowance,
            head: [0; HEAD],
            seen: 0,
            body: 0,
            answer: 0,
        };
        Self { inner, meter }
    }
}

/// Place in the messages of a stream.
struct Meter {
    allowance: Arc<Allowance>,
    /// Head of the message that is read.
    head: [u8; HEAD],
    /// Bytes of the head that were read.
    seen: usize,
    /// Bytes of the body that are still to come.
    body: usize,
    /// Bytes of the answer, up to the end of this message.
    answer: usize,
}

impl Meter {
    /// Follows the messages through `bytes`. Fails at the head of the first message that exceeds the allowance.
    fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            let skipped = self.body.min(bytes.len());
            self.body -= skipped;
            bytes = &bytes[skipped..];
            let Some((byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            self.head[self.seen] = *byte;
            self.seen += 1;
            if self.seen == HEAD {
                self.seen = 0;
                self.begin()?;
            }
        }
    }

    /// Counts the message whose head was read.
    fn begin(&mut self) -> io::Result<()> {
        let [kind, length @ ..] = self.head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        // A length that does not count itself is refused by the client library.
        self.body = length.saturating_sub(HEAD - 1);
        self.answer = self.answer.saturating_add(length).saturating_add(1);
        let most = self.allowance.most.load(Ordering::Relaxed);
        if self.answer > most {
            let text = format!(
                "an answer of more than the {most} bytes that are read: with its next message, of {} bytes, it has {}",
                length.saturating_add(1),
                self.answer
            );
            let text = self.allowance.exceeded.get_or_init(|| text);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text.as_str()));
        }
        if kind == READY {
            self.answer = 0;
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let followed = self.meter.follow(&buffer.filled()[before..]);
        if followed.is_err() {
            // Who gets an error expects no bytes.
            buffer.set_filled(before);
        }
        Poll::Ready(followed)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Metered<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// TLS whose stream is metered: the server's answer to the request for TLS comes before and is no message.
pub(super) struct MeteredTls<C> {
    connect: C,
    allowance: Arc<Allowance>,
}

impl<C> MeteredTls<C> {
    pub(super) fn new(connect: C, allowance: Arc<Allowance>) -> Self {
        Self { connect, allowance }
    }
}

impl<S, C> TlsConnect<S> for MeteredTls<C>
where
    C: TlsConnect<S>,
    C::Future: Send + 'static,
{
    type Stream = Metered<C::Stream>;
    type Error = C::Error;
    type Future = BoxFuture<'static, Result<Self::Stream, Self::Error>>;

    fn connect(self, stream: S) -> Self::Future {
        let (connecting, allowance) = (self.connect.connect(stream), self.allowance);
        Box::pin(async move {
            let stream = connecting.await?;
            Ok(Metered::new(stream, allowance))
        })
    }
}

#[cfg(test)]
mod tests;
