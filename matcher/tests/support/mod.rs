//! What the comparing tests share.
//!
//! * [`exchange`]: what the engine and its oracle have in common.
//! * [`draw`], [`commands`]: where commands come from.
//! * [`pair`]: two exchanges that get the same ones.
//! * [`invariants`]: what must be true after each of them, whatever the rules.
//! * [`desk`]: a small exchange for examples.

#![allow(dead_code, unused_imports, reason = "not every test binary needs all of it")]

pub mod commands;
pub mod desk;
pub mod draw;
pub mod exchange;
pub mod invariants;
pub mod pair;

pub use commands::{command, opening};
pub use draw::{Draw, Random};
pub use exchange::Exchange;
pub use pair::Pair;

use matcher::Limits;
use proptest::test_runner::{Config as ProptestConfig, FileFailurePersistence};

/// Failing cases are kept in the repository, and tried first.
pub fn config(file: &'static str) -> ProptestConfig {
    let kept = FileFailurePersistence::Direct(file);
    ProptestConfig { failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

/// So tight that every bound is met within a few hundred commands.
pub const LIMITS: Limits = Limits {
    maximum_instruments: 4,
    maximum_accounts: 6,
    maximum_open_orders: 32,
    maximum_price_levels: 16,
    maximum_positions: 18,
    client_order_window: 40,
};
