//! Where a client is: a socket address, or a path.
//!
//! Owns Redis' text for it, and who counts as being on this machine.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Ip(SocketAddr),
    /// The path of the socket that it came by.
    Unix(Arc<str>),
}

impl Address {
    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Address::Ip(address) => address.ip().to_canonical().is_loopback(),
            Address::Unix(_) => true,
        }
    }

    /// The address without its port, or the path.
    pub(crate) fn host(&self) -> String {
        match self {
            Address::Ip(address) => address.ip().to_string(),
            Address::Unix(path) => path.to_string(),
        }
    }

    /// As MONITOR shows it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Address::Ip(address) => address.to_string(),
            Address::Unix(path) => format!("unix:{path}"),
        }
    }

    /// Whether it came by the socket in the file system.
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Address::Unix(_))
    }
}

impl From<SocketAddr> for Address {
    /// An IPv4 address is one, though it came over IPv6.
    fn from(address: SocketAddr) -> Self {
        Address::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(to),
            Address::Unix(path) => write!(to, "{path}:0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_redis_writes_it() {
        let ip = |text: &str| Address::from(text.parse::<SocketAddr>().unwrap());
        assert_eq!(ip("[::ffff:10.0.0.1]:7000").to_string(), "10.0.0.1:7000");
        assert_eq!(ip("[::1]:7000").to_string(), "[::1]:7000");
        let unix = Address::Unix("/run/n.sock".into());
        assert_eq!(unix.to_string(), "/run/n.sock:0");
        assert_eq!((unix.host().as_str(), unix.shown().as_str()), ("/run/n.sock", "unix:/run/n.sock"));
        assert!(unix.is_local() && ip("127.0.0.2:1").is_local() && !ip("10.0.0.1:1").is_local());
        assert_eq!(size_of::<Address>(), size_of::<SocketAddr>());
    }
}
