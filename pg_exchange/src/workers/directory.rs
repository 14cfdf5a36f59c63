//! Keeps the directory in shared memory up to an engine: the projector's, or on a standby the
//! matcher's.

use std::ffi::CString;

use matcher::{AccountId, Engine, ParticipantId, RoleName, View};
use pgrx::pg_sys::{self, Oid};

use super::Post;
use crate::shared::directory::AccountEntry;

/// The roles of what the directory does not show yet; invalid where a role is gone.
pub struct Roles {
    participants: Vec<Oid>,
    owners: Vec<Oid>,
}

impl Roles {
    /// In a transaction.
    pub fn look_up(post: Post, engine: &Engine) -> Self {
        let directory = &post.shared.directory;
        let participants = engine.participants();
        let role_of = |id: ParticipantId| role_of(&participants[id as usize - 1].role);
        let new_participants = directory.participant_count() + 1..=participants.len() as u32;
        let new_accounts = directory.account_count() + 1..=engine.account_count();
        Self {
            participants: new_participants.map(role_of).collect(),
            owners: new_accounts.map(|id| role_of(owner_of(engine, id))).collect(),
        }
    }
}

/// The OID of a role; invalid if there is none (any more).
fn role_of(name: &RoleName) -> Oid {
    let name = CString::new(name.as_str()).expect("role names have no NUL");
    // SAFETY: a look-up by a C string, in a transaction.
    unsafe { pg_sys::get_role_oid(name.as_ptr(), true) }
}

fn owner_of(engine: &Engine, id: AccountId) -> ParticipantId {
    engine.account(id).expect("accounts are never removed").owner
}

/// Lets backends see what the engine has, by these roles, and the rate limits of the participants
/// in `limited`. The directory may have more already, from an engine that was further.
pub fn show(
    post: Post,
    engine: &Engine,
    limited: impl Iterator<Item = ParticipantId>,
    roles: Roles,
) {
    let directory = &post.shared.directory;
    for currency in engine.currencies().iter().skip(directory.currency_count() as usize) {
        directory.add_currency(currency.code);
    }
    for schedule in engine.fee_schedules().iter().skip(directory.fee_schedule_count() as usize) {
        directory.add_fee_schedule(schedule.name);
    }
    for instrument in engine.instruments().iter().skip(directory.instrument_count() as usize) {
        directory.add_instrument(*instrument);
    }
    for role in roles.participants {
        directory.add_participant(role);
    }
    for id in limited {
        let participant = &engine.participants()[id as usize - 1];
        directory.set_rate_limit(id, participant.orders_per_second, participant.burst);
    }
    for owner in roles.owners {
        let participant = owner_of(engine, directory.account_count() + 1);
        directory.add_account(AccountEntry { participant, owner });
    }
}
