//! What the benchmarks share: the order stream that open engines are compared on, the machines that
//! are measured on it, and how figures are shown.

pub mod commands;
pub mod figures;
pub mod machine;
pub mod sender;
pub mod stream;
pub mod verify;
