//! What is done to the exchange.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tests::processes::{self, Stopped};
use tests::random::Random;
use tests::venues::WORKERS;
use venue::cluster::StopMode;

use crate::clients::{ROLE_PREFIX, Shared};
use crate::site::Site;

/// How long a server may take to come back by itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// Sessions of clients are ended by `pg_terminate_backend`.
    BackendTerminated,
    /// Calls of clients are ended by `pg_cancel_backend`.
    CallCancelled,
    /// The server process of a client is killed: the postmaster restarts everything.
    BackendKilled,
    /// A worker of the exchange is ended by `pg_terminate_backend`.
    WorkerTerminated,
    /// A worker of the exchange is killed: the postmaster restarts everything.
    WorkerKilled,
    /// Every process of the server is killed at once; half of the time while a worker is stopped.
    ServerKilled,
    /// The server is stopped by `pg_ctl stop -m immediate`, and started.
    ImmediateStop,
    /// The server is stopped by `pg_ctl stop -m fast`, and started.
    Restart,
    /// The server process of a client is stopped (SIGSTOP) for a while.
    BackendStopped,
    /// A worker of the exchange is stopped for a while.
    WorkerStopped,
    /// A process of PostgreSQL's own is stopped for a while.
    ServerProcessStopped,
    /// The disk is filled to the last byte, and freed after a while.
    DiskFull,
    /// The clock is set back, and right again after a while.
    ClockSetBack,
    /// The connections of clients are cut, in the middle of whatever goes on.
    ConnectionsCut,
    /// The standby is cut off for a while, or killed; where it is synchronous, no durable answer
    /// may come then.
    StandbyCut,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::BackendTerminated,
        Self::CallCancelled,
        Self::BackendKilled,
        Self::WorkerTerminated,
        Self::WorkerKilled,
        Self::ServerKilled,
        Self::ImmediateStop,
        Self::Restart,
        Self::BackendStopped,
        Self::WorkerStopped,
        Self::ServerProcessStopped,
        Self::DiskFull,
        Self::ClockSetBack,
        Self::ConnectionsCut,
        Self::StandbyCut,
    ];

    /// What it does to the life of a server.
    pub fn effect(self) -> Effect {
        match self {
            Self::BackendKilled | Self::WorkerKilled | Self::ServerKilled | Self::ImmediateStop => {
                Effect::Crash
            }
            Self::DiskFull => Effect::MayCrash,
            Self::Restart => Effect::Stop,
            _ => Effect::None,
        }
    }

    /// Does it at random, and returns when it is over: what was done. `Ok(None)` where this site
    /// lacks what it takes.
    pub fn inflict(
        self,
        site: &Site,
        shared: &Shared,
        random: &mut Random,
    ) -> Result<Option<String>> {
        let mut scene = Scene { site, shared, random };
        let done = match self {
            Self::BackendTerminated => scene.shoot_at_backends("pg_terminate_backend")?,
            Self::CallCancelled => scene.shoot_at_backends("pg_cancel_backend")?,
            Self::BackendKilled => {
                let (role, pid) = scene.backend()?;
                scene.kill(&role, pid)?
            }
            Self::WorkerTerminated => scene.terminate_workers()?,
            Self::WorkerKilled => {
                let (worker, pid) = scene.worker(true)?;
                scene.kill(&worker, pid)?
            }
            Self::ServerKilled => scene.kill_server()?,
            Self::ImmediateStop => scene.restart(StopMode::Immediate)?,
            Self::Restart => scene.restart(StopMode::Fast)?,
            Self::BackendStopped => {
                let (role, pid) = scene.backend()?;
                scene.stop(&role, pid)?
            }
            Self::WorkerStopped => {
                let (worker, pid) = scene.worker(false)?;
                scene.stop(&worker, pid)?
            }
            Self::ServerProcessStopped => scene.stop_server_process()?,
            Self::DiskFull => return scene.fill_disk(),
            Self::ClockSetBack => return scene.set_clock_back(),
            Self::ConnectionsCut => scene.cut_connections(),
            Self::StandbyCut => return scene.cut_standby(),
        };
        Ok(Some(done))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use clap::ValueEnum;
        let value = self.to_possible_value().expect("no kind is hidden");
        f.pad(value.get_name())
    }
}

/// What becomes of the shared memory of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It stays.
    None,
    /// It is lost, after a clean stop.
    Stop,
    /// It is lost.
    Crash,
    /// It may be lost.
    MayCrash,
}

struct Scene<'a> {
    site: &'a Site,
    shared: &'a Shared,
    random: &'a mut Random,
}

