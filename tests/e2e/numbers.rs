//! Whether the numbers are true: against a server with a known delay, and against nginx, which counts for itself.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kit::Project;
use crate::nginx::Nginx;
use crate::server::{Manner, Server};

#[tokio::test]
async fn a_delay_of_20_ms_is_measured_as_20_ms() {
    let server = Server::start(Manner::Answers(Duration::from_millis(20))).await;
    let project = Project::with(
        "return {
          http = { base_url = kt.env 'BASE_URL' },
          scenarios = { a = { executor = 'constant-arrival-rate', rate = 50, duration = '2s', exec = function()
            http.get('/', { name = 'GET /' })
          end } },
        }",
    )
    .against(&server.url());
    let ran = project.run_script().await;
    ran.exits(0);
    assert_eq!(ran.counts("a"), [100, 100, 100, 0, 0, 0]);
    for name in ["http_req_duration", "http_req_response_time", "iteration_duration"] {
        let (min, med) = (ran.metric(name, "min"), ran.metric(name, "med"));
        let (min, med) = (min.expect("it was measured"), med.expect("it was measured"));
        // Never shorter than the server took, but for the last of three digits; the middle one less than twice that, on any machine.
        assert!(min >= 19.9 && med < 40.0, "{name}: min {min}, p50 {med}");
    }
    assert!(ran.metric("http_req_receiving", "med") < Some(2.0));
}

const CONFIG: &str = "
daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 512; }
http {
  log_format counts '$request_method $uri $status $gzip_ratio $http_user_agent';
  access_log FOLDER/access.log counts;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  gzip on;
  gzip_types text/plain;
  gzip_min_length 1;
  default_type text/plain;
  server {
    listen 127.0.0.1:PORT;
    location = /fine { return 200 'fine\\n'; }
    location = /made { return 201 'made\\n'; }
    location = /broken { return 503 'broken\\n'; }
    location = /moved { return 302 /fine; }
    location = /text { root FOLDER; }
  }
}
";

const JOURNEY: &str = "
local PATHS = { [0] = '/fine', '/made', '/broken', '/moved', '/gone', '/text', '/fine', '/fine', '/fine', '/fine' }
return {
  http = { base_url = kt.env 'BASE_URL', compression = true },
  scenarios = { a = { executor = 'shared-iterations', vus = 8, iterations = 10000, exec = function()
    local path = PATHS[kt.scenario.iteration % 10]
    local res = http.get(path)
    if path == '/text' then
      check(res, {
        ['it is decoded'] = res.body == string.rep('all work and no play\\n', 500),
      })
    end
  end } },
  thresholds = {
    ['http_reqs{status:200}'] = 'count==7000', ['http_reqs{status:201}'] = 'count==1000',
    ['http_reqs{status:302}'] = 'count==1000', ['http_reqs{status:404}'] = 'count==1000',
    ['http_reqs{status:503}'] = 'count==1000', checks = { 'rate==1', 'count==1000' },
  },
}";

#[tokio::test]
async fn nginx_counts_the_same() {
    let project = Project::with(JOURNEY);
    project.file("text", "all work and no play\n".repeat(500));
    let nginx = Nginx::start(&project, CONFIG).await;
    let project = project.against(&nginx.url);
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    nginx.stop().await;
    assert_eq!(ran.counts("a"), [10_000, 10_000, 10_000, 0, 0, 0]);
    let log = std::fs::read_to_string(project.path("access.log")).expect("nginx wrote its log");
    let mut lines = BTreeMap::<&str, u32>::new();
    for line in log.lines() {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("GET"), "{line}");
        assert!(line.contains("kingtide"), "it is told who asks: {line}");
        let (path, status) = (words.next(), words.next().expect("a status"));
        *lines.entry(status).or_default() += 1;
        if path == Some("/text") {
            assert_ne!(words.next(), Some("-"), "it was sent compressed: {line}");
        }
    }
    let expected = [
        ("200", 7000),
        ("201", 1000),
        ("302", 1000),
        ("404", 1000),
        ("503", 1000),
    ];
    assert_eq!(lines, BTreeMap::from(expected), "nginx's own log");
    assert_eq!(ran.count("http_reqs"), 11_000.0);
    // 404 and 503; a redirect that is followed is no failure.
    assert_eq!(ran.metric("http_req_failed", "passes"), Some(2_000.0), "{}", ran.ended);
}
