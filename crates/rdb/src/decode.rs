//! The decoder: bytes in, one [`Item`] out; suspends anywhere and resumes exactly there.
//!
//! Owns where in the file we are. Never keeps a byte of the input between calls (but for the checksum's block);
//! never looks at the inside of a packed blob; never allocates more than a bounded multiple of what has arrived.

mod plain;
mod run;
mod stream;

use run::RunState;

use crate::RdbError;
use crate::crc64;
use crate::flavour::{self, Flavour, HEADER_BYTES};
use crate::item::{Item, Key, Run, Step, Str, Whole, write_int};
use crate::listpack;
use crate::lzf;
use crate::module::ModuleId;
use crate::opcode::{self, Code, Type};
use crate::reader::{Raw, Reader, Stop, corrupt};
use crate::template::{Template, Templates};

/// A scratch above this is given back before it is used again for something smaller.
const SCRATCH_KEPT_BYTES: usize = 1 << 20;

/// Files before this version end with the EOF opcode.
const CHECKSUM_SINCE: u32 = 5;

/// Reads one RDB, or one DUMP payload.
///
/// ```
/// use rdb::{Decoder, Item, Step};
///
/// let file = b"REDIS0006\x00\x01k\x02hi\xff\0\0\0\0\0\0\0\0";
/// let (mut decoder, mut at, mut keys) = (Decoder::new(), 0, 0);
/// loop {
///     match decoder.next(&file[at..])? {
///         Step::Item { item, used } => {
///             at += used;
///             keys += usize::from(matches!(item, Item::Whole { .. }));
///         }
///         Step::More { .. } => return Err(decoder.truncated(file.len() as u64)),
///         Step::Done => break,
///     }
/// }
/// assert_eq!(keys, 1);
/// # Ok::<(), rdb::RdbError>(())
/// ```
pub struct Decoder {
    state: State,
    /// What the file says of itself.
    flavour: Flavour,
    version: u32,
    /// Where in the file the next byte stands.
    at: u64,
    /// Where unpacked strings, and names that were stored as integers, lie until the next call.
    scratch: Scratch,
    /// What came before a key and was passed over already.
    carried: Carried,
    /// The hash templates of the file.
    templates: Templates,
    /// None: the checksum is not wanted.
    sum: Option<crc64::Running>,
    /// What was being read when there were too few bytes.
    wanted: &'static str,
}

/// Two strings at most are unpacked for one item: a key and its value, a field and its value.
#[derive(Default)]
pub(crate) struct Scratch {
    first: Vec<u8>,
    second: Vec<u8>,
}

/// What stood before a key: its deadline and so on. The name is empty.
type Carried = Key<'static>;

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The header.
    Start,
    /// An opcode, or a key's type.
    Top,
    /// The type of a DUMP payload.
    Payload,
    /// The next piece of something that comes in many, and what comes after them.
    Run(RunState, Then),
    Done,
}

/// What comes after many pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Top,
    Payload,
    Done,
}

