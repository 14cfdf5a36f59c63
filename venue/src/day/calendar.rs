//! Which day is traded, and when its session is.

use std::time::SystemTime;

use anyhow::{Context, Result};
use postgres::Client;

/// A trading day.
#[derive(Clone, Debug)]
pub struct TradingDay {
    /// Its date, as in 2026-11-20.
    pub date: String,
    /// The evening of the day before is over; nothing of the day has happened.
    pub morning: SystemTime,
    /// The begin of the session, 9:30.
    pub open: SystemTime,
    /// Its end, 16:00.
    pub close: SystemTime,
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
                 SELECT to_char(date, 'YYYY-MM-DD'),
                        (date + time '08:00') AT TIME ZONE zone,
                        (date + time '09:30') AT TIME ZONE zone,
                        (date + time '16:00') AT TIME ZONE zone
                 FROM exchange, day",
                &[&date],
            )
            .with_context(|| match date {
                Some(date) => format!("not a date: {date} (write it as in 2026-11-20)"),
                None => "cannot find the last trading day".to_owned(),
            })?;
        Ok(Self { date: row.get(0), morning: row.get(1), open: row.get(2), close: row.get(3) })
    }
}
