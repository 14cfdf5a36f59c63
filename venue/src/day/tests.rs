//! The day on an exchange that is a few lines long.

use std::hash::{Hash, Hasher};

use super::book::{Book, Resting, crosses};
use super::exchange::{Ack, NewOrder};
use super::market::Reduction;
use super::*;
use crate::order::TimeInForce;

/// A naive exchange that also hashes what it is sent.
struct Toy {
    books: Vec<Book>,
    orders: Vec<(usize, Side, i64)>,
    hash: Fnv,
    cents_seen: Vec<Vec<i64>>,
}

/// FNV-1a, as the standard library's hashes are not the same in all its versions.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Toy {
    fn new() -> Self {
        Self {
            books: PROFILES.iter().map(|_| Book::default()).collect(),
            orders: Vec::new(),
            hash: Fnv(0xcbf2_9ce4_8422_2325),
            cents_seen: vec![Vec::new(); PROFILES.len()],
        }
    }

    fn open_orders(&self) -> usize {
        let mut books = self.books.clone();
        let sides = [Side::Buy, Side::Sell];
        books.iter_mut().flat_map(|book| sides.map(|side| book.fill(side, i64::MAX).len())).sum()
    }
}

impl Exchange for Toy {
    fn advance(&mut self, time_us: u64) -> Result<()> {
        time_us.hash(&mut self.hash);
        Ok(())
    }

    fn place(&mut self, broker: usize, orders: &[NewOrder]) -> Result<Vec<Ack>> {
        broker.hash(&mut self.hash);
        let mut acks = Vec::new();
        for order in orders {
            let words = (order.symbol, order.side.name(), order.time_in_force.name());
            (words, order.price_cents, order.quantity, order.account).hash(&mut self.hash);
            assert!(order.price_cents > 0 && order.quantity > 0);
            self.cents_seen[order.stock].push(order.price_cents);
            let order_id = self.orders.len() as i64;
            self.orders.push((order.stock, order.side, order.price_cents));
            let book = &mut self.books[order.stock];
            let mut remaining = order.quantity;
            while remaining > 0
                && let Some(best) = book.best(order.side.opposite())
                && crosses(order.side, order.price_cents, best)
            {
                let first = book.queue(order.side.opposite()).next().expect("a level has orders");
                let traded = remaining.min(first.remaining);
                book.fill(order.side.opposite(), traded);
                remaining -= traded;
            }
            let filled = order.quantity - remaining;
            if order.time_in_force == TimeInForce::Ioc {
                remaining = 0;
            }
            if remaining > 0 {
                book.rest(order.side, order.price_cents, Resting { order_id, remaining });
            }
            acks.push(Ack { order_id, filled, remaining });
        }
        Ok(acks)
    }

    fn cancel(&mut self, broker: usize, order_ids: &[i64]) -> Result<()> {
        (broker, order_ids).hash(&mut self.hash);
        for &order_id in order_ids {
            let (stock, side, price) = self.orders[order_id as usize];
            self.books[stock].remove(side, price, order_id);
        }
        Ok(())
    }

    fn reduce(&mut self, Reduction { broker, order_id, by }: Reduction) -> Result<bool> {
        (broker, order_id, by).hash(&mut self.hash);
        let (stock, side, price) = self.orders[order_id as usize];
        self.books[stock].reduce(side, price, order_id, by);
        Ok(true)
    }
}

fn market(seed: u64, commands: u64) -> Market {
    let stocks: Vec<_> = PROFILES.iter().map(|&profile| (profile, None)).collect();
    let broker = |(first, (_, business))| Broker { accounts: vec![first, first + 1], business };
    let brokers = (0..).step_by(2).zip(BROKERS).map(broker);
    Market::new(seed, commands, &stocks, brokers.collect())
}

fn trade_toy(seed: u64, commands: u64) -> (Toy, Market, Totals) {
    let mut market = market(seed, commands);
    let mut toy = Toy::new();
    let mut progress = Progress::new(true, 0);
    let stop = AtomicBool::new(false);
    let (until, totals) = session(&mut market, &mut toy, 0, &stop, &mut progress).unwrap();
    assert_eq!(until, SESSION_US);
    (toy, market, totals)
}

#[test]
fn a_seed_is_a_day() {
    let day = |seed| trade_toy(seed, 30_000).0.hash.finish();
    assert_eq!(day(1), day(1));
    assert_ne!(day(1), day(2));
    // On every machine. It changes with the model of the market, and only with it.
    assert_eq!(day(42), DAY_42);
}

const DAY_42: u64 = 18_089_776_133_011_182_703;

#[test]
fn the_traders_know_their_open_orders() {
    let (toy, market, _) = trade_toy(3, 50_000);
    assert_eq!(market.open_orders(), toy.open_orders());
}

#[test]
fn the_flow_is_like_a_market() {
    let (toy, market, totals) = trade_toy(42, 1_000_000);
    let commands = totals.commands();
    assert!((950_000..1_050_000).contains(&commands), "{commands} commands");
    let percent = |part: u64| part * 100 / commands;
    assert!((46..=54).contains(&percent(totals.orders)), "{totals}");
    assert!((2..=6).contains(&percent(totals.marketable)), "{totals}");
    assert!((42..=52).contains(&percent(totals.cancels)), "{totals}");
    assert!((1..=3).contains(&percent(totals.reductions)), "{totals}");
    assert!(market.open_orders() > 1_000);
    // Every stock is quoted on both sides at the close, and has not run away.
    for ((book, profile), seen) in toy.books.iter().zip(PROFILES).zip(&toy.cents_seen) {
        let (bid, ask) = (book.best(Side::Buy).unwrap(), book.best(Side::Sell).unwrap());
        assert!(bid < ask, "{}: {bid} {ask}", profile.symbol);
        assert!(ask - bid < 2 + ask / 50, "{}: {bid} {ask}", profile.symbol);
        let (low, high) = (seen.iter().min().unwrap(), seen.iter().max().unwrap());
        assert!(low * 2 > profile.price_cents && *high < profile.price_cents * 2, "{low} {high}");
    }
    // What is popular is traded far more than what is not.
    assert!(toy.cents_seen[0].len() > 10 * toy.cents_seen[99].len());
}

#[test]
fn an_interrupted_day_stops_where_it_is() {
    let mut market = market(1, 1_000);
    let stop = AtomicBool::new(true);
    let mut progress = Progress::new(true, 0);
    let (until, _) = session(&mut market, &mut Toy::new(), 5, &stop, &mut progress).unwrap();
    assert_eq!(until, 5);
}
