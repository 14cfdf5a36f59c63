//! How far a reporting database is behind its venue, on a second cluster on the same machine; and a
//! subscriber to the blocks of the journal.
//!
//! ```text
//! cargo run --release -p bench --bin replication [-- --quick]
//! ```
//!
//! The stream is sent at the average of a day of a billion orders, and at its peak for a short
//! time. Venue, reporting database and load generator share the cores. Behind are: the tables of the venue
//! behind the matcher, and the subscriber behind those tables, in commands and, by the times
//! of these commands, in seconds; the subscription behind the WAL, in bytes.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::figures::at_most;
use bench::{sender, stream};
use postgres::Client;
use venue::cluster::{Cluster, DATABASE, SUPERUSER};
use venue::connection::Connection;
use venue::reporting;

const SYMBOLS: u16 = 100;
/// The average of a day of a billion orders.
const AVERAGE_PER_SECOND: u64 = 43_000;
/// Its peak.
const PEAK_PER_SECOND: u64 = 215_000;
/// It keeps up if it is at most so far behind when the last order was sent.
const REACH_SECONDS: f64 = 1.0;

fn main() -> Result<()> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let [average, peak] = if is_quick { [5, 2] } else { [30, 5] };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of this machine before: {}", load.trim());
    measure(&REPORTS, AVERAGE_PER_SECOND, average, Some(REACH_SECONDS))?;
    // What comes at the peak may be caught up after it.
    measure(&REPORTS, PEAK_PER_SECOND, peak, None)?;
    measure(&JOURNAL, PEAK_PER_SECOND, peak, Some(REACH_SECONDS))
}

/// A kind of subscriber.
struct Kind {
    name: &'static str,
    /// The last command that it has, and its time.
    position: &'static str,
    follow: fn(&Cluster, &Connection) -> Result<()>,
}

const REPORTS: Kind = Kind {
    name: "reporting database",
    position: "SELECT sequence, time_us FROM exchange.engine_state",
    follow: reporting::follow_in,
};

const JOURNAL: Kind = Kind {
    name: "subscriber to the journal",
    // Of a block, the time of its first command is known without a look into it.
    position: "SELECT last_sequence, first_time_us FROM exchange.journal ORDER BY 1 DESC LIMIT 1",
    follow: follow_journal,
};

/// Makes a database with the journal's blocks alone.
fn follow_journal(cluster: &Cluster, venue: &Connection) -> Result<()> {
    cluster.define_service(reporting::SERVICE, venue)?;
    cluster.start()?;
    cluster.create_database(reporting::DATABASE)?;
    let mut client = reporting::connection(cluster).connect()?;
    client.batch_execute(
        "CREATE SCHEMA exchange;
         CREATE TABLE exchange.journal (
             first_sequence bigint PRIMARY KEY, last_sequence bigint NOT NULL, first_time_us bigint NOT NULL,
             event_hash bigint NOT NULL, checksum bigint NOT NULL, commands bytea NOT NULL)
         WITH (toast_tuple_target = 8160);
         ALTER TABLE exchange.journal ALTER COLUMN commands SET STORAGE EXTERNAL",
    )?;
    client.batch_execute(&format!(
        "CREATE SUBSCRIPTION journal CONNECTION 'service={}' PUBLICATION exchange_journal
         WITH (binary = true, streaming = true)",
        reporting::SERVICE
    ))?;
    reporting::wait_until_copied(cluster)
}

