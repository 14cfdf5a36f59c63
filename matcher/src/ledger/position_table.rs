//! From an account and an instrument to its position.
//!
//! Accounts are dense numbers, so each instrument has a table of them, in pages of 64 that
//! come into being with the first account in them: neighbours share cache lines, and an
//! instrument that nobody trades costs nothing.

use crate::slots::{NONE, Pool, Slot};
use crate::{AccountId, InstrumentId};

const PAGE_BITS: u32 = 6;
const PAGE_SLOTS: usize = 1 << PAGE_BITS;

/// Positions of 64 accounts in an instrument. That of [`NONE`] is empty: a look-up runs
/// through it and ends at `NONE`.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Page([Slot; PAGE_SLOTS]);

impl Default for Page {
    fn default() -> Self {
        Self([NONE; PAGE_SLOTS])
    }
}

pub(crate) struct PositionTable {
    /// By instrument, then by page of accounts.
    directories: Vec<Vec<Slot>>,
    pages: Pool<Page>,
}

impl PositionTable {
    /// There cannot be more pages than positions.
    pub(crate) fn new(maximum_positions: u32) -> Self {
        Self { directories: Vec::new(), pages: Pool::new(maximum_positions) }
    }

    #[inline(always)]
    pub(crate) fn get(&self, account: AccountId, instrument: InstrumentId) -> Slot {
        let Some(directory) = self.directories.get(instrument as usize) else { return NONE };
        let page = directory.get((account >> PAGE_BITS) as usize).copied().unwrap_or(NONE);
        self.pages[page].0[account as usize % PAGE_SLOTS]
    }

    pub(crate) fn insert(&mut self, account: AccountId, instrument: InstrumentId, position: Slot) {
        let (instrument, at) = (instrument as usize, (account >> PAGE_BITS) as usize);
        if self.directories.len() <= instrument {
            self.directories.resize(instrument + 1, Vec::new());
        }
        let directory = &mut self.directories[instrument];
        if directory.len() <= at {
            directory.resize(at + 1, NONE);
        }
        if directory[at] == NONE {
            directory[at] = self.pages.take();
        }
        let place = &mut self.pages[directory[at]].0[account as usize % PAGE_SLOTS];
        assert!(*place == NONE && position != NONE, "an account has one position");
        *place = position;
    }
}
