//! Requests at random among keys and fields that go past their deadlines while nobody removes them: the same answers from a
//! real master and from ours, which speaks its dialect.
//!
//! Owns the requests. What is told and counted of each is `events.rs`'; here whatever came before may have left anything.

use crate::harness::{Client, Frame, Node, Random};

/// Requests of each server; the long tier multiplies them.
const REQUESTS: usize = 3_000;

const KEYS: &[&str] = &["a1", "b1", "c1", "d1", "e1", "f1"];

/// `k` is a key, `F` a field; what stands after `;` is another request. DBSIZE is in none: a real server looks at the keys of
/// a request until one is wrong, and removes only those. Nor are HEXPIRE and HSETEX KEEPTTL of a field that may be hidden
/// (README, "Limits"), nor HLEN: of a hash whose fields are all hidden a Valkey makes an empty copy.
const FORMS: &str = "GET k|SET k v|SET k v NX|SET k v XX|SET k v GET|SET k v PX 1|SETNX k v|GETSET k v|GETDEL k|GETEX k|\
    GETEX k PX 1|GETEX k PERSIST|APPEND k x|INCR k|STRLEN k|MGET k k k|MSET k 1 k 2|MSETNX k 1 k 2|DEL k|DEL k k|\
    UNLINK k k|EXISTS k k|TOUCH k k|TYPE k|TTL k|PERSIST k|EXPIRE k 100000|EXPIRE k 100000 NX|EXPIRE k 100000 XX|RENAME k k|\
    RENAMENX k k|COPY k k|COPY k k REPLACE|LPUSH k a|RPUSH k b|LPUSHX k a|LPOP k|RPOPLPUSH k k|LMOVE k k LEFT RIGHT|\
    LLEN k|LRANGE k 0 -1|LINSERT k BEFORE a z|LSET k 0 q|SADD k a|SADD k b|SREM k a|SCARD k|SISMEMBER k a|\
    SINTERCARD 2 k k|SINTERSTORE k k k|SUNIONSTORE k k k|SDIFFSTORE k k k|SMOVE k k a|ZADD k 1 a|ZADD k 2 b|ZCARD k|\
    ZRANGE k 0 -1|ZUNIONSTORE k 2 k k|ZINTERSTORE k 2 k k|ZRANGESTORE k k 0 -1|ZPOPMIN k|ZINCRBY k 1 a|ZSCORE k a|\
    ZMPOP 2 k k MIN|LMPOP 2 k k LEFT|HSET k F v|HSET k F v F w|HGET k F|HMGET k F F|HDEL k F|HDEL k F F|\
    HEXISTS k F|HSTRLEN k F|HINCRBY k n 1|HSETNX k F v|HGETDEL k FIELDS 1 F|HGETEX k FIELDS 1 F|\
    HGETEX k PX 1 FIELDS 1 F|HGETEX k EX 100000 FIELDS 1 F|HSETEX k FNX FIELDS 1 F v|HSETEX k FXX FIELDS 1 F v|\
    HSETEX k EX 100000 FIELDS 1 F v|HSETEX k PX 1 FIELDS 1 F v|HPERSIST k FIELDS 1 F|\
    HTTL k FIELDS 1 F|PEXPIRE k 1|PEXPIRE k 1|PEXPIRE k 1|PEXPIRE k 1|XADD k 0-* a b|XLEN k|XTRIM k MAXLEN 0|\
    XREAD STREAMS k 0|SORT k ALPHA|SORT k ALPHA STORE k|PFADD k x|PFCOUNT k k|PFMERGE k k|SETBIT k 1 1|BITCOUNT k|\
    BITOP OR k k k|SETRANGE k 2 x|GETRANGE k 0 1|GEOADD k 13 38 p|GEOSEARCHSTORE k k FROMLONLAT 13 38 BYRADIUS 100 km|\
    MULTI;GET k;SET k v;EXEC|WATCH k;GET k;MULTI;PING;EXEC|EVAL return{redis.call('exists',KEYS[1])} 1 k|\
    EVAL return{redis.call('del',KEYS[1]),redis.call('type',KEYS[1]).ok} 1 k|GET k;EXISTS k;TTL k";

fn requests(random: &mut Random, forms: &[&str]) -> Vec<Vec<String>> {
    let word = |word: &str, random: &mut Random| match word {
        "k" => (*random.pick(KEYS)).to_owned(),
        "F" => (*random.pick(&["x", "y", "z"])).to_owned(),
        word => word.to_owned(),
    };
    let form = *random.pick(forms);
    form.split(';').map(|request| request.split(' ').map(|part| word(part, random)).collect()).collect()
}

/// What a client was answered; of an error its first word.
fn asked(client: &mut Client, request: &[String]) -> String {
    let answer = client.ask(&request.iter().map(String::as_str).collect::<Vec<_>>());
    // What is given so short a time is past it when the next comes.
    if request.iter().any(|word| word == "PX") || request.first().is_some_and(|name| name == "PEXPIRE") {
        assert_eq!(client.line("DEBUG SLEEP 0.003"), Frame::Simple("OK".into()));
    }
    let asks_for_time = request.first().is_some_and(|name| name.ends_with("TTL"));
    match &answer {
        // Both were asked at about the same moment.
        answer if asks_for_time && !answer.is_error() && !format!("{answer:?}").contains('-') => {
            "some time".into()
        }
        Frame::Error(text) => text.split(' ').next().unwrap_or_default().to_owned(),
        answer => format!("{answer:?}"),
    }
}

fn answers_alike(name: &str, seed: u64) {
    let real = master_or_skip!(name);
    let node = Node::replica_of(&real);
    node.wait_state("streaming");
    node.client().line("REPLICAOF NO ONE");
    let forms: Vec<&str> = FORMS.split('|').collect();
    let mut random = Random::from_env(seed);
    let count = REQUESTS * if std::env::var("NEARSIDE_LONG").is_ok() { 20 } else { 1 };
    let mut sides = [real.client(), node.client()];
    for client in &mut sides {
        assert_eq!(client.line("DEBUG SET-ACTIVE-EXPIRE 0"), Frame::Simple("OK".into()));
        client.line("FLUSHALL");
    }
    let mut done: Vec<String> = Vec::new();
    for _ in 0..count {
        for request in requests(&mut random, &forms) {
            done.push(request.join(" "));
            let [theirs, ours] = sides.each_mut().map(|client| asked(client, &request));
            if theirs != ours {
                let is_of = |word: &str| KEYS.contains(&word) && request.iter().any(|own| own == word);
                let shares = |line: &&String| line.split(' ').any(is_of);
                let last: Vec<_> = done.iter().rev().filter(shares).take(60).collect();
                panic!("{name}: {theirs} there, {ours} here; the latest of these keys first: {last:#?}");
            }
        }
    }
}

#[test]
fn redis_8_10() {
    answers_alike("redis-8.10", 20_261_123);
}

#[test]
fn valkey_9_1() {
    answers_alike("valkey-9.1", 20_261_124);
}
