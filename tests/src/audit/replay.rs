//! The journal, checked row by row and executed by the naive exchange.

use std::collections::{BTreeMap, BTreeSet};

use matcher::{
    Command, Event, InstrumentId, Limits, Money, NaiveExchange, NewOrder, Order, OrderId,
    OrderStatus, Outcome, RejectReason, Side, Stamp, Terms, Trade, TradeId, View, codec,
};

use super::public_events::PublicEvents;
use crate::Session;

/// An order as the events of the replay tell its story.
#[derive(Clone, Copy, Debug)]
pub struct Replayed {
    /// As it was sent.
    pub placed: NewOrder,
    /// As it stands at the end.
    pub order: Order,
    /// When it last changed.
    pub updated_at_us: i64,
    /// The best displayed bid and ask just before it came in; `None` where nobody bid or offered.
    pub quote: [Option<i64>; 2],
}

/// Money or shares that came or left.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// With which command, and when.
    pub stamp: Stamp,
    /// Whose.
    pub account: u32,
    /// Money: of which currency, and how much.
    pub cash: Option<(u8, Money)>,
    /// Shares: of which instrument, and how many.
    pub shares: Option<(u32, i64)>,
}

/// The exchange as the journal says that it is.
pub struct Replay {
    /// After the last command.
    pub exchange: NaiveExchange,
    /// Under which bounds.
    pub limits: Limits,
    /// When every instrument was listed.
    pub listed_at_us: Vec<i64>,
    /// When every participant was registered.
    pub registered_at_us: Vec<i64>,
    /// When every account was opened.
    pub opened_at_us: Vec<i64>,
    /// When every fee schedule was added.
    pub schedules_at_us: Vec<i64>,
    /// Every order.
    pub orders: BTreeMap<OrderId, Replayed>,
    /// Every trade, and when it was made.
    pub trades: Vec<(i64, Trade)>,
    /// When trades were cancelled.
    pub busted_at_us: BTreeMap<TradeId, i64>,
    /// Every deposit and withdrawal.
    pub transfers: Vec<Transfer>,
    /// What everybody was told of it.
    pub(super) public_events: PublicEvents,
    /// Orders that the command changed that is executed.
    changed: BTreeSet<OrderId>,
}

struct Row {
    first_sequence: u64,
    last_sequence: u64,
    first_time_us: i64,
    event_hash: u64,
    checksum: i64,
    commands: Vec<u8>,
}

impl Replay {
    /// Executes `exchange.journal`; what is wrong with it, if something is.
    pub fn of_journal(session: &mut Session) -> Result<Self, String> {
        let mut replay = Self::new(session);
        replay.follow(session)?;
        Ok(replay)
    }

    /// An exchange before its first command.
    pub fn new(session: &mut Session) -> Self {
        let limits = limits(session);
        Self {
            exchange: NaiveExchange::new(limits),
            limits,
            listed_at_us: Vec::new(),
            registered_at_us: Vec::new(),
            opened_at_us: Vec::new(),
            schedules_at_us: Vec::new(),
            orders: BTreeMap::new(),
            trades: Vec::new(),
            busted_at_us: BTreeMap::new(),
            transfers: Vec::new(),
            public_events: PublicEvents::default(),
            changed: BTreeSet::new(),
        }
    }

    /// Executes what has come since; what is wrong with it, if something is.
    pub fn follow(&mut self, session: &mut Session) -> Result<(), String> {
        let after = self.exchange.counters().sequence;
        self.public_events.read(session, after);
        for row in journal(session, after) {
            self.execute_row(&row).map_err(|wrong| {
                format!("exchange.journal, row of command {}: {wrong}", row.first_sequence)
            })?;
        }
        let open = self.orders.values().filter(|replayed| replayed.order.status.is_open());
        let (open, in_engine) = (open.count(), self.exchange.open_orders());
        if open != in_engine as usize {
            return Err(format!("{open} orders are open by their events, {in_engine} in the book"));
        }
        Ok(())
    }

    fn execute_row(&mut self, row: &Row) -> Result<(), String> {
        let expected = self.exchange.counters().sequence + 1;
        if row.first_sequence != expected {
            return Err(format!("command {expected} should come next"));
        }
        if i64::from(crc32c::crc32c(&row.commands)) != row.checksum {
            return Err("the checksum is not that of the commands".to_owned());
        }
        let mut bytes = row.commands.as_slice();
        let mut time_us = row.first_time_us;
        while !bytes.is_empty() {
            let (delta_us, command) =
                codec::decode(&mut bytes).map_err(|error| format!("cannot be decoded: {error}"))?;
            time_us = time_us.saturating_add_unsigned(delta_us);
            self.execute(time_us, &command)?;
        }
        let Stamped { sequence, event_hash } = self.position();
        if sequence != row.last_sequence {
            return Err(format!("it ends with command {sequence}, not {}", row.last_sequence));
        }
        if event_hash != row.event_hash {
            return Err("the event hash is not that of the replay".to_owned());
        }
        Ok(())
    }

