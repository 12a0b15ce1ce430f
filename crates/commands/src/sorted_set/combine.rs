//! Union, intersection and difference, and their *STORE forms.
//!
//! Sums of scores are rounded, so their order is part of the answer: smaller inputs come first (equally long ones in
//! the order of the request), and every element's scores are added in the order of the inputs.
//!
//! Owns that order, and the options. Never changes an input: the result is whole before it is stored.

use std::collections::HashMap;

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::packed::Item;
use storage::score::Score;
use storage::value::{SetRef, SortedSet, SortedSetRef, ValueRef};

use super::{Listing, store};
use crate::{CommandError, ReadContext, Role, WriteContext};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
    /// Redis 8.8: every score counts as 1 before it is weighted.
    Count,
}

/// What becomes of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Listed,
    Stored,
    Counted,
}

/// The request, read.
#[derive(Debug)]
struct Query<'a> {
    operation: Operation,
    keys: &'a [&'a [u8]],
    /// One for each key, when they are given.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Of ZINTERCARD; 0 is none.
    limit: usize,
}

/// What is read from one key.
#[derive(Clone, Copy, Debug)]
enum Members<'a> {
    None,
    SortedSet(SortedSetRef<'a>),
    /// A set, whose members all have the score 1.
    Set(SetRef<'a>),
}

#[derive(Clone, Copy, Debug)]
struct Input<'a> {
    members: Members<'a>,
    weight: f64,
    key: &'a [u8],
}

impl<'a> Members<'a> {
    fn of(value: ValueRef<'a>) -> Result<Self, CommandError> {
        match value {
            ValueRef::SortedSet(set) => Ok(Members::SortedSet(set)),
            ValueRef::Set(set) => Ok(Members::Set(set)),
            other => Err(other.wrong_kind().into()),
        }
    }

    fn len(self) -> usize {
        match self {
            Members::None => 0,
            Members::SortedSet(set) => set.len(),
            Members::Set(set) => set.len(),
        }
    }

    fn score(self, member: Item<'_>) -> Option<f64> {
        match self {
            Members::None => None,
            Members::SortedSet(set) => set.score(member.as_bytes(&mut itoa::Buffer::new())).map(Score::get),
            Members::Set(set) => set.contains_item(member).then_some(1.0),
        }
    }

    /// Gives every member with its score until `give` says that it has enough.
    fn each(self, mut give: impl FnMut(Item<'a>, f64) -> bool) {
        match self {
            Members::None => {}
            Members::SortedSet(set) => {
                set.iter().all(|element| give(element.member, element.score.get()));
            }
            Members::Set(set) => {
                set.iter().all(|member| give(member, 1.0));
            }
        }
    }
}

impl Aggregate {
    fn combine(self, one: f64, other: f64) -> f64 {
        match self {
            // inf - inf is 0 to the servers.
            Aggregate::Sum | Aggregate::Count => Score::or_zero(one + other).get(),
            Aggregate::Min if other < one => other,
            Aggregate::Max if other > one => other,
            Aggregate::Min | Aggregate::Max => one,
        }
    }

