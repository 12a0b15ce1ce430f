//! Where clients come in.
//!
//! Owns the listening sockets and the conditions of entry: how many, and protected mode. Never reads a request.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::clock;
use crate::connection;
use crate::node::Node;
use crate::session::Session;
use crate::stats::add;
use crate::workers::Workers;

/// Connections that the kernel holds ready for us; Redis' `tcp-backlog`.
pub(crate) const BACKLOG: i32 = 511;

/// How long to wait when the system is out of file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED: &[u8] = b"-DENIED nearside runs in protected mode: it has no password, and answers only clients on \
its own machine. Start it with --requirepass (or NEARSIDE_REQUIREPASS) to let others in, or with --protected-mode no \
if everybody who can reach this port may read all data.\r\n";

/// Opens the sockets of all addresses on one port; with port 0, on one free port.
///
/// # Errors
/// The address that could not be listened on, and why. An address that begins with `-` may be unavailable.
pub(crate) async fn open(
    addresses: &[String],
    port: u16,
) -> Result<(Vec<TcpListener>, u16), (String, io::Error)> {
    let mut listeners = Vec::new();
    let mut port = port;
    for address in addresses {
        let (address, optional) = match address.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (address.as_str(), false),
        };
        for socket_address in resolve(address, port).await.map_err(|error| (address.to_owned(), error))? {
            match listen(socket_address) {
                Ok(listener) => {
                    if port == 0 {
                        port = listener.local_addr().map_err(|error| (address.to_owned(), error))?.port();
                    }
                    listeners.push(listener);
                }
                Err(error) if optional && is_unavailable(&error) => {
                    tracing::debug!(%socket_address, %error, "not listening there");
                }
                Err(error) => return Err((format!("{address}:{port}"), error)),
            }
        }
    }
    Ok((listeners, port))
}

/// The socket addresses of a `bind` word: `*`, `::*`, an address or a name.
async fn resolve(address: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match address {
        "*" => Ok(vec![SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port)]),
        "::*" => Ok(vec![SocketAddr::new(IpAddr::from([0u16; 8]), port)]),
        name => Ok(lookup_host((name, port)).await?.collect()),
    }
}

/// Whether the machine has no such address.
fn is_unavailable(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ENOPROTOOPT)
    )
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Takes connections in, until dropped.
pub(crate) async fn accept(node: Arc<Node>, workers: Arc<Workers>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => admit(&node, &workers, stream, address),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(node: &Arc<Node>, workers: &Workers, stream: TcpStream, address: SocketAddr) {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    add(&node.stats.local().connections_received, 1);
    let (maxclients, is_protected, keepalive) = {
        let config = node.settings.read();
        (config.maxclients, config.protected_mode && node.acl.is_open(), config.tcp_keepalive)
    };
    if node.clients.len() >= usize::try_from(maxclients).unwrap_or(usize::MAX) {
        return refuse(node, stream, TOO_MANY);
    }
    if is_protected && !address.ip().is_loopback() {
        return refuse(node, stream, PROTECTED);
    }
    if let Err(error) = prepare(&stream, keepalive) {
        tracing::debug!(client = %address, %error, "a connection was gone before it began");
        return;
    }
    if let Err(error) = serve(node, workers, stream, address) {
        tracing::debug!(client = %address, %error, "a connection was lost before it began");
    }
}

fn serve(node: &Arc<Node>, workers: &Workers, stream: TcpStream, address: SocketAddr) -> io::Result<()> {
    let registered =
        node.clients.register(address, stream.local_addr()?, stream.as_raw_fd(), clock::steady());
    let client = Arc::clone(&registered.client);
    let session = Session::new(registered, &node.acl);
    let node = Arc::clone(node);
    let task =
        workers.serve(stream.into_std()?, |stream, place| connection::serve(node, stream, session, place))?;
    client.served_by(task);
    Ok(())
}

fn prepare(stream: &TcpStream, keepalive: u64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if keepalive > 0 {
        let idle = Duration::from_secs(keepalive);
        let interval = Duration::from_secs((keepalive / 3).max(1));
        let probes = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3);
        SockRef::from(stream).set_tcp_keepalive(&probes)?;
    }
    Ok(())
}

/// Says why, and closes.
fn refuse(node: &Node, mut stream: TcpStream, why: &'static [u8]) {
    add(&node.stats.local().connections_rejected, 1);
    tokio::spawn(async move {
        // Who does not read it has not asked.
        let _ = stream.write_all(why).await;
        let _ = stream.shutdown().await;
    });
}
