//! The whole exchange under the stream that engines are compared on, sent as arrays
//! through SQL: how fast it goes, and how far the tables are behind.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::stream::{self, Kind, Record, Side, Stream};
use postgres::Client;
use rust_decimal::Decimal;
use venue::cluster::{Cluster, DATABASE, SUPERUSER};

use bench::figures::at_least;

/// The peak of a day of a billion orders.
const PEAK_PER_SECOND: u64 = 215_000;
/// Commands of one call.
const CALL: usize = 1000;
/// Connections that send, each its own symbols.
const SENDERS: u16 = 2;
/// Who buys and who sells: an account does not trade with itself.
const BUYER: i32 = 1;
const SELLER: i32 = 2;

/// Sends the peak rate for some seconds, prints the lag of the tables over time, waits
/// until they have caught up, and prints what was sustained.
pub fn run(cluster: &Cluster, client: &mut Client, symbols: u16, seconds: u32) -> Result<()> {
    for quiet_down in ["SELECT exchange.wait_for('projected')", "VACUUM", "CHECKPOINT"] {
        client.batch_execute(quiet_down)?;
    }
    let commands = PEAK_PER_SECOND * u64::from(seconds);
    let stream = stream::generate(symbols, commands, 100, 42);
    let total = stream.records.len() as u64;
    let before = position(client)?;
    let started = Instant::now();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| -> Result<_> {
            let session = cluster.connect(DATABASE, SUPERUSER)?;
            let stream = Stream {
                records: stream
                    .records
                    .iter()
                    .filter(|record| record.symbol % SENDERS == sender)
                    .copied()
                    .collect(),
                ..stream
            };
            let rate = PEAK_PER_SECOND * stream.records.len() as u64 / total;
            Ok(thread::spawn(move || send(session, &stream, rate.max(1))))
        })
        .collect::<Result<_>>()?;
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

fn send(mut session: Client, stream: &Stream, rate: u64) -> Result<()> {
    session.batch_execute("SET synchronous_commit = on")?;
    let place = session.prepare(
        "SELECT order_id FROM exchange.place_orders($1, $2::text[]::exchange.side[], $3, $4,
                                                    account_ids => $5)",
    )?;
    let cancel = session.prepare("SELECT count(*) FROM exchange.cancel_orders($1)")?;
    let mut order_ids = vec![0_i64; stream.highest_id as usize + 1];
    let started = Instant::now();
    for (call, records) in stream.records.chunks(CALL).enumerate() {
        let due = Duration::from_secs_f64((call * CALL) as f64 / rate as f64);
        thread::sleep(due.saturating_sub(started.elapsed()));
        let new: Vec<&Record> = records.iter().filter(|record| record.kind == Kind::New).collect();
        let symbols: Vec<String> = new.iter().map(|record| format!("S{}", record.symbol)).collect();
        let (sides, accounts): (Vec<&str>, Vec<i32>) = new
            .iter()
            .map(|record| match record.side {
                Side::Buy => ("buy", BUYER),
                Side::Sell => ("sell", SELLER),
            })
            .unzip();
        let prices: Vec<Decimal> = new.iter().map(|record| Decimal::new(record.price, 2)).collect();
        let quantities: Vec<i64> = new.iter().map(|record| i64::from(record.quantity)).collect();
        let answers = session
            .query(&place, &[&symbols, &sides, &prices, &quantities, &accounts])
            .context("place_orders")?;
        for (record, answer) in new.iter().zip(&answers) {
            order_ids[record.order_id as usize] = answer.get(0);
        }
        let cancelled: Vec<i64> = records
            .iter()
            .filter(|record| record.kind == Kind::Cancel)
            .map(|record| order_ids[record.order_id as usize])
            .collect();
        session.query(&cancel, &[&cancelled]).context("cancel_orders")?;
    }
    Ok(())
}
