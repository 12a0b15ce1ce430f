//! A value alone, as a DUMP payload without its footer has it: what can be built is sound enough to be read again.
//!
//! The first byte is the version.
#![no_main]

use commands::convert::{self, Rules, ValueBuilder};
use libfuzzer_sys::fuzz_target;
use rdb::{Decoder, Item, Step};
use storage::{DbIndex, Limits, Store, StoreConfig, UnixMillis, Value};

fn build(data: &[u8], limits: &Limits) -> Option<Value> {
    let (&version, body) = data.split_first()?;
    let flavour = rdb::of_dump_version(u16::from(version)).ok()?;
    let rules = Rules::new(limits, flavour);
    let (mut decoder, mut rest, mut building) = (Decoder::payload(flavour, u32::from(version)), body, None);
    let mut value = None;
    loop {
        match decoder.next(rest).ok()? {
            Step::Item { item, used } => {
                match (item, &mut building) {
                    (Item::Whole { value: whole, .. }, _) => value = convert::whole(whole, rules).ok()?,
                    (Item::Open { run, .. }, _) => building = Some(ValueBuilder::open(run, rules).ok()?),
                    (Item::Close, open @ Some(_)) => value = open.take()?.finish(rules).ok()?,
                    (piece, Some(builder)) => builder.add(&piece, rules).ok()?,
                    _ => {}
                }
                rest = &rest[used..];
            }
            Step::More { .. } => return None,
            Step::Done => return value,
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let Some(value) = build(data, &limits) else { return };
    let store = Store::new(StoreConfig { databases: 1, hash_key: [1, 2], limits });
    store.writer().db(DbIndex(0), UnixMillis::NOTHING_EXPIRED).edit(b"key", |slot| slot.put(value));
    let reader = store.reader();
    let db = reader.db(DbIndex(0), UnixMillis::NOTHING_EXPIRED);
    if let Some(key) = db.get(b"key") {
        let view = key.value();
        assert!(view.same(view), "a value is the same as itself");
        let _ = (key.encoding(), key.memory_usage());
    }
});
