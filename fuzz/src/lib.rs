//! What the fuzz targets of the matcher share.
//!
//! * [`bytes`]: choices out of bytes. [`generator`]: commands out of bytes.
//! * [`recovery`]: an engine as it comes back from its tables.
//! * [`support`]: the engine and its oracle side by side, from the matcher's own tests.
//! * [`switches`]: what `scripts/fuzz` asks for beside.

pub mod bytes;
pub mod generator;
pub mod recovery;
pub mod switches;

#[allow(missing_docs, reason = "they are of the matcher's tests")]
#[path = "../../matcher/tests/support"]
pub mod support {
    pub mod exchange;
    pub mod invariants;
    pub mod pair;
}
