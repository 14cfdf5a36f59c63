//! What everybody may see of the exchange, event by event.
//!
//! * [`event`]: the events.
//! * [`disclosure`]: the events of the engine, turned into these.
//! * [`codec`]: events as bytes, for blocks in a table.
//! * [`ring`]: events in a memory-mapped file, for programs on the same machine.
//! * [`book`]: books made of events.
//!
//! `docs/feed.md` is for those who write a feed handler.

pub mod book;
pub mod codec;
pub mod disclosure;
pub mod event;
pub mod ring;

pub use book::Book;
pub use disclosure::Disclosure;
pub use event::{BestPrice, Change, Event, Kind};
pub use ring::{ReadError, Reader, Writer};
