//! The books as everybody may see them: one board an instrument, written by the
//! publisher, read by any backend without a lock.
//!
//! A board is a sequence lock: its version is odd while it is written, and a reader that
//! finds another version after reading than before reads again.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use matcher::{Indicative, InstrumentId, InstrumentPhase, PriceLevel};

const HEADER_WORDS: usize = 12;
/// Where the heading begins, after the version.
const HEADING: usize = 1;
/// Where the numbers of levels are, by side.
const COUNTS: usize = 9;
const LEVEL_WORDS: usize = 3;

/// What stands above the levels of a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    /// The last command that changed it.
    pub sequence: u64,
    /// Price and quantity of the last trade, if there was one.
    pub last_trade: Option<(i64, i64)>,
    /// What the instrument is in.
    pub phase: InstrumentPhase,
    /// What bands and auctions start from, if there is one yet.
    pub reference_price_ticks: Option<i64>,
    /// What an auction would do now, while orders are collected for one that would trade.
    pub indicative: Option<Indicative>,
}

/// What a board shows: only what is displayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// What stands above the levels.
    pub heading: Heading,
    /// Best first.
    pub bids: Vec<PriceLevel>,
    /// Best first.
    pub asks: Vec<PriceLevel>,
}

impl Heading {
    /// As words: no price is 0.
    fn words(&self) -> [i64; 8] {
        let (price, quantity) = self.last_trade.unwrap_or_default();
        let indicative =
            self.indicative.unwrap_or(Indicative { price_ticks: 0, quantity: 0, imbalance: 0 });
        [
            self.sequence as i64,
            price,
            quantity,
            self.phase as i64,
            self.reference_price_ticks.unwrap_or_default(),
            indicative.price_ticks,
            indicative.quantity,
            indicative.imbalance,
        ]
    }

    fn of_words(words: [i64; 8]) -> Self {
        let [sequence, price, quantity, phase, reference, auction_price, auction, imbalance] =
            words;
        Self {
            sequence: sequence as u64,
            last_trade: (price > 0).then_some((price, quantity)),
            phase: InstrumentPhase::ALL.get(phase as usize).copied().unwrap_or_default(),
            reference_price_ticks: (reference > 0).then_some(reference),
            indicative: (auction_price > 0).then_some(Indicative {
                price_ticks: auction_price,
                quantity: auction,
                imbalance,
            }),
        }
    }
}

/// All boards.
pub struct Boards {
    words: &'static [AtomicU64],
    depth: usize,
}

/// Words of one board.
pub fn board_words(depth: usize) -> usize {
    // Whole cache lines, so that neighbours do not share one.
    (HEADER_WORDS + 2 * depth * LEVEL_WORDS).next_multiple_of(16)
}

impl Boards {
    /// Over zeroed memory: boards of `depth` levels a side.
    pub fn new(words: &'static [AtomicU64], depth: usize) -> Self {
        Self { words, depth }
    }

    /// Levels a side.
    pub fn depth(&self) -> usize {
        self.depth
    }

    fn board(&self, instrument: InstrumentId) -> &[AtomicU64] {
        let length = board_words(self.depth);
        &self.words[(instrument as usize - 1) * length..][..length]
    }

    /// Shows a book; what is deeper than [`Boards::depth`] is left out. For the
    /// publisher alone.
    pub fn write(
        &self,
        instrument: InstrumentId,
        heading: &Heading,
        sides: [&mut dyn Iterator<Item = PriceLevel>; 2],
    ) {
        let board = self.board(instrument);
        let version = board[0].load(Ordering::Relaxed) | 1;
        board[0].store(version, Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, value) in board[HEADING..].iter().zip(heading.words()) {
            word.store(value as u64, Ordering::Relaxed);
        }
        for (side, levels) in sides.into_iter().enumerate() {
            let words = &board[HEADER_WORDS + side * self.depth * LEVEL_WORDS..];
            let mut count = 0;
            for (words, level) in words.chunks_exact(LEVEL_WORDS).take(self.depth).zip(levels) {
                words[0].store(level.price_ticks as u64, Ordering::Relaxed);
                words[1].store(level.quantity as u64, Ordering::Relaxed);
                words[2].store(level.orders.into(), Ordering::Relaxed);
                count += 1;
            }
            board[COUNTS + side].store(count, Ordering::Relaxed);
        }
        board[0].store(version + 1, Ordering::Release);
    }

    /// The book as it stands, at most `depth` levels a side.
    pub fn read(&self, instrument: InstrumentId, depth: usize) -> Book {
        let board = self.board(instrument);
        loop {
            let version = board[0].load(Ordering::Acquire);
            if version & 1 == 0 {
                let side = |side: usize| {
                    let count = (board[COUNTS + side].load(Ordering::Relaxed) as usize).min(depth);
                    board[HEADER_WORDS + side * self.depth * LEVEL_WORDS..]
                        .chunks_exact(LEVEL_WORDS)
                        .take(count.min(self.depth))
                        .map(|words| PriceLevel {
                            price_ticks: words[0].load(Ordering::Relaxed) as i64,
                            quantity: words[1].load(Ordering::Relaxed) as i64,
                            orders: words[2].load(Ordering::Relaxed) as u32,
                        })
                        .collect()
                };
                let words = std::array::from_fn(|index| {
                    board[HEADING + index].load(Ordering::Relaxed) as i64
                });
                let book = Book { heading: Heading::of_words(words), bids: side(0), asks: side(1) };
                fence(Ordering::Acquire);
                if board[0].load(Ordering::Relaxed) == version {
                    return book;
                }
            }
            std::thread::yield_now();
        }
    }

    /// Empties all boards: for a fresh start.
    pub fn clear(&self, instruments: u32) {
        for instrument in 1..=instruments {
            let sides = [
                &mut std::iter::empty() as &mut dyn Iterator<Item = PriceLevel>,
                &mut std::iter::empty(),
            ];
            self.write(instrument, &Heading::default(), sides);
        }
    }
}
