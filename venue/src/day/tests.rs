//! The day on an exchange that is a few lines long.

use std::hash::{Hash, Hasher};

use super::book::{Book, Resting, crosses};
use super::exchange::{Ack, Kind, NewOrder};
use super::market::{Found, Reduction};
use super::shape::SESSION_US;
use super::*;
use crate::order::{Side, TimeInForce};

/// A naive exchange that also hashes what it is sent. Its stop orders wait for ever.
struct Toy {
    books: Vec<Book>,
    orders: Vec<Sent>,
    /// Whether orders are collected for an auction.
    collects: bool,
    hash: Fnv,
    cents_seen: Vec<Vec<i64>>,
    rejected: u64,
}

/// What was sent, and by whom.
struct Sent {
    broker: usize,
    order: NewOrder,
    /// Whether a stop order was cancelled.
    is_cancelled: bool,
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
            collects: false,
            hash: Fnv(0xcbf2_9ce4_8422_2325),
            cents_seen: vec![Vec::new(); PROFILES.len()],
            rejected: 0,
        }
    }

    /// The orders that rest, by stock, side, price and time.
    fn resting(&self) -> Vec<Resting> {
        let mut resting = Vec::new();
        for mut book in self.books.clone() {
            for side in [Side::Buy, Side::Sell] {
                while let Some(price) = book.best(side) {
                    let queue: Vec<Resting> = book.queue(side).copied().collect();
                    queue.iter().for_each(|order| book.remove(side, price, order.order_id));
                    resting.extend(queue);
                }
            }
        }
        resting
    }

    /// Trades what crosses, and drops the market orders that are left.
    fn uncross(&mut self) {
        self.collects = false;
        for book in &mut self.books {
            while let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell))
                && bid >= ask
            {
                let first = |side| book.queue(side).next().expect("a level has orders").displayed;
                let traded = first(Side::Buy).min(first(Side::Sell));
                book.fill(Side::Buy, traded);
                book.fill(Side::Sell, traded);
            }
        }
        self.drop_all(|order| order.kind == Kind::Market);
    }

    fn drop_all(&mut self, is_over: impl Fn(&NewOrder) -> bool) {
        for Resting { order_id, .. } in self.resting() {
            let order = &self.orders[order_id as usize].order;
            if is_over(order) {
                let price = limit(order);
                self.books[order.stock].remove(order.side, price, order_id);
            }
        }
    }
}

/// The price at which the toy lets an order rest and trade.
fn limit(order: &NewOrder) -> i64 {
    match (order.kind, order.side) {
        (Kind::Market, Side::Buy) => i64::MAX,
        (Kind::Market, Side::Sell) => 1,
        _ => order.price_cents,
    }
}

/// An opening auction half an hour before the session, a closing one in its last ten minutes.
const TIMETABLE: Timetable = Timetable {
    pre_open_us: -1_800_000_000,
    closing_auction_us: SESSION_US - 600 * SECOND_US,
    close_us: SESSION_US,
};

/// The same day without auctions.
const BY_HAND: Timetable =
    Timetable { pre_open_us: 0, closing_auction_us: SESSION_US, close_us: SESSION_US };

impl Exchange for Toy {
    fn advance(&mut self, time_us: i64) -> Result<()> {
        time_us.hash(&mut self.hash);
        self.collects |= time_us < 0 || time_us == TIMETABLE.closing_auction_us as i64;
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        self.uncross();
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.uncross();
        self.drop_all(|order| order.time_in_force == TimeInForce::Day);
        Ok(())
    }

    fn place(&mut self, broker: usize, orders: &[NewOrder]) -> Result<Vec<Ack>> {
        broker.hash(&mut self.hash);
        let mut acks = Vec::new();
        for order in orders {
            let words = (order.symbol, order.side.name(), order.time_in_force.name(), order.kind);
            (words, order.price_cents, order.quantity, order.account).hash(&mut self.hash);
            assert!(order.price_cents > 0 && order.quantity > 0);
            self.cents_seen[order.stock].push(order.price_cents);
            let order_id = self.orders.len() as i64;
            let sent = Sent { broker, order: order.clone(), is_cancelled: false };
            self.orders.push(sent);
            let book = &mut self.books[order.stock];
            let price = limit(order);
            let best = book.best(order.side.opposite());
            let is_stop = matches!(order.kind, Kind::Stop { .. });
            let is_taking = !self.collects && !is_stop;
            let mut ack =
                Ack { order_id, filled: 0, remaining: order.quantity, is_rejected: false };
            let would_trade =
                is_taking && best.is_some_and(|best| crosses(order.side, price, best));
            if order.kind == Kind::PostOnly && would_trade {
                self.rejected += 1;
                acks.push(Ack { remaining: 0, is_rejected: true, ..ack });
                continue;
            }
            while is_taking
                && ack.remaining > 0
                && let Some(best) = book.best(order.side.opposite())
                && crosses(order.side, price, best)
            {
                let first = book.queue(order.side.opposite()).next().expect("a level has orders");
                let traded = ack.remaining.min(first.displayed);
                book.fill(order.side.opposite(), traded);
                ack.remaining -= traded;
                ack.filled += traded;
            }
            if is_taking && order.time_in_force == TimeInForce::Ioc {
                ack.remaining = 0;
            }
            if ack.remaining > 0 && !is_stop {
                let peak = match order.kind {
                    Kind::Iceberg { display_quantity } => Some(display_quantity),
                    _ => None,
                };
                book.rest(order.side, price, Resting::new(order_id, ack.remaining, peak));
            }
            acks.push(ack);
        }
        Ok(acks)
    }

