//! Whether every order is there that should be, once, as it was told, and no other.

use std::collections::{BTreeMap, HashMap, HashSet};

use postgres::Transaction;
use rust_decimal::Decimal;

use crate::incarnations::{End, Incarnations};
use crate::story;
use crate::testimony::{Ack, Attempt, Entry, Order, Outcome, Target, Testimony};
use crate::{Verdict, told};

/// A row of `exchange.orders`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub order_id: i64,
    pub account: i32,
    pub symbol: String,
    pub side: String,
    pub order_type: String,
    pub time_in_force: String,
    pub status: String,
    pub reject_reason: Option<String>,
    pub cancel_reason: Option<String>,
    pub price: Option<Decimal>,
    pub quantity: i64,
    pub filled: i64,
    pub remaining: i64,
    pub turnover: Decimal,
    pub client_order_id: Option<String>,
    pub created_at_us: i64,
    pub trail: Option<Decimal>,
    pub minimum_quantity: Option<i64>,
    pub display_quantity: Option<i64>,
    pub hidden: bool,
    pub all_or_none: bool,
    pub post_only: Option<String>,
    pub peg: Option<String>,
    pub stop_trigger: Option<String>,
    pub expire_at_us: Option<i64>,
    pub self_trade_prevention: String,
    /// The worst price at which it has traded.
    pub worst_price: Option<Decimal>,
}

impl Row {
    pub fn is_open(&self) -> bool {
        ["open", "partially_filled"].contains(&self.status.as_str())
    }

    /// Whether this is the order that an answer is about: after a crash an id that was not durable
    /// is given to another order.
    fn is_of(&self, ack: &Ack) -> bool {
        self.created_at_us == ack.created_at_us
            && self.account == ack.account
            && self.symbol == ack.symbol
            && self.side == ack.side
            && self.order_type == ack.order_type
            && self.time_in_force == ack.time_in_force
            && self.client_order_id == ack.client_order_id
    }

    /// Which of its terms are not those that were sent, of those that nothing changes.
    fn difference(&self, sent: &Order) -> Option<String> {
        let post_only = self.post_only.as_deref().unwrap_or("no");
        let has_stop = ["stop", "stop_limit"].contains(&sent.order_type);
        let wrong = |what: &str, sent: String, found: String| {
            (sent != found).then(|| format!("{what} was sent as {sent} and is {found}"))
        };
        let text = |text: Option<&str>| text.unwrap_or("none").to_owned();
        let number = |number: Option<i64>| format!("{number:?}");
        None.or_else(|| wrong("account", sent.account.to_string(), self.account.to_string()))
            .or_else(|| wrong("symbol", sent.symbol.clone(), self.symbol.clone()))
            .or_else(|| wrong("side", sent.side.to_owned(), self.side.clone()))
            .or_else(|| wrong("order_type", sent.order_type.to_owned(), self.order_type.clone()))
            .or_else(|| {
                let sent = sent.understood_time_in_force().to_owned();
                wrong("time_in_force", sent, self.time_in_force.clone())
            })
            .or_else(|| {
                let sent = text(sent.client_order_id.as_deref());
                wrong("client_order_id", sent, text(self.client_order_id.as_deref()))
            })
            .or_else(|| wrong("post_only", sent.post_only.to_owned(), post_only.to_owned()))
            .or_else(|| {
                wrong("all_or_none", sent.all_or_none.to_string(), self.all_or_none.to_string())
            })
            .or_else(|| wrong("hidden", sent.hidden.to_string(), self.hidden.to_string()))
            .or_else(|| {
                let found = number(self.minimum_quantity);
                wrong("minimum_quantity", number(sent.minimum_quantity), found)
            })
            .or_else(|| {
                let found = number(self.display_quantity);
                wrong("display_quantity", number(sent.display_quantity), found)
            })
            .or_else(|| wrong("peg", text(sent.peg), text(self.peg.as_deref())))
            .or_else(|| {
                let sent = text(has_stop.then_some(sent.stop_trigger));
                let found = self.stop_trigger.as_deref().filter(|_| has_stop);
                wrong("stop_trigger", sent, text(found))
            })
            .or_else(|| wrong("expire_at", number(sent.expire_at_us), number(self.expire_at_us)))
            .or_else(|| {
                let (sent, found) = (format!("{:?}", sent.trail), format!("{:?}", self.trail));
                wrong("trail", sent, found)
            })
            .or_else(|| {
                let found = self.self_trade_prevention.clone();
                wrong("self_trade_prevention", sent.self_trade_prevention.to_owned(), found)
            })
    }
}

