//! Scripts as clients see them, with a host that has no data set.
//!
//! What the host is asked to run it notes, and answers by name.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use commands::{Command, Dialect};

use super::*;
use crate::host::Refusal;
use crate::pulse::Kind;

/// See the module.
#[derive(Default)]
struct Fake {
    standing: Standing,
    functions: Functions,
    ran: Vec<String>,
    log: RefCell<Vec<String>>,
    /// It is an attempt's.
    only_reads: bool,
    /// Done when a command runs.
    meanwhile: Option<Box<dyn FnMut()>>,
}

impl Host for Fake {
    fn dialect(&self) -> Dialect {
        Dialect::NEWEST
    }
    fn standing(&self) -> Standing {
        self.standing
    }
    fn functions(&self) -> &Functions {
        &self.functions
    }
    fn has_right(&self, command: &'static Command, _: &[&[u8]]) -> bool {
        command.name != "getdel"
    }
    fn may_call(&mut self, command: &'static Command, _: &[&[u8]]) -> Result<(), Refusal> {
        if command.name == "getdel" { Err("NOPERM no".into()) } else { Ok(()) }
    }
    fn refused(&mut self, _: Option<&'static Command>, _: &[u8]) -> Option<()> {
        (!self.only_reads).then_some(())
    }
    fn run(&mut self, command: &'static Command, words: &[&[u8]], protocol: Protocol) -> Option<Reply> {
        if self.only_reads && command.flags.contains(commands::Flags::WRITE) {
            return None;
        }
        if let Some(meanwhile) = &mut self.meanwhile {
            meanwhile();
        }
        self.ran.push(
            words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" "),
        );
        let mut reply = Reply::new(protocol);
        match command.name {
            "ping" => reply.simple("PONG"),
            "echo" => reply.bulk(words.get(1).copied().unwrap_or_default()),
            "smembers" => {
                reply.set(3);
                [b"c", b"a", b"b"].iter().for_each(|member| reply.bulk(*member));
            }
            "hgetall" => {
                reply.map(1);
                reply.bulk(b"field");
                reply.double_text(b"1.5");
            }
            "incr" => reply.error("WRONGTYPE no"),
            _ => reply.null(),
        }
        Some(reply)
    }
    fn log(&self, level: LogLevel, line: &[u8]) {
        self.log.borrow_mut().push(format!("{level:?} {}", String::from_utf8_lossy(line)));
    }
}

thread_local! {
    /// A clock that goes on by so many milliseconds each time a test asks it.
    static STEP: Cell<u64> = const { Cell::new(0) };
    static PASSED: Cell<u64> = const { Cell::new(0) };
}

fn clock() -> Instant {
    use std::sync::LazyLock;
    #[allow(clippy::disallowed_methods)] // Somewhere it has to begin.
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    PASSED.set(PASSED.get() + STEP.get());
    *START + Duration::from_millis(PASSED.get())
}

fn engine() -> Engine {
    let identity = Identity { version: "8.10.2".into(), valkey: None };
    Engine::new(identity, Arc::new(Pulse::new(clock)))
}

fn text(reply: &Reply) -> String {
    reply.to_vec().escape_ascii().to_string().replace("\\r\\n", "|").replace("\\'", "'").replace("\\\"", "\"")
}

fn eval_with(engine: &mut Engine, host: &mut Fake, script: &str, limits: TimeLimits) -> String {
    let words = [&b"eval"[..], script.as_bytes(), b"1", b"k1", b"a1", b"a2"];
    let mut reply = Reply::new(Protocol::Resp2);
    engine.eval(host, Named::ByText, &Request { words: &words, read_only: false, limits }, &mut reply);
    text(&reply)
}

fn eval(engine: &mut Engine, host: &mut Fake, script: &str) -> String {
    eval_with(engine, host, script, TimeLimits::default())
}

