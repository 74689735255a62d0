//! A server that nobody here wrote: nginx, which `test.sh` installs.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use kingtide::clock;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::kit::Project;

/// An nginx of its own: its configuration, its log and everything else is in a project's folder.
pub struct Nginx {
    process: Child,
    /// Its address.
    pub url: String,
}

impl Nginx {
    /// Starts one; `FOLDER` and `PORT` in the configuration stand for the project's folder and a free port.
    pub async fn start(project: &Project, config: &str) -> Self {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].map(Path::new);
        let program = program.into_iter().find(|path| path.exists());
        let program = program.unwrap_or(Path::new("nginx"));
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .expect("loopback has a free port");
            listener.local_addr().expect("a bound socket has an address").port()
        };
        let folder = project.path("");
        let config = config.replace("FOLDER", &folder.display().to_string());
        project.file("nginx.conf", config.replace("PORT", &port.to_string()));
        let process = Command::new(program)
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(project.path("nginx.conf"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is installed: ./test.sh does that");
        let mut nginx = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        };
        let ready = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                let ended = nginx.process.try_wait().expect("it is a child of ours");
                assert!(ended.is_none(), "nginx does not start: {ended:?}");
                clock::sleep(Duration::from_millis(10)).await;
            }
        };
        clock::timeout(Duration::from_secs(20), ready)
            .await
            .expect("nginx listens in time");
        nginx
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(pid.expect("it runs"), signal).expect("it is still there");
    }

    /// Lets it finish and write its log.
    pub async fn stop(mut self) {
        self.signal(Signal::QUIT);
        let ended = clock::timeout(Duration::from_secs(20), self.process.wait()).await;
        ended.expect("nginx ends in time").expect("it is a child of ours");
    }
}