    fn cancel(&mut self, broker: usize, order_ids: &[i64]) -> Result<()> {
        (broker, order_ids).hash(&mut self.hash);
        for &order_id in order_ids {
            let sent = &mut self.orders[order_id as usize];
            assert_eq!(sent.broker, broker);
            sent.is_cancelled = true;
            let book = &mut self.books[sent.order.stock];
            book.remove(sent.order.side, limit(&sent.order), order_id);
        }
        Ok(())
    }

    fn reduce(&mut self, Reduction { broker, order_id, by }: Reduction) -> Result<bool> {
        (broker, order_id, by).hash(&mut self.hash);
        let order = &self.orders[order_id as usize].order;
        self.books[order.stock].reduce(order.side, limit(order), order_id, by);
        Ok(true)
    }

    fn open_orders(&mut self) -> Result<Vec<Found>> {
        let stops = self.orders.iter().zip(0..).filter_map(|(sent, order_id)| {
            let waits = matches!(sent.order.kind, Kind::Stop { .. }) && !sent.is_cancelled;
            let quantity = sent.order.quantity;
            waits.then_some(Resting { order_id, displayed: 0, reserve: quantity, peak: quantity })
        });
        let orders = self.resting().into_iter().chain(stops);
        let found = orders.map(|resting| {
            let Sent { broker, order, .. } = &self.orders[resting.order_id as usize];
            Found {
                order_id: resting.order_id,
                stock: order.stock,
                side: order.side,
                price_cents: limit(order),
                remaining: resting.remaining(),
                displayed: resting.displayed,
                display_quantity: Some(resting.peak),
                broker: Some(*broker),
            }
        });
        Ok(found.collect())
    }
}

fn market(timetable: &Timetable, seed: u64, commands: u64) -> Market {
    let stocks: Vec<_> = PROFILES.iter().map(|&profile| (profile, None)).collect();
    let broker = |(first, (_, business))| Broker { accounts: vec![first, first + 1], business };
    let brokers = (0..).step_by(2).zip(BROKERS).map(broker);
    Market::new(seed, commands, &stocks, brokers.collect(), 0, timetable.closing_auction_us)
}

fn trade_toy(seed: u64, commands: u64) -> (Toy, Market, Totals) {
    trade_by(&TIMETABLE, seed, commands)
}

fn trade_by(timetable: &Timetable, seed: u64, commands: u64) -> (Toy, Market, Totals) {
    let mut market = market(timetable, seed, commands);
    let mut toy = Toy::new();
    let mut progress = Progress::new(true, 0);
    let stop = AtomicBool::new(false);
    let (until, totals) =
        session(&mut market, &mut toy, timetable, None, &stop, &mut progress).unwrap();
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

const DAY_42: u64 = 14_807_393_294_142_601_758;

#[test]
fn the_traders_know_their_open_orders() {
    for timetable in [&TIMETABLE, &BY_HAND] {
        let (mut toy, market, totals) = trade_by(timetable, 3, 50_000);
        assert_eq!(totals.surprises, 0);
        assert_eq!(market.open_orders(), toy.open_orders().unwrap().len());
        assert!(!toy.collects);
    }
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
    // A few orders of each other kind.
    let share = |is_such: fn(&NewOrder) -> bool| {
        let such = toy.orders.iter().filter(|sent| is_such(&sent.order)).count();
        such * 1_000 / toy.orders.len()
    };
    let shares = [
        share(|order| order.kind == Kind::Market),
        share(|order| order.kind == Kind::PostOnly),
        share(|order| matches!(order.kind, Kind::Iceberg { .. })),
        share(|order| matches!(order.kind, Kind::Stop { .. })),
        share(|order| order.time_in_force == TimeInForce::Day),
    ];
    assert!(shares.iter().all(|share| (1..60).contains(share)), "{shares:?} in a thousand");
    // Post-only quotes that meet a quote of the same moment.
    assert!((1..100).contains(&totals.rejected), "{totals}");
    assert_eq!(toy.rejected, totals.rejected);
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
    let mut market = market(&TIMETABLE, 1, 1_000);
    let stop = AtomicBool::new(true);
    let mut progress = Progress::new(true, 0);
    let (until, _) =
        session(&mut market, &mut Toy::new(), &TIMETABLE, Some(5), &stop, &mut progress).unwrap();
    assert_eq!(until, 5);
}
