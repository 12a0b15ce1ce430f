//! Which words of a request are keys: the key specifications, obeyed.
//!
//! Owns the search, and the two or three commands whose specification cannot say all. Never says who may touch a key.

use protocol::number::parse_int;
use protocol::{Args, Request};

use crate::spec::{Begin, Command, Find, Flags, KeyFlags, KeySpec, ReadHandler, Run};

/// A key among the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAt {
    /// Its place among the arguments (name and subcommand excluded).
    pub index: usize,
    /// What the command does to it.
    pub flags: KeyFlags,
}

/// The arguments do not say which of them are keys: the command would refuse them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the arguments do not follow the command's syntax, so its keys cannot be told")]
pub struct NoKeys;

/// Words that can be looked at by their place, without being side by side.
pub trait Indexed {
    /// How many there are.
    fn count(&self) -> usize;
    /// The one there; an absent one reads as empty.
    fn at(&self, index: usize) -> &[u8];
}

impl Indexed for Args<'_> {
    fn count(&self) -> usize {
        self.len()
    }
    fn at(&self, index: usize) -> &[u8] {
        self.get(index)
    }
}

/// A request's words after its command's name (and the subcommand's).
#[derive(Clone, Copy, Debug)]
pub struct ArgsOf<'a> {
    request: Request<'a>,
    skipped: usize,
}

impl<'a> ArgsOf<'a> {
    /// The arguments that `command` would be given.
    pub fn new(request: Request<'a>, command: &Command) -> Self {
        ArgsOf { request, skipped: command.name_words() }
    }
}

impl Indexed for ArgsOf<'_> {
    fn count(&self) -> usize {
        self.request.len().saturating_sub(self.skipped)
    }
    fn at(&self, index: usize) -> &[u8] {
        self.request.word(index + self.skipped)
    }
}

impl Command {
    /// How many words name it: two for a subcommand.
    pub fn name_words(&self) -> usize {
        if self.is_subcommand() { 2 } else { 1 }
    }

    /// Whether any of its words may be a key (a channel's name is none).
    pub fn has_keys(&self) -> bool {
        self.keys.iter().any(|spec| !spec.flags.contains(KeyFlags::NOT_KEY))
    }

