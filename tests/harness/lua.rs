//! Lua programs with one answer: values of every kind, the libraries, and mistakes.
//!
//! Owns what scripts the tests send to two servers. Never sends them.

use super::Random;

/// What a script does with a request that it is given as its arguments.
const CALLS: &[&str] = &[
    "return redis.call(unpack(ARGV))",
    "return redis.call(unpack(ARGV))",
    "return redis.pcall(unpack(ARGV))",
    "redis.setresp(3) return redis.call(unpack(ARGV))",
    "redis.setresp(3) return redis.call(unpack(ARGV))",
    "redis.setresp(2) local r = redis.pcall(unpack(ARGV)) return r",
    "local r = redis.call(unpack(ARGV)) redis.setresp(3) return r",
    "return server and server.call(unpack(ARGV)) or redis.call(unpack(ARGV))",
];

/// The same, where the answer says how it was called, so that no order is lost on the way.
const WRITES: &[&str] = &[
    "local r = redis.pcall(unpack(ARGV)) if type(r) ~= 'table' then return {type(r)} end return {type(r), type(r.err), r.err or '', tostring(r.ok)}",
    "redis.setresp(3) local r = redis.pcall(unpack(ARGV)) if type(r) ~= 'table' then return {type(r)} end return {type(r.map), type(r.set), type(r.double), type(r.err), r.err or ''}",
    "local ok, e = pcall(redis.call, unpack(ARGV)) if ok then return 'fine' end return {type(e), type(e) == 'table' and e.err or tostring(e)}",
    "local e = redis.pcall(unpack(ARGV)) if type(e) == 'table' and e.err then return e end return type(e)",
];

/// A script that runs the request in its arguments, and answers as it does.
pub fn calling(random: &mut Random) -> String {
    (*random.pick(CALLS)).to_owned()
}

/// A script that runs the request in its arguments, and says what became of it.
pub fn noting(random: &mut Random) -> String {
    (*random.pick(WRITES)).to_owned()
}

/// Whether it answers what the request in its arguments does.
pub fn is_calling(script: &[u8]) -> bool {
    CALLS.iter().any(|call| call.as_bytes() == script)
}

/// A whole program.
pub fn program(random: &mut Random) -> String {
    let mut text = String::new();
    if random.one_in(8) {
        text += *random.pick(&[
            "#!lua\n",
            "#!lua flags=no-writes\n",
            "#!lua flags=allow-stale,no-writes\n",
            "#!lua flags=what\n",
            "#!lua name=x\n",
            "#!js\n",
            "#!lua flags=\n",
            "#!lua flags=allow-oom flags=no-writes\n",
            "#!lua what\n",
        ]);
    }
    if random.one_in(4) {
        text += *random.pick(&[
            "redis.setresp(3) ",
            "redis.setresp(3) ",
            "redis.setresp(2) ",
            "redis.setresp(4) ",
        ]);
    }
    text + &statement(random)
}

/// A program of which a part is missing, or written twice.
pub fn cut(random: &mut Random) -> String {
    let text = program(random);
    let letters: Vec<char> = text.chars().collect();
    let at = random.below(letters.len() as u64 + 1) as usize;
    let other = random.below(letters.len() as u64 + 1) as usize;
    letters[..at].iter().chain(&letters[other..]).collect()
}

fn statement(random: &mut Random) -> String {
    let value = |random: &mut Random| value(random, 3);
    match random.below(24) {
        0 => format!("error({})", value(random)),
        1 => format!("local ok, e = pcall(function() return {} end) return {{ok, e}}", value(random)),
        2 => format!("local ok, e = pcall(error, {}) return {{ok, e}}", value(random)),
        3 => format!("local t = {} return {{type(t), #tostring(type(t))}}", value(random)),
        4 => format!("return {}, {}", value(random), value(random)),
        // (Never to 0: written twice by `cut` that would be a step, of a loop without an end.)
        5 => {
            let last = 1 + random.below(4);
            format!("local r = {{}} for i = 1, {last} do r[i] = {} end return r", value(random))
        }
        6 => format!("if {} then return {} end", value(random), value(random)),
        7 => (*random.pick(MISTAKES)).to_owned(),
        8 => format!("assert({}, {})", value(random), value(random)),
        9 => format!("return {{KEYS[1], KEYS[2], #KEYS, ARGV[1], #ARGV, {}}}", value(random)),
        10 => format!(
            "local a = {{}} for k, v in pairs({}) do a[#a + 1] = tostring(k) .. type(v) end return a",
            list(random, 2)
        ),
        11 => format!("\n\nlocal x = {}\nreturn {}", value(random), value(random)),
        _ => format!("return {}", value(random)),
    }
}

