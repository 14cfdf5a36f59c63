//! The tools around pg_exchange: private clusters, migrations, a synthetic trading day, and the
//! replay of order streams. The command `venue` and the tests of the project use them.

pub mod chart;
pub mod cluster;
pub mod connection;
pub mod day;
pub mod migrate;
pub mod order;
pub mod replay;
pub mod reporting;
pub mod show;
