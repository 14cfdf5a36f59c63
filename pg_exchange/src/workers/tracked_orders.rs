//! The orders that a batch changes, out of its events.
//!
//! What is open, the engine knows best: its state is taken when it is written. What finished
//! is not in the engine any more, so a copy of every open order follows the events up to its
//! end.

use matcher::{
    Command, Engine, Event, NewOrder, Order, OrderId, OrderStatus, Outcome, RejectReason, Stamp,
    Terms, View,
};
use rustc_hash::FxHashMap;

use super::kept::begin_anew;
use super::rows::{Maker, orders};
use crate::days::DayWriter;
use crate::relation::{TupleId, Writer};

/// An order that is open, or was at the begin of the batch.
struct Tracked {
    /// As the events leave it. Of an open order, what they do not say is as it was when it
    /// was last written.
    order: Order,
    /// Its row in `exchange.open_orders`, if it has one.
    at: Option<TupleId>,
    updated_at_us: i64,
    changed: bool,
}

/// Open orders, and those that finished since the last write.
pub struct TrackedOrders {
    /// The file of `open_orders` that the tuple ids are of.
    storage: u32,
    orders: FxHashMap<OrderId, Tracked>,
    changed: Vec<OrderId>,
    /// One that an event is about, and that is not there.
    unknown: Option<OrderId>,
    /// Finished by the command that is followed.
    finished: Vec<OrderId>,
    /// First answers to orders with a name.
    answers: Vec<Order>,
}

