//! The accountant: every report once more, from what the naive exchange makes of the journal, in
//! whole numbers, and with none of the queries.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use matcher::{
    AccountId, CancelReason, Instrument, InstrumentId, Money, OrderStatus, RejectReason, Side,
    Trade, View,
};

use super::{Replay, differences, names};
use crate::Session;
use crate::session::NULL;

/// A trade date that is closed: its name, and from when to before when it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// As in 2026-11-24.
    pub date: String,
    /// In microseconds since 2000-01-01 UTC.
    pub begins_us: i64,
    /// In microseconds since 2000-01-01 UTC.
    pub ends_us: i64,
}

impl Day {
    fn has(&self, time_us: i64) -> bool {
        (self.begins_us..self.ends_us).contains(&time_us)
    }
}

/// One side of a trade.
#[derive(Clone, Copy)]
struct Execution<'a> {
    time_us: i64,
    trade: &'a Trade,
    instrument: &'a Instrument,
    side: Side,
    order: u64,
    account: AccountId,
    liquidity: &'static str,
    fee: Money,
    busted_us: Option<i64>,
}

impl Execution<'_> {
    /// Price × quantity.
    fn value(&self) -> Money {
        Money::from(self.trade.price_ticks)
            * Money::from(self.trade.quantity)
            * self.instrument.tick_value()
    }

    /// What came of shares, and what came of money but for the fee.
    fn came(&self) -> (i128, Money) {
        let quantity = i128::from(self.trade.quantity);
        match self.side {
            Side::Buy => (quantity, -self.value()),
            Side::Sell => (-quantity, self.value()),
        }
    }
}

/// Where in a statement a movement stands.
const COLUMNS: [&str; 6] = ["deposited", "withdrawn", "bought", "sold", "fees", "busted"];
const DEPOSITED: usize = 0;
const WITHDRAWN: usize = 1;
const BOUGHT: usize = 2;
const SOLD: usize = 3;
const FEES: usize = 4;
const BUSTED: usize = 5;