/// Programs as people write them, most of them mistaken.
const MISTAKES: &[&str] = &[
    "return nothing",
    "anything = 1",
    "return redis.call()",
    "return redis.call('nosuch')",
    "return redis.call('get')",
    "return redis.call('get', {})",
    "return redis.call('get', nil)",
    "return redis.call('get', true)",
    "return redis.call('get', 1.5)",
    "return redis.pcall('nosuch', 'a', 'b')",
    "return redis.pcall()",
    "return redis.call('set', 'string:1', 1)",
    "return redis.pcall('set', 'string:1', 1)",
    "return redis.call('subscribe', 'a')",
    "return redis.call('multi')",
    "return redis.call('eval', 'return 1', 0)",
    "return redis.call('blpop', 'list:1', 0)",
    "return redis.call('xread', 'block', 0, 'streams', 'stream:1', '$')",
    "return redis.call('client', 'reply', 'off')",
    "return redis.call('config', 'get', 'maxmemory')",
    "return redis.call('select', 1)",
    "redis.call('select', 1) return redis.call('dbsize')",
    "return redis.call('select', 99)",
    "return redis.call('ping')",
    "return redis.call('echo', 'x')",
    "return redis.call('object', 'nosuch', 'x')",
    "return redis.call('hello', 3)",
    "return redis.error_reply()",
    "return redis.error_reply(1)",
    "return redis.error_reply('a', 'b')",
    "return redis.status_reply({})",
    "return redis.sha1hex()",
    "return redis.sha1hex(1)",
    "redis.log(redis.LOG_DEBUG, 'x') return redis.LOG_WARNING",
    "redis.log(9, 'x')",
    "redis.log('x')",
    "return redis.setresp()",
    "return redis.setresp('3')",
    "return redis.replicate_commands()",
    "return redis.set_repl(redis.REPL_ALL)",
    "return redis.set_repl(99)",
    "return redis.breakpoint()",
    "return redis.debug('x')",
    "return redis.acl_check_cmd('get', 'x')",
    "return redis.acl_check_cmd('nosuch')",
    "return redis.acl_check_cmd()",
    "return redis.register_function('f', function() end)",
    "return redis.REDIS_VERSION == nil",
    "redis.call = nil",
    "redis.x = 1",
    "string.x = 1",
    "setmetatable(_G, nil)",
    "getmetatable('').__index = nil",
    "return getmetatable('')",
    "return _G == nil",
    "return _G.redis ~= nil",
    "return print",
    "return loadstring('return 1 + 1')()",
    "return loadstring('return +')",
    "return load",
    "return dofile",
    "return require",
    "return os.time and type(os.clock())",
    "return os.getenv",
    "return io",
    "return coroutine.wrap(function() coroutine.yield(1) end)()",
    "return ('x'):rep(3) .. nil",
    "return {} + 1",
    "return #5",
    "return nil .. 'x'",
    "return ('x')()",
    "return 1 < 'x'",
    "return {} < {}",
    "local t = nil t.x = 1",
    "local function f() return f() + 1 end return f()",
    "return string.format('%d', 'x')",
    "return string.format('%d', 1.5)",
    "return string.format('%q', 'a\\n\"b\\0')",
    "return string.format('%5.2f|%-5s|%05d|%x|%c|%e|%g', 1.005, 'a', 42, 255, 65, 12345.678, 0.1)",
    "return string.format('%z', 1)",
    "return string.rep('x', -1)",
    "return select('#', nil, nil)",
    "return select(0)",
    "return tonumber('0x10') + tonumber('10', 2) + tonumber(' 5 ')",
    "return tonumber('z', 36)",
    "return tonumber('1', 99)",
    "return table.concat({1, 2, {}})",
    "return table.concat({1, 2, 'x'}, ', ', 2)",
    "local t = {3, 1, 2} table.sort(t) return t",
    "local t = {3, 'x', 2} table.sort(t) return t",
    "local t = {1, 2} table.insert(t, 1, 5) table.remove(t) return t",
    "return ('abc'):find('b', 1, true)",
    "return {('key=value'):match('(%w+)=(%w+)')}",
    "return ('abc'):gsub('%w', '%0%0')",
    "return ('abc'):gsub('(', 'x')",
    "return {('a,b,c'):byte(1, -1)}",
    "return cjson.encode()",
    "return cjson.decode()",
    "return cjson.decode('')",
    "return cjson.encode(function() end)",
    "return cjson.encode({[1] = 1, [1000] = 2})",
    "return cjson.encode({[{}] = 1})",
    "return cjson.encode(0/0)",
    "return cjson.encode(1/0)",
    "local t = {} t[1] = t return cjson.encode(t)",
    "return cjson.encode(cjson.decode('[]')) .. cjson.encode(cjson.decode('{}'))",
    "return cmsgpack.pack()",
    "return cmsgpack.unpack('\\255')",
    "return cmsgpack.unpack('')",
    "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3))}",
    "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2, 0)}",
    "return struct.pack('>I9', 1)",
    "return struct.pack('z', 5)",
    "return struct.unpack('>I4', 'ab')",
    "return struct.size('>!4ibi')",
    "return struct.pack('q', 1)",
    "return bit.band()",
    "return bit.band('x')",
    "return bit.tohex(-1, -4)",
    "return bit.tobit(2^40 + 5)",
    "return math.random(0)",
    // Without a seed of their own, scripts go on where another left the numbers.
    "math.randomseed(ARGV[1] and #ARGV[1] or 3) return {math.random(1, 1000), math.random(1, 1000)}",
    "math.randomseed(7) return {math.random(1, 1000), tostring(math.random())}",
    "return tostring(math.pi)",
    "return math.fmod(7, 0)",
    "return {math.floor(-1.5), math.ceil(-1.5), math.abs(-3), math.max(1, 5, 3)}",
    "return {1, 2, nil, 4}",
    "return {1, {2, {3, {4, {5}}}}, 'x'}",
    "return {ok = 1}",
    "return {err = 1}",
    "return {err = 'x', ok = 'y'}",
    "return {ok = 'a\\r\\nb'}",
    "return {err = 'a\\r\\nb'}",
    "return {err = '-MY own'}",
    "return {err = 'MY own', ignore_error_stats_update = true}",
    "error({err = 'MY own'})",
    "error({ok = 'fine'})",
    "error({})",
    "error()",
    "error('plain', 0)",
    "error('plain', 2)",
    "error(nil)",
    "error(5)",
    "return function() end",
    "return coroutine.create(function() end) ~= nil",
    "return 3.99",
    "return -3.99",
    "return 1e300",
    "return 0/0",
    "return 2^63",
    "return -2^63",
    "return {3.99, true, false, 'x', nil, 'after'}",
    "goto = 1",
    "return 'unfinished",
    "return [[long]]",
    "--[[ a comment ]] return 1",
    "x",
    "",
    "return",
    "return 1,",
    "for",
    "local a <const> = 1",
    "return 5 // 2",
    "return '\\x41'",
    "do return 1 end return 2",
];

