//! Faults as clients of both ports meet them.

use serde_json::json;
use tonic::Code;

use super::super::Overflow;
use super::{ChallengeOptions, Duration, clock, flushed, millis, start, stat_event};

const USER: &str = "user-000001";

#[tokio::test(start_paused = true)]
async fn while_the_database_is_down_the_buffer_keeps_events() {
    let mut system = start(ChallengeOptions::default()).await;
    system.stat(USER, "enemy_kills", 20).await;
    system
        .fault(json!({ "fault": "down", "value": "database", "duration": "5s" }))
        .await;
    for value in 21..=25 {
        system.stat(USER, "enemy_kills", value).await;
    }
    clock::sleep(Duration::from_secs(3)).await;
    let answer = system.ask(USER, "GET", "/v1/challenges").await;
    assert_eq!((answer.status, answer.text_of("code").as_str()), (503, "unavailable"));
    assert_eq!(system.claim(USER, 0, 0).await.status, 503);
    let stats = system.stats().await;
    assert_eq!(
        (&stats["buffer"]["size"], &stats["flushes"]["stalled"]),
        (&json!(6), &json!(3))
    );
    clock::sleep(Duration::from_secs(3)).await;
    assert_eq!(system.goal(USER, 0, 0).await, (25, "completed".to_owned()));
    let stats = system.stats().await;
    let events = ["processed", "flushed", "dropped"].map(|key| stats["events"][key].as_u64().unwrap());
    assert_eq!(events, [6, 6, 0], "none is lost");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_cannot_be_ended_may_be_made_again() {
    let mut system = start(ChallengeOptions::default()).await;
    system.stat(USER, "enemy_kills", 20).await;
    flushed().await;
    // From while the reward is asked for.
    system
        .fault(json!({ "fault": "down", "value": "database", "start": "30ms", "duration": "3s" }))
        .await;
    assert_eq!(system.claim(USER, 0, 0).await.status, 503);
    clock::sleep(Duration::from_secs(5)).await;
    assert_eq!(system.goal(USER, 0, 0).await.1, "completed");
    assert_eq!(system.claim(USER, 0, 0).await.status, 200);
    let rewards = &system.stats().await["rewards"];
    assert_eq!(
        (&rewards["calls"], &rewards["granted"]),
        (&json!(2), &json!(1)),
        "granted once all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn events_fail_as_requests_do() {
    let mut system = start(ChallengeOptions::default()).await;
    let operation = "EventService/OnMessage";
    // fault, code
    let table = [
        (json!({ "fault": "down", "value": "events" }), Code::Unavailable),
        (json!({ "fault": "down", "value": "all" }), Code::Unavailable),
        (
            json!({ "fault": "errors", "value": 1, "operation": operation }),
            Code::Internal,
        ),
    ];
    for (fault, code) in table {
        system.fault(fault.clone()).await;
        let failed = system.send(stat_event(USER, "enemy_kills", 1)).await.unwrap_err();
        assert_eq!(failed.code(), code, "{fault}");
        system.no_faults().await;
    }
    system.fault(json!({ "fault": "down", "value": "events" })).await;
    assert_eq!(
        system.ask(USER, "GET", "/v1/challenges").await.status,
        200,
        "the API goes on"
    );
    system.no_faults().await;
    system
        .fault(json!({ "fault": "reset", "value": 1, "operation": operation }))
        .await;
    assert!(system.send(stat_event(USER, "enemy_kills", 1)).await.is_err());
    let stats = system.stats().await;
    let events = ["received", "failed", "processed"].map(|key| stats["events"][key].as_u64().unwrap());
    assert_eq!(events, [4, 4, 0]);
    assert_eq!(stats["operations"][operation]["byStatus"], json!({ "13": 1, "14": 2 }));
}

#[tokio::test(start_paused = true)]
async fn latency_stall_and_handler_hold_events() {
    let mut system = start(ChallengeOptions::default()).await;
    // fault, milliseconds
    let table = [
        (
            json!({ "fault": "latency", "value": "200ms", "operation": "EventService/OnMessage" }),
            200,
        ),
        (json!({ "fault": "handler", "value": "300ms" }), 300),
        (json!({ "fault": "stall", "value": "2s" }), 2_000),
    ];
    for (fault, expected) in table {
        system.fault(fault.clone()).await;
        let began = clock::now();
        system.stat(USER, "enemy_kills", 1).await;
        let took = millis(clock::now() - began);
        assert!((expected..expected + 20).contains(&took), "{fault}: {took} ms");
        system.no_faults().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stall_holds_what_has_begun_before_it() {
    let mut system = start(ChallengeOptions {
        handler: Duration::from_millis(300),
        ..ChallengeOptions::default()
    })
    .await;
    system.stat(USER, "enemy_kills", 50).await;
    flushed().await;
    let stall = || json!({ "fault": "stall", "value": "2s", "start": "30ms" });
    // While the reward is asked for.
    system.fault(stall()).await;
    let claim = system.claim(USER, 0, 0).await;
    assert_eq!(claim.status, 200, "{}", claim.text);
    let took = millis(claim.took);
    assert!((2_000..2_040).contains(&took), "{took} ms");
    // While the handler has the event.
    system.fault(stall()).await;
    let began = clock::now();
    system.stat(USER, "enemy_kills", 51).await;
    let took = millis(clock::now() - began);
    assert!((2_000..2_040).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_stall_holds_who_waits_for_room() {
    let mut system = start(ChallengeOptions {
        buffer: 1,
        overflow: Overflow::Block,
        ..ChallengeOptions::default()
    })
    .await;
    // Just after a flush; the next one is in the stall.
    flushed().await;
    system.stat(USER, "enemy_kills", 1).await;
    system
        .fault(json!({ "fault": "stall", "value": "2s", "start": "500ms" }))
        .await;
    let began = clock::now();
    system.stat(USER, "enemy_kills", 2).await;
    let took = millis(clock::now() - began);
    assert!((2_490..2_520).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn faults_that_it_does_not_have_are_refused() {
    let mut system = start(ChallengeOptions::default()).await;
    // body, what is said
    let table = [
        (r#"{"fault":"stock","value":1}"#, "faults are latency"),
        (r#"{"fault":"down","value":"shop"}"#, "api, events, database, rewards"),
        (r#"{"fault":"event_capacity","value":0}"#, "not a rate"),
        (r#"{"fault":"reward_errors","value":2}"#, "not a fraction"),
    ];
    for (body, part) in table {
        let refused = system.http.post("/__fault", body).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text_of("error").contains(part), "{}", refused.text);
    }
    system.fault(json!({ "fault": "handler", "value": "300ms" })).await;
    system.fault(json!({ "fault": "api_capacity", "value": 500 })).await;
    let list = system.http.get("/__fault").await.json();
    assert_eq!((&list[0]["value"], &list[1]["value"]), (&json!("300ms"), &json!(500.0)));
}
