//! The challenge system's state, and what events do to it: the lock of their user, the buffer, and the flush. What the HTTP
//! API does is in `api`, how a request lives in `front`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::MENU;
use super::buffer::Buffer;
use super::catalogue::{Catalogue, ClaimKey};
use super::event::{self, Kind, Update};
use super::locks::UserLocks;
use super::message::{Event, EventResponse};
use super::meters::Meters;
use super::operation::{Operation, service_times};
use super::options::ChallengeOptions;
use super::pool::{MOST, Pool, StoreError};
use super::rewards::Rewards;
use super::station::Station;
use super::store;
use super::tally::{InFlight, Outcome, Tally};
use super::token::Mint;
use crate::clock;
use crate::demo::control::System;
use crate::demo::fault::Menu;
use crate::demo::front::{Front, Hurdle, Ticket};
use crate::demo::listener::{Connection, Doors};
use crate::demo::service_time::ServiceTimes;

/// The purpose of the dice throw for an event's jitter.
const JITTER: u64 = 0x6a69_7474_6572_0000;

/// Events that one transaction of a flush takes; claims get in between.
const BATCH: usize = 1_000;

/// Everything that handlers share. No lock but a user's is held across an await.
#[derive(Debug)]
pub(super) struct Challenge {
    pub(super) options: ChallengeOptions,
    pub(super) front: Front,
    pub(super) times: ServiceTimes,
    pub(super) catalogue: Catalogue,
    pub(super) mint: Mint,
    pub(super) pool: Arc<Pool>,
    pub(super) api: Station,
    pub(super) rewards: Rewards,
    pub(super) tally: Arc<Tally>,
    pub(super) meters: Arc<Meters>,
    pub(super) doors: Arc<Doors>,
    /// The time of day at its start.
    pub(super) began_at: SystemTime,
    /// Claims whose end could not be written.
    unsettled: Mutex<Vec<ClaimKey>>,
    events: Station,
    buffer: Buffer,
    users: UserLocks,
}

impl Challenge {
    /// Makes its database, and starts its flush. Must be called inside a runtime.
    pub(super) fn start(options: &ChallengeOptions) -> Result<Arc<Self>, String> {
        let meters = Arc::new(Meters::new());
        let pool = Pool::create(Arc::clone(&meters), |connection| {
            store::create(connection, options.seed, options.users, options.progress)
        })?;
        let challenge = Arc::new(Self {
            options: options.clone(),
            front: Front::new(options.seed, &Operation::NAMES, options.initial_faults()),
            times: service_times(options.seed),
            catalogue: Catalogue::new(options.challenges, options.goals),
            mint: Mint::new(),
            pool,
            api: Station::default(),
            rewards: Rewards::default(),
            tally: Arc::default(),
            meters,
            doors: Arc::default(),
            began_at: clock::wall(),
            unsettled: Mutex::default(),
            events: Station::default(),
            buffer: Buffer::new(options.buffer, options.overflow),
            users: UserLocks::default(),
        });
        tokio::spawn(Arc::clone(&challenge).flush_for_ever());
        Ok(challenge)
    }

