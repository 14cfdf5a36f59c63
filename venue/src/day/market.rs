//! The traders of the synthetic day: from a seed and the answers of the exchange follow the next
//! orders.
//!
//! Every stock has a fair price, which walks at random. Makers quote around it, most of them at
//! and near the best price and for seconds, some of them deep and for long. When the fair price
//! leaves the quotes behind, those are cancelled or picked off. Takers come at random, too.
//!
//! The traders know the books by what the exchange answers. What others do to them, such as auctions
//! and stop orders that are reached, they learn when they look at the tables.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::book::{Book, Resting, crosses};
use super::exchange::{Ack, Kind, NewOrder};
use super::random::{ONE, Random};
use super::shape::{AVERAGE_ACTIVITY, SECOND_US, SESSION_US, activity, activity_until};
use super::stocks::Profile;
use crate::order::{Side, TimeInForce};

/// New orders between two looks at the clock.
pub(super) const ORDERS_PER_SLICE: u64 = 40;

/// The volume that lifetimes are made for; the fewer the orders, the longer they wait.
const USUAL_COMMANDS: u64 = 1_000_000;

/// An order stays for no longer than this factor of the session, in effect until it trades.
const LONGEST_SESSIONS: u64 = 100;

/// A stock during the day. Prices are in cents, `fair` with 16 fractional bits.
#[derive(Debug)]
struct Stock {
    profile: Profile,
    fair: i64,
    fair_at_us: u64,
    book: Book,
}

/// Where an open order is, in its book or beside it.
#[derive(Clone, Copy, Debug)]
struct Open {
    stock: usize,
    side: Side,
    price_cents: i64,
    /// Whose it is, if it is one of these traders'.
    broker: Option<usize>,
}

/// An open order as it is when the traders look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) order_id: i64,
    pub(super) stock: usize,
    pub(super) side: Side,
    pub(super) price_cents: i64,
    pub(super) remaining: i64,
    /// What of that shows in the book: nothing of a stop order, which waits beside it.
    pub(super) displayed: i64,
    /// Of an iceberg order: as much it shows at a time.
    pub(super) display_quantity: Option<i64>,
    /// Whose it is, if it is one of these traders'.
    pub(super) broker: Option<usize>,
}

/// A part of an order that its owner takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reduction {
    pub(super) broker: usize,
    pub(super) order_id: i64,
    pub(super) by: i64,
}

/// Who trades for its customers.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    pub(super) accounts: Vec<i32>,
    pub(super) business: Business,
}

/// What a broker's customers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Business {
    /// They quote.
    Making,
    /// They trade with quotes.
    Taking,
}

/// All traders together.
#[derive(Debug)]
pub(super) struct Market {
    random: Random,
    commands: u64,
    /// Of the time in which they come; see [`activity_until`].
    activity: u128,
    stocks: Vec<Stock>,
    /// Sums of how much each stock is traded.
    popularity: Vec<u64>,
    /// Found by id only, never walked through: its order is not the same in every run.
    open: HashMap<i64, Open>,
    /// When the owners of orders lose patience, by broker.
    patience: Vec<BinaryHeap<Reverse<(u64, i64)>>>,
    brokers: Vec<Broker>,
}

impl Market {
    /// Traders who come at a time after the open, and send about so many commands on a whole day of
    /// continuous trading until `until_us`. `stocks` are by popularity, with the last price in cents of those that have traded.
    pub(super) fn new(
        seed: u64,
        commands: u64,
        stocks: &[(Profile, Option<i64>)],
        brokers: Vec<Broker>,
        now_us: u64,
        until_us: u64,
    ) -> Self {
        let stock = |&(profile, last): &(Profile, Option<i64>)| Stock {
            fair: last.unwrap_or(profile.price_cents) * ONE,
            profile,
            fair_at_us: now_us,
            book: Book::default(),
        };
        // Zipf's law with a flattened head: the first is traded about twenty times the last.
        let popularity = (0..stocks.len() as u64).scan(0, |sum, rank| {
            *sum += 1_000_000 / (rank + 5);
            Some(*sum)
        });
        Self {
            random: Random::new(seed),
            commands,
            activity: activity_until(until_us),
            stocks: stocks.iter().map(stock).collect(),
            popularity: popularity.collect(),
            open: HashMap::new(),
            patience: vec![BinaryHeap::new(); brokers.len()],
            brokers,
        }
    }