/// What redis-8.10 answered, line for line: sandbox, cjson, cmsgpack, bit, struct, and the texts of all their errors.
#[test]
fn libraries_answer_as_the_original() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let mut wrong = Vec::new();
    let mut lines = include_str!("../../tests/libraries.txt").lines();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let Some(script) = line.strip_prefix("> ") else { continue };
        let expected = lines.next().and_then(|line| line.strip_prefix("< ")).expect("an answer");
        let answer = eval(&mut engine, &mut host, &script.replace("\\n", "\n"));
        count += 1;
        if answer != expected {
            wrong.push(format!("{script}\n  ours   {answer}\n  theirs {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 250, "{count}");
}

#[test]
fn commands_go_to_the_host_and_their_answers_come_back() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let mut run = |script: &str| eval(&mut engine, &mut host, script);
    assert_eq!(run("return redis.call('ping')"), "+PONG|");
    assert_eq!(run("return redis.call('echo', 0.5)"), "$3|0.5|");
    assert_eq!(run("return redis.call('smembers', 's')"), "*3|$1|c|$1|a|$1|b|");
    assert_eq!(run("redis.setresp(3) return redis.call('hgetall', 'h').map.field.double"), ":1|");
    assert_eq!(
        run(
            "redis.setresp(3) local n = 0 for m in pairs(redis.call('smembers', 's').set) do n = n + 1 end return n"
        ),
        ":3|"
    );
    let digest = digest(b"return redis.call('incr', 'x')");
    assert_eq!(
        run("return redis.call('incr', 'x')"),
        format!("-WRONGTYPE no script: {digest}, on @user_script:1.|")
    );
    assert_eq!(run("return redis.pcall('incr', 'x')"), "-WRONGTYPE no|");
    assert!(run("return redis.call('getdel', 'x')").starts_with("-NOPERM no script:"));
    assert_eq!(host.ran.len(), 7);
}

#[test]
fn a_replica_refuses_writes_and_a_script_that_says_it_writes() {
    let (mut engine, mut host) = (engine(), Fake::default());
    host.standing.read_only = true;
    let mut run = |script: &str| eval(&mut engine, &mut host, script);
    assert!(
        run("return redis.call('set', 'a', 1)")
            .starts_with("-READONLY You can't write against a read only replica. script: ")
    );
    assert_eq!(run("#!lua\nreturn 1"), "-READONLY You can't write against a read only replica.|");
    assert_eq!(run("#!lua flags=no-writes\nreturn 1"), ":1|");
    host.standing = Standing { stale: true, ..Standing::default() };
    let mut run = |script: &str| eval(&mut engine, &mut host, script);
    assert!(run("return 1").starts_with("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data"));
    assert!(run("#!lua flags=no-writes\nreturn 1").starts_with("-MASTERDOWN "));
    assert_eq!(run("#!lua flags=allow-stale\nreturn redis.call('time')"), "$-1|");
    assert!(
        run("#!lua flags=allow-stale\nreturn redis.call('get', 'x')")
            .contains("Can not execute the command on a stale replica")
    );
}

#[test]
fn where_there_is_no_room_nothing_is_added() {
    let (mut engine, mut host) = (engine(), Fake::default());
    host.standing.full = true;
    let mut run = |script: &str| eval(&mut engine, &mut host, script);
    assert!(run("return redis.call('set', 'a', 1)").starts_with("-OOM command not allowed when used memory"));
    assert_eq!(run("redis.call('del', 'a') return redis.call('set', 'a', 1)"), "$-1|");
    assert!(run("#!lua\nreturn 1").starts_with("-OOM command not allowed when used memory"));
    assert_eq!(run("#!lua flags=allow-oom\nreturn redis.call('set', 'a', 1)"), "$-1|");
    assert_eq!(run("#!lua flags=no-writes\nreturn 1"), ":1|");
}

/// Without its bound this script would take all memory of the machine.
#[test]
fn a_script_that_wants_too_much_memory_ends() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let answer = eval(
        &mut engine,
        &mut host,
        "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1000000) .. i end",
    );
    assert!(answer.contains("not enough memory"), "{answer}");
    assert_eq!(eval(&mut engine, &mut host, "return 1"), ":1|");
    let vm_bytes = engine.figures().scripts_vm_bytes.load(Relaxed);
    assert!(vm_bytes < 16 << 20, "{vm_bytes}");
}

