//! Sets of tags, each kept once per core, so that equal sets are one pointer. Which of them make series is the catalog's.

use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::hash::Hasher;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHasher};

use super::admission::WARMUP;
use super::memo::{Memo, Question};
use super::slots::Routes;
use super::veil::Veil;

thread_local! {
    // Unique in the thread, not in the interner: two recorders on one thread must not take each other's sets for their own.
    static NEXT_ID: Cell<u64> = const { Cell::new(0) };
}

/// Tags of a sample: an unordered set of keys with one value each. Cheap to clone, bound to its thread.
#[derive(Clone)]
pub struct TagSet(Rc<Inner>);

struct Inner {
    id: u64,
    /// Sum of the pairs' hashes: the same in any order, and a pair can be taken out again.
    hash: u64,
    /// Sorted by key; no empty values.
    pairs: Box<[(Rc<str>, Rc<str>)]>,
    is_warmup: bool,
    routes: RefCell<Routes>,
}

impl TagSet {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.pairs.iter().find(|(k, _)| **k == *key).map(|(_, v)| &**v)
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.pairs.iter().map(|(k, v)| (&**k, &**v))
    }

    /// How many tags there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.pairs.len()
    }

    /// Whether there are no tags.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.pairs.is_empty()
    }

    /// A number that no other set of this thread has or will have.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Whether it has the tag [`WARMUP`].
    pub(crate) fn is_warmup(&self) -> bool {
        self.0.is_warmup
    }

    /// Where its samples go; the recorder's.
    pub(super) fn routes(&self) -> RefMut<'_, Routes> {
        self.0.routes.borrow_mut()
    }
}

impl PartialEq for TagSet {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id || (self.0.hash == other.0.hash && self.0.pairs == other.0.pairs)
    }
}

impl Eq for TagSet {}

impl fmt::Debug for TagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Finds or makes the one [`TagSet`] of some tags.
pub(super) struct Interner {
    sets: FxHashMap<u64, Vec<TagSet>>,
    /// Sets by what they were asked for.
    asked: Memo<TagSet>,
    count: usize,
    empty: TagSet,
    veil: Veil,
}

impl Interner {
    pub(super) fn new(veil: &Veil) -> Self {
        let empty = make(0, Vec::new());
        Self {
            sets: FxHashMap::from_iter([(0, vec![empty.clone()])]),
            asked: Memo::default(),
            count: 1,
            empty,
            veil: veil.clone(),
        }
    }

    pub(super) fn empty(&self) -> TagSet {
        self.empty.clone()
    }

    /// How many sets are kept.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What is not shown of tags.
    pub(super) fn veil(&self) -> &Veil {
        &self.veil
    }

    /// `base` with what is shown of `extra` on top: later pairs win, and an empty value takes its key out. Allocates only for
    /// a new question, and only then the veil is asked.
    pub(super) fn intern(&mut self, base: &TagSet, extra: &[(&str, &str)]) -> TagSet {
        if extra.is_empty() {
            return base.clone();
        }
        let question = Question::new(base, extra);
        if let Some(set) = self.asked.get(question) {
            return set.clone();
        }
        let set = match self.veil.pairs(extra) {
            None => self.merge(base, extra),
            Some(shown) => {
                let shown: Vec<(&str, &str)> = shown.iter().map(|(key, value)| (*key, &**value)).collect();
                self.merge(base, &shown)
            }
        };
        self.asked.insert(question, set.clone());
        set
    }

    fn merge(&mut self, base: &TagSet, extra: &[(&str, &str)]) -> TagSet {
        let merged = Merged::new(base, extra);
        if let Some(set) = self
            .sets
            .get(&merged.hash)
            .and_then(|sets| sets.iter().find(|set| merged.equals(set)))
        {
            return set.clone();
        }
        let set = make(merged.hash, merged.pairs());
        self.sets.entry(merged.hash).or_default().push(set.clone());
        self.count += 1;
        set
    }

    /// Forgets the sets that nobody else holds.
    pub(super) fn sweep(&mut self) {
        self.asked.clear();
        self.sets.retain(|_, sets| {
            sets.retain(|set| Rc::strong_count(&set.0) > 1);
            !sets.is_empty()
        });
        self.count = self.sets.values().map(Vec::len).sum();
    }
}

/// The set to be, described by its parts, so that looking it up copies nothing.
struct Merged<'a> {
    base: &'a TagSet,
    extra: &'a [(&'a str, &'a str)],
    hash: u64,
    len: usize,
}

impl<'a> Merged<'a> {
    fn new(base: &'a TagSet, extra: &'a [(&'a str, &'a str)]) -> Self {
        let mut merged = Self {
            base,
            extra,
            hash: base.0.hash,
            len: base.len(),
        };
        for (index, (key, value)) in extra.iter().enumerate() {
            if merged.is_overridden(key, index + 1) {
                continue;
            }
            if let Some(old) = base.get(key) {
                merged.hash = merged.hash.wrapping_sub(hash(key, old));
                merged.len -= 1;
            }
            if !value.is_empty() {
                merged.hash = merged.hash.wrapping_add(hash(key, value));
                merged.len += 1;
            }
        }
        merged
    }

