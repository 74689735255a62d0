//! A running shop and a minimal HTTP/1.1 client on one keep-alive connection. It trusts `Content-Length` and nothing else.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock;
use crate::demo::data::{customers, products};
use crate::demo::shop::{DemoError, ShopOptions, serve};

pub(super) struct RunningShop {
    pub names: Vec<(String, String)>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), DemoError>>,
}

impl RunningShop {
    /// Starts on free ports.
    pub(super) async fn start(options: ShopOptions) -> Self {
        let (ready, names) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let options = ShopOptions { port: 0, ..options };
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(options, shutdown, |names| ready.send(names.to_vec()).unwrap()));
        let names = names.await.expect("the shop gets ready");
        Self { names, stop, task }
    }

    pub(super) fn address(&self, name: &str) -> String {
        let (_, url) = self.names.iter().find(|(key, _)| key == name).unwrap();
        url.strip_prefix("http://").unwrap().to_owned()
    }

    pub(super) async fn connect(&self) -> Client {
        Client::connect(&self.address("BASE_URL")).await
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

    pub(super) async fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let began = clock::now();
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: shop\r\nContent-Length: {length}\r\n\r\n{body}");
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

    /// Places an order of one unit and returns its id.
    pub(super) async fn order(&mut self, product: usize) -> String {
        let placed = self
            .post("/api/orders", &order_body(&customer(0), &product_id(product)))
            .await;
        assert_eq!(placed.status, 201, "{}", placed.text);
        placed.text_of("orderId")
    }

    pub(super) async fn status(&mut self, order: &str) -> String {
        self.get(&format!("/api/orders/{order}")).await.text_of("status")
    }
}

pub(super) fn customer(number: usize) -> String {
    customers::customers()[number].id.to_string()
}

pub(super) fn product_id(number: usize) -> String {
    products::products()[number].id.to_string()
}

pub(super) fn order_body(customer: &str, product: &str) -> String {
    format!(
        r#"{{"customerId":"{customer}","lineItems":[{{"productId":"{product}","quantity":1,"unitPrice":"9.99"}}],"shippingAddress":"1 Elm St"}}"#
    )
}
