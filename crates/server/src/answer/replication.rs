//! ROLE and REPLICAOF: whom this node follows.

use commands::CommandError;
use protocol::number::parse_int;
use protocol::{Args, Reply};
use replication::LinkState;

use super::{Answered, Call, Then};
use crate::clock;
use crate::upstream::{MasterAddress, Role};

/// ROLE
pub(super) fn role(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let status = call.node.upstream.status();
    let offset = i64::try_from(status.position.offset).unwrap_or(i64::MAX);
    match status.role {
        Role::Master => {
            reply.array(3);
            reply.bulk(b"master");
            reply.int(offset);
            reply.array(0);
        }
        Role::Replica(master) => {
            reply.array(5);
            reply.bulk(b"slave");
            reply.bulk(master.host.as_bytes());
            reply.int(i64::from(master.port));
            // Redis' words for the link's states.
            let state = match status.state {
                LinkState::Streaming => "connected",
                LinkState::WaitingRdb | LinkState::Receiving | LinkState::Loading => "sync",
                LinkState::Connecting => "connecting",
                LinkState::Handshake => "handshake",
                LinkState::WaitingRetry | LinkState::Stopped => "connect",
            };
            reply.bulk(state.as_bytes());
            // As in Redis: the offset of a stream that is followed.
            reply.int(if status.state == LinkState::Streaming { offset } else { -1 });
        }
    }
    Ok(Then::Continue)
}

/// WAIT numreplicas timeout: nobody follows this node, so the number is known at once.
pub(super) fn wait(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if call.node.upstream.role() != Role::Master {
        return Err(CommandError::new(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not \
             propagated.",
        ));
    }
    parse_int(call.args.get(0)).ok_or(CommandError::NotInteger)?;
    timeout(call.args.get(1))?;
    reply.int(0);
    Ok(Then::Continue)
}

/// WAITAOF numlocal numreplicas timeout: there is no file that data are appended to.
pub(super) fn waitaof(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let local = parse_int(call.args.get(0)).ok_or(CommandError::NotInteger)?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::new("ERR value is out of range, value must between 0 and 1"));
    }
    if parse_int(call.args.get(1)).is_none_or(|replicas| replicas < 0) {
        return Err(CommandError::NotPositive);
    }
    timeout(call.args.get(2))?;
    if call.node.upstream.role() != Role::Master {
        return Err(CommandError::new(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just \
             local and are not propagated.",
        ));
    }
    if local == 1 {
        return Err(CommandError::new(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    reply.array(2);
    reply.int(0);
    reply.int(0);
    Ok(Then::Continue)
}

/// How long a client is ready to wait, in milliseconds.
fn timeout(word: &[u8]) -> Result<i64, CommandError> {
    match parse_int(word) {
        None => Err(CommandError::new("ERR timeout is not an integer or out of range")),
        Some(..0) => Err(CommandError::new("ERR timeout is negative")),
        // It ends at a moment that is no number any more.
        Some(millis) if millis.checked_add(clock::unix_millis().0).is_none() => {
            Err(CommandError::new("ERR timeout is out of range"))
        }
        Some(millis) => Ok(millis),
    }
}

/// FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT millis]: there is nobody who could become the master.
pub(super) fn failover(call: &mut Call<'_>) -> Answered {
    let args = call.args;
    if args.len() == 1 && args.is_word(0, "abort") {
        return Err(CommandError::new("ERR No failover in progress."));
    }
    let (mut timeout, mut target, mut force) = (false, false, false);
    let mut rest = args.as_slice();
    while let [word, after @ ..] = rest {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        rest = match after {
            [millis, after @ ..] if is("timeout") && !timeout => {
                if parse_int(millis).ok_or(CommandError::NotInteger)? <= 0 {
                    return Err(CommandError::new("ERR FAILOVER timeout must be greater than 0"));
                }
                timeout = true;
                after
            }
            [_, port, after @ ..] if is("to") && !target => {
                parse_int(port).ok_or(CommandError::NotInteger)?;
                target = true;
                after
            }
            after if is("force") && !force => {
                force = true;
                after
            }
            _ => return Err(CommandError::Syntax),
        };
    }
    Err(CommandError::new(match call.node.upstream.role() {
        Role::Replica(_) => "ERR FAILOVER is not valid when server is a replica.",
        Role::Master => "ERR FAILOVER requires connected replicas.",
    }))
}

/// REPLICAOF host port | NO ONE. Runs where waiting is allowed: a promotion is over when it is answered.
pub(super) fn replicaof(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if is_promotion(call.args) {
        if call.node.upstream.role() != Role::Master {
            tracing::info!(client = %call.session.client().addr, "following nobody from now on, as a client asked");
            tokio::runtime::Handle::current().block_on(call.node.upstream.promote());
        }
        call.node.note_master();
        reply.ok();
        return Ok(Then::Continue);
    }
    let port = parse_int(call.args.get(1))
        .and_then(|port| u16::try_from(port).ok())
        .ok_or(CommandError::new("ERR Invalid master port"))?;
    let host = std::str::from_utf8(call.args.get(0))
        .map_err(|_| CommandError::new("ERR Invalid master host"))?
        .to_owned();
    let master = MasterAddress { host, port };
    // Under the token: neither a transaction nor a script is refused the second half of its writes, and nobody becomes a
    // master meanwhile.
    call.exactly(|_| {
        let is_known = call.node.upstream.role() == Role::Replica(master.clone());
        if is_known {
            // If the link stopped, or sleeps between two tries, it connects now.
            reply.simple("OK Already connected to specified master");
        } else {
            tracing::info!(client = %call.session.client().addr, %master, "following another master, as a client asked");
            reply.ok();
        }
        call.node.upstream.replicaof(master);
        call.node.note_master();
        if !is_known {
            call.node.blocking.end_all();
        }
    });
    Ok(Then::Continue)
}

/// Whether these are the arguments of REPLICAOF that name no master.
pub(crate) fn is_promotion(args: Args<'_>) -> bool {
    args.is_word(0, "no") && args.is_word(1, "one")
}
