//! With what an incoming order trades.

use super::NaiveExchange;
use super::orders::{best_first, is_of_book};
use crate::outcome::Order;
use crate::{CancelReason, InstrumentId, OrderId, OrderType, Peg, SelfTradePrevention, Side};
use std::collections::BTreeSet;

/// The best displayed prices of an instrument.
pub(super) struct Quotes {
    bid: Option<i64>,
    ask: Option<i64>,
}

/// At which price an order trades, if it can trade at all.
fn effective_price(order: &Order, quotes: &Quotes) -> Option<i64> {
    let followed = match order.terms.peg {
        Peg::None => order.price_ticks,
        Peg::BestBid => quotes.bid?,
        Peg::BestAsk => quotes.ask?,
        Peg::Midpoint => {
            let sum = quotes.bid? + quotes.ask?;
            match order.side {
                Side::Buy => sum / 2,
                Side::Sell => (sum + 1) / 2,
            }
        }
    };
    Some(match order.side {
        Side::Buy => followed.min(order.price_ticks),
        Side::Sell => followed.max(order.price_ticks),
    })
}

/// Whether an order of this side and limit may trade at a price.
fn is_within(side: Side, limit: i64, price: i64) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

/// An order that another one could trade with, and the price.
#[derive(Clone, Copy)]
pub(super) struct Maker {
    pub(super) price_ticks: i64,
    pub(super) order: Order,
}

impl Maker {
    /// What it offers at a time.
    fn size(&self) -> i64 {
        if self.order.displayed > 0 { self.order.displayed } else { self.order.remaining }
    }
}

impl NaiveExchange {
    /// The best displayed price of a side.
    pub(super) fn quote(&self, instrument: InstrumentId, side: Side) -> Option<i64> {
        self.orders_of(instrument)
            .filter(|order| order.side == side && order.displayed > 0)
            .map(|order| order.price_ticks)
            .min_by_key(|&price_ticks| best_first(side, price_ticks))
    }

    pub(super) fn quotes(&self, instrument: InstrumentId) -> Quotes {
        Quotes { bid: self.quote(instrument, Side::Buy), ask: self.quote(instrument, Side::Sell) }
    }

    /// The orders that an order could trade with, in the order in which it would. Those that
    /// wait for their stop price are not among them.
    fn makers(&self, order: &Order, quotes: &Quotes) -> Vec<Maker> {
        let side = order.side.opposite();
        let mut makers: Vec<Maker> = self
            .orders_of(order.instrument)
            .filter(|maker| maker.side == side)
            .filter(|maker| {
                is_of_book(maker)
                    || maker.terms.all_or_none
                    || maker.terms.order_type == OrderType::Pegged
            })
            .filter_map(|maker| {
                let price_ticks = effective_price(maker, quotes)?;
                Some(Maker { price_ticks, order: *maker })
            })
            .collect();
        makers.sort_by_key(|maker| {
            let terms = &maker.order.terms;
            let class = match () {
                () if terms.all_or_none => 3,
                () if terms.order_type == OrderType::Pegged => 2,
                () if terms.hidden => 1,
                () => 0,
            };
            (best_first(side, maker.price_ticks), class, maker.order.priority)
        });
        makers
    }

    /// The first maker that an order would trade with, if there is one.
    pub(super) fn first_acceptable(&self, order: &Order, quotes: &Quotes) -> Option<Maker> {
        let limit = effective_price(order, quotes)?;
        self.makers(order, quotes).into_iter().find(|maker| {
            is_within(order.side, limit, maker.price_ticks)
                && (!maker.order.terms.all_or_none || maker.order.remaining <= order.remaining)
        })
    }

    fn is_outside_bands(&self, instrument: InstrumentId, price_ticks: i64) -> bool {
        let state = self.state(instrument);
        let reference = i128::from(state.reference_price_ticks);
        let band = i128::from(state.rules.band_ppm);
        let distance = (i128::from(price_ticks) - reference).abs();
        reference > 0 && band > 0 && distance * 1_000_000 > reference * band
    }

    /// Trades an open order with whatever it can trade with. Whether a volatility halt began.
    pub(super) fn match_order(&mut self, id: OrderId) -> bool {
        let instrument = self.order(id).expect("it is open").instrument;
        let quotes = self.quotes(instrument);
        while let Some(taker) = self.order(id)
            && let Some(maker) = self.first_acceptable(&taker, &quotes)
        {
            if self.is_outside_bands(instrument, maker.price_ticks) {
                self.begin_volatility_halt(instrument);
                return true;
            }
            if maker.order.terms.linked_order == id {
                self.cancel(maker.order.order_id, CancelReason::LinkedOrder);
            } else if maker.order.account == taker.account
                && taker.self_trade_prevention != SelfTradePrevention::Allow
            {
                self.prevent_self_trade(&taker, &maker);
            } else {
                self.trade_with(&taker, &maker);
            }
        }
        false
    }

