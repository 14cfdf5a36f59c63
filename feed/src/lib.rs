//! What everybody may see of the exchange, event by event.
//!
//! * [`event`]: the events.
//! * [`codec`]: events as bytes, for blocks in a table.

pub mod codec;
pub mod event;

pub use event::{BestPrice, Change, Event, Kind};