    /// The number of orders that are open as far as the traders know.
    #[cfg(test)]
    pub(super) fn open_orders(&self) -> usize {
        self.open.len()
    }

    /// Looks at all open orders, in the order of their priority, and returns how many are not as
    /// the traders thought.
    pub(super) fn look(&mut self, now_us: u64, orders: Vec<Found>) -> u64 {
        let mut known = std::mem::take(&mut self.open);
        for stock in &mut self.stocks {
            stock.book = Book::default();
        }
        let mut surprises = 0;
        for order in orders {
            let Found { order_id, stock, side, price_cents, remaining, displayed, .. } = order;
            if displayed > 0 {
                let reserve = remaining - displayed;
                let peak = order.display_quantity.unwrap_or(remaining);
                let resting = Resting { order_id, displayed, reserve, peak };
                self.stocks[stock].book.rest(side, price_cents, resting);
            }
            let broker = order.broker;
            self.open.insert(order_id, Open { stock, side, price_cents, broker });
            if known.remove(&order_id).is_some() {
                continue;
            }
            surprises += 1;
            if let Some(broker) = broker {
                let until = now_us + self.lifetime();
                self.patience[broker].push(Reverse((until, order_id)));
            }
        }
        surprises + known.len() as u64
    }

    /// How long the next slice of the day lasts.
    pub(super) fn slice_us(&mut self, now_us: u64) -> u64 {
        // Of a hundred commands 51 are new orders, most of the others cancels of these.
        let orders = u128::from((self.commands * 51 / 100).max(1)) * u128::from(activity(now_us));
        let length = (u128::from(ORDERS_PER_SLICE) * self.activity / orders) as u64;
        (length / 2 + self.random.below(length.max(1))).max(1)
    }

    /// One of the brokers in a business, whose turn it is.
    pub(super) fn turn(&mut self, business: Business) -> usize {
        let chosen: Vec<usize> =
            (0..self.brokers.len()).filter(|&i| self.brokers[i].business == business).collect();
        chosen[self.random.below(chosen.len() as u64) as usize]
    }

    /// The first quotes of the day: some on every level, and for hours.
    pub(super) fn opening_quotes(&mut self, maker: usize) -> Vec<NewOrder> {
        let per_side = (self.commands / 100_000).clamp(1, 12) as i64;
        let mut quotes = Vec::new();
        for stock in 0..self.stocks.len() {
            for level in 0..per_side {
                for side in [Side::Buy, Side::Sell] {
                    let distance = level * self.depth(stock);
                    let price_cents = self.around_fair(stock, side, distance);
                    let lifetime_us = self.random.exponential(7_200 * SECOND_US);
                    let gtc = TimeInForce::Gtc;
                    let quote = self.new_order(maker, stock, side, price_cents, gtc);
                    quotes.push(NewOrder { lifetime_us, ..quote });
                }
            }
        }
        quotes
    }

    /// What takers send to an auction: for each stock somebody who buys and somebody who sells at
    /// any price near the fair one.
    pub(super) fn auction_orders(&mut self, taker: usize, now_us: u64) -> Vec<NewOrder> {
        let mut orders = Vec::new();
        for stock in 0..self.stocks.len() {
            self.walk(stock, now_us);
            for side in [Side::Buy, Side::Sell] {
                let price_cents = self.around_fair(stock, side, -2 * self.depth(stock));
                let order = if self.random.percent(30) {
                    let order = self.new_order(taker, stock, side, price_cents, TimeInForce::Ioc);
                    NewOrder { kind: Kind::Market, ..order }
                } else {
                    self.new_order(taker, stock, side, price_cents, TimeInForce::Day)
                };
                orders.push(order);
            }
        }
        plain_first(orders)
    }

