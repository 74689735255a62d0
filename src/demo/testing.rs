//! For the tests of the built-in systems: a running one, and a minimal HTTP/1.1 client on one keep-alive connection, which
//! trusts `Content-Length` and nothing else.
//!
//! Time is paused in most of these tests: it moves only while everybody waits, to the next timer, so that seconds cost
//! nothing and service times are exact to the runtime's millisecond.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::host::{DemoError, Site, serve};
use crate::clock;

pub(super) struct Running {
    pub names: Vec<(String, String)>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), DemoError>>,
}

impl Running {
    /// Starts a system on free ports.
    pub(super) async fn start(mut sites: Vec<Site>) -> Self {
        sites.iter_mut().for_each(|site| site.port = 0);
        let (ready, names) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(sites, shutdown, |names| ready.send(names.to_vec()).unwrap()));
        let names = names.await.expect("it gets ready");
        Self { names, stop, task }
    }

    pub(super) fn address(&self, name: &str) -> String {
        let (_, url) = self.names.iter().find(|(key, _)| key == name).unwrap();
        url.strip_prefix("http://").unwrap_or(url).to_owned()
    }

    /// A connection to what the first of its names says.
    pub(super) async fn connect(&self) -> Client {
        Client::connect(&self.address(&self.names[0].0)).await
    }

    /// Stops and says how long that took.
    pub(super) async fn stop(self) -> Duration {
        let began = clock::now();
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
        clock::now() - began
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub text: String,
    pub took: Duration,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(super) fn text_of(&self, key: &str) -> String {
        self.json()[key]
            .as_str()
            .unwrap_or_else(|| panic!("no {key}: {}", self.text))
            .to_owned()
    }
}

pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(super) async fn connect(address: &str) -> Self {
        Self {
            stream: BufReader::new(TcpStream::connect(address).await.unwrap()),
        }
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "").await.unwrap()
    }

    pub(super) async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, body).await.unwrap()
    }

    /// With a bearer token, and without a body.
    pub(super) async fn send_as(&mut self, token: &str, method: &str, path: &str) -> Answer {
        let head = format!("Authorization: Bearer {token}\r\n");
        self.exchange(method, path, &head, "").await.unwrap()
    }

    pub(super) async fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        self.exchange(method, path, "", body).await
    }

    async fn exchange(&mut self, method: &str, path: &str, head: &str, body: &str) -> io::Result<Answer> {
        let began = clock::now();
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: demo\r\n{head}Content-Length: {length}\r\n\r\n{body}");
        self.stream.write_all(request.as_bytes()).await?;
        let mut status = None;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_lowercase();
            if status.is_none() {
                status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
            } else if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(Answer {
            status: status.expect("a status line"),
            text: String::from_utf8(body).unwrap(),
            took: clock::now() - began,
        })
    }
}
