//! WATCH, and what clients keep: an EXEC notices here what it notices at a real server, and nothing else; for such keys
//! who tracks them is told.

use crate::harness::{Client, Frame, Node, wait_for};

/// Every key that is there before, and some that are not.
const KEYS: &[&str] = &[
    "x", "y", "h", "h2", "k", "k3", "k9", "kk", "n", "s", "s2", "hh", "z", "l", "ll", "g1", "a", "b",
    "nosuch",
];

const BEFORE: &[&str] = &[
    "XADD x 1-1 a b",
    "XADD x 2-1 a b",
    "XADD x 3-1 a b",
    "XGROUP CREATE x g 0",
    "XREADGROUP GROUP g c1 COUNT 1 STREAMS x >",
    "PFADD h a b",
    "PFADD h2 a",
    "SET k v",
    "SET k3 q",
    "SET kk v EX 1000",
    "SET n 5",
    "SET b 1",
    "SADD s a b",
    "HSET hh f v g w n 1",
    "HEXPIRE hh 1000 FIELDS 1 g",
    "ZADD z 1 a 2 b",
    "RPUSH l b a",
    "GEOADD g1 1 1 a",
    "ARSET a 0 v",
];

/// What changes something, what does not, and what only nearly does.
const COMMANDS: &[&str] = &[
    // The work of groups is no change of a stream.
    "XGROUP CREATE x g2 0",
    "XGROUP CREATE y g2 0 MKSTREAM",
    "XGROUP CREATECONSUMER x g c9",
    "XGROUP CREATECONSUMER x g c1",
    "XGROUP SETID x g 0",
    "XGROUP DELCONSUMER x g c1",
    "XGROUP DESTROY x g",
    "XREADGROUP GROUP g c2 COUNT 1 STREAMS x >",
    "XREADGROUP GROUP g c2 COUNT 1 NOACK STREAMS x >",
    "XREADGROUP GROUP g c1 COUNT 1 STREAMS x 0",
    "XREADGROUP GROUP g c7 COUNT 1 STREAMS x 0",
    "XACK x g 1-1",
    "XACK x g 9-9",
    "XCLAIM x g c3 0 1-1",
    "XCLAIM x g c3 0 1-1 JUSTID",
    "XCLAIM x g c3 0 5-5 FORCE",
    "XCLAIM x g c3 0 9-9",
    "XAUTOCLAIM x g c3 0 0",
    "XAUTOCLAIM x g c3 100000 0",
    "XSETID x 9-9",
    "XSETID x 4-1",
    "XNACK x g FAIL IDS 1 1-1",
    "XCFGSET x IDMP-DURATION 5",
    "XACKDEL x g IDS 1 1-1",
    "XACKDEL x g KEEPREF IDS 1 1-1",
    "XACKDEL x g DELREF IDS 1 1-1",
    "XACKDEL x g ACKED IDS 1 1-1",
    "XACKDEL x g IDS 1 9-9",
    "XDELEX x ACKED IDS 1 1-1",
    "XDELEX x KEEPREF IDS 1 1-1",
    "XDELEX x DELREF IDS 1 9-9",
    "XDELEX x IDS 1 9-9",
    "XDEL x 1-1",
    "XDEL x 9-9",
    "XTRIM x MAXLEN 2",
    "XTRIM x MAXLEN 100",
    "XADD x 5-1 a b",
    "XADD y NOMKSTREAM 5-1 a b",
    "XADD x IDMP p i 5-1 a b",
    "XIDMPRECORD x p i 3-1",
    // Strings and bits.
    "SET k v KEEPTTL",
    "SET k v GET",
    "SET k v XX",
    "SET kk v NX",
    "SET nosuch v XX",
    "SETNX k 1",
    "GETSET k v",
    "GETEX k",
    "GETEX k EX 10",
    "GETEX kk PERSIST",
    "GETEX k PERSIST",
    "GETDEL nosuch",
    "GETDEL k",
    "APPEND k ",
    "APPEND k more",
    "SETRANGE k 0 ",
    "SETRANGE k 0 v",
    "SETBIT k 0 0",
    "SETBIT k 0 1",
    "BITFIELD k GET u8 0",
    "BITFIELD b SET u8 0 49",
    "BITFIELD b SET u8 0 50",
    "BITFIELD b SET u8 80 0",
    "BITFIELD b OVERFLOW FAIL INCRBY u2 0 10",
    "BITFIELD b OVERFLOW FAIL INCRBY u2 80 10",
    "BITFIELD nosuch SET u8 0 0",
    "INCRBY n 0",
    "INCRBYFLOAT n 0",
    "DECR n",
    "INCREX n",
    "MSET k v",
    "MSETNX k 1 k9 2",
    "MSETEX 1 k v XX",
    "MSETEX 1 k v NX",
    "DELEX k",
    "DELEX k IFEQ no",
    "BITOP AND k nosuch",
    "BITOP AND k kk",
    "PFADD h a",
    "PFADD h zz",
    "PFMERGE h h2",
    "PFMERGE nosuch h",
    // Deadlines.
    "EXPIRE k 100",
    "EXPIRE kk 100",
    "EXPIRE k 100 XX",
    "EXPIRE kk 100 NX",
    "PEXPIRE kk 100000000 GT",
    "EXPIRE k -1",
    "EXPIREAT kk 1",
    "PERSIST k",
    "PERSIST kk",
    "HEXPIRE hh 100 FIELDS 1 f",
    "HEXPIRE hh 100 NX FIELDS 1 g",
    "HPERSIST hh FIELDS 1 f",
    "HPERSIST hh FIELDS 1 g",
    "HGETEX hh FIELDS 1 f",
    "HGETEX hh EX 10 FIELDS 1 f",
    "HGETEX hh PERSIST FIELDS 1 f",
    "HGETEX hh PERSIST FIELDS 1 g",
    "HPEXPIREAT hh 1 FIELDS 1 none",
    "HPEXPIREAT hh 1 FIELDS 1 f",
    // Collections.
    "SADD s a",
    "SADD s c",
    "SREM s zz",
    "SREM s a",
    "SPOP s 0",
    "SMOVE s s a",
    "SMOVE s s2 zz",
    "SMOVE s s2 a",
    "SUNIONSTORE s 1",
    "SDIFFSTORE s s",
    "SINTERSTORE s nosuch",
    "SINTERSTORE nosuch s2",
    "HSET hh f v",
    "HSETNX hh f v",
    "HDEL hh none",
    "HINCRBY hh n 0",
    "HMSET hh f v",
    "HGETDEL hh FIELDS 1 none",
    "HSETEX hh FNX FIELDS 1 f 1",
    "HSETEX hh FIELDS 1 f v",
    "ZADD z 1 a",
    "ZADD z 2 a",
    "ZADD z NX 5 a",
    "ZADD z GT 1 b",
    "ZINCRBY z 0 a",
    "ZREM z zz",
    "ZPOPMIN nosuch",
    "ZPOPMIN z",
    "ZREMRANGEBYSCORE z 100 200",
    "ZUNIONSTORE z 1 z",
    "ZUNIONSTORE z 1 nosuch",
    "ZUNIONSTORE nosuch 1 s2",
    "ZRANGESTORE z z 0 -1",
    "ZDIFFSTORE z 1 z",
    "ZMPOP 1 z MIN",
    "GEOADD g1 1 1 a",
    "GEOADD g1 2 2 a",
    "LSET l 0 b",
    "LTRIM l 0 -1",
    "LTRIM l 0 0",
    "LREM l 0 zz",
    "LINSERT l BEFORE zz q",
    "LPUSHX ll a",
    "RPOPLPUSH l l",
    "LMOVE l l LEFT LEFT",
    "LPOP l 0",
    "LMPOP 1 l LEFT",
    "SORT l ALPHA STORE l",
    "SORT nosuch STORE ll",
    "ARSET a 0 v",
    "ARSET a 0 w",
    "ARDEL a 55",
    "ARDEL a 0",
    // Keys.
    "RENAME k k",
    "RENAME k k9",
    "RENAMENX k kk",
    "COPY k k9",
    "COPY k3 k",
    "COPY k3 k REPLACE",
    "MOVE k 1",
    "RESTORE k9 0 bad",
    "DEL k",
    "DEL nosuch",
    "UNLINK k nosuch",
    "TOUCH k",
    "EVAL return(redis.call('GET','k')) 0",
    "EVAL return(redis.call('SADD','s','a')) 0",
    "EVAL return(redis.call('SADD','s','c')) 0",
    "SWAPDB 0 0",
    "SWAPDB 1 2",
    "SWAPDB 0 1",
    "FLUSHDB",
];

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// After each command, the keys that an EXEC finds touched; and those of which who tracks all of them is told.
fn noticed(port: u16) -> Vec<String> {
    let mut client = Client::connect(port);
    let mut watching: Vec<Client> = KEYS.iter().map(|_| Client::connect(port)).collect();
    let mut tracking = Client::connect(port);
    tracking.line("HELLO 3");
    tracking.line("CLIENT TRACKING ON");
    COMMANDS
        .iter()
        .map(|command| {
            client.line("FLUSHALL");
            BEFORE.iter().for_each(|line| drop(client.ask(&words(line))));
            for (watching, key) in watching.iter_mut().zip(KEYS) {
                assert_eq!(watching.ask(&["WATCH", key]), Frame::Simple("OK".into()));
                assert_eq!(watching.ask(&["MULTI"]), Frame::Simple("OK".into()));
            }
            // What was said of the keys before is of no interest.
            drop(told(&mut tracking, "ECHO"));
            let keys: Vec<&str> = ["EXISTS"].into_iter().chain(KEYS.iter().copied()).collect();
            drop(told(&mut tracking, &keys.join(" ")));
            let answer = client.ask(&words(command));
            let mut told = told(&mut tracking, "ECHO");
            if command.starts_with("SWAPDB") {
                // Here all keys are told to have changed, which they have; at a real server who keeps them hears nothing.
                told.clear();
            }
            let touched = watching
                .iter_mut()
                .zip(KEYS)
                .filter_map(|(watching, key)| (watching.ask(&["EXEC"]) == Frame::NullArray).then_some(*key));
            let touched: Vec<&str> = touched.collect();
            let failed = if answer.is_error() { " (an error)" } else { "" };
            format!("{command}{failed}: touched {touched:?}, told {told:?}")
        })
        .collect()
}