/// The tables of orders.
pub(crate) struct Tables {
    rows: BTreeMap<i64, Row>,
    /// Orders by account and name.
    by_name: HashMap<(i32, String), Vec<i64>>,
    /// Ids that are there more than once.
    doubled: Vec<i64>,
}

impl Tables {
    pub fn read(snapshot: &mut Transaction<'_>) -> Result<Self, postgres::Error> {
        let found = snapshot.query(
            "SELECT o.order_id, o.account_id, o.symbol, o.side::text, o.order_type::text,
                    o.time_in_force::text, o.status::text, o.reject_reason::text,
                    o.cancel_reason::text, trim_scale(o.price), o.quantity, o.filled_quantity,
                    o.remaining_quantity, o.turnover, o.client_order_id,
                    (extract(epoch FROM o.created_at) * 1000000)::bigint - 946684800000000,
                    trim_scale(o.trail), o.minimum_quantity, o.display_quantity, o.hidden,
                    o.all_or_none, o.post_only::text, o.peg::text, o.stop_trigger::text,
                    (extract(epoch FROM o.expire_at) * 1000000)::bigint - 946684800000000,
                    o.self_trade_prevention::text,
                    CASE o.side WHEN 'buy' THEN e.highest ELSE e.lowest END
             FROM exchange.orders AS o
             LEFT JOIN (SELECT order_id, max(price) AS highest, min(price) AS lowest
                        FROM exchange.executions GROUP BY order_id) AS e USING (order_id)",
            &[],
        )?;
        let mut tables =
            Self { rows: BTreeMap::new(), by_name: HashMap::new(), doubled: Vec::new() };
        for row in found {
            let row = Row {
                order_id: row.get(0),
                account: row.get(1),
                symbol: row.get(2),
                side: row.get(3),
                order_type: row.get(4),
                time_in_force: row.get(5),
                status: row.get(6),
                reject_reason: row.get(7),
                cancel_reason: row.get(8),
                price: row.get(9),
                quantity: row.get(10),
                filled: row.get(11),
                remaining: row.get(12),
                turnover: row.get(13),
                client_order_id: row.get(14),
                created_at_us: row.get(15),
                trail: row.get(16),
                minimum_quantity: row.get(17),
                display_quantity: row.get(18),
                hidden: row.get(19),
                all_or_none: row.get(20),
                post_only: row.get(21),
                peg: row.get(22),
                stop_trigger: row.get(23),
                expire_at_us: row.get(24),
                self_trade_prevention: row.get(25),
                worst_price: row.get(26),
            };
            let id = row.order_id;
            if let Some(name) = &row.client_order_id {
                tables.by_name.entry((row.account, name.clone())).or_default().push(id);
            }
            if tables.rows.insert(id, row).is_some() {
                tables.doubled.push(id);
            }
        }
        Ok(tables)
    }

    pub fn get(&self, id: i64) -> Option<&Row> {
        self.rows.get(&id)
    }

    /// The order that an account named so, if it is there.
    pub fn named(&self, account: i32, name: &str) -> Option<&Row> {
        let ids = self.by_name.get(&(account, name.to_owned()))?;
        self.get(*ids.first()?)
    }

    /// The order that is to be changed, if it is there.
    pub fn target(&self, target: &Target) -> Option<&Row> {
        match target {
            Target::Id(id) => self.get(*id),
            Target::Name(account, name) => self.named(*account, name),
        }
    }

    /// The order that an answer is about, if it is there.
    pub fn of(&self, ack: &Ack) -> Option<&Row> {
        self.get(ack.order_id).filter(|row| row.is_of(ack))
    }
}

/// For each life of the server, the last moment up to which everything that was answered must hold:
/// something that was sent after is durable.
pub(crate) struct Horizons<'a> {
    incarnations: &'a Incarnations,
    sent: Vec<u64>,
}

impl<'a> Horizons<'a> {
    fn new(tables: &Tables, incarnations: &'a Incarnations, testimonies: &[&Testimony]) -> Self {
        let mut horizons = Self { incarnations, sent: vec![0; incarnations.count()] };
        for entry in testimonies.iter().flat_map(|testimony| testimony.entries()) {
            match entry {
                Entry::Placed { attempts, .. } => {
                    for (number, attempt) in attempts.iter().enumerate() {
                        let Outcome::Answered { answer, durable, .. } = &attempt.outcome else {
                            continue;
                        };
                        if *durable || number == 0 && tables.of(answer).is_some() {
                            horizons.note(attempt);
                        }
                    }
                }
                Entry::Changed { attempt, .. } => {
                    // What was declined as not open may rest on what is not durable.
                    if let Outcome::Answered { answer: Some(ack), durable: true, .. } =
                        &attempt.outcome
                        && ack.reject_reason.is_none()
                    {
                        horizons.note(attempt);
                    }
                }
                Entry::Transferred { attempt, .. } | Entry::Busted { attempt, .. } => {
                    if matches!(attempt.outcome, Outcome::Answered { .. }) {
                        horizons.note(attempt);
                    }
                }
                Entry::CancelledAll { .. } | Entry::Read(_) => {}
            }
        }
        horizons
    }

