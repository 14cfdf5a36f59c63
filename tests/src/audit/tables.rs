//! The tables, row by row.

use matcher::{
    FeeSchedule, Instrument, InstrumentId, InstrumentState, Money, Order, OrderType, PostOnly,
    RejectReason, RiskLimits, Trade, View,
};

use super::replay::Transfer;
use super::{Replay, Replayed, differences, names};
use crate::Session;
use crate::session::NULL;

/// What differs between the tables and the replay.
pub(super) fn findings(session: &mut Session, replay: &Replay) -> Vec<String> {
    let tables = [
        ("exchange.engine_state", ENGINE_STATE, engine_state(replay)),
        ("exchange.instruments", INSTRUMENTS, instruments(replay)),
        ("exchange.instrument_states", INSTRUMENT_STATES, instrument_states(replay)),
        ("exchange.participants", PARTICIPANTS, participants(replay)),
        ("exchange.accounts", ACCOUNTS, accounts(replay)),
        ("exchange.currencies", CURRENCIES, currencies(replay)),
        ("exchange.fee_schedules", FEE_SCHEDULES, fee_schedules(replay)),
        ("exchange.cash", CASH, cash(replay)),
        ("exchange.positions", POSITIONS, positions(replay)),
        ("exchange.risk_limits", RISK_LIMITS, risk_limits(replay)),
        ("exchange.trading_days", TRADING_DAYS, trading_days(replay)),
        ("exchange.transfers", TRANSFERS, transfers(replay)),
        ("exchange.busted_trades", BUSTED_TRADES, busted_trades(replay)),
        ("exchange.orders", &orders_query(), orders(replay)),
        ("exchange.trades", TRADES, trades(replay)),
        ("exchange.executions", EXECUTIONS, executions(replay)),
        ("exchange.balances", BALANCES, balances(replay)),
        ("exchange.holdings", HOLDINGS, holdings(replay)),
    ];
    let mut findings: Vec<String> = tables
        .into_iter()
        .flat_map(|(name, query, expected)| differences(name, expected, session.rows(&sql(query))))
        .collect();
    findings.extend(client_orders(session, replay));
    findings.extend(replay.public_events.findings());
    findings.extend(session.rows(UNBALANCED));
    findings.extend(session.rows(CANDLES));
    findings
}

/// A query in which `us(column)` is a `timestamptz` as microseconds since 2000-01-01 UTC.
pub(super) fn sql(query: &str) -> String {
    let mut sql = String::new();
    let mut rest = query;
    while let Some((before, after)) = rest.split_once("us(") {
        let (column, after) = after.split_once(')').expect("what was opened is closed");
        sql.push_str(before);
        sql.push_str(&format!(
            "((extract(epoch FROM {column}) * 1000000)::bigint - 946684800000000)"
        ));
        rest = after;
    }
    sql + rest
}

fn row<const N: usize>(columns: [String; N]) -> String {
    columns.join("|")
}

const ENGINE_STATE: &str = "
    SELECT sequence, time_us, last_trade_id, event_hash, market_phase, trade_date - '2000-01-01',
           maximum_open_orders, maximum_price_levels, maximum_positions, client_order_window
    FROM exchange.engine_state";

fn engine_state(replay: &Replay) -> Vec<String> {
    let counters = replay.exchange.counters();
    let limits = &replay.limits;
    vec![row([
        counters.sequence.to_string(),
        counters.time_us.to_string(),
        counters.last_trade_id.to_string(),
        counters.event_hash.cast_signed().to_string(),
        names::label(counters.market_phase),
        counters.trade_date.to_string(),
        limits.maximum_open_orders.to_string(),
        limits.maximum_price_levels.to_string(),
        limits.maximum_positions.to_string(),
        limits.client_order_window.to_string(),
    ])]
}

const INSTRUMENTS: &str = "
    SELECT instrument_id, symbol, trim_scale(tick_size), lot_size, trim_scale(maximum_price),
           us(created_at), currency
    FROM exchange.instruments";

fn instruments(replay: &Replay) -> Vec<String> {
    let instruments = replay.exchange.instruments().iter().zip(&replay.listed_at_us);
    let row = |(id, (instrument, time_us)): (usize, (&Instrument, &i64))| {
        row([
            id.to_string(),
            instrument.symbol.to_string(),
            names::price(instrument, 1),
            instrument.lot_size.to_string(),
            names::price(instrument, instrument.maximum_price_ticks),
            time_us.to_string(),
            instrument.currency.to_string(),
        ])
    };
    (1..).zip(instruments).map(row).collect()
}

