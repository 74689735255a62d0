//! The database's connections: at most fifty, each used by one query at a time on a thread where it may block. What is
//! asked is in `store`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::meters::Meters;
use crate::clock;

/// Connections that there may be.
pub(super) const MOST: usize = 50;

/// How long a query waits for a connection, and a writer for other writers.
const WAIT: Duration = Duration::from_secs(5);

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("the database is down")]
    Down,
    #[error("no connection to the database was free within 5 s")]
    Busy,
    #[error("the database failed: {0}")]
    Failed(#[from] rusqlite::Error),
}

/// The connections, and the folder that the file is in; it goes with the last of them.
#[derive(Debug)]
pub(super) struct Pool {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    meters: Arc<Meters>,
    most_active: AtomicU64,
    /// After the connections, which hold its files open.
    _folder: TempDir,
}

impl Pool {
    /// A new database in a temporary folder, prepared by `prepare`.
    pub(super) fn create(
        meters: Arc<Meters>,
        prepare: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
    ) -> Result<Arc<Self>, String> {
        let folder = tempfile::Builder::new()
            .prefix("kingtide-demo-")
            .tempdir()
            .map_err(|error| format!("there is no place for its database: {error}"))?;
        let pool = Self {
            path: folder.path().join("challenge.db"),
            permits: Arc::new(Semaphore::new(MOST)),
            idle: Mutex::default(),
            meters,
            most_active: AtomicU64::new(0),
            _folder: folder,
        };
        let mut first = pool.open().map_err(|error| error.to_string())?;
        prepare(&mut first).map_err(|error| error.to_string())?;
        pool.idle().push(first);
        pool.meters.connections_max.set(MOST as i64);
        pool.count();
        Ok(Arc::new(pool))
    }

    /// Runs a query where it may block. It runs to its end even when nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        kind: &'static str,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = tokio::select! {
            biased;
            permit = Arc::clone(&self.permits).acquire_owned() => permit.map_err(|_| StoreError::Down)?,
            () = clock::sleep(WAIT) => return Err(StoreError::Busy),
        };
        let pool = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || pool.work(permit, kind, query));
        match work.await {
            Ok(answer) => answer,
            // It panicked, or the runtime ends.
            Err(_) => Err(StoreError::Down),
        }
    }

    fn work<T>(
        &self,
        permit: OwnedSemaphorePermit,
        kind: &'static str,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let there = self.idle().pop();
        let mut connection = match there {
            Some(connection) => connection,
            None => self.open()?,
        };
        self.count();
        let began = clock::now();
        let answer = query(&mut connection);
        self.meters.query(kind, clock::now() - began);
        self.idle().push(connection);
        drop(permit);
        self.count();
        Ok(answer?)
    }

    /// The most connections that were used at once.
    pub(super) fn most_active(&self) -> u64 {
        self.most_active.load(Ordering::Relaxed)
    }

    pub(super) fn reset(&self) {
        self.most_active.store(0, Ordering::Relaxed);
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(WAIT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Nothing here must outlive a loss of power.
        connection.pragma_update(None, "synchronous", "OFF")?;
        Ok(connection)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        let active = MOST - self.permits.available_permits();
        self.most_active.fetch_max(active as u64, Ordering::Relaxed);
        self.meters.connections_active.set(active as i64);
        self.meters.connections_idle.set(self.idle().len() as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Arc<Pool> {
        let prepare = |connection: &mut Connection| connection.execute_batch("CREATE TABLE t (n INTEGER)");
        Pool::create(Arc::new(Meters::new()), prepare).unwrap()
    }

    #[tokio::test]
    async fn the_file_goes_with_the_pool() {
        let pool = pool();
        let path = pool.path.clone();
        pool.run("insert", |connection| {
            connection.execute("INSERT INTO t VALUES (1)", [])
        })
        .await
        .unwrap();
        let count = pool.run("count", |connection| {
            connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
        });
        assert_eq!(count.await.unwrap(), 1);
        let mode = pool.run("mode", |connection| {
            connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0))
        });
        assert_eq!(mode.await.unwrap(), "wal");
        assert!(path.exists());
        drop(pool);
        assert!(!path.parent().unwrap().exists());
    }

    #[tokio::test]
    async fn writers_from_all_connections_wait_for_each_other() {
        let pool = pool();
        let inserts = (0..200).map(|n| {
            pool.run("insert", move |connection| {
                let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
                transaction.execute("INSERT INTO t VALUES (?1)", [n])?;
                transaction.commit()
            })
        });
        for result in futures_util::future::join_all(inserts).await {
            result.unwrap();
        }
        let most = pool.most_active();
        assert!((1..=MOST as u64).contains(&most), "{most}");
        assert!(pool.idle().len() <= MOST);
        let count = pool.run("count", |connection| {
            connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
        });
        assert_eq!(count.await.unwrap(), 200);
    }

    #[tokio::test]
    async fn a_failure_says_what_failed() {
        let failed = pool()
            .run("nonsense", |connection| connection.execute("NONSENSE", []))
            .await;
        let said = failed.unwrap_err().to_string();
        assert!(said.contains("NONSENSE"), "{said}");
    }
}
