//! What a run keeps of requests that fail: the first of each kind with both sides, whatever becomes of the run, and no
//! credential in any file that it leaves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kingtide::clock;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::Project;
use crate::server::refused_url;

/// The value of `kt.secret`, with all that is escaped somewhere.
const SECRET: &str = "Sw0rd/f!sh \"+%&x";
/// The value of one that is in a path.
const KEY: &str = "k3y-9f8e7d";
/// A credential that only its name tells.
const PASSWORD: &str = "hunter2plain";

/// A server that answers with what it was sent: 500, unless the path wants something else.
pub async fn mirror() -> String {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    format!("http://{address}")
}

async fn serve(mut stream: TcpStream) {
    let mut read = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let whole = read.windows(4).position(|end| end == b"\r\n\r\n").and_then(|head| {
            let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
            let length = text
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next());
            let end = head + 4 + length.map_or(0, |length| length.parse().expect("a length is a number"));
            (read.len() >= end).then_some(end)
        });
        let Some(end) = whole else {
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => read.extend_from_slice(&buffer[..count]),
                _ => return,
            }
            continue;
        };
        let request: Vec<u8> = read.drain(..end).collect();
        let path = String::from_utf8_lossy(&request)
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        if path.starts_with("/reset") {
            let _ = stream.set_zero_linger();
            return;
        }
        if path.starts_with("/silent") {
            continue;
        }
        let status = if path.starts_with("/fine") {
            "200 OK"
        } else {
            "500 Broken"
        };
        let length = request.len();
        let head =
            format!("HTTP/1.1 {status}\r\nset-cookie: sid={PASSWORD}; Path=/\r\ncontent-length: {length}\r\n\r\n");
        if stream.write_all(&[head.as_bytes(), &request].concat()).await.is_err() {
            return;
        }
    }
}

const JOURNEY: &str = r#"
local secret, password = kt.secret 'SECRET', kt.env 'PASSWORD'
local function all()
  http.post('/broken?q=1', {
    name = 'POST /broken', json = { note = 'all of ' .. secret .. ' here', user = { password = password }, plain = 'shown' },
    query = { access_token = password, x = secret },
    headers = { authorization = 'Bearer ' .. password, ['x-custom'] = secret, ['x-shown'] = 'shown', cookie = 'a=' .. password },
  })
  http.post('/broken', { name = 'form', form = { note = secret, passwd = password } })
  http.get('/broken', { name = 'basic', auth = { basic = { 'me', secret } } })
  http.get('/of/' .. kt.secret 'KEY' .. '/all')
  http.get('/reset', { name = 'reset' })
  http.get('/silent', { name = 'silent', timeout = '50ms' })
  http.get(kt.env 'REFUSED' .. '/?token=' .. password, { name = 'refused' })
  http.get('http://me:' .. password .. '@ho st/', { name = 'no URL' })
  local res = http.post('/fine', { name = 'fine', body = 'sent to be fine' })
  check(res, { ['is fine'] = true, ['has a moon'] = res.body:find 'moon' ~= nil })
end
return {
  http = { base_url = kt.env 'BASE_URL' },
  scenarios = { buyers = { executor = 'per-vu-iterations', vus = 2, iterations = 10, exec = all } },
}
"#;

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder can be listed");
    let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

/// No file of the results has a credential, however it is written.
fn assert_hidden(folder: &Path) {
    let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let json = serde_json::to_string(SECRET).expect("a text can be written");
    let in_json = json.trim_matches('"');
    let escaped = serde_json::to_string(in_json).expect("a text can be written");
    let basic = BASE64_STANDARD.encode(format!("me:{SECRET}"));
    let hidden = [
        SECRET,
        KEY,
        PASSWORD,
        &form,
        &form.replace('+', "%20"),
        in_json,
        escaped.trim_matches('"'),
        &basic[6..18],
        "Sw0rd",
    ];
    let files = files(folder);
    assert!(files.iter().any(|file| file.ends_with("report.html")), "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).expect("it can be read");
        for value in &hidden {
            let found = bytes.windows(value.len()).position(|part| part == value.as_bytes());
            let around =
                found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(80)..(at + 40).min(bytes.len())]));
            assert!(found.is_none(), "{value} is in {}: {around:?}", file.display());
        }
    }
}