    fn note<T>(&mut self, attempt: &Attempt<T>) {
        let sent = &mut self.sent[attempt.incarnation];
        *sent = (*sent).max(attempt.sent);
    }

    /// Whether what was answered then must hold for ever.
    pub fn binds(&self, incarnation: usize, durable: bool, received: u64) -> bool {
        durable
            || self.incarnations.end(incarnation) != End::Crashed
            || received < self.sent[incarnation]
    }
}

/// Holds the tables against what the clients were told.
pub(crate) fn compare(
    tables: &Tables,
    incarnations: &Incarnations,
    testimonies: &[&Testimony],
) -> Verdict {
    let horizons = Horizons::new(tables, incarnations, testimonies);
    let entries = testimonies.iter().flat_map(|testimony| testimony.entries());
    let all_cancelled: HashSet<Option<i32>> = entries
        .filter_map(|entry| match entry {
            Entry::CancelledAll { account } => Some(*account),
            _ => None,
        })
        .collect();
    let mut comparison = Comparison {
        tables,
        horizons: &horizons,
        claimed: HashMap::new(),
        last_there: vec![0; incarnations.count()],
        first_gone: vec![i64::MAX; incarnations.count()],
        verdict: Verdict { orders: tables.rows.len(), ..Verdict::default() },
    };
    comparison.check_doubled();
    for (number, testimony) in testimonies.iter().enumerate() {
        let mut findings = comparison.check_acknowledged(number, testimony);
        findings.extend(comparison.check_doubtful(number, testimony));
        findings.extend(story::findings(tables, &horizons, &all_cancelled, testimony));
        comparison.verdict.findings.extend(told(&format!("client {number}:"), &findings));
    }
    comparison.check_unclaimed();
    comparison.check_gone();
    comparison.verdict
}

struct Comparison<'a> {
    tables: &'a Tables,
    horizons: &'a Horizons<'a>,
    /// Whose the orders of the tables are.
    claimed: HashMap<i64, usize>,
    /// For each life of the server, the last acknowledged order that is there, and the first one
    /// that is gone.
    last_there: Vec<i64>,
    first_gone: Vec<i64>,
    verdict: Verdict,
}

impl<'a> Comparison<'a> {
    fn check_doubled(&mut self) {
        let mut findings = Vec::new();
        for id in &self.tables.doubled {
            findings.push(format!("order {id} is there more than once"));
        }
        for ((account, name), ids) in &self.tables.by_name {
            if ids.len() > 1 {
                findings.push(format!("account {account} has orders {ids:?} named {name}"));
            }
        }
        findings.sort();
        self.verdict.findings.extend(told("exchange.orders:", &findings));
    }

    /// Every acknowledged order is there, or may be gone.
    fn check_acknowledged(&mut self, client: usize, testimony: &Testimony) -> Vec<String> {
        let mut findings = Vec::new();
        for entry in testimony.entries() {
            let Entry::Placed { order, attempts } = entry else { continue };
            let mut first: Option<&Ack> = None;
            for (number, attempt) in attempts.iter().enumerate() {
                let Outcome::Answered { answer, durable, received } = &attempt.outcome else {
                    continue;
                };
                if *durable {
                    self.verdict.durable += 1
                } else {
                    self.verdict.early += 1
                }
                let id = answer.order_id;
                let Some(row) = self.tables.of(answer) else {
                    if self.horizons.binds(attempt.incarnation, *durable, *received) {
                        findings.push(format!("order {id} is lost: {answer:?}"));
                    } else {
                        self.verdict.gone += 1;
                        if number == 0 {
                            let gone = &mut self.first_gone[attempt.incarnation];
                            *gone = (*gone).min(id);
                        }
                    }
                    continue;
                };
                if number == 0 {
                    let there = &mut self.last_there[attempt.incarnation];
                    *there = (*there).max(id);
                }
                match self.claimed.insert(id, client) {
                    Some(other) if other != client => {
                        findings.push(format!("order {id} was given to client {other} too"))
                    }
                    Some(_) if first.is_none() => {
                        findings.push(format!("order {id} was given for another order too"));
                    }
                    _ => {}
                }
                if let Some(difference) = row.difference(order) {
                    findings.push(format!("order {id}: {difference}"));
                }
                match first {
                    None => first = Some(answer),
                    Some(first) if first != answer => findings.push(format!(
                        "asked again, the answer was another: {first:?}, and then {answer:?}"
                    )),
                    Some(_) => {}
                }
            }
        }
        findings
    }

