//! The tags of a scenario's samples, by the part of the run that an iteration belongs to. What a part is called is the
//! plan's.

use std::cell::RefCell;

use crate::metrics::{Recorder, TagSet};
use crate::plan::Plan;

/// Sets of tags, made when they are first needed: there may be thousands of segments.
pub(super) struct Parts {
    base: TagSet,
    segments: Vec<String>,
    /// By segment, phase and warm-up, in that order.
    made: RefCell<Vec<Option<TagSet>>>,
}

impl Parts {
    /// The scenario's tags over the plan's, and its name.
    pub(super) fn new(plan: &Plan, index: usize, recorder: &Recorder) -> Self {
        let scenario = &plan.scenarios[index];
        let mut tags = plan.tags.clone();
        tags.extend(scenario.tags.clone());
        tags.insert("scenario".to_owned(), scenario.name.clone());
        let tags: Vec<_> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let segments = scenario.executor.segments();
        let slots = segments.len().max(1) * (plan.phases.len() + 1) * 2;
        Self {
            base: recorder.tags(&recorder.no_tags(), &tags),
            segments,
            made: RefCell::new(vec![None; slots]),
        }
    }

    /// The tags of one part: `stage`, `phase` and `warmup` as far as they apply.
    pub(super) fn get(
        &self,
        segment: u32,
        warmup: bool,
        phase: Option<usize>,
        plan: &Plan,
        recorder: &Recorder,
    ) -> TagSet {
        let segment = segment as usize;
        let column = phase.map_or(0, |phase| phase + 1);
        let slot = (segment * (plan.phases.len() + 1) + column) * 2 + usize::from(warmup);
        if let Some(tags) = &self.made.borrow()[slot] {
            return tags.clone();
        }
        let mut extra = Vec::with_capacity(3);
        extra.extend(self.segments.get(segment).map(|name| ("stage", name.as_str())));
        let phase = phase.and_then(|phase| plan.phases.get(phase));
        extra.extend(phase.map(|phase| ("phase", phase.name.as_str())));
        extra.extend(warmup.then_some((crate::metrics::WARMUP, "true")));
        let tags = recorder.tags(&self.base, &extra);
        self.made.borrow_mut()[slot] = Some(tags.clone());
        tags
    }
}
