//! Requests made from the files of `tests/grammar`: valid ones, odd ones and hostile ones, seeded.
//!
//! Owns their notation, and what stands in the place of an argument's name. Never sends anything.

use std::rc::Rc;

use super::{Frame, Random, lua};

/// One line of the file.
#[derive(Clone, Debug)]
pub struct Line {
    weight: u64,
    /// As in the command table: `set`, `xgroup|create`.
    pub command: String,
    pattern: Vec<Node>,
    pub compare: Compare,
}

impl Line {
    /// Of one word, of whose answer only the kind is compared.
    pub fn word(name: &str) -> Line {
        let pattern = vec![Node::Word(name.to_owned())];
        Line { weight: 1, command: name.to_ascii_lowercase(), pattern, compare: Compare::Shape }
    }
}

/// What of a reply has no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Every byte has one.
    Exact,
    /// An array without an order.
    Members,
    /// Fields and values, the pairs without an order.
    Pairs,
    /// Numbers that count from now: no further apart than the moments at which they were asked for.
    Near,
    /// Chance, or a server's own affair: only what kind of reply it is, and errors.
    Shape,
    /// The same for a command that changes data by chance: its key is removed afterwards where two masters are
    /// compared.
    Random,
    /// Moments are each server's own.
    Times,
    /// A cursor's whole round in one reply: elements without an order.
    Scan,
    /// Ordered, but for a set that is not sorted at all.
    Sort,
    /// Libraries without an order, by name, engine and code.
    Functions,
    /// Every byte has a meaning, but for which of several libraries or functions that are there already an error names:
    /// the first of the payload's hash table, whose order is each server's own.
    Conflicts,
    /// Nothing in it has an order, at any depth.
    Deep,
    /// As the request that the script or function runs.
    Inner,
}

#[derive(Clone, Debug)]
enum Node {
    Word(String),
    Argument(String),
    Perhaps(Vec<Node>),
    OneOf(Vec<Vec<Node>>),
    Many(Vec<Node>),
    Counted(Vec<Node>),
    AnyOrder(Vec<Node>),
}

/// The families of commands on data, in order: name and lines.
pub fn families() -> Vec<(String, Vec<Line>)> {
    families_of("commands.txt")
}

/// A file's families.
pub fn families_of(file: &str) -> Vec<(String, Vec<Line>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grammar");
    let text = std::fs::read_to_string(folder.join(file)).expect("the grammar");
    let mut families: Vec<(String, Vec<Line>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("== ") {
            Some(name) => families.push((name.to_owned(), Vec::new())),
            None => families.last_mut().expect("a family").1.push(parse(line)),
        }
    }
    families
}

fn parse(line: &str) -> Line {
    let (pattern, compare) = line.split_once(" ; ").unwrap_or((line, "exact"));
    let compare = match compare {
        "exact" => Compare::Exact,
        "members" => Compare::Members,
        "pairs" => Compare::Pairs,
        "near" => Compare::Near,
        "shape" | "dump" => Compare::Shape,
        "random" => Compare::Random,
        "times" => Compare::Times,
        "scan" => Compare::Scan,
        "sort" => Compare::Sort,
        "functions" => Compare::Functions,
        "conflicts" => Compare::Conflicts,
        "deep" => Compare::Deep,
        "inner" => Compare::Inner,
        other => panic!("{line}: what is {other:?}?"),
    };
    let (weight, pattern) = match pattern.split_once(' ').map(|(first, rest)| (first.parse(), rest)) {
        Some((Ok(weight), rest)) => (weight, rest),
        _ => (1, pattern),
    };
    let mut tokens = tokens(pattern);
    tokens.reverse();
    let (pattern, _) = sequence(&mut tokens, "");
    assert!(tokens.is_empty(), "{line}: not closed");
    let word = |at: usize| match pattern.get(at) {
        Some(Node::Word(word)) => Some(word.to_ascii_lowercase()),
        _ => None,
    };
    let mut command = word(0).unwrap_or_else(|| panic!("{line}: no name"));
    if commands::find(command.as_bytes()).is_some_and(commands::Command::has_subcommands) {
        command = format!("{command}|{}", word(1).unwrap_or_else(|| "?".into()));
    }
    Line { weight, command, pattern, compare }
}

fn tokens(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        if "[](){}<>|#".contains(letter) || letter == ' ' {
            if !word.is_empty() {
                all.push(std::mem::take(&mut word));
            }
            if letter != ' ' {
                all.push(letter.to_string());
            }
        } else {
            word.push(letter);
        }
    }
    if !word.is_empty() {
        all.push(word);
    }
    all
}

