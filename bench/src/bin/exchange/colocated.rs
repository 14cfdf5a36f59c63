//! How long after the answer to an order a program beside the server reads it in the feed.

use std::time::Instant;

use anyhow::{Context, Result};
use feed::Reader;
use postgres::Client;
use venue::cluster::Cluster;

/// One client, one order at a time, each durable.
pub fn run(cluster: &Cluster, client: &mut Client, orders: usize) -> Result<()> {
    let path = cluster.data_directory().join("pg_stat_tmp/exchange.feed");
    let mut reader = Reader::open(&path).context("the feed cannot be opened")?;
    let place =
        client.prepare("SELECT order_id FROM exchange.place_order('IDLE', 'buy', 100.00, 1)")?;
    let mut waits_us = Vec::with_capacity(orders);
    for _ in 0..orders {
        let order: i64 = client.query_one(&place, &[])?.get(0);
        let answered = Instant::now();
        loop {
            match reader.read() {
                Ok(Some(event)) if event.sequence >= order.cast_unsigned() => break,
                Ok(_) => std::hint::spin_loop(),
                Err(error) => return Err(error).context("the feed cannot be read"),
            }
        }
        waits_us.push(answered.elapsed().as_secs_f64() * 1e6);
    }
    waits_us.sort_unstable_by(f64::total_cmp);
    let at = |part: usize| waits_us[(orders - 1) * part / 100];
    println!("p50 {:.1} µs, p90 {:.1} µs, p99 {:.1} µs", at(50), at(90), at(99));
    Ok(())
}