    fn weighted(self, weight: f64, score: f64) -> f64 {
        if self == Aggregate::Count { weight } else { weight * score }
    }
}

impl<'a> Query<'a> {
    /// Reads `numkeys key ...` and the options. `check` looks at the keys' values before the options are read, as the
    /// servers do.
    fn parse(
        args: Args<'a>,
        role: Role,
        operation: Operation,
        form: Form,
        name: &str,
        check: impl FnOnce(&[&[u8]]) -> Result<(), CommandError>,
    ) -> Result<Self, CommandError> {
        let count = role.integer(args.get(0)).ok_or(CommandError::NotInteger)?;
        if count < 1 {
            let text = format!("ERR at least 1 input key is needed for '{name}' command");
            return Err(CommandError::Other(text.into()));
        }
        let words = args.from(1).as_slice();
        let split = usize::try_from(count).ok().and_then(|count| words.split_at_checked(count));
        let (keys, options) = split.ok_or(CommandError::Syntax)?;
        check(keys)?;
        let mut query = Query {
            operation,
            keys,
            weights: Vec::new(),
            aggregate: Aggregate::default(),
            with_scores: false,
            limit: 0,
        };
        let mut options = Args::new(options);
        let takes_weights = operation != Operation::Difference && form != Form::Counted;
        while !options.is_empty() {
            let used = if takes_weights && options.len() > keys.len() && options.is_word(0, "weights") {
                let weights = options.from(1).iter().take(keys.len()).map(|weight| role.float(weight));
                query.weights = weights
                    .collect::<Option<_>>()
                    .ok_or(CommandError::new("ERR weight value is not a float"))?;
                1 + keys.len()
            } else if takes_weights && options.len() >= 2 && options.is_word(0, "aggregate") {
                query.aggregate = match options.get(1).to_ascii_lowercase().as_slice() {
                    b"sum" => Aggregate::Sum,
                    b"min" => Aggregate::Min,
                    b"max" => Aggregate::Max,
                    b"count" => Aggregate::Count,
                    _ => return Err(CommandError::Syntax),
                };
                2
            } else if form == Form::Listed && options.is_word(0, "withscores") {
                query.with_scores = true;
                1
            } else if form == Form::Counted && options.len() >= 2 && options.is_word(0, "limit") {
                let limit = parse_int(options.get(1)).and_then(|limit| usize::try_from(limit).ok());
                query.limit = limit.ok_or(CommandError::new("ERR LIMIT can't be negative"))?;
                2
            } else {
                return Err(CommandError::Syntax);
            };
            options = options.from(used);
        }
        Ok(query)
    }

    /// The elements of the result, in no order.
    fn run(&self, ctx: &ReadContext<'_>) -> Result<Vec<(Vec<u8>, Score)>, CommandError> {
        self.with_inputs(ctx, |inputs| match self.operation {
            Operation::Union => union(inputs, self.aggregate),
            Operation::Intersection => {
                let mut result = Vec::new();
                intersection(inputs, self.aggregate, |member, score| {
                    result.push((member.to_vec(), score));
                    true
                });
                result
            }
            Operation::Difference => difference(inputs),
        })
    }

    /// How many elements the intersection has, at most [`Query::limit`] of them.
    fn count(&self, ctx: &ReadContext<'_>) -> Result<usize, CommandError> {
        self.with_inputs(ctx, |inputs| {
            let mut count = 0;
            intersection(inputs, self.aggregate, |_, _| {
                count += 1;
                count != self.limit
            });
            count
        })
    }

