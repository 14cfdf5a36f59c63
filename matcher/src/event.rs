//! What everybody learns from a command, in the order in which it happened.

use crate::command::Side;
use crate::outcome::{RejectReason, Trade};
use crate::{AccountId, InstrumentId, OrderId, ParticipantId};

/// One change of the exchange's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Two orders met.
    Trade(Trade),
    /// An order, or what was left of it, went into the book at the tail of its level.
    Rested {
        /// Which.
        order_id: OrderId,
        /// Of what.
        instrument: InstrumentId,
        /// Buy or sell.
        side: Side,
        /// Its level.
        price_ticks: i64,
        /// What waits.
        remaining: i64,
    },
    /// An order left the book, or what an immediate-or-cancel order could not trade lapsed.
    Cancelled {
        /// Which.
        order_id: OrderId,
        /// Of what.
        instrument: InstrumentId,
        /// Buy or sell.
        side: Side,
        /// Its level.
        price_ticks: i64,
        /// What was cancelled.
        quantity: i64,
    },
    /// An order in the book became smaller and kept its place.
    Reduced {
        /// Which.
        order_id: OrderId,
        /// Of what.
        instrument: InstrumentId,
        /// Buy or sell.
        side: Side,
        /// Its level.
        price_ticks: i64,
        /// What still waits.
        remaining: i64,
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
    /// An account was opened.
    AccountOpened {
        /// Which.
        account: AccountId,
        /// Whose.
        participant: ParticipantId,
    },
    /// Orders are accepted from here on.
    MarketOpened,
    /// Orders are rejected from here on.
    MarketClosed,
    /// The clock of a simulated exchange was moved.
    ClockAdvanced {
        /// To: microseconds since 2000-01-01 UTC.
        time_us: i64,
    },
}
