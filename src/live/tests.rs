//! The server against a run that is only pretended, asked through the engine's own client; the page next door.

mod page;

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::clock;
use crate::control::{Abilities, Reason, ScenarioStatus, State, Status, Steerable};
use crate::net;

struct FakeRun {
    control: Arc<Control>,
    server: Server,
    client: net::Client,
}

impl FakeRun {
    /// `open` obeys everything, `closed` nothing; both are there only when the load has begun.
    async fn new(begun: bool, pausable: bool) -> Self {
        let control = Arc::new(Control::new());
        let steerable = |name: &str, rate, max_vus| Steerable {
            name: name.to_owned(),
            executor: "constant-vus".to_owned(),
            abilities: Abilities {
                pause: pausable,
                rate,
                no_rate: None,
                max_vus,
            },
            stages: Vec::new(),
        };
        if begun {
            control.steer(
                clock::now(),
                vec![steerable("open /1", true, Some(50)), steerable("closed", false, None)],
            );
        }
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(Place::At(addr), Arc::clone(&control), None).unwrap();
        let shared = net::Shared::new(net::HttpConfig::default()).unwrap();
        Self {
            control,
            server,
            client: net::Client::new(Rc::clone(&shared), 1),
        }
    }

    async fn send(&self, method: Method, path: &str, auth: Option<&str>, body: &str) -> (u16, Value) {
        let mut headers = net::HeaderList::new();
        if let Some(auth) = auth {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(auth).unwrap());
        }
        let request = net::Request {
            headers,
            body: body.to_owned().into(),
            ..net::Request::new(
                method,
                Url::parse(&format!("http://{}{path}", self.server.addr())).unwrap(),
            )
        };
        let exchange = self.client.fetch(request).await;
        let response = exchange.outcome.unwrap();
        (
            response.status,
            serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        )
    }

    async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let auth = format!("Bearer {}", self.server.token().as_str());
        self.send(Method::POST, path, Some(&auth), body).await
    }

    async fn status(&self) -> Value {
        let auth = format!("Bearer {}", self.server.token().as_str());
        let (code, status) = self.send(Method::GET, "/v1/status", Some(&auth), "").await;
        assert_eq!(code, 200);
        status
    }
}

#[tokio::test]
async fn without_the_token_nobody_is_heard() {
    let run = FakeRun::new(true, true).await;
    let token = run.server.token().as_str().to_owned();
    let wrong = "0".repeat(32);
    let table = [
        None,
        Some(""),
        Some("Bearer "),
        Some(token.as_str()),
        Some("Basic abc"),
        Some(&wrong),
    ];
    let with_scheme = format!("Bearer {wrong}");
    for auth in table.into_iter().chain([Some(with_scheme.as_str())]) {
        for (method, path) in [
            (Method::GET, "/v1/status"),
            (Method::POST, "/v1/stop"),
            (Method::POST, "/v1/pause"),
            (Method::GET, "/nowhere"),
        ] {
            let (code, body) = run.send(method, path, auth, "").await;
            assert_eq!(code, 401, "{auth:?} {path}");
            assert!(body["error"].as_str().unwrap().contains("token"), "{body}");
        }
    }
    assert!(run.control.events().is_empty() && run.control.reasons().is_empty());
}

