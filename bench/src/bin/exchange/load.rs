//! The whole exchange under the stream that engines are compared on, sent as arrays
//! through SQL: how fast it goes, and how far the tables are behind.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use bench::{sender, stream};
use postgres::Client;
use venue::cluster::Cluster;

use bench::figures::at_least;

/// The peak of a day of a billion orders.
const PEAK_PER_SECOND: u64 = 215_000;

/// Sends the peak rate for some seconds, prints the lag of the tables over time, waits
/// until they have caught up, and prints what was sustained.
pub fn run(cluster: &Cluster, client: &mut Client, symbols: u16, seconds: u32) -> Result<()> {
    for quiet_down in ["SELECT exchange.wait_for('projected')", "VACUUM", "CHECKPOINT"] {
        client.batch_execute(quiet_down)?;
    }
    let commands = PEAK_PER_SECOND * u64::from(seconds);
    let stream = stream::generate(symbols, commands, 100, 42);
    let before = position(client)?;
    let started = Instant::now();
    let senders = sender::start(cluster, &stream, PEAK_PER_SECOND)?;
    println!("{:>6} {:>12} {:>14} {:>14}", "second", "matched/s", "tables/s", "tables behind");
    let mut last = before;
    let mut behind = 0;
    while !senders.iter().all(thread::JoinHandle::is_finished) {
        thread::sleep(Duration::from_secs(1));
        let now = position(client)?;
        behind = now.matched - now.projected;
        println!(
            "{:>6.0} {:>12} {:>14} {behind:>14}",
            started.elapsed().as_secs_f64(),
            now.matched - last.matched,
            now.projected - last.projected,
        );
        last = now;
    }
    let sending = started.elapsed();
    for sender in senders {
        sender.join().expect("a sender does not panic")?;
    }
    client.batch_execute("SELECT exchange.wait_for('projected')")?;
    let matched = (position(client)?.matched - before.matched) as f64;
    let tables = matched / started.elapsed().as_secs_f64();
    println!(
        "offered {PEAK_PER_SECOND}/s; matched {:.0}/s; tables caught up {tables:.0}/s (reach {}); \
         {behind} behind when the last order was sent\n\
         what limits it: a row and its index entries, 5 to 7 µs an order",
        matched / sending.as_secs_f64(),
        // The senders pace themselves, so a per cent below the rate is the rate.
        at_least(tables * 1.01, PEAK_PER_SECOND as f64),
    );
    Ok(())
}

#[derive(Clone, Copy)]
struct Position {
    matched: i64,
    projected: i64,
}

fn position(client: &mut Client) -> Result<Position> {
    let row = client.query_one("SELECT matched, projected FROM exchange.pg_stat_exchange", &[])?;
    Ok(Position { matched: row.get(0), projected: row.get(1) })
}
