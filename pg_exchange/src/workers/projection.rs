//! What a batch of commands does to the tables.
//!
//! The state after the batch is written, not every step on the way: an order that came
//! and went within it is one row, written once. The tables and the position that they
//! show change in one transaction.

use matcher::outcome::{Order, OrderStatus, RejectReason, Trade};
use matcher::{Event, Instrument, InstrumentId, OrderId, Outcome, Side};
use pgrx::pg_sys::{Datum, Oid};
use rustc_hash::FxHashMap;

use super::candles::Candles;
use super::follower::Follower;
use super::journal::Batch;
use super::recovery::{Bounds, Enums, Tables, role_of};
use crate::datum::text;
use crate::price;
use crate::relation::{TupleId, Writer};
use crate::sql::labels;

/// An order that is open, or was at the begin of the batch.
struct Tracked {
    order: Order,
    /// Its row in `exchange.open_orders`, if it has one.
    at: Option<TupleId>,
    updated_at_us: i64,
    changed: bool,
}

/// The tables, as an engine and what it has to write.
pub struct Projection {
    /// The engine after the last command that was collected.
    pub follower: Follower,
    orders: FxHashMap<OrderId, Tracked>,
    changed: Vec<OrderId>,
    trades: Vec<(i64, Trade)>,
    candles: Candles,
    new_instruments: Vec<(i64, InstrumentId)>,
    new_accounts: Vec<(i64, u32)>,
    engine_state: Option<TupleId>,
    /// Under which the commands after the last one that is written are executed.
    pub bounds: Bounds,
    /// The files of `open_orders` and `engine_state`: in other ones, tuple ids are void.
    storage: Option<(u32, u32)>,
}

impl Projection {
    /// Goes on from the tables.
    pub fn new(tables: Tables, bounds: Bounds) -> Self {
        let tracked = |(order, at): (Order, TupleId)| {
            let tracked =
                Tracked { order, at: Some(at), updated_at_us: order.created_at_us, changed: false };
            (order.order_id, tracked)
        };
        Self {
            orders: tables.open_orders.into_iter().map(tracked).collect(),
            follower: Follower::new(tables.engine),
            changed: Vec::new(),
            trades: Vec::new(),
            candles: Candles::new(),
            new_instruments: Vec::new(),
            new_accounts: Vec::new(),
            engine_state: tables.engine_state,
            bounds,
            storage: None,
        }
    }

    /// Executes a batch and collects what it changes.
    pub fn collect(&mut self, batch: &Batch) -> Result<(), String> {
        let Self {
            follower, orders, changed, trades, candles, new_instruments, new_accounts, ..
        } = self;
        let mut change = |orders: &mut FxHashMap<OrderId, Tracked>, order: Order, time_us: i64| {
            let tracked = orders.entry(order.order_id).or_insert(Tracked {
                order,
                at: None,
                updated_at_us: time_us,
                changed: false,
            });
            tracked.order = order;
            tracked.updated_at_us = time_us;
            if !tracked.changed {
                tracked.changed = true;
                changed.push(order.order_id);
            }
        };
        follower.execute(batch, |_, stamp, _, outcome, events| {
            let time_us = stamp.time_us;
            for event in events {
                match *event {
                    Event::Trade(trade) => {
                        trades.push((time_us, trade));
                        candles.collect(time_us, trade);
                        let maker = orders.get(&trade.maker_order_id);
                        let mut order = maker.expect("a maker is open").order;
                        order.filled += trade.quantity;
                        order.remaining = trade.maker_remaining;
                        order.turnover_ticks += trade.price_ticks * trade.quantity;
                        order.status = if trade.maker_remaining == 0 {
                            OrderStatus::Filled
                        } else {
                            OrderStatus::PartiallyFilled
                        };
                        change(orders, order, time_us);
                    }
                    Event::InstrumentCreated { instrument } => {
                        new_instruments.push((time_us, instrument));
                    }
                    Event::AccountOpened { account, .. } => new_accounts.push((time_us, account)),
                    Event::Rested { .. }
                    | Event::Cancelled { .. }
                    | Event::Reduced { .. }
                    | Event::Rejected { .. }
                    | Event::MarketOpened
                    | Event::MarketClosed
                    | Event::ClockAdvanced { .. } => {}
                }
            }
            if let Outcome::Order(order) = *outcome {
                change(orders, order, time_us);
            }
        })
    }

