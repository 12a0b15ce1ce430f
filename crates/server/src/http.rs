//! HTTP for machines that watch: `/metrics`, `/healthz`, `/readyz`.
//!
//! Owns the routes. Never runs a command.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::admission::Situation;
use crate::config::HttpAddress;
use crate::metrics;
use crate::node::Node;
use crate::server::StartError;

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
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "HTTP has ended");
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
    match Situation::of(&node).why_not_ready() {
        None => (StatusCode::OK, "ready\n"),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}
