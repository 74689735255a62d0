//! Counts the checks of one core by name and group. Their samples are the recorder's.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::catalog::{AUTOMATIC_SERIES_CAP, OTHER};
use super::delta::{CheckKey, CheckTally};
use super::memo::{Memo, Question};
use super::tags::{Interner, TagSet};

/// The checks since the last take.
#[derive(Default)]
pub(super) struct CheckTallies {
    rows: Vec<(CheckKey, CheckTally)>,
    row_of: FxHashMap<CheckKey, usize>,
    /// By tag set and name: the row, and the tags with `check` added.
    seen: Memo<(usize, TagSet)>,
}

impl CheckTallies {
    /// Counts the result and returns the tags of its sample.
    pub(super) fn note(&mut self, name: &str, passed: bool, tags: &TagSet, interner: &mut Interner) -> TagSet {
        let named = [("check", name)];
        let question = Question::new(tags, &named);
        let (row, with_name) = match self.seen.get(question) {
            Some((row, with_name)) => (*row, with_name.clone()),
            None => {
                let shown = interner.veil().value("check", name);
                let row = self.row(shown.as_deref().unwrap_or(name), tags.get("group").unwrap_or(""));
                let with_name = interner.intern(tags, &[("check", &*self.rows[row].0.name)]);
                self.seen.insert(question, (row, with_name.clone()));
                (row, with_name)
            }
        };
        let tally = &mut self.rows[row].1;
        if passed {
            tally.passes += 1;
        } else {
            tally.fails += 1;
        }
        with_name
    }

    /// The row of a check; names beyond the cap (made of ids, surely) share one.
    fn row(&mut self, name: &str, group: &str) -> usize {
        let mut key = CheckKey {
            group: group.into(),
            name: name.into(),
        };
        if self.rows.len() >= AUTOMATIC_SERIES_CAP && !self.row_of.contains_key(&key) {
            key = CheckKey {
                group: "".into(),
                name: OTHER.into(),
            };
        }
        *self.row_of.entry(key.clone()).or_insert_with(|| {
            self.rows.push((key, CheckTally::default()));
            self.rows.len() - 1
        })
    }

    /// Everything since the last take.
    pub(super) fn take(&mut self) -> BTreeMap<CheckKey, CheckTally> {
        self.rows
            .iter_mut()
            .filter(|(_, tally)| *tally != CheckTally::default())
            .map(|(key, tally)| (key.clone(), std::mem::take(tally)))
            .collect()
    }

    /// Lets go of tag sets. What was counted stays.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }
}
