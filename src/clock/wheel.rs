//! Many deadlines in few operations: a hierarchical timing wheel (Varghese and Lauck, 1987) over ticks. It reads no clock and
//! wakes nobody; that is `alarm`'s.
//!
//! Level 0 has a slot for each of the next 64 ticks, each level above one for 64 slots of the level below. An entry waits
//! in the highest level in which its tick differs from that of the wheel; when the wheel comes to its slot, the entry is
//! due or moves to a lower level. Setting and removing take the same few steps however many others there are.

/// Slots of a level; a power of two, and bits of its word of occupied slots.
const SLOTS: usize = 64;
/// Bits of a tick that one level decides.
const BITS: u32 = 6;
/// Enough for two years of milliseconds; what is later waits there once more.
const LEVELS: usize = 6;
/// The end of a list.
const NIL: u32 = u32::MAX;
/// The home of an entry that is in no slot because it is due.
const DUE: u16 = u16::MAX;

/// Entries by the tick at which they are due.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    /// All that was due until then has come out.
    elapsed: u64,
    /// One bit for each slot of a level that is not empty.
    occupied: [u64; LEVELS],
    /// The first entry of each slot.
    heads: [[u32; SLOTS]; LEVELS],
    entries: Vec<Entry<T>>,
    /// The first of the entries that are free to use.
    free: u32,
    /// How many are in use.
    len: usize,
}

/// One entry, in the list of its slot or of the free ones.
#[derive(Debug)]
struct Entry<T> {
    at: u64,
    previous: u32,
    next: u32,
    /// Level and slot, or [`DUE`].
    home: u16,
    value: Option<T>,
}

/// An entry of a wheel, until it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u32);

impl<T> Wheel<T> {
    /// An empty wheel at tick 0.
    pub(super) const fn new() -> Self {
        Self {
            elapsed: 0,
            occupied: [0; LEVELS],
            heads: [[NIL; SLOTS]; LEVELS],
            entries: Vec::new(),
            free: NIL,
            len: 0,
        }
    }