/// Nodes up to one of `ends`, which is taken too and given back, or to the end of the line.
fn sequence(tokens: &mut Vec<String>, ends: &str) -> (Vec<Node>, String) {
    let mut nodes = Vec::new();
    while let Some(token) = tokens.pop() {
        match token.as_str() {
            "[" => nodes.push(Node::Perhaps(sequence(tokens, "]").0)),
            "{" => nodes.push(Node::Many(sequence(tokens, "}").0)),
            "<" => nodes.push(Node::AnyOrder(sequence(tokens, ">").0)),
            "(" => {
                let mut choices = Vec::new();
                loop {
                    let (nodes, end) = sequence(tokens, "|)");
                    choices.push(nodes);
                    if end == ")" {
                        break;
                    }
                }
                nodes.push(Node::OneOf(choices));
            }
            "#" => {
                assert_eq!(tokens.pop().as_deref(), Some("{"), "# without {{");
                nodes.push(Node::Counted(sequence(tokens, "}").0));
            }
            end if ends.contains(end) => return (nodes, token),
            word if word.starts_with(|letter: char| letter.is_ascii_lowercase()) => {
                nodes.push(Node::Argument(token));
            }
            _ => nodes.push(Node::Word(token)),
        }
    }
    assert!(ends.is_empty(), "not closed: {ends}");
    (nodes, String::new())
}

/// Makes requests.
pub struct Maker {
    pub random: Random,
    /// Seconds, when it began: absolute deadlines count from here.
    now: i64,
    stream_clock: u64,
    /// Payloads that a server gave for DUMP and FUNCTION DUMP.
    pub payloads: Vec<Vec<u8>>,
    pub functions_payloads: Vec<Vec<u8>>,
    /// What `request` is made of: requests inside of others.
    pub inner: Rc<Vec<Line>>,
    /// Names of commands, `container|sub` too.
    pub commands: Vec<String>,
    /// Digests of scripts that were loaded.
    pub digests: Vec<String>,
}

impl Maker {
    pub fn new(random: Random, now: i64) -> Maker {
        Maker {
            random,
            now,
            stream_clock: 1,
            payloads: Vec::new(),
            functions_payloads: Vec::new(),
            inner: Rc::default(),
            commands: Vec::new(),
            digests: Vec::new(),
        }
    }

