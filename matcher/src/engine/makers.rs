//! What an incoming order trades with.

use super::Engine;
use crate::book::{Books, Traits, rank};
use crate::outcome::CancelReason;
use crate::slots::Slot;
use crate::terms::{Peg, SelfTradePrevention};
use crate::{AccountId, InstrumentId, OrderId, ScheduleId, Side};
use std::cmp::Reverse;

/// An order on its way into the book.
pub(super) struct Incoming {
    pub(super) order_id: OrderId,
    /// Where it is, if it is open already; else `NONE`.
    pub(super) slot: Slot,
    pub(super) position: Slot,
    pub(super) instrument: InstrumentId,
    pub(super) account: AccountId,
    pub(super) side: Side,
    pub(super) prevention: SelfTradePrevention,
    pub(super) fee_schedule: ScheduleId,
    /// The worst price that it trades at now: its limit, or of a pegged order less.
    pub(super) limit_ticks: i64,
    /// Its own limit, which its hold is of.
    pub(super) price_ticks: i64,
    pub(super) linked_order: OrderId,
    pub(super) quantity: i64,
    pub(super) remaining: i64,
    pub(super) turnover_ticks: i64,
    /// Set when it was cancelled on the way.
    pub(super) cancelled: CancelReason,
    /// Set when it would have left the bands.
    pub(super) halted: bool,
}

/// The best displayed prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quotes {
    pub(super) bid: Option<i64>,
    pub(super) ask: Option<i64>,
}

impl Quotes {
    /// For a book in which nobody follows any.
    pub(super) const NONE: Self = Self { bid: None, ask: None };

    /// What a pegged order follows.
    fn followed(&self, side: Side, peg: Peg) -> Option<i64> {
        match peg {
            Peg::None => None,
            Peg::BestBid => self.bid,
            Peg::BestAsk => self.ask,
            Peg::Midpoint => {
                let sum = self.bid? + self.ask?;
                Some(match side {
                    Side::Buy => sum / 2,
                    Side::Sell => (sum + 1) / 2,
                })
            }
        }
    }
}

/// What makers sum up to.
struct Sum {
    /// What is still missing to what is to be reached.
    missing: i64,
    /// What the incoming order would still want.
    wanted: i64,
    /// Orders that would be cancelled because one that they are linked with traded.
    gone: Vec<OrderId>,
}

impl Sum {
    fn add(&mut self, offered: i64, linked_order: OrderId) {
        self.missing -= offered;
        self.wanted -= offered;
        if linked_order != 0 {
            self.gone.push(linked_order);
        }
    }
}

/// Whether a maker counts.
enum Counts {
    Yes,
    No,
    /// It does not, nor does anybody behind it.
    Ends,
}

/// Among makers of one price.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    InBook,
    Pegged,
    AllOrNone,
}

impl Engine {
    pub(super) fn quotes(&self, instrument: InstrumentId) -> Quotes {
        Quotes {
            bid: self.books.best_displayed(instrument, Side::Buy),
            ask: self.books.best_displayed(instrument, Side::Sell),
        }
    }

    /// The price of a pegged order, if there is what it follows.
    pub(super) fn effective_price(&self, slot: Slot, quotes: &Quotes) -> Option<i64> {
        let side = self.books.orders[slot].side;
        let details = self.books.details(slot).expect("a pegged order has details");
        let followed = quotes.followed(side, details.terms.peg)?;
        Some(match side {
            Side::Buy => followed.min(details.price_ticks),
            Side::Sell => followed.max(details.price_ticks),
        })
    }

    /// The first acceptable maker, and the price that it trades at.
    #[inline(always)]
    pub(super) fn next_maker(&self, incoming: &Incoming, quotes: &Quotes) -> Option<(Slot, i64)> {
        let side = incoming.side.opposite();
        let book = self.books.book(incoming.instrument);
        if book.has_waiting {
            return self.next_maker_of_all(incoming, quotes);
        }
        let best_rank = book.best_rank[side as usize];
        (best_rank <= rank(side, incoming.limit_ticks)).then(|| {
            let level = &self.books.levels[book.best_level[side as usize]];
            (level.head, level.price_ticks())
        })
    }

    #[cold]
    fn next_maker_of_all(&self, incoming: &Incoming, quotes: &Quotes) -> Option<(Slot, i64)> {
        let side = incoming.side.opposite();
        let book = self.books.book(incoming.instrument);
        let limit = rank(side, incoming.limit_ticks);
        let level = book.best_level[side as usize];
        let in_book = (book.best_rank[side as usize] <= limit)
            .then(|| (book.best_rank[side as usize], Class::InBook, self.books.levels[level].head));
        let pegged = self.pegged_makers(incoming.instrument, side, quotes);
        let pegged = pegged
            .filter(|(rank, _, _)| *rank <= limit)
            .min_by_key(|(rank, priority, _)| (*rank, *priority))
            .map(|(rank, _, slot)| (rank, Class::Pegged, slot));
        let all_or_none = book.waiting.all_or_none[side as usize]
            .iter()
            .take_while(|(rank, _, _)| *rank <= limit)
            .find(|(_, _, slot)| self.books.orders[*slot].remaining <= incoming.remaining)
            .map(|(rank, _, slot)| (*rank, Class::AllOrNone, *slot));
        let makers = [in_book, pegged, all_or_none].into_iter().flatten();
        makers
            .min_by_key(|(rank, class, _)| (*rank, *class))
            .map(|(rank, _, slot)| (slot, rank.abs()))
    }

