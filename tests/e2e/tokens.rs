//! `lib-lua/tokens.lua` against a service whose tokens live for two seconds: no request is refused, and no two users fetch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use kingtide::clock::{self, Instant};
use tokio::net::TcpListener;

use crate::kit::Project;

const LIFE: Duration = Duration::from_secs(2);

/// What the service has given out and seen.
#[derive(Default)]
struct Ledger {
    /// Tokens and when they were given.
    given: HashMap<String, Instant>,
    fetching: u32,
    most_at_once: u32,
    refused: u32,
    served: u32,
}

type Shared = Arc<Mutex<Ledger>>;

fn with<T>(shared: &Shared, act: impl FnOnce(&mut Ledger) -> T) -> T {
    act(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Takes long enough for others to come meanwhile.
async fn token(State(shared): State<Shared>) -> String {
    with(&shared, |ledger| {
        ledger.fetching += 1;
        ledger.most_at_once = ledger.most_at_once.max(ledger.fetching);
    });
    clock::sleep(Duration::from_millis(50)).await;
    with(&shared, |ledger| {
        ledger.fetching -= 1;
        let token = format!("token-{}", ledger.given.len());
        ledger.given.insert(token.clone(), clock::now());
        token
    })
}

async fn resource(State(shared): State<Shared>, headers: HeaderMap) -> StatusCode {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    with(&shared, |ledger| {
        let is_good = ledger.given.get(token).is_some_and(|at| clock::now() - *at < LIFE);
        *(if is_good {
            &mut ledger.served
        } else {
            &mut ledger.refused
        }) += 1;
        if is_good {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        }
    })
}

async fn start() -> (Shared, String) {
    let shared = Shared::default();
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let router = Router::new()
        .route("/token", post(token))
        .route("/resource", get(resource))
        .with_state(Arc::clone(&shared));
    tokio::spawn(async { axum::serve(listener, router).await });
    (shared, format!("http://{address}"))
}

const JOURNEY: &str = "
local tokens = require 'tokens'
local token = tokens.new {
  key = 'qa', refresh_before = '1s',
  fetch = function() return http.post('/token', { name = 'POST /token' }).body, 2 end,
}
local function ask()
  local res = http.get('/resource', { name = 'GET /resource', auth = { bearer = token.bearer } })
  check(res, { ['not refused'] = res.status == 200 })
end
";

#[tokio::test]
async fn nobody_is_refused_and_one_fetches_for_all() {
    let (shared, url) = start().await;
    let project = Project::with(&format!(
        "{JOURNEY}
        return {{
          http = {{ base_url = kt.env 'BASE_URL' }},
          scenarios = {{
            users = {{ executor = 'constant-arrival-rate', rate = 60, duration = '10s', exec = ask }},
            others = {{ executor = 'constant-arrival-rate', rate = 40, duration = '10s', exec = ask }},
          }},
        }}"
    ))
    .against(&url);
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    let (fetched, most_at_once, refused, served) = with(&shared, |ledger| {
        (ledger.given.len(), ledger.most_at_once, ledger.refused, ledger.served)
    });
    assert_eq!((refused, served), (0, 1_000), "{}", ran.ended);
    assert_eq!(most_at_once, 1, "one at a time");
    // Each is used for a second, and is not fetched before somebody wants it.
    assert!((8..=10).contains(&fetched), "{fetched} in 10 s");
    assert_eq!(ran.count("token_refreshes"), fetched as f64);
    assert_eq!(ran.metric("checks", "passes"), Some(1_000.0));
}

/// Without the library the same service does refuse: the test above can fail.
#[tokio::test]
async fn a_token_that_nobody_renews_is_refused() {
    let (shared, url) = start().await;
    let project = Project::with(
        "local token
        return {
          http = { base_url = kt.env 'BASE_URL' },
          scenarios = { a = { executor = 'constant-vus', vus = 1, duration = '3s', exec = function()
            token = token or http.post('/token').body
            http.get('/resource', { auth = { bearer = token }, expect = { 200, 401 } })
            sleep '100ms'
          end } },
        }",
    )
    .against(&url);
    project.run_script().await.exits(0);
    let (refused, served) = with(&shared, |ledger| (ledger.refused, ledger.served));
    assert!(refused > 0 && served > 0, "{refused} refused, {served} served");
}
