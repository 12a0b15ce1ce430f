//! A directory of members: pages of words in hash order, found by the top bits of the hash.
//!
//! A page holds up to `PAGE_MEMBERS` members whose hashes begin with the same bits, in the order of the bits that
//! follow; the index has one entry for each value of the top bits. A member's word carries 16 of those following
//! bits as its tag, so a page is searched (and cut in two, and scanned from any position) without reading a
//! member; only the one whose tag fits is read.
//!
//! Why pages in order and not hash tables: a hash table of a few hundred is half empty most of the time (13 to 19
//! bytes a member), a page takes 9; and a scan by position in hash order is a walk along it. A search guesses the
//! place from the tag, which the hash spreads evenly, and is a few words off.
//!
//! Owns the members. Growth cuts one page at a time, so that no insertion pauses; pages are joined again when
//! members go. Never knows what a member means.

use std::collections::HashSet;

use super::hasher;
use super::member::Member;
use crate::UnixMillis;
use crate::memory::array_bytes;

/// A page with more members than this is cut in two.
const PAGE_MEMBERS: usize = 192;
/// Two pages that are one bit apart are joined when they hold at most this many together.
const JOINED_MEMBERS: usize = PAGE_MEMBERS / 2;
/// No page is found by more bits of the hash than this.
const DEPTH_MAX: u8 = 28;
/// A tag's window begins at every fifth bit, so that a tag always has at least twelve bits below its page's.
const WINDOW_STEP: u8 = 5;
/// How many of the hash's upper bits a scan's cursor holds: fits the numbers of every client, JavaScript's too.
const CURSOR_BITS: u32 = 48;
/// A promise of so many members is believed; beyond it the directory grows as they arrive.
const PROMISE_MAX: usize = 1 << 20;
/// How many members a walk asks for at once: together, for asked for one by one they wait for each other. SMEMBERS of a
/// million takes a third of the time.
const WALK_AHEAD: usize = 16;
/// So many pages are looked at, at most, to tell what a directory takes: a tenth of a millisecond.
const COUNTED_PAGES_MAX: usize = 1 << 14;
/// Pages that one step of [`Directory::free_some`] frees.
const FREED_PAGES: usize = 16;

/// Members by name, in hash order.
#[derive(Clone, Debug)]
pub struct Directory {
    /// In no order.
    pages: Vec<Page>,
    /// For each value of the hash's top `depth` bits, the page.
    index: Vec<u32>,
    depth: u8,
    /// Pages of depth `depth`; when there is none, the index is twice as long as it need be.
    deepest: usize,
    len: usize,
    /// What the members' allocations take.
    member_bytes: usize,
}

/// Members whose hashes begin with the same `depth` bits, ascending by tag.
#[derive(Clone, Debug)]
struct Page {
    members: Vec<Member>,
    /// The first hash that belongs here.
    start: u64,
    depth: u8,
}

/// What one call of [`Directory::scan`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Where to go on; 0 at the end.
    pub cursor: u64,
    /// How many words and pages were looked at.
    pub touched: usize,
}

/// A member in its place: everything but its name may change.
#[derive(Debug)]
pub struct MemberMut<'a> {
    member: &'a mut Member,
    member_bytes: &'a mut usize,
}

impl Default for Directory {
    fn default() -> Self {
        Directory::new()
    }
}

impl Directory {
    /// An empty one.
    pub fn new() -> Self {
        Directory::with_capacity(0)
    }