    /// One of these lines, by weight, and a request for it.
    pub fn request<'a>(&mut self, lines: &'a [Line]) -> (&'a Line, Vec<Vec<u8>>) {
        let all = lines.iter().map(|line| line.weight).sum();
        let mut at = self.random.below(all);
        let line = lines
            .iter()
            .find(|line| match at.checked_sub(line.weight) {
                Some(rest) => {
                    at = rest;
                    false
                }
                None => true,
            })
            .expect("weights");
        let mut words = Vec::new();
        loop {
            self.fill(&line.pattern, &mut words);
            self.spoil(&mut words, if line.command.contains('|') { 2 } else { 1 });
            if !answered_twice(&words) && !waits_long(&words) && !expires_soon(&words) && !goes_away(&words) {
                return (line, words);
            }
            words.clear();
        }
    }

    /// Now and then: a word too few, too many, in another place, or another one altogether.
    fn spoil(&mut self, words: &mut Vec<Vec<u8>>, name: usize) {
        const JUNK: &[&[u8]] = &[
            b"",
            b"abc",
            b"-1",
            b"0",
            b"nan",
            b"\0\xff",
            b"1e3",
            b"LIMIT",
            b"WITHSCORES",
            b"1.5",
            b"s:1",
            b"99999999999999999999",
            b"COUNT",
            b"ANY",
            b"GET",
        ];
        if words.len() <= name || !self.random.one_in(12) {
            return;
        }
        let at = name + self.random.below((words.len() - name) as u64) as usize;
        let other = name + self.random.below((words.len() - name) as u64) as usize;
        match self.random.below(5) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[other].clone()),
            2 => words.swap(at, other),
            3 => words[at] = self.random.pick(JUNK).to_vec(),
            _ => words.push(self.random.pick(JUNK).to_vec()),
        }
    }

    fn fill(&mut self, nodes: &[Node], words: &mut Vec<Vec<u8>>) {
        for node in nodes {
            match node {
                Node::Word(word) if self.random.one_in(3) => {
                    words.push(word.to_ascii_lowercase().into_bytes());
                }
                Node::Word(word) => words.push(word.clone().into_bytes()),
                Node::Argument(name) if name == "request" => {
                    let lines = Rc::clone(&self.inner);
                    words.extend(self.request(&lines).1);
                }
                Node::Argument(name) => words.push(self.argument(name)),
                Node::Perhaps(nodes) => {
                    if self.random.one_in(3) {
                        self.fill(nodes, words);
                    }
                }
                Node::OneOf(choices) => {
                    let choice = &choices[self.random.below(choices.len() as u64) as usize];
                    self.fill(choice, words);
                }
                Node::Many(nodes) => {
                    for _ in 0..self.many() {
                        self.fill(nodes, words);
                    }
                }
                Node::Counted(nodes) => {
                    let count = self.many();
                    let told = if self.random.one_in(25) { self.random.below(4) } else { count };
                    words.push(told.to_string().into_bytes());
                    for _ in 0..count {
                        self.fill(nodes, words);
                    }
                }
                Node::AnyOrder(nodes) => {
                    let mut order: Vec<&Node> = nodes.iter().collect();
                    if self.random.one_in(2) {
                        for at in (1..order.len()).rev() {
                            order.swap(at, self.random.below(at as u64 + 1) as usize);
                        }
                    }
                    for node in order {
                        self.fill(std::slice::from_ref(node), words);
                    }
                }
            }
        }
    }

    fn many(&mut self) -> u64 {
        match self.random.below(80) {
            0 => 20 + self.random.below(580),
            1..=40 => 1,
            _ => 2 + self.random.below(3),
        }
    }

    fn integer(&mut self) -> String {
        const ODD: &[&str] = &[
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "-9223372036854775809",
            "4294967296",
            "-4294967297",
            "2147483648",
            "18446744073709551615",
            "1.5",
            "abc",
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            "-0",
            "0x10",
            "1e2",
            "9223372036854775806",
            "-9223372036854775807",
            "inf",
        ];
        match self.random.below(12) {
            0 => (*self.random.pick(ODD)).to_owned(),
            1 => (self.random.below(2_000_000) as i64 - 1_000_000).to_string(),
            2 => (self.random.next() as i64 >> 1).to_string(),
            _ => (self.random.below(25) as i64 - 8).to_string(),
        }
    }
    fn float(&mut self) -> String {
        const ODD: &[&str] = &[
            "0",
            "-0",
            "1.5",
            "-2.25",
            "3.0e3",
            "1e308",
            "-1e308",
            "1e400",
            "inf",
            "-inf",
            "+inf",
            "nan",
            "0x1p3",
            "1e-320",
            "abc",
            "",
            " 1",
            "1 ",
            "infinity",
            "-Infinity",
            "1e",
            "1.",
            ".5",
            "5e-324",
            "1e17",
            "1e21",
            "123456789012345678",
            "0.1",
            "0.30000000000000004",
            "1e-7",
            "100000000000000000000000",
            "3.5e-10",
            "-nan",
        ];
        match self.random.below(6) {
            0 | 1 => (*self.random.pick(ODD)).to_owned(),
            2 => format!("{}", self.random.below(100_000) as f64 / 7.0 - 5000.0),
            3 => format!("{}.{}", self.random.below(1000) as i64 - 500, self.random.below(1_000_000)),
            4 => format!("{:e}", f64::from_bits(self.random.next() & 0xbfef_ffff_ffff_ffff)),
            _ => (self.random.below(41) as i64 - 20).to_string(),
        }
    }
    fn element(&mut self) -> Vec<u8> {
        match self.random.below(40) {
            0 => Vec::new(),
            1 => (self.random.next() as i64 >> self.random.below(64)).to_string().into_bytes(),
            2 => vec![b'x'; 60 + self.random.below(10) as usize],
            3 => {
                let length = self.random.below(20) as usize;
                (0..length).map(|_| self.random.next() as u8).collect()
            }
            4 => {
                let length = self.random.below(3000) as usize;
                vec![b'a' + (length % 26) as u8; length]
            }
            5..=9 => self.integer().into_bytes(),
            10 => self.float().into_bytes(),
            11 | 12 => format!("m{}", self.random.below(900)).into_bytes(),
            _ => format!("m{}", self.random.below(24)).into_bytes(),
        }
    }
    fn id(&mut self) -> String {
        const ODD: &[&str] = &[
            "0",
            "0-0",
            "-",
            "+",
            "$",
            ">",
            "1-",
            "-1",
            "abc",
            "1-1-1",
            "18446744073709551615-18446744073709551615",
            "99999999999999999999-1",
            "5-*",
            "",
        ];
        match self.random.below(12) {
            0 => (*self.random.pick(ODD)).to_owned(),
            1..=3 => (1 + self.random.below(self.stream_clock + 1)).to_string(),
            _ => {
                // mostly of the newest entries: they are there
                let back = if self.random.one_in(3) { self.stream_clock } else { self.stream_clock.min(12) };
                let at = self.stream_clock - self.random.below(back + 1);
                format!("{at}-{}", self.random.below(4).saturating_sub(2))
            }
        }
    }
    fn key(&mut self, kind: &str) -> Vec<u8> {
        let any: &[&str] =
            &["string", "number", "bits", "hll", "hash", "list", "set", "zset", "stream", "geo", "array"];
        let kind = match kind {
            "any" => *self.random.pick(any),
            "sortable" => *self.random.pick(&["sortlist", "sortset", "sortzset"]),
            _ if self.random.one_in(40) => *self.random.pick(any),
            kind => kind,
        };
        // a hash slot in common, so that servers with cluster rules take them too
        format!("{kind}:{}", self.random.below(6)).into_bytes()
    }

    fn argument(&mut self, name: &str) -> Vec<u8> {
        let text: String = match name {
            "string" | "number" | "bits" | "hll" | "hash" | "list" | "set" | "zset" | "stream" | "geo"
            | "array" | "any" | "sortable" | "sortlist" | "sortset" | "sortzset" | "lexset" => {
                return self.key(name);
            }
            "zsetset" => format!("zsetset:{}", self.random.below(3)),
            "zsetorset" => {
                let kind = *self.random.pick(&["zset", "zset", "zset", "zsetset"]);
                format!("{kind}:{}", self.random.below(if kind == "zset" { 6 } else { 3 }))
            }
            "value" | "element" | "field" | "member" => return self.element(),
            "numfield" => format!("n{}", self.random.below(5)),
            "digest" => (*self.random.pick(&["b6acb9d84a38ff74", "zz", "", "0000000000000000"])).to_owned(),
            "int" | "index" | "bound" => self.integer(),
            "float" | "weight" => self.float(),
            "wait" => (*self.random.pick(&["0.0015", "0.002", "2e-3", "0.003", "0.002", "-1", "x", "1e400"]))
                .to_owned(),
            "waitmillis" => (*self.random.pick(&["1", "2", "1", "-1", "x", "1.5"])).to_owned(),
            "score" => {
                if self.random.one_in(3) {
                    self.float()
                } else {
                    (self.random.below(12) as i64 - 4).to_string()
                }
            }
            "count" => match self.random.below(10) {
                0 => (*self.random.pick(&[
                    "-1",
                    "abc",
                    "9223372036854775807",
                    "-9223372036854775808",
                    "1.5",
                    "",
                ]))
                .to_owned(),
                1 => "0".into(),
                _ => (1 + self.random.below(12)).to_string(),
            },
            // how many of them are answered: never a number that a server would try to fill
            "randcount" => match self.random.below(8) {
                0 => (*self.random.pick(&["abc", "", "1.5", "0", "9223372036854775808"])).to_owned(),
                _ => (self.random.below(40) as i64 - 20).to_string(),
            },
            "small" => match self.random.below(14) {
                0 => (*self.random.pick(&["abc", "-1", "", "1.5"])).to_owned(),
                _ => self.random.below(20).to_string(),
            },
            "bit" => (*self.random.pick(&["0", "1", "0", "1", "0", "1", "2", "-1", "abc"])).to_owned(),
            "offset" => match self.random.below(12) {
                0 => (*self.random.pick(&[
                    "-1",
                    "abc",
                    "4294967296",
                    "9223372036854775807",
                    "1000000000000",
                    "",
                ]))
                .to_owned(),
                1 => self.random.below(30_000).to_string(),
                _ => self.random.below(200).to_string(),
            },
            "bitoffset" => match self.random.below(12) {
                0 => (*self.random.pick(&[
                    "-1",
                    "abc",
                    "#-1",
                    "#",
                    "4294967296",
                    "#9223372036854775807",
                    "9223372036854775807",
                ]))
                .to_owned(),
                1..=4 => format!("#{}", self.random.below(20)),
                _ => self.random.below(300).to_string(),
            },
            "bittype" => match self.random.below(14) {
                0 => (*self.random.pick(&["u64", "i65", "u0", "i0", "x8", "", "u", "u1a"])).to_owned(),
                1..=6 => format!("u{}", 1 + self.random.below(63)),
                _ => format!("i{}", 1 + self.random.below(64)),
            },
            "seconds" => match self.random.below(12) {
                0 => (*self.random.pick(&[
                    "0",
                    "-1",
                    "9223372036854775807",
                    "9223372036854775",
                    "abc",
                    "-9223372036854775808",
                    "1.5",
                    "",
                ]))
                .to_owned(),
                _ => (100_000 + self.random.below(2_000_000)).to_string(),
            },
            "millis" => match self.random.below(12) {
                0 => (*self.random.pick(&[
                    "0",
                    "-1",
                    "9223372036854775807",
                    "abc",
                    "-9223372036854775808",
                    "1.5",
                    "",
                ]))
                .to_owned(),
                _ => (100_000_000 + self.random.below(2_000_000_000)).to_string(),
            },
            "at" => match self.random.below(12) {
                0 => (*self.random.pick(&[
                    "0",
                    "-1",
                    "1",
                    "9223372036854775807",
                    "9223372036854775",
                    "281474976710655",
                    "abc",
                    "",
                ]))
                .to_owned(),
                _ => (self.now + 100_000 + self.random.below(100) as i64 * 1000).to_string(),
            },
            "atmillis" => match self.random.below(12) {
                0 => (*self.random.pick(&[
                    "0",
                    "-1",
                    "1",
                    "9223372036854775807",
                    "70368744177663",
                    "70368744177664",
                    "abc",
                    "",
                ]))
                .to_owned(),
                _ => ((self.now + 100_000 + self.random.below(100) as i64 * 1000) * 1000).to_string(),
            },
            "ttl" => match self.random.below(8) {
                0 => (*self.random.pick(&["-1", "abc", "1"])).to_owned().replace('1', "1000000000"),
                1 | 2 => ((self.now + 500_000) * 1000).to_string(),
                _ => "0".into(),
            },
            "scorebound" => match self.random.below(10) {
                0 => (*self.random.pick(&["-inf", "+inf", "inf", "(inf", "(-inf"])).to_owned(),
                1 => (*self.random.pick(&["nan", "abc", "(", "", "(abc", " 1", "1 "])).to_owned(),
                2 => self.float(),
                3..=5 => format!("({}", self.random.below(12) as i64 - 4),
                _ => (self.random.below(12) as i64 - 4).to_string(),
            },
            "lex" => match self.random.below(10) {
                0 => (*self.random.pick(&["abc", "", "[", "(", "-x", "+x"])).to_owned(),
                1 | 2 => "-".into(),
                3 | 4 => "+".into(),
                _ => {
                    let mark = *self.random.pick(&["[", "("]);
                    return [mark.as_bytes().to_vec(), self.element()].concat();
                }
            },
            "longitude" => match self.random.below(20) {
                0 => (*self.random.pick(&["181", "-180", "180", "abc", "nan", "inf"])).to_owned(),
                1 => format!("{}", self.random.below(360_000) as f64 / 1000.0 - 180.0),
                _ => format!("{}", self.random.below(3000) as f64 / 1000.0 + 12.0),
            },
            "latitude" => match self.random.below(20) {
                0 => (*self.random.pick(&["86", "-85.05112878", "85.05112878", "abc", "nan", "inf"]))
                    .to_owned(),
                1 => format!("{}", self.random.below(170_000) as f64 / 1000.0 - 85.0),
                _ => format!("{}", self.random.below(3000) as f64 / 1000.0 + 37.0),
            },
            "radius" => match self.random.below(12) {
                0 => (*self.random.pick(&["-1", "abc", "0", "1e9", "nan"])).to_owned(),
                1 => self.random.below(20_000_000).to_string(),
                _ => format!("{}", self.random.below(4_000_000) as f64 / 10.0),
            },
            "unit" => (*self.random.pick(&["m", "m", "m", "m", "km", "ft", "mi", "M", "xx"])).to_owned(),
            "newid" => {
                self.stream_clock += self.random.below(3);
                format!("{}-{}", self.stream_clock, self.random.below(3))
            }
            "id" => self.id(),
            "range" => match self.random.below(8) {
                0 | 1 => "-".into(),
                2 | 3 => "+".into(),
                4 => format!("({}", self.id()),
                _ => self.id(),
            },
            "newest" => ">".into(),
            "group" => format!("g{}", self.random.below(3)),
            "consumer" => format!("c{}", self.random.below(4)),
            "idle" => (*self.random.pick(&["0", "0", "0", "1000000000", "-1", "abc"])).to_owned(),
            "name" => format!("p{}", self.random.below(6)),
            "arindex" => match self.random.below(16) {
                0 => (*self.random.pick(&[
                    "18446744073709551615",
                    "18446744073709551614",
                    "9223372036854775808",
                    "abc",
                    "-1",
                    "",
                ]))
                .to_owned(),
                1 => (self.random.below(1 << 40)).to_string(),
                2 => self.random.below(100_000).to_string(),
                _ => self.random.below(64).to_string(),
            },
            "pattern" => (*self
                .random
                .pick(&["*", "m*", "*1*", "m[1-3]*", "m?", "[^m]*", "", "\\*", "n*", "*e*:*", "lib*"]))
            .to_owned(),
            "regex" => {
                (*self.random.pick(&["m.*", "^m1", "[0-9]+$", "m|x", "(", "m(1|2)", "x{2,}", "", "a+b*"]))
                    .to_owned()
            }
            "bypattern" => (*self.random.pick(&[
                "nosort",
                "number:*",
                "string:*",
                "hash:*->n1",
                "*",
                "number:1",
                "hash:*->m1",
            ]))
            .to_owned(),
            "getpattern" => {
                (*self.random.pick(&["#", "number:*", "string:*", "hash:*->m1", "*", "nothing"])).to_owned()
            }
            "database" => (*self.random.pick(&["0", "1", "1", "2", "16", "-1", "abc"])).to_owned(),
            "kind" => {
                (*self.random.pick(&["string", "hash", "list", "set", "zset", "stream", "HASH", "none", "x"]))
                    .to_owned()
            }
            "payload" => {
                let mut payload = match self.payloads.len() as u64 {
                    0 => Vec::new(),
                    many => self.payloads[self.random.below(many) as usize].clone(),
                };
                if self.random.one_in(15) && !payload.is_empty() {
                    let at = self.random.below(payload.len() as u64) as usize;
                    payload[at] ^= 1 << self.random.below(8);
                }
                return payload;
            }
            "functionspayload" => {
                return match self.functions_payloads.len() as u64 {
                    0 => Vec::new(),
                    many => self.functions_payloads[self.random.below(many) as usize].clone(),
                };
            }
            "libname" => format!("lib{}", self.random.below(4)),
            "library" => {
                let number = self.random.below(4);
                let code = format!(
                    "redis.register_function('f{number}', function() return {} end)",
                    self.random.below(9)
                );
                match self.random.below(14) {
                    0 => code,
                    1 => format!("#!lua\n{code}"),
                    2 => format!("#!lua name=lib{number} name=x\n{code}"),
                    3 => format!("#!lua name=lib-{number}\n{code}"),
                    4 => format!("#!js name=lib{number}\n{code}"),
                    5 => format!("#!lua name=lib{number} what=x\n{code}"),
                    6 => format!("#!lua name=lib{number}"),
                    7 => format!("#!LUA name=lib{number}\n{code}"),
                    8 => format!("#!lua name=\"lib{number}\"\n{code}"),
                    9 => format!("#!\n{code}"),
                    10 => format!("#! lua name=lib{number}\n{code}"),
                    _ => format!("#!lua name=lib{number}\n{code}"),
                }
            }
            "what" => (*self.random.pick(&["what", "x", "", "WHAT+OK", "?"])).to_owned(),
            "username" => (*self.random.pick(&["u1", "u1", "u2", "nobody", ""])).to_owned(),
            "password" => (*self.random.pick(&["p1", "p1", "p2", "", "wrong"])).to_owned(),
            "address" => (*self.random.pick(&["1.2.3.4:5", "nowhere", "", "[::1]:1"])).to_owned(),
            "clientid" => {
                (*self.random.pick(&["99999999", "-1", "abc", "0", "99999999999999999999"])).to_owned()
            }
            "channel" => (*self.random.pick(&["c1", "c1", "c2", "c3", ""])).to_owned(),
            "numkeys" => (*self.random.pick(&["0", "1", "1", "2", "-1", "abc", "99"])).to_owned(),
            "section" => (*self.random.pick(&["server", "all", "everything", "what", "KEYSPACE", "default"]))
                .to_owned(),
            "event" => (*self.random.pick(&["command", "what", "fork", ""])).to_owned(),
            "category" => (*self.random.pick(&[
                "read",
                "write",
                "keyspace",
                "dangerous",
                "admin",
                "what",
                "",
                "SCRIPTING",
                "set",
                "fast",
                "blocking",
            ]))
            .to_owned(),
            "aclrule" => (*self.random.pick(&[
                "on",
                "off",
                ">p1",
                "<p1",
                "nopass",
                "resetpass",
                "~*",
                "~s*",
                "%R~s*",
                "%W~*",
                "%RW~h*",
                "allkeys",
                "resetkeys",
                "&*",
                "&c1",
                "allchannels",
                "resetchannels",
                "+@all",
                "-@all",
                "+@read",
                "-@write",
                "+get",
                "-get",
                "+client|id",
                "-client",
                "+config|get",
                "+nosuch",
                "+get|x",
                "+@nosuch",
                "(+get ~s*)",
                "(~h* +hget)",
                "(",
                "clearselectors",
                "reset",
                "#abc",
                "!abc",
                "%X~*",
                "~",
                "",
                "sanitize-payload",
                "+select|1",
                "-client|kill",
                "allcommands",
                "nocommands",
                ">",
                "skip-sanitize-payload",
                "+@connection",
                "~s* ~x",
            ]))
            .to_owned(),
            "configname" => (*self.random.pick(&[
                "maxmemory",
                "timeout",
                "slowlog-max-len",
                "notify-keyspace-events",
                "client-output-buffer-limit",
                "nosuch",
                "maxmemory-policy",
                "MAXMEMORY-SAMPLES",
                "save ",
                "",
            ]))
            .to_owned(),
            "configvalue" => (*self.random.pick(&["abc", "-1", "1.5", "", "7x", "yes", "1 2 3"])).to_owned(),
            "configpattern" => (*self.random.pick(&[
                "nosuch",
                "",
                "maxmemory",
                "maxmemory-policy",
                "[",
                "TIMEOUT",
                "\\*",
                "nosuch*",
            ]))
            .to_owned(),
            "command" => {
                let nothing = ["nosuch".to_owned(), "config|nosuch".to_owned(), String::new()];
                if self.random.one_in(10) || self.commands.is_empty() {
                    self.random.pick(&nothing).clone()
                } else {
                    self.random.pick(&self.commands).clone()
                }
            }
            "script" => lua::program(&mut self.random),
            "cutscript" => lua::cut(&mut self.random),
            "callscript" => lua::calling(&mut self.random),
            "writescript" => lua::noting(&mut self.random),
            "sha" => match self.digests.len() as u64 {
                0 => "0".repeat(40),
                many => self.digests[self.random.below(many) as usize].clone(),
            },
            "function" => {
                (*self.random.pick(&["f1", "f2", "reader", "writer", "thrower", "nosuch", ""])).to_owned()
            }
            "reader" => "reader".into(),
            other => panic!("no such argument: {other}"),
        };
        text.into_bytes()
    }
}

