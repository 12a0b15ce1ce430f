//! GEOSEARCH, GEORADIUS and their relatives.
//!
//! The order in which the cells of a search are visited, and what a partial sort makes of equal distances, is part of
//! the answer: GEOSEARCHSTORE … COUNT n stands in the stream as it was asked.
//!
//! Owns the options and which of them go together; the arithmetic is `storage::value::geo`'s. Never changes anything
//! but the destination.

use std::cmp::Ordering;

use protocol::number::{parse_float, parse_int};
use protocol::{Args, Reply};
use storage::score::Score;
use storage::value::geo::{Point, Search, Shape};
use storage::value::{SortedSet, SortedSetRef};

use super::{coordinate, distance, point, position, unit};
use crate::partial_sort::partial_sort;
use crate::range::ScoreRange;
use crate::sorted_set::store;
use crate::{CommandError, Dialect, ReadContext, Role, WriteContext};

/// The commands' differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// GEORADIUS key longitude latitude radius unit ...
    Around { stores: bool },
    /// GEORADIUSBYMEMBER key member radius unit ...
    AroundMember { stores: bool },
    /// GEOSEARCH key ...
    Search,
    /// GEOSEARCHSTORE destination source ...
    SearchStore,
}

impl Variant {
    fn is_search(self) -> bool {
        matches!(self, Variant::Search | Variant::SearchStore)
    }
    /// Whether it takes STORE and STOREDIST.
    fn takes_store(self) -> bool {
        matches!(self, Variant::Around { stores: true } | Variant::AroundMember { stores: true })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Nearest,
    Farthest,
}

/// Where the result goes.
#[derive(Clone, Copy, Debug)]
struct Destination<'a> {
    key: &'a [u8],
    /// The scores are distances.
    distances: bool,
}

/// The request, read.
#[derive(Debug, Default)]
struct Query<'a> {
    centre: Option<Point>,
    /// FROMMEMBER was given, though there may be no set to find it in.
    from_member: bool,
    shape: Option<Shape>,
    /// Meters in the unit of the shape.
    unit: f64,
    with_distance: bool,
    with_hash: bool,
    with_coordinate: bool,
    sort: Option<Sort>,
    /// 0: no limit.
    count: usize,
    any: bool,
    destination: Option<Destination<'a>>,
}

/// A member that was found.
#[derive(Debug)]
struct Hit {
    member: Vec<u8>,
    score: Score,
    point: Point,
    /// In meters.
    distance: f64,
}

fn radius(text: &[u8], role: Role) -> Result<f64, CommandError> {
    let radius = role.float(text).ok_or(CommandError::new("ERR need numeric radius"))?;
    if radius < 0.0 {
        return Err(CommandError::new("ERR radius cannot be negative"));
    }
    Ok(radius)
}

/// Where a member stands that is the centre of a search.
fn centre(set: SortedSetRef<'_>, member: &[u8], dialect: Dialect) -> Result<Point, CommandError> {
    position(set, member).ok_or_else(|| {
        if is_newest_valkey(dialect) {
            CommandError::naming("ERR member ", member, " does not exist")
        } else {
            CommandError::new("ERR could not decode requested zset member")
        }
    })
}

/// Valkey 9 brought polygons, and some texts.
fn is_newest_valkey(dialect: Dialect) -> bool {
    dialect.is_valkey() && dialect.major >= 9
}