impl From<Then> for State {
    fn from(then: Then) -> State {
        match then {
            Then::Top => State::Top,
            Then::Payload => State::Payload,
            Then::Done => State::Done,
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

impl Decoder {
    /// Reads a whole RDB, header to checksum.
    pub fn new() -> Self {
        Decoder {
            state: State::Start,
            flavour: Flavour::Redis,
            version: 0,
            at: 0,
            scratch: Scratch::default(),
            carried: Carried::default(),
            templates: Templates::default(),
            sum: Some(crc64::Running::new()),
            wanted: "the header",
        }
    }

    /// Reads a whole RDB and leaves its checksum unchecked.
    pub fn without_checksum() -> Self {
        Decoder { sum: None, ..Decoder::new() }
    }

    /// Reads the value of a DUMP payload: its type byte and what follows, without the footer.
    pub fn payload(flavour: Flavour, version: u32) -> Self {
        Decoder {
            state: State::Payload,
            flavour,
            version,
            wanted: "a value's type",
            ..Decoder::without_checksum()
        }
    }

    /// Reads the libraries of a FUNCTION DUMP payload, without the footer.
    pub fn functions(flavour: Flavour, version: u32) -> Self {
        Decoder { state: State::Top, flavour, version, ..Decoder::without_checksum() }
    }

    /// How many bytes were taken.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Whose file it is; known once [`Item::Header`] was given.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The error when no more bytes come although the end was not reached: `bytes` is how many there were in all,
    /// for those of an item that is not whole are counted by who keeps them.
    pub fn truncated(&self, bytes: u64) -> RdbError {
        RdbError::Truncated { what: self.wanted, at: bytes.max(self.at) }
    }

    /// Whether the end was given.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Reads the next item off the front of `input`, which goes on where the last item ended.
    ///
    /// # Errors
    /// [`RdbError`] when the bytes are not what the format wants. The decoder is of no use afterwards.
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> Result<Step<'a>, RdbError> {
        // Most keys and elements of most files: it halves what they cost (37 to 16 ns for a short string).
        if let Some((item, used)) = self.next_plain(input) {
            if let Some(sum) = &mut self.sum {
                sum.advance(input, used);
            }
            self.at = self.at.saturating_add(used as u64);
            return Ok(Step::Item { item, used });
        }
        self.next_of_any_kind(input)
    }

    /// The next item, if it is of a common kind and lies there whole and plain.
    #[inline]
    fn next_plain<'a>(&mut self, input: &'a [u8]) -> Option<(Item<'a>, usize)> {
        let (item, rest) = match &mut self.state {
            State::Top if self.carried == Carried::default() => plain::key(input)?,
            State::Run(RunState::Elements { left: left @ 1.. }, _) => {
                let (element, rest) = plain::value(input)?;
                *left -= 1;
                (Item::Element(element), rest)
            }
            State::Run(RunState::Fields { left: left @ 1.. }, _) => {
                let (field, rest) = plain::value(input)?;
                let (value, rest) = plain::value(rest)?;
                *left -= 1;
                (Item::Field { field, value, deadline: None }, rest)
            }
            _ => return None,
        };
        Some((item, input.len() - rest.len()))
    }

    /// The next item, whatever it is.
    fn next_of_any_kind<'a>(&'a mut self, input: &'a [u8]) -> Result<Step<'a>, RdbError> {
        let mut reader = Reader::new(input, self.at);
        let Decoder { state, flavour, version, at, scratch, carried, templates, sum, wanted } = self;
        let outcome = match *state {
            State::Top => {
                let place = Place { scratch, state, carried, templates, then: Then::Top };
                top(&mut reader, place, *flavour, *version)
            }
            State::Run(run, then) => run::next(&mut reader, scratch, templates, run).map(|(item, next)| {
                *state = match next {
                    Some(run) => State::Run(run, then),
                    None => then.into(),
                };
                item
            }),
            State::Start => header(&mut reader).map(|found| {
                (*flavour, *version) = found;
                *state = State::Top;
                if *version < CHECKSUM_SINCE {
                    *sum = None;
                }
                Item::Header { flavour: *flavour, version: *version }
            }),
            State::Payload => {
                let place = Place { scratch, state, carried, templates, then: Then::Done };
                payload(&mut reader, place, *flavour, *version)
            }
            State::Done => return Ok(Step::Done),
        };
        match outcome {
            Ok(item) => {
                let used = reader.used();
                if let Some(sum) = sum {
                    if matches!(item, Item::End) {
                        check(sum, input, used)?;
                    } else {
                        sum.advance(input, used);
                    }
                }
                *at = at.saturating_add(used as u64);
                Ok(Step::Item { item, used })
            }
            Err(Stop::More(needed)) => {
                *wanted = reader.what;
                Ok(Step::More { wanted: needed })
            }
            Err(Stop::Bad(error)) => Err(*error),
        }
    }
}

/// The first nine bytes.
fn header(reader: &mut Reader<'_>) -> Result<(Flavour, u32), Stop> {
    let header = reader.bytes::<HEADER_BYTES>("the header")?;
    flavour::of_header(&header).map_err(|error| Stop::Bad(Box::new(error)))
}

/// Compares the checksum, the last eight of the `used` bytes. Zero: the writer had checksums off.
#[cold]
fn check(sum: &mut crc64::Running, input: &[u8], used: usize) -> Result<(), RdbError> {
    let (before, rest) = input.split_at_checked(used.saturating_sub(8)).unwrap_or_default();
    sum.advance(input, before.len());
    let stored = rest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let computed = sum.finish();
    if stored != 0 && stored != computed {
        return Err(RdbError::Checksum { stored, computed });
    }
    Ok(())
}

/// What reading at the level of keys changes, once all of an item has arrived.
struct Place<'a> {
    scratch: &'a mut Scratch,
    state: &'a mut State,
    carried: &'a mut Carried,
    templates: &'a mut Templates,
    /// What comes after a value.
    then: Then,
}

