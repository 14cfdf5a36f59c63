//! What participants, accounts and instruments are at a moment, for whoever reads them and
//! for the tables.

use crate::command::{AccountStatus, CurrencyCode, PriceRules, RiskLimits, RoleName};
use crate::phase::InstrumentPhase;
use crate::{AccountId, CurrencyId, InstrumentId, Money, ParticipantId, ScheduleId};

/// The owner of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The PostgreSQL role that it is.
    pub role: RoleName,
    /// Orders that it may send a second; 0 for any number.
    pub orders_per_second: u32,
    /// Orders that it may send at once.
    pub burst: u32,
}

impl Participant {
    /// One that may send any number of orders.
    pub fn new(role: RoleName) -> Self {
        Self { role, orders_per_second: 0, burst: 1 }
    }
}

/// Whom orders are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub owner: ParticipantId,
    /// Whether it may trade.
    pub status: AccountStatus,
    /// Whether its kill switch is pulled.
    pub killed: bool,
    /// What the orders cost that it sends; 0 for nothing.
    pub fee_schedule: ScheduleId,
    /// In each instrument.
    pub limits: RiskLimits,
    /// In all instruments. Follows from the orders.
    pub open_orders: u32,
}

impl Account {
    /// As it is opened.
    pub fn new(owner: ParticipantId) -> Self {
        Self {
            owner,
            status: AccountStatus::Unverified,
            killed: false,
            fee_schedule: 0,
            limits: RiskLimits::NONE,
            open_orders: 0,
        }
    }
}

/// What money there is in the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    /// Its unique code.
    pub code: CurrencyCode,
    /// What the venue has earned by fees.
    pub fees: Money,
    /// What has come in, less what has left: always the sum of all balances and the fees.
    pub transferred: Money,
}

/// The money of an account in a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cash {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub currency: CurrencyId,
    /// What it has; below 0 it owes.
    pub balance: Money,
    /// What of that its open buy orders withhold. Follows from the orders.
    pub held: Money,
    /// What it may owe.
    pub credit_limit: Money,
}

impl Cash {
    /// What it can spend.
    pub fn available(&self) -> Money {
        self.balance - self.held + self.credit_limit
    }
}

/// What an account has of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub instrument: InstrumentId,
    /// How much; below 0 it owes.
    pub quantity: i64,
    /// What remains of its open orders, by [`crate::Side`]. Follows from the orders.
    pub open_quantity: [i64; 2],
    /// Their limit price × what remains, in ticks, by [`crate::Side`]. Follows from the
    /// orders.
    pub open_value_ticks: [i128; 2],
    /// How many there are. Follows from the orders.
    pub open_orders: u32,
    /// What it may owe.
    pub short_limit: i64,
    /// For this account in this instrument.
    pub limits: RiskLimits,
    /// The trade date that the next two are of, days since 2000-01-01.
    pub trade_date: i32,
    /// What has traded on it, by [`crate::Side`].
    pub traded_quantity: [i64; 2],
    /// Price × quantity of that, in ticks, by [`crate::Side`].
    pub traded_value_ticks: [i128; 2],
}

impl Position {
    /// Of nothing.
    pub fn new(account: AccountId, instrument: InstrumentId) -> Self {
        Self {
            account,
            instrument,
            quantity: 0,
            open_quantity: [0; 2],
            open_value_ticks: [0; 2],
            open_orders: 0,
            short_limit: 0,
            limits: RiskLimits::NONE,
            trade_date: 0,
            traded_quantity: [0; 2],
            traded_value_ticks: [0; 2],
        }
    }
}

/// What changes of an instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstrumentState {
    /// What it is in. Follows from the phase of the market and the next two.
    pub phase: InstrumentPhase,
    /// Whether the venue stopped it.
    pub halted: bool,
    /// When its volatility halt ends, microseconds since 2000-01-01 UTC; 0 without one.
    pub halt_until_us: i64,
    /// What bands and auctions start from; 0 for none yet.
    pub reference_price_ticks: i64,
    /// Of the last trade; 0 for none yet.
    pub last_price_ticks: i64,
    /// What protects its price.
    pub rules: PriceRules,
    /// For every account.
    pub limits: RiskLimits,
    /// What has come in, less what has left: always the sum of all positions.
    pub transferred: i64,
}

/// What an auction would do if it were now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicative {
    /// The price of all trades.
    pub price_ticks: i64,
    /// What would trade.
    pub quantity: i64,
    /// What could not at this price: bought more than sold where above 0.
    pub imbalance: i64,
}
