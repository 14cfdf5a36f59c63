//! What the sender of a command is told.

use crate::command::{NewOrder, Side, Stamp};
use crate::terms::{SelfTradePrevention, Terms, TermsFault, TimeInForce};
use crate::{
    AccountId, InstrumentId, Money, OrderId, PRIORITY_BITS, ParticipantId, ScheduleId, Sequence,
    TradeId,
};

/// Why a command is not even sequenced: it is a mistake of the sender, and leaves
/// nothing behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// No instrument has this id.
    UnknownInstrument = 1,
    /// No account has this id.
    UnknownAccount = 2,
    /// No open order has this id or name: it never existed, or is finished.
    UnknownOrder = 3,
    /// The order or account belongs to another participant.
    NotOwner = 4,
    /// A price is below 1 tick or above the instrument's maximum.
    PriceOutOfRange = 5,
    /// A quantity is below 1, or above [`crate::maximum_quantity`], from where on a
    /// turnover or the sum of a price level could exceed `i64`.
    QuantityOutOfRange = 6,
    /// A quantity is not a multiple of the instrument's lot size.
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
    /// The market is open already, or closed already; or the trade date has passed.
    MarketPhase = 13,
    /// The terms of an order do not go together.
    Terms(TermsFault) = 14,
    /// No participant has this id.
    UnknownParticipant = 15,
    /// The role is a participant already.
    ParticipantExists = 16,
    /// No fee schedule has this id.
    UnknownSchedule = 17,
    /// A fee schedule of this name exists.
    ScheduleExists = 18,
    /// There are [`crate::MAXIMUM_FEE_SCHEDULES`] fee schedules.
    TooManySchedules = 19,
    /// No currency has this id.
    UnknownCurrency = 20,
    /// There are [`crate::MAXIMUM_CURRENCIES`] currencies.
    TooManyCurrencies = 21,
    /// A fee, limit, rule or amount is out of its range.
    ValueOutOfRange = 22,
    /// More than the account has and does not withhold for its open orders.
    InsufficientFunds = 23,
    /// More than the account has and does not withhold for its open orders.
    InsufficientShares = 24,
    /// The account is in that state already, or closed for ever.
    AccountStatus = 25,
    /// Money, shares, debts or open orders are left in an account to be closed.
    AccountNotEmpty = 26,
    /// The setting for the most positions is reached.
    TooManyPositions = 27,
    /// The trading day is out of order, begins in the past, or there are
    /// [`crate::MAXIMUM_SCHEDULE`] days already.
    Schedule = 28,
    /// The instrument is halted already, or is not halted.
    InstrumentHalt = 29,
    /// The trade is not one that was made, or is busted already.
    UnknownTrade = 30,
    /// The order waits for its stop price or cannot be changed so.
    NotReplaceable = 31,
}

/// Why a well-formed order was declined. Where several reasons apply it is the first in
/// this order of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RejectReason {
    /// It was not.
    #[default]
    None = 0,
    /// The market is closed.
    MarketClosed = 1,
    /// The venue stopped trading in the instrument.
    InstrumentHalted = 2,
    /// The account is not verified.
    AccountNotVerified = 3,
    /// The account is suspended.
    AccountSuspended = 4,
    /// The account is closed.
    AccountClosed = 5,
    /// The kill switch of the account is pulled.
    KillSwitch = 6,
    /// Orders are collected for an auction: one that must trade at once, may not take, or
    /// has a minimum quantity cannot take part.
    AuctionPhase = 7,
    /// The setting for the most open orders is reached, and this order might rest.
    TooManyOpenOrders = 8,
    /// The setting for the most price levels is reached, and this order might rest where
    /// none of its side is.
    TooManyPriceLevels = 9,
    /// The setting for the most positions is reached, and this would be one more.
    TooManyPositions = 10,
    /// A market order without a price, a trailing stop or a market-wide reference: there is
    /// no quote, no trade and no reference price to work a price out from.
    NoReferencePrice = 11,
    /// The order that it is linked with is not an open order of the same account, or is
    /// linked already.
    LinkedOrderNotOpen = 12,
    /// The good-till-date order would end at once.
    AlreadyExpired = 13,
    /// The limit price is too far from the last trade.
    PriceCollar = 14,
    /// More than the limit for the quantity of an order.
    OrderQuantityLimit = 15,
    /// More than the limit for the value of an order.
    OrderValueLimit = 16,
    /// More than the limit for the quantity of a trade date.
    DailyQuantityLimit = 17,
    /// More than the limit for the value of a trade date.
    DailyValueLimit = 18,
    /// More open orders than the limit.
    OpenOrdersLimit = 19,
    /// The account cannot pay for it.
    InsufficientFunds = 20,
    /// The account cannot deliver it.
    InsufficientShares = 21,
    /// It must not take, and would.
    PostOnlyWouldCross = 22,
}

