//! Virtual users that take as long as a test says, and write down what they see.

use super::*;

/// What a journey does: how long it takes, and how it ends.
pub(super) type Script = Rc<dyn Fn(&Iteration) -> (Duration, Outcome)>;

/// What all fakes of a run write down.
#[derive(Default)]
pub(super) struct Log {
    start: Option<Instant>,
    shared: Option<Arc<Shared>>,
    pub(super) seen: Vec<Seen>,
    pub(super) created: Vec<u64>,
    pub(super) alive: u64,
    pub(super) peak: u64,
}

impl Log {
    /// The run starts: `shared` counts the VUs.
    pub(super) fn starts(&mut self, start: Instant, shared: &Arc<Shared>) {
        (self.start, self.shared) = (Some(start), Some(Arc::clone(shared)));
    }
}

pub(super) struct FakeFactory {
    pub(super) log: Rc<RefCell<Log>>,
    pub(super) script: Script,
    pub(super) creation: Duration,
    pub(super) init: Init,
    pub(super) update: Option<Update>,
}

/// How long a VU initialises itself, by its id.
pub(super) type Init = Rc<dyn Fn(u64) -> Duration>;

/// From when on a VU has something to take up before its next iteration, and how long that takes.
#[derive(Clone, Copy)]
pub(super) struct Update {
    pub(super) at: Duration,
    pub(super) takes: Duration,
}

pub(super) struct FakeVu {
    id: u64,
    log: Rc<RefCell<Log>>,
    script: Script,
    init_took: Duration,
    /// Not taken up yet.
    update: Option<Update>,
}

impl VuFactory for FakeFactory {
    type Vu = FakeVu;

    async fn create(&self, _scenario: usize, vu_id: u64) -> FakeVu {
        if self.creation > Duration::ZERO {
            clock::sleep(self.creation).await;
        }
        let init_took = (self.init)(vu_id);
        if init_took > Duration::ZERO {
            clock::sleep(init_took).await;
        }
        let mut log = self.log.borrow_mut();
        log.created.push(vu_id);
        log.alive += 1;
        log.peak = log.peak.max(log.alive);
        FakeVu {
            id: vu_id,
            log: Rc::clone(&self.log),
            script: Rc::clone(&self.script),
            init_took,
            update: self.update,
        }
    }
}

impl Vu for FakeVu {
    fn init_took(&self) -> Duration {
        self.init_took
    }

    async fn ready(&mut self) -> Ready {
        let start = self.log.borrow().start;
        let is_due = |update: &mut Update| start.is_some_and(|start| clock::now() >= start + update.at);
        let took = match self.update.take_if(is_due) {
            Some(update) => {
                clock::sleep(update.takes).await;
                update.takes
            }
            None => Duration::ZERO,
        };
        Ready { revision: 0, took }
    }

    async fn run(&mut self, it: &Iteration) -> Outcome {
        {
            let mut log = self.log.borrow_mut();
            let counted = log.shared.as_ref().map(|shared| shared.vus_initialised());
            assert_eq!(counted, Some(log.alive), "each counts for as long as it lives");
            let start = log.start.expect("the stage has set it");
            let since = |at| millis(at - start);
            log.seen.push(Seen {
                scenario: it.scenario,
                number: it.number,
                segment: it.part.segment,
                vu: self.id,
                due: since(it.scheduled_at),
                started: since(it.started_at),
            });
        }
        let (time, outcome) = (self.script)(it);
        if time > Duration::ZERO {
            clock::sleep(time).await;
        }
        outcome
    }
}

impl Drop for FakeVu {
    fn drop(&mut self) {
        self.log.borrow_mut().alive -= 1;
    }
}
