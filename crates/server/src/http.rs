//! HTTP for machines that watch: `/metrics`, `/healthz`, `/readyz`.
//!
//! Owns the routes, and the bounds on who asks: each connection is one request, and soon over. Never runs a command.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::admission::Situation;
use crate::config::HttpAddress;
use crate::listener::ACCEPT_PAUSE;
use crate::metrics;
use crate::node::Node;
use crate::server::StartError;

/// The most connections at once: scrapers and probes are few. One more takes the place of the oldest, so that nobody
/// keeps a probe waiting by holding all of them.
const CONNECTIONS_MAX: usize = 64;
/// The longest that one request and its answer may take, so that nobody holds a place by sending or reading slowly.
const CONNECTION_MAX: Duration = Duration::from_secs(10);
/// The most bytes of a request's head; what asks for these pages has no honest use for more.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Opens the socket, and says on which port.
pub(crate) async fn open(address: &HttpAddress) -> Result<(TcpListener, u16), StartError> {
    let failed = |error| StartError::Listen { address: address.as_str().to_owned(), error };
    let listener = TcpListener::bind(address.as_str()).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

/// Serves until dropped.
pub(crate) async fn serve(node: Arc<Node>, listener: TcpListener) {
    let routes = Router::new()
        .route("/metrics", get(page))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(node);
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while connections.try_join_next().is_some() {}
                oldest_first.retain(|connection| !connection.is_finished());
                if oldest_first.len() >= CONNECTIONS_MAX
                    && let Some(oldest) = oldest_first.pop_front()
                {
                    oldest.abort();
                }
                let routes = TowerToHyperService::new(routes.clone());
                oldest_first.push_back(connections.spawn(async move {
                    let served = http1::Builder::new()
                        .keep_alive(false)
                        .max_buf_size(REQUEST_BYTES_MAX)
                        .serve_connection(TokioIo::new(stream), routes);
                    // Who breaks off, or takes too long, is owed nothing.
                    let _ = tokio::time::timeout(CONNECTION_MAX, served).await;
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn page(State(node): State<Arc<Node>>) -> impl IntoResponse {
    let text = loop {
        if let Some(reader) = node.store.try_reader() {
            break metrics::page(&node, &reader);
        }
        node.store.gate_opened().await;
    };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// Whether reads are answered, from data that a master gave or is our own.
async fn ready(State(node): State<Arc<Node>>) -> impl IntoResponse {
    match Situation::of(&node, crate::clock::steady()).why_not_ready() {
        None => (StatusCode::OK, "ready\n"),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}
