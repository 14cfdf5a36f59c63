//! The state machine. Its rules are in `docs/rules.md`.
//!
//! * [`check`]: which commands are refused.
//! * [`placing`], [`reject`], [`changing`]: the commands about orders; [`plain`]: the most
//!   common ones in a straight line.
//! * [`makers`], [`matching`]: what an incoming order trades with, and how.
//! * [`open_orders`], [`balances`]: what becomes of open orders, of money and of shares.
//! * [`settling`]: stop, pegged and all-or-none orders whose turn has come.
//! * [`phases`], [`auction`]: when orders are collected, and what then comes of them.
//! * [`administration`]: everything else.
//! * [`seen`], [`validate`]: the state for whoever reads it.

mod administration;
mod auction;
mod balances;
mod changing;
mod check;
mod makers;
mod matching;
mod open_orders;
mod phases;
mod placing;
mod plain;
mod reject;
mod seen;
mod settling;
mod validate;

use crate::book::Books;
use crate::ledger::{CashBook, ClientOrders, Fees, LimitsBook, Positions, Registry};
use crate::outcome::Order;
use crate::slots::{NONE, Slot};
use crate::{
    Command, CurrencyId, Event, Instrument, InstrumentId, MarketPhase, OrderId, Outcome, Refusal,
    Sequence, Stamp, TradeId, hash,
};
use phases::Agenda;
use std::borrow::Borrow;
use std::collections::BTreeSet;

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
    /// Of accounts in instruments; at most so many of accounts in currencies too.
    pub maximum_positions: u32,
    /// For so many commands a client order id is remembered.
    pub client_order_window: u32,
}

/// How many commands [`Engine::prefetch_batch`] looks ahead. What they touch, some half
/// dozen cache lines each, fits a first-level cache.
pub const PREFETCH_BATCH: usize = 64;

/// What of the state is of the whole exchange.
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
    /// What the market is in.
    pub market_phase: MarketPhase,
    /// Days since 2000-01-01.
    pub trade_date: i32,
}

/// What is displayed at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceLevel {
    /// The price.
    pub price_ticks: i64,
    /// Sum of what the orders display.
    pub quantity: i64,
    /// Number of displayed orders.
    pub orders: u32,
}

/// The exchange as a deterministic state machine. See the [crate].
pub struct Engine {
    pub(crate) counters: Counters,
    pub(crate) registry: Registry,
    pub(crate) fees: Fees,
    pub(crate) limits: LimitsBook,
    pub(crate) cash: CashBook,
    pub(crate) positions: Positions,
    pub(crate) client_orders: ClientOrders,
    pub(crate) books: Books,
    pub(crate) agenda: Agenda,
    pub(crate) busted_trades: BTreeSet<TradeId>,
    /// Of the command that runs.
    running: Running,
}

/// What is of the command that runs.
#[derive(Default)]
struct Running {
    /// How many orders went to the tail of a level beside the one that it places.
    queued: u64,
    /// The order that it is about: where that ends, how.
    subject: OrderId,
    ended: Option<Order>,
    /// Instruments to settle, beside the one that a command about one order touches.
    touched: BTreeSet<InstrumentId>,
}

impl Engine {
    /// An exchange without instruments and accounts, its market closed. Panics if a limit
    /// is above what it can be. Memory is reserved at once, and used as needed.
    pub fn new(limits: Limits) -> Self {
        Self {
            counters: Counters::default(),
            registry: Registry::new(&limits),
            fees: Fees::new(),
            limits: LimitsBook::new(),
            cash: CashBook::new(limits.maximum_positions),
            positions: Positions::new(limits.maximum_positions),
            client_orders: ClientOrders::new(limits.client_order_window),
            books: Books::new(&limits),
            agenda: Agenda::default(),
            busted_trades: BTreeSet::new(),
            running: Running::default(),
        }
    }