fn number(random: &mut Random) -> String {
    const ODD: &[&str] = &[
        "0",
        "-0",
        "1.5",
        "-2.25",
        "3.99",
        "1e17",
        "1e100",
        "2^31",
        "2^32 + 1",
        "2^53",
        "-2^63",
        "0.1",
        "1/3",
        "-1",
        "255",
        "65536",
        "1e-7",
        "123456789012",
        "0x7f",
        "1e15",
        "1e14 + 0.5",
        "4294967295",
        "-2147483648",
        "9007199254740993",
    ];
    match random.below(3) {
        0 => (*random.pick(ODD)).to_owned(),
        1 => format!("{}", random.below(1_000_000) as f64 / 64.0 - 5000.0),
        _ => (random.below(300) as i64 - 100).to_string(),
    }
}

fn string(random: &mut Random) -> String {
    const SOME: &[&str] = &[
        "''",
        "'m1'",
        "'a\\r\\nb'",
        "'\\0\\255'",
        "'12'",
        "'1.50'",
        "' 7'",
        "'0x1p4'",
        "'ERR x'",
        "'\\226\\130\\172'",
        "'quote\"back\\\\slash/'",
        "'\\t\\8\\31\\127'",
        "('x'):rep(300)",
        "'hash:1'",
        "'nan'",
        "'inf'",
    ];
    (*random.pick(SOME)).to_owned()
}

/// A list, perhaps with gaps, or with one named field (two would come in an order of their own).
fn list(random: &mut Random, depth: u64) -> String {
    if random.one_in(6) {
        return format!(
            "{{{} = {}}}",
            random.pick(&["a", "ok_", "f1", "['x y']", "[5]", "[1.5]", "[true]"]),
            value(random, depth - 1)
        );
    }
    let items: Vec<String> = (0..random.below(5)).map(|_| value(random, depth - 1)).collect();
    format!("{{{}}}", items.join(", "))
}

