//! An engine with one instrument, spoken to in the words of the outside cases.

use matcher::*;
use std::collections::BTreeMap;

/// The account that orders are for; cases without accounts use only the first.
pub const MAKER: AccountId = 1;
pub const TAKER: AccountId = 2;
pub const MAXIMUM_PRICE: i64 = 100_000_000;

/// What is known of an order of a case. An order that was replaced goes on under its old
/// name as another order of the engine.
#[derive(Clone, Debug)]
pub struct Named {
    pub order_id: OrderId,
    pub side: Side,
    pub price: i64,
    pub remaining: i64,
    pub filled: i64,
    /// Price × quantity over its fills.
    pub cost: i64,
    pub status: OrderStatus,
}

/// One fill: taker, maker, price, quantity.
pub type Fill = (String, String, i64, i64);

pub struct Venue {
    pub engine: Engine,
    pub orders: BTreeMap<String, Named>,
    names: BTreeMap<OrderId, String>,
    /// Of the last command.
    pub fills: Vec<Fill>,
}

impl Venue {
    pub fn new() -> Self {
        let mut venue = Self {
            engine: Engine::new(Limits {
                maximum_instruments: 1,
                maximum_accounts: 2,
                maximum_open_orders: 4096,
                maximum_price_levels: 4096,
            }),
            orders: BTreeMap::new(),
            names: BTreeMap::new(),
            fills: Vec::new(),
        };
        venue.apply(&Command::CreateInstrument(Instrument {
            symbol: Symbol::new("CASE").unwrap(),
            tick_digits: 1,
            tick_scale: 0,
            lot_size: 1,
            maximum_price_ticks: MAXIMUM_PRICE,
        }));
        for owner in ["maker", "taker"] {
            venue.apply(&Command::OpenAccount { owner: RoleName::new(owner).unwrap() });
        }
        venue.apply(&Command::OpenMarket);
        venue
    }

    fn apply(&mut self, command: &Command) -> Outcome {
        self.engine.check(command).unwrap_or_else(|refusal| panic!("{command:?}: {refusal:?}"));
        let stamp = Stamp { sequence: self.engine.sequence() + 1, time_us: 0 };
        let mut events = Vec::new();
        let outcome = self.engine.apply(stamp, command, &mut events);
        self.engine.validate();
        self.fills.clear();
        for event in events {
            if let Event::Trade(trade) = event {
                let maker = self.names[&trade.maker_order_id].clone();
                let taker = self.names[&trade.taker_order_id].clone();
                for (name, remaining) in [(&maker, trade.maker_remaining), (&taker, 0)] {
                    let order = self.orders.get_mut(name).unwrap();
                    order.filled += trade.quantity;
                    order.cost += trade.price_ticks * trade.quantity;
                    // Of the taker the outcome will tell.
                    order.remaining = remaining;
                    order.status = match remaining {
                        0 => OrderStatus::Filled,
                        _ => OrderStatus::PartiallyFilled,
                    };
                }
                self.fills.push((taker, maker, trade.price_ticks, trade.quantity));
            }
        }
        if let Outcome::Order(order) = outcome {
            let named = self.orders.get_mut(&self.names[&order.order_id]).unwrap();
            named.remaining = order.remaining;
            named.status = order.status;
        }
        outcome
    }

    /// Places an order under a name, or goes on with what bears the name.
    pub fn place(
        &mut self,
        name: &str,
        account: AccountId,
        side: Side,
        price: i64,
        quantity: i64,
        time_in_force: TimeInForce,
    ) {
        let order_id = self.engine.sequence() + 1;
        self.names.insert(order_id, name.to_owned());
        let before = self.orders.get(name);
        let named = Named {
            order_id,
            side,
            price,
            remaining: quantity,
            filled: before.map_or(0, |order| order.filled),
            cost: before.map_or(0, |order| order.cost),
            status: OrderStatus::Open,
        };
        self.orders.insert(name.to_owned(), named);
        let outcome = self.apply(&Command::PlaceOrder(NewOrder {
            instrument: 1,
            account,
            side,
            time_in_force,
            price_ticks: price,
            quantity,
        }));
        let Outcome::Order(order) = outcome else { panic!("{outcome:?} of an order") };
        assert_eq!(order.reject_reason, RejectReason::None);
    }

    /// Cancels the order if it is open; if not, the engine must refuse.
    pub fn cancel(&mut self, name: &str) {
        let order_id = self.orders[name].order_id;
        let command = Command::CancelOrder { order_id, participant: VENUE };
        if self.orders[name].status.is_open() {
            self.apply(&command);
        } else {
            assert_eq!(self.engine.check(&command), Err(Refusal::UnknownOrder));
        }
    }

    pub fn reduce(&mut self, name: &str, by: i64) {
        let order_id = self.orders[name].order_id;
        self.apply(&Command::ReduceOrder { order_id, participant: VENUE, by });
    }

    /// Changes price and open quantity the cheapest way that keeps what must be kept: a
    /// smaller order keeps its place, any other goes to the end of the queue.
    pub fn replace(&mut self, name: &str, new_name: &str, price: i64, quantity: i64) {
        let Named { side, price: old_price, remaining, .. } = self.orders[name].clone();
        assert!(self.orders[name].status.is_open(), "{name} is not open");
        if price == old_price && (1..remaining).contains(&quantity) && name == new_name {
            self.reduce(name, remaining - quantity);
        } else {
            self.cancel(name);
            if quantity > 0 {
                let gtc = TimeInForce::GoodTillCancel;
                self.place(new_name, MAKER, side, price, quantity, gtc);
            }
        }
    }

    /// The levels of a side as price, number of orders, quantity.
    pub fn depth(&self, side: Side) -> Vec<(i64, u32, i64)> {
        let levels = self.engine.levels(1, side);
        levels.map(|level| (level.price_ticks, level.orders, level.quantity)).collect()
    }

    /// The names of a side in the order in which they would trade.
    pub fn queue(&self, side: Side) -> Vec<&str> {
        self.engine.queue(1, side).map(|order| self.names[&order.order_id].as_str()).collect()
    }
}
