//! A deterministic synthetic order stream of integers only: the same bytes on every
//! machine. A port of the generator of the comparison, bit for bit; see [`Stream::fnv`].
//!
//! Half of the commands are new passive orders, 45 % cancels and 5 % marketable orders.

use std::collections::{BTreeMap, VecDeque};

/// One command of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// New order or cancel.
    pub kind: Kind,
    /// Of the order.
    pub side: Side,
    /// From 0.
    pub symbol: u16,
    /// Of a new order; of a cancel, what remains of its order.
    pub quantity: u32,
    /// Of the order: dense, from 1.
    pub order_id: u64,
    /// Limit price.
    pub price: i64,
}

/// What a record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A limit order that stays until it is filled or cancelled.
    New = 0,
    /// Cancels an open order.
    Cancel = 1,
}

/// Whether an order buys or sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Side {
    /// Buys.
    Buy = 0,
    /// Sells.
    Sell = 1,
}

/// A generated stream, and what a right engine makes of it.
pub struct Stream {
    /// Number of symbols.
    pub symbols: u16,
    /// The records that fill the books first.
    pub prefill: usize,
    /// All records, the prefill among them.
    pub records: Vec<Record>,
    /// The highest order id.
    pub highest_id: u64,
    /// Number of trades, in the prefill and after.
    pub trades: u64,
    /// The wrapping sum of [`trade_checksum`] over all trades.
    pub checksum: u64,
}

impl Stream {
    /// FNV-1a of the records as the original writes them, 24 bytes each.
    pub fn fnv(&self) -> u64 {
        let mut hash = 1469598103934665603u64;
        for record in &self.records {
            let mut bytes = [0; 24];
            bytes[0] = record.kind as u8;
            bytes[1] = record.side as u8;
            bytes[2..4].copy_from_slice(&record.symbol.to_le_bytes());
            bytes[4..8].copy_from_slice(&record.quantity.to_le_bytes());
            bytes[8..16].copy_from_slice(&record.order_id.to_le_bytes());
            bytes[16..24].copy_from_slice(&record.price.to_le_bytes());
            for byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(1099511628211);
            }
        }
        hash
    }
}

