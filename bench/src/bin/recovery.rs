//! From the start of a server to the first order that it accepts: after a loss of power with ten
//! seconds of the peak in the journal alone, and after a clean stop.
//!
//! ```text
//! cargo run --release -p bench --bin recovery [-- --quick]
//! ```
//!
//! The projector is stopped while the load comes, so all of it has to be replayed. PostgreSQL's own
//! redo of its WAL comes first, and is shown apart: how long it takes depends on its checkpoints.

use std::time::{Duration, Instant, SystemTime};
use std::{fs, thread};

use anyhow::{Context, Result, bail};
use bench::figures::{at_least, at_most};
use bench::sender::{self, Sender};
use bench::stream;
use postgres::{Client, Row};
use rustix::process::{Pid, Signal, kill_process};
use venue::cluster::{Cluster, DATABASE, SUPERUSER, StopMode};

const SYMBOLS: u16 = 100;
/// The peak of a day of a billion orders.
const PEAK_PER_SECOND: u64 = 215_000;
/// From the start of the server to the first accepted order.
const REACH_SECONDS: f64 = 5.0;
/// Commands that are replayed a second.
const REACH_REPLAY: f64 = 2e6;

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(300);

struct Plan {
    open_orders: u64,
    load_seconds: u64,
    turns: usize,
}

fn main() -> Result<()> {
    let plan = if std::env::args().any(|argument| argument == "--quick") {
        Plan { open_orders: 100_000, load_seconds: 1, turns: 1 }
    } else {
        Plan { open_orders: 1_000_000, load_seconds: 10, turns: 3 }
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of this machine before: {}", load.trim());
    let cluster = Cluster::temporary(&[
        ("exchange.maximum_open_orders", "4194304"),
        ("exchange.calendar", "off"),
    ])?;
    cluster.start()?;
    cluster.create_database(DATABASE)?;
    sender::set_up(&mut cluster.connect(DATABASE, SUPERUSER)?, SYMBOLS)?;
    let commands = PEAK_PER_SECOND * plan.load_seconds;
    let prefill = plan.open_orders / u64::from(SYMBOLS);
    let stream = stream::generate(SYMBOLS, commands * plan.turns as u64, prefill, 42);
    let mut senders = sender::connect(&cluster, &stream)?;
    send(&mut senders, |sender| (sender.prefill, u64::MAX))?;

    println!(
        "{:>11} {:>11} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12} {:>14} {:>8} {:>12} {:>10}",
        "stop",
        "open orders",
        "to replay",
        "server up",
        "begins",
        "loaded",
        "replayed",
        "accepted",
        "reach",
        "replayed/s",
        "reach",
        "books shown",
        "tables",
    );
    for _ in 0..plan.turns {
        // As it is in the middle of a day: what was before is in the tables.
        let mut client = cluster.connect(DATABASE, SUPERUSER)?;
        for quiet_down in ["SELECT exchange.wait_for('projected')", "VACUUM", "CHECKPOINT"] {
            client.batch_execute(quiet_down)?;
        }
        stop_projector(&mut client)?;
        let share = commands as usize / senders.len();
        let rate = PEAK_PER_SECOND / senders.len() as u64;
        send(&mut senders, |_| (share, rate))?;
        cluster.kill9()?;
        restart(&cluster, "power lost")?;
        senders.iter_mut().try_for_each(|sender| sender.reconnect(&cluster))?;
    }
    for _ in 0..plan.turns {
        let mut client = cluster.connect(DATABASE, SUPERUSER)?;
        client.batch_execute("SELECT exchange.wait_for('projected')")?;
        cluster.stop(StopMode::Fast)?;
        restart(&cluster, "clean")?;
    }
    println!("seconds since the start of the server");
    Ok(())
}

/// Has each sender send as many commands, so many a second, as `share` says.
fn send(senders: &mut [Sender], share: impl Fn(&Sender) -> (usize, u64)) -> Result<()> {
    thread::scope(|scope| {
        let sending: Vec<_> = senders
            .iter_mut()
            .map(|sender| {
                let (count, rate) = share(sender);
                scope.spawn(move || sender.send(count, rate))
            })
            .collect();
        sending.into_iter().try_for_each(|sending| sending.join().expect("a sender does not panic"))
    })
}

/// Stops the projector with SIGSTOP, so that the tables stay behind.
fn stop_projector(client: &mut Client) -> Result<()> {
    let query = "SELECT pid FROM exchange.workers WHERE worker = 'projector'";
    let pid = Pid::from_raw(client.query_one(query, &[])?.get(0));
    kill_process(pid.context("the projector does not run")?, Signal::STOP)?;
    Ok(())
}

/// Starts the server and prints when it had come how far.
fn restart(cluster: &Cluster, stop: &str) -> Result<()> {
    // As the server will name its times.
    let started = SystemTime::now();
    let starting = Instant::now();
    let (mut client, up, accepted) = thread::scope(|scope| -> Result<_> {
        let server = scope.spawn(|| cluster.start());
        let mut client = retry(starting, || cluster.connect(DATABASE, SUPERUSER))?;
        let up = starting.elapsed();
        let order = "SELECT exchange.place_order('IDLE', 'buy', 1.00, 1)";
        retry(starting, || Ok(client.batch_execute(order)?))?;
        let accepted = starting.elapsed();
        server.join().expect("starting does not panic")?;
        Ok((client, up, accepted))
    })?;
    // Until the other two are done as well.
    client
        .batch_execute("SELECT exchange.wait_for('published'), exchange.wait_for('projected')")?;
    let tables = starting.elapsed();
    let rows = client.query(
        "SELECT open_orders, to_sequence - from_sequence, commands_per_second, began_at, loaded_at, ended_at
         FROM exchange.recovery ORDER BY array_position('{matcher,publisher,projector}', worker)",
        &[],
    )?;
    let [matcher, publisher, ..] = rows.as_slice() else { bail!("nobody has recovered") };
    let seconds = |row: &Row, column: usize| -> Result<f64> {
        Ok(row.get::<_, SystemTime>(column).duration_since(started)?.as_secs_f64())
    };
    let replayed_per_second = matcher.get::<_, Option<f64>>(2);
    println!(
        "{stop:>11} {:>11} {:>10} {:>10.2} {:>10.2} {:>10.2} {:>10.2} {:>10.2} {:>12} {:>14.0} {:>8} {:>12.2} {:>10.2}",
        matcher.get::<_, i64>(0),
        matcher.get::<_, i64>(1),
        up.as_secs_f64(),
        seconds(matcher, 3)?,
        seconds(matcher, 4)?,
        seconds(matcher, 5)?,
        accepted.as_secs_f64(),
        at_most(accepted.as_secs_f64(), REACH_SECONDS),
        replayed_per_second.unwrap_or_default(),
        replayed_per_second.map_or(String::new(), |rate| at_least(rate, REACH_REPLAY)),
        seconds(publisher, 5)?,
        tables.as_secs_f64(),
    );
    Ok(())
}

/// Tries until it works, as a client does whose server restarts.
fn retry<T>(since: Instant, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if since.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}
