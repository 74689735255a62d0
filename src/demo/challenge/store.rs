//! The database: SQLite in a file of its own, in WAL mode, away from the async threads. What is written when is the
//! engine's business; how connections are shared out, the pool's.
//!
//! | table | key | holds |
//! |---|---|---|
//! | `stats` | user, statistic | its value, and the highest that it ever was |
//! | `claims` | user, challenge, goal | a claim under way or won, and the progress at that moment |
//!
//! A goal is completed when the highest value reached its target, and stays so. A claim is a row of `claims`: its primary
//! key lets one of several claims at the same moment win, whoever they come from. Ids of goals repeat in each challenge,
//! so the challenge belongs to the key.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::catalogue::{ClaimKey, Goal, GoalKey, STATS};
use super::event::{Change, Update};
use crate::demo::dice;

/// The purpose of the dice throw behind progress that is there from the start.
const PROGRESS: u64 = 0x7072_6f67_7265_7373;

const SCHEMA: &str = "
    CREATE TABLE stats (
        user INTEGER NOT NULL, stat INTEGER NOT NULL, value INTEGER NOT NULL, peak INTEGER NOT NULL,
        PRIMARY KEY (user, stat)
    ) WITHOUT ROWID;
    CREATE TABLE claims (
        user INTEGER NOT NULL, challenge INTEGER NOT NULL, goal INTEGER NOT NULL,
        won INTEGER NOT NULL, progress INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        PRIMARY KEY (user, challenge, goal)
    ) WITHOUT ROWID;
";

/// Makes the tables, with progress for every user below `played` whose number is even and then for as many odd ones as
/// it takes.
pub(super) fn create(connection: &mut Connection, seed: u64, users: u32, share: f64) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    let transaction = connection.transaction()?;
    preload(&transaction, seed, users, share)?;
    transaction.commit()
}

/// Users who have played before: the even numbers first, then odd ones, until the share is there.
fn preload(transaction: &Transaction<'_>, seed: u64, users: u32, share: f64) -> rusqlite::Result<()> {
    let played = (f64::from(users) * share).round() as usize;
    let order = (0..users).step_by(2).chain((1..users).step_by(2));
    let mut who: Vec<u32> = order.take(played).collect();
    // In the order of the key, so that the tree grows at its end.
    who.sort_unstable();
    let mut insert = transaction.prepare("INSERT INTO stats (user, stat, value, peak) VALUES (?1, ?2, ?3, ?3)")?;
    for user in who {
        for stat in 0..STATS.len() as u8 {
            let draw = dice::unit(seed, PROGRESS ^ u64::from(stat), u64::from(user));
            insert.execute(params![user, stat, (draw * 100.0) as i64])?;
        }
    }
    Ok(())
}

/// A statistic of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stat {
    pub value: i64,
    pub peak: i64,
}

/// A row of `claims`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClaimRow {
    pub won: bool,
    pub progress: i64,
    pub at_ms: i64,
}

/// What the database knows of a user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Profile {
    pub stats: [Stat; STATS.len()],
    pub claims: BTreeMap<GoalKey, ClaimRow>,
}

/// Both tables as they are at one moment.
pub(super) fn profile(connection: &mut Connection, user: u32) -> rusqlite::Result<Profile> {
    let snapshot = connection.transaction()?;
    let mut found = Profile::default();
    {
        let mut query = snapshot.prepare_cached("SELECT stat, value, peak FROM stats WHERE user = ?1")?;
        let mut rows = query.query([user])?;
        while let Some(row) = rows.next()? {
            if let Some(stat) = found.stats.get_mut(usize::from(row.get::<_, u8>(0)?)) {
                *stat = Stat {
                    value: row.get(1)?,
                    peak: row.get(2)?,
                };
            }
        }
        let sql = "SELECT challenge, goal, won, progress, at_ms FROM claims WHERE user = ?1";
        let mut query = snapshot.prepare_cached(sql)?;
        let mut rows = query.query([user])?;
        while let Some(row) = rows.next()? {
            let goal = GoalKey {
                challenge: row.get(0)?,
                goal: row.get(1)?,
            };
            let claim = ClaimRow {
                won: row.get(2)?,
                progress: row.get(3)?,
                at_ms: row.get(4)?,
            };
            found.claims.insert(goal, claim);
        }
    }
    snapshot.commit()?;
    Ok(found)
}

