//! The money of accounts, by currency.

use crate::slots::{Pool, Slot};
use crate::{AccountId, Cash, Currency, CurrencyId, Money};
use std::collections::BTreeMap;

/// One record, one cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub(crate) struct CashEntry {
    pub(crate) balance: Money,
    /// Of the balance, by open buy orders.
    pub(crate) held: Money,
    pub(crate) credit_limit: Money,
    account: AccountId,
    currency: CurrencyId,
}

const _: () = assert!(size_of::<CashEntry>() == 64);

impl CashEntry {
    #[inline(always)]
    pub(crate) fn available(&self) -> Money {
        self.balance - self.held + self.credit_limit
    }

    fn view(&self) -> Cash {
        let Self { balance, held, credit_limit, account, currency } = *self;
        Cash { account, currency, balance, held, credit_limit }
    }
}

/// All money.
pub(crate) struct CashBook {
    pub(crate) currencies: Vec<Currency>,
    pub(crate) entries: Pool<CashEntry>,
    by_owner: BTreeMap<(AccountId, CurrencyId), Slot>,
}

impl CashBook {
    pub(crate) fn new(maximum_entries: u32) -> Self {
        Self {
            currencies: Vec::new(),
            entries: Pool::new(maximum_entries),
            by_owner: BTreeMap::new(),
        }
    }

    pub(crate) fn currency(&mut self, id: CurrencyId) -> &mut Currency {
        &mut self.currencies[id as usize - 1]
    }

    pub(crate) fn has_currency(&self, id: CurrencyId) -> bool {
        (1..=self.currencies.len()).contains(&(id as usize))
    }

    /// The record of an account, if there is one.
    pub(crate) fn find(&self, account: AccountId, currency: CurrencyId) -> Option<Slot> {
        self.by_owner.get(&(account, currency)).copied()
    }

    /// Whether a record that is not there could not be made.
    pub(crate) fn lacks(&self, account: AccountId, currency: CurrencyId) -> bool {
        self.entries.is_full() && self.find(account, currency).is_none()
    }

    /// The record of an account, made if it is not there. The caller made sure of room.
    pub(crate) fn open(&mut self, account: AccountId, currency: CurrencyId) -> Slot {
        let entries = &mut self.entries;
        *self.by_owner.entry((account, currency)).or_insert_with(|| {
            let slot = entries.take();
            entries[slot] = CashEntry { account, currency, ..CashEntry::default() };
            slot
        })
    }

    /// Records, of one account or all.
    pub(crate) fn of(&self, account: Option<AccountId>) -> impl Iterator<Item = Cash> + '_ {
        let range = match account {
            Some(account) => (account, 0)..=(account, CurrencyId::MAX),
            None => (0, 0)..=(AccountId::MAX, CurrencyId::MAX),
        };
        self.by_owner.range(range).map(|(_, &slot)| self.entries[slot].view())
    }

    pub(crate) fn view(&self, account: AccountId, currency: CurrencyId) -> Option<Cash> {
        self.find(account, currency).map(|slot| self.entries[slot].view())
    }
}
