//! From a master's name to a connection.
//!
//! Owns resolving (again at each try) and the order of addresses. Never speaks.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use replication::{ErrorCode, LinkError};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::MasterAddress;

/// When a silent connection is looked after by the system, beside our own timeout.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Resolves and connects: the first address that answers. Each has its share of the time.
///
/// # Errors
/// With the last address' reason.
pub(super) async fn connect(master: MasterAddress, within: Duration) -> Result<TcpStream, LinkError> {
    let MasterAddress { host, port } = &master;
    let found = match timeout(within, lookup_host((host.as_str(), *port))).await {
        Ok(found) => found,
        Err(_) => Err(io::Error::new(ErrorKind::TimedOut, "no answer from the resolver")),
    };
    let addresses: Vec<SocketAddr> = match found {
        Ok(found) => found.collect(),
        Err(error) => return Err(LinkError::new(ErrorCode::Unresolved, format!("{host}: {error}"))),
    };
    let share = within / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = LinkError::new(ErrorCode::Unresolved, format!("{host} has no address"));
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                set_options(&stream);
                return Ok(stream);
            }
            Ok(Err(error)) => last = LinkError::new(code_of(&error), format!("{address}: {error}")),
            Err(_) => {
                last = LinkError::new(ErrorCode::Timeout, format!("{address}: no connection in {share:?}"))
            }
        }
    }
    Err(last)
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
