//! An exchange with one instrument, spoken to in the words of the outside cases.

use matcher::*;
use std::collections::BTreeMap;

/// Whoever runs the cases: the engine and its oracle.
pub trait Exchange: View + Sized {
    fn new(limits: Limits) -> Self;
    fn check(&self, command: &Command) -> Result<(), Refusal>;
    fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome;
    /// Panics unless the state is consistent in itself.
    fn validate(&self);
}

macro_rules! exchange {
    ($name:ty, $validate:expr) => {
        impl Exchange for $name {
            fn new(limits: Limits) -> Self {
                <$name>::new(limits)
            }

            fn check(&self, command: &Command) -> Result<(), Refusal> {
                <$name>::check(self, command)
            }

            fn apply(
                &mut self,
                stamp: Stamp,
                command: &Command,
                events: &mut Vec<Event>,
            ) -> Outcome {
                <$name>::apply(self, stamp, command, events)
            }

            fn validate(&self) {
                $validate(self);
            }
        }
    };
}

exchange!(Engine, Engine::validate);
// It has nothing that could disagree with itself.
exchange!(NaiveExchange, |_: &NaiveExchange| {});

pub const MAXIMUM_PRICE: i64 = 100_000_000;
/// Cases know no accounts: all buys are of the first, all sells of the second.
const ACCOUNTS: [(Side, AccountId); 2] = [(Side::Buy, 1), (Side::Sell, 2)];
const INSTRUMENT: InstrumentId = 1;
const TRADE_DATE: i32 = 1;

/// What is known of an order by the events about it.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: String,
    pub side: Side,
    pub price: i64,
    pub stop_price: i64,
    pub remaining: i64,
    pub filled: i64,
    /// Price × quantity over its fills.
    pub cost: i64,
    pub status: OrderStatus,
}

/// One fill: taker, maker, price, quantity.
pub type Fill = (String, String, i64, i64);

pub struct Venue<E> {
    exchange: E,
    time_us: i64,
    orders: BTreeMap<OrderId, Known>,
    /// The order that a name stands for: cases give a name again when its order is gone.
    names: BTreeMap<String, OrderId>,
    /// Of the last command.
    pub fills: Vec<Fill>,
}

impl<E: Exchange> Venue<E> {
    /// A venue that trades continuously.
    pub fn open() -> Self {
        let mut venue = Self::closed();
        venue.uncross();
        venue
    }

    /// A venue that collects orders for an auction.
    pub fn pre_open() -> Self {
        let mut venue = Self::closed();
        venue.apply(&Command::ScheduleDay(TradingDay {
            trade_date: TRADE_DATE,
            pre_open_us: 1,
            open_us: 2,
            closing_auction_us: 3,
            close_us: 4,
        }));
        venue.time_us = 1;
        venue.apply(&Command::AdvanceClock);
        venue
    }

    fn closed() -> Self {
        let mut venue = Self {
            exchange: E::new(Limits {
                maximum_instruments: 1,
                maximum_accounts: 2,
                maximum_open_orders: 4096,
                maximum_price_levels: 4096,
                maximum_positions: 2,
                client_order_window: 1,
            }),
            time_us: 0,
            orders: BTreeMap::new(),
            names: BTreeMap::new(),
            fills: Vec::new(),
        };
        venue.apply(&Command::CreateInstrument(Instrument {
            symbol: Symbol::new("CASE").unwrap(),
            currency: CurrencyCode::new("USD").unwrap(),
            tick_digits: 1,
            tick_scale: 0,
            lot_size: 1,
            maximum_price_ticks: MAXIMUM_PRICE,
        }));
        for (_, account) in ACCOUNTS {
            let owner = RoleName::new("broker").unwrap();
            venue.apply(&Command::OpenAccount { owner });
            let status = AccountStatus::Verified;
            venue.apply(&Command::SetAccountStatus { account, status });
            // More than any case can spend.
            let (currency, amount) = (1, MAXIMUM_MONEY);
            venue.apply(&Command::TransferCash { account, currency, amount });
            let (instrument, quantity) = (INSTRUMENT, 1 << 50);
            venue.apply(&Command::TransferShares { account, instrument, quantity });
        }
        venue
    }

