//! The tags of a scenario's samples, by the part of the run that an iteration belongs to. What a part is called is the
//! plan's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use crate::control::Control;
use crate::metrics::{Recorder, TagSet};
use crate::plan::Plan;
use crate::vu::Part;

/// Sets of tags, made when they are first needed: there may be thousands of segments.
pub(super) struct Parts {
    base: TagSet,
    scenario: usize,
    segments: Vec<String>,
    /// Knows the names of segments that only an edited plan has.
    steering: Arc<Control>,
    made: RefCell<HashMap<Part, TagSet, FxBuildHasher>>,
    /// The part that was asked for last, which the next question is about too, as a rule.
    last: RefCell<Option<(Part, TagSet)>>,
}

impl Parts {
    /// The scenario's tags over the plan's, and its name.
    pub(super) fn new(plan: &Plan, index: usize, recorder: &Recorder, steering: &Arc<Control>) -> Self {
        let scenario = &plan.scenarios[index];
        let mut tags = plan.tags.clone();
        tags.extend(scenario.tags.clone());
        tags.insert("scenario".to_owned(), scenario.name.clone());
        let tags: Vec<_> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        Self {
            base: recorder.tags(&recorder.no_tags(), &tags),
            scenario: index,
            segments: scenario.executor.segments(),
            steering: Arc::clone(steering),
            made: RefCell::default(),
            last: RefCell::default(),
        }
    }

    /// The tags of one part: `stage`, `phase`, `warmup` and `revision` as far as they apply.
    pub(super) fn get(&self, part: Part, plan: &Plan, recorder: &Recorder) -> TagSet {
        if let Some((last, tags)) = &*self.last.borrow()
            && *last == part
        {
            return tags.clone();
        }
        let tags = self.find(part, plan, recorder);
        *self.last.borrow_mut() = Some((part, tags.clone()));
        tags
    }

    fn find(&self, part: Part, plan: &Plan, recorder: &Recorder) -> TagSet {
        if let Some(tags) = self.made.borrow().get(&part) {
            return tags.clone();
        }
        let planned = self.segments.get(part.segment as usize).cloned();
        let stage = planned.or_else(|| self.steering.stage(self.scenario, part.segment));
        let revision = part.revision.to_string();
        let extra = plan.tags_of(part, stage.as_deref(), &revision);
        let tags = recorder.tags(&self.base, &extra);
        self.made.borrow_mut().insert(part, tags.clone());
        tags
    }
}
