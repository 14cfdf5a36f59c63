//! The matching engine of pg_exchange: one deterministic state machine,
//! `apply(command) -> events`.
//!
//! It knows nothing but itself: no Postgres, no file, no clock, no randomness, no
//! thread. The time of a command is part of the command, so the same commands give the
//! same events, the same books and the same hashes on every machine.
//!
//! * [`command`]: what can be asked of the exchange.
//! * [`outcome`]: what the sender of a command is told.
//! * [`event`]: what everybody else learns.
//! * [`engine`]: the state machine.
//! * [`restore`]: the state machine out of its own tables.
//! * [`naive`]: the same rules in the most obvious code, the oracle of the tests.
//! * [`codec`]: commands as bytes, for the journal.

mod book;
pub mod codec;
pub mod command;
pub mod engine;
pub mod event;
mod hash;
pub mod naive;
pub mod outcome;
mod registry;
pub mod restore;
mod tape;

pub use book::{
    MAXIMUM_INSTRUMENTS, MAXIMUM_OPEN_ORDERS, MAXIMUM_PRICE_LEVELS, MAXIMUM_PRICE_TICKS,
    maximum_quantity,
};
pub use command::{Command, Instrument, NewOrder, RoleName, Side, Stamp, Symbol, TimeInForce};
pub use engine::{Counters, Engine, Limits, PREFETCH_BATCH, PriceLevel};
pub use event::Event;
pub use naive::NaiveExchange;
pub use outcome::{Order, OrderStatus, Outcome, Refusal, RejectReason, Trade};
pub use restore::RestoreError;

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
