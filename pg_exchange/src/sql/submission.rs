//! The way of commands from a backend to the matcher, and of the answers back.

use std::cell::Cell;
use std::time::{Duration, Instant};

use matcher::{Command, Outcome, Refusal};
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};

use super::call::Call;
use super::terms;
use super::venue::{LONGEST_SLEEP, Venue};
use crate::errors::raise;
use crate::recovery_mode;
use crate::settings;
use crate::shared;
use crate::shared::arrivals::Arrival;
use crate::shared::control::Role;
use crate::shared::mailbox::{Answer, Mailbox, Phase};

/// When a call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerWhen {
    /// When the matcher has executed its commands.
    Matched,
    /// When they are in the journal, on disk.
    Durable,
    /// When the tables show them.
    Projected,
}

impl AnswerWhen {
    /// What the session's `synchronous_commit` asks for.
    pub fn of_session() -> Self {
        // SAFETY: reading a setting of this process.
        let level = unsafe { pg_sys::synchronous_commit };
        if level == pg_sys::SyncCommitLevel::SYNCHRONOUS_COMMIT_OFF as i32 {
            AnswerWhen::Matched
        } else {
            AnswerWhen::Durable
        }
    }
}

/// Where this backend enters commands.
pub struct Desk {
    venue: Venue,
    mailbox: Mailbox,
}

impl Desk {
    /// Checks that commands may be entered here and now.
    pub fn open(call: &Call) -> Self {
        if recovery_mode::is_standby() {
            raise(
                PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
                "orders cannot be entered on a standby",
                match recovery_mode::primary() {
                    Some((host, port)) => {
                        format!("This server follows the one at {host}, port {port}.")
                    }
                    None => "This server is in recovery, and follows no other one now.".to_owned(),
                },
                "Connect to the primary server: name all servers in the connection string, and add target_session_attrs=read-write.",
            );
        }
        // SAFETY: reading a setting of this process.
        if unsafe { pg_sys::XactReadOnly } {
            raise(
                PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
                "orders cannot be entered in a read-only transaction",
                "The transaction was begun READ ONLY, or default_transaction_read_only is on.",
                "Begin the transaction with BEGIN READ WRITE, or SET default_transaction_read_only = off.",
            );
        }
        let venue = Venue::of(call);
        let mailbox = venue.shared.mailbox(shared::own_backend_number());
        let desk = Self { venue, mailbox };
        desk.clear();
        desk
    }

    /// Where it is.
    pub fn venue(&self) -> Venue {
        self.venue
    }

    /// Makes the mailbox ours: what the call or the backend before left in it is
    /// withdrawn, or waited for where the matcher has it.
    fn clear(&self) {
        while !self.mailbox.withdraw()
            && !matches!(self.mailbox.phase(), Phase::Idle | Phase::Answered)
        {
            self.venue.check();
            pgrx::check_for_interrupts!();
            self.mailbox.bell().sleep(LONGEST_SLEEP, || self.mailbox.phase() == Phase::Answered);
        }
    }

    /// Enters one command.
    pub fn submit(&self, command: &Command, when: AnswerWhen) -> Answer {
        let mut result = None;
        self.submit_all(std::slice::from_ref(command), when, |_, answer| result = Some(answer));
        result.expect("every command is answered")
    }

    /// Enters commands, in their order, and hands out the answers in the same order.
    pub fn submit_all(
        &self,
        commands: &[Command],
        when: AnswerWhen,
        mut answered: impl FnMut(&Command, Answer),
    ) {
        let mut entered = 0;
        for batch in commands.chunks(self.mailbox.capacity()) {
            self.submit_batch(batch, when, entered);
            for (index, command) in batch.iter().enumerate() {
                answered(command, self.mailbox.answer(index));
            }
            entered += batch.len();
        }
    }

    fn submit_batch(&self, commands: &[Command], when: AnswerWhen, entered_before: usize) {
        let started = Instant::now();
        let number = self.mailbox.submit(commands, when != AnswerWhen::Matched);
        let arrival = Arrival { backend: shared::own_backend_number(), number: number as u32 };
        if !self.venue.shared.arrivals.push(arrival) {
            self.mailbox.withdraw();
            self.not_taken(entered_before);
        }
        self.venue.shared.control.worker(Role::Matcher).bell.ring();
        self.wait(started, when, entered_before);
        let statistics = self.venue.shared.statistics;
        let histogram = match when {
            AnswerWhen::Matched => &statistics.matched,
            AnswerWhen::Durable => &statistics.durable,
            AnswerWhen::Projected => {
                let last = self.mailbox.last_sequence();
                self.venue.wait_for(&self.venue.shared.control.projected, last);
                return;
            }
        };
        histogram.record(started.elapsed());
    }

    fn is_answered(&self, when: AnswerWhen) -> bool {
        let is_early =
            when == AnswerWhen::Matched || cfg!(feature = "canary-early-acknowledgement");
        self.mailbox.phase() == Phase::Answered
            && (is_early || self.venue.shared.control.durable.get() >= self.mailbox.last_sequence())
    }

