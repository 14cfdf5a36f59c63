//! Market and instrument phases, the calendar, and what is due.

use super::NaiveExchange;
use crate::{
    CancelReason, Event, InstrumentId, InstrumentPhase, MarketPhase, OrderId, OrderType,
    TimeInForce,
};

/// A step of the calendar's day.
#[derive(Clone, Copy)]
enum Step {
    PreOpen,
    Open,
    ClosingAuction,
    Close,
}

impl NaiveExchange {
    pub(super) fn phase(&self, instrument: InstrumentId) -> InstrumentPhase {
        let state = self.state(instrument);
        if state.halted {
            InstrumentPhase::Halted
        } else if state.halt_until_us != 0 {
            InstrumentPhase::VolatilityHalt
        } else {
            self.counters.market_phase.into()
        }
    }

    fn tell_instrument_phase(&mut self, instrument: InstrumentId) {
        let phase = self.phase(instrument);
        self.events.push(Event::InstrumentPhaseChanged { instrument, phase });
    }

    /// The market enters a phase, and volatility halts are forgotten.
    fn enter_market_phase(&mut self, phase: MarketPhase) {
        self.counters.market_phase = phase;
        let trade_date = self.counters.trade_date;
        self.events.push(Event::MarketPhaseChanged { phase, trade_date });
        for state in &mut self.states {
            state.halt_until_us = 0;
        }
    }

    /// Uncrosses each instrument that the venue did not halt.
    fn uncross_all(&mut self) {
        for instrument in self.instrument_ids() {
            if !self.state(instrument).halted {
                self.uncross(instrument);
            }
        }
    }

    pub(super) fn open_market(&mut self) {
        self.enter_market_phase(MarketPhase::Continuous);
        self.uncross_all();
    }

    pub(super) fn close_market(&mut self) {
        if self.counters.market_phase == MarketPhase::ClosingAuction {
            self.uncross_all();
        }
        self.enter_market_phase(MarketPhase::Closed);
        let ids: Vec<OrderId> = self.instrument_of.keys().copied().collect();
        for id in ids {
            let order = self.order(id).expect("no other order ends by this");
            if order.terms.order_type == OrderType::Market {
                self.cancel(id, CancelReason::AuctionEnded);
            } else if order.time_in_force == TimeInForce::Day {
                self.cancel(id, CancelReason::Expired);
            }
        }
        for state in &mut self.states {
            if state.last_price_ticks != 0 {
                state.reference_price_ticks = state.last_price_ticks;
            }
        }
    }

    /// Which instruments are meant by an instrument to halt or resume, 0 for all.
    pub(super) fn instruments_to_halt(&self, id: InstrumentId, halt: bool) -> Vec<InstrumentId> {
        self.instrument_ids()
            .filter(|&instrument| id == 0 || id == instrument)
            .filter(|&instrument| self.state(instrument).halted != halt)
            .collect()
    }

    pub(super) fn halt(&mut self, instrument: InstrumentId) {
        let state = &mut self.states[instrument as usize - 1];
        state.halted = true;
        state.halt_until_us = 0;
        self.tell_instrument_phase(instrument);
    }

    pub(super) fn resume(&mut self, instrument: InstrumentId) {
        self.states[instrument as usize - 1].halted = false;
        self.tell_instrument_phase(instrument);
        if self.phase(instrument) == InstrumentPhase::Continuous {
            self.uncross(instrument);
        }
    }

    pub(super) fn begin_volatility_halt(&mut self, instrument: InstrumentId) {
        let time_us = self.counters.time_us;
        let state = &mut self.states[instrument as usize - 1];
        state.halt_until_us = time_us.saturating_add(state.rules.volatility_halt_us);
        self.tell_instrument_phase(instrument);
    }

    fn end_volatility_halt(&mut self, instrument: InstrumentId) {
        self.states[instrument as usize - 1].halt_until_us = 0;
        self.tell_instrument_phase(instrument);
        self.uncross(instrument);
    }

    /// Orders that end in time.
    fn due_orders(&self) -> impl Iterator<Item = (i64, OrderId)> {
        self.all_orders()
            .filter(|order| order.time_in_force == TimeInForce::GoodTillDate)
            .map(|order| (order.terms.expire_at_us, order.order_id))
    }

    /// Volatility halts that end, by instrument.
    fn due_halts(&self) -> impl Iterator<Item = (i64, InstrumentId)> {
        self.instrument_ids()
            .map(|id| (self.state(id).halt_until_us, id))
            .filter(|&(time_us, _)| time_us != 0)
    }

    /// The next step of the calendar.
    fn due_step(&self) -> Option<(i64, Step)> {
        let (day, steps_taken) = self.schedule.first()?;
        Some(match steps_taken {
            0 => (day.pre_open_us, Step::PreOpen),
            1 => (day.open_us, Step::Open),
            2 => (day.closing_auction_us, Step::ClosingAuction),
            _ => (day.close_us, Step::Close),
        })
    }

    /// When the next thing is due.
    pub(super) fn next_due(&self) -> Option<i64> {
        let orders = self.due_orders().map(|(time_us, _)| time_us);
        let halts = self.due_halts().map(|(time_us, _)| time_us);
        let step = self.due_step().map(|(time_us, _)| time_us);
        orders.chain(halts).chain(step).min()
    }

    /// Does what is due up to the time of the command, one thing after the other.
    pub(super) fn advance_clock(&mut self) {
        let now_us = self.counters.time_us;
        self.events.push(Event::ClockAdvanced { time_us: now_us });
        while let Some(time_us) = self.next_due()
            && time_us <= now_us
        {
            let orders = self.due_orders().filter(|due| due.0 == time_us);
            let order = orders.map(|(_, id)| id).min();
            let halts = self.due_halts().filter(|due| due.0 == time_us);
            let halt = halts.map(|(_, instrument)| instrument).min();
            if let Some(id) = order {
                self.cancel(id, CancelReason::Expired);
            } else if let Some(instrument) = halt {
                self.end_volatility_halt(instrument);
            } else if let Some((_, step)) = self.due_step() {
                self.take_step(step);
            }
        }
    }

    fn take_step(&mut self, step: Step) {
        let (day, steps_taken) = &mut self.schedule[0];
        *steps_taken += 1;
        self.counters.trade_date = self.counters.trade_date.max(day.trade_date);
        match step {
            Step::PreOpen => self.enter_market_phase(MarketPhase::PreOpen),
            Step::Open => self.open_market(),
            Step::ClosingAuction => {
                if self.counters.market_phase == MarketPhase::Continuous {
                    self.enter_market_phase(MarketPhase::ClosingAuction);
                }
            }
            Step::Close => {
                if self.counters.market_phase != MarketPhase::Closed {
                    self.close_market();
                }
                self.schedule.remove(0);
            }
        }
    }
}
