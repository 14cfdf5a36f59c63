//! Books without an exchange around them: limit orders and cancels in price-time priority, for
//! measuring what accounts, money, limits and phases cost beside that. Same books, same
//! events, hash and answers as the engine's; nobody is asked whether he may or can.

use crate::book::{Books, OpenOrder, Traits, rank};
use crate::outcome::{CancelReason, Order, OrderStatus, Outcome, Trade};
use crate::slots::Slot;
use crate::terms::Terms;
use crate::{Command, Event, Instrument, Limits, NewOrder, OrderId, Sequence, Stamp, hash};

/// The books of some instruments, and the order ids.
pub struct BareBooks {
    books: Books,
    sequence: Sequence,
    last_trade_id: u64,
    event_hash: u64,
}

impl BareBooks {
    /// Without instruments.
    pub fn new(limits: Limits) -> Self {
        Self { books: Books::new(&limits), sequence: 0, last_trade_id: 0, event_hash: 0 }
    }

    /// Of the last command.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// As [`crate::Engine::prefetch_batch`].
    pub fn prefetch_batch<'a>(&self, commands: impl IntoIterator<Item = &'a Command>) {
        self.books.prefetch(commands, |_, _| crate::slots::NONE, |_| 0);
    }

    /// Applies a command as [`crate::Engine::apply`] does, if it lists an instrument, places a
    /// plain order or cancels one; any other does nothing. Panics if the order to place is
    /// out of range or the one to cancel is not open.
    #[inline]
    pub fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome {
        self.sequence = stamp.sequence;
        match command {
            Command::CreateInstrument(instrument) => self.create(instrument),
            Command::PlaceOrder(new) => {
                hash::fold_command(&mut self.event_hash, stamp, command);
                self.place(stamp, new, events)
            }
            Command::CancelOrder { order_id, .. } => {
                hash::fold_command(&mut self.event_hash, stamp, command);
                self.cancel(*order_id, events)
            }
            _ => Outcome::Done,
        }
    }

    fn create(&mut self, instrument: &Instrument) -> Outcome {
        self.books.create(instrument, 1);
        Outcome::Instrument(self.books.len() as u32)
    }

    #[inline(always)]
    fn record(&mut self, events: &mut Vec<Event>, event: Event) {
        hash::fold_event(&mut self.event_hash, &event);
        events.push(event);
    }

    #[inline(always)]
    fn place(&mut self, stamp: Stamp, new: &NewOrder, events: &mut Vec<Event>) -> Outcome {
        let NewOrder { instrument, account, price_ticks, quantity, side, .. } = *new;
        let book = self.books.book(instrument);
        assert!(price_ticks >= 1 && price_ticks <= book.maximum_price_ticks);
        assert!(quantity >= 1 && quantity <= book.maximum_quantity && book.is_lots(quantity));
        assert!(!self.books.is_full() && !self.books.lacks_level(instrument, side, price_ticks));
        let order_id = stamp.sequence;
        let mut order = Order::new(stamp, new, &Terms::PLAIN, price_ticks, 0);
        self.trade(&mut order, events);
        let remaining = order.remaining;
        if remaining > 0 {
            let slot = self.books.add(OpenOrder {
                id: order_id,
                remaining,
                quantity,
                created_at_us: stamp.time_us,
                // There are no positions: whose the order is.
                position: account,
                side,
                time_in_force: new.time_in_force,
                traits: Traits::new(new.self_trade_prevention, &Terms::PLAIN),
                ..OpenOrder::default()
            });
            self.books.enter_displayed(instrument, slot, price_ticks, remaining);
            let event = Event::Rested { order_id, instrument, side, price_ticks, remaining };
            self.record(events, event);
            order.displayed = remaining;
            order.status = OrderStatus::of_open(order.filled);
        } else {
            order.status = OrderStatus::Filled;
        }
        Outcome::Order(order)
    }

    /// Trades with whatever the order's limit reaches.
    #[inline(always)]
    fn trade(&mut self, order: &mut Order, events: &mut Vec<Event>) {
        let maker_side = order.side.opposite();
        let limit = rank(maker_side, order.price_ticks);
        loop {
            let book = self.books.book(order.instrument);
            if order.remaining == 0 || book.best_rank[maker_side as usize] > limit {
                return;
            }
            let level_slot = book.best_level[maker_side as usize];
            let level = &mut self.books.levels[level_slot];
            let (slot, price_ticks) = (level.head, level.price_ticks());
            let maker = &mut self.books.orders[slot];
            let quantity = maker.remaining.min(order.remaining);
            maker.remaining -= quantity;
            level.quantity -= quantity;
            order.remaining -= quantity;
            order.filled += quantity;
            order.turnover_ticks += price_ticks * quantity;
            self.last_trade_id += 1;
            let trade = Trade {
                trade_id: self.last_trade_id,
                instrument: order.instrument,
                taker_side: order.side,
                in_auction: false,
                price_ticks,
                quantity,
                maker_order_id: maker.id,
                taker_order_id: order.order_id,
                maker_account: maker.position,
                taker_account: order.account,
                maker_remaining: maker.remaining,
                maker_fee: 0,
                taker_fee: 0,
            };
            if trade.maker_remaining == 0 {
                self.leave(slot, 0);
            }
            self.record(events, Event::Trade(trade));
        }
    }

    #[inline(always)]
    fn leave(&mut self, slot: Slot, displayed: i64) {
        self.books.leave_displayed(slot, displayed);
        self.books.release_plain(slot);
    }

    #[inline(always)]
    fn cancel(&mut self, order_id: OrderId, events: &mut Vec<Event>) -> Outcome {
        let slot = self.books.find(order_id).expect("only open orders are cancelled");
        let order = self.books.orders[slot];
        let level = &self.books.levels[order.level];
        let (instrument, price_ticks) = (level.instrument(), level.price_ticks());
        let OpenOrder { side, remaining: quantity, .. } = order;
        self.leave(slot, quantity);
        let reason = CancelReason::Requested;
        let event = Event::Cancelled { order_id, instrument, side, price_ticks, quantity, reason };
        self.record(events, event);
        let order = order.describe(instrument, order.position, price_ticks);
        Outcome::Order(order.ended(OrderStatus::Cancelled, CancelReason::Requested))
    }
}
