//! Private PostgreSQL clusters: one for the demo, one for each test that wants its own.
//!
//! A cluster lives in a folder of its own, listens on a Unix socket only (unless its settings
//! say otherwise), and has nothing to do with the clusters of the operating system. Root may
//! make one too: the server programs then run as the `postgres` user.

mod account;
mod backup;
mod installation;
mod place;
mod process;
mod settings;
mod standby;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::connection::Connection;
use account::Account;
pub use backup::ARCHIVED;
pub use installation::Installation;
use place::Place;
use process::Postmaster;
pub use standby::REPLICATED;

/// The superuser of every private cluster. Whoever can enter its folder is let in.
pub const SUPERUSER: &str = "postgres";

/// The database that holds the venue; the default of the setting `exchange.database`.
pub const DATABASE: &str = "exchange";

/// How long a server may take to start or stop, in seconds. Crash recovery is part of a start.
const DEADLINE_SECONDS: u32 = 120;

/// A program that runs as the user of all private clusters: root's are the `postgres` user's.
pub fn server_user_command(program: impl AsRef<OsStr>) -> Result<Command> {
    Ok(Account::for_servers()?.command(program))
}

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Waits for the clients to leave.
    Smart,
    /// Disconnects the clients and stops cleanly.
    Fast,
    /// Stops without a checkpoint: the next start is a crash recovery.
    Immediate,
}

/// A PostgreSQL cluster that belongs to this project or test.
#[derive(Debug)]
pub struct Cluster {
    installation: Installation,
    account: Account,
    place: Place,
    port: u16,
    temporary: bool,
    /// What is added to the environment of the server.
    environment: Vec<(String, String)>,
}

impl Cluster {
    /// The cluster in `directory`: makes it if there is none, and writes its settings.
    ///
    /// `settings` are added to this module's defaults and win over them. A running cluster is
    /// left running; [`Cluster::outdated`] tells whether it should be restarted.
    pub fn create(directory: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::create_in(directory, settings, false)
    }

    /// A cluster in a new folder under the system's temporary one, which [`Drop`] stops and
    /// removes.
    pub fn temporary(settings: &[(&str, &str)]) -> Result<Self> {
        Self::create_in(&temporary_folder(), settings, true)
    }

    fn create_in(directory: &Path, settings: &[(&str, &str)], temporary: bool) -> Result<Self> {
        let settings = settings::with_defaults(settings)?;
        let mut cluster = Self::at(directory, settings::port(&settings)?)?;
        cluster.temporary = temporary;
        cluster.place.make(&cluster.account)?;
        cluster.fill(|data| cluster.initialise(data))?;
        let text = settings::render(&settings, cluster.socket_directory());
        cluster.place.write_settings(&text, &cluster.account)?;
        Ok(cluster)
    }

    /// The cluster in `directory`, as [`Cluster::create`] made it, if there is one.
    pub fn open(directory: &Path) -> Result<Option<Self>> {
        // The port is in the settings; all but the socket's folder is known without it.
        let cluster = Self::at(directory, 0)?;
        let Ok(text) = fs::read_to_string(cluster.place.settings()) else { return Ok(None) };
        Self::at(directory, settings::rendered_port(&text)?).map(Some)
    }

    fn at(directory: &Path, port: u16) -> Result<Self> {
        let installation = Installation::find()?;
        let account = Account::for_servers()?;
        let place = Place::find(directory, &account, port)?;
        Ok(Self { installation, account, place, port, temporary: false, environment: Vec::new() })
    }

