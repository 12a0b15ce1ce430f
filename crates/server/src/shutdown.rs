//! The end: who asks for it, and who hears of it.
//!
//! Owns one flag, and the signals that mean the same. Never ends anything itself: see [`crate::Server::shutdown`].

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Says that the node is to end.
#[derive(Debug)]
pub(crate) struct Shutdown(watch::Sender<bool>);

impl Shutdown {
    pub(crate) fn new() -> Self {
        Shutdown(watch::Sender::new(false))
    }

    /// Asks for the end.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Returns when the end was asked for.
    pub(crate) async fn wait(&self) {
        // The sender is `self`, so the channel stays open.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}

/// SIGTERM and SIGINT, which ask for the end.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on they end nothing by themselves. Within a runtime.
    ///
    /// # Errors
    /// When the process may not listen for signals.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns with the name of the next that comes, or has come.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Returns when an interrupt comes: to be asked when one was told of already.
    pub async fn insisted(&mut self) {
        self.interrupt.recv().await;
    }
}
