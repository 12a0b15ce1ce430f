//! What a connection runs over: a socket, or TLS on one.
//!
//! Owns the going from one thread to another, where the socket is watched by another runtime. Never knows what is said.
//!
//! A socket in the file system is a stream of bytes as TCP is, read and written by the same calls; so it is held as
//! one, and a connection of either kind is one type of task.

use std::io;
use std::net::TcpStream as StdStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// See the module.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + Sized + 'static {
    /// What is there beside the socket.
    type Rest: Send + 'static;
    /// Takes the socket from its runtime.
    fn part(self) -> io::Result<(StdStream, Self::Rest)>;
    /// Goes on where the socket is now.
    fn join(stream: TcpStream, rest: Self::Rest) -> Self;
}

impl Transport for TcpStream {
    type Rest = ();
    fn part(self) -> io::Result<(StdStream, ())> {
        Ok((self.into_std()?, ()))
    }
    fn join(stream: TcpStream, (): ()) -> Self {
        stream
    }
}

/// A socket of the file system as a stream.
pub(crate) fn of_unix(stream: UnixStream) -> StdStream {
    StdStream::from(OwnedFd::from(stream))
}

/// TLS with a client.
pub(crate) type Tls = Box<TlsStream<Socket>>;

impl Transport for Tls {
    type Rest = Tls;
    fn part(mut self) -> io::Result<(StdStream, Tls)> {
        let stream = self.get_mut().0.0.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok((stream.into_std()?, self))
    }
    fn join(stream: TcpStream, mut rest: Tls) -> Self {
        rest.get_mut().0.0 = Some(stream);
        rest
    }
}

/// The socket below TLS; none while it goes from one thread to another.
#[derive(Debug)]
pub(crate) struct Socket(Option<TcpStream>);

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Socket(Some(stream))
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.0.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().stream()?.poll_write(context, bytes)
    }
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_flush(context)
    }
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_shutdown(context)
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().stream()?.poll_write_vectored(context, pieces)
    }
    fn is_write_vectored(&self) -> bool {
        self.0.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}
