//! A seeded random workload over every type: small keys, keys that cross each encoding's limit, several databases,
//! deadlines, transactions, scripts and functions that write, SWAPDB and FLUSHDB now and then.
//!
//! Owns the choice of commands for a master of a given version. Never looks at a reply: an error (a wrong type,
//! say) is part of the workload, for a master does not pass it on.

use super::{Client, Frame, Master, Random, walk};

type Words = Vec<Vec<u8>>;

/// Makes requests for one master.
pub struct Workload {
    random: Random,
    /// `(major, minor)`; Valkey's own numbers when `valkey`.
    version: (u32, u32),
    valkey: bool,
    /// Whether keys may get deadlines so short that they pass during the run.
    short_deadlines: bool,
    stream_clock: u64,
    databases: u64,
    now_millis: i64,
}

/// `words!["SET", key, value]`
macro_rules! words {
    ($($word:expr),* $(,)?) => { vec![$(AsRef::<[u8]>::as_ref(&$word).to_vec()),*] };
}

impl Workload {
    /// For `master`, beginning at this seed.
    pub fn new(master: &Master, random: Random) -> Workload {
        let time = master.client().line("TIME");
        let now_millis = time.items()[0].text().parse::<i64>().expect("seconds") * 1000;
        Workload {
            random,
            version: master.version(),
            valkey: master.is_valkey(),
            short_deadlines: true,
            stream_clock: 1,
            databases: 3,
            now_millis,
        }
    }

    fn redis(&self, major: u32, minor: u32) -> bool {
        !self.valkey && self.version >= (major, minor)
    }
    /// Commands of this Redis version, or of this Valkey version.
    fn since(&self, redis: (u32, u32), valkey: (u32, u32)) -> bool {
        self.version >= if self.valkey { valkey } else { redis }
    }

