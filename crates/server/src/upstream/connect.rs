//! From a master's name to a connection.
//!
//! Owns resolving (again at each try), the order of addresses, and the handshake of TLS. Never speaks.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use replication::{ErrorCode, LinkError};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::stream::{Stream, is_tls};
use super::{MasterAddress, MasterTls};

/// When a silent connection is looked after by the system, beside our own timeout.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Resolves and connects: the first address that answers. Each has its share of the time, TLS included; all is over
/// `within` it.
///
/// # Errors
/// With the last address' reason.
pub(crate) async fn connect(
    master: MasterAddress,
    tls: Option<MasterTls>,
    within: Duration,
) -> Result<Stream, LinkError> {
    let MasterAddress { host, port } = &master;
    let until = Instant::now() + within;
    let found = match timeout_at(until, lookup_host((host.as_str(), *port))).await {
        Ok(found) => found,
        Err(_) => Err(io::Error::new(ErrorKind::TimedOut, "no answer from the resolver")),
    };
    let addresses: Vec<SocketAddr> = match found {
        Ok(found) => found.collect(),
        Err(error) => return Err(LinkError::new(ErrorCode::Unresolved, format!("{host}: {error}"))),
    };
    let left = until.saturating_duration_since(Instant::now());
    let share = left / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = LinkError::new(ErrorCode::Unresolved, format!("{host} has no address"));
    for address in addresses {
        let until = Instant::now() + share;
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                set_options(&stream);
                let Some(tls) = &tls else { return Ok(Stream::Plain(stream)) };
                match timeout_at(until, handshake(stream, tls, host)).await {
                    Ok(Ok(stream)) => return Ok(stream),
                    Ok(Err((code, why))) => last = LinkError::new(code, format!("{address}: {why}")),
                    Err(_) => {
                        // A Redis that is spoken to by TLS where it has none waits for the end of a line.
                        let why = format!("{address}: no TLS in {share:?}: is that port for TLS?");
                        last = LinkError::new(ErrorCode::Tls, why);
                    }
                }
            }
            Ok(Err(error)) => last = LinkError::new(code_of(&error), format!("{address}: {error}")),
            Err(_) => {
                last = LinkError::new(ErrorCode::Timeout, format!("{address}: no connection in {share:?}"))
            }
        }
    }
    Err(last)
}

/// Agrees on TLS. The master's certificate must bear the name that we know it by.
async fn handshake(stream: TcpStream, tls: &MasterTls, host: &str) -> Result<Stream, (ErrorCode, String)> {
    let name = tls.server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| (ErrorCode::Tls, format!("'{name}' is no name that a certificate can bear")))?;
    match TlsConnector::from(Arc::clone(&tls.config)).connect(name, stream).await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
        Err(error) if is_tls(&error) => Err((ErrorCode::Tls, error.to_string())),
        // As who does not speak TLS at all does.
        Err(error) => Err((ErrorCode::Tls, format!("the connection broke in the handshake: {error}"))),
    }
}

fn set_options(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    let done = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = done {
        tracing::debug!(%error, "the connection to the master keeps the system's options");
    }
}

fn code_of(error: &io::Error) -> ErrorCode {
    match error.kind() {
        ErrorKind::ConnectionRefused => ErrorCode::Refused,
        ErrorKind::TimedOut => ErrorCode::Timeout,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => ErrorCode::Closed,
        _ => ErrorCode::Unreachable,
    }
}
