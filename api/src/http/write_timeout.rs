//! A connection with a write timeout: data that a client does not read stay in memory.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// A stream whose reader must take some bytes in each stretch of time, as long as there are any.
pub(super) struct WriteTimeout {
    stream: TcpStream,
    patience: Duration,
    /// Least bytes in each stretch.
    least: u64,
    written: u64,
    waiting: Option<Waiting>,
}

/// Something is to be written, and the reader does not take it.
struct Waiting {
    /// When the stretch ends.
    end: Pin<Box<Sleep>>,
    /// The bytes written before it.
    before: u64,
}

impl WriteTimeout {
    pub(super) fn new(stream: TcpStream, patience: Duration, least: u64) -> Self {
        Self { stream, patience, least, written: 0, waiting: None }
    }

    /// Handles the result of a write: counts its bytes, or ends on timeout.
    fn looked_at(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                self.written += bytes as u64;
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(cx),
        }
    }

    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Self { patience, written, .. } = *self;
        let waiting = self.waiting.get_or_insert_with(|| Waiting { end: Box::pin(sleep(patience)), before: written });
        while waiting.end.as_mut().poll(cx).is_ready() {
            if written - waiting.before < self.least {
                // Discards the kernel's buffer as well.
                let _ = self.stream.set_zero_linger();
                metrics::counter!("milepost_api_write_timeouts_total").increment(1);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its response")));
            }
            waiting.before = written;
            waiting.end.as_mut().reset(Instant::now() + patience);
        }
        Poll::Pending
    }
}

impl AsyncWrite for WriteTimeout {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.looked_at(cx, wrote)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.looked_at(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Everything is written.
        self.waiting = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for WriteTimeout {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}
