//! An open order.

use crate::slots::{NONE, Slot};
use crate::terms::{SelfTradePrevention, Terms, TimeInForce};
use crate::{
    AccountId, CancelReason, InstrumentId, Order, OrderId, OrderStatus, PRIORITY_BITS,
    RejectReason, ScheduleId, Sequence, Side,
};

/// Exactly one cache line, so that whatever a command does to a plain order costs one miss.
/// The account and the instrument are those of its position; the price of one that rests in
/// the book is that of its level. What only few orders have is in its [`Details`].
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct OpenOrder {
    /// 0 in a slot that nobody uses.
    pub(crate) id: OrderId,
    pub(crate) remaining: i64,
    pub(crate) quantity: i64,
    pub(crate) created_at_us: i64,
    /// The order behind it in its level.
    pub(crate) next: Slot,
    /// The order before it in its level.
    pub(crate) previous: Slot,
    /// [`NONE`] if it waits outside of the book.
    pub(crate) level: Slot,
    /// The position of its account in its instrument.
    pub(crate) position: Slot,
    /// The next newer order of the position.
    pub(crate) newer: Slot,
    /// The next older order of the position.
    pub(crate) older: Slot,
    /// [`NONE`] for a plain order.
    pub(crate) details: Slot,
    pub(crate) side: Side,
    pub(crate) fee_schedule: ScheduleId,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) traits: Traits,
}

const _: () = assert!(size_of::<OpenOrder>() == 64);

/// What a match must know of a maker, in one byte.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traits(u8);

impl Traits {
    const PREVENTION: u8 = 0b111;
    /// It is not displayed.
    pub(crate) const HIDDEN: u8 = 1 << 3;
    /// It shows a part at a time.
    pub(crate) const ICEBERG: u8 = 1 << 4;
    /// It is linked with another order.
    pub(crate) const LINKED: u8 = 1 << 5;

    pub(crate) fn new(prevention: SelfTradePrevention, terms: &Terms) -> Self {
        let mut traits = Self(prevention as u8);
        traits.set(Self::HIDDEN, terms.hidden);
        traits.set(Self::ICEBERG, terms.display_quantity > 0);
        traits.set(Self::LINKED, terms.linked_order != 0);
        traits
    }

    #[inline(always)]
    pub(crate) fn has(self, trait_bits: u8) -> bool {
        self.0 & trait_bits != 0
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, trait_bit: u8, on: bool) {
        self.0 = self.0 & !trait_bit | if on { trait_bit } else { 0 };
    }

    pub(crate) fn prevention(self) -> SelfTradePrevention {
        match self.0 & Self::PREVENTION {
            0 => SelfTradePrevention::CancelNewest,
            1 => SelfTradePrevention::CancelOldest,
            2 => SelfTradePrevention::CancelBoth,
            3 => SelfTradePrevention::Decrement,
            _ => SelfTradePrevention::Allow,
        }
    }
}

impl Default for OpenOrder {
    fn default() -> Self {
        Self {
            id: 0,
            remaining: 0,
            quantity: 0,
            created_at_us: 0,
            next: NONE,
            previous: NONE,
            level: NONE,
            position: NONE,
            newer: NONE,
            older: NONE,
            details: NONE,
            side: Side::Buy,
            fee_schedule: 0,
            time_in_force: TimeInForce::GoodTillCancel,
            traits: Traits::default(),
        }
    }
}

impl OpenOrder {
    #[inline(always)]
    pub(crate) fn filled(&self) -> i64 {
        self.quantity - self.remaining
    }

    /// The order as the rest of the world knows it, if it has no details.
    #[inline(always)]
    pub(crate) fn describe(
        &self,
        instrument: InstrumentId,
        account: AccountId,
        price_ticks: i64,
    ) -> Order {
        let filled = self.filled();
        Order {
            order_id: self.id,
            created_at_us: self.created_at_us,
            priority: first_priority(self.id),
            price_ticks,
            quantity: self.quantity,
            filled,
            remaining: self.remaining,
            displayed: self.remaining,
            turnover_ticks: price_ticks * filled,
            instrument,
            account,
            side: self.side,
            time_in_force: self.time_in_force,
            self_trade_prevention: self.traits.prevention(),
            status: OrderStatus::of_open(filled),
            reject_reason: RejectReason::None,
            cancel_reason: CancelReason::None,
            fee_schedule: self.fee_schedule,
            triggered: false,
            terms: Terms::PLAIN,
        }
    }
}

/// The place of a plain order: it never lost the one that it got when it came.
#[inline(always)]
pub(crate) fn first_priority(sequence: Sequence) -> u64 {
    sequence << PRIORITY_BITS
}

/// What only few orders have.
#[derive(Clone, Copy, Default)]
pub(crate) struct Details {
    /// Its limit.
    pub(crate) price_ticks: i64,
    /// Orders of a level stand in this order.
    pub(crate) priority: u64,
    /// What its trades at other prices than its own add to the turnover.
    pub(crate) improvement_ticks: i64,
    /// What an iceberg order shows.
    pub(crate) displayed: i64,
    /// Whether it is a stop order that was reached.
    pub(crate) triggered: bool,
    /// What it asked for.
    pub(crate) terms: Terms,
}
