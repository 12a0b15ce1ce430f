//! The line: walks, readers and writers beside shards that move from one table to another.
//!
//! Tables are lists of keys here, each at a position of sixteen on the line. Broken on purpose: the mark moves after
//! the shard is seen to be empty, and a reader who does not look at the mark again.

use super::line::{Mark, Occupied, Shards, locate, part_from, read_at, read_together};
use super::patience::ShardLock;
use super::shard::{ReadGuard, Shard, WriteGuard};
use shuttle::sync::Arc;
use shuttle::thread;

const RUNS: usize = 200;
const LINE_BITS: u32 = 4;

/// A key's position, which stands for the key, and how often it was written.
type Item = (u64, u64);

struct Table {
    shards: Vec<Shard<Vec<Item>>>,
    occupied: Occupied,
}

impl Table {
    fn new(shards: usize) -> Table {
        Table { shards: (0..shards).map(|_| Shard::default()).collect(), occupied: Occupied::new(shards) }
    }

    fn add(&self, shard: usize, into: &mut Vec<Item>, item: Item) {
        into.push(item);
        self.occupied.note(shard, true);
    }
}

impl Shards for Table {
    type Guard<'a> = ReadGuard<'a, Vec<Item>>;

    fn occupied(&self) -> &Occupied {
        &self.occupied
    }

    fn shard_at(&self, position: u64) -> usize {
        (position as usize * self.shards.len()) >> LINE_BITS
    }

    fn first_position(&self, shard: usize) -> u64 {
        (shard << LINE_BITS).div_ceil(self.shards.len()) as u64
    }

    fn read(&self, shard: usize) -> ReadGuard<'_, Vec<Item>> {
        self.shards[shard].read()
    }
}

fn version(items: &[Item], position: u64) -> Option<u64> {
    items.iter().find(|item| item.0 == position).map(|item| item.1)
}

/// How the mark passes a shard that was moved.
type Pass = fn(&Mark, &Occupied, usize);

struct Line {
    current: Table,
    next: Table,
    mark: Mark,
}

impl Line {
    fn new(shards: usize, next_shards: usize) -> Line {
        let line = Line { current: Table::new(shards), next: Table::new(next_shards), mark: Mark::default() };
        for position in POSITIONS {
            let shard = line.current.shard_at(position);
            line.current.add(shard, &mut line.current.shards[shard].write(), (position, 0));
        }
        line
    }

    /// Moves the next shard that is not empty; `false` when none is left. All locks of both tables are held, the second
    /// table's first, which is the order of the line.
    fn move_one(&self, pass: Pass) -> bool {
        let Some(shard) = self.current.occupied.next(self.mark.get()) else {
            self.mark.pass_empty(self.current.shards.len() - 1);
            return false;
        };
        let (first, behind) = (self.current.first_position(shard), self.current.first_position(shard + 1));
        let targets = self.next.shard_at(first)..self.next.shard_at(behind - 1) + 1;
        let mut into: Vec<WriteGuard<'_, Vec<Item>>> =
            targets.clone().map(|target| self.next.shards[target].write()).collect();
        let mut from = self.current.shards[shard].write();
        for item in std::mem::take(&mut *from) {
            let target = self.next.shard_at(item.0);
            self.next.add(target, &mut into[target - targets.start], item);
        }
        pass(&self.mark, &self.current.occupied, shard);
        true
    }

    /// As the token's holder writes, who alone moves shards: no second look at the mark.
    fn write(&self, position: u64) {
        let (table, shard) = locate(position, &self.current, || Some(&self.next), &self.mark);
        let mut guard = table.shards[shard].write();
        guard.iter_mut().find(|item| item.0 == position).expect("a key that stands").1 += 1;
    }

    fn walk(&self) -> Vec<u64> {
        let mut seen = Vec::new();
        let mut from = 0;
        while let Some(part) = part_from(from, 1 << LINE_BITS, &self.current, || Some(&self.next), &self.mark)
        {
            let positions = part.guard.iter().map(|item| item.0);
            seen.extend(positions.filter(|position| (part.from..part.end).contains(position)));
            from = part.end;
        }
        seen.sort_unstable();
        seen
    }

    fn find(&self, position: u64) -> Option<u64> {
        let (_, guard) = read_at(position, &self.current, || Some(&self.next), &self.mark);
        version(&guard, position)
    }