/// What came of beginning a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// It is this caller's.
    Won,
    /// It is, or was, somebody else's.
    Taken {
        won: bool,
    },
    NotCompleted {
        progress: i64,
    },
}

/// Takes the claim, if the goal is completed and nobody has it.
pub(super) fn begin_claim(
    connection: &mut Connection,
    key: ClaimKey,
    goal: Goal,
    at_ms: i64,
) -> rusqlite::Result<Begun> {
    // Writers queue up from here on, so that what is read holds until the row is there.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stat = transaction
        .prepare_cached("SELECT value, peak FROM stats WHERE user = ?1 AND stat = ?2")?
        .query_row(params![key.user, goal.stat], |row| {
            Ok(Stat {
                value: row.get(0)?,
                peak: row.get(1)?,
            })
        })
        .optional()?
        .unwrap_or_default();
    if stat.peak < goal.target {
        return Ok(Begun::NotCompleted { progress: stat.value });
    }
    let (challenge, number) = (key.goal.challenge, key.goal.goal);
    let insert = "INSERT INTO claims (user, challenge, goal, won, progress, at_ms) VALUES (?1, ?2, ?3, 0, ?4, ?5)
         ON CONFLICT DO NOTHING";
    let inserted = transaction
        .prepare_cached(insert)?
        .execute(params![key.user, challenge, number, stat.value, at_ms])?;
    if inserted == 0 {
        let won = transaction
            .prepare_cached("SELECT won FROM claims WHERE user = ?1 AND challenge = ?2 AND goal = ?3")?
            .query_row(params![key.user, challenge, number], |row| row.get(0))?;
        return Ok(Begun::Taken { won });
    }
    transaction.commit()?;
    Ok(Begun::Won)
}

/// Ends a claim that was begun: it is won, or as if it had never been.
pub(super) fn end_claim(connection: &mut Connection, key: ClaimKey, won: bool) -> rusqlite::Result<()> {
    let sql = if won {
        "UPDATE claims SET won = 1 WHERE user = ?1 AND challenge = ?2 AND goal = ?3"
    } else {
        "DELETE FROM claims WHERE user = ?1 AND challenge = ?2 AND goal = ?3 AND won = 0"
    };
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![key.user, key.goal.challenge, key.goal.goal])?;
    Ok(())
}

/// What several changes of one statistic come to: `delta` is what was added before the first value was set; from then on
/// the result is known whatever the value was before, and so is its highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Folded {
    delta: i64,
    set: Option<i64>,
    highest: i64,
}

impl Folded {
    fn add(&mut self, change: Change) {
        match (change, &mut self.set) {
            (Change::Set(value), set) => *set = Some(value),
            (Change::Add(more), Some(value)) => *value += more,
            (Change::Add(more), None) => self.delta += more,
        }
        self.highest = self.highest.max(self.set.unwrap_or(0));
    }
}

