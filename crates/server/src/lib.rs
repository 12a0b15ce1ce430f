//! The node: sockets, tasks, time and signals around the pure crates below.
//!
//! Owns every socket, thread and clock of the program, and what is said about them (INFO, CONFIG, CLIENT,
//! metrics). Never takes a decision that could be made below.

pub mod clock;
pub mod upstream;
