//! What everybody may see of the exchange, event by event.

pub mod event;

pub use event::{BestPrice, Change, Event};
