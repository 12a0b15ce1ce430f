//! CONFIG: the option table, asked and changed by name.

use commands::CommandError;
use protocol::Reply;
use storage::Limits;

use super::{Answered, Call, Then, error};
use crate::{config_table, open_files};

/// CONFIG HELP
pub(super) const HELP: &[(&str, &str)] = &[
    ("CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("GET <pattern> [<pattern> ...]", "The values whose names fit a pattern."),
    ("SET <name> <value> [<name> <value> ...]", "Changes values, all or none."),
    ("RESETSTAT", "Sets the counters of INFO to zero."),
    ("REWRITE", "Writes the configuration file: there is none."),
];

/// CONFIG GET pattern ...
pub(super) fn get(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let rows = config_table::matching(call.args.as_slice(), call.node.dialect().is_valkey());
    let config = call.node.settings.read();
    reply.map(rows.len());
    for (name, row) in rows {
        reply.bulk(name);
        reply.bulk((row.get)(&config).as_bytes());
    }
    Ok(Then::Continue)
}

/// CONFIG SET name value ...
pub(super) fn set(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let words = call.args.as_slice();
    if !words.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let pairs: Vec<(&[u8], &[u8])> =
        words.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect();
    let mut rows = Vec::new();
    for (name, value) in pairs {
        let row = config_table::find(name).ok_or_else(|| {
            CommandError::naming("ERR Unknown option or number of arguments for CONFIG SET - '", name, "'")
        })?;
        let refused = |why: &str| {
            let why = format!("') - {why}");
            CommandError::naming("ERR CONFIG SET failed (possibly related to argument '", name, &why)
        };
        let change = row.set.ok_or_else(|| refused(row.fixed))?;
        if rows.iter().any(|(known, ..): &(&str, _, _, _)| *known == row.name) {
            return Err(refused("duplicate parameter"));
        }
        rows.push((row.name, row.name_asked(name), change, value));
    }
    let to_the_link = rows.iter().any(|(name, ..)| config_table::is_of_link(name));
    call.node.settings.change(|config| {
        // From here on an option is named as the table writes it, and not as the client did.
        for (_, asked, change, value) in &rows {
            // What is no text is no number either, nor a word of theirs: most options have their own words for that.
            let changed = change(config, &String::from_utf8_lossy(value));
            let read = value.split(|byte| *byte == 0).next().unwrap_or_default();
            let is_text = std::str::from_utf8(read).is_ok();
            changed.and_then(|()| if is_text { Ok(()) } else { Err("the value is no text".into()) }).map_err(
                |why| error(format!("ERR CONFIG SET failed (possibly related to argument '{asked}') - {why}")),
            )?;
        }
        let more_clients = rows.iter().any(|(name, ..)| *name == "maxclients");
        let room = if more_clients { open_files::make_room(config.maxclients) } else { config.maxclients };
        if room < config.maxclients {
            return Err(error(format!(
                "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able \
                 to handle the specified number of clients, try with {room}"
            )));
        }
        if let Some((name, ..)) = rows.iter().find(|(name, ..)| config_table::is_tls(name)) {
            // Taken here, so that what is refused is not noted either.
            call.node.renew_tls(config).map_err(|why| {
                error(format!(
                    "ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to update TLS configuration: \
                     {why}"
                ))
            })?;
        }
        Ok(())
    })?;
    if rows.iter().any(|(name, ..)| config_table::is_limit(name)) {
        let limits = call.node.settings.read().limits.clone();
        // Not ours to set: it follows from whom we follow.
        call.exactly(|writer| {
            let zset_packed_minus_zero = writer.limits().zset_packed_minus_zero;
            writer.set_limits(Limits { zset_packed_minus_zero, ..limits });
        });
    }
    if rows.iter().any(|(name, ..)| config_table::is_load_rule(name)) {
        let rules = call.node.settings.read().load_rules;
        call.node.upstream.set_load_rules(rules);
    }
    if rows.iter().any(|(name, ..)| *name == "requirepass") {
        let password = call.node.settings.read().requirepass.clone();
        let password = password.as_ref().map(|password| password.reveal().as_bytes());
        call.node.acl.set_default_password(password);
    }
    if rows.iter().any(|(name, ..)| config_table::is_eviction_rule(name)) {
        call.node.renew_eviction(call.now.wall);
    }
    if rows.iter().any(|(name, ..)| *name == "notify-keyspace-events") {
        call.node.hub.refresh_wanted();
    }
    if to_the_link {
        call.node.renew_manners();
    }
    reply.ok();
    Ok(Then::Continue)
}

/// CONFIG RESETSTAT
pub(super) fn resetstat(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    call.node.stats.reset();
    call.node.command_log.reset_totals();
    call.node.samples.reset();
    call.node.saves.reset_counts();
    call.node.store.forget_expired_when_met();
    call.node.store.forget_freed();
    call.node.clients.reset_pipelines();
    call.node.upstream.reset_traffic();
    reply.ok();
    Ok(Then::Continue)
}

/// CONFIG REWRITE
pub(super) fn rewrite() -> Answered {
    Err(CommandError::new("ERR The server is running without a config file"))
}