    /// Rank of the price, priority, order.
    fn pegged_makers(
        &self,
        instrument: InstrumentId,
        side: Side,
        quotes: &Quotes,
    ) -> impl Iterator<Item = (i64, u64, Slot)> + '_ {
        let quotes = *quotes;
        let pegged = &self.books.book(instrument).waiting.pegged[side as usize];
        pegged.iter().filter_map(move |&(priority, slot)| {
            self.effective_price(slot, &quotes).map(|price| (rank(side, price), priority, slot))
        })
    }

    /// Whether an incoming order could trade so much, going over the makers as the match
    /// would.
    pub(super) fn is_feasible(&self, incoming: &Incoming, quantity: i64, quotes: &Quotes) -> bool {
        let side = incoming.side.opposite();
        let limit = rank(side, incoming.limit_ticks);
        let book = self.books.book(incoming.instrument);
        // What waits outside of the book, worst first, to be taken from the end.
        let mut outside: Vec<(i64, Class, u64, Slot)> = self
            .pegged_makers(incoming.instrument, side, quotes)
            .map(|(rank, priority, slot)| (rank, Class::Pegged, priority, slot))
            .collect();
        outside.extend(
            book.waiting.all_or_none[side as usize]
                .iter()
                .map(|&(rank, priority, slot)| (rank, Class::AllOrNone, priority, slot)),
        );
        outside.sort_unstable_by_key(|maker| Reverse(*maker));
        let mut levels = self.books.level_slots(incoming.instrument, side);
        // What the next level in the book offers, to be taken from the end, and its rank.
        let mut level: (i64, Vec<(Slot, i64)>) = (0, Vec::new());

        let mut sum = Sum { missing: quantity, wanted: incoming.remaining, gone: Vec::new() };
        loop {
            if level.1.is_empty()
                && let Some(slot) = levels.next()
            {
                let price = self.books.levels[slot].price_ticks();
                level = (rank(side, price), self.books.offers(slot));
            }
            let next_in_book = (!level.1.is_empty()).then_some(level.0);
            let next_outside = outside.last().map(|(rank, ..)| *rank);
            let is_in_book = match (next_in_book, next_outside) {
                (None, None) => return false,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(in_book), Some(outside)) => in_book <= outside,
            };
            let (slot, offered, maker_rank, class) = if is_in_book {
                let (slot, offered) = level.1.pop().expect("looked at");
                (slot, offered, level.0, Class::InBook)
            } else {
                let (rank, class, _, slot) = outside.pop().expect("looked at");
                (slot, self.books.orders[slot].remaining, rank, class)
            };
            if maker_rank > limit {
                return false;
            }
            match self.counts(incoming, slot, maker_rank.abs(), class, &sum) {
                Counts::Yes => sum.add(offered, self.books.linked_order(slot)),
                Counts::No => {}
                Counts::Ends => return false,
            }
            if sum.missing <= 0 {
                return true;
            }
        }
    }

    /// Whether a maker counts for what an incoming order could trade.
    fn counts(
        &self,
        incoming: &Incoming,
        maker: Slot,
        price_ticks: i64,
        class: Class,
        sum: &Sum,
    ) -> Counts {
        let order = &self.books.orders[maker];
        if sum.gone.contains(&order.id) || class == Class::AllOrNone && order.remaining > sum.wanted
        {
            return Counts::No;
        }
        if !self.is_within_bands(incoming.instrument, price_ticks) {
            return Counts::Ends;
        }
        if self.books.linked_order(maker) == incoming.order_id {
            return Counts::No;
        }
        if order.position != incoming.position {
            return Counts::Yes;
        }
        match incoming.prevention {
            SelfTradePrevention::Allow => Counts::Yes,
            SelfTradePrevention::CancelOldest => Counts::No,
            SelfTradePrevention::CancelNewest
            | SelfTradePrevention::CancelBoth
            | SelfTradePrevention::Decrement => Counts::Ends,
        }
    }

    #[inline(always)]
    pub(super) fn is_within_bands(&self, instrument: InstrumentId, price_ticks: i64) -> bool {
        let [lowest, highest] = self.books.book(instrument).band;
        lowest <= price_ticks && price_ticks <= highest
    }
}

impl Books {
    /// What the orders of a level offer, the last first: what they display, then what iceberg
    /// orders do not, then hidden ones.
    fn offers(&self, level: Slot) -> Vec<(Slot, i64)> {
        let (mut displayed, mut undisplayed, mut hidden) = (Vec::new(), Vec::new(), Vec::new());
        for slot in self.order_slots(&self.levels[level]) {
            let order = &self.orders[slot];
            if order.traits.has(Traits::HIDDEN) {
                hidden.push((slot, order.remaining));
                continue;
            }
            let shown = self.displayed(slot);
            displayed.push((slot, shown));
            if shown < order.remaining {
                undisplayed.push((slot, order.remaining - shown));
            }
        }
        displayed.into_iter().chain(undisplayed).chain(hidden).rev().collect()
    }

    /// The order that one is linked with; 0 for none.
    #[inline(always)]
    pub(crate) fn linked_order(&self, slot: Slot) -> OrderId {
        if self.orders[slot].traits.has(Traits::LINKED) { self.terms(slot).linked_order } else { 0 }
    }
}