    /// Asks the database, unless a fault says that it is down.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        kind: &'static str,
        query: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.front.faults.down(self.front.now(), "database") {
            return Err(StoreError::Down);
        }
        self.pool.run(kind, query).await
    }

    /// Serves one event whose call was read.
    ///
    /// # Errors
    /// What a fault answers instead.
    pub(super) async fn on_message(&self, call: &mut InFlight, event: &Event) -> Result<EventResponse, Hurdle> {
        let began = clock::now();
        let kind = Kind::of(event);
        call.read(kind);
        self.meters.received(kind);
        let admit = |_: Ticket| {
            let now = self.front.now();
            let capacity = self.front.faults.on_challenge(now).event_capacity;
            Ok(self.events.take(now, capacity))
        };
        let ticket = match self.front.enter(Operation::OnMessage, admit).await {
            Ok((_, ticket)) => ticket,
            Err(hurdle) => {
                call.answered(Outcome::Failed);
                return Err(hurdle);
            }
        };
        let update = match event::read(event, self.options.users, self.options.stat) {
            Ok(update) => update,
            Err(error) => {
                call.answered(Outcome::Rejected);
                return Ok(EventResponse { success: false, error });
            }
        };
        let lock = self.users.lock(update.user).await;
        self.front.pause(self.handling(ticket)).await;
        let lost = self.keep(update).await.map(|lost| lost.kind);
        drop(lock);
        if let Some(kind) = lost {
            self.meters.dropped(kind);
        }
        call.answered(Outcome::Processed { lost });
        self.meters.processed(kind, clock::now() - began);
        Ok(EventResponse {
            success: true,
            error: String::new(),
        })
    }

    /// Puts an event into the buffer, where there is room and no stall holds its answer; returns the one that had to go for
    /// it. Dropping this leaves the event out.
    async fn keep(&self, update: Update) -> Option<Update> {
        loop {
            self.front.wait_out_stall().await;
            match self.buffer.push(update) {
                Ok(lost) => return lost,
                Err(room) => room.await,
            }
        }
    }

    /// What an event takes under its user's lock.
    fn handling(&self, ticket: Ticket) -> Duration {
        let set = self.front.faults.on_challenge(self.front.now()).handler;
        set.unwrap_or(self.options.handler) + self.options.jitter.mul_f64(ticket.throw(JITTER))
    }

    /// Counts a connection on which events come.
    pub(super) fn seen(&self, connection: &Connection) {
        self.tally.counts().events.connections += u64::from(connection.first_use());
    }

    async fn flush_for_ever(self: Arc<Self>) {
        let mut due = clock::now() + self.options.flush;
        loop {
            self.front.pause(due.saturating_duration_since(clock::now())).await;
            self.flush().await;
            // A flush that took longer than its interval is followed by the next one that is due.
            while due <= clock::now() {
                due += self.options.flush;
            }
        }
    }

    /// Writes what the buffer holds now; what fails stays there.
    async fn flush(&self) {
        if self.front.faults.down(self.front.now(), "database") {
            self.tally.counts().flushes.stalled += 1;
            return;
        }
        self.settle_claims().await;
        let began = clock::now();
        let mut left = self.buffer.len();
        let mut rows = 0;
        let total = left;
        while left > 0 {
            let taken = Arc::new(self.buffer.take(left.min(BATCH)));
            left -= taken.len();
            let batch = Arc::clone(&taken);
            match self
                .query("upsert", move |connection| store::upsert(connection, &batch))
                .await
            {
                Ok(written) => {
                    rows += written;
                    self.buffer.settle(taken.len());
                    self.tally
                        .counts()
                        .events
                        .flushed(taken.iter().map(|update| update.kind));
                }
                Err(_) => {
                    self.buffer.put_back(&taken);
                    self.tally.counts().flushes.failed += 1;
                    return;
                }
            }
            // What was dropped meanwhile is not there any more.
            left = left.min(self.buffer.len());
        }
        if total > 0 {
            let took = clock::now() - began;
            self.tally.counts().flushes.record(rows, took);
            self.meters.flush(rows, took);
        }
    }

    /// Remembers a claim that must be given up, once the database can be asked.
    pub(super) fn settle_later(&self, key: ClaimKey) {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }

    /// Gives up the claims that could not be ended. Their users were told that the system was unavailable, so they may
    /// claim again; the reward, if there was one, is not granted twice.
    async fn settle_claims(&self) {
        let keys = std::mem::take(&mut *self.unsettled.lock().unwrap_or_else(PoisonError::into_inner));
        for key in keys {
            let ended = self.query("claim_end", move |connection| store::end_claim(connection, key, false));
            if ended.await.is_err() {
                self.settle_later(key);
            }
        }
    }
}

impl System for Challenge {
    fn front(&self) -> &Front {
        &self.front
    }

    fn menu(&self) -> &'static Menu {
        &MENU
    }

    fn counts(&self) -> Value {
        use std::sync::atomic::Ordering::Relaxed;
        let mut report = self.tally.report();
        report["connections"] = json!({
            "opened": self.doors.opened.load(Relaxed),
            "open": self.doors.open.load(Relaxed),
            "withEvents": self.tally.counts().events.connections,
            "streamLimit": self.options.streams,
        });
        report["buffer"] = json!({
            "size": self.buffer.len(),
            "deepest": self.buffer.deepest(),
            "limit": self.buffer.limit(),
        });
        report["database"] = json!({
            "connectionsActive": self.meters.connections_active.get(),
            "connectionsMaxActive": self.pool.most_active(),
            "connectionsMax": MOST,
        });
        report
    }

    fn reset(&self) {
        self.tally.reset();
        self.pool.reset();
        self.buffer.reset();
        self.doors.reset();
    }

    fn metrics(&self) -> String {
        self.meters.buffer_size.set(self.buffer.len() as i64);
        self.meters.text()
    }
}
