//! What the live page talks to, in the smallest form: the page, its event stream, and live control that notes what it is
//! asked.

use std::sync::{Arc, Mutex};

use kingtide::report::page::live_html;
use kingtide::results::Run;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How far the stream goes: intervals, whether the end is told, and how often connections were cut.
#[derive(Clone, Copy, Default)]
struct Reach {
    intervals: usize,
    is_over: bool,
    cuts: u32,
}

struct Told {
    header: String,
    intervals: Vec<String>,
    summary: String,
    commands: Mutex<Vec<(String, String)>>,
}

/// The server; it ends when this is dropped.
pub struct Server {
    /// Its page.
    pub url: String,
    told: Arc<Told>,
    reach: watch::Sender<Reach>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves a run of which nothing has happened yet.
    pub async fn start(run: &Run) -> Self {
        let json = |value: serde_json::Result<String>| value.expect("JSON can be written");
        let told = Arc::new(Told {
            header: json(serde_json::to_string(&run.header)),
            intervals: run
                .intervals
                .iter()
                .map(|interval| json(serde_json::to_string(interval)))
                .collect(),
            summary: json(serde_json::to_string(&run.summary)),
            commands: Mutex::default(),
        });
        let reach = watch::Sender::new(Reach::default());
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
        let (shared, seen) = (Arc::clone(&told), reach.subscribe());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (told, seen) = (Arc::clone(&shared), seen.clone());
                // A browser that goes away is no failure of the server's.
                tokio::spawn(async move { drop(serve(stream, &told, seen).await) });
            }
        });
        Self { url, told, reach, task }
    }

    /// So many seconds have passed.
    pub async fn send(&self, intervals: usize) {
        self.reach.send_modify(|reach| reach.intervals = intervals);
    }

    /// Cuts all streams.
    pub async fn cut(&self) {
        self.reach.send_modify(|reach| reach.cuts += 1);
    }

    /// The run is over.
    pub async fn end(&self) {
        self.reach.send_modify(|reach| reach.is_over = true);
    }

    /// Paths and bodies of the commands so far.
    pub fn commands(&self) -> Vec<(String, String)> {
        self.told.commands.lock().expect("nobody panicked with it").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, told: &Told, reach: watch::Receiver<Reach>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut length, mut authorised) = (String::new(), 0, false);
    stream.read_line(&mut line).await?;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        authorised |= header == "authorization: bearer secret";
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match path {
        "/" => answer(&mut stream, "text/html", &live_html()).await,
        "/events" => events(&mut stream, told, reach).await,
        _ if path.starts_with("/v1/") && authorised => {
            let mut commands = told.commands.lock().expect("nobody panicked with it").clone();
            if method == "POST" {
                commands.push((path.to_owned(), String::from_utf8_lossy(&body).into_owned()));
                *told.commands.lock().expect("nobody panicked with it") = commands.clone();
            }
            let paused = commands.iter().any(|(path, _)| path == "/v1/pause");
            let status = serde_json::json!({ "state": "running", "paused": paused, "elapsed_ms": 0, "scenarios": [
                { "name": "orders a", "executor": "constant-arrival-rate" }, { "name": "browse", "executor": "ramping-vus" }] });
            answer(&mut stream, "application/json", &status.to_string()).await
        }
        _ => {
            stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
        }
    }
}

async fn answer(stream: &mut BufReader<TcpStream>, kind: &str, text: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await
}

async fn events(
    stream: &mut BufReader<TcpStream>,
    told: &Told,
    mut reach: watch::Receiver<Reach>,
) -> std::io::Result<()> {
    let cuts = reach.borrow().cuts;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nretry: 100\n";
    stream.write_all(head.as_bytes()).await?;
    stream
        .write_all(format!("event: header\ndata: {}\n\n", told.header).as_bytes())
        .await?;
    let mut sent = 0;
    loop {
        let now = *reach.borrow_and_update();
        if now.cuts != cuts {
            return Ok(());
        }
        for interval in &told.intervals[sent..now.intervals] {
            stream
                .write_all(format!("event: interval\ndata: {interval}\n\n").as_bytes())
                .await?;
        }
        sent = now.intervals;
        if now.is_over {
            stream
                .write_all(format!("event: end\ndata: {}\n\n", told.summary).as_bytes())
                .await?;
        }
        if reach.changed().await.is_err() {
            return Ok(());
        }
    }
}
