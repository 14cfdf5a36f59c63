//! A trader: orders of every kind for two accounts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use auditor::Testimony;
use auditor::testimony::{Ack, Attempt, Change, Entry, Order, Outcome, TapeLine, Target};
use tests::random::Random;
use venue::connection::Connection;

use super::call::Desk;
use super::orders::{self, or_null};
use super::{INSTRUMENTS, Shared};

/// Open orders above which a trader rather cancels: the replay goes through all of them with every
/// command.
const MANY_OPEN_ORDERS: usize = 12;

/// Names of orders that a trader remembers.
const MANY_NAMES: usize = 30;

pub(super) struct Trader {
    desk: Desk,
    seed: u64,
    number: usize,
    requests: u64,
    accounts: [i32; 2],
    /// Orders that are open, for all that it knows.
    open: Vec<i64>,
    /// How many orders it has named.
    names: u64,
    /// The orders with names that it placed last: their entries.
    named: Vec<usize>,
    /// The entries of orders whose answers were lost, to be asked for again.
    unanswered: Vec<usize>,
    is_bound: bool,
}

impl Trader {
    pub fn new(
        connection: Connection,
        shared: Arc<Shared>,
        seed: u64,
        number: usize,
        accounts: [i32; 2],
    ) -> Self {
        Self {
            desk: Desk::new(connection, shared),
            seed,
            number,
            requests: 0,
            accounts,
            open: Vec::new(),
            names: 0,
            named: Vec::new(),
            unanswered: Vec::new(),
            is_bound: false,
        }
    }

    pub fn testimony(&self) -> Arc<Mutex<Testimony>> {
        self.desk.share_testimony()
    }

    /// Trades as long as the gate opens. What the nth request is follows from the seed, and which
    /// of its open orders it is about.
    pub fn work(&mut self) {
        while self.desk.shared().pass_gate() {
            match self.desk.connect() {
                None => continue,
                Some(true) => self.is_bound = false,
                Some(false) => {}
            }
            if let Some(entry) = self.unanswered.pop() {
                self.ask_again(entry);
                continue;
            }
            let stream = ((self.number as u64) << 40) + self.requests;
            self.requests += 1;
            let mut random = Random::new(self.seed, stream);
            if random.per_cent(70) {
                let pause_us = random.between(0, 40_000).cast_unsigned();
                std::thread::sleep(Duration::from_micros(pause_us));
            }
            self.act(&mut random);
        }
    }

    fn act(&mut self, random: &mut Random) {
        if self.open.len() > MANY_OPEN_ORDERS {
            let many = self.open.split_off(MANY_OPEN_ORDERS / 3);
            self.cancel_many(&many);
            return;
        }
        match random.between(0, 999) {
            0..90 => self.place_many(random),
            90..540 => self.place(random),
            540..680 => self.change(random, Change::Cancel),
            680..740 => {
                let by = random.between(1, 6) * 10;
                self.change(random, Change::Reduce(by));
            }
            740..840 => {
                let change = replacement(random);
                self.change(random, change);
            }
            840..870 => self.cancel_by_name(random),
            870..890 => {
                if !self.named.is_empty() {
                    let entry = *random.pick(&self.named);
                    self.ask_again(entry);
                }
            }
            890..930 => self.read_tape(),
            930..950 => {
                let durable = random.per_cent(60);
                self.desk.set_durable(durable);
            }
            950..960 => self.bind(random),
            960..985 => {
                let half = self.open.split_off(self.open.len() / 2);
                self.cancel_many(&half);
            }
            985..998 => {
                let account = *random.pick(&self.accounts);
                let side = *random.pick(&["NULL", "'buy'", "'sell'"]);
                let symbol = random.pick(&INSTRUMENTS).0;
                let call = format!("exchange.mass_cancel({account}, '{symbol}', {side})");
                self.cancel_all(account, &call);
            }
            _ => {
                let account = *random.pick(&self.accounts);
                self.cancel_all(account, &format!("exchange.kill_switch({account})"));
            }
        }
    }

    /// A name that no other order of this trader has.
    fn name(&mut self) -> String {
        self.names += 1;
        format!("{}-{}", self.number, self.names)
    }

