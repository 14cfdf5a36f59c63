//! The public events.

use matcher::{InstrumentId, InstrumentPhase, MarketPhase, Sequence, Side, Symbol, TradeId};

/// One public event. All events of one command have its sequence number: first what happened, in
/// its order, then the levels that are others than before, then the best quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The command that it came of.
    pub sequence: Sequence,
    /// When: microseconds since 2000-01-01 UTC.
    pub time_us: i64,
    /// Of what; 0 for the whole market.
    pub instrument: InstrumentId,
    /// What happened.
    pub change: Change,
}

/// A price, and what is displayed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BestPrice {
    /// The price.
    pub price_ticks: i64,
    /// What is displayed there; above 0.
    pub quantity: i64,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The instrument was listed.
    Listed {
        /// Its name.
        symbol: Symbol,
        /// Tick size as a decimal: `tick_digits × 10^-tick_scale`.
        tick_digits: u32,
        /// See `tick_digits`.
        tick_scale: u8,
        /// Every quantity is a multiple of it.
        lot_size: i64,
    },
    /// A trade.
    Trade {
        /// Dense, from 1, over all instruments.
        trade_id: TradeId,
        /// At which price.
        price_ticks: i64,
        /// How much.
        quantity: i64,
        /// The side of the order that came in; in an auction, of the one that came later.
        taker_side: Side,
        /// Whether it was in an auction.
        in_auction: bool,
    },
    /// A trade of before was cancelled.
    Busted {
        /// Which.
        trade_id: TradeId,
    },
    /// An auction traded what could trade, all at one price.
    Uncrossed {
        /// The price.
        price_ticks: i64,
        /// How much.
        quantity: i64,
    },
    /// The instrument entered a phase.
    InstrumentPhase {
        /// Which.
        phase: InstrumentPhase,
    },
    /// The market entered a phase.
    MarketPhase {
        /// Which.
        phase: MarketPhase,
        /// Of which day: days since 2000-01-01.
        trade_date: i32,
    },
    /// Forget the book of the instrument: all of its levels follow.
    Refresh,
    /// What is displayed at a price now. It may be what it was.
    Level {
        /// Of which side.
        side: Side,
        /// At which price.
        price_ticks: i64,
        /// How much; 0 for nothing any more.
        quantity: i64,
        /// By how many orders.
        orders: u32,
    },
    /// The best displayed bid and offer are others than before.
    BestQuote {
        /// The best bid, if anybody bids.
        bid: Option<BestPrice>,
        /// The best offer, if anybody offers.
        ask: Option<BestPrice>,
    },
}

/// What kind of event, without what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// See [`Change::Listed`].
    Listed = 1,
    /// See [`Change::Trade`].
    Trade = 2,
    /// See [`Change::Busted`].
    Busted = 3,
    /// See [`Change::Uncrossed`].
    Uncrossed = 4,
    /// See [`Change::InstrumentPhase`].
    InstrumentPhase = 5,
    /// See [`Change::MarketPhase`].
    MarketPhase = 6,
    /// See [`Change::Refresh`].
    Refresh = 7,
    /// See [`Change::Level`].
    Level = 8,
    /// See [`Change::BestQuote`].
    BestQuote = 9,
}

impl Kind {
    /// All of them, by their number less 1.
    pub const ALL: [Self; 9] = [
        Self::Listed,
        Self::Trade,
        Self::Busted,
        Self::Uncrossed,
        Self::InstrumentPhase,
        Self::MarketPhase,
        Self::Refresh,
        Self::Level,
        Self::BestQuote,
    ];
}

impl Change {
    /// Of which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Listed { .. } => Kind::Listed,
            Self::Trade { .. } => Kind::Trade,
            Self::Busted { .. } => Kind::Busted,
            Self::Uncrossed { .. } => Kind::Uncrossed,
            Self::InstrumentPhase { .. } => Kind::InstrumentPhase,
            Self::MarketPhase { .. } => Kind::MarketPhase,
            Self::Refresh => Kind::Refresh,
            Self::Level { .. } => Kind::Level,
            Self::BestQuote { .. } => Kind::BestQuote,
        }
    }
}
