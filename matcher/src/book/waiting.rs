//! The open orders of an instrument that are not in its book: they wait for a stop price,
//! follow a quote, or trade as a whole.

use crate::slots::Slot;
use crate::terms::Trigger;
use crate::{OrderId, Side};
use std::collections::BTreeSet;

/// Each list in the order in which its orders come to their turn.
#[derive(Default)]
pub(crate) struct Waiting {
    /// By trigger and side: how far the stop price is, and the order.
    stops: [[BTreeSet<(i64, OrderId)>; 2]; 2],
    /// Stop orders whose stop price follows the market.
    pub(crate) trailing: BTreeSet<OrderId>,
    /// By side: priority, order.
    pub(crate) pegged: [BTreeSet<(u64, Slot)>; 2],
    /// By side: rank of the price, priority, order.
    pub(crate) all_or_none: [BTreeSet<(i64, u64, Slot)>; 2],
}

/// How far a stop price is: buys are reached from below, sells from above.
fn distance(side: Side, stop_price_ticks: i64) -> i64 {
    match side {
        Side::Buy => stop_price_ticks,
        Side::Sell => -stop_price_ticks,
    }
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.stops.as_flattened().iter().all(BTreeSet::is_empty)
            && self.pegged.iter().all(BTreeSet::is_empty)
            && self.all_or_none.iter().all(BTreeSet::is_empty)
    }

    pub(crate) fn insert_stop(&mut self, trigger: Trigger, side: Side, price: i64, id: OrderId) {
        let is_new =
            self.stops[trigger as usize][side as usize].insert((distance(side, price), id));
        assert!(is_new, "an order waits once");
    }

    pub(crate) fn remove_stop(&mut self, trigger: Trigger, side: Side, price: i64, id: OrderId) {
        let was_there =
            self.stops[trigger as usize][side as usize].remove(&(distance(side, price), id));
        assert!(was_there, "a stop order waits at its price");
    }

    /// The stop order of a side that is reached first, if one is: by the last trade, or the
    /// quote, each `None` where there is none.
    pub(crate) fn next_reached(
        &self,
        side: Side,
        last_trade: Option<i64>,
        quote: Option<i64>,
    ) -> Option<OrderId> {
        let stops = |trigger: Trigger| self.stops[trigger as usize][side as usize].first();
        let is_reached = |stop: &(i64, OrderId), market: Option<i64>| {
            market.is_some_and(|market| stop.0 <= distance(side, market))
        };
        let by_trade = stops(Trigger::LastTrade).filter(|stop| is_reached(stop, last_trade));
        let by_quote = stops(Trigger::BestQuote)
            .filter(|stop| is_reached(stop, last_trade) || is_reached(stop, quote));
        by_trade.into_iter().chain(by_quote).min().map(|(_, id)| *id)
    }

    /// All of them.
    pub(crate) fn stop_orders(&self) -> impl Iterator<Item = OrderId> + '_ {
        self.stops.as_flattened().iter().flatten().map(|(_, id)| *id)
    }

    /// All orders that are no stop orders.
    pub(crate) fn other_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        let pegged = self.pegged.iter().flatten().map(|(_, slot)| *slot);
        pegged.chain(self.all_or_none.iter().flatten().map(|(_, _, slot)| *slot))
    }
}
