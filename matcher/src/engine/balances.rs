//! Money and shares: what trades move, and what open orders withhold.

use super::Engine;
use crate::book::OpenOrder;
use crate::slots::Slot;
use crate::{InstrumentId, Liquidity, Money, ScheduleId, Side};

impl Engine {
    #[inline(always)]
    pub(super) fn fee(
        &self,
        instrument: InstrumentId,
        schedule: ScheduleId,
        liquidity: Liquidity,
        turnover_ticks: i64,
    ) -> Money {
        let valuation = &self.books.book(instrument).valuation;
        self.fees.fee(schedule, liquidity, valuation, turnover_ticks)
    }

    /// Fees go to the venue.
    #[inline(always)]
    pub(super) fn earn(&mut self, instrument: InstrumentId, fees: Money) {
        if fees != 0 {
            let currency = self.books.book(instrument).currency;
            self.cash.currency(currency).fees += fees;
        }
    }

    /// One side of a trade: shares against money.
    #[inline(always)]
    pub(super) fn settle_trade(
        &mut self,
        position: Slot,
        side: Side,
        quantity: i64,
        turnover_ticks: i64,
        fee: Money,
    ) {
        let holding = &mut self.positions.holdings[position];
        holding.count_trade(self.counters.trade_date, side, quantity, turnover_ticks);
        let value = self.books.book(holding.instrument).valuation.value(turnover_ticks);
        let cash = &mut self.cash.entries[holding.cash];
        match side {
            Side::Buy => {
                holding.quantity += quantity;
                cash.balance -= value + fee;
            }
            Side::Sell => {
                holding.quantity -= quantity;
                cash.balance += value - fee;
            }
        }
    }

    /// What an open order of a price and a remaining quantity withholds.
    #[inline(always)]
    pub(super) fn hold(
        &self,
        instrument: InstrumentId,
        schedule: ScheduleId,
        turnover_ticks: i64,
    ) -> Money {
        self.fees.hold(schedule, &self.books.book(instrument).valuation, turnover_ticks)
    }

    /// Withholds what an order of this remaining quantity needs.
    #[inline(always)]
    pub(crate) fn withhold(&mut self, slot: Slot, price_ticks: i64, quantity: i64) {
        let OpenOrder { side, position, fee_schedule, .. } = self.books.orders[slot];
        let instrument = self.positions.holdings[position].instrument;
        self.positions.holdings[position].open(side, price_ticks, quantity);
        if side == Side::Buy {
            let held = self.hold(instrument, fee_schedule, price_ticks * quantity);
            let cash = self.positions.holdings[position].cash;
            self.cash.entries[cash].held += held;
        }
    }

    /// Gives back what an order withholds that remains so much less than before.
    #[inline(always)]
    pub(super) fn give_back(&mut self, slot: Slot, price_ticks: i64, before: i64, after: i64) {
        let OpenOrder { side, position, fee_schedule, .. } = self.books.orders[slot];
        let holding = &mut self.positions.holdings[position];
        let (instrument, cash) = (holding.instrument, holding.cash);
        holding.close(side, price_ticks, before - after);
        if side == Side::Buy {
            let held = self.hold(instrument, fee_schedule, price_ticks * before)
                - self.hold(instrument, fee_schedule, price_ticks * after);
            self.cash.entries[cash].held -= held;
        }
    }
}
