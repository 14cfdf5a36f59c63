//! Auctions: the one price at which most trades.

use super::Engine;
use crate::account::Indicative;
use crate::book::{OpenOrder, Traits, rank};
use crate::outcome::{CancelReason, OrderStatus, Trade};
use crate::slots::Slot;
use crate::terms::OrderType;
use crate::{Event, InstrumentId, Liquidity, OrderId, Side};
use std::cmp::Reverse;

/// What an auction at a price would do.
#[derive(Clone, Copy)]
struct Candidate {
    price_ticks: i64,
    bought: i64,
    sold: i64,
}

impl Candidate {
    fn quantity(&self) -> i64 {
        self.bought.min(self.sold)
    }
}

impl Engine {
    /// The price of an auction now, if anything would trade.
    pub(crate) fn auction_price(&self, instrument: InstrumentId) -> Option<Indicative> {
        let book = self.books.book(instrument);
        if book.best_price(Side::Buy)? < book.best_price(Side::Sell)? {
            return None;
        }
        let near = [book.state.reference_price_ticks, book.state.last_price_ticks]
            .into_iter()
            .find(|price| *price != 0)
            .unwrap_or(0);
        let candidates = self.candidates(instrument, near);
        let best = candidates.into_iter().max_by_key(|candidate| {
            (
                candidate.quantity(),
                Reverse((candidate.bought - candidate.sold).abs()),
                Reverse((candidate.price_ticks - near).abs()),
                candidate.price_ticks,
            )
        })?;
        (best.quantity() > 0).then(|| Indicative {
            price_ticks: best.price_ticks,
            quantity: best.quantity(),
            imbalance: best.bought - best.sold,
        })
    }

    /// Every price at which one of the sums changes, and of the prices between two of those,
    /// where nothing changes, the one that is nearest to `near`.
    fn candidates(&self, instrument: InstrumentId, near: i64) -> Vec<Candidate> {
        let [bids, asks] = Side::ALL.map(|side| self.crossing(instrument, side));
        let mut prices: Vec<i64> = bids.iter().chain(&asks).map(|(price, _)| *price).collect();
        prices.sort_unstable();
        prices.dedup();
        let between: Vec<i64> = prices
            .windows(2)
            .filter(|pair| pair[0] + 1 < pair[1])
            .map(|pair| near.clamp(pair[0] + 1, pair[1] - 1))
            .collect();
        prices.extend(between);
        prices.sort_unstable();

        // Bids come from the highest on, asks from the lowest: sums from both ends.
        let mut sold_up_to = asks.iter().peekable();
        let mut sold = 0;
        let mut candidates: Vec<Candidate> = prices
            .into_iter()
            .map(|price_ticks| {
                while let Some((_, quantity)) =
                    sold_up_to.next_if(|(price, _)| *price <= price_ticks)
                {
                    sold += quantity;
                }
                Candidate { price_ticks, bought: 0, sold }
            })
            .collect();
        let mut bought_from = bids.iter().peekable();
        let mut bought = 0;
        for candidate in candidates.iter_mut().rev() {
            while let Some((_, quantity)) =
                bought_from.next_if(|(price, _)| *price >= candidate.price_ticks)
            {
                bought += quantity;
            }
            candidate.bought = bought;
        }
        candidates
    }

    /// The levels of a side that the other side reaches, best first: price, and all that
    /// remains there, displayed or not.
    fn crossing(&self, instrument: InstrumentId, side: Side) -> Vec<(i64, i64)> {
        let best_opposite = self.books.book(instrument).best_price(side.opposite());
        let limit = best_opposite.map_or(i64::MIN, |price| rank(side, price));
        self.books
            .level_slots(instrument, side)
            .map(|slot| &self.books.levels[slot])
            .take_while(|level| rank(side, level.price_ticks()) <= limit)
            .map(|level| {
                let orders = self.books.order_slots(level);
                let quantity = orders.map(|slot| self.books.orders[slot].remaining).sum();
                (level.price_ticks(), quantity)
            })
            .collect()
    }

