//! What must be true after every command, whatever the rules say: nothing is made or lost,
//! nobody can owe, and the events tell all that happens to an order.

use matcher::*;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// An order as far as the events tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    price_ticks: i64,
    remaining: i64,
    filled: i64,
}

pub struct Invariants {
    limits: Limits,
    /// The open orders by nothing but the events.
    told: BTreeMap<OrderId, Told>,
    trades: u64,
    cash: BTreeMap<(AccountId, CurrencyId), Money>,
    shares: BTreeMap<(AccountId, InstrumentId), i64>,
}

impl Invariants {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            told: BTreeMap::new(),
            trades: 0,
            cash: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// Looks at an exchange after a command.
    pub fn observe(
        &mut self,
        exchange: &impl View,
        command: &Command,
        outcome: &Outcome,
        events: &[Event],
    ) {
        self.follow(exchange, command, events);
        let orders = open_orders(exchange);
        let told_orders: BTreeMap<OrderId, Told> = orders
            .iter()
            .map(|(&id, order)| {
                let (price_ticks, filled) = (order.price_ticks, order.filled);
                (id, Told { price_ticks, remaining: order.remaining, filled })
            })
            .collect();
        assert_eq!(told_orders, self.told, "the events of {command:?} tell other open orders");
        assert_eq!(orders.len() as u32, exchange.open_orders());
        assert!(exchange.open_orders() <= self.limits.maximum_open_orders);

        orders.values().for_each(|order| check_order(order, &orders));
        check_books(exchange, &self.limits);
        check_indicative(exchange);
        check_conservation(exchange);
        check_what_follows_from_orders(exchange, &orders);
        self.check_nobody_owes(exchange, command);
        check_outcome(exchange, &orders, command, outcome);
        if *command == Command::AdvanceClock {
            let now_us = exchange.counters().time_us;
            assert!(exchange.next_due_us() > now_us || now_us == i64::MAX, "left undone");
        }
    }

    /// Carries the open orders along with the events.
    fn follow(&mut self, exchange: &impl View, command: &Command, events: &[Event]) {
        let sequence = exchange.counters().sequence;
        if let Command::PlaceOrder(new) | Command::PlaceOrderWithTerms(new, _) = command
            && !events.is_empty()
        {
            let (price_ticks, remaining) = (new.price_ticks, new.quantity);
            self.told.insert(sequence, Told { price_ticks, remaining, filled: 0 });
        }
        for event in events {
            match *event {
                Event::Trade(trade) => {
                    self.trades += 1;
                    assert_eq!(trade.trade_id, self.trades, "trade ids are dense");
                    assert!(trade.quantity > 0);
                    assert_ne!(trade.maker_order_id, trade.taker_order_id);
                    for id in [trade.maker_order_id, trade.taker_order_id] {
                        let order = self.told.get_mut(&id).expect("it is open");
                        order.remaining -= trade.quantity;
                        order.filled += trade.quantity;
                        assert!(order.remaining >= 0, "more traded than there was");
                        if id == trade.maker_order_id {
                            assert_eq!(order.remaining, trade.maker_remaining);
                        }
                        if order.price_ticks != 0 {
                            let is_buy =
                                (trade.taker_side == Side::Buy) == (id == trade.taker_order_id);
                            let limit = order.price_ticks;
                            assert!(
                                if is_buy {
                                    trade.price_ticks <= limit
                                } else {
                                    trade.price_ticks >= limit
                                },
                                "{trade:?} is beyond the limit {limit} of order {id}"
                            );
                        }
                        if order.remaining == 0 {
                            self.told.remove(&id);
                        }
                    }
                }
                Event::Rested { order_id, price_ticks, remaining, .. } => {
                    let order = self.told.get_mut(&order_id).expect("it is open");
                    assert_eq!(order.remaining, remaining);
                    order.price_ticks = price_ticks;
                }
                Event::Cancelled { order_id, quantity, .. } => {
                    let order = self.told.remove(&order_id).expect("it is open");
                    assert_eq!(order.remaining, quantity);
                }
                Event::Rejected { order_id, .. } => {
                    self.told.remove(&order_id).expect("it came in");
                }
                Event::Reduced { order_id, remaining, .. } => {
                    let order = self.told.get_mut(&order_id).expect("it is open");
                    assert!(remaining > 0 && remaining < order.remaining);
                    order.remaining = remaining;
                }
                Event::Replaced { order_id, price_ticks, quantity, .. } => {
                    let order = self.told.get_mut(&order_id).expect("it is open");
                    order.price_ticks = price_ticks;
                    order.remaining = quantity - order.filled;
                    assert!(order.remaining > 0);
                }
                Event::StopMoved { order_id, price_ticks, .. } => {
                    self.told.get_mut(&order_id).expect("it is open").price_ticks = price_ticks;
                }
                _ => {}
            }
        }
    }

