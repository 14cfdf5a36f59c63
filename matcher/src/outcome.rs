//! What the sender of a command is told.

use crate::command::{Side, TimeInForce};
use crate::{AccountId, InstrumentId, OrderId, TradeId};

/// Why a command is not even sequenced: it is a mistake of the sender, and leaves
/// nothing behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// No instrument has this id.
    UnknownInstrument = 1,
    /// No account has this id.
    UnknownAccount = 2,
    /// No open order has this id: it never existed, or is filled or cancelled.
    UnknownOrder = 3,
    /// The order belongs to another participant.
    NotOwner = 4,
    /// The price is below 1 tick or above the instrument's maximum.
    PriceOutOfRange = 5,
    /// The quantity is below 1, or above [`crate::maximum_quantity`], from where on a
    /// turnover or the sum of a price level could exceed `i64`.
    QuantityOutOfRange = 6,
    /// The quantity is not a multiple of the instrument's lot size.
    QuantityOffLot = 7,
    /// A reduction must leave some of the order.
    ReductionTooLarge = 8,
    /// An instrument of this symbol exists.
    SymbolTaken = 9,
    /// Tick size, lot size or maximum price of a new instrument is out of range.
    InstrumentOutOfRange = 10,
    /// The setting for the most instruments is reached.
    TooManyInstruments = 11,
    /// The setting for the most accounts is reached.
    TooManyAccounts = 12,
    /// The market is open already, or closed already.
    MarketPhase = 13,
}

/// Why a well-formed order was declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RejectReason {
    /// It was not.
    None = 0,
    /// The market is closed.
    MarketClosed = 1,
    /// The setting for the most open orders is reached, and this order might rest.
    TooManyOpenOrders = 2,
    /// The setting for the most price levels is reached, and this order might rest where
    /// none of its side is.
    TooManyPriceLevels = 3,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderStatus {
    /// In the book, nothing traded yet.
    Open = 1,
    /// In the book, a part is traded.
    PartiallyFilled = 2,
    /// All traded.
    Filled = 3,
    /// Taken out, by its owner or because it was immediate-or-cancel.
    Cancelled = 4,
    /// Never in the book.
    Rejected = 5,
}

impl OrderStatus {
    /// Whether the order is in the book.
    pub fn is_open(self) -> bool {
        matches!(self, OrderStatus::Open | OrderStatus::PartiallyFilled)
    }
}

/// An order as it stands after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name: the sequence number of the command that placed it.
    pub order_id: OrderId,
    /// The time of that command, microseconds since 2000-01-01 UTC.
    pub created_at_us: i64,
    /// Limit price.
    pub price_ticks: i64,
    /// What was ordered, less what was taken off by reductions.
    pub quantity: i64,
    /// What has traded.
    pub filled: i64,
    /// What still waits in the book: `quantity - filled` while open, else 0.
    pub remaining: i64,
    /// Sum of price × quantity over its trades, in ticks.
    pub turnover_ticks: i64,
    /// What is traded.
    pub instrument: InstrumentId,
    /// For whom.
    pub account: AccountId,
    /// Buy or sell.
    pub side: Side,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was rejected, if it was.
    pub reject_reason: RejectReason,
}

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of place, cancel and reduce: the order as it stands now.
    Order(Order),
    /// The new instrument's id.
    Instrument(InstrumentId),
    /// The new account's id.
    Account(AccountId),
    /// Nothing to tell.
    Done,
}

/// One trade: a resting maker met an incoming taker at the maker's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its name.
    pub trade_id: TradeId,
    /// What was traded.
    pub instrument: InstrumentId,
    /// The side of the taker.
    pub taker_side: Side,
    /// The maker's limit price.
    pub price_ticks: i64,
    /// How much.
    pub quantity: i64,
    /// The resting order.
    pub maker_order_id: OrderId,
    /// The incoming order.
    pub taker_order_id: OrderId,
    /// Whose the resting order is.
    pub maker_account: AccountId,
    /// Whose the incoming order is.
    pub taker_account: AccountId,
    /// What still waits of the resting order; 0 when it is filled and gone.
    pub maker_remaining: i64,
}
