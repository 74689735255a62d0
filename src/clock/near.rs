//! What sleepers will use when they are woken, brought near before that: of thousands that sleep, each has left the caches
//! long ago. What that is, and how memory is brought near, is theirs to say.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::Instant;
use super::alarm::Alarm;

/// How often each is asked: what one step brings may say where the next is.
pub(super) const DEPTHS: u8 = 5;

/// Who can say what it will use when it is woken.
pub trait Near {
    /// Has what is `depth` steps away brought near, without waiting for it; what was asked for one step ago is there by now.
    /// `task` is the address of the task that will be woken.
    fn bring(&self, depth: u8, task: *const ());
}

/// What [`super::doze_until`] gives.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Doze {
    alarm: Alarm,
    /// Until it sleeps.
    near: Option<Rc<dyn Near>>,
}

impl Doze {
    pub(super) fn new(at: Instant, near: Rc<dyn Near>) -> Self {
        Self {
            alarm: Alarm::at(at),
            near: Some(near),
        }
    }
}

impl Future for Doze {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.alarm.poll_near(cx, &mut this.near)
    }
}

impl std::fmt::Debug for Doze {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Doze({:?})", self.alarm)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::super::{doze_until, now};
    use super::*;

    /// Notes how it was asked.
    struct Asked {
        number: u8,
        notes: Rc<RefCell<Vec<(u8, u8)>>>,
    }

    impl Near for Asked {
        fn bring(&self, depth: u8, task: *const ()) {
            assert!(!task.is_null());
            self.notes.borrow_mut().push((depth, self.number));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wake_together_are_brought_near_step_by_step() {
        let (start, notes) = (now(), Rc::<RefCell<Vec<(u8, u8)>>>::default());
        let asked = |number| {
            let notes = Rc::clone(&notes);
            Rc::new(Asked { number, notes })
        };
        let users = [asked(0), asked(1), asked(2)];
        let set = tokio::task::LocalSet::new();
        for user in &users {
            let (user, ms) = (Rc::clone(user), if user.number == 2 { 40 } else { 20 });
            set.spawn_local(async move {
                doze_until(start + Duration::from_millis(ms), user).await;
                assert!(now() - start >= Duration::from_millis(ms));
            });
        }
        set.await;
        let mut seen = notes.take();
        // Who is first within a step is of no meaning.
        seen.sort_unstable();
        let expected: Vec<_> = (0..DEPTHS).flat_map(|depth| [(depth, 0), (depth, 1)]).collect();
        assert_eq!(seen, expected, "and the third, who wakes alone, is not");
        assert!(users.iter().all(|user| Rc::strong_count(user) == 1), "nobody is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_dropped_asleep_is_not_kept() {
        let notes = Rc::default();
        let user = Rc::new(Asked { number: 0, notes });
        let mut asleep = Box::pin(doze_until(now() + Duration::from_secs(1), Rc::<Asked>::clone(&user)));
        std::future::poll_fn(|cx| {
            assert!(asleep.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!(Rc::strong_count(&user), 2);
        drop(asleep);
        assert_eq!(Rc::strong_count(&user), 1);
    }
}
