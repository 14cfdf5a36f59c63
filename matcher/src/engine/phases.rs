//! When orders are collected and when they trade; what is due in time.

use super::Engine;
use crate::outcome::CancelReason;
use crate::phase::{InstrumentPhase, MarketPhase};
use crate::{Event, InstrumentId, OrderId, TradingDay};
use std::collections::{BTreeSet, VecDeque};

/// The steps of a day: pre-open, opening, closing auction, close.
const STEPS: u8 = 4;

/// What is due, and when.
#[derive(Default)]
pub(crate) struct Agenda {
    /// Good-till-date orders: when, which.
    expiries: BTreeSet<(i64, OrderId)>,
    /// Volatility halts: until when, of which instrument.
    halts: BTreeSet<(i64, InstrumentId)>,
    /// Days of the calendar, and how many of their steps were taken.
    days: VecDeque<(TradingDay, u8)>,
    /// Of the earliest; `None` for never.
    next: Option<i64>,
}

/// The earliest thing on the agenda.
enum Due {
    Expiry(OrderId),
    HaltEnds(InstrumentId),
    Step,
}

impl Agenda {
    #[inline(always)]
    pub(crate) fn next_due_us(&self) -> i64 {
        self.next.unwrap_or(i64::MAX)
    }

    pub(crate) fn days(&self) -> &VecDeque<(TradingDay, u8)> {
        &self.days
    }

    /// The earliest; at the same time in the order of `docs/rules.md` 1.4.
    fn earliest(&self) -> Option<(i64, Due)> {
        let expiry = self.expiries.first().map(|(at, id)| (*at, Due::Expiry(*id)));
        let halt = self.halts.first().map(|(at, id)| (*at, Due::HaltEnds(*id)));
        let step = self.days.front().map(|(day, taken)| {
            let steps = [day.pre_open_us, day.open_us, day.closing_auction_us, day.close_us];
            (steps[*taken as usize], Due::Step)
        });
        // The first of equals is the minimum.
        [expiry, halt, step].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn look_ahead(&mut self) {
        self.next = self.earliest().map(|(at, _)| at);
    }

    pub(crate) fn expect_expiry(&mut self, at_us: i64, order_id: OrderId) {
        self.expiries.insert((at_us, order_id));
        self.look_ahead();
    }

    pub(crate) fn forget_expiry(&mut self, at_us: i64, order_id: OrderId) {
        self.expiries.remove(&(at_us, order_id));
        self.look_ahead();
    }

    pub(crate) fn expect_halt_end(&mut self, at_us: i64, instrument: InstrumentId) {
        self.halts.insert((at_us, instrument));
        self.look_ahead();
    }

    fn forget_halt(&mut self, at_us: i64, instrument: InstrumentId) {
        self.halts.remove(&(at_us, instrument));
        self.look_ahead();
    }

    pub(crate) fn add_day(&mut self, day: TradingDay, steps_taken: u8) {
        self.days.push_back((day, steps_taken));
        self.look_ahead();
    }

    pub(super) fn forget_days(&mut self) {
        self.days.retain(|(_, steps_taken)| *steps_taken > 0);
        self.look_ahead();
    }

    /// Takes the next step of the first day: the day, and which step.
    fn take_step(&mut self) -> (TradingDay, u8) {
        let (day, taken) = self.days.front_mut().expect("a step is due");
        let (day, step) = (*day, *taken);
        *taken += 1;
        if *taken == STEPS {
            self.days.pop_front();
        }
        self.look_ahead();
        (day, step)
    }
}

impl Engine {
    /// Does what is due.
    pub(super) fn advance_clock(&mut self, events: &mut Vec<Event>) {
        let time_us = self.counters.time_us;
        self.record(events, Event::ClockAdvanced { time_us });
        while let Some((at, due)) = self.agenda.earliest()
            && at <= time_us
        {
            match due {
                Due::Expiry(order_id) => {
                    let slot = self.books.find(order_id).expect("it is open until it expires");
                    self.running.touched.insert(self.instrument_of(slot));
                    self.cancel_slot(slot, CancelReason::Expired, events);
                }
                Due::HaltEnds(instrument) => self.end_volatility_halt(instrument, events),
                Due::Step => {
                    let (day, step) = self.agenda.take_step();
                    self.take_calendar_step(&day, step, events);
                }
            }
        }
    }

    fn take_calendar_step(&mut self, day: &TradingDay, step: u8, events: &mut Vec<Event>) {
        let trade_date = day.trade_date.max(self.counters.trade_date);
        match (step, self.counters.market_phase) {
            (0, _) => {
                self.change_market_phase(MarketPhase::PreOpen, trade_date, events);
                self.forget_volatility_halts();
            }
            (1, _) => self.open_market(trade_date, events),
            (2, MarketPhase::Continuous) => {
                self.change_market_phase(MarketPhase::ClosingAuction, trade_date, events);
                self.forget_volatility_halts();
            }
            (3, phase) if phase != MarketPhase::Closed => self.close_market(events),
            _ => {}
        }
    }

