//! DIGEST: a string's XXH3, by which SET and DELEX compare without sending the value.
//!
//! Owns the digest's text. Never related to DEBUG DIGEST (see [`crate::digest`]).

use protocol::{Args, Reply};
use storage::value::TextRef;
use twox_hash::XxHash3_64;

use super::Done;
use crate::context::ReadContext;
use crate::error::CommandError;

/// How many hexadecimal digits a digest has.
const DIGITS: usize = 16;

/// The digest of a string's bytes.
pub(super) fn digest_of(text: TextRef<'_>) -> u64 {
    XxHash3_64::oneshot(text.bytes(&mut itoa::Buffer::new()))
}

/// A digest given as an argument; `None` when its 16 characters are no digest, which then equals none.
///
/// # Errors
/// When it has another length.
pub(super) fn parse_digest(argument: &[u8]) -> Result<Option<u64>, CommandError> {
    if argument.len() != DIGITS {
        return Err(CommandError::new("ERR must be exactly 16 hexadecimal characters"));
    }
    if !argument.iter().all(u8::is_ascii_hexdigit) {
        return Ok(None);
    }
    Ok(std::str::from_utf8(argument).ok().and_then(|text| u64::from_str_radix(text, 16).ok()))
}

/// DIGEST key
pub(crate) fn digest(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    match ctx.db.get(args.get(0)) {
        Some(found) => reply.bulk(format!("{:016x}", digest_of(found.text()?)).as_bytes()),
        None => reply.null(),
    }
    Ok(())
}