/// The intervals of the only run.
fn intervals(project: &Project) -> Vec<Value> {
    let file = files(&project.path("results"))
        .into_iter()
        .find(|file| file.ends_with("intervals.jsonl"));
    let text = std::fs::read_to_string(file.expect("there is a run")).expect("it can be read");
    text.lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

/// The kinds of failures in it: the request's name, and what failed.
const KINDS: [(&str, &str); 8] = [
    ("POST /broken", "status 500"),
    ("form", "status 500"),
    ("basic", "status 500"),
    ("reset", "error 1220: connection reset by peer"),
    ("silent", "error 1050: timeout"),
    ("refused", "error 1212: connection refused"),
    ("no URL", "error 1020: request that cannot be sent"),
    ("fine", "check: has a moon"),
];

/// What was sent and what came back, of some of them by name.
fn assert_both_sides<'a>(of: &dyn Fn(&str) -> Vec<&'a Value>) {
    let broken = of("POST /broken")[0];
    let (sent, came) = (&broken["request"], &broken["response"]);
    assert!(
        sent["body"]
            .as_str()
            .is_some_and(|body| body.contains("\"plain\":\"shown\"")),
        "{sent}"
    );
    assert!(
        sent["headers"].to_string().contains("[\"x-shown\",\"shown\"]"),
        "{sent}"
    );
    assert!(
        sent["headers"]
            .to_string()
            .contains("[\"authorization\",\"Bearer [redacted]\"]"),
        "{sent}"
    );
    assert!(
        came["body"]
            .as_str()
            .is_some_and(|body| body.contains("x-shown: shown")),
        "{came}"
    );
    assert_eq!((&broken["status"], &broken["error_code"]), (&500.into(), &1_500.into()));
    assert!(
        broken["timings"]["waiting"].as_f64().is_some_and(|ms| ms > 0.0),
        "{broken}"
    );
    assert!(
        of("refused")[0]["error"]
            .as_str()
            .is_some_and(|error| error.contains("refused"))
    );
    // The first was gone when its check failed; the next ones are kept for that.
    let fine: Vec<_> = of("fine")
        .iter()
        .map(|failed| failed["request"]["body"].clone())
        .collect();
    assert!(fine.contains(&"sent to be fine".into()), "{fine:?}");
}

#[tokio::test]
async fn the_first_of_each_kind_are_kept_and_no_credential_is() {
    let project = Project::with(JOURNEY).against(&mirror().await);
    let variables = [
        format!("REFUSED={}", refused_url().await),
        format!("SECRET={SECRET}"),
        format!("PASSWORD={PASSWORD}"),
        format!("KEY={KEY}"),
    ];
    let mut args = vec!["j.lua", "--threads", "2", "--trace-sampling", "1"];
    args.extend(variables.iter().flat_map(|variable| ["-e", variable]));
    let ran = project.run(&args).await;
    ran.exits(0);
    assert_hidden(&project.path("results"));

    let intervals = intervals(&project);
    let kept: Vec<&Value> = intervals
        .iter()
        .flat_map(|second| second["failures"].as_array().into_iter().flatten())
        .collect();
    let of = |name: &str| -> Vec<&Value> { kept.iter().filter(|failed| failed["name"] == name).copied().collect() };
    for (name, what) in KINDS {
        let kept = of(name);
        assert_eq!((kept.len(), kept[0]["what"].as_str()), (2, Some(what)), "{kept:#?}");
        let counted = ran.summary["failures"].as_array().expect("there are failures");
        let kind = counted
            .iter()
            .find(|kind| kind["name"] == name)
            .expect("it is in the summary");
        assert_eq!(
            (&kind["count"], &kind["scenario"]),
            (&20.into(), &"buyers".into()),
            "{kind}"
        );
    }
    assert_both_sides(&of);
    assert_eq!(
        ran.metric("http_req_duration{name:/of/[redacted]/all}", "count"),
        Some(20.0)
    );
    let id = of("form")[0]["trace_id"].as_str().unwrap_or_default();
    let parent = of("form")[0]["response"]["body"].as_str().unwrap_or_default();
    assert!(
        id.len() == 32 && parent.contains(&format!("00-{id}-")),
        "{id}: {parent}"
    );

    let text = &ran.ended.stdout;
    assert!(
        text.contains("FAILED REQUESTS") && text.contains("and 4 more kinds"),
        "{text}"
    );
    let html = files(&project.path("results"))
        .into_iter()
        .find(|file| file.ends_with("report.html"));
    let html = std::fs::read_to_string(html.expect("there is a report")).expect("it can be read");
    let (_, plain) = html.split_once("<noscript>").expect("there is a fallback");
    assert!(plain.contains("<h2>Failures</h2>") && plain.contains("check: has a moon"));
}