fn measure(kind: &Kind, rate: u64, seconds: u64, reach: Option<f64>) -> Result<()> {
    let cluster = Cluster::temporary(&[
        ("exchange.maximum_open_orders", "16777216"),
        ("exchange.calendar", "off"),
    ])?;
    cluster.start()?;
    cluster.create_database(DATABASE)?;
    let mut client = cluster.connect(DATABASE, SUPERUSER)?;
    sender::set_up(&mut client, SYMBOLS)?;
    client
        .batch_execute("SELECT exchange.wait_for('projected'), exchange.create_publications()")?;
    let reports = Cluster::temporary(reporting::SETTINGS)?;
    (kind.follow)(&reports, &cluster.connection(DATABASE, SUPERUSER))?;
    let mut reader = reporting::connection(&reports).connect()?;

    println!("\n{}, {rate} commands a second for {seconds} s", kind.name);
    println!(
        "{:>6} {:>11} {:>14} {:>14} {:>16} {:>14} {:>12}",
        "second",
        "matched/s",
        "tables behind",
        "reports/s",
        "reports behind",
        "seconds",
        "WAL behind"
    );
    let stream = stream::generate(SYMBOLS, rate * seconds, 100, 42);
    let processes = processes(&mut client, &mut reader)?;
    let cpu = processes.each_ref().map(|(_, pid)| cpu_seconds(*pid));
    let first = Position::read(&mut client, &mut reader, kind)?;
    let senders = sender::start(&cluster, &stream, rate)?;
    let started = Instant::now();
    let mut last = first;
    loop {
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until && !senders.iter().all(JoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(10));
        }
        if senders.iter().all(JoinHandle::is_finished) {
            break;
        }
        let now = Position::read(&mut client, &mut reader, kind)?;
        now.print(started, last);
        last = now;
    }
    let sent = Position::read(&mut client, &mut reader, kind)?;
    let sending = started.elapsed();
    for sender in senders {
        sender.join().expect("a sender does not panic")?;
    }
    client.batch_execute("SELECT exchange.wait_for('projected')")?;
    let mut caught_up = Position::read(&mut client, &mut reader, kind)?;
    while caught_up.reported < caught_up.matched {
        thread::sleep(Duration::from_millis(20));
        caught_up = Position::read(&mut client, &mut reader, kind)?;
    }
    let until_caught_up = started.elapsed() - sending;
    let commands = (caught_up.matched - first.matched) as f64;
    let wal = (caught_up.written - first.written) as f64;
    println!(
        "matched {:.0}/s; when the last order was sent the subscriber was {:.2} s behind{}, \
         and had caught up after {:.2} s: {:.0} commands/s in all; {:.0} bytes of WAL a command, {:.0} MB/s",
        commands / sending.as_secs_f64(),
        sent.seconds_behind(),
        reach
            .map(|reach| format!(" (reach {})", at_most(sent.seconds_behind(), reach)))
            .unwrap_or_default(),
        until_caught_up.as_secs_f64(),
        commands / (sending + until_caught_up).as_secs_f64(),
        wal / commands,
        wal / sending.as_secs_f64() / 1e6,
    );
    let spent = processes.iter().zip(cpu).map(|((name, pid), before)| {
        let seconds = cpu_seconds(*pid)? - before?;
        Ok(format!("{name} {:.1}", seconds * 1e6 / commands))
    });
    let spent = spent.collect::<Result<Vec<_>>>()?;
    println!("µs of a core a command: {}", spent.join(", "));
    Ok(())
}

/// Who works for the tables: on the venue, on the way, and on the reporting database.
fn processes(venue: &mut Client, reports: &mut Client) -> Result<[(&'static str, i32); 3]> {
    let pid = |client: &mut Client, query: &str| -> Result<i32> {
        Ok(client.query_one(query, &[]).context("a process is missing")?.get(0))
    };
    Ok([
        ("projector", pid(venue, "SELECT pid FROM exchange.workers WHERE worker = 'projector'")?),
        ("walsender", pid(venue, "SELECT pid FROM pg_stat_replication")?),
        ("apply worker", pid(reports, "SELECT pid FROM pg_stat_subscription WHERE relid IS NULL")?),
    ])
}

/// The time that a process has run, on all cores.
fn cpu_seconds(pid: i32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let nanoseconds: f64 = text.split(' ').next().context("no time")?.parse()?;
    Ok(nanoseconds / 1e9)
}

/// How far everybody is.
#[derive(Clone, Copy)]
struct Position {
    matched: i64,
    projected: i64,
    /// Of the last command that the venue's tables show.
    projected_us: i64,
    reported: i64,
    reported_us: i64,
    /// Bytes of WAL that the subscription has not confirmed.
    behind: i64,
    /// Bytes of WAL ever written.
    written: i64,
}

impl Position {
    fn read(venue: &mut Client, reports: &mut Client, kind: &Kind) -> Result<Self> {
        let reported =
            reports.query_one(kind.position, &[]).context("the subscriber shows nothing")?;
        let row = venue.query_one(
            "SELECT s.matched, e.sequence, e.time_us,
                    (SELECT behind_bytes FROM exchange.replication_slots WHERE slot_type = 'logical'),
                    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint
             FROM exchange.pg_stat_exchange AS s CROSS JOIN exchange.engine_state AS e",
            &[],
        )?;
        Ok(Self {
            matched: row.get(0),
            projected: row.get(1),
            projected_us: row.get(2),
            reported: reported.get(0),
            reported_us: reported.get(1),
            behind: row.get(3),
            written: row.get(4),
        })
    }

    fn seconds_behind(&self) -> f64 {
        // Blocks may be ahead of the tables.
        (self.projected_us - self.reported_us).max(0) as f64 / 1e6
    }

    fn print(&self, started: Instant, last: Self) {
        println!(
            "{:>6.0} {:>11} {:>14} {:>14} {:>16} {:>14.2} {:>9.1} MB",
            started.elapsed().as_secs_f64(),
            self.matched - last.matched,
            self.matched - self.projected,
            self.reported - last.reported,
            (self.projected - self.reported).max(0),
            self.seconds_behind(),
            self.behind as f64 / 1e6,
        );
    }
}
