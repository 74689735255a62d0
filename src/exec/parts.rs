//! The tags of a scenario's samples, by the part of the run that an iteration belongs to. What a part is called is the
//! plan's.

use std::cell::RefCell;
use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::metrics::{Recorder, TagSet};
use crate::plan::Plan;
use crate::vu::Part;

/// Sets of tags, made when they are first needed: there may be thousands of segments.
pub(super) struct Parts {
    base: TagSet,
    segments: Vec<String>,
    made: RefCell<HashMap<Part, TagSet, FxBuildHasher>>,
}

impl Parts {
    /// The scenario's tags over the plan's, and its name.
    pub(super) fn new(plan: &Plan, index: usize, recorder: &Recorder) -> Self {
        let scenario = &plan.scenarios[index];
        let mut tags = plan.tags.clone();
        tags.extend(scenario.tags.clone());
        tags.insert("scenario".to_owned(), scenario.name.clone());
        let tags: Vec<_> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        Self {
            base: recorder.tags(&recorder.no_tags(), &tags),
            segments: scenario.executor.segments(),
            made: RefCell::default(),
        }
    }

    /// The tags of one part: `stage`, `phase`, `warmup` and `revision` as far as they apply.
    pub(super) fn get(&self, part: Part, plan: &Plan, recorder: &Recorder) -> TagSet {
        if let Some(tags) = self.made.borrow().get(&part) {
            return tags.clone();
        }
        let stage = self.segments.get(part.segment as usize).map(String::as_str);
        let revision = part.revision.to_string();
        let extra = plan.tags_of(part, stage, &revision);
        let tags = recorder.tags(&self.base, &extra);
        self.made.borrow_mut().insert(part, tags.clone());
        tags
    }
}
