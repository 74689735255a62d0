//! A shop with faults of one's choice, in a process of its own, whose statistics tests can read.

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
        let mut variables = variables.expect("it listens in time");
        variables.retain(|(name, _)| name != "ORCHESTRATOR_URL");
        assert_eq!(variables.len(), 5, "an address for all and one for each: {variables:?}");
        Self {
            _child: child,
            _project: project,
            variables,
        }
    }

    /// One of its addresses.
    pub fn url(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("there is no {name}")).1
    }

    /// `-e NAME=value` for each of its services, but not for all of them together.
    pub fn services(&self) -> Vec<String> {
        let services = self.variables.iter().filter(|(name, _)| name != "BASE_URL");
        services
            .flat_map(|(name, value)| ["-e".to_owned(), format!("{name}={value}")])
            .collect()
    }

    /// What it knows about its own service times, by operation.
    pub async fn operations(&self) -> Value {
        self.ask("GET /__stats", "").await["operations"].take()
    }

    /// Sets a fault, as JSON.
    pub async fn fault(&self, fault: &str) {
        let set = self.ask("POST /__fault", fault).await;
        assert!(set["error"].is_null(), "{set}");
    }

    async fn ask(&self, what: &str, body: &str) -> Value {
        let address = self.url("BASE_URL").trim_start_matches("http://");
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