    fn wait(&self, started: Instant, when: AnswerWhen, entered_before: usize) {
        let timeout = settings::order_timeout();
        if when == AnswerWhen::Matched && self.spin() {
            return;
        }
        while !self.is_answered(when) {
            self.check_interrupts();
            self.venue.check();
            let waited = started.elapsed();
            if waited >= timeout && self.mailbox.withdraw() {
                self.not_taken(entered_before);
            }
            let sleep =
                timeout.saturating_sub(waited).clamp(Duration::from_millis(1), LONGEST_SLEEP);
            self.mailbox.bell().sleep(sleep, || self.is_answered(when));
        }
    }

    /// Polls for the answer of the matcher for a moment, as long as that has paid off
    /// lately: it does where the matcher is awake on another core, and costs those who
    /// want this core where it is not. Whether the answer came.
    fn spin(&self) -> bool {
        let polls = POLLS.get();
        for _ in 0..polls {
            if self.is_answered(AnswerWhen::Matched) {
                POLLS.set((polls * 2).min(MAXIMUM_POLLS));
                return true;
            }
            std::hint::spin_loop();
        }
        POLLS.set((polls / 2).max(1));
        false
    }

    /// Ends the call where it was cancelled or terminated, and says what became of it.
    fn check_interrupts(&self) {
        // SAFETY: flags of this process, set by its signal handlers.
        let (pending, ending) = unsafe {
            (
                pg_sys::InterruptPending != 0,
                pg_sys::QueryCancelPending != 0 || pg_sys::ProcDiePending != 0,
            )
        };
        if !pending {
            return;
        }
        let withdrawn = ending && self.mailbox.withdraw();
        if ending && !withdrawn && self.mailbox.phase() != Phase::Idle {
            pgrx::pg_sys::panic::ErrorReport::new(
                PgSqlErrorCode::ERRCODE_WARNING,
                "the wait for an answer ends, the order does not",
                "",
            )
            .set_detail("The matcher has taken the order: it stands, and will be durable.")
            .set_hint("Look for it in exchange.orders.")
            .report(PgLogLevel::WARNING);
        }
        pgrx::check_for_interrupts!();
        if withdrawn {
            raise(
                PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
                "the order was withdrawn before the matcher took it",
                "",
                "",
            );
        }
    }

    fn not_taken(&self, entered_before: usize) -> ! {
        let entered = match entered_before {
            0 => "Nothing was entered.".to_owned(),
            count => format!("Of this call's orders, the first {count} were entered."),
        };
        let matcher = self.venue.shared.control.worker(Role::Matcher);
        if matcher.pid() == 0 {
            self.venue.not_running();
        }
        let control = self.venue.shared.control;
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES,
            format!(
                "the exchange did not take the order within {} ms",
                settings::order_timeout().as_millis()
            ),
            format!(
                "{entered} {} of {} slots of the ring wait to be durable, {} calls wait before it.",
                control.matched.get().saturating_sub(control.durable.get()),
                self.venue.shared.ring.capacity(),
                self.venue.shared.arrivals.len(),
            ),
            "Try again later, or raise exchange.order_timeout or exchange.ring_slots.",
        )
    }
}

/// About ten microseconds: a match, and half of what a sleep and a wake-up cost.
const MAXIMUM_POLLS: u32 = 256;

thread_local! {
    static POLLS: Cell<u32> = const { Cell::new(MAXIMUM_POLLS) };
}

impl Drop for Desk {
    /// A call that ends with an error leaves nothing that could still be taken.
    fn drop(&mut self) {
        self.mailbox.withdraw();
    }
}

/// What a command came to, or the error that a refusal is.
pub fn expect(answer: Answer, refused: impl FnOnce(Refusal) -> String) -> Outcome {
    answer.result.unwrap_or_else(|refusal| raise_refusal(refusal, refused(refusal)))
}

