//! An auditor that knows nothing but what the clients of an exchange were told and what its
//! tables say. It has no engine, no codec and no rule of matching: see its `Cargo.toml`.
//!
//! * [`testimony`]: what one client sent, and what it was told.
//! * [`incarnations`]: the lives of a server between its restarts, and how each ended.
//! * [`rules`]: what the tables must say of each other, in SQL.
//!
//! [`audit`] holds them against each other: every acknowledged order is there exactly once and as
//! it was told; what was in doubt is there at most once; there is nothing that nobody sent; what
//! an answer said is never taken back; money and shares are conserved.
//!
//! What was answered early (`synchronous_commit = off`) may be gone after a crash of the server,
//! but only from the end: nothing that was executed before something that is still there.

pub mod incarnations;
mod orders;
pub mod rules;
mod story;
pub mod testimony;
mod transfers;

use std::fmt;

use postgres::{Client, IsolationLevel, Transaction};

pub use incarnations::Incarnations;
pub use testimony::Testimony;

/// Findings of one kind that are told in full.
const SHOWN: usize = 5;

/// What an audit looked at and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Orders in the tables.
    pub orders: usize,
    /// Trades in the tables.
    pub trades: i64,
    /// Orders that were acknowledged when they were durable.
    pub durable: usize,
    /// Orders that were acknowledged before they were durable.
    pub early: usize,
    /// Of these, those that a crash took.
    pub gone: usize,
    /// Orders whose answer was lost, and that are there.
    pub doubtful_there: usize,
    /// Orders whose answer was lost, and that are not there.
    pub doubtful_absent: usize,
    /// What is wrong; nothing, one hopes.
    pub findings: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            orders,
            trades,
            durable,
            early,
            gone,
            doubtful_there,
            doubtful_absent,
            findings,
        } = self;
        write!(
            f,
            "{orders} orders, {trades} trades; acknowledged {durable} durable and {early} early \
             ({gone} gone in crashes); in doubt {doubtful_there} there and {doubtful_absent} not: "
        )?;
        match findings.len() {
            0 => write!(f, "sound"),
            count => write!(f, "{count} findings\n{}", findings.join("\n")),
        }
    }
}

/// Audits an exchange at rest: nobody trades, the cursors have met, and nothing is due soon. The
/// client is a superuser's.
pub fn audit(
    client: &mut Client,
    incarnations: &Incarnations,
    testimonies: &[&Testimony],
) -> Result<Verdict, postgres::Error> {
    let mut snapshot = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()?;
    let verdict = audit_snapshot(&mut snapshot, incarnations, testimonies);
    snapshot.rollback()?;
    verdict
}

/// The same in a transaction that has begun; what was changed in it is looked at as if it were there.
pub fn audit_snapshot(
    snapshot: &mut Transaction<'_>,
    incarnations: &Incarnations,
    testimonies: &[&Testimony],
) -> Result<Verdict, postgres::Error> {
    let mut findings = rules::violations(snapshot)?;
    let tables = orders::Tables::read(snapshot)?;
    let mut verdict = orders::compare(&tables, incarnations, testimonies);
    findings.append(&mut verdict.findings);
    findings.extend(transfers::findings(snapshot, testimonies)?);
    verdict.trades = snapshot.query_one("SELECT count(*) FROM exchange.trades", &[])?.get(0);
    for testimony in testimonies {
        findings.extend(told("a client:", testimony.complaints()));
    }
    Ok(Verdict { findings, ..verdict })
}

/// A finding each, and how many more there are.
fn told(what: &str, findings: &[String]) -> Vec<String> {
    let shown = findings.iter().take(SHOWN).map(|finding| format!("{what} {finding}"));
    let more = findings.len().saturating_sub(SHOWN);
    shown.chain((more > 0).then(|| format!("{what} {more} more findings"))).collect()
}
