//! The scripts that are known by their digest.
//!
//! Owns their texts, and which of them may be forgotten. Those that EVAL brought are, the one that was not used for the
//! longest time first; those of SCRIPT LOAD, and of a master's stream, are not: somebody counts on them.

use std::collections::HashMap;

use bytes::Bytes;
use mlua::Function;

use crate::api::sha1hex;
use crate::shebang::ScriptFlags;

/// So many scripts that EVAL brought are kept. Clients that build each script's text anew would take all memory.
const EVALUATED_MAX: usize = 500;

/// So many are kept compiled; the others are compiled again when they run. Rust may hold some 8,000 of Lua's values at
/// once, and what a script answers with needs up to 7,000 of them.
const COMPILED_MAX: usize = 500;

/// One script.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) text: Bytes,
    /// Of the old kind, it has none.
    pub(crate) flags: Option<ScriptFlags>,
    /// Where its body begins.
    pub(crate) body: usize,
    /// It is compiled when it runs first: see [`Cache::keep_compiled`].
    pub(crate) compiled: Option<Function>,
    /// Clients may call it.
    served: bool,
    /// The master's stream may.
    replayed: bool,
    /// It was loaded, so that it stays.
    loaded: bool,
    used: u64,
}

/// Who names a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A client's EVAL.
    Eval,
    /// A client's SCRIPT LOAD.
    Load,
    /// The master's stream.
    Stream,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    scripts: HashMap<String, Script>,
    evaluated: usize,
    /// How many were compiled since some of these were forgotten, at least.
    compiled: usize,
    clock: u64,
    /// How often some were kept or forgotten.
    pub(crate) changes: u64,
    /// Scripts that were forgotten.
    pub(crate) evicted: u64,
}

impl Cache {
    /// How many clients may call.
    pub(crate) fn count(&self) -> usize {
        self.scripts.values().filter(|script| script.served).count()
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        const ENTRY_BYTES: usize = size_of::<(String, Script)>() + 40;
        self.scripts.values().map(|script| script.text.len() + ENTRY_BYTES).sum()
    }

    /// Whether somebody may call the script of this digest.
    pub(crate) fn knows(&self, digest: &str, by: By) -> bool {
        self.scripts.get(digest).is_some_and(|script| match by {
            By::Stream => script.replayed,
            By::Eval | By::Load => script.served,
        })
    }

    /// What a script that somebody may call says of itself.
    pub(crate) fn flags(&self, digest: &str, by: By) -> Option<Option<ScriptFlags>> {
        if self.knows(digest, by) { self.scripts.get(digest).map(|script| script.flags) } else { None }
    }

    /// The script of this digest, which is used now.
    pub(crate) fn get(&mut self, digest: &str) -> Option<&mut Script> {
        self.clock += 1;
        let script = self.scripts.get_mut(digest)?;
        script.used = self.clock;
        Some(script)
    }

    /// Keeps what a known script was compiled to, in the place of those that were not used for the longest time.
    pub(crate) fn keep_compiled(&mut self, digest: &str, compiled: Function) {
        if self.compiled >= COMPILED_MAX {
            let mut used: Vec<(u64, &mut Script)> = self
                .scripts
                .values_mut()
                .filter(|script| script.compiled.is_some())
                .map(|script| (script.used, script))
                .collect();
            used.sort_unstable_by_key(|(used, _)| *used);
            // Half of them, so that it is not done with each.
            let forgotten = used.len().saturating_sub(COMPILED_MAX / 2);
            self.compiled = used.len() - forgotten;
            used.into_iter().take(forgotten).for_each(|(_, script)| script.compiled = None);
        }
        if let Some(script) = self.scripts.get_mut(digest) {
            script.compiled = Some(compiled);
            self.compiled += 1;
        }
    }

