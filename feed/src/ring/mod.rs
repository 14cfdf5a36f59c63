//! The ring: a file that one process writes and any number of others read, all by mapping it into
//! their memory.
//!
//! The file is a header of a page and slots of 64 bytes. Every event has a position, from 0
//! without gaps, and is in the slot `position % capacity`. The writer never waits: it writes over
//! the oldest event, whoever may still be reading it. A reader notices, and knows how many events
//! it lost, because a slot says of which position it is.
//!
//! Words, their places and the protocol are described in `docs/feed.md`, for readers in other
//! languages too. In short:
//!
//! * A slot is a sequence lock. Its first word is `2 × position + 1` while it is written, and
//!   `2 × position + 2` from then on. So it never goes backwards, and a reader that finds
//!   another word than it should, before or after it read the rest, was overrun.
//! * What is written is not yet visible. The header's `published` is the position that comes
//!   next for readers, and is moved by one store when all events of some commands are there. If the
//!   writer dies at any instruction, that word says what counts: the next writer goes on there,
//!   and writes again what was written behind it.
//! * The header's `last_sequence` follows `published`: the last command of which everything is
//!   published. If the writer dies between the two, the last event says better.
//!
//! Readers map the file to read it and nothing else, so they can neither damage nor slow it.

mod mapping;
mod reader;
mod slot;
mod writer;

pub use reader::{Blocking, ReadError, Reader, TooOld};
pub use writer::{Settings, Writer};

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// The first word of the file. As bytes it reads `PGXFEED1` where the machine writes the low byte
/// first.
const MAGIC: u64 = u64::from_le_bytes(*b"PGXFEED1");
/// Changes whenever a reader of before could not read what is written now.
const FORMAT: u64 = 1;

/// Words of the header: a page.
const HEADER_WORDS: usize = 512;
/// Words of a slot: a cache line.
const SLOT_WORDS: usize = 8;
const WORD_BYTES: u64 = 8;

/// Places in the header, in words. What is written all the time is in a cache line (of 64 or of
/// 128 bytes) of its own.
mod header {
    pub const MAGIC: usize = 0;
    pub const FORMAT: usize = 1;
    /// Slots; a power of two.
    pub const CAPACITY: usize = 2;
    /// Nanoseconds since 1970 when the ring was made: another in each ring.
    pub const GENERATION: usize = 3;
    /// The events of all commands after this one were written into this ring.
    pub const START_SEQUENCE: usize = 4;
    /// Of the file and of the boot of the machine: see [`super::identity`].
    pub const IDENTITY: usize = 5;
    /// 1 when this ring is not written any more.
    pub const CLOSED: usize = 6;
    /// Which exchange it is of, as its writer numbers them.
    pub const EXCHANGE: usize = 7;
    /// The group that was asked for, and 1; 0 for none.
    pub const GROUP: usize = 8;
    /// The position of the next event.
    pub const PUBLISHED: usize = 16;
    /// The last command of which everything is published.
    pub const LAST_SEQUENCE: usize = 17;
}

/// The fewest slots of a ring.
pub const MINIMUM_CAPACITY: u64 = 64;
/// The most slots of a ring: 64 GiB.
pub const MAXIMUM_CAPACITY: u64 = 1 << 30;

/// Why a ring cannot be opened, or not be made.
#[derive(Debug)]
pub enum OpenError {
    /// The operating system says no.
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// The file is no ring of this format, or not one that can be gone on with.
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The ring is not written any more, and no other one is there yet.
    Closed,
    /// Another process writes it.
    Locked {
        /// Which file.
        path: PathBuf,
    },
}

impl OpenError {
    fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |error| Self::Io { doing, path: path.to_owned(), error }
    }

    fn unusable(path: &Path, reason: impl Into<String>) -> Self {
        Self::Unusable { path: path.to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, error } => {
                write!(f, "cannot {doing} {}: {error}", path.display())
            }
            Self::Unusable { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Closed => f.write_str("the ring was closed, and no other is there yet"),
            Self::Locked { path } => {
                write!(f, "another process writes the ring {}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// How long a file with so many slots is, in bytes.
fn file_length(capacity: u64) -> u64 {
    (HEADER_WORDS as u64 + capacity * SLOT_WORDS as u64) * WORD_BYTES
}

/// Where in the file, in words, the slot of a position begins.
#[inline]
fn slot_of(position: u64, mask: u64) -> usize {
    HEADER_WORDS + (position & mask) as usize * SLOT_WORDS
}

/// The first word of a slot that holds the event of a position.
#[inline]
fn written(position: u64) -> u64 {
    position.wrapping_mul(2).wrapping_add(2)
}

/// What makes a file this file, in this boot of the machine: a writer goes on with no copy of a
/// ring, and with none that went through a crash of the machine, of which pages may be missing.
fn identity(file: &File, path: &Path) -> Result<u64, OpenError> {
    const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
    let boot = std::fs::read(BOOT_ID).map_err(OpenError::io("read", Path::new(BOOT_ID)))?;
    let metadata = file.metadata().map_err(OpenError::io("look at", path))?;
    // FNV-1a: no secret, only unlikely to be the same by chance.
    let bytes =
        boot.into_iter().chain(metadata.dev().to_le_bytes()).chain(metadata.ino().to_le_bytes());
    Ok(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    }))
}

/// Checks what reader and writer need to be right. Returns the number of slots.
fn check_header(load: impl Fn(usize) -> u64, length: u64, path: &Path) -> Result<u64, OpenError> {
    let unusable = |reason: String| Err(OpenError::unusable(path, reason));
    if load(header::MAGIC) != MAGIC {
        return unusable("it is no ring of public events".to_owned());
    }
    let format = load(header::FORMAT);
    if format != FORMAT {
        return unusable(format!("its format is {format}; this program knows format {FORMAT}"));
    }
    let capacity = load(header::CAPACITY);
    let is_capacity =
        (MINIMUM_CAPACITY..=MAXIMUM_CAPACITY).contains(&capacity) && capacity.is_power_of_two();
    if !is_capacity || length != file_length(capacity) {
        return unusable(format!("it is damaged: {capacity} slots in {length} bytes"));
    }
    Ok(capacity)
}