/// Something that changed what an account has.
struct Movement<'a> {
    time_us: i64,
    account: AccountId,
    /// Money or shares, and what for.
    asset: Asset<'a>,
    column: usize,
    amount: i128,
    /// Of what was traded.
    traded: Option<&'a Instrument>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asset<'a> {
    Currency(&'a str),
    Instrument(&'a str),
}

impl Asset<'_> {
    fn amount(self, amount: i128) -> String {
        match self {
            Self::Currency(_) => names::money(amount),
            Self::Instrument(_) => amount.to_string(),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Currency(code) => format!("currency|{code}"),
            Self::Instrument(symbol) => format!("instrument|{symbol}"),
        }
    }
}

/// What differs between the reports of days, all of them closed and the first one the first that
/// the venue traded on, and the accountant's.
pub fn findings(session: &mut Session, replay: &Replay, days: &[Day]) -> Vec<String> {
    let accountant = Accountant { replay, days };
    let (first, last) = (&days[0].date, &days[days.len() - 1].date);
    let range = format!("'{first}', '{last}'");
    let reports: [(&str, String, Vec<String>); 19] = [
        (
            "closed_days",
            "SELECT trade_date, us(begins_at), us(ends_at), last_sequence - first_sequence + 1 >= orders,
                    orders, trades
             FROM exchange.closed_days"
                .to_owned(),
            accountant.closed_days(),
        ),
        (
            "end_of_day_statements",
            "SELECT trade_date, account_id, asset_kind, asset, trim_scale(opening), trim_scale(deposited),
                    trim_scale(withdrawn), trim_scale(bought), trim_scale(sold), trim_scale(fees),
                    trim_scale(busted), trim_scale(closing)
             FROM exchange.end_of_day_statements"
                .to_owned(),
            accountant.statements(days),
        ),
        (
            "account_activity",
            format!(
                "SELECT '{first}', account_id, asset_kind, asset, trim_scale(opening),
                        trim_scale(deposited), trim_scale(withdrawn), trim_scale(bought), trim_scale(sold),
                        trim_scale(fees), trim_scale(busted), trim_scale(closing)
                 FROM exchange.account_activity({range})
                 WHERE (opening, deposited, withdrawn, bought, sold, fees, busted) <> (0, 0, 0, 0, 0, 0, 0)"
            ),
            accountant.statements(&[Day {
                date: first.clone(),
                begins_us: days[0].begins_us,
                ends_us: days[days.len() - 1].ends_us,
            }]),
        ),
        (
            "account_movements",
            format!(
                "SELECT trade_date, account_id, asset_kind, asset,
                        CASE movement WHEN 'deposit' THEN 'deposited' WHEN 'withdrawal' THEN 'withdrawn'
                                      WHEN 'buy' THEN 'bought' WHEN 'sell' THEN 'sold'
                                      WHEN 'fee' THEN 'fees' ELSE 'busted' END,
                        trim_scale(amount), us(occurred_at)
                 FROM exchange.account_movements({range})"
            ),
            accountant.movement_rows(),
        ),
        (
            "end_of_day_prices",
            "SELECT trade_date, symbol, currency, trim_scale(open), trim_scale(high), trim_scale(low),
                    trim_scale(close), trim_scale(previous_close), volume, trim_scale(turnover), trades,
                    auction_volume
             FROM exchange.end_of_day_prices"
                .to_owned(),
            accountant.prices(),
        ),
        (
            "settlement_obligations",
            "SELECT trade_date, account_id, symbol, currency, settlement_date, quantity, trim_scale(amount),
                    trim_scale(fees)
             FROM exchange.settlement_obligations"
                .to_owned(),
            accountant.obligations(),
        ),
        (
            "trade_history",
            format!(
                "SELECT trade_date, trade_id, order_id, account_id, symbol, side, liquidity, quantity,
                        trim_scale(price), currency, trim_scale(value), trim_scale(fee), trim_scale(amount),
                        us(executed_at), settlement_date, us(busted_at)
                 FROM exchange.trade_history({range})"
            ),
            accountant.trade_history(),
        ),
        (
            "orders_and_executions",
            format!(
                "SELECT trade_date, us(occurred_at), line, order_id, trade_id, account_id, symbol, side,
                        order_type, quantity, trim_scale(price), filled_quantity, status, reject_reason,
                        cancel_reason, liquidity, trim_scale(fee), us(busted_at)
                 FROM exchange.orders_and_executions({range})"
            ),
            accountant.orders_and_executions(),
        ),
        (
            "tax_lots",
            "SELECT a.account_id, symbol, quantity, acquired_by, acquired_with, disposed_by, disposed_with,
                    is_short, us(closed_at), trim_scale(cost), trim_scale(proceeds), trim_scale(gain)
             FROM exchange.accounts AS a CROSS JOIN LATERAL exchange.tax_lots(a.account_id)"
                .to_owned(),
            accountant.lots().iter().map(|lot| lot.row()).collect(),
        ),
        (
            "realised_gains",
            format!(
                "SELECT account_id, symbol, quantity, trim_scale(proceeds), trim_scale(cost), trim_scale(gain),
                        quantity_without_cost, trim_scale(proceeds_without_cost)
                 FROM exchange.realised_gains({range})"
            ),
            accountant.realised_gains(),
        ),
        (
            "order_to_trade_ratios",
            format!(
                "SELECT account_id, symbol, orders, rejected, cancelled, ordered_quantity, executions,
                        traded_quantity, trim_scale(order_ratio), trim_scale(quantity_ratio)
                 FROM exchange.order_to_trade_ratios({range})"
            ),
            accountant.order_to_trade_ratios(),
        ),
        (
            "wash_trade_candidates",
            format!(
                "SELECT pattern, trade_id, symbol, buyer_account_id, buyer, seller_account_id, seller,
                        previous_trade_id, trim_scale(previous_price)
                 FROM exchange.wash_trade_candidates({range})"
            ),
            accountant.wash_trades(),
        ),
        (
            "layering_candidates",
            format!(
                "SELECT order_id, owner, executions, executed_quantity
                 FROM exchange.layering_candidates({range}, '5 seconds', 1.5)"
            ),
            accountant.layering(),
        ),
        (
            "large_positions",
            format!(
                "SELECT symbol, owner, quantity, total, trim_scale(part)
                 FROM exchange.large_positions('{last}', 0.05)"
            ),
            accountant.large_positions(),
        ),
        (
            "effective_spreads",
            format!(
                "SELECT trade_id, order_id, account_id, symbol, trim_scale(bid_price), trim_scale(ask_price),
                        trim_scale(effective_spread)
                 FROM exchange.effective_spreads({range})"
            ),
            accountant.effective_spreads(),
        ),
        (
            "execution_quality",
            format!(
                "SELECT account_id, symbol, orders, orders_with_execution, orders_filled, ordered_quantity,
                        filled_quantity, trim_scale(fill_rate)
                 FROM exchange.execution_quality({range}) WHERE orders > 0"
            ),
            accountant.execution_quality(),
        ),
        (
            "audit_trails: orders",
            format!(
                "SELECT us(occurred_at), order_id, account_id, symbol, actor
                 FROM exchange.audit_trails({range}) WHERE action = 'place'"
            ),
            accountant.placed(),
        ),
        (
            "audit_trails: executions",
            format!(
                "SELECT us(occurred_at), order_id, trade_id, action, quantity
                 FROM exchange.audit_trails({range}) WHERE action IN ('execution', 'bust')"
            ),
            accountant.executed(),
        ),
        (
            "audit_trails: ends",
            format!(
                "SELECT us(occurred_at), order_id, action, quantity, reason
                 FROM exchange.audit_trails({range})
                 WHERE action IN ('filled', 'cancelled', 'rejected', 'expired')"
            ),
            accountant.ended(),
        ),
    ];
    reports
        .into_iter()
        .flat_map(|(name, query, expected)| {
            let found = session.rows(&super::tables::sql(&query));
            let nothing = expected.is_empty().then(|| format!("{name}: nothing to compare"));
            println!("{name}: {} rows", found.len());
            differences(name, expected, found).into_iter().chain(nothing)
        })
        .collect()
}

struct Accountant<'a> {
    replay: &'a Replay,
    days: &'a [Day],
}

