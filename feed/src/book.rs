//! A book as the feed tells it.

use crate::event::{BestPrice, Change};
use matcher::{PriceLevel, Side};
use std::collections::BTreeMap;

/// What is displayed of an instrument, price by price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Quantity and number of orders by price, in ticks.
    sides: [BTreeMap<i64, (i64, u32)>; 2],
}

impl Book {
    /// Takes an event of this instrument. Those that say nothing of levels change nothing.
    pub fn apply(&mut self, change: &Change) {
        match *change {
            Change::Refresh => self.sides = Default::default(),
            Change::Level { side, price_ticks, quantity, orders } => {
                self.set(side, PriceLevel { price_ticks, quantity, orders });
            }
            _ => {}
        }
    }

    /// Sets what is displayed at a price, as a snapshot or an event says; a quantity of 0 is
    /// nothing.
    pub fn set(&mut self, side: Side, level: PriceLevel) {
        let levels = &mut self.sides[side as usize];
        if level.quantity == 0 {
            levels.remove(&level.price_ticks);
        } else {
            levels.insert(level.price_ticks, (level.quantity, level.orders));
        }
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = PriceLevel> {
        let levels = self.sides[side as usize].iter();
        // Bids from the highest, offers from the lowest.
        let (bids, asks) = match side {
            Side::Buy => (Some(levels.rev()), None),
            Side::Sell => (None, Some(levels)),
        };
        bids.into_iter()
            .flatten()
            .chain(asks.into_iter().flatten())
            .map(|(&price_ticks, &(quantity, orders))| PriceLevel { price_ticks, quantity, orders })
    }

    /// What is displayed at the best price of a side, if anything is.
    pub fn best(&self, side: Side) -> Option<BestPrice> {
        let PriceLevel { price_ticks, quantity, .. } = self.levels(side).next()?;
        Some(BestPrice { price_ticks, quantity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(side: Side, price_ticks: i64, quantity: i64, orders: u32) -> Change {
        Change::Level { side, price_ticks, quantity, orders }
    }

    fn prices(book: &Book, side: Side) -> Vec<i64> {
        book.levels(side).map(|level| level.price_ticks).collect()
    }

    #[test]
    fn the_best_price_comes_first() {
        let mut book = Book::default();
        for price in [10, 30, 20] {
            book.apply(&level(Side::Buy, price, 5, 1));
            book.apply(&level(Side::Sell, 100 + price, 5, 1));
        }
        assert_eq!(prices(&book, Side::Buy), [30, 20, 10]);
        assert_eq!(prices(&book, Side::Sell), [110, 120, 130]);
        assert_eq!(book.best(Side::Buy), Some(BestPrice { price_ticks: 30, quantity: 5 }));
    }

    #[test]
    fn a_level_is_what_was_said_last() {
        let mut book = Book::default();
        book.apply(&level(Side::Buy, 10, 5, 1));
        book.apply(&level(Side::Buy, 10, 7, 2));
        assert_eq!(
            book.levels(Side::Buy).collect::<Vec<_>>(),
            [PriceLevel { price_ticks: 10, quantity: 7, orders: 2 }]
        );
        book.apply(&level(Side::Buy, 10, 0, 0));
        // It may be told that nothing is there where nothing was.
        book.apply(&level(Side::Sell, 11, 0, 0));
        assert_eq!(book, Book::default());
    }

    #[test]
    fn a_refresh_empties_both_sides_and_other_events_change_nothing() {
        let mut book = Book::default();
        book.apply(&level(Side::Buy, 10, 5, 1));
        book.apply(&level(Side::Sell, 11, 5, 1));
        let before = book.clone();
        book.apply(&Change::BestQuote { bid: None, ask: None });
        book.apply(&Change::Busted { trade_id: 1 });
        assert_eq!(book, before);
        book.apply(&Change::Refresh);
        assert_eq!(book, Book::default());
    }
}
