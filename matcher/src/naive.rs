//! The rules of the exchange in the most obvious code, with no thought of speed: the
//! oracle that the engine is tested against. It shares the types and the hash with the
//! engine, and nothing else.

use crate::hash;
use crate::outcome::{Order, Trade};
use crate::{
    AccountId, Command, Counters, Event, Instrument, InstrumentId, Limits, MAXIMUM_PRICE_TICKS,
    NewOrder, OrderId, OrderStatus, Outcome, ParticipantId, PriceLevel, Refusal, RejectReason,
    RoleName, Side, Stamp, TimeInForce, VENUE, maximum_quantity,
};
use std::collections::{BTreeMap, BTreeSet};

/// An exchange to compare with, see the [module](self).
pub struct NaiveExchange {
    limits: Limits,
    counters: Counters,
    instruments: Vec<Instrument>,
    accounts: Vec<ParticipantId>,
    participants: Vec<RoleName>,
    open_orders: BTreeMap<OrderId, Order>,
}

impl NaiveExchange {
    /// An exchange without instruments and accounts, its market closed.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            counters: Counters::default(),
            instruments: Vec::new(),
            accounts: Vec::new(),
            participants: Vec::new(),
            open_orders: BTreeMap::new(),
        }
    }

    /// Whether a command is a mistake of its sender.
    pub fn check(&self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::PlaceOrder(new) => {
                let instrument =
                    self.instrument(new.instrument).ok_or(Refusal::UnknownInstrument)?;
                self.owner(new.account).ok_or(Refusal::UnknownAccount)?;
                if new.price_ticks < 1 || new.price_ticks > instrument.maximum_price_ticks {
                    return Err(Refusal::PriceOutOfRange);
                }
                if new.quantity < 1
                    || new.quantity > maximum_quantity(instrument.maximum_price_ticks)
                {
                    return Err(Refusal::QuantityOutOfRange);
                }
                if new.quantity % instrument.lot_size != 0 {
                    return Err(Refusal::QuantityOffLot);
                }
                Ok(())
            }
            Command::CancelOrder { order_id, participant } => {
                self.check_owner(*order_id, *participant)
            }
            Command::ReduceOrder { order_id, participant, by } => {
                self.check_owner(*order_id, *participant)?;
                let order = &self.open_orders[order_id];
                if *by < 1 {
                    return Err(Refusal::QuantityOutOfRange);
                }
                if *by >= order.remaining {
                    return Err(Refusal::ReductionTooLarge);
                }
                let instrument = self.instrument(order.instrument).expect("it has an order");
                if by % instrument.lot_size != 0 {
                    return Err(Refusal::QuantityOffLot);
                }
                Ok(())
            }
            Command::CreateInstrument(new) => {
                if new.tick_digits == 0
                    || new.tick_scale > 9
                    || new.maximum_price_ticks < 1
                    || new.maximum_price_ticks > MAXIMUM_PRICE_TICKS
                    || new.lot_size < 1
                    || new.lot_size > maximum_quantity(new.maximum_price_ticks)
                {
                    return Err(Refusal::InstrumentOutOfRange);
                }
                if self.instruments.iter().any(|instrument| instrument.symbol == new.symbol) {
                    return Err(Refusal::SymbolTaken);
                }
                if self.instruments.len() as u32 == self.limits.maximum_instruments {
                    return Err(Refusal::TooManyInstruments);
                }
                Ok(())
            }
            Command::OpenAccount { .. } => {
                if self.accounts.len() as u32 == self.limits.maximum_accounts {
                    return Err(Refusal::TooManyAccounts);
                }
                Ok(())
            }
            Command::OpenMarket => {
                if self.counters.market_open {
                    Err(Refusal::MarketPhase)
                } else {
                    Ok(())
                }
            }
            Command::CloseMarket => {
                if self.counters.market_open {
                    Ok(())
                } else {
                    Err(Refusal::MarketPhase)
                }
            }
            Command::AdvanceClock => Ok(()),
        }
    }

    fn check_owner(&self, id: OrderId, participant: ParticipantId) -> Result<(), Refusal> {
        let order = self.open_orders.get(&id).ok_or(Refusal::UnknownOrder)?;
        if participant == VENUE || self.owner(order.account) == Some(participant) {
            Ok(())
        } else {
            Err(Refusal::NotOwner)
        }
    }

    fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        if id == 0 { None } else { self.instruments.get(id as usize - 1) }
    }

    fn owner(&self, id: AccountId) -> Option<ParticipantId> {
        if id == 0 { None } else { self.accounts.get(id as usize - 1).copied() }
    }

    /// Applies the next command and appends what happened to `events`.
    pub fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome {
        assert_eq!(self.check(command), Ok(()));
        assert_eq!(stamp.sequence, self.counters.sequence + 1);
        assert!(stamp.time_us >= self.counters.time_us);
        self.counters.sequence = stamp.sequence;
        self.counters.time_us = stamp.time_us;

        let mut new_events = Vec::new();
        let outcome = match command {
            Command::PlaceOrder(new) => Outcome::Order(self.place(new, &mut new_events)),
            Command::CancelOrder { order_id, .. } => {
                let mut order = self.open_orders.remove(order_id).expect("checked");
                new_events.push(Event::Cancelled {
                    order_id: order.order_id,
                    instrument: order.instrument,
                    side: order.side,
                    price_ticks: order.price_ticks,
                    quantity: order.remaining,
                });
                order.remaining = 0;
                order.status = OrderStatus::Cancelled;
                Outcome::Order(order)
            }
            Command::ReduceOrder { order_id, by, .. } => {
                let order = self.open_orders.get_mut(order_id).expect("checked");
                order.quantity -= by;
                order.remaining -= by;
                new_events.push(Event::Reduced {
                    order_id: order.order_id,
                    instrument: order.instrument,
                    side: order.side,
                    price_ticks: order.price_ticks,
                    remaining: order.remaining,
                });
                Outcome::Order(*order)
            }
            Command::CreateInstrument(instrument) => {
                self.instruments.push(*instrument);
                let id = self.instruments.len() as InstrumentId;
                new_events.push(Event::InstrumentCreated { instrument: id });
                Outcome::Instrument(id)
            }
            Command::OpenAccount { owner } => {
                if !self.participants.contains(owner) {
                    self.participants.push(*owner);
                }
                let index = self.participants.iter().position(|role| role == owner);
                let participant = index.expect("it is there now") as ParticipantId + 1;
                self.accounts.push(participant);
                let account = self.accounts.len() as AccountId;
                new_events.push(Event::AccountOpened { account, participant });
                Outcome::Account(account)
            }
            Command::OpenMarket => {
                self.counters.market_open = true;
                new_events.push(Event::MarketOpened);
                Outcome::Done
            }
            Command::CloseMarket => {
                self.counters.market_open = false;
                new_events.push(Event::MarketClosed);
                Outcome::Done
            }
            Command::AdvanceClock => {
                new_events.push(Event::ClockAdvanced { time_us: stamp.time_us });
                Outcome::Done
            }
        };

        let running = &mut self.counters.event_hash;
        hash::fold_command(running, stamp, command);
        new_events.iter().for_each(|event| hash::fold_event(running, event));
        events.extend(new_events);
        outcome
    }

    fn place(&mut self, new: &NewOrder, events: &mut Vec<Event>) -> Order {
        let mut order = Order {
            order_id: self.counters.sequence,
            created_at_us: self.counters.time_us,
            price_ticks: new.price_ticks,
            quantity: new.quantity,
            filled: 0,
            remaining: new.quantity,
            turnover_ticks: 0,
            instrument: new.instrument,
            account: new.account,
            side: new.side,
            time_in_force: new.time_in_force,
            status: OrderStatus::Open,
            reject_reason: self.reject_reason(new),
        };
        if order.reject_reason != RejectReason::None {
            order.remaining = 0;
            order.status = OrderStatus::Rejected;
            events.push(Event::Rejected { order_id: order.order_id, reason: order.reject_reason });
            return order;
        }

        while order.remaining > 0
            && let Some(maker) = self.best_maker(&order)
        {
            self.trade(&mut order, maker, events);
        }
        if order.remaining == 0 {
            order.status = OrderStatus::Filled;
        } else if order.time_in_force == TimeInForce::ImmediateOrCancel {
            events.push(Event::Cancelled {
                order_id: order.order_id,
                instrument: order.instrument,
                side: order.side,
                price_ticks: order.price_ticks,
                quantity: order.remaining,
            });
            order.remaining = 0;
            order.status = OrderStatus::Cancelled;
        } else {
            if order.filled > 0 {
                order.status = OrderStatus::PartiallyFilled;
            }
            events.push(Event::Rested {
                order_id: order.order_id,
                instrument: order.instrument,
                side: order.side,
                price_ticks: order.price_ticks,
                remaining: order.remaining,
            });
            self.open_orders.insert(order.order_id, order);
        }
        order
    }

    fn reject_reason(&self, new: &NewOrder) -> RejectReason {
        if !self.counters.market_open {
            return RejectReason::MarketClosed;
        }
        if new.time_in_force == TimeInForce::ImmediateOrCancel {
            return RejectReason::None;
        }
        if self.open_orders.len() as u32 == self.limits.maximum_open_orders {
            return RejectReason::TooManyOpenOrders;
        }
        let level = |order: &Order| (order.instrument, order.side as u8, order.price_ticks);
        let levels: BTreeSet<_> = self.open_orders.values().map(level).collect();
        if levels.len() as u32 == self.limits.maximum_price_levels
            && !levels.contains(&(new.instrument, new.side as u8, new.price_ticks))
        {
            return RejectReason::TooManyPriceLevels;
        }
        RejectReason::None
    }

    /// The order that an incoming one trades with next.
    fn best_maker(&self, taker: &Order) -> Option<OrderId> {
        let queue = self.queue(taker.instrument, taker.side.opposite());
        let maker = queue.into_iter().next()?;
        let crosses = match taker.side {
            Side::Buy => maker.price_ticks <= taker.price_ticks,
            Side::Sell => maker.price_ticks >= taker.price_ticks,
        };
        crosses.then_some(maker.order_id)
    }

    fn trade(&mut self, taker: &mut Order, maker: OrderId, events: &mut Vec<Event>) {
        let maker = self.open_orders.get_mut(&maker).expect("it was found");
        let quantity = maker.remaining.min(taker.remaining);
        let price_ticks = maker.price_ticks;
        for order in [&mut *maker, &mut *taker] {
            order.remaining -= quantity;
            order.filled += quantity;
            order.turnover_ticks += price_ticks * quantity;
        }
        maker.status = OrderStatus::PartiallyFilled;
        self.counters.last_trade_id += 1;
        events.push(Event::Trade(Trade {
            trade_id: self.counters.last_trade_id,
            instrument: taker.instrument,
            taker_side: taker.side,
            price_ticks,
            quantity,
            maker_order_id: maker.order_id,
            taker_order_id: taker.order_id,
            maker_account: maker.account,
            taker_account: taker.account,
            maker_remaining: maker.remaining,
        }));
        if maker.remaining == 0 {
            let id = maker.order_id;
            self.open_orders.remove(&id);
        }
    }

    /// Everything that is neither instrument, account nor order.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// An order, while it is open.
    pub fn order(&self, id: OrderId) -> Option<Order> {
        self.open_orders.get(&id).copied()
    }

    /// Number of open orders.
    pub fn open_orders(&self) -> u32 {
        self.open_orders.len() as u32
    }

    /// The levels of one side of a book, best first.
    pub fn levels(&self, instrument: InstrumentId, side: Side) -> Vec<PriceLevel> {
        let mut levels: Vec<PriceLevel> = Vec::new();
        for order in self.queue(instrument, side) {
            match levels.last_mut() {
                Some(level) if level.price_ticks == order.price_ticks => {
                    level.quantity += order.remaining;
                    level.orders += 1;
                }
                _ => levels.push(PriceLevel {
                    price_ticks: order.price_ticks,
                    quantity: order.remaining,
                    orders: 1,
                }),
            }
        }
        levels
    }

    /// The orders of one side of a book, in the order in which they would trade.
    pub fn queue(&self, instrument: InstrumentId, side: Side) -> Vec<Order> {
        let mut queue: Vec<Order> = self
            .open_orders
            .values()
            .filter(|order| order.instrument == instrument && order.side == side)
            .copied()
            .collect();
        queue.sort_by_key(|order| match side {
            Side::Buy => (-order.price_ticks, order.order_id),
            Side::Sell => (order.price_ticks, order.order_id),
        });
        queue
    }

    /// Of the whole state, as [`crate::Engine::state_hash`].
    pub fn state_hash(&self) -> u64 {
        let mut state = 0;
        hash::fold_counters(&mut state, &self.counters);
        self.instruments
            .iter()
            .for_each(|instrument| hash::fold_instrument(&mut state, instrument));
        self.accounts.iter().for_each(|&owner| hash::fold_account(&mut state, owner));
        self.participants.iter().for_each(|role| hash::fold_participant(&mut state, role));
        for instrument in 1..=self.instruments.len() as InstrumentId {
            for side in [Side::Buy, Side::Sell] {
                self.queue(instrument, side)
                    .iter()
                    .for_each(|order| hash::fold_order(&mut state, order));
            }
        }
        state
    }
}
