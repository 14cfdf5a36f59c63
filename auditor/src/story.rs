//! Whether what a client was told of its orders, one answer after the other, goes together, and
//! ends as the tables have it.

use std::collections::{HashMap, HashSet};

use rust_decimal::Decimal;

use crate::orders::{Horizons, Row, Tables};
use crate::testimony::{Ack, Attempt, Change, Entry, Order, Outcome, Target, Testimony};

/// The average price of an answer is told to so many decimals.
const AVERAGE_DECIMALS: u32 = 12;

/// Where a client was told something that cannot be. Of the accounts of `all_cancelled` (`None`: of all)
/// somebody asked for the end of orders, whichever these were.
pub(crate) fn findings(
    tables: &Tables,
    horizons: &Horizons<'_>,
    all_cancelled: &HashSet<Option<i32>>,
    testimony: &Testimony,
) -> Vec<String> {
    let mut reader =
        Reader { tables, horizons, all_cancelled, orders: HashMap::new(), findings: Vec::new() };
    for entry in testimony.entries() {
        reader.read(entry);
    }
    reader.finish();
    reader.findings
}

/// Where an order stood when it was last told of.
#[derive(Clone, Debug)]
struct Standing {
    status: String,
    quantity: i64,
    filled: i64,
    remaining: i64,
    average_price: Option<Decimal>,
    cancel_reason: Option<String>,
}

impl Standing {
    fn of(ack: &Ack) -> Self {
        Self {
            status: ack.status.clone(),
            quantity: ack.quantity,
            filled: ack.filled,
            remaining: ack.remaining,
            average_price: ack.average_price,
            cancel_reason: ack.cancel_reason.clone(),
        }
    }

    fn of_row(row: &Row) -> Self {
        let average = (row.filled > 0)
            .then(|| (row.turnover / Decimal::from(row.filled)).round_dp(AVERAGE_DECIMALS));
        Self {
            status: row.status.clone(),
            quantity: row.quantity,
            filled: row.filled,
            remaining: row.remaining,
            average_price: average.map(|average| average.normalize()),
            cancel_reason: row.cancel_reason.clone(),
        }
    }

    fn is_open(&self) -> bool {
        ["open", "partially_filled"].contains(&self.status.as_str())
    }

    /// Whether an order that stood like `earlier` may stand so later. Only a replacement makes an
    /// order larger.
    fn follows(&self, earlier: &Self, may_grow: bool) -> bool {
        if !earlier.is_open() {
            return self.is_same(earlier);
        }
        let quantities = match self.status.as_str() {
            "open" => self.filled == 0 && self.remaining == self.quantity,
            "partially_filled" => {
                self.filled > 0
                    && self.remaining > 0
                    && self.filled + self.remaining == self.quantity
            }
            "filled" => self.filled == self.quantity && self.remaining == 0,
            "cancelled" | "expired" => self.remaining == 0,
            _ => false,
        };
        quantities
            && self.filled >= earlier.filled
            && (may_grow || self.quantity <= earlier.quantity)
    }

    fn is_same(&self, other: &Self) -> bool {
        // Two ways to divide may differ in the last place.
        let unit = Decimal::new(2, AVERAGE_DECIMALS);
        let same_average = match (self.average_price, other.average_price) {
            (Some(left), Some(right)) => (left - right).abs() <= unit,
            (left, right) => left == right,
        };
        same_average
            && self.status == other.status
            && self.quantity == other.quantity
            && self.filled == other.filled
            && self.remaining == other.remaining
            && self.cancel_reason == other.cancel_reason
    }
}

/// What is known of one order.
struct Told<'a> {
    sent: &'a Order,
    /// The last answer that must hold.
    firm: Option<Standing>,
    /// The last answer, and of which life of the server it was.
    last: Option<(usize, Standing)>,
    /// The limits that it may have now; empty where the exchange may choose them.
    prices: Vec<Decimal>,
    /// All that it has ever had.
    ever: Vec<Decimal>,
    /// Whether a replacement since the last firm answer may have made it larger.
    may_grow: bool,
    /// Whether its client asked for its end.
    end_asked: bool,
}

