//! Claims: once each, whoever asks and however often.

use futures_util::future::join_all;
use serde_json::json;

use super::{ChallengeOptions, Duration, System, clock, flushed, millis, start};
use crate::demo::testing::Client;

const USER: &str = "user-000001";

/// A system where the user has completed what wants 50 or fewer kills.
async fn completed() -> System {
    let system = start(ChallengeOptions::default()).await;
    system.stat(USER, "enemy_kills", 50).await;
    flushed().await;
    system
}

#[tokio::test(start_paused = true)]
async fn a_completed_goal_is_claimed_once() {
    let mut system = completed().await;
    let won = system.claim(USER, 0, 0).await;
    assert_eq!(won.status, 200, "{}", won.text);
    assert!(
        (50..230).contains(&millis(won.took)),
        "a reward takes 50 to 200 ms: {:?}",
        won.took
    );
    let body = won.json();
    let parts = ["userId", "challengeId", "goalId", "status"].map(|key| body[key].as_str().unwrap());
    assert_eq!(parts, [USER, "challenge-0", "goal-0", "claimed"]);
    assert_eq!(body["reward"], json!({ "type": "coins", "quantity": 100 }));

    let again = system.claim(USER, 0, 0).await;
    assert_eq!((again.status, again.text_of("code").as_str()), (409, "already_claimed"));
    assert_eq!(system.goal(USER, 0, 0).await, (50, "claimed".to_owned()));
    // Its progress is that of the claim, whatever comes later.
    system.stat(USER, "enemy_kills", 70).await;
    flushed().await;
    assert_eq!(system.goal(USER, 0, 0).await, (50, "claimed".to_owned()));
    assert_eq!(system.goal(USER, 0, 3).await, (70, "completed".to_owned()));

    // The same goal id of another challenge is another goal: challenge 2 wants 10 too.
    assert_eq!(system.claim(USER, 2, 0).await.status, 200);
    let rows = system.http.get("/__claims").await.json();
    assert_eq!(
        rows[0],
        json!({ "userId": USER, "challengeId": "challenge-0", "goalId": "goal-0", "won": 1, "refused": 1 })
    );
    assert_eq!(rows.as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_claimed_says_why() {
    let mut system = completed().await;
    let early = system.claim(USER, 1, 3).await;
    assert_eq!((early.status, early.text_of("code").as_str()), (400, "not_completed"));
    assert_eq!(early.text_of("error"), "the goal is not completed: 50 of 63");
    let path = "/v1/challenges/challenge-0/goals/goal-50/claim";
    assert_eq!(system.ask(USER, "POST", path).await.status, 404);
    let path = "/v1/challenges/challenge-0/goals/goal-0/claim";
    assert_eq!(system.http.post(path, "").await.status, 401);
    assert_eq!(system.ask(USER, "GET", path).await.status, 405);
    let claims = &system.stats().await["claims"];
    assert_eq!((&claims["notCompleted"], &claims["won"]), (&json!(1), &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn of_claims_at_the_same_moment_one_wins() {
    let mut system = completed().await;
    let users: Vec<String> = (0..40).map(|user| format!("user-{user:06}")).collect();
    join_all(users.iter().map(|user| system.stat(user, "games_played", 109))).await;
    flushed().await;
    let mut clients = Vec::new();
    for user in &users {
        let token = system.token(user).await;
        for _ in 0..3 {
            clients.push((token.clone(), system.running.connect().await));
        }
    }
    let path = "/v1/challenges/challenge-4/goals/goal-2/claim";
    let claims = clients
        .iter_mut()
        .map(|(token, client): &mut (String, Client)| client.send_as(token, "POST", path));
    let answers = join_all(claims).await;
    let of = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(200), of(409)), (40, 80));
    for three in answers.chunks(3) {
        assert_eq!(three.iter().filter(|answer| answer.status == 200).count(), 1);
    }
    let stats = system.stats().await;
    let claims = &stats["claims"];
    assert_eq!(
        [&claims["won"], &claims["alreadyClaimed"], &claims["goals"]],
        [&json!(40), &json!(80), &json!(40)]
    );
    assert_eq!(
        (&claims["wonMoreThanOnce"], &stats["rewards"]["granted"]),
        (&json!(0), &json!(40))
    );
    assert!(
        stats["database"]["connectionsMaxActive"].as_u64().unwrap() > 1,
        "they met in the database"
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_goes_on_when_its_client_goes_away() {
    let mut system = completed().await;
    let token = system.token(USER).await;
    let mut other = system.running.connect().await;
    let call = other.send_as(&token, "POST", "/v1/challenges/challenge-0/goals/goal-0/claim");
    assert!(clock::timeout(Duration::from_millis(30), call).await.is_err());
    drop(other);
    clock::sleep(Duration::from_millis(300)).await;
    assert_eq!(system.goal(USER, 0, 0).await.1, "claimed");
    assert_eq!(system.stats().await["claims"]["won"], 1);
    assert_eq!(system.http.get("/__claims").await.json()[0]["won"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_reward_that_does_not_come_is_no_claim() {
    // fault, status, milliseconds, calls for the reward
    let table = [
        (json!({ "fault": "reward_delay", "value": "10s" }), 5_000, 1),
        (json!({ "fault": "reward_errors", "value": 1 }), 1_000, 4),
        (json!({ "fault": "down", "value": "rewards" }), 1_000, 4),
    ];
    for (fault, least, calls) in table {
        let mut system = completed().await;
        system.fault(fault.clone()).await;
        let failed = system.claim(USER, 0, 0).await;
        assert_eq!(
            (failed.status, failed.text_of("code").as_str()),
            (502, "reward_failed"),
            "{fault}"
        );
        // Four calls and 700 ms between them; or 5 s at once.
        assert!(
            (least - 100..least + 600).contains(&millis(failed.took)),
            "{fault}: {:?}",
            failed.took
        );
        assert_eq!(system.goal(USER, 0, 0).await.1, "completed", "{fault}");
        let stats = system.stats().await;
        assert_eq!(
            (&stats["rewards"]["calls"], &stats["claims"]["rewardFailed"]),
            (&json!(calls), &json!(1))
        );
        system.no_faults().await;
        assert_eq!(system.claim(USER, 0, 0).await.status, 200, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reward_that_fails_at_times_is_asked_for_again() {
    let mut system = completed().await;
    system.fault(json!({ "fault": "reward_errors", "value": 0.5 })).await;
    let mut won = 0;
    for goal in (0..=39).step_by(3) {
        won += u32::from(system.claim(USER, 0, goal).await.status == 200);
    }
    // Each of 14 fails with 0.5⁴.
    assert!((11..=14).contains(&won), "{won}");
    let rewards = &system.stats().await["rewards"];
    assert!(rewards["errors"].as_u64().unwrap() >= 3, "{rewards}");
    assert_eq!(rewards["granted"], won);
}