    /// The orders of a broker whose owners have lost patience.
    pub(super) fn expired(&mut self, broker: usize, now_us: u64) -> Vec<i64> {
        let mut expired = Vec::new();
        while let Some(&Reverse((until, order_id))) = self.patience[broker].peek()
            && until <= now_us
        {
            self.patience[broker].pop();
            // It may be filled; and it may be in the heap twice.
            if let Some(Open { stock, side, price_cents, .. }) = self.open.remove(&order_id) {
                self.stocks[stock].book.remove(side, price_cents, order_id);
                expired.push(order_id);
            }
        }
        expired
    }

    /// The reduction of a slice, if there is what to reduce: of an order at the best price, half.
    pub(super) fn reduction(&mut self) -> Option<Reduction> {
        let stock = self.random.weighted(&self.popularity);
        let side = self.side();
        let mut queue = self.stocks[stock].book.queue(side).filter(|order| order.remaining() > 1);
        let (order, broker) =
            queue.find_map(|order| Some((order, self.open[&order.order_id].broker?)))?;
        let half = order.remaining() / 2;
        let by = if half > 100 { half / 100 * 100 } else { half };
        Some(Reduction { broker, order_id: order.order_id, by })
    }

    /// The new orders of a slice: a maker's quotes, and a taker's orders that trade with quotes.
    pub(super) fn orders(
        &mut self,
        maker: usize,
        taker: usize,
        now_us: u64,
    ) -> (Vec<NewOrder>, Vec<NewOrder>) {
        let (mut quotes, mut takes) = (Vec::new(), Vec::new());
        for _ in 0..ORDERS_PER_SLICE {
            let stock = self.random.weighted(&self.popularity);
            self.walk(stock, now_us);
            if let Some(take) =
                self.pick_off(taker, stock, now_us).or_else(|| self.take(taker, stock))
            {
                takes.push(take);
            } else if let Some(stop) = self.stop(taker, stock) {
                takes.push(stop);
            } else {
                let side = self.quoted_side(stock);
                let price_cents = self.quote_price(stock, side);
                let gtc = TimeInForce::Gtc;
                let quote = self.new_order(maker, stock, side, price_cents, gtc);
                quotes.push(self.with_terms(quote));
            }
        }
        (plain_first(quotes), plain_first(takes))
    }

    /// Notes what became of a broker's new order.
    pub(super) fn placed(&mut self, broker: usize, order: &NewOrder, ack: &Ack, now_us: u64) {
        let book = &mut self.stocks[order.stock].book;
        for order_id in book.fill(order.side.opposite(), ack.filled) {
            self.open.remove(&order_id);
        }
        if ack.remaining == 0 {
            return;
        }
        if let Kind::Stop { .. } = order.kind {
            return self.waits(broker, order, ack, now_us);
        }
        // What it would have traded with is not there: others were faster than we knew.
        while let Some(best) = book.best(order.side.opposite())
            && crosses(order.side, order.price_cents, best)
        {
            let gone: Vec<i64> =
                book.queue(order.side.opposite()).map(|order| order.order_id).collect();
            for order_id in gone {
                book.remove(order.side.opposite(), best, order_id);
                self.open.remove(&order_id);
            }
        }
        let peak = match order.kind {
            Kind::Iceberg { display_quantity } => Some(display_quantity),
            _ => None,
        };
        book.rest(order.side, order.price_cents, Resting::new(ack.order_id, ack.remaining, peak));
        self.waits(broker, order, ack, now_us);
    }

    /// Notes that a broker's order waits: in its book, beside it, or for an auction.
    pub(super) fn waits(&mut self, broker: usize, order: &NewOrder, ack: &Ack, now_us: u64) {
        if ack.remaining > 0 {
            let &NewOrder { stock, side, price_cents, .. } = order;
            let open = Open { stock, side, price_cents, broker: Some(broker) };
            self.open.insert(ack.order_id, open);
            self.patience[broker].push(Reverse((now_us + order.lifetime_us, ack.order_id)));
        }
    }

    /// Notes that an order was reduced.
    pub(super) fn reduced(&mut self, Reduction { order_id, by, .. }: Reduction) {
        if let Some(&Open { stock, side, price_cents, .. }) = self.open.get(&order_id) {
            self.stocks[stock].book.reduce(side, price_cents, order_id, by);
        }
    }

