//! Trades that were cancelled after they had been written: rare, so in SQL.

use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::{Spi, pg_sys};

use matcher::TradeId;

use super::candles::Candles;
use crate::datum::timestamp;

/// Marks a trade and its executions, and makes the candles without it. After the trades and
/// candles of the transaction were written, for it may be one of them. Where the trade is not
/// on the tape any more, there is nothing to mark.
pub fn mark(trade_id: TradeId, time_us: i64, candles: &mut Candles) {
    let Some((symbol, executed_at_us)) = mark_trade(trade_id, time_us) else { return };
    run(
        "UPDATE exchange.executions SET busted_at = $1
         WHERE symbol = $2 AND executed_at = $3 AND trade_id = $4",
        &[
            timestamp(time_us),
            symbol.as_str().into(),
            timestamp(executed_at_us),
            (trade_id as i64).into(),
        ],
    );
    candles.make_anew(&symbol, executed_at_us);
}

/// Symbol and time of the trade.
fn mark_trade(trade_id: TradeId, time_us: i64) -> Option<(String, i64)> {
    let marked = Spi::connect_mut(|client| {
        let rows = client.update(
            "UPDATE exchange.trades SET busted_at = $1 WHERE trade_id = $2
             RETURNING symbol, executed_at",
            None,
            &[timestamp(time_us), (trade_id as i64).into()],
        )?;
        let mut trade = None;
        for row in rows {
            let symbol = row.get::<String>(1)?;
            let executed_at = row.get::<TimestampWithTimeZone>(2)?;
            trade = symbol.zip(executed_at.map(pg_sys::TimestampTz::from));
        }
        Ok::<_, pgrx::spi::SpiError>(trade)
    });
    marked.unwrap_or_else(|error| panic!("trade {trade_id} cannot be marked as busted: {error}"))
}

/// Runs a statement in the current transaction; it sees what was written before.
pub fn run(statement: &str, arguments: &[DatumWithOid<'_>]) {
    if let Err(error) = Spi::run_with_args(statement, arguments) {
        panic!("the tables cannot be written: {error}");
    }
}
