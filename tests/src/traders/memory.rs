//! What a client was told.

use matcher::{Order, OrderStatus};
use rust_decimal::Decimal;

use crate::session::NULL;

/// An order as a client sends it. No two of one client are the same: see
/// [`Memory::next_quantity`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// For whom.
    pub account: i32,
    /// What.
    pub symbol: String,
    /// `buy` or `sell`.
    pub side: String,
    /// The limit, without zeros at the end.
    pub price: String,
    /// How much.
    pub quantity: i64,
    /// `GTC` or `IOC`.
    pub time_in_force: String,
}

/// Where an order stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Microseconds since 2000-01-01 UTC.
    pub created_at_us: i64,
    /// Where it stands.
    pub status: OrderStatus,
    /// What was ordered, less reductions.
    pub quantity: i64,
    /// What has traded.
    pub filled: i64,
    /// What waits in the book.
    pub remaining: i64,
}

impl Standing {
    /// Of an order of the engine's.
    pub fn of(order: &Order) -> Self {
        Self {
            created_at_us: order.created_at_us,
            status: order.status,
            quantity: order.quantity,
            filled: order.filled,
            remaining: order.remaining,
        }
    }

    /// Whether an order that stood so may stand as `self` later.
    pub fn follows(&self, earlier: &Self) -> bool {
        if !earlier.status.is_open() {
            return self == earlier;
        }
        let has_traded = |standing: &Self| standing.filled > 0;
        let is_whole = match self.status {
            OrderStatus::Open => !has_traded(self) && self.remaining == self.quantity,
            OrderStatus::PartiallyFilled => {
                has_traded(self) && self.remaining == self.quantity - self.filled
            }
            OrderStatus::Filled => self.filled == self.quantity && self.remaining == 0,
            OrderStatus::Cancelled | OrderStatus::Expired => {
                self.filled < self.quantity && self.remaining == 0
            }
            OrderStatus::Rejected => false,
        };
        is_whole
            && self.created_at_us == earlier.created_at_us
            && self.filled >= earlier.filled
            && self.quantity <= earlier.quantity
            && self.remaining <= earlier.remaining
    }
}

/// An `exchange.order_ack`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Which order.
    pub order_id: i64,
    /// Where it stands.
    pub standing: Standing,
    /// What it is; the quantity less reductions.
    pub inputs: Request,
    /// Why the request was declined, or [`NULL`].
    pub reject_reason: String,
}

impl Ack {
    /// The columns that [`Ack::parse`] wants.
    pub(super) const COLUMNS: &str = "
        order_id, (extract(epoch FROM created_at) * 1000000)::bigint - 946684800000000, status,
        quantity, filled_quantity, remaining_quantity,
        account_id, symbol, side, trim_scale(price), time_in_force, reject_reason";

    /// From a row as psql prints it.
    pub(super) fn parse(row: &str) -> Self {
        let columns: Vec<&str> = row.split('|').collect();
        let &[order_id, created_at, status, quantity, filled, remaining, ref inputs @ .., reason] =
            columns.as_slice()
        else {
            panic!("not an answer: {row}")
        };
        let &[account, symbol, side, price, time_in_force] = inputs else {
            panic!("not an answer: {row}")
        };
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("not an answer: {row}"));
        Self {
            order_id: number(order_id),
            standing: Standing {
                created_at_us: number(created_at),
                status: status_of(status),
                quantity: number(quantity),
                filled: number(filled),
                remaining: number(remaining),
            },
            inputs: Request {
                account: number(account) as i32,
                symbol: symbol.to_owned(),
                side: side.to_owned(),
                price: price.to_owned(),
                quantity: number(quantity),
                time_in_force: time_in_force.to_owned(),
            },
            reject_reason: reason.to_owned(),
        }
    }

    /// Whether it answers a request that was not declined.
    pub fn is_granted(&self) -> bool {
        self.reject_reason == NULL
    }
}