    /// What an account can spend and sell is never below 0, but where the venue made it so,
    /// and does not fall further then.
    fn check_nobody_owes(&mut self, exchange: &impl View, command: &Command) {
        let by_venue = matches!(
            command,
            Command::BustTrade(_) | Command::SetCreditLimit { .. } | Command::SetShortLimit { .. }
        );
        for cash in exchange.all_cash() {
            let available = cash.available();
            let before = self.cash.insert((cash.account, cash.currency), available);
            let lowest = before.unwrap_or(0).min(0);
            assert!(available >= lowest || by_venue, "{command:?} overdraws {cash:?}");
        }
        for position in exchange.all_positions() {
            let sold = position.open_quantity[Side::Sell as usize];
            let available = position.quantity - sold + position.short_limit;
            let key = (position.account, position.instrument);
            let lowest = self.shares.insert(key, available).unwrap_or(0).min(0);
            assert!(available >= lowest || by_venue, "{command:?} overdraws {position:?}");
        }
    }
}

fn instrument_ids(exchange: &impl View) -> RangeInclusive<InstrumentId> {
    1..=exchange.instruments().len() as InstrumentId
}

fn open_orders(exchange: &impl View) -> BTreeMap<OrderId, Order> {
    let mut orders = BTreeMap::new();
    for instrument in instrument_ids(exchange) {
        for side in Side::ALL {
            for order in exchange.queue(instrument, side) {
                assert_eq!((order.instrument, order.side), (instrument, side));
                assert!(orders.insert(order.order_id, order).is_none());
            }
        }
        for order in exchange.waiting(instrument) {
            assert_eq!(order.displayed, 0, "{order:?} is not in the book");
            assert!(orders.insert(order.order_id, order).is_none());
        }
    }
    orders
}

/// Whether an open order makes sense in itself.
fn check_order(order: &Order, orders: &BTreeMap<OrderId, Order>) {
    let terms = &order.terms;
    assert!(order.remaining > 0 && order.filled >= 0, "{order:?}");
    assert_eq!(order.quantity, order.filled + order.remaining, "{order:?}");
    assert!((0..=order.remaining).contains(&order.displayed), "{order:?}");
    assert!(terms.display_quantity == 0 || order.displayed <= terms.display_quantity);
    assert!(!terms.hidden || order.displayed == 0, "{order:?}");
    assert_eq!(order.status, OrderStatus::of_open(order.filled), "{order:?}");
    assert_eq!(order.reject_reason, RejectReason::None);
    assert_eq!(order.cancel_reason, CancelReason::None);
    assert!(!terms.all_or_none || order.filled == 0, "{order:?} traded in part");
    // A replaced or trailing order may have had another limit.
    assert!(order.turnover_ticks >= order.filled, "{order:?}");
    if terms.linked_order != 0 {
        let linked = orders.get(&terms.linked_order).expect("a link is to an open order");
        assert_eq!(linked.terms.linked_order, order.order_id, "{order:?} is not linked back");
        assert_eq!(linked.account, order.account);
    }
}

