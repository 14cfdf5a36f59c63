//! What SQL can call: the functions that `sql/*.sql` declares.

mod call;
mod finished_order;
mod functions;
mod instruments;
pub mod labels;
mod market_data;
mod monitoring;
mod order_ack;
mod order_entry;
mod reference_data;
mod submission;
mod venue;