    /// Trades what was collected, and continuously from here on.
    pub fn uncross(&mut self) {
        self.apply(&Command::OpenMarket { trade_date: TRADE_DATE });
    }

    fn apply(&mut self, command: &Command) -> Outcome {
        self.exchange.check(command).unwrap_or_else(|refusal| panic!("{command:?}: {refusal:?}"));
        let sequence = self.exchange.counters().sequence + 1;
        let mut events = Vec::new();
        let stamp = Stamp { sequence, time_us: self.time_us };
        let outcome = self.exchange.apply(stamp, command, &mut events);
        self.exchange.validate();
        self.fills.clear();
        for event in events {
            self.note(event);
        }
        outcome
    }

    /// What an event says about an order.
    fn note(&mut self, event: Event) {
        match event {
            Event::Trade(Trade {
                price_ticks, quantity, maker_order_id, taker_order_id, ..
            }) => {
                for order_id in [maker_order_id, taker_order_id] {
                    let order = self.known(order_id);
                    order.filled += quantity;
                    order.cost += price_ticks * quantity;
                    order.remaining -= quantity;
                    order.status = match order.remaining {
                        0 => OrderStatus::Filled,
                        _ => OrderStatus::PartiallyFilled,
                    };
                }
                let name = |order_id| self.orders[&order_id].name.clone();
                let fill = (name(taker_order_id), name(maker_order_id), price_ticks, quantity);
                self.fills.push(fill);
            }
            Event::Cancelled { order_id, reason, .. } => {
                let order = self.known(order_id);
                order.remaining = 0;
                order.status = OrderStatus::of_cancelled(reason);
            }
            Event::Rejected { order_id, .. } => {
                let order = self.known(order_id);
                order.remaining = 0;
                order.status = OrderStatus::Rejected;
            }
            Event::Reduced { order_id, remaining, .. } => {
                self.known(order_id).remaining = remaining;
            }
            Event::Replaced { order_id, price_ticks, quantity, .. } => {
                let order = self.known(order_id);
                order.price = price_ticks;
                order.remaining = quantity - order.filled;
            }
            Event::StopMoved { order_id, stop_price_ticks, price_ticks } => {
                let order = self.known(order_id);
                order.stop_price = stop_price_ticks;
                order.price = price_ticks;
            }
            _ => {}
        }
    }

    fn known(&mut self, order_id: OrderId) -> &mut Known {
        self.orders.get_mut(&order_id).expect("events are about orders that were sent")
    }

    /// The order of that name.
    pub fn order(&self, name: &str) -> &Known {
        &self.orders[&self.names[name]]
    }

    /// The names of all orders.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// All orders of that name, of which at most the last one is open: what they traded,
    /// and for how much.
    pub fn traded(&self, name: &str) -> (i64, i64) {
        let orders = self.orders.values().filter(|order| order.name == name);
        orders.fold((0, 0), |(filled, cost), order| (filled + order.filled, cost + order.cost))
    }

    /// Places an order under a name. A price of 0 leaves it to the exchange.
    pub fn place(
        &mut self,
        name: &str,
        side: Side,
        price: i64,
        quantity: i64,
        time_in_force: TimeInForce,
        terms: Terms,
    ) {
        let order_id = self.exchange.counters().sequence + 1;
        let known = Known {
            name: name.to_owned(),
            side,
            price,
            stop_price: terms.stop_price_ticks,
            remaining: quantity,
            filled: 0,
            cost: 0,
            status: OrderStatus::Open,
        };
        self.orders.insert(order_id, known);
        self.names.insert(name.to_owned(), order_id);
        let order = NewOrder {
            instrument: INSTRUMENT,
            account: ACCOUNTS[side as usize].1,
            price_ticks: price,
            quantity,
            side,
            time_in_force,
            self_trade_prevention: SelfTradePrevention::Allow,
        };
        let outcome = self.apply(&match terms {
            Terms::PLAIN => Command::PlaceOrder(order),
            terms => Command::PlaceOrderWithTerms(order, terms),
        });
        let Outcome::Order(order) = outcome else { panic!("{outcome:?} of an order") };
        assert_eq!(order.reject_reason, RejectReason::None, "{name}");
        let known = self.known(order_id);
        known.price = order.price_ticks;
        known.stop_price = order.terms.stop_price_ticks;
        self.agree(order_id, &order);
    }

