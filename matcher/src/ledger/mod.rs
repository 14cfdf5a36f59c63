//! Who takes part and what they have: participants, accounts, money, positions, fees and
//! limits. Orders are in the [`crate::book`]; what they withhold is counted here.
//!
//! * [`registry`]: what is listed and opened, and never goes away.
//! * [`position`], [`position_table`]: what an account has of an instrument.
//! * [`cash`]: what it has of a currency.
//! * [`fees`], [`limits`]: what trades cost, and what is too much.
//! * [`client_orders`]: the names that brokers gave to their orders.

mod cash;
mod client_orders;
mod fees;
mod limits;
mod position;
mod position_table;
mod registry;

pub(crate) use cash::CashBook;
pub(crate) use client_orders::ClientOrders;
pub(crate) use fees::{Fees, Valuation};
pub(crate) use limits::LimitsBook;
pub(crate) use position::{Holding, Positions};
pub(crate) use registry::Registry;
