//! What accounts have of instruments, and what their open orders could add to it.

use super::limits::LimitsId;
use super::position_table::PositionTable;
use crate::slots::{Pool, Slot};
use crate::{AccountId, InstrumentId, Side};
use std::collections::BTreeMap;

/// One position. What every order looks at lies in the first two cache lines, which
/// processors fetch as a pair.
#[derive(Clone, Copy, Default)]
#[repr(C, align(128))]
pub(crate) struct Holding {
    pub(crate) quantity: i64,
    /// What remains of its open orders, by side.
    pub(crate) open_quantity: [i64; 2],
    /// What it may owe.
    pub(crate) short_limit: i64,
    pub(crate) account: AccountId,
    pub(crate) instrument: InstrumentId,
    /// The account's money in the instrument's currency.
    pub(crate) cash: Slot,
    /// Its open orders, oldest first.
    pub(crate) first_order: Slot,
    pub(crate) last_order: Slot,
    pub(crate) open_orders: u32,
    /// Which limits just this account has in this instrument; 0 for none.
    pub(crate) limits: LimitsId,
    /// What was traded last is of this day.
    pub(crate) trade_date: i32,
    /// Limit price × what remains of its open orders, by side.
    pub(crate) open_value_ticks: [i128; 2],
    pub(crate) traded_quantity: [i64; 2],
    pub(crate) traded_value_ticks: [i128; 2],
}

impl Holding {
    /// Reads what every order will.
    #[inline(always)]
    pub(crate) fn touch(&self) -> i64 {
        self.quantity ^ self.open_value_ticks[0] as i64
    }

    /// What it can still sell.
    #[inline(always)]
    pub(crate) fn available(&self) -> i64 {
        self.quantity - self.open_quantity[Side::Sell as usize] + self.short_limit
    }

    /// An order, or more of one, is open from here on.
    #[inline(always)]
    pub(crate) fn open(&mut self, side: Side, price_ticks: i64, quantity: i64) {
        self.open_quantity[side as usize] += quantity;
        self.open_value_ticks[side as usize] += i128::from(price_ticks * quantity);
    }

    /// An order, or a part of one, is not open any more.
    #[inline(always)]
    pub(crate) fn close(&mut self, side: Side, price_ticks: i64, quantity: i64) {
        self.open_quantity[side as usize] -= quantity;
        self.open_value_ticks[side as usize] -= i128::from(price_ticks * quantity);
        debug_assert!(self.open_quantity[side as usize] >= 0);
    }

    /// Counts a trade for the limits of the day.
    #[inline(always)]
    pub(crate) fn count_trade(
        &mut self,
        trade_date: i32,
        side: Side,
        quantity: i64,
        turnover_ticks: i64,
    ) {
        if self.trade_date != trade_date {
            self.trade_date = trade_date;
            self.traded_quantity = [0; 2];
            self.traded_value_ticks = [0; 2];
        }
        self.traded_quantity[side as usize] += quantity;
        self.traded_value_ticks[side as usize] += i128::from(turnover_ticks);
    }

    /// What was traded on a date: quantity, and value in ticks.
    pub(crate) fn traded(&self, trade_date: i32, side: Side) -> (i64, i128) {
        if self.trade_date == trade_date {
            (self.traded_quantity[side as usize], self.traded_value_ticks[side as usize])
        } else {
            (0, 0)
        }
    }
}

/// All positions.
pub(crate) struct Positions {
    pub(crate) holdings: Pool<Holding>,
    table: PositionTable,
    by_owner: BTreeMap<(AccountId, InstrumentId), Slot>,
}

impl Positions {
    pub(crate) fn new(maximum_positions: u32) -> Self {
        Self {
            holdings: Pool::new(maximum_positions),
            table: PositionTable::new(maximum_positions),
            by_owner: BTreeMap::new(),
        }
    }

    /// The position, or [`NONE`]: whose values are those of one that is not there yet.
    #[inline(always)]
    pub(crate) fn find(&self, account: AccountId, instrument: InstrumentId) -> Slot {
        self.table.get(account, instrument)
    }

    /// Makes a position that is not there. The caller made sure of room.
    #[cold]
    pub(crate) fn create(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        cash: Slot,
    ) -> Slot {
        let slot = self.holdings.take();
        self.holdings[slot] = Holding { account, instrument, cash, ..Holding::default() };
        self.table.insert(account, instrument, slot);
        self.by_owner.insert((account, instrument), slot);
        slot
    }

    /// Positions, of one account or all, by account and instrument.
    pub(crate) fn slots(&self, account: Option<AccountId>) -> impl Iterator<Item = Slot> + '_ {
        let range = match account {
            Some(account) => (account, 0)..=(account, InstrumentId::MAX),
            None => (0, 0)..=(AccountId::MAX, InstrumentId::MAX),
        };
        self.by_owner.range(range).map(|(_, &slot)| slot)
    }
}
