//! The protocols of the extension's shared memory, for a model checker (loom): the same files, over
//! its atomics. It runs a small case in every order that its threads can come in, and with every value
//! that a load may see.
//!
//! * [`check`] runs a case; [`assert_found`] a test with a [`Mistake`] in it, which must be found.
//! * [`dies_after`] has a thread end between any two steps, as a process does that is killed.

mod cases;

/// The files of `pg_exchange/src/shared/` that are protocols, and what they are made of here.
pub mod shared {
    #[path = "../../../pg_exchange/src/shared/arrivals.rs"]
    pub mod arrivals;
    #[path = "../../../pg_exchange/src/shared/bell.rs"]
    pub mod bell;
    pub mod futex;
    #[path = "../../../pg_exchange/src/shared/mailbox.rs"]
    pub mod mailbox;
    #[path = "../../../pg_exchange/src/shared/ring.rs"]
    pub mod ring;
    pub mod sync;
}

pub use cases::{Mistake, assert_found, check, dies_after};
