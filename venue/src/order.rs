//! The words of an order.

/// A side of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Bids, and who trades with offers.
    Buy,
    /// Offers, and who trades with bids.
    Sell,
}

impl Side {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    /// The side of that name in SQL.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Buy, Self::Sell].into_iter().find(|side| side.name() == name)
    }

    /// The other side.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// How long an order stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    Gtc,
    /// What cannot trade at once is cancelled.
    Ioc,
    /// Until the market closes.
    Day,
}

impl TimeInForce {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gtc => "GTC",
            Self::Ioc => "IOC",
            Self::Day => "DAY",
        }
    }
}
