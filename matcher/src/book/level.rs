//! The orders of one side at one price: displayed ones first, then hidden ones, each first
//! come first served.

use crate::slots::{NONE, Slot};
use crate::{InstrumentId, Side};

/// A level in use has at least one order. Half a cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
pub(crate) struct Level {
    /// Sum of what its orders display.
    pub(crate) quantity: i64,
    /// The order that trades first.
    pub(crate) head: Slot,
    /// The newest displayed order.
    pub(crate) displayed_tail: Slot,
    /// The order that trades last.
    pub(crate) tail: Slot,
    /// Number of displayed orders.
    pub(crate) orders: u32,
    pub(crate) price: u32,
    /// Instrument and side in one word.
    owner: u32,
}

const _: () = assert!(size_of::<Level>() == 32);

impl Level {
    pub(crate) fn new(instrument: InstrumentId, side: Side, price: u32) -> Self {
        let owner = instrument << 1 | side as u32;
        Self { quantity: 0, head: NONE, displayed_tail: NONE, tail: NONE, orders: 0, price, owner }
    }

    #[inline(always)]
    pub(crate) fn instrument(&self) -> InstrumentId {
        self.owner >> 1
    }

    #[inline(always)]
    pub(crate) fn side(&self) -> Side {
        if self.owner & 1 == 0 { Side::Buy } else { Side::Sell }
    }

    #[inline(always)]
    pub(crate) fn price_ticks(&self) -> i64 {
        i64::from(self.price)
    }
}
