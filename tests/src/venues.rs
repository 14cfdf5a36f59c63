//! Clusters with an exchange in them.

use std::io;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use venue::cluster::{Cluster, DATABASE, SUPERUSER, StopMode};

use crate::session::Session;
use crate::{processes, wait_until};

/// What the clusters of tests have beside the defaults of [`venue::cluster`]: several run at
/// once on a small machine.
const SMALL: &[(&str, &str)] = &[
    ("shared_buffers", "64MB"),
    ("max_connections", "60"),
    ("max_wal_size", "1GB"),
    ("exchange.maximum_instruments", "256"),
    ("exchange.maximum_open_orders", "100000"),
    ("exchange.maximum_price_levels", "50000"),
    ("exchange.maximum_positions", "100000"),
    ("exchange.ring_slots", "8192"),
    // Tests are run at any time of the day.
    ("exchange.calendar", "off"),
];

/// The background workers that the launcher starts.
pub const WORKERS: [&str; 5] = ["matcher", "journaler", "publisher", "projector", "scheduler"];

/// How many commands [`open`] sends.
pub const COMMANDS_TO_OPEN: i64 = 3;

/// Opens an account of the superuser that may trade, and the market.
#[track_caller]
pub fn open(session: &mut Session) {
    session.run("SELECT exchange.verify_account(exchange.open_account())");
    session.run("SELECT exchange.open_market()");
}

/// Pays more money and shares than a test needs into the accounts that may trade and are chosen by
/// a condition, for the instruments that are chosen by another.
#[track_caller]
pub fn fund(session: &mut Session, accounts: &str, instruments: &str) {
    session.run(&format!(
        "SELECT exchange.deposit(account_id, currency, 1e15)
         FROM exchange.accounts AS a
         CROSS JOIN (SELECT DISTINCT currency FROM exchange.instruments WHERE {instruments}) AS i
         WHERE status = 'verified' AND {accounts}
           AND NOT EXISTS (SELECT FROM exchange.cash AS c
                           WHERE c.account_id = a.account_id AND c.currency = i.currency
                             AND balance > 0)"
    ));
    session.run(&format!(
        "SELECT exchange.deposit_shares(account_id, symbol, 1000000000000)
         FROM exchange.accounts CROSS JOIN exchange.instruments
         WHERE status = 'verified' AND {accounts} AND {instruments}"
    ));
}

/// A running cluster, stopped and removed at the end.
#[derive(Debug)]
pub struct Venue {
    cluster: Cluster,
}