    /// Lends the inputs, in the order in which they are gone through, while their keys are locked.
    fn with_inputs<R>(
        &self,
        ctx: &ReadContext<'_>,
        work: impl FnOnce(&[Input<'_>]) -> R,
    ) -> Result<R, CommandError> {
        ctx.names(self.keys.len())?;
        // That they were looked up has been counted: see `check_kinds`.
        let db = ctx.db.uncounted();
        let found = db.get_many(self.keys);
        let mut inputs = Vec::with_capacity(self.keys.len());
        for (index, key) in self.keys.iter().enumerate() {
            let members = found.get(index).map(|entry| Members::of(entry.value())).transpose()?;
            let weight = self.weights.get(index).copied().unwrap_or(1.0);
            inputs.push(Input { members: members.unwrap_or(Members::None), weight, key });
        }
        if self.operation != Operation::Difference {
            inputs.sort_by_key(|input| input.members.len());
        }
        ctx.looks_at(inputs.iter().map(|input| input.members.len()).sum())?;
        Ok(work(&inputs))
    }
}

fn union(inputs: &[Input<'_>], aggregate: Aggregate) -> Vec<(Vec<u8>, Score)> {
    let longest = inputs.last().map_or(0, |input| input.members.len());
    let mut places: HashMap<Vec<u8>, usize> = HashMap::with_capacity(longest);
    let mut scores: Vec<f64> = Vec::with_capacity(longest);
    let mut buffer = itoa::Buffer::new();
    for input in inputs {
        input.members.each(|member, score| {
            let score = Score::or_zero(aggregate.weighted(input.weight, score)).get();
            let member = member.as_bytes(&mut buffer);
            match places.get(member).and_then(|place| scores.get_mut(*place)) {
                Some(sum) => *sum = aggregate.combine(*sum, score),
                None => {
                    places.insert(member.to_vec(), scores.len());
                    scores.push(score);
                }
            }
            true
        });
    }
    let score = |place: usize| Score::or_zero(scores.get(place).copied().unwrap_or(0.0));
    places.into_iter().map(|(member, place)| (member, score(place))).collect()
}

/// Gives each member that is everywhere, with its score, until `give` has enough.
fn intersection(inputs: &[Input<'_>], aggregate: Aggregate, mut give: impl FnMut(Item<'_>, Score) -> bool) {
    let Some((first, others)) = inputs.split_first() else { return };
    first.members.each(|member, own| {
        let mut score = Score::or_zero(aggregate.weighted(first.weight, own)).get();
        for input in others {
            // The same key is not asked again.
            let other = if input.key == first.key { Some(own) } else { input.members.score(member) };
            let Some(other) = other else { return true };
            score = aggregate.combine(score, aggregate.weighted(input.weight, other));
        }
        give(member, Score::or_zero(score))
    });
}

fn difference(inputs: &[Input<'_>]) -> Vec<(Vec<u8>, Score)> {
    let Some((first, others)) = inputs.split_first() else { return Vec::new() };
    let mut result = Vec::new();
    first.members.each(|member, score| {
        let is_elsewhere = others.iter().any(|input| input.members.score(member).is_some());
        if !is_elsewhere {
            result.push((member.to_vec(), Score::or_zero(score)));
        }
        true
    });
    result
}

/// Refuses keys that hold something else.
fn check_kinds(ctx: &ReadContext<'_>, keys: &[&[u8]]) -> Result<(), CommandError> {
    let db = ctx.db.uncounted();
    let found = db.get_many(keys);
    keys.iter().enumerate().try_for_each(|(place, key)| {
        let entry = found.get(place);
        ctx.db.asked(key, entry.is_some());
        entry.map_or(Ok(()), |entry| Members::of(entry.value()).map(|_| ()))
    })
}

fn listed(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    operation: Operation,
    name: &str,
) -> Result<(), CommandError> {
    let query =
        Query::parse(args, Role::Master, operation, Form::Listed, name, |keys| check_kinds(ctx, keys))?;
    let mut elements = query.run(ctx)?;
    elements.sort_unstable_by(|(member, score), (other_member, other)| {
        (score, member).cmp(&(other, other_member))
    });
    let mut listing = Listing::begin(reply, ctx.dialect, query.with_scores, elements.len());
    for (member, score) in &elements {
        listing.element(Item::Str(member), *score);
    }
    Ok(())
}

fn stored(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    operation: Operation,
    name: &'static str,
) -> Result<(), CommandError> {
    let read = ctx.as_read();
    let query = Query::parse(args.from(1), ctx.reads_as(), operation, Form::Stored, name, |keys| {
        check_kinds(&read, keys)
    })?;
    let elements = query.run(&read)?;
    let result = SortedSet::from_elements(elements, ctx.limits);
    store(ctx, args.get(0), result, name, reply);
    Ok(())
}

/// ZUNION numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX | COUNT] [WITHSCORES]
pub(crate) fn zunion(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    listed(ctx, args, reply, Operation::Union, "zunion")
}

/// ZINTER numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX | COUNT] [WITHSCORES]
pub(crate) fn zinter(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    listed(ctx, args, reply, Operation::Intersection, "zinter")
}

/// ZDIFF numkeys key [key ...] [WITHSCORES]
pub(crate) fn zdiff(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    listed(ctx, args, reply, Operation::Difference, "zdiff")
}

/// ZINTERCARD numkeys key [key ...] [LIMIT limit]
pub(crate) fn zintercard(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let query =
        Query::parse(args, Role::Master, Operation::Intersection, Form::Counted, "zintercard", |keys| {
            check_kinds(ctx, keys)
        })?;
    reply.len_int(query.count(ctx)?);
    Ok(())
}

/// ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX | COUNT]
pub(crate) fn zunionstore(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    stored(ctx, args, reply, Operation::Union, "zunionstore")
}

/// ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM | MIN | MAX | COUNT]
pub(crate) fn zinterstore(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    stored(ctx, args, reply, Operation::Intersection, "zinterstore")
}

/// ZDIFFSTORE destination numkeys key [key ...]
pub(crate) fn zdiffstore(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    stored(ctx, args, reply, Operation::Difference, "zdiffstore")
}