impl RejectReason {
    /// All of them, by their number.
    pub const ALL: [Self; 23] = [
        Self::None,
        Self::MarketClosed,
        Self::InstrumentHalted,
        Self::AccountNotVerified,
        Self::AccountSuspended,
        Self::AccountClosed,
        Self::KillSwitch,
        Self::AuctionPhase,
        Self::TooManyOpenOrders,
        Self::TooManyPriceLevels,
        Self::TooManyPositions,
        Self::NoReferencePrice,
        Self::LinkedOrderNotOpen,
        Self::AlreadyExpired,
        Self::PriceCollar,
        Self::OrderQuantityLimit,
        Self::OrderValueLimit,
        Self::DailyQuantityLimit,
        Self::DailyValueLimit,
        Self::OpenOrdersLimit,
        Self::InsufficientFunds,
        Self::InsufficientShares,
        Self::PostOnlyWouldCross,
    ];
}

/// Why an order is finished without having traded completely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CancelReason {
    /// It is not.
    #[default]
    None = 0,
    /// Its sender, or the venue for it, cancelled it, or replaced it by what has traded.
    Requested = 1,
    /// What an immediate-or-cancel or market order could not trade at once.
    Immediate = 2,
    /// A fill-or-kill order could not trade as a whole.
    FillOrKill = 3,
    /// The minimum quantity could not trade at once.
    MinimumQuantity = 4,
    /// It met an order of its own account.
    SelfTrade = 5,
    /// The market closed, or its time came.
    Expired = 6,
    /// The order that it is linked with traded.
    LinkedOrder = 7,
    /// The kill switch was pulled.
    KillSwitch = 8,
    /// Its session ended.
    SessionEnded = 9,
    /// What a market order could not trade in the auction.
    AuctionEnded = 10,
    /// It must trade at once, and would have left the price bands.
    VolatilityHalt = 11,
    /// A stop order was triggered, and there was no room for it to rest.
    NoRoom = 12,
}

impl CancelReason {
    /// All of them, by their number.
    pub const ALL: [Self; 13] = [
        Self::None,
        Self::Requested,
        Self::Immediate,
        Self::FillOrKill,
        Self::MinimumQuantity,
        Self::SelfTrade,
        Self::Expired,
        Self::LinkedOrder,
        Self::KillSwitch,
        Self::SessionEnded,
        Self::AuctionEnded,
        Self::VolatilityHalt,
        Self::NoRoom,
    ];
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OrderStatus {
    /// Waits, nothing traded yet.
    Open = 1,
    /// Waits, a part is traded.
    PartiallyFilled = 2,
    /// All traded.
    Filled = 3,
    /// Taken out; see [`CancelReason`].
    Cancelled = 4,
    /// Never in the book.
    Rejected = 5,
    /// Its time was over.
    Expired = 6,
}

impl OrderStatus {
    /// All of them, by their number less 1.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::PartiallyFilled,
        Self::Filled,
        Self::Cancelled,
        Self::Rejected,
        Self::Expired,
    ];

    /// Whether the order waits.
    pub fn is_open(self) -> bool {
        matches!(self, OrderStatus::Open | OrderStatus::PartiallyFilled)
    }

    /// Of an order that waits.
    #[inline(always)]
    pub fn of_open(filled: i64) -> Self {
        if filled == 0 { OrderStatus::Open } else { OrderStatus::PartiallyFilled }
    }

