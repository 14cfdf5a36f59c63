//! What everybody may see of the exchange, event by event.
//!
//! * [`event`]: the events.
//! * [`disclosure`]: the events of the engine, turned into these.
//! * [`codec`]: events as bytes, for blocks in a table.

pub mod codec;
pub mod disclosure;
pub mod event;

pub use disclosure::Disclosure;
pub use event::{BestPrice, Change, Event, Kind};
