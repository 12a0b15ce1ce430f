//! ARGREP: which values satisfy predicates on their text.

use regex::bytes::Regex;

use protocol::{Args, Reply};

use super::{array, index, limit, pattern, reply_index, reply_pair, walk};
use crate::{CommandError, ReadContext};

/// How many predicates a request may have, as in Redis.
const PREDICATES_MAX: usize = 250;

/// What is asked of a value.
enum Predicate<'a> {
    Exact(&'a [u8]),
    /// It stands somewhere within.
    Within(&'a [u8]),
    Glob(&'a [u8]),
    Regular(Box<Regex>),
}

struct Order<'a> {
    predicates: Vec<Predicate<'a>>,
    /// All predicates must be satisfied, not one.
    all: bool,
    any_case: bool,
    with_values: bool,
    most: usize,
}

/// One end of what is searched.
#[derive(Clone, Copy)]
enum End {
    At(u64),
    /// `+`: the highest index that is filled.
    Last,
}

impl End {
    fn read(arg: &[u8]) -> Result<End, CommandError> {
        match arg {
            b"-" => Ok(End::At(0)),
            b"+" => Ok(End::Last),
            _ => index(arg).map(End::At),
        }
    }

    fn index(self, last: u64) -> u64 {
        match self {
            End::At(index) => index,
            End::Last => last,
        }
    }
}

/// ARGREP key start end EXACT text|MATCH text|GLOB pattern|RE pattern ... [AND|OR] [LIMIT limit] [WITHVALUES] [NOCASE]
pub(crate) fn argrep(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let (start, end) = (End::read(args.get(1))?, End::read(args.get(2))?);
    let order = order(args.from(3))?;
    let found = ctx.db.get(args.get(0));
    let array = array(&found)?;
    let last = array.and_then(|array| array.last_index()).unwrap_or(0);
    let (start, end) = (start.index(last), end.index(last));
    let header = reply.defer();
    let mut len = 0;
    for (index, value) in
        walk(array, start, end).filter(|(_, value)| order.accepts(value.as_bytes())).take(order.most)
    {
        if order.with_values {
            reply_pair(reply, index, value.as_bytes());
        } else {
            reply_index(reply, index);
        }
        len += 1;
    }
    reply.array_at(header, len);
    Ok(())
}

fn order(args: Args<'_>) -> Result<Order<'_>, CommandError> {
    let mut order =
        Order { predicates: Vec::new(), all: false, any_case: false, with_values: false, most: usize::MAX };
    let mut regular = Vec::new();
    let mut at = 0;
    while at < args.len() {
        let value = args.opt(at + 1);
        let words = match value {
            Some(text) if args.is_word(at, "exact") => {
                order.predicates.push(Predicate::Exact(text));
                2
            }
            Some(text) if args.is_word(at, "match") => {
                order.predicates.push(Predicate::Within(text));
                2
            }
            Some(text) if args.is_word(at, "glob") => {
                order.predicates.push(Predicate::Glob(text));
                2
            }
            Some(text) if args.is_word(at, "re") => {
                regular.push(text);
                2
            }
            Some(value) if args.is_word(at, "limit") => {
                order.most = limit(value)?;
                2
            }
            _ if args.is_word(at, "and") => {
                order.all = true;
                1
            }
            _ if args.is_word(at, "or") => {
                order.all = false;
                1
            }
            _ if args.is_word(at, "withvalues") => {
                order.with_values = true;
                1
            }
            _ if args.is_word(at, "nocase") => {
                order.any_case = true;
                1
            }
            _ => return Err(CommandError::Syntax),
        };
        if order.predicates.len() + regular.len() > PREDICATES_MAX {
            return Err(CommandError::new("ERR too many predicates, maximum is 250"));
        }
        regular.last().map_or(Ok(()), |text| pattern::measure(text))?;
        at += words;
    }
    // Whether case counts is known only now.
    for text in regular {
        order.predicates.push(Predicate::Regular(Box::new(pattern::compile(text, order.any_case)?)));
    }
    if order.predicates.is_empty() { Err(CommandError::Syntax) } else { Ok(order) }
}

impl Order<'_> {
    fn accepts(&self, value: &[u8]) -> bool {
        let mut answers = self.predicates.iter().map(|predicate| predicate.accepts(value, self.any_case));
        if self.all { answers.all(|yes| yes) } else { answers.any(|yes| yes) }
    }
}

impl Predicate<'_> {
    fn accepts(&self, value: &[u8], any_case: bool) -> bool {
        match self {
            Predicate::Exact(text) if any_case => value.eq_ignore_ascii_case(text),
            Predicate::Exact(text) => value == *text,
            Predicate::Within([]) => true,
            Predicate::Within(text) if any_case => {
                value.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text))
            }
            Predicate::Within(text) => value.windows(text.len()).any(|part| part == *text),
            // Redis' matcher never looks at the stars that are left when the text has ended.
            Predicate::Glob(pattern) if value.is_empty() => pattern.is_empty(),
            Predicate::Glob(pattern) if any_case => storage::glob::matches_ignoring_case(pattern, value),
            Predicate::Glob(pattern) => storage::glob::matches(pattern, value),
            Predicate::Regular(pattern) => pattern.is_match(value),
        }
    }
}