fn status_of(name: &str) -> OrderStatus {
    match name {
        "open" => OrderStatus::Open,
        "partially_filled" => OrderStatus::PartiallyFilled,
        "filled" => OrderStatus::Filled,
        "cancelled" => OrderStatus::Cancelled,
        "rejected" => OrderStatus::Rejected,
        "expired" => OrderStatus::Expired,
        _ => panic!("not a status: {name}"),
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// To an order.
    Placed {
        /// What was sent.
        request: Request,
        /// What came back.
        ack: Ack,
        /// Whether it was to be on disk.
        durable: bool,
    },
    /// To a cancel or a reduction.
    Changed {
        /// What came back.
        ack: Ack,
        /// Whether it was to be on disk.
        durable: bool,
    },
    /// To a cancel among many: that the order is finished.
    NotOpen {
        /// Which.
        order_id: i64,
    },
    /// To orders: an error, after which they may be there or not.
    Lost {
        /// What was sent.
        requests: Vec<Request>,
        /// Whether a warning said that they are there.
        stands: bool,
    },
}

impl Told {
    /// Whether all that the client was told before is on disk too.
    fn is_durable(&self) -> bool {
        match self {
            Self::Placed { durable, .. } => *durable,
            // What was declined has no place in the sequence.
            Self::Changed { ack, durable } => *durable && ack.is_granted(),
            Self::NotOpen { .. } | Self::Lost { .. } => false,
        }
    }
}

/// All that a client was told, in the order in which it was.
#[derive(Clone, Debug)]
pub struct Memory {
    account: i32,
    requests: i64,
    log: Vec<Told>,
}

impl Memory {
    /// Of a client that was told nothing yet.
    pub(super) fn new(account: i32) -> Self {
        Self { account, requests: 0, log: Vec::new() }
    }

    /// For whom the client trades; nobody else does.
    pub fn account(&self) -> i32 {
        self.account
    }

    /// What it was told.
    pub fn log(&self) -> &[Told] {
        &self.log
    }

    /// What it was told, to tamper with.
    pub fn log_mut(&mut self) -> &mut Vec<Told> {
        &mut self.log
    }

    pub(super) fn add(&mut self, told: Told) {
        self.log.push(told);
    }

    /// About so many lots of a million, and like no quantity before.
    pub(super) fn next_quantity(&mut self, lots: i64) -> i64 {
        self.requests += 1;
        lots * 1_000_000 + self.requests
    }

    pub(super) fn request(
        &mut self,
        symbol: &str,
        side: &str,
        price: Decimal,
        lots: i64,
        time_in_force: &str,
    ) -> Request {
        Request {
            account: self.account,
            symbol: symbol.to_owned(),
            side: side.to_owned(),
            price: price.normalize().to_string(),
            quantity: self.next_quantity(lots),
            time_in_force: time_in_force.to_owned(),
        }
    }

    /// The server crashed, and its journal goes as far as `last_sequence`. What was told after
    /// the last durable answer may not be so: an order after the end of the journal is no more,
    /// and what was told of others since may not have happened. Returns how many orders are gone.
    pub fn forget_what_was_not_durable(&mut self, last_sequence: i64) -> usize {
        let durable = self.log.iter().rposition(Told::is_durable).map_or(0, |last| last + 1);
        let before = self.placed();
        let soft = self.log.split_off(durable);
        self.log.extend(soft.into_iter().filter_map(|told| match told {
            Told::Placed { ref ack, .. } => (ack.order_id <= last_sequence).then_some(told),
            Told::Changed { .. } | Told::NotOpen { .. } => None,
            Told::Lost { requests, .. } => Some(Told::Lost { requests, stands: false }),
        }));
        before - self.placed()
    }

    /// How many orders were acknowledged.
    pub fn placed(&self) -> usize {
        self.log.iter().filter(|told| matches!(told, Told::Placed { .. })).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(status: OrderStatus, quantity: i64, filled: i64, remaining: i64) -> Standing {
        Standing { created_at_us: 7, status, quantity, filled, remaining }
    }

    #[test]
    fn orders_only_go_forward() {
        let open = standing(OrderStatus::Open, 10, 0, 10);
        let part = standing(OrderStatus::PartiallyFilled, 10, 4, 6);
        let reduced = standing(OrderStatus::PartiallyFilled, 8, 4, 4);
        let filled = standing(OrderStatus::Filled, 10, 10, 0);
        let cancelled = standing(OrderStatus::Cancelled, 10, 4, 0);
        for (earlier, later) in [(&open, &part), (&part, &reduced), (&part, &filled)] {
            assert!(later.follows(earlier) && !earlier.follows(later));
        }
        assert!(cancelled.follows(&part) && !cancelled.follows(&filled));
        assert!(!filled.follows(&reduced));
        assert!(!standing(OrderStatus::PartiallyFilled, 10, 4, 5).follows(&part));
    }

    #[test]
    fn a_crash_takes_what_came_after_the_last_durable_answer() {
        let mut memory = Memory::new(1);
        for (order_id, durable) in [(1, false), (2, true), (3, false), (4, false)] {
            let request = memory.request("A", "buy", Decimal::ONE, 1, "GTC");
            let quantity = request.quantity;
            let standing = standing(OrderStatus::Open, quantity, 0, quantity);
            let ack =
                Ack { order_id, standing, inputs: request.clone(), reject_reason: NULL.to_owned() };
            memory.add(Told::Placed { request, ack, durable });
        }
        let id = |told: &Told| match told {
            Told::Placed { ack, .. } => ack.order_id,
            other => panic!("{other:?}"),
        };
        assert_eq!(memory.forget_what_was_not_durable(3), 1);
        assert!(memory.log().iter().map(id).eq([1, 2, 3]));
        // A durable order that is missing is for the auditor to find.
        assert_eq!(memory.forget_what_was_not_durable(0), 1);
        assert!(memory.log().iter().map(id).eq([1, 2]));
    }
}