    /// The versions of these keys, as of one moment.
    fn find_together(&self, positions: &[u64]) -> Vec<Option<u64>> {
        loop {
            let mut found = Vec::new();
            let wanted = positions.iter().map(|position| (*position, *position));
            let look =
                |position, _: &Table, guard: &ReadGuard<'_, Vec<Item>>| found.push(version(guard, position));
            if read_together(wanted, &self.current, || Some(&self.next), &self.mark, look).is_some() {
                return found;
            }
        }
    }
}

const POSITIONS: [u64; 6] = [1, 6, 7, 8, 12, 15];

/// Keys that are written one after the other, in this order, so that the second never is ahead.
const FIRST: u64 = 6;
const SECOND: u64 = 12;

/// `look` in two threads while the shards are moved, with a write after each.
fn beside_a_move((shards, next_shards): (usize, usize), pass: Pass, look: fn(&Line)) {
    super::random(RUNS, move || {
        let line = Arc::new(Line::new(shards, next_shards));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let line = Arc::clone(&line);
                thread::spawn(move || look(&line))
            })
            .collect();
        while line.move_one(pass) {
            line.write(FIRST);
            line.write(SECOND);
        }
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(line.walk(), POSITIONS);
    });
}

const GROWING: [(usize, usize); 4] = [(8, 16), (2, 16), (3, 13), (5, 6)];
const SHRINKING: [(usize, usize); 4] = [(8, 2), (16, 4), (13, 3), (6, 5)];

fn walks(line: &Line) {
    assert_eq!(line.walk(), POSITIONS);
}

fn reads(line: &Line) {
    let mut before = 0;
    for _ in 0..2 {
        let found = line.find(FIRST).expect("a key that stands");
        assert!(found >= before, "a write was undone");
        before = found;
        assert!(line.find(15).is_some());
    }
}

fn reads_together(line: &Line) {
    for _ in 0..2 {
        let found = line.find_together(&[1, FIRST, 7, SECOND]);
        let [_, Some(first), _, Some(second)] = found[..] else { panic!("{found:?}") };
        assert!(first == second || first == second + 1, "{first} and {second} were never there together");
    }
}

#[test]
fn a_walk_beside_a_growing_table_misses_nothing() {
    GROWING.into_iter().for_each(|shards| beside_a_move(shards, Mark::pass, walks));
}

#[test]
fn a_walk_beside_a_shrinking_table_misses_nothing() {
    SHRINKING.into_iter().for_each(|shards| beside_a_move(shards, Mark::pass, walks));
}

#[test]
fn a_read_beside_a_move_finds_what_stands_and_what_was_written() {
    GROWING.into_iter().chain(SHRINKING).for_each(|shards| beside_a_move(shards, Mark::pass, reads));
}

#[test]
fn reads_of_several_keys_beside_a_move_are_of_one_moment() {
    GROWING.into_iter().chain(SHRINKING).for_each(|shards| beside_a_move(shards, Mark::pass, reads_together));
}

/// The mark moves after the shard is seen to be empty: a walk in between believes that nothing is there.
#[test]
#[should_panic(expected = "left == right")]
fn a_mark_that_moves_too_late_makes_a_walk_miss_a_shard() {
    let too_late: Pass = |mark, occupied, shard| {
        occupied.note(shard, false);
        mark.pass_empty(shard);
    };
    GROWING.into_iter().for_each(|shards| beside_a_move(shards, too_late, walks));
}

/// A reader who does not look at the mark again once it has the lock.
#[test]
#[should_panic(expected = "looked where it was before")]
fn a_reader_who_looks_at_the_mark_once_misses_a_key() {
    beside_a_move((8, 16), Mark::pass, |line| {
        for position in POSITIONS {
            let (table, shard) = locate(position, &line.current, || Some(&line.next), &line.mark);
            assert!(version(&table.read(shard), position).is_some(), "looked where it was before");
        }
    });
}

/// Reads of two keys whose locks are not held together.
#[test]
#[should_panic(expected = "never there together")]
fn reads_one_after_the_other_are_of_two_moments() {
    beside_a_move((8, 16), Mark::pass, |line| {
        for _ in 0..8 {
            let (first, second) = (line.find(FIRST).unwrap(), line.find(SECOND).unwrap());
            assert!(first == second || first == second + 1, "{first} and {second} were never there together");
        }
    });
}
