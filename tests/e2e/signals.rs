//! Ctrl-C and SIGTERM, at every stage of a run, once and more often; and that nothing of a run outlives it.

use std::time::Duration;

use kingtide::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::kit::{Project, root};
use crate::server::{Manner, Server};

/// Four users whose requests take a second, and a teardown that tells when it runs.
const SLOW: &str = "
return {
  http = { base_url = kt.env 'BASE_URL' },
  scenarios = { a = { executor = 'constant-vus', vus = 4, duration = '1h', exec = function() http.get '/' end } },
  setup = function() return 'the state' end,
  teardown = function(state) kt.log.info('teardown got ' .. state) end,
}";

#[tokio::test]
async fn the_first_signal_lets_iterations_finish() {
    for signal in [Signal::INT, Signal::TERM] {
        let server = Server::start(Manner::Answers(Duration::from_secs(1))).await;
        let project = Project::with(SLOW).against(&server.url());
        let running = project.start(&["j.lua"]);
        server.has_seen(4).await;
        running.signal(signal);
        let ran = running.ran().await;
        ran.exits(105);
        assert_eq!(ran.counts("a"), [4, 4, 4, 0, 0, 0], "{signal:?}");
        assert!(ran.ended.stderr.contains("teardown got the state"), "{}", ran.ended);
        ran.shows(&["stopped by a signal"]);
        let results = std::fs::read_dir(project.path("results"))
            .expect("there are results")
            .count();
        assert_eq!(results, 1, "the results are written");
    }
}

/// One user computes without end, the other sleeps: neither keeps the second signal waiting.
#[tokio::test]
async fn the_second_signal_interrupts_everything() {
    let project = Project::with(
        "return {
          limits = { cpu = '1h' },
          scenarios = {
            a = { executor = 'per-vu-iterations', vus = 1, exec = function()
              kt.log.info 'computing'
              while true do pcall(function() while true do end end) end
            end },
            b = { executor = 'per-vu-iterations', vus = 2, exec = function() sleep '1h' end, start_time = 0 },
          },
          teardown = function() kt.log.info 'tearing down' end,
        }",
    );
    for threads in ["1", "2"] {
        let mut running = project.start(&["j.lua", "--threads", threads]);
        running.said("computing").await;
        running.signal(Signal::INT);
        running.said("once more").await;
        let begun = clock::now();
        running.signal(Signal::INT);
        let ran = running.ran().await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "it took {:?}",
            begun.elapsed()
        );
        ran.exits(105);
        assert_eq!(ran.counts("a"), [1, 1, 0, 0, 1, 0], "{threads} threads");
        assert!(ran.ended.stderr.contains("tearing down"), "{}", ran.ended);
    }
}

#[tokio::test]
async fn a_signal_is_not_lost_where_setup_computes_and_then_fails() {
    let project = Project::with(
        "return {
          scenarios = { a = { executor = 'constant-vus', duration = '1s', exec = function() end } },
          setup = function()
            kt.log.info 'computing'
            local from = os.clock()
            while os.clock() - from < 1 do end
            error 'setup broke'
          end,
        }",
    );
    let mut running = project.start(&["j.lua"]);
    running.said("computing").await;
    running.signal(Signal::INT);
    let ran = running.ran().await;
    ran.exits(105);
    ran.shows(&["stopped by a signal", "setup broke"]);
}

#[tokio::test]
async fn a_signal_in_setup_ends_the_run_without_load() {
    let server = Server::quick().await;
    let project = Project::with(
        "return {
          scenarios = { a = { executor = 'constant-vus', duration = '1h', exec = function() http.get(kt.env 'BASE_URL') end } },
          setup = function() kt.log.info 'in setup' sleep '1h' end,
          setup_timeout = '2h',
          teardown = function() kt.log.info 'tearing down' end,
        }",
    )
    .against(&server.url());
    let mut running = project.start(&["j.lua"]);
    running.said("in setup").await;
    running.signal(Signal::INT);
    let ran = running.ran().await;
    ran.exits(105);
    assert_eq!((ran.counts("a"), server.connections()), ([0; 6], 0));
    assert!(ran.ended.stderr.contains("tearing down"), "{}", ran.ended);
}