    fn trade_with(&mut self, taker: &Order, maker: &Maker) {
        let maker_id = maker.order.order_id;
        let quantity = maker.size().min(taker.remaining);
        self.trade(maker_id, taker.order_id, maker.price_ticks, quantity, false);
        self.take_from_display(maker_id, quantity);
        self.refill_if_used_up(maker_id);
        self.cancel_linked(maker.order.terms.linked_order);
        self.cancel_linked(taker.terms.linked_order);
    }

    /// What a maker shows becomes less by what it lost.
    fn take_from_display(&mut self, id: OrderId, quantity: i64) {
        if self.order(id).is_some_and(|order| order.displayed > 0) {
            self.order_mut(id).displayed -= quantity;
        }
    }

    fn prevent_self_trade(&mut self, taker: &Order, maker: &Maker) {
        let (taker_id, maker_id) = (taker.order_id, maker.order.order_id);
        match taker.self_trade_prevention {
            SelfTradePrevention::CancelNewest => self.cancel(taker_id, CancelReason::SelfTrade),
            SelfTradePrevention::CancelOldest => self.cancel(maker_id, CancelReason::SelfTrade),
            SelfTradePrevention::CancelBoth => {
                self.cancel(maker_id, CancelReason::SelfTrade);
                self.cancel(taker_id, CancelReason::SelfTrade);
            }
            SelfTradePrevention::Decrement => {
                let quantity = maker.size().min(taker.remaining);
                self.decrement(maker_id, quantity);
                self.refill_if_used_up(maker_id);
                self.decrement(taker_id, quantity);
            }
            SelfTradePrevention::Allow => unreachable!("it trades"),
        }
    }

    /// Makes one of two orders of an account smaller instead of a trade.
    fn decrement(&mut self, id: OrderId, quantity: i64) {
        let order = self.order(id).expect("it is open");
        if order.remaining == quantity {
            self.cancel(id, CancelReason::SelfTrade);
            return;
        }
        self.take_from_display(id, quantity);
        let order = self.order_mut(id);
        order.quantity -= quantity;
        order.remaining -= quantity;
        self.tell_reduced(id);
    }

    /// Whether an order would trade so much at once.
    pub(super) fn is_feasible(&self, order: &Order, quantity: i64) -> bool {
        let quotes = self.quotes(order.instrument);
        let Some(limit) = effective_price(order, &quotes) else { return false };
        let mode = order.self_trade_prevention;
        let mut reached = 0;
        let mut counted_links = BTreeSet::new();
        for (maker, part) in self.parts(self.makers(order, &quotes)) {
            let all = maker.order.remaining;
            if reached >= quantity || !is_within(order.side, limit, maker.price_ticks) {
                break;
            }
            let is_cancelled_before = counted_links.contains(&maker.order.order_id);
            let is_too_large = maker.order.terms.all_or_none && all > order.remaining - reached;
            if is_cancelled_before || is_too_large {
                continue;
            }
            if self.is_outside_bands(order.instrument, maker.price_ticks) {
                break;
            }
            let is_linked = order.order_id == maker.order.terms.linked_order;
            let is_own = maker.order.account == order.account;
            if is_linked || is_own && mode == SelfTradePrevention::CancelOldest {
                continue;
            }
            if is_own && mode != SelfTradePrevention::Allow {
                break;
            }
            reached += part;
            if maker.order.terms.linked_order != 0 {
                counted_links.insert(maker.order.terms.linked_order);
            }
        }
        reached >= quantity
    }

    /// What makers offer in turn: an iceberg order what it shows, and the rest when all
    /// displayed orders of its price had theirs.
    fn parts(&self, makers: Vec<Maker>) -> Vec<(Maker, i64)> {
        let mut parts = Vec::new();
        let mut refills: Vec<(Maker, i64)> = Vec::new();
        for maker in makers {
            let is_same_level = |refill: &(Maker, i64)| refill.0.price_ticks == maker.price_ticks;
            if maker.order.displayed == 0 || !refills.iter().all(is_same_level) {
                parts.append(&mut refills);
            }
            parts.push((maker, maker.size()));
            if maker.order.remaining > maker.size() {
                refills.push((maker, maker.order.remaining - maker.size()));
            }
        }
        parts.append(&mut refills);
        parts
    }
}
