//! Claims of many threads and tasks: exclusive, in order, and never lost. In paused time where it matters.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn pool(rows: usize) -> Pool {
    let rows = (0..rows).map(|row| row.to_string()).collect();
    Pool::new(Arc::new(Dataset::from_values("x", rows).unwrap()))
}

fn row(claimed: Option<(ClaimId, usize)>) -> Option<usize> {
    claimed.map(|(_, row)| row)
}

#[test]
fn a_row_is_claimed_once_until_it_is_released() {
    let pool = pool(2);
    let (first, _) = pool.claim(None).unwrap();
    assert_eq!((row(pool.claim(None)), row(pool.claim(None))), (Some(1), None));
    assert!(pool.release(first) && !pool.release(first), "once only");
    assert_eq!((pool.free(), row(pool.claim(None)), pool.free()), (1, Some(0), 0));
}

#[test]
fn threads_never_share_a_row() {
    let pool = pool(3);
    let held: Vec<AtomicBool> = (0..3).map(|_| false.into()).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let Some((claim, row)) = pool.claim(None) else { continue };
                    assert!(!held[row].swap(true, Ordering::SeqCst));
                    assert!(held[row].swap(false, Ordering::SeqCst));
                    assert!(pool.release(claim));
                }
            });
        }
    });
    assert_eq!(pool.free(), 3);
}

#[tokio::test(start_paused = true)]
async fn claims_expire_by_themselves() {
    let pool = pool(1);
    let (claim, _) = pool.claim(Some(SECOND)).unwrap();
    clock::sleep(SECOND - Duration::from_millis(1)).await;
    assert!(pool.claim(None).is_none() && pool.is_claimed(claim));
    clock::sleep(Duration::from_millis(1)).await;
    let (again, _) = pool.claim(None).unwrap();
    assert!(!pool.release(claim), "it is somebody else's by now");
    assert!(pool.is_claimed(again));
}

/// Comes after a while and waits; gives the row and when.
async fn after(pool: &Pool, come: Duration, wait: Duration) -> (Option<usize>, Duration) {
    let begin = clock::now();
    clock::sleep(come).await;
    let claimed = pool.claim_within(wait, Some(SECOND)).await;
    (row(claimed), clock::now() - begin)
}

#[tokio::test(start_paused = true)]
async fn who_comes_first_is_served_first_by_expiry_and_by_release() {
    let pool = pool(1);
    let (claim, _) = pool.claim(None).unwrap();
    let release = async {
        clock::sleep(SECOND).await;
        assert!(pool.release(claim));
    };
    let ms = Duration::from_millis;
    let (a, b, c, d, ()) = tokio::join!(
        after(&pool, ms(2), SECOND * 9),
        after(&pool, ms(1), SECOND * 9),
        after(&pool, ms(3), ms(1_500)),
        after(&pool, ms(4), SECOND * 9),
        release
    );
    assert_eq!(b, (Some(0), SECOND), "by release");
    assert_eq!(a, (Some(0), SECOND * 2), "by expiry");
    assert_eq!(c, (None, ms(1_503)), "waited long enough");
    assert_eq!(d, (Some(0), SECOND * 3));
    assert_eq!(pool.free(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_next_in_line_watches_when_the_first_has_left() {
    let pool = pool(1);
    let _claim = pool.claim(Some(SECOND)).unwrap();
    let (a, b) = tokio::join!(
        clock::timeout(SECOND / 2, pool.claim_within(SECOND * 9, None)),
        after(&pool, Duration::from_millis(1), SECOND * 9)
    );
    assert!(a.is_err());
    assert_eq!(b, (Some(0), SECOND));
}

#[tokio::test(start_paused = true)]
async fn what_was_given_to_one_that_was_interrupted_comes_back() {
    let pool = pool(1);
    let (claim, _) = pool.claim(None).unwrap();
    let mut waiting = Box::pin(pool.claim_within(SECOND, None));
    let poll = futures_util::poll!(waiting.as_mut());
    assert!(poll.is_pending() && pool.release(claim));
    assert_eq!(pool.free(), 0, "it is given already");
    drop(waiting);
    assert_eq!(pool.free(), 1);
}

#[test]
fn a_pool_keeps_the_rows_that_it_was_opened_with() {
    let pools = Pools::default();
    let set = |rows: &[&str]| {
        let rows = rows.iter().map(|row| (*row).to_owned()).collect();
        Arc::new(Dataset::from_values("x", rows).unwrap())
    };
    let (first, differ) = pools.open("a", &set(&["1", "2"]));
    assert!(!differ && first.claim(None).is_some());
    let (second, differ) = pools.open("a", &set(&["1", "2"]));
    assert!(!differ && second.free() == 1, "claims survive");
    let (third, differ) = pools.open("a", &set(&["1", "3"]));
    assert!(differ && Arc::ptr_eq(&first, &third));
    assert!(!pools.open("a", &set(&["1", "3"])).1, "that is no news any more");
    assert!(!Arc::ptr_eq(&first, &pools.open("b", &set(&["1"])).0));
}
