//! How long questions about the past take on a venue that has traded a day.
//!
//! ```text
//! venue --cluster /tmp/big migrate --date 2026-11-20
//! venue --cluster /tmp/big day --date 2026-11-20 --commands 10000000
//! cargo run --release -p bench --bin past -- /tmp/big
//! ```
//!
//! The argument is the folder of a private cluster. Each question is asked once to fill the caches
//! and then three times; the median is shown. The book is asked for where it is furthest from a place
//! where all books are told anew, which is just before the next one, and all over the day.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bench::figures::{at_most, median};
use postgres::{Client, SimpleQueryMessage};
use venue::cluster::{Cluster, DATABASE, SUPERUSER};

/// What a book of the past may take.
const REACH_MS: f64 = 1000.0;
const RUNS: usize = 3;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("which venue? give its folder")?;
    let cluster = Cluster::open(Path::new(&folder))?.filter(Cluster::is_running);
    let cluster = cluster.with_context(|| format!("no venue runs in {folder}"))?;
    let mut client = cluster.connect(DATABASE, SUPERUSER)?;
    let last: i64 =
        client.query_one("SELECT max(last_sequence) FROM exchange.journal", &[])?.get(0);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{last} commands; load of this machine before: {}", load.trim());
    ensure!(last > 100, "the venue has not traded");

    // The busiest symbol has the longest way to go.
    let symbol: String = client
        .query_one(
            "SELECT symbol FROM exchange.trades GROUP BY symbol ORDER BY count(*) DESC LIMIT 1",
            &[],
        )?
        .get(0);
    let books = |moments: Vec<String>| -> Vec<String> {
        let book = |moment| format!("SELECT * FROM exchange.order_book_at('{symbol}', {moment})");
        moments.into_iter().map(book).collect()
    };
    let refreshes = client.query(
        "SELECT first_sequence - 1, (first_at - interval '1 us')::text FROM exchange.market_data
         WHERE has_refresh AND first_sequence > 1 ORDER BY 1",
        &[],
    )?;
    let parts = || (1..=20).map(|part| last * part / 20);
    let worst = refreshes.iter().skip(1);
    let by_sequence = worst.clone().map(|row| row.get::<_, i64>(0).to_string());
    let by_time = worst.map(|row| format!("timestamptz '{}'", row.get::<_, String>(1)));
    let times = parts().map(|sequence| -> Result<String> {
        let query = "SELECT at::text FROM exchange.journal_commands($1, $1)";
        let at: String = client.query_one(query, &[&sequence])?.get(0);
        Ok(format!("timestamptz '{at}'"))
    });
    let times = times.collect::<Result<Vec<_>>>()?;
    println!("\n{:<56} {:>9} {:>9}  reach", "", "median ms", "worst ms");
    let sequences = parts().map(|sequence| sequence.to_string()).collect();
    show(&mut client, "book after a command, all over the day", &books(sequences))?;
    show(&mut client, "book at a time, all over the day", &books(times))?;
    show(&mut client, "book after a command, just before a mark", &books(by_sequence.collect()))?;
    show(&mut client, "book at a time, just before a mark", &books(by_time.collect()))?;

    let orders = client.query(
        "SELECT (SELECT order_id FROM exchange.orders WHERE order_id >= $1::bigint * p / 10
                 ORDER BY order_id LIMIT 1)
         FROM generate_series(1, 9) AS p",
        &[&last],
    )?;
    let history = |row: &postgres::Row| {
        format!("SELECT * FROM exchange.order_history({})", row.get::<_, i64>(0))
    };
    let histories: Vec<String> = orders.iter().map(history).collect();
    show(&mut client, "history of an order, without marks", &histories)?;
    let check = "SELECT bool_and(is_sound) FROM exchange.replay_check()".to_owned();
    show(&mut client, "check of the whole journal", &[check])?;

    client.batch_execute("BEGIN")?;
    let began = Instant::now();
    for part in 1..10 {
        client.execute("SELECT exchange.keep_mark($1)", &[&(last * part / 10)])?;
    }
    println!(
        "{:<56} {:>9.1}",
        "to keep a mark a tenth of the day, each",
        began.elapsed().as_secs_f64() * 1e3 / 9.0
    );
    show(&mut client, "history of an order, with these marks", &histories)?;
    client.batch_execute("ROLLBACK")?;
    Ok(())
}

/// Asks some questions: the median over all of them of the median of each, and the worst of these.
fn show(client: &mut Client, what: &str, questions: &[String]) -> Result<()> {
    let mut medians = Vec::new();
    for question in questions {
        let mut times_ms = Vec::new();
        for run in 0..=RUNS {
            let began = Instant::now();
            let rows = client.simple_query(question).with_context(|| question.clone())?;
            let is_row =
                |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
            ensure!(rows.iter().any(is_row), "nothing came of {question}");
            if run > 0 {
                times_ms.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
        medians.push(median(times_ms));
    }
    let worst = medians.iter().copied().fold(0.0, f64::max);
    let reach = if what.starts_with("book") { at_most(worst, REACH_MS) } else { String::new() };
    println!("{what:<56} {:>9.1} {worst:>9.1}  {reach}", median(medians));
    Ok(())
}