impl<'a> Query<'a> {
    /// Reads everything behind the source key. Where a member is the centre it is looked for right away, so that
    /// errors come in the servers' order.
    fn parse(
        args: Args<'a>,
        variant: Variant,
        set: Option<SortedSetRef<'_>>,
        dialect: Dialect,
        role: Role,
    ) -> Result<Self, CommandError> {
        let mut query = Query { unit: 1.0, ..Query::default() };
        let mut words = args;
        match variant {
            Variant::Around { .. } => {
                query.centre = Some(point(args.get(0), args.get(1), role)?);
                query.circle(args.get(2), args.get(3), role)?;
                words = args.from(4);
            }
            Variant::AroundMember { .. } => {
                // Without a set there is nothing to measure from, and the radius is not even read.
                if let Some(set) = set {
                    query.centre = Some(centre(set, args.get(0), dialect)?);
                    query.circle(args.get(1), args.get(2), role)?;
                }
                words = args.from(3);
            }
            Variant::Search | Variant::SearchStore => {}
        }
        let mut distances = false;
        while !words.is_empty() {
            let used = if words.is_word(0, "storedist") && variant == Variant::SearchStore {
                distances = true;
                1
            } else if let Some(used) = query.option(words, variant)? {
                used
            } else if variant.is_search() {
                query.search_option(words, set, dialect)?.ok_or(CommandError::Syntax)?
            } else {
                return Err(CommandError::Syntax);
            };
            words = words.from(used);
        }
        if variant == Variant::SearchStore {
            query.destination = Some(Destination { key: b"", distances });
        }
        query.check(variant, dialect)?;
        Ok(query)
    }

    /// Reads one of the options that all variants have; how many words it took.
    fn option(&mut self, words: Args<'a>, variant: Variant) -> Result<Option<usize>, CommandError> {
        let flag = match words.get(0).to_ascii_lowercase().as_slice() {
            b"withdist" => &mut self.with_distance,
            b"withhash" => &mut self.with_hash,
            b"withcoord" => &mut self.with_coordinate,
            b"any" => &mut self.any,
            b"asc" => {
                self.sort = Some(Sort::Nearest);
                return Ok(Some(1));
            }
            b"desc" => {
                self.sort = Some(Sort::Farthest);
                return Ok(Some(1));
            }
            b"count" if words.len() > 1 => {
                let count = parse_int(words.get(1)).ok_or(CommandError::NotInteger)?;
                let positive = usize::try_from(count).ok().filter(|count| *count > 0);
                self.count = positive.ok_or(CommandError::new("ERR COUNT must be > 0"))?;
                return Ok(Some(2));
            }
            word @ (b"store" | b"storedist") if words.len() > 1 && variant.takes_store() => {
                self.destination = Some(Destination { key: words.get(1), distances: word == b"storedist" });
                return Ok(Some(2));
            }
            _ => return Ok(None),
        };
        *flag = true;
        Ok(Some(1))
    }

    /// Reads the centre or the shape of a GEOSEARCH; how many words it took.
    fn search_option(
        &mut self,
        words: Args<'_>,
        set: Option<SortedSetRef<'_>>,
        dialect: Dialect,
    ) -> Result<Option<usize>, CommandError> {
        let from_point = self.centre.is_some() && !self.from_member;
        let has_polygon = matches!(self.shape, Some(Shape::Polygon(_)));
        let has_circle = matches!(self.shape, Some(Shape::Circle { .. }));
        let has_box = matches!(self.shape, Some(Shape::Box { .. }));
        let used = match words.get(0).to_ascii_lowercase().as_slice() {
            b"frommember" if words.len() > 1 && !from_point && !has_polygon => {
                if let Some(set) = set {
                    self.centre = Some(centre(set, words.get(1), dialect)?);
                }
                self.from_member = true;
                2
            }
            b"fromlonlat" if words.len() > 2 && !self.from_member && !has_polygon => {
                self.centre = Some(point(words.get(1), words.get(2), Role::Master)?);
                3
            }
            b"byradius" if words.len() > 2 && !has_box && !has_polygon => {
                self.circle(words.get(1), words.get(2), Role::Master)?;
                3
            }
            b"bybox" if words.len() > 3 && !has_circle && !has_polygon => {
                let width = parse_float(words.get(1)).ok_or(CommandError::new("ERR need numeric width"))?;
                let height = parse_float(words.get(2)).ok_or(CommandError::new("ERR need numeric height"))?;
                if width < 0.0 || height < 0.0 {
                    return Err(CommandError::new("ERR height or width cannot be negative"));
                }
                self.unit = unit(words.get(3))?;
                self.shape = Some(Shape::Box { width, height });
                4
            }
            b"bypolygon" if words.len() > 2 && !has_circle && !has_box && self.is_free() => {
                self.polygon(words.from(1))?
            }
            _ => return Ok(None),
        };
        Ok(Some(used))
    }

    /// Whether no centre was given.
    fn is_free(&self) -> bool {
        self.centre.is_none() && !self.from_member
    }