    fn bound_to(&self) -> Option<u64> {
        self.is_bound.then(|| self.desk.testimony().connection())
    }

    fn place(&mut self, random: &mut Random) {
        let account = *random.pick(&self.accounts);
        let mut order = orders::any(random, account, &self.open);
        order.client_order_id = random.per_cent(60).then(|| self.name());
        order.bound_to = self.bound_to();
        let attempt = self.call(&orders::call(&order));
        if let Some(entry) = self.remember(order, attempt) {
            self.unanswered.push(entry);
        }
    }

    /// Makes a call that answers with one order.
    fn call(&mut self, function: &str) -> Attempt<Ack> {
        let call = format!("SELECT {} FROM {function}", Ack::COLUMNS);
        let attempt = if function.starts_with("exchange.place_order") {
            self.desk.place(&call)
        } else {
            self.desk.call(&call)
        };
        let ack = attempt.answer().and_then(|rows| match rows.as_slice() {
            [row] => Ack::parse(row),
            _ => None,
        });
        if let (Some(rows), None) = (attempt.answer(), &ack) {
            self.desk.testimony().complain(format!("{call}\nreturned {rows:?}"));
            let Attempt { incarnation, sent, .. } = attempt;
            return Attempt { incarnation, sent, outcome: Outcome::InDoubt };
        }
        let attempt = attempt.with(|_| ack.expect("there is a row"));
        self.note(&attempt);
        attempt
    }

    /// Remembers an order; its entry, if it has a name and its answer was lost.
    fn remember(&mut self, order: Order, attempt: Attempt<Ack>) -> Option<usize> {
        let is_named = order.client_order_id.is_some();
        let (is_lost, is_answered) = (attempt.is_unanswered(), attempt.answer().is_some());
        let entry = self.desk.testimony().add(Entry::Placed { order, attempts: vec![attempt] });
        if is_named && is_answered {
            if self.named.len() >= MANY_NAMES {
                self.named.remove(0);
            }
            self.named.push(entry);
        }
        (is_named && is_lost).then_some(entry)
    }

    /// Keeps what is open.
    fn note(&mut self, attempt: &Attempt<Ack>) {
        let Some(answer) = attempt.answer() else { return };
        self.open.retain(|id| *id != answer.order_id);
        if answer.is_open() {
            self.open.push(answer.order_id);
        }
    }

    /// Sends an order with a name again: it is to be answered as it was the first time, or be
    /// entered if it never came.
    fn ask_again(&mut self, entry: usize) {
        let order = match &self.desk.testimony().entries()[entry] {
            Entry::Placed { order, .. } => order.clone(),
            _ => unreachable!("it is an order"),
        };
        let attempt = self.call(&orders::call(&order));
        if attempt.is_unanswered() {
            self.unanswered.push(entry);
        }
        self.desk.testimony().add_attempt(entry, attempt);
    }

    fn place_many(&mut self, random: &mut Random) {
        let most = if random.per_cent(3) { 300 } else { 12 };
        let length = random.between(1, most);
        let bound_to = self.bound_to();
        let mut sent = Vec::new();
        for _ in 0..length {
            let account = *random.pick(&self.accounts);
            let client_order_id = random.per_cent(30).then(|| self.name());
            sent.push(Order { client_order_id, bound_to, ..orders::limit(random, account) });
        }
        let call = format!("SELECT {} FROM {}", Ack::COLUMNS, orders::call_many(&sent));
        let attempt = self.desk.place(&call);
        let acks = attempt
            .answer()
            .map(|rows| rows.iter().filter_map(|row| Ack::parse(row)).collect::<Vec<_>>());
        if let Some(acks) = &acks
            && acks.len() != sent.len()
        {
            let (sent, got) = (sent.len(), attempt.answer());
            self.desk.testimony().complain(format!("{sent} orders were answered by {got:?}"));
            return;
        }
        for (place, order) in sent.into_iter().enumerate() {
            let attempt = attempt.with(|_| acks.as_ref().expect("it has an answer")[place].clone());
            self.note(&attempt);
            let unanswered = self.remember(order, attempt);
            // The others stay in doubt.
            self.unanswered.extend(unanswered.filter(|_| place.is_multiple_of(2)));
        }
    }