/// What is put together outside the state, from one text that is named again and again, is bounded as well.
#[test]
fn what_is_put_together_for_a_script_is_bounded() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let table = "local s, t = string.rep('x', 1000000), {} for i = 1, 2000 do t[i] = s end ";
    for ask in ["return #cjson.encode(t)", "return #cmsgpack.pack(t)", "return #cmsgpack.pack(unpack(t))"] {
        let answer = eval(&mut engine, &mut host, &format!("{table}{ask}"));
        assert!(answer.starts_with("-ERR ") && answer.contains("not enough memory"), "{ask}: {answer}");
        assert_eq!(eval(&mut engine, &mut host, "return 1"), ":1|");
    }
}

#[test]
#[ignore = "takes a gigabyte"]
fn what_a_script_answers_is_bounded() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let table = "local s, t = string.rep('x', 1000000), {} for i = 1, 2000 do t[i] = s end ";
    let answer = eval(&mut engine, &mut host, &format!("{table}return t"));
    assert!(answer.starts_with("-ERR ") && answer.contains("not enough memory"), "{answer}");
    assert_eq!(eval(&mut engine, &mut host, "return 1"), ":1|");
}

/// A stack of the thread's would overflow, which ends the process.
#[test]
fn deep_values_do_not_overflow_the_stack() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let mut run = |script: &str| eval(&mut engine, &mut host, script);
    let nested = |levels: usize| format!("local t = {{}} for i = 1, {levels} do t = {{t}} end return t");
    assert!(!run(&nested(6_990)).contains("reached"));
    assert!(run(&nested(100_000)).contains("-ERR reached lua stack limit|"));
    let deep = "cjson.encode_max_depth(1e9) cjson.decode_max_depth(1e9) cjson.encode_sparse_array(true) ";
    assert!(
        run(&format!("{deep} local t = {{}} for i = 1, 1e5 do t = {{t}} end return cjson.encode(t)"))
            .contains("excessive nesting")
    );
    assert!(run(&format!("{deep} return cjson.decode(string.rep('[', 1e5))")).contains("too many nested"));
    assert_eq!(
        run("return #cjson.encode(cjson.decode(string.rep('[', 2900) .. string.rep(']', 2900)))"),
        ":5800|"
    );
    assert!(run("return cmsgpack.unpack(string.rep('\\145', 1e5))").contains("stack overflow"));
}

/// More values than Rust may hold at once: each ended the process' thread once.
#[test]
fn big_tables_and_many_arguments() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let mut run = |script: &str| eval(&mut engine, &mut host, script);
    let big = "local t = {} for i = 1, 20000 do t['key' .. i] = 'value' .. i end ";
    assert_eq!(run(&format!("{big} return #cjson.encode(t) > 400000")), ":1|");
    assert_eq!(
        run(&format!(
            "{big} local n = 0 for k in pairs(cmsgpack.unpack(cmsgpack.pack(t))) do n = n + 1 end return n"
        )),
        ":20000|"
    );
    assert!(run(&format!("{big} return {{map = t}}")).starts_with("*40000|"));
    assert!(run(&format!("{big} return {{set = t}}")).starts_with("*20000|"));
    let many = "local t = {} for i = 1, 7900 do t[i] = 'word' .. i end ";
    assert_eq!(run(&format!("{many} return redis.call('del', unpack(t))")), "$-1|");
    assert!(run(&format!("{many} return redis.error_reply(unpack(t))")).contains("too many arguments"));
    assert!(
        run(&format!("{many} return #{{cmsgpack.unpack(cmsgpack.pack(1, unpack(t, 1, 3000)):rep(2))}}"))
            .contains("too many values")
    );
    assert!(
        run("return struct.unpack(string.rep('b', 7000), string.rep('x', 7000))")
            .contains("too many results")
    );
    assert_eq!(host.ran.first().map(|line| line.split(' ').count()), Some(7901));
}

