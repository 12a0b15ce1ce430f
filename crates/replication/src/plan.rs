//! From requests of the stream to steps: what each is, which key it touches, whether readers may see it happen.
//!
//! Owns what the stream's own words mean (SELECT, MULTI, EXEC, PING, REPLCONF GETACK) and which commands are single
//! writes to a single key. Never touches data.

use commands::keys::ArgsOf;
use commands::spec::{Begin, Find, WriteHandler};
use commands::{Command, Run, ServerCommand, Unresolved, resolve, table};
use protocol::{Request, Words};
use scripting::Named;
use storage::{DbIndex, Hashed, Store};

/// What a request of the stream is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// Counted, and nothing else: PING, SCRIPT LOAD.
    Passed,
    /// PUBLISH, SPUBLISH: said to those who are subscribed here, in its place among the changes.
    Message { is_shard: bool },
    /// REPLCONF GETACK: counted, and answered once everything before it is applied.
    AckWanted,
    /// The commands that follow are for this database.
    Select(DbIndex),
    /// A unit of several commands begins.
    Multi,
    /// It ends.
    Exec,
    /// A script, which is run as the master ran it.
    Script(&'static Command, Named),
    /// SCRIPT LOAD
    ScriptLoad,
    /// SCRIPT FLUSH
    ScriptFlush,
    /// A command on data.
    Data(&'static Command, WriteHandler),
    /// A word that nobody here knows.
    Unknown,
    /// Known, and wrong in a way that needs no data to see.
    Wrong(Wrong),
}

/// In which way a request is wrong before it is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrong {
    Arity(&'static Command),
    Database,
    ExecWithoutMulti,
    NestedMulti,
}

impl Wrong {
    pub(crate) fn text(self) -> String {
        match self {
            Wrong::Arity(command) => commands::resolve::wrong_arity(command),
            Wrong::Database => "ERR DB index is out of range".into(),
            Wrong::ExecWithoutMulti => "ERR EXEC without MULTI".into(),
            Wrong::NestedMulti => "ERR MULTI calls can not be nested".into(),
        }
    }
}

/// How many keys a command touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One: it is a single edit of a single slot, and readers may come and go around it.
    OneKey,
    /// Its arguments say.
    ItsKeys,
    /// More than keys can say: FLUSHALL, SWAPDB, MOVE.
    Everything,
}

/// The reach of each command of the table, by its id.
#[derive(Debug)]
pub(crate) struct Reaches(Box<[Reach]>);

impl Reaches {
    pub(crate) fn of_table() -> Self {
        Reaches(table::COMMANDS.iter().map(reach).collect())
    }

    /// Whether this request is a single edit of a single slot.
    fn is_one_key(&self, command: &Command, request: Request<'_>) -> bool {
        match self.0.get(usize::from(command.id())) {
            Some(Reach::OneKey) => true,
            Some(Reach::ItsKeys) => {
                let mut keys = 0;
                let found = command.visit_keys(&ArgsOf::new(request, command), |_| keys += 1);
                found.is_ok() && keys == 1
            }
            Some(Reach::Everything) | None => false,
        }
    }
}

fn reach(command: &Command) -> Reach {
    /// One key by their specification, and another place that it does not show.
    const ELSEWHERE: [&str; 3] = ["move", "copy", "sort"];
    if !command.has_keys() || ELSEWHERE.contains(&command.name) {
        return Reach::Everything;
    }
    match command.keys {
        [only]
            if matches!(only.begin, Begin::Index(_))
                && matches!(only.find, Find::Range { last: 0, .. })
                && !command.flags.contains(commands::Flags::MOVABLEKEYS) =>
        {
            Reach::OneKey
        }
        _ => Reach::ItsKeys,
    }
}

/// One request of the stream, understood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) request: Request<'a>,
    pub(crate) what: What,
    /// Its row of the command table, if it has one and its arguments are as many as that says.
    pub(crate) command: Option<&'static Command>,
    /// For which database.
    pub(crate) db: DbIndex,
    /// Its first key's place in [`Plan::hashed`].
    pub(crate) key: Option<usize>,
    /// A single edit of a single slot.
    pub(crate) one_key: bool,
    /// Where it ends in the input.
    pub(crate) end: usize,
}

/// What was understood of the requests at the front of the input.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    pub(crate) hashed: Vec<Hashed<'a>>,
    /// Whether the last of them is inside a MULTI that has no EXEC yet; then where that MULTI is among the steps.
    pub(crate) open: Option<usize>,
}

/// Makes plans, as the stream goes on.
#[derive(Debug)]
pub(crate) struct Planner {
    store: Store,
    reaches: Reaches,
}

impl Planner {
    pub(crate) fn new(store: Store) -> Self {
        Planner { store, reaches: Reaches::of_table() }
    }