#[tokio::test]
async fn a_signal_while_users_are_made_ends_the_run() {
    let project = Project::with(
        "return {
          scenarios = { a = { executor = 'constant-vus', vus = 2, duration = '1h', exec = function() end } },
          vu_init = function() kt.log.info 'in vu_init' sleep '1h' end,
        }",
    );
    let mut running = project.start(&["j.lua"]);
    running.said("in vu_init").await;
    running.signal(Signal::INT);
    let ran = running.ran().await;
    ran.exits(105);
    assert_eq!(ran.counts("a")[1], 0);
}

#[tokio::test]
async fn a_second_signal_cuts_teardown_short() {
    let project = Project::with(
        "return {
          scenarios = { a = { executor = 'per-vu-iterations', exec = function() end } },
          teardown = function() kt.log.info 'in teardown' sleep '1h' end,
          teardown_timeout = '2h',
        }",
    );
    let mut running = project.start(&["j.lua"]);
    running.said("in teardown").await;
    running.signal(Signal::INT);
    running.said("teardown is running; once more cuts it short").await;
    running.signal(Signal::INT);
    let ran = running.ran().await;
    ran.exits(105);
    assert_eq!(ran.counts("a"), [1, 1, 1, 0, 0, 0]);
    assert!(
        ran.complaints().contains("teardown was cut short"),
        "{}",
        ran.complaints()
    );
}

/// Processes whose parent is `pid`.
fn children(pid: Pid) -> Vec<Pid> {
    let parent = format!("PPid:\t{}\n", pid.as_raw_nonzero());
    let processes = std::fs::read_dir("/proc").expect("there is /proc");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|id| std::fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(|status| status.contains(&parent)))
        .filter_map(Pid::from_raw)
        .collect()
}

/// Waits until a process has ended, by the descriptor that the kernel gives for it.
async fn is_gone(process: std::os::fd::OwnedFd) {
    let wait = move || {
        let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
        poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit))
    };
    let ended = tokio::task::spawn_blocking(wait).await.expect("nothing panics there");
    assert_eq!(ended, Ok(1), "the demo outlives its run");
}

#[tokio::test]
async fn the_demo_ends_with_its_run_whatever_happens() {
    let script = "return {
      scenarios = { a = { executor = 'constant-vus', duration = kt.env('FOR', '1h'), exec = function()
        kt.log.info(http.get(kt.env 'BASE_URL' .. '/api/products/x').status) sleep '200ms'
      end } },
    }";
    let signals = [None, Some(Signal::INT), Some(Signal::TERM), Some(Signal::KILL)];
    for signal in signals {
        let project = Project::with(script);
        let duration = if signal.is_none() { "FOR=1s" } else { "FOR=1h" };
        let mut running = project.start(&["j.lua", "--demo", "-e", duration]);
        running.said("404").await;
        let found = children(running.pid());
        let [demo] = found[..] else {
            panic!("one demo, not {found:?}")
        };
        let demo = pidfd_open(demo, PidfdFlags::empty()).expect("the demo is there");
        if let Some(signal) = signal {
            running.signal(signal);
        }
        let ended = running.ended().await;
        is_gone(demo).await;
        let code = match signal {
            None => Some(0),
            Some(Signal::KILL) => None,
            Some(_) => Some(105),
        };
        assert_eq!(ended.code, code, "{signal:?}: {ended}");
    }
}

/// A demo that was started by hand ends by itself on a signal, and tells where it is before.
#[tokio::test]
async fn the_demo_by_hand_tells_its_address_and_ends_on_a_signal() {
    let mut command = Project::new().command(["demo", "--port", "0"]);
    let mut child = command.current_dir(root()).spawn().expect("the binary can be started");
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stdout));
    let line = clock::timeout(Duration::from_secs(20), lines.next_line()).await;
    let line = line
        .expect("it listens in time")
        .expect("stdout can be read")
        .expect("a line");
    let url = line.strip_prefix("BASE_URL=").expect("the first variable");
    let project =
        Project::with("return function() check(http.get(kt.env 'BASE_URL' .. '/metrics'), { up = true }) end");
    project.against(url).run_script().await.exits(0);
    let pid = child
        .id()
        .and_then(|id| Pid::from_raw(id.try_into().ok()?))
        .expect("it runs");
    rustix::process::kill_process(pid, Signal::INT).expect("it is still there");
    let status = clock::timeout(Duration::from_secs(10), child.wait())
        .await
        .expect("it ends");
    assert_eq!(status.expect("it is a child of ours").code(), Some(0));
}
