//! What a new order does to the book: it trades with what it crosses, and what is left
//! of it rests.

use super::level::Level;
use super::open_order::OpenOrder;
use super::pool::{NONE, Slot};
use super::{Books, rank};
use crate::outcome::{Order, Trade};
use crate::tape::Tape;
use crate::{
    Event, InstrumentId, NewOrder, OrderId, OrderStatus, RejectReason, Side, Stamp, TimeInForce,
};

/// What an incoming order has traded so far.
#[derive(Clone, Copy, Default)]
struct Fills {
    quantity: i64,
    turnover_ticks: i64,
}

impl Books {
    /// Runs an order against the book. The caller has made sure that it may rest.
    #[inline(always)]
    pub(crate) fn place(&mut self, stamp: Stamp, new: &NewOrder, tape: &mut Tape<'_>) -> Order {
        let order_id = stamp.sequence;
        let NewOrder { instrument, side, price_ticks, .. } = *new;
        let maker_side = side.opposite();
        let limit = rank(maker_side, price_ticks);
        let fills = if self.book(instrument).best_rank[maker_side as usize] <= limit {
            self.trade(order_id, new, tape)
        } else {
            Fills::default()
        };

        let remaining = new.quantity - fills.quantity;
        let status = if remaining == 0 {
            OrderStatus::Filled
        } else if new.time_in_force == TimeInForce::ImmediateOrCancel {
            let quantity = remaining;
            tape.record(Event::Cancelled { order_id, instrument, side, price_ticks, quantity });
            OrderStatus::Cancelled
        } else {
            let order = OpenOrder {
                id: order_id,
                remaining,
                quantity: new.quantity,
                improvement_ticks: fills.turnover_ticks - price_ticks * fills.quantity,
                created_at_us: stamp.time_us,
                account: new.account,
                ..OpenOrder::default()
            };
            self.append(instrument, side, price_ticks as u32, order);
            tape.record(Event::Rested { order_id, instrument, side, price_ticks, remaining });
            OpenOrder::status(fills.quantity)
        };
        Order {
            order_id,
            created_at_us: stamp.time_us,
            price_ticks,
            quantity: new.quantity,
            filled: fills.quantity,
            remaining: if status.is_open() { remaining } else { 0 },
            turnover_ticks: fills.turnover_ticks,
            instrument,
            account: new.account,
            side,
            time_in_force: new.time_in_force,
            status,
            reject_reason: RejectReason::None,
        }
    }

    /// Trades with whatever the order's limit reaches, best price first.
    fn trade(&mut self, order_id: OrderId, new: &NewOrder, tape: &mut Tape<'_>) -> Fills {
        let maker_side = new.side.opposite();
        let limit = rank(maker_side, new.price_ticks);
        let mut fills = Fills::default();
        while fills.quantity < new.quantity
            && self.book(new.instrument).best_rank[maker_side as usize] <= limit
        {
            self.trade_at_best(order_id, new, &mut fills, tape);
        }
        fills
    }

    /// Trades with the orders of the best level, oldest first.
    fn trade_at_best(
        &mut self,
        order_id: OrderId,
        new: &NewOrder,
        fills: &mut Fills,
        tape: &mut Tape<'_>,
    ) {
        let maker_side = new.side.opposite();
        let book = self.book(new.instrument);
        let price_ticks = book.best_rank[maker_side as usize].abs();
        let level_slot = book.best_level[maker_side as usize];
        let mut remaining = new.quantity - fills.quantity;
        let mut traded = 0;
        let mut makers_filled = 0;
        let mut maker_slot = self.levels[level_slot].head;
        assert!(maker_slot != NONE);
        while maker_slot != NONE && remaining > 0 {
            let maker = &mut self.orders[maker_slot];
            let quantity = maker.remaining.min(remaining);
            assert!(quantity > 0);
            maker.remaining -= quantity;
            remaining -= quantity;
            traded += quantity;
            let trade_id = tape.next_trade_id();
            tape.record(Event::Trade(Trade {
                trade_id,
                instrument: new.instrument,
                taker_side: new.side,
                price_ticks,
                quantity,
                maker_order_id: maker.id,
                taker_order_id: order_id,
                maker_account: maker.account,
                taker_account: new.account,
                maker_remaining: maker.remaining,
            }));
            if maker.remaining == 0 {
                makers_filled += 1;
                let next = maker.next;
                self.release(maker_slot);
                maker_slot = next;
            }
        }

        fills.quantity += traded;
        fills.turnover_ticks += price_ticks * traded;
        let level = &mut self.levels[level_slot];
        level.quantity -= traded;
        level.orders -= makers_filled;
        level.head = maker_slot;
        if maker_slot == NONE {
            level.tail = NONE;
            self.remove_level(level_slot);
        } else {
            assert!(level.quantity > 0 && level.orders > 0);
            self.orders[maker_slot].previous = NONE;
        }
    }

    /// Puts an order at the tail of its level.
    #[inline(always)]
    pub(super) fn append(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: u32,
        order: OpenOrder,
    ) {
        assert!(order.remaining > 0 && order.remaining <= order.quantity);
        let mut level_slot = self.book(instrument).ladder.get(&self.pages, price);
        if level_slot == NONE {
            level_slot = self.create_level(instrument, side, price);
        }
        let slot = self.orders.take();
        let orders = self.orders.slots_mut();
        let level = &mut self.levels[level_slot];
        assert!(level.side() == side, "the book would be crossed");
        let previous = level.tail;
        // Writes to slot NONE, which nobody reads, if the order is the first.
        orders[previous as usize].next = slot;
        level.head = if previous == NONE { slot } else { level.head };
        level.tail = slot;
        level.quantity += order.remaining;
        level.orders += 1;
        orders[slot as usize] = OpenOrder { level: level_slot, previous, next: NONE, ..order };
        self.locator.insert(order.id, slot, |slot| orders[slot as usize].id);
    }

    fn create_level(&mut self, instrument: InstrumentId, side: Side, price: u32) -> Slot {
        let slot = self.levels.take();
        self.levels[slot] = Level::new(instrument, side, price);
        let book = &mut self.books[instrument as usize - 1];
        book.ladder.insert(&mut self.pages, price, slot);
        let rank = rank(side, i64::from(price));
        assert!(rank != book.best_rank[side as usize]);
        if rank < book.best_rank[side as usize] {
            book.best_rank[side as usize] = rank;
            book.best_level[side as usize] = slot;
        }
        slot
    }
}
