//! What a new order does to the book: it trades with what it crosses, and what is left
//! of it rests.

use super::level::Level;
use super::open_order::OpenOrder;
use super::pool::{NONE, Slot};
use super::{Books, rank};
use crate::outcome::{Order, Trade};
use crate::tape::Tape;
use crate::{Event, InstrumentId, NewOrder, OrderId, OrderStatus, RejectReason, Side, TimeInForce};

/// An order on its way through the book.
#[derive(Clone, Copy)]
pub(crate) struct Incoming {
    pub(crate) id: OrderId,
    pub(crate) created_at_us: i64,
    pub(crate) terms: NewOrder,
    pub(crate) remaining: i64,
    pub(crate) turnover_ticks: i64,
}

impl Incoming {
    pub(crate) fn new(id: OrderId, created_at_us: i64, terms: NewOrder) -> Self {
        Self { id, created_at_us, terms, remaining: terms.quantity, turnover_ticks: 0 }
    }

    #[inline(always)]
    fn filled(&self) -> i64 {
        self.terms.quantity - self.remaining
    }

    /// The order as it stands, given what became of it.
    #[inline(always)]
    pub(crate) fn describe(&self, status: OrderStatus, reject_reason: RejectReason) -> Order {
        Order {
            order_id: self.id,
            created_at_us: self.created_at_us,
            price_ticks: self.terms.price_ticks,
            quantity: self.terms.quantity,
            filled: self.filled(),
            remaining: if status.is_open() { self.remaining } else { 0 },
            turnover_ticks: self.turnover_ticks,
            instrument: self.terms.instrument,
            account: self.terms.account,
            side: self.terms.side,
            time_in_force: self.terms.time_in_force,
            status,
            reject_reason,
        }
    }
}

impl Books {
    /// Runs an order against the book. The caller has made sure that it may rest.
    #[inline(always)]
    pub(crate) fn place(&mut self, mut incoming: Incoming, tape: &mut Tape<'_>) -> Order {
        let NewOrder { instrument, side, price_ticks, time_in_force, .. } = incoming.terms;
        self.trade(&mut incoming, tape);

        let order_id = incoming.id;
        let remaining = incoming.remaining;
        let status = if remaining == 0 {
            OrderStatus::Filled
        } else if time_in_force == TimeInForce::ImmediateOrCancel {
            let quantity = remaining;
            tape.record(Event::Cancelled { order_id, instrument, side, price_ticks, quantity });
            OrderStatus::Cancelled
        } else {
            self.rest(&incoming);
            tape.record(Event::Rested { order_id, instrument, side, price_ticks, remaining });
            if incoming.filled() == 0 { OrderStatus::Open } else { OrderStatus::PartiallyFilled }
        };
        incoming.describe(status, RejectReason::None)
    }

    /// Trades with whatever the order's limit reaches, best price first.
    #[inline(always)]
    fn trade(&mut self, incoming: &mut Incoming, tape: &mut Tape<'_>) {
        let book = incoming.terms.instrument as usize - 1;
        let maker_side = incoming.terms.side.opposite();
        let limit = rank(maker_side, incoming.terms.price_ticks);
        while incoming.remaining > 0 && self.books[book].best_rank[maker_side as usize] <= limit {
            let level = self.books[book].best_level[maker_side as usize];
            self.trade_at(level, incoming, tape);
        }
    }

    /// Trades with the orders of one level, oldest first.
    fn trade_at(&mut self, level_slot: Slot, incoming: &mut Incoming, tape: &mut Tape<'_>) {
        let level = self.levels[level_slot];
        assert!(level.side() != incoming.terms.side && level.head != NONE);
        let price_ticks = level.price_ticks();
        let before = incoming.remaining;
        let mut makers_filled = 0;
        let mut maker_slot = level.head;
        while maker_slot != NONE && incoming.remaining > 0 {
            let maker = &mut self.orders[maker_slot];
            let quantity = maker.remaining.min(incoming.remaining);
            assert!(quantity > 0);
            maker.remaining -= quantity;
            incoming.remaining -= quantity;
            let trade_id = tape.next_trade_id();
            tape.record(Event::Trade(Trade {
                trade_id,
                instrument: incoming.terms.instrument,
                taker_side: incoming.terms.side,
                price_ticks,
                quantity,
                maker_order_id: maker.id,
                taker_order_id: incoming.id,
                maker_account: maker.account,
                taker_account: incoming.terms.account,
                maker_remaining: maker.remaining,
            }));
            if maker.remaining == 0 {
                makers_filled += 1;
                let next = maker.next;
                self.release(maker_slot);
                maker_slot = next;
            }
        }

        let traded = before - incoming.remaining;
        incoming.turnover_ticks += price_ticks * traded;
        let level = &mut self.levels[level_slot];
        level.quantity -= traded;
        level.orders -= makers_filled;
        level.head = maker_slot;
        assert!(level.quantity >= 0);
        if maker_slot == NONE {
            assert!(level.quantity == 0 && level.orders == 0);
            self.remove_level(level_slot);
        } else {
            assert!(level.quantity > 0 && level.orders > 0);
            self.orders[maker_slot].previous = NONE;
        }
    }

    /// Puts what is left of an order at the tail of its level.
    #[inline(always)]
    fn rest(&mut self, incoming: &Incoming) {
        let NewOrder { instrument, side, price_ticks, account, quantity, .. } = incoming.terms;
        self.append(
            instrument,
            side,
            price_ticks as u32,
            OpenOrder {
                id: incoming.id,
                remaining: incoming.remaining,
                quantity,
                improvement_ticks: incoming.turnover_ticks - price_ticks * incoming.filled(),
                created_at_us: incoming.created_at_us,
                account,
                ..OpenOrder::default()
            },
        );
    }

    /// Puts an order at the tail of its level.
    #[inline(always)]
    pub(crate) fn append(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: u32,
        mut order: OpenOrder,
    ) {
        assert!(order.remaining > 0 && order.remaining <= order.quantity);
        let ladder = &self.books[instrument as usize - 1].ladder;
        let mut level_slot = ladder.get(&self.pages, price);
        if level_slot == NONE {
            level_slot = self.create_level(instrument, side, price);
        }
        let slot = self.orders.take();
        let level = &mut self.levels[level_slot];
        assert!(level.side() == side, "the book would be crossed");
        order.level = level_slot;
        order.previous = level.tail;
        // Writes to slot NONE, which nobody reads, if the order is the first.
        self.orders[level.tail].next = slot;
        level.head = if level.tail == NONE { slot } else { level.head };
        level.tail = slot;
        level.quantity += order.remaining;
        level.orders += 1;
        self.orders[slot] = order;
        self.locator.insert(order.id, slot, |slot| self.orders[slot].id);
    }

    fn create_level(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: u32,
    ) -> Slot {
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