const INSTRUMENT_STATES: &str = "
    SELECT symbol, phase, halted, us(halt_until), trim_scale(reference_price),
           trim_scale(last_price), trim_scale(collar), trim_scale(band),
           (extract(epoch FROM volatility_halt) * 1000000)::bigint, trim_scale(protection),
           transferred
    FROM exchange.instrument_states";

fn instrument_states(replay: &Replay) -> Vec<String> {
    let row = |(id, instrument): (InstrumentId, &Instrument)| {
        let state = replay.exchange.instrument_state(id).expect("it is listed");
        let InstrumentState { rules, .. } = state;
        let part = |ppm: u32| names::or_null((ppm != 0).then(|| names::part(ppm)));
        row([
            instrument.symbol.to_string(),
            names::label(state.phase),
            names::boolean(state.halted).to_owned(),
            names::unless_zero(state.halt_until_us),
            names::price_unless_zero(instrument, state.reference_price_ticks),
            names::price_unless_zero(instrument, state.last_price_ticks),
            part(rules.collar_ppm),
            part(rules.band_ppm),
            rules.volatility_halt_us.to_string(),
            names::part(rules.protection_ppm),
            state.transferred.to_string(),
        ])
    };
    (1..).zip(replay.exchange.instruments()).map(row).collect()
}

const PARTICIPANTS: &str = "
    SELECT participant_id, role, orders_per_second, burst, us(registered_at)
    FROM exchange.participants";

fn participants(replay: &Replay) -> Vec<String> {
    let participants = replay.exchange.participants().iter().zip(&replay.registered_at_us);
    let row = |(id, (participant, time_us)): (usize, (&matcher::Participant, &i64))| {
        // Of one that was never limited the burst means nothing.
        let has_burst = participant.orders_per_second != 0 || participant.burst != 1;
        row([
            id.to_string(),
            participant.role.to_string(),
            names::unless_zero(participant.orders_per_second),
            names::or_null(has_burst.then_some(participant.burst)),
            time_us.to_string(),
        ])
    };
    (1..).zip(participants).map(row).collect()
}

const ACCOUNTS: &str = "
    SELECT account_id, owner, status, kill_switch, fee_schedule_id, us(opened_at)
    FROM exchange.accounts";

fn accounts(replay: &Replay) -> Vec<String> {
    let row = |(id, time_us): (u32, &i64)| {
        let account = replay.exchange.account(id).expect("it was opened");
        row([
            id.to_string(),
            replay.exchange.participants()[account.owner as usize - 1].role.to_string(),
            names::label(account.status),
            names::boolean(account.killed).to_owned(),
            names::unless_zero(account.fee_schedule),
            time_us.to_string(),
        ])
    };
    (1..).zip(&replay.opened_at_us).map(row).collect()
}

const CURRENCIES: &str = "
    SELECT currency_id, currency, trim_scale(fees), trim_scale(transferred)
    FROM exchange.currencies";

fn currencies(replay: &Replay) -> Vec<String> {
    let row = |(id, currency): (usize, &matcher::Currency)| {
        row([
            id.to_string(),
            currency.code.to_string(),
            names::money(currency.fees),
            names::money(currency.transferred),
        ])
    };
    (1..).zip(replay.exchange.currencies()).map(row).collect()
}

const FEE_SCHEDULES: &str = "
    SELECT fee_schedule_id, name, trim_scale(maker_rate), trim_scale(taker_rate),
           trim_scale(auction_rate), us(created_at)
    FROM exchange.fee_schedules";

fn fee_schedules(replay: &Replay) -> Vec<String> {
    let schedules = replay.exchange.fee_schedules().iter().zip(&replay.schedules_at_us);
    let row = |(id, (schedule, time_us)): (usize, (&FeeSchedule, &i64))| {
        row([
            id.to_string(),
            schedule.name.to_string(),
            names::part(schedule.maker_ppm),
            names::part(schedule.taker_ppm),
            names::part(schedule.auction_ppm),
            time_us.to_string(),
        ])
    };
    (1..).zip(schedules).map(row).collect()
}

const CASH: &str = "
    SELECT account_id, currency, trim_scale(balance), trim_scale(credit_limit) FROM exchange.cash";

