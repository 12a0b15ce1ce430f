//! Real masters and nearside, each on a free port and in a folder of its own, ended by process id when dropped.
//!
//! Owns the processes and their folders. Never ends a process that it did not start.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Client, Frame, wait_for};

/// A folder under the system's temporary one, removed when dropped.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(what: &str) -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("nearside-{what}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        TempDir(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// A child process that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where `tests/masters/get.sh` puts real servers.
pub fn masters_dir() -> PathBuf {
    match std::env::var_os("MASTERS_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/redis-masters"),
    }
}

/// A real server.
pub struct Master {
    pub name: String,
    pub port: u16,
    args: Vec<String>,
    child: Option<Ended>,
    dir: TempDir,
}

impl Master {
    /// Starts the server `name` with these further arguments; `None`, saying so, where it was not fetched.
    ///
    /// # Panics
    /// Where it was not fetched and this is CI.
    pub fn start(name: &str, args: &[&str]) -> Option<Master> {
        Self::start_with(name, args, None)
    }

    /// The same, with the data of this RDB file.
    pub fn start_from(name: &str, args: &[&str], rdb: &Path) -> Option<Master> {
        Self::start_with(name, args, Some(rdb))
    }

    /// A real replica of it, of the same kind; `None` where it was not fetched.
    pub fn replica(&self, args: &[&str]) -> Option<Master> {
        let port = self.port.to_string();
        Self::start(&self.name, &[&["--replicaof", "127.0.0.1", &port], args].concat())
    }

    /// Waits until this replica has all that `master` has sent so far.
    pub fn wait_caught_up(&self, master: &Master) {
        let offset = master.offset();
        let mut client = self.client();
        wait_for("the real replica", || {
            let text = client.info("replication", "slave_repl_offset")?;
            (text.parse::<i64>().ok()? >= offset).then_some(())
        });
    }

    fn start_with(name: &str, args: &[&str], rdb: Option<&Path>) -> Option<Master> {
        if !masters_dir().join(name).join("redis-server").exists() {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "{name} is not fetched: tests/masters/get.sh"
            );
            crate::harness::skipped(name);
            return None;
        }
        let mut master = Master {
            name: name.to_owned(),
            port: free_port(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            child: None,
            dir: TempDir::new(name),
        };
        if let Some(rdb) = rdb {
            fs::copy(rdb, master.dir.path().join("dump.rdb")).expect("a copy of the file");
        }
        master.launch();
        Some(master)
    }

    /// A replica of its own kind, once it follows.
    pub fn real_replica(&self) -> Master {
        let replica = Master::start(&self.name, &["--replicaof", "127.0.0.1", &self.port.to_string()]);
        let replica = replica.expect("the master was started from the same file");
        wait_for("the real replica", || {
            let link = replica.client().info("replication", "master_link_status");
            (link.as_deref() == Some("up")).then_some(())
        });
        replica
    }

