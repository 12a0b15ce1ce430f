//! A client inside the program: requests in, answers out, by the very batches that a connection runs.
//!
//! Owns a session without a socket. Never waits: what would have to wait is refused. For measurements, which count what
//! a request takes beside the kernel's part, without threads and clocks coming between.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use replication::Meter;
use storage::Store;

use crate::address::Address;
use crate::batch::{self, Next};
use crate::buffers::{self, Buffers};
use crate::clock;
use crate::config::Config;
use crate::hot_keys::HotKeys;
use crate::node::{Node, Ports};
use crate::scripts::{self, Scripts};
use crate::server::{StartError, upstream_config};
use crate::session::Session;
use crate::upstream::Upstream;

/// See the module.
#[derive(Debug)]
pub struct Loopback {
    node: Arc<Node>,
    session: Session,
    buffers: Box<Buffers>,
}

impl Loopback {
    /// A client of a node that has this data set, follows nobody and listens nowhere.
    ///
    /// # Errors
    /// As of [`crate::Server::start`].
    pub fn new(store: Store, config: Config) -> Result<Loopback, StartError> {
        let engine = scripts::engine(&config.report_version);
        let hot_keys = Arc::new(HotKeys::default());
        let meter = Arc::clone(&hot_keys) as Arc<dyn Meter>;
        let scripts = scripts::of_stream(&engine);
        let upstream = Upstream::start(upstream_config(&config, 0)?, store.clone(), None, scripts, meter)
            .map_err(StartError::Thread)?;
        let scripts = Scripts::new(engine);
        let node = Arc::new(Node::new(config, store, upstream, scripts, hot_keys, Ports::default())?);
        let nowhere = Address::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let registered = node.clients.register(nowhere.clone(), nowhere, 0, clock::steady());
        let session = Session::new(registered, &node.acl);
        let buffers = buffers::lend(session.protocol());
        Ok(Loopback { node, session, buffers })
    }

    /// Runs the requests in `wire`, as if they had arrived at once, and says how many bytes the answers take.
    ///
    /// # Errors
    /// When one would have to wait, or breaks the protocol.
    pub fn run(&mut self, wire: &[u8]) -> io::Result<usize> {
        self.buffers.make_room();
        self.buffers.input.extend_from_slice(wire);
        let mut answered = 0;
        loop {
            let next = batch::run_with(None, Duration::MAX, &self.node, &mut self.session, &mut self.buffers);
            let reply = &mut self.buffers.reply;
            answered += reply.len();
            reply.advance(reply.len());
            match next {
                Next::Read => return Ok(answered),
                Next::More => {}
                Next::Gate
                | Next::Token
                | Next::Apart
                | Next::Exclusive(_)
                | Next::Wait(_)
                | Next::Blocked(_) => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Next::Close => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}
