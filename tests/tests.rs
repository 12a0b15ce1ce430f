//! The end-to-end tests: nearside beside real servers.
//!
//! `make test` gets the servers and runs these; `tests/README.md` says how to run one.

#![allow(unreachable_pub)] // a test program has no outside to reach
#![allow(clippy::indexing_slicing, clippy::print_stdout)] // a panic is a failed test; what is skipped is printed

#[macro_use]
mod harness;

mod cases; // transcripts, run against a real server and against us
mod clients; // programs with redis-py, go-redis, rueidis, redis-rs, and with clients of node and Java
mod big; // a million keys, slow loads, big values
mod readme; // its lists follow from the tables
mod embedding; // the library inside another program
mod migrate; // MIGRATE of real servers to us, and of ours to them
mod program; // options, ports, signals, metrics, strangers
mod access; // users, and what each may do
mod fields; // what INFO and CONFIG tell, beside a real replica
mod hotkeys; // which keys cost most
mod tools; // redis_exporter, redis-cli
mod docs; // COMMAND DOCS beside real servers
mod tls; // certificates, right and wrong, with real clients and masters
mod sockets; // the socket in the file system, and protected mode
mod topology; // REPLICAOF, promotion, failover
mod faults; // what goes wrong, and what is said of it
mod blocking; // commands that wait for a key
mod eviction; // maxmemory: who goes, and who is refused
mod save; // SAVE and BGSAVE: real servers load the file
mod differential; // every command on data, with odd arguments, beside a real server
mod reads; // the same random requests to a real replica and to us
mod floats; // INCRBYFLOAT and HINCRBYFLOAT: the digits of a real server
mod equality; // a workload on a real master, then digest and walk: nothing may differ
mod connections; // thousands at once, and how many there may be
mod events; // keyspace events, beside a real server
mod expiry; // requests at random among what goes past its deadline, beside a real master
mod pushes; // what clients are sent without asking
mod memory; // what the node says of its memory, beside what it was given
mod requests; // bytes that are requests, nearly requests, or none: the same answers as a real server's
mod invariants; // what a master's transactions keep true, never seen broken
mod whole; // transactions, scripts and what is waited for: whole to others, or not at all
mod orders; // what an operator orders of clients: in force when it is answered
mod watched; // WATCH and what clients keep: what is a change to them
mod patterns; // random patterns, and what scripts do with texts and tables
mod scripts; // Lua: of old masters, of clients, and what never ends
mod soak; // rounds of everything at once, for hours