    /// Every order whose answer was lost is there once or not at all.
    fn check_doubtful(&mut self, client: usize, testimony: &Testimony) -> Vec<String> {
        let mut findings = Vec::new();
        let mut unnamed = Vec::new();
        let mut accounts = HashSet::new();
        for entry in testimony.entries() {
            let Entry::Placed { order, attempts } = entry else { continue };
            accounts.insert(order.account);
            let is_there = attempts.iter().any(|attempt| match &attempt.outcome {
                Outcome::Answered { answer, .. } => self.tables.of(answer).is_some(),
                _ => false,
            });
            if is_there {
                continue;
            }
            // What a crash took may have been acknowledged; a later attempt may have entered it.
            let must = attempts.iter().any(|attempt| match attempt.outcome {
                Outcome::Stands { received } => {
                    self.horizons.binds(attempt.incarnation, false, received)
                }
                _ => false,
            });
            let may = must
                || attempts.iter().any(|attempt| {
                    matches!(attempt.outcome, Outcome::InDoubt | Outcome::Stands { .. })
                });
            let Some(name) = &order.client_order_id else {
                if may {
                    unnamed.push((order, must));
                }
                continue;
            };
            match self.tables.named(order.account, name) {
                Some(row) if may => {
                    let id = row.order_id;
                    self.claimed.insert(id, client);
                    self.verdict.doubtful_there += 1;
                    let difference = row.difference(order);
                    findings.extend(difference.map(|wrong| format!("order {id}: {wrong}")));
                }
                // It is found as one that nobody sent.
                Some(_) => {}
                None if must => findings.push(format!("it stands, they said: {order:?} is lost")),
                None => self.verdict.doubtful_absent += usize::from(may),
            }
        }
        self.match_unnamed(client, &accounts, unnamed, &mut findings);
        findings
    }

    /// Orders without a name and without an answer are known by their terms alone.
    fn match_unnamed(
        &mut self,
        client: usize,
        accounts: &HashSet<i32>,
        mut sent: Vec<(&Order, bool)>,
        findings: &mut Vec<String>,
    ) {
        let mut rows: Vec<&Row> = self
            .tables
            .rows
            .values()
            .filter(|row| {
                accounts.contains(&row.account)
                    && row.client_order_id.is_none()
                    && !self.claimed.contains_key(&row.order_id)
            })
            .collect();
        // An order may have become smaller: the largest have the least choice.
        rows.sort_by_key(|row| std::cmp::Reverse(row.quantity));
        // Of those that would do, first those that must be there, then the smallest.
        sent.sort_by_key(|(order, must)| (!must, order.quantity));
        for row in rows {
            let fits = |order: &Order| {
                row.difference(order).is_none()
                    && row.quantity <= order.quantity
                    && (order.has_own_price() || order.price == row.price)
            };
            if let Some(place) = sent.iter().position(|(order, _)| fits(order)) {
                sent.remove(place);
                self.claimed.insert(row.order_id, client);
                self.verdict.doubtful_there += 1;
            }
        }
        for (order, must) in sent {
            if must {
                findings.push(format!("it stands, they said: {order:?} is lost"));
            } else {
                self.verdict.doubtful_absent += 1;
            }
        }
    }

    fn check_unclaimed(&mut self) {
        let unclaimed =
            self.tables.rows.values().filter(|row| !self.claimed.contains_key(&row.order_id));
        let findings: Vec<String> =
            unclaimed.map(|row| format!("nobody sent this, or not so often: {row:?}")).collect();
        self.verdict.findings.extend(told("exchange.orders:", &findings));
    }

    /// Only the end of a life may be gone.
    fn check_gone(&mut self) {
        for (incarnation, (there, gone)) in self.last_there.iter().zip(&self.first_gone).enumerate()
        {
            if gone < there {
                self.verdict.findings.push(format!(
                    "of life {incarnation} of the server order {gone} is gone, and order {there}, \
                     which came after it, is there"
                ));
            }
        }
    }
}