fn cash(replay: &Replay) -> Vec<String> {
    let row = |cash: matcher::Cash| {
        row([
            cash.account.to_string(),
            currency(replay, cash.currency),
            names::money(cash.balance),
            names::money(cash.credit_limit),
        ])
    };
    replay.exchange.all_cash().into_iter().map(row).collect()
}

const BALANCES: &str = "
    SELECT account_id, currency, trim_scale(balance), trim_scale(held), trim_scale(available)
    FROM exchange.balances";

fn balances(replay: &Replay) -> Vec<String> {
    let row = |cash: matcher::Cash| {
        row([
            cash.account.to_string(),
            currency(replay, cash.currency),
            names::money(cash.balance),
            names::money(cash.held),
            names::money(cash.available()),
        ])
    };
    replay.exchange.all_cash().into_iter().map(row).collect()
}

const POSITIONS: &str = "
    SELECT account_id, symbol, quantity, short_limit, trade_date - '2000-01-01', bought_quantity,
           sold_quantity, trim_scale(bought_value), trim_scale(sold_value)
    FROM exchange.positions";

fn positions(replay: &Replay) -> Vec<String> {
    let row = |position: matcher::Position| {
        let instrument = instrument(replay, position.instrument);
        let [bought_quantity, sold_quantity] = position.traded_quantity;
        let [bought_value, sold_value] = position.traded_value_ticks;
        row([
            position.account.to_string(),
            instrument.symbol.to_string(),
            position.quantity.to_string(),
            position.short_limit.to_string(),
            position.trade_date.to_string(),
            bought_quantity.to_string(),
            sold_quantity.to_string(),
            names::price(instrument, bought_value),
            names::price(instrument, sold_value),
        ])
    };
    replay.exchange.all_positions().into_iter().map(row).collect()
}

const HOLDINGS: &str = "
    SELECT account_id, symbol, quantity, held, available FROM exchange.holdings";

fn holdings(replay: &Replay) -> Vec<String> {
    let row = |position: matcher::Position| {
        let [_, held] = position.open_quantity;
        row([
            position.account.to_string(),
            instrument(replay, position.instrument).symbol.to_string(),
            position.quantity.to_string(),
            held.to_string(),
            (position.quantity - held + position.short_limit).to_string(),
        ])
    };
    replay.exchange.all_positions().into_iter().map(row).collect()
}

const RISK_LIMITS: &str = "
    SELECT account_id, symbol, order_quantity, trim_scale(order_value), daily_bought_quantity,
           daily_sold_quantity, trim_scale(daily_bought_value), trim_scale(daily_sold_value),
           open_orders
    FROM exchange.risk_limits";

fn risk_limits(replay: &Replay) -> Vec<String> {
    let exchange = &replay.exchange;
    let symbol = |id: InstrumentId| instrument(replay, id).symbol.to_string();
    let of_accounts = (1..=exchange.account_count())
        .map(|id| (id, String::new(), exchange.account(id).expect("it was opened").limits));
    let of_instruments = (1..).zip(exchange.instruments()).map(|(id, _)| {
        (0, symbol(id), exchange.instrument_state(id).expect("it is listed").limits)
    });
    let of_positions = exchange
        .all_positions()
        .into_iter()
        .map(|position| (position.account, symbol(position.instrument), position.limits));
    let row = |(account, symbol, limits): (u32, String, RiskLimits)| {
        let quantity = |limit: i64| names::or_null((limit != i64::MAX).then_some(limit));
        let value =
            |limit: Money| names::or_null((limit != Money::MAX).then(|| names::money(limit)));
        let open_orders = limits.open_orders;
        let row = row([
            account.to_string(),
            symbol,
            quantity(limits.order_quantity),
            value(limits.order_value),
            quantity(limits.daily_bought_quantity),
            quantity(limits.daily_sold_quantity),
            value(limits.daily_bought_value),
            value(limits.daily_sold_value),
            names::or_null((open_orders != u32::MAX).then_some(open_orders)),
        ]);
        (limits != RiskLimits::NONE).then_some(row)
    };
    of_accounts.chain(of_instruments).chain(of_positions).filter_map(row).collect()
}

const TRADING_DAYS: &str = "
    SELECT trade_date - '2000-01-01', us(pre_open_at), us(open_at), us(closing_auction_at),
           us(close_at), steps_taken
    FROM exchange.trading_days";

