//! When orders are accepted and when they trade.

/// What the whole market is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MarketPhase {
    /// Orders are rejected; they may be cancelled.
    #[default]
    Closed = 0,
    /// Orders are collected for the opening auction.
    PreOpen = 1,
    /// Orders trade as they come.
    Continuous = 2,
    /// Orders are collected for the closing auction.
    ClosingAuction = 3,
}

impl MarketPhase {
    /// All of them, by their number.
    pub const ALL: [Self; 4] =
        [Self::Closed, Self::PreOpen, Self::Continuous, Self::ClosingAuction];
}

/// What an instrument is in: the phase of the market, unless it is halted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum InstrumentPhase {
    /// See [`MarketPhase::Closed`].
    #[default]
    Closed = 0,
    /// See [`MarketPhase::PreOpen`].
    PreOpen = 1,
    /// See [`MarketPhase::Continuous`].
    Continuous = 2,
    /// See [`MarketPhase::ClosingAuction`].
    ClosingAuction = 3,
    /// A trade would have left the bands: orders are collected for the auction that ends it.
    VolatilityHalt = 4,
    /// The venue stopped it: orders are rejected; they may be cancelled.
    Halted = 5,
}

impl InstrumentPhase {
    /// All of them, by their number.
    pub const ALL: [Self; 6] = [
        Self::Closed,
        Self::PreOpen,
        Self::Continuous,
        Self::ClosingAuction,
        Self::VolatilityHalt,
        Self::Halted,
    ];

    /// Whether orders are collected for an auction.
    pub fn is_auction(self) -> bool {
        matches!(
            self,
            InstrumentPhase::PreOpen
                | InstrumentPhase::ClosingAuction
                | InstrumentPhase::VolatilityHalt
        )
    }
}

impl From<MarketPhase> for InstrumentPhase {
    fn from(phase: MarketPhase) -> Self {
        match phase {
            MarketPhase::Closed => InstrumentPhase::Closed,
            MarketPhase::PreOpen => InstrumentPhase::PreOpen,
            MarketPhase::Continuous => InstrumentPhase::Continuous,
            MarketPhase::ClosingAuction => InstrumentPhase::ClosingAuction,
        }
    }
}
