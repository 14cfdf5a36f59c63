//! For whom the caller may act: as which participant, and for which accounts.

use std::cell::Cell;
use std::ffi::CStr;

use matcher::{AccountId, ParticipantId, VENUE};
use pgrx::{PgSqlErrorCode, pg_sys};

use super::submission::raise_refusal;
use crate::errors::{quoted, raise};
use crate::shared::directory::Directory;

/// Members of this role act as the venue where the venue may do what others may do only
/// for themselves, as superusers do.
const OPERATORS: &CStr = c"exchange_admin";

/// An account that the caller may use, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAccount {
    /// The account.
    pub id: AccountId,
    /// Its owner.
    pub participant: ParticipantId,
}

/// The first account of a role, and which filling of the directory says so.
#[derive(Clone, Copy)]
struct FirstAccount {
    generation: u64,
    role: pg_sys::Oid,
    account: OwnAccount,
}

thread_local! {
    static FIRST_ACCOUNT: Cell<Option<FirstAccount>> = const { Cell::new(None) };
}

/// The current role.
fn role() -> pg_sys::Oid {
    // SAFETY: reading who this process acts as.
    unsafe { pg_sys::GetUserId() }
}

fn is_superuser() -> bool {
    // SAFETY: a look-up in the role caches.
    unsafe { pg_sys::superuser_arg(role()) }
}

fn acts_for(owner: pg_sys::Oid) -> bool {
    // SAFETY: a look-up in the role caches.
    role() == owner || unsafe { pg_sys::has_privs_of_role(role(), owner) }
}

/// Whether the caller runs the venue.
fn is_operator() -> bool {
    // SAFETY: a look-up by a C string.
    let operators = unsafe { pg_sys::get_role_oid(OPERATORS.as_ptr(), true) };
    is_superuser() || operators != pg_sys::InvalidOid && acts_for(operators)
}

/// The account of this number, whoever owns it, or an error.
pub fn existing_account(directory: &Directory, account: i32) -> AccountId {
    let id = u32::try_from(account).unwrap_or(0);
    if directory.account(id).is_none() {
        raise_refusal(matcher::Refusal::UnknownAccount, format!("There is no account {account}."))
    }
    id
}

fn raise_not_owned(account: i32) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        "the account belongs to another role",
        format!("Account {account} may not be used by the role that asks."),
        "Leave account_id out to act for your own account, or act as the owner.",
    )
}

/// The account that the caller names, or its first one, if it may trade for it.
pub fn account(directory: &Directory, account: Option<i32>) -> OwnAccount {
    let Some(account) = account else {
        return first_account(directory).unwrap_or_else(|| raise_no_account());
    };
    let id = existing_account(directory, account);
    let entry = directory.account(id).filter(|entry| acts_for(entry.owner));
    let Some(entry) = entry else { raise_not_owned(account) };
    OwnAccount { id, participant: entry.participant }
}

/// The same for what the venue may do for everybody; as whom the caller does it.
pub fn account_or_venue(directory: &Directory, number: Option<i32>) -> OwnAccount {
    match number {
        Some(number) if is_operator() => {
            OwnAccount { id: existing_account(directory, number), participant: VENUE }
        }
        _ => account(directory, number),
    }
}

fn first_account(directory: &Directory) -> Option<OwnAccount> {
    let (generation, role) = (directory.generation(), role());
    if let Some(known) = FIRST_ACCOUNT.get()
        && (known.generation, known.role) == (generation, role)
    {
        return Some(known.account);
    }
    let account = accounts(directory).find(|(_, owner)| *owner == role)?.0;
    FIRST_ACCOUNT.set(Some(FirstAccount { generation, role, account }));
    Some(account)
}

fn raise_no_account() -> ! {
    // SAFETY: the name of a role that exists, as a C string.
    let name = unsafe { CStr::from_ptr(pg_sys::GetUserNameFromId(role(), false)) };
    raise(
        PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        "the role has no account",
        "An order is for an account, by default the first one of the current role.",
        format!(
            "SELECT exchange.open_account({}); opens one, and exchange.verify_account() lets it trade.",
            quoted(&name.to_string_lossy())
        ),
    )
}

/// All accounts, each with the role that owns it.
fn accounts(directory: &Directory) -> impl Iterator<Item = (OwnAccount, pg_sys::Oid)> {
    (1..=directory.account_count()).filter_map(|id| {
        let entry = directory.account(id)?;
        Some((OwnAccount { id, participant: entry.participant }, entry.owner))
    })
}

/// All accounts that the caller may act for, or an error if there are none.
pub fn own_accounts(directory: &Directory) -> Vec<OwnAccount> {
    let is_operator = is_operator();
    let own: Vec<OwnAccount> = accounts(directory)
        .filter(|(_, owner)| is_operator || acts_for(*owner))
        .map(|(account, _)| OwnAccount {
            participant: if is_operator { VENUE } else { account.participant },
            ..account
        })
        .collect();
    if own.is_empty() && !is_operator {
        raise_no_account();
    }
    own
}

/// As whom the caller may act, without repetition: [`VENUE`] alone for who runs it.
fn represented(directory: &Directory) -> Vec<ParticipantId> {
    if is_operator() {
        return vec![VENUE];
    }
    let mut found: Vec<ParticipantId> = accounts(directory)
        .filter(|(_, owner)| acts_for(*owner))
        .map(|(account, _)| account.participant)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// As whom the caller may act, without repetition: [`VENUE`] alone for who runs it. An error
/// if there is nobody.
pub fn participants(directory: &Directory) -> Vec<ParticipantId> {
    let found = represented(directory);
    if found.is_empty() {
        raise_no_account();
    }
    found
}

/// As whom the caller tries to change an order, in turn: as itself first, which is almost
/// always right, then as whomever else it may act for.
pub fn actors(directory: &Directory) -> impl Iterator<Item = ParticipantId> {
    let itself = if is_superuser() {
        Some(VENUE)
    } else {
        first_account(directory).map(|account| account.participant)
    };
    itself.into_iter().chain(std::iter::once_with(|| represented(directory)).flatten())
}
