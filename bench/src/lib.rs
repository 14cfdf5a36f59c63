//! Measures the engine on the order stream that open engines are compared on.

pub mod commands;
pub mod machine;
pub mod stream;
pub mod verify;