impl<'a> Accountant<'a> {
    fn day(&self, time_us: i64) -> Option<&'a Day> {
        self.days.iter().find(|day| day.has(time_us))
    }

    fn instrument(&self, id: InstrumentId) -> &'a Instrument {
        &self.replay.exchange.instruments()[id as usize - 1]
    }

    fn owner(&self, account: AccountId) -> String {
        let owner = self.replay.exchange.account(account).expect("it was opened").owner;
        self.replay.exchange.participants()[owner as usize - 1].role.to_string()
    }

    /// Both sides of every trade, the buyer's first.
    fn executions(&self) -> impl Iterator<Item = Execution<'a>> + '_ {
        self.replay.trades.iter().flat_map(|(time_us, trade)| {
            let sides = Side::ALL.map(|side| {
                let is_taker = side == trade.taker_side;
                let (order, account, liquidity, fee) = if is_taker {
                    (trade.taker_order_id, trade.taker_account, "taker", trade.taker_fee)
                } else {
                    (trade.maker_order_id, trade.maker_account, "maker", trade.maker_fee)
                };
                Execution {
                    time_us: *time_us,
                    trade,
                    instrument: self.instrument(trade.instrument),
                    side,
                    order,
                    account,
                    liquidity: if trade.in_auction { "auction" } else { liquidity },
                    fee,
                    busted_us: self.replay.busted_at_us.get(&trade.trade_id).copied(),
                }
            });
            sides.into_iter()
        })
    }

    fn movements(&self) -> Vec<Movement<'a>> {
        let mut movements = Vec::new();
        for transfer in &self.replay.transfers {
            let (asset, amount) = match (transfer.cash, transfer.shares) {
                (Some((currency, amount)), _) => {
                    let currency =
                        &self.replay.exchange.currencies()[usize::from(currency) - 1].code;
                    (Asset::Currency(currency.as_str()), amount)
                }
                (None, Some((instrument, quantity))) => {
                    let symbol = self.instrument(instrument).symbol.as_str();
                    (Asset::Instrument(symbol), i128::from(quantity))
                }
                (None, None) => unreachable!("a transfer is of money or of shares"),
            };
            movements.push(Movement {
                time_us: transfer.stamp.time_us,
                account: transfer.account,
                asset,
                column: if amount < 0 { WITHDRAWN } else { DEPOSITED },
                amount,
                traded: None,
            });
        }
        for execution in self.executions() {
            let Execution { time_us, instrument, account, fee, .. } = execution;
            let (shares, money) = execution.came();
            let traded = if execution.side == Side::Buy { BOUGHT } else { SOLD };
            let mut add = |time_us, asset, column, amount| {
                if amount != 0 {
                    let traded = Some(instrument);
                    movements.push(Movement { time_us, account, asset, column, amount, traded });
                }
            };
            let (of_shares, of_money) = (
                Asset::Instrument(instrument.symbol.as_str()),
                Asset::Currency(instrument.currency.as_str()),
            );
            add(time_us, of_shares, traded, shares);
            add(time_us, of_money, traded, money);
            add(time_us, of_money, FEES, -fee);
            if let Some(busted_us) = execution.busted_us {
                add(busted_us, of_shares, BUSTED, -shares);
                add(busted_us, of_money, BUSTED, -money);
                add(busted_us, of_money, BUSTED, fee);
            }
        }
        movements
    }

    fn closed_days(&self) -> Vec<String> {
        let row = |day: &Day| {
            let orders = self.replay.orders.values();
            let orders = orders.filter(|replayed| day.has(replayed.order.created_at_us)).count();
            let trades = self.replay.trades.iter().filter(|(time_us, _)| day.has(*time_us)).count();
            format!("{}|{}|{}|t|{orders}|{trades}", day.date, day.begins_us, day.ends_us)
        };
        self.days.iter().map(row).collect()
    }

    fn statements(&self, days: &[Day]) -> Vec<String> {
        let movements = self.movements();
        let mut rows = Vec::new();
        for day in days {
            let mut accounts: BTreeMap<_, (i128, [i128; 6])> = BTreeMap::new();
            for movement in movements.iter().filter(|movement| movement.time_us < day.ends_us) {
                let of = accounts.entry((movement.account, movement.asset)).or_default();
                if day.has(movement.time_us) {
                    of.1[movement.column] += movement.amount;
                } else {
                    of.0 += movement.amount;
                }
            }
            accounts.retain(|_, of| *of != (0, [0; 6]));
            rows.extend(accounts.into_iter().map(|((account, asset), (opening, moved))| {
                let closing = opening + moved.iter().sum::<i128>();
                let moved = moved.map(|amount| asset.amount(amount)).join("|");
                format!(
                    "{}|{account}|{}|{}|{moved}|{}",
                    day.date,
                    asset.name(),
                    asset.amount(opening),
                    asset.amount(closing)
                )
            }));
        }
        rows
    }

    fn movement_rows(&self) -> Vec<String> {
        let row = |movement: &Movement| {
            let day = self.day(movement.time_us)?;
            Some(format!(
                "{}|{}|{}|{}|{}|{}",
                day.date,
                movement.account,
                movement.asset.name(),
                COLUMNS[movement.column],
                movement.asset.amount(movement.amount),
                movement.time_us
            ))
        };
        self.movements().iter().filter_map(row).collect()
    }

    fn prices(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for day in self.days {
            for (id, instrument) in (1..).zip(self.replay.exchange.instruments()) {
                // Those that stood at a moment, and were made before it.
                let standing = |until_us: i64| {
                    let is_meant = move |(time_us, trade): &&(i64, Trade)| {
                        let busted_us = self.replay.busted_at_us.get(&trade.trade_id);
                        trade.instrument == id
                            && *time_us < until_us
                            && busted_us.is_none_or(|busted_us| *busted_us >= until_us)
                    };
                    self.replay.trades.iter().filter(is_meant)
                };
                let of_day: Vec<&Trade> = standing(day.ends_us)
                    .filter(|(time_us, _)| *time_us >= day.begins_us)
                    .map(|(_, trade)| trade)
                    .collect();
                let price = |ticks: Option<i64>| {
                    ticks.map_or_else(|| NULL.to_owned(), |ticks| names::price(instrument, ticks))
                };
                let last =
                    |until_us| standing(until_us).next_back().map(|(_, trade)| trade.price_ticks);
                let prices = || of_day.iter().map(|trade| trade.price_ticks);
                let volume = of_day.iter().map(|trade| trade.quantity).sum::<i64>();
                let turnover =
                    of_day.iter().map(|trade| trade.price_ticks * trade.quantity).sum::<i64>();
                let in_auctions = of_day.iter().filter(|trade| trade.in_auction);
                rows.push(format!(
                    "{}|{}|{}|{}|{}|{}|{}|{}|{volume}|{}|{}|{}",
                    day.date,
                    instrument.symbol,
                    instrument.currency,
                    price(prices().next()),
                    price(prices().max()),
                    price(prices().min()),
                    price(last(day.ends_us)),
                    price(last(day.begins_us)),
                    names::price(instrument, turnover),
                    of_day.len(),
                    in_auctions.map(|trade| trade.quantity).sum::<i64>(),
                ));
            }
        }
        rows
    }

    fn obligations(&self) -> Vec<String> {
        let mut net: BTreeMap<_, [i128; 3]> = BTreeMap::new();
        for movement in self.movements() {
            let (Some(day), Some(traded)) = (self.day(movement.time_us), movement.traded) else {
                continue;
            };
            let key = (&day.date, movement.account, traded.symbol.as_str(), &traded.currency);
            let sums = net.entry(key).or_default();
            match movement.asset {
                Asset::Instrument(_) => sums[0] += movement.amount,
                Asset::Currency(_) => sums[1] += movement.amount,
            }
        }
        // Fees, and those that came back.
        for execution in self.executions() {
            let Execution { account, instrument, fee, .. } = execution;
            for (time_us, fee) in [(Some(execution.time_us), -fee), (execution.busted_us, fee)] {
                if let Some(day) = time_us.and_then(|time_us| self.day(time_us)) {
                    let symbol = instrument.symbol.as_str();
                    net.entry((&day.date, account, symbol, &instrument.currency)).or_default()
                        [2] += fee;
                }
            }
        }
        net.retain(|_, [quantity, amount, _]| (*quantity, *amount) != (0, 0));
        net.into_iter()
            .map(|((date, account, symbol, currency), [quantity, amount, fees])| {
                let (amount, fees) = (names::money(amount), names::money(fees));
                let due = settlement_date(date);
                format!("{date}|{account}|{symbol}|{currency}|{due}|{quantity}|{amount}|{fees}")
            })
            .collect()
    }

    fn trade_history(&self) -> Vec<String> {
        let row = |execution: Execution| {
            let Execution { time_us, trade, instrument, fee, .. } = execution;
            let day = self.day(time_us)?;
            let (_, money) = execution.came();
            Some(format!(
                "{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{time_us}|{}|{}",
                day.date,
                trade.trade_id,
                execution.order,
                execution.account,
                instrument.symbol,
                names::label(execution.side),
                execution.liquidity,
                trade.quantity,
                names::price(instrument, trade.price_ticks),
                instrument.currency,
                names::money(execution.value()),
                names::money(fee),
                names::money(money - fee),
                settlement_date(&day.date),
                names::or_null(execution.busted_us),
            ))
        };
        self.executions().filter_map(row).collect()
    }

    fn orders_and_executions(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for replayed in self.replay.orders.values() {
            let order = &replayed.order;
            let Some(day) = self.day(order.created_at_us) else { continue };
            let instrument = self.instrument(order.instrument);
            rows.push(format!(
                "{}|{}|order|{}|{NULL}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{NULL}|{NULL}|{NULL}",
                day.date,
                order.created_at_us,
                order.order_id,
                order.account,
                instrument.symbol,
                names::label(order.side),
                names::label(order.terms.order_type),
                order.quantity,
                names::price_unless_zero(instrument, order.price_ticks),
                order.filled,
                names::label(order.status),
                names::label_unless(RejectReason::None, order.reject_reason),
                names::label_unless(CancelReason::None, order.cancel_reason),
            ));
        }
        for execution in self.executions() {
            let Execution { time_us, trade, instrument, .. } = execution;
            let Some(day) = self.day(time_us) else { continue };
            let order = &self.replay.orders[&execution.order].order;
            rows.push(format!(
                "{}|{time_us}|execution|{}|{}|{}|{}|{}|{}|{}|{}|{NULL}|{NULL}|{NULL}|{NULL}|{}|{}|{}",
                day.date,
                execution.order,
                trade.trade_id,
                execution.account,
                instrument.symbol,
                names::label(execution.side),
                names::label(order.terms.order_type),
                trade.quantity,
                names::price(instrument, trade.price_ticks),
                execution.liquidity,
                names::money(execution.fee),
                names::or_null(execution.busted_us),
            ));
        }
        rows
    }

    /// Shares in two queues: what waits to be sold, and what waits to be bought back.
    fn lots(&self) -> Vec<Lot<'a>> {
        let mut changes: BTreeMap<_, Vec<Change>> = BTreeMap::new();
        for transfer in &self.replay.transfers {
            let Some((instrument, quantity)) = transfer.shares else { continue };
            changes.entry((transfer.account, instrument)).or_default().push(Change {
                time_us: transfer.stamp.time_us,
                is_trade: false,
                reference: transfer.stamp.sequence,
                comes: quantity > 0,
                quantity: quantity.abs(),
                money: None,
            });
        }
        for execution in self.executions().filter(|execution| execution.busted_us.is_none()) {
            let Execution { time_us, trade, fee, .. } = execution;
            let comes = execution.side == Side::Buy;
            let money = if comes { execution.value() + fee } else { execution.value() - fee };
            changes.entry((execution.account, trade.instrument)).or_default().push(Change {
                time_us,
                is_trade: true,
                reference: trade.trade_id,
                comes,
                quantity: trade.quantity,
                money: Some(money),
            });
        }
        let mut lots = Vec::new();
        for ((account, instrument), mut changes) in changes {
            changes.sort_by_key(|change| (change.time_us, change.is_trade, change.reference));
            let symbol = self.instrument(instrument).symbol.as_str();
            let mut waiting: VecDeque<(Change, i64)> = VecDeque::new();
            for change in changes {
                let mut taken = 0;
                while taken < change.quantity
                    && let Some((other, used)) = waiting.front_mut()
                    && other.comes != change.comes
                {
                    let quantity = (change.quantity - taken).min(other.quantity - *used);
                    let sides = [other.part(*used, quantity), change.part(taken, quantity)];
                    let [acquired, disposed] =
                        if change.comes { [sides[1], sides[0]] } else { sides };
                    lots.push(Lot {
                        account,
                        symbol,
                        quantity,
                        acquired: Some(acquired),
                        disposed: Some(disposed),
                    });
                    taken += quantity;
                    *used += quantity;
                    if *used == other.quantity {
                        waiting.pop_front();
                    }
                }
                if taken < change.quantity {
                    waiting.push_back((change, taken));
                }
            }
            for (change, used) in waiting {
                let quantity = change.quantity - used;
                let part = Some(change.part(used, quantity));
                let (acquired, disposed) = if change.comes { (part, None) } else { (None, part) };
                lots.push(Lot { account, symbol, quantity, acquired, disposed });
            }
        }
        lots
    }

    fn realised_gains(&self) -> Vec<String> {
        // With a cost: quantity, proceeds, cost; without: quantity, proceeds.
        let mut gains: BTreeMap<_, [i128; 5]> = BTreeMap::new();
        for lot in self.lots() {
            let (Some(acquired), Some(disposed)) = (lot.acquired, lot.disposed) else { continue };
            let Some(proceeds) = disposed.money else { continue };
            if self.day(acquired.time_us.max(disposed.time_us)).is_none() {
                continue;
            }
            let sums = gains.entry((lot.account, lot.symbol)).or_default();
            let quantity = i128::from(lot.quantity);
            match acquired.money {
                Some(cost) => {
                    sums[0] += quantity;
                    sums[1] += proceeds;
                    sums[2] += cost;
                }
                None => {
                    sums[3] += quantity;
                    sums[4] += proceeds;
                }
            }
        }
        gains
            .into_iter()
            .map(|((account, symbol), [quantity, proceeds, cost, unknown, of_unknown])| {
                format!(
                    "{account}|{symbol}|{quantity}|{}|{}|{}|{unknown}|{}",
                    names::money(proceeds),
                    names::money(cost),
                    names::money(proceeds - cost),
                    names::money(of_unknown),
                )
            })
            .collect()
    }

    fn order_to_trade_ratios(&self) -> Vec<String> {
        let mut counts: BTreeMap<_, [i128; 6]> = BTreeMap::new();
        for replayed in self.replay.orders.values() {
            let order = &replayed.order;
            if self.day(order.created_at_us).is_some() {
                let of = counts.entry((order.account, order.instrument)).or_default();
                of[0] += 1;
                of[1] += i128::from(order.status == OrderStatus::Rejected);
                of[2] += i128::from(order.status == OrderStatus::Cancelled);
                of[3] += i128::from(order.quantity);
            }
        }
        for execution in self.executions() {
            if self.day(execution.time_us).is_some() {
                let key = (execution.account, execution.trade.instrument);
                let of = counts.entry(key).or_default();
                of[4] += 1;
                of[5] += i128::from(execution.trade.quantity);
            }
        }
        let row = |((account, instrument), of): ((AccountId, InstrumentId), [i128; 6])| {
            let [orders, rejected, cancelled, ordered, executions, traded] = of;
            format!(
                "{account}|{}|{orders}|{rejected}|{cancelled}|{ordered}|{executions}|{traded}|{}|{}",
                self.instrument(instrument).symbol,
                ratio(orders, executions, 4),
                ratio(ordered, traded, 4),
            )
        };
        counts.into_iter().map(row).collect()
    }

    fn wash_trades(&self) -> Vec<String> {
        const WITHIN_US: i64 = 300_000_000;
        let mut rows = Vec::new();
        let mut last: BTreeMap<_, (i64, &Trade, String)> = BTreeMap::new();
        for (time_us, trade) in &self.replay.trades {
            let is_busted = self.replay.busted_at_us.contains_key(&trade.trade_id);
            if is_busted || self.day(*time_us).is_none() {
                continue;
            }
            let (buyer, seller) = match trade.taker_side {
                Side::Buy => (trade.taker_account, trade.maker_account),
                Side::Sell => (trade.maker_account, trade.taker_account),
            };
            let (buys, sells) = (self.owner(buyer), self.owner(seller));
            let instrument = self.instrument(trade.instrument);
            let mut add = |pattern: &str, previous: &str| {
                rows.push(format!(
                    "{pattern}|{}|{}|{buyer}|{buys}|{seller}|{sells}|{previous}",
                    trade.trade_id, instrument.symbol,
                ));
            };
            let pair = BTreeSet::from([buys.clone(), sells.clone()]);
            let key = (trade.instrument, trade.quantity, pair);
            let before = last.insert(key, (*time_us, trade, sells.clone()));
            if buys == sells {
                add("same owner", &format!("{NULL}|{NULL}"));
            } else if let Some((before_us, other, sold_by)) = before
                && sold_by == buys
                && time_us - before_us <= WITHIN_US
            {
                let price = names::price(instrument, other.price_ticks);
                add("round trip", &format!("{}|{price}", other.trade_id));
            }
        }
        rows
    }

    fn layering(&self) -> Vec<String> {
        const LIFETIME_US: i64 = 5_000_000;
        let mut rows = Vec::new();
        for replayed in self.replay.orders.values() {
            let order = &replayed.order;
            let in_day = |time_us| self.day(time_us).is_some();
            if order.cancel_reason != CancelReason::Requested
                || !in_day(order.created_at_us)
                || replayed.updated_at_us - order.created_at_us > LIFETIME_US
            {
                continue;
            }
            let sizes = self.replay.trades.iter().filter(|(time_us, trade)| {
                in_day(*time_us) && trade.instrument == order.instrument
            });
            let (count, sum) =
                sizes.fold((0, 0), |(count, sum), (_, trade)| (count + 1, sum + trade.quantity));
            // One and a half times the average, or more.
            if count == 0 || 2 * order.quantity * count < 3 * sum {
                continue;
            }
            let owner = self.owner(order.account);
            let others: Vec<i64> = self
                .executions()
                .filter(|execution| {
                    execution.trade.instrument == order.instrument
                        && execution.side != order.side
                        && (order.created_at_us..=replayed.updated_at_us)
                            .contains(&execution.time_us)
                        && self.owner(execution.account) == owner
                })
                .map(|execution| execution.trade.quantity)
                .collect();
            if !others.is_empty() {
                let quantity = others.iter().sum::<i64>();
                rows.push(format!("{}|{owner}|{}|{quantity}", order.order_id, others.len()));
            }
        }
        rows
    }

    fn large_positions(&self) -> Vec<String> {
        let end_us = self.days[self.days.len() - 1].ends_us;
        let mut held: BTreeMap<_, i128> = BTreeMap::new();
        for movement in self.movements() {
            if let (Asset::Instrument(symbol), true) = (movement.asset, movement.time_us < end_us) {
                *held.entry((symbol, movement.account)).or_default() += movement.amount;
            }
        }
        let mut totals: BTreeMap<_, i128> = BTreeMap::new();
        let mut owned: BTreeMap<_, i128> = BTreeMap::new();
        for ((symbol, account), quantity) in held {
            *totals.entry(symbol).or_default() += quantity.max(0);
            *owned.entry((symbol, self.owner(account))).or_default() += quantity;
        }
        let row = |((symbol, owner), quantity): ((&str, String), i128)| {
            let total = totals[symbol];
            let is_large = quantity != 0 && total > 0 && 20 * quantity.abs() >= total;
            let part = ratio(quantity.abs(), total, 6);
            is_large.then(|| format!("{symbol}|{owner}|{quantity}|{total}|{part}"))
        };
        owned.into_iter().filter_map(row).collect()
    }

    fn effective_spreads(&self) -> Vec<String> {
        let row = |execution: Execution| {
            self.day(execution.time_us)?;
            if execution.liquidity != "taker" || execution.busted_us.is_some() {
                return None;
            }
            let Execution { trade, instrument, .. } = execution;
            let [bid, ask] = self.replay.orders[&execution.order].quote;
            let price = |ticks: Option<i64>| {
                ticks.map_or_else(|| NULL.to_owned(), |ticks| names::price(instrument, ticks))
            };
            let spread = bid.zip(ask).map(|(bid, ask)| (2 * trade.price_ticks - bid - ask).abs());
            Some(format!(
                "{}|{}|{}|{}|{}|{}|{}",
                trade.trade_id,
                execution.order,
                execution.account,
                instrument.symbol,
                price(bid),
                price(ask),
                price(spread),
            ))
        };
        self.executions().filter_map(row).collect()
    }

    fn execution_quality(&self) -> Vec<String> {
        let mut counts: BTreeMap<_, [i128; 5]> = BTreeMap::new();
        for replayed in self.replay.orders.values() {
            let order = &replayed.order;
            if self.day(order.created_at_us).is_none() || order.status == OrderStatus::Rejected {
                continue;
            }
            let of = counts.entry((order.account, order.instrument)).or_default();
            of[0] += 1;
            of[1] += i128::from(order.filled > 0);
            of[2] += i128::from(order.status == OrderStatus::Filled);
            of[3] += i128::from(order.quantity);
            of[4] += i128::from(order.filled);
        }
        let row = |((account, instrument), of): ((AccountId, InstrumentId), [i128; 5])| {
            let [orders, executed, filled, ordered, traded] = of;
            let symbol = self.instrument(instrument).symbol;
            let rate = ratio(traded, ordered, 6);
            format!("{account}|{symbol}|{orders}|{executed}|{filled}|{ordered}|{traded}|{rate}")
        };
        counts.into_iter().map(row).collect()
    }

    fn placed(&self) -> Vec<String> {
        let row = |replayed: &super::Replayed| {
            let order = &replayed.order;
            self.day(order.created_at_us)?;
            let symbol = self.instrument(order.instrument).symbol;
            let (id, account, owner) = (order.order_id, order.account, self.owner(order.account));
            Some(format!("{}|{id}|{account}|{symbol}|{owner}", order.created_at_us))
        };
        self.replay.orders.values().filter_map(row).collect()
    }

    fn executed(&self) -> Vec<String> {
        let rows = |execution: Execution| {
            let Execution { time_us, trade, order, .. } = execution;
            let row = |time_us: Option<i64>, action: &str| {
                let time_us = time_us.filter(|time_us| self.day(*time_us).is_some())?;
                Some(format!("{time_us}|{order}|{}|{action}|{}", trade.trade_id, trade.quantity))
            };
            [row(Some(time_us), "execution"), row(execution.busted_us, "bust")]
        };
        self.executions().flat_map(rows).flatten().collect()
    }

    fn ended(&self) -> Vec<String> {
        let row = |replayed: &super::Replayed| {
            let order = &replayed.order;
            self.day(replayed.updated_at_us)?;
            if order.status.is_open() {
                return None;
            }
            let reason = match order.status {
                OrderStatus::Rejected => names::label(order.reject_reason),
                _ => names::label_unless(CancelReason::None, order.cancel_reason),
            };
            let (id, status) = (order.order_id, names::label(order.status));
            Some(format!("{}|{id}|{status}|{}|{reason}", replayed.updated_at_us, order.filled))
        };
        self.replay.orders.values().filter_map(row).collect()
    }
}

