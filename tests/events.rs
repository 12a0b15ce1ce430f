//! Keyspace events: what a real server says of each command, said here too, in the same order.

use std::fs;
use std::path::PathBuf;

use crate::harness::{Client, Frame, Node, wait_for};

/// All but `m`: which keys a command of the stream asks for is not told here.
const ALL: &str = "KEAnocSTIV";
const SERVER: &str = "redis-8.10";

/// The commands that are compared.
pub fn commands() -> Vec<Vec<String>> {
    let text = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/events.txt"));
    let text = text.expect("tests/events.txt");
    let words = |line: &str| {
        line.split(' ').map(|word| if word == "\"\"" { String::new() } else { word.to_owned() }).collect()
    };
    text.lines().filter(|line| !line.starts_with('#')).map(words).collect()
}

/// A client that hears every event.
fn hearer(mut client: Client) -> Client {
    // A Valkey has fewer.
    if client.ask(&["CONFIG", "SET", "notify-keyspace-events", ALL]).is_error() {
        let answer = client.ask(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]);
        assert_eq!(answer, Frame::Simple("OK".into()));
    }
    client.ask(&["PSUBSCRIBE", "__*"]);
    client.ask(&["SUBSCRIBE", "done"]);
    client
}

/// What it has heard before somebody said that they were done.
fn heard(client: &mut Client) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let message = client.read_soon().expect("a message");
        match message.items() {
            [kind, _, channel, text] if kind.text() == "pmessage" => {
                all.push(format!("{} {}", channel.text(), text.text()));
            }
            _ => return all,
        }
    }
}

