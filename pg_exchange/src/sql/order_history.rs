//! The life of an order, out of the journal: what happened to it, by which command.

use std::ops::ControlFlow;

use feed::{Change, Kind};
use matcher::{
    CancelReason, Command, Event, Instrument, Liquidity, NewOrder, OrderId, OrderStatus,
    RejectReason, Stamp, Trade, TradeId, View,
};
use pgrx::Spi;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::{self, Datum, Oid};

use super::call::{Call, Rows};
use super::kept;
use super::labels;
use super::owner::AsOwner;
use super::public_events::{Listed, for_each_event};
use super::replay_marks::raise_not_replayable;
use crate::datum::text;
use crate::errors::required;
use crate::price;
use crate::workers::market_data::Place;
use crate::workers::recovery;
use crate::workers::replay::Replay;

/// What happened to an order: a label of `exchange.order_event`.
#[derive(Clone, Copy)]
pub enum Step {
    /// It was sent.
    Placed,
    /// It was declined.
    Rejected,
    /// It waits.
    Rested,
    /// It traded.
    Trade,
    /// It became smaller.
    Reduced,
    /// It was taken out to be entered anew.
    Replaced,
    /// It stayed as it was.
    ReplaceRejected,
    /// It shows its next part.
    Refilled,
    /// Its stop price was reached.
    Triggered,
    /// Its stop price followed the market.
    StopMoved,
    /// It is finished.
    Cancelled,
    /// Its time was over.
    Expired,
    /// A trade of it was cancelled.
    Bust,
}

