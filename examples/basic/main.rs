//! Embeds a replica without a listener, waits until it is in sync, and reads from its storage.
//!
//! ```text
//! cargo run --example basic -- 127.0.0.1:6379 greeting
//! ```

#![allow(clippy::print_stdout)] // an example shows what it found

use std::error::Error;
use std::time::Duration;

use nearside::{DbIndex, Replica};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let master = words.next().unwrap_or_else(|| String::from("127.0.0.1:6379"));
    let key = words.next();

    let replica = Replica::builder().master(&master).no_listener().directory(std::env::temp_dir()).start()?;
    replica.wait_for_sync(Duration::from_secs(30))?;

    let reader = replica.storage().reader();
    let db = reader.db(DbIndex(0), nearside::now());
    println!("{} keys, offset {}", db.len(), replica.sync_status().position.offset);
    if let Some(key) = key {
        match db.get(key.as_bytes()) {
            Some(found) => match found.text() {
                Ok(text) => println!("{key} = {}", String::from_utf8_lossy(&text.to_vec())),
                Err(_) => println!("{key} is a {:?}", found.kind()),
            },
            None => println!("{key} is not there"),
        }
    }
    drop(reader);
    replica.shutdown();
    Ok(())
}
