//! The tables, row by row.

use matcher::{Instrument, InstrumentId, Trade};

use super::{Replay, Replayed, differences, names};
use crate::Session;

/// What differs between the tables and the replay.
pub(super) fn findings(session: &mut Session, replay: &Replay) -> Vec<String> {
    let tables = [
        ("exchange.engine_state", ENGINE_STATE.to_owned(), vec![engine_state(replay)]),
        ("exchange.instruments", instruments_query(), instruments(replay)),
        ("exchange.accounts", accounts_query(), accounts(replay)),
        ("exchange.orders", orders_query(), orders(replay)),
        ("exchange.trades", trades_query(), trades(replay)),
        ("exchange.executions", executions_query(), executions(replay)),
    ];
    let mut findings: Vec<String> = tables
        .into_iter()
        .flat_map(|(name, query, expected)| differences(name, expected, session.rows(&query)))
        .collect();
    findings.extend(candles(session));
    findings
}

/// A `timestamptz` as microseconds since 2000-01-01 UTC.
fn microseconds(column: &str) -> String {
    format!("(extract(epoch FROM {column}) * 1000000)::bigint - 946684800000000")
}

const ENGINE_STATE: &str =
    "SELECT sequence, time_us, last_trade_id, event_hash, market_open FROM exchange.engine_state";

fn engine_state(replay: &Replay) -> String {
    let counters = replay.exchange.counters();
    format!(
        "{}|{}|{}|{}|{}",
        counters.sequence,
        counters.time_us,
        counters.last_trade_id,
        counters.event_hash.cast_signed(),
        names::boolean(counters.market_open),
    )
}

fn instruments_query() -> String {
    let created_at = microseconds("created_at");
    format!(
        "SELECT instrument_id, symbol, trim_scale(tick_size), lot_size, trim_scale(maximum_price),
                {created_at}
         FROM exchange.instruments"
    )
}

fn instruments(replay: &Replay) -> Vec<String> {
    let row = |(id, (time_us, instrument)): (usize, &(i64, Instrument))| {
        format!(
            "{}|{}|{}|{}|{}|{time_us}",
            id + 1,
            instrument.symbol,
            names::money(instrument, 1),
            instrument.lot_size,
            names::money(instrument, instrument.maximum_price_ticks),
        )
    };
    replay.instruments.iter().enumerate().map(row).collect()
}

fn accounts_query() -> String {
    let opened_at = microseconds("opened_at");
    format!("SELECT account_id, owner, {opened_at} FROM exchange.accounts")
}

fn accounts(replay: &Replay) -> Vec<String> {
    let accounts = replay.accounts.iter().enumerate();
    accounts.map(|(id, (time_us, owner))| format!("{}|{owner}|{time_us}", id + 1)).collect()
}

fn orders_query() -> String {
    let (created_at, updated_at) = (microseconds("created_at"), microseconds("updated_at"));
    format!(
        "SELECT order_id, tableoid::regclass, account_id, symbol, side, time_in_force, status,
                reject_reason, trim_scale(price), quantity, filled_quantity, remaining_quantity,
                trim_scale(turnover), priority, {created_at}, {updated_at}
         FROM exchange.orders"
    )
}

fn orders(replay: &Replay) -> Vec<String> {
    let row = |replayed: &Replayed| {
        let order = &replayed.order;
        let instrument = instrument(replay, order.instrument);
        let table = match order.status.is_open() {
            true => "exchange.open_orders",
            false => "exchange.finished_orders",
        };
        let columns = [
            order.order_id.to_string(),
            table.to_owned(),
            order.account.to_string(),
            instrument.symbol.to_string(),
            names::side(order.side).to_owned(),
            names::time_in_force(order.time_in_force).to_owned(),
            names::status(order.status).to_owned(),
            names::reject_reason(order.reject_reason).to_owned(),
            names::money(instrument, order.price_ticks),
            order.quantity.to_string(),
            order.filled.to_string(),
            order.remaining.to_string(),
            names::money(instrument, order.turnover_ticks),
            order.order_id.to_string(),
            order.created_at_us.to_string(),
            replayed.updated_at_us.to_string(),
        ];
        columns.join("|")
    };
    replay.orders.values().map(row).collect()
}

