//! Instruments, participants and accounts: what is created and never goes away.

use super::limits::LimitsId;
use crate::account::{Account, Participant};
use crate::{
    AccountId, AccountStatus, Instrument, InstrumentId, Limits, MAXIMUM_PRICE_TICKS,
    MAXIMUM_TICK_VALUE, MONEY_SCALE, ParticipantId, Refusal, RejectReason, RoleName, ScheduleId,
    Symbol, maximum_quantity,
};
use std::collections::BTreeMap;

/// What an order must know of its account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountEntry {
    pub(crate) owner: ParticipantId,
    pub(crate) open_orders: u32,
    pub(crate) status: AccountStatus,
    pub(crate) killed: bool,
    pub(crate) fee_schedule: ScheduleId,
    /// Which limits it has; 0 for none.
    pub(crate) limits: LimitsId,
}

impl AccountEntry {
    /// Why it may not trade, if it may not.
    #[inline(always)]
    pub(crate) fn reject_reason(&self) -> RejectReason {
        match self.status {
            AccountStatus::Verified if !self.killed => RejectReason::None,
            AccountStatus::Verified => RejectReason::KillSwitch,
            AccountStatus::Unverified => RejectReason::AccountNotVerified,
            AccountStatus::Suspended => RejectReason::AccountSuspended,
            AccountStatus::Closed => RejectReason::AccountClosed,
        }
    }
}

pub(crate) struct Registry {
    maximum_instruments: usize,
    maximum_accounts: usize,
    instruments: Vec<Instrument>,
    by_symbol: BTreeMap<Symbol, InstrumentId>,
    accounts: Vec<AccountEntry>,
    participants: Vec<Participant>,
    by_role: BTreeMap<RoleName, ParticipantId>,
}

impl Registry {
    pub(crate) fn new(limits: &Limits) -> Self {
        let maximum_accounts = limits.maximum_accounts as usize;
        Self {
            maximum_instruments: limits.maximum_instruments as usize,
            maximum_accounts,
            instruments: Vec::with_capacity(limits.maximum_instruments as usize),
            by_symbol: BTreeMap::new(),
            accounts: Vec::with_capacity(maximum_accounts),
            participants: Vec::with_capacity(maximum_accounts),
            by_role: BTreeMap::new(),
        }
    }

    pub(crate) fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    pub(crate) fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get((id as usize).wrapping_sub(1))
    }

    pub(crate) fn check_instrument(&self, instrument: &Instrument) -> Result<(), Refusal> {
        let prices = 1..=MAXIMUM_PRICE_TICKS;
        if instrument.tick_digits < 1
            || instrument.tick_scale > MONEY_SCALE
            || instrument.tick_value() > MAXIMUM_TICK_VALUE
            || !prices.contains(&instrument.maximum_price_ticks)
            || !(1..=maximum_quantity(instrument.maximum_price_ticks))
                .contains(&instrument.lot_size)
        {
            return Err(Refusal::InstrumentOutOfRange);
        }
        if self.by_symbol.contains_key(&instrument.symbol) {
            return Err(Refusal::SymbolTaken);
        }
        if self.instruments.len() >= self.maximum_instruments {
            return Err(Refusal::TooManyInstruments);
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

    pub(crate) fn participants(&self) -> &[Participant] {
        &self.participants
    }

    pub(crate) fn participant(&mut self, id: ParticipantId) -> Option<&mut Participant> {
        self.participants.get_mut((id as usize).wrapping_sub(1))
    }

    pub(crate) fn has_participant(&self, id: ParticipantId) -> bool {
        (1..=self.participants.len()).contains(&(id as usize))
    }

    pub(crate) fn check_participant(&self, role: &RoleName) -> Result<(), Refusal> {
        if self.by_role.contains_key(role) {
            return Err(Refusal::ParticipantExists);
        }
        if self.participants.len() >= self.maximum_accounts {
            return Err(Refusal::TooManyAccounts);
        }
        Ok(())
    }

    pub(crate) fn register(&mut self, participant: Participant) -> ParticipantId {
        self.participants.push(participant);
        let id = self.participants.len() as ParticipantId;
        let taken = self.by_role.insert(participant.role, id);
        assert!(taken.is_none());
        id
    }

    pub(crate) fn find_participant(&self, role: &RoleName) -> Option<ParticipantId> {
        self.by_role.get(role).copied()
    }

    pub(crate) fn account_count(&self) -> u32 {
        self.accounts.len() as u32
    }

    #[inline(always)]
    pub(crate) fn account(&self, id: AccountId) -> Option<&AccountEntry> {
        self.accounts.get((id as usize).wrapping_sub(1))
    }

    /// An account that exists.
    #[inline(always)]
    pub(crate) fn account_mut(&mut self, id: AccountId) -> &mut AccountEntry {
        &mut self.accounts[id as usize - 1]
    }

    pub(crate) fn check_account(&self, owner: &RoleName) -> Result<(), Refusal> {
        let is_new = !self.by_role.contains_key(owner);
        if self.accounts.len() >= self.maximum_accounts
            || is_new && self.participants.len() >= self.maximum_accounts
        {
            return Err(Refusal::TooManyAccounts);
        }
        Ok(())
    }

    /// Opens an account, without limits.
    pub(crate) fn open_account(&mut self, account: &Account) -> AccountId {
        self.accounts.push(AccountEntry {
            owner: account.owner,
            open_orders: 0,
            status: account.status,
            killed: account.killed,
            fee_schedule: account.fee_schedule,
            limits: 0,
        });
        self.accounts.len() as AccountId
    }
}
