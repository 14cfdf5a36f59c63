//! Expected results that none of us wrote: the tests of other engines, and what an
//! exchange published after each order of a morning. The engine and its oracle must both
//! come to them.
//!
//! They stand outside the repository, in `shared/fixtures` beside it, because not all of
//! them may be redistributed. Where that directory is absent these tests say so and pass.

mod differences;
mod engines;
mod recorded;
mod venue;

use std::fs;
use std::path::Path;

/// A file of the fixtures, if they are there.
fn fixture(name: &str) -> Option<String> {
    let directory = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures"));
    if !directory.is_dir() {
        eprintln!("SKIPPED: no outside cases at {}", directory.display());
        return None;
    }
    let path = directory.join(name);
    Some(fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
