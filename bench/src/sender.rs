//! Sends the stream to an exchange at a rate, as arrays through SQL.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use postgres::{Client, Statement};
use rust_decimal::Decimal;
use venue::cluster::{Cluster, DATABASE, SUPERUSER};

use crate::stream::{Kind, Record, Side, Stream};

/// Commands of one call.
const CALL: usize = 1000;
/// Connections that send, each its own symbols.
const SENDERS: u16 = 2;
/// Who buys and who sells: an account does not trade with itself.
const BUYER: i32 = 1;
const SELLER: i32 = 2;

/// Makes an empty exchange ready: the extension, symbols `S0` and on, the accounts, an open market.
pub fn set_up(client: &mut Client, symbols: u16) -> Result<()> {
    client.batch_execute("CREATE EXTENSION pg_exchange")?;
    client
        .batch_execute(&format!(
            "SELECT exchange.create_instrument('S' || i, 0.01) FROM generate_series(0, {symbols} - 1) AS i;
             SELECT exchange.create_instrument('IDLE', 0.01);
             SELECT exchange.open_account() FROM generate_series(1, 2);
             SELECT exchange.verify_account(account_id), exchange.deposit(account_id, 'USD', 1e18)
             FROM exchange.accounts;
             SELECT exchange.deposit_shares(account_id, symbol, 1000000000000000)
             FROM exchange.accounts, exchange.instruments;
             SELECT exchange.open_market()"
        ))
        .context("the venue cannot be set up")
}

/// Begins to send so many commands a second, durable and answered.
pub fn start(cluster: &Cluster, stream: &Stream, rate: u64) -> Result<Vec<JoinHandle<Result<()>>>> {
    let total = stream.records.len() as u64;
    let senders = connect(cluster, stream)?;
    let start = |mut sender: Sender| {
        let rate = rate * sender.records.len() as u64 / total;
        thread::spawn(move || sender.send(usize::MAX, rate.max(1)))
    };
    Ok(senders.into_iter().map(start).collect())
}

/// The connections that send a stream together.
pub fn connect(cluster: &Cluster, stream: &Stream) -> Result<Vec<Sender>> {
    (0..SENDERS)
        .map(|sender| -> Result<_> {
            let records = stream.records.iter().filter(|record| record.symbol % SENDERS == sender);
            let prefill = &stream.records[..stream.prefill];
            Ok(Sender {
                session: cluster.connect(DATABASE, SUPERUSER)?,
                records: records.copied().collect::<Vec<_>>().into_iter(),
                prefill: prefill.iter().filter(|record| record.symbol % SENDERS == sender).count(),
                order_ids: vec![0; stream.highest_id as usize + 1],
            })
        })
        .collect()
}

/// One connection, its part of a stream, and how far it has come.
pub struct Sender {
    session: Client,
    records: std::vec::IntoIter<Record>,
    /// How many of its records fill the books.
    pub prefill: usize,
    /// By id of the stream.
    order_ids: Vec<i64>,
}

impl Sender {
    /// Goes on after a restart of the server.
    pub fn reconnect(&mut self, cluster: &Cluster) -> Result<()> {
        self.session = cluster.connect(DATABASE, SUPERUSER)?;
        Ok(())
    }

    /// Sends the next `count` commands, so many a second, durable and answered.
    pub fn send(&mut self, count: usize, rate: u64) -> Result<()> {
        self.session.batch_execute("SET synchronous_commit = on")?;
        let place = self.session.prepare(
            "SELECT order_id FROM exchange.place_orders($1, $2::text[]::exchange.side[], $3, $4,
                                                        account_ids => $5)",
        )?;
        let cancel = self.session.prepare("SELECT count(*) FROM exchange.cancel_orders($1)")?;
        let records: Vec<Record> = self.records.by_ref().take(count).collect();
        let started = Instant::now();
        for (call, records) in records.chunks(CALL).enumerate() {
            let due = Duration::from_secs_f64((call * CALL) as f64 / rate as f64);
            thread::sleep(due.saturating_sub(started.elapsed()));
            self.call(&place, &cancel, records)?;
        }
        Ok(())
    }

    fn call(&mut self, place: &Statement, cancel: &Statement, records: &[Record]) -> Result<()> {
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
        let answers = self
            .session
            .query(place, &[&symbols, &sides, &prices, &quantities, &accounts])
            .context("place_orders")?;
        for (record, answer) in new.iter().zip(&answers) {
            self.order_ids[record.order_id as usize] = answer.get(0);
        }
        let cancelled: Vec<i64> = records
            .iter()
            .filter(|record| record.kind == Kind::Cancel)
            .map(|record| self.order_ids[record.order_id as usize])
            .collect();
        self.session.query(cancel, &[&cancelled]).context("cancel_orders")?;
        Ok(())
    }
}
