//! Whether what the clients did to money, shares and trades, and what they read on the tape, is in
//! the tables.

use std::collections::{HashMap, HashSet};

use postgres::Transaction;
use rust_decimal::Decimal;

use crate::testimony::{Entry, Outcome, TapeLine, Testimony};
use crate::told;

/// Whose, of what, whether that is a symbol, and how much.
type Key = (i32, String, bool, Decimal);

pub(crate) fn findings(
    snapshot: &mut Transaction<'_>,
    testimonies: &[&Testimony],
) -> Result<Vec<String>, postgres::Error> {
    let mut findings = told("exchange.transfers:", &transfers(snapshot, testimonies)?);
    findings.extend(told("exchange.busted_trades:", &busts(snapshot, testimonies)?));
    findings.extend(told("exchange.trades:", &tape(snapshot, testimonies)?));
    Ok(findings)
}

/// Each acknowledged transfer is there once, each that is in doubt at most once, and no other.
fn transfers(
    snapshot: &mut Transaction<'_>,
    testimonies: &[&Testimony],
) -> Result<Vec<String>, postgres::Error> {
    let rows = snapshot.query(
        "SELECT account_id, coalesce(currency, symbol), symbol IS NOT NULL, trim_scale(amount)
         FROM exchange.transfers",
        &[],
    )?;
    let mut there: HashMap<Key, usize> = HashMap::new();
    for row in rows {
        *there.entry((row.get(0), row.get(1), row.get(2), row.get(3))).or_default() += 1;
    }
    let mut findings = Vec::new();
    for entry in testimonies.iter().flat_map(|testimony| testimony.entries()) {
        let Entry::Transferred { transfer, attempt } = entry else { continue };
        let amount = transfer.amount.normalize();
        let count = there
            .remove(&(transfer.account, transfer.what.clone(), transfer.shares, amount))
            .unwrap_or(0);
        let is_right = match attempt.outcome {
            // It was answered when the tables showed it.
            Outcome::Answered { .. } => count == 1,
            Outcome::NotEntered => count == 0,
            Outcome::Stands { .. } | Outcome::InDoubt => count <= 1,
        };
        if !is_right {
            findings.push(format!("{transfer:?} is there {count} times, after {attempt:?}"));
        }
    }
    findings.extend(there.into_keys().map(|key| format!("nobody asked for {key:?}")));
    Ok(findings)
}

fn busts(
    snapshot: &mut Transaction<'_>,
    testimonies: &[&Testimony],
) -> Result<Vec<String>, postgres::Error> {
    let rows = snapshot.query("SELECT trade_id FROM exchange.busted_trades", &[])?;
    let there: HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let (mut asked, mut findings) = (HashSet::new(), Vec::new());
    for entry in testimonies.iter().flat_map(|testimony| testimony.entries()) {
        let Entry::Busted { trade_id, attempt } = entry else { continue };
        match attempt.outcome {
            Outcome::NotEntered => continue,
            Outcome::Answered { .. } if !there.contains(trade_id) => {
                findings.push(format!("trade {trade_id} was cancelled, and stands"));
            }
            _ => {}
        }
        asked.insert(*trade_id);
    }
    let surplus = there.difference(&asked);
    findings
        .extend(surplus.map(|trade_id| format!("nobody asked for the end of trade {trade_id}")));
    Ok(findings)
}

/// What was once on the tape is there for ever.
fn tape(
    snapshot: &mut Transaction<'_>,
    testimonies: &[&Testimony],
) -> Result<Vec<String>, postgres::Error> {
    let rows = snapshot.query(TapeLine::QUERY, &[])?;
    let there: HashMap<i64, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut findings = Vec::new();
    for entry in testimonies.iter().flat_map(|testimony| testimony.entries()) {
        let Entry::Read(lines) = entry else { continue };
        for TapeLine { trade_id, line } in lines {
            match there.get(trade_id) {
                None => findings.push(format!("trade {trade_id} ({line}) was there, and is not")),
                Some(now) if now != line => {
                    findings.push(format!("trade {trade_id} was {line}, and is {now}"));
                }
                Some(_) => {}
            }
        }
    }
    Ok(findings)
}