fn trading_days(replay: &Replay) -> Vec<String> {
    let row = |(day, steps_taken): (matcher::TradingDay, u8)| {
        row([
            day.trade_date.to_string(),
            day.pre_open_us.to_string(),
            day.open_us.to_string(),
            day.closing_auction_us.to_string(),
            day.close_us.to_string(),
            steps_taken.to_string(),
        ])
    };
    replay.exchange.schedule().into_iter().map(row).collect()
}

const TRANSFERS: &str = "
    SELECT sequence, account_id, currency, symbol, trim_scale(amount), us(transferred_at)
    FROM exchange.transfers";

fn transfers(replay: &Replay) -> Vec<String> {
    let row = |transfer: &Transfer| {
        let Transfer { stamp, account, cash, shares } = transfer;
        let amount = cash.map(|(_, amount)| names::money(amount));
        row([
            stamp.sequence.to_string(),
            account.to_string(),
            names::or_null(cash.map(|(id, _)| currency(replay, id))),
            names::or_null(shares.map(|(id, _)| instrument(replay, id).symbol)),
            names::or_null(amount.or(shares.map(|(_, quantity)| quantity.to_string()))),
            stamp.time_us.to_string(),
        ])
    };
    replay.transfers.iter().map(row).collect()
}

const BUSTED_TRADES: &str = "SELECT trade_id, us(busted_at) FROM exchange.busted_trades";

fn busted_trades(replay: &Replay) -> Vec<String> {
    let row = |id: matcher::TradeId| format!("{id}|{}", replay.busted_at_us[&id]);
    replay.exchange.busted_trades().into_iter().map(row).collect()
}

/// Those of an order, but for when it last changed.
const ORDER_COLUMNS: &str = "
    order_id, account_id, symbol, side, time_in_force, status, reject_reason, trim_scale(price),
    quantity, filled_quantity, remaining_quantity, trim_scale(turnover), priority, us(created_at),
    order_type, trim_scale(stop_price), trim_scale(trail), minimum_quantity, display_quantity,
    displayed_quantity, hidden, all_or_none, post_only, peg, stop_trigger, us(expire_at),
    linked_order_id, client_order_id, session_id, self_trade_prevention, fee_schedule_id, triggered,
    cancel_reason";

fn orders_query() -> String {
    // Of a finished order, the partition of the day on which it finished.
    format!(
        "SELECT CASE WHEN tableoid = 'exchange.open_orders'::regclass THEN 'exchange.open_orders'
                     WHEN tableoid::regclass::text = 'exchange.finished_orders_' || to_char(
                              updated_at AT TIME ZONE current_setting('exchange.time_zone'), 'YYYYMMDD')
                     THEN 'exchange.finished_orders' ELSE tableoid::regclass::text END,
                us(updated_at), {ORDER_COLUMNS} FROM exchange.orders"
    )
}

fn orders(replay: &Replay) -> Vec<String> {
    let row = |replayed: &Replayed| {
        let table = match replayed.order.status.is_open() {
            true => "exchange.open_orders",
            false => "exchange.finished_orders",
        };
        format!("{table}|{}|{}", replayed.updated_at_us, order(replay, &replayed.order))
    };
    replay.orders.values().map(row).collect()
}

/// An order as [`ORDER_COLUMNS`] have it.
fn order(replay: &Replay, order: &Order) -> String {
    let instrument = instrument(replay, order.instrument);
    let terms = &order.terms;
    let displayed = (order.displayed != order.remaining).then_some(order.displayed);
    let is_stop = matches!(
        terms.order_type,
        OrderType::Stop | OrderType::StopLimit | OrderType::TrailingStop
    );
    row([
        order.order_id.to_string(),
        order.account.to_string(),
        instrument.symbol.to_string(),
        names::label(order.side),
        names::time_in_force(order.time_in_force).to_owned(),
        names::label(order.status),
        names::label_unless(RejectReason::None, order.reject_reason),
        names::price_unless_zero(instrument, order.price_ticks),
        order.quantity.to_string(),
        order.filled.to_string(),
        order.remaining.to_string(),
        names::price(instrument, order.turnover_ticks),
        order.priority.to_string(),
        order.created_at_us.to_string(),
        names::label(terms.order_type),
        names::price_unless_zero(instrument, terms.stop_price_ticks),
        names::price_unless_zero(instrument, terms.trail_ticks),
        names::unless_zero(terms.minimum_quantity),
        names::unless_zero(terms.display_quantity),
        names::or_null(displayed),
        names::boolean(terms.hidden).to_owned(),
        names::boolean(terms.all_or_none).to_owned(),
        names::label_unless(PostOnly::No, terms.post_only),
        names::label_unless(matcher::Peg::None, terms.peg),
        if is_stop { names::label(terms.trigger) } else { NULL.to_owned() },
        names::unless_zero(terms.expire_at_us),
        names::unless_zero(terms.linked_order),
        names::or_null(terms.client_order_id),
        names::unless_zero(terms.session),
        names::label(order.self_trade_prevention),
        names::unless_zero(order.fee_schedule),
        names::boolean(order.triggered).to_owned(),
        names::label_unless(matcher::CancelReason::None, order.cancel_reason),
    ])
}

