//! How long after the answer to an order a program beside the server reads it in the feed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use feed::Reader;
use postgres::Client;
use venue::cluster::Cluster;

/// Orders that are not counted: the publisher reads the setting at its next wake-up.
const WARM_UP: usize = 50;

/// One client, one order at a time, each durable, by how long the publisher lets changes gather.
pub fn run(cluster: &Cluster, client: &mut Client, orders: usize) -> Result<()> {
    let path = cluster.data_directory().join("pg_stat_tmp/exchange.feed");
    let mut reader = Reader::open(&path).context("the feed cannot be opened")?;
    let place =
        client.prepare("SELECT order_id FROM exchange.place_order('IDLE', 'buy', 100.00, 1)")?;
    println!("{:>26} {:>16} {:>16}", "publication_interval_us", "p50, µs", "p99, µs");
    for interval_us in [1_000, 0] {
        client.batch_execute(&format!(
            "ALTER SYSTEM SET exchange.publication_interval_us = {interval_us}"
        ))?;
        client.batch_execute("SELECT pg_reload_conf()")?;
        let mut waits = Vec::with_capacity(orders);
        for _ in 0..WARM_UP + orders {
            let order: i64 = client.query_one(&place, &[])?.get(0);
            let answered = Instant::now();
            loop {
                match reader.read() {
                    Ok(Some(event)) if event.sequence >= order.cast_unsigned() => break,
                    Ok(_) => std::hint::spin_loop(),
                    Err(error) => return Err(error).context("the feed cannot be read"),
                }
            }
            waits.push(answered.elapsed());
        }
        let waits = &mut waits[WARM_UP..];
        waits.sort_unstable();
        let us = |part: usize| Duration::as_secs_f64(&waits[waits.len() * part / 100]) * 1e6;
        println!("{interval_us:>26} {:>16.1} {:>16.1}", us(50), us(99));
    }
    client.batch_execute("ALTER SYSTEM RESET exchange.publication_interval_us")?;
    client.batch_execute("SELECT pg_reload_conf()")?;
    Ok(())
}
