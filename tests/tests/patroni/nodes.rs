//! An etcd and the nodes of a venue, all on loopback and in one temporary folder.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tests::processes::{is_alive, kill};
use tests::{Session, wait_until};
use venue::cluster::{DATABASE, Installation, SUPERUSER, server_user_command};
use venue::connection::Connection;

use crate::documentation::project;

/// Of every role.
pub const PASSWORD: &str = "secret";

/// The user's processes, stopped when this goes, or the test itself does.
pub struct Nodes {
    folder: PathBuf,
    etcd_port: u16,
    nodes: Vec<Node>,
    janitor: Child,
}

struct Node {
    name: &'static str,
    port: u16,
    api_port: u16,
}

impl Node {
    /// Whether its Patroni says so.
    fn is_synchronous_standby(&self) -> bool {
        let mut answer = String::new();
        TcpStream::connect(("127.0.0.1", self.api_port))
            .and_then(|mut stream| {
                stream.write_all(b"GET /synchronous HTTP/1.0\r\n\r\n")?;
                stream.read_to_string(&mut answer)
            })
            .is_ok_and(|_| answer.split(' ').nth(1) == Some("200"))
    }
}

impl Nodes {
    /// The first one makes the venue, the others copy it.
    pub fn start(names: &[&'static str]) -> Self {
        let folder = temporary_folder();
        let janitor = start_janitor(&folder);
        for file in ["patroni.yml", "make-venue"] {
            // The project may be where the server's user cannot go.
            let copy = folder.join(file);
            fs::copy(project().join("docker/patroni").join(file), &copy).expect("it is there");
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        let nodes =
            names.iter().map(|name| Node { name, port: free_port(), api_port: free_port() });
        let nodes = Self { folder, etcd_port: free_port(), nodes: nodes.collect(), janitor };
        nodes.start_etcd();
        for node in &nodes.nodes {
            nodes.start_node(node);
        }
        nodes
    }

    fn start_etcd(&self) {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let peer = format!("http://127.0.0.1:{}", free_port());
        let mut etcd = self.process("etcd", "etcd");
        etcd.arg("--data-dir")
            .arg(self.folder.join("etcd/data"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")]);
        spawn(etcd);
        wait_until("etcd accepts connections", || {
            TcpStream::connect(("127.0.0.1", self.etcd_port)).is_ok()
        });
    }

    fn start_node(&self, node: &Node) {
        let folder = self.folder.join(node.name);
        let installation = Installation::find().expect("there is a PostgreSQL");
        let programs = installation.program("postgres");
        let programs = programs.parent().expect("it is in a folder");
        let path = std::env::var("PATH").expect("there is a path");
        let mut patroni = self.process(node.name, "patroni");
        patroni
            .arg(self.folder.join("patroni.yml"))
            .env("PATH", format!("{}:{}:{path}", self.folder.display(), programs.display()))
            .env("PATRONI_NAME", node.name)
            .env("PATRONI_ETCD3_HOSTS", format!("'127.0.0.1:{}'", self.etcd_port))
            .env("PATRONI_POSTGRESQL_DATA_DIR", folder.join("data"))
            .env("PATRONI_POSTGRESQL_PGPASS", folder.join("pgpass"))
            .env("PATRONI_POSTGRESQL_BIN_DIR", programs);
        for (of, port) in [("POSTGRESQL", node.port), ("RESTAPI", node.api_port)] {
            for to in ["LISTEN", "CONNECT_ADDRESS"] {
                patroni.env(format!("PATRONI_{of}_{to}"), format!("127.0.0.1:{port}"));
            }
        }
        for role in ["SUPERUSER", "REPLICATION", "REWIND"] {
            patroni.env(format!("PATRONI_{role}_PASSWORD"), PASSWORD);
        }
        spawn(patroni);
    }

    /// A program that writes its process id, and what it says, into a folder of its own.
    fn process(&self, name: &str, program: &str) -> Command {
        let folder = self.folder.join(name);
        let mut make = server_user_command("mkdir").expect("there is a user for servers");
        assert!(make.arg("-p").arg(&folder).status().is_ok_and(|status| status.success()));
        let mut command = server_user_command("sh").expect("there is a user for servers");
        command
            .args(["-c", r#"echo $$ >"$1/pid"; shift; exec "$@""#, "sh"])
            .arg(&folder)
            .arg(program)
            .stdout(log(&folder))
            .stderr(log(&folder));
        command
    }

    fn node(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.name == name).expect("there is such a node")
    }

    /// How to reach whichever of them may be written to.
    pub fn connection(&self, role: &str) -> Connection {
        let hosts: Vec<String> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        Connection::from_url(&format!(
            "postgresql://{role}:{PASSWORD}@{}/{DATABASE}?target_session_attrs=read-write&connect_timeout=2",
            hosts.join(",")
        ))
    }

    /// A session on whichever of them may be written to.
    #[track_caller]
    pub fn session(&self, role: &str) -> Session {
        Session::connect(&self.connection(role))
    }

    /// A session on one of them.
    #[track_caller]
    pub fn session_on(&self, name: &str, role: &str) -> Session {
        let port = self.node(name).port;
        Session::connect(&Connection::from_url(&format!(
            "postgresql://{role}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}"
        )))
    }

    /// The one that may be written to.
    pub fn leader(&self) -> Option<String> {
        let mut session = Session::try_connect(&self.connection(SUPERUSER)).ok()?;
        let port = session.number("SELECT inet_server_port()");
        let leader = self.nodes.iter().find(|node| i64::from(node.port) == port);
        leader.map(|node| node.name.to_owned())
    }

    /// Waits until there is a leader whose orders wait for another node, and Patroni knows that this
    /// one may take its place.
    #[track_caller]
    pub fn wait_for_leader_and_standby(&self) {
        wait_until("there is a leader with a synchronous standby", || {
            self.nodes.iter().any(Node::is_synchronous_standby)
                && Session::try_connect(&self.connection(SUPERUSER)).is_ok_and(|mut session| {
                    session.is_true(
                        "SELECT EXISTS (SELECT FROM pg_stat_replication
                                        WHERE state = 'streaming' AND sync_state = 'sync')",
                    )
                })
        });
    }

    /// Kills all of a node at once, as a loss of power does.
    pub fn kill(&self, name: &str) {
        // Whoever could start the server again goes first.
        kill(first_number(&self.folder.join(name).join("pid")).expect("it runs"));
        self.kill_server(name);
    }

    /// Kills the PostgreSQL of a node, not its Patroni.
    pub fn kill_server(&self, name: &str) {
        let file = self.folder.join(name).join("data/postmaster.pid");
        let postmaster = first_number(&file).expect("it runs");
        let children = children(postmaster);
        kill(postmaster);
        children.into_iter().for_each(kill);
    }

    /// How often a node has been rewound.
    pub fn rewinds(&self, name: &str) -> usize {
        let log = fs::read_to_string(self.folder.join(name).join("log")).unwrap_or_default();
        log.matches("pg_rewind exit code=0").count()
    }

    /// Starts what was killed.
    pub fn start_again(&self, name: &str) {
        self.start_node(self.node(name));
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.nodes {
                let log = fs::read_to_string(self.folder.join(node.name).join("log"));
                let log = log.unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                println!("the log of {} ends with:", node.name);
                lines[lines.len().saturating_sub(60)..].iter().for_each(|line| println!("{line}"));
            }
        }
        drop(self.janitor.stdin.take());
        // It says nothing that could be told to anybody.
        let _ = self.janitor.wait();
    }
}

/// A process of its own, which ends all others and removes their folder when its input ends: when
/// [`Nodes`] goes, and also when the test is killed.
fn start_janitor(folder: &Path) -> Child {
    const SCRIPT: &str = r#"
        cat
        for pid in "$1"/*/pid "$1"/*/data/postmaster.pid; do
            [ -f "$pid" ] && kill -KILL "$(head -n 1 "$pid")" 2>/dev/null
        done
        # The processes of a server end when they see that the first one is gone.
        until rm -rf "$1"; do sleep 0.1; done"#;
    Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell can be run")
}

fn temporary_folder() -> PathBuf {
    let mut make = server_user_command("mktemp").expect("there is a user for servers");
    let made = make
        .args(["--directory", "--tmpdir", "pg_exchange-patroni-XXXXXX"])
        .output()
        .expect("a folder can be made");
    assert!(made.status.success(), "{made:?}");
    PathBuf::from(String::from_utf8(made.stdout).expect("a path").trim())
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("it has one").port()
}

fn log(folder: &Path) -> File {
    File::options()
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .expect("the folder can be written to")
}

fn spawn(mut command: Command) {
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // Somebody must wait for it, or it stays as a zombie.
    std::thread::spawn(move || child.wait());
}

/// The number that a file begins with.
fn first_number(path: &Path) -> Option<i32> {
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    text.lines().next()?.trim().parse().ok()
}

/// The processes that a process has started and that are there yet.
fn children(parent: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("there is one").flatten();
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace());
        fields.and_then(|mut fields| fields.nth(1)?.parse().ok()) == Some(parent)
    };
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_child)
        .filter(|pid| is_alive(*pid))
        .collect()
}
