//! The state machine.

use crate::book::{Books, Slot};
use crate::hash;
use crate::outcome::Order;
use crate::registry::Registry;
use crate::tape::Tape;
use crate::{
    Command, Event, Instrument, InstrumentId, NewOrder, OrderId, OrderStatus, Outcome,
    ParticipantId, Refusal, RejectReason, RoleName, Sequence, Side, Stamp, TimeInForce, VENUE,
};
use std::borrow::Borrow;

/// Bounds of the engine's memory. They are part of what makes two engines agree: the same
/// commands under other limits can have another outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most [`crate::MAXIMUM_INSTRUMENTS`].
    pub maximum_instruments: u32,
    /// Participants cannot be more than accounts.
    pub maximum_accounts: u32,
    /// Over all instruments; at most [`crate::MAXIMUM_OPEN_ORDERS`].
    pub maximum_open_orders: u32,
    /// Prices at which orders rest, over all instruments and both sides; at most
    /// [`crate::MAXIMUM_PRICE_LEVELS`].
    pub maximum_price_levels: u32,
}

/// How many commands [`Engine::prefetch_batch`] looks ahead. What they touch, some half
/// dozen cache lines each, fits a first-level cache.
pub const PREFETCH_BATCH: usize = 64;

/// Everything of the engine's state that is neither instrument, account nor order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Of the last command.
    pub sequence: Sequence,
    /// Of the last command, microseconds since 2000-01-01 UTC.
    pub time_us: i64,
    /// Of the last trade.
    pub last_trade_id: u64,
    /// Of all commands and events so far: two engines that agree here saw the same.
    pub event_hash: u64,
    /// Whether orders are accepted.
    pub market_open: bool,
}

/// What waits at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceLevel {
    /// The price.
    pub price_ticks: i64,
    /// Sum of what remains of the orders.
    pub quantity: i64,
    /// Number of orders.
    pub orders: u32,
}

/// The exchange as a deterministic state machine. See the [crate].
pub struct Engine {
    pub(crate) counters: Counters,
    pub(crate) registry: Registry,
    pub(crate) books: Books,
}

impl Engine {
    /// An exchange without instruments and accounts, its market closed. Panics if a limit
    /// is above what it can be. Memory is reserved at once, and used as needed.
    pub fn new(limits: Limits) -> Self {
        Self {
            counters: Counters::default(),
            registry: Registry::new(&limits),
            books: Books::new(&limits),
        }
    }