/// A key with its value, or with what opens it; or something else at its level.
fn top<'a>(
    reader: &mut Reader<'a>,
    place: Place<'a>,
    flavour: Flavour,
    version: u32,
) -> Result<Item<'a>, Stop> {
    let mut key: Carried = *place.carried;
    // What stands before a key is read with it. Each at most once, so that a file of nothing else cannot make us
    // look at the same bytes again and again.
    loop {
        let code_at = reader.at();
        let code = reader.byte("an opcode")?;
        let fresh = match opcode::meaning(code, flavour) {
            Code::Type(r#type) => {
                let name = reader.string("a key")?;
                return keyed(reader, place, r#type, key, Some(name));
            }
            Code::DeadlineMillis => {
                let millis = i64::from_le_bytes(reader.bytes("a key's deadline")?);
                key.deadline.replace(millis).is_none()
            }
            Code::DeadlineSeconds => {
                let seconds = i32::from_le_bytes(reader.bytes("a key's deadline")?);
                key.deadline.replace(i64::from(seconds) * 1000).is_none()
            }
            Code::Idle => key.idle.replace(reader.length("a key's idle time")?).is_none(),
            Code::Frequency => key.frequency.replace(reader.byte("a key's access frequency")?).is_none(),
            Code::KeyMeta => {
                let item = key_meta(reader, place.state, Then::Top)?;
                *place.carried = key;
                return Ok(item);
            }
            Code::Refused(name) => {
                return Err(Stop::Bad(Box::new(RdbError::RefusedType { name, code, at: code_at })));
            }
            Code::Unknown => {
                return Err(Stop::Bad(Box::new(RdbError::UnknownType {
                    code,
                    at: code_at,
                    flavour,
                    version,
                })));
            }
            other if key == Key::default() => return aside(reader, place, other, version),
            _ => false,
        };
        if !fresh {
            return Err(corrupt("what stands before a key", code_at));
        }
    }
}

