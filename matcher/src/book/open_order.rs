//! An order in the book.

use super::level::Level;
use super::pool::Slot;
use crate::outcome::Order;
use crate::{AccountId, OrderId, OrderStatus, RejectReason, TimeInForce};

/// Exactly one cache line, so that whatever a command does to an order costs one miss.
/// Instrument, side and price are those of its level.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub(crate) struct OpenOrder {
    /// 0 in a slot that nobody uses.
    pub(crate) id: OrderId,
    pub(crate) remaining: i64,
    pub(crate) quantity: i64,
    /// What its trades on entry, at other prices than its own, add to the turnover: fixed
    /// when it comes to rest, from when on it trades at its own price.
    pub(crate) improvement_ticks: i64,
    pub(crate) created_at_us: i64,
    /// The next newer order of the level.
    pub(crate) next: Slot,
    /// The next older order of the level.
    pub(crate) previous: Slot,
    pub(crate) level: Slot,
    pub(crate) account: AccountId,
}

const _: () = assert!(size_of::<OpenOrder>() == 64);

impl OpenOrder {
    /// Of an order in the book.
    #[inline(always)]
    pub(crate) fn status(filled: i64) -> OrderStatus {
        if filled == 0 { OrderStatus::Open } else { OrderStatus::PartiallyFilled }
    }

    /// The order as the rest of the world knows it.
    #[inline(always)]
    pub(crate) fn describe(&self, level: &Level) -> Order {
        let filled = self.quantity - self.remaining;
        let price_ticks = level.price_ticks();
        Order {
            order_id: self.id,
            created_at_us: self.created_at_us,
            price_ticks,
            quantity: self.quantity,
            filled,
            remaining: self.remaining,
            turnover_ticks: price_ticks * filled + self.improvement_ticks,
            instrument: level.instrument(),
            account: self.account,
            side: level.side(),
            // Nothing else rests.
            time_in_force: TimeInForce::GoodTillCancel,
            status: Self::status(filled),
            reject_reason: RejectReason::None,
        }
    }
}
