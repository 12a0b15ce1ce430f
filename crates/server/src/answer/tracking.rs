//! CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO.
//!
//! Owns the options, and which of them exclude each other. Never notes a key or tells of one: see [`crate::tracking`].

use std::sync::Arc;

use commands::{CommandError, printed};
use protocol::Reply;
use protocol::number::parse_int;

use super::{Answered, Call, Then};
use crate::outbox::Mark;
use crate::tracking::{Choice, Mode, Tracking};

const OTHER_BROADCAST: CommandError = CommandError::new(
    "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a \
     different mode.",
);
const OTHER_CHOICE: CommandError = CommandError::new(
    "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a \
     different mode.",
);

/// What CLIENT TRACKING was told.
#[derive(Default)]
struct Options {
    mode: Mode,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    prefixes: Vec<Box<[u8]>>,
}

impl Options {
    fn parse(call: &Call<'_>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut rest = call.args.from(1).as_slice();
        while let [option, after @ ..] = rest {
            rest = after;
            match (option.to_ascii_lowercase().as_slice(), after) {
                (b"redirect", [id, after @ ..]) => {
                    if options.mode.redirect.is_some() {
                        return Err(CommandError::new(
                            "ERR A client can only redirect to a single other client",
                        ));
                    }
                    let id = parse_int(id).ok_or(CommandError::NotInteger)?;
                    let id = u64::try_from(id).ok();
                    let target =
                        id.and_then(|id| call.node.clients.get(id)).map(|target| Arc::downgrade(&target));
                    let is_link =
                        || call.node.link_client(call.now.steady).is_some_and(|link| Some(link.id) == id);
                    options.mode.redirect = match id {
                        Some(id) if target.is_some() || is_link() => Some((id, target)),
                        _ => {
                            return Err(CommandError::new(
                                "ERR The client ID you want redirect to does not exist",
                            ));
                        }
                    };
                    rest = after;
                }
                (b"prefix", [prefix, after @ ..]) => {
                    options.prefixes.push((*prefix).into());
                    rest = after;
                }
                (b"bcast", _) => options.broadcast = true,
                (b"optin", _) => options.opt_in = true,
                (b"optout", _) => options.opt_out = true,
                (b"noloop", _) => options.mode.not_own = true,
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }

    /// Whether it may follow on what was said before.
    fn check(&self, before: Option<&Tracking>) -> Result<Choice, CommandError> {
        let choice = before.map(|before| before.mode().choice);
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err(CommandError::new("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if choice.is_some_and(|choice| (choice == Choice::Broadcast) != self.broadcast) {
            return Err(OTHER_BROADCAST);
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(CommandError::new("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if self.opt_in && self.opt_out {
            return Err(CommandError::new("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        if (self.opt_in && choice == Some(Choice::OptOut)) || (self.opt_out && choice == Some(Choice::OptIn))
        {
            return Err(OTHER_CHOICE);
        }
        Ok(match () {
            () if self.broadcast => Choice::Broadcast,
            () if self.opt_in => Choice::OptIn,
            () if self.opt_out => Choice::OptOut,
            () => Choice::Read,
        })
    }

    /// Whether no prefix begins with another, of these or of those before.
    fn check_prefixes(&self, before: Option<&Tracking>) -> Result<(), CommandError> {
        let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
        for (at, prefix) in self.prefixes.iter().enumerate() {
            let known = before.into_iter().flat_map(Tracking::prefixes).find(|known| overlap(prefix, known));
            let given = self.prefixes.iter().skip(at + 1).find(|given| overlap(prefix, given));
            let (other, whose) = match (known, given) {
                (Some(known), _) => (known, "' overlaps with an existing prefix '"),
                (None, Some(given)) => (given, "' overlaps with another provided prefix '"),
                (None, None) => continue,
            };
            let text: [&[u8]; 5] = [
                b"ERR Prefix '",
                printed(prefix),
                whose.as_bytes(),
                printed(other),
                b"'. Prefixes for a single client must not overlap.",
            ];
            return Err(CommandError::Bytes(text.concat()));
        }
        Ok(())
    }
}

/// CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
pub(super) fn tracking(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let mut options = Options::parse(call)?;
    if call.args.is_word(0, "off") {
        call.session.tracking = None;
    } else if call.args.is_word(0, "on") {
        let before = call.session.tracking.as_deref();
        options.mode.choice = options.check(before)?;
        options.check_prefixes(before)?;
        if options.broadcast && options.prefixes.is_empty() {
            // Every key begins with it.
            options.prefixes.push(Box::default());
        }
        let client = Arc::clone(call.session.client());
        let begin = || Box::new(Tracking::begin(&call.node.hub, &call.node.store, &client));
        call.session.tracking.get_or_insert_with(begin).change(options.mode, options.prefixes);
    } else {
        return Err(CommandError::Syntax);
    }
    reply.ok();
    Ok(Then::Continue)
}

/// CLIENT CACHING YES | NO
pub(super) fn caching(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let Some(tracking) = &mut call.session.tracking else {
        return Err(CommandError::new(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    let (choice, wrong) = if call.args.is_word(0, "yes") {
        (Choice::OptIn, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    } else if call.args.is_word(0, "no") {
        (Choice::OptOut, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    } else {
        return Err(CommandError::Syntax);
    };
    if tracking.mode().choice != choice {
        return Err(CommandError::new(wrong));
    }
    tracking.cache(true);
    reply.ok();
    Ok(Then::Continue)
}

/// CLIENT GETREDIR
pub(super) fn getredir(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reply.int(call.session.client().redirect());
    Ok(Then::Continue)
}

/// CLIENT TRACKINGINFO
pub(super) fn trackinginfo(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let tracking = call.session.tracking.as_deref();
    let client = call.session.client();
    let mut flags = Vec::new();
    match tracking {
        None => flags.push("off"),
        Some(tracking) => {
            flags.push("on");
            let caching = tracking.is_caching();
            match tracking.mode().choice {
                Choice::Read => {}
                Choice::Broadcast => flags.push("bcast"),
                Choice::OptIn => flags.extend(["optin"].into_iter().chain(caching.then_some("caching-yes"))),
                Choice::OptOut => flags.extend(["optout"].into_iter().chain(caching.then_some("caching-no"))),
            }
            if tracking.mode().not_own {
                flags.push("noloop");
            }
            if client.marks().contains(Mark::BROKEN_REDIRECT) {
                flags.push("broken_redirect");
            }
        }
    }
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.int(client.redirect());
    reply.bulk(b"prefixes");
    let prefixes = tracking.map(Tracking::prefixes);
    reply.array(prefixes.map_or(0, |prefixes| prefixes.len()));
    prefixes.into_iter().flatten().for_each(|prefix| reply.bulk(prefix));
    Ok(Then::Continue)
}
