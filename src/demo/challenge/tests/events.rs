//! Events as those who send them see them: when they are visible, in which order, what is refused.

use futures_util::future::join_all;
use serde_json::json;

use super::super::{Overflow, StatMode};
use super::{ChallengeOptions, Duration, channel, clock, event, flushed, millis, send, start, stat_event};

/// A user who has not played before.
const USER: &str = "user-000001";

#[tokio::test(start_paused = true)]
async fn an_event_is_visible_after_the_flush_only() {
    let mut system = start(ChallengeOptions::default()).await;
    system.stat(USER, "enemy_kills", 15).await;
    assert_eq!(system.goal(USER, 0, 0).await, (0, "not_started".to_owned()));
    flushed().await;
    // Goal 0 wants 10 kills, goal 9 wants 19, goal 1 is about logins.
    assert_eq!(system.goal(USER, 0, 0).await, (15, "completed".to_owned()));
    assert_eq!(system.goal(USER, 0, 9).await, (15, "in_progress".to_owned()));
    assert_eq!(system.goal(USER, 0, 1).await, (0, "not_started".to_owned()));
    // A new value, though a smaller one; what is completed stays so.
    system.stat(USER, "enemy_kills", 3).await;
    system
        .send(event("userLoggedIn", USER, &[("platform", "PC")]))
        .await
        .unwrap();
    flushed().await;
    assert_eq!(system.goal(USER, 0, 0).await, (3, "completed".to_owned()));
    assert_eq!(system.goal(USER, 0, 1).await, (1, "in_progress".to_owned()));
    let stats = system.stats().await;
    assert_eq!(
        stats["events"]["byType"],
        json!({ "statItemUpdated": 2, "userLoggedIn": 1, "other": 0 })
    );
    let flushes = [
        &stats["flushes"]["count"],
        &stats["flushes"]["rows"],
        &stats["events"]["flushed"],
    ];
    assert_eq!(flushes, [&json!(2), &json!(3), &json!(3)]);
}