    /// An empty one that is laid out for so many members, so that none is moved while they arrive.
    pub fn with_capacity(members: usize) -> Self {
        let wanted_pages = members.min(PROMISE_MAX).div_ceil(PAGE_MEMBERS * 3 / 4).max(1);
        let count = u32::try_from(wanted_pages.next_power_of_two()).unwrap_or(1);
        let depth = count.trailing_zeros() as u8;
        let start = |page: u32| u64::from(page) << (63 - depth) << 1;
        Directory {
            pages: (0..count).map(|page| Page { members: Vec::new(), start: start(page), depth }).collect(),
            index: (0..count).collect(),
            depth,
            deepest: count as usize,
            len: 0,
            member_bytes: 0,
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The member of that name.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&Member> {
        let hash = hasher::hash(name);
        let page = self.pages.get(self.page_of(hash))?;
        page.members.get(page.find(hash, name).ok()?)
    }

    /// Whether there is a member of that name.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// The member of that name, to change it.
    pub fn get_mut(&mut self, name: &[u8]) -> Option<MemberMut<'_>> {
        let hash = hasher::hash(name);
        let number = self.page_of(hash);
        let page = self.pages.get_mut(number)?;
        let at = page.find(hash, name).ok()?;
        let member = page.members.get_mut(at)?;
        Some(MemberMut { member, member_bytes: &mut self.member_bytes })
    }

    /// Puts a member in, in the place of one of the same name, which is given back.
    pub fn insert(&mut self, member: Member) -> Option<Member> {
        let hash = hasher::hash(member.name());
        let number = self.page_of(hash);
        let page = self.pages.get_mut(number)?;
        match page.find(hash, member.name()) {
            Ok(at) => {
                let place = page.members.get_mut(at)?;
                self.member_bytes =
                    (self.member_bytes + member.heap_bytes()).saturating_sub(place.heap_bytes());
                let tag = place.tag();
                let old = std::mem::replace(place, member);
                place.set_tag(tag);
                Some(old)
            }
            Err(at) => {
                self.insert_at(number, at, hash, member);
                None
            }
        }
    }

    /// Puts a new member in; when there is one of that name already, gives it, to be changed, instead.
    pub fn insert_or_get(&mut self, name: &[u8], new: impl FnOnce() -> Member) -> Option<MemberMut<'_>> {
        let hash = hasher::hash(name);
        let number = self.page_of(hash);
        let page = self.pages.get(number)?;
        match page.find(hash, name) {
            Ok(at) => {
                let member = self.pages.get_mut(number)?.members.get_mut(at)?;
                Some(MemberMut { member, member_bytes: &mut self.member_bytes })
            }
            Err(at) => {
                self.insert_at(number, at, hash, new());
                None
            }
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &[u8]) -> Option<Member> {
        let hash = hasher::hash(name);
        let number = self.page_of(hash);
        let page = self.pages.get_mut(number)?;
        let at = page.find(hash, name).ok()?;
        let member = page.members.remove(at);
        page.shrink();
        self.len -= 1;
        self.member_bytes = self.member_bytes.saturating_sub(member.heap_bytes());
        self.join_from(hash);
        Some(member)
    }

    /// Each member, in hash order.
    pub fn iter(&self) -> Members<'_> {
        Members { pages: PagesInOrder { directory: self, next: 0 }, members: [].iter() }
    }