/// The first answers. What is not remembered any more may still be in the table for a while.
fn client_orders(session: &mut Session, replay: &Replay) -> Vec<String> {
    let window = u64::from(replay.limits.client_order_window);
    let forgotten = replay.exchange.counters().sequence.saturating_sub(window);
    let answers = replay.exchange.client_orders();
    let expected =
        answers.iter().filter(|answer| answer.order_id > forgotten).map(|of| order(replay, of));
    let found = session.rows(&sql(&format!(
        "SELECT {ORDER_COLUMNS} FROM exchange.client_orders
         WHERE order_id > {forgotten}"
    )));
    differences("exchange.client_orders", expected.collect(), found)
}

const TRADES: &str = "
    SELECT trade_id, symbol, trim_scale(price), quantity, taker_side, us(executed_at), in_auction,
           us(busted_at)
    FROM exchange.trades";

fn trades(replay: &Replay) -> Vec<String> {
    let row = |(time_us, trade): &(i64, Trade)| {
        let instrument = instrument(replay, trade.instrument);
        row([
            trade.trade_id.to_string(),
            instrument.symbol.to_string(),
            names::price(instrument, trade.price_ticks),
            trade.quantity.to_string(),
            names::label(trade.taker_side),
            time_us.to_string(),
            names::boolean(trade.in_auction).to_owned(),
            names::or_null(replay.busted_at_us.get(&trade.trade_id)),
        ])
    };
    replay.trades.iter().map(row).collect()
}

const EXECUTIONS: &str = "
    SELECT trade_id, order_id, account_id, symbol, side, liquidity, trim_scale(price), quantity,
           us(executed_at), trim_scale(fee), us(busted_at)
    FROM exchange.executions";

fn executions(replay: &Replay) -> Vec<String> {
    let rows = |(time_us, trade): &(i64, Trade)| {
        let instrument = instrument(replay, trade.instrument);
        let (maker_side, taker_side) = (trade.taker_side.opposite(), trade.taker_side);
        let (maker, taker) = (trade.maker_order_id, trade.taker_order_id);
        let maker = (maker, trade.maker_account, maker_side, "maker", trade.maker_fee);
        let taker = (taker, trade.taker_account, taker_side, "taker", trade.taker_fee);
        [maker, taker].map(|(order_id, account, side, liquidity, fee)| {
            let liquidity = if trade.in_auction { "auction" } else { liquidity };
            row([
                trade.trade_id.to_string(),
                order_id.to_string(),
                account.to_string(),
                instrument.symbol.to_string(),
                names::label(side),
                liquidity.to_owned(),
                names::price(instrument, trade.price_ticks),
                trade.quantity.to_string(),
                time_us.to_string(),
                names::money(fee),
                names::or_null(replay.busted_at_us.get(&trade.trade_id)),
            ])
        })
    };
    replay.trades.iter().flat_map(rows).collect()
}

fn instrument(replay: &Replay, id: InstrumentId) -> &Instrument {
    &replay.exchange.instruments()[id as usize - 1]
}

fn currency(replay: &Replay, id: matcher::CurrencyId) -> String {
    replay.exchange.currencies()[usize::from(id) - 1].code.to_string()
}

const UNBALANCED: &str = "
    SELECT 'exchange.conservation: the books are not balanced: ' || c::text
    FROM exchange.conservation AS c WHERE difference <> 0";

/// The candles against the tape, which was compared with the replay before.
const CANDLES: &str = "
    WITH spans AS (
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
        WHERE busted_at IS NULL
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
    LIMIT 10";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_asked_for_in_microseconds() {
        let sql = sql("SELECT a, us(b), status FROM t WHERE us(c) = 1");
        assert!(sql.starts_with("SELECT a, ((extract(epoch FROM b) * 1000000)::bigint - "));
        assert!(sql.contains("FROM c)") && sql.ends_with(" = 1") && !sql.contains("us("));
    }
}