/// What one trade adds to the checksum of a stream.
pub fn trade_checksum(maker_id: u64, taker_id: u64, price: i64, quantity: u64) -> u64 {
    let mix = |id: u64| {
        let mut z = id.wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ (price as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
            ^ quantity.wrapping_mul(0x1656_67B1_9E37_79F9);
        z ^= z >> 29;
        z = z.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^ z >> 32
    };
    mix(maker_id).wrapping_add(mix(taker_id))
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (((self.word() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// How far from the touch a passive order is placed: mostly near.
    fn distance(&mut self) -> i64 {
        let kind = self.below(100);
        i64::from(if kind < 55 {
            let near = self.below(20);
            near * self.below(20) / 20
        } else if kind < 80 {
            self.below(100)
        } else {
            self.below(500)
        })
    }
}

struct Order {
    quantity: u32,
    price: i64,
    /// Where it stands among the live orders of its book.
    position: u32,
    symbol: u16,
    side: Side,
    is_live: bool,
}

/// One side: by rank of price, the lower the better. Cancelled orders stay until they
/// come to the front.
type Ladder = BTreeMap<i64, VecDeque<u64>>;

struct Book {
    bids: Ladder,
    asks: Ladder,
    live: Vec<u64>,
    trend: i32,
    last: i64,
}

impl Book {
    fn ladder(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// Ranks prices of a side, and is its own inverse.
fn rank(side: Side, price: i64) -> i64 {
    match side {
        Side::Buy => -price,
        Side::Sell => price,
    }
}

struct Generator {
    random: Random,
    books: Vec<Book>,
    /// By id; nobody has id 0.
    orders: Vec<Order>,
    records: Vec<Record>,
    trades: u64,
    checksum: u64,
}

/// The stream of `gen <symbols> <commands> <prefill> <seed>`; `prefill` orders go into
/// the book of each symbol first.
pub fn generate(symbols: u16, commands: u64, prefill: u64, seed: u64) -> Stream {
    let book = || Book {
        bids: Ladder::new(),
        asks: Ladder::new(),
        live: Vec::new(),
        trend: 0,
        last: 32768,
    };
    let nobody =
        Order { quantity: 0, price: 0, position: 0, symbol: 0, side: Side::Buy, is_live: false };
    let mut generator = Generator {
        random: Random(seed.wrapping_mul(7919).wrapping_add(12345)),
        books: (0..symbols).map(|_| book()).collect(),
        orders: vec![nobody],
        records: Vec::new(),
        trades: 0,
        checksum: 0,
    };
    // The lower a symbol, the more often it is traded.
    let weighted: Vec<u16> = (0..symbols)
        .flat_map(|symbol| {
            let weight = (4000 / (usize::from(symbol) + 3)).max(1);
            std::iter::repeat_n(symbol, weight)
        })
        .collect();

    for symbol in 0..symbols {
        generator.books[usize::from(symbol)].last =
            20000 + i64::from(generator.random.below(20000));
        for _ in 0..prefill {
            generator.place_passive(symbol);
        }
    }
    let prefilled = generator.records.len();
    for _ in 0..commands {
        let symbol = weighted[generator.random.below(weighted.len() as u32) as usize];
        generator.step(symbol, prefill as usize);
    }
    Stream {
        symbols,
        prefill: prefilled,
        highest_id: generator.orders.len() as u64 - 1,
        records: generator.records,
        trades: generator.trades,
        checksum: generator.checksum,
    }
}

impl Generator {
    fn step(&mut self, symbol: u16, prefill: usize) {
        let live = self.books[usize::from(symbol)].live.len();
        let kind = self.random.below(1000);
        // Keeps the number of resting orders near the prefill.
        let threshold = if live > prefill { 510 } else { 590 };
        if kind < 50 {
            self.place_marketable(symbol);
        } else if kind < threshold || live < 16 {
            self.place_passive(symbol);
        } else {
            let chosen = self.random.below(live as u32);
            let id = self.books[usize::from(symbol)].live[chosen as usize];
            let order = &self.orders[id as usize];
            self.records.push(Record {
                kind: Kind::Cancel,
                side: order.side,
                symbol,
                quantity: order.quantity,
                order_id: id,
                price: order.price,
            });
            self.remove(id);
        }
    }

    /// The best price of a side that has one.
    fn best(&mut self, symbol: u16, side: Side) -> Option<i64> {
        let ladder = self.books[usize::from(symbol)].ladder(side);
        while let Some(mut level) = ladder.first_entry() {
            let queue = level.get_mut();
            while queue.front().is_some_and(|&id| !self.orders[id as usize].is_live) {
                queue.pop_front();
            }
            if !queue.is_empty() {
                return Some(rank(side, *level.key()));
            }
            level.remove();
        }
        None
    }

    fn place_passive(&mut self, symbol: u16) {
        let (ask, bid) = (self.best(symbol, Side::Sell), self.best(symbol, Side::Buy));
        let side = if self.random.word() & 1 == 0 { Side::Buy } else { Side::Sell };
        let last = self.books[usize::from(symbol)].last;
        let (bid, ask) = (bid.unwrap_or(last - 1), ask.unwrap_or(last + 1));
        let distance = self.random.distance();
        let price = match side {
            Side::Buy => (ask - 1 - distance).clamp(100, 65000).min(ask - 1),
            Side::Sell => (bid + 1 + distance).clamp(100, 65000).max(bid + 1),
        };
        let quantity = 1 + self.random.below(100);
        self.submit(symbol, side, price, quantity);
    }

    fn place_marketable(&mut self, symbol: u16) {
        let (ask, bid) = (self.best(symbol, Side::Sell), self.best(symbol, Side::Buy));
        if self.random.below(64) == 0 {
            self.books[usize::from(symbol)].trend = self.random.below(3) as i32 - 1;
        }
        let Book { trend, last, .. } = self.books[usize::from(symbol)];
        let buys = (self.random.below(100) as i32) < 50 + 12 * trend;
        // How far it reaches is only drawn where there is something to reach.
        let (side, price) = match (buys, ask, bid) {
            (true, Some(ask), _) => (Side::Buy, ask + i64::from(self.random.below(6))),
            (true, None, _) => (Side::Buy, last),
            (false, _, Some(bid)) => (Side::Sell, bid - i64::from(self.random.below(6))),
            (false, _, None) => (Side::Sell, last),
        };
        let quantity = 1 + self.random.below(100);
        self.submit(symbol, side, price, quantity);
    }

    fn submit(&mut self, symbol: u16, side: Side, price: i64, quantity: u32) {
        let id = self.orders.len() as u64;
        self.orders.push(Order { quantity, price, position: 0, symbol, side, is_live: false });
        self.records.push(Record { kind: Kind::New, side, symbol, quantity, order_id: id, price });
        let remaining = self.trade(id);
        if remaining > 0 {
            let book = &mut self.books[usize::from(symbol)];
            let order = &mut self.orders[id as usize];
            order.quantity = remaining;
            order.is_live = true;
            order.position = book.live.len() as u32;
            book.live.push(id);
            book.ladder(side).entry(rank(side, price)).or_default().push_back(id);
        }
    }

    /// Trades a new order with what it reaches, and returns what is left of it.
    fn trade(&mut self, taker: u64) -> u32 {
        let Order { symbol, side, price: limit, quantity: mut remaining, .. } =
            self.orders[taker as usize];
        let makers = match side {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        };
        while remaining > 0
            && let Some(price) = self.best(symbol, makers)
            && rank(makers, price) <= rank(makers, limit)
        {
            let book = &mut self.books[usize::from(symbol)];
            book.last = price;
            let level = book.ladder(makers).get_mut(&rank(makers, price));
            let queue = level.expect("the best price has a level");
            let maker = queue[0];
            let order = &mut self.orders[maker as usize];
            let traded = remaining.min(order.quantity);
            remaining -= traded;
            order.quantity -= traded;
            self.trades += 1;
            let sum = trade_checksum(maker, taker, price, u64::from(traded));
            self.checksum = self.checksum.wrapping_add(sum);
            if order.quantity == 0 {
                queue.pop_front();
                self.remove(maker);
            }
        }
        remaining
    }

    /// An order is live no more; its place in the queue is cleared later.
    fn remove(&mut self, id: u64) {
        let order = &mut self.orders[id as usize];
        order.is_live = false;
        let position = order.position;
        let live = &mut self.books[usize::from(order.symbol)].live;
        live.swap_remove(position as usize);
        if let Some(&moved) = live.get(position as usize) {
            self.orders[moved as usize].position = position;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_bytes_as_the_original() {
        // As printed by `gen 3 20000 500 7` of the comparison.
        let stream = generate(3, 20_000, 500, 7);
        assert_eq!(stream.fnv(), 0x16268a5a56eff602);
        assert_eq!((stream.trades, stream.checksum), (1910, 0x0367c0ab971aead3));
        assert_eq!((stream.prefill, stream.records.len()), (1500, 21_500));
    }
}