/// Redis 8.4 to 8.10 answer SET with GET and a digest of a wrong form twice, so that all replies after it belong to the
/// request before theirs.
fn answered_twice(words: &[Vec<u8>]) -> bool {
    let has =
        |wanted: &[&[u8]]| words.iter().any(|word| wanted.iter().any(|one| word.eq_ignore_ascii_case(one)));
    has(&[b"set"]) && has(&[b"ifdeq", b"ifdne"]) && has(&[b"get"])
}

/// Whether a server may keep the request for longer than a moment, or for ever.
fn waits_long(words: &[Vec<u8>]) -> bool {
    let [name, rest @ ..] = words else { return false };
    let is_long = |word: Option<&Vec<u8>>, unit: f64| {
        let number = word.and_then(|word| std::str::from_utf8(word).ok()?.trim().parse::<f64>().ok());
        number.is_some_and(|number| number == 0.0 || number * unit > 0.1)
    };
    match name.to_ascii_lowercase().as_slice() {
        b"blpop" | b"brpop" | b"brpoplpush" | b"bzpopmin" | b"bzpopmax" => is_long(rest.last(), 1.0),
        b"blmove" | b"blmovem" => is_long(rest.get(4), 1.0),
        b"blmpop" | b"bzmpop" => is_long(rest.first(), 1.0),
        b"xread" | b"xreadgroup" => rest
            .windows(2)
            .any(|pair| pair[0].eq_ignore_ascii_case(b"block") && is_long(Some(&pair[1]), 0.001)),
        _ => false,
    }
}