    /// Trades what is in the book at the price of the auction.
    pub(super) fn uncross(&mut self, instrument: InstrumentId, events: &mut Vec<Event>) {
        if let Some(Indicative { price_ticks, quantity, .. }) = self.auction_price(instrument) {
            self.record(events, Event::Uncrossed { instrument, price_ticks, quantity });
            self.trade_in_auction(instrument, price_ticks, quantity, events);
            self.books.book_mut(instrument).state.last_price_ticks = price_ticks;
            self.set_reference_price(instrument, price_ticks);
        }
        let mut left: Vec<Slot> = self.books.open_slots(instrument);
        left.retain(|slot| self.books.terms(*slot).order_type == OrderType::Market);
        left.sort_unstable_by_key(|slot| self.books.orders[*slot].id);
        for slot in left {
            self.cancel_slot(slot, CancelReason::AuctionEnded, events);
        }
    }

    fn trade_in_auction(
        &mut self,
        instrument: InstrumentId,
        price_ticks: i64,
        mut missing: i64,
        events: &mut Vec<Event>,
    ) {
        // What each order that traded was linked with.
        let mut links: Vec<(OrderId, OrderId)> = Vec::new();
        while missing > 0 {
            let [buy, sell] = Side::ALL.map(|side| self.first_in_book(instrument, side));
            let (buyer, seller) = (self.books.orders[buy], self.books.orders[sell]);
            let quantity = buyer.remaining.min(seller.remaining).min(missing);
            missing -= quantity;
            let is_buyer_maker = self.books.priority(buy) < self.books.priority(sell);
            let (maker, taker) = if is_buyer_maker { (buy, sell) } else { (sell, buy) };
            self.trade_pair(instrument, maker, taker, price_ticks, quantity, events);
            for slot in [maker, taker] {
                let linked_order = self.books.linked_order(slot);
                let order = &self.books.orders[slot];
                if linked_order != 0 {
                    links.push((order.id, linked_order));
                }
                if order.remaining == 0 {
                    self.end(slot, OrderStatus::Filled, CancelReason::None);
                } else {
                    self.show_next_part(slot);
                }
            }
        }
        for (id, linked_order) in links {
            self.cancel_linked(id, linked_order, events);
        }
    }

    fn first_in_book(&self, instrument: InstrumentId, side: Side) -> Slot {
        let level = self.books.book(instrument).best_level[side as usize];
        self.books.levels[level].head
    }

    fn trade_pair(
        &mut self,
        instrument: InstrumentId,
        maker: Slot,
        taker: Slot,
        price_ticks: i64,
        quantity: i64,
        events: &mut Vec<Event>,
    ) {
        let [making, taking] = [maker, taker].map(|slot| self.books.orders[slot]);
        let turnover_ticks = price_ticks * quantity;
        let fee_of = |order: &OpenOrder| {
            self.fee(instrument, order.fee_schedule, Liquidity::Auction, turnover_ticks)
        };
        let (maker_fee, taker_fee) = (fee_of(&making), fee_of(&taking));
        self.counters.last_trade_id += 1;
        let trade = Trade {
            trade_id: self.counters.last_trade_id,
            instrument,
            taker_side: taking.side,
            in_auction: true,
            price_ticks,
            quantity,
            maker_order_id: making.id,
            taker_order_id: taking.id,
            maker_account: self.account_of(maker),
            taker_account: self.account_of(taker),
            maker_remaining: making.remaining - quantity,
            maker_fee,
            taker_fee,
        };
        self.record(events, Event::Trade(trade));
        for (slot, order, fee) in [(maker, making, maker_fee), (taker, taking, taker_fee)] {
            self.settle_trade(order.position, order.side, quantity, turnover_ticks, fee);
            self.fill(slot, quantity, price_ticks);
        }
        self.earn(instrument, maker_fee + taker_fee);
    }

    /// An iceberg order that traded in an auction shows as much as it may, in its place.
    fn show_next_part(&mut self, slot: Slot) {
        let OpenOrder { traits, remaining, level, .. } = self.books.orders[slot];
        if traits.has(Traits::ICEBERG) {
            let details = self.books.details_mut(slot);
            let displayed = details.terms.display_quantity.min(remaining);
            let more = displayed - std::mem::replace(&mut details.displayed, displayed);
            self.books.levels[level].quantity += more;
        }
    }
}