    /// The answer about an order says what the events say.
    fn agree(&self, order_id: OrderId, order: &Order) {
        let known = &self.orders[&order_id];
        let of_events = (known.filled, known.remaining, known.cost, known.status);
        let of_answer = (order.filled, order.remaining, order.turnover_ticks, order.status);
        assert_eq!(of_events, of_answer, "{known:?}");
        let open = self.exchange.order(order_id);
        assert_eq!(open.is_some(), known.status.is_open(), "{known:?}");
    }

    fn ask(&mut self, order_id: OrderId, command: &Command) {
        let outcome = self.apply(command);
        let Outcome::Order(order) = outcome else { panic!("{outcome:?} of {command:?}") };
        assert_eq!(order.reject_reason, RejectReason::None, "{command:?}");
        self.agree(order_id, &order);
    }

    /// Cancels the order if it is open; if not, the exchange must refuse.
    pub fn cancel(&mut self, name: &str) {
        let order_id = self.names[name];
        let command = Command::CancelOrder { order_id, participant: VENUE };
        if self.order(name).status.is_open() {
            self.ask(order_id, &command);
        } else {
            assert_eq!(self.exchange.check(&command), Err(Refusal::UnknownOrder));
        }
    }

    /// Takes a part of an order away.
    pub fn reduce(&mut self, name: &str, by: i64) {
        let order_id = self.names[name];
        self.ask(order_id, &Command::ReduceOrder { order_id, participant: VENUE, by });
    }

    /// Changes the price of an order and its quantity, what has traded included.
    pub fn replace(&mut self, name: &str, price_ticks: i64, quantity: i64) {
        let order_id = self.names[name];
        let participant = VENUE;
        let command = Command::ReplaceOrder { order_id, participant, price_ticks, quantity };
        self.ask(order_id, &command);
    }

    /// The displayed levels of a side as price, number of orders, quantity.
    pub fn levels(&self, side: Side) -> Vec<(i64, u32, i64)> {
        let levels = self.exchange.levels(INSTRUMENT, side);
        levels.map(|level| (level.price_ticks, level.orders, level.quantity)).collect()
    }

    /// The same of all that waits to trade at a price of its own, displayed or not: the
    /// book, and the all-or-none orders beside it.
    pub fn depth(&self, side: Side) -> Vec<(i64, u32, i64)> {
        let mut levels: BTreeMap<i64, (u32, i64)> = BTreeMap::new();
        let all_or_none = self.waiting(side).into_iter().filter(|order| order.terms.all_or_none);
        for order in self.exchange.queue(INSTRUMENT, side).chain(all_or_none) {
            let level = levels.entry(order.price_ticks).or_default();
            *level = (level.0 + 1, level.1 + order.remaining);
        }
        let levels = levels.into_iter().map(|(price, (orders, volume))| (price, orders, volume));
        match side {
            Side::Buy => levels.rev().collect(),
            Side::Sell => levels.collect(),
        }
    }

    /// The open orders of a side that are not in its book.
    pub fn waiting(&self, side: Side) -> Vec<Order> {
        let waiting = self.exchange.waiting(INSTRUMENT).into_iter();
        waiting.filter(|order| order.side == side).collect()
    }

    /// The name of the order that is first in the book.
    pub fn head(&self, side: Side) -> Option<&str> {
        let first = self.exchange.queue(INSTRUMENT, side).next()?;
        Some(&self.orders[&first.order_id].name)
    }
}