    fn circle(&mut self, length: &[u8], length_unit: &[u8], role: Role) -> Result<(), CommandError> {
        let radius = radius(length, role)?;
        self.unit = unit(length_unit)?;
        self.shape = Some(Shape::Circle { radius });
        Ok(())
    }

    /// Reads `count longitude latitude ...`; how many words the whole option took.
    fn polygon(&mut self, words: Args<'_>) -> Result<usize, CommandError> {
        let count = parse_int(words.get(0)).filter(|count| i32::try_from(*count).is_ok());
        let count = count.ok_or(CommandError::new("ERR invalid number of vertices"))?;
        let corners =
            usize::try_from(count).ok().filter(|count| (3..=words.from(1).len() / 2).contains(count));
        let corners =
            corners.ok_or(CommandError::new("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"))?;
        let pairs = words.from(1).as_slice().chunks_exact(2).take(corners);
        let points: Result<Vec<Point>, CommandError> = pairs
            .map(|pair| match pair {
                [longitude, latitude] => point(longitude, latitude, Role::Master),
                _ => Err(CommandError::Syntax),
            })
            .collect();
        self.unit = 1.0;
        self.shape = Some(Shape::Polygon(points?));
        Ok(2 + 2 * corners)
    }

    /// Whether everything that is needed was given, and nothing that does not go together.
    fn check(&self, variant: Variant, dialect: Dialect) -> Result<(), CommandError> {
        if self.destination.is_some() && (self.with_distance || self.with_hash || self.with_coordinate) {
            return Err(CommandError::new(match variant {
                Variant::SearchStore => {
                    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
                _ => {
                    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
            }));
        }
        let has_polygon = matches!(self.shape, Some(Shape::Polygon(_)));
        if variant.is_search() && self.is_free() && !has_polygon {
            return Err(CommandError::Named(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ",
            ));
        }
        if variant.is_search() && self.shape.is_none() {
            return Err(CommandError::Named(match is_newest_valkey(dialect) {
                true => "ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON can be specified for ",
                false => "ERR exactly one of BYRADIUS and BYBOX can be specified for ",
            }));
        }
        if self.any && self.count == 0 {
            return Err(CommandError::new("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// The members that it asks for, in the order of the answer.
    ///
    /// `looks_at` is asked as more members are to be looked at, and may say that they are too many.
    fn run(
        &self,
        set: SortedSetRef<'_>,
        looks_at: impl Fn(usize) -> Result<(), CommandError>,
    ) -> Result<Vec<Hit>, CommandError> {
        let Some(shape) = self.shape.clone() else { return Ok(Vec::new()) };
        // A polygon brings a centre of its own.
        let centre = self.centre.unwrap_or(Point { longitude: 0.0, latitude: 0.0 });
        let search = Search::new(centre, shape, self.unit);
        let enough = if self.any { self.count } else { usize::MAX };
        let (mut hits, mut looked_at) = (Vec::new(), 0);
        for (start, end) in search.ranges() {
            let ranks = ScoreRange::half_open(start, end).ranks(set);
            looked_at += ranks.len();
            looks_at(looked_at)?;
            for element in set.range(ranks.start, ranks.end) {
                if hits.len() >= enough {
                    break;
                }
                if let Some((point, distance)) = search.find(element.score.get()) {
                    hits.push(Hit { member: element.member.to_vec(), score: element.score, point, distance });
                }
            }
        }
        let wanted = if self.count == 0 { hits.len() } else { self.count.min(hits.len()) };
        // The first few of something are the nearest few, unless any will do.
        let sort = self.sort.or((self.count > 0 && !self.any).then_some(Sort::Nearest));
        let nearest = |one: &Hit, other: &Hit| {
            let order = one.distance.partial_cmp(&other.distance);
            order.unwrap_or_else(|| one.distance.total_cmp(&other.distance))
        };
        let farthest = |one: &Hit, other: &Hit| -> Ordering { nearest(one, other).reverse() };
        match (sort, wanted == hits.len()) {
            (None, _) => {}
            (Some(Sort::Nearest), true) => hits.sort_by(nearest),
            (Some(Sort::Farthest), true) => hits.sort_by(farthest),
            (Some(Sort::Nearest), false) => partial_sort(&mut hits, 0..wanted, nearest),
            (Some(Sort::Farthest), false) => partial_sort(&mut hits, 0..wanted, farthest),
        }
        hits.truncate(wanted);
        Ok(hits)
    }

    fn list(&self, hits: &[Hit], dialect: Dialect, reply: &mut Reply) {
        let extras =
            usize::from(self.with_distance) + usize::from(self.with_hash) + usize::from(self.with_coordinate);
        reply.array(hits.len());
        for hit in hits {
            if extras > 0 {
                reply.array(1 + extras);
            }
            reply.bulk(&hit.member);
            if self.with_distance {
                distance(reply, dialect, hit.distance / self.unit);
            }
            if self.with_hash {
                reply.int(hit.score.get() as i64);
            }
            if self.with_coordinate {
                reply.array(2);
                coordinate(reply, dialect, hit.point.longitude);
                coordinate(reply, dialect, hit.point.latitude);
            }
        }
    }
}

fn listed(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    variant: Variant,
) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let query = Query::parse(args.from(1), variant, set, ctx.dialect, Role::Master)?;
    let looks_at = |members| ctx.looks_at(members);
    let hits = set.map_or(Ok(Vec::new()), |set| query.run(set, looks_at))?;
    query.list(&hits, ctx.dialect, reply);
    Ok(())
}

fn listed_or_stored(
    ctx: &mut WriteContext<'_>,
    key: &[u8],
    args: Args<'_>,
    destination: Option<&[u8]>,
    reply: &mut Reply,
    variant: Variant,
) -> Result<(), CommandError> {
    let asking = ctx.asking();
    let found = asking.get(key);
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let query = Query::parse(args, variant, set, ctx.dialect, ctx.reads_as())?;
    let hits = set.map_or(Ok(Vec::new()), |set| query.run(set, |_| Ok(())))?;
    drop(found);
    let Some(asked) = query.destination else {
        query.list(&hits, ctx.dialect, reply);
        return Ok(());
    };
    // A very wide search may find a member twice; it is stored once.
    let mut elements: Vec<(Vec<u8>, Score)> = hits
        .into_iter()
        .map(|hit| match asked.distances {
            true => (hit.member, Score::or_zero(hit.distance / query.unit)),
            false => (hit.member, hit.score),
        })
        .collect();
    elements.sort_by(|(member, _), (other, _)| member.cmp(other));
    elements.dedup_by(|(member, _), (other, _)| member == other);
    let result = SortedSet::from_elements(elements, ctx.limits);
    let event = if variant.is_search() { "geosearchstore" } else { "georadiusstore" };
    store(ctx, destination.unwrap_or(asked.key), result, event, reply);
    Ok(())
}

/// GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude
/// BYRADIUS radius unit | BYBOX width height unit | BYPOLYGON count longitude latitude ...
/// [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]
pub(crate) fn geosearch(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    listed(ctx, args, reply, Variant::Search)
}

/// GEOSEARCHSTORE destination source ... [STOREDIST], else as GEOSEARCH
pub(crate) fn geosearchstore(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    listed_or_stored(ctx, args.get(1), args.from(2), Some(args.get(0)), reply, Variant::SearchStore)
}

/// GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
/// [STORE key | STOREDIST key]
pub(crate) fn georadius(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    listed_or_stored(ctx, args.get(0), args.from(1), None, reply, Variant::Around { stores: true })
}

/// GEORADIUSBYMEMBER key member radius unit ..., else as GEORADIUS
pub(crate) fn georadiusbymember(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    listed_or_stored(ctx, args.get(0), args.from(1), None, reply, Variant::AroundMember { stores: true })
}

/// GEORADIUS_RO: GEORADIUS without STORE and STOREDIST
pub(crate) fn georadius_ro(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    listed(ctx, args, reply, Variant::Around { stores: false })
}

/// GEORADIUSBYMEMBER_RO: GEORADIUSBYMEMBER without STORE and STOREDIST
pub(crate) fn georadiusbymember_ro(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    listed(ctx, args, reply, Variant::AroundMember { stores: false })
}
