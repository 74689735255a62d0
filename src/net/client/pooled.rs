//! How a request comes by a connection: one of its VU's own, one that is shared, or a stream of one.

use std::rc::Rc;
use std::sync::Arc;

use http::Method;

use super::super::dial::Opened;
use super::super::h1::Conn;
use super::super::hop::Hop;
use super::super::http2::{self, Again, Failure};
use super::super::pool::{Grant, Lease, Owner, Pool, Slot};
use super::super::target::{Speaks, Target};
use super::super::{ErrorKind, NetError};
use super::{Client, MAX_IDLE};

/// Where a request goes out.
pub(super) enum Way {
    /// A connection to itself; with its slot where connections are shared.
    Conn(Box<Conn>, Option<Slot>),
    /// A stream of a connection.
    Stream(Lease),
}

impl Client {
    /// An idle connection of this VU's own, where nothing is dealt out.
    pub(super) fn at_hand(&self, target: &Rc<Target>, hop: &mut Hop) -> Option<Way> {
        let own = self.shared.seat.is_none() && target.speaks == Speaks::Http1;
        let conn = own.then(|| self.take_idle(target))??;
        Some(reused(conn, None, hop))
    }

    /// A connection that is ready for a request: an idle one, a new one, or the one that is waited for.
    pub(super) async fn way(&self, target: &Rc<Target>, hop: &mut Hop) -> Result<Way, NetError> {
        let Some(pool) = self.pool(target) else {
            return match self.take_idle(target) {
                Some(conn) => Ok(reused(conn, None, hop)),
                None => self.fresh(target, None, None, hop).await,
            };
        };
        match self.granted(&pool, hop).await? {
            Grant::Stream(lease) => {
                hop.reused = true;
                hop.remote = lease.line.remote;
                Ok(Way::Stream(lease))
            }
            Grant::Open(slot) => self.fresh(target, Some(&pool), Some(slot), hop).await,
            Grant::Own => match self.take_idle(target) {
                Some(conn) => Ok(reused(conn, None, hop)),
                None => self.fresh(target, Some(&pool), None, hop).await,
            },
            Grant::Idle(claim) => {
                let Some((mut conn, slot)) = self.shared.take_idle(target) else {
                    return Err(NetError::new(ErrorKind::Other, "an idle connection has got lost"));
                };
                claim.used();
                if conn.is_idle() {
                    return Ok(reused(conn, Some(slot), hop));
                }
                drop(conn);
                self.fresh(target, Some(&pool), Some(slot), hop).await
            }
        }
    }

    /// Another connection in the place of one that was stale: a new one, because idle ones may be stale as well.
    pub(super) async fn another(
        &self,
        target: &Rc<Target>,
        slot: Option<Slot>,
        hop: &mut Hop,
    ) -> Result<Way, NetError> {
        let pool = self.pool(target);
        self.fresh(target, pool.as_ref(), slot, hop).await
    }

    async fn fresh(
        &self,
        target: &Rc<Target>,
        pool: Option<&Arc<Pool>>,
        slot: Option<Slot>,
        hop: &mut Hop,
    ) -> Result<Way, NetError> {
        let opened = self.open(target, hop).await?;
        match (opened, pool) {
            (Opened::Http1(conn), Some(pool)) if pool.owner == Owner::Vu => {
                pool.speaks_http1();
                Ok(Way::Conn(conn, None))
            }
            (Opened::Http1(conn), _) => Ok(Way::Conn(conn, slot)),
            (Opened::Http2(stream, meter), Some(pool)) => {
                // The origin of one VU that has picked HTTP/1.1 before.
                let slot = slot.unwrap_or_else(|| pool.slot());
                let lease = Box::pin(http2::start(stream, meter, hop.remote, pool, slot)).await?;
                Ok(Way::Stream(lease))
            }
            (Opened::Http2(..), None) => Err(NetError::new(
                ErrorKind::Malformed,
                "the server has picked HTTP/2, which was not offered",
            )),
        }
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, conn: Box<Conn>, slot: Option<Slot>) {
        let Some(slot) = slot else {
            return self.put_idle(conn);
        };
        let pool = self.pool(&conn.target);
        // Other cores may wait for its slot, and cannot use the connection.
        if let Some(pool) = pool.filter(|pool| pool.owner == Owner::Core) {
            self.shared.put_idle(conn, slot);
            pool.put_idle();
        }
    }

    /// Where the connections to a target are dealt out, unless each request may have its own.
    fn pool(&self, target: &Rc<Target>) -> Option<Arc<Pool>> {
        if let Some(seat) = &self.shared.seat {
            let pool = target.pool.get_or_init(|| seat.pool(&target.origin));
            return Some(Arc::clone(pool));
        }
        if target.speaks == Speaks::Http1 {
            return None;
        }
        let mut pools = self.pools.borrow_mut();
        if let Some((_, pool)) = pools.iter().find(|(other, _)| Rc::ptr_eq(other, target)) {
            return Some(Arc::clone(pool));
        }
        if pools.len() >= MAX_IDLE {
            pools.remove(0);
        }
        let pool = Pool::new(1, Owner::Vu);
        pools.push((Rc::clone(target), Arc::clone(&pool)));
        Some(pool)
    }

    async fn granted(&self, pool: &Arc<Pool>, hop: &mut Hop) -> Result<Grant, NetError> {
        let waiting = match pool.ask() {
            Ok(grant) => return Ok(grant),
            Err(waiting) => waiting,
        };
        hop.wait(pool);
        let granted = waiting.await;
        hop.waited();
        granted.map_err(|_| NetError::new(ErrorKind::Other, "the connections are gone"))
    }
}

fn reused(conn: Box<Conn>, slot: Option<Slot>, hop: &mut Hop) -> Way {
    hop.reused = true;
    hop.remote = conn.remote;
    Way::Conn(conn, slot)
}

/// Makes ready for sending a request once more, where the server cannot have acted on it, or may do so twice.
///
/// # Errors
/// It is not to be sent again.
pub(super) fn again(failure: Failure, method: &Method, hop: &mut Hop) -> Result<(), NetError> {
    let may = match failure.again {
        Again::Never => false,
        Again::Idempotent => hop.reused && !hop.retried && method.is_idempotent(),
        Again::Safe => !hop.retried,
        Again::Unsent => {
            hop.begin_again();
            return Ok(());
        }
    };
    if !may {
        return Err(failure.error);
    }
    hop.retry();
    Ok(())
}
