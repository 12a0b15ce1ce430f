//! Places: sorted sets whose scores are interleaved positions.
//!
//! Owns GEOADD and the questions about single members; searches are in [`search`], their arithmetic in
//! `storage::value::geo`. Never stores anything of its own: a place is an element of a sorted set.

mod search;
#[cfg(test)]
mod tests;

pub(crate) use search::{
    georadius, georadius_ro, georadiusbymember, georadiusbymember_ro, geosearch, geosearchstore,
};

use std::fmt::Write as _;

use protocol::{Args, Reply};
use storage::score::Score;
use storage::value::SortedSetRef;
use storage::value::geo::Point;

use crate::sorted_set::Addition;
use crate::{CommandError, Dialect, ReadContext, ReplyDouble, Role, WriteContext};

/// GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]
pub(crate) fn geoadd(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let mut addition = Addition::default();
    let mut first = 1;
    while let Some(word) = args.opt(first) {
        let flag = match word.to_ascii_lowercase().as_slice() {
            b"nx" => &mut addition.new_only,
            b"xx" => &mut addition.existing_only,
            b"ch" => &mut addition.counts_changes,
            _ => break,
        };
        *flag = true;
        first += 1;
    }
    let places = args.from(first).as_slice();
    if !places.len().is_multiple_of(3) || (addition.new_only && addition.existing_only) {
        return Err(CommandError::Syntax);
    }
    let mut elements = Vec::with_capacity(places.len() / 3);
    for place in places.chunks_exact(3) {
        let [longitude, latitude, member] = place else { continue };
        let score = point(longitude, latitude, ctx.reads_as())?.score();
        elements.push((*member, Score::or_zero(score)));
    }
    if elements.is_empty() {
        // As ZADD says it, which is what a server makes of this.
        return Err(CommandError::Syntax);
    }
    addition.run(ctx, args.get(0), &elements, reply)
}

/// Reads a position.
fn point(longitude: &[u8], latitude: &[u8], role: Role) -> Result<Point, CommandError> {
    let number = |text| role.float(text).ok_or(CommandError::NotFloat);
    let point = Point { longitude: number(longitude)?, latitude: number(latitude)? };
    if !point.is_valid() {
        let text =
            format!("ERR invalid longitude,latitude pair {:.6},{:.6}", point.longitude, point.latitude);
        return Err(CommandError::Other(text.into()));
    }
    Ok(point)
}

/// Reads a unit: how many meters it is.
fn unit(text: &[u8]) -> Result<f64, CommandError> {
    match text.to_ascii_lowercase().as_slice() {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => Err(CommandError::new("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// A coordinate in a reply: Redis 8 writes it as every other double, others with up to 17 digits behind the point.
fn coordinate(reply: &mut Reply, dialect: Dialect, value: f64) {
    if dialect.is_redis_from(8, 0) {
        reply.double_in(dialect, value);
        return;
    }
    let text = format!("{value:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    reply.double_text(if text == "-0" { b"0" } else { text.as_bytes() });
}

/// A distance in a reply: four digits behind the point, as a string in RESP3 too.
fn distance(reply: &mut Reply, dialect: Dialect, value: f64) {
    let mut text = String::new();
    if dialect.is_valkey() || dialect.is_redis_from(7, 2) {
        // Scaled and then rounded, to even; NaN becomes what the processor makes of it.
        let scaled = (value * 10_000.0).round_ties_even();
        let scaled = if scaled.is_nan() { i64::MIN } else { scaled as i64 };
        let (sign, digits) = (if scaled < 0 { "-" } else { "" }, scaled.unsigned_abs());
        let _ = write!(text, "{sign}{}.{:04}", digits / 10_000, digits % 10_000);
    } else {
        let _ = write!(text, "{value:.4}");
    }
    reply.bulk(text.as_bytes());
}

/// The position of a member.
fn position(set: SortedSetRef<'_>, member: &[u8]) -> Option<Point> {
    set.score(member).map(|score| Point::of_score(score.get()))
}

/// GEOPOS key [member ...]
pub(crate) fn geopos(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let members = args.from(1);
    reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| position(set, member)) {
            Some(point) => {
                reply.array(2);
                coordinate(reply, ctx.dialect, point.longitude);
                coordinate(reply, ctx.dialect, point.latitude);
            }
            None => reply.null_array(),
        }
    }
    Ok(())
}

/// GEODIST key member1 member2 [M | KM | FT | MI]
pub(crate) fn geodist(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let meters = match args.len() {
        0..=3 => 1.0,
        4 => unit(args.get(3))?,
        _ => return Err(CommandError::Syntax),
    };
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let both = set.and_then(|set| Some((position(set, args.get(1))?, position(set, args.get(2))?)));
    match both {
        Some((one, other)) => distance(reply, ctx.dialect, one.distance(other) / meters),
        None => reply.null(),
    }
    Ok(())
}

/// GEOHASH key [member ...]
pub(crate) fn geohash(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let members = args.from(1);
    reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| position(set, member)) {
            Some(point) => reply.bulk(&point.geohash()),
            None => reply.null(),
        }
    }
    Ok(())
}
