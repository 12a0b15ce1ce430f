//! The program: options → configuration → a node, until it is told to end.

#[cfg(feature = "jemalloc")]
mod allocator;
mod log;
mod options;
mod progress;

use std::process::ExitCode;

use nearside::Replica;

/// The exit code for options that cannot be followed.
const BAD_OPTIONS: u8 = 2;

fn main() -> ExitCode {
    // Ends with code 2 when an option is wrong.
    let config = match options::read() {
        Ok(config) => config,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(BAD_OPTIONS);
        }
    };
    log::start(config.loglevel);
    let replica = match Replica::builder().config(config).heeds_signals().start() {
        Ok(replica) => replica,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let _progress = progress::show(replica.watcher());
    match replica.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