    /// The version, as numbers: `(8, 10)`.
    pub fn version(&self) -> (u32, u32) {
        let text = fs::read_to_string(masters_dir().join(&self.name).join("VERSION")).expect("VERSION");
        let mut parts = text.trim().split('.').map(|part| part.parse().expect("a number"));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
    /// Whether it is a Valkey.
    pub fn is_valkey(&self) -> bool {
        self.name.starts_with("valkey")
    }

    fn launch(&mut self) {
        let server = masters_dir().join(&self.name).join("redis-server");
        for attempt in 0.. {
            let mut command = Command::new(&server);
            command
                .args([
                    "--port",
                    &self.port.to_string(),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ])
                .arg("--dir")
                .arg(self.dir.path())
                .arg("--logfile")
                .arg(self.dir.path().join("server.log"));
            if self.version().0 >= 7 {
                command.args(["--enable-debug-command", "local"]);
            }
            command.args(&self.args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = Ended(command.spawn().expect("start a real server"));
            let up = wait_for(&format!("{} on port {}", self.name, self.port), || {
                if child.0.try_wait().expect("ask for the child").is_some() {
                    return Some(false); // somebody took the port between our look and its bind
                }
                let mut client = Client::try_connect(self.port).ok()?;
                match client.try_ask(&["PING"]).ok()? {
                    Frame::Simple(_) => Some(true),
                    Frame::Error(text) => (!text.starts_with("LOADING")).then_some(true),
                    _ => None,
                }
            });
            if up {
                self.child = Some(child);
                return;
            }
            let log = fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default();
            assert!(attempt < 5, "{} does not start:\n{log}", self.name);
            self.port = free_port();
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child = None;
    }
    /// Starts it again on the same port and folder.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }
    /// Stops (SIGSTOP) or continues (SIGCONT) it.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("running").0.id();
        assert!(Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill").success());
    }
    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }
    /// The offset its stream has reached.
    pub fn offset(&self) -> i64 {
        let text = self.client().info("replication", "master_repl_offset").expect("master_repl_offset");
        text.parse().expect("an offset")
    }
}

/// nearside itself.
pub struct Node {
    pub port: u16,
    pub http: u16,
    args: Vec<String>,
    variables: Vec<(String, String)>,
    child: Option<Ended>,
    dir: TempDir,
}

impl Node {
    /// A replica of `master`.
    pub fn replica_of(master: &Master) -> Node {
        Self::start(&["--replicaof", &format!("127.0.0.1:{}", master.port)])
    }
    /// Starts the program with these arguments, on free ports.
    pub fn start(args: &[&str]) -> Node {
        Self::start_with(args, &[])
    }
    /// The same, with these variables in its environment.
    pub fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Node {
        let mut node = Node {
            port: 0,
            http: 0,
            variables: variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            child: None,
            dir: TempDir::new("node"),
        };
        node.launch();
        node
    }

    fn launch(&mut self) {
        let ports = self.dir.path().join("ports");
        let _ = fs::remove_file(&ports);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.path().join("node.log"))
            .expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_nearside"));
        if !self.args.iter().any(|arg| arg == "--port") {
            command.args(["--port", &self.port.to_string()]);
        }
        command
            .args(["--http", &format!("127.0.0.1:{}", self.http)])
            .args(["--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(self.dir.path())
            .arg("--ports-file")
            .arg(&ports)
            .args(&self.args)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        let mut child = Ended(command.spawn().expect("start nearside"));
        let text = wait_for("nearside's ports file", || {
            if let Some(status) = child.0.try_wait().expect("ask for the child") {
                panic!("nearside ended with {status}:\n{}", self.log());
            }
            fs::read_to_string(&ports).ok().filter(|text| text.contains("http"))
        });
        for line in text.lines() {
            match line.split_once(['=', ' ', ':']) {
                Some(("port", "off")) => {}
                Some(("port", value)) => self.port = value.trim().parse().expect("a port"),
                Some(("http", value)) => {
                    self.http =
                        value.rsplit(':').next().and_then(|port| port.trim().parse().ok()).unwrap_or(0);
                }
                _ => {}
            }
        }
        self.child = Some(child);
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("node.log")).unwrap_or_default()
    }
    /// The folder its files go to.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
    /// CONFIG SET.
    pub fn set(&self, name: &str, value: &str) {
        let reply = self.client().ask(&["CONFIG", "SET", name, value]);
        assert_eq!(reply, Frame::Simple("OK".into()), "CONFIG SET {name} {value}");
    }
    /// Has the link connect now if it waits for a better moment: REPLICAOF the master that it has.
    pub fn hurry(&self) {
        let mut client = self.client();
        let host = client.info("replication", "master_host").expect("a replica");
        let port = client.info("replication", "master_port").expect("a replica");
        assert!(!client.ask(&["REPLICAOF", &host, &port]).is_error());
    }
    /// Sends it a signal: `-TERM`.
    pub fn signal(&self, signal: &str) {
        assert!(
            Command::new("kill").args([signal, &self.pid().to_string()]).status().expect("kill").success()
        );
    }
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").0.id()
    }
    /// Waits until the process has ended by itself.
    pub fn wait_end(&mut self) {
        wait_for("the end of the process", || {
            let child = &mut self.child.as_mut().expect("running").0;
            child.try_wait().expect("ask for the child")
        });
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child = None;
    }
    /// Starts it again on the same ports and folder.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }
    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }
    /// Waits until INFO says that this state of the link is reached.
    pub fn wait_state(&self, state: &str) {
        let mut client = self.client();
        let mut last = None;
        wait_for_or(
            || {
                last = client.info("replication", "nearside_link_state");
                (last.as_deref() == Some(state)).then_some(())
            },
            || panic!("link state {state} never came, it is {:?}\n{}", client_state(self), self.log()),
        );
    }
    /// Waits until it has applied all that `master` has sent so far.
    pub fn wait_caught_up(&self, master: &Master) {
        let mut client = self.client();
        let mut at_master = master.client();
        wait_for_or(
            || {
                let offset = at_master.info("replication", "master_repl_offset")?;
                let state = client.info("replication", "nearside_link_state")?;
                let applied = client.info("replication", "slave_repl_offset")?;
                (state == "streaming" && offset == applied).then_some(())
            },
            || panic!("never caught up: {:?}\n{}", client_state(self), self.log()),
        );
    }
}

fn client_state(node: &Node) -> String {
    match Client::try_connect(node.port).and_then(|mut client| client.try_ask(&["INFO", "replication"])) {
        Ok(frame) => frame.text(),
        Err(error) => error.to_string(),
    }
}

#[allow(clippy::disallowed_methods)] // a test's patience is real time
fn wait_for_or(mut probe: impl FnMut() -> Option<()>, otherwise: impl FnOnce()) {
    let since = std::time::Instant::now();
    while probe().is_none() {
        if since.elapsed() > super::PATIENCE {
            return otherwise();
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
