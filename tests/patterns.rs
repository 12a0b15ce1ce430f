//! What scripts do with texts and tables: patterns above all, random ones, beside a real server.
//!
//! Our functions stand in the place of Lua's own where those take long, so what they answer and what is wrong with what they
//! are given is compared word by word, many calls by one EVAL.

use crate::harness::random::Random;
use crate::harness::{Client, Node};

/// Calls a function for each five arguments, and answers with one line for each.
const CALLING: &str = "
local function shown(ok, ...)
  local texts = {tostring(ok)}
  for i = 1, select('#', ...) do
    local value = select(i, ...)
    local kind = type(value)
    texts[#texts + 1] = kind .. ((kind == 'table' or kind == 'function') and '' or ' ' .. tostring(value))
  end
  return table.concat(texts, ' | ')
end
local replacements = {
  function(...) return select('#', ...) .. tostring((...)) end,
  function() end,
  function() return false end,
  function() return {} end,
  function() error('from the replacement') end,
  function(text) return (text:gsub('.', '%0%0')) end,
  {a = 'A', b = 1, [1] = 'one', c = false, d = {}},
  setmetatable({}, {__index = function(_, key) return '<' .. key .. '>' end}),
  tostring,
  type,
  7,
  0.1,
  true,
}
local function every(text, pattern)
  local all = {}
  for a, b, c in string.gmatch(text, pattern) do
    all[#all + 1] = tostring(a) .. ',' .. tostring(b) .. ',' .. tostring(c)
    if #all > 30 then break end
  end
  return unpack(all)
end
local function array(text)
  local all = {}
  for byte in text:gmatch('.') do all[#all + 1] = tonumber(byte) or byte end
  return all
end
local calls = {
  find = function(text, pattern, extra, number) return string.find(text, pattern, number, extra == 'plain') end,
  match = function(text, pattern, _, number) return string.match(text, pattern, number) end,
  method = function(text, pattern, _, number) return text:match(pattern, number) end,
  gmatch = every,
  gsub = function(text, pattern, extra, number)
    local chosen = tonumber(extra)
    if chosen then return string.gsub(text, pattern, replacements[chosen], number) end
    return string.gsub(text, pattern, extra, number)
  end,
  rep = function(text, _, _, number) return string.rep(text, number) end,
  case = function(text, pattern) return text:upper(), pattern:lower(), text:reverse() end,
  sub = function(text, _, extra, number) return text:sub(number, tonumber(extra)) end,
  format = function(text, pattern, _, number) return string.format(pattern, text, number) end,
  concat = function(text, pattern, extra, number) return table.concat(array(text), pattern, number, tonumber(extra)) end,
  insert = function(text, pattern, extra, number)
    local all = array(text)
    if number then table.insert(all, number, pattern) else table.insert(all, pattern) end
    return unpack(all, 0, #text + 2)
  end,
  remove = function(text, _, _, number)
    local all = array(text)
    return table.remove(all, number), table.maxn(all), unpack(all)
  end,
  sort = function(text, _, extra)
    local all = array(text)
    if extra == 'plain' then table.sort(all, function(a, b) return tostring(a) > tostring(b) end) else table.sort(all) end
    return unpack(all)
  end,
  tonumber = function(text, pattern, _, number) return tonumber(pattern), tonumber(text, number) end,
}
local answers = {}
for at = 1, #ARGV, 5 do
  answers[#answers + 1] =
    shown(pcall(calls[ARGV[at]], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])))
end
return answers";

const CALLS: &[&str] =
    &["rep", "case", "sub", "format", "concat", "insert", "remove", "sort", "tonumber", "method"];
const PATTERN_CALLS: &[&str] = &["find", "match", "gmatch", "gsub"];

/// What texts are made of: few bytes, so that patterns find something.
const BYTES: &[&[u8]] = &[
    b"a", b"b", b"a", b"b", b"c", b"1", b"0", b" ", b"(", b")", b"]", b"[", b"%", b"-", b"^", b"$", b"A",
    b"\0", b"\n", b"\x0b", b"\x7f", b"\x80", b"\xe9", b"\xff", b".", b"ab",
];

/// What patterns are made of.
const PARTS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"1",
    b".",
    b".",
    b"%a",
    b"%A",
    b"%d",
    b"%D",
    b"%s",
    b"%S",
    b"%w",
    b"%W",
    b"%x",
    b"%X",
    b"%p",
    b"%P",
    b"%c",
    b"%C",
    b"%l",
    b"%u",
    b"%U",
    b"%L",
    b"%z",
    b"%Z",
    b"%%",
    b"%.",
    b"%1",
    b"%2",
    b"%0",
    b"%b()",
    b"%bab",
    b"%baa",
    b"%b",
    b"%f[%a]",
    b"%f[^a]",
    b"%f[%z]",
    b"%f",
    b"%fa",
    b"[ab]",
    b"[^ab]",
    b"[a-c]",
    b"[]]",
    b"[^]]",
    b"[%a_]",
    b"[a-]",
    b"[-a]",
    b"[%-a]",
    b"[a-%a]",
    b"[%a-z]",
    b"[^%s]",
    b"[\x80-\xff]",
    b"[",
    b"[^",
    b"[a",
    b"[%",
    b"[]",
    b"(",
    b")",
    b"()",
    b"(a)",
    b"(.)",
    b"(.-)",
    b"^",
    b"$",
    b"%",
    b"\0",
    b"\xe9",
    b"%\xe9",
    b"-",
    b"+",
];
const REPEATS: &[&[u8]] = &[b"", b"", b"", b"*", b"+", b"-", b"?"];

fn pieces(random: &mut Random, of: &[&[u8]], most: u64) -> Vec<u8> {
    (0..random.below(most + 1)).flat_map(|_| random.pick(of).to_vec()).collect()
}

fn pattern(random: &mut Random) -> Vec<u8> {
    let mut pattern = if random.one_in(6) { b"^".to_vec() } else { Vec::new() };
    let mut open = 0;
    for _ in 0..=random.below(5) {
        if random.one_in(5) {
            pattern.push(b'(');
            open += 1;
        }
        pattern.extend_from_slice(random.pick::<&[u8]>(PARTS));
        pattern.extend_from_slice(random.pick::<&[u8]>(REPEATS));
        if open > 0 && random.one_in(2) {
            pattern.push(b')');
            open -= 1;
        }
    }
    if !random.one_in(10) {
        pattern.extend(std::iter::repeat_n(b')', open));
    }
    if random.one_in(8) {
        pattern.push(b'$');
    }
    pattern
}

fn call(random: &mut Random) -> [Vec<u8>; 5] {
    let is_pattern = !random.one_in(4);
    let name = *random.pick(if is_pattern { PATTERN_CALLS } else { CALLS });
    let formats: &[&[u8]] =
        &[b"%s", b"%5s|", b"%.2s", b"%q", b"%d", b"%5.1f", b"%s %d", b"%", b"%y", b"a%%b", b"%c"];
    let second = match name {
        "format" => random.pick(formats).to_vec(),
        "concat" | "insert" | "tonumber" => pieces(random, BYTES, 2),
        _ => pattern(random),
    };
    let extra = match random.below(4) {
        0 => b"plain".to_vec(),
        1 => random.below(14).to_string().into_bytes(),
        2 => pieces(random, &[b"%0", b"%1", b"%2", b"%9", b"%%", b"%", b"x", b"%a", b"\0"], 3),
        _ => random.pick(&[&b"<%0>"[..], b"<%1>", b"", b"-1", b"3"]).to_vec(),
    };
    let number =
        random.pick(&["", "", "", "0", "1", "2", "3", "-1", "-3", "50", "-50", "2.7"]).as_bytes().to_vec();
    [name.as_bytes().to_vec(), pieces(random, BYTES, 12), second, extra, number]
}

fn answers(client: &mut Client, calls: &[[Vec<u8>; 5]]) -> Vec<Vec<u8>> {
    let mut words: Vec<&[u8]> = vec![b"EVAL", CALLING.as_bytes(), b"0"];
    words.extend(calls.iter().flatten().map(Vec::as_slice));
    let answer = client.ask(&words);
    assert!(!answer.is_error(), "{answer:?}");
    answer.items().iter().map(|line| line.bytes().to_vec()).collect()
}

#[test]
fn patterns_and_tables_as_a_real_server_has_them() {
    let master = crate::master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let (mut theirs, mut ours) = (master.client(), node.client());
    let mut random = Random::from_env(1);
    let rounds: usize =
        std::env::var("NEARSIDE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let (mut found, mut wrong) = (0, 0);
    for _ in 0..rounds {
        let calls: Vec<[Vec<u8>; 5]> = (0..500).map(|_| call(&mut random)).collect();
        let (here, there) = (answers(&mut ours, &calls), answers(&mut theirs, &calls));
        assert_eq!(there.len(), calls.len());
        for ((here, there), call) in here.iter().zip(&there).zip(&calls) {
            let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
            assert_eq!(shown(here), shown(there), "{:?}", call.each_ref().map(|word| shown(word)));
            found += usize::from(there.starts_with(b"true | ") && !there.ends_with(b"nil"));
            wrong += usize::from(there.starts_with(b"false"));
        }
        assert_eq!(here.len(), there.len());
    }
    // Neither nothing but errors nor none.
    assert!(found > rounds * 150 && wrong > rounds * 30, "{found} {wrong}");
}