impl<'a> Told<'a> {
    fn new(sent: &'a Order) -> Self {
        let prices: Vec<Decimal> =
            sent.price.filter(|_| !sent.has_own_price()).into_iter().collect();
        let ever = prices.clone();
        Self { sent, firm: None, last: None, prices, ever, may_grow: false, end_asked: false }
    }
}

struct Reader<'a> {
    tables: &'a Tables,
    horizons: &'a Horizons<'a>,
    all_cancelled: &'a HashSet<Option<i32>>,
    orders: HashMap<i64, Told<'a>>,
    findings: Vec<String>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, entry: &'a Entry) {
        match entry {
            Entry::Placed { order, attempts } => self.read_placed(order, attempts),
            Entry::Changed { target, change, attempt } => {
                self.read_changed(target, change, attempt);
            }
            Entry::CancelledAll { .. }
            | Entry::Transferred { .. }
            | Entry::Busted { .. }
            | Entry::Read(_) => {}
        }
    }

    fn read_placed(&mut self, order: &'a Order, attempts: &[Attempt<Ack>]) {
        let mut is_first = true;
        for attempt in attempts {
            let Outcome::Answered { answer, durable, received } = &attempt.outcome else {
                continue;
            };
            self.check_answer(order, answer);
            // What is gone with a crash is another order's id by now.
            if self.tables.of(answer).is_none() {
                continue;
            }
            let told = self.orders.entry(answer.order_id).or_insert_with(|| Told::new(order));
            // A repeated answer tells how it was, not how it is.
            if std::mem::take(&mut is_first) {
                let standing = Standing::of(answer);
                if self.horizons.binds(attempt.incarnation, *durable, *received) {
                    told.firm = Some(standing.clone());
                }
                told.last = Some((attempt.incarnation, standing));
            }
        }
        if is_first
            && let Some(name) = &order.client_order_id
            && let Some(row) = self.tables.named(order.account, name)
        {
            self.orders.entry(row.order_id).or_insert_with(|| Told::new(order));
        }
    }

    /// Whether an answer is about the order that was sent.
    fn check_answer(&mut self, sent: &Order, ack: &Ack) {
        let is_declined = ack.status == "rejected";
        let same = ack.account == sent.account
            && ack.symbol == sent.symbol
            && ack.side == sent.side
            && ack.order_type == sent.order_type
            && ack.time_in_force == sent.understood_time_in_force()
            && ack.client_order_id == sent.client_order_id
            && (sent.has_own_price() || ack.price == sent.price)
            && ack.quantity <= sent.quantity
            && is_declined == ack.reject_reason.is_some();
        if !same {
            self.findings.push(format!("{sent:?} was answered by {ack:?}"));
        }
    }

    fn read_changed(&mut self, target: &Target, change: &Change, attempt: &Attempt<Option<Ack>>) {
        let id = match (&attempt.outcome, target) {
            (Outcome::Answered { answer: Some(ack), .. }, _) => Some(ack.order_id),
            (_, Target::Id(id)) => Some(*id),
            (_, target) => self.tables.target(target).map(|row| row.order_id),
        };
        // An order of which nothing was told, or that a crash took.
        let Some(told) = id.and_then(|id| self.orders.get_mut(&id)) else { return };
        if attempt.outcome == Outcome::NotEntered {
            return;
        }
        let (id, may_have_grown) = (id.unwrap_or_default(), told.may_grow);
        match change {
            Change::Cancel => told.end_asked = true,
            Change::Reduce(_) => {}
            Change::Replace(price, quantity) => {
                if !told.prices.is_empty() {
                    told.prices.extend(price);
                    told.ever.extend(price);
                }
                told.may_grow |= quantity.is_some();
                // Not above what has traded: it is cancelled.
                told.end_asked = true;
            }
        }
        let Outcome::Answered { answer, durable, received } = &attempt.outcome else { return };
        let binds = self.horizons.binds(attempt.incarnation, *durable, *received);
        let Some(ack) = answer else {
            // Told among many that it is not open: by whoever had not heard of the end of it, so
            // this holds only with the end.
            if self.tables.get(id).is_some_and(Row::is_open) && binds {
                self.findings.push(format!("order {id} was said to be finished"));
            }
            return;
        };
        let standing = Standing::of(ack);
        let earlier = match &told.last {
            Some((incarnation, last)) if *incarnation == attempt.incarnation => Some(last),
            _ => told.firm.as_ref(),
        };
        let may_grow = told.may_grow || may_have_grown;
        if let Some(earlier) = earlier
            && !standing.follows(earlier, may_grow)
        {
            self.findings.push(format!("order {id} was {earlier:?} and then {standing:?}"));
        }
        if ack.reject_reason.is_none()
            && let Some(wrong) = unkept(change, ack, earlier, told.sent)
        {
            self.findings.push(format!("order {id}: {wrong}: {ack:?}"));
        }
        if binds {
            if !told.prices.is_empty()
                && let Some(price) = ack.price
            {
                if !told.prices.contains(&price) {
                    self.findings
                        .push(format!("order {id} has a price that it was never given: {ack:?}"));
                }
                told.prices = vec![price];
            }
            told.may_grow = false;
            told.firm = Some(standing.clone());
        }
        told.last = Some((attempt.incarnation, standing));
    }

    /// Holds the end of every story against the tables.
    fn finish(&mut self) {
        for (id, told) in &self.orders {
            let Some(row) = self.tables.get(*id) else { continue };
            let standing = Standing::of_row(row);
            // In this life, everything was told for good.
            let last = match &told.last {
                Some((life, last)) if self.horizons.binds(*life, false, u64::MAX) => Some(last),
                _ => told.firm.as_ref(),
            };
            if let Some(last) = last
                && !standing.follows(last, told.may_grow)
            {
                self.findings
                    .push(format!("order {id} was said to be {last:?} and is {standing:?}"));
            }
            if let Some(price) = row.price
                && !told.prices.is_empty()
                && !told.prices.contains(&price)
            {
                self.findings
                    .push(format!("order {id} has the price {price}, not {:?}", told.prices));
            }
            if let Some(worst) = row.worst_price.map(|worst| worst.normalize())
                && !is_within(told, worst)
            {
                self.findings.push(format!("order {id} traded at {worst}, with {:?}", told.ever));
            }
            let asked = told.end_asked
                || self.all_cancelled.contains(&Some(row.account))
                || self.all_cancelled.contains(&None);
            if row.cancel_reason.as_deref() == Some("requested") && !asked {
                self.findings.push(format!("nobody asked for the end of order {id}: {row:?}"));
            }
        }
    }
}

/// Whether a price is not worse than the worst limit that an order ever had.
fn is_within(told: &Told<'_>, price: Decimal) -> bool {
    match told.sent.side {
        "buy" => told.ever.iter().max().is_none_or(|limit| price <= *limit),
        _ => told.ever.iter().min().is_none_or(|limit| price >= *limit),
    }
}

/// What a change that was granted did not do.
fn unkept(
    change: &Change,
    ack: &Ack,
    earlier: Option<&Standing>,
    sent: &Order,
) -> Option<&'static str> {
    match change {
        Change::Cancel if ack.is_open() => Some("it was cancelled and is open"),
        Change::Reduce(by) => {
            let most = earlier.map_or(i64::MAX, |earlier| earlier.quantity);
            (ack.quantity > most - by).then_some("it was reduced and is not smaller")
        }
        Change::Replace(price, quantity) if ack.is_open() => {
            if !sent.has_own_price() && price.is_some_and(|price| ack.price != Some(price)) {
                Some("it was given another price and has not that")
            } else if quantity.is_some_and(|quantity| ack.quantity > quantity) {
                Some("it was given another quantity and has more")
            } else {
                None
            }
        }
        Change::Cancel | Change::Replace(..) => None,
    }
}