    fn position(&self) -> Stamped {
        let counters = self.exchange.counters();
        Stamped { sequence: counters.sequence, event_hash: counters.event_hash }
    }

    fn execute(&mut self, time_us: i64, command: &Command) -> Result<(), String> {
        let counters = self.exchange.counters();
        let sequence = counters.sequence + 1;
        if time_us < counters.time_us {
            return Err(format!("the time goes back at command {sequence}"));
        }
        if *command != Command::AdvanceClock && time_us >= self.exchange.next_due_us() {
            return Err(format!("command {sequence} ({command:?}) comes before what is due"));
        }
        if let Err(refusal) = self.exchange.check(command) {
            return Err(format!("command {sequence} ({command:?}) is to be refused: {refusal:?}"));
        }
        let stamp = Stamp { sequence, time_us };
        let quote = match command {
            Command::PlaceOrder(new) | Command::PlaceOrderWithTerms(new, _) => {
                Side::ALL.map(|side| self.best(new.instrument, side))
            }
            _ => [None; 2],
        };
        let mut events = Vec::new();
        let outcome = self.exchange.apply(stamp, command, &mut events);
        match command {
            Command::PlaceOrder(new) => self.enter(stamp, new, &Terms::PLAIN, &outcome, quote),
            Command::PlaceOrderWithTerms(new, terms) => {
                self.enter(stamp, new, terms, &outcome, quote);
            }
            _ => {}
        }
        self.public_events.follow(&self.exchange, stamp, &events);
        events.iter().for_each(|event| self.note(stamp, event));
        self.end_command(time_us).map_err(|wrong| format!("command {sequence}: {wrong}"))
    }

    /// The best displayed price of a side of a book.
    fn best(&self, instrument: InstrumentId, side: Side) -> Option<i64> {
        self.exchange.levels(instrument, side).next().map(|level| level.price_ticks)
    }

