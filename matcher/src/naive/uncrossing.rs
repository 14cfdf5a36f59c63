//! Auctions: all trades at the one price where most trades.

use super::NaiveExchange;
use super::orders::{is_of_book, shown};
use crate::outcome::Order;
use crate::{CancelReason, Event, Indicative, InstrumentId, OrderId, OrderType, Side};
use std::collections::BTreeSet;

impl NaiveExchange {
    /// What an auction would do, `None` where nothing would trade.
    pub(super) fn auction(&self, instrument: InstrumentId) -> Option<Indicative> {
        let state = self.state(instrument);
        let reference = match (state.reference_price_ticks, state.last_price_ticks) {
            (0, last) => last,
            (reference, _) => reference,
        };
        let orders: Vec<&Order> =
            self.orders_of(instrument).filter(|order| is_of_book(order)).collect();
        self.candidate_prices(instrument, &orders, reference)
            .into_iter()
            .map(|price_ticks| {
                let sum = |side, could_trade: &dyn Fn(i64) -> bool| -> i64 {
                    let of_side = orders.iter().filter(|order| order.side == side);
                    let trading = of_side.filter(|order| could_trade(order.price_ticks));
                    trading.map(|order| order.remaining).sum()
                };
                let bought = sum(Side::Buy, &|limit| limit >= price_ticks);
                let sold = sum(Side::Sell, &|limit| limit <= price_ticks);
                Indicative { price_ticks, quantity: bought.min(sold), imbalance: bought - sold }
            })
            .filter(|auction| auction.quantity > 0)
            .max_by_key(|auction| {
                (
                    auction.quantity,
                    -auction.imbalance.abs(),
                    -(auction.price_ticks - reference).abs(),
                    auction.price_ticks,
                )
            })
    }

    /// All prices that can be the auction's. Between the prices of the orders the sums do not
    /// change, so of each such range the two ends, and the reference price, are enough.
    fn candidate_prices(
        &self,
        instrument: InstrumentId,
        orders: &[&Order],
        reference: i64,
    ) -> BTreeSet<i64> {
        let prices = 1..=self.instrument(instrument).maximum_price_ticks;
        orders
            .iter()
            .flat_map(|order| [order.price_ticks - 1, order.price_ticks, order.price_ticks + 1])
            .chain([reference])
            .filter(|price| prices.contains(price))
            .collect()
    }

    /// Trades what can trade, and ends market orders that remain.
    pub(super) fn uncross(&mut self, instrument: InstrumentId) {
        if let Some(auction) = self.auction(instrument) {
            self.events.push(Event::Uncrossed {
                instrument,
                price_ticks: auction.price_ticks,
                quantity: auction.quantity,
            });
            self.trade_in_auction(instrument, &auction);
            self.states[instrument as usize - 1].reference_price_ticks = auction.price_ticks;
        }
        let market_orders: Vec<OrderId> = self
            .orders_of(instrument)
            .filter(|order| order.terms.order_type == OrderType::Market)
            .map(|order| order.order_id)
            .collect();
        for id in market_orders {
            self.cancel(id, CancelReason::AuctionEnded);
        }
    }

    fn trade_in_auction(&mut self, instrument: InstrumentId, auction: &Indicative) {
        let mut linked_orders = Vec::new();
        let mut quantity = auction.quantity;
        while quantity > 0 {
            let buy = self.book_side(instrument, Side::Buy)[0];
            let sell = self.book_side(instrument, Side::Sell)[0];
            let (maker, taker) =
                if buy.priority < sell.priority { (buy, sell) } else { (sell, buy) };
            let traded = buy.remaining.min(sell.remaining).min(quantity);
            self.trade(maker.order_id, taker.order_id, auction.price_ticks, traded, true);
            for order in [maker, taker] {
                if self.order(order.order_id).is_some() {
                    let order = self.order_mut(order.order_id);
                    order.displayed = shown(order);
                }
                linked_orders.push(order.terms.linked_order);
            }
            quantity -= traded;
        }
        for linked_order in linked_orders {
            self.cancel_linked(linked_order);
        }
    }
}
