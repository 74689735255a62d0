//! Remembers what was made of a tag set and some pairs, so that asking again costs one hash and one comparison. What is
//! made, and when it is forgotten, is the owner's business.

use std::hash::Hasher as _;

use rustc_hash::{FxHashMap, FxHasher};

use super::tags::TagSet;

/// A tag set and pairs, with their hash.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    base: u64,
    pairs: &'a [(&'a str, &'a str)],
    hash: u64,
}

impl<'a> Question<'a> {
    pub(super) fn new(base: &TagSet, pairs: &'a [(&'a str, &'a str)]) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write_u64(base.id());
        for (key, value) in pairs {
            // Of keys, which are few, the length must do; they are compared all the same.
            hasher.write_usize(key.len());
            hasher.write(value.as_bytes());
        }
        Self {
            base: base.id(),
            pairs,
            hash: hasher.finish(),
        }
    }
}

/// Answers by question. Two questions with the same hash push each other out.
pub(super) struct Memo<T> {
    answers: FxHashMap<u64, Answer<T>>,
}

struct Answer<T> {
    base: u64,
    pairs: Box<[Pair]>,
    made: T,
}

type Pair = (Box<str>, Box<str>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self {
            answers: FxHashMap::default(),
        }
    }
}

impl<T> Memo<T> {
    /// What was made of it.
    pub(super) fn get(&self, question: Question<'_>) -> Option<&T> {
        let answer = self.answers.get(&question.hash)?;
        let mut pairs = answer.pairs.iter().zip(question.pairs);
        let is_same = answer.base == question.base
            && answer.pairs.len() == question.pairs.len()
            && pairs.all(|(mine, theirs)| *mine.1 == *theirs.1 && *mine.0 == *theirs.0);
        is_same.then_some(&answer.made)
    }

    /// Remembers what was made of it.
    pub(super) fn insert(&mut self, question: Question<'_>, made: T) {
        let pairs = question.pairs.iter().map(|&(key, value)| (key.into(), value.into()));
        let answer = Answer {
            base: question.base,
            pairs: pairs.collect(),
            made,
        };
        self.answers.insert(question.hash, answer);
    }

    pub(super) fn clear(&mut self) {
        self.answers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tags::Interner;
    use crate::metrics::veil::Veil;

    #[test]
    fn only_the_same_question_has_the_answer() {
        let mut interner = Interner::new(&Veil::default());
        let empty = interner.empty();
        let other = interner.intern(&empty, &[("scenario", "s")]);
        let asked: &[(&str, &str)] = &[("name", "a"), ("method", "GET")];
        // Questions that all hash alike, as if by bad luck.
        let question = |base, pairs| Question {
            hash: 5,
            ..Question::new(base, pairs)
        };
        let mut memo = Memo::default();
        memo.insert(question(&empty, asked), 1);
        assert_eq!(memo.get(question(&empty, asked)), Some(&1));
        let table: &[(&TagSet, &[(&str, &str)])] = &[
            (&other, asked),
            (&empty, &[("name", "a")]),
            (&empty, &[("name", "a"), ("method", "PUT")]),
            (&empty, &[("name", "a"), ("way", "GET")]),
            (&empty, &[("method", "GET"), ("name", "a")]),
        ];
        for (base, pairs) in table {
            assert_eq!(memo.get(question(base, pairs)), None, "{pairs:?}");
        }
        memo.insert(question(&other, asked), 2);
        assert_eq!(memo.get(question(&empty, asked)), None);
        assert_eq!(memo.get(question(&other, asked)), Some(&2));
        memo.clear();
        assert_eq!(memo.get(question(&other, asked)), None);
    }
}