/// What modules hung on the key that follows.
fn key_meta(reader: &mut Reader<'_>, state: &mut State, then: Then) -> Result<Item<'static>, Stop> {
    let classes = reader.length("a key's metadata")?;
    *state = State::Run(RunState::KeyMeta { left: classes }, then);
    Ok(Item::KeyMeta { classes })
}

/// What stands between keys.
#[cold]
fn aside<'a>(reader: &mut Reader<'a>, place: Place<'a>, code: Code, version: u32) -> Result<Item<'a>, Stop> {
    let Place { scratch, state, templates, .. } = place;
    Ok(match code {
        Code::Aux => {
            let (name, value) = (reader.string("an aux name")?, reader.string("an aux value")?);
            let (name, value) = both(scratch, name, value)?;
            Item::Aux { name, value }
        }
        Code::SelectDb => {
            let at = reader.at();
            let index = reader.length("a database's number")?;
            Item::SelectDb(u32::try_from(index).map_err(|_| corrupt("a database's number", at))?)
        }
        Code::ResizeDb => Item::ResizeDb {
            keys: reader.length("a database's size")?,
            expires: reader.length("a database's size")?,
        },
        Code::SlotInfo => Item::SlotInfo {
            slot: reader.length("a slot's size")?,
            keys: reader.length("a slot's size")?,
            expires: reader.length("a slot's size")?,
        },
        Code::SlotImport => {
            let job = reader.string("an import of slots")?;
            let ranges = reader.length("an import of slots")?;
            let job = string(&mut scratch.first, job)?;
            *state = State::Run(RunState::SlotRanges { left: ranges }, Then::Top);
            Item::SlotImport { job, ranges }
        }
        Code::Template => {
            let number = reader.length("a hash template's number")?;
            let fields = reader.length("a hash template's size")?;
            templates.open.clear();
            *state = State::Run(RunState::Template { left: fields, number }, Then::Top);
            Item::Template { number, fields }
        }
        Code::Function => {
            let source = reader.string("a function library")?;
            Item::Function(bytes(&mut scratch.first, source)?)
        }
        Code::ModuleAux => {
            let module = ModuleId(reader.length("a module's id")?);
            let at = reader.at();
            // The moment is written as a module's integer.
            if reader.length("a module's data")? != 2 {
                return Err(corrupt("a module's data", at));
            }
            let when = reader.length("a module's data")?;
            *state = State::Run(RunState::Module, Then::Top);
            Item::ModuleAux { module, when }
        }
        Code::End => {
            if version >= CHECKSUM_SINCE {
                reader.bytes::<8>("the checksum")?;
            }
            *state = State::Done;
            Item::End
        }
        _ => return Err(reader.corrupt("an opcode")),
    })
}

/// A DUMP payload's value.
fn payload<'a>(
    reader: &mut Reader<'a>,
    place: Place<'a>,
    flavour: Flavour,
    version: u32,
) -> Result<Item<'a>, Stop> {
    let at = reader.at();
    let code = reader.byte("a value's type")?;
    match opcode::meaning(code, flavour) {
        Code::Type(r#type) => keyed(reader, place, r#type, Key::default(), None),
        Code::KeyMeta => key_meta(reader, place.state, Then::Payload),
        Code::Refused(name) => Err(Stop::Bad(Box::new(RdbError::RefusedType { name, code, at }))),
        _ => Err(Stop::Bad(Box::new(RdbError::UnknownType { code, at, flavour, version }))),
    }
}

