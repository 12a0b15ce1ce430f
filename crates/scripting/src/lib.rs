//! Lua 5.1 as Redis embeds it: scripts, functions, and what they may call.
//!
//! ```text
//!   EVAL, FCALL ──► engine ──► state (sandbox, cjson, cmsgpack, bit, struct) ──► boundary ──► Lua
//!                     │  redis.call                      │                          │
//!                     └──────────── run ◄────────────────┘           pulse ◄────────┘ time is up? killed?
//!                                    └──► host: the server's clients, or the applier of an old master's stream
//! ```
//!
//! The texts of errors are those of Redis 8.10, and so are the positions in them. Chunks are text: compiled code is
//! refused, for it can be made to do anything. Each state has a memory limit, and a script looks now and then at
//! whether it must end: at every so many instructions, and so do the functions that it calls, whose work grows with
//! what they are given. Lua's own that would take long without looking (patterns, `table.sort`) have ours in their
//! place.
//!
//! A script may be *attempted* where others wait for it: it runs for a moment, may only read, and comes to nothing when
//! it would do more; then its caller runs it where it may take long. What is remembered of that is in `attempts`.
//!
//! Owns Lua states, known scripts and loaded libraries. Never decides who may write, never takes the token, never does
//! IO.

// In reading order.
mod engine;
mod host;
mod run;
mod convert;
mod pulse;
mod attempts;

mod cache;
mod shebang;
mod libraries;

mod state;
mod api;
mod boundary;
mod arguments;
mod walk;

mod cjson;
mod cmsgpack;
mod bit;
mod structs;
mod random;
mod pattern;
mod text;
mod texts;

pub use engine::{Called, Engine, Figures, Named, Request, SharedEngine};
pub use host::{Host, LogLevel, Refusal, Standing};
pub use libraries::{LogLine, Registered};
pub use pulse::{Kind, Pulse, Running, TimeLimits};
pub use run::Ran;
pub use shebang::ScriptFlags;
pub use state::Identity;