    /// Writes what was collected, in the current transaction; the roles that own the new
    /// accounts. `None` if a table is not there.
    pub fn write(&mut self) -> Option<Vec<Oid>> {
        let mut open_orders = Writer::open("open_orders")?;
        let engine_state = Writer::open("engine_state")?;
        let storage = (open_orders.storage(), engine_state.storage());
        if *self.storage.get_or_insert(storage) != storage {
            // A table was rewritten (VACUUM FULL, CLUSTER): load it again.
            pgrx::log!("exchange projector: a table was rewritten, beginning anew");
            super::end();
        }
        let enums = Enums::of(open_orders.relation());
        self.write_orders(&mut open_orders, &enums)?;
        open_orders.close(&mut |_| unreachable!("flushed by write_orders"));
        self.write_trades(&enums)?;
        self.candles.write(self.follower.engine.instruments())?;
        self.write_instruments()?;
        let owners = self.write_accounts()?;
        self.write_engine_state(engine_state);
        Some(owners)
    }

    fn write_orders(&mut self, open_orders: &mut Writer, enums: &Enums) -> Option<()> {
        // By id, so that rows and index entries lie in the order of time.
        self.changed.sort_unstable();
        let mut finished_orders = Writer::open("finished_orders")?;
        let mut opened = Vec::new();
        let mut symbols = Symbols::new(self.follower.engine.instruments());
        let mut opened_at = Vec::new();
        for id in self.changed.drain(..) {
            let tracked = self.orders.get_mut(&id).expect("changed orders are tracked");
            tracked.changed = false;
            let row = order_row(tracked, &mut symbols, enums);
            let is_open = tracked.order.status.is_open();
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
                    finished_orders.insert(row, &mut |_| ());
                    self.orders.remove(&id);
                }
            }
        }
        open_orders.flush(&mut |at| opened_at.push(at));
        for (id, at) in opened.into_iter().zip(opened_at) {
            self.orders.get_mut(&id).expect("it is open").at = Some(at);
        }
        finished_orders.close(&mut |_| ());
        Some(())
    }

    fn write_trades(&mut self, enums: &Enums) -> Option<()> {
        if self.trades.is_empty() {
            return Some(());
        }
        let mut tape = Writer::open("trades")?;
        let mut executions = Writer::open("executions")?;
        let liquidities = labels::oids_of(executions.relation().type_of(5), labels::LIQUIDITIES);
        let mut symbols = Symbols::new(self.follower.engine.instruments());
        for (time_us, trade) in self.trades.drain(..) {
            let (instrument, symbol) = symbols.get(trade.instrument);
            let price = Some(price::from_ticks(instrument, trade.price_ticks));
            let side = |side: Side| Some(Datum::from(enums.sides[side as usize]));
            tape.insert(
                [
                    Some(Datum::from(trade.trade_id)),
                    Some(symbol),
                    price,
                    Some(Datum::from(trade.quantity)),
                    side(trade.taker_side),
                    Some(Datum::from(time_us)),
                ],
                &mut |_| (),
            );
            let maker = (trade.maker_order_id, trade.maker_account, trade.taker_side.opposite());
            let taker = (trade.taker_order_id, trade.taker_account, trade.taker_side);
            for ((order_id, account, of), liquidity) in [maker, taker].into_iter().zip(liquidities)
            {
                executions.insert(
                    [
                        Some(Datum::from(trade.trade_id)),
                        Some(Datum::from(order_id)),
                        Some(Datum::from(account)),
                        Some(symbol),
                        side(of),
                        Some(Datum::from(liquidity)),
                        price,
                        Some(Datum::from(trade.quantity)),
                        Some(Datum::from(time_us)),
                    ],
                    &mut |_| (),
                );
            }
        }
        tape.close(&mut |_| ());
        executions.close(&mut |_| ());
        Some(())
    }

    fn write_instruments(&mut self) -> Option<()> {
        if self.new_instruments.is_empty() {
            return Some(());
        }
        let mut table = Writer::open("instruments")?;
        for (time_us, id) in self.new_instruments.drain(..) {
            let instrument =
                self.follower.engine.instrument(id).expect("a created instrument exists");
            table.insert(
                [
                    Some(Datum::from(id)),
                    Some(text(instrument.symbol.as_str())),
                    Some(price::from_ticks(instrument, 1)),
                    Some(Datum::from(instrument.lot_size)),
                    Some(price::from_ticks(instrument, instrument.maximum_price_ticks)),
                    Some(Datum::from(time_us)),
                ],
                &mut |_| (),
            );
        }
        table.close(&mut |_| ());
        Some(())
    }

    fn write_accounts(&mut self) -> Option<Vec<Oid>> {
        if self.new_accounts.is_empty() {
            return Some(Vec::new());
        }
        let mut table = Writer::open("accounts")?;
        let engine = &self.follower.engine;
        let mut owners = Vec::new();
        for (time_us, id) in self.new_accounts.drain(..) {
            let participant = engine.accounts()[id as usize - 1];
            let owner = &engine.participants()[participant as usize - 1];
            owners.push(role_of(owner));
            table.insert(
                [Some(Datum::from(id)), Some(text(owner.as_str())), Some(Datum::from(time_us))],
                &mut |_| (),
            );
        }
        table.close(&mut |_| ());
        Some(owners)
    }

    fn write_engine_state(&mut self, mut table: Writer) {
        let counters = self.follower.engine.counters();
        let row = [
            Some(Datum::from(true)),
            Some(Datum::from(counters.sequence)),
            Some(Datum::from(counters.time_us)),
            Some(Datum::from(counters.last_trade_id)),
            Some(Datum::from(counters.event_hash)),
            Some(Datum::from(counters.market_open)),
            Some(Datum::from(self.bounds.open_orders)),
            Some(Datum::from(self.bounds.price_levels)),
        ];
        match self.engine_state {
            Some(at) => self.engine_state = Some(table.update(at, row)),
            None => table.insert(row, &mut |_| ()),
        }
        table.close(&mut |at| self.engine_state = Some(at));
    }
}