    /// A new order as it was before any event. What the engine worked out is in the answer.
    fn enter(
        &mut self,
        stamp: Stamp,
        new: &NewOrder,
        terms: &Terms,
        outcome: &Outcome,
        quote: [Option<i64>; 2],
    ) {
        let Outcome::Order(answer) = outcome else { return };
        if answer.order_id != stamp.sequence {
            // A retry, answered as the order of this name was.
            return;
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
        let replayed = Replayed { placed: *new, order, updated_at_us: stamp.time_us, quote };
        self.orders.insert(stamp.sequence, replayed);
        self.changed.insert(stamp.sequence);
        if terms.linked_order != 0 && answer.status != OrderStatus::Rejected {
            self.change(terms.linked_order, stamp.time_us).terms.linked_order = stamp.sequence;
        }
    }

    fn note(&mut self, stamp: Stamp, event: &Event) {
        let time_us = stamp.time_us;
        match *event {
            Event::Trade(trade) => {
                fill(self.change(trade.maker_order_id, time_us), &trade);
                fill(self.change(trade.taker_order_id, time_us), &trade);
                self.trades.push((time_us, trade));
            }
            Event::Cancelled { order_id, reason, .. } => {
                let order = self.change(order_id, time_us);
                order.cancel_reason = reason;
                finish(order, OrderStatus::of_cancelled(reason));
            }
            Event::Reduced { order_id, remaining, .. } => {
                let order = self.change(order_id, time_us);
                order.quantity -= order.remaining - remaining;
                order.remaining = remaining;
            }
            Event::Replaced { order_id, price_ticks, quantity, .. } => {
                let order = self.change(order_id, time_us);
                order.price_ticks = price_ticks;
                order.quantity = quantity;
                order.remaining = quantity - order.filled;
            }
            Event::Rejected { order_id, reason } => {
                let order = self.change(order_id, time_us);
                order.reject_reason = reason;
                finish(order, OrderStatus::Rejected);
            }
            Event::Triggered { order_id, .. } => self.change(order_id, time_us).triggered = true,
            Event::StopMoved { order_id, stop_price_ticks, price_ticks } => {
                let order = self.change(order_id, time_us);
                order.terms.stop_price_ticks = stop_price_ticks;
                order.price_ticks = price_ticks;
            }
            Event::Rested { order_id, .. } | Event::Refilled { order_id, .. } => {
                self.change(order_id, time_us);
            }
            Event::InstrumentCreated { .. } => self.listed_at_us.push(time_us),
            Event::ParticipantRegistered { .. } => self.registered_at_us.push(time_us),
            Event::AccountOpened { .. } => self.opened_at_us.push(time_us),
            Event::FeeScheduleCreated { .. } => self.schedules_at_us.push(time_us),
            Event::CashTransferred { account, currency, amount } => {
                let cash = Some((currency, amount));
                self.transfers.push(Transfer { stamp, account, cash, shares: None });
            }
            Event::SharesTransferred { account, instrument, quantity } => {
                let shares = Some((instrument, quantity));
                self.transfers.push(Transfer { stamp, account, cash: None, shares });
            }
            Event::TradeBusted { trade_id, .. } => {
                self.busted_at_us.insert(trade_id, time_us);
            }
            Event::ReplaceRejected { .. }
            | Event::InstrumentChanged { .. }
            | Event::ParticipantChanged { .. }
            | Event::AccountChanged { .. }
            | Event::CreditLimitSet { .. }
            | Event::ShortLimitSet { .. }
            | Event::RiskLimitsSet { .. }
            | Event::MarketPhaseChanged { .. }
            | Event::InstrumentPhaseChanged { .. }
            | Event::Uncrossed { .. }
            | Event::Scheduled { .. }
            | Event::ClockAdvanced { .. } => {}
        }
    }

    fn change(&mut self, id: OrderId, time_us: i64) -> &mut Order {
        let replayed = self.orders.get_mut(&id).expect("events are about placed orders");
        replayed.updated_at_us = time_us;
        self.changed.insert(id);
        &mut replayed.order
    }

    /// The story that the events tell must be that of the book. Of orders that are still open
    /// the book knows more: their place, what they display, their link.
    fn end_command(&mut self, time_us: i64) -> Result<(), String> {
        let mut changed = std::mem::take(&mut self.changed);
        for id in &changed {
            let order = self.orders[id].order;
            let linked = order.terms.linked_order;
            // One of two that are linked has ended; if both have, they keep their link.
            if !order.status.is_open()
                && let Some(other) = self.orders.get_mut(&linked)
                && other.order.status.is_open()
                && other.order.terms.linked_order == *id
            {
                other.order.terms.linked_order = 0;
                other.updated_at_us = time_us;
                self.changed.insert(linked);
            }
        }
        changed.append(&mut self.changed);
        for id in changed {
            let order = &mut self.orders.get_mut(&id).expect("it was changed").order;
            let book = self.exchange.order(id);
            let told = Order {
                priority: book.map_or(0, |book| book.priority),
                displayed: book.map_or(0, |book| book.displayed),
                ..*order
            };
            if book != told.status.is_open().then_some(told) {
                return Err(format!("by its events an order is {told:?}, in the book {book:?}"));
            }
            *order = told;
        }
        Ok(())
    }
}

struct Stamped {
    sequence: u64,
    event_hash: u64,
}

fn fill(order: &mut Order, trade: &Trade) {
    order.filled += trade.quantity;
    order.remaining -= trade.quantity;
    order.turnover_ticks += trade.quantity * trade.price_ticks;
    order.status = match order.remaining {
        0 => OrderStatus::Filled,
        _ => OrderStatus::PartiallyFilled,
    };
}

fn finish(order: &mut Order, status: OrderStatus) {
    order.remaining = 0;
    order.status = status;
}

/// The bounds that are part of the rules.
fn limits(session: &mut Session) -> Limits {
    let mut setting = |name: &str| {
        let value = session.number(&format!("SHOW exchange.{name}"));
        u32::try_from(value).expect("a bound is not below 0")
    };
    Limits {
        maximum_instruments: setting("maximum_instruments"),
        maximum_accounts: setting("maximum_accounts"),
        maximum_open_orders: setting("maximum_open_orders"),
        maximum_price_levels: setting("maximum_price_levels"),
        maximum_positions: setting("maximum_positions"),
        client_order_window: setting("client_order_window"),
    }
}

fn journal(session: &mut Session, after: u64) -> Vec<Row> {
    let rows = session.client().query(
        "SELECT first_sequence, last_sequence, first_time_us, event_hash, checksum, commands
         FROM exchange.journal WHERE last_sequence > $1 ORDER BY first_sequence",
        &[&after.cast_signed()],
    );
    let row = |row: &postgres::Row| Row {
        first_sequence: row.get::<_, i64>(0).cast_unsigned(),
        last_sequence: row.get::<_, i64>(1).cast_unsigned(),
        first_time_us: row.get(2),
        event_hash: row.get::<_, i64>(3).cast_unsigned(),
        checksum: row.get(4),
        commands: row.get(5),
    };
    rows.expect("the journal can be read").iter().map(row).collect()
}
