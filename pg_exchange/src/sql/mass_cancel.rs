//! Cancelling many orders at once: `mass_cancel` and the kill switch.

use matcher::{Command, Outcome, ParticipantId, Refusal};
use pgrx::pg_sys::{Datum, Oid};

use super::authority;
use super::call::Call;
use super::instruments;
use super::labels;
use super::submission::{AnswerWhen, Desk, expect, raise_refusal};
use crate::errors::required;
use crate::shared::mailbox::Answer;

/// How many orders a command cancelled.
fn cancelled(answer: Answer) -> i64 {
    match expect(answer, |_| "The exchange was asked to cancel many orders.".to_owned()) {
        Outcome::Cancelled(count) => count.into(),
        other => unreachable!("a command that cancels orders came to {other:?}"),
    }
}

/// `exchange.mass_cancel`
pub fn mass_cancel(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let (account, participants) = match call.argument::<i32>(0) {
        Some(number) => {
            let account = authority::account_or_venue(directory, Some(number));
            (account.id, vec![account.participant])
        }
        None => (0, authority::participants(directory)),
    };
    let instrument =
        call.argument(1).map_or(0, |symbol| instruments::by_symbol(directory, symbol).0);
    let side = call.argument::<Oid>(2).map(labels::side_of);
    let command = |participant| Command::CancelOrders { participant, account, instrument, side };
    let commands: Vec<Command> = participants.into_iter().map(command).collect();
    let mut total = 0;
    desk.submit_all(&commands, AnswerWhen::of_session(), |_, answer| total += cancelled(answer));
    Datum::from(total)
}

/// `exchange.kill_switch`
pub fn kill_switch(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let accounts = match call.argument::<i32>(0) {
        Some(number) => vec![authority::account_or_venue(directory, Some(number))],
        None => authority::own_accounts(directory),
    };
    let commands: Vec<Command> = accounts
        .into_iter()
        .map(|account| set_kill_switch(account.id, account.participant, true))
        .collect();
    let mut total = 0;
    desk.submit_all(&commands, AnswerWhen::of_session(), |_, answer| {
        // It is pulled already, or the account is closed: either way there is no order.
        if answer.result != Err(Refusal::AccountStatus) {
            total += cancelled(answer);
        }
    });
    Datum::from(total)
}

/// `exchange.release_kill_switch`
pub fn release_kill_switch(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let number: i32 = required(call.argument(0), "account_id");
    let account = authority::existing_account(&desk.venue().shared.directory, number);
    let command = set_kill_switch(account, matcher::VENUE, false);
    if let Err(refusal) = desk.submit(&command, AnswerWhen::Projected).result {
        raise_refusal(
            refusal,
            format!("The kill switch of account {number} is not pulled, or the account is closed."),
        );
    }
    call.null()
}

fn set_kill_switch(
    account: matcher::AccountId,
    participant: ParticipantId,
    killed: bool,
) -> Command {
    Command::SetKillSwitch { account, participant, killed }
}