    /// Calls `visit` with each key among `args`, in the order of the specifications.
    ///
    /// # Errors
    /// [`NoKeys`] when the arguments cannot be right; some keys may have been visited before that was seen.
    pub fn visit_keys(&self, args: &impl Indexed, mut visit: impl FnMut(KeyAt)) -> Result<(), NoKeys> {
        let offset = self.name_words();
        match self.name {
            "set" => return first_key(args, set_flags(args), visit),
            "bitfield" => return first_key(args, bitfield_flags(args), visit),
            "delex" => return first_key(args, delex_flags(args), visit),
            "georadius" | "georadiusbymember" => {
                first_key(args, KeyFlags::RO.union(KeyFlags::ACCESS), &mut visit)?;
                // Behind the key, the place and the radius, or the member, the radius and its unit.
                let options = if self.name == "georadius" { 5 } else { 4 };
                if let Some(index) = radius_store(args, options) {
                    visit(KeyAt { index, flags: KeyFlags::OW.union(KeyFlags::UPDATE) });
                }
                return Ok(());
            }
            "migrate" => {
                let flags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);
                moved_keys(args)?.for_each(|index| visit(KeyAt { index, flags }));
                return Ok(());
            }
            "xread" | "xreadgroup" => {
                // Behind GROUP and both its names.
                let names = streams(args, if self.name == "xread" { 0 } else { 3 }).ok_or(NoKeys)?;
                let flags = KeyFlags::RO.union(KeyFlags::ACCESS);
                names.for_each(|index| visit(KeyAt { index, flags }));
                return Ok(());
            }
            _ => {}
        }
        for (place, spec) in self.keys.iter().enumerate() {
            // What may come behind the first key need not (PFMERGE without a source).
            let is_behind_all = match spec.begin {
                Begin::Index(index) => place > 0 && usize::try_from(index) == Ok(args.count() + offset),
                Begin::Keyword(..) | Begin::Unknown => false,
            };
            if spec.flags.contains(KeyFlags::NOT_KEY) || is_behind_all {
                continue;
            }
            let found = search(spec, args, offset)?;
            let none = self.flags.contains(Flags::NO_MANDATORY_KEYS);
            let Some(Found { first, last, step }) = found.or_none(none)? else { continue };
            let mut index = first;
            while index <= last {
                visit(KeyAt { index, flags: spec.flags });
                index += step;
            }
        }
        // The one key that SORT's specification cannot find.
        if self.name == "sort"
            && let Some(index) = sort_store(args)
        {
            visit(KeyAt { index, flags: KeyFlags::OW.union(KeyFlags::UPDATE) });
        }
        Ok(())
    }

    /// The keys among `args`.
    ///
    /// # Errors
    /// [`NoKeys`] when the arguments cannot be right.
    pub fn keys_of(&self, args: &impl Indexed) -> Result<Vec<KeyAt>, NoKeys> {
        let mut keys = Vec::new();
        self.visit_keys(args, |key| keys.push(key))?;
        Ok(keys)
    }

    /// The keys of a command that is told how many there are, where that number is none: servers take what C's `atoi`
    /// does for it, name a destination last, and say nothing of what is done with them.
    pub fn counted_keys(&self, args: Args<'_>) -> Option<Vec<KeyAt>> {
        let (begin, number, first, step) =
            self.keys.iter().find_map(|spec| match (spec.begin, spec.find) {
                (Begin::Index(begin), Find::KeyNum { number, first, step }) => {
                    Some((begin, number, first, step))
                }
                _ => None,
            })?;
        let place = |word: i16| usize::try_from(word).ok()?.checked_sub(self.name_words());
        let count = atoi(args.opt(place(begin + number)?)?)?;
        let (first, step) = (place(begin + first)?, usize::try_from(step).ok()?.max(1));
        if count > args.len().checked_sub(first)? / step {
            return None;
        }
        let others = self.keys.iter().filter_map(|spec| match (spec.begin, spec.find) {
            (Begin::Index(begin), Find::Range { last: 0, .. }) => place(begin),
            _ => None,
        });
        let places = (0..count).map(|key| first + key * step).chain(others);
        Some(places.map(|index| KeyAt { index, flags: KeyFlags::empty() }).collect())
    }

    /// When it is a read that its first word names: its row, what runs it, and where its first key stands among its
    /// words.
    #[inline]
    pub fn read_by_its_name(&'static self) -> Option<(&'static Command, ReadHandler, Option<usize>)> {
        match self.run {
            // (What may wait takes the way of what is rare, be it for a key or for the end of a pause.)
            Run::Read(handler)
                if !self.is_subcommand()
                    && !self.flags.intersects(Flags::BLOCKING | Flags::MAY_REPLICATE) =>
            {
                Some((self, handler, self.first_key().map(|place| place + self.name_words())))
            }
            _ => None,
        }
    }

    /// Where its first key stands among the arguments when it always stands there: enough for most to prefetch by.
    pub fn first_key(&self) -> Option<usize> {
        match self.keys.first()? {
            KeySpec { begin: Begin::Index(index), find: Find::Range { .. }, flags }
                if !flags.contains(KeyFlags::NOT_KEY) =>
            {
                usize::try_from(*index).ok()?.checked_sub(self.name_words())
            }
            _ => None,
        }
    }
}

/// What a specification found; places among the arguments.
struct Found {
    first: usize,
    last: usize,
    step: usize,
}

enum Search {
    Keys(Found),
    /// The specification's word is not there, or the specification cannot say.
    Nothing,
    /// The count of keys is 0.
    Zero,
}

impl Search {
    /// Some commands may do without keys; for others it is a mistake.
    fn or_none(self, none_is_fine: bool) -> Result<Option<Found>, NoKeys> {
        match self {
            Search::Keys(found) => Ok(Some(found)),
            Search::Nothing => Ok(None),
            Search::Zero if none_is_fine => Ok(None),
            Search::Zero => Err(NoKeys),
        }
    }
}