/// The error for a refusal; `detail` says with what value it came.
pub fn raise_refusal(refusal: Refusal, detail: String) -> ! {
    use PgSqlErrorCode::*;
    let (code, message, hint) = match refusal {
        Refusal::UnknownInstrument => (
            ERRCODE_UNDEFINED_OBJECT,
            "no such instrument",
            "SELECT symbol FROM exchange.instruments; lists them.",
        ),
        Refusal::UnknownAccount => (
            ERRCODE_UNDEFINED_OBJECT,
            "no such account",
            "SELECT exchange.open_account(); opens one.",
        ),
        Refusal::UnknownOrder => (
            ERRCODE_UNDEFINED_OBJECT,
            "no such order",
            "SELECT order_id FROM exchange.orders; lists them.",
        ),
        Refusal::NotOwner => (
            ERRCODE_INSUFFICIENT_PRIVILEGE,
            "the order belongs to another participant",
            "Act as the role that owns the order's account, or as a member of it.",
        ),
        Refusal::PriceOutOfRange => (
            ERRCODE_INVALID_PARAMETER_VALUE,
            "the price is out of range",
            "SELECT symbol, tick_size, maximum_price FROM exchange.instruments; shows the range.",
        ),
        Refusal::QuantityOutOfRange => {
            (ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "the quantity is out of range", "Split the order.")
        }
        Refusal::QuantityOffLot => (
            ERRCODE_INVALID_PARAMETER_VALUE,
            "the quantity is not a multiple of the lot size",
            "SELECT symbol, lot_size FROM exchange.instruments; shows the lot sizes.",
        ),
        Refusal::ReductionTooLarge => (
            ERRCODE_INVALID_PARAMETER_VALUE,
            "the reduction is not less than what remains of the order",
            "Use exchange.cancel_order() to take all of it away.",
        ),
        Refusal::SymbolTaken => (
            ERRCODE_DUPLICATE_OBJECT,
            "the symbol exists",
            "SELECT * FROM exchange.instruments; lists them.",
        ),
        Refusal::InstrumentOutOfRange => (
            ERRCODE_INVALID_PARAMETER_VALUE,
            "the instrument is out of range",
            "Choose a smaller lot size.",
        ),
        Refusal::TooManyInstruments => (
            ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "there are too many instruments",
            "Raise exchange.maximum_instruments and restart the server.",
        ),
        Refusal::TooManyAccounts => (
            ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "there are too many accounts",
            "Raise exchange.maximum_accounts and restart the server.",
        ),
        Refusal::MarketPhase => (
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the market is in that phase already",
            "SELECT market FROM exchange.pg_stat_exchange; shows it.",
        ),
        Refusal::Terms(fault) => terms::explain(fault),
        Refusal::UnknownParticipant => (
            ERRCODE_UNDEFINED_OBJECT,
            "the role is no participant",
            "SELECT role FROM exchange.participants; lists them; exchange.register_participant() adds one.",
        ),
        Refusal::ParticipantExists => (
            ERRCODE_DUPLICATE_OBJECT,
            "the role is a participant already",
            "SELECT * FROM exchange.participants; lists them.",
        ),
        Refusal::UnknownSchedule => (
            ERRCODE_UNDEFINED_OBJECT,
            "no such fee schedule",
            "SELECT name FROM exchange.fee_schedules; lists them; exchange.create_fee_schedule() adds one.",
        ),
        Refusal::ScheduleExists => (
            ERRCODE_DUPLICATE_OBJECT,
            "the fee schedule exists",
            "SELECT * FROM exchange.fee_schedules; lists them. A schedule never changes: choose another name.",
        ),
        Refusal::TooManySchedules => (
            ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "there are too many fee schedules",
            "SELECT * FROM exchange.fee_schedules; lists them: use one of these.",
        ),
        Refusal::UnknownCurrency => (
            ERRCODE_UNDEFINED_OBJECT,
            "no such currency",
            "SELECT currency FROM exchange.currencies; lists them; a currency comes with the first instrument that names it.",
        ),
        Refusal::TooManyCurrencies => (
            ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "there are too many currencies",
            "SELECT currency FROM exchange.currencies; lists them: use one of these.",
        ),
        Refusal::ValueOutOfRange => (
            ERRCODE_INVALID_PARAMETER_VALUE,
            "a value is out of range",
            "The comment of the function tells the range: see \\df+ exchange.* in psql.",
        ),
        Refusal::InsufficientFunds => (
            ERRCODE_CHECK_VIOLATION,
            "the account has not so much money that its open orders do not hold",
            "SELECT account_id, currency, balance, held FROM exchange.balances; shows what it has.",
        ),
        Refusal::InsufficientShares => (
            ERRCODE_CHECK_VIOLATION,
            "the account has not so many shares that its open orders do not hold",
            "SELECT account_id, symbol, quantity, held FROM exchange.holdings; shows what it has.",
        ),
        Refusal::AccountStatus => (
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the account is not in a state for that",
            "SELECT account_id, status, kill_switch FROM exchange.accounts; shows it.",
        ),
        Refusal::AccountNotEmpty => (
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the account is not empty",
            "SELECT * FROM exchange.balances; and exchange.holdings show what it has; cancel its orders, and withdraw all of it.",
        ),
        Refusal::TooManyPositions => (
            ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "there are too many positions",
            "Raise exchange.maximum_positions and restart the server.",
        ),
        Refusal::Schedule => (
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the trading day is out of order",
            "SELECT * FROM exchange.trading_days; shows the days that are known.",
        ),
        Refusal::InstrumentHalt => (
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the instrument is halted already, or is not halted",
            "SELECT symbol, phase, halted FROM exchange.instrument_states; shows it.",
        ),
        Refusal::UnknownTrade => (
            ERRCODE_UNDEFINED_OBJECT,
            "no such trade",
            "SELECT trade_id, busted_at FROM exchange.trades; lists them.",
        ),
        Refusal::NotReplaceable => (
            ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the order cannot be replaced",
            "Limit, stop_limit and pegged orders can; cancel another one, and place it anew.",
        ),
    };
    raise(code, message, detail, hint)
}
