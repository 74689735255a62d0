//! The frozen server: what a stall does to response times, compared with the server's own log. A generator that waits for
//! the system before it sends the next request shows almost nothing of it.

use std::time::Duration;

use kingtide::clock;
use rustix::process::Signal;

use crate::kit::{Project, Ran};
use crate::nginx::Nginx;

const CONFIG: &str = "
daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 2048; }
http {
  log_format ends '$arg_n $msec';
  access_log FOLDER/access.log ends;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  keepalive_requests 100000;
  server { listen 127.0.0.1:PORT backlog=2048; location / { return 200 'fine'; } }
}
";

/// Iterations per second, and how many seconds.
const RATE: usize = 200;
const SECONDS: usize = 5;
/// A tenth of the run.
const STALL: Duration = Duration::from_millis(500);

/// Runs the load with a cap on VUs, stops the server for [`STALL`] in the middle, and gives what kingtide and what the
/// server's log say of the 95th and 99th percentile, in ms.
async fn freeze(max_vus: usize) -> (Ran, [f64; 2]) {
    let project = Project::with(&format!(
        "return {{
          http = {{ base_url = kt.env 'BASE_URL' }},
          scenarios = {{ a = {{
            executor = 'constant-arrival-rate', rate = {RATE}, duration = '{SECONDS}s', max_vus = {max_vus},
            exec = function() http.get('/?n=' .. kt.scenario.iteration, {{ name = 'x' }}) end,
          }} }},
        }}"
    ));
    let nginx = Nginx::start(&project, CONFIG).await;
    let project = project.against(&nginx.url);
    let log = project.path("access.log");
    let running = project.start(&["j.lua", "-q"]);
    let under_way = async {
        while std::fs::read_to_string(&log).map_or(0, |text| text.lines().count()) < RATE {
            clock::sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(Duration::from_secs(30), under_way)
        .await
        .expect("requests arrive");
    nginx.signal(Signal::STOP);
    clock::sleep(STALL).await;
    nginx.signal(Signal::CONT);
    let ran = running.ran().await;
    nginx.stop().await;
    (ran, truth(&std::fs::read_to_string(log).expect("nginx wrote its log")))
}

/// Each request's end by the server's clock, less its intended start: that of the first plus its number over the rate. The
/// fastest is taken to have had no delay at all.
fn truth(log: &str) -> [f64; 2] {
    let offsets: Vec<f64> = log
        .lines()
        .map(|line| {
            let (number, end) = line.split_once(' ').expect("two words a line");
            let number: f64 = number.parse().expect("a number");
            end.parse::<f64>().expect("seconds") * 1e3 - number * 1e3 / RATE as f64
        })
        .collect();
    assert_eq!(offsets.len(), RATE * SECONDS, "every request arrived once");
    let base = offsets.iter().copied().fold(f64::INFINITY, f64::min);
    let mut response: Vec<f64> = offsets.iter().map(|offset| offset - base).collect();
    response.sort_by(f64::total_cmp);
    [0.95, 0.99].map(|share| response[(share * response.len() as f64) as usize])
}

fn is_near(ran: &Ran, truth: [f64; 2]) {
    for (what, truth) in ["p95", "p99"].into_iter().zip(truth) {
        for name in ["http_req_response_time", "iteration_response_time"] {
            let ours = ran.metric(name, what).expect("it was measured");
            // 3 % of the truth, and what an unoptimised build on a busy machine takes to read a crowd of answers.
            assert!(
                (ours - truth).abs() < 0.03 * truth + 60.0,
                "{name} {what}: {ours}, the server says {truth}"
            );
        }
    }
    assert!(truth[0] > 150.0, "the stall was felt: {truth:?}");
}

#[tokio::test]
async fn a_stall_is_felt_by_everybody_who_was_due_in_it() {
    let (ran, truth) = freeze(10_000).await;
    ran.exits(0);
    let all = (RATE * SECONDS) as u64;
    assert_eq!(ran.counts("a"), [all, all, all, 0, 0, 0]);
    is_near(&ran, truth);
}

#[tokio::test]
async fn a_cap_hides_a_stall_from_service_time_only() {
    let (ran, truth) = freeze(10).await;
    ran.exits(0);
    let all = (RATE * SECONDS) as u64;
    assert_eq!(ran.counts("a"), [all, all, all, 0, 0, 0]);
    is_near(&ran, truth);
    // Ten requests were in flight when it froze, one in a hundred; all others waited for a VU instead.
    let service = ran.metric("http_req_duration", "p95").expect("it was measured");
    assert!(
        service < truth[0] / 2.0,
        "p95 {service} of service time, {truth:?} of response time"
    );
}