    /// Whether a command is a mistake of its sender. What passes here may be applied next.
    #[inline]
    pub fn check(&self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::PlaceOrder(new) => self.check_new_order(new),
            Command::CancelOrder { order_id, participant } => {
                self.find_for(*order_id, *participant).map(drop)
            }
            Command::ReduceOrder { order_id, participant, by } => {
                self.find_to_reduce(*order_id, *participant, *by).map(drop)
            }
            Command::CreateInstrument(instrument) => self.registry.check_instrument(instrument),
            Command::OpenAccount { .. } => self.registry.check_account(),
            Command::OpenMarket if self.counters.market_open => Err(Refusal::MarketPhase),
            Command::CloseMarket if !self.counters.market_open => Err(Refusal::MarketPhase),
            Command::OpenMarket | Command::CloseMarket | Command::AdvanceClock => Ok(()),
        }
    }

    #[inline(always)]
    fn check_new_order(&self, new: &NewOrder) -> Result<(), Refusal> {
        let bounds = self.books.bounds(new.instrument).ok_or(Refusal::UnknownInstrument)?;
        self.registry.owner(new.account).ok_or(Refusal::UnknownAccount)?;
        if new.price_ticks < 1 || new.price_ticks > bounds.maximum_price_ticks {
            return Err(Refusal::PriceOutOfRange);
        }
        if new.quantity < 1 || new.quantity > bounds.maximum_quantity {
            return Err(Refusal::QuantityOutOfRange);
        }
        if !bounds.is_lots(new.quantity) {
            return Err(Refusal::QuantityOffLot);
        }
        Ok(())
    }

    /// The open order, if the participant may touch it.
    #[inline(always)]
    fn find_for(&self, id: OrderId, participant: ParticipantId) -> Result<Slot, Refusal> {
        let slot = self.books.find(id).ok_or(Refusal::UnknownOrder)?;
        if participant != VENUE
            && self.registry.owner(self.books.account(slot)) != Some(participant)
        {
            return Err(Refusal::NotOwner);
        }
        Ok(slot)
    }

    fn find_to_reduce(
        &self,
        id: OrderId,
        participant: ParticipantId,
        by: i64,
    ) -> Result<Slot, Refusal> {
        let slot = self.find_for(id, participant)?;
        let order = self.books.order(slot);
        let bounds = self.books.bounds(order.instrument).expect("the order is in its book");
        if by < 1 {
            return Err(Refusal::QuantityOutOfRange);
        }
        if by >= order.remaining {
            return Err(Refusal::ReductionTooLarge);
        }
        if !bounds.is_lots(by) {
            return Err(Refusal::QuantityOffLot);
        }
        Ok(slot)
    }

    /// Applies the next command and appends what happened to `events`.
    ///
    /// Panics if [`Engine::check`] refuses the command, if its sequence number is not the
    /// next or if its time is before that of the command before: the caller is broken
    /// then, and an exchange that halts is better than one that trades on.
    #[inline]
    pub fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome {
        assert!(stamp.sequence == self.counters.sequence + 1, "commands come without gaps");
        assert!(stamp.time_us >= self.counters.time_us, "time does not go backwards");
        self.counters.sequence = stamp.sequence;
        self.counters.time_us = stamp.time_us;
        // Hashed within the arms, where the kind of the command is known already.
        let running = &mut self.counters.event_hash;
        match command {
            Command::PlaceOrder(new) => {
                hash::fold_command(running, stamp, command);
                self.place_order(stamp, new, events)
            }
            Command::CancelOrder { order_id, participant } => {
                hash::fold_command(running, stamp, command);
                let slot = accepted(self.find_for(*order_id, *participant));
                self.cancel_order(slot, events)
            }
            Command::ReduceOrder { order_id, participant, by } => {
                hash::fold_command(running, stamp, command);
                let slot = accepted(self.find_to_reduce(*order_id, *participant, *by));
                self.reduce_order(slot, *by, events)
            }
            _ => {
                hash::fold_command(running, stamp, command);
                self.administer(command, events)
            }
        }
    }

    #[inline(always)]
    fn place_order(&mut self, stamp: Stamp, new: &NewOrder, events: &mut Vec<Event>) -> Outcome {
        accepted(self.check_new_order(new));
        let reason = self.reject_reason(new);
        let mut tape = Tape { counters: &mut self.counters, events };
        if reason != RejectReason::None {
            tape.record(Event::Rejected { order_id: stamp.sequence, reason });
            return Outcome::Order(rejected(stamp, new, reason));
        }
        Outcome::Order(self.books.place(stamp, new, &mut tape))
    }

    /// Why an order cannot be taken. Decided before it trades, and as if it would not: an
    /// order that may rest needs room for it, even if it would be filled at once.
    #[inline(always)]
    fn reject_reason(&self, new: &NewOrder) -> RejectReason {
        if !self.counters.market_open {
            RejectReason::MarketClosed
        } else if new.time_in_force != TimeInForce::GoodTillCancel {
            RejectReason::None
        } else if self.books.is_full() {
            RejectReason::TooManyOpenOrders
        } else if self.books.lacks_level(new.instrument, new.side, new.price_ticks) {
            RejectReason::TooManyPriceLevels
        } else {
            RejectReason::None
        }
    }

    #[inline(always)]
    fn cancel_order(&mut self, slot: Slot, events: &mut Vec<Event>) -> Outcome {
        let (order, quantity) = self.books.cancel(slot);
        let mut tape = Tape { counters: &mut self.counters, events };
        tape.record(Event::Cancelled {
            order_id: order.order_id,
            instrument: order.instrument,
            side: order.side,
            price_ticks: order.price_ticks,
            quantity,
        });
        Outcome::Order(order)
    }

    fn reduce_order(&mut self, slot: Slot, by: i64, events: &mut Vec<Event>) -> Outcome {
        let order = self.books.reduce(slot, by);
        let mut tape = Tape { counters: &mut self.counters, events };
        tape.record(Event::Reduced {
            order_id: order.order_id,
            instrument: order.instrument,
            side: order.side,
            price_ticks: order.price_ticks,
            remaining: order.remaining,
        });
        Outcome::Order(order)
    }

    /// The commands that do not concern an order.
    #[cold]
    fn administer(&mut self, command: &Command, events: &mut Vec<Event>) -> Outcome {
        accepted(self.check(command));
        let (event, outcome) = match command {
            Command::PlaceOrder(_) | Command::CancelOrder { .. } | Command::ReduceOrder { .. } => {
                unreachable!("these concern an order")
            }
            Command::CreateInstrument(instrument) => {
                let id = self.registry.create_instrument(*instrument);
                self.books.create(instrument);
                (Event::InstrumentCreated { instrument: id }, Outcome::Instrument(id))
            }
            Command::OpenAccount { owner } => {
                let (account, participant) = self.registry.open_account(*owner);
                (Event::AccountOpened { account, participant }, Outcome::Account(account))
            }
            Command::OpenMarket => {
                self.counters.market_open = true;
                (Event::MarketOpened, Outcome::Done)
            }
            Command::CloseMarket => {
                self.counters.market_open = false;
                (Event::MarketClosed, Outcome::Done)
            }
            Command::AdvanceClock => {
                (Event::ClockAdvanced { time_us: self.counters.time_us }, Outcome::Done)
            }
        };
        Tape { counters: &mut self.counters, events }.record(event);
        outcome
    }

    /// Touches what the next [`PREFETCH_BATCH`] commands will need, so that their cache
    /// misses overlap; more than so many are left out. Any commands may be given, even
    /// such as [`Engine::check`] would refuse.
    pub fn prefetch_batch<C: Borrow<Command>>(&self, commands: impl IntoIterator<Item = C>) {
        self.books.prefetch(commands);
    }

    /// Touches what one command will need. Far less worth than
    /// [`Engine::prefetch_batch`], because the misses of one command wait for each other.
    pub fn prefetch(&self, command: &Command) {
        self.books.prefetch([command]);
    }

    /// Everything that is neither instrument, account nor order.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Of the last command.
    pub fn sequence(&self) -> Sequence {
        self.counters.sequence
    }

    /// Of all commands and events so far.
    pub fn event_hash(&self) -> u64 {
        self.counters.event_hash
    }

    /// Whether orders are accepted.
    pub fn market_is_open(&self) -> bool {
        self.counters.market_open
    }

    /// All instruments; the id of each is its index plus one.
    pub fn instruments(&self) -> &[Instrument] {
        self.registry.instruments()
    }

    /// One instrument.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.registry.instrument(id)
    }

    /// The owner of each account; the id of each is its index plus one.
    pub fn accounts(&self) -> &[ParticipantId] {
        self.registry.accounts()
    }

    /// The role of each participant; the id of each is its index plus one.
    pub fn participants(&self) -> &[RoleName] {
        self.registry.participants()
    }

    /// An order, while it is open.
    pub fn order(&self, id: OrderId) -> Option<Order> {
        self.books.find(id).map(|slot| self.books.order(slot))
    }

    /// Number of open orders.
    pub fn open_orders(&self) -> u32 {
        self.books.open_orders()
    }

    /// The levels of one side of a book, best first.
    pub fn levels(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = PriceLevel> + '_ {
        self.books.levels(instrument, side)
    }

    /// The orders of one side of a book, in the order in which they would trade.
    pub fn queue(&self, instrument: InstrumentId, side: Side) -> impl Iterator<Item = Order> + '_ {
        self.books.queue(instrument, side)
    }

    /// Of the whole state, whatever way led to it.
    pub fn state_hash(&self) -> u64 {
        let mut state = 0;
        hash::fold_counters(&mut state, &self.counters);
        self.instruments()
            .iter()
            .for_each(|instrument| hash::fold_instrument(&mut state, instrument));
        self.accounts().iter().for_each(|&owner| hash::fold_account(&mut state, owner));
        self.participants().iter().for_each(|role| hash::fold_participant(&mut state, role));
        for instrument in 1..=self.instruments().len() as InstrumentId {
            for side in [Side::Buy, Side::Sell] {
                self.queue(instrument, side).for_each(|order| hash::fold_order(&mut state, &order));
            }
        }
        state
    }

    /// Panics unless the state is consistent in itself. Slow: for tests.
    pub fn validate(&self) {
        assert_eq!(self.instruments().len(), self.books.len());
        assert!(self.participants().len() <= self.accounts().len());
        self.books.validate();
    }
}

/// What [`Engine::check`] said, of a command that it accepted.
#[inline(always)]
#[track_caller]
fn accepted<T>(checked: Result<T, Refusal>) -> T {
    match checked {
        Ok(value) => value,
        Err(refusal) => panic!("a command was sequenced that is refused: {refusal:?}"),
    }
}

/// A new order that was declined.
fn rejected(stamp: Stamp, new: &NewOrder, reject_reason: RejectReason) -> Order {
    Order {
        order_id: stamp.sequence,
        created_at_us: stamp.time_us,
        price_ticks: new.price_ticks,
        quantity: new.quantity,
        filled: 0,
        remaining: 0,
        turnover_ticks: 0,
        instrument: new.instrument,
        account: new.account,
        side: new.side,
        time_in_force: new.time_in_force,
        status: OrderStatus::Rejected,
        reject_reason,
    }
}
