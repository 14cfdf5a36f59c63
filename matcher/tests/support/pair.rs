//! Two exchanges under the same commands.

use super::exchange::Exchange;
use super::invariants::Invariants;
use matcher::*;
use std::collections::BTreeMap;

/// The engine and its oracle under the same commands.
pub struct Pair<E = Engine, O = NaiveExchange> {
    pub engine: E,
    pub naive: O,
    invariants: Invariants,
    /// What came of the commands, to see that a run was not idle.
    pub counts: BTreeMap<String, u64>,
}

impl<E: Exchange, O: Exchange> Pair<E, O> {
    pub fn new(limits: Limits) -> Self {
        Self {
            engine: E::new(limits),
            naive: O::new(limits),
            invariants: Invariants::new(limits),
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: String) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Gives a command to both, which must agree about it, so many microseconds after the
    /// last one. What is due by then happens before.
    pub fn run(&mut self, command: &Command, time_delta_us: i64) {
        let time_us = self.engine.counters().time_us + time_delta_us;
        while *command != Command::AdvanceClock && self.engine.next_due_us() <= time_us {
            // Just at its time, or later together with what else is due.
            let due_us = self.engine.next_due_us().max(self.engine.counters().time_us);
            let is_late = self.engine.counters().sequence.is_multiple_of(2);
            self.apply(&Command::AdvanceClock, if is_late { time_us } else { due_us });
        }
        self.engine.prefetch(command);
        let checked = self.engine.check(command);
        assert_eq!(checked, self.naive.check(command), "check of {command:?}");
        match checked {
            Ok(()) => self.apply(command, time_us),
            Err(refusal) => self.count(format!("{refusal:?}")),
        }
    }

    fn apply(&mut self, command: &Command, time_us: i64) {
        let stamp = Stamp { sequence: self.engine.counters().sequence + 1, time_us };
        let subject = match command {
            Command::CancelOrder { order_id, .. }
            | Command::ReduceOrder { order_id, .. }
            | Command::ReplaceOrder { order_id, .. } => self.naive.order(*order_id),
            _ => None,
        };
        let (mut events, mut expected_events) = (Vec::new(), Vec::new());
        let expected = self.naive.apply(stamp, command, &mut expected_events);
        let outcome = self.engine.apply(stamp, command, &mut events);
        assert_eq!(events, expected_events, "events of {command:?} about {subject:?}");
        assert_eq!(outcome, expected, "outcome of {command:?} about {subject:?}");
        assert_eq!(self.engine.counters(), self.naive.counters());
        assert_eq!(self.engine.next_due_us(), self.naive.next_due_us(), "after {command:?}");
        self.invariants.observe(&self.engine, command, &outcome, &events);
        self.count_events(command, &events);
    }

    fn count_events(&mut self, command: &Command, events: &[Event]) {
        for event in events {
            let text = format!("{event:?}");
            self.count(text.split([' ', '(']).next().unwrap().to_owned());
            match event {
                Event::Rejected { reason, .. } => self.count(format!("{reason:?} rejects")),
                Event::ReplaceRejected { reason, .. } => {
                    self.count(format!("{reason:?} declines a replacement"));
                }
                Event::Cancelled { reason, .. } => self.count(format!("{reason:?} cancels")),
                Event::Trade(trade) if trade.in_auction => self.count("Trade in auction".into()),
                Event::MarketPhaseChanged { phase, .. } => self.count(format!("{phase:?} market")),
                Event::InstrumentPhaseChanged { phase, .. } => {
                    self.count(format!("{phase:?} instrument"));
                }
                _ => {}
            }
        }
        let places = matches!(command, Command::PlaceOrder(_) | Command::PlaceOrderWithTerms(..));
        if places && events.is_empty() {
            self.count("Retry".into());
        }
        let how_many =
            |is_it: fn(&Event) -> bool| events.iter().filter(|event| is_it(event)).count();
        if how_many(|event| matches!(event, Event::Triggered { .. })) > 1 {
            self.count("Chain of stop orders".into());
        }
        if how_many(|event| matches!(event, Event::Refilled { .. })) > 1 {
            self.count("Refilled again".into());
        }
    }

    /// Compares everything that can be seen of the two.
    pub fn compare(&self) {
        let (engine, naive) = (&self.engine, &self.naive);
        engine.validate();
        naive.validate();
        assert_eq!(engine.counters(), naive.counters());
        assert_eq!(engine.instruments(), naive.instruments());
        assert_eq!(engine.currencies(), naive.currencies());
        assert_eq!(engine.fee_schedules(), naive.fee_schedules());
        assert_eq!(engine.participants(), naive.participants());
        assert_eq!(engine.account_count(), naive.account_count());
        for account in 0..=engine.account_count() + 1 {
            assert_eq!(engine.account(account), naive.account(account));
            for currency in 0..=engine.currencies().len() as CurrencyId + 1 {
                assert_eq!(engine.cash(account, currency), naive.cash(account, currency));
            }
            for instrument in 0..=engine.instruments().len() as InstrumentId + 1 {
                let position = engine.position(account, instrument);
                assert_eq!(position, naive.position(account, instrument));
            }
        }
        assert_eq!(engine.all_cash(), naive.all_cash());
        assert_eq!(engine.all_positions(), naive.all_positions());
        assert_eq!(engine.open_orders(), naive.open_orders());
        for instrument in 0..=engine.instruments().len() as InstrumentId + 1 {
            assert_eq!(engine.instrument_state(instrument), naive.instrument_state(instrument));
            assert_eq!(engine.indicative(instrument), naive.indicative(instrument));
            let waiting = engine.waiting(instrument);
            assert_eq!(waiting, naive.waiting(instrument));
            for side in Side::ALL {
                let levels: Vec<_> = engine.levels(instrument, side).collect();
                let expected: Vec<_> = naive.levels(instrument, side).collect();
                for level in &levels {
                    assert_eq!(engine.level(instrument, side, level.price_ticks), Some(*level));
                }
                assert_eq!(levels, expected);
                let queue: Vec<_> = engine.queue(instrument, side).collect();
                let expected: Vec<_> = naive.queue(instrument, side).collect();
                assert_eq!(queue, expected);
                for order in queue.iter().chain(&waiting) {
                    assert_eq!(engine.order(order.order_id), Some(*order));
                    assert_eq!(naive.order(order.order_id), Some(*order));
                }
            }
        }
        assert_eq!(engine.schedule(), naive.schedule());
        assert_eq!(engine.busted_trades(), naive.busted_trades());
        assert_eq!(engine.client_orders(), naive.client_orders());
        assert_eq!(engine.next_due_us(), naive.next_due_us());
        assert_eq!(engine.state_hash(), naive.state_hash());
    }
}
