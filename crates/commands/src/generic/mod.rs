//! Keys of any kind: whether they are there, what they hold, and what removes them.
//!
//! Owns what does not care what a value is. Never looks inside one.

mod expire;
mod flush;
mod moving;
mod object;
mod scan;

pub(crate) use expire::{expire, expireat, expiretime, persist, pexpire, pexpireat, pexpiretime, pttl, ttl};
pub(crate) use flush::{flushall, flushdb, swapdb};
pub(crate) use moving::{copy, move_, rename, renamenx};
pub(crate) use object::{
    memory_usage, object_encoding, object_freq, object_help, object_idletime, object_refcount,
};
pub(crate) use scan::{keys, scan};

use protocol::{Args, Reply};

use crate::context::{ReadContext, WriteContext};
use crate::error::CommandError;

type Done = Result<(), CommandError>;

/// DEL key [key …]
pub(crate) fn del(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let _exclusive = (args.len() > 1).then(|| ctx.writer.close_gate());
    let removed = args.iter().filter(|key| ctx.db.remove(key)).count();
    reply.len_int(removed);
    Ok(())
}

/// UNLINK key [key …]: here every big value is freed in the background.
pub(crate) fn unlink(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    del(ctx, args, reply)
}

/// EXISTS key [key …]
pub(crate) fn exists(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let count = match args.as_slice() {
        [key] => usize::from(ctx.db.contains(key)),
        keys => {
            ctx.names(keys.len())?;
            ctx.db.untouching().get_many(keys).iter().flatten().count()
        }
    };
    reply.len_int(count);
    Ok(())
}

/// TOUCH key [key …]
pub(crate) fn touch(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    ctx.names(args.len())?;
    reply.len_int(ctx.db.get_many(args.as_slice()).iter().flatten().count());
    Ok(())
}

/// TYPE key
pub(crate) fn type_(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    match ctx.db.peek(args.get(0)) {
        Some(found) => reply.simple(&found.type_name()),
        None => reply.simple("none"),
    }
    Ok(())
}

/// DBSIZE
pub(crate) fn dbsize(ctx: &ReadContext<'_>, _: Args<'_>, reply: &mut Reply) -> Done {
    reply.len_int(ctx.db.len());
    Ok(())
}

/// RANDOMKEY
pub(crate) fn randomkey(ctx: &ReadContext<'_>, _: Args<'_>, reply: &mut Reply) -> Done {
    reply.bulk_or_null(ctx.db.random_key().as_deref());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Session;

    #[test]
    fn transcripts_of_a_real_server() {
        Session::new().transcript(include_str!("../../tests/transcripts/generic.txt"));
    }
}