/// A `pcall` around the endless loop must not keep it alive.
#[test]
fn what_never_ends_is_ended() {
    let (mut engine, mut host) = (engine(), Fake::default());
    STEP.set(1);
    let limits = TimeLimits { hold_max: Some(Duration::from_millis(20)), ..TimeLimits::default() };
    for endless in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(redis.call, 'ping') end",
        "local function f() return f() end f()",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.wrap(function() while true do end end)() end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "string.find(string.rep('a', 1000), string.rep('.-', 12) .. 'b')",
        "while true do pcall(string.match, string.rep('a', 1000), string.rep('.-', 12) .. 'b') end",
        "for _ in string.gmatch(string.rep('a', 1000), string.rep('.-', 12) .. 'b') do end",
        "while true do string.gsub('aaaaa', 'a', tostring) end",
        "string.gsub(string.rep('a', 1e6), '', string.rep('a', 100))",
        "local s = string.rep('a', 1e6) while true do s:upper() end",
        "local s = string.rep('a', 1e6) while true do s:find('b', 1, true) end",
        "local s = string.rep('a', 1e6) while true do local t = s .. 'b' end",
        "local s = string.rep('a', 1e6) while true do local t = s:rep(20) end",
        "local s = string.rep('a', 1e6) while true do local t = s:format() end",
        "local s = string.rep('a', 1e6) while true do pcall(error, s) end",
        "local s = string.rep('1', 1e6) while true do tonumber(s) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t, math.max) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.concat(t) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.insert(t, 1, 1) table.remove(t, 1) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.maxn(t) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.foreachi(t, math.randomseed) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do cjson.encode(t) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do cmsgpack.pack(t) end",
        "local t = {} for i = 1, 1e5 do t[i] = {} end while true do collectgarbage() end",
        "local s = '[' .. string.rep('1,', 1e5) .. '1]' while true do cjson.decode(s) end",
        "local s = string.rep(' ', 1e6) while true do pcall(cjson.decode, s) end",
        "local s = '\"' .. string.rep('a', 1e6) while true do pcall(cjson.decode, s) end",
        "local s = string.rep('\\1', 3000) while true do cmsgpack.unpack(s) end",
        "local s = string.rep(' ', 1e6) while true do struct.size(s) end",
        "local s = string.rep(' ', 1e6) while true do redis.sha1hex(s) end",
        "local s = string.rep('a', 1e6) while true do redis.status_reply(s) end",
        "local s = string.rep('a = 1 ', 1e5) while true do loadstring(s) end",
    ] {
        let answer = eval_with(&mut engine, &mut host, endless, limits);
        let told = "-ERR Script ended: it held up the master's stream for 20 ms (script-hold-max)";
        assert!(answer.starts_with(told), "{endless}: {answer}");
        assert_eq!(eval_with(&mut engine, &mut host, "return 1", limits), ":1|", "after {endless}");
    }
}

#[test]
fn kill_ends_what_has_not_written() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let pulse = engine.pulse();
    assert_eq!(pulse.kill(Kind::Script), Err("NOTBUSY No scripts in execution right now."));
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (killed, kills) = (Arc::clone(&pulse), Arc::clone(&seen));
    host.meanwhile = Some(Box::new(move || {
        let mut seen = kills.lock().expect("no panic");
        seen.push(killed.kill(Kind::Function));
        seen.push(killed.kill(Kind::Script));
    }));
    let answer = eval(&mut engine, &mut host, "redis.call('ping') while true do end");
    assert!(answer.starts_with("-ERR Script killed by user with SCRIPT KILL... script: "), "{answer}");
    assert!(answer.ends_with(", on @user_script:1.|"), "{answer}");
    assert!(
        matches!(seen.lock().expect("no panic").as_slice(), [Err(text), Ok(())] if text.starts_with("BUSY "))
    );
    seen.lock().expect("no panic").clear();
    assert_eq!(eval(&mut engine, &mut host, "redis.call('set', 'a', 1) return 5"), ":5|");
    let unkillable = |kill: &Result<(), &str>| {
        kill.is_err_and(|text| text.starts_with("UNKILLABLE Sorry the script already"))
    };
    assert!(seen.lock().expect("no panic").iter().all(unkillable));
    assert!(!pulse.has_written() && pulse.running().is_none());
}