    /// Gives members in hash order from `cursor` on, which is 0 at first and then what the last call said: about
    /// `count` of them, for members that share a position come together. Any number is a good cursor.
    ///
    /// Every member that is there from the first call to the last is given at least once, whatever else is put in
    /// or taken out meanwhile.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut give: impl FnMut(&'a Member)) -> Scanned {
        let mut touched = 0;
        if cursor >> CURSOR_BITS != 0 {
            return Scanned { cursor: 0, touched };
        }
        let from = cursor << (64 - CURSOR_BITS);
        let mut given = 0;
        let mut last = None;
        // A page may have become joined with others since, and its words coarser than the cursor: then those that
        // may be at the cursor are given again.
        for page in (PagesInOrder { directory: self, next: self.slot_of(from) }) {
            touched += 1;
            let first = if page.start < from { page.lower_bound(page.tag(from)) } else { 0 };
            for member in page.members.get(first..).unwrap_or_default() {
                touched += 1;
                let position = page.position(member);
                if given >= count && last != Some(position) {
                    return Scanned { cursor: position >> (64 - CURSOR_BITS), touched };
                }
                give(member);
                given += 1;
                last = Some(position);
            }
        }
        Scanned { cursor: 0, touched }
    }

    /// A member, each as likely as the others.
    pub fn random(&self) -> Option<&Member> {
        if self.len == 0 {
            return None;
        }
        // A page and a place in it: taken when somebody stands there. A page is half full or more on average.
        for _ in 0..64 {
            let page = self.pages.get(hasher::random_below(self.pages.len()))?;
            if page.members.len() > PAGE_MEMBERS {
                break;
            }
            if let Some(member) = page.members.get(hasher::random_below(PAGE_MEMBERS)) {
                return Some(member);
            }
        }
        let mut number = hasher::random_below(self.len);
        for page in &self.pages {
            match page.members.get(number) {
                Some(member) => return Some(member),
                None => number -= page.members.len(),
            }
        }
        None
    }

    /// So many different members (or all, when there are no more), each choice as likely as the others, in no
    /// order.
    pub fn sample(&self, count: usize) -> Vec<&Member> {
        if count.saturating_mul(3) < self.len {
            let mut chosen = HashSet::with_capacity(count);
            let mut members = Vec::with_capacity(count);
            while members.len() < count {
                let Some(member) = self.random() else { break };
                if chosen.insert(std::ptr::from_ref(member).addr()) {
                    members.push(member);
                }
            }
            return members;
        }
        let mut members: Vec<&Member> = self.iter().collect();
        hasher::shuffle_front(&mut members, count);
        members.truncate(count);
        members
    }

    /// Bytes that it and its members take in memory, besides itself.
    pub fn heap_bytes(&self) -> usize {
        // Pages are counted one by one, up to so many: of more, the others are as large as these on the average.
        let counted = self.pages.iter().take(COUNTED_PAGES_MAX);
        let words: usize = counted.map(|page| array_bytes::<Member>(page.members.capacity())).sum();
        let words = match self.pages.len() {
            all if all <= COUNTED_PAGES_MAX => words,
            all => (words as u64).saturating_mul(all as u64) as usize / COUNTED_PAGES_MAX,
        };
        self.member_bytes
            + words
            + array_bytes::<Page>(self.pages.capacity())
            + array_bytes::<u32>(self.index.capacity())
    }

    /// Frees a part of it; true when nothing is left. In between it must not be used.
    pub fn free_some(&mut self) -> bool {
        let keep = self.pages.len().saturating_sub(FREED_PAGES);
        self.pages.truncate(keep);
        self.pages.is_empty()
    }

    /// The entry of the index for a hash.
    #[inline]
    fn slot_of(&self, hash: u64) -> usize {
        // Two shifts, for a shift by 64 is none.
        (hash >> 1 >> (63 - self.depth)) as usize
    }

    /// The page for a hash.
    #[inline]
    fn page_of(&self, hash: u64) -> usize {
        self.index.get(self.slot_of(hash)).map_or(usize::MAX, |page| *page as usize)
    }

    /// The entries of the index that name the page which begins at `start`.
    fn slots_of(&self, start: u64, depth: u8) -> std::ops::Range<usize> {
        let first = self.slot_of(start);
        first..first + (1 << self.depth.saturating_sub(depth))
    }

    fn insert_at(&mut self, number: usize, at: usize, hash: u64, mut member: Member) {
        let Some(page) = self.pages.get_mut(number) else { return };
        member.set_tag(page.tag(hash));
        self.len += 1;
        self.member_bytes += member.heap_bytes();
        page.grow();
        page.members.insert(at.min(page.members.len()), member);
        let mut number = number;
        // A page whose hashes do not differ in their upper bits (nobody can foresee them, but still) is left to
        // grow before the index would.
        while self.pages.get(number).is_some_and(|page| {
            page.members.len() > PAGE_MEMBERS && page.depth < DEPTH_MAX && 1 << page.depth <= self.len / 16
        }) {
            self.cut(number);
            number = self.page_of(hash);
        }
    }

    /// Cuts a page in two by the next bit of the hash.
    fn cut(&mut self, number: usize) {
        let Some(page) = self.pages.get_mut(number) else { return };
        let depth = page.depth + 1;
        let upper_start = page.start | (1 << (64 - depth));
        let at = page.lower_bound(page.tag(upper_start));
        let mut upper = Page { members: page.members.split_off(at), start: upper_start, depth: page.depth };
        page.move_to(depth);
        upper.move_to(depth);
        page.shrink();
        upper.shrink();
        let upper_number = u32::try_from(self.pages.len()).expect("2^28 pages at most");
        self.pages.push(upper);
        match depth.cmp(&self.depth) {
            std::cmp::Ordering::Greater => {
                self.index = self.index.iter().flat_map(|page| [*page, *page]).collect();
                self.depth = depth;
                self.deepest = 2;
            }
            std::cmp::Ordering::Equal => self.deepest += 2,
            std::cmp::Ordering::Less => {}
        }
        let slots = self.slots_of(upper_start, depth);
        self.index.get_mut(slots).unwrap_or_default().fill(upper_number);
    }

    /// Joins the page of this hash with its neighbour for as long as both are small.
    fn join_from(&mut self, hash: u64) {
        while let Some((lower, upper)) = self.joinable(hash) {
            self.join(lower, upper);
        }
        while self.deepest == 0 && self.depth > 0 {
            self.index = self.index.iter().copied().step_by(2).collect();
            self.depth -= 1;
            self.deepest = self.pages.iter().filter(|page| page.depth == self.depth).count();
            self.pages.shrink_to(2 * self.pages.len());
        }
    }

    /// The page of this hash and the one that differs from it in its last bit, when they can be joined.
    fn joinable(&self, hash: u64) -> Option<(usize, usize)> {
        let number = self.page_of(hash);
        let page = self.pages.get(number)?;
        let last_bit = 1u64.checked_shl(64 - u32::from(page.depth)).filter(|_| page.depth > 0)?;
        let other_number = self.page_of(page.start ^ last_bit);
        let other = self.pages.get(other_number)?;
        let small = page.members.len() + other.members.len() <= JOINED_MEMBERS && page.depth == other.depth;
        let in_order = if page.start < other.start { (number, other_number) } else { (other_number, number) };
        small.then_some(in_order)
    }

    fn join(&mut self, lower: usize, upper: usize) {
        let last = self.pages.len() - 1;
        let mut taken = self.pages.swap_remove(upper);
        // The last page now has the number of the one that was taken.
        let lower = if lower == last { upper } else { lower };
        if let Some(moved) = self.pages.get(upper) {
            let slots = self.slots_of(moved.start, moved.depth);
            self.index.get_mut(slots).unwrap_or_default().fill(upper as u32);
        }
        if taken.depth == self.depth {
            self.deepest = self.deepest.saturating_sub(2);
        }
        let Some(page) = self.pages.get_mut(lower) else { return };
        let depth = page.depth - 1;
        page.move_to(depth);
        taken.move_to(depth);
        page.members.reserve_exact(taken.members.len());
        page.members.append(&mut taken.members);
        let start = page.start;
        let slots = self.slots_of(start, depth);
        self.index.get_mut(slots).unwrap_or_default().fill(lower as u32);
    }
}

