//! What a backend must know to check a request: instruments, participants, accounts,
//! currencies and fee schedules, as the projector last wrote them to the tables.
//!
//! Each list only grows, in the order of the engine's ids, until all are emptied together.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use matcher::{
    AccountId, CurrencyCode, CurrencyId, Instrument, InstrumentId, ParticipantId, ScheduleId,
    ScheduleName,
};
use pgrx::pg_sys;

use super::rate_limiter::RateLimiter;

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
    participants: AtomicU32,
    currencies: AtomicU32,
    fee_schedules: AtomicU32,
    /// Changes whenever the directory is emptied, so that copies of it are thrown away.
    generation: AtomicU64,
    complete: AtomicU32,
}

/// The memory that the lists lie in.
pub struct Lists {
    /// Of the instruments.
    pub instruments: &'static [Cell<Instrument>],
    /// Of the accounts.
    pub accounts: &'static [AtomicU64],
    /// Of the participants.
    pub participants: &'static [AtomicU32],
    /// Of the currencies.
    pub currencies: &'static [Cell<CurrencyCode>],
    /// Of the fee schedules.
    pub fee_schedules: &'static [Cell<ScheduleName>],
}

/// The directory.
pub struct Directory {
    counts: &'static Counts,
    instruments: Growing<Instrument>,
    /// Participant and owner of each account, in one word: the owner may be found later.
    accounts: &'static [AtomicU64],
    /// The role of each participant, which may be found later.
    participants: &'static [AtomicU32],
    currencies: Growing<CurrencyCode>,
    fee_schedules: Growing<ScheduleName>,
    rate_limiter: RateLimiter,
}

impl Directory {
    /// Over zeroed memory.
    pub fn new(counts: &'static Counts, lists: Lists, rate_limiter: RateLimiter) -> Self {
        Self {
            counts,
            instruments: Growing { count: &counts.instruments, entries: lists.instruments },
            accounts: lists.accounts,
            participants: lists.participants,
            currencies: Growing { count: &counts.currencies, entries: lists.currencies },
            fee_schedules: Growing { count: &counts.fee_schedules, entries: lists.fee_schedules },
            rate_limiter,
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
        self.counts.participants.store(0, Ordering::SeqCst);
        self.counts.currencies.store(0, Ordering::SeqCst);
        self.counts.fee_schedules.store(0, Ordering::SeqCst);
        self.rate_limiter.reset();
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

    /// How many participants there are.
    pub fn participant_count(&self) -> u32 {
        self.counts.participants.load(Ordering::Acquire)
    }

    /// The role of a participant; invalid if the role is gone.
    pub fn participant(&self, id: ParticipantId) -> Option<pg_sys::Oid> {
        let index = id.checked_sub(1).filter(|index| *index < self.participant_count())?;
        Some(pg_sys::Oid::from(self.participants[index as usize].load(Ordering::Relaxed)))
    }

    /// The participant that a role is. It looks at all of them: remember the result as long
    /// as [`Directory::generation`] stays.
    pub fn find_participant(&self, role: pg_sys::Oid) -> Option<ParticipantId> {
        (1..=self.participant_count()).find(|id| self.participant(*id) == Some(role))
    }

    /// Adds the next participant.
    pub fn add_participant(&self, role: pg_sys::Oid) {
        let index = self.participant_count();
        self.participants[index as usize].store(role.to_u32(), Ordering::Relaxed);
        self.counts.participants.store(index + 1, Ordering::Release);
    }

    /// Says which role a participant is: as [`Directory::set_owner`].
    pub fn set_participant_role(&self, id: ParticipantId, role: pg_sys::Oid) {
        if self.participant(id).is_some() {
            self.participants[id as usize - 1].store(role.to_u32(), Ordering::Relaxed);
        }
    }

    /// Sets what a participant may send; 0 orders a second for any number.
    pub fn set_rate_limit(&self, id: ParticipantId, orders_per_second: u32, burst: u32) {
        self.rate_limiter.set(id, orders_per_second, burst);
    }

    /// How many currencies there are.
    pub fn currency_count(&self) -> u32 {
        self.currencies.len()
    }

    /// The code of a currency.
    pub fn currency(&self, id: CurrencyId) -> Option<CurrencyCode> {
        self.currencies.get(u32::from(id).checked_sub(1)?)
    }

    /// The currency of this code.
    pub fn find_currency(&self, code: &str) -> Option<CurrencyId> {
        (1..=self.currency_count() as CurrencyId)
            .find(|id| self.currency(*id).is_some_and(|currency| currency.as_str() == code))
    }

    /// Adds the next currency.
    pub fn add_currency(&self, code: CurrencyCode) {
        self.currencies.push(code);
    }

    /// How many fee schedules there are.
    pub fn fee_schedule_count(&self) -> u32 {
        self.fee_schedules.len()
    }

    /// The name of a fee schedule.
    pub fn fee_schedule(&self, id: ScheduleId) -> Option<ScheduleName> {
        self.fee_schedules.get(u32::from(id).checked_sub(1)?)
    }

    /// The fee schedule of this name.
    pub fn find_fee_schedule(&self, name: &str) -> Option<ScheduleId> {
        (1..=self.fee_schedule_count() as ScheduleId)
            .find(|id| self.fee_schedule(*id).is_some_and(|schedule| schedule.as_str() == name))
    }

    /// Adds the next fee schedule.
    pub fn add_fee_schedule(&self, name: ScheduleName) {
        self.fee_schedules.push(name);
    }
}

impl AccountEntry {
    fn word(self) -> u64 {
        u64::from(self.participant) << 32 | u64::from(self.owner.to_u32())
    }
}