/// Obeys one specification. Its places count the name as 0: `offset` of them are no arguments.
fn search(spec: &KeySpec, args: &impl Indexed, offset: usize) -> Result<Search, NoKeys> {
    // Small numbers all of them: a request has fewer words than an i32 counts.
    let offset = i64::try_from(offset).map_err(|_| NoKeys)?;
    let words = i64::try_from(args.count()).map_err(|_| NoKeys)? + offset;
    let begin = match spec.begin {
        Begin::Index(index) => i64::from(index),
        Begin::Keyword(word, from) => match keyword(word, i64::from(from), args, words, offset) {
            Some(after) => after,
            None => return Ok(Search::Nothing),
        },
        Begin::Unknown => return Ok(Search::Nothing),
    };
    let (first, last, step) = match spec.find {
        Find::Range { last, step, limit } => {
            let (last, limit) = (i64::from(last), i64::from(limit));
            let last = match (last >= 0, limit) {
                (true, _) => begin + last,
                (false, 0 | 1) => words + last,
                (false, limit) => begin + (words - begin) / limit + last,
            };
            (begin, last, i64::from(step))
        }
        Find::KeyNum { number, first, step } => {
            let number = begin + i64::from(number);
            let number = usize::try_from(number - offset).map_err(|_| NoKeys)?;
            if number >= args.count() {
                return Err(NoKeys);
            }
            let count = parse_int(args.at(number)).filter(|count| *count >= 0).ok_or(NoKeys)?;
            if count == 0 {
                return Ok(Search::Zero);
            }
            let first = begin + i64::from(first);
            let last = count.checked_sub(1).and_then(|count| count.checked_mul(i64::from(step)));
            (first, last.and_then(|last| last.checked_add(first)).ok_or(NoKeys)?, i64::from(step))
        }
        Find::Unknown => return Ok(Search::Nothing),
    };
    if last >= words || last < first {
        return Err(NoKeys);
    }
    let place = |word: i64| usize::try_from(word - offset).map_err(|_| NoKeys);
    Ok(Search::Keys(Found {
        first: place(first)?,
        last: place(last)?,
        step: usize::try_from(step).map_err(|_| NoKeys)?.max(1),
    }))
}

/// The place after `word`, looked for from `from` on (from the end, backwards, when negative). As in Redis the last
/// place looked at has something after it.
fn keyword(word: &str, from: i64, args: &impl Indexed, words: i64, offset: i64) -> Option<i64> {
    let is_it = |place: &i64| {
        usize::try_from(place - offset)
            .is_ok_and(|index| index < args.count() && args.at(index).eq_ignore_ascii_case(word.as_bytes()))
    };
    let found = if from >= 0 { (from..words - 1).find(is_it) } else { (2..=words + from).rev().find(is_it) };
    found.map(|place| place + 1)
}

fn first_key(args: &impl Indexed, flags: KeyFlags, mut visit: impl FnMut(KeyAt)) -> Result<(), NoKeys> {
    if args.count() == 0 {
        return Err(NoKeys);
    }
    visit(KeyAt { index: 0, flags });
    Ok(())
}

/// Where XREAD names its streams: behind the first STREAMS that is in its place among the options, each with an ID. But
/// a real server looks for it only where its specifications find one, at `from` or later, whatever stands before that.
fn streams(args: &impl Indexed, from: usize) -> Option<std::ops::Range<usize>> {
    let is_named = |at: usize| args.at(at).eq_ignore_ascii_case(b"streams");
    if !(from..args.count().saturating_sub(1)).any(is_named) {
        return None;
    }
    let mut at = 0;
    while at < args.count() {
        at += match args.at(at).to_ascii_lowercase().as_slice() {
            b"streams" => {
                let first = at + 1;
                let named = args.count() - first;
                return (named > 0 && named.is_multiple_of(2)).then_some(first..first + named / 2);
            }
            b"block" | b"count" | b"claim" | b"maxcount" | b"maxsize" => 2,
            b"group" => 3,
            b"noack" => 1,
            _ => return None,
        };
    }
    None
}

/// What MIGRATE moves: the words behind its option KEYS, which is an option only where the key's own place is empty;
/// else what stands there. The word KEYS at the end names nothing, and is not looked for, as a real server's
/// specification passes over it.
fn moved_keys(args: &impl Indexed) -> Result<std::ops::Range<usize>, NoKeys> {
    if args.count() < 5 {
        return Err(NoKeys);
    }
    let mut at = 5;
    while at + 1 < args.count() {
        at += match args.at(at).to_ascii_lowercase().as_slice() {
            b"keys" if args.at(2).is_empty() => return Ok(at + 1..args.count()),
            b"keys" => return Err(NoKeys),
            b"auth" => 2,
            b"auth2" => 3,
            _ => 1,
        };
    }
    Ok(2..3)
}

/// SET reads its key only when told to compare, and shows it when told to GET.
fn set_flags(args: &impl Indexed) -> KeyFlags {
    let says = |words: &[&[u8]]| {
        (2..args.count()).any(|index| words.iter().any(|word| args.at(index).eq_ignore_ascii_case(word)))
    };
    if says(&[b"get"]) {
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE)
    } else if says(&[b"ifeq", b"ifne", b"ifdeq", b"ifdne"]) {
        KeyFlags::RW.union(KeyFlags::UPDATE)
    } else {
        KeyFlags::OW.union(KeyFlags::UPDATE)
    }
}