    /// Makes the data folder, if there is none. It gets its name only when it is complete.
    fn fill(&self, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let data = self.place.data();
        if data.join("PG_VERSION").exists() {
            return Ok(());
        }
        let unfinished = data.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .with_context(|| format!("cannot remove {}", unfinished.display()))?;
        }
        make(&unfinished)?;
        fs::rename(&unfinished, &data)
            .with_context(|| format!("cannot rename {} to data", unfinished.display()))
    }

    /// Runs `initdb`.
    fn initialise(&self, data: &Path) -> Result<()> {
        let mut initdb = self.server_command("initdb");
        initdb
            .args(["--username", SUPERUSER, "--encoding", "UTF8", "--no-locale"])
            // The folder of the socket is closed to all but the server's own user and root.
            .args(["--auth-local", "trust", "--auth-host", "reject"])
            .arg("--pgdata")
            .arg(data);
        if self.temporary {
            initdb.arg("--no-sync");
        }
        self.run(initdb)?;
        settings::include(&data.join("postgresql.conf"))
    }

    /// Tells the server under which name it reaches another one: as `service=name` in the connection
    /// strings of its subscriptions.
    pub fn define_service(&self, name: &str, target: &Connection) -> Result<()> {
        let text = format!("[{name}]\n{}", target.parameters()?);
        self.place.write_services(&text, &self.account)
    }

    /// Adds a variable to the environment in which the server is started from here on.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the server, and returns when it accepts connections. Does nothing if it runs.
    pub fn start(&self) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        // The process id in the file of a killed server may be another process's by now.
        self.place.remove_stale_locks(self.port)?;
        let mut command = self.pg_ctl("start");
        command.arg("--log").arg(self.place.log());
        command.env("PGSERVICEFILE", self.place.services());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.run(command)
    }

    /// Stops the server, and returns when it is gone. Does nothing if it does not run.
    pub fn stop(&self, mode: StopMode) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        let mode = match mode {
            StopMode::Smart => "smart",
            StopMode::Fast => "fast",
            StopMode::Immediate => "immediate",
        };
        let mut command = self.pg_ctl("stop");
        command.args(["--mode", mode]);
        self.run(command)
    }

    /// Stops the server in fast mode, if it runs, and starts it.
    pub fn restart(&self) -> Result<()> {
        self.stop(StopMode::Fast)?;
        self.start()
    }

    /// Kills every process of the server at once with SIGKILL, as a loss of power does, and
    /// returns when they are gone.
    pub fn kill9(&self) -> Result<()> {
        let Some(postmaster) = self.postmaster() else { return Ok(()) };
        // The postmaster first: it must not see its children die and clean up after them.
        let processes = postmaster.with_children();
        let mut kill = self.account.command("kill");
        // A child may be gone already, with its parent: what counts is that all are gone.
        let _ = kill.arg("-KILL").args(processes.iter().map(u32::to_string)).output();
        process::wait_until(
            "the killed server's processes are gone",
            Duration::from_secs(30),
            || !processes.iter().any(|&pid| process::is_alive(pid)),
        )
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        self.postmaster().is_some()
    }

    fn postmaster(&self) -> Option<Postmaster> {
        Postmaster::of(&self.place.data())
    }

    /// Why the running server should be restarted: it started before its settings or `library`
    /// (the base name of a file in PostgreSQL's library folder) were last written.
    pub fn outdated(&self, library: &str) -> Result<Option<String>> {
        let Some(postmaster) = self.postmaster() else { return Ok(None) };
        let library = self.installation.library(library);
        for path in [self.place.settings(), library] {
            let Ok(written) = fs::metadata(&path).and_then(|file| file.modified()) else {
                continue;
            };
            if postmaster.started_before(written) {
                return Ok(Some(format!("{} is newer than the running server", path.display())));
            }
        }
        Ok(None)
    }

    /// Creates a database unless it exists.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let mut client = self.connect("postgres", SUPERUSER)?;
        let found = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name])?;
        if found.is_none() {
            // CREATE DATABASE takes no parameters.
            let quoted = name.replace('"', "\"\"");
            client.batch_execute(&format!("CREATE DATABASE \"{quoted}\""))?;
        }
        Ok(())
    }

    /// A connection to a database as the superuser, as a URL for any client.
    pub fn connection_string(&self, database: &str) -> String {
        self.connection(database, SUPERUSER).url()
    }

    /// Connects to a database as a role.
    pub fn connect(&self, database: &str, user: &str) -> Result<postgres::Client> {
        self.connection(database, user)
            .connect()
            .with_context(|| format!("the server log ends with:\n{}", self.log_tail()))
    }

    /// Where and as whom to connect.
    pub fn connection(&self, database: &str, user: &str) -> Connection {
        Connection::local(self.socket_directory(), self.port, user, database)
    }

    /// A server or client program that runs as the owner of the server, for what this type has
    /// no method for (`pg_basebackup`, `pg_waldump`, …).
    pub fn server_command(&self, program: &str) -> Command {
        self.account.command(self.installation.program(program))
    }

    /// The folder of the Unix socket.
    pub fn socket_directory(&self) -> &Path {
        self.place.socket()
    }

    /// The port, which is also in the name of the socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The data folder.
    pub fn data_directory(&self) -> PathBuf {
        self.place.data()
    }

    /// Where the cluster is, if that is not where it was asked to be, and why.
    pub fn moved(&self) -> Option<&str> {
        self.place.moved()
    }

    /// The PostgreSQL that runs it.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// What the server has written to its log so far.
    pub fn log(&self) -> String {
        fs::read(self.place.log())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines of it.
    pub fn log_tail(&self) -> String {
        const LINES: usize = 20;
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Stops the server and removes all that belongs to the cluster.
    pub fn remove(self) -> Result<()> {
        self.stop(StopMode::Immediate)?;
        self.place.remove()
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = self.server_command("pg_ctl");
        command.arg(action).arg("--pgdata").arg(self.place.data()).args([
            "--wait",
            "--timeout",
            &DEADLINE_SECONDS.to_string(),
        ]);
        command
    }

    /// Runs a program to its end; a failure carries what it said and the end of the server log.
    fn run(&self, mut command: Command) -> Result<()> {
        let Err(failure) = process::run(&mut command) else { return Ok(()) };
        let tail = self.log_tail();
        if tail.is_empty() {
            return Err(failure);
        }
        bail!("{failure:#}\nThe server log ({}) ends with:\n{tail}", self.place.log().display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.temporary {
            // Nobody can be told; what is left is removed by the next run, see remove_orphans().
            let _ = self.stop(StopMode::Immediate);
            let _ = self.place.remove();
        }
    }
}

/// Temporary clusters are named after the process that owns them.
const TEMPORARY_PREFIX: &str = "pg_exchange-test-";

/// A folder for the next one.
fn temporary_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    remove_orphans();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("{TEMPORARY_PREFIX}{}-{number}", std::process::id()))
}

/// Removes the temporary clusters of test processes that were killed before they could.
fn remove_orphans() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(TEMPORARY_PREFIX))
            .and_then(|rest| rest.split_once('-'))
            .and_then(|(pid, _)| pid.parse().ok());
        if owner.is_some_and(|pid| !process::is_alive(pid)) {
            // It may be another user's, or another process may be at it already.
            let _ = Cluster::at(&entry.path(), 0).and_then(Cluster::remove);
        }
    }
}
