//! The node: sockets, tasks, time and signals around the pure crates below.
//!
//! Owns every socket, thread and clock of the program, and what is said about them (INFO, CONFIG, CLIENT,
//! metrics). Never takes a decision that could be made below.

// In reading order.
mod server;
mod node;

mod listener;
mod workers;
mod connection;
mod transport; // TCP, Unix, TLS
mod address;
pub mod tls;
mod certificate; // what TLS is spoken with
mod batch;
mod admission;
mod acl;
mod blocking;
mod resume;
mod eviction;
mod pause;
mod exclusive;
mod answer;
mod scripts;
mod migrate;

mod save;
mod session;
mod transaction;
mod owned;
mod buffers;
mod clients;

mod hub;
mod monitor;
mod tracking;
mod keyspace_events;
mod outbox;

pub mod config;
pub mod config_table;
mod open_files;
mod client_memory; // maxmemory-clients
mod output_limit; // client-output-buffer-limit
mod settings;

mod stats;
mod histogram; // how long requests took
mod command_log; // which took long
mod latency; // and what held them up
mod hot_keys; // and of which keys
mod metrics;
mod http;
mod memory;
mod cpu;
mod cron;
mod expiry;
mod shutdown;
mod seldom; // lines of the log
pub mod clock;

mod spool;
mod loopback;
pub mod upstream;

pub use loopback::Loopback;
pub use node::Ports;
pub use server::{Server, StartError};
pub use shutdown::Signals;
