//! Where events go while a command runs.

use crate::{Counters, Event, TradeId};

/// The events of a command, folded into the running hash as they happen.
pub(crate) struct Tape<'a> {
    pub(crate) counters: &'a mut Counters,
    pub(crate) events: &'a mut Vec<Event>,
}

impl Tape<'_> {
    #[inline(always)]
    pub(crate) fn next_trade_id(&mut self) -> TradeId {
        self.counters.last_trade_id += 1;
        self.counters.last_trade_id
    }

    #[inline(always)]
    pub(crate) fn record(&mut self, event: Event) {
        crate::hash::fold_event(&mut self.counters.event_hash, &event);
        self.events.push(event);
    }
}