/// Queues are sorted, levels are what the queues show, no book that trades is crossed.
fn check_books(exchange: &impl View, limits: &Limits) {
    let mut levels_in_use = 0;
    for instrument in instrument_ids(exchange) {
        let mut best = [None; 2];
        for side in Side::ALL {
            let queue: Vec<Order> = exchange.queue(instrument, side).collect();
            let place = |order: &Order| {
                let price = match side {
                    Side::Buy => -order.price_ticks,
                    Side::Sell => order.price_ticks,
                };
                (price, order.terms.hidden, order.priority)
            };
            assert!(
                queue.windows(2).all(|pair| place(&pair[0]) < place(&pair[1])),
                "out of order: {queue:?}"
            );
            let same_price = |a: &Order, b: &Order| a.price_ticks == b.price_ticks;
            levels_in_use += queue.chunk_by(same_price).count();
            let shown = queue.iter().filter(|order| order.displayed > 0).copied();
            let shown: Vec<Order> = shown.collect();
            assert!(queue.iter().all(|order| order.terms.hidden != (order.displayed > 0)));
            let expected = shown.chunk_by(same_price).map(|orders| PriceLevel {
                price_ticks: orders[0].price_ticks,
                quantity: orders.iter().map(|order| order.displayed).sum(),
                orders: orders.len() as u32,
            });
            assert!(exchange.levels(instrument, side).eq(expected), "levels of {queue:?}");
            best[side as usize] = queue.first().map(|order| order.price_ticks);
        }
        let state = exchange.instrument_state(instrument).expect("it exists");
        if let ([Some(bid), Some(ask)], InstrumentPhase::Continuous) = (best, state.phase) {
            assert!(bid < ask, "the book is crossed: {bid} and {ask}");
        }
    }
    assert!(levels_in_use <= limits.maximum_price_levels as usize);
}

/// What an auction would do, by trying every price: `docs/rules.md` 6.8.
fn check_indicative(exchange: &impl View) {
    for id in instrument_ids(exchange) {
        let state = exchange.instrument_state(id).expect("it exists");
        let maximum_price_ticks = exchange.instruments()[id as usize - 1].maximum_price_ticks;
        if !state.phase.is_auction() || maximum_price_ticks > 100 {
            continue;
        }
        let start = match (state.reference_price_ticks, state.last_price_ticks) {
            (0, last) => last,
            (reference, _) => reference,
        };
        let buys: Vec<Order> = exchange.queue(id, Side::Buy).collect();
        let sells: Vec<Order> = exchange.queue(id, Side::Sell).collect();
        let mut best: Option<Indicative> = None;
        for price_ticks in 1..=maximum_price_ticks {
            let bought = buys.iter().filter(|order| order.price_ticks >= price_ticks);
            let bought: i64 = bought.map(|order| order.remaining).sum();
            let sold = sells.iter().filter(|order| order.price_ticks <= price_ticks);
            let sold: i64 = sold.map(|order| order.remaining).sum();
            let quantity = bought.min(sold);
            let found = Indicative { price_ticks, quantity, imbalance: bought - sold };
            let merit = |one: &Indicative| {
                let distance = (one.price_ticks - start).abs();
                (one.quantity, -one.imbalance.abs(), -distance, one.price_ticks)
            };
            if quantity > 0 && best.is_none_or(|best| merit(&found) > merit(&best)) {
                best = Some(found);
            }
        }
        assert_eq!(exchange.indicative(id), best, "instrument {id} from {start}");
    }
}

fn check_conservation(exchange: &impl View) {
    let all_cash = exchange.all_cash();
    for (index, currency) in exchange.currencies().iter().enumerate() {
        let of_currency = all_cash.iter().filter(|cash| cash.currency as usize == index + 1);
        let balances: Money = of_currency.map(|cash| cash.balance).sum();
        assert_eq!(balances + currency.fees, currency.transferred, "money of {currency:?}");
    }
    let positions = exchange.all_positions();
    for instrument in instrument_ids(exchange) {
        let here = positions.iter().filter(|position| position.instrument == instrument);
        let quantities: i64 = here.map(|position| position.quantity).sum();
        let state = exchange.instrument_state(instrument).expect("it exists");
        assert_eq!(quantities, state.transferred, "shares of instrument {instrument}");
    }
}