/// What it is told until it has an answer to this request, and to one more.
fn told(client: &mut Client, request: &str) -> Vec<String> {
    client.send_raw(format!("{request} end\r\nPING\r\n").as_bytes());
    let mut told = Vec::new();
    loop {
        match client.read_soon().expect("an answer") {
            Frame::Push(message) => told.push(format!("{:?}", message[1])),
            Frame::Simple(_) => break,
            _ => {}
        }
    }
    told.sort();
    told
}

#[test]
fn what_is_noticed_is_what_a_real_server_notices() {
    let real = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let (ours, theirs) = (noticed(node.port), noticed(real.port));
    let differ: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
    assert!(differ.is_empty(), "here and there: {differ:#?}");
}

/// A key that was past its deadline when it began to be watched does not go by a FLUSHALL or a SWAPDB: it was gone.
#[test]
fn what_had_expired_goes_unnoticed() {
    let real = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let noticed = |port: u16| -> Vec<String> {
        let mut client = Client::connect(port);
        client.line("DEBUG SET-ACTIVE-EXPIRE 0");
        let ends = ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "DEL k", "SET k v", "SET k v PX 1", "PING"];
        ends.iter()
            .map(|end| {
                client.line("FLUSHALL");
                client.line("SET k v PX 1");
                // Who looks at it removes it: another tells that its time is over.
                client.line("SET later v PX 1");
                wait_for("its deadline", || (client.line("EXISTS later").int() == 0).then_some(()));
                let mut watching = Client::connect(port);
                watching.line("WATCH k");
                watching.line("MULTI");
                client.line(end);
                format!("{end}: {:?}", watching.line("EXEC"))
            })
            .collect()
    };
    assert_eq!(noticed(node.port), noticed(real.port));
}
