//! FUNCTION libraries, compiled: what each registers, and the functions by name.
//!
//! Owns the Lua state in which they live. The libraries themselves belong to the data set ([`storage::Functions`]);
//! this follows it. A library that cannot be loaded here has no functions, and stops nobody.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mlua::{Function, Lua, MultiValue, Table, Value};
use storage::Functions;

use crate::api::{self, Request, raised};
use crate::arguments::{Arguments, text_of};
use crate::boundary::Outcome;
use crate::boundary::service::{Given, Serve, Told, Word};
use crate::host::LogLevel;
use crate::pulse::Pulse;
use crate::shebang::ScriptFlags;
use crate::state::{Front, Identity, Purpose, State, missing};

/// So long a library's own code may run when it is loaded.
const LOAD_MAX: Duration = Duration::from_millis(500);

/// What a library has registered.
#[derive(Clone, Debug)]
pub struct Registered {
    /// How it is called.
    pub name: Vec<u8>,
    /// What its author says of it.
    pub description: Option<Vec<u8>>,
    /// What it says of itself.
    pub flags: ScriptFlags,
    pub(crate) callback: Callback,
}

/// Where a function stands among [`Libraries::callbacks`]: Rust may hold a few thousand of Lua's values at once, and
/// there may be more functions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callback {
    library: i64,
    place: usize,
}

/// A library, as far as it could be loaded.
#[derive(Debug)]
struct Loaded {
    code: Bytes,
    /// Its number among [`Libraries::callbacks`].
    number: i64,
    functions: Vec<Registered>,
}