/// Shares that came or went.
#[derive(Clone, Copy)]
struct Change {
    time_us: i64,
    is_trade: bool,
    reference: u64,
    comes: bool,
    quantity: i64,
    /// Paid with the fee, or received less the fee.
    money: Option<Money>,
}

impl Change {
    /// `quantity` of it, after `used`; money rounds down at each end.
    fn part(&self, used: i64, quantity: i64) -> Part {
        let upto = |shares: i64| {
            self.money.map(|money| money * Money::from(shares) / Money::from(self.quantity))
        };
        let by = match (self.is_trade, self.comes) {
            (true, true) => "buy",
            (true, false) => "sell",
            (false, true) => "deposit",
            (false, false) => "withdrawal",
        };
        Part {
            time_us: self.time_us,
            by,
            reference: self.reference,
            money: upto(used + quantity).zip(upto(used)).map(|(upto, since)| upto - since),
        }
    }
}

#[derive(Clone, Copy)]
struct Part {
    time_us: i64,
    by: &'static str,
    reference: u64,
    money: Option<Money>,
}

struct Lot<'a> {
    account: AccountId,
    symbol: &'a str,
    quantity: i64,
    acquired: Option<Part>,
    disposed: Option<Part>,
}

impl Lot<'_> {
    fn row(&self) -> String {
        let with = |part: Option<Part>| {
            part.map_or_else(
                || format!("{NULL}|{NULL}"),
                |part| format!("{}|{}", part.by, part.reference),
            )
        };
        let money = |part: Option<Part>| part.and_then(|part| part.money);
        let (cost, proceeds) = (money(self.acquired), money(self.disposed));
        let both = self.acquired.zip(self.disposed);
        let is_short = match both {
            Some((acquired, disposed)) => disposed.time_us < acquired.time_us,
            None => self.acquired.is_none(),
        };
        let closed = both.map(|(acquired, disposed)| acquired.time_us.max(disposed.time_us));
        format!(
            "{}|{}|{}|{}|{}|{}|{}|{}|{}|{}",
            self.account,
            self.symbol,
            self.quantity,
            with(self.acquired),
            with(self.disposed),
            names::boolean(is_short),
            names::or_null(closed),
            names::or_null(cost.map(names::money)),
            names::or_null(proceeds.map(names::money)),
            names::or_null(
                proceeds.zip(cost).map(|(proceeds, cost)| names::money(proceeds - cost))
            ),
        )
    }
}

