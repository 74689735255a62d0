//! The tags of a scenario's samples, by the part of the run that an iteration belongs to. What a part is called is the
//! plan's.

use std::cell::RefCell;
use std::sync::Arc;

use crate::control::Control;
use crate::metrics::{Recorder, TagSet};
use crate::plan::Plan;

/// Sets of tags, made when they are first needed: there may be thousands of segments.
pub(super) struct Parts {
    base: TagSet,
    scenario: usize,
    segments: Vec<String>,
    /// Knows the names of segments that only an edited plan has.
    steering: Arc<Control>,
    /// By segment, phase and warm-up, in that order.
    made: RefCell<Vec<Option<TagSet>>>,
}

impl Parts {
    /// The scenario's tags over the plan's, and its name.
    pub(super) fn new(plan: &Plan, index: usize, recorder: &Recorder, steering: &Arc<Control>) -> Self {
        let scenario = &plan.scenarios[index];
        let mut tags = plan.tags.clone();
        tags.extend(scenario.tags.clone());
        tags.insert("scenario".to_owned(), scenario.name.clone());
        let tags: Vec<_> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let segments = scenario.executor.segments();
        let slots = segments.len().max(1) * (plan.phases.len() + 1) * 2;
        Self {
            base: recorder.tags(&recorder.no_tags(), &tags),
            scenario: index,
            segments,
            steering: Arc::clone(steering),
            made: RefCell::new(vec![None; slots]),
        }
    }

    /// The tags of one part: `stage`, `phase` and `warmup` as far as they apply.
    pub(super) fn get(
        &self,
        number: u32,
        warmup: bool,
        phase: Option<usize>,
        plan: &Plan,
        recorder: &Recorder,
    ) -> TagSet {
        let segment = number as usize;
        let column = phase.map_or(0, |phase| phase + 1);
        let slot = (segment * (plan.phases.len() + 1) + column) * 2 + usize::from(warmup);
        if let Some(Some(tags)) = self.made.borrow().get(slot) {
            return tags.clone();
        }
        let planned = self.segments.get(segment).cloned();
        let stage = planned.or_else(|| self.steering.stage(self.scenario, number));
        let mut extra = Vec::with_capacity(3);
        extra.extend(stage.as_deref().map(|name| ("stage", name)));
        let phase = phase.and_then(|phase| plan.phases.get(phase));
        extra.extend(phase.map(|phase| ("phase", phase.name.as_str())));
        extra.extend(warmup.then_some((crate::metrics::WARMUP, "true")));
        let tags = recorder.tags(&self.base, &extra);
        let mut made = self.made.borrow_mut();
        if slot >= made.len() {
            made.resize(slot + 1, None);
        }
        made[slot] = Some(tags.clone());
        tags
    }
}