    fn change_market_phase(
        &mut self,
        phase: MarketPhase,
        trade_date: i32,
        events: &mut Vec<Event>,
    ) {
        self.counters.market_phase = phase;
        self.counters.trade_date = trade_date;
        self.record(events, Event::MarketPhaseChanged { phase, trade_date });
    }

    fn instrument_ids(&self) -> std::ops::RangeInclusive<InstrumentId> {
        1..=self.books.len() as InstrumentId
    }

    /// Every instrument that is not halted by the venue is in the phase of the market.
    fn forget_volatility_halts(&mut self) {
        for instrument in self.instrument_ids() {
            self.forget_volatility_halt(instrument);
            self.follow_market(instrument);
        }
    }

    fn forget_volatility_halt(&mut self, instrument: InstrumentId) {
        let state = &mut self.books.book_mut(instrument).state;
        let until_us = std::mem::take(&mut state.halt_until_us);
        if until_us != 0 {
            self.agenda.forget_halt(until_us, instrument);
        }
    }

    /// Works the phase of an instrument out from what it follows from.
    pub(crate) fn follow_market(&mut self, instrument: InstrumentId) {
        let market = self.counters.market_phase;
        let book = self.books.book_mut(instrument);
        book.phase = if book.state.halted {
            InstrumentPhase::Halted
        } else if book.state.halt_until_us != 0 && market == MarketPhase::Continuous {
            InstrumentPhase::VolatilityHalt
        } else {
            market.into()
        };
    }

    /// Tells that an instrument is in another phase than before.
    fn change_phase(&mut self, instrument: InstrumentId, events: &mut Vec<Event>) {
        self.follow_market(instrument);
        let phase = self.books.book(instrument).phase;
        self.record(events, Event::InstrumentPhaseChanged { instrument, phase });
    }

    pub(super) fn open_market(&mut self, trade_date: i32, events: &mut Vec<Event>) {
        self.change_market_phase(MarketPhase::Continuous, trade_date, events);
        for instrument in self.instrument_ids() {
            self.forget_volatility_halt(instrument);
            self.follow_market(instrument);
            if !self.books.book(instrument).state.halted {
                self.uncross(instrument, events);
                self.running.touched.insert(instrument);
            }
        }
    }

    pub(super) fn close_market(&mut self, events: &mut Vec<Event>) {
        if self.counters.market_phase == MarketPhase::ClosingAuction {
            for instrument in self.instrument_ids() {
                if !self.books.book(instrument).state.halted {
                    self.uncross(instrument, events);
                }
            }
        }
        self.change_market_phase(MarketPhase::Closed, self.counters.trade_date, events);
        self.forget_volatility_halts();
        let mut ending = self.open_slots(Self::ends_with_market);
        ending.sort_unstable_by_key(|slot| self.books.orders[*slot].id);
        for slot in ending {
            let is_market = self.books.terms(slot).order_type == crate::OrderType::Market;
            let reason = if is_market { CancelReason::AuctionEnded } else { CancelReason::Expired };
            self.cancel_slot(slot, reason, events);
        }
        for instrument in self.instrument_ids() {
            let last_price = self.books.book(instrument).state.last_price_ticks;
            if last_price != 0 {
                self.set_reference_price(instrument, last_price);
            }
        }
    }

    pub(super) fn set_halted(
        &mut self,
        instrument: InstrumentId,
        halted: bool,
        events: &mut Vec<Event>,
    ) {
        let meant = match instrument {
            0 => self.instrument_ids(),
            one => one..=one,
        };
        for instrument in meant {
            if self.books.book(instrument).state.halted == halted {
                continue;
            }
            self.forget_volatility_halt(instrument);
            self.books.book_mut(instrument).state.halted = halted;
            self.change_phase(instrument, events);
            if self.books.book(instrument).phase == InstrumentPhase::Continuous {
                self.uncross(instrument, events);
                self.running.touched.insert(instrument);
            }
        }
    }

    pub(super) fn begin_volatility_halt(
        &mut self,
        instrument: InstrumentId,
        events: &mut Vec<Event>,
    ) {
        let time_us = self.counters.time_us;
        let state = &mut self.books.book_mut(instrument).state;
        let until_us = time_us.saturating_add(state.rules.volatility_halt_us);
        state.halt_until_us = until_us;
        self.agenda.expect_halt_end(until_us, instrument);
        self.change_phase(instrument, events);
    }

    fn end_volatility_halt(&mut self, instrument: InstrumentId, events: &mut Vec<Event>) {
        self.forget_volatility_halt(instrument);
        self.change_phase(instrument, events);
        self.uncross(instrument, events);
        self.running.touched.insert(instrument);
    }
}
