//! The tests of the whole exchange, by theme.

mod catalog;
mod concurrency;
mod crash;
mod documentation;
mod fixtures;
mod lifecycle;
mod misuse;
mod mixed;
mod order_entry;
mod order_types;
mod phases;
mod privileges;
mod replication;
mod semantics;
mod tables_and_market_data;
