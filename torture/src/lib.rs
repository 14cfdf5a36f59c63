//! A long, seeded torture of the exchange: random load from many clients, one fault after the other,
//! and after each an audit. `scripts/torture` runs it; see `docs/torture.md`.
//!
//! * [`site`]: the cluster, its disk, its clock, the lines to it.
//! * [`clients`]: who trades and operates, and what they are told.
//! * [`faults`]: what is done to it all.
//! * [`campaign`]: round after round.

pub mod campaign;
pub mod clients;
pub mod faults;
pub mod site;
