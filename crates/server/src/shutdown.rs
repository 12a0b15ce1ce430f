//! The end: who asks for it, and who hears of it.
//!
//! Owns one flag, and the signals that set it. Never ends anything itself: see [`crate::Server::shutdown`].

use tokio::signal::unix::{SignalKind, signal};
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

/// Returns with the name of the first of SIGTERM and SIGINT that comes.
///
/// # Errors
/// When the process may not listen for signals.
pub async fn signalled() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