    /// Keeps a script, or notes who else names it.
    pub(crate) fn keep(
        &mut self,
        digest: &str,
        text: &[u8],
        flags: Option<ScriptFlags>,
        body: usize,
        by: By,
    ) {
        self.clock += 1;
        self.changes += 1;
        let used = self.clock;
        let is_new = !self.scripts.contains_key(digest);
        let script = self.scripts.entry(digest.to_owned()).or_insert_with(|| Script {
            text: Bytes::copy_from_slice(text),
            flags,
            body,
            compiled: None,
            served: false,
            replayed: false,
            loaded: false,
            used,
        });
        let was_evaluated = !is_new && !script.loaded;
        script.served = true;
        match by {
            By::Eval => {}
            By::Load => script.loaded = true,
            By::Stream => {
                script.loaded = true;
                script.replayed = true;
            }
        }
        match (was_evaluated, !script.loaded) {
            (false, true) => self.evaluated += 1,
            (true, false) => self.evaluated -= 1,
            _ => {}
        }
        if self.evaluated > EVALUATED_MAX {
            self.forget_one(digest);
        }
    }

    fn forget_one(&mut self, but: &str) {
        let candidates = self.scripts.iter().filter(|(digest, script)| !script.loaded && *digest != but);
        let oldest = candidates.min_by_key(|(_, script)| script.used).map(|(digest, _)| digest.clone());
        if let Some(oldest) = oldest {
            self.scripts.remove(&oldest);
            self.evaluated -= 1;
            self.evicted += 1;
        }
    }

    /// A client's SCRIPT FLUSH: what the stream may call stays for the stream.
    pub(crate) fn flush(&mut self) {
        self.changes += 1;
        self.scripts.retain(|_, script| script.replayed);
        self.scripts.values_mut().for_each(|script| script.served = false);
        self.evaluated = 0;
    }

    /// The master's SCRIPT FLUSH.
    pub(crate) fn flush_all(&mut self) {
        self.changes += 1;
        self.scripts.clear();
        self.evaluated = 0;
    }

    /// Another Lua state takes the place of the one in which they were compiled.
    pub(crate) fn state_is_gone(&mut self) {
        self.scripts.values_mut().for_each(|script| script.compiled = None);
        self.compiled = 0;
    }
}

/// A script's digest.
pub(crate) fn digest(text: &[u8]) -> String {
    sha1hex(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(cache: &mut Cache, text: &str, by: By) -> String {
        let digest = digest(text.as_bytes());
        cache.keep(&digest, text.as_bytes(), None, 0, by);
        digest
    }

    #[test]
    fn what_eval_brought_is_forgotten_and_nothing_else() {
        let mut cache = Cache::default();
        let loaded = keep(&mut cache, "loaded", By::Load);
        let replayed = keep(&mut cache, "replayed", By::Stream);
        let first = keep(&mut cache, "first", By::Eval);
        let second = keep(&mut cache, "second", By::Eval);
        for number in 0..EVALUATED_MAX - 2 {
            keep(&mut cache, &number.to_string(), By::Eval);
        }
        assert_eq!(cache.count(), EVALUATED_MAX + 2);
        assert!(cache.get(&first).is_some(), "used again");
        keep(&mut cache, "one more", By::Eval);
        assert_eq!((cache.count(), cache.evicted), (EVALUATED_MAX + 2, 1));
        assert!(!cache.knows(&second, By::Eval));
        for kept in [&loaded, &replayed, &first] {
            assert!(cache.knows(kept, By::Eval));
        }
    }

    #[test]
    fn a_clients_flush_leaves_what_the_stream_counts_on() {
        let mut cache = Cache::default();
        let loaded = keep(&mut cache, "loaded", By::Load);
        let replayed = keep(&mut cache, "replayed", By::Stream);
        cache.flush();
        assert!(!cache.knows(&loaded, By::Load) && !cache.knows(&replayed, By::Load));
        assert!(cache.knows(&replayed, By::Stream) && !cache.knows(&loaded, By::Stream));
        cache.flush_all();
        assert!(!cache.knows(&replayed, By::Stream));
    }
}
