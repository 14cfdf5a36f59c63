//! How an incoming order trades, and how orders end.

use super::Engine;
use super::makers::{Incoming, Quotes};
use crate::book::{OpenOrder, Traits};
use crate::outcome::{CancelReason, OrderStatus, Trade};
use crate::slots::{NONE, Slot};
use crate::terms::SelfTradePrevention;
use crate::{Event, Liquidity};

impl Engine {
    /// Trades with the acceptable makers, the first one first, until nothing is wanted or
    /// nobody is acceptable.
    #[inline(always)]
    pub(super) fn match_incoming(
        &mut self,
        incoming: &mut Incoming,
        quotes: &Quotes,
        events: &mut Vec<Event>,
    ) {
        while incoming.remaining > 0
            && let Some((maker, price_ticks)) = self.next_maker(incoming, quotes)
        {
            if !self.is_within_bands(incoming.instrument, price_ticks) {
                incoming.halted = true;
                self.begin_volatility_halt(incoming.instrument, events);
                return;
            }
            let order = &self.books.orders[maker];
            if order.position == incoming.position && self.prevent_trade(incoming, maker, events) {
                if incoming.cancelled != CancelReason::None {
                    return;
                }
                continue;
            }
            self.trade(incoming, maker, price_ticks, events);
            if incoming.cancelled != CancelReason::None {
                return;
            }
        }
    }

    /// What happens instead of a trade between two orders of one account, if anything does.
    #[cold]
    fn prevent_trade(
        &mut self,
        incoming: &mut Incoming,
        maker: Slot,
        events: &mut Vec<Event>,
    ) -> bool {
        if self.books.linked_order(maker) == incoming.order_id {
            incoming.linked_order = 0;
            self.cancel_slot(maker, CancelReason::LinkedOrder, events);
            return true;
        }
        match incoming.prevention {
            SelfTradePrevention::Allow => return false,
            SelfTradePrevention::CancelNewest => {
                self.cancel_incoming(incoming, CancelReason::SelfTrade, events);
            }
            SelfTradePrevention::CancelOldest => {
                self.cancel_slot(maker, CancelReason::SelfTrade, events);
            }
            SelfTradePrevention::CancelBoth => {
                self.cancel_slot(maker, CancelReason::SelfTrade, events);
                self.cancel_incoming(incoming, CancelReason::SelfTrade, events);
            }
            SelfTradePrevention::Decrement => self.decrement(incoming, maker, events),
        }
        true
    }

    /// Both become smaller by what would have traded.
    fn decrement(&mut self, incoming: &mut Incoming, maker: Slot, events: &mut Vec<Event>) {
        let by = self.shown(maker).min(incoming.remaining);
        if by == self.books.orders[maker].remaining {
            self.cancel_slot(maker, CancelReason::SelfTrade, events);
        } else {
            self.shrink(maker, by, true);
            self.tell_reduced(maker, events);
            self.refill_if_empty(maker, events);
        }
        if by == incoming.remaining {
            self.cancel_incoming(incoming, CancelReason::SelfTrade, events);
        } else if incoming.slot != NONE {
            self.shrink(incoming.slot, by, false);
            incoming.quantity -= by;
            incoming.remaining -= by;
            self.tell_reduced(incoming.slot, events);
        } else {
            incoming.quantity -= by;
            incoming.remaining -= by;
            let Incoming { order_id, instrument, side, price_ticks, remaining, .. } = *incoming;
            let event = Event::Reduced { order_id, instrument, side, price_ticks, remaining };
            self.record(events, event);
        }
    }

    /// What of a maker can trade at its place: of an iceberg order what it shows.
    #[inline(always)]
    fn shown(&self, maker: Slot) -> i64 {
        let order = &self.books.orders[maker];
        if order.traits.has(Traits::ICEBERG) {
            self.books.displayed(maker)
        } else {
            order.remaining
        }
    }

    /// One trade with a maker.
    #[inline(always)]
    fn trade(
        &mut self,
        incoming: &mut Incoming,
        maker: Slot,
        price_ticks: i64,
        events: &mut Vec<Event>,
    ) {
        let quantity = self.shown(maker).min(incoming.remaining);
        assert!(quantity > 0);
        let turnover_ticks = price_ticks * quantity;
        let OpenOrder { id: maker_id, remaining, position, fee_schedule, .. } =
            self.books.orders[maker];
        let maker_fee =
            self.fee(incoming.instrument, fee_schedule, Liquidity::Maker, turnover_ticks);
        let taker_fee =
            self.fee(incoming.instrument, incoming.fee_schedule, Liquidity::Taker, turnover_ticks);
        self.counters.last_trade_id += 1;
        let trade = Trade {
            trade_id: self.counters.last_trade_id,
            instrument: incoming.instrument,
            taker_side: incoming.side,
            in_auction: false,
            price_ticks,
            quantity,
            maker_order_id: maker_id,
            taker_order_id: incoming.order_id,
            maker_account: self.positions.holdings[position].account,
            taker_account: incoming.account,
            maker_remaining: remaining - quantity,
            maker_fee,
            taker_fee,
        };
        self.record(events, Event::Trade(trade));
        self.books.book_mut(incoming.instrument).state.last_price_ticks = price_ticks;
        let maker_link = self.books.linked_order(maker);

        self.settle_trade(position, incoming.side.opposite(), quantity, turnover_ticks, maker_fee);
        self.fill(maker, quantity, price_ticks);
        if trade.maker_remaining == 0 {
            self.end(maker, OrderStatus::Filled, CancelReason::None);
        } else {
            self.refill_if_empty(maker, events);
        }
        self.settle_trade(incoming.position, incoming.side, quantity, turnover_ticks, taker_fee);
        incoming.remaining -= quantity;
        incoming.turnover_ticks += turnover_ticks;
        if incoming.slot != NONE {
            self.fill(incoming.slot, quantity, price_ticks);
        }
        self.earn(incoming.instrument, maker_fee + taker_fee);

        if maker_link != 0 {
            self.cancel_linked(maker_id, maker_link, events);
        }
        if incoming.linked_order != 0 {
            let linked_order = std::mem::take(&mut incoming.linked_order);
            self.cancel_linked(incoming.order_id, linked_order, events);
        }
    }
}
