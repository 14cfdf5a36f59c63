//! The orders of one side at one price, first come first served.

use super::pool::{NONE, Slot};
use crate::{InstrumentId, Side};

/// A level in use has at least one order. Half a cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
pub(crate) struct Level {
    /// Sum of what remains of its orders.
    pub(crate) quantity: i64,
    /// The oldest order.
    pub(crate) head: Slot,
    /// The newest order.
    pub(crate) tail: Slot,
    /// Number of orders.
    pub(crate) orders: u32,
    pub(crate) price: u32,
    /// Instrument and side in one word.
    owner: u32,
}

const _: () = assert!(size_of::<Level>() == 32);

impl Level {
    pub(crate) fn new(instrument: InstrumentId, side: Side, price: u32) -> Self {
        let owner = instrument << 1 | side as u32;
        Self { quantity: 0, head: NONE, tail: NONE, orders: 0, price, owner }
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
