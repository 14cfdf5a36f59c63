//! The matching engine of pg_exchange: one deterministic state machine,
//! `apply(command) -> events`.
//!
//! It knows nothing but itself: no Postgres, no file, no clock, no randomness, no
//! thread. The time of a command is part of the command, so the same commands give the
//! same events, the same books and the same hashes on every machine.
//!
//! The rules themselves are in `docs/rules.md`.
//!
//! * [`command`]: what can be asked of the exchange; [`terms`]: what an order can ask for.
//! * [`phase`]: when orders are accepted and when they trade.
//! * [`account`]: what participants, accounts, positions and instruments are at a moment.
//! * [`outcome`]: what the sender of a command is told.
//! * [`event`]: what everybody else learns.
//! * [`engine`]: the state machine; [`view`]: what can be seen of it.
//! * [`restore`]: the state machine out of its own tables.
//! * [`record`]: the state machine as records and bytes, and back.
//! * [`naive`]: the same rules in the most obvious code, the oracle of the tests.
//! * [`codec`]: commands as bytes, for the journal.

pub mod account;
mod bare;
mod book;
pub mod codec;
pub mod command;
pub mod engine;
pub mod event;
mod hash;
mod id_table;
mod ledger;
pub mod naive;
pub mod outcome;
pub mod phase;

pub mod record;
pub mod restore;
mod slots;

pub mod terms;
pub mod view;

pub use account::{Account, Cash, Currency, Indicative, InstrumentState, Participant, Position};
pub use bare::BareBooks;
pub use book::{
    MAXIMUM_INSTRUMENTS, MAXIMUM_OPEN_ORDERS, MAXIMUM_PRICE_LEVELS, MAXIMUM_PRICE_TICKS,
    maximum_quantity,
};
pub use command::{
    AccountStatus, BustedTrade, Command, CurrencyCode, FeeSchedule, Instrument, Liquidity,
    NewOrder, PriceRules, RiskLimits, RoleName, ScheduleName, Side, Stamp, Symbol, TradingDay,
};
pub use engine::{Counters, Engine, Limits, PREFETCH_BATCH, PriceLevel};
pub use event::Event;
pub use naive::NaiveExchange;
pub use outcome::{CancelReason, Order, OrderStatus, Outcome, Refusal, RejectReason, Trade};
pub use phase::{InstrumentPhase, MarketPhase};
pub use record::Record;
pub use restore::RestoreError;
pub use terms::{
    ClientOrderId, OrderType, Peg, PostOnly, SelfTradePrevention, Terms, TermsFault, TimeInForce,
    Trigger,
};
pub use view::View;

/// Position of a command in the one total order of the exchange, from 1 without gaps.
pub type Sequence = u64;
/// An order is named by the sequence number of the command that placed it.
pub type OrderId = Sequence;
/// Dense, from 1, in the order of creation.
pub type InstrumentId = u32;
/// Dense, from 1, in the order of opening.
pub type AccountId = u32;
/// Dense, from 1: the owner of accounts. [`VENUE`] is the exchange itself.
pub type ParticipantId = u32;
/// Dense, from 1, over all instruments.
pub type TradeId = u64;

/// The participant that may act for everyone: the operator of the exchange.
pub const VENUE: ParticipantId = 0;

/// Dense, from 1, in the order in which instruments first name them.
pub type CurrencyId = u8;
/// Dense, from 1; 0 is the schedule that costs nothing.
pub type ScheduleId = u8;
/// A client's connection, as whoever lets orders in numbers them; 0 for none.
pub type SessionId = u64;

/// An amount of money in units of 10⁻⁹ of its currency.
pub type Money = i128;
/// Decimals of [`Money`].
pub const MONEY_SCALE: u8 = 9;
/// The largest amount of one transfer, credit limit or risk limit: 10¹⁸ of the currency.
pub const MAXIMUM_MONEY: Money = 10_i128.pow(27);
/// The most money that can be in the exchange, of each currency.
pub const MAXIMUM_TRANSFERRED_MONEY: Money = 10_i128.pow(30);
/// The most shares that can be in the exchange, of each instrument.
pub const MAXIMUM_TRANSFERRED_SHARES: i64 = 1 << 60;
/// The largest short limit.
pub const MAXIMUM_SHORT_LIMIT: i64 = 1 << 36;
/// The highest [`Instrument::tick_value`]: a tick of a million.
pub const MAXIMUM_TICK_VALUE: Money = 10_i128.pow(15);
/// The highest fee and the lowest, in millionths of the value.
pub const MAXIMUM_FEE_PPM: i32 = 100_000;
/// The most fee schedules.
pub const MAXIMUM_FEE_SCHEDULES: usize = 250;
/// The most currencies.
pub const MAXIMUM_CURRENCIES: usize = 250;
/// The most days of the calendar that the engine knows at a time.
pub const MAXIMUM_SCHEDULE: usize = 32;
/// How often, at most, orders can go to the tail of a level within one command: the bits of
/// [`Order::priority`] below the sequence number.
pub const PRIORITY_BITS: u32 = 20;