impl Venue {
    /// A new cluster with an open market in the database [`DATABASE`]. `settings` are added to
    /// those that all tests have.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let venue = Self::empty(settings);
        venue.create();
        venue
    }

    /// A new cluster in which the extension is not created yet, nor the database for it.
    pub fn empty(settings: &[(&str, &str)]) -> Self {
        let venue = Self::stopped(settings);
        venue.cluster.start().expect("the cluster starts");
        venue
    }

    /// A running standby of this venue, which knows it by a name. `settings` are those that this one
    /// was made with.
    pub fn standby(&self, name: &str, settings: &[(&str, &str)]) -> Self {
        let cluster = Cluster::temporary_standby(&self.cluster, name, &small(settings))
            .expect("a standby can be made");
        cluster.start().expect("the standby starts");
        Self { cluster }
    }

    /// A running server that goes on from where a base backup and an archive of WAL bring it: see
    /// [`Cluster::temporary_restored`].
    pub fn restored(backup: &Path, archive: &Path, target: (&str, &str)) -> Self {
        let cluster = Cluster::temporary_restored(backup, archive, target, &small(&[]))
            .expect("a backup can be restored");
        cluster.start().expect("what is restored starts");
        Self { cluster }
    }

    /// A cluster for tests that is not started.
    pub fn stopped(settings: &[(&str, &str)]) -> Self {
        let cluster = Cluster::temporary(&small(settings)).expect("a cluster can be made");
        Self { cluster }
    }

    /// Makes the database of the exchange and the extension in it, and opens the market.
    pub fn create(&self) {
        self.cluster.create_database(DATABASE).expect("the database can be created");
        let mut superuser = self.superuser();
        superuser.run("CREATE EXTENSION pg_exchange");
        open(&mut superuser);
        self.wait_until_running();
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// A session of the superuser in the venue.
    #[track_caller]
    pub fn superuser(&self) -> Session {
        self.session(SUPERUSER)
    }

    /// A session of a role in the venue.
    #[track_caller]
    pub fn session(&self, role: &str) -> Session {
        self.session_in(DATABASE, role)
    }

    /// A session of a role in a database.
    #[track_caller]
    pub fn session_in(&self, database: &str, role: &str) -> Session {
        Session::connect(&self.cluster.connection(database, role))
    }

    /// Lists an instrument with a symbol that no other test has, tick 0.01 and lot 1. Every account
    /// that may trade has shares of it.
    pub fn instrument(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let symbol = format!("SYM{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.list(&format!("'{symbol}', 0.01"));
        symbol
    }

    /// Lists an instrument by `exchange.create_instrument()`'s arguments. Every account that may
    /// trade has shares of it.
    pub fn list(&self, arguments: &str) {
        let mut superuser = self.superuser();
        let id = superuser.number(&format!("SELECT exchange.create_instrument({arguments})"));
        fund(&mut superuser, "true", &format!("instrument_id = {id}"));
    }

    /// Creates a role with an account that has money and shares: its name and the account.
    pub fn broker(&self) -> (String, i64) {
        let role = self.trader();
        let account = self.account(&role);
        (role, account)
    }

    /// Creates a role that may trade, and has no account.
    pub fn trader(&self) -> String {
        let role = self.role();
        self.superuser().run(&format!("GRANT exchange_trader TO {role}"));
        role
    }

    /// Opens an account of a role that may trade, with money and shares.
    pub fn account(&self, role: &str) -> i64 {
        let mut superuser = self.superuser();
        let account = superuser.number(&format!("SELECT exchange.open_account('{role}')"));
        superuser.run(&format!("SELECT exchange.verify_account({account})"));
        fund(&mut superuser, &format!("account_id = {account}"), "true");
        account
    }

    /// Creates a role that may log in.
    pub fn role(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let role = format!("broker_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.superuser().run(&format!("CREATE ROLE {role} LOGIN"));
        role
    }

    /// The process of a worker, once it has one and is running.
    pub fn worker(&self, name: &str) -> i32 {
        let mut superuser = self.superuser();
        let query = format!(
            "SELECT pid FROM exchange.workers WHERE worker = '{name}' AND state = 'running'"
        );
        crate::waiting::wait_for(&format!("the {name} runs"), || {
            superuser.rows(&query).first().and_then(|pid| pid.parse().ok())
        })
    }

    /// Stops a worker with SIGSTOP, while the returned value lives.
    pub fn stop_worker(&self, name: &str) -> processes::Stopped {
        processes::Stopped::new(self.worker(name))
    }

    /// Waits until all workers run.
    pub fn wait_until_running(&self) {
        let mut superuser = self.superuser();
        wait_until("all workers run", || {
            superuser.is_true("SELECT bool_and(state = 'running') FROM exchange.workers")
        });
    }

    /// What the server has logged since it had written `from` bytes, errors and worse alone. Not
    /// the words with which PostgreSQL ends every background worker that is terminated.
    pub fn complaints_since(&self, from: usize) -> Vec<String> {
        const SEVERE: [&str; 3] = ["ERROR: ", "FATAL: ", "PANIC: "];
        let log = self.cluster.log();
        let is_severe = |line: &&str| {
            SEVERE.iter().any(|severity| line.contains(severity))
                && !line.contains("due to administrator command")
        };
        log[from.min(log.len())..].lines().filter(is_severe).map(str::to_owned).collect()
    }

    /// The complaints of background workers alone: clients of tests do what must fail.
    pub fn worker_complaints_since(&self, from: usize) -> Vec<String> {
        let mut complaints = self.complaints_since(from);
        complaints.retain(|line| line.contains("] exchange "));
        complaints
    }

    /// How many bytes the server has logged.
    pub fn log_position(&self) -> usize {
        self.cluster.log().len()
    }

    /// Stops the server in fast mode and starts it.
    pub fn restart(&self) {
        self.cluster.stop(StopMode::Fast).expect("the cluster stops");
        self.cluster.start().expect("the cluster starts");
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        const LINES: usize = 40;
        if std::thread::panicking() {
            let log = self.cluster.log();
            let lines: Vec<&str> = log.lines().collect();
            println!("the server log ends with:");
            lines[lines.len().saturating_sub(LINES)..].iter().for_each(|line| println!("{line}"));
        }
    }
}

/// The settings of a test's cluster, which are added to those that all tests have.
fn small<'a>(settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = SMALL.to_vec();
    if settings.iter().any(|(name, value)| *name == "shared_preload_libraries" && value.is_empty())
    {
        all.retain(|(name, _)| !name.starts_with("exchange."));
    }
    all.extend(settings);
    all
}

/// A venue that the tests of one theme share. It is removed when the process ends, however
/// that comes about.
pub struct SharedVenue {
    make: fn(&[(&str, &str)]) -> Venue,
    settings: &'static [(&'static str, &'static str)],
    venue: OnceLock<(Venue, ChildStdin)>,
    turn: Mutex<()>,
}

impl SharedVenue {
    /// With these settings.
    pub const fn new(settings: &'static [(&'static str, &'static str)]) -> Self {
        Self::made_by(Venue::start, settings)
    }

    /// Another than [`Venue::start`] makes of these settings.
    pub const fn made_by(
        make: fn(&[(&str, &str)]) -> Venue,
        settings: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { make, settings, venue: OnceLock::new(), turn: Mutex::new(()) }
    }

    /// The venue; the first call makes it.
    pub fn get(&self) -> &Venue {
        let (venue, _) = self.venue.get_or_init(|| {
            let venue = (self.make)(self.settings);
            let pipe = remove_at_exit(&venue.cluster).expect("a shell can be run");
            (venue, pipe)
        });
        venue
    }

    /// The venue for one test at a time: for those that stop workers or look at the cursors.
    pub fn alone(&self) -> (&Venue, MutexGuard<'_, ()>) {
        // A test that failed leaves nothing half done behind this lock.
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        (self.get(), turn)
    }
}

/// Statics are never dropped, so a process of its own stops and removes the cluster when this
/// one is gone: the pipe between them is closed then.
fn remove_at_exit(cluster: &Cluster) -> io::Result<ChildStdin> {
    let mut stop = cluster.server_command("pg_ctl");
    stop.args(["stop", "--mode", "immediate", "--pgdata"]).arg(cluster.data_directory());
    let home = cluster.data_directory();
    let mut shell = Command::new("sh")
        .args(["-c", "cat; home=$1 socket=$2; shift 2; \"$@\"; rm -rf \"$home\" \"$socket\"", "sh"])
        .arg(home.parent().expect("the data folder is in the cluster's"))
        .arg(cluster.socket_directory())
        .arg(stop.get_program())
        .args(stop.get_args())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(shell.stdin.take().expect("it was asked for"))
}