impl TrackedOrders {
    /// The open orders as `exchange.open_orders` has them, in this file.
    pub fn new(storage: u32, open_orders: Vec<(Order, TupleId)>) -> Self {
        let orders = open_orders.into_iter().map(|(order, at)| {
            let updated_at_us = order.created_at_us;
            (order.order_id, Tracked { order, at: Some(at), updated_at_us, changed: false })
        });
        Self {
            storage,
            orders: orders.collect(),
            changed: Vec::new(),
            unknown: None,
            finished: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Follows a command. If it entered an order that was not rejected, the order as it was
    /// answered.
    pub fn follow(
        &mut self,
        stamp: Stamp,
        command: &Command,
        outcome: &Outcome,
        events: &[Event],
    ) -> Option<Order> {
        let answer = match (command, outcome) {
            (Command::PlaceOrder(new), Outcome::Order(answer)) => {
                Some((new, &Terms::PLAIN, answer))
            }
            (Command::PlaceOrderWithTerms(new, terms), Outcome::Order(answer)) => {
                Some((new, terms, answer))
            }
            _ => None,
        };
        // A retry is answered with an older order, and enters none.
        let entered = answer.filter(|(_, _, answer)| answer.order_id == stamp.sequence);
        if let Some((new, terms, answer)) = entered {
            self.enter(new, terms, answer, stamp.time_us);
        }
        for event in events {
            self.follow_event(event, stamp.time_us)?;
        }
        self.unlink(stamp.time_us);
        entered
            .filter(|(_, _, answer)| answer.status != OrderStatus::Rejected)
            .map(|(_, _, answer)| *answer)
    }

    /// Takes a new order as it was before any event: price and first stop price are as the
    /// engine worked them out, the rest is as it was sent.
    fn enter(&mut self, new: &NewOrder, terms: &Terms, answer: &Order, time_us: i64) {
        if terms.client_order_id.is_some() {
            self.answers.push(*answer);
        }
        let order = Order {
            quantity: new.quantity,
            filled: 0,
            remaining: new.quantity,
            displayed: 0,
            turnover_ticks: 0,
            status: OrderStatus::Open,
            reject_reason: RejectReason::None,
            cancel_reason: matcher::CancelReason::None,
            triggered: false,
            terms: Terms { stop_price_ticks: answer.terms.stop_price_ticks, ..*terms },
            ..*answer
        };
        let tracked = Tracked { order, at: None, updated_at_us: time_us, changed: true };
        self.orders.insert(order.order_id, tracked);
        self.changed.push(order.order_id);
        if terms.linked_order != 0
            && answer.status != OrderStatus::Rejected
            && let Some(linked) = self.change(terms.linked_order, time_us)
        {
            linked.terms.linked_order = order.order_id;
        }
    }

    /// An order that an event changes.
    fn change(&mut self, id: OrderId, time_us: i64) -> Option<&mut Order> {
        let tracked = self.orders.get_mut(&id)?;
        tracked.updated_at_us = time_us;
        if !tracked.changed {
            tracked.changed = true;
            self.changed.push(id);
        }
        Some(&mut tracked.order)
    }

    /// As [`TrackedOrders::change`], for an order that an event is about.
    fn subject(&mut self, id: OrderId, time_us: i64) -> Option<&mut Order> {
        if !self.orders.contains_key(&id) {
            self.unknown = Some(id);
        }
        self.change(id, time_us)
    }

    /// An order that an event was about, and that is not there: tables and engine are not of one
    /// moment, and nothing may be written.
    pub fn unknown(&self) -> Option<OrderId> {
        self.unknown
    }

    /// `None` if an order is not there that the event is about.
    fn follow_event(&mut self, event: &Event, time_us: i64) -> Option<()> {
        match *event {
            Event::Trade(trade) => {
                for id in [trade.maker_order_id, trade.taker_order_id] {
                    let order = self.subject(id, time_us)?;
                    order.filled += trade.quantity;
                    order.remaining -= trade.quantity;
                    order.turnover_ticks += trade.price_ticks * trade.quantity;
                    if order.remaining == 0 {
                        order.status = OrderStatus::Filled;
                        self.finished.push(id);
                    } else {
                        order.status = OrderStatus::PartiallyFilled;
                    }
                }
            }
            Event::Cancelled { order_id, reason, .. } => {
                let order = self.subject(order_id, time_us)?;
                order.remaining = 0;
                order.status = OrderStatus::of_cancelled(reason);
                order.cancel_reason = reason;
                self.finished.push(order_id);
            }
            Event::Rejected { order_id, reason } => {
                let order = self.subject(order_id, time_us)?;
                order.remaining = 0;
                order.status = OrderStatus::Rejected;
                order.reject_reason = reason;
                self.finished.push(order_id);
            }
            Event::Reduced { order_id, remaining, .. } => {
                let order = self.subject(order_id, time_us)?;
                order.quantity = order.filled + remaining;
                order.remaining = remaining;
            }
            Event::Replaced { order_id, price_ticks, quantity, .. } => {
                let order = self.subject(order_id, time_us)?;
                order.price_ticks = price_ticks;
                order.quantity = quantity;
                order.remaining = quantity - order.filled;
            }
            Event::Triggered { order_id, .. } => {
                self.subject(order_id, time_us)?.triggered = true;
            }
            Event::StopMoved { order_id, stop_price_ticks, price_ticks } => {
                let order = self.subject(order_id, time_us)?;
                order.terms.stop_price_ticks = stop_price_ticks;
                order.price_ticks = price_ticks;
            }
            // What it displays and its place are taken from the engine.
            Event::Rested { order_id, .. } | Event::Refilled { order_id, .. } => {
                self.subject(order_id, time_us)?;
            }
            // The order stays as it was.
            Event::ReplaceRejected { .. } => {}
            Event::InstrumentCreated { .. }
            | Event::InstrumentChanged { .. }
            | Event::ParticipantRegistered { .. }
            | Event::ParticipantChanged { .. }
            | Event::AccountOpened { .. }
            | Event::AccountChanged { .. }
            | Event::FeeScheduleCreated { .. }
            | Event::CashTransferred { .. }
            | Event::SharesTransferred { .. }
            | Event::CreditLimitSet { .. }
            | Event::ShortLimitSet { .. }
            | Event::RiskLimitsSet { .. }
            | Event::MarketPhaseChanged { .. }
            | Event::InstrumentPhaseChanged { .. }
            | Event::Uncrossed { .. }
            | Event::Scheduled { .. }
            | Event::TradeBusted { .. }
            | Event::ClockAdvanced { .. } => {}
        }
        Some(())
    }

    /// Takes the links of orders that finished from those that are still open at the end of
    /// the command; both ends of a link that ended together keep it, for whoever asks later.
    fn unlink(&mut self, time_us: i64) {
        let mut finished = std::mem::take(&mut self.finished);
        for id in finished.drain(..) {
            let linked_id = self.orders[&id].order.terms.linked_order;
            let is_open = |linked: &Tracked| {
                linked.order.terms.linked_order == id && linked.order.status.is_open()
            };
            if linked_id != 0
                && self.orders.get(&linked_id).is_some_and(is_open)
                && let Some(linked) = self.change(linked_id, time_us)
            {
                linked.terms.linked_order = 0;
            }
        }
        // Its memory is used again.
        self.finished = finished;
    }

    /// Writes what changed. `None` if a table is not there.
    pub fn write(&mut self, engine: &Engine, make: &mut Maker<'_>) -> Option<()> {
        let mut open_orders = Writer::open("open_orders")?;
        if open_orders.relation().storage() != self.storage {
            begin_anew("open_orders");
        }
        let mut finished_orders = DayWriter::new("finished_orders");
        // By id, so that rows and index entries lie in the order of time.
        self.changed.sort_unstable();
        let mut opened = Vec::new();
        let mut opened_at = Vec::new();
        for id in self.changed.drain(..) {
            let tracked = self.orders.get_mut(&id).expect("changed orders are tracked");
            tracked.changed = false;
            let is_open = tracked.order.status.is_open();
            if is_open {
                tracked.order = engine.order(id).unwrap_or_else(|| {
                    panic!("order {id} is open by its events, and not in the engine")
                });
            } else {
                // It has no place in a queue any more.
                tracked.order.priority = 0;
                tracked.order.displayed = 0;
            }
            let row = orders::row(&tracked.order, tracked.updated_at_us, make);
            match tracked.at {
                Some(at) if is_open => tracked.at = Some(open_orders.update(at, row)),
                None if is_open => {
                    opened.push(id);
                    open_orders.insert(row, &mut |at| opened_at.push(at));
                }
                at => {
                    if let Some(at) = at {
                        open_orders.delete(at);
                    }
                    finished_orders.insert(tracked.updated_at_us, row)?;
                    self.orders.remove(&id);
                }
            }
        }
        open_orders.close(&mut |at| opened_at.push(at));
        finished_orders.close();
        for (id, at) in opened.into_iter().zip(opened_at) {
            self.orders.get_mut(&id).expect("it is open").at = Some(at);
        }
        self.write_answers(make)
    }

    fn write_answers(&mut self, make: &mut Maker<'_>) -> Option<()> {
        if self.answers.is_empty() {
            return Some(());
        }
        let mut client_orders = Writer::open("client_orders")?;
        for answer in self.answers.drain(..) {
            let row = orders::row(&answer, answer.created_at_us, make);
            client_orders.insert(row, &mut |_| ());
        }
        client_orders.close(&mut |_| ());
        Some(())
    }
}