/// A key's value, or what opens it.
#[inline]
fn keyed<'a>(
    reader: &mut Reader<'a>,
    place: Place<'a>,
    r#type: Type,
    key: Carried,
    name: Option<Raw<'a>>,
) -> Result<Item<'a>, Stop> {
    let Place { scratch: Scratch { first, second }, state, carried, templates, then } = place;
    let value = match r#type {
        Type::Text => {
            let value = reader.string("a string")?;
            Whole::Text(string(second, value)?)
        }
        Type::Packed(packing) => {
            let blob = reader.string("a packed value")?;
            Whole::Packed(packing, bytes(second, blob)?)
        }
        Type::PackedEx => {
            // The soonest deadline; the blob is sorted by it, so it tells nothing new.
            reader.bytes::<8>("a hash's soonest deadline")?;
            let blob = reader.string("a packed value")?;
            Whole::Packed(crate::Packing::HashListpackEx, bytes(second, blob)?)
        }
        Type::Templated { numbered: true, packed: true } => {
            let at = reader.at();
            let blob = reader.string("a packed value")?;
            let blob = bytes(second, blob)?;
            // The first element is the template's number.
            let number = listpack::Elements::of(blob).and_then(|mut elements| elements.next());
            let template = match number {
                Some(Str::Int(number)) => templates.get(number.cast_unsigned()),
                _ => None,
            };
            Whole::Templated(template.ok_or_else(|| corrupt("a hash template's number", at))?, blob)
        }
        Type::Templated { numbered: false, packed } => {
            let at = reader.at();
            match reader.byte("a hash template")? {
                NAMES_IN_LISTPACK => {
                    let names = reader.string("a hash template")?;
                    let blob = if packed { Some(reader.string("a packed value")?) } else { None };
                    if !templates.open.read_listpack(bytes(second, names)?) {
                        return Err(corrupt("a hash template", at));
                    }
                    match blob {
                        Some(blob) => Whole::Templated(&templates.open, bytes(second, blob)?),
                        None => {
                            let count = templates.open.len();
                            *state = State::Run(RunState::Templated { index: 0, count, number: None }, then);
                            return opened(first, key, name, carried, Run::Hash(count as u64));
                        }
                    }
                }
                NAMES_ONE_BY_ONE => {
                    let left = reader.length("a hash template's size")?;
                    templates.open.clear();
                    *state = State::Run(RunState::TemplateInside { left, packed }, then);
                    return opened(first, key, name, carried, Run::Hash(left));
                }
                _ => return Err(corrupt("a hash template", at)),
            }
        }
        _ => {
            let (run, next) = open(reader, templates, r#type)?;
            *state = State::Run(next, then);
            return opened(first, key, name, carried, run);
        }
    };
    let mut key: Key<'a> = key;
    if let Some(name) = name {
        key.name = bytes(first, name)?;
    }
    *carried = Carried::default();
    *state = then.into();
    Ok(Item::Whole { key, value })
}

/// How the names of a template that stands in a value are written.
const NAMES_IN_LISTPACK: u8 = 0;
const NAMES_ONE_BY_ONE: u8 = 1;

/// A key whose value comes in pieces.
fn opened<'a>(
    room: &'a mut Vec<u8>,
    key: Carried,
    name: Option<Raw<'a>>,
    carried: &mut Carried,
    run: Run,
) -> Result<Item<'a>, Stop> {
    let mut key: Key<'a> = key;
    if let Some(name) = name {
        key.name = bytes(room, name)?;
    }
    *carried = Carried::default();
    Ok(Item::Open { key, run })
}

/// What a value of many pieces begins with.
fn open(reader: &mut Reader<'_>, templates: &Templates, r#type: Type) -> Result<(Run, RunState), Stop> {
    Ok(match r#type {
        Type::List => {
            let left = reader.length("a list's length")?;
            (Run::List(left), RunState::Elements { left })
        }
        Type::Set => {
            let left = reader.length("a set's size")?;
            (Run::Set(left), RunState::Elements { left })
        }
        Type::SortedSet { text } => {
            let left = reader.length("a sorted set's size")?;
            (Run::SortedSet(left), RunState::Scored { left, text })
        }
        Type::Hash => {
            let left = reader.length("a hash's size")?;
            (Run::Hash(left), RunState::Fields { left })
        }
        Type::HashDeadlines => {
            let soonest = i64::from_le_bytes(reader.bytes("a hash's soonest deadline")?);
            let left = reader.length("a hash's size")?;
            (Run::Hash(left), RunState::FieldsAfterDeadline { left, soonest })
        }
        Type::HashDeadlinesAfter => {
            let left = reader.length("a hash's size")?;
            (Run::Hash(left), RunState::FieldsBeforeDeadline { left })
        }
        Type::ListNodes { marked } => {
            let left = reader.length("a list's nodes")?;
            (Run::ListNodes(left), RunState::Nodes { left, marked })
        }
        Type::Stream { version } => {
            let left = reader.length("a stream's nodes")?;
            (Run::Stream, RunState::Stream(version, stream::At::Nodes { left }))
        }
        Type::Module => {
            let module = ModuleId(reader.length("a module's id")?);
            (Run::Module(module), RunState::Module)
        }
        Type::Array => {
            let count = reader.length("an array's size")?;
            let at = reader.at();
            let last_insert = match reader.byte("an array's place of insertion")? {
                0 => None,
                1 => Some(reader.length("an array's place of insertion")?),
                _ => return Err(corrupt("an array's place of insertion", at)),
            };
            (Run::Array { count, last_insert }, RunState::Array { left: count })
        }
        Type::Templated { numbered: true, packed: false } => {
            let at = reader.at();
            let number = reader.length("a hash template's number")?;
            let count = templates.get(number).map(Template::len);
            let count = count.ok_or_else(|| corrupt("a hash template's number", at))?;
            (Run::Hash(count as u64), RunState::Templated { index: 0, count, number: Some(number) })
        }
        Type::Text | Type::Packed(_) | Type::PackedEx | Type::Templated { .. } => {
            return Err(reader.corrupt("a type"));
        }
    })
}