    /// Lets the fair price of a stock walk up to now.
    fn walk(&mut self, stock: usize, now_us: u64) {
        let stock = &mut self.stocks[stock];
        let elapsed = now_us - stock.fair_at_us;
        // A busy market moves more, but not as much more as it trades.
        let pace = u128::from(AVERAGE_ACTIVITY + activity(now_us));
        let day = stock.fair as i128 * i128::from(stock.profile.volatility_bp) / 10_000;
        let variance = (day * day) as u128 * u128::from(elapsed) * pace
            / u128::from(2 * AVERAGE_ACTIVITY * SESSION_US);
        let deviation = variance.isqrt() as i64;
        let step = (i128::from(deviation) * i128::from(self.random.normal())) >> 16;
        // A stock of a few cents would be delisted.
        stock.fair = (stock.fair + step as i64).max(50 * ONE);
        stock.fair_at_us = now_us;
    }

    /// Where the fair price has gone through the quotes of a side, those are either traded with
    /// or pulled.
    fn pick_off(&mut self, taker: usize, stock: usize, now_us: u64) -> Option<NewOrder> {
        let price_cents = self.stocks[stock].fair / ONE;
        for side in [Side::Buy, Side::Sell] {
            let book = &self.stocks[stock].book;
            let Some(best) = book.best(side.opposite()) else { continue };
            if !crosses(side, price_cents, best) {
                continue;
            }
            if self.random.percent(8) {
                let time_in_force = self.time_in_force();
                return Some(self.new_order(taker, stock, side, price_cents, time_in_force));
            }
            for &Resting { order_id, .. } in book.queue(side.opposite()) {
                if let Some(broker) = self.open[&order_id].broker {
                    self.patience[broker].push(Reverse((now_us, order_id)));
                }
            }
        }
        None
    }

    /// Some trade whatever the price.
    fn take(&mut self, taker: usize, stock: usize) -> Option<NewOrder> {
        if !self.random.percent(4) {
            return None;
        }
        let side = self.side();
        let best = self.stocks[stock].book.best(side.opposite())?;
        // Most take what is best, some go through several levels.
        let through = if self.random.percent(70) { 0 } else { self.random.exponential(4) as i64 };
        let price_cents = (best + toward(side, through)).max(1);
        let time_in_force = self.time_in_force();
        let order = self.new_order(taker, stock, side, price_cents, time_in_force);
        let is_market = time_in_force == TimeInForce::Ioc && self.random.percent(20);
        Some(if is_market { NewOrder { kind: Kind::Market, ..order } } else { order })
    }

    /// A few protect what they have against a move of the price.
    fn stop(&mut self, taker: usize, stock: usize) -> Option<NewOrder> {
        if self.random.below(400) > 0 {
            return None;
        }
        let side = self.side();
        let best = self.stocks[stock].book.best(side.opposite())?;
        let distance = 1 + self.random.exponential(3 * self.depth(stock) as u64) as i64;
        let stop_cents = (best + toward(side, distance)).max(1);
        let order = self.new_order(taker, stock, side, stop_cents, TimeInForce::Gtc);
        let lifetime_us = self.random.exponential(3_600 * SECOND_US);
        Some(NewOrder { kind: Kind::Stop { stop_cents }, lifetime_us, ..order })
    }

    /// Some quotes are more than a price and a quantity.
    fn with_terms(&mut self, quote: NewOrder) -> NewOrder {
        match self.random.below(100) {
            0..5 => NewOrder { time_in_force: TimeInForce::Day, ..quote },
            5 => NewOrder { kind: Kind::PostOnly, ..quote },
            6..11 if quote.quantity >= 500 => {
                let display_quantity = quote.quantity / 500 * 100;
                NewOrder { kind: Kind::Iceberg { display_quantity }, ..quote }
            }
            _ => quote,
        }
    }

    /// A limit order of one of a broker's customers.
    fn new_order(
        &mut self,
        broker: usize,
        stock: usize,
        side: Side,
        price_cents: i64,
        time_in_force: TimeInForce,
    ) -> NewOrder {
        let account = self.account(broker);
        let quantity = self.quantity(stock);
        let lifetime_us = self.lifetime();
        let symbol = self.stocks[stock].profile.symbol;
        let kind = Kind::Limit;
        NewOrder {
            stock,
            symbol,
            side,
            price_cents,
            quantity,
            time_in_force,
            kind,
            account,
            lifetime_us,
        }
    }

