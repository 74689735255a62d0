//! The API as its clients see it, and what the event handler tells of itself.

use serde_json::{Value, json};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use super::{ChallengeOptions, Duration, clock, start};

#[tokio::test(start_paused = true)]
async fn a_user_sees_all_challenges() {
    let mut system = start(ChallengeOptions::default()).await;
    let answer = system.ask("user-000001", "GET", "/v1/challenges").await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    let challenges = body["challenges"].as_array().unwrap();
    assert_eq!(challenges.len(), 10);
    assert!(
        challenges
            .iter()
            .all(|challenge| challenge["goals"].as_array().unwrap().len() == 50)
    );
    let goal = json!({
        "goalId": "goal-4", "statCode": "login_count", "operator": ">=", "target": 64, "progress": 0,
        "status": "not_started", "reward": { "type": "coins", "quantity": 640 },
    });
    assert_eq!(challenges[1]["goals"][4], goal);
    let one = system
        .ask("user-000001", "GET", "/v1/challenges/challenge-1")
        .await
        .json();
    assert_eq!(one, challenges[1]);
    let none = system.ask("user-000001", "GET", "/v1/challenges/challenge-10").await;
    assert_eq!(
        (none.status, none.text_of("error").as_str()),
        (404, "no challenge `challenge-10`")
    );

    let played = system.ask("user-000002", "GET", "/v1/challenges").await.json();
    let goals = played["challenges"][0]["goals"].as_array().unwrap();
    let statuses: Vec<&str> = goals.iter().map(|goal| goal["status"].as_str().unwrap()).collect();
    assert!(
        statuses.contains(&"completed") && statuses.contains(&"in_progress"),
        "{statuses:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn tokens_expire() {
    let options = ChallengeOptions {
        token_lifetime: Duration::from_secs(60),
        ..ChallengeOptions::default()
    };
    let mut system = start(options).await;
    let body = json!({ "userId": "user-000003" }).to_string();
    let issued = system.http.post("/v1/token", &body).await.json();
    assert_eq!(
        [&issued["token_type"], &issued["expires_in"], &issued["user_id"]],
        [&json!("Bearer"), &json!(60.0), &json!("user-000003")]
    );
    let short = json!({ "userId": "user-000003", "expiresIn": 10 }).to_string();
    let [long, short] = [issued, system.http.post("/v1/token", &short).await.json()]
        .map(|token| token["access_token"].as_str().unwrap().to_owned());
    // seconds from here, status of the long token, of the short one
    for (wait, long_status, short_status) in [(0, 200, 200), (11, 200, 401), (48, 200, 401), (2, 401, 401)] {
        clock::sleep(Duration::from_secs(wait)).await;
        for (token, status) in [(&long, long_status), (&short, short_status)] {
            let answer = system.http.send_as(token, "GET", "/v1/challenges").await;
            assert_eq!(answer.status, status, "{} s", wait);
        }
    }
    let nonsense = system.http.send_as("abc", "GET", "/v1/challenges").await;
    assert_eq!(
        (nonsense.status, nonsense.text_of("error").as_str()),
        (401, "the token is none of this system's")
    );
    assert_eq!(system.http.get("/v1/challenges").await.status, 401);
    let tokens = &system.stats().await["tokens"];
    assert_eq!(
        *tokens,
        json!({ "issued": 2, "missing": 1, "invalid": 1, "expired": 4 })
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_for_somebody() {
    let mut system = start(ChallengeOptions::default()).await;
    // body, status, what is said
    let table = [
        (r#"{"userId":"user-010000"}"#, 404, "no user `user-010000`"),
        (r#"{"userId":7}"#, 400, "userId: must be a text"),
        (r#"{"userId":"user-000001","expiresIn":0}"#, 400, "expiresIn"),
        (r#"{"userId":"user-000001","expiresIn":"1h"}"#, 400, "expiresIn"),
        ("", 400, "not JSON"),
    ];
    for (body, status, part) in table {
        let answer = system.http.post("/v1/token", body).await;
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.text_of("error").contains(part), "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn health_is_told_both_ways() {
    let mut system = start(ChallengeOptions::default()).await;
    let mut health = HealthClient::new(system.channel.clone());
    let mut check = async |service: &str| {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        health.check(request).await.map(|answer| answer.into_inner().status)
    };
    assert_eq!(check("").await.unwrap(), 1);
    assert_eq!(check("EventService").await.unwrap(), 1);
    assert_eq!(check("Other").await.unwrap_err().code(), tonic::Code::NotFound);
    assert_eq!(system.http.get("/health").await.status, 200);
    system.fault(json!({ "fault": "down", "value": "events" })).await;
    assert_eq!(check("EventService").await.unwrap(), 2);
    let whole = system.http.get("/health").await;
    assert_eq!(whole.status, 503);
    assert_eq!(whole.json()["components"]["events"], "DOWN");
    assert_eq!(whole.json()["components"]["database"], "UP");

    let request = HealthCheckRequest {
        service: "EventService".to_owned(),
    };
    let mut watch = HealthClient::new(system.channel.clone())
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
    system.no_faults().await;
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);
}

#[tokio::test(start_paused = true)]
async fn reflection_tells_the_proto_in_both_versions() {
    let system = start(ChallengeOptions::default()).await;
    let own = super::super::message::descriptor_set();
    macro_rules! file_of {
        ($version:ident) => {{
            use $version::server_reflection_client::ServerReflectionClient;
            use $version::server_reflection_request::MessageRequest;
            use $version::server_reflection_response::MessageResponse;
            let request = $version::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::FileContainingSymbol("EventService".to_owned())),
            };
            let mut client = ServerReflectionClient::new(system.channel.clone());
            let stream = futures_util::stream::iter([request]);
            let mut answers = client.server_reflection_info(stream).await.unwrap().into_inner();
            let answer = answers.message().await.unwrap().unwrap();
            match answer.message_response {
                Some(MessageResponse::FileDescriptorResponse(found)) => found.file_descriptor_proto,
                other => panic!("{other:?}"),
            }
        }};
    }
    for files in [file_of!(v1), file_of!(v1alpha)] {
        assert_eq!(files.len(), 1);
        // A set is its files, each as field 1.
        assert!(own.ends_with(&files[0]));
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_have_the_names_of_the_dashboards() {
    let mut system = start(ChallengeOptions::default()).await;
    system.stat("user-000001", "enemy_kills", 50).await;
    super::flushed().await;
    assert_eq!(system.claim("user-000001", 0, 0).await.status, 200);
    let text = system.http.get("/metrics").await.text;
    for line in [
        "http_requests_total{method=\"POST\",path=\"/v1/challenges/{cid}/goals/{gid}/claim\",status=\"200\"} 1",
        "http_request_duration_seconds_count{method=\"POST\",path=\"/v1/token\"} 1",
        "db_query_duration_seconds_count{query_type=\"upsert\"} 1",
        "db_query_duration_seconds_count{query_type=\"claim_begin\"} 1",
        "db_connections_active 0",
        "db_connections_max 50",
        "ags_platform_request_duration_seconds_count{operation=\"grant_reward\"} 1",
        "challenges_claimed_total 1",
        "rewards_granted_total 1",
        "events_received_total{event_type=\"statItemUpdated\"} 1",
        "events_processed_total{event_type=\"statItemUpdated\"} 1",
        "event_processing_duration_seconds_count{event_type=\"statItemUpdated\"} 1",
        "event_buffer_size 0",
        "event_buffer_flush_duration_seconds_count 1",
        "event_buffer_flush_rows_sum 1.0",
    ] {
        assert!(text.lines().any(|there| there == line), "no `{line}` in\n{text}");
    }
    for name in ["db_connections_idle", "ags_platform_request_errors"] {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
    }
    let unknown = system.http.get("/v2/challenges").await;
    assert_eq!(
        (unknown.status, unknown.json()),
        (404, Value::from_iter([("error", "no such path")]))
    );
}