impl Page {
    /// Where the tags of a page of this depth begin in the hash.
    fn window(&self) -> u8 {
        window(self.depth)
    }

    /// The tag of a hash in this page.
    #[inline]
    fn tag(&self, hash: u64) -> u16 {
        tag(hash, self.window())
    }

    /// The first hash that a member's tag allows.
    fn position(&self, member: &Member) -> u64 {
        let window = self.window();
        // The bits before the window are the page's own.
        let before = self.start & !(u64::MAX >> window);
        before | (u64::from(member.tag()) << 48 >> window)
    }

    /// The first member whose tag is not below `tag`.
    #[inline]
    fn lower_bound(&self, tag: u16) -> usize {
        let members = self.members.as_slice();
        if members.len() > 4 * PAGE_MEMBERS {
            return members.partition_point(|member| member.tag() < tag);
        }
        // The bits of the tag that follow the page's own are spread evenly: they say about where it stands.
        let below = tag << (self.depth - self.window());
        let mut at = (members.len() * usize::from(below)) >> 16;
        while members.get(at).is_some_and(|member| member.tag() < tag) {
            at += 1;
        }
        while at > 0 && members.get(at - 1).is_some_and(|member| member.tag() >= tag) {
            at -= 1;
        }
        at
    }

    /// Where the member of that name stands, or would be put.
    #[inline]
    fn find(&self, hash: u64, name: &[u8]) -> Result<usize, usize> {
        let tag = self.tag(hash);
        let mut at = self.lower_bound(tag);
        while let Some(member) = self.members.get(at).filter(|member| member.tag() == tag) {
            if member.name() == name {
                return Ok(at);
            }
            at += 1;
        }
        Err(at)
    }