/// A ratio to so many decimals, halves rounded up; NULL of nothing.
fn ratio(part: i128, whole: i128, decimals: u8) -> String {
    if whole == 0 {
        return NULL.to_owned();
    }
    let one = 10_i128.pow(decimals.into());
    names::decimal((2 * part * one + whole) / (2 * whole), decimals)
}

/// The trading day after a date, in the years that tests trade in.
fn settlement_date(date: &str) -> String {
    const CLOSED: [&str; 5] =
        ["2026-11-26", "2026-12-25", "2027-01-01", "2027-01-18", "2027-02-15"];
    let number = |place: std::ops::Range<usize>| date[place].parse::<i64>().expect("a date");
    let mut day = days_from(number(0..4), number(5..7), number(8..10));
    loop {
        day += 1;
        let date = date_of(day);
        // 1970-01-01 was a Thursday.
        if (day + 3).rem_euclid(7) < 5 && !CLOSED.contains(&&*date) {
            return date;
        }
    }
}

/// Days since 1970-01-01, in the Gregorian calendar.
fn days_from(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469
}

fn date_of(days: i64) -> String {
    let (mut year, mut month) = (1970 + days.div_euclid(366), 1);
    while days_from(year + 1, 1, 1) <= days {
        year += 1;
    }
    while month < 12 && days_from(year, month + 1, 1) <= days {
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days - days_from(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trades_settle_on_the_next_trading_day() {
        assert_eq!(date_of(days_from(2000, 2, 29)), "2000-02-29");
        assert_eq!(days_from(1970, 1, 1), 0);
        for (date, due) in [
            ("2026-11-24", "2026-11-25"),
            // Thanksgiving, a weekend, and the new year.
            ("2026-11-25", "2026-11-27"),
            ("2026-11-27", "2026-11-30"),
            ("2026-12-31", "2027-01-04"),
        ] {
            assert_eq!(settlement_date(date), due);
        }
    }
}