impl Loaded {
    /// Whether it was loaded of this very text.
    fn is_of(&self, code: &Bytes) -> bool {
        std::ptr::eq(self.code.as_ptr(), code.as_ptr()) && self.code.len() == code.len()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Libraries {
    pub(crate) state: State,
    /// What a library finds while it is loaded.
    loading: Table,
    pulse: Arc<Pulse>,
    /// The functions of each library, by its number.
    callbacks: Table,
    /// The number of the library that was loaded last.
    last: i64,
    loaded: BTreeMap<Vec<u8>, Loaded>,
    /// Library and place of each function, by its name in lower case.
    places: HashMap<Vec<u8>, (Vec<u8>, usize)>,
}

/// What libraries write to the log while they are loaded.
pub type LogLine<'l> = &'l dyn Fn(LogLevel, &[u8]);

impl Libraries {
    pub(crate) fn new(identity: &Identity, pulse: Arc<Pulse>) -> mlua::Result<Libraries> {
        let state = State::new(Purpose::Libraries, identity, &pulse)?;
        let lua = &state.lua;
        let missing = missing(lua)?;
        let redis = api::loading_library(lua, state.served(), identity)?;
        redis.set_metatable(Some(missing.clone()))?;
        let front = Front::new(lua, &redis)?.table;
        let loading = lua.create_table()?;
        loading.raw_set("redis", &front)?;
        if identity.is_valkey() {
            loading.raw_set("server", front)?;
        }
        loading.set_metatable(Some(missing))?;
        let callbacks = lua.create_table()?;
        let (loaded, places) = (BTreeMap::new(), HashMap::new());
        Ok(Libraries { state, loading, pulse, callbacks, last: 0, loaded, places })
    }

    /// Whether these are the libraries that are loaded.
    pub(crate) fn follows(&self, functions: &Functions) -> bool {
        functions.len() == self.loaded.len()
            && functions.iter().all(|(name, library)| {
                self.loaded.get(name).is_some_and(|loaded| loaded.is_of(&library.code))
            })
    }

    /// Follows the data set: loads what is new there, drops what is gone. What cannot be loaded is given to `failed`.
    pub(crate) fn follow(
        &mut self,
        functions: &Functions,
        log: LogLine<'_>,
        mut failed: impl FnMut(&[u8], &[u8]),
    ) {
        if self.follows(functions) {
            return;
        }
        let callbacks = &self.callbacks;
        self.loaded.retain(|name, loaded| {
            let stays = functions.get(name).is_some_and(|library| loaded.is_of(&library.code));
            if !stays {
                // To put nothing into a table takes no memory, and so does not fail.
                let _ = callbacks.raw_set(loaded.number, Value::Nil);
            }
            stays
        });
        for (name, library) in functions.iter() {
            if !self.loaded.contains_key(name) {
                let loaded = self.load(&library.code, log).and_then(|(functions, callbacks)| {
                    self.callbacks.raw_set(self.last, callbacks).map_err(internal)?;
                    Ok(functions)
                });
                let functions = loaded.unwrap_or_else(|error| {
                    failed(name, &error);
                    Vec::new()
                });
                let (code, number) = (library.code.clone(), self.last);
                self.loaded.insert(name.to_vec(), Loaded { code, number, functions });
            }
        }
        self.places.clear();
        for (name, loaded) in &self.loaded {
            for (place, function) in loaded.functions.iter().enumerate() {
                self.places.insert(function.name.to_ascii_lowercase(), (name.clone(), place));
            }
        }
    }

    /// Loads what is new in these libraries, which are about to be the data set's.
    ///
    /// # Errors
    /// Why one cannot be loaded, or cannot stand beside the others, in Redis' words. Then nothing has changed.
    pub(crate) fn check(&mut self, functions: &Functions, log: LogLine<'_>) -> Result<(), Vec<u8>> {
        let mut taken: HashSet<Vec<u8>> = HashSet::new();
        let mut fresh = Vec::new();
        for (name, library) in functions.iter() {
            if let Some(loaded) = self.loaded.get(name).filter(|loaded| loaded.code == library.code) {
                for function in &loaded.functions {
                    taken.insert(function.name.to_ascii_lowercase());
                }
            } else {
                fresh.push(library);
            }
        }
        for library in fresh {
            let (functions, _) = self.load(&library.code, log)?;
            if functions.is_empty() {
                return Err(b"ERR No functions registered".to_vec());
            }
            for function in &functions {
                if !taken.insert(function.name.to_ascii_lowercase()) {
                    return Err([b"ERR Function ", function.name.as_slice(), b" already exists"].concat());
                }
            }
        }
        Ok(())
    }

    /// The functions of a library.
    pub(crate) fn of(&self, library: &[u8]) -> &[Registered] {
        self.loaded.get(library).map_or(&[], |loaded| loaded.functions.as_slice())
    }

    /// The function of this name, in any case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Registered> {
        let (library, place) = self.places.get(&name.to_ascii_lowercase())?;
        self.loaded.get(library)?.functions.get(*place).cloned()
    }

    /// What is to be called.
    pub(crate) fn callback(&self, at: Callback) -> mlua::Result<Function> {
        self.callbacks.raw_get::<Table>(at.library)?.raw_get(at.place)
    }

    /// How many libraries there are.
    pub(crate) fn len(&self) -> usize {
        self.loaded.len()
    }

    /// How many functions there are.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    /// Bytes that the libraries' codes and names take.
    pub(crate) fn bytes(&self) -> usize {
        let of = |(name, loaded): (&Vec<u8>, &Loaded)| {
            let functions: usize = loaded
                .functions
                .iter()
                .map(|function| size_of::<Registered>() + function.name.len() * 2)
                .sum();
            name.len() + loaded.code.len() + functions + size_of::<Loaded>()
        };
        self.loaded.iter().map(of).sum()
    }

    /// Runs a library's own code, which registers its functions; gives the table in which they stand, too.
    fn load(&mut self, code: &[u8], log: LogLine<'_>) -> Result<(Vec<Registered>, Table), Vec<u8>> {
        // The first line is for FUNCTION LOAD; the body's lines are counted with it.
        let start = code.iter().position(|byte| *byte == b'\n').unwrap_or(code.len());
        let body = code.get(start..).unwrap_or_default();
        let compiled = self
            .state
            .compile(c"@user_function", body)
            .map_err(|text| [b"ERR Error compiling function: ", text.as_slice()].concat())?;
        self.last += 1;
        let callbacks = self.state.lua.create_table().map_err(internal)?;
        let mut loading = Loading { number: self.last, registered: Vec::new(), callbacks, log };
        self.state.turn_to(&self.loading).map_err(internal)?;
        self.pulse.load(LOAD_MAX);
        let ran = self.state.run(&compiled, Given::Nothing, &mut loading);
        let Loading { registered, callbacks, .. } = loading;
        let ended = self.pulse.over();
        self.state.turn_to(&self.state.globals).map_err(internal)?;
        let (ok, value) = ran.map_err(internal)?;
        if ok {
            return Ok((registered, callbacks));
        }
        let text = match (ended, &value) {
            (Some(end), _) => end.text().into_bytes(),
            (None, Value::Table(table)) => {
                let text = table.raw_get::<Value>("err").ok().as_ref().and_then(text_of);
                text.unwrap_or_else(|| b"ERR unknown error".to_vec())
            }
            (None, other) => text_of(other).unwrap_or_default(),
        };
        Err([b"ERR Error registering functions: ", text.as_slice()].concat())
    }
}

fn internal(error: mlua::Error) -> Vec<u8> {
    format!("ERR {error}").into_bytes()
}

/// Who serves a library's own code.
struct Loading<'l> {
    number: i64,
    registered: Vec<Registered>,
    callbacks: Table,
    log: LogLine<'l>,
}

