//! `kingtide quick`: what it sends, what it counts, how it ends, and that the script which it prints sends the same.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{Project, root};
use crate::server::{Manner, Server, refused_url};

/// A server that keeps every request as it came. `/from` redirects to `/to`.
struct Keeper {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Keeper {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(keep(stream, Arc::clone(&kept)));
            }
        });
        Self {
            url: format!("http://{address}"),
            requests,
        }
    }

    /// What has come since the last time.
    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().expect("nobody panics with it"))
    }
}

async fn keep(mut stream: TcpStream, requests: Arc<Mutex<Vec<String>>>) {
    let mut unread = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut unread).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8_lossy(&unread[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let whole = head + length.map_or(0, |length| length.parse().expect("a length is a number"));
        while unread.len() < whole {
            if stream.read_buf(&mut unread).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let request: Vec<u8> = unread.drain(..whole).collect();
        let request = String::from_utf8_lossy(&request).into_owned();
        let answer = if request.contains(" /from ") {
            "HTTP/1.1 302 Found\r\nlocation: /to\r\ncontent-length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        };
        requests.lock().expect("nobody panics with it").push(request);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_number_of_requests_is_exact() {
    let server = Server::quick().await;
    let ran = Project::new().quick(&[&server.url(), "-n", "123", "-c", "7"]).await;
    ran.exits(0);
    assert_eq!(ran.counts("quick"), [123, 123, 123, 0, 0, 0]);
    assert_eq!((server.requests(), server.connections()), (123, 7));
    assert_eq!(ran.count("http_reqs"), 123.0);
    assert_eq!(ran.metric("http_req_failed", "rate"), Some(0.0));
    let name = format!("http_req_duration{{name:{}/}}", server.url());
    assert_eq!(ran.metric(&name, "count"), Some(123.0));
}

#[tokio::test]
async fn a_rate_starts_exactly_what_it_says() {
    let server = Server::quick().await;
    for threads in ["1", "2"] {
        let ran = Project::new()
            .quick(&[&server.url(), "-r", "80", "-d", "1s", "--threads", threads])
            .await;
        ran.exits(0);
        assert_eq!(ran.counts("quick"), [80, 80, 80, 0, 0, 0]);
        assert_eq!(ran.metric("http_req_response_time", "count"), Some(80.0));
        assert_eq!(ran.metric("iteration_start_lag", "count"), Some(80.0));
    }
    assert_eq!(server.requests(), 160);
}

/// Two users are busy for half a second with each request: other arrivals wait for them, and there is no third user.
#[tokio::test]
async fn users_are_the_cap_of_a_rate() {
    let server = Server::start(Manner::Silent).await;
    let project = Project::new();
    let args = ["-r", "6", "-d", "1s", "-c", "2", "-t", "500ms"];
    let ran = project.quick(&[&[server.url().as_str()][..], &args].concat()).await;
    assert_eq!(ran.metric("vus_max", "max"), Some(2.0));
    assert_eq!(ran.counts("quick")[0], 6);
    assert_eq!(
        server.connections(),
        6,
        "a request that timed out closes its connection"
    );
}

#[tokio::test]
async fn a_signal_in_the_middle_keeps_the_results() {
    let server = Server::start(Manner::Answers(Duration::from_secs(1))).await;
    let project = Project::new();
    let running = project.start_quick(&[&server.url(), "-d", "1h", "-c", "4"]);
    server.has_seen(4).await;
    running.signal(Signal::INT);
    let ran = running.ran().await;
    ran.exits(105).shows(&["stopped by a signal"]);
    assert_eq!(ran.counts("quick"), [4, 4, 4, 0, 0, 0]);
    assert_eq!(ran.count("http_reqs"), 4.0);
}

#[tokio::test]
async fn the_second_signal_interrupts() {
    let server = Server::start(Manner::Silent).await;
    let project = Project::new();
    let mut running = project.start_quick(&[&server.url(), "-d", "1h", "-c", "4"]);
    server.has_seen(4).await;
    running.signal(Signal::TERM);
    running.said("once more").await;
    running.signal(Signal::TERM);
    let ran = running.ran().await;
    ran.exits(105);
    assert_eq!(ran.counts("quick"), [4, 4, 0, 0, 4, 0]);
}

#[tokio::test]
async fn a_server_that_refuses_is_told_once_and_fails_a_threshold() {
    let (project, url) = (Project::new(), refused_url().await);
    let ran = project.quick(&[&url, "-n", "20", "-c", "2"]).await;
    ran.exits(0).shows(&["all 20 requests failed"]);
    assert_eq!(ran.metric("http_req_failed", "rate"), Some(1.0));
    assert_eq!(
        ran.ended.stderr.matches("connection refused").count(),
        1,
        "{}",
        ran.ended
    );
    let ran = project
        .quick(&[&url, "-n", "20", "--threshold", "http_req_failed=rate<0.01"])
        .await;
    ran.exits(99);
}

#[tokio::test]
async fn an_answer_that_was_not_expected_is_a_failure() {
    let server = Server::quick().await;
    let ran = Project::new()
        .quick(&[&server.url(), "-n", "5", "--expect", "404,5xx"])
        .await;
    ran.exits(0);
    assert_eq!(ran.metric("http_req_failed", "rate"), Some(1.0));
    assert!(
        ran.ended.stderr.contains("status 200 is not what was expected"),
        "{}",
        ran.ended
    );
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_allowed() {
    let (keeper, project) = (Keeper::start().await, Project::new());
    let url = format!("{}/from", keeper.url);
    let ran = project.quick(&[&url, "-n", "1"]).await;
    ran.exits(0);
    assert_eq!(ran.count("http_reqs"), 2.0);
    let paths: Vec<String> = keeper.seen().iter().map(|request| first_line(request)).collect();
    assert_eq!(paths, ["GET /from HTTP/1.1", "GET /to HTTP/1.1"]);

    let ran = project.quick(&[&url, "-n", "1", "--redirects", "0"]).await;
    assert_eq!((ran.count("http_reqs"), keeper.seen().len()), (1.0, 1));
    assert_eq!(ran.metric("http_req_failed", "rate"), Some(0.0), "302 is the answer");
}

fn first_line(request: &str) -> String {
    request.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn connections_are_kept_unless_it_is_told_otherwise() {
    let server = Server::quick().await;
    let project = Project::new();
    project.quick(&[&server.url(), "-n", "10", "-c", "1"]).await.exits(0);
    assert_eq!(server.connections(), 1);
    let ran = project
        .quick(&[&server.url(), "-n", "10", "-c", "1", "--no-keepalive"])
        .await;
    ran.exits(0);
    assert_eq!(server.connections(), 11);
}

/// So that the server closes first, and the generator's port is free again at once.
#[tokio::test]
async fn who_keeps_no_connection_says_so() {
    let (keeper, project) = (Keeper::start().await, Project::new());
    for (options, expected) in [
        (&[][..], None),
        (&["--no-keepalive"], Some("connection: close")),
        (
            &["--no-keepalive", "-H", "Connection: TE, close"],
            Some("connection: TE, close"),
        ),
    ] {
        let mut args = vec![keeper.url.as_str(), "-n", "1", "-c", "1"];
        args.extend(options);
        project.quick(&args).await.exits(0);
        let seen = keeper.seen();
        let said: Vec<_> = seen[0].lines().filter(|line| line.starts_with("connection:")).collect();
        assert_eq!(said, expected.into_iter().collect::<Vec<_>>(), "{seen:?}");
    }
}

#[tokio::test]
async fn the_printed_script_sends_the_same() {
    let (keeper, project) = (Keeper::start().await, Project::new());
    project.file("body.bin", b"\x00\xff\"'\\\r\n and more");
    let table: &[(&str, &[&str])] = &[
        ("/", &[]),
        ("/a%20b?c=d&e=%C3%A9#f", &["-H", "Accept: text/html", "-H", "X-Empty:"]),
        ("/p", &["--body", "{\"a\": 1}", "-H", "Content-Type: application/json"]),
        ("/p", &["-m", "put", "--body-file", "body.bin"]),
        ("/p", &["--body", "@body.bin", "-H", "x: 1", "-H", "X: 2"]),
        ("/p", &["-m", "options"]),
        ("/p", &["-m", "PROPFIND"]),
        ("/from", &[]),
        ("/", &["--no-keepalive"]),
    ];
    for (path, options) in table {
        let url = format!("{}{path}", keeper.url.replace("http://", "http://ann:secret@"));
        let mut args = vec![url.as_str(), "-n", "2", "-c", "1"];
        args.extend(*options);
        let ran = project.quick(&args).await;
        ran.exits(0);
        let by_quick = keeper.seen();
        assert!(
            by_quick[0].contains("authorization: Basic YW5uOnNlY3JldA==\r\n"),
            "{by_quick:?}"
        );
        assert!(!ran.ended.stdout.contains("secret"), "{}", ran.ended);

        args.insert(0, "quick");
        args.push("--print-script");
        let printed = project.call(&args).await;
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""), "{printed}");
        assert_eq!(keeper.seen(), Vec::<String>::new(), "printing sends nothing");
        assert!(
            !printed.stdout.contains("ann:") && !printed.stdout.contains("\"secret\""),
            "{printed}"
        );
        project.file("printed.lua", &printed.stdout);
        project.run(&["printed.lua", "-e", "PASSWORD=secret"]).await.exits(0);
        assert_eq!(sorted(&keeper.seen()), sorted(&by_quick), "{printed}");
    }
}

/// Requests without the order of their lines: credentials are the client's in one case, and an option's in the other.
fn sorted(requests: &[String]) -> Vec<Vec<&str>> {
    let mut all = Vec::new();
    for request in requests {
        let mut lines: Vec<&str> = request.lines().collect();
        lines.sort_unstable();
        all.push(lines);
    }
    all
}

/// A request with every option that a script has to write out.
const POST: &[&str] = &[
    "https://shop.test/api/orders?dry=1",
    "-r",
    "250",
    "-d",
    "1m30s",
    "-c",
    "20",
    "--max-vus",
    "80",
    "-k",
    "-t",
    "2s",
    "--redirects",
    "0",
    "--no-keepalive",
    "-H",
    "Content-Type: application/json",
    "-H",
    "X-Trace: a",
    "-H",
    "X-Trace: b",
    "--body",
    "{\"customerId\": 7, \"note\": \"it's\"}\n",
    "--expect",
    "2xx,409",
    "--tag",
    "build=17",
    "--threshold",
    "http_req_duration=p(95)<200ms",
    "--threshold",
    "http_req_duration=max<1s",
    "--threshold",
    "http_req_failed=rate<0.01",
];

/// The formatter and the checker of scripts look at these files too: `test.sh` runs them over the whole tree.
#[tokio::test]
async fn printed_scripts_are_as_in_the_golden_files() {
    let long = "x".repeat(120);
    let table: &[(&str, &[&str])] = &[
        ("get", &["http://127.0.0.1:8080/"]),
        ("post", POST),
        (
            "long",
            &["http://127.0.0.1:8080/", "-n", "1000", "-m", "purge", "--body", &long],
        ),
    ];
    let project = Project::new();
    for (name, args) in table {
        let printed = project.call(&[&["quick", "--print-script"][..], args].concat()).await;
        assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""), "{printed}");
        let path = root().join(format!("tests/golden/quick/{name}.lua"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &printed.stdout).expect("the golden file can be written");
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(printed.stdout, golden, "{name}: UPDATE_GOLDEN=1 accepts the new text");
        project.file("printed.lua", &printed.stdout);
        let checked = project.call(&["check", "printed.lua"]).await;
        assert_eq!(checked.code, Some(0), "{checked}");
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    let keeper = Keeper::start().await;
    let (project, url) = (Project::new(), keeper.url.as_str());
    project.file("folder/file", "");
    let table: &[(&[&str], i32, &str)] = &[
        (&["localhost:8080/x"], 2, "write http://localhost:8080/x"),
        (&["ftp://h/"], 2, "`ftp` is not spoken here"),
        (&[], 2, "<URL>"),
        (&[url, "-H", "no colon"], 2, "write it as 'Name: value'"),
        (&[url, "-d", "0"], 2, "--duration: must be longer than zero"),
        (&[url, "-c", "0"], 2, "it is a whole number of at least 1"),
        (&[url, "-r", "-1"], 2, "a rate is a number above zero"),
        (&[url, "-r", "5", "-n", "5"], 2, "cannot be used with"),
        (&[url, "--max-vus", "5"], 2, "--rate"),
        (&[url, "--body", "x", "--body-file", "x"], 2, "cannot be used with"),
        (&[url, "--expect", "ok"], 2, "`ok` is no status"),
        (&[url, "--threshold", "http_req_duration"], 2, "METRIC=CONDITION"),
        (&[url, "--threshold", "http_req_duraton=avg<1"], 2, "http_req_duraton"),
        (&[url, "--body", "@none"], 104, "--body: cannot read `none`"),
        (&[url, "--body-file", "none"], 104, "--body-file: cannot read `none`"),
        (
            &[url, "--summary-json", "none/s.json"],
            104,
            "there is no folder `none`",
        ),
        (&[url, "--summary-json", "folder"], 104, "is a folder"),
    ];
    for (args, code, part) in table {
        let ended = project.call(&[&["quick"][..], args].concat()).await;
        assert_eq!(ended.stdout, "", "{args:?}: {ended}");
        ended.says(*code, &[part]);
    }
    assert_eq!(keeper.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_body_may_come_from_stdin() {
    let keeper = Keeper::start().await;
    let project = Project::new();
    project.file("input", "from a pipe");
    let mut command = project.command(["quick", &keeper.url, "-n", "1", "--body", "@-", "--allow-suspect"]);
    let input = std::fs::File::open(project.path("input")).expect("it has just been written");
    let ended = crate::kit::finish(command.stdin(input)).await;
    assert_eq!(ended.code, Some(0), "{ended}");
    let seen = keeper.seen();
    assert!(
        seen[0].starts_with("POST / ") && seen[0].ends_with("\r\n\r\nfrom a pipe"),
        "{seen:?}"
    );
}

/// Every command of the guide's page prints a valid script, and those that end by themselves are run.
#[tokio::test]
async fn the_commands_of_the_guide_work() {
    let keeper = Keeper::start().await;
    let page = std::fs::read_to_string(root().join("docs/guide/quick.md")).expect("the page can be read");
    let project = Project::new();
    project.file("customer.json", "{}");
    let mut scripts = 0;
    let blocks = crate::documents::blocks(&page, "sh");
    for line in blocks.iter().flat_map(|(_, block)| block.lines()) {
        let line = line.replace("http://127.0.0.1:8080", &keeper.url);
        let line = line.split(['#', '>']).next().unwrap_or_default();
        // No argument of the page holds a quote.
        let quoted = line.split('\'').enumerate();
        let words: Vec<&str> = quoted
            .flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            })
            .collect();
        assert_eq!(words[..2], ["kingtide", "quick"], "{line}");
        if words.contains(&"-n") {
            project.quick(&words[2..]).await.exits(0);
        }
        let mut print = words[1..].to_vec();
        if !print.contains(&"--print-script") {
            print.push("--print-script");
        }
        let printed = project.call(&print).await;
        project.file("printed.lua", &printed.stdout);
        let checked = project.call(&["check", "printed.lua"]).await;
        assert_eq!(checked.code, Some(0), "{line}: {printed}{checked}");
        scripts += 1;
    }
    assert!(scripts >= 6, "only {scripts} commands were found");
}
