//! What `scripts/fuzz` asks of the targets by variables of the environment.

use std::env::var_os;
use std::sync::LazyLock;

/// Whether answers are falsified on purpose, to see that the fuzzer finds it.
pub static CANARY: LazyLock<bool> = LazyLock::new(|| var_os("FUZZ_CANARY").is_some());

/// Whether each command is printed before it is tried, to read what an input stands for.
pub static SHOW_COMMANDS: LazyLock<bool> = LazyLock::new(|| var_os("FUZZ_SHOW_COMMANDS").is_some());
