//! A file as words of memory. The only `unsafe` of the crate is here: to map a file, and to look at
//! the mapping as atomic words.
//!
//! A mapped file changes under the program that maps it, so no reference to plain memory may
//! point there. Atomic words may be changed by others at any time, processes too, so everything
//! goes through them. What could go wrong is that the file is made shorter: to touch what is gone
//! ends the process with SIGBUS. Only the owner of the file could do that, and [`super::Writer`]
//! never does: it makes a new file and puts it in the place of the old one.

#![allow(unsafe_code)]

use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{HEADER_WORDS, WORD_BYTES};

/// A file that can be read.
#[derive(Debug)]
pub struct ReadOnly(MmapRaw);

/// A file that can be read and written.
#[derive(Debug)]
pub struct Writable(MmapRaw);

/// The words of a mapping.
///
/// # Safety
/// All of `map` must be mapped to be read; who stores into the words must know that it is mapped
/// to be written too.
unsafe fn words(map: &MmapRaw) -> &[AtomicU64] {
    // SAFETY: A mapping begins at a page, so it is aligned; it is `len` bytes long and lives as
    // long as `map`, which is borrowed; any bits are a u64; and nobody has a reference to it that
    // is not to atomic words. Other processes write it in whole words, too.
    unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), map.len() / WORD_BYTES as usize) }
}

fn check_length(file: &File) -> io::Result<()> {
    match file.metadata()?.len() {
        length if length >= HEADER_WORDS as u64 * WORD_BYTES => Ok(()),
        length => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is no ring of public events: it has {length} bytes"),
        )),
    }
}

impl ReadOnly {
    /// Maps all of a file, which has a header at least. Its pages are there when this returns.
    pub fn new(file: &File) -> io::Result<Self> {
        check_length(file)?;
        MmapOptions::new().populate().map_raw_read_only(file).map(Self)
    }

    /// A word. Followed by an acquire fence where something hangs on it: of read-only memory, Rust
    /// promises only relaxed loads.
    #[inline]
    pub fn load(&self, index: usize) -> u64 {
        // SAFETY: It is mapped to be read, and nothing is stored here.
        let words = unsafe { words(&self.0) };
        words[index].load(Ordering::Relaxed)
    }

    /// The words from an index on, of a number that is known.
    #[inline]
    pub fn load_array<const N: usize>(&self, index: usize) -> [u64; N] {
        // SAFETY: As above.
        let words = unsafe { words(&self.0) };
        let words = &words[index..index + N];
        std::array::from_fn(|index| words[index].load(Ordering::Relaxed))
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Writable {
    /// The same, to write it too.
    pub fn new(file: &File) -> io::Result<Self> {
        check_length(file)?;
        MmapOptions::new().populate().map_raw(file).map(Self)
    }

    /// Its words.
    #[inline]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: It is mapped to be read and written.
        unsafe { words(&self.0) }
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }
}