/// The string that lies there, integers as such.
#[inline]
fn string<'a>(room: &'a mut Vec<u8>, raw: Raw<'a>) -> Result<Str<'a>, Stop> {
    Ok(match raw {
        Raw::Plain(bytes) => Str::Bytes(bytes),
        Raw::Int(value) => Str::Int(value),
        Raw::Lzf { packed, len, at } => Str::Bytes(unpack(room, packed, len, at)?),
    })
}

/// The bytes of the string that lies there.
#[inline]
fn bytes<'a>(room: &'a mut Vec<u8>, raw: Raw<'a>) -> Result<&'a [u8], Stop> {
    match raw {
        Raw::Plain(bytes) => Ok(bytes),
        Raw::Int(value) => {
            room.clear();
            room.extend_from_slice(write_int(value, &mut [0; 20]));
            Ok(room)
        }
        Raw::Lzf { packed, len, at } => unpack(room, packed, len, at),
    }
}

/// Two strings.
#[inline]
fn both<'a>(scratch: &'a mut Scratch, first: Raw<'a>, second: Raw<'a>) -> Result<(Str<'a>, Str<'a>), Stop> {
    Ok((string(&mut scratch.first, first)?, string(&mut scratch.second, second)?))
}

fn unpack<'a>(room: &'a mut Vec<u8>, packed: &[u8], len: usize, at: u64) -> Result<&'a [u8], Stop> {
    if room.capacity() > SCRATCH_KEPT_BYTES && len <= SCRATCH_KEPT_BYTES {
        *room = Vec::new();
    }
    lzf::unpack(packed, len, room).map_err(|_| corrupt("a compressed string", at))?;
    Ok(room)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The short way and the long way read the same, whatever stands there.
        #[test]
        fn what_is_plain_is_read_as_anything_else(
            mut bytes in prop::collection::vec(any::<u8>(), 0..400),
            lead in prop::sample::select(vec![&b"\x00\x05"[..], b"\xfc12345678\x00\x03", b"\x00\x40\x50", b"\x05"]),
            state in prop::sample::select(vec![
                State::Top,
                State::Run(RunState::Elements { left: 2 }, Then::Top),
                State::Run(RunState::Fields { left: 1 }, Then::Done),
            ]),
        ) {
            // Make the short way likely.
            bytes.splice(..0, lead.iter().copied());
            for end in 0..bytes.len() {
                let read = |short: bool| {
                    let mut decoder = Decoder { state, version: 11, ..Decoder::new() };
                    let input = &bytes[..end];
                    let step = if short { decoder.next(input) } else { decoder.next_of_any_kind(input) };
                    let step = step.map(|step| format!("{step:?}"));
                    (step, format!("{:?}", decoder.state), decoder.at)
                };
                prop_assert_eq!(read(true), read(false));
            }
        }
    }
}
