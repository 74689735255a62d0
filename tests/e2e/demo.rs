//! The built-in systems with faults of one's choice, in a process of their own, whose statistics tests can read.

use std::process::Stdio;
use std::time::Duration;

use kingtide::clock;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::kit::Project;

/// `kingtide demo` on free ports; it is gone when this is dropped.
pub struct Demo {
    _child: Child,
    _project: Project,
    variables: Vec<(String, String)>,
}

impl Demo {
    /// Starts it with these options and waits until it listens.
    pub async fn start(options: &[&str]) -> Self {
        let project = Project::new();
        let mut command = project.command(["demo", "--port", "0", "--until-stdin-closes"]);
        let mut child = command
            .args(options)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let read = async {
            let mut variables = Vec::new();
            while let Some(line) = lines.next_line().await.expect("stdout can be read") {
                let Some((name, value)) = line.split_once('=') else {
                    break;
                };
                variables.push((name.to_owned(), value.to_owned()));
            }
            variables
        };
        let variables = clock::timeout(Duration::from_secs(20), read).await;
        Self {
            _child: child,
            _project: project,
            variables: variables.expect("it listens in time"),
        }
    }

    /// One of its addresses.
    pub fn url(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("there is no {name}")).1
    }

    /// The names of its addresses.
    pub fn names(&self) -> Vec<&str> {
        self.variables.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// `-e NAME=value` for each service of the shop, but not for all of them together.
    pub fn services(&self) -> Vec<String> {
        let others = ["BASE_URL", "ORCHESTRATOR_URL", "CHALLENGE_URL", "CHALLENGE_GRPC"];
        let services = self
            .variables
            .iter()
            .filter(|(name, _)| !others.contains(&name.as_str()));
        services
            .flat_map(|(name, value)| ["-e".to_owned(), format!("{name}={value}")])
            .collect()
    }

    /// What the shop knows about its own service times, by operation.
    pub async fn operations(&self) -> Value {
        self.ask("BASE_URL", "GET /__stats", "").await["operations"].take()
    }

    /// What the orchestrator says of its events: received, successful, failed, refused.
    pub async fn events(&self) -> [f64; 4] {
        let stats = self.ask("ORCHESTRATOR_URL", "GET /__stats", "").await;
        ["received", "successful", "failed", "refused"]
            .map(|key| stats["events"][key].as_f64().expect("events are counted"))
    }

    /// What the challenge system counts.
    pub async fn challenge(&self) -> Value {
        self.ask("CHALLENGE_URL", "GET /__stats", "").await
    }

    /// Sets a fault of the shop, as JSON.
    pub async fn fault(&self, fault: &str) {
        let set = self.ask("BASE_URL", "POST /__fault", fault).await;
        assert!(set["error"].is_null(), "{set}");
    }

    async fn ask(&self, name: &str, what: &str, body: &str) -> Value {
        let address = self.url(name).trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let length = body.len();
        let request =
            format!("{what} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        let read = clock::timeout(Duration::from_secs(20), read).await;
        read.expect("it answers in time").expect("it answers in text");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        serde_json::from_str(body).expect("its answers are JSON")
    }
}
