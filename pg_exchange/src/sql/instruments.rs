//! A backend's own view of the directory: symbols by name, the caller's accounts.

use std::cell::RefCell;
use std::ffi::CStr;

use matcher::{
    AccountId, Instrument, InstrumentId, ParticipantId, Symbol, VENUE, maximum_quantity,
};
use pgrx::{PgSqlErrorCode, pg_sys};
use rustc_hash::FxHashMap;

use super::call::Call;
use super::submission::raise_refusal;
use crate::datum::Numeric;
use crate::errors::{quoted, raise};
use crate::numeric::NotWhole;
use crate::price::to_ticks;
use crate::shared::directory::Directory;

#[derive(Default)]
struct Known {
    generation: u64,
    instruments: Vec<Instrument>,
    by_symbol: FxHashMap<Symbol, InstrumentId>,
    /// A role and its first account.
    first_account: Option<(pg_sys::Oid, AccountId)>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

fn with_known<T>(directory: &Directory, use_it: impl FnOnce(&mut Known) -> T) -> T {
    KNOWN.with_borrow_mut(|known| {
        if known.generation != directory.generation() {
            *known = Known { generation: directory.generation(), ..Known::default() };
        }
        while (known.instruments.len() as u32) < directory.instrument_count() {
            let id = known.instruments.len() as u32 + 1;
            let instrument = directory.instrument(id).expect("below the count");
            known.by_symbol.insert(instrument.symbol, id);
            known.instruments.push(instrument);
        }
        use_it(known)
    })
}

/// The instrument of this symbol, or an error.
pub fn by_symbol(directory: &Directory, symbol: &str) -> (InstrumentId, Instrument) {
    Symbol::new(symbol)
        .and_then(|key| {
            with_known(directory, |known| {
                let id = *known.by_symbol.get(&key)?;
                Some((id, known.instruments[id as usize - 1]))
            })
        })
        .unwrap_or_else(|| {
            raise_refusal(
                matcher::Refusal::UnknownInstrument,
                format!("There is no symbol \"{symbol}\"."),
            )
        })
}

/// An instrument that an order names.
pub fn by_id(directory: &Directory, id: InstrumentId) -> Instrument {
    with_known(directory, |known| known.instruments.get(id as usize - 1).copied())
        .expect("an order's instrument is in the directory")
}

/// A price argument in ticks, or an error.
pub fn price_ticks(instrument: &Instrument, price: Numeric<'_>) -> i64 {
    let out_of_range = || -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the price is out of range",
            format!(
                "The price of {} is {}; it must be above 0 and at most {} ticks of {}.",
                instrument.symbol,
                price.text(),
                instrument.maximum_price_ticks,
                tick_text(instrument),
            ),
            format!(
                "SELECT tick_size, maximum_price FROM exchange.instruments WHERE symbol = {}; shows the range.",
                quoted(instrument.symbol.as_str())
            ),
        )
    };
    let off_tick = || -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the price is off the tick",
            format!(
                "The price of {} is {}, which is no multiple of its tick size {}.",
                instrument.symbol,
                price.text(),
                tick_text(instrument),
            ),
            format!("Round the price to a multiple of {}.", tick_text(instrument)),
        )
    };
    let ticks = match to_ticks(instrument, price) {
        Ok(ticks) => i64::try_from(ticks).unwrap_or(0),
        Err(NotWhole::Fraction) => off_tick(),
        Err(NotWhole::OutOfRange) => out_of_range(),
    };
    if !(1..=instrument.maximum_price_ticks).contains(&ticks) {
        out_of_range();
    }
    ticks
}

fn tick_text(instrument: &Instrument) -> String {
    let (digits, scale) = (instrument.tick_digits, instrument.tick_scale as usize);
    if scale == 0 {
        return digits.to_string();
    }
    let text = format!("{digits:0width$}", width = scale + 1);
    format!("{}.{}", &text[..text.len() - scale], &text[text.len() - scale..])
}

