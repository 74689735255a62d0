//! HTTP/2 with a server that nobody here wrote: what nginx counts, and over how many connections.

use std::collections::{BTreeMap, BTreeSet};

use crate::kit::Project;
use crate::nginx::Nginx;

const CONFIG: &str = "
daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 512; }
http {
  log_format counts '$server_protocol $connection $request_method $status';
  access_log FOLDER/access.log counts;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  ssl_certificate FOLDER/cert.pem;
  ssl_certificate_key FOLDER/key.pem;
  keepalive_requests 700;
  http2_max_concurrent_streams 5;
  server {
    listen 127.0.0.1:PORTLISTEN;
    location / { return 200 'fine\\n'; }
  }
}
";

const JOURNEY: &str = "
return {
  http = {
    base_url = kt.env 'BASE_URL', tls = { insecure = true },
    version = kt.env 'VERSION', connections = { shared = tonumber(kt.env 'SHARED') },
  },
  scenarios = { a = { executor = 'shared-iterations', vus = 40, iterations = 2000, exec = function()
    local res = http.get '/'
    check(res, { [kt.env 'PROTO'] = res.proto == kt.env 'PROTO' })
  end } },
  thresholds = { checks = { 'rate==1', 'count==2000' }, ['http_reqs{status:200}'] = 'count==2000' },
}";

/// Runs the journey; which protocols nginx saw, and how many connections.
async fn run(listen: &str, scheme: &str, version: &str, proto: &str, shared: usize) -> (BTreeMap<String, u32>, usize) {
    let project = Project::with(JOURNEY);
    let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate can be made");
    project.file("cert.pem", key.cert.pem());
    project.file("key.pem", key.signing_key.serialize_pem());
    let nginx = Nginx::start(&project, &CONFIG.replace("LISTEN", listen)).await;
    let url = nginx.url.replace("http", scheme);
    let shared_text = format!("SHARED={shared}");
    let (version, proto) = (format!("VERSION={version}"), format!("PROTO={proto}"));
    let project = project.against(&url);
    let ran = project
        .run(&[
            "j.lua",
            "--threads",
            "2",
            "-e",
            &version,
            "-e",
            &proto,
            "-e",
            &shared_text,
        ])
        .await;
    ran.exits(0);
    nginx.stop().await;
    assert_eq!(ran.counts("a"), [2_000, 2_000, 2_000, 0, 0, 0]);
    assert!(
        ran.metric("http_req_blocked", "max") > Some(0.0),
        "40 users cannot all have a stream"
    );
    let log = std::fs::read_to_string(project.path("access.log")).expect("nginx wrote its log");
    let (mut protocols, mut connections) = (BTreeMap::new(), BTreeSet::new());
    for line in log.lines() {
        let mut words = line.split(' ');
        *protocols
            .entry(words.next().expect("a protocol").to_owned())
            .or_default() += 1;
        connections.insert(words.next().expect("a connection").to_owned());
    }
    (protocols, connections.len())
}

#[tokio::test]
async fn nginx_counts_the_same_streams() {
    // nginx closes a connection after 700 requests: 2,000 over three connections may need two more of them at most.
    for (listen, scheme, version, proto) in [
        (" http2", "http", "2", "HTTP/2.0"),
        (" ssl http2", "https", "auto", "HTTP/2.0"),
        (" ssl http2", "https", "1.1", "HTTP/1.1"),
    ] {
        let (protocols, connections) = run(listen, scheme, version, proto, 3).await;
        assert_eq!(
            protocols,
            BTreeMap::from([(proto.to_owned(), 2_000)]),
            "{scheme} {version}"
        );
        assert!((3..=5).contains(&connections), "{scheme} {version}: {connections}");
    }
}
