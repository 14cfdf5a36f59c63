//! What everybody may see of the exchange, event by event.

pub mod disclosure;
pub mod event;

pub use disclosure::Disclosure;
pub use event::{BestPrice, Change, Event};