/// A quantity argument, or an error.
pub fn quantity(instrument: &Instrument, quantity: i64) -> i64 {
    let maximum = maximum_quantity(instrument.maximum_price_ticks);
    if quantity < 1 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the quantity must be above 0",
            format!("The quantity of {} is {quantity}.", instrument.symbol),
            "A sell order has a positive quantity too: give side 'sell'.",
        );
    }
    if quantity > maximum {
        raise(
            PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            "the quantity is too large",
            format!(
                "The quantity of {} is {quantity}, the largest is {maximum}.",
                instrument.symbol
            ),
            "Split the order.",
        );
    }
    if quantity % instrument.lot_size != 0 {
        raise_refusal(
            matcher::Refusal::QuantityOffLot,
            format!(
                "The quantity of {} is {quantity}, its lot size {}.",
                instrument.symbol, instrument.lot_size
            ),
        );
    }
    quantity
}

/// The current role.
fn role() -> pg_sys::Oid {
    // SAFETY: reading who this process acts as.
    unsafe { pg_sys::GetUserId() }
}

fn acts_for(owner: pg_sys::Oid) -> bool {
    // SAFETY: a look-up in the role caches.
    role() == owner || unsafe { pg_sys::has_privs_of_role(role(), owner) }
}

/// The account that the caller names, or its first one, if it may trade for it.
pub fn account(directory: &Directory, account: Option<i32>) -> AccountId {
    let Some(account) = account else {
        return first_account(directory);
    };
    let id = u32::try_from(account).unwrap_or(0);
    let Some(entry) = directory.account(id) else {
        raise_refusal(matcher::Refusal::UnknownAccount, format!("There is no account {account}."))
    };
    if !acts_for(entry.owner) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            "the account belongs to another role",
            format!("Account {account} may not be used by the role that asks."),
            "Leave account_id out to trade for your own account, or act as the owner.",
        );
    }
    id
}

fn first_account(directory: &Directory) -> AccountId {
    find_first_account(directory).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            "the role has no account",
            "An order is for an account, by default the first one of the current role.",
            format!("{} opens one.", open_account()),
        )
    })
}

fn find_first_account(directory: &Directory) -> Option<AccountId> {
    let role = role();
    with_known(directory, |known| match known.first_account {
        Some((of, account)) if of == role => Some(account),
        _ => {
            let account = (1..=directory.account_count())
                .find(|id| directory.account(*id).is_some_and(|entry| entry.owner == role))?;
            known.first_account = Some((role, account));
            Some(account)
        }
    })
}

/// The participant that the caller is, or the venue for a superuser.
pub fn participant(directory: &Directory) -> Option<ParticipantId> {
    // SAFETY: a look-up in the role caches.
    if unsafe { pg_sys::superuser_arg(role()) } {
        return Some(VENUE);
    }
    let account = find_first_account(directory)?;
    directory.account(account).map(|entry| entry.participant)
}

/// What an operator runs to give the current role an account.
fn open_account() -> String {
    // SAFETY: the name of a role that exists, as a C string.
    let name = unsafe { CStr::from_ptr(pg_sys::GetUserNameFromId(role(), false)) };
    format!("SELECT exchange.open_account({});", quoted(&name.to_string_lossy()))
}

/// All participants that the caller may act for by its memberships.
pub fn participants(directory: &Directory) -> Vec<ParticipantId> {
    let mut found = Vec::new();
    for id in 1..=directory.account_count() {
        let entry = directory.account(id).expect("below the count");
        if !found.contains(&entry.participant) && acts_for(entry.owner) {
            found.push(entry.participant);
        }
    }
    found
}

/// The instrument that the first argument, a symbol, names.
pub fn of_call(directory: &Directory, call: &Call) -> (InstrumentId, Instrument) {
    by_symbol(directory, crate::errors::required(call.argument::<&str>(0), "symbol"))
}