impl Scene<'_> {
    fn while_ms(&mut self, least: i64, most: i64) -> Duration {
        Duration::from_millis(self.random.between(least, most).cast_unsigned())
    }

    /// The server process of some client: the client, and the process.
    fn backend(&mut self) -> Result<(String, i32)> {
        let found = self.site.superuser()?.rows(&format!(
            "SELECT usename, pid FROM pg_stat_activity
             WHERE usename ~ '^{ROLE_PREFIX}' AND backend_type = 'client backend' ORDER BY usename"
        ));
        self.one_of(&found)
    }

    /// Some worker that runs, the launcher perhaps too.
    fn worker(&mut self, or_launcher: bool) -> Result<(String, i32)> {
        let found = self.site.superuser()?.rows(&format!(
            "SELECT worker, pid FROM exchange.workers
             WHERE pid IS NOT NULL AND (worker <> 'launcher' OR {or_launcher}) ORDER BY worker"
        ));
        self.one_of(&found)
    }

    fn one_of(&mut self, found: &[String]) -> Result<(String, i32)> {
        ensure!(!found.is_empty(), "there is no process to choose from");
        let chosen = self.random.pick(found);
        let (name, pid) = chosen.split_once('|').context("a name and a process")?;
        Ok((name.to_owned(), pid.parse()?))
    }

    /// Shoots at random backends of clients for a while.
    fn shoot_at_backends(&mut self, weapon: &str) -> Result<String> {
        let mut session = self.site.superuser()?;
        let shots = self.random.between(1, 25);
        let mut hits = 0;
        for _ in 0..shots {
            let found = session.rows(&format!(
                "SELECT pid FROM pg_stat_activity
                 WHERE usename ~ '^{ROLE_PREFIX}' AND backend_type = 'client backend'
                 ORDER BY usename"
            ));
            if !found.is_empty() {
                let pid = self.random.pick(&found);
                hits += i32::from(session.is_true(&format!("SELECT {weapon}({pid})")));
            }
            std::thread::sleep(self.while_ms(0, 60));
        }
        Ok(format!("{hits} times, any client"))
    }

    fn terminate_workers(&mut self) -> Result<String> {
        let mut session = self.site.superuser()?;
        let mut hits = Vec::new();
        for _ in 0..self.random.between(1, 3) {
            let mut workers = WORKERS.to_vec();
            workers.push("launcher");
            let worker = *self.random.pick(&workers);
            let hit = session.rows(&format!(
                "SELECT pg_terminate_backend(pid) FROM exchange.workers
                 WHERE worker = '{worker}' AND pid IS NOT NULL"
            ));
            if hit == ["t"] {
                hits.push(worker);
            }
            std::thread::sleep(self.while_ms(0, 300));
        }
        Ok(hits.join(", "))
    }

    /// Kills one process, and waits until the server has begun a new life.
    fn kill(&mut self, whose: &str, pid: i32) -> Result<String> {
        let before = self.life()?;
        processes::signal(pid, Signal::KILL);
        self.wait_for("the server comes back", |scene| {
            scene.life().is_ok_and(|life| life != before)
        })?;
        Ok(format!("{whose} (process {pid})"))
    }

    /// The name of the present life of the server.
    fn life(&self) -> Result<String> {
        let mut session = self.site.superuser()?;
        let rows = session.try_rows(auditor::Incarnations::QUERY);
        let rows = rows.map_err(|failure| anyhow::anyhow!("{failure}"))?;
        rows.into_iter().next().context("there is no checkpointer")
    }

    fn kill_server(&mut self) -> Result<String> {
        let mut done = "every process".to_owned();
        // What a worker has not done yet then is lost, however fast it is.
        let stopped = if self.random.per_cent(50) {
            let (worker, pid) = self.worker(false)?;
            done = format!("{done}, while the {worker} was stopped");
            let stopped = Stopped::new(pid);
            std::thread::sleep(self.while_ms(20, 300));
            Some(stopped)
        } else {
            None
        };
        self.site.cluster.kill9()?;
        drop(stopped);
        self.site.cluster.start()?;
        Ok(done)
    }

    fn restart(&mut self, mode: StopMode) -> Result<String> {
        self.site.cluster.stop(mode)?;
        self.site.cluster.start()?;
        Ok("the server".to_owned())
    }

    /// Stops a process for a while; whether durable answers came meanwhile.
    fn stop(&mut self, whose: &str, pid: i32) -> Result<String> {
        let length = self.while_ms(300, 2_500);
        let stopped = Stopped::new(pid);
        std::thread::sleep(Duration::from_millis(50));
        let since = Instant::now();
        std::thread::sleep(length);
        let others = if self.shared.has_answered_since(since) { "were" } else { "were not" };
        stopped.resume();
        Ok(format!("{whose} (process {pid}) for {length:.1?}; others {others} answered"))
    }

    fn stop_server_process(&mut self) -> Result<String> {
        let found = self.site.superuser()?.rows(
            "SELECT backend_type, pid FROM pg_stat_activity
             WHERE backend_type IN ('checkpointer', 'background writer', 'walwriter', 'walsender',
                                    'autovacuum launcher')
             ORDER BY backend_type",
        );
        let (name, pid) = self.one_of(&found)?;
        self.stop(&name, pid)
    }

    fn fill_disk(&mut self) -> Result<Option<String>> {
        let Some(disk) = self.site.disk() else { return Ok(None) };
        let length = self.while_ms(500, 4_000);
        let uses_up_wal = self.random.per_cent(50);
        let mut session = self.site.superuser()?;
        let bytes = disk.fill()?;
        let full = Instant::now();
        // Segments that are there already are written for a while, unless they are passed over.
        while uses_up_wal && full.elapsed() < length {
            let passed = session
                .try_run("SELECT pg_logical_emit_message(false, 'torture', ''), pg_switch_wal()");
            if passed.is_err() {
                break;
            }
        }
        std::thread::sleep(length.saturating_sub(full.elapsed()));
        let has_crashed = session.try_run("SELECT").is_err();
        disk.free()?;
        // The postmaster gives up if recovery finds no room; an operator starts it again.
        let deadline = Instant::now() + PATIENCE;
        let mut starts = 0_u32;
        while self.site.superuser().is_err() {
            ensure!(Instant::now() < deadline, "the server does not come back with room again");
            if !self.site.cluster.is_running() {
                starts += 1;
                self.site.cluster.start()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let end = match (has_crashed, starts) {
            (_, 1..) => "; the server gave up, and was started",
            (true, 0) => "; the server crashed, and came back",
            (false, _) => "",
        };
        Ok(Some(format!("with {} MiB, for {length:.1?}{end}", bytes >> 20)))
    }

    fn set_clock_back(&mut self) -> Result<Option<String>> {
        let Some(clock) = &self.site.clock else { return Ok(None) };
        let by = *self.random.pick(&[1, 10, 60, 3_600, 100_000]);
        let by = Duration::from_secs(by);
        let length = self.while_ms(1_000, 3_000);
        let mut session = self.site.superuser()?;
        let mut now = || session.number("SELECT extract(epoch FROM clock_timestamp())::bigint");
        let before = now();
        clock.set_back(by)?;
        let back = before - now();
        ensure!(
            back.abs_diff(by.as_secs() as i64) <= 1,
            "the clock was set back by {by:?}, and the server sees it {back} s back"
        );
        std::thread::sleep(length);
        clock.set_back(Duration::ZERO)?;
        Ok(Some(format!("by {by:?}, for {length:.1?}")))
    }

    fn cut_connections(&mut self) -> String {
        let mut cut = 0;
        for _ in 0..self.random.between(1, 20) {
            cut += self.site.lines.cut(self.random, 20);
            std::thread::sleep(self.while_ms(0, 100));
        }
        format!("{cut} of them")
    }

    fn cut_standby(&mut self) -> Result<Option<String>> {
        let Some(standby) = &self.site.standby else { return Ok(None) };
        let length = self.while_ms(500, 4_000);
        let way =
            *self.random.pick(&["walreceiver stopped", "stopped", "killed", "walsender ended"]);
        let mut session = self.site.superuser()?;
        let receiver = match way {
            "walreceiver stopped" => {
                let pid = standby.superuser()?.number("SELECT pid FROM pg_stat_wal_receiver");
                Some(Stopped::new(pid as i32))
            }
            "stopped" => {
                standby.cluster.stop(StopMode::Fast)?;
                None
            }
            "killed" => {
                standby.cluster.kill9()?;
                None
            }
            _ => {
                session.run("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
                None
            }
        };
        // What was under way may still be answered.
        std::thread::sleep(Duration::from_millis(100));
        let since = Instant::now();
        std::thread::sleep(length);
        let is_away = way != "walsender ended";
        let is_answered = self.shared.has_answered_since(since);
        drop(receiver);
        standby.cluster.start()?;
        ensure!(
            !(standby.is_synchronous && is_away && is_answered),
            "durable answers came while the synchronous standby was away ({way})"
        );
        self.wait_for("the standby streams again", |scene| {
            scene.site.superuser().is_ok_and(|mut session| {
                session.is_true(
                    "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'",
                )
            })
        })?;
        let kind = if standby.is_synchronous { "synchronous" } else { "asynchronous" };
        Ok(Some(format!("{way}, {kind}, for {length:.1?}")))
    }

    fn wait_for(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            if Instant::now() > deadline {
                bail!("waited {PATIENCE:?} in vain until {what}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