    /// How many entries there are, due or not.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Sets an entry for tick `at`; one that has passed is due at the next.
    pub(super) fn insert(&mut self, at: u64, value: T) -> Key {
        let at = at.max(self.elapsed + 1);
        self.len += 1;
        let entry = Entry {
            at,
            previous: NIL,
            next: NIL,
            home: DUE,
            value: Some(value),
        };
        let index = self.free;
        let index = if let Some(place) = self.entries.get_mut(index as usize) {
            self.free = place.next;
            *place = entry;
            index
        } else {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).unwrap_or(NIL)
        };
        self.link(index);
        Key(index)
    }

    /// Removes an entry and gives what is left of it: nothing once it has come out as due.
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.unlink(key.0);
        self.len -= 1;
        let free = self.free;
        self.free = key.0;
        let entry = self.entry(key.0);
        entry.next = free;
        entry.value.take()
    }

    /// What an entry holds; nothing once it has come out as due.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entry(key.0).value.as_mut()
    }

    /// The tick at which [`Wheel::advance`] has something to do; never later than the first deadline.
    pub(super) fn next(&self) -> Option<u64> {
        self.next_slot().map(|(_, _, at)| at)
    }

    /// Comes to tick `now` and gives what the entries hold that are due by then. Keys stay valid until they are removed.
    pub(super) fn advance(&mut self, now: u64, mut due: impl FnMut(T)) {
        while let Some((level, slot, at)) = self.next_slot()
            && at <= now
        {
            self.elapsed = self.elapsed.max(at);
            self.occupied[level] &= !(1 << slot);
            let mut index = std::mem::replace(&mut self.heads[level][slot], NIL);
            while index != NIL {
                let elapsed = self.elapsed;
                let entry = self.entry(index);
                let next = entry.next;
                entry.home = DUE;
                if entry.at > elapsed {
                    self.link(index);
                } else if let Some(value) = entry.value.take() {
                    due(value);
                }
                index = next;
            }
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// The first slot that the wheel comes to, and when.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|occupied| *occupied != 0)?;
        let shift = BITS * u32::try_from(level).unwrap_or(0);
        let here = self.elapsed >> shift;
        let here_in_level = u32::try_from(here % SLOTS as u64).unwrap_or(0);
        // The slot of this moment itself is empty, or a turn ahead in the highest level.
        let ahead = self.occupied[level].rotate_right(here_in_level + 1).trailing_zeros() + 1;
        let slot = (here_in_level + ahead) as usize % SLOTS;
        Some((level, slot, (here + u64::from(ahead)) << shift))
    }

    /// Puts an entry that is in no slot into the one it belongs to.
    fn link(&mut self, index: u32) {
        let elapsed = self.elapsed;
        let top = BITS * u32::try_from(LEVELS).unwrap_or(0);
        // As late as the wheel can tell apart; it is put in again when it comes out of there.
        let at = self.entry(index).at.min(elapsed + (1 << top) - 1);
        let differing = 63 - ((at ^ elapsed) | (SLOTS as u64 - 1)).leading_zeros();
        let level = ((differing / BITS) as usize).min(LEVELS - 1);
        let shift = BITS * u32::try_from(level).unwrap_or(0);
        let slot = usize::try_from((at >> shift) % SLOTS as u64).unwrap_or(0);
        let first = std::mem::replace(&mut self.heads[level][slot], index);
        self.occupied[level] |= 1 << slot;
        let entry = self.entry(index);
        entry.previous = NIL;
        entry.next = first;
        entry.home = u16::try_from(level * SLOTS + slot).unwrap_or(DUE);
        if first != NIL {
            self.entry(first).previous = index;
        }
    }

    /// Takes an entry out of its slot, if it is in one.
    fn unlink(&mut self, index: u32) {
        let entry = self.entry(index);
        let (home, previous, next) = (entry.home, entry.previous, entry.next);
        if home == DUE {
            return;
        }
        entry.home = DUE;
        if next != NIL {
            self.entry(next).previous = previous;
        }
        if previous != NIL {
            self.entry(previous).next = next;
            return;
        }
        let (level, slot) = (usize::from(home) / SLOTS, usize::from(home) % SLOTS);
        self.heads[level][slot] = next;
        if next == NIL {
            self.occupied[level] &= !(1 << slot);
        }
    }

    fn entry(&mut self, index: u32) -> &mut Entry<T> {
        &mut self.entries[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        /// An entry that many ticks ahead.
        Insert(u64),
        /// One of the entries that there are.
        Remove(usize),
        /// Time passes, as far as the wheel asks or by that many ticks.
        Advance(Option<u64>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let ahead = prop_oneof![0..200_u64, 0..40_000_u64, 0..(1_u64 << 38)];
        let pass = prop_oneof![0..100_u64, 0..30_000_u64, 0..(1_u64 << 37)];
        prop_oneof![
            4 => ahead.prop_map(Step::Insert),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => pass.prop_map(|ticks| Step::Advance(Some(ticks))),
            2 => Just(Step::Advance(None)),
        ]
    }

    proptest! {
        #[test]
        fn entries_come_out_when_they_are_due_and_not_before(steps in proptest::collection::vec(step(), 1..200)) {
            let mut wheel = Wheel::new();
            let mut now = 0_u64;
            let mut waiting: BTreeMap<u64, (u64, Key)> = BTreeMap::new();
            for (id, step) in (0_u64..).zip(steps) {
                match step {
                    Step::Insert(ahead) => {
                        let key = wheel.insert(now + ahead, id);
                        waiting.insert(id, ((now + ahead).max(now + 1), key));
                    }
                    Step::Remove(nth) if !waiting.is_empty() => {
                        let id = *waiting.keys().nth(nth % waiting.len()).expect("one of them");
                        let (_, key) = waiting.remove(&id).expect("it waits");
                        prop_assert_eq!(wheel.remove(key), Some(id));
                    }
                    Step::Remove(_) => {}
                    Step::Advance(by) => {
                        let first = waiting.values().map(|(at, _)| *at).min();
                        prop_assert!(wheel.next().is_none_or(|next| next > now));
                        prop_assert_eq!(wheel.next().is_some(), first.is_some());
                        prop_assert!(wheel.next() <= first, "it looks before the first is due");
                        now = by.map_or_else(|| wheel.next().unwrap_or(now), |by| now + by);
                        let mut due = Vec::new();
                        wheel.advance(now, |id| due.push(id));
                        due.sort_unstable();
                        let expected: Vec<u64> =
                            waiting.iter().filter(|(_, (at, _))| *at <= now).map(|(id, _)| *id).collect();
                        prop_assert_eq!(&due, &expected);
                        for id in due {
                            let (_, key) = waiting.remove(&id).expect("it waited");
                            prop_assert_eq!(wheel.remove(key), None, "it has come out");
                        }
                    }
                }
            }
            prop_assert_eq!(wheel.len(), waiting.len());
        }
    }

    #[test]
    fn places_are_used_again() {
        let mut wheel = Wheel::new();
        for round in 0..10_000_u64 {
            let keys: Vec<Key> = (0..3).map(|n| wheel.insert(round + 30_000 + n, n)).collect();
            for key in keys {
                assert!(wheel.remove(key).is_some());
            }
            wheel.advance(round, |_| unreachable!("all were removed"));
        }
        assert_eq!(wheel.entries.len(), 3);
        assert_eq!(wheel.len(), 0);
    }
}
