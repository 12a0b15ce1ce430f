//! Whether a user may do what a request asks for: commands, keys, channels and databases, selector by selector.
//!
//! Owns the decision and Redis' words for a refusal. Never runs anything, and never notes that it refused: see
//! [`super::log`].

use commands::keys::KeyAt;
use commands::{Command, Flags, printed};
use protocol::Args;
use protocol::number::parse_int;
use storage::DbIndex;

use super::selector::{KeyRights, Selector};
use super::user::User;

/// Why a request is refused. Places are among the request's arguments.
///
/// In the order of what is told when selectors refuse for different reasons: the later, the nearer it was to being
/// allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Denial {
    /// The database: this argument names it, or it is the selected one.
    Database(Option<usize>),
    /// The command.
    Command,
    /// This key.
    Key(usize),
    /// This channel.
    Channel(usize),
}

/// Whether `user`, who has selected `db`, may run `command` with `args`.
///
/// # Errors
/// What it may not do.
pub(crate) fn check(user: &User, command: &Command, args: Args<'_>, db: DbIndex) -> Result<(), Denial> {
    if user.is_unrestricted() {
        return Ok(());
    }
    let mut nearest = Denial::Database(None);
    for selector in user.selectors() {
        match check_selector(user, selector, command, args, db) {
            Ok(()) => return Ok(()),
            Err(denial) => nearest = nearest.max(denial),
        }
    }
    Err(nearest)
}

/// Whether `user` may run this read as it stands.
pub(crate) fn may_read(user: &User, command: &Command, args: Args<'_>, db: DbIndex) -> bool {
    check(user, command, args, db).is_ok() && check_sort(user, command, args, db).is_ok()
}

fn check_selector(
    user: &User,
    selector: &Selector,
    command: &Command,
    args: Args<'_>,
    db: DbIndex,
) -> Result<(), Denial> {
    if !selector.databases.is_all() {
        check_databases(user, selector, command, args, db)?;
    }
    if !selector.commands.has(command)
        && !command.flags.contains(Flags::NO_AUTH)
        && !selector.commands.has_with(command, args.opt(0))
    {
        return Err(Denial::Command);
    }
    if !selector.keys.is_all() && !command.keys.is_empty() {
        let is_denied =
            |key: &KeyAt| !selector.allows_key(args.get(key.index), KeyRights::asked_by(key.flags));
        let mut denied = None;
        let found = command.visit_keys(&args, |key| {
            if denied.is_none() && is_denied(&key) {
                denied = Some(key.index);
            }
        });
        if found.is_err() {
            // Arguments that do not say which of them are keys will be refused by the command itself; of those that a
            // real server takes for keys all the same it says so first.
            let counted = command.counted_keys(args).into_iter().flatten();
            denied = counted.filter(is_denied).map(|key| key.index).next();
        }
        if let Some(index) = denied {
            return Err(Denial::Key(index));
        }
    }
    if !selector.channels.is_all() {
        for channel in command.channels_of(args) {
            if !selector.allows_channel(args.get(channel.index), channel.is_pattern) {
                return Err(Denial::Channel(channel.index));
            }
        }
    }
    Ok(())
}

