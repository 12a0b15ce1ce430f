//! SUBSCRIBE and its kin, PUBLISH, PUBSUB: who hears what is said in channels.

use commands::CommandError;
use protocol::Reply;

use super::{Answered, Call, Then};
use crate::acl;
use crate::hub::Sort;

/// PUBSUB HELP
pub(super) const HELP: &[(&str, &str)] = &[
    ("PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("CHANNELS [<pattern>]", "The channels that somebody is subscribed to."),
    ("NUMPAT", "How many patterns somebody is subscribed to."),
    ("NUMSUB [<channel> ...]", "How many are subscribed to each of these channels; patterns do not count."),
    ("SHARDCHANNELS [<pattern>]", "The shard channels that somebody is subscribed to."),
    ("SHARDNUMSUB [<shardchannel> ...]", "How many are subscribed to each of these shard channels."),
];

/// SUBSCRIBE channel ..., PSUBSCRIBE pattern ..., SSUBSCRIBE channel ...
pub(super) fn subscribe(call: &mut Call<'_>, reply: &mut Reply, sort: Sort) -> Answered {
    // In a transaction servers take every client for one that gets one answer to each request. They make an exception
    // for SUBSCRIBE and PSUBSCRIBE only.
    if sort == Sort::Shard && call.session.in_exec {
        return Err(CommandError::new("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    for name in call.args.iter() {
        call.session.subscribe(&call.node.hub, sort, name);
        said(call, reply, Some(name), sort);
    }
    // Who took its rights away meanwhile has ended those whom he found subscribed, and may have come too early for it.
    let (session, acl) = (&mut *call.session, &call.node.acl);
    let is_rightful = session.is_as_admitted(acl)
        || session.renew_user(acl)
            && acl::check(session.user(), call.command, call.args, session.db()).is_ok();
    Ok(if is_rightful { Then::Continue } else { Then::Close })
}

/// UNSUBSCRIBE [channel ...] and its kin: without names, all of them.
pub(super) fn unsubscribe(call: &mut Call<'_>, reply: &mut Reply, sort: Sort) -> Answered {
    let all;
    let names: Vec<&[u8]> = if call.args.is_empty() {
        all = call.session.subscriptions(sort);
        all.iter().map(|name| &**name).collect()
    } else {
        call.args.iter().collect()
    };
    for name in &names {
        call.session.unsubscribe(sort, name);
        // What was heard until now comes before the word that nothing more is; within EXEC, behind all its answers.
        if !call.session.in_exec {
            call.session.take_pushed(reply);
        }
        said(call, reply, Some(name), sort);
    }
    if names.is_empty() {
        said(call, reply, None, sort);
    }
    Ok(Then::Continue)
}

/// Says what was done, and how many subscriptions there are now: of shard channels, or of channels and patterns.
fn said(call: &Call<'_>, reply: &mut Reply, name: Option<&[u8]>, sort: Sort) {
    let left = match sort {
        Sort::Shard => call.session.subscription_count(Sort::Shard),
        Sort::Channel | Sort::Pattern => {
            call.session.subscription_count(Sort::Channel) + call.session.subscription_count(Sort::Pattern)
        }
    };
    reply.push(3);
    reply.bulk(call.command.name.as_bytes());
    reply.bulk_or_null(name);
    reply.len_int(left);
}

/// PUBLISH channel message
pub(super) fn publish(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reply.len_int(call.node.hub.publish(call.args.get(0), call.args.get(1)));
    Ok(Then::Continue)
}

/// SPUBLISH shardchannel message
pub(super) fn spublish(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reply.len_int(call.node.hub.publish_to_shard(call.args.get(0), call.args.get(1)));
    Ok(Then::Continue)
}

/// PUBSUB CHANNELS [pattern], PUBSUB SHARDCHANNELS [pattern]
pub(super) fn channels(call: &mut Call<'_>, reply: &mut Reply, sort: Sort) -> Answered {
    if call.args.len() > 1 {
        return Err(CommandError::WrongSubcommand);
    }
    let names = call.node.hub.active(sort, call.args.opt(0));
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name));
    Ok(Then::Continue)
}

/// PUBSUB NUMSUB [channel ...], PUBSUB SHARDNUMSUB [shardchannel ...]
pub(super) fn numsub(call: &mut Call<'_>, reply: &mut Reply, sort: Sort) -> Answered {
    reply.array(call.args.len() * 2);
    for name in call.args.iter() {
        reply.bulk(name);
        reply.len_int(call.node.hub.subscribers(sort, name));
    }
    Ok(Then::Continue)
}

/// PUBSUB NUMPAT
pub(super) fn numpat(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reply.len_int(call.node.hub.names(Sort::Pattern));
    Ok(Then::Continue)
}