    /// Understands these requests, the first of which begins a unit, `db` being selected. `ends` are where they end.
    pub(crate) fn plan<'a>(
        &self,
        requests: impl Iterator<Item = (Request<'a>, usize)>,
        mut db: DbIndex,
    ) -> Plan<'a> {
        let mut plan = Plan::default();
        let mut room = Words::default();
        for (request, end) in requests {
            let (mut what, command) = self.understand(request.collect(&mut room));
            match (what, plan.open) {
                (What::Multi, None) => plan.open = Some(plan.steps.len()),
                (What::Multi, Some(_)) => what = What::Wrong(Wrong::NestedMulti),
                (What::Exec, None) => what = What::Wrong(Wrong::ExecWithoutMulti),
                (What::Exec, Some(_)) => plan.open = None,
                // One that is wrong by itself: the unit ends with it, and is found wrong.
                (What::Wrong(Wrong::Arity(exec)), Some(_))
                    if matches!(exec.run, Run::Server(ServerCommand::Exec)) =>
                {
                    plan.open = None;
                }
                _ => {}
            }
            let mut step = Step { request, what, command, db, key: None, one_key: false, end };
            match what {
                What::Select(index) => db = index,
                What::Data(command, _) => {
                    if let Some(first) = command.first_key() {
                        step.key = Some(plan.hashed.len());
                        plan.hashed.push(self.store.hash(request.word(first + command.name_words())));
                    }
                    step.one_key = self.reaches.is_one_key(command, request);
                }
                _ => {}
            }
            plan.steps.push(step);
        }
        plan
    }

    fn understand(&self, words: &[&[u8]]) -> (What, Option<&'static Command>) {
        let (name, rest) = words.split_first().map_or((&b""[..], words), |(name, rest)| (*name, rest));
        let first = rest.first().copied().unwrap_or_default();
        let resolved = resolve(words);
        let command = resolved.as_ref().ok().map(|(command, _)| *command);
        let what = match resolved {
            Ok((command, args)) => match command.run {
                Run::Write(_) | Run::Read(_) => match command.applied_by() {
                    Some(handler) => What::Data(command, handler),
                    // Whatever it was meant to do, it changes nothing.
                    None => What::Passed,
                },
                Run::Server(ServerCommand::Multi) => What::Multi,
                Run::Server(ServerCommand::Exec) => What::Exec,
                Run::Server(ServerCommand::Select) => self.select(args.get(0)),
                Run::Server(ServerCommand::Ping) => What::Passed,
                // Masters before 7.0 propagate these.
                Run::Server(ServerCommand::ScriptLoad) => What::ScriptLoad,
                Run::Server(ServerCommand::ScriptFlush) => What::ScriptFlush,
                Run::Server(ServerCommand::Eval) => What::Script(command, Named::ByText),
                Run::Server(ServerCommand::Evalsha) => What::Script(command, Named::ByDigest),
                Run::Server(ServerCommand::Publish) => What::Message { is_shard: false },
                Run::Server(ServerCommand::Spublish) => What::Message { is_shard: true },
                Run::Server(_) => match command.applied_by() {
                    Some(handler) => What::Data(command, handler),
                    None => What::Unknown,
                },
                Run::Container => What::Unknown,
            },
            Err(Unresolved::WrongArity(command)) => What::Wrong(Wrong::Arity(command)),
            Err(_) if name.eq_ignore_ascii_case(b"replconf") => {
                // Other words of it are the master's own affair (AWS sends TIMESTAMP).
                if first.eq_ignore_ascii_case(b"getack") { What::AckWanted } else { What::Passed }
            }
            Err(_) => What::Unknown,
        };
        (what, command)
    }

    fn select(&self, text: &[u8]) -> What {
        let index = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u32>().ok());
        match index.filter(|index| *index < self.store.databases()) {
            Some(index) => What::Select(DbIndex(index)),
            None => What::Wrong(Wrong::Database),
        }
    }
}

#[cfg(test)]
mod tests {
    use storage::{Limits, StoreConfig};

    use super::*;

    /// A command that writes and that nobody here can follow ends the link, loudly; it is never passed over.
    #[test]
    fn no_write_passes_silently() {
        let config = StoreConfig { databases: 2, hash_key: [1, 2], limits: Limits::default() };
        let planner = Planner::new(Store::new(config));
        for command in commands::table::COMMANDS.iter() {
            if !command.flags.contains(commands::Flags::WRITE) {
                continue;
            }
            let words: Vec<&[u8]> = command.name.split('|').map(str::as_bytes).collect();
            let padding = usize::from(command.arity.unsigned_abs()).saturating_sub(words.len());
            let words: Vec<&[u8]> =
                words.into_iter().chain(std::iter::repeat_n(&b"1"[..], padding)).collect();
            let what = planner.understand(&words);
            assert!(matches!(what.0, What::Data(..) | What::Unknown), "{}: {what:?}", command.name);
        }
    }
}