#[test]
fn an_old_masters_script_is_run_as_it_ran_there() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let mut replay = |named, words: &[&[u8]]| engine.replay(&mut host, named, words);
    let script =
        b"redis.call('set', KEYS[1], cjson.encode(redis.call('smembers', 's')) .. math.random(1, 1000000))";
    let digest = digest(script);
    let known = [&b"evalsha"[..], digest.as_bytes(), b"1", b"k"];
    let unknown = replay(Named::ByDigest, &known);
    assert_eq!(unknown.error.as_deref(), Some(&b"NOSCRIPT No matching script. Please use EVAL."[..]));
    for _ in 0..2 {
        let ran = replay(Named::ByText, &[b"EVAL", script, b"1", b"k"]);
        assert_eq!(ran, Ran { wrote: true, ..Ran::default() });
        assert_eq!(replay(Named::ByDigest, &known).error, None);
    }
    let sets: Vec<&String> = host.ran.iter().filter(|line| line.starts_with("set")).collect();
    // Sorted, and with the first number of a generator that begins with 0.
    assert_eq!(sets, [&r#"set k ["a","b","c"]170829"#.to_string(); 4]);
    engine.flush_scripts();
    assert_eq!(engine.replay(&mut host, Named::ByDigest, &known).error, None);
    assert!(
        engine.replay(&mut host, Named::ByText, &[b"eval", b"return redis.call('nope')", b"0"]).met_unknown
    );
}

fn library(host: &mut Fake, name: &str, code: &str) {
    let code = format!("#!lua name={name}\n{code}");
    let library = storage::Library { engine: "LUA".into(), code: code.into_bytes().into() };
    host.functions.insert(name.as_bytes(), library);
}

fn fcall(engine: &mut Engine, host: &mut Fake, words: &[&str], read_only: bool) -> String {
    let words: Vec<&[u8]> =
        std::iter::once("fcall").chain(words.iter().copied()).map(str::as_bytes).collect();
    let mut reply = Reply::new(Protocol::Resp2);
    let request = Request { words: &words, read_only, limits: TimeLimits::default() };
    engine.fcall(host, &request, &mut reply);
    text(&reply)
}

#[test]
fn functions_follow_the_data_set() {
    let (mut engine, mut host) = (engine(), Fake::default());
    assert_eq!(fcall(&mut engine, &mut host, &["f", "0"], false), "-ERR Function not found|");
    library(
        &mut host,
        "one",
        "local n = 0\nredis.register_function('f', function(keys, args) n = n + 1 return {n, keys[1], args[1]} end)",
    );
    library(&mut host, "endless", "while true do end");
    STEP.set(1);
    assert_eq!(fcall(&mut engine, &mut host, &["F", "1", "k", "a"], false), "*3|:1|$1|k|$1|a|");
    assert_eq!(fcall(&mut engine, &mut host, &["f", "0"], false), "*1|:2|");
    assert!(
        host.log
            .borrow()
            .iter()
            .any(|line| line.contains("endless") && line.contains("FUNCTION LOAD timeout"))
    );
    assert_eq!((engine.function_count(), engine.functions_of(b"one").len()), (1, 1));
    assert_eq!(
        fcall(&mut engine, &mut host, &["f", "0"], true),
        "-ERR Can not execute a script with write flag using *_ro command.|"
    );
    // Replaced: begins anew.
    host.functions.remove(b"endless");
    library(
        &mut host,
        "one",
        "redis.register_function{function_name='f', flags={'no-writes'}, callback=function() return redis.call('set', 'a', 1) end}",
    );
    assert_eq!(
        fcall(&mut engine, &mut host, &["f", "0"], true),
        "-ERR Write commands are not allowed from read-only scripts. script: f, on @user_function:2.|"
    );
    host.functions.clear();
    assert_eq!(fcall(&mut engine, &mut host, &["f", "0"], false), "-ERR Function not found|");
}

/// FUNCTION FLUSH kept the memory of all the libraries that there had been.
#[test]
fn without_libraries_their_state_is_given_back() {
    let (mut engine, mut host) = (engine(), Fake::default());
    library(&mut host, "one", "local t = {} redis.register_function('f', function() return 1 end)");
    assert_eq!(fcall(&mut engine, &mut host, &["f", "0"], false), ":1|");
    assert!(engine.figures().functions_vm_bytes.load(Relaxed) > 0);
    host.functions.clear();
    engine.follow(&host.functions, &|_, _| ());
    assert_eq!(engine.figures().functions_vm_bytes.load(Relaxed), 0);
    library(&mut host, "one", "redis.register_function('f', function() return 2 end)");
    assert_eq!(fcall(&mut engine, &mut host, &["f", "0"], false), ":2|");
}

#[test]
fn a_library_is_checked_before_it_is_taken() {
    let (mut engine, mut host) = (engine(), Fake::default());
    library(&mut host, "first", "redis.register_function('f', function() end)");
    let quiet = |_: LogLevel, _: &[u8]| {};
    engine.follow(&host.functions, &quiet);
    for (code, error) in [
        ("return 1", "ERR No functions registered"),
        ("x = 1", "ERR Error registering functions: ERR user_function:2: Attempt to modify a readonly table"),
        ("+", "ERR Error compiling function: user_function:2: unexpected symbol near '+'"),
        ("redis.register_function('F', function() end)", "ERR Function F already exists"),
        (
            "redis.call('ping')",
            "ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'call'",
        ),
        (
            "local e = error",
            "ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'error'",
        ),
        (
            "redis.register_function{function_name='g', callback=function() end, flags={'nope'}}",
            "ERR Error registering functions: ERR unknown flag given",
        ),
        (
            "redis.register_function('g-h', function() end)",
            "ERR Error registering functions: ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ),
    ] {
        let before = host.functions.clone();
        library(&mut host, "second", code);
        let refused = engine.check(&host.functions, &quiet).expect_err(code);
        assert_eq!(String::from_utf8_lossy(&refused), error, "{code}");
        host.functions = before;
    }
    library(
        &mut host,
        "second",
        "redis.log(redis.LOG_WARNING, 'loading', 1) redis.register_function('g', function() end)",
    );
    let log = |level, line: &[u8]| host.log(level, line);
    assert_eq!(engine.check(&host.functions, &log), Ok(()));
    assert_eq!(host.log.borrow().as_slice(), ["Warning loading 1"]);
}

#[test]
fn an_attempt_reads_and_is_given_up_when_it_would_do_more() {
    let (mut engine, mut host) = (engine(), Fake { only_reads: true, ..Fake::default() });
    let limits = TimeLimits { attempt: Some(Duration::from_secs(3600)), ..TimeLimits::default() };
    let attempt = |host: &mut Fake, engine: &mut Engine, script: &str| {
        let words = [&b"eval"[..], script.as_bytes(), b"0"];
        let mut reply = Reply::new(Protocol::Resp2);
        let request = Request { words: &words, read_only: false, limits };
        let ran = engine.eval(host, Named::ByText, &request, &mut reply);
        (ran, text(&reply))
    };
    let again = (Ran::again(), String::new());
    let reads = "return redis.call('echo', 'read')";
    assert_eq!(attempt(&mut host, &mut engine, reads), again, "nothing is compiled in an attempt");
    assert!(host.ran.is_empty());
    let writes = [
        "redis.call('echo', 'a') redis.call('set', 'k', 'v')",
        "redis.pcall('set', 'k', 'v') return 'went on'",
        "pcall(redis.call, 'set', 'k', 'v') return 'went on'",
        "pcall(redis.call, 'set', 'k', 'v') return redis.call('echo', 'went on')",
    ];
    for script in writes.iter().chain([&reads]) {
        engine.load_script(script.as_bytes()).unwrap();
    }
    assert_eq!(attempt(&mut host, &mut engine, reads), (Ran::default(), "$4|read|".into()));
    for script in writes {
        assert_eq!(attempt(&mut host, &mut engine, script), again, "{script}");
        // From now on nobody tries.
        host.ran.clear();
        assert_eq!(attempt(&mut host, &mut engine, script), again, "{script}");
        assert_eq!(host.ran, Vec::<String>::new(), "{script}");
    }
    // Where it may write the same scripts run whole.
    host.only_reads = false;
    assert_eq!(eval(&mut engine, &mut host, writes[0]), "$-1|");
    assert_eq!(host.ran, ["echo a", "set k v"]);
}

#[test]
fn an_attempt_ends_where_it_takes_long() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let limits = TimeLimits { attempt: Some(Duration::ZERO), ..TimeLimits::default() };
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "return string.find(string.rep('a', 1000), string.rep('.-', 12) .. 'b')",
        "return #string.rep('a', 1e8)",
        "local t = {} for i = 1, 500 do t[i] = i end while true do table.sort(t) end",
    ] {
        engine.load_script(script.as_bytes()).unwrap();
        assert_eq!(eval_with(&mut engine, &mut host, script, limits), "", "{script}");
    }
}