/// BITFIELD may only read.
fn bitfield_flags(args: &impl Indexed) -> KeyFlags {
    let mut index = 1;
    while index < args.count() {
        let word = args.at(index);
        let left = args.count() - index - 1;
        if word.eq_ignore_ascii_case(b"get") && left >= 2 {
            index += 3;
        } else if word.eq_ignore_ascii_case(b"overflow") && left >= 1 {
            index += 2;
        } else {
            return KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);
        }
    }
    KeyFlags::RO.union(KeyFlags::ACCESS)
}

/// DELEX without a condition does not look at the value; it is looked for among all the words behind the key.
fn delex_flags(args: &impl Indexed) -> KeyFlags {
    const CONDITIONS: [&[u8]; 4] = [b"ifeq", b"ifne", b"ifdeq", b"ifdne"];
    let is_condition = |index: usize| CONDITIONS.iter().any(|word| args.at(index).eq_ignore_ascii_case(word));
    if (1..args.count()).any(is_condition) {
        KeyFlags::RW.union(KeyFlags::DELETE)
    } else {
        KeyFlags::RM.union(KeyFlags::DELETE)
    }
}

/// What C's `atoi` takes for a number, if that is above zero.
fn atoi(text: &[u8]) -> Option<usize> {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = std::str::from_utf8(text.get(..digits)?).ok()?;
    usize::try_from(digits.parse::<i32>().ok()?).ok().filter(|count| *count > 0)
}

/// Where SORT's last STORE puts its result.
fn sort_store(args: &impl Indexed) -> Option<usize> {
    let mut store = None;
    let mut index = 1;
    while index < args.count() {
        let word = args.at(index);
        if word.eq_ignore_ascii_case(b"limit") {
            index += 2;
        } else if word.eq_ignore_ascii_case(b"get") || word.eq_ignore_ascii_case(b"by") {
            index += 1;
        } else if word.eq_ignore_ascii_case(b"store") && index + 1 < args.count() {
            store = Some(index + 1);
            index += 1;
        }
        index += 1;
    }
    store
}

