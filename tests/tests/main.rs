//! The tests of the whole exchange, by theme.

mod accounts;
mod analysts;
mod catalog;
mod client_order_ids;
mod concurrency;
mod consumers;
mod crash;
mod documentation;
mod exactly_once;
mod feed_handlers;
mod fixtures;
mod lifecycle;
mod market_statistics;
mod misuse;
mod mixed;
mod order_entry;
mod order_types;
mod phases;
mod privileges;
mod public_events;
mod rate_limits;
mod replication;
mod reports;
mod semantics;
mod sessions;
mod tables_and_market_data;
