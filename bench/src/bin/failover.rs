//! How long a venue is away when its primary is killed and its standby is promoted, with many open
//! orders.
//!
//! ```text
//! cargo run --release -p bench --bin failover [-- --quick]
//! ```
//!
//! Two clusters on this machine. The primary is killed (SIGKILL) right after an order that waited for
//! the standby, the standby is promoted at once, and a session that was on it already enters an
//! order again and again until it is accepted, on the disk. Then the old primary is rewound, and they
//! change places.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bench::figures::{at_most, median};
use bench::sender;
use postgres::Client;
use postgres::error::SqlState;
use venue::cluster::{Cluster, DATABASE, REPLICATED, SUPERUSER};

/// From the promotion to the first order that is accepted.
const REACH_SECONDS: f64 = 1.0;
const SYMBOLS: u16 = 100;
/// Orders of one call.
const CALL: u32 = 1000;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> Result<()> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of this machine before: {}", load.trim());
    let (sizes, failovers): (&[u32], _) =
        if is_quick { (&[100_000], 3) } else { (&[100_000, 1_000_000], 10) };
    sizes.iter().try_for_each(|open_orders| measure(*open_orders, failovers))
}

fn measure(open_orders: u32, failovers: usize) -> Result<()> {
    let mut settings = REPLICATED.to_vec();
    settings.extend([
        ("synchronous_standby_names", "ANY 1 (a, b)"),
        ("exchange.maximum_open_orders", "2097152"),
        ("exchange.calendar", "off"),
    ]);
    let mut primary = Cluster::temporary(&settings)?;
    primary.start()?;
    let mut name = "a";
    // Before there is a database whose commits would wait for it.
    let mut standby = Cluster::temporary_standby(&primary, name, &settings)?;
    standby.start()?;
    primary.create_database(DATABASE)?;
    let mut client = primary.connect(DATABASE, SUPERUSER)?;
    sender::set_up(&mut client, SYMBOLS)?;
    fill(&mut client, open_orders)?;

    let (mut promoted, mut killed, mut rejoined) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..failovers {
        wait_until_in_step(&primary)?;
        let mut client = standby.connect(DATABASE, SUPERUSER)?;
        primary.connect(DATABASE, SUPERUSER)?.batch_execute(ORDER)?;
        let began = Instant::now();
        primary.kill9()?;
        let promotion = Instant::now();
        client.batch_execute("SELECT pg_promote(wait => false)")?;
        // Nobody else is there to wait for yet.
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = ''")?;
        client.batch_execute("SELECT pg_reload_conf()")?;
        enter(&mut client)?;
        promoted.push(promotion.elapsed().as_secs_f64());
        killed.push(began.elapsed().as_secs_f64());

        let began = Instant::now();
        (primary, standby) = (standby, primary);
        name = if name == "a" { "b" } else { "a" };
        standby.rejoin(&primary, name)?;
        standby.start()?;
        client.batch_execute("ALTER SYSTEM RESET synchronous_standby_names")?;
        client.batch_execute("SELECT pg_reload_conf()")?;
        wait_until_in_step(&primary)?;
        rejoined.push(began.elapsed().as_secs_f64());
    }
    let longest = promoted.iter().copied().fold(0.0, f64::max);
    println!(
        "{open_orders} open orders, {failovers} failovers: from the promotion to the first order {:.0} ms, \
         at most {:.0} ms (reach {} s); from the SIGKILL {:.0} ms; the old primary is rewound and in step \
         after {:.1} s",
        median(promoted) * 1e3,
        longest * 1e3,
        at_most(longest, REACH_SECONDS),
        median(killed) * 1e3,
        median(rejoined),
    );
    Ok(())
}

const ORDER: &str = "SELECT exchange.place_order('S0', 'buy', 1, 1, account_id => 1)";

/// Rests orders over all symbols, on both sides of a hundred.
fn fill(client: &mut Client, open_orders: u32) -> Result<()> {
    let place = client.prepare(
        "SELECT count(*) FROM exchange.place_orders(
             ARRAY(SELECT 'S' || (i % $3) FROM generate_series(1, $1) AS i),
             ARRAY(SELECT CASE i % 2 WHEN 0 THEN 'buy' ELSE 'sell' END::exchange.side
                   FROM generate_series(1, $1) AS i),
             ARRAY(SELECT CASE i % 2 WHEN 0 THEN 99 - (i + $2) % 50 ELSE 101 + (i + $2) % 50 END::numeric
                   FROM generate_series(1, $1) AS i),
             ARRAY(SELECT 10::bigint FROM generate_series(1, $1) AS i),
             account_ids => ARRAY(SELECT 1 + i % 2 FROM generate_series(1, $1) AS i))",
    )?;
    for call in 0..open_orders / CALL {
        client.execute(&place, &[&(CALL as i32), &(call as i32), &i32::from(SYMBOLS)])?;
    }
    client.batch_execute("SELECT exchange.wait_for('projected')")?;
    Ok(())
}

/// Enters an order as soon as the server takes one.
fn enter(client: &mut Client) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Err(error) = client.batch_execute(ORDER) else { return Ok(()) };
        // It is a standby yet, or its workers have not begun.
        let is_early = [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::CANNOT_CONNECT_NOW];
        if !error.code().is_some_and(|code| is_early.contains(code)) || Instant::now() > deadline {
            return Err(error).context("the promoted server takes no orders");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the standby is one that commits wait for, and has replayed all that there is.
fn wait_until_in_step(primary: &Cluster) -> Result<()> {
    let mut client = primary.connect(DATABASE, SUPERUSER)?;
    let deadline = Instant::now() + PATIENCE;
    let query = "SELECT count(*) = 1 FROM pg_stat_replication
                 WHERE sync_state = 'quorum' AND replay_lsn >= pg_current_wal_flush_lsn()";
    while !client.query_one(query, &[])?.get::<_, bool>(0) {
        if Instant::now() > deadline {
            bail!("the standby does not catch up");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
