//! The engine out of its own tables: counters first, then instruments and accounts in the
//! order of their ids, then the open orders.

use crate::outcome::Order;
use crate::{
    AccountId, Counters, Engine, Instrument, InstrumentId, OrderId, OrderStatus, Refusal,
    RejectReason, RoleName, Side, TimeInForce,
};
use std::fmt;

/// Why a row of the tables cannot be part of an engine's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// An instrument or account that could not have been created.
    Refused(Refusal),
    /// An order that could not be open.
    Order {
        /// Which.
        order_id: OrderId,
        /// What is wrong with it.
        reason: OrderFault,
    },
}

/// What is wrong with an order that should be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderFault {
    /// Its id is 0 or above the last sequence number.
    IdOutOfRange,
    /// An open order has its id.
    Duplicate,
    /// No instrument has this id.
    UnknownInstrument,
    /// No account has this id.
    UnknownAccount,
    /// The price is below 1 tick or above the instrument's maximum.
    PriceOutOfRange,
    /// The quantity is below 1, too large or not a multiple of the lot size.
    QuantityOutOfRange,
    /// What remains is below 1, above the quantity, not a multiple of the lot size, or
    /// not the quantity less what is filled.
    RemainingOutOfRange,
    /// Its trades cannot have made that turnover at its limit.
    TurnoverOutOfRange,
    /// It was created after the last command.
    CreatedInFuture,
    /// The status is not that of an open order with these quantities.
    NotOpen,
    /// It should trade with the other side of the book.
    Crossed,
    /// An order that came later is before it at its price.
    OutOfPriority,
    /// The setting for the most open orders is reached.
    TooManyOpenOrders,
    /// The setting for the most price levels is reached.
    TooManyPriceLevels,
}

impl fmt::Display for OrderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdOutOfRange => "its id is not the sequence number of a past command",
            Self::Duplicate => "an order of this id is open already",
            Self::UnknownInstrument => "its instrument does not exist",
            Self::UnknownAccount => "its account does not exist",
            Self::PriceOutOfRange => "its price is out of the instrument's range",
            Self::QuantityOutOfRange => "its quantity is out of range or off the lot size",
            Self::RemainingOutOfRange => "what remains of it does not go with its quantity",
            Self::TurnoverOutOfRange => "its turnover does not go with its limit and fills",
            Self::CreatedInFuture => "it was created after the last command",
            Self::NotOpen => "its status or time in force is not that of an open order",
            Self::Crossed => "its price crosses the other side of the book",
            Self::OutOfPriority => "a later order is before it at its price",
            Self::TooManyOpenOrders => "the setting for the most open orders is reached",
            Self::TooManyPriceLevels => "the setting for the most price levels is reached",
        })
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "it would be refused: {refusal:?}"),
            Self::Order { order_id, reason } => write!(f, "order {order_id}: {reason}"),
        }
    }
}

impl std::error::Error for RestoreError {}

impl Engine {
    /// The first step, on a fresh engine; panics on any other.
    pub fn restore_counters(&mut self, counters: Counters) {
        assert!(self.counters == Counters::default() && self.instruments().is_empty());
        assert!(self.accounts().is_empty());
        self.counters = counters;
    }

    /// Enters the next instrument and returns its id.
    pub fn restore_instrument(
        &mut self,
        instrument: Instrument,
    ) -> Result<InstrumentId, RestoreError> {
        self.registry.check_instrument(&instrument).map_err(RestoreError::Refused)?;
        self.books.create(&instrument);
        Ok(self.registry.create_instrument(instrument))
    }

    /// Enters the next account, and its owner as the next participant if it is the
    /// owner's first.
    pub fn restore_account(&mut self, owner: RoleName) -> Result<AccountId, RestoreError> {
        self.registry.check_account().map_err(RestoreError::Refused)?;
        Ok(self.registry.open_account(owner).0)
    }

    /// Enters an open order behind all others of its price. On an error nothing changed.
    pub fn restore_order(&mut self, order: &Order) -> Result<(), RestoreError> {
        self.check_restored(order)
            .map_err(|reason| RestoreError::Order { order_id: order.order_id, reason })?;
        self.books.restore(order);
        Ok(())
    }

    fn check_restored(&self, order: &Order) -> Result<(), OrderFault> {
        if order.order_id == 0 || order.order_id > self.counters.sequence {
            return Err(OrderFault::IdOutOfRange);
        }
        if self.books.find(order.order_id).is_some() {
            return Err(OrderFault::Duplicate);
        }
        let bounds = self.books.bounds(order.instrument).ok_or(OrderFault::UnknownInstrument)?;
        self.registry.owner(order.account).ok_or(OrderFault::UnknownAccount)?;
        if !(1..=bounds.maximum_price_ticks).contains(&order.price_ticks) {
            return Err(OrderFault::PriceOutOfRange);
        }
        if !(1..=bounds.maximum_quantity).contains(&order.quantity)
            || !bounds.is_lots(order.quantity)
        {
            return Err(OrderFault::QuantityOutOfRange);
        }
        if !(1..=order.quantity).contains(&order.remaining)
            || !bounds.is_lots(order.remaining)
            || order.filled != order.quantity - order.remaining
        {
            return Err(OrderFault::RemainingOutOfRange);
        }
        // Neither product can overflow: filled is within the bounds of a quantity.
        let at_limit = order.price_ticks * order.filled;
        let turnover = match order.side {
            Side::Buy => order.filled..=at_limit,
            Side::Sell => at_limit..=bounds.maximum_price_ticks * order.filled,
        };
        if !turnover.contains(&order.turnover_ticks) {
            return Err(OrderFault::TurnoverOutOfRange);
        }
        if order.created_at_us > self.counters.time_us {
            return Err(OrderFault::CreatedInFuture);
        }
        let status =
            if order.filled == 0 { OrderStatus::Open } else { OrderStatus::PartiallyFilled };
        if order.status != status
            || order.reject_reason != RejectReason::None
            || order.time_in_force != TimeInForce::GoodTillCancel
        {
            return Err(OrderFault::NotOpen);
        }
        self.books.check_restored(order)
    }
}