    /// Makes the tags those of another depth; they only change when the window does.
    fn move_to(&mut self, depth: u8) {
        let old = self.window();
        self.depth = depth;
        let new = self.window();
        if old != new {
            for member in &mut self.members {
                let tag = tag(hasher::hash(member.name()), new);
                member.set_tag(tag);
            }
            // Those that had the same tag before may come to stand in any order.
            self.members.sort_by_key(Member::tag);
        }
    }

    /// Makes room for one more: to the next of the allocator's classes, no further.
    fn grow(&mut self) {
        let (len, capacity) = (self.members.len(), self.members.capacity());
        if len == capacity {
            let wanted = array_bytes::<Member>(capacity + 1) / size_of::<Member>();
            self.members.reserve_exact(wanted - len);
        }
    }

    /// Gives room back when a quarter or more is unused.
    fn shrink(&mut self) {
        let (len, capacity) = (self.members.len(), self.members.capacity());
        if capacity - len > capacity / 4 {
            let wanted = array_bytes::<Member>(len + 1) / size_of::<Member>();
            self.members.shrink_to(wanted);
        }
    }
}

/// Where the tags of a page of this depth begin in the hash.
#[inline]
fn window(depth: u8) -> u8 {
    depth - depth % WINDOW_STEP
}

/// The 16 bits of the hash from `window` on.
#[inline]
fn tag(hash: u64, window: u8) -> u16 {
    ((hash << window) >> 48) as u16
}

/// The members of a directory, in hash order.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    pages: PagesInOrder<'a>,
    members: std::slice::Iter<'a, Member>,
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a Member;
    fn next(&mut self) -> Option<&'a Member> {
        loop {
            if let Some(member) = self.members.next() {
                let left = self.members.as_slice();
                if left.len().is_multiple_of(WALK_AHEAD) {
                    left.iter().skip(WALK_AHEAD).take(WALK_AHEAD).for_each(Member::prefetch);
                }
                return Some(member);
            }
            self.members = self.pages.next()?.members.iter();
            self.members.as_slice().iter().take(2 * WALK_AHEAD).for_each(Member::prefetch);
        }
    }
}

impl<'a> IntoIterator for &'a Directory {
    type Item = &'a Member;
    type IntoIter = Members<'a>;
    fn into_iter(self) -> Members<'a> {
        self.iter()
    }
}

/// The pages in hash order, from an entry of the index on.
#[derive(Clone, Debug)]
struct PagesInOrder<'a> {
    directory: &'a Directory,
    next: usize,
}

impl<'a> Iterator for PagesInOrder<'a> {
    type Item = &'a Page;
    fn next(&mut self) -> Option<&'a Page> {
        let directory = self.directory;
        let page = directory.pages.get(*directory.index.get(self.next)? as usize)?;
        self.next = directory.slots_of(page.start, page.depth).end;
        Some(page)
    }
}

impl std::ops::Deref for MemberMut<'_> {
    type Target = Member;
    fn deref(&self) -> &Member {
        self.member
    }
}

impl MemberMut<'_> {
    /// Gives a field another value; its deadline stays.
    pub fn set_value(&mut self, value: &[u8]) {
        self.counted(|member| member.set_value(value));
    }

    /// Gives a field a deadline, or takes it away.
    pub fn set_deadline(&mut self, deadline: Option<UnixMillis>) {
        self.counted(|member| member.set_deadline(deadline));
    }

    /// Gives a sorted set's member another score.
    pub fn set_score(&mut self, score: f64) {
        self.member.set_score(score);
    }

    fn counted(&mut self, change: impl FnOnce(&mut Member)) {
        let before = self.member.heap_bytes();
        change(self.member);
        *self.member_bytes = (*self.member_bytes + self.member.heap_bytes()).saturating_sub(before);
    }
}

#[cfg(test)]
mod tests;
