//! The auditor: whether the tables and the boards are what the journal says, and whether both
//! are what the clients were told.
//!
//! It executes the journal by [`matcher::NaiveExchange`], keeps its own books of orders from the
//! events, and compares every row. It shares no code with the extension but the engine's types
//! and the codec.

mod boards;
mod clients;
mod names;
mod public_events;
mod replay;
pub mod reports;
mod tables;

use std::fmt;

use matcher::View;

use crate::traders::Memory;
use crate::{Session, Venue, wait_until};
pub use replay::{Replay, Replayed};

/// Differences of one kind that are told in full.
const SHOWN: usize = 5;

/// What an audit looked at and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Commands in the journal.
    pub commands: u64,
    /// Orders ever placed.
    pub orders: usize,
    /// Orders that are open.
    pub open_orders: usize,
    /// Trades ever made.
    pub trades: usize,
    /// What is wrong; nothing, one hopes.
    pub findings: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commands, orders, open_orders, trades, findings } = self;
        write!(f, "{commands} commands, {orders} orders ({open_orders} open), {trades} trades: ")?;
        match findings.len() {
            0 => write!(f, "sound"),
            count => write!(f, "{count} findings\n{}", findings.join("\n")),
        }
    }
}

/// Audits an exchange at rest: all cursors have met, see [`settle`]. The session is a
/// superuser's, and what it has changed in its transaction is looked at as if it were there.
pub fn audit(session: &mut Session, clients: &[Memory]) -> Verdict {
    let mut replay = Replay::new(session);
    audit_further(&mut replay, session, clients)
}

/// The same, by a replay that goes on from where it was at an earlier audit.
pub fn audit_further(replay: &mut Replay, session: &mut Session, clients: &[Memory]) -> Verdict {
    if let Err(damage) = replay.follow(session) {
        return Verdict { findings: vec![damage], ..Verdict::default() };
    }
    let mut findings = tables::findings(session, replay);
    findings.extend(boards::findings(session, replay));
    findings.extend(clients::findings(replay, clients));
    Verdict {
        commands: replay.exchange.counters().sequence,
        orders: replay.orders.len(),
        open_orders: replay.exchange.open_orders() as usize,
        trades: replay.trades.len(),
        findings,
    }
}

/// Waits until all workers run, nobody waits for the matcher, and the cursors have met.
#[track_caller]
pub fn settle(venue: &Venue) {
    venue.wait_until_running();
    let mut session = venue.superuser();
    wait_until("the cursors meet", || {
        session.wait_for_books();
        session.wait_for_tables();
        session.is_true(
            "SELECT submissions_waiting = 0 AND matched = ALL (ARRAY[durable, published, projected])
             FROM exchange.pg_stat_exchange",
        )
    });
}

/// Settles an exchange that nobody trades on, audits it, and panics with what is wrong.
#[track_caller]
pub fn assert_sound(venue: &Venue, clients: &[Memory]) -> Verdict {
    settle(venue);
    let verdict = audit(&mut venue.superuser(), clients);
    println!("audit: {verdict}");
    assert!(verdict.findings.is_empty(), "the audit failed: {verdict}");
    verdict
}

/// The rows that only one side has.
fn differences(what: &str, mut expected: Vec<String>, mut found: Vec<String>) -> Vec<String> {
    expected.sort_unstable();
    found.sort_unstable();
    let (mut missing, mut surplus) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (expected.into_iter().peekable(), found.into_iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(left), Some(right)) => left.cmp(right),
        };
        match order {
            std::cmp::Ordering::Less => missing.extend(left.next()),
            std::cmp::Ordering::Greater => surplus.extend(right.next()),
            std::cmp::Ordering::Equal => {
                left.next();
                right.next();
            }
        }
    }
    let mut findings = told(&format!("{what}: by the journal there should be"), &missing);
    findings.extend(told(&format!("{what}: by the journal there should not be"), &surplus));
    findings
}

/// A finding each, and how many more there are.
fn told(what: &str, rows: &[String]) -> Vec<String> {
    let shown = rows.iter().take(SHOWN).map(|row| format!("{what} {row}"));
    let more = rows.len().saturating_sub(SHOWN);
    shown.chain((more > 0).then(|| format!("{what} {more} more rows"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_compared_with_their_number() {
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        assert!(differences("t", rows(&["b", "a", "b"]), rows(&["a", "b", "b"])).is_empty());
        let found = differences("t", rows(&["a", "b"]), rows(&["b", "b"]));
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with("should be a") && found[1].ends_with("should not be b"));
    }
}