/// Whether it sets a deadline that comes while it is asked: two servers would not notice at one moment.
fn expires_soon(words: &[Vec<u8>]) -> bool {
    let is_soon = |word: Option<&Vec<u8>>, unit: i64| {
        let number = word.and_then(|word| std::str::from_utf8(word).ok()?.parse::<i64>().ok());
        number.is_some_and(|number| number > 0 && number.saturating_mul(unit) < 100_000_000)
    };
    let [name, rest @ ..] = words else { return false };
    match name.to_ascii_lowercase().as_slice() {
        b"psetex" | b"pexpire" | b"hpexpire" | b"restore" => is_soon(rest.get(1), 1),
        b"setex" | b"expire" | b"hexpire" => is_soon(rest.get(1), 1000),
        _ => rest.windows(2).any(|pair| {
            pair[0].eq_ignore_ascii_case(b"px") && is_soon(pair.get(1), 1)
                || pair[0].eq_ignore_ascii_case(b"ex") && is_soon(pair.get(1), 1000)
        }),
    }
}

/// Whether it sends keys to where somebody may be, on this machine or on another.
fn goes_away(words: &[Vec<u8>]) -> bool {
    let [name, host, port, ..] = words else { return false };
    name.eq_ignore_ascii_case(b"migrate") && (host != b"127.0.0.1" || port != b"1")
}