/// Symbols as text, each made once a transaction.
struct Symbols<'engine> {
    instruments: &'engine [Instrument],
    texts: Vec<Option<Datum>>,
}

impl<'engine> Symbols<'engine> {
    fn new(instruments: &'engine [Instrument]) -> Self {
        Self { instruments, texts: vec![None; instruments.len()] }
    }

    fn get(&mut self, id: InstrumentId) -> (&'engine Instrument, Datum) {
        let index = id as usize - 1;
        let instrument = &self.instruments[index];
        let datum = *self.texts[index].get_or_insert_with(|| text(instrument.symbol.as_str()));
        (instrument, datum)
    }
}

/// A row of `exchange.orders`.
fn order_row(tracked: &Tracked, symbols: &mut Symbols<'_>, enums: &Enums) -> [Option<Datum>; 15] {
    let order = &tracked.order;
    let (instrument, symbol) = symbols.get(order.instrument);
    let reason = order.reject_reason;
    [
        Some(Datum::from(order.order_id)),
        Some(Datum::from(order.account)),
        Some(symbol),
        Some(Datum::from(enums.sides[order.side as usize])),
        Some(Datum::from(enums.times_in_force[order.time_in_force as usize])),
        Some(Datum::from(enums.statuses[order.status as usize - 1])),
        (reason != RejectReason::None)
            .then(|| Datum::from(enums.reject_reasons[reason as usize - 1])),
        Some(price::from_ticks(instrument, order.price_ticks)),
        Some(Datum::from(order.quantity)),
        Some(Datum::from(order.filled)),
        Some(Datum::from(order.remaining)),
        Some(price::from_ticks(instrument, order.turnover_ticks)),
        // No order loses its place yet, so they queue in the order in which they came.
        Some(Datum::from(order.order_id)),
        Some(Datum::from(order.created_at_us)),
        Some(Datum::from(tracked.updated_at_us)),
    ]
}