#[tokio::test]
async fn what_is_kept_of_a_request_is_what_went_out() {
    let project = Project::with(
        "return { http = { base_url = kt.env 'BASE_URL', headers = { ['x-plan'] = 'of the plan' } },
           scenarios = { a = { executor = 'per-vu-iterations', vus = 1, iterations = 1, exec = function()
             http.get('/broken', { name = 'first' })
             http.get('/broken', { name = 'second' })
             for _ = 1, 2 do check(http.get('/fine', { name = 'fine' }), { ['has a moon'] = false }) end
           end } } }",
    )
    .against(&mirror().await);
    let ran = project.run_script().await;
    ran.exits(0);
    let intervals = intervals(&project);
    let kept = intervals
        .iter()
        .flat_map(|second| second["failures"].as_array().into_iter().flatten());
    // Each mirrored request as its lines, and the lines that were kept of it.
    let lines = |failed: &Value| -> (Vec<String>, Vec<String>) {
        let body = failed["response"]["body"].as_str().unwrap_or_default();
        let sent = body.lines().skip(1).filter(|line| !line.is_empty());
        let kept = failed["request"]["headers"].as_array().into_iter().flatten();
        let kept = kept.map(|header| {
            let (name, value) = (header[0].as_str(), header[1].as_str());
            format!("{}: {}", name.unwrap_or_default(), value.unwrap_or_default())
        });
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        let sent = sent.map(|line| match line.split_once(": ") {
            Some((name, _)) if name.eq_ignore_ascii_case("cookie") => "cookie: [redacted]".to_owned(),
            _ => line.to_owned(),
        });
        let kept = kept.map(|line: String| line.replace("cookie: sid=[redacted]", "cookie: [redacted]"));
        (sorted(sent.collect()), sorted(kept.collect()))
    };
    let mut cookies = Vec::new();
    for failed in kept.filter(|failed| !failed["request"].is_null()) {
        let (sent, kept) = lines(failed);
        assert_eq!(sent, kept, "{failed:#}");
        assert!(kept.contains(&"x-plan: of the plan".to_owned()), "{kept:?}");
        let has_cookie = kept.contains(&"cookie: [redacted]".to_owned());
        cookies.push((failed["name"].as_str().unwrap_or_default().to_owned(), has_cookie));
    }
    let expected = [("first", false), ("second", true), ("fine", true)];
    assert_eq!(cookies, expected.map(|(name, has)| (name.to_owned(), has)));
}

#[tokio::test]
async fn quick_tells_of_them_too() {
    let url = format!("{}/broken?api_key={PASSWORD}", mirror().await);
    let authorization = format!("Authorization: {PASSWORD}");
    let project = Project::new();
    let ran = project
        .quick(&[
            &url,
            "-H",
            &authorization,
            "--body",
            "{\"plain\":\"shown\"}",
            "-n",
            "500",
        ])
        .await;
    let kind = &ran.summary["failures"][0];
    assert_eq!(
        (&kind["count"], &kind["what"]),
        (&500.into(), &"status 500".into()),
        "{}",
        ran.ended
    );
    let bare = url.split('?').next().unwrap_or_default();
    assert_eq!(kind["url"], format!("{bare}?api_key=[redacted]"));
    let told = format!("{}{}{}", ran.summary, ran.ended.stdout, ran.ended.stderr);
    assert!(told.contains("FAILED REQUESTS") && !told.contains(PASSWORD), "{told}");
}

#[tokio::test]
async fn they_survive_a_kill() {
    let project = Project::with(
        "return { scenarios = { a = { executor = 'constant-arrival-rate', rate = 50, duration = '1h', max_vus = 20,
           exec = function() http.get(kt.env 'BASE_URL' .. '/broken', { name = 'broken' }) end } } }",
    )
    .against(&mirror().await);
    let running = project.start(&["j.lua"]);
    let has_written = || {
        let files = if project.path("results").is_dir() {
            files(&project.path("results"))
        } else {
            Vec::new()
        };
        let mut texts = files
            .iter()
            .filter(|file| file.ends_with("intervals.jsonl"))
            .map(std::fs::read_to_string);
        texts.any(|text| text.is_ok_and(|text| text.ends_with('\n') && text.contains("\"failures\"")))
    };
    let wait = async {
        while !has_written() {
            clock::sleep(Duration::from_millis(10)).await;
        }
    };
    clock::timeout(Duration::from_secs(30), wait)
        .await
        .expect("the run writes its seconds");
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.code, None);
    let told = project.call(&["report", "--html", "-o", "r.html"]).await;
    assert!(told.code == Some(0), "{told}");
    let html = std::fs::read_to_string(project.path("r.html")).expect("it was written");
    assert!(
        html.contains("<h2>Failures</h2>") && html.contains("<b>status 500</b>"),
        "{} bytes",
        html.len()
    );
    let told = project.call(&["report", "--json"]).await;
    let rebuilt: Value = serde_json::from_str(&told.stdout).expect("it is JSON");
    let counted: u64 = intervals(&project)
        .iter()
        .filter_map(|second| second["failed"][0]["count"].as_u64())
        .sum();
    let kind = &rebuilt["failures"][0];
    assert_eq!((&kind["count"], &kind["what"]), (&counted.into(), &"status 500".into()));
    let told = project.call(&["report", "--markdown"]).await;
    assert!(told.stdout.contains("### Failed requests"), "{told}");
}
