//! Shows a trading day as psql would.

use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::chart::{self, Candle};
use crate::connection::Connection;

/// Prints the book, the last trades and the candles of a symbol, and how the exchange is doing.
/// The tables are psql's own.
pub fn show(connection: &Connection, psql: &Path, symbol: &str) -> Result<()> {
    let literal = format!("'{}'", symbol.replace('\'', "''"));
    let run = |query: &str| run_psql(connection, psql, query);
    run(&format!("SELECT * FROM exchange.order_book({literal}, 10);"))?;
    run(&format!(
        "SELECT trade_id, price, quantity, taker_side, in_auction, executed_at\n\
         FROM exchange.trades\n\
         WHERE symbol = {literal}\n\
         ORDER BY executed_at DESC, trade_id DESC LIMIT 10;"
    ))?;
    run(&format!(
        "SELECT opened_at, open, high, low, close, volume, trade_count\n\
         FROM exchange.candles\n\
         WHERE symbol = {literal} AND resolution = '1 minute'\n\
         ORDER BY opened_at DESC LIMIT 15;"
    ))?;
    print_chart(connection, symbol)?;
    run(&format!(
        "SELECT order_type, time_in_force, status, count(*)\n\
         FROM exchange.orders\n\
         WHERE symbol = {literal}\n\
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;"
    ))?;
    run("SELECT * FROM exchange.conservation WHERE kind = 'currency';")?;
    run("SELECT * FROM exchange.status;")
}

fn run_psql(connection: &Connection, psql: &Path, query: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "exchange=# {}", query.replace('\n', "\nexchange-# "))?;
    out.flush()?;
    let status = Command::new(psql)
        .args(["--no-psqlrc", "--pset", "pager=off", "--command", query])
        .args(connection.arguments())
        .status()
        .with_context(|| format!("cannot run {}", psql.display()))?;
    const SIGPIPE: i32 = 13;
    if status.signal() == Some(SIGPIPE) {
        return Err(io::Error::from(ErrorKind::BrokenPipe).into());
    }
    ensure!(status.success(), "psql failed ({status}) at: {query}");
    Ok(())
}

fn print_chart(connection: &Connection, symbol: &str) -> Result<()> {
    const HEIGHT: usize = 18;
    const WIDEST: usize = 132;
    let terminal = console::Term::stdout();
    let is_terminal = io::stdout().is_terminal();
    let width = terminal.size_checked().map_or(100, |(_, columns)| usize::from(columns));
    let width = width.min(WIDEST);
    let mut client = connection.connect()?;
    let mut rows = client.query(
        "SELECT to_char(opened_at AT TIME ZONE current_setting('exchange.time_zone'), 'HH24:MI'),
                open::float8, high::float8, low::float8, close::float8
         FROM exchange.candles
         WHERE symbol = $1 AND resolution = '1 minute'
         ORDER BY opened_at DESC LIMIT $2",
        &[&symbol, &(width as i64)],
    )?;
    rows.reverse();
    let candles: Vec<Candle> = rows
        .iter()
        .map(|row| Candle {
            label: row.get(0),
            open: row.get(1),
            high: row.get(2),
            low: row.get(3),
            close: row.get(4),
        })
        .collect();
    let colours = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let drawing = chart::render(&candles, chart::Style { width, height: HEIGHT, colours });
    writeln!(io::stdout(), "{symbol}, one-minute candles\n{drawing}")?;
    Ok(())
}
