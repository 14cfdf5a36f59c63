//! What stops the market: something is wrong that only a person can judge.

use matcher::Sequence;

use super::Post;

/// What is wrong, and what an operator can do.
#[derive(Debug)]
pub struct Fault {
    /// What happened, with what value.
    pub reason: String,
    /// What to do then.
    pub remedy: String,
}

/// The last step of every remedy.
const GO_ON: &str = "then SELECT exchange.restart_workers();";

impl Fault {
    /// The row of the journal that begins with this command is not what it was.
    pub fn of_row(first_sequence: Sequence, what: impl std::fmt::Display) -> Self {
        Self {
            reason: format!("the journal row of command {first_sequence} is damaged: {what}"),
            remedy: format!(
                "Put back the row WHERE first_sequence = {first_sequence} of exchange.journal from a \
                 standby or a backup, as docs/recovery.md shows, {GO_ON}"
            ),
        }
    }

    /// The journal has no row with this command.
    pub fn of_missing_row(sequence: Sequence, what: impl std::fmt::Display) -> Self {
        Self {
            reason: format!("the journal has no row for command {sequence}: {what}"),
            remedy: format!(
                "Put back the rows WHERE last_sequence >= {sequence} of exchange.journal from a standby \
                 or a backup, as docs/recovery.md shows, {GO_ON}"
            ),
        }
    }

    /// The tables cannot be the engine.
    pub fn of_tables(reason: String) -> Self {
        let remedy = format!(
            "Undo what was changed by hand, or recover the database to a moment before, as \
             docs/recovery.md shows, {GO_ON}"
        );
        Self { reason, remedy }
    }

    /// What is in the journal comes to something else than it did.
    pub fn of_replay(first_sequence: Sequence, what: impl std::fmt::Display) -> Self {
        Self {
            reason: format!(
                "the journal row of command {first_sequence} cannot be executed again: {what}"
            ),
            remedy: format!(
                "The row, or a table that was changed by hand, is not what it was. Compare exchange.journal \
                 WHERE first_sequence = {first_sequence} with a standby or a backup and put it back, or \
                 recover the database to a moment before, as docs/recovery.md shows, {GO_ON}"
            ),
        }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        let remedy = format!("See the server log and docs/recovery.md, {GO_ON}");
        Self { reason, remedy }
    }
}

impl Post {
    /// What a worker came to; anything wrong stops the market.
    pub fn or_halt<T>(&self, result: Result<T, Fault>) -> T {
        result.unwrap_or_else(|fault| self.halt(&fault))
    }
}