/// Whether the databases are allowed that the command looks at: the selected one, and those it names.
fn check_databases(
    user: &User,
    selector: &Selector,
    command: &Command,
    args: Args<'_>,
    db: DbIndex,
) -> Result<(), Denial> {
    // What is no number of a database is told by the command itself.
    let number = |place: usize| {
        let index = args.opt(place).and_then(parse_int).and_then(|index| u32::try_from(index).ok());
        index.filter(|index| user.knows_database(*index))
    };
    let named = |place: usize| match number(place) {
        Some(index) if !selector.allows_database(index) => Err(Denial::Database(Some(place))),
        _ => Ok(()),
    };
    let is_on_data = command.flags.intersects(Flags::READONLY.union(Flags::WRITE))
        || command.has_keys()
        || command.acl_categories().contains(commands::flags::Categories::KEYSPACE);
    match command.name {
        "select" => return named(0),
        // When one of them is none, neither is looked at.
        "swapdb" if [0, 1].iter().any(|place| number(*place).is_none()) => return Ok(()),
        "swapdb" => return named(0).and_then(|()| named(1)),
        "flushall" => return Err(Denial::Database(None)),
        _ if is_on_data && !selector.allows_database(db.0) => return Err(Denial::Database(None)),
        "move" => named(1)?,
        "copy" => {
            let named_at = || {
                let places = 2..args.len().saturating_sub(1);
                places.filter(|place| args.is_word(*place, "db")).map(|place| place + 1)
            };
            if named_at().all(|place| number(place).is_some()) {
                named_at().try_for_each(named)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether SORT may follow BY and GET, which lead to keys that the request does not name: only for who may read every
/// key by what lets it run the request. The error is SORT's own, of the first that it comes to.
pub(crate) fn check_sort(
    user: &User,
    command: &Command,
    args: Args<'_>,
    db: DbIndex,
) -> Result<(), &'static str> {
    if user.is_unrestricted() || !matches!(command.name, "sort" | "sort_ro") {
        return Ok(());
    }
    let may = || {
        user.selectors().any(|selector| {
            selector.allows_every_key(KeyRights { read: true, write: false })
                && check_selector(user, selector, command, args, db).is_ok()
        })
    };
    let mut index = 1;
    while let Some(word) = args.opt(index) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let value = args.opt(index + 1);
        match value {
            _ if is("asc") || is("desc") || is("alpha") => {}
            Some(_) if is("limit") && args.opt(index + 2).is_some() => index += 2,
            Some(_) if is("store") && command.name == "sort" => index += 1,
            Some(pattern) if is("by") => {
                if printed(pattern).contains(&b'*') && !may() {
                    return Err("ERR BY option of SORT denied due to insufficient ACL permissions.");
                }
                index += 1;
            }
            Some(_) if is("get") => {
                if !may() {
                    return Err("ERR GET option of SORT denied due to insufficient ACL permissions.");
                }
                index += 1;
            }
            // The command itself says what is wrong with it, before anything behind it is looked at.
            _ => return Ok(()),
        }
        index += 1;
    }
    Ok(())
}

impl Denial {
    /// What was refused, as the log of refusals calls it.
    pub(crate) fn object<'a>(self, command: &'a Command, args: Args<'a>) -> &'a [u8] {
        match self {
            Denial::Command | Denial::Database(None) => command.name.as_bytes(),
            Denial::Key(place) | Denial::Channel(place) | Denial::Database(Some(place)) => args.get(place),
        }
    }

    /// The refusal of a request, without its code. The names of keys and channels are not told to who may not use
    /// them.
    pub(crate) fn text(self, user: &User, command: &Command) -> Vec<u8> {
        match self {
            Denial::Command => no_command(user, command),
            Denial::Key(_) => b"No permissions to access a key".to_vec(),
            Denial::Channel(_) => b"No permissions to access a channel".to_vec(),
            Denial::Database(_) => b"No permissions to access database".to_vec(),
        }
    }

    /// The same for ACL DRYRUN, whose caller asks about somebody else.
    pub(crate) fn whole_text(self, user: &User, command: &Command, args: Args<'_>) -> Vec<u8> {
        let object = self.object(command, args);
        let may_not = |what: &[&[u8]]| {
            [&[b"User ", &*user.name, b" has no permissions to access "], what].concat().concat()
        };
        match self {
            Denial::Command => no_command(user, command),
            Denial::Key(_) => may_not(&[b"the '", object, b"' key"]),
            Denial::Channel(_) => may_not(&[b"the '", object, b"' channel"]),
            Denial::Database(_) => may_not(&[b"database ", object]),
        }
    }

    /// Why EXEC does not run a command that it was allowed to queue.
    pub(crate) fn text_at_exec(self) -> &'static str {
        match self {
            Denial::Command => "no permission to execute the command or subcommand",
            Denial::Key(_) => "no permission to touch the specified keys",
            Denial::Channel(_) => "no permission to access one of the channels used as arguments",
            Denial::Database(_) => "no permission to access database",
        }
    }
}

fn no_command(user: &User, command: &Command) -> Vec<u8> {
    [b"User ", &*user.name, b" has no permissions to run the '", command.name.as_bytes(), b"' command"]
        .concat()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::selector::ChannelsAtFirst;
    use super::*;

    fn user(rules: &str) -> User {
        let user = User::new(1, b"u", ChannelsAtFirst::None);
        let rules: Vec<Cow<'_, [u8]>> = rules.split(';').map(|rule| rule.as_bytes().into()).collect();
        user.following(&rules, ChannelsAtFirst::None).unwrap()
    }

    /// What the user is told of this request in database `db`, or nothing.
    fn told(user: &User, db: u32, request: &str) -> Option<String> {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let (command, args) = commands::resolve(&words).unwrap();
        let denial = check(user, command, args, DbIndex(db)).err()?;
        Some(String::from_utf8(denial.whole_text(user, command, args)).unwrap())
    }

    fn allows(user: &User, request: &str) -> bool {
        told(user, 0, request).is_none()
    }

    /// From redis-8.10.
    #[test]
    fn keys_are_asked_for_as_the_command_uses_them() {
        let user = user("~a*;%R~r*;%W~w*;+@all");
        for request in [
            "GET a",
            "GET r1",
            "SET w1 x",
            "STRLEN w1",
            "EXISTS w1",
            "COPY r1 a1",
            "BITFIELD r1 GET u8 0",
            "MSET a1 1 w1 2",
            "MGET a1 r1",
            "PING",
            "MGET r1",
            "ZUNIONSTORE w1 2 r1 a1",
            "SORT r1 STORE w1",
        ] {
            assert!(allows(&user, request), "{request}");
        }
        for request in [
            "SET r1 x",
            "GET w1",
            "SET w1 x GET",
            "GET z",
            "COPY a z",
            "COPY w1 a1",
            "BITFIELD r1 SET u8 0 1",
            "MGET a1 z1",
            "MSET a1 1 z1 2",
            "DEL r1",
            "ZUNIONSTORE r1 2 r1 a1",
            "SORT r1 STORE r2",
            "EXISTS z",
        ] {
            assert!(!allows(&user, request), "{request}");
        }
    }

    #[test]
    fn one_selector_must_allow_all_of_it() {
        let user = user("~a*;+@all;-get;(+get ~z*)");
        assert!(allows(&user, "GET z1") && allows(&user, "MGET a1 a2"));
        assert_eq!(told(&user, 0, "GET a").unwrap(), "User u has no permissions to access the 'a' key");
        assert_eq!(told(&user, 0, "MGET a1 z1").unwrap(), "User u has no permissions to access the 'z1' key");
        assert_eq!(
            told(&user, 0, "PUBLISH c m").unwrap(),
            "User u has no permissions to access the 'c' channel"
        );
        let user = self::user("~*;+ping");
        assert_eq!(told(&user, 0, "GET a").unwrap(), "User u has no permissions to run the 'get' command");
        assert!(allows(&user, "AUTH x") && allows(&user, "QUIT"), "who comes and goes needs no right");
    }

    /// From valkey-9.1.
    #[test]
    fn databases_are_those_that_a_command_looks_at() {
        let user = user("~*;&*;+@all;db=1,3");
        let told = |db, request| told(&user, db, request);
        let no = |what: &str| Some(format!("User u has no permissions to access database {what}"));
        for request in [
            "GET a",
            "PING",
            "SELECT 3",
            "MOVE a 3",
            "COPY a b",
            "COPY a b DB 3",
            "FLUSHDB",
            "SELECT x",
            "SWAPDB x y",
        ] {
            assert_eq!(told(1, request), None, "{request}");
        }
        for (db, request, what) in [
            (0, "GET a", "get"),
            (0, "DBSIZE", "dbsize"),
            (0, "OBJECT ENCODING a", "object|encoding"),
            (0, "SELECT 0", "0"),
            (1, "MOVE a 2", "2"),
            (1, "COPY a b DB 2", "2"),
            (1, "SWAPDB 1 2", "2"),
            (1, "FLUSHALL", "flushall"),
        ] {
            assert_eq!(told(db, request), no(what), "{request}");
        }
        assert_eq!(told(0, "PING"), None);
    }

    /// From valkey-9.1: it is looked at first, and told of last.
    #[test]
    fn a_selector_for_other_databases_is_the_least_of_all_reasons() {
        let user = user("(db=0,1 +@all -@read ~write*);(db=2,3 +@all -@write ~read*)");
        for (db, request, what) in [
            (0, "GET writekey", "run the 'get' command"),
            (0, "SELECT 4", "run the 'select' command"),
            (0, "FLUSHALL", "run the 'flushall' command"),
            (0, "SET other x", "access the 'other' key"),
            (2, "GET writekey", "access the 'writekey' key"),
            (2, "SET writekey x", "run the 'set' command"),
        ] {
            let told = told(&user, db, request);
            assert_eq!(told, Some(format!("User u has no permissions to {what}")), "{request}");
        }
        let user = self::user("db=0;-@all;+get;+select;~a*");
        assert_eq!(told(&user, 1, "GET c").unwrap(), "User u has no permissions to access database get");
        assert_eq!(told(&user, 1, "SET a x").unwrap(), "User u has no permissions to access database set");
        assert_eq!(told(&user, 0, "SET a x").unwrap(), "User u has no permissions to run the 'set' command");
        assert_eq!(told(&user, 0, "GET c").unwrap(), "User u has no permissions to access the 'c' key");
    }

    /// From redis-8.10.
    #[test]
    fn sort_follows_patterns_for_who_may_read_everything() {
        let told = |rules: &str, request: &str| {
            let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let (command, args) = commands::resolve(&words).unwrap();
            check_sort(&user(rules), command, args, DbIndex(0)).err()
        };
        let by = Some("ERR BY option of SORT denied due to insufficient ACL permissions.");
        let get = Some("ERR GET option of SORT denied due to insufficient ACL permissions.");
        assert_eq!(told("~a*;+@all", "SORT a BY x* GET y*"), by);
        assert_eq!(told("~a*;+@all", "SORT a GET #"), get);
        assert_eq!(told("~a*;+@all", "SORT_RO a LIMIT by 1 GET y"), get);
        assert_eq!(told("~a*;+@all", "SORT a BY nosort"), None);
        assert_eq!(told("%R~*;+@all", "SORT a BY x* GET y*"), None);
        assert_eq!(told("%W~*;+@all", "SORT a BY x* GET y*"), by);
        // By what lets it run the request, and not by something else that it may.
        assert_eq!(told("-@all;(+sort ~a);(+get %R~*)", "SORT a BY x*"), by);
        assert_eq!(told("-@all;(+sort ~a);(+sort %R~* %W~a db=0)", "SORT a BY x* STORE a"), None);
        assert_eq!(told("-@all;(+sort ~a);(+sort ~* db=1)", "SORT a BY x*"), by);
    }
}
