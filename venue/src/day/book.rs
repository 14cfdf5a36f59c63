//! What the traders of the synthetic day know of one stock's order book: their own orders, kept
//! by what the exchange answers. On an exchange that nobody else trades on, that is the book.

use std::collections::{BTreeMap, VecDeque};

use crate::order::Side;

/// An open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resting {
    pub(super) order_id: i64,
    pub(super) remaining: i64,
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
            order.remaining -= by;
        }
    }

    /// Fills `quantity` of the orders of a side in the order of price and time, and returns the
    /// ids of those that are filled completely.
    pub(super) fn fill(&mut self, side: Side, mut quantity: i64) -> Vec<i64> {
        let mut filled = Vec::new();
        while quantity > 0 {
            let Some(price) = self.best(side) else { break };
            let levels = self.levels_mut(side);
            let queue = levels.get_mut(&price).expect("the best level exists");
            let Some(first) = queue.front_mut() else { unreachable!("levels are not empty") };
            let traded = quantity.min(first.remaining);
            first.remaining -= traded;
            quantity -= traded;
            if first.remaining == 0 {
                filled.push(first.order_id);
                queue.pop_front();
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
            book.rest(Side::Buy, price, Resting { order_id, remaining });
        }
        assert_eq!(book.best(Side::Buy), Some(100));
        assert_eq!(book.fill(Side::Buy, 7), [1]);
        assert_eq!(
            book.queue(Side::Buy).copied().collect::<Vec<_>>(),
            [Resting { order_id: 3, remaining: 3 }]
        );
        book.reduce(Side::Buy, 100, 3, 2);
        assert_eq!(book.fill(Side::Buy, 2), [3]);
        book.remove(Side::Buy, 99, 2);
        assert_eq!(book.best(Side::Buy), Some(98));
        assert_eq!(book.fill(Side::Buy, 100), [4]);
        assert_eq!(book.best(Side::Buy), None);
    }
}