#[tokio::test(start_paused = true)]
async fn values_are_added_when_that_is_chosen() {
    let options = ChallengeOptions {
        stat: StatMode::Increment,
        ..ChallengeOptions::default()
    };
    let mut system = start(options).await;
    for value in [4, 5, 6] {
        system.stat(USER, "enemy_kills", value).await;
    }
    flushed().await;
    assert_eq!(system.goal(USER, 0, 0).await, (15, "completed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_without_success() {
    let mut system = start(ChallengeOptions::default()).await;
    let wrong = [
        event(
            "statItemUpdated",
            USER,
            &[("statCode", "enemy_kills"), ("value", "many")],
        ),
        event("unheardOf", USER, &[]),
        stat_event("nobody", "enemy_kills", 1),
    ];
    for event in wrong {
        let answer = system.send(event).await.unwrap();
        assert!(!answer.success && !answer.error.is_empty(), "{answer:?}");
    }
    let stats = system.stats().await;
    let counts = ["received", "rejected", "processed"].map(|key| stats["events"][key].as_u64().unwrap());
    assert_eq!(counts, [3, 3, 0]);
    assert_eq!(stats["buffer"]["size"], 0);
}

#[tokio::test(start_paused = true)]
async fn events_of_one_user_wait_for_each_other() {
    let options = ChallengeOptions {
        handler: Duration::from_millis(300),
        ..ChallengeOptions::default()
    };
    let mut system = start(options).await;
    let began = clock::now();
    let users = [
        "user-000001",
        "user-000001",
        "user-000001",
        "user-000003",
        "user-000005",
    ];
    let calls = users.map(|user| async {
        send(&system.channel, stat_event(user, "enemy_kills", 1)).await.unwrap();
        millis(clock::now() - began)
    });
    let times = join_all(calls).await;
    let close = |time: u128, to: u128| time.abs_diff(to) < 20;
    assert!(close(times[3], 300) && close(times[4], 300), "{times:?}");
    assert!(
        close(times[0], 300) && close(times[1], 600) && close(times[2], 900),
        "{times:?}"
    );
    let stats = system.stats().await;
    assert_eq!(stats["events"]["maxInFlight"], 5);
    assert_eq!(
        (&stats["connections"]["opened"], &stats["connections"]["withEvents"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_calls_fit_on_one_connection_and_connections_are_counted() {
    let options = ChallengeOptions {
        handler: Duration::from_millis(300),
        ..ChallengeOptions::default()
    };
    let mut system = start(options).await;
    let calls = (0..600).map(|user| {
        send(
            &system.channel,
            stat_event(&format!("user-{user:06}"), "enemy_kills", 1),
        )
    });
    let began = clock::now();
    assert!(
        join_all(calls)
            .await
            .iter()
            .all(|answer| answer.as_ref().is_ok_and(|answer| answer.success))
    );
    assert!(millis(clock::now() - began) < 600, "all at once");
    let other = channel(&system.running).await;
    send(&other, stat_event(USER, "enemy_kills", 1)).await.unwrap();
    let stats = system.stats().await;
    assert_eq!(stats["events"]["maxInFlight"], 600);
    assert_eq!(
        (&stats["events"]["received"], &stats["events"]["inFlight"]),
        (&json!(601), &json!(0))
    );
    assert_eq!(
        (&stats["connections"]["withEvents"], &stats["connections"]["open"]),
        (&json!(2), &json!(2))
    );

    flushed().await;
    assert_eq!(system.http.send("DELETE", "/__stats", "").await.unwrap().status, 204);
    send(&other, stat_event(USER, "enemy_kills", 2)).await.unwrap();
    let stats = system.stats().await;
    assert_eq!(
        (&stats["events"]["received"], &stats["events"]["maxInFlight"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn counts_that_start_anew_keep_what_is_under_way() {
    let options = ChallengeOptions {
        handler: Duration::from_millis(300),
        ..ChallengeOptions::default()
    };
    let mut system = start(options).await;
    system.stat(USER, "enemy_kills", 1).await;
    let other = channel(&system.running).await;
    let call = tokio::spawn(async move { send(&other, event("userLoggedIn", USER, &[])).await });
    clock::sleep(Duration::from_millis(100)).await;
    // One is in the buffer, the other with the handler.
    assert_eq!(system.http.send("DELETE", "/__stats", "").await.unwrap().status, 204);
    let kinds = json!({ "statItemUpdated": 1, "userLoggedIn": 1, "other": 0 });
    let keys = ["received", "processed", "inFlight", "flushed"];
    let stats = system.stats().await;
    assert_eq!(keys.map(|key| stats["events"][key].as_u64().unwrap()), [2, 1, 1, 0]);
    assert_eq!(
        (&stats["events"]["byType"], &stats["buffer"]["size"]),
        (&kinds, &json!(1))
    );
    assert!(call.await.unwrap().unwrap().success);
    flushed().await;
    let stats = system.stats().await;
    assert_eq!(keys.map(|key| stats["events"][key].as_u64().unwrap()), [2, 2, 0, 2]);
    assert_eq!(
        (&stats["events"]["byType"], &stats["buffer"]["size"]),
        (&kinds, &json!(0))
    );
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_streams_holds_calls_back() {
    let options = ChallengeOptions {
        handler: Duration::from_millis(300),
        streams: 10,
        ..ChallengeOptions::default()
    };
    let mut system = start(options).await;
    // The client knows the limit from the answer on.
    system.stat(USER, "enemy_kills", 1).await;
    let calls = (0..30).map(|user| {
        send(
            &system.channel,
            stat_event(&format!("user-{user:06}"), "enemy_kills", 1),
        )
    });
    let began = clock::now();
    join_all(calls).await;
    assert!((880..1_000).contains(&millis(clock::now() - began)));
    assert_eq!(system.stats().await["events"]["maxInFlight"], 10);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_no_event() {
    let options = ChallengeOptions {
        handler: Duration::from_millis(300),
        ..ChallengeOptions::default()
    };
    let mut system = start(options).await;
    let call = system.send(stat_event(USER, "enemy_kills", 40));
    assert!(clock::timeout(Duration::from_millis(100), call).await.is_err());
    flushed().await;
    assert_eq!(system.goal(USER, 0, 0).await.0, 0);
    let events = &system.stats().await["events"];
    let counts = ["received", "abandoned", "processed", "inFlight"].map(|key| events[key].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_loses_the_oldest_or_lets_calls_wait() {
    for (overflow, dropped, took) in [(Overflow::DropOldest, 2, 0..500), (Overflow::Block, 0, 900..1_100)] {
        let options = ChallengeOptions {
            buffer: 3,
            overflow,
            ..ChallengeOptions::default()
        };
        let mut system = start(options).await;
        // Just after a flush.
        flushed().await;
        let began = clock::now();
        let users = [1, 3, 5, 7, 9].map(|user| format!("user-{user:06}"));
        join_all(users.iter().map(|user| system.stat(user, "enemy_kills", 11))).await;
        let time = millis(clock::now() - began);
        assert!(took.contains(&time), "{overflow:?}: {time} ms");
        flushed().await;
        let mut visible = 0;
        for user in &users {
            visible += system.goal(user, 0, 0).await.0 / 11;
        }
        assert_eq!(visible, 5 - dropped, "{overflow:?}");
        let stats = system.stats().await;
        let events = ["processed", "dropped", "flushed"].map(|key| stats["events"][key].as_i64().unwrap());
        assert_eq!(events, [5, dropped, 5 - dropped]);
        assert_eq!(stats["buffer"], json!({ "size": 0, "deepest": 3, "limit": 3 }));
    }
}
