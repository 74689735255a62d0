//! The challenge system over real loopback sockets in virtual time: the API, events, claims, faults. Pure parts are tested
//! beside their code.

mod claims;
mod endpoints;
mod events;
mod faulty;
mod limits;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::message::{Event, EventResponse};
use super::{ChallengeOptions, sites};
use crate::clock;
use crate::demo::testing::{Answer, Client, Running};

/// A system on free ports.
async fn start(options: ChallengeOptions) -> System {
    let running = Running::start(sites(&options).unwrap()).await;
    let http = running.connect().await;
    let channel = channel(&running).await;
    System { running, http, channel }
}

/// A gRPC connection of its own.
async fn channel(running: &Running) -> Channel {
    let address = format!("http://{}", running.address("CHALLENGE_GRPC"));
    Endpoint::from_shared(address).unwrap().connect().await.unwrap()
}

struct System {
    running: Running,
    http: Client,
    channel: Channel,
}

impl System {
    /// A token of this user.
    async fn token(&mut self, user: &str) -> String {
        let issued = self
            .http
            .post("/v1/token", &json!({ "userId": user }).to_string())
            .await;
        assert_eq!(issued.status, 200, "{}", issued.text);
        issued.text_of("access_token")
    }

    /// A request of this user.
    async fn ask(&mut self, user: &str, method: &str, path: &str) -> Answer {
        let token = self.token(user).await;
        self.http.send_as(&token, method, path).await
    }

    /// Progress and status of a goal.
    async fn goal(&mut self, user: &str, challenge: usize, goal: usize) -> (i64, String) {
        let body = self.ask(user, "GET", "/v1/challenges").await.json();
        let goal = &body["challenges"][challenge]["goals"][goal];
        (
            goal["progress"].as_i64().unwrap(),
            goal["status"].as_str().unwrap().to_owned(),
        )
    }

    async fn claim(&mut self, user: &str, challenge: usize, goal: usize) -> Answer {
        let path = format!("/v1/challenges/challenge-{challenge}/goals/goal-{goal}/claim");
        self.ask(user, "POST", &path).await
    }

    /// Sends an event on the first connection.
    async fn send(&self, event: Event) -> Result<EventResponse, Status> {
        send(&self.channel, event).await
    }

    /// A statistic's new value, which must be taken.
    async fn stat(&self, user: &str, stat: &str, value: i64) {
        let answer = self.send(stat_event(user, stat, value)).await.unwrap();
        assert_eq!((answer.success, answer.error.as_str()), (true, ""));
    }

    async fn fault(&mut self, fault: Value) {
        let set = self.http.post("/__fault", &fault.to_string()).await;
        assert_eq!(set.status, 201, "{}", set.text);
    }

    async fn no_faults(&mut self) {
        assert_eq!(self.http.send("DELETE", "/__fault", "").await.unwrap().status, 204);
    }

    async fn stats(&mut self) -> Value {
        self.http.get("/__stats").await.json()
    }
}

/// Calls `OnMessage`.
async fn send(channel: &Channel, event: Event) -> Result<EventResponse, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/EventService/OnMessage");
    let answer = client.unary(Request::new(event), path, ProstCodec::default()).await;
    answer.map(tonic::Response::into_inner)
}

fn event(name: &str, user: &str, payload: &[(&str, &str)]) -> Event {
    Event {
        event_name: name.to_owned(),
        namespace: "demo".to_owned(),
        user_id: user.to_owned(),
        payload: payload
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<HashMap<_, _>>(),
    }
}

fn stat_event(user: &str, stat: &str, value: i64) -> Event {
    event(
        "statItemUpdated",
        user,
        &[("statCode", stat), ("value", &value.to_string())],
    )
}

/// Until the next flush is over.
async fn flushed() {
    clock::sleep(Duration::from_millis(1_010)).await;
}

fn millis(duration: Duration) -> u128 {
    duration.as_millis()
}