/// Holds and counts are those of the open orders, and of nothing else.
fn check_what_follows_from_orders(exchange: &impl View, orders: &BTreeMap<OrderId, Order>) {
    let mut held: BTreeMap<(AccountId, CurrencyCode), Money> = BTreeMap::new();
    let mut open: BTreeMap<(AccountId, InstrumentId), Position> = BTreeMap::new();
    let mut counts: BTreeMap<AccountId, u32> = BTreeMap::new();
    for order in orders.values() {
        let instrument = &exchange.instruments()[order.instrument as usize - 1];
        let at_limit = i128::from(order.price_ticks) * i128::from(order.remaining);
        if order.side == Side::Buy {
            let value = at_limit * instrument.tick_value();
            let fee = match order.fee_schedule {
                0 => 0,
                id => exchange.fee_schedules()[id as usize - 1].highest_fee(value),
            };
            *held.entry((order.account, instrument.currency)).or_default() += value + fee;
        }
        let key = (order.account, order.instrument);
        let position = open.entry(key).or_insert_with(|| Position::new(key.0, key.1));
        position.open_quantity[order.side as usize] += order.remaining;
        position.open_value_ticks[order.side as usize] += at_limit;
        position.open_orders += 1;
        *counts.entry(order.account).or_default() += 1;
    }
    for cash in exchange.all_cash() {
        let code = exchange.currencies()[cash.currency as usize - 1].code;
        let expected = held.remove(&(cash.account, code)).unwrap_or(0);
        assert_eq!(cash.held, expected, "{cash:?}");
    }
    assert!(held.is_empty(), "held without a cash record: {held:?}");
    for position in exchange.all_positions() {
        let key = (position.account, position.instrument);
        let expected = open.remove(&key).unwrap_or_else(|| Position::new(key.0, key.1));
        assert_eq!(position.open_quantity, expected.open_quantity, "{position:?}");
        assert_eq!(position.open_value_ticks, expected.open_value_ticks, "{position:?}");
        assert_eq!(position.open_orders, expected.open_orders, "{position:?}");
    }
    assert!(open.is_empty(), "orders without a position: {open:?}");
    for id in 1..=exchange.account_count() {
        let account = exchange.account(id).expect("it exists");
        let expected = counts.get(&id).copied().unwrap_or(0);
        assert_eq!(account.open_orders, expected, "orders of account {id}");
        let may_have_orders = !account.killed && account.status != AccountStatus::Closed;
        assert!(may_have_orders || expected == 0, "{account:?} has orders");
    }
}

/// The answer is the order as it stands.
fn check_outcome(
    exchange: &impl View,
    orders: &BTreeMap<OrderId, Order>,
    command: &Command,
    outcome: &Outcome,
) {
    let Outcome::Order(order) = outcome else { return };
    assert!(order.status.is_open() || (order.remaining, order.displayed) == (0, 0), "{order:?}");
    let (new, terms) = match command {
        Command::PlaceOrder(new) => (new, Terms::PLAIN),
        Command::PlaceOrderWithTerms(new, terms) => (new, *terms),
        _ => return,
    };
    // A retry is answered with what was.
    let is_retry = order.order_id != exchange.counters().sequence;
    if order.status.is_open() && !is_retry {
        assert_eq!(orders.get(&order.order_id), Some(order));
    }
    if new.time_in_force == TimeInForce::FillOrKill && !is_retry {
        assert!(order.filled == 0 || order.filled == order.quantity, "{order:?} traded in part");
    }
    let needs_none = order.status == OrderStatus::Rejected
        || order.cancel_reason == CancelReason::MinimumQuantity;
    if !is_retry && !needs_none {
        assert!(order.filled >= terms.minimum_quantity, "{order:?} has not the minimum");
    }
}
