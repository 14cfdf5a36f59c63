//! Instruments, accounts and participants: what is created and never goes away.

use crate::{
    AccountId, Instrument, InstrumentId, Limits, MAXIMUM_PRICE_TICKS, ParticipantId, Refusal,
    RoleName, Symbol, maximum_quantity,
};
use std::collections::BTreeMap;

pub(crate) struct Registry {
    maximum_instruments: u32,
    maximum_accounts: u32,
    instruments: Vec<Instrument>,
    by_symbol: BTreeMap<Symbol, InstrumentId>,
    accounts: Vec<ParticipantId>,
    participants: Vec<RoleName>,
    by_role: BTreeMap<RoleName, ParticipantId>,
}

impl Registry {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            maximum_instruments: limits.maximum_instruments,
            maximum_accounts: limits.maximum_accounts,
            instruments: Vec::with_capacity(limits.maximum_instruments as usize),
            by_symbol: BTreeMap::new(),
            accounts: Vec::with_capacity(limits.maximum_accounts as usize),
            participants: Vec::with_capacity(limits.maximum_accounts as usize),
            by_role: BTreeMap::new(),
        }
    }

    pub(crate) fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    pub(crate) fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get((id as usize).wrapping_sub(1))
    }

    pub(crate) fn accounts(&self) -> &[ParticipantId] {
        &self.accounts
    }

    /// The participant that an account belongs to, if there is the account.
    #[inline(always)]
    pub(crate) fn owner(&self, account: AccountId) -> Option<ParticipantId> {
        self.accounts.get((account as usize).wrapping_sub(1)).copied()
    }

    pub(crate) fn participants(&self) -> &[RoleName] {
        &self.participants
    }

    pub(crate) fn check_instrument(&self, instrument: &Instrument) -> Result<(), Refusal> {
        let prices = 1..=MAXIMUM_PRICE_TICKS;
        if instrument.tick_digits < 1
            || instrument.tick_scale > 9
            || !prices.contains(&instrument.maximum_price_ticks)
            || !(1..=maximum_quantity(instrument.maximum_price_ticks))
                .contains(&instrument.lot_size)
        {
            return Err(Refusal::InstrumentOutOfRange);
        }
        if self.by_symbol.contains_key(&instrument.symbol) {
            return Err(Refusal::SymbolTaken);
        }
        if self.instruments.len() >= self.maximum_instruments as usize {
            return Err(Refusal::TooManyInstruments);
        }
        Ok(())
    }

    pub(crate) fn check_account(&self) -> Result<(), Refusal> {
        if self.accounts.len() >= self.maximum_accounts as usize {
            return Err(Refusal::TooManyAccounts);
        }
        Ok(())
    }

    pub(crate) fn create_instrument(&mut self, instrument: Instrument) -> InstrumentId {
        self.instruments.push(instrument);
        let id = self.instruments.len() as InstrumentId;
        let taken = self.by_symbol.insert(instrument.symbol, id);
        assert!(taken.is_none());
        id
    }

    pub(crate) fn open_account(&mut self, owner: RoleName) -> (AccountId, ParticipantId) {
        let newcomer = self.participants.len() as ParticipantId + 1;
        let participant = *self.by_role.entry(owner).or_insert(newcomer);
        if participant == newcomer {
            self.participants.push(owner);
        }
        self.accounts.push(participant);
        (self.accounts.len() as AccountId, participant)
    }
}