    /// A side that nobody quotes attracts quotes.
    fn quoted_side(&mut self, stock: usize) -> Side {
        let book = &self.stocks[stock].book;
        let empty = [Side::Buy, Side::Sell].into_iter().find(|side| book.best(*side).is_none());
        empty.unwrap_or_else(|| self.side())
    }

    /// Where a maker quotes: near the fair price or deep in the book, seldom inside the spread.
    fn quote_price(&mut self, stock: usize, side: Side) -> i64 {
        let book = &self.stocks[stock].book;
        let (own, other) = (book.best(side), book.best(side.opposite()));
        let price = match own {
            Some(best) if self.random.percent(35) => {
                let better = i64::from(self.random.percent(20));
                best + toward(side, better)
            }
            _ => {
                let mean = if self.random.percent(85) { 1 } else { 6 } * self.depth(stock);
                let distance = self.random.exponential(mean as u64) as i64;
                self.around_fair(stock, side, distance)
            }
        };
        // A quote waits: it does not trade.
        match other {
            Some(best) if crosses(side, price, best) => (best - toward(side, 1)).max(1),
            _ => price.max(1),
        }
    }

    /// A price at a distance from the best price that a side should have.
    fn around_fair(&self, stock: usize, side: Side, distance: i64) -> i64 {
        let Stock { profile, fair, .. } = &self.stocks[stock];
        let half_spread = profile.spread(*fair, stock) / 2;
        let price = match side {
            Side::Buy => (fair - half_spread).div_euclid(ONE),
            Side::Sell => (fair + half_spread + ONE - 1).div_euclid(ONE),
        };
        (price - toward(side, distance)).max(1)
    }

    /// How far apart the orders of a book are, in cents: some spreads.
    fn depth(&self, stock: usize) -> i64 {
        let Stock { profile, fair, .. } = &self.stocks[stock];
        2 + profile.spread(*fair, stock) / ONE
    }

    /// How long an order waits before it is cancelled: mostly seconds, sometimes all day.
    fn lifetime(&mut self) -> u64 {
        let mean_seconds = match self.random.below(100) {
            0..50 => 4,
            50..78 => 90,
            78..97 => 1_500,
            _ => 36_000,
        };
        let usual = self.random.exponential(mean_seconds * SECOND_US);
        let scaled =
            u128::from(usual) * u128::from(USUAL_COMMANDS) / u128::from(self.commands.max(1));
        scaled.min(u128::from(LONGEST_SESSIONS * SESSION_US)) as u64
    }

    /// Round lots mostly, seldom large; odd lots of what is dear.
    fn quantity(&mut self, stock: usize) -> i64 {
        let dear = self.stocks[stock].fair > 30_000 * ONE;
        if self.random.percent(if dear { 45 } else { 12 }) {
            return 1 + self.random.below(99) as i64;
        }
        let lots = match self.random.below(100) {
            0..62 => 1,
            62..77 => 2,
            77..85 => 3,
            85..92 => 5,
            92..97 => 10,
            // Each doubling is half as likely as the one before.
            _ => 10 << self.random.next().trailing_zeros().min(8),
        };
        lots * 100
    }

    fn account(&mut self, broker: usize) -> i32 {
        let accounts = &self.brokers[broker].accounts;
        accounts[self.random.below(accounts.len() as u64) as usize]
    }

    fn side(&mut self) -> Side {
        if self.random.percent(50) { Side::Buy } else { Side::Sell }
    }

    fn time_in_force(&mut self) -> TimeInForce {
        if self.random.percent(70) { TimeInForce::Ioc } else { TimeInForce::Gtc }
    }
}

/// The orders with the limit orders first: many of those go in one call.
fn plain_first(mut orders: Vec<NewOrder>) -> Vec<NewOrder> {
    orders.sort_by_key(|order| order.kind != Kind::Limit);
    orders
}

/// A difference in price, in the direction of the other side.
fn toward(side: Side, cents: i64) -> i64 {
    match side {
        Side::Buy => cents,
        Side::Sell => -cents,
    }
}