    fn change(&mut self, random: &mut Random, change: Change) {
        if self.open.is_empty() {
            return;
        }
        let id = *random.pick(&self.open);
        let call = match &change {
            Change::Cancel => format!("exchange.cancel_order({id})"),
            Change::Reduce(by) => format!("exchange.reduce_order({id}, {by})"),
            Change::Replace(price, quantity) => format!(
                "exchange.replace_order({id}, {}, {})",
                or_null(price.as_ref()),
                or_null(quantity.as_ref())
            ),
        };
        self.change_one(Target::Id(id), change, &call);
        // What became of an order that is another's by now is not heard.
        if random.per_cent(10) {
            self.open.retain(|open| *open != id);
        }
    }

    fn cancel_by_name(&mut self, random: &mut Random) {
        if self.named.is_empty() {
            return;
        }
        let entry = *random.pick(&self.named);
        let (account, name) = match &self.desk.testimony().entries()[entry] {
            Entry::Placed { order, .. } => {
                (order.account, order.client_order_id.clone().expect("it has a name"))
            }
            _ => unreachable!("it is an order"),
        };
        let call = format!("exchange.cancel_client_order('{name}', {account})");
        self.change_one(Target::Name(account, name), Change::Cancel, &call);
    }

    fn change_one(&mut self, target: Target, change: Change, call: &str) {
        let attempt = self.call(call).with(|ack| Some(ack.clone()));
        self.desk.testimony().add(Entry::Changed { target, change, attempt });
    }

    fn cancel_many(&mut self, ids: &[i64]) {
        if ids.is_empty() {
            return;
        }
        let call =
            format!("SELECT {} FROM exchange.cancel_orders(ARRAY{ids:?}::bigint[])", Ack::COLUMNS);
        let attempt = self.desk.call(&call);
        if attempt.answer().is_some_and(|rows| rows.len() != ids.len()) {
            self.desk.testimony().complain(format!("{call}\nreturned {:?}", attempt.answer()));
            return;
        }
        for (place, id) in ids.iter().enumerate() {
            // Only the id and the reason are in the row of an order that is not open.
            let attempt = attempt.with(|rows| Ack::parse(&rows[place]));
            self.desk.testimony().add(Entry::Changed {
                target: Target::Id(*id),
                change: Change::Cancel,
                attempt,
            });
        }
    }

    fn cancel_all(&mut self, account: i32, call: &str) {
        self.desk.testimony().add(Entry::CancelledAll { account: Some(account) });
        self.desk.call(&format!("SELECT {call}"));
    }

    fn read_tape(&mut self) {
        let query = format!("{} ORDER BY trade_id DESC LIMIT 20", TapeLine::QUERY);
        let attempt = self.desk.call(&query);
        let Some(answer) = attempt.answer() else { return };
        let lines = answer.iter().filter_map(|row| {
            let (trade_id, line) = row.split_once('|')?;
            Some(TapeLine { trade_id: trade_id.parse().ok()?, line: line.to_owned() })
        });
        self.desk.testimony().add(Entry::Read(lines.collect()));
    }

    /// Binds the orders that come to the connection, or not.
    fn bind(&mut self, random: &mut Random) {
        let bind = random.per_cent(70);
        let attempt = self.desk.call(&format!("SELECT exchange.cancel_on_disconnect({bind})"));
        // Where it is not known, orders may be cancelled or not: nothing is expected.
        self.is_bound = bind && attempt.answer().is_some();
    }
}

fn replacement(random: &mut Random) -> Change {
    // Of another instrument this may be off the tick, which is declined.
    let (_, tick, ..) = *random.pick(&INSTRUMENTS);
    let price = orders::price(random, tick, 30);
    let quantity = random.between(1, 40) * 10;
    match random.between(0, 2) {
        0 => Change::Replace(Some(price), None),
        1 => Change::Replace(None, Some(quantity)),
        _ => Change::Replace(Some(price), Some(quantity)),
    }
}