#[tokio::test]
async fn what_is_accepted_is_set_shown_and_kept_as_an_event() {
    let run = FakeRun::new(true, true).await;
    let scenario = |name: &str| ScenarioStatus {
        name: name.to_owned(),
        started: 12,
        ..ScenarioStatus::default()
    };
    run.control.publish(Status {
        state: State::Running,
        elapsed_ms: 5_000,
        scenarios: vec![scenario("open /1"), scenario("closed")],
        ..Status::default()
    });
    let (code, _) = run.post("/v1/scenarios/open%20%2F1/rate", "{\"rate\": 12.5}").await;
    assert_eq!(code, 200);
    let (code, _) = run.post("/v1/scenarios/open%20%2F1/vus", "{\"vus\": 7}").await;
    assert_eq!(code, 200);
    let (code, status) = run.post("/v1/pause", "").await;
    assert_eq!((code, &status["paused"]), (200, &json!(true)));
    let status = run.status().await;
    assert_eq!(status["state"], "running");
    assert_eq!(status["scenarios"][0]["set_rate"], 12.5);
    assert_eq!(status["scenarios"][0]["set_vus"], 7);
    assert_eq!(status["scenarios"][1].get("set_rate"), None);
    let setpoints = run.control.setpoints(0).unwrap();
    let newest = *setpoints.borrow().last().unwrap();
    assert_eq!((newest.paused, newest.rate, newest.vus), (true, Some(12.5), Some(7)));
    assert_eq!(run.post("/v1/resume", "").await.0, 200);
    let what: Vec<_> = run.control.events().into_iter().map(|event| event.what).collect();
    assert_eq!(what, ["rate", "vus", "pause", "resume"]);
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_a_reason_and_the_run_goes_on() {
    let run = FakeRun::new(true, true).await;
    // (path, body, status, part of the reason)
    let table = [
        (
            "/v1/scenarios/nobody/rate",
            "{\"rate\": 5}",
            404,
            "no scenario `nobody`",
        ),
        ("/v1/scenarios/open%20%2F1/rate", "", 400, "{\"rate\": 50}"),
        (
            "/v1/scenarios/open%20%2F1/rate",
            "{\"rate\": \"fast\"}",
            400,
            "{\"rate\": 50}",
        ),
        (
            "/v1/scenarios/open%20%2F1/rate",
            "{\"rate\": 5, \"vus\": 5}",
            400,
            "unknown field",
        ),
        ("/v1/scenarios/open%20%2F1/rate", "{\"rate\": -5}", 400, "above zero"),
        ("/v1/scenarios/open%20%2F1/vus", "{\"vus\": -5}", 400, "{\"vus\": 50}"),
        ("/v1/scenarios/open%20%2F1/vus", "{\"vus\": 2.5}", 400, "{\"vus\": 50}"),
        ("/v1/scenarios/open%20%2F1/vus", "{\"vus\": 51}", 400, "at most 50"),
        (
            "/v1/scenarios/closed/rate",
            "{\"rate\": 5}",
            501,
            "not supported by its executor (constant-vus)",
        ),
        ("/v1/scenarios/closed/vus", "{\"vus\": 5}", 501, "not supported"),
        ("/v1/resume", "", 409, "running already"),
        ("/v1/nowhere", "", 404, "no such path"),
        ("/v1/status", "", 405, "another method"),
    ];
    for (path, body, code, part) in table {
        let (got, answer) = run.post(path, body).await;
        assert_eq!(got, code, "{path} {body}: {answer}");
        let reason = answer["error"].as_str().unwrap();
        assert!(reason.contains(part), "{path} {body}: {reason}");
    }
    assert!(run.control.events().is_empty() && !run.control.stop_token().is_cancelled());
}

#[tokio::test]
async fn a_run_that_cannot_pause_says_so_and_one_that_has_not_begun_too() {
    let fixed = FakeRun::new(true, false).await;
    let (code, answer) = fixed.post("/v1/pause", "").await;
    assert_eq!(code, 501, "{answer}");
    let early = FakeRun::new(false, true).await;
    assert_eq!(early.post("/v1/pause", "").await.0, 409);
    assert_eq!(early.status().await["state"], "preparing");
}

#[tokio::test]
async fn a_stop_stops_gracefully_once() {
    let run = FakeRun::new(true, true).await;
    assert_eq!(run.post("/v1/stop", "").await.0, 200);
    assert!(run.control.stop_token().is_cancelled() && !run.control.kill_token().is_cancelled());
    assert_eq!(run.control.reasons(), [Reason::LiveStop]);
    assert_eq!(run.post("/v1/stop", "").await.0, 409);
    assert_eq!(run.control.events().len(), 1);
}