/// Whether it is the encoding of a hash that shares the names of its fields with others (HIMPORT): ours do not, and say
/// what they are.
pub fn is_of_template(encoding: &Frame) -> bool {
    matches!(encoding, Frame::Bulk(name) if name.starts_with(b"template-"))
}

/// Takes out of both replies what has no meaning; afterwards they are equal or differ. They were asked for so many
/// milliseconds apart, at most.
pub fn meet(compare: Compare, words: &[Vec<u8>], apart: i64, here: &mut Frame, there: &mut Frame) {
    if here.is_error() || there.is_error() {
        if matches!(compare, Compare::Conflicts) {
            [here, there].into_iter().for_each(without_name);
        }
        return;
    }
    match compare {
        Compare::Exact if is_of_template(there) => *here = there.clone(),
        Compare::Exact | Compare::Conflicts => {}
        Compare::Near => near(here, there, apart),
        Compare::Shape | Compare::Random => {
            if std::mem::discriminant(here) == std::mem::discriminant(there) {
                *here = there.clone();
            }
        }
        Compare::Times => [here, there].into_iter().for_each(without_times),
        Compare::Members => [here, there].into_iter().for_each(sorted),
        Compare::Pairs => [here, there].into_iter().for_each(|frame| match frame {
            Frame::Array(items) => {
                let mut pairs: Vec<Vec<Frame>> = items.chunks(2).map(<[Frame]>::to_vec).collect();
                pairs.sort_by_key(|pair| format!("{pair:?}"));
                *items = pairs.concat();
            }
            Frame::Map(pairs) => pairs.sort_by_key(|pair| format!("{pair:?}")),
            _ => {}
        }),
        Compare::Scan => {
            let begun = |frame: &Frame| frame.items().first().is_some_and(|cursor| cursor.bytes() != b"0");
            let from = if words[0].eq_ignore_ascii_case(b"scan") { 1 } else { 2 };
            let is_from_within = words.get(from).is_some_and(|cursor| cursor != b"0");
            if is_from_within || begun(here) || begun(there) {
                // a part of the round: each server takes its own way
                *here = there.clone();
            }
            [here, there].into_iter().for_each(|frame| {
                if let Frame::Array(parts) = frame
                    && let Some(elements) = parts.get_mut(1)
                {
                    sorted(elements);
                }
            });
        }
        Compare::Sort => {
            let by = words.windows(2).rev().find(|pair| pair[0].eq_ignore_ascii_case(b"by"));
            let unsorted = by.is_some_and(|pair| {
                let text = pair[1].split(|byte| *byte == 0).next().unwrap_or_default();
                !text.contains(&b'*')
            });
            // Texts that are the same, or not there, leave two elements as they come, as numbers do not.
            let ties = by.is_some() && words.iter().any(|word| word.eq_ignore_ascii_case(b"alpha"));
            let holds = |kind: &str| {
                let is = |key: &Vec<u8>| key.windows(kind.len()).any(|part| part == kind.as_bytes());
                words.get(1).is_some_and(is)
            };
            // A set may have come by the name of another kind.
            let is_set = !holds("list") && !holds("zset");
            // Neither are texts told apart behind a zero byte.
            let cut = |frame: &Frame| {
                matches!(frame, Frame::Array(items) if items.iter().any(|item| {
                    matches!(item, Frame::Bulk(text) if text.contains(&0))
                }))
            };
            let is_cut = !holds("list") && (cut(here) || cut(there));
            if is_set && unsorted || ties && !holds("list") || is_cut {
                // which elements a LIMIT takes is chance too
                if let (Frame::Array(a), Frame::Array(b)) = (&*here, &*there)
                    && a.len() == b.len()
                {
                    *here = there.clone();
                }
            }
        }
        Compare::Functions => [here, there].into_iter().for_each(|frame| *frame = libraries(frame)),
        Compare::Deep => [here, there].into_iter().for_each(without_order),
        Compare::Inner => panic!("the caller knows which request is inside"),
    }
}

