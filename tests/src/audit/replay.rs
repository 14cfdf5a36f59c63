//! The journal, checked row by row and executed by the naive exchange.

use std::collections::BTreeMap;

use matcher::{
    Command, Event, Instrument, Limits, NaiveExchange, NewOrder, Order, OrderId, OrderStatus,
    RejectReason, RoleName, Stamp, Trade, codec,
};

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
}

/// The exchange as the journal says that it is.
pub struct Replay {
    /// After the last command.
    pub exchange: NaiveExchange,
    /// Every instrument, and when it was listed.
    pub instruments: Vec<(i64, Instrument)>,
    /// The owner of every account, and when it was opened.
    pub accounts: Vec<(i64, RoleName)>,
    /// Every order.
    pub orders: BTreeMap<OrderId, Replayed>,
    /// Every trade, and when it was made.
    pub trades: Vec<(i64, Trade)>,
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
        let mut replay = Self {
            exchange: NaiveExchange::new(limits(session)),
            instruments: Vec::new(),
            accounts: Vec::new(),
            orders: BTreeMap::new(),
            trades: Vec::new(),
        };
        for row in journal(session) {
            replay.execute_row(&row).map_err(|wrong| {
                format!("exchange.journal, row of command {}: {wrong}", row.first_sequence)
            })?;
        }
        replay.check_open_orders()?;
        Ok(replay)
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
        if let Err(refusal) = self.exchange.check(command) {
            return Err(format!("command {sequence} ({command:?}) is to be refused: {refusal:?}"));
        }
        let mut events = Vec::new();
        self.exchange.apply(Stamp { sequence, time_us }, command, &mut events);
        match command {
            Command::PlaceOrder(new) => {
                self.orders.insert(sequence, Replayed::new(sequence, time_us, *new));
            }
            Command::CreateInstrument(instrument) => self.instruments.push((time_us, *instrument)),
            Command::OpenAccount { owner } => self.accounts.push((time_us, *owner)),
            _ => {}
        }
        for event in &events {
            self.note(time_us, event);
        }
        Ok(())
    }

    fn note(&mut self, time_us: i64, event: &Event) {
        match event {
            Event::Trade(trade) => {
                fill(self.changed(trade.maker_order_id, time_us), trade);
                fill(self.changed(trade.taker_order_id, time_us), trade);
                self.trades.push((time_us, *trade));
            }
            Event::Cancelled { order_id, .. } => {
                finish(self.changed(*order_id, time_us), OrderStatus::Cancelled);
            }
            Event::Reduced { order_id, remaining, .. } => {
                let order = self.changed(*order_id, time_us);
                order.quantity -= order.remaining - remaining;
                order.remaining = *remaining;
            }
            Event::Rejected { order_id, reason } => {
                let order = self.changed(*order_id, time_us);
                order.reject_reason = *reason;
                finish(order, OrderStatus::Rejected);
            }
            Event::Rested { .. }
            | Event::InstrumentCreated { .. }
            | Event::AccountOpened { .. }
            | Event::MarketOpened
            | Event::MarketClosed
            | Event::ClockAdvanced { .. } => {}
        }
    }

    fn changed(&mut self, id: OrderId, time_us: i64) -> &mut Order {
        let replayed = self.orders.get_mut(&id).expect("events are about placed orders");
        replayed.updated_at_us = time_us;
        &mut replayed.order
    }

    /// The story that the events tell must end in the book of the naive exchange.
    fn check_open_orders(&self) -> Result<(), String> {
        for (id, Replayed { order, .. }) in &self.orders {
            let book = self.exchange.order(*id);
            if book != order.status.is_open().then_some(*order) {
                return Err(format!("by its events an order is {order:?}, in the book {book:?}"));
            }
        }
        Ok(())
    }
}

struct Stamped {
    sequence: u64,
    event_hash: u64,
}

impl Replayed {
    fn new(order_id: OrderId, time_us: i64, placed: NewOrder) -> Self {
        let order = Order {
            order_id,
            created_at_us: time_us,
            price_ticks: placed.price_ticks,
            quantity: placed.quantity,
            filled: 0,
            remaining: placed.quantity,
            turnover_ticks: 0,
            instrument: placed.instrument,
            account: placed.account,
            side: placed.side,
            time_in_force: placed.time_in_force,
            status: OrderStatus::Open,
            reject_reason: RejectReason::None,
        };
        Self { placed, order, updated_at_us: time_us }
    }
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
        u32::try_from(value).expect("a bound is above 0")
    };
    Limits {
        maximum_instruments: setting("maximum_instruments"),
        maximum_accounts: setting("maximum_accounts"),
        maximum_open_orders: setting("maximum_open_orders"),
        maximum_price_levels: setting("maximum_price_levels"),
    }
}

fn journal(session: &mut Session) -> Vec<Row> {
    let rows = session.client().query(
        "SELECT first_sequence, last_sequence, first_time_us, event_hash, checksum, commands
         FROM exchange.journal ORDER BY first_sequence",
        &[],
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