    /// Applies the next command and appends what happened to `events`.
    ///
    /// Panics if [`Engine::check`] refuses the command, if its sequence number is not the
    /// next, if its time is before that of the command before, or if something was due by
    /// then (`docs/rules.md` 1.3): the caller is broken then, and an exchange that halts is
    /// better than one that trades on.
    #[inline]
    pub fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome {
        assert!(stamp.sequence == self.counters.sequence + 1, "commands come without gaps");
        assert!(stamp.time_us >= self.counters.time_us, "time does not go backwards");
        // What is checked is checked as of the command before. The arms begin by themselves,
        // where the kind of the command is known, which makes the hash cheaper.
        match command {
            Command::PlaceOrder(new) => {
                accepted(self.check_new_order(new));
                self.begin(stamp, command);
                self.assert_nothing_due();
                self.place_plain(new, events)
            }
            Command::CancelOrder { order_id, participant } => {
                let slot = accepted(self.find_for(*order_id, *participant));
                self.begin(stamp, command);
                self.assert_nothing_due();
                if self.is_plain(slot) {
                    self.cancel_plain(slot, events)
                } else {
                    self.cancel(slot, events)
                }
            }
            Command::AdvanceClock => {
                self.begin(stamp, command);
                self.advance_clock(events);
                self.settle_touched(events);
                Outcome::Done
            }
            _ => {
                accepted(self.check(command));
                self.begin(stamp, command);
                self.assert_nothing_due();
                let outcome = self.apply_rare(command, events);
                self.settle_touched(events);
                outcome
            }
        }
    }

    #[inline(always)]
    fn begin(&mut self, stamp: Stamp, command: &Command) {
        self.counters.sequence = stamp.sequence;
        self.counters.time_us = stamp.time_us;
        self.running.queued = 0;
        self.running.subject = 0;
        hash::fold_command(&mut self.counters.event_hash, stamp, command);
    }

    #[inline(always)]
    fn assert_nothing_due(&self) {
        assert!(self.counters.time_us < self.agenda.next_due_us(), "the clock comes first");
    }

    /// All commands but the most common ones.
    #[inline(never)]
    fn apply_rare(&mut self, command: &Command, events: &mut Vec<Event>) -> Outcome {
        match command {
            Command::PlaceOrder(_) | Command::CancelOrder { .. } | Command::AdvanceClock => {
                unreachable!("these were taken before")
            }
            Command::PlaceOrderWithTerms(new, terms) => self.place_or_repeat(new, terms, events),
            Command::ReduceOrder { order_id, by, .. } => {
                let slot = self.books.find(*order_id).expect("checked");
                self.reduce(slot, *by, events)
            }
            Command::ReplaceOrder { order_id, price_ticks, quantity, .. } => {
                let slot = self.books.find(*order_id).expect("checked");
                self.replace(slot, *price_ticks, *quantity, events)
            }
            Command::CancelClientOrder { account, client_order_id, .. } => {
                let slot = self.find_client_order(*account, client_order_id).expect("checked");
                self.cancel(slot, events)
            }
            Command::CancelOrders { participant, account, instrument, side } => {
                self.cancel_orders(*participant, *account, *instrument, *side, events)
            }
            Command::EndSession { session } => self.end_session(*session, events),
            _ => self.administer(command, events),
        }
    }

    /// Of the command that runs.
    #[inline(always)]
    fn stamp(&self) -> Stamp {
        Stamp { sequence: self.counters.sequence, time_us: self.counters.time_us }
    }

    /// Tells what happened.
    #[inline(always)]
    fn record(&mut self, events: &mut Vec<Event>, event: Event) {
        hash::fold_event(&mut self.counters.event_hash, &event);
        events.push(event);
    }

    /// Touches what the next [`PREFETCH_BATCH`] commands will need, so that their cache
    /// misses overlap; more than so many are left out. Any commands may be given, even
    /// such as [`Engine::check`] would refuse.
    pub fn prefetch_batch<C: Borrow<Command>>(&self, commands: impl IntoIterator<Item = C>) {
        self.books.prefetch(
            commands,
            |account, instrument| self.positions.find(account, instrument),
            |position| self.positions.holdings[position].touch(),
        );
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
        self.counters.market_phase != MarketPhase::Closed
    }

    /// One instrument.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.registry.instrument(id)
    }

    /// What an instrument that exists is paid in.
    pub fn currency_of(&self, id: InstrumentId) -> CurrencyId {
        self.books.book(id).currency
    }

    /// Whether an order is in a book in which nobody waits, and has nothing special.
    #[inline(always)]
    fn is_plain(&self, slot: Slot) -> bool {
        let order = &self.books.orders[slot];
        order.details == NONE && !self.books.book(self.instrument_of(slot)).has_waiting
    }

    /// The instrument of an open order.
    #[inline(always)]
    fn instrument_of(&self, slot: Slot) -> InstrumentId {
        self.positions.holdings[self.books.orders[slot].position].instrument
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