/// Writes the changes in one transaction, a row for each statistic that changed; returns how many rows.
pub(super) fn upsert(connection: &mut Connection, updates: &[Update]) -> rusqlite::Result<usize> {
    let mut rows = BTreeMap::<(u32, u8), Folded>::new();
    for update in updates {
        rows.entry((update.user, update.stat)).or_default().add(update.change);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        // The right sides of an UPDATE all see the old row.
        let mut statement = transaction.prepare_cached(
            "INSERT INTO stats (user, stat, value, peak) VALUES (?1, ?2, coalesce(?4, ?3), max(?3, ?5))
             ON CONFLICT (user, stat) DO UPDATE SET
                 peak = max(peak, value + ?3, ?5), value = coalesce(?4, value + ?3)",
        )?;
        for ((user, stat), row) in &rows {
            statement.execute(params![user, stat, row.delta, row.set, row.highest])?;
        }
    }
    transaction.commit()?;
    Ok(rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::challenge::event::Kind;
    use proptest::prelude::*;

    fn opened(users: u32, share: f64) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        create(&mut connection, 1, users, share).unwrap();
        connection
    }

    fn update(user: u32, stat: u8, change: Change) -> Update {
        Update {
            user,
            stat,
            change,
            kind: Kind::StatUpdated,
        }
    }

    fn key(user: u32, challenge: u16) -> ClaimKey {
        ClaimKey {
            user,
            goal: GoalKey { challenge, goal: 3 },
        }
    }

    const GOAL: Goal = Goal {
        stat: 0,
        target: 50,
        reward: 1,
    };

    #[test]
    fn those_who_have_played_are_the_even_ones_first() {
        let mut connection = opened(10, 0.7);
        let who: Vec<u32> = (0..10)
            .filter(|user| profile(&mut connection, *user).unwrap() != Profile::default())
            .collect();
        assert_eq!(who, [0, 1, 2, 3, 4, 6, 8]);
        let again = profile(&mut opened(10, 0.7), 4).unwrap();
        assert_eq!(profile(&mut connection, 4).unwrap(), again, "the same each time");
        assert!(
            again
                .stats
                .iter()
                .all(|stat| (0..100).contains(&stat.value) && stat.peak == stat.value)
        );
    }

    #[test]
    fn a_completed_goal_is_claimed_once_in_each_challenge() {
        let mut connection = opened(10, 0.0);
        assert_eq!(
            begin_claim(&mut connection, key(1, 0), GOAL, 5).unwrap(),
            Begun::NotCompleted { progress: 0 }
        );
        upsert(
            &mut connection,
            &[update(1, 0, Change::Set(60)), update(1, 0, Change::Set(7))],
        )
        .unwrap();
        // It was completed once, and stays so.
        assert_eq!(begin_claim(&mut connection, key(1, 0), GOAL, 5).unwrap(), Begun::Won);
        assert_eq!(
            begin_claim(&mut connection, key(1, 0), GOAL, 5).unwrap(),
            Begun::Taken { won: false }
        );
        end_claim(&mut connection, key(1, 0), false).unwrap();
        assert_eq!(
            begin_claim(&mut connection, key(1, 0), GOAL, 5).unwrap(),
            Begun::Won,
            "it was given up"
        );
        end_claim(&mut connection, key(1, 0), true).unwrap();
        end_claim(&mut connection, key(1, 0), false).unwrap();
        assert_eq!(
            begin_claim(&mut connection, key(1, 0), GOAL, 5).unwrap(),
            Begun::Taken { won: true }
        );
        assert_eq!(
            begin_claim(&mut connection, key(1, 1), GOAL, 5).unwrap(),
            Begun::Won,
            "another goal"
        );
        let claims = profile(&mut connection, 1).unwrap().claims;
        let row = ClaimRow {
            won: true,
            progress: 7,
            at_ms: 5,
        };
        assert_eq!(claims[&key(1, 0).goal], row);
        assert_eq!(claims.len(), 2);
    }

    proptest! {
        #[test]
        fn a_batch_does_what_its_events_do_one_by_one(
            batches in prop::collection::vec(
                prop::collection::vec((0_u32..3, 0_u8..3, any::<bool>(), 0_i64..100), 0..12), 1..5
            )
        ) {
            let mut connection = opened(3, 0.5);
            let mut model: Vec<Profile> = (0..3).map(|user| profile(&mut connection, user).unwrap()).collect();
            for batch in batches {
                let updates: Vec<Update> = batch
                    .into_iter()
                    .map(|(user, stat, set, n)| update(user, stat, if set { Change::Set(n) } else { Change::Add(n) }))
                    .collect();
                for update in &updates {
                    let stat = &mut model[update.user as usize].stats[usize::from(update.stat)];
                    stat.value = match update.change {
                        Change::Set(value) => value,
                        Change::Add(more) => stat.value + more,
                    };
                    stat.peak = stat.peak.max(stat.value);
                }
                upsert(&mut connection, &updates).unwrap();
            }
            for (user, expected) in (0..).zip(&model) {
                prop_assert_eq!(&profile(&mut connection, user).unwrap(), expected);
            }
        }
    }
}