/// Where GEORADIUS puts its result: the last STORE or STOREDIST counts, and not the first of each that its
/// specifications would find. A real server looks for it from the same word on for both commands, which is GEORADIUS'
/// unit, but only where its specifications find one among the options.
fn radius_store(args: &impl Indexed, options: usize) -> Option<usize> {
    let stores = |index: usize| {
        let word = args.at(index);
        word.eq_ignore_ascii_case(b"store") || word.eq_ignore_ascii_case(b"storedist")
    };
    if !(options..args.count().saturating_sub(1)).any(stores) {
        return None;
    }
    let mut store = None;
    let mut index = 4;
    while index + 1 < args.count() {
        if stores(index) {
            store = Some(index + 1);
            index += 1;
        }
        index += 1;
    }
    store
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Group, Run};

    fn keys(command: &Command, line: &str) -> Result<Vec<usize>, NoKeys> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let args = Args::new(&words);
        command
            .keys_of(&args.from(command.name_words()))
            .map(|keys| keys.iter().map(|key| key.index + command.name_words()).collect())
    }

    const fn row(name: &'static str, keys: &'static [KeySpec]) -> Command {
        Command::new(name, -1, Group::Generic, "", Run::Container).keys(keys)
    }

    #[test]
    fn every_way_of_finding_keys() {
        static ONE: &[KeySpec] = &[KeySpec::at(1, &[KeyFlags::RO])];
        let get = row("get", ONE);
        assert_eq!(keys(&get, "GET a"), Ok(vec![1]));
        assert_eq!(keys(&get, "GET"), Err(NoKeys));
        assert_eq!(get.first_key(), Some(0));

        static MSET: &[KeySpec] =
            &[KeySpec::new(Begin::Index(1), Find::Range { last: -1, step: 2, limit: 0 }, &[KeyFlags::OW])];
        assert_eq!(keys(&row("mset", MSET), "MSET a 1 b 2"), Ok(vec![1, 3]));

        static UNION: &[KeySpec] = &[
            KeySpec::at(1, &[KeyFlags::OW]),
            KeySpec::new(Begin::Index(2), Find::KeyNum { number: 0, first: 1, step: 1 }, &[KeyFlags::RO]),
        ];
        let union = row("zunionstore", UNION);
        assert_eq!(keys(&union, "ZUNIONSTORE d 2 a b WEIGHTS 1 2"), Ok(vec![1, 3, 4]));
        assert_eq!(keys(&union, "ZUNIONSTORE d 3 a b"), Err(NoKeys));
        assert_eq!(keys(&union, "ZUNIONSTORE d 0 a b"), Err(NoKeys));
        assert_eq!(keys(&union, "ZUNIONSTORE d -1 a b"), Err(NoKeys));
        assert_eq!(keys(&union, "ZUNIONSTORE d 9223372036854775807 a b"), Err(NoKeys));
        let eval = row("eval", &UNION[1..]).flags(&[Flags::NO_MANDATORY_KEYS]);
        assert_eq!(keys(&eval, "EVAL x 0 a"), Ok(vec![]));

        static XREAD: &[KeySpec] = &[KeySpec::new(
            Begin::Keyword("STREAMS", 1),
            Find::Range { last: -1, step: 1, limit: 2 },
            &[KeyFlags::RO],
        )];
        let xread = row("xread", XREAD);
        assert_eq!(keys(&xread, "XREAD COUNT 2 streams a b 0 0"), Ok(vec![4, 5]));
        // Behind every option that it documents: who waits is woken for these, and rights are asked for them.
        for name in ["xread", "xreadgroup"] {
            let docs = include_str!("command_docs.txt").split(&format!("\n{name}: ")).nth(1).unwrap();
            let takes = docs.split("takes ").nth(1).unwrap().lines().next().unwrap();
            let options = takes.split(' ').take_while(|option| !option.contains("STREAMS"));
            let options: Vec<String> = options
                .map(|option| match option.split('"').nth(1) {
                    Some("GROUP") => "GROUP g".to_owned(),
                    Some(word) => format!("{word} 1"),
                    None if option.starts_with("consumer:") => "c".to_owned(),
                    None => option.split(':').next().unwrap().to_uppercase(),
                })
                .collect();
            let line = format!("{name} {} STREAMS a b 0 0", options.join(" "));
            let at = line.split(' ').count() - 4;
            assert_eq!(keys(&xread, &line), Ok(vec![at, at + 1]), "{line}");
        }
        // As COMMAND GETKEYS of redis-8.10 has it.
        for wrong in
            ["XREAD COUNT 2", "XREAD COUNT STREAMS a 0", "XREAD STREAMS a b 0", "XREAD a STREAMS b 0"]
        {
            assert_eq!(keys(&xread, wrong), Err(NoKeys), "{wrong}");
        }

        static BACKWARDS: &[KeySpec] = &[KeySpec::new(
            Begin::Keyword("KEYS", -2),
            Find::Range { last: -1, step: 1, limit: 0 },
            &[KeyFlags::RW],
        )];
        assert_eq!(keys(&row("migrate", BACKWARDS), "MIGRATE h p  0 1 KEYS a b"), Ok(vec![7, 8]));

        // As COMMAND GETKEYS of redis-8.10 has it.
        let migrate = row("migrate", BACKWARDS);
        for (line, found) in [
            ("MIGRATE h p k 0 1", Ok(vec![3])),
            ("MIGRATE h p  0 1 COPY KEYS a KEYS", Ok(vec![8, 9])),
            ("MIGRATE h p  0 1 AUTH KEYS KEYS a", Ok(vec![9])),
            ("MIGRATE h p  0 1 AUTH2 KEYS KEYS KEYS a", Ok(vec![10])),
            ("MIGRATE h p  0 1 KEYS KEYS a", Ok(vec![7, 8])),
            ("MIGRATE h p k 0 1 KEYS", Ok(vec![3])),
            ("MIGRATE h KEYS  KEYS KEYS", Ok(vec![3])),
            ("MIGRATE h p k 0 1 KEYS a", Err(NoKeys)),
        ] {
            assert_eq!(keys(&migrate, line), found, "{line}");
        }

        let sort = row("sort", ONE);
        assert_eq!(keys(&sort, "SORT l BY store GET x STORE d STORE e"), Ok(vec![1, 9]));
        assert_eq!(keys(&sort, "SORT l LIMIT 0 store"), Ok(vec![1]));

        static SECOND: &[KeySpec] = &[KeySpec::at(2, &[KeyFlags::RO])];
        let sub = row("object|encoding", SECOND);
        assert_eq!(keys(&sub, "OBJECT ENCODING k"), Ok(vec![2]));
        assert_eq!(sub.first_key(), Some(0));
    }
}
