//! The books as everybody may see them: one board an instrument, written by the
//! publisher, read by any backend without a lock.
//!
//! A board is a sequence lock: its version is odd while it is written, and a reader that
//! finds another version after reading than before reads again.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use matcher::InstrumentId;
use matcher::engine::PriceLevel;

const HEADER_WORDS: usize = 8;
const LEVEL_WORDS: usize = 3;

/// What a board shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// The last command that changed it.
    pub sequence: u64,
    /// Price and quantity of the last trade, if there was one.
    pub last_trade: Option<(i64, i64)>,
    /// Best first.
    pub bids: Vec<PriceLevel>,
    /// Best first.
    pub asks: Vec<PriceLevel>,
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
        sequence: u64,
        last_trade: Option<(i64, i64)>,
        sides: [&mut dyn Iterator<Item = PriceLevel>; 2],
    ) {
        let board = self.board(instrument);
        let version = board[0].load(Ordering::Relaxed) | 1;
        board[0].store(version, Ordering::Relaxed);
        fence(Ordering::Release);
        board[1].store(sequence, Ordering::Relaxed);
        let (price, quantity) = last_trade.unwrap_or_default();
        board[2].store(price as u64, Ordering::Relaxed);
        board[3].store(quantity as u64, Ordering::Relaxed);
        for (side, levels) in sides.into_iter().enumerate() {
            let words = &board[HEADER_WORDS + side * self.depth * LEVEL_WORDS..];
            let mut count = 0;
            for (words, level) in words.chunks_exact(LEVEL_WORDS).take(self.depth).zip(levels) {
                words[0].store(level.price_ticks as u64, Ordering::Relaxed);
                words[1].store(level.quantity as u64, Ordering::Relaxed);
                words[2].store(level.orders.into(), Ordering::Relaxed);
                count += 1;
            }
            board[4 + side].store(count, Ordering::Relaxed);
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
                    let count = (board[4 + side].load(Ordering::Relaxed) as usize).min(depth);
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
                let price = board[2].load(Ordering::Relaxed) as i64;
                let quantity = board[3].load(Ordering::Relaxed) as i64;
                let book = Book {
                    sequence: board[1].load(Ordering::Relaxed),
                    last_trade: (quantity > 0).then_some((price, quantity)),
                    bids: side(0),
                    asks: side(1),
                };
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
            self.write(instrument, 0, None, [&mut std::iter::empty(), &mut std::iter::empty()]);
        }
    }
}