fn value(random: &mut Random, depth: u64) -> String {
    if depth == 0 {
        return match random.below(6) {
            0 => "nil".into(),
            1 => (*random.pick(&["true", "false"])).to_owned(),
            2 | 3 => number(random),
            _ => string(random),
        };
    }
    let inner = |random: &mut Random| value(random, depth - 1);
    match random.below(36) {
        0 => "nil".into(),
        1 => (*random.pick(&["true", "false"])).to_owned(),
        2 | 3 => number(random),
        4 | 5 => string(random),
        6..=10 => list(random, depth),
        11 => format!("{{ok = {}}}", string(random)),
        12 => format!("{{err = {}}}", string(random)),
        13 => format!("redis.{}({})", random.pick(&["status_reply", "error_reply"]), inner(random)),
        14 => format!("{{double = {}}}", inner(random)),
        15 => format!(
            "{{big_number = {}}}",
            random.pick(&["'123'", "'-99999999999999999999'", "5", "'a\\r\\nb'", "''"])
        ),
        16 => format!("{{map = {{[{}] = {}}}}}", random.pick(&["'k'", "1", "true", "1.5"]), inner(random)),
        17 => format!("{{set = {{[{}] = true}}}}", random.pick(&["'k'", "1", "true", "1.5"])),
        18 => format!(
            "{{verbatim_string = {{format = {}, string = {}}}}}",
            random.pick(&["'txt'", "'mkd'", "'long'", "'x'", "5"]),
            string(random)
        ),
        19 => format!("tostring({})", value(random, 0)),
        20 => format!("tonumber({})", inner(random)),
        21 => format!(
            "string.format('{}', {})",
            random.pick(&["%.17g", "%s", "%d", "%5.1f", "%q", "%x"]),
            inner(random)
        ),
        22 => format!("redis.sha1hex({})", value(random, 0)),
        23 | 24 => bits(random),
        25 | 26 => format!("cjson.encode({})", without_pairs(random, depth - 1)),
        27 | 28 => format!("cjson.decode({})", json(random)),
        29 | 30 => format!("cmsgpack.unpack(cmsgpack.pack({}))", inner(random)),
        31 => format!("cmsgpack.pack({})", without_pairs(random, depth - 1)),
        32 | 33 => structs(random),
        34 => format!(
            "({} {} {})",
            value(random, 0),
            random.pick(&["+", "..", "*", "==", "/", "%", "and", "or"]),
            value(random, 0)
        ),
        _ => format!("#{}", inner(random)),
    }
}

/// A value in which no table has two named fields: they have an order of their own in each server.
fn without_pairs(random: &mut Random, depth: u64) -> String {
    loop {
        let text = value(random, depth);
        if !text.contains("verbatim_string") {
            return text;
        }
    }
}

fn bits(random: &mut Random) -> String {
    let (first, second) = (number(random), number(random));
    match random.below(3) {
        0 => format!("bit.{}({first})", random.pick(&["bnot", "bswap", "tobit", "tohex"])),
        1 => format!(
            "bit.{}({first}, {second})",
            random.pick(&["lshift", "rshift", "arshift", "rol", "ror", "tohex"])
        ),
        _ => format!("bit.{}({first}, {second})", random.pick(&["band", "bor", "bxor"])),
    }
}

fn json(random: &mut Random) -> String {
    const SOME: &[&str] = &[
        "[1,2.5,-3e2,\"x\",true,false,null]",
        "{\"a\":1}",
        "{\"a\":{\"b\":[1,{\"c\":null}]}}",
        "\"\\\\u0041\\\\u20ac\\\\ud83d\\\\ude00\\\\n\"",
        "[1,2",
        "{\"a\" 1}",
        "[1,]",
        "nul",
        "[0x10, 1e400]",
        "[01]",
        "\"\\\\ud83d\"",
        "\"\\\\x\"",
        "{1:2}",
        " [ ] ",
        "123456789012345678901",
        "[nan, -inf]",
        "[1] x",
        "\"\\1\"",
        "[[[[[[]]]]]]",
        "tru",
        "-",
        "{\"a\":1,}",
    ];
    format!("'{}'", random.pick(SOME))
}

fn structs(random: &mut Random) -> String {
    const FORMATS: &[&str] = &[
        "b", "B", "h", "H", "i", "I", "l", "L", "i2", "I3", "I8", "f", "d", "s", "c3", "c0", "x", "!4", "!8",
        "T", "i16", "z", " ",
    ];
    let mut format = (*random.pick(&["", "<", ">", "=", ">!4", "<!8", "!"])).to_owned();
    let count = 1 + random.below(4);
    (0..count).for_each(|_| format += *random.pick(FORMATS));
    match random.below(3) {
        0 => format!("struct.size('{format}')"),
        1 => format!(
            "{{struct.unpack('{format}', {})}}",
            random.pick(&["'abcdefghijklmnop'", "'\\0\\1\\2\\3\\0\\255'", "''"])
        ),
        _ => {
            let values: Vec<String> = (0..count + random.below(2)).map(|_| value(random, 0)).collect();
            format!("struct.pack('{format}', {})", values.join(", "))
        }
    }
}
