//! What everybody learns from a command, in the order in which it happened.

use crate::command::Side;
use crate::outcome::{CancelReason, RejectReason, Trade};
use crate::phase::{InstrumentPhase, MarketPhase};
use crate::{
    AccountId, CurrencyId, InstrumentId, Money, OrderId, ParticipantId, ScheduleId, TradeId,
};

/// One change of the exchange's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Two orders met.
    Trade(Trade),
    /// An order, or what was left of it, is open from here on: at the tail of its level, or
    /// waiting for its stop price, its peg or its whole quantity.
    Rested {
        /// Which.
        order_id: OrderId,
        /// Of what.
        instrument: InstrumentId,
        /// Buy or sell.
        side: Side,
        /// Its limit price.
        price_ticks: i64,
        /// What waits.
        remaining: i64,
    },
    /// An order, or what was left of it, is finished without a trade.
    Cancelled {
        /// Which.
        order_id: OrderId,
        /// Of what.
        instrument: InstrumentId,
        /// Buy or sell.
        side: Side,
        /// Its limit price.
        price_ticks: i64,
        /// What was cancelled.
        quantity: i64,
        /// Why.
        reason: CancelReason,
    },
    /// An order became smaller and kept its place: asked for, replaced by a smaller one, or
    /// instead of a trade with itself.
    Reduced {
        /// Which.
        order_id: OrderId,
        /// Of what.
        instrument: InstrumentId,
        /// Buy or sell.
        side: Side,
        /// Its limit price.
        price_ticks: i64,
        /// What still waits.
        remaining: i64,
    },
    /// An open order was taken out to be entered anew; what comes of it follows.
    Replaced {
        /// Which.
        order_id: OrderId,
        /// Of what.
        instrument: InstrumentId,
        /// Buy or sell.
        side: Side,
        /// Its limit price before.
        old_price_ticks: i64,
        /// Its new limit price.
        price_ticks: i64,
        /// Its new quantity, what has traded included.
        quantity: i64,
    },
    /// An order stays as it was, because what it was to be replaced by was declined.
    ReplaceRejected {
        /// Which.
        order_id: OrderId,
        /// Why.
        reason: RejectReason,
    },
    /// An iceberg order shows its next part, at the tail of its level.
    Refilled {
        /// Which.
        order_id: OrderId,
        /// How much it shows.
        displayed: i64,
    },
    /// A stop order was reached; what comes of it follows.
    Triggered {
        /// Which.
        order_id: OrderId,
        /// Of what.
        instrument: InstrumentId,
    },
    /// The stop price of a trailing stop followed the market.
    StopMoved {
        /// Which.
        order_id: OrderId,
        /// Its new stop price.
        stop_price_ticks: i64,
        /// Its new limit or protection price.
        price_ticks: i64,
    },
    /// An order was declined.
    Rejected {
        /// Which.
        order_id: OrderId,
        /// Why.
        reason: RejectReason,
    },
    /// An instrument was listed.
    InstrumentCreated {
        /// Which.
        instrument: InstrumentId,
    },
    /// Price rules or reference price of an instrument were set.
    InstrumentChanged {
        /// Which.
        instrument: InstrumentId,
    },
    /// A role became a participant.
    ParticipantRegistered {
        /// Which.
        participant: ParticipantId,
    },
    /// What a participant may send was set.
    ParticipantChanged {
        /// Which.
        participant: ParticipantId,
    },
    /// An account was opened.
    AccountOpened {
        /// Which.
        account: AccountId,
        /// Whose.
        participant: ParticipantId,
    },
    /// Status, kill switch or fee schedule of an account were set.
    AccountChanged {
        /// Which.
        account: AccountId,
    },
    /// A fee schedule was added.
    FeeScheduleCreated {
        /// Which.
        schedule: ScheduleId,
    },
    /// Money came or left.
    CashTransferred {
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyId,
        /// How much came.
        amount: Money,
    },
    /// Shares came or left.
    SharesTransferred {
        /// Whose.
        account: AccountId,
        /// Of what.
        instrument: InstrumentId,
        /// How many came.
        quantity: i64,
    },
    /// What an account may owe of a currency was set.
    CreditLimitSet {
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyId,
    },
    /// What an account may owe of an instrument was set.
    ShortLimitSet {
        /// Whose.
        account: AccountId,
        /// Of what.
        instrument: InstrumentId,
    },
    /// Risk limits were set.
    RiskLimitsSet {
        /// Of this account; 0 for every account.
        account: AccountId,
        /// In this instrument; 0 for each.
        instrument: InstrumentId,
    },
    /// The market entered a phase.
    MarketPhaseChanged {
        /// Which.
        phase: MarketPhase,
        /// Of which day: days since 2000-01-01.
        trade_date: i32,
    },
    /// An instrument entered a phase.
    InstrumentPhaseChanged {
        /// Which.
        instrument: InstrumentId,
        /// The phase.
        phase: InstrumentPhase,
    },
    /// An auction traded what could trade, all at one price.
    Uncrossed {
        /// Of what.
        instrument: InstrumentId,
        /// The price.
        price_ticks: i64,
        /// How much.
        quantity: i64,
    },
    /// The calendar has one more day, or, at 0, none that has not begun.
    Scheduled {
        /// Days since 2000-01-01.
        trade_date: i32,
    },
    /// A trade was cancelled.
    TradeBusted {
        /// Which.
        trade_id: TradeId,
        /// Of what.
        instrument: InstrumentId,
        /// Who had bought.
        buyer: AccountId,
        /// Who had sold.
        seller: AccountId,
    },
    /// The clock was moved.
    ClockAdvanced {
        /// To: microseconds since 2000-01-01 UTC.
        time_us: i64,
    },
}
