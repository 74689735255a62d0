//! Users that sleep at the same time: what they will use is brought near before they are woken, which nothing shows but
//! that all of it works.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;

#[tokio::test(start_paused = true)]
async fn users_that_sleep_together_go_on_in_time() {
    let code = "local kt = require 'kt'\nreturn function() for n = 1, 3 do kt.sleep(0.5) kt.pace(2) end end";
    let bed = Bed::new(code).await;
    let mut users = Vec::new();
    for id in 1..=20 {
        users.push(bed.vu(id).await);
    }
    let start = clock::now();
    let ended = join_all(users.iter_mut().map(|vu| iterate(vu, 0))).await;
    assert!(
        ended.iter().all(|outcome| *outcome == Outcome::Completed),
        "{:?}",
        bed.errors()
    );
    let took = clock::now() - start;
    let (planned, late) = (Duration::from_secs(6), Duration::from_millis(20));
    assert!(took >= planned && took <= planned + late, "{took:?}");
}
