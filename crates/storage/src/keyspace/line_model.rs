//! The line's model: `line.rs` compiled once more, over Shuttle's primitives, and tried in many interleavings.
//!
//! Tables are lists of positions here, of sixteen on the line; a mutex stands for a shard's lock.

mod primitives {
    pub(crate) use shuttle::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
}

#[allow(clippy::duplicate_mod)] // compiled once over each family of primitives: that is the point
#[path = "line.rs"]
#[allow(dead_code)]
mod line;

use line::{Mark, Occupied, Shards, part_from};
use shuttle::sync::{Arc, Mutex, MutexGuard};
use shuttle::thread;

const RUNS: usize = 500;
const LINE_BITS: u32 = 4;

struct Table {
    shards: Vec<Mutex<Vec<u64>>>,
    occupied: Occupied,
}

impl Table {
    fn new(shards: usize) -> Table {
        Table { shards: (0..shards).map(|_| Mutex::default()).collect(), occupied: Occupied::new(shards) }
    }

    fn add(&self, position: u64) {
        let shard = self.shard_at(position);
        self.read(shard).push(position);
        self.occupied.note(shard, true);
    }
}

impl Shards for Table {
    type Guard<'a> = MutexGuard<'a, Vec<u64>>;

    fn occupied(&self) -> &Occupied {
        &self.occupied
    }

    fn shard_at(&self, position: u64) -> usize {
        (position as usize * self.shards.len()) >> LINE_BITS
    }

    fn first_position(&self, shard: usize) -> u64 {
        (shard << LINE_BITS).div_ceil(self.shards.len()) as u64
    }

    fn read(&self, shard: usize) -> MutexGuard<'_, Vec<u64>> {
        self.shards[shard].lock().unwrap()
    }
}

struct Line {
    current: Table,
    next: Table,
    mark: Mark,
}

impl Line {
    fn move_all(&self) {
        while let Some(shard) = self.current.occupied.next(self.mark.get()) {
            let mut from = self.current.read(shard);
            for position in std::mem::take(&mut *from) {
                self.next.add(position);
            }
            self.mark.pass(&self.current.occupied, shard);
        }
        self.mark.pass_empty(self.current.shards.len() - 1);
    }

    fn walk(&self) -> Vec<u64> {
        let mut seen = Vec::new();
        let mut from = 0;
        while let Some(part) = part_from(from, 1 << LINE_BITS, &self.current, || Some(&self.next), &self.mark)
        {
            seen.extend(part.guard.iter().filter(|position| (part.from..part.end).contains(position)));
            from = part.end;
        }
        seen.sort_unstable();
        seen
    }
}

fn walks_beside_a_move(shards: usize, next_shards: usize) {
    const POSITIONS: [u64; 6] = [1, 6, 7, 8, 12, 15];
    let model = move || {
        let line = Line { current: Table::new(shards), next: Table::new(next_shards), mark: Mark::default() };
        POSITIONS.iter().for_each(|position| line.current.add(*position));
        let line = Arc::new(line);
        let walkers: Vec<_> = (0..2)
            .map(|_| {
                let line = Arc::clone(&line);
                thread::spawn(move || assert_eq!(line.walk(), POSITIONS))
            })
            .collect();
        line.move_all();
        for walker in walkers {
            walker.join().unwrap();
        }
        assert_eq!(line.walk(), POSITIONS);
    };
    shuttle::check_random(model, RUNS);
}

#[test]
fn a_walk_beside_a_growing_table_misses_nothing() {
    walks_beside_a_move(8, 16);
    walks_beside_a_move(2, 16);
    walks_beside_a_move(3, 13);
    walks_beside_a_move(5, 6);
}

#[test]
fn a_walk_beside_a_shrinking_table_misses_nothing() {
    walks_beside_a_move(8, 2);
    walks_beside_a_move(16, 4);
    walks_beside_a_move(13, 3);
    walks_beside_a_move(6, 5);
}
