//! HIMPORT: what a connection prepares for HIMPORT SET.
//!
//! Owns the answers. Never makes a hash: see [`commands::Fieldsets`].

use commands::CommandError;
use protocol::Reply;

use super::{Answered, Call, Then};
use crate::admission;

/// HIMPORT PREPARE fieldset-name field [field ...]
pub(super) fn prepare(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if call.node.upstream.is_writable() && call.node.eviction.is_full() {
        return Err(CommandError::new(admission::OOM));
    }
    call.session.fieldsets_mut().prepare(call.args)?;
    reply.ok();
    Ok(Then::Continue)
}

/// HIMPORT DISCARD fieldset-name
pub(super) fn discard(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let has_some = call.session.fieldsets().is_some();
    reply.int((has_some && call.session.fieldsets_mut().discard(call.args.get(0))).into());
    Ok(Then::Continue)
}

/// HIMPORT DISCARDALL
pub(super) fn discard_all(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let discarded = call.session.take_fieldsets();
    reply.len_int(discarded.map_or(0, |fieldsets| fieldsets.len()));
    Ok(Then::Continue)
}
