//! Capacities: below them nothing is seen of them, above them the wait grows for as long as it lasts.

use serde_json::json;

use super::{ChallengeOptions, Duration, clock, millis, send, start, stat_event};

/// Sends so many events a second for ten seconds; gives how long the last one took, in ms.
async fn last_of(per_second: u32, options: ChallengeOptions) -> u128 {
    let system = start(options).await;
    let began = clock::now();
    let calls = (0..10 * per_second).map(|n| {
        let channel = system.channel.clone();
        tokio::spawn(async move {
            let due = began + Duration::from_secs(1) / per_second * n;
            clock::sleep_until(due).await;
            let user = format!("user-{:06}", n % 5_000);
            send(&channel, stat_event(&user, "enemy_kills", 1)).await.unwrap();
            millis(clock::now() - due)
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut last = 0;
    for call in calls {
        last = call.await.unwrap();
    }
    last
}

#[tokio::test(start_paused = true)]
async fn events_above_their_capacity_wait_longer_and_longer() {
    let options = || ChallengeOptions {
        event_capacity: Some(200.0),
        ..ChallengeOptions::default()
    };
    // offered, wait of the last
    for (offered, wait) in [(190, 0..20), (220, 950..1_050)] {
        let last = last_of(offered, options()).await;
        assert!(wait.contains(&last), "{offered}/s: {last} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_have_a_capacity_of_their_own() {
    let mut system = start(ChallengeOptions::default()).await;
    let token = system.token("user-000001").await;
    system.fault(json!({ "fault": "api_capacity", "value": 10 })).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(system.running.connect().await);
    }
    let calls = clients
        .iter_mut()
        .map(|client| client.send_as(&token, "GET", "/v1/challenges"));
    let answers = futures_util::future::join_all(calls).await;
    let mut times: Vec<u128> = answers.iter().map(|answer| millis(answer.took)).collect();
    times.sort_unstable();
    assert!(
        (1..).zip(&times).all(|(place, time)| time.abs_diff(place * 100) < 30),
        "{times:?}"
    );
    let began = clock::now();
    system.stat("user-000001", "enemy_kills", 1).await;
    assert!(millis(clock::now() - began) < 20, "events do not wait for it");
}
