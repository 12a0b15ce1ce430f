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
    let key = words.next().unwrap_or_else(|| String::from("greeting"));
    println!("{}", look(&master, &key)?);
    Ok(())
}

/// How many keys the master has, and what one of them holds.
pub(crate) fn look(master: &str, key: &str) -> Result<String, Box<dyn Error>> {
    let replica = Replica::builder().master(master).no_listener().directory(std::env::temp_dir()).start()?;
    replica.wait_for_sync(Duration::from_secs(30))?;

    let reader = replica.storage().reader();
    let db = reader.db(DbIndex(0), nearside::now());
    let found = match db.get(key.as_bytes()) {
        Some(found) => match found.text() {
            Ok(text) => format!("{key} = {}", String::from_utf8_lossy(&text.to_vec())),
            Err(_) => format!("{key} is a {:?}", found.kind()),
        },
        None => format!("{key} is not there"),
    };
    let keys = db.len();
    // Held for one look only: the master's next transaction would wait for it, and the end for that.
    drop(reader);
    replica.shutdown();
    Ok(format!("{keys} keys; {found}"))
}
