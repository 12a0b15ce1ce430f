//! Where clients come in.
//!
//! Owns the listening sockets and the conditions of entry: how many, and protected mode. Never reads a request.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream as StdStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UnixListener, lookup_host};

use crate::address::Address;
use crate::clock;
use crate::connection;
use crate::node::Node;
use crate::session::Session;
use crate::stats::add;
use crate::transport;
use crate::workers::Workers;

/// Connections that the kernel holds ready for us; Redis' `tcp-backlog`.
pub(crate) const BACKLOG: i32 = 511;

/// How long to wait when the system is out of file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Linux takes no more. A Redis that is asked for more goes on without.
const KEEPALIVE_SECONDS_MAX: u64 = 32_767;
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
/// Redis' words, by which its clients know it.
const PROTECTED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password \
is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to \
connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode \
sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host \
the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE \
to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis \
configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the \
server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password \
for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting \
connections from the outside.\r\n";

/// Where clients come in, and what they speak there.
#[derive(Debug)]
pub(crate) enum Door {
    Plain(TcpListener),
    Tls(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A socket in the file system; gone when dropped, unless another is there by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: Arc<str>,
    file: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(Path::new(&*self.path)).is_ok_and(|file| file == self.file) {
            let _gone_already = fs::remove_file(&*self.path);
        }
    }
}

/// Which file it is, whatever it is called.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Opens a socket in the file system; `permissions` as of chmod, 0: as the umask has it.
///
/// # Errors
/// Why it cannot be. What a server that is gone has left there is removed; another file is not.
pub(crate) fn open_unix(path: &Path, permissions: u32) -> io::Result<Door> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let file = SocketFile { path: path.to_string_lossy().into(), file: identity(path)? };
    if permissions != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(permissions))?;
    }
    Ok(Door::Unix(listener, file))
}

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
pub(crate) async fn accept(node: Arc<Node>, workers: Arc<Workers>, door: Door) {
    loop {
        let came = match &door {
            Door::Plain(listener) => {
                listener.accept().await.and_then(|(stream, addr)| of_tcp(stream, addr, false))
            }
            Door::Tls(listener) => {
                listener.accept().await.and_then(|(stream, addr)| of_tcp(stream, addr, true))
            }
            Door::Unix(listener, file) => listener.accept().await.and_then(|(stream, _)| {
                let address = Address::Unix(Arc::clone(&file.path));
                let stream = transport::of_unix(stream.into_std()?);
                Ok(Arrived { stream, addr: address.clone(), laddr: address, is_tls: false })
            }),
        };
        match came {
            Ok(arrived) => admit(&node, &workers, arrived),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Who stands at the door.
struct Arrived {
    stream: StdStream,
    addr: Address,
    laddr: Address,
    is_tls: bool,
}

fn of_tcp(stream: TcpStream, addr: SocketAddr, is_tls: bool) -> io::Result<Arrived> {
    // Who has left again already has an address no more.
    let laddr = stream.local_addr().unwrap_or(addr);
    Ok(Arrived { stream: stream.into_std()?, addr: addr.into(), laddr: laddr.into(), is_tls })
}

fn admit(node: &Arc<Node>, workers: &Workers, arrived: Arrived) {
    add(&node.stats.local().connections_received, 1);
    let (maxclients, is_protected, keepalive) = {
        let config = node.settings.read();
        (config.maxclients, config.protected_mode && node.acl.is_open(), config.tcp_keepalive)
    };
    if node.clients.len() >= usize::try_from(maxclients).unwrap_or(usize::MAX) {
        return refuse(node, arrived, TOO_MANY);
    }
    if is_protected && !arrived.addr.is_local() {
        return refuse(node, arrived, PROTECTED);
    }
    let address = arrived.addr.clone();
    if let Err(error) = prepare(&arrived, keepalive).and_then(|()| serve(node, workers, arrived)) {
        tracing::debug!(client = %address, %error, "a connection was gone before it began");
    }
}

fn serve(node: &Arc<Node>, workers: &Workers, arrived: Arrived) -> io::Result<()> {
    let Arrived { stream, addr, laddr, is_tls } = arrived;
    let registered = node.clients.register(addr, laddr, stream.as_raw_fd(), clock::steady());
    let client = Arc::clone(&registered.client);
    let session = Session::new(registered, &node.acl);
    let tls = if is_tls { node.tls.server() } else { None };
    let node = Arc::clone(node);
    let task = workers.serve(stream, |stream, place| match tls {
        Some(tls) => connection::serve_tls(node, stream, session, place, tls),
        None => connection::serve(node, stream, session, place),
    })?;
    client.served_by(task);
    Ok(())
}

fn prepare(arrived: &Arrived, keepalive: u64) -> io::Result<()> {
    if arrived.addr.is_unix() {
        return Ok(());
    }
    let socket = SockRef::from(&arrived.stream);
    socket.set_tcp_nodelay(true)?;
    if keepalive > 0 {
        let seconds = |seconds: u64| Duration::from_secs(seconds.clamp(1, KEEPALIVE_SECONDS_MAX));
        let (idle, interval) = (seconds(keepalive), seconds(keepalive / 3));
        let probes = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3);
        if let Err(error) = socket.set_tcp_keepalive(&probes) {
            tracing::debug!(client = %arrived.addr, %error, "a client's connection keeps the system's options");
        }
    }
    Ok(())
}

/// Says why, and closes. Who expects TLS could not read it.
fn refuse(node: &Node, arrived: Arrived, why: &'static [u8]) {
    add(&node.stats.local().connections_rejected, 1);
    if arrived.is_tls {
        return;
    }
    let Ok(mut stream) = TcpStream::from_std(arrived.stream) else { return };
    tokio::spawn(async move {
        // Who does not read it has not asked.
        let _ = stream.write_all(why).await;
        let _ = stream.shutdown().await;
    });
}
