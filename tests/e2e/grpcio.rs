//! A gRPC server that nobody here wrote: Python's grpcio with reflection and health, which `test.sh` installs.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use kingtide::clock;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::kit::{Project, Ran, root};

/// A server of its own; it ends with this.
struct Grpcio {
    process: Child,
    /// Host and port.
    address: String,
}

impl Grpcio {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(args: &[&OsStr]) -> Self {
        let folder = root().join("tests/e2e/grpc");
        let mut process = Command::new("python3")
            .arg("server.py")
            .args(args)
            .current_dir(folder)
            .env("PYTHONPATH", root().join(".tools/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 can be started");
        let stdout = process.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let port = clock::timeout(Duration::from_secs(60), lines.next_line()).await;
        let port = port.expect("the server is ready in time").expect("its output is text");
        let port = port.expect("grpcio is in .tools/python: ./test.sh installs it");
        Self {
            process,
            address: format!("127.0.0.1:{port}"),
        }
    }
}

/// What all of these journeys begin with: `client`, which asks the server for its methods or reads them from its file.
const HEAD: &str = "
local reflect = kt.env 'REFLECT' == 'true'
if not reflect then kt.grpc.load 'echo.proto' end
local client = kt.grpc.connect(kt.env 'ADDRESS', { plaintext = true, share = 1, reflect = reflect, max_receive_size = '8MB', max_send_size = '8MB' })
local ECHO = 'kingtide.test.Echo/'
local function same(name, got, want)
  check(got, { [name] = got == want })
  if got ~= want then kt.log.error(name .. ': got ' .. tostring(got) .. ', want ' .. tostring(want)) end
end
";

/// A project whose journey has this body.
fn project(body: &str) -> Project {
    let project = Project::with(&format!("{HEAD}\nreturn function()\n{body}\nend"));
    let proto = std::fs::read(root().join("tests/e2e/grpc/echo.proto")).expect("the proto can be read");
    project.file("echo.proto", proto);
    project
}

/// Runs the body once; all its checks must hold.
async fn passes(server: &Grpcio, body: &str, reflect: bool) -> Ran {
    let address = format!("ADDRESS={}", server.address);
    let reflect = format!("REFLECT={reflect}");
    let ran = project(body)
        .run(&["j.lua", "--iterations", "1", "-e", &address, "-e", &reflect])
        .await;
    ran.exits(0);
    assert_eq!(ran.metric("checks", "rate"), Some(1.0), "{}", ran.ended.stderr);
    ran
}

const UNARY: &str = "
local res = client:call(ECHO .. 'Unary', {
  text = 'täglich', number = '9007199254740993', data = kt.encoding.base64_encode('\\0\\255'),
  mood = 'MOOD_CALM', labels = { a = 'b', ['ü'] = '' }, at = '2026-11-21T12:00:00.250Z', amount = 7,
}, { metadata = { ['x-trace'] = 'abc', ['x-key-bin'] = '\\0\\1\\255' }, timeout = '10s' })
same('status', res.status, 'OK')
same('code', res.code, 0)
same('ok', res.ok, true)
same('text', res.message.text, 'täglich')
same('64 bits are text', res.message.number, '9007199254740993')
same('enum', res.message.mood, 'MOOD_CALM')
same('bytes', kt.encoding.base64_decode(res.message.data), '\\0\\255')
same('map', res.message.labels['a'], 'b')
same('map with an empty value', res.message.labels['ü'], '')
same('timestamp', res.message.at, '2026-11-21T12:00:00.250Z')
same('oneof', res.message.amount, '7')
same('the other of the oneof', res.message.word, nil)
same('metadata', res.headers['x-trace'], 'abc')
same('binary metadata', res.trailers['x-key-bin'], '\\0\\1\\255')
check(res, { timings = res.timings.duration > 0 and res.timings.sending + res.timings.waiting > 0 })
";

#[tokio::test]
async fn unary_calls_with_the_protos_of_a_file_and_by_reflection() {
    let server = Grpcio::start().await;
    for reflect in [false, true] {
        let ran = passes(&server, UNARY, reflect).await;
        assert_eq!(ran.count("grpc_reqs"), 1.0);
        assert_eq!(ran.metric("grpc_req_failed", "rate"), Some(0.0));
        assert_eq!(ran.metric("grpc_req_duration", "count"), Some(1.0));
    }
}

#[tokio::test]
async fn streams_in_all_directions() {
    let server = Grpcio::start().await;
    let body = "
local up = client:stream(ECHO .. 'Collect')
for _, word in ipairs { 'a', 'b', 'c' } do up:send { text = word } end
local got = up:finish()
same('client stream', got.status, 'OK')
same('its answer', got.message.text, 'a b c')
same('its count', got.message.count, 3)

local down = client:stream(ECHO .. 'Expand')
down:send { text = 'x', count = 5 }
down:close_send()
local n = 0
for message in function() return down:recv() end do
  n = n + 1
  same('in order', message.number, tostring(n))
end
same('server stream', down:finish().status, 'OK')
same('its messages', n, 5)

local chat = client:stream(ECHO .. 'Chat', { timeout = '20s' })
for i = 1, 3 do
  chat:send { text = 'm' .. i }
  same('answer by answer', chat:recv().text, 'm' .. i)
end
chat:close_send()
same('the end', chat:recv(), nil)
same('both ways', chat:finish().status, 'OK')

local broken = client:stream(ECHO .. 'Expand')
broken:send { text = 'x', count = 2, status = 8 }
broken:close_send()
same('first', broken:recv().number, '1')
same('second', broken:recv().number, '2')
same('then the error', broken:recv(), nil)
local ended = broken:finish()
same('its status', ended.status, 'RESOURCE_EXHAUSTED')
same('its reason', ended.error, 'asked for: x')
";
    let ran = passes(&server, body, false).await;
    assert_eq!(ran.count("grpc_streams"), 4.0);
    assert_eq!(ran.count("grpc_streams_msgs_sent"), 8.0);
    assert_eq!(ran.count("grpc_streams_msgs_received"), 11.0);
}

#[tokio::test]
async fn every_code_a_deadline_health_and_four_megabytes() {
    let server = Grpcio::start().await;
    let body = "
local NAMES = { 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS',
  'UNAUTHENTICATED' }
for code, name in ipairs(NAMES) do
  local res = client:call(ECHO .. 'Unary', { status = code, text = 'ü %' }, { expect = name })
  same(name, res.status, name)
  same(name .. ' by number', res.code, code)
  same(name .. ' says why', res.error, 'asked for: ü %')
end

local before = kt.time.monotonic()
local late = client:call(ECHO .. 'Unary', { delay_ms = 5000 }, { timeout = '200ms', expect = 'DEADLINE_EXCEEDED' })
same('deadline', late.status, 'DEADLINE_EXCEEDED')
check(late, { ['it does not wait for the answer'] = kt.time.monotonic() - before < 4 })

same('serving', client:health('kingtide.test.Echo').message.status, 'SERVING')
same('not serving', client:health('kingtide.test.Resting').message.status, 'NOT_SERVING')
same('unknown service', client:health('nobody').status, 'NOT_FOUND')

local text = string.rep('0123456789abcdef', 4 * 1024 * 64)
local large = client:call(ECHO .. 'Unary', { text = text })
same('4 MB', large.status, 'OK')
check(large, { ['4 MB come back'] = large.message.text == text })
local zipped = client:call(ECHO .. 'Unary', { text = text }, { compress = 'gzip' })
same('compressed', zipped.status, 'OK')
check(zipped, { ['and come back'] = zipped.message.text == text })
same('too large', client:call(ECHO .. 'Unary', { text = string.rep('x', 9 * 1024 * 1024) }).status, 'RESOURCE_EXHAUSTED')
";
    passes(&server, body, false).await;
}

/// A server that is killed in the middle: calls end with a clear status, and none hangs.
#[tokio::test]
async fn a_server_that_is_killed() {
    let mut server = Grpcio::start().await;
    let address = format!("ADDRESS={}", server.address);
    let body = "
local res = client:call(ECHO .. 'Unary', { delay_ms = 20 }, { timeout = '5s' })
if res.status == 'OK' then
  if not kt.shared.map('said'):get 'ready' then kt.shared.map('said'):set('ready', true) kt.log.info 'ready' end
else
  check(res, { ['a clear status'] = res.status == 'UNAVAILABLE', ['with its reason'] = res.error ~= nil and res.error ~= '' })
  kt.sleep '10ms'
end
";
    let project = project(body);
    let args = [
        "j.lua",
        "--vus",
        "10",
        "-d",
        "6s",
        "-e",
        &address,
        "-e",
        "REFLECT=false",
    ];
    let mut running = project.start(&args);
    running.said("ready").await;
    server.process.kill().await.expect("it is a child of ours");
    let ran = running.ran().await;
    ran.exits(0);
    assert_eq!(ran.metric("checks", "rate"), Some(1.0), "{}", ran.ended.stderr);
    let failed = ran.metric("grpc_req_failed", "passes").expect("calls have failed");
    assert!(failed > 10.0, "{failed}");
    let [offered, started, completed, 0, 0, 0] = ran.counts("default") else {
        panic!("{}", ran.summary)
    };
    assert!(offered == started && started == completed, "{}", ran.summary);
}

/// As `protoc` writes it.
#[tokio::test]
async fn a_descriptor_set_takes_the_place_of_protos() {
    let server = Grpcio::start().await;
    let body = UNARY.replace("client:call", "other:call");
    let script = format!(
        "kt.grpc.load_descriptor_set 'echo.binpb'
        local other = kt.grpc.connect(kt.env 'ADDRESS', {{ plaintext = true }})
        local ECHO = 'kingtide.test.Echo/'
        local function same(name, got, want) check(got, {{ [name] = got == want }}) end
        return function() {body} end"
    );
    let project = Project::with(&script);
    let made = Command::new("python3")
        .args(["-m", "grpc_tools.protoc", "--include_imports", "-I."])
        .arg(format!("--descriptor_set_out={}", project.path("echo.binpb").display()))
        .arg("echo.proto")
        .current_dir(root().join("tests/e2e/grpc"))
        .env("PYTHONPATH", root().join(".tools/python"))
        .status()
        .await
        .expect("python3 can be started");
    assert!(made.success());
    let address = format!("ADDRESS={}", server.address);
    let ran = project.run(&["j.lua", "--iterations", "1", "-e", &address]).await;
    ran.exits(0);
    assert_eq!(ran.metric("checks", "rate"), Some(1.0), "{}", ran.ended.stdout);
}

/// TLS both ways: who has no certificate, or asks for one that it does not trust, is told so.
#[tokio::test]
async fn tls_with_certificates_of_both_sides() {
    let body = "
    local res = client:call('kingtide.test.Echo/Unary', { text = 'x' }, { timeout = '5s', expect = kt.env 'WANT' })
    check(res, { [kt.env 'WANT'] = res.status == kt.env 'WANT' })
    if not res.ok or res.error then kt.log.info(res.error) end";
    let script = format!(
        "kt.grpc.load 'echo.proto'
        local client = kt.grpc.connect(kt.env 'ADDRESS', {{ tls = {{
          ca = kt.env 'CA', cert = kt.env 'CERT', key = kt.env 'KEY', server_name = 'echo.test',
        }} }})
        return function() {body} end"
    );
    let project = Project::with(&script);
    project.file("echo.proto", include_bytes!("grpc/echo.proto"));
    let own = |name: &str| {
        let key = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate can be made");
        (key.cert.pem(), key.signing_key.serialize_pem())
    };
    let ((cert, key), (client_cert, client_key)) = (own("echo.test"), own("client.test"));
    project.file("cert.pem", &cert).file("key.pem", key);
    project.file("me.pem", &client_cert).file("me.key", client_key);
    // Whoever has signed it: itself.
    project.file("ca.pem", &client_cert);
    let server = Grpcio::with(&[project.path("").as_os_str()]).await;
    let address = format!("ADDRESS={}", server.address);
    let with = ["-e", "CERT=me.pem", "-e", "KEY=me.key"];
    // what is trusted, whether with a certificate, what comes of it
    for (ca, mine, want) in [
        ("CA=cert.pem", &with[..], "WANT=OK"),
        ("CA=cert.pem", &[], "WANT=UNAVAILABLE"),
        ("CA=me.pem", &with[..], "WANT=UNAVAILABLE"),
    ] {
        let args = ["j.lua", "--iterations", "1", "-e", &address, "-e", ca, "-e", want];
        let ran = project.run(&[&args[..], mine].concat()).await;
        ran.exits(0);
        assert_eq!(
            ran.metric("checks", "rate"),
            Some(1.0),
            "{ca} {want}: {}",
            ran.ended.stderr
        );
    }
}
