//! Where the torture takes place: a cluster on a disk of its own with a clock of its own, lines to
//! it that can be cut, and a standby.

pub mod clock;
pub mod disk;
pub mod lines;
pub mod standby;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tests::{Session, wait_until};
use venue::cluster::{Cluster, DATABASE, SUPERUSER};
use venue::connection::Connection;

use clock::Clock;
use disk::Disk;
use lines::Lines;
use standby::{STANDBY, Standby};

/// What the cluster has beside the defaults of [`venue::cluster`].
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("shared_buffers", "64MB"),
    ("max_connections", "80"),
    // Little WAL, so that a full disk is soon felt, and checkpoints that a run of minutes sees.
    ("min_wal_size", "32MB"),
    ("max_wal_size", "64MB"),
    ("max_slot_wal_keep_size", "128MB"),
    ("checkpoint_timeout", "30s"),
    ("wal_sender_timeout", "5s"),
    // Clients ask for much that is refused.
    ("log_min_messages", "log"),
    ("log_min_error_statement", "fatal"),
    ("exchange.maximum_instruments", "64"),
    ("exchange.maximum_open_orders", "20000"),
    ("exchange.maximum_price_levels", "10000"),
    ("exchange.maximum_positions", "10000"),
    ("exchange.ring_slots", "4096"),
    ("exchange.calendar", "off"),
];

/// What the site cannot have on this machine, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// What.
    pub what: &'static str,
    /// Why.
    pub because: String,
}

fn or_lacking<T>(made: Result<T>, what: &'static str, lacking: &mut Vec<Lacking>) -> Option<T> {
    let note = |error: anyhow::Error| lacking.push(Lacking { what, because: format!("{error:#}") });
    made.map_err(note).ok()
}

/// A cluster with all that can be done to it.
#[derive(Debug)]
pub struct Site {
    /// The server.
    pub cluster: Cluster,
    /// Where clients connect.
    pub lines: Lines,
    /// Its clock, if it could have one.
    pub clock: Option<Clock>,
    /// Who follows it.
    pub standby: Option<Standby>,
    /// What it has to do without.
    pub lacking: Vec<Lacking>,
    // Dropped after the cluster.
    disk: Option<Disk>,
    folder: PathBuf,
}

impl Site {
    /// Makes a running cluster in a new folder.
    pub fn make(folder: &Path) -> Result<Self> {
        let mut lacking = Vec::new();
        let home = folder.join("cluster");
        for path in [folder, &folder.join("lines")] {
            fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        }
        let disk = Disk::mount(&home);
        let disk = or_lacking(disk, "a disk of its own, to be filled", &mut lacking);
        let clock = Clock::make(folder);
        let clock = or_lacking(clock, "a clock of its own, to be set back", &mut lacking);
        let mut cluster = Cluster::create(&home, SETTINGS)?;
        for (name, value) in clock.iter().flat_map(Clock::environment) {
            cluster.set_environment(name, &value);
        }
        cluster.start()?;
        let lines =
            Lines::listen(&folder.join("lines"), cluster.port(), cluster.socket_directory())?;
        let folder = folder.to_owned();
        Ok(Self { cluster, lines, clock, standby: None, lacking, disk, folder })
    }

    /// Has a standby follow it. Where that is synchronous, durable answers wait for it.
    pub fn add_standby(&mut self, is_synchronous: bool) -> Result<()> {
        self.standby = Some(Standby::make(&self.cluster, is_synchronous)?);
        if is_synchronous {
            let mut session = self.superuser()?;
            session.run(&format!("ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'"));
            // The checkpointer tells all others whether there is somebody to wait for. It reads its
            // settings before it makes a checkpoint.
            session.run("SELECT pg_reload_conf()");
            session.run("CHECKPOINT");
            wait_until("the standby is synchronous", || {
                session.is_true(
                    "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'",
                )
            });
        }
        Ok(())
    }

    /// A connection of a client, through lines that can be cut.
    pub fn connection(&self, role: &str) -> Connection {
        Connection::local(self.lines.folder(), self.cluster.port(), role, DATABASE)
    }

    /// A session of the superuser, straight to the server.
    pub fn superuser(&self) -> Result<Session> {
        let connection = self.cluster.connection(DATABASE, SUPERUSER);
        Session::try_connect(&connection)
            .map_err(|failure| anyhow::anyhow!("the superuser cannot connect: {failure}"))
    }

    /// Its disk, if it could have one of its own.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Where everything of it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops the server and leaves everything as it is, to be looked at.
    pub fn keep(self) -> Result<()> {
        if let Some(disk) = self.disk {
            disk.keep();
        }
        if let Some(standby) = self.standby {
            standby.keep()?;
        }
        self.cluster.stop(venue::cluster::StopMode::Immediate)
    }

    /// Stops the server and removes everything.
    pub fn remove(self) -> Result<()> {
        let Self { cluster, lines, clock, standby, disk, folder, .. } = self;
        drop(standby);
        cluster.stop(venue::cluster::StopMode::Immediate)?;
        drop((lines, clock, disk));
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
    }
}
