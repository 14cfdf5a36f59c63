//! Participants and accounts: who they are, whether they may trade, and what they have.

use std::ffi::CStr;

use matcher::{AccountId, AccountStatus, Command, CurrencyId, Outcome, RoleName};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use super::authority;
use super::call::Call;
use super::instruments;
use super::submission::{AnswerWhen, Desk, expect, raise_refusal};
use crate::datum::{Numeric, text};
use crate::errors::{quoted, raise, required};
use crate::money;
use crate::relation::{Relation, Row};
use crate::shared::directory::Directory;

/// The role that a call names, and its OID; or an error.
pub fn role(name: &CStr) -> (RoleName, Oid) {
    // SAFETY: a look-up by a C string.
    let role = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
    let name = name.to_string_lossy();
    match RoleName::new(&name).filter(|_| role != pg_sys::InvalidOid) {
        Some(name) => (name, role),
        None => raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("role \"{name}\" does not exist"),
            "Participants and owners of accounts are roles of this server.",
            format!("CREATE ROLE \"{}\" LOGIN; creates it.", name.replace('"', "\"\"")),
        ),
    }
}

/// The account that an argument names, whoever owns it; or an error.
pub fn account(directory: &Directory, call: &Call, place: usize) -> AccountId {
    authority::existing_account(directory, required(call.argument(place), "account_id"))
}

/// The currency that an argument names, or an error.
pub fn currency(directory: &Directory, call: &Call, place: usize) -> CurrencyId {
    let code: &str = required(call.argument(place), "currency");
    directory.find_currency(code).unwrap_or_else(|| {
        raise_refusal(matcher::Refusal::UnknownCurrency, format!("There is no currency '{code}'."))
    })
}

/// `exchange.register_participant`
pub fn register_participant(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let (name, role) = role(required(call.argument(0), "role"));
    let command = Command::RegisterParticipant { role: name };
    let answer = desk.submit(&command, AnswerWhen::Projected);
    match expect(answer, |_| format!("The role is \"{name}\".")) {
        Outcome::Participant(id) => {
            desk.venue().shared.directory.set_participant_role(id, role);
            Datum::from(id)
        }
        other => unreachable!("register_participant came to {other:?}"),
    }
}

/// `exchange.open_account`
pub fn open_account(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let (owner, role) = role(required(call.argument(0), "owner"));
    let answer = desk.submit(&Command::OpenAccount { owner }, AnswerWhen::Projected);
    match expect(answer, |_| format!("The owner is \"{owner}\".")) {
        Outcome::Account(id) => {
            desk.venue().shared.directory.set_owner(id, role);
            Datum::from(id)
        }
        other => unreachable!("open_account came to {other:?}"),
    }
}

fn set_status(call: Call, status: AccountStatus) -> Datum {
    let desk = Desk::open(&call);
    let account = account(&desk.venue().shared.directory, &call, 0);
    let answer = desk.submit(&Command::SetAccountStatus { account, status }, AnswerWhen::Projected);
    expect(answer, |_| format!("The account is {account}."));
    call.null()
}

/// `exchange.verify_account`
pub fn verify_account(call: Call) -> Datum {
    set_status(call, AccountStatus::Verified)
}

/// `exchange.suspend_account`
pub fn suspend_account(call: Call) -> Datum {
    set_status(call, AccountStatus::Suspended)
}

/// `exchange.close_account`
pub fn close_account(call: Call) -> Datum {
    set_status(call, AccountStatus::Closed)
}

/// Which way something goes.
#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

impl Way {
    fn signed<T: std::ops::Neg<Output = T>>(self, amount: T) -> T {
        match self {
            Way::In => amount,
            Way::Out => -amount,
        }
    }
}

/// Moves money, and returns the balance that the table then shows.
fn transfer_cash(call: Call, way: Way) -> Datum {
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let account = account(directory, &call, 0);
    let currency = currency(directory, &call, 1);
    let given: Numeric<'_> = required(call.argument(2), "amount");
    let amount = way.signed(money::positive_amount("amount", given));
    let command = Command::TransferCash { account, currency, amount };
    let answer = desk.submit(&command, AnswerWhen::Projected);
    expect(answer, |_| format!("The account is {account}, the amount {}.", given.text()));
    let code: &str = required(call.argument(1), "currency");
    let row = find::<CASH_COLUMNS>("cash", account, code);
    row[2].unwrap_or_else(|| money::to_numeric(0))
}

/// The columns of `exchange.cash`: account, currency, balance, credit limit.
const CASH_COLUMNS: usize = 4;
/// The columns of `exchange.positions`: account, symbol, quantity, and more.
const POSITION_COLUMNS: usize = 9;

/// The row of an account and a text in a table whose primary key they are; empty if there
/// is none.
fn find<const N: usize>(table: &str, account: AccountId, key: &str) -> [Option<Datum>; N] {
    let keys = [(pg_sys::F_INT4EQ, Datum::from(account)), (pg_sys::F_TEXTEQ, text(key))];
    let found = Relation::open(table, pg_sys::AccessShareLock)
        .and_then(|relation| relation.find(&format!("{table}_pkey"), &keys));
    found.map_or([None; N], |(_, Row(columns))| columns)
}

/// `exchange.deposit`
pub fn deposit(call: Call) -> Datum {
    transfer_cash(call, Way::In)
}

/// `exchange.withdraw`
pub fn withdraw(call: Call) -> Datum {
    transfer_cash(call, Way::Out)
}

/// Moves shares, and returns the position that the table then shows.
fn transfer_shares(call: Call, way: Way) -> Datum {
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let account = account(directory, &call, 0);
    let (id, instrument) = instruments::of_argument(directory, &call, 1);
    let quantity: i64 = required(call.argument(2), "quantity");
    if quantity < 1 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the quantity must be above 0",
            format!("The quantity of {} is {quantity}.", instrument.symbol),
            "Use exchange.deposit_shares() for shares that come, and exchange.withdraw_shares() for shares that leave.",
        );
    }
    let command =
        Command::TransferShares { account, instrument: id, quantity: way.signed(quantity) };
    let answer = desk.submit(&command, AnswerWhen::Projected);
    let symbol = instrument.symbol;
    expect(answer, |_| {
        format!("The account is {account}, the quantity {quantity} of {}.", quoted(symbol.as_str()))
    });
    let row = find::<POSITION_COLUMNS>("positions", account, symbol.as_str());
    row[2].unwrap_or(Datum::from(0_i64))
}

/// `exchange.deposit_shares`
pub fn deposit_shares(call: Call) -> Datum {
    transfer_shares(call, Way::In)
}

/// `exchange.withdraw_shares`
pub fn withdraw_shares(call: Call) -> Datum {
    transfer_shares(call, Way::Out)
}