#[test]
fn a_replica_says_what_a_real_one_says() {
    let master = master_or_skip!(SERVER);
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let (mut there, mut here) = (hearer(real.client()), hearer(node.client()));
    let mut client = master.client();
    let mut wrong = Vec::new();
    for words in commands() {
        client.ask(&words);
        client.ask(&["PUBLISH", "done", ""]);
        let (expected, came) = (heard(&mut there), heard(&mut here));
        if expected != came {
            wrong.push(format!("{}\n  expected {expected:?}\n  came     {came:?}", words.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_master_says_what_a_real_one_says() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    let (mut there, mut here) = (hearer(real.client()), hearer(node.client()));
    for client in [real.client(), node.client()].iter_mut() {
        client.ask(&["CONFIG", "SET", "notify-keyspace-events", &format!("{ALL}m")]);
    }
    let (mut at_real, mut at_node) = (real.client(), node.client());
    let mut wrong = Vec::new();
    for words in commands() {
        for (client, hearer, all) in [(&mut at_real, &mut there, true), (&mut at_node, &mut here, false)] {
            let answer = client.ask(&words);
            client.ask(&["PUBLISH", "done", ""]);
            let said = heard(hearer);
            if all {
                wrong.push((words.join(" "), answer, said));
            } else if let Some((_, expected, events)) = wrong.pop()
                && (events != said || expected.is_error() != answer.is_error())
            {
                let text = format!("expected {events:?} {expected:?}\n  came     {said:?} {answer:?}");
                wrong.push((format!("{}\n  {text}", words.join(" ")), answer, Vec::new()));
            }
        }
    }
    let wrong: Vec<String> = wrong.into_iter().map(|(text, ..)| text).collect();
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// What gives a deadline that is past, each after some data.
const PAST: &[&str] = &[
    "SET k v|EXPIRE k -1",
    "SET k v|EXPIRE k 0",
    "SET k v|PEXPIRE k -5 NX",
    "SET k v EX 100|EXPIRE k -1 GT",
    "SET k v EX 100|EXPIRE k -1 LT",
    "XADD x 1-1 a b|EXPIREAT x 1",
    "RPUSH l a|PEXPIREAT l 1000",
    "EXPIRE nosuch -1",
    "SET k v|GETEX k EXAT 1",
    "SET k v|GETEX k PXAT 1000",
    "GETEX nosuch EXAT 1",
    "SET k v|SET k w EXAT 1",
    "RPUSH l a|SET l w PXAT 1 GET",
    "SET k v|SET k w PXAT 1 GET",
    "SET k w EXAT 1",
    "SET k w EXAT 1 NX",
    "SET k v|SET k w EXAT 1 NX",
    "SET k 5|INCREX k EXAT 1",
    "INCREX k EXAT 1",
    "SET k v|MSETEX 2 k 1 b 2 EXAT 1|DBSIZE",
    "MSETEX 2 k 1 b 2 EX 100",
    "HSET h a 1 b 2|HEXPIRE h -1 FIELDS 1 a",
    "HSET h a 1 b 2|HEXPIRE h 0 FIELDS 2 a nosuch",
    "HSET h a 1|HPEXPIRE h 0 FIELDS 1 a",
    "HSET h a 1 b 2|HPEXPIREAT h 1 FIELDS 2 a b",
    "HSET h a 1 b 2|HGETEX h EXAT 1 FIELDS 1 a",
    "HSET h a 1|HGETEX h PXAT 1 FIELDS 2 a nosuch",
    "HSET h a 1 b 2|HSETEX h EXAT 1 FIELDS 1 a x",
    "HSET h a 1 b 2|HSETEX h FXX PXAT 1 FIELDS 2 a x b y",
    "HSETEX h EXAT 1 FIELDS 2 a x b y",
    "HSET h a 1|HSETEX h PXAT 1 FIELDS 2 a x b y",
    "MULTI|SET k v|EXPIRE k -1|EXEC",
];

#[test]
fn what_is_given_a_deadline_that_is_past_goes_as_at_a_real_server() {
    for name in [SERVER, "valkey-9.1"] {
        let real = master_or_skip!(name);
        // Its dialect stays.
        let node = Node::replica_of(&real);
        node.wait_state("streaming");
        node.client().line("REPLICAOF NO ONE");
        let sides = [(real.client(), hearer(real.client())), (node.client(), hearer(node.client()))];
        let told = sides.map(|(mut client, mut hearer)| {
            client.line("CONFIG SET notify-keyspace-events KEA");
            client.line("DEBUG SET-ACTIVE-EXPIRE 0");
            let is_valkey = real.is_valkey();
            let of_fields = if is_valkey { "expired_fields" } else { "expired_subkeys" };
            let mut said_of = |requests: &str| {
                client.line("FLUSHALL");
                client.line("CONFIG RESETSTAT");
                let mut answers = Vec::new();
                for request in requests.split('|') {
                    let answer = client.ask(&request.split(' ').collect::<Vec<_>>());
                    answers.push(if answer.is_error() {
                        String::from("an error")
                    } else {
                        format!("{answer:?}")
                    });
                }
                client.ask(&["PUBLISH", "done", ""]);
                let counts = ["expired_keys", of_fields].map(|field| client.info("stats", field));
                format!("{requests}\n{answers:?}\n{:?}\n{counts:?}", heard(&mut hearer))
            };
            let compared = PAST.iter().filter(|requests| !(is_valkey && requests.contains("INCREX")));
            compared.map(|requests| said_of(requests)).collect::<Vec<_>>()
        });
        let [there, here] = told;
        for (there, here) in there.iter().zip(&here) {
            assert_eq!(there, here, "{name}");
        }
    }
}

/// What meets a key `e` that is past its deadline: of which kind that was, and the requests.
const MET: &[(&str, &[&str])] = &[
    (
        "SET e v|PEXPIRE e 1",
        &[
            "GET e",
            "TTL e",
            "TYPE e",
            "EXISTS e",
            "EXISTS e e",
            "STRLEN e",
            "MGET e live e",
            "OBJECT ENCODING e",
            "OBJECT IDLETIME e",
            "DUMP e",
            "TOUCH e",
            "KEYS e*",
            "SCAN 0 COUNT 1000 MATCH e",
            "SCAN 0 COUNT 1000 MATCH zzz",
            "SCAN 0 COUNT 1000 TYPE list",
            "SCAN 0 COUNT 1000 TYPE string MATCH e*",
            "SET e w",
            "SET e w NX",
            "SET e w XX",
            "SET e w EXAT 1",
            "SET e w KEEPTTL",
            "SET e w GET",
            "SETNX e w",
            "GETSET e w",
            "GETDEL e",
            "GETEX e",
            "GETEX e PERSIST",
            "APPEND e w",
            "INCR e",
            "INCRBYFLOAT e 1",
            "SETRANGE e 1 x",
            "GETRANGE e 0 1",
            "SETBIT e 1 1",
            "GETBIT e 1",
            "BITCOUNT e",
            "BITOP NOT d e",
            "BITFIELD e GET u8 0",
            "BITFIELD e SET u8 0 1",
            "BITFIELD_RO e GET u8 0",
            "MSET e w other x",
            "MSETNX e w other x",
            "MSETNX live w e x",
            "DEL e",
            "UNLINK e",
            "DEL e live",
            "EXPIRE e 100",
            "PERSIST e",
            "RENAME e f",
            "RENAME live e",
            "RENAMENX live e",
            "COPY e f",
            "COPY live e",
            "MOVE e 1",
            "RESTORE e 0 x",
            "LCS e live",
            "PFCOUNT e",
            "EXPIRETIME e",
            "LPUSH e a",
            "LPUSHX e a",
            "GET e|DBSIZE",
            "MULTI|GET e|DBSIZE|EXEC",
            "WATCH e|MULTI|PING|EXEC",
            "WATCH e|GET e|MULTI|PING|EXEC",
            "EVAL return(redis.call('get','e')) 0",
            "EVAL return(redis.call('exists','e')..redis.call('dbsize')) 0",
            "EVAL return(redis.call('set','e','1').ok..redis.call('dbsize')) 0",
            "EVAL_RO return(redis.call('exists','e')..redis.call('dbsize')) 0",
            "SORT live3 BY w_* GET e*",
            "CLIENT PAUSE 100000 WRITE|GET e|DBSIZE|CLIENT UNPAUSE|GET e|DBSIZE",
        ],
    ),
    (
        "RPUSH e a b c|PEXPIRE e 1",
        &[
            "LLEN e",
            "LPUSHX e a",
            "LPOP e",
            "LRANGE e 0 -1",
            "SORT e",
            "SORT_RO e",
            "SORT e STORE d",
            "LMOVE e live2 LEFT LEFT",
            "BLPOP e 0.01",
            "LMPOP 1 e LEFT",
            "LSET e 0 x",
            "LREM e 0 x",
            "LINSERT e BEFORE a b",
            "RPOPLPUSH e e",
            "LPOS e a",
        ],
    ),
    (
        "SADD e a b c|PEXPIRE e 1",
        &[
            "SMEMBERS e",
            "SCARD e",
            "SADD e z",
            "SREM e a",
            "SINTER e nosuch",
            "SUNION e nosuch",
            "SUNIONSTORE d e",
            "SMOVE e d a",
            "SINTERCARD 1 e",
            "SPOP e",
        ],
    ),
    (
        "ZADD e 1 a 2 b|PEXPIRE e 1",
        &[
            "ZRANGE e 0 -1",
            "ZUNION 2 e nosuch",
            "ZINTERCARD 1 e",
            "ZDIFF 2 e nosuch",
            "ZADD e 1 q",
            "ZUNIONSTORE d 1 e",
            "ZRANGESTORE d e 0 -1",
            "ZPOPMIN e",
            "ZREM e a",
        ],
    ),
    (
        "HSET e f v g w|PEXPIRE e 1",
        &[
            "HGET e f",
            "HSET e f 1",
            "HDEL e f",
            "HLEN e",
            "HSCAN e 0",
            "HINCRBY e f 1",
            "HPERSIST e FIELDS 1 f",
            "HSETEX e EX 100 FIELDS 1 f v",
        ],
    ),
    (
        "XADD e 1-1 a b|PEXPIRE e 1",
        &[
            "XLEN e",
            "XREAD STREAMS e 0",
            "XREAD BLOCK 10 STREAMS e 0",
            "XADD e 1-2 a b",
            "XADD e NOMKSTREAM 1-2 a b",
            "XINFO STREAM e",
            "XGROUP CREATE e g 0",
            "XTRIM e MAXLEN 0",
        ],
    ),
    (
        "GEOADD e 13 38 p|PEXPIRE e 1",
        &[
            "GEOPOS e p",
            "GEOSEARCH e FROMMEMBER p BYRADIUS 1 km",
            "GEOSEARCHSTORE d e FROMMEMBER p BYRADIUS 1 km",
        ],
    ),
    ("PFADD e a|PEXPIRE e 1", &["PFCOUNT e", "PFADD e z", "PFMERGE e nosuch"]),
];

/// What meets a field `f` of a hash that is past its deadline, one of two or the only one. (A Redis takes HEXPIRE for such
/// a field too, which is there again then; here it is gone for good.)
const FIELDS_MET: &[&str] = &[
    "HGET h f",
    "HMGET h f g",
    "HMGET h f nosuch f",
    "HGETALL h",
    "HKEYS h",
    "HVALS h",
    "HLEN h",
    "HEXISTS h f",
    "HSTRLEN h f",
    "HRANDFIELD h 5",
    "HRANDFIELD h -1",
    "HSCAN h 0",
    "HTTL h FIELDS 1 f",
    "HSET h f x",
    "HSET h f x f y new z",
    "HMSET h f x",
    "HSETNX h f x",
    "HSETNX h g x",
    "HDEL h f",
    "HDEL h g",
    "HDEL h f g",
    "HINCRBY h f 1",
    "HINCRBYFLOAT h f 1",
    "HEXPIRE h 100 FIELDS 1 g",
    "HPERSIST h FIELDS 1 f",
    "HGETDEL h FIELDS 1 f",
    "HGETDEL h FIELDS 2 f g",
    "HGETEX h FIELDS 1 f",
    "HGETEX h EX 100 FIELDS 2 f g",
    "HGETEX h PERSIST FIELDS 1 g",
    "HSETEX h EX 100 FIELDS 1 f v",
    "HSETEX h FNX FIELDS 1 f v",
    "HSETEX h FXX FIELDS 1 f v",
    "HSETEX h FXX FIELDS 1 g v",
    "HSETEX h KEEPTTL FIELDS 1 f v",
    "COPY h h2",
    "COPY h h2|HKEYS h2",
    "RENAME h h3",
    "TYPE h",
    "EXISTS h",
    "DEL h",
    "SORT live3 BY nosort GET h->f",
    "HGET h f|HLEN h",
    "MULTI|HGET h f|HLEN h|EXEC",
    "EVAL return(redis.call('hexists','h','f')..redis.call('hlen','h')) 0",
];

#[test]
fn what_is_met_past_its_deadline_goes_as_at_a_real_server() {
    for name in [SERVER, "valkey-9.1"] {
        let real = master_or_skip!(name);
        let node = Node::replica_of(&real);
        node.wait_state("streaming");
        node.client().line("REPLICAOF NO ONE");
        let sides = [(real.client(), hearer(real.client())), (node.client(), hearer(node.client()))];
        let told = sides.map(|(mut client, mut hearer)| {
            client.line("CONFIG SET notify-keyspace-events KEAm");
            client.line("DEBUG SET-ACTIVE-EXPIRE 0");
            let is_valkey = real.is_valkey();
            let of_fields = if is_valkey { "expired_fields" } else { "expired_subkeys" };
            let mut said_of = |made: &str, requests: &str| {
                client.line("FLUSHALL");
                let others = ["SET live x", "RPUSH live3 1 2"];
                for line in others.into_iter().chain(made.split('|')).chain(["DEBUG SLEEP 0.003"]) {
                    let answer = client.line(line);
                    assert!(!answer.is_error(), "{line}: {answer:?}");
                }
                client.ask(&["PUBLISH", "done", ""]);
                heard(&mut hearer);
                client.line("CONFIG RESETSTAT");
                let mut answers = Vec::new();
                for request in requests.split('|') {
                    let answer = client.ask(&request.split(' ').collect::<Vec<_>>());
                    answers.push(if answer.is_error() {
                        String::from("an error")
                    } else {
                        format!("{answer:?}")
                    });
                }
                let counts = ["expired_keys", of_fields, "keyspace_hits", "keyspace_misses"];
                let counts = counts.map(|field| client.info("stats", field));
                let keys = client.line("DBSIZE");
                client.ask(&["PUBLISH", "done", ""]);
                let events = heard(&mut hearer);
                format!("{made}|{requests}\n{answers:?}\n{events:?}\n{counts:?} {keys:?}")
            };
            let of_fields = [
                ("HSET h f v g w|HPEXPIRE h 1 FIELDS 1 f", FIELDS_MET),
                ("HSET h f v|HPEXPIRE h 1 FIELDS 1 f", FIELDS_MET),
            ];
            let cases = MET.iter().chain(&of_fields);
            let cases = cases.flat_map(|(made, all)| all.iter().map(move |requests| (made, requests)));
            cases.map(|(made, requests)| said_of(made, requests)).collect::<Vec<_>>()
        });
        let [there, here] = told;
        let differ: Vec<_> = there.iter().zip(&here).filter(|(there, here)| there != here).collect();
        let shown: Vec<_> = differ.iter().map(|(there, here)| format!("{there}\nhere:\n{here}")).collect();
        assert!(differ.is_empty(), "{name}: {} differences\n{}", differ.len(), shown.join("\n\n"));
    }
}

/// Commands that look keys up, of those that write above all: as reads do, or without being counted.
const LOOKUPS: &[&str] = &[
    "SET str abc",
    "SET int 5",
    "RPUSH list a b c",
    "SADD set a b c",
    "ZADD z 1 a 2 b",
    "HSET h a 1 b 2",
    "XADD x 1-1 a b",
    "XADD x 1-2 a b",
    "XGROUP CREATE x g 0",
    "PFADD hll a b",
    "GEOADD geo 1 1 a 2 2 b",
    "SADD set2 b c",
    "XREAD STREAMS x 0",
    "XREAD STREAMS x no 0 0",
    "XREAD COUNT 1 STREAMS x no 0 0",
    "XREAD STREAMS no str 0 0",
    "XREAD STREAMS str no 0 0",
    "XREAD STREAMS x str x 0 0 0",
    "XREAD STREAMS x $",
    "XREAD STREAMS x +",
    "XREAD BLOCK 1 STREAMS x no $ 0",
    "XREADGROUP GROUP g c STREAMS x >",
    "XREADGROUP GROUP g c STREAMS x 0",
    "XREADGROUP GROUP g c STREAMS no >",
    "XREADGROUP GROUP nog c STREAMS x >",
    "GETDEL no",
    "GETEX no",
    "GETEX int EX 100",
    "GETEX int PERSIST",
    "GETSET no 1",
    "GETSET no 2",
    "SET no 3 GET",
    "SET nono 1 GET",
    "INCR int",
    "APPEND str x",
    "SETRANGE str 0 b",
    "SETBIT str 0 1",
    "BITOP AND dst str nope",
    "BITFIELD str GET u8 0",
    "BITFIELD nope SET u8 0 0",
    "BITFIELD_RO nope GET u8 0",
    "COPY str str2",
    "COPY nope2 str3",
    "RENAME str2 str4",
    "RENAME nope2 str4",
    "RENAMENX str4 str5",
    "SORT list ALPHA STORE dst2",
    "SORT nope2 STORE dst2",
    "SINTERSTORE dst set set2",
    "SUNIONSTORE dst set nope2",
    "SDIFFSTORE dst set set2",
    "ZUNIONSTORE dst 2 z nope2",
    "ZRANGESTORE dst z 0 -1",
    "ZRANGESTORE dst nope2 0 -1",
    "GEOSEARCHSTORE dst geo FROMLONLAT 1 1 BYRADIUS 500 km",
    "GEOSEARCHSTORE dst nope2 FROMLONLAT 1 1 BYRADIUS 500 km",
    "GEORADIUS geo 1 1 500 km",
    "GEORADIUS geo 1 1 500 km STORE dst",
    "GEORADIUS nope2 1 1 500 km STORE dst",
    "PFCOUNT hll",
    "PFCOUNT nope2",
    "PFCOUNT hll nope2",
    "PFMERGE dst3 hll nope2",
    "PFADD hll z",
    "LPOP list",
    "LPOP nope2",
    "LMOVE list list LEFT RIGHT",
    "LMPOP 2 nope2 list LEFT",
    "SPOP nope2",
    "SMOVE set set2 b",
    "SADD nope3 1",
    "SREM nope2 a",
    "ZADD z 3 c",
    "ZINCRBY z 1 a",
    "ZPOPMIN z",
    "ZMPOP 2 nope2 z MIN",
    "ZREM nope2 a",
    "HSET h c 1",
    "HDEL h c",
    "HINCRBY h a 1",
    "HGETDEL h FIELDS 1 zz",
    "HGETDEL nope2 FIELDS 1 zz",
    "HGETEX h FIELDS 1 a",
    "HGETEX nope2 FIELDS 1 a",
    "HSETEX h FIELDS 1 a 5",
    "HEXPIRE h 100 FIELDS 1 a",
    "HEXPIRE nope2 100 FIELDS 1 a",
    "HPERSIST h FIELDS 1 a",
    "HTTL h FIELDS 1 a",
    "XADD x * a b",
    "XADD nope2 NOMKSTREAM * a b",
    "XTRIM x MAXLEN 100",
    "XDEL x 9-9",
    "XACK x g 1-1",
    "XACK nope2 g 1-1",
    "XCLAIM x g c 0 1-1",
    "XAUTOCLAIM x g c 0 0",
    "XPENDING x g",
    "XINFO STREAM x",
    "XSETID x 99999999999999-1",
    "XGROUP CREATE x g2 0",
    "XGROUP DESTROY x g2",
    "EXPIRE str 100",
    "EXPIRE nope2 100",
    "PERSIST str",
    "PERSIST nope2",
    "TOUCH str nope2",
    "EXISTS str nope2",
    "DEL nope2",
    "UNLINK nope2",
    "MOVE nope2 1",
    "DUMP nope2",
    "RESTORE nope2 0 bad",
    "OBJECT ENCODING nope2",
    "OBJECT ENCODING str",
    "MEMORY USAGE str",
    "MEMORY USAGE nope2",
    "DEBUG OBJECT str",
    "TYPE nope2",
    "TTL nope2",
    "MGET str nope2",
    "MSETNX nope4 1 str 2",
    "SETNX str 1",
    "SETNX nope5 1",
    "DECRBY int 1",
    "INCRBYFLOAT int 1",
    "LPUSHX nope2 a",
    "LINSERT list BEFORE a b",
    "LSET list 0 z",
    "LREM list 0 zz",
    "LTRIM list 0 -1",
    "BLPOP nope2 list 0.01",
    "BLPOP nope2 0.01",
    "BZPOPMIN nope2 0.01",
    "BLMOVE nope2 list LEFT LEFT 0.01",
    "LPUSH list q",
    "DELEX nope2",
    "DELEX nope2 IFEQ a",
    "DELEX list IFEQ a",
    "SPOP nope2 5",
    "DIGEST str",
    "DIGEST nope2",
    "MSETEX 1 str5 v",
    "XDELEX x IDS 1 9-9",
    "XACKDEL x g IDS 1 9-9",
    "XNACK x g FAIL IDS 1 1-1",
    "ARSET ar 1 a",
    "ARGET ar 1",
    "ARDEL ar 1",
    "ARGET nope2 1",
    "ARINSERT ar a",
    "SUBSTR str 0 1",
    "LCS str int",
    "WATCH nope2",
    "UNWATCH",
    "KEYS nope*",
    "SSCAN nope2 0",
    "SORT_RO nope2",
    "ZDIFF 2 z nope2",
    "ZRANDMEMBER nope2",
    "SINTERCARD 2 set nope2",
    "BITCOUNT nope2",
    "SORT list BY w_* GET # GET o_* ALPHA",
    "EVAL return(redis.call('getdel','nope2')) 0",
];

/// How many keys were looked up and found, and not found.
fn lookups(client: &mut Client) -> [i64; 2] {
    let text = client.line("INFO stats").text();
    ["keyspace_hits:", "keyspace_misses:"].map(|name| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("a count");
        value.parse().expect("a number")
    })
}

#[test]
fn what_a_master_looks_up_is_counted_and_told_as_at_a_real_one() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    let mut all: Vec<Vec<String>> =
        LOOKUPS.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect();
    all.extend(commands());
    let seen = |port| {
        let mut hearer = hearer(Client::connect(port));
        let mut client = Client::connect(port);
        client.line("CONFIG SET notify-keyspace-events KEAm");
        let mut seen = |words: &Vec<String>| {
            let before = lookups(&mut client);
            client.ask(words);
            let after = lookups(&mut client);
            client.line("PUBLISH done ok");
            (words.join(" "), [after[0] - before[0], after[1] - before[1]], heard(&mut hearer))
        };
        all.iter().map(&mut seen).collect::<Vec<_>>()
    };
    let (theirs, ours) = (seen(real.port), seen(node.port));
    let differ: Vec<_> = theirs.iter().zip(&ours).filter(|(theirs, ours)| theirs != ours).collect();
    assert!(differ.is_empty(), "{} differences: {differ:#?}", differ.len());
}

/// Reads of keys that are not there, one at a time, in transactions, in scripts and waiting.
const MISSES: &[&str] = &[
    "GET a",
    "GET b",
    "MGET a c d",
    "EXISTS e",
    "HGET f g",
    "STRLEN g",
    "TYPE h",
    "TTL i",
    "OBJECT ENCODING j",
    "DUMP k",
    "TOUCH l",
    "LCS m n",
    "SINTER o p",
    "SINTERCARD 2 o p",
    "SUNION q r",
    "SDIFF q r",
    "ZUNION 2 s t",
    "ZINTER 2 s t",
    "ZRANGE u 0 -1",
    "LRANGE v 0 -1",
    "LPOS v x",
    "BITCOUNT w",
    "PFCOUNT x y",
    "SORT_RO z",
    "GEOSEARCH ga FROMLONLAT 1 1 BYRADIUS 1 km",
    "XLEN xa",
    "XRANGE xa - +",
    "XREAD STREAMS xb xc 0 0",
    "XREAD BLOCK 1 STREAMS xd $",
    "XINFO STREAM xe",
    "MEMORY USAGE ma",
    "EXPIRETIME mb",
    "BITFIELD_RO bf GET u8 0",
    "HGETALL ha",
    "HRANDFIELD hb",
    "HTTL hc FIELDS 1 f",
    "SRANDMEMBER sa",
    "ZSCORE za m",
    "ZRANDMEMBER zb",
    "KEYS *",
    "RANDOMKEY",
    "DBSIZE",
    "SCAN 0",
    "SSCAN sb 0",
    "MULTI",
    "GET ea",
    "MGET a eb",
    "EXEC",
    "WATCH wa",
    "UNWATCH",
    "EVAL \"return redis.call('mget', KEYS[1], 'ec')\" 1 ed",
    "EVAL_RO \"return redis.call('exists', 'ee')\" 0",
    "GET",
    "HGET hd",
    "LLEN a",
    "DIGEST da",
    "ARGET ar 0",
    "OBJECT FREQ oa",
    "OBJECT IDLETIME ob",
    "SUNIONCARD 2 sc sd",
];

#[test]
fn keys_that_are_not_there_are_told() {
    let master = master_or_skip!(SERVER);
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    master.client().line("SET a 1");
    node.wait_caught_up(&master);
    wait_for("the key", || (real.client().line("DBSIZE").int() == 1).then_some(()));
    let told = |port| {
        let (mut hearer, mut client) = (Client::connect(port), Client::connect(port));
        hearer.line("CONFIG SET notify-keyspace-events Em");
        hearer.ask(&["PSUBSCRIBE", "__*"]);
        hearer.ask(&["SUBSCRIBE", "done"]);
        let mut told = |line: &'static str| {
            client.send_raw(format!("{line}\r\n").as_bytes());
            client.read_soon().expect("an answer");
            if !line.contains("MULTI") && !line.ends_with(" ea") && !line.ends_with(" eb") {
                client.line("PUBLISH done ok");
                return (line, heard(&mut hearer));
            }
            (line, Vec::new())
        };
        MISSES.iter().map(|line| told(line)).collect::<Vec<_>>()
    };
    let (theirs, ours) = (told(real.port), told(node.port));
    let differ: Vec<_> = theirs.iter().zip(&ours).filter(|(theirs, ours)| theirs != ours).collect();
    assert!(differ.is_empty(), "{} differences: {differ:#?}", differ.len());
}

/// What goes by itself is told on a node that follows nobody; its replicas hear of it by a DEL.
#[test]
fn what_expires_is_told() {
    let node = Node::start(&[]);
    let mut hearer = node.client();
    hearer.line("CONFIG SET notify-keyspace-events EA");
    hearer.ask(&["PSUBSCRIBE", "__*"]);
    let mut client = node.client();
    client.line("SET k v PX 1");
    client.line("HSET h f v g w");
    client.line("HPEXPIRE h 1 FIELDS 1 f");
    let mut said: Vec<String> = (0..6)
        .map(|_| {
            let message = hearer.read_soon().expect("a message");
            format!("{} {}", message.items()[2].text(), message.items()[3].text())
        })
        .collect();
    said.sort();
    let event = |what: &str| format!("__keyevent@0__:{what}");
    let expected = ["expire k", "expired k", "hexpire h", "hexpired h", "hset h", "set k"].map(event);
    assert_eq!(said, expected);
}