    /// Whether `extra` names the key from that position on.
    fn is_overridden(&self, key: &str, from: usize) -> bool {
        self.extra[from..].iter().any(|(later, _)| *later == key)
    }

    /// The pairs of `extra` that are in the set.
    fn added(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.extra
            .iter()
            .enumerate()
            .filter(|(index, (key, value))| !value.is_empty() && !self.is_overridden(key, index + 1))
            .map(|(_, &pair)| pair)
    }

    fn equals(&self, set: &TagSet) -> bool {
        set.len() == self.len
            && self.added().all(|(key, value)| set.get(key) == Some(value))
            && self
                .base
                .iter()
                .all(|(key, value)| self.is_overridden(key, 0) || set.get(key) == Some(value))
    }

    fn pairs(&self) -> Vec<(Rc<str>, Rc<str>)> {
        let kept = self.base.0.pairs.iter().filter(|(key, _)| !self.is_overridden(key, 0));
        let mut pairs: Vec<_> = kept.cloned().collect();
        pairs.extend(self.added().map(|(key, value)| (key.into(), value.into())));
        pairs.sort();
        pairs
    }
}

fn make(hash: u64, pairs: Vec<(Rc<str>, Rc<str>)>) -> TagSet {
    let id = NEXT_ID.with(|next| next.replace(next.get() + 1));
    TagSet(Rc::new(Inner {
        id,
        hash,
        is_warmup: pairs.iter().any(|(key, _)| **key == *WARMUP),
        pairs: pairs.into(),
        routes: RefCell::default(),
    }))
}

fn hash(key: &str, value: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key.as_bytes());
    hasher.write_u8(0xff);
    hasher.write(value.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
        // Few keys and values, so that overriding, removing (empty value) and repeating happen often.
        prop::collection::vec(("[a-d]", "[xy]?"), 0..6)
    }

    fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
        pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
    }

    proptest! {
        #[test]
        fn a_set_is_the_map_that_its_pairs_make(first in pairs(), second in pairs()) {
            let mut interner = Interner::new(&Veil::default());
            let empty = interner.empty();
            let base = interner.intern(&empty, &borrowed(&first));
            let set = interner.intern(&base, &borrowed(&second));

            let mut model = BTreeMap::new();
            for (key, value) in borrowed(&first).into_iter().chain(borrowed(&second)) {
                model.insert(key, value);
            }
            model.retain(|_, value| !value.is_empty());
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.clone().into_iter().collect::<Vec<_>>());

            // In any order, at once or by parts: the same one set.
            let backwards: Vec<_> = model.into_iter().rev().collect();
            let again = interner.intern(&empty, &backwards);
            prop_assert_eq!(again.id(), set.id());
            prop_assert_eq!(&again, &set);
        }
    }

    #[test]
    fn sets_of_two_interners_compare_by_content_and_never_share_an_id() {
        let (mut one, mut two) = (Interner::new(&Veil::default()), Interner::new(&Veil::default()));
        let (a, b) = (one.empty(), two.empty());
        let (a, b) = (one.intern(&a, &[("k", "v")]), two.intern(&b, &[("k", "v")]));
        assert_eq!(a, b);
        assert_ne!(a.id(), b.id());
        assert_ne!(a, two.intern(&b, &[("k", "w")]));
    }

    #[test]
    fn what_is_veiled_is_no_tag_but_for_those_that_are_made_here() {
        let veil = Veil::new(|value| value.contains("hush").then(|| value.replace("hush", "…")));
        let mut interner = Interner::new(&veil);
        let empty = interner.empty();
        let asked: &[(&str, &str)] = &[("name", "GET /hush"), ("scenario", "hush"), ("item", "1")];
        for _ in 0..2 {
            let set = interner.intern(&empty, asked);
            assert_eq!(
                set.iter().collect::<Vec<_>>(),
                [("item", "1"), ("name", "GET /…"), ("scenario", "hush")]
            );
        }
        let shown = interner.intern(&empty, &[("name", "GET /…")]);
        assert_eq!(interner.intern(&empty, &[("name", "GET /hush")]).id(), shown.id());
    }

    #[test]
    fn sweeping_forgets_only_what_nobody_holds() {
        let mut interner = Interner::new(&Veil::default());
        let empty = interner.empty();
        let held = interner.intern(&empty, &[("id", "1")]);
        drop(interner.intern(&empty, &[("id", "2")]));
        assert_eq!(interner.len(), 3);
        interner.sweep();
        assert_eq!(interner.len(), 2);
        assert_eq!(interner.intern(&empty, &[("id", "1")]).id(), held.id());
        assert_eq!(interner.intern(&held, &[("id", "")]).id(), empty.id());
    }
}