/// Each as redis-8.10 answers, whose compiler knows nothing of encodings.
#[test]
fn what_the_compiler_says_comes_byte_for_byte() {
    let (mut engine, mut host) = (engine(), Fake::default());
    for (script, said) in [
        (&b"return \xff\xfex"[..], &b"unexpected symbol near '\xff'"[..]),
        (b"return \"\xff\xfe\n\"", b"unfinished string near '\"\xff\xfe'"),
        (b"return nosuch\xff", b"'<eof>' expected near '\xff'"),
        (b"\x1bLua", b"unexpected symbol near 'char(27)'"),
    ] {
        let mut reply = Reply::new(Protocol::Resp2);
        let request =
            Request { words: &[b"eval", script, b"0"], read_only: false, limits: TimeLimits::default() };
        engine.eval(&mut host, Named::ByText, &request, &mut reply);
        let expected =
            [b"-ERR Error compiling script (new function): user_script:1: ", said, b"\r\n"].concat();
        assert_eq!(reply.to_vec().escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

#[test]
fn no_script_leaves_anything_in_the_mark_of_arrays() {
    let (mut engine, mut host) = (engine(), Fake::default());
    let mark = "cjson.decode_array_with_array_mt(true) local mark = getmetatable(cjson.decode('[]'))";
    for change in ["mark.x = 1", "rawset(mark, 'x', 1)", "setmetatable(mark, {__index = {x = 1}})"] {
        let answer = eval(&mut engine, &mut host, &format!("{mark} {change} return 1"));
        assert!(answer.starts_with("-ERR "), "{change}: {answer}");
    }
    assert_eq!(eval(&mut engine, &mut host, &format!("{mark} return tostring(mark.x)")), "$3|nil|");
    let again = format!("{mark} return cjson.encode({{cjson.decode('[]'), setmetatable({{}}, mark)}})");
    assert_eq!(eval(&mut engine, &mut host, &again), "$7|[[],[]]|");
}

/// Lua's own `unpack` wrote past its stack for these.
#[test]
fn more_than_can_be_counted_is_not_unpacked() {
    let (mut engine, mut host) = (engine(), Fake::default());
    for range in [
        "-2, 2147483647",
        "0, 2147483647",
        "-2147483648, -2",
        "-2147483648, 2147483647",
        "1, 1e5",
        "1, 2147483647",
    ] {
        let answer = eval(&mut engine, &mut host, &format!("return {{unpack({{1, 2, 3}}, {range})}}"));
        assert!(
            answer.starts_with("-ERR user_script:1: too many results to unpack script: "),
            "{range}: {answer}"
        );
    }
    assert_eq!(eval(&mut engine, &mut host, "return {unpack({1, 2, 3}, 2)}"), "*2|:2|:3|");
    assert_eq!(eval(&mut engine, &mut host, "return {unpack({1, 2, 3}, 2147483647, -2147483648)}"), "*0|");
}

/// Rust may hold some 8,000 of Lua's values at once: each script that is known, and each function, was one of them.
#[test]
fn there_may_be_any_number_of_scripts_and_functions() {
    let (mut engine, mut host) = (engine(), Fake::default());
    for number in 0..9_000 {
        engine.load_script(format!("return {{{number}}}").as_bytes()).unwrap();
    }
    assert_eq!(eval(&mut engine, &mut host, "return {{'another'}}"), "*1|*1|$7|another|");
    for number in (0..9_000).chain(0..10) {
        let answer = eval(&mut engine, &mut host, &format!("return {{{number}}}"));
        assert_eq!(answer, format!("*1|:{number}|"));
    }
    // A reply that is nested as deeply as it may be takes the most.
    let deep = "local t = {} for i = 1, 6900 do t = {t} end return t";
    assert!(eval(&mut engine, &mut host, deep).starts_with("*1|*1|"));

    let code: String = (0..9_000)
        .map(|number| format!("redis.register_function('f{number}', function() return {number} end)\n"))
        .collect();
    for library in ["one", "two"] {
        self::library(&mut host, library, &code.replace("'f", &format!("'{library}")));
        let name = format!("{library}8999");
        assert_eq!(fcall(&mut engine, &mut host, &[&name, "0"], false), ":8999|");
    }
    assert_eq!(fcall(&mut engine, &mut host, &["one17", "0"], false), ":17|");
    assert_eq!(engine.function_count(), 18_000);
}
