//! A headless Chromium, driven over its debugging pipe (Chrome DevTools Protocol); `test.sh` installs it.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kingtide::clock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Longer than a busy machine takes for any step.
const DEADLINE: Duration = Duration::from_secs(60);

/// One page in a browser of its own.
pub struct Browser {
    // Ends with this.
    _process: Child,
    _profile: TempDir,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    number: u64,
    events: VecDeque<Value>,
}

impl Browser {
    /// Starts one of a size in CSS pixels, with two device pixels to each when it is a phone's.
    pub async fn open(width: u32, height: u32, scheme: &str) -> Self {
        let mut browser = Self::start();
        let target = browser
            .call("Target.createTarget", json!({ "url": "about:blank" }))
            .await["targetId"]
            .clone();
        let attached = browser
            .call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }))
            .await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        browser
            .call("Emulation.setEmulatedMedia", json!({ "features": features }))
            .await;
        browser.size(width, height).await;
        browser
    }

    /// The process, with a profile of its own.
    fn start() -> Self {
        let program = [
            "/usr/bin/chromium",
            "/usr/bin/chromium-browser",
            "/usr/bin/google-chrome",
        ]
        .map(Path::new);
        let program = program
            .into_iter()
            .find(|path| path.exists())
            .unwrap_or(Path::new("chromium"));
        let profile = tempfile::tempdir().expect("the system has room for a temporary folder");
        // The pipe is its file descriptors 3 and 4.
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"#)
            .arg(program)
            .args([
                "--headless",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a shell can be started");
        let (to, from) = (
            process.stdin.take().expect("piped"),
            process.stdout.take().expect("piped"),
        );
        Self {
            _process: process,
            _profile: profile,
            to,
            from: BufReader::new(from),
            session: None,
            number: 0,
            events: VecDeque::new(),
        }
    }

    /// Another size.
    pub async fn size(&mut self, width: u32, height: u32) {
        let phone = width < 600;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": if phone { 2 } else { 1 }, "mobile": phone });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Sends a command and gives its result; what the browser tells meanwhile is kept.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message).expect("JSON can be written");
        bytes.push(0);
        self.to
            .write_all(&bytes)
            .await
            .expect("chromium is installed (./test.sh does that) and runs");
        loop {
            let message = self.read().await;
            if message["id"] == self.number {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push_back(message);
        }
    }

    async fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        let read = clock::timeout(DEADLINE, self.from.read_until(0, &mut bytes)).await;
        read.expect("the browser answers in time").expect("the pipe holds");
        assert_eq!(
            bytes.pop(),
            Some(0),
            "chromium has ended, or is not installed: ./test.sh installs it"
        );
        serde_json::from_slice(&bytes).expect("it speaks JSON")
    }

    /// The value of an expression in the page.
    pub async fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", params).await;
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Goes to an address and waits until an expression is true there.
    pub async fn visit(&mut self, url: &str, until: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        self.until(until).await;
    }

    /// Waits until an expression is true.
    pub async fn until(&mut self, expression: &str) {
        let looking = async {
            while self
                .value(&format!(
                    "(() => {{ try {{ return !!({expression}) }} catch {{ return false }} }})()"
                ))
                .await
                != json!(true)
            {
                clock::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = clock::timeout(DEADLINE, looking).await;
        assert!(found.is_ok(), "{expression}: not within {DEADLINE:?}");
    }

    /// Presses a key.
    pub async fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key, "code": key }),
            )
            .await;
        }
    }

    /// Keeps a picture of the window as an artefact.
    pub async fn picture(&mut self, path: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        let png = BASE64_STANDARD
            .decode(shot["data"].as_str().expect("a picture"))
            .expect("it is base64");
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("target can be written");
        std::fs::write(path, png).expect("target can be written");
    }

    /// What the page complained about so far: its console, what it did not catch, and what was refused to it.
    pub fn complaints(&self) -> Vec<String> {
        let bad = ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"];
        let events = self
            .events
            .iter()
            .filter(|event| bad.iter().any(|name| event["method"] == *name));
        events.map(|event| event["params"].to_string()).collect()
    }

    /// Where it sent requests to.
    pub fn requests(&self) -> Vec<String> {
        let sent = self
            .events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.map(|event| {
            event["params"]["request"]["url"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
    }
}
