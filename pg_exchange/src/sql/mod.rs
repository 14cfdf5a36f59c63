//! What SQL can call: the functions that `sql/*.sql` declares.

mod accounts;
mod authority;
mod call;
mod fees;
mod finished_order;
mod functions;
mod instruments;
mod journal;
pub mod labels;
mod limits;
mod market_data;
mod mass_cancel;
mod monitoring;
mod order_ack;
mod order_book_at;
mod order_entry;
mod phases;
mod placed_order;
mod public_events;
mod reference_data;
mod schedule;
mod sessions;
mod submission;
mod terms;
mod throttle;
mod trade_bust;
mod venue;
