//! What a backend must know to check an order: instruments and accounts, as the
//! projector last wrote them to the tables.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use matcher::{AccountId, Instrument, InstrumentId, ParticipantId};
use pgrx::pg_sys;

/// One list that only grows until it is reset, written by the projector alone.
struct Growing<T: 'static> {
    count: &'static AtomicU32,
    entries: &'static [Cell<T>],
}

/// A place of such a list.
#[repr(transparent)]
pub struct Cell<T>(UnsafeCell<std::mem::MaybeUninit<T>>);

// SAFETY: written before `count` covers it, and only read after.
unsafe impl<T> Sync for Cell<T> {}

impl<T: Copy> Growing<T> {
    fn len(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    fn get(&self, index: u32) -> Option<T> {
        // SAFETY: entries below `count` were written before it was raised.
        (index < self.len())
            .then(|| unsafe { (*self.entries[index as usize].0.get()).assume_init() })
    }

    fn push(&self, value: T) {
        let count = self.len();
        // SAFETY: the projector alone pushes, and nobody reads at or above `count`.
        unsafe {
            self.entries[count as usize].0.get().write(std::mem::MaybeUninit::new(value));
        }
        self.count.store(count + 1, Ordering::Release);
    }
}

/// An account, and who may trade for it.
#[derive(Clone, Copy, Debug)]
pub struct AccountEntry {
    /// The engine's name of its owner.
    pub participant: ParticipantId,
    /// The owner's role; invalid if the role is gone.
    pub owner: pg_sys::Oid,
}

/// The counts, which say how much of the directory is there.
#[repr(C, align(128))]
pub struct Counts {
    instruments: AtomicU32,
    accounts: AtomicU32,
    /// Changes whenever the directory is emptied, so that copies of it are thrown away.
    generation: AtomicU64,
    complete: AtomicU32,
}

/// The directory.
pub struct Directory {
    counts: &'static Counts,
    instruments: Growing<Instrument>,
    /// Participant and owner of each account, in one word: the owner may be found later.
    accounts: &'static [AtomicU64],
}

impl Directory {
    /// Over zeroed memory.
    pub fn new(
        counts: &'static Counts,
        instruments: &'static [Cell<Instrument>],
        accounts: &'static [AtomicU64],
    ) -> Self {
        Self {
            counts,
            instruments: Growing { count: &counts.instruments, entries: instruments },
            accounts,
        }
    }

    /// Whether it shows everything that the tables do.
    pub fn is_complete(&self) -> bool {
        self.counts.complete.load(Ordering::Acquire) != 0
    }

    /// Which filling of the directory this is.
    pub fn generation(&self) -> u64 {
        self.counts.generation.load(Ordering::Acquire)
    }

    /// Empties it: for a fresh start.
    pub fn reset(&self) {
        self.counts.complete.store(0, Ordering::SeqCst);
        self.counts.generation.fetch_add(1, Ordering::SeqCst);
        self.counts.instruments.store(0, Ordering::SeqCst);
        self.counts.accounts.store(0, Ordering::SeqCst);
    }

    /// From here on it shows everything that the tables do.
    pub fn set_complete(&self) {
        self.counts.complete.store(1, Ordering::Release);
    }

    /// How many instruments there are.
    pub fn instrument_count(&self) -> u32 {
        self.instruments.len()
    }

    /// An instrument.
    pub fn instrument(&self, id: InstrumentId) -> Option<Instrument> {
        self.instruments.get(id.checked_sub(1)?)
    }

    /// Adds the next instrument.
    pub fn add_instrument(&self, instrument: Instrument) {
        self.instruments.push(instrument);
    }

    /// How many accounts there are.
    pub fn account_count(&self) -> u32 {
        self.counts.accounts.load(Ordering::Acquire)
    }

    /// An account.
    pub fn account(&self, id: AccountId) -> Option<AccountEntry> {
        let index = id.checked_sub(1).filter(|index| *index < self.account_count())?;
        let word = self.accounts[index as usize].load(Ordering::Relaxed);
        Some(AccountEntry {
            participant: (word >> 32) as u32,
            owner: pg_sys::Oid::from(word as u32),
        })
    }

    /// Adds the next account.
    pub fn add_account(&self, account: AccountEntry) {
        let index = self.account_count();
        self.accounts[index as usize].store(account.word(), Ordering::Relaxed);
        self.counts.accounts.store(index + 1, Ordering::Release);
    }

    /// Says who owns an account: its opener knows a role that its own transaction has
    /// just created, and that the projector cannot see yet.
    pub fn set_owner(&self, id: AccountId, owner: pg_sys::Oid) {
        if let Some(account) = self.account(id) {
            let word = AccountEntry { owner, ..account }.word();
            self.accounts[id as usize - 1].store(word, Ordering::Relaxed);
        }
    }
}

impl AccountEntry {
    fn word(self) -> u64 {
        u64::from(self.participant) << 32 | u64::from(self.owner.to_u32())
    }
}