impl Serve for Loading<'_> {
    fn call(&mut self, _: Request, _: &[Word<'_>]) -> Told {
        // It does not find what would come here.
        Told::Raised
    }

    fn answer(&self) -> &[u8] {
        b"ERR no command can be called while a library is loaded"
    }

    fn sizes_maps(&self) -> bool {
        false // no reply comes
    }

    fn ask(&mut self, lua: &Lua, request: Request, args: &Arguments) -> Outcome {
        match request {
            Request::Register => self.register(lua, args),
            _ => crate::run::log(lua, self.log, args, &crate::texts::REDIS),
        }
    }
}

/// What redis.register_function is given.
struct Declared {
    name: Vec<u8>,
    description: Option<Vec<u8>>,
    flags: ScriptFlags,
    callback: Function,
}

impl Loading<'_> {
    /// redis.register_function(name, callback), or with one table of names.
    fn register(&mut self, lua: &Lua, args: &Arguments) -> Outcome {
        let given = match args.len() {
            1 => named(args.get(1))?,
            2 => match (text_of(args.get(1)), args.get(2)) {
                (None, _) => Err("first argument to redis.register_function must be a string"),
                (Some(name), Value::Function(callback)) => Ok(Declared {
                    name,
                    description: None,
                    flags: ScriptFlags::default(),
                    callback: callback.clone(),
                }),
                (Some(_), _) => Err("second argument to redis.register_function must be a function"),
            },
            _ => Err("wrong number of arguments to redis.register_function"),
        };
        let Declared { name, description, flags, callback } = match given {
            Ok(given) => given,
            Err(text) => return raised(lua, text),
        };
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if name.is_empty() || !name.iter().all(is_name) {
            return raised(
                lua,
                "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
            );
        }
        if self.registered.iter().any(|other| other.name == name) {
            return raised(lua, "Function already exists in the library");
        }
        let place = self.registered.len() + 1;
        self.callbacks.raw_set(place, callback)?;
        let callback = Callback { library: self.number, place };
        self.registered.push(Registered { name, description, flags, callback });
        Ok(Ok(MultiValue::new()))
    }
}

/// What a table of names says.
fn named(value: &Value) -> mlua::Result<Result<Declared, &'static str>> {
    let Value::Table(table) = value else {
        return Ok(Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        ));
    };
    let (mut name, mut description, mut callback, mut flags) = (None, None, None, ScriptFlags::default());
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Some(key) = text_of(&key) else {
            return Ok(Err("named argument key given to redis.register_function is not a string"));
        };
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => match text_of(&value) {
                Some(text) => name = Some(text),
                None => {
                    return Ok(Err(
                        "function_name argument given to redis.register_function must be a string",
                    ));
                }
            },
            b"description" => match text_of(&value) {
                Some(text) => description = Some(text),
                None => {
                    return Ok(Err("description argument given to redis.register_function must be a string"));
                }
            },
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => {
                    return Ok(Err("callback argument given to redis.register_function must be a function"));
                }
            },
            b"flags" => {
                let Value::Table(words) = value else {
                    return Ok(Err(
                        "flags argument to redis.register_function must be a table representing function flags",
                    ));
                };
                for word in words.sequence_values::<Value>() {
                    if !text_of(&word?).is_some_and(|word| flags.add(&word)) {
                        return Ok(Err("unknown flag given"));
                    }
                }
            }
            _ => return Ok(Err("unknown argument given to redis.register_function")),
        }
    }
    Ok(match (name, callback) {
        (None, _) => Err("redis.register_function must get a function name argument"),
        (Some(_), None) => Err("redis.register_function must get a callback argument"),
        (Some(name), Some(callback)) => Ok(Declared { name, description, flags, callback }),
    })
}
