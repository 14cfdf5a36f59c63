//! What the traders of the synthetic day know of one stock's order book: their own orders, kept
//! by what the exchange answers. On an exchange that nobody else trades on, that is the book.

use std::collections::{BTreeMap, VecDeque};

use crate::order::Side;

/// An open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resting {
    pub(super) order_id: i64,
    /// What it shows.
    pub(super) displayed: i64,
    /// What an iceberg order has beside that.
    pub(super) reserve: i64,
    /// As much an iceberg order shows at a time.
    pub(super) peak: i64,
}

impl Resting {
    /// An order that waits with so much, of which it shows at most `peak` at a time, if there is
    /// such a bound.
    pub(super) fn new(order_id: i64, remaining: i64, peak: Option<i64>) -> Self {
        let peak = peak.unwrap_or(remaining);
        let displayed = remaining.min(peak);
        Self { order_id, displayed, reserve: remaining - displayed, peak }
    }

    pub(super) fn remaining(&self) -> i64 {
        self.displayed + self.reserve
    }
}

/// The open orders of one stock; prices are in cents.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    bids: Levels,
    asks: Levels,
}

type Levels = BTreeMap<i64, VecDeque<Resting>>;

impl Book {
    pub(super) fn best(&self, side: Side) -> Option<i64> {
        match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        }
        .map(|(&price, _)| price)
    }

    /// The orders at the best price of a side, first in the queue first.
    pub(super) fn queue(&self, side: Side) -> impl Iterator<Item = &Resting> {
        let best = self.best(side).and_then(|price| self.levels(side).get(&price));
        best.into_iter().flatten()
    }

    pub(super) fn rest(&mut self, side: Side, price: i64, order: Resting) {
        self.levels_mut(side).entry(price).or_default().push_back(order);
    }

    pub(super) fn remove(&mut self, side: Side, price: i64, order_id: i64) {
        let levels = self.levels_mut(side);
        let Some(queue) = levels.get_mut(&price) else { return };
        queue.retain(|order| order.order_id != order_id);
        if queue.is_empty() {
            levels.remove(&price);
        }
    }

    pub(super) fn reduce(&mut self, side: Side, price: i64, order_id: i64, by: i64) {
        let queue = self.levels_mut(side).get_mut(&price);
        let order =
            queue.and_then(|queue| queue.iter_mut().find(|order| order.order_id == order_id));
        if let Some(order) = order {
            let of_reserve = by.min(order.reserve);
            order.reserve -= of_reserve;
            order.displayed -= by - of_reserve;
        }
    }

    /// Fills `quantity` of the orders of a side in the order of price and time, and returns the
    /// ids of those that are filled completely. What an iceberg order shows next goes to the end
    /// of the queue.
    pub(super) fn fill(&mut self, side: Side, mut quantity: i64) -> Vec<i64> {
        let mut filled = Vec::new();
        while quantity > 0 {
            let Some(price) = self.best(side) else { break };
            let levels = self.levels_mut(side);
            let queue = levels.get_mut(&price).expect("the best level exists");
            let Some(first) = queue.front_mut() else { unreachable!("levels are not empty") };
            let traded = quantity.min(first.displayed);
            first.displayed -= traded;
            quantity -= traded;
            if first.displayed == 0 {
                let Resting { order_id, reserve, peak, .. } = *first;
                queue.pop_front();
                if reserve > 0 {
                    queue.push_back(Resting::new(order_id, reserve, Some(peak)));
                } else {
                    filled.push(order_id);
                }
            }
            if queue.is_empty() {
                levels.remove(&price);
            }
        }
        filled
    }

    fn levels(&self, side: Side) -> &Levels {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn levels_mut(&mut self, side: Side) -> &mut Levels {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// Whether an order would trade with another that rests at `best` on the other side.
pub(super) fn crosses(side: Side, price: i64, best: i64) -> bool {
    match side {
        Side::Buy => price >= best,
        Side::Sell => price <= best,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_take_the_best_price_and_then_the_oldest() {
        let mut book = Book::default();
        for (price, order_id, remaining) in [(100, 1, 5), (99, 2, 5), (100, 3, 5), (98, 4, 5)] {
            book.rest(Side::Buy, price, Resting::new(order_id, remaining, None));
        }
        assert_eq!(book.best(Side::Buy), Some(100));
        assert_eq!(book.fill(Side::Buy, 7), [1]);
        assert_eq!(waiting(&book), [(3, 3)]);
        book.reduce(Side::Buy, 100, 3, 2);
        assert_eq!(book.fill(Side::Buy, 2), [3]);
        book.remove(Side::Buy, 99, 2);
        assert_eq!(book.best(Side::Buy), Some(98));
        assert_eq!(book.fill(Side::Buy, 100), [4]);
        assert_eq!(book.best(Side::Buy), None);
    }

    #[test]
    fn icebergs_show_a_part_at_a_time() {
        let mut book = Book::default();
        book.rest(Side::Sell, 100, Resting::new(1, 10, Some(4)));
        book.rest(Side::Sell, 100, Resting::new(2, 5, None));
        assert_eq!(book.fill(Side::Sell, 4), []);
        assert_eq!(waiting(&book), [(2, 5), (1, 6)]);
        book.reduce(Side::Sell, 100, 1, 3);
        assert_eq!(waiting(&book), [(2, 5), (1, 3)]);
        assert_eq!(book.fill(Side::Sell, 8), [2, 1]);
    }

    fn waiting(book: &Book) -> Vec<(i64, i64)> {
        let sides = [Side::Buy, Side::Sell].into_iter();
        let orders = sides.flat_map(|side| book.queue(side));
        orders.map(|order| (order.order_id, order.remaining())).collect()
    }
}