fn trades_query() -> String {
    let executed_at = microseconds("executed_at");
    format!(
        "SELECT trade_id, symbol, trim_scale(price), quantity, taker_side, {executed_at}
         FROM exchange.trades"
    )
}

fn trades(replay: &Replay) -> Vec<String> {
    let row = |(time_us, trade): &(i64, Trade)| {
        let instrument = instrument(replay, trade.instrument);
        format!(
            "{}|{}|{}|{}|{}|{time_us}",
            trade.trade_id,
            instrument.symbol,
            names::money(instrument, trade.price_ticks),
            trade.quantity,
            names::side(trade.taker_side),
        )
    };
    replay.trades.iter().map(row).collect()
}

fn executions_query() -> String {
    let executed_at = microseconds("executed_at");
    format!(
        "SELECT trade_id, order_id, account_id, symbol, side, liquidity, trim_scale(price),
                quantity, {executed_at}
         FROM exchange.executions"
    )
}

fn executions(replay: &Replay) -> Vec<String> {
    let rows = |(time_us, trade): &(i64, Trade)| {
        let instrument = instrument(replay, trade.instrument);
        let (maker_side, taker_side) = (trade.taker_side.opposite(), trade.taker_side);
        let maker = (trade.maker_order_id, trade.maker_account, maker_side, "maker");
        let taker = (trade.taker_order_id, trade.taker_account, taker_side, "taker");
        [maker, taker].map(|(order_id, account, side, liquidity)| {
            format!(
                "{}|{order_id}|{account}|{}|{}|{liquidity}|{}|{}|{time_us}",
                trade.trade_id,
                instrument.symbol,
                names::side(side),
                names::money(instrument, trade.price_ticks),
                trade.quantity,
            )
        })
    };
    replay.trades.iter().flat_map(rows).collect()
}

fn instrument(replay: &Replay, id: InstrumentId) -> &Instrument {
    &replay.instruments[id as usize - 1].1
}

/// The candles against the tape, which was compared with the replay before.
fn candles(session: &mut Session) -> Vec<String> {
    session.rows(
        "WITH spans AS (
             SELECT t.*, s.*
             FROM exchange.trades AS t
             CROSS JOIN LATERAL (SELECT current_setting('exchange.time_zone') AS name) AS zone
             CROSS JOIN LATERAL (VALUES
                 (interval '1 minute', date_trunc('minute', executed_at)),
                 (interval '5 minutes',
                  date_bin('5 minutes', executed_at, timestamptz '2000-01-01 00:00 UTC')),
                 (interval '1 hour',
                  date_bin('1 hour', executed_at, timestamptz '2000-01-01 00:00 UTC')),
                 (interval '1 day', date_trunc('day', executed_at, zone.name)),
                 (interval '7 days', date_trunc('week', executed_at, zone.name)),
                 (interval '1 month', date_trunc('month', executed_at, zone.name))
             ) AS s (resolution, opened_at)
         ), tape AS (
             SELECT symbol, resolution, opened_at, (array_agg(price ORDER BY trade_id))[1] AS open,
                    max(price) AS high, min(price) AS low,
                    (array_agg(price ORDER BY trade_id DESC))[1] AS close,
                    sum(quantity)::bigint AS volume, sum(price * quantity) AS turnover,
                    count(*) AS trade_count
             FROM spans
             GROUP BY symbol, resolution, opened_at
         )
         SELECT 'exchange.candles: by the tape there should be ' || a::text
         FROM (TABLE tape EXCEPT ALL TABLE exchange.candles) AS a
         UNION ALL
         SELECT 'exchange.candles: by the tape there should not be ' || b::text
         FROM (TABLE exchange.candles EXCEPT ALL TABLE tape) AS b
         LIMIT 10",
    )
}