/// Takes the name out of `ERR Library lib1 already exists`.
fn without_name(error: &mut Frame) {
    let Frame::Error(text) = error else { return };
    let words: Vec<&str> = text.split(' ').collect();
    if let ["ERR", kind, _, "already", "exists"] = words[..] {
        *text = format!("ERR {kind} already exists");
    }
}

fn without_order(frame: &mut Frame) {
    match frame {
        Frame::Array(items) | Frame::Set(items) => {
            items.iter_mut().for_each(without_order);
            sorted(frame);
        }
        Frame::Map(pairs) => {
            pairs.iter_mut().for_each(|(_, value)| without_order(value));
            pairs.sort_by_key(|pair| format!("{pair:?}"));
        }
        _ => {}
    }
}

fn sorted(frame: &mut Frame) {
    if let Frame::Array(items) | Frame::Set(items) = frame {
        items.sort_by_key(|item| format!("{item:?}"));
    }
}

fn near(here: &mut Frame, there: &mut Frame, apart: i64) {
    match (here, there) {
        (Frame::Int(a), Frame::Int(b)) if *a > 0 && *b > 0 && a.abs_diff(*b) <= apart.unsigned_abs() => {
            *a = *b
        }
        (Frame::Array(a), Frame::Array(b)) => a.iter_mut().zip(b).for_each(|(a, b)| near(a, b, apart)),
        _ => {}
    }
}