/// `exchange.order_history`
pub fn order_history(call: Call) -> Datum {
    let order_id: i64 = required(call.argument(0), "order_id");
    let rows = call.rows();
    if !is_visible(order_id) {
        return call.null();
    }
    // The journal is closed to those whose order it is.
    let _owner = AsOwner::of(&call);
    let listed = Listed::read();
    let Some((shown, _)) = recovery::position() else { return call.null() };
    let order_id = order_id as OrderId;
    kept::expect_commands_after(order_id - 1);
    let mut replay =
        Replay::begin(order_id - 1).unwrap_or_else(|fault| raise_not_replayable(fault));
    let mut life = None;
    let mut rows = Some(rows);
    let replayed = replay.run(|engine, _, stamp, command, _, events| {
        if stamp.sequence < order_id {
            return ControlFlow::Continue(());
        }
        // The answer is of the moment that the tables show, of which the order was read.
        if stamp.sequence > shown {
            return ControlFlow::Break(());
        }
        if let Command::PlaceOrder(new) | Command::PlaceOrderWithTerms(new, _) = command
            && stamp.sequence == order_id
        {
            let rows = rows.take().expect("an order is placed once");
            life = Some(Life::new(rows, *listed.instrument(new.instrument), stamp, new));
        }
        let Some(life) = &mut life else { return ControlFlow::Break(()) };
        let mut is_touched = false;
        for event in events {
            is_touched |= life.follow(stamp, event);
        }
        if is_touched && engine.order(order_id).is_none() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    replayed.unwrap_or_else(|fault| raise_not_replayable(fault));
    if let Some(mut life) = life {
        life.add_later_busts(replay.sequence().min(shown));
    }
    call.null()
}

/// Whether there is such an order among those that the caller may see.
fn is_visible(order_id: i64) -> bool {
    let read = Spi::connect(|client| -> Result<bool, pgrx::spi::SpiError> {
        let rows = client.select(
            "SELECT 1 FROM exchange.orders WHERE order_id OPERATOR(pg_catalog.=) $1",
            Some(1),
            &[order_id.into()],
        )?;
        Ok(!rows.is_empty())
    });
    read.unwrap_or_else(|error| panic!("exchange.orders cannot be read: {error}"))
}

/// An order as its events tell its story.
struct Life {
    rows: Rows,
    steps: [Oid; 13],
    liquidities: [Oid; 3],
    instrument: Instrument,
    order_id: OrderId,
    quantity: i64,
    filled: i64,
    remaining: i64,
    trades: Vec<Trade>,
}

/// A row of the answer, but for the order itself.
#[derive(Default)]
struct Told {
    price_ticks: Option<i64>,
    quantity: Option<i64>,
    stop_price_ticks: Option<i64>,
    trade_id: Option<TradeId>,
    liquidity: Option<Liquidity>,
    reason: Option<&'static str>,
}

impl Life {
    fn new(rows: Rows, instrument: Instrument, stamp: Stamp, new: &NewOrder) -> Self {
        let mut life = Self {
            rows,
            steps: labels::oids_of(labels::type_named("order_event"), labels::ORDER_EVENTS),
            liquidities: labels::oids_of(labels::type_named("liquidity"), labels::LIQUIDITIES),
            instrument,
            order_id: stamp.sequence,
            quantity: new.quantity,
            filled: 0,
            remaining: new.quantity,
            trades: Vec::new(),
        };
        let price_ticks = Some(new.price_ticks).filter(|ticks| *ticks != 0);
        let quantity = Some(new.quantity);
        life.tell(stamp, Step::Placed, Told { price_ticks, quantity, ..Told::default() });
        life
    }

    fn tell(&mut self, stamp: Stamp, step: Step, told: Told) {
        let Self { rows, steps, liquidities, instrument, remaining, .. } = self;
        rows.add_made(|| {
            let price = |ticks: i64| price::from_ticks(instrument, ticks);
            [
                Some(Datum::from(stamp.sequence)),
                Some(Datum::from(stamp.time_us)),
                Some(Datum::from(steps[step as usize])),
                told.price_ticks.map(price),
                told.quantity.map(Datum::from),
                Some(Datum::from(*remaining)),
                told.stop_price_ticks.map(price),
                told.trade_id.map(Datum::from),
                told.liquidity.map(|liquidity| Datum::from(liquidities[liquidity as usize])),
                told.reason.map(text),
            ]
        });
    }

    /// Tells an event, if it is about this order.
    fn follow(&mut self, stamp: Stamp, event: &Event) -> bool {
        let is_it = |order_id: &OrderId| *order_id == self.order_id;
        let (step, told) = match event {
            Event::Trade(trade) if is_it(&trade.maker_order_id) || is_it(&trade.taker_order_id) => {
                let is_maker = is_it(&trade.maker_order_id);
                let liquidity = match (trade.in_auction, is_maker) {
                    (true, _) => Liquidity::Auction,
                    (false, true) => Liquidity::Maker,
                    (false, false) => Liquidity::Taker,
                };
                self.filled += trade.quantity;
                self.remaining -= trade.quantity;
                self.trades.push(*trade);
                (Step::Trade, Told { liquidity: Some(liquidity), ..traded(trade) })
            }
            Event::TradeBusted { trade_id, .. } => {
                let trade = self.trades.iter().find(|trade| trade.trade_id == *trade_id);
                let Some(told) = trade.map(traded) else { return false };
                (Step::Bust, told)
            }
            Event::Rested { order_id, price_ticks, .. } if is_it(order_id) => {
                (Step::Rested, Told { price_ticks: Some(*price_ticks), ..Told::default() })
            }
            Event::Cancelled { order_id, price_ticks, quantity, reason, .. } if is_it(order_id) => {
                self.remaining = 0;
                let is_expired = OrderStatus::of_cancelled(*reason) == OrderStatus::Expired;
                let told = Told {
                    price_ticks: Some(*price_ticks),
                    quantity: Some(*quantity),
                    reason: cancel_reason(*reason),
                    ..Told::default()
                };
                (if is_expired { Step::Expired } else { Step::Cancelled }, told)
            }
            Event::Reduced { order_id, price_ticks, remaining, .. } if is_it(order_id) => {
                let by = self.remaining - remaining;
                self.quantity -= by;
                self.remaining = *remaining;
                let (price_ticks, quantity) = (Some(*price_ticks), Some(by));
                (Step::Reduced, Told { price_ticks, quantity, ..Told::default() })
            }
            Event::Replaced { order_id, price_ticks, quantity, .. } if is_it(order_id) => {
                self.quantity = *quantity;
                self.remaining = quantity - self.filled;
                let (price_ticks, quantity) = (Some(*price_ticks), Some(*quantity));
                (Step::Replaced, Told { price_ticks, quantity, ..Told::default() })
            }
            Event::ReplaceRejected { order_id, reason } if is_it(order_id) => {
                (Step::ReplaceRejected, Told { reason: reject_reason(*reason), ..Told::default() })
            }
            Event::Rejected { order_id, reason } if is_it(order_id) => {
                self.remaining = 0;
                (Step::Rejected, Told { reason: reject_reason(*reason), ..Told::default() })
            }
            Event::Refilled { order_id, displayed } if is_it(order_id) => {
                (Step::Refilled, Told { quantity: Some(*displayed), ..Told::default() })
            }
            Event::Triggered { order_id, .. } if is_it(order_id) => {
                (Step::Triggered, Told::default())
            }
            Event::StopMoved { order_id, stop_price_ticks, price_ticks } if is_it(order_id) => {
                let told = Told {
                    price_ticks: Some(*price_ticks),
                    stop_price_ticks: Some(*stop_price_ticks),
                    ..Told::default()
                };
                (Step::StopMoved, told)
            }
            _ => return false,
        };
        self.tell(stamp, step, told);
        true
    }

    /// Trades can be cancelled long after the order has ended: which command did it is among the
    /// public events.
    fn add_later_busts(&mut self, after: u64) {
        let mut busts = Vec::new();
        for trade in std::mem::take(&mut self.trades) {
            let Some(busted_us) = busted_at_us(trade.trade_id) else { continue };
            let mut stamp = None;
            let place = Place::followed_from(busted_us, busted_us.saturating_add(1));
            for_each_event(
                &place,
                |head| head.kind == Kind::Busted,
                |event| {
                    if event.change != (Change::Busted { trade_id: trade.trade_id }) {
                        return ControlFlow::Continue(());
                    }
                    stamp = Some(Stamp { sequence: event.sequence, time_us: event.time_us });
                    ControlFlow::Break(())
                },
            );
            busts.extend(stamp.filter(|stamp| stamp.sequence > after).map(|stamp| (stamp, trade)));
        }
        // Not in the order in which they traded.
        busts.sort_by_key(|(stamp, _)| stamp.sequence);
        for (stamp, trade) in &busts {
            self.tell(*stamp, Step::Bust, traded(trade));
        }
    }
}

fn traded(trade: &Trade) -> Told {
    Told {
        price_ticks: Some(trade.price_ticks),
        quantity: Some(trade.quantity),
        trade_id: Some(trade.trade_id),
        ..Told::default()
    }
}

/// When a trade was cancelled, if it was.
fn busted_at_us(trade_id: TradeId) -> Option<i64> {
    let read = Spi::connect(|client| -> Result<_, pgrx::spi::SpiError> {
        let rows = client.select(
            "SELECT busted_at FROM exchange.busted_trades
             WHERE trade_id OPERATOR(pg_catalog.=) $1",
            Some(1),
            &[(trade_id as i64).into()],
        )?;
        rows.map(|row| row.get::<TimestampWithTimeZone>(1)).next().transpose()
    });
    let busted_at =
        read.unwrap_or_else(|error| panic!("exchange.busted_trades cannot be read: {error}"));
    busted_at.flatten().map(pg_sys::TimestampTz::from)
}

fn reject_reason(reason: RejectReason) -> Option<&'static str> {
    (reason as usize).checked_sub(1).map(|place| labels::REJECT_REASONS[place])
}

fn cancel_reason(reason: CancelReason) -> Option<&'static str> {
    (reason as usize).checked_sub(1).map(|place| labels::CANCEL_REASONS[place])
}