    fn key(&mut self, kind: &str, count: u64) -> Vec<u8> {
        // few names, so that commands meet; now and then a name of another kind, so that they fail
        let kind =
            if self.random.one_in(60) { *self.random.pick(&["s", "h", "l", "z", "t", "x"]) } else { kind };
        format!("{kind}:{}", self.random.below(count)).into_bytes()
    }
    fn element(&mut self) -> Vec<u8> {
        match self.random.below(20) {
            0 => b"".to_vec(),
            1 => self.random.next().to_string().into_bytes(),
            2 => (self.random.next() as i64).to_string().into_bytes(),
            3 => vec![b'x'; 60 + self.random.below(10) as usize],
            4 => {
                let length = self.random.below(40) as usize;
                (0..length).map(|_| self.random.next() as u8).collect()
            }
            5 => {
                let length = self.random.below(3000) as usize;
                vec![b'a' + (length % 26) as u8; length]
            }
            6..=9 => (self.random.below(300) as i64 - 100).to_string().into_bytes(),
            10 => self.random.below(100_000).to_string().into_bytes(),
            _ => format!("e{}", self.random.below(400)).into_bytes(),
        }
    }
    fn value(&mut self) -> Vec<u8> {
        match self.random.below(30) {
            0 => {
                let length = 60_000 + self.random.below(20_000) as usize;
                (0..length).map(|at| (at * 7 % 251) as u8).collect()
            }
            1..=8 => (self.random.next() as i64 >> self.random.below(64)).to_string().into_bytes(),
            _ => self.element(),
        }
    }
    fn score(&mut self) -> String {
        match self.random.below(10) {
            0 => "inf".into(),
            1 => "-inf".into(),
            2 => format!("{:e}", self.random.next() as i64 as f64 * 1.7e200),
            3 | 4 => format!("{}", self.random.below(1000) as f64 / 7.0),
            5 => format!("{}", (self.random.next() as i64) as f64),
            6 => "-0".into(),
            _ => format!("{}", self.random.below(40) as i64 - 20),
        }
    }
    fn some<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = if self.random.one_in(25) { most * 20 } else { 1 + self.random.below(most) };
        (0..count).map(|_| make(self)).collect()
    }
    fn deadline(&mut self) -> i64 {
        let ahead = if self.short_deadlines && self.random.one_in(4) {
            50 + self.random.below(3000)
        } else {
            3_600_000 + self.random.below(100_000_000)
        };
        self.now_millis + ahead as i64
    }

    /// Milliseconds from now on: very short, or so long that it cannot pass while servers are being compared.
    fn ahead(&mut self) -> u64 {
        if self.random.one_in(5) {
            1 + self.random.below(50)
        } else {
            3_600_000 + self.random.below(100_000_000)
        }
    }

    /// Waits until every short deadline has passed at the master, so that no key goes while servers are compared.
    pub fn settle(&self, master: &Master) {
        let mut client = master.client();
        let mut millis = || {
            let time = client.line("TIME");
            let part = |at: usize| time.items()[at].text().parse::<i64>().expect("a number");
            part(0) * 1000 + part(1) / 1000
        };
        let until = (self.now_millis + 4_100).max(millis() + 200);
        super::wait_for("the last short deadline", || (millis() > until).then_some(()));
    }

    /// The next requests: one, or a transaction's.
    pub fn next(&mut self) -> Vec<Words> {
        match self.random.below(100) {
            0..=2 => {
                let many = 2 + self.random.below(5);
                let mut unit = vec![words!["MULTI"]];
                for _ in 0..many {
                    unit.push(self.one());
                }
                unit.push(if self.random.one_in(12) { words!["DISCARD"] } else { words!["EXEC"] });
                unit
            }
            3..=4 => vec![words!["SELECT", self.random.below(self.databases).to_string()]],
            5 => self.script(),
            _ => vec![self.one()],
        }
    }

    fn one(&mut self) -> Words {
        match self.random.below(100) {
            0..=19 => self.string(),
            20..=37 => self.hash(),
            38..=51 => self.list(),
            52..=63 => self.set(),
            64..=79 => self.sorted_set(),
            80..=88 => self.stream(),
            89..=91 => self.bits(),
            92..=98 => self.generic(),
            _ => self.rare(),
        }
    }

    fn string(&mut self) -> Words {
        let key = self.key("s", 60);
        let value = self.value();
        let deadline = self.deadline().to_string();
        match self.random.below(26) {
            0..=4 => words!["SET", key, value],
            5 => words!["SET", key, value, "PX", self.ahead().to_string()],
            6 => words!["SET", key, value, "EX", (3600 + self.random.below(10_000)).to_string()],
            7 => words!["SETEX", key, "10000", value],
            8 => words!["PSETEX", key, self.ahead().to_string(), value],
            9 => words!["SETNX", key, value],
            10 => words!["GETSET", key, value],
            11 if self.since((6, 2), (0, 0)) => words!["GETEX", key, "PXAT", deadline],
            12 if self.since((6, 2), (0, 0)) => words!["GETDEL", key],
            13 => words!["APPEND", key, value],
            14 => words!["SETRANGE", key, self.random.below(200).to_string(), value],
            15 => words!["INCR", self.key("n", 20)],
            16 => words!["INCRBY", self.key("n", 20), (self.random.next() as i64 >> 20).to_string()],
            17 => words!["DECRBY", self.key("n", 20), self.random.below(1000).to_string()],
            18 => {
                words!["INCRBYFLOAT", self.key("f", 10), format!("{}", self.random.below(1000) as f64 / 8.0)]
            }
            19 => {
                let mut words = words!["MSET"];
                for _ in 0..1 + self.random.below(5) {
                    words.push(self.key("s", 60));
                    words.push(self.value());
                }
                words
            }
            20 => words!["MSETNX", self.key("s", 200), value, self.key("s", 200), "x"],
            21 if self.since((6, 0), (0, 0)) => words!["SET", key, value, "KEEPTTL"],
            22 if self.since((6, 2), (0, 0)) => words!["SET", key, value, "XX", "GET"],
            23 if self.redis(8, 4) => words!["MSETEX", "2", key, value, self.key("s", 60), "v", "EX", "5000"],
            24 if self.redis(8, 4) => words!["DELEX", key, "IFEQ", value],
            24 if self.valkey && self.version >= (9, 0) => words!["DELIFEQ", key, value],
            25 if self.redis(8, 8) => words!["INCREX", self.key("n", 20), "BYINT", "3"],
            _ => words!["SET", key, value],
        }
    }

    fn hash(&mut self) -> Words {
        let key = self.key("h", 25);
        let field = self.element();
        let deadline = self.deadline().to_string();
        // Valkey 9.0.0 crashes while it looks for fields to expire, after some ten thousand of these requests.
        let field_deadlines = self.since((7, 4), (9, 1));
        match self.random.below(22) {
            0..=6 => {
                let mut words = words!["HSET", key];
                for (field, value) in self.some(8, |this| (this.element(), this.element())) {
                    words.push(field);
                    words.push(value);
                }
                words
            }
            7 => words!["HSETNX", key, field, self.element()],
            8..=10 => {
                let mut words = words!["HDEL", key];
                words.extend(self.some(6, Self::element));
                words
            }
            11 => words![
                "HINCRBY",
                key,
                format!("i{}", self.random.below(9)),
                self.random.below(99).to_string()
            ],
            12 => words!["HINCRBYFLOAT", key, format!("f{}", self.random.below(9)), "0.25"],
            13 => words!["HMSET", key, field, self.element()],
            14 if field_deadlines => {
                words!["HPEXPIREAT", key, deadline, "FIELDS", "2", field, self.element()]
            }
            15 if field_deadlines => words!["HEXPIRE", key, "5000", "FIELDS", "1", field],
            16 if field_deadlines => words!["HPERSIST", key, "FIELDS", "1", field],
            17 if self.since((8, 0), (9, 1)) => {
                // with a deadline that has passed, Redis makes the hash fit for the field and then passes on HDEL, so
                // that a long one leaves another form behind than its replicas have
                let (mut field, mut value) = (field, self.element());
                field.truncate(60);
                value.truncate(60);
                words!["HSETEX", key, "PXAT", deadline, "FIELDS", "1", field, value]
            }
            18 if self.since((8, 0), (9, 1)) => words!["HGETEX", key, "PXAT", deadline, "FIELDS", "1", field],
            19 if self.since((8, 0), (9, 1)) => words!["HGETDEL", key, "FIELDS", "1", field],
            20 if field_deadlines => {
                // many fields with deadlines in one hash: past the packed form
                let mut words = words!["HEXPIRE", key, "7000", "FIELDS"];
                let fields = self.some(20, Self::element);
                words.push(fields.len().to_string().into_bytes());
                words.extend(fields);
                words
            }
            _ => words!["HSET", key, field, self.element()],
        }
    }

    fn list(&mut self) -> Words {
        let key = self.key("l", 20);
        match self.random.below(20) {
            0..=5 => {
                let mut words = words![*self.random.pick(&["LPUSH", "RPUSH"]), key];
                words.extend(self.some(8, Self::element));
                words
            }
            6 => words![*self.random.pick(&["LPUSHX", "RPUSHX"]), key, self.element()],
            7 | 8 => words![*self.random.pick(&["LPOP", "RPOP"]), key],
            9 if self.since((6, 2), (0, 0)) => words!["LPOP", key, self.random.below(30).to_string()],
            10 => words![
                "LINSERT",
                key,
                *self.random.pick(&["BEFORE", "AFTER"]),
                self.element(),
                self.element()
            ],
            11 => words!["LSET", key, (self.random.below(40) as i64 - 20).to_string(), self.element()],
            12 => words!["LREM", key, (self.random.below(5) as i64 - 2).to_string(), self.element()],
            13 => words![
                "LTRIM",
                key,
                self.random.below(4).to_string(),
                (-1 - self.random.below(4) as i64).to_string()
            ],
            14 => words!["RPOPLPUSH", key, self.key("l", 20)],
            15 if self.since((6, 2), (0, 0)) => {
                let side = ["LEFT", "RIGHT"];
                words!["LMOVE", key, self.key("l", 20), *self.random.pick(&side), *self.random.pick(&side)]
            }
            16 if self.since((7, 0), (0, 0)) => {
                words!["LMPOP", "2", key, self.key("l", 20), "LEFT", "COUNT", "3"]
            }
            17 if self.since((7, 0), (0, 0)) => words!["BLMPOP", "0.01", "1", key, "RIGHT"],
            18 => words!["BLPOP", self.key("l", 20), "0.01"],
            _ => words!["RPUSH", key, self.element()],
        }
    }

    fn set(&mut self) -> Words {
        let key = self.key("t", 25);
        match self.random.below(18) {
            0..=2 => {
                let mut words = words!["SADD", key];
                words.extend(self.some(10, Self::element));
                words
            }
            3..=5 => {
                // integers of one width or another: intsets
                let mut words = words!["SADD", format!("t:{}", self.random.below(25))];
                let shift = self.random.below(60);
                words.extend(
                    self.some(15, |this| (this.random.next() as i64 >> shift).to_string().into_bytes()),
                );
                words
            }
            6..=8 => {
                let mut words = words!["SREM", key];
                words.extend(self.some(6, Self::element));
                words
            }
            9 | 10 => words!["SPOP", key],
            // More of them at once, of a set that is little more, leave a packed set at the master, and a big one at
            // its replicas (which see SREM), real ones too.
            11 if self.since((7, 2), (0, 0)) => words!["SPOP", key, self.random.below(5).to_string()],
            11 => words!["SPOP", key, self.random.below(20).to_string()],
            12 | 13 => words!["SMOVE", key, self.key("t", 25), self.element()],
            14..=16 => {
                let name = *self.random.pick(&["SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"]);
                words![name, self.key("t", 25), key, self.key("t", 25)]
            }
            _ => words!["SADD", key, self.random.below(100).to_string()],
        }
    }

    fn sorted_set(&mut self) -> Words {
        let key = self.key("z", 25);
        match self.random.below(26) {
            0..=6 => {
                let mut words = words!["ZADD", key];
                for (score, member) in self.some(10, |this| (this.score(), this.element())) {
                    words.push(score.into_bytes());
                    words.push(member);
                }
                words
            }
            7 => {
                let flag = *self.random.pick(&["NX", "XX", "CH"]);
                let score = self.score();
                // Valkey makes room for a long name before it sees that XX keeps it out, and no replica hears of that.
                let member =
                    if flag == "XX" { format!("e{}", self.random.below(400)).into() } else { self.element() };
                words!["ZADD", key, flag, score, member]
            }
            8 if self.since((6, 2), (0, 0)) => {
                let flag = *self.random.pick(&["GT", "LT"]);
                words!["ZADD", key, flag, self.score(), self.element()]
            }
            9 => words!["ZADD", key, "INCR", "2.5", self.element()],
            10 | 11 => {
                words!["ZINCRBY", key, format!("{}", self.random.below(100) as f64 / 3.0), self.element()]
            }
            12 | 13 => {
                let mut words = words!["ZREM", key];
                words.extend(self.some(6, Self::element));
                words
            }
            14 => words!["ZREMRANGEBYRANK", key, "0", self.random.below(3).to_string()],
            15 => words!["ZREMRANGEBYSCORE", key, "(1", self.random.below(4).to_string()],
            // only where all scores are equal: elsewhere the answer hangs on a skip list's chances
            16 if self.random.one_in(2) => words!["ZREMRANGEBYLEX", "lexical", "[e1", "(e11"],
            16 => {
                let mut words = words!["ZADD", "lexical"];
                for member in self.some(10, Self::element) {
                    words.push(b"0".to_vec());
                    words.push(member);
                }
                words
            }
            17 => words![*self.random.pick(&["ZPOPMIN", "ZPOPMAX"]), key, self.random.below(5).to_string()],
            18..=20 => {
                let name = *self.random.pick(&["ZUNIONSTORE", "ZINTERSTORE"]);
                let source = if self.random.one_in(3) { self.key("t", 25) } else { self.key("z", 25) };
                let how = *self.random.pick(&["SUM", "MIN", "MAX"]);
                // not 0 before 7.0: it makes a zero with a sign of a score below it, see `score`
                let least = u64::from(!self.since((7, 0), (0, 0)));
                let weight = format!("{}", (least + self.random.below(30)) as f64 / 7.0);
                words![
                    name,
                    self.key("z", 25),
                    "3",
                    key,
                    source,
                    self.key("z", 25),
                    "WEIGHTS",
                    "1",
                    weight,
                    "0.5",
                    "AGGREGATE",
                    how
                ]
            }
            21 if self.since((6, 2), (0, 0)) => {
                words!["ZDIFFSTORE", self.key("z", 25), "2", key, self.key("z", 25)]
            }
            22 if self.since((6, 2), (0, 0)) => {
                words!["ZRANGESTORE", self.key("z", 25), key, "0", self.random.below(50).to_string()]
            }
            23 if self.since((7, 0), (0, 0)) => words!["ZMPOP", "1", key, "MIN", "COUNT", "2"],
            24 if self.since((3, 2), (0, 0)) => {
                let lon = format!("{}", self.random.below(3_600_000) as f64 / 10_000.0 - 180.0);
                let lat = format!("{}", self.random.below(1_600_000) as f64 / 10_000.0 - 80.0);
                words!["GEOADD", self.key("g", 4), lon, lat, self.element()]
            }
            25 if self.since((6, 2), (0, 0)) => {
                let radius = (100 + self.random.below(8000)).to_string();
                words![
                    "GEOSEARCHSTORE",
                    self.key("z", 25),
                    self.key("g", 4),
                    "FROMLONLAT",
                    "15",
                    "37",
                    "BYRADIUS",
                    radius,
                    "km",
                    "COUNT",
                    "5",
                    *self.random.pick(&["ASC", "DESC", "ANY"])
                ]
            }
            _ => words!["ZADD", key, self.score(), self.element()],
        }
    }

    fn stream(&mut self) -> Words {
        if !self.since((5, 0), (0, 0)) {
            return self.list();
        }
        let key = self.key("x", 8);
        let group = format!("g{}", self.random.below(3));
        let consumer = format!("c{}", self.random.below(4));
        self.stream_clock += self.random.below(3);
        let past = format!("{}-{}", self.random.below(self.stream_clock + 1), self.random.below(5));
        match self.random.below(24) {
            0..=6 => {
                self.stream_clock += 1;
                let mut words = words!["XADD", key];
                match self.random.below(6) {
                    0 => words.extend(words!["MAXLEN", "~", "150"]),
                    1 => words.extend(words!["MAXLEN", "90"]),
                    2 if self.since((6, 2), (0, 0)) => words.extend(words!["MINID", "~", past.as_bytes()]),
                    _ => {}
                }
                words.push(if self.random.one_in(8) {
                    format!("{}-{}", self.stream_clock, self.random.below(9)).into_bytes()
                } else {
                    b"*".to_vec()
                });
                let same = self.random.one_in(2);
                for at in 0..1 + self.random.below(4) {
                    words.push(if same { format!("field{at}").into_bytes() } else { self.element() });
                    words.push(self.element());
                }
                words
            }
            7 => words!["XDEL", key, past],
            8 => words![
                "XTRIM",
                key,
                "MAXLEN",
                *self.random.pick(&["=", "~"]),
                self.random.below(200).to_string()
            ],
            9 | 10 => {
                words!["XGROUP", "CREATE", key, group, *self.random.pick(&["0", "$", "5-1"]), "MKSTREAM"]
            }
            11 => words!["XGROUP", "SETID", key, group, *self.random.pick(&["0", "$", "7-0"])],
            12 if self.random.one_in(4) => words!["XGROUP", "DESTROY", key, group],
            13 if self.since((6, 2), (0, 0)) => words!["XGROUP", "CREATECONSUMER", key, group, consumer],
            14 if self.random.one_in(3) => words!["XGROUP", "DELCONSUMER", key, group, consumer],
            15..=17 => {
                let mut words = words!["XREADGROUP", "GROUP", group, consumer, "COUNT", "4"];
                if self.random.one_in(5) {
                    words.push(b"NOACK".to_vec());
                }
                words.extend(words!["STREAMS", key, ">"]);
                words
            }
            18 => words!["XACK", key, group, past],
            19 => words!["XCLAIM", key, group, consumer, "0", past, "1-1"],
            20 if self.since((6, 2), (0, 0)) => {
                words!["XAUTOCLAIM", key, group, consumer, "0", "0-0", "COUNT", "3"]
            }
            21 if self.redis(8, 2) => words!["XDELEX", key, "DELREF", "IDS", "1", past],
            22 if self.redis(8, 2) => words!["XACKDEL", key, group, "ACKED", "IDS", "1", past],
            23 => words!["XSETID", key, format!("{}-0", self.stream_clock + 1)],
            _ => words!["XADD", key, "*", "f", self.element()],
        }
    }

    fn bits(&mut self) -> Words {
        let key = self.key("b", 8);
        match self.random.below(7) {
            0 | 1 => {
                words!["SETBIT", key, self.random.below(5000).to_string(), self.random.below(2).to_string()]
            }
            2 if self.since((3, 2), (0, 0)) => {
                words![
                    "BITFIELD",
                    key,
                    "SET",
                    "u8",
                    "#3",
                    self.random.below(256).to_string(),
                    "OVERFLOW",
                    "SAT",
                    "INCRBY",
                    "i5",
                    "100",
                    "7"
                ]
            }
            3 => words![
                "BITOP",
                *self.random.pick(&["AND", "OR", "XOR"]),
                self.key("b", 8),
                key,
                self.key("b", 8)
            ],
            4 => {
                let mut words = words!["PFADD", self.counted()];
                words.extend(self.some(30, Self::element));
                words
            }
            5 => words!["PFMERGE", self.counted(), self.counted(), self.counted()],
            _ => words!["PFCOUNT", self.counted()],
        }
    }

    /// A key for PFADD and its like. Masters before 4.0 crash when it holds an integer, so there it has a name that
    /// nothing else writes to.
    fn counted(&mut self) -> Vec<u8> {
        if self.since((4, 0), (0, 0)) {
            self.key("p", 4)
        } else {
            format!("hll:{}", self.random.below(4)).into_bytes()
        }
    }

    fn any_key(&mut self) -> Vec<u8> {
        let kind = *self.random.pick(&["s", "n", "h", "l", "t", "z", "x", "b", "p", "g"]);
        self.key(kind, 25)
    }

    fn generic(&mut self) -> Words {
        let key = self.any_key();
        let deadline = self.deadline();
        match self.random.below(18) {
            0 | 1 => words!["DEL", key, self.any_key()],
            // 5.0 and 6.0 crash when it meets a stream whose groups have all been destroyed
            2 if self.since((6, 2), (0, 0)) => words!["UNLINK", key],
            3 | 4 => words!["PEXPIRE", key, self.ahead().to_string()],
            5 | 6 => words!["PEXPIREAT", key, deadline.to_string()],
            7 if self.since((7, 0), (0, 0)) => {
                words!["PEXPIREAT", key, deadline.to_string(), *self.random.pick(&["NX", "XX", "GT", "LT"])]
            }
            8 => words!["PERSIST", key],
            9 => words!["RENAME", key, self.any_key()],
            10 => words!["RENAMENX", key, self.any_key()],
            11 if self.since((6, 2), (0, 0)) => words!["COPY", key, self.any_key(), "REPLACE"],
            12 if self.since((6, 2), (0, 0)) => {
                words!["COPY", key, self.any_key(), "DB", self.random.below(self.databases).to_string()]
            }
            13 => words!["MOVE", key, self.random.below(self.databases).to_string()],
            14 => words!["SORT", self.key("l", 20), "ALPHA", "STORE", self.key("l", 20)],
            15 => {
                words!["SORT", self.key("t", 25), "BY", "n:*", "LIMIT", "0", "20", "STORE", self.key("l", 20)]
            }
            16 => words!["PUBLISH", "news", self.element()],
            _ => words!["EXPIREAT", key, (deadline / 1000).to_string()],
        }
    }

    fn rare(&mut self) -> Words {
        match self.random.below(12) {
            0 => words!["FLUSHDB"],
            1..=4 if self.since((4, 0), (0, 0)) => {
                words![
                    "SWAPDB",
                    self.random.below(self.databases).to_string(),
                    self.random.below(self.databases).to_string()
                ]
            }
            5 if self.since((7, 0), (0, 0)) => {
                let name = self.random.below(3);
                let body = format!(
                    "#!lua name=lib{name}\nredis.register_function('put{name}', function(keys, args) \
                     redis.call('SET', keys[1], args[1]) return redis.call('RPUSH', keys[2], args[1]) end)"
                );
                words!["FUNCTION", "LOAD", "REPLACE", body]
            }
            6 if self.since((7, 0), (0, 0)) => {
                words!["FUNCTION", "DELETE", format!("lib{}", self.random.below(3))]
            }
            7 | 8 if self.since((7, 0), (0, 0)) => {
                words![
                    "FCALL",
                    format!("put{}", self.random.below(3)),
                    "2",
                    self.key("s", 60),
                    self.key("l", 20),
                    "v"
                ]
            }
            _ => self.string(),
        }
    }

    fn script(&mut self) -> Vec<Words> {
        // masters before 5.0 pass scripts on verbatim, which needs Lua here
        if !self.since((5, 0), (0, 0)) {
            return vec![self.one()];
        }
        let body = "redis.call('INCR', KEYS[1]) redis.call('SADD', KEYS[2], ARGV[1]) \
                    return redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])";
        vec![words![
            "EVAL",
            body,
            "3",
            self.key("n", 20),
            self.key("t", 25),
            self.key("h", 25),
            self.element(),
            "v"
        ]]
    }

    /// Sends `count` requests (transactions count as one) over a connection, in pipelines.
    pub fn run(&mut self, client: &mut Client, count: usize) {
        let is_valkey_9_0 = self.valkey && self.version == (9, 0);
        if is_valkey_9_0 {
            // Its active expiry ends the server when it meets what was a hash with deadlines of fields and is a value
            // of another kind by now (9.0.0: `t_hash.c:67 'o->type == OBJ_HASH' is not true`).
            client.line("DEBUG SET-ACTIVE-EXPIRE 0");
        }
        let mut left = count;
        while left > 0 {
            let many = left.min(64);
            let mut requests = Vec::new();
            for _ in 0..many {
                requests.extend(self.next());
            }
            if is_valkey_9_0 {
                // 9.0.0 stands still now and then in the middle of a pipeline, with the next request half read.
                requests.iter().for_each(|request| drop(client.ask(request)));
            } else {
                client.pipeline(&requests);
            }
            left -= many;
        }
    }
}

/// Deletes the sorted sets that have a score of `-0`: a big one keeps it, a packed one has `0`, so whoever holds such a
/// set in the other form (because SORT left it big, or a load packed it) cannot have the same.
pub fn delete_minus_zeros(client: &mut Client) {
    for db in 0..3 {
        client.line(&format!("SELECT {db}"));
        for key in walk::keys(client) {
            let Frame::Array(scores) = client.ask(&[b"ZRANGE".as_slice(), &key, b"0", b"-1", b"WITHSCORES"])
            else {
                continue;
            };
            if scores.iter().skip(1).step_by(2).any(|score| score.text() == "-0") {
                client.ask(&[b"DEL".as_slice(), &key]);
            }
        }
    }
}