    /// Of an order that was taken out for this reason.
    #[inline(always)]
    pub fn of_cancelled(reason: CancelReason) -> Self {
        if reason == CancelReason::Expired { OrderStatus::Expired } else { OrderStatus::Cancelled }
    }
}

/// An order as it stands after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name: the sequence number of the command that placed it.
    pub order_id: OrderId,
    /// The time of that command, microseconds since 2000-01-01 UTC.
    pub created_at_us: i64,
    /// Orders of one side, price and kind trade in this order: the sequence number of the
    /// command that last put it to the tail of its level.
    pub priority: Sequence,
    /// Limit price: what was sent, or worked out where it was left open.
    pub price_ticks: i64,
    /// What was ordered, less what was taken off by reductions.
    pub quantity: i64,
    /// What has traded.
    pub filled: i64,
    /// What still waits: `quantity - filled` while open, else 0.
    pub remaining: i64,
    /// What of that is displayed in the book; 0 unless it rests there.
    pub displayed: i64,
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
    /// What happens where it would trade with an order of its own account.
    pub self_trade_prevention: SelfTradePrevention,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it, or the last attempt to replace it, was declined, if it was.
    pub reject_reason: RejectReason,
    /// Why it is finished without having traded completely, if it is.
    pub cancel_reason: CancelReason,
    /// What its trades cost: the fee schedule of its account when it was sent.
    pub fee_schedule: ScheduleId,
    /// Whether it is a stop order that was reached.
    pub triggered: bool,
    /// What else it asked for. The stop price of a trailing stop is where it is now, and
    /// the linked order is 0 from when on there is none any more.
    pub terms: Terms,
}

impl Order {
    /// A new order before anything came of it.
    #[inline(always)]
    pub(crate) fn new(
        Stamp { sequence, time_us }: Stamp,
        new: &NewOrder,
        terms: &Terms,
        price_ticks: i64,
        fee_schedule: ScheduleId,
    ) -> Self {
        Self {
            order_id: sequence,
            created_at_us: time_us,
            priority: sequence << PRIORITY_BITS,
            price_ticks,
            quantity: new.quantity,
            filled: 0,
            remaining: new.quantity,
            displayed: 0,
            turnover_ticks: 0,
            instrument: new.instrument,
            account: new.account,
            side: new.side,
            time_in_force: new.time_in_force,
            self_trade_prevention: new.self_trade_prevention,
            status: OrderStatus::Open,
            reject_reason: RejectReason::None,
            cancel_reason: CancelReason::None,
            fee_schedule,
            triggered: false,
            terms: *terms,
        }
    }

    /// An order that was open as it is when it is open no more.
    #[inline(always)]
    pub(crate) fn ended(self, status: OrderStatus, cancel_reason: CancelReason) -> Self {
        let terms = Terms { linked_order: 0, ..self.terms };
        Self { status, cancel_reason, remaining: 0, displayed: 0, terms, ..self }
    }
}

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of the commands about one order: the order as it stands now. Of an order whose name
    /// was used before: the first answer to it.
    Order(Order),
    /// How many orders were cancelled.
    Cancelled(u32),
    /// The new instrument's id.
    Instrument(InstrumentId),
    /// The new account's id.
    Account(AccountId),
    /// The new participant's id.
    Participant(ParticipantId),
    /// The new fee schedule's id.
    FeeSchedule(ScheduleId),
    /// Nothing to tell.
    Done,
}

/// One trade: a resting maker met an incoming taker at the maker's price, or two orders met
/// in an auction at the auction's price. There, the order with the higher priority number
/// is called the taker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its name.
    pub trade_id: TradeId,
    /// What was traded.
    pub instrument: InstrumentId,
    /// The side of the taker.
    pub taker_side: Side,
    /// Whether it was in an auction.
    pub in_auction: bool,
    /// The price.
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
    /// What the maker pays to the venue.
    pub maker_fee: Money,
    /// What the taker pays to the venue.
    pub taker_fee: Money,
}