/// Moments, how long ago they were, and the shape of a radix tree.
fn without_times(frame: &mut Frame) {
    // An ID that is past its time is tracked until the server's cron comes by; with us it is not counted any more. All
    // IDs here are of 1970, and past theirs.
    const OWN: &[&str] =
        &["radix-tree-nodes", "seen-time", "active-time", "idle", "inactive", "pids-tracked", "iids-tracked"];
    let own =
        |name: &Frame| matches!(name, Frame::Bulk(name) if OWN.iter().any(|own| own.as_bytes() == name));
    match frame {
        Frame::Map(pairs) => {
            for (name, value) in pairs {
                if own(name) { *value = Frame::Null } else { without_times(value) }
            }
        }
        Frame::Array(items) => {
            for at in 0..items.len() {
                if at > 0 && own(&items[at - 1]) {
                    items[at] = Frame::Null;
                } else {
                    without_times(&mut items[at]);
                }
            }
            // a pending entry: id, consumer, how long ago, how often; or id, when, how often
            match items.as_mut_slice() {
                [Frame::Bulk(_), Frame::Bulk(_), time @ Frame::Int(_), Frame::Int(_)]
                | [Frame::Bulk(_), time @ Frame::Int(_), Frame::Int(_)]
                | [Frame::Bulk(_), Frame::Array(_), time @ Frame::Int(_), Frame::Int(_)] => {
                    *time = Frame::Null
                }
                _ => {}
            }
        }
        _ => {}
    }
}

/// Name, engine and code of each library; the functions inside are Lua's to tell.
fn libraries(reply: &Frame) -> Frame {
    let wanted = |name: &Frame| matches!(name.text().as_str(), "library_name" | "engine" | "library_code");
    let mut all: Vec<Frame> = match reply {
        Frame::Array(items) => items
            .iter()
            .map(|library| {
                let pairs: Vec<(Frame, Frame)> = match library {
                    Frame::Map(pairs) => pairs.clone(),
                    other => other.items().chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
                };
                Frame::Array(
                    pairs.into_iter().filter(|(name, _)| wanted(name)).flat_map(|(a, b)| [a, b]).collect(),
                )
            })
            .collect(),
        other => return other.clone(),
    };
    all.sort_by_key(|library| format!("{library:?}"));
    Frame::Array(all)
}
