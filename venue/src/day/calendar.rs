//! Which day is traded, and when it does what.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use postgres::{Client, Row};

/// A trading day.
#[derive(Clone, Debug)]
pub struct TradingDay {
    /// Its date, as in 2026-11-20.
    pub date: String,
    /// The evening of the day before is over; nothing of the day has happened.
    pub morning: SystemTime,
}

impl TradingDay {
    /// The day of that date, else the last weekday before today, where the exchange is.
    pub fn find(client: &mut Client, date: Option<&str>) -> Result<Self> {
        let row = client
            .query_one(
                "WITH exchange AS (
                     SELECT current_setting('exchange.time_zone') AS zone
                 ), day AS (
                     SELECT coalesce($1::text::date, (
                         SELECT max(d)::date
                         FROM exchange,
                              LATERAL (SELECT (now() AT TIME ZONE zone)::date AS today) AS t,
                              generate_series(today - 3, today - 1, interval '1 day') AS d
                         WHERE extract(isodow FROM d) <= 5)) AS date
                 )
                 SELECT to_char(date, 'YYYY-MM-DD'), (date + time '07:00') AT TIME ZONE zone
                 FROM exchange, day",
                &[&date],
            )
            .with_context(|| match date {
                Some(date) => format!("not a date: {date} (write it as in 2026-11-20)"),
                None => "cannot find the last trading day".to_owned(),
            })?;
        Ok(Self { date: row.get(0), morning: row.get(1) })
    }

    /// When it does what: as the calendar of the exchange has it, else from 9:30 to 16:00, without
    /// auctions.
    pub(super) fn hours(&self, client: &mut Client) -> Result<Hours> {
        let row = client.query_opt(
            "SELECT pre_open_at, open_at, closing_auction_at, close_at
             FROM exchange.trading_day_times($1::text::date, $1::text::date)",
            &[&self.date],
        )?;
        if let Some(row) = row {
            return Ok(Hours::new(&row));
        }
        let row = client.query_one(
            "SELECT open_at, open_at, close_at, close_at
             FROM current_setting('exchange.time_zone') AS zone,
                  LATERAL (SELECT ($1::text::date + time '09:30') AT TIME ZONE zone AS open_at,
                                  ($1::text::date + time '16:00') AT TIME ZONE zone AS close_at) AS t",
            &[&self.date],
        )?;
        Ok(Hours::new(&row))
    }
}

/// Waits until the exchange knows no day to come, as it does by itself once its calendar is off.
pub(super) fn wait_until_cleared(client: &mut Client) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let scheduled = "SELECT FROM exchange.trading_days LIMIT 1";
    while client.query_opt(scheduled, &[])?.is_some() {
        ensure!(
            Instant::now() < deadline,
            "the exchange still has days in its calendar, half a minute after that was turned \
             off: see the server log"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// When a trading day does what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hours {
    /// From here on orders are collected; the open where there is no opening auction.
    pub(super) pre_open: SystemTime,
    /// Continuous trading begins.
    pub(super) open: SystemTime,
    /// Orders are collected again; the close where there is no closing auction.
    pub(super) closing_auction: SystemTime,
    /// The end.
    pub(super) close: SystemTime,
}

impl Hours {
    fn new(row: &Row) -> Self {
        let [pre_open, open, closing_auction, close] = [0, 1, 2, 3].map(|column| row.get(column));
        Self { pre_open, open, closing_auction, close }
    }

    /// Whether the day begins and ends with auctions.
    pub(super) fn has_auctions(&self) -> bool {
        self.pre_open < self.open
    }

    /// The same in microseconds after the open.
    pub(super) fn timetable(&self) -> Timetable {
        let after_open = |time: SystemTime| match time.duration_since(self.open) {
            Ok(after) => after.as_micros() as i64,
            Err(before) => -(before.duration().as_micros() as i64),
        };
        Timetable {
            pre_open_us: after_open(self.pre_open),
            closing_auction_us: after_open(self.closing_auction) as u64,
            close_us: after_open(self.close) as u64,
        }
    }
}

/// When a trading day does what, in microseconds after its open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timetable {
    /// Below 0; 0 where there is no opening auction.
    pub(super) pre_open_us: i64,
    /// The same as the close where there is no closing auction.
    pub(super) closing_auction_us: u64,
    pub(super) close_us: u64,
}
