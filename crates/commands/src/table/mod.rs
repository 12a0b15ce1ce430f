//! The command table: one row a command, a file a family.
//!
//! Owns every row. Dispatch, COMMAND, ACL, READONLY refusals, key filters, metric labels and the README's list
//! all follow from these rows; nothing else lists commands.

mod cluster;
mod connection;
mod pubsub;
mod server;
mod transactions;
