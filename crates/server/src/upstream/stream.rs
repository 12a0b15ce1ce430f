//! The connection to the master: plain, or TLS.
//!
//! Owns the difference. Never knows what goes over it.

use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::status::Socket;

/// See the module.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Where it begins and ends, while it stands.
    pub(super) fn socket(&self) -> io::Result<Socket> {
        let stream = match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        Ok(Socket { peer: stream.peer_addr()?, local: stream.local_addr()?, fd: stream.as_raw_fd() })
    }

    /// Reads some into `buffer`, or will wake the task.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(stream) => pin!(stream.read_buf(buffer)).poll(context),
            Stream::Tls(stream) => pin!(stream.read_buf(buffer)).poll(context),
        }
    }

    /// Sends some of `bytes`, or will wake the task. TLS keeps what it has taken, and sends it on when this is called
    /// again, with nothing too.
    pub(crate) fn poll_send(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(_) if bytes.is_empty() => Poll::Pending,
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => {
                let mut stream = Pin::new(stream);
                ready!(stream.as_mut().poll_flush(context))?;
                if bytes.is_empty() {
                    return Poll::Pending;
                }
                let sent = ready!(stream.as_mut().poll_write(context, bytes))?;
                // What is left of it is sent by the next call.
                let _ = stream.poll_flush(context)?;
                Poll::Ready(Ok(sent))
            }
        }
    }

    /// Sends some of `bytes` now, if it can. The task must call [`Stream::poll_send`] before it waits.
    pub(super) fn try_send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.poll_send(&mut Context::from_waker(Waker::noop()), bytes) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// Whether it is TLS that failed, and not the network.
pub(super) fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}
