//! A long stream of commands of every kind, from several roles at once, while workers are
//! terminated and sessions end: at its end every table is what the naive exchange makes of the
//! journal. Once by a simulated clock, over many days of the calendar, and once by the real one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;

use tests::audit;
use tests::random::{Random, seed};
use tests::venues::{WORKERS, fund};
use tests::{Session, Venue, processes, wait_until};
use venue::cluster::{DATABASE, SUPERUSER};
use venue::connection::Connection;

/// The environment variable that says how many commands there are to be.
const COMMANDS_VARIABLE: &str = "PG_EXCHANGE_COMMANDS";
const COMMANDS: u64 = 60_000;

/// Roles that trade, each with two accounts, and three that cannot trade.
const ROLES: u64 = 4;

/// Symbol, tick size, lot size, highest price and currency. The small range of prices is for the
/// naive exchange, which looks at each of them in every auction.
const INSTRUMENTS: [(&str, &str, i64, &str, &str); 3] = [
    ("ALFA", "0.01", 1, "20", "USD"),
    ("BRAVO", "0.25", 10, "500", "USD"),
    ("CHARLIE", "0.005", 1, "10", "EUR"),
];

/// Prices lie around so many ticks.
const MIDDLE: i64 = 1_000;

/// Open orders of one role above which it rather cancels: the naive exchange goes through all of
/// them with every command.
const MANY_OPEN_ORDERS: usize = 25;

/// Bounds of the venue that are soon reached.
const TIGHT: [(&str, &str); 4] = [
    ("exchange.client_order_window", "3000"),
    ("exchange.maximum_open_orders", "80"),
    ("exchange.maximum_price_levels", "64"),
    ("exchange.maximum_positions", "25"),
];

/// What happens to those who ask at random: a value out of range or terms that do not go together,
/// nothing of that name, another's order, more than there is, more orders than the rate limit
/// allows, no room for a position, not in this state.
const HARMLESS: [&str; 7] = ["22023", "42704", "42501", "23514", "53400", "54000", "55000"];

/// Calls that are mistakes whatever the state of the exchange is, and what is said to them.
const MISTAKES: [(&str, &str); 10] = [
    ("place_order('ALFA', 'buy', 10, NULL)", "22004"),
    ("place_order('ALFA', 'buy', NULL, 10)", "22004"),
    ("place_order('ALFA', 'buy', 10, 9000000000000000000)", "22003"),
    ("place_order('ALFA', 'buy', 10, 0)", "22023"),
    ("place_order('ALFA', 'buy', 20.01, 10)", "22023"),
    ("place_order('BRAVO', 'sell', 250, 15)", "22023"),
    ("place_order('ALFA', 'buy', 10, 10, 'IOC', post_only => 'slide')", "22023"),
    ("place_order('DELTA', 'buy', 10, 10)", "42704"),
    ("place_orders(ARRAY['ALFA', 'ALFA'], '{buy}', '{10}', '{10}')", "2202E"),
    ("cancel_order(9000000000000000000)", "42704"),
];

fn commands() -> u64 {
    std::env::var(COMMANDS_VARIABLE).map_or(COMMANDS, |text| {
        text.parse().unwrap_or_else(|_| panic!("{COMMANDS_VARIABLE} is no number: {text}"))
    })
}

/// What all who take part share.
struct Progress {
    /// How many commands there are to be.
    wanted: u64,
    /// How many the exchange has executed.
    matched: AtomicU64,
    clock: Clock,
}

/// By what the exchange tells the time.
enum Clock {
    /// The operating system's.
    Real,
    /// One that the operator moves: microseconds since 2000-01-01 UTC.
    Simulated(AtomicI64),
}

impl Clock {
    /// The time so many microseconds from now, in SQL.
    fn in_us(&self, distance_us: i64) -> String {
        match self {
            Self::Real => format!("clock_timestamp() + {distance_us} * interval '1 us'"),
            Self::Simulated(now_us) => {
                let time_us = now_us.load(Ordering::Relaxed) + distance_us;
                format!("timestamptz '2000-01-01 00:00Z' + {time_us} * interval '1 us'")
            }
        }
    }

    /// A time so short that much of what ends then ends while orders are traded.
    fn moment_us(&self) -> i64 {
        match self {
            Self::Real => 5_000,
            Self::Simulated(_) => 60_000_000,
        }
    }
}

impl Progress {
    fn is_over(&self) -> bool {
        self.matched() >= self.wanted
    }

    fn matched(&self) -> u64 {
        self.matched.load(Ordering::Relaxed)
    }
}

/// A session whose calls wait as long as it takes a worker to come back.
fn patient(connection: &Connection) -> Session {
    let mut session = Session::connect(connection);
    session.run("SET exchange.order_timeout = '60s'");
    session
}

/// Runs a call that may be declined; its rows, if it was not.
fn attempt(session: &mut Session, call: &str) -> Option<Vec<String>> {
    match session.try_rows(call) {
        Ok(rows) => Some(rows),
        Err(failure) => {
            assert!(HARMLESS.contains(&&*failure.code), "{call}\n{failure}");
            None
        }
    }
}

/// Somebody who sends orders of every kind for two accounts, and now and then for others.
struct Trader {
    connection: Connection,
    session: Session,
    random: Random,
    progress: Arc<Progress>,
    accounts: [i64; 2],
    /// Accounts that cannot trade: not verified, closed, and without money and shares.
    useless: [i64; 3],
    open: Vec<i64>,
    names: i64,
}

impl Trader {
    /// Trades until there are enough commands. The session lives on: its end is a command too.
    fn trade(mut self) -> Self {
        while !self.progress.is_over() {
            self.act();
            let matched = self.session.number("SELECT exchange.wait_for('matched')");
            self.progress.matched.fetch_max(matched.unsigned_abs(), Ordering::Relaxed);
        }
        self
    }

    fn act(&mut self) {
        if self.open.len() > MANY_OPEN_ORDERS {
            let many = self.open.split_off(MANY_OPEN_ORDERS / 3);
            let call =
                format!("SELECT order_id FROM exchange.cancel_orders(ARRAY{many:?}::bigint[])");
            self.session.rows(&call);
            return;
        }
        match self.random.between(0, 999) {
            0..100 => self.place_many(),
            100..550 => {
                let arguments = self.order();
                self.ask(&format!("place_order({arguments})"));
            }
            550..690 => self.change("cancel_order({})"),
            690..695 => self.meddle(),
            695..699 => self.err(),
            699 => self.come_back(),
            700..780 => {
                let by = self.random.between(1, 6) * 10;
                self.change(&format!("reduce_order({{}}, {by})"));
            }
            780..930 => {
                let change = self.replacement();
                self.change(&format!("replace_order({{}}, {change})"));
            }
            930..960 => {
                let (name, account) = (self.name(), self.account());
                self.ask(&format!("cancel_client_order({name}, {account})"));
            }
            960..970 => {
                let durability = if self.random.per_cent(50) { "on" } else { "off" };
                self.session.run(&format!("SET synchronous_commit = {durability}"));
            }
            970..972 => {
                let account = self.account();
                attempt(&mut self.session, &format!("SELECT exchange.kill_switch({account})"));
            }
            _ => {
                let side = *self.random.pick(&["NULL", "'buy'", "'sell'"]);
                let (symbol, account) = (self.random.pick(&INSTRUMENTS).0, self.account());
                let call = format!("SELECT exchange.mass_cancel({account}, '{symbol}', {side})");
                attempt(&mut self.session, &call);
            }
        }
    }

    /// Tries to cancel what may be another's, or is no order.
    fn meddle(&mut self) {
        let Some(own) = self.open.last() else { return };
        let id = own + self.random.between(-20, 20);
        let call = self.random.pick(&["cancel_order({})", "cancel_orders(ARRAY[{}])"]);
        self.ask(&call.replace("{}", &format!("{id}::bigint")));
    }

    fn err(&mut self) {
        let (call, code) = *self.random.pick(&MISTAKES);
        let failure = self.session.failure(&format!("SELECT * FROM exchange.{call}"));
        assert!(failure.code == code || failure.code == "53400", "{call}\n{failure}");
    }

    /// Disconnects, and connects again with orders that are bound to the session, or not.
    fn come_back(&mut self) {
        let pid = self.session.pid();
        self.session = patient(&self.connection);
        wait_until("the old session is gone", || !processes::is_alive(pid));
        let bind = self.random.per_cent(70);
        self.session.run(&format!("SELECT exchange.cancel_on_disconnect({bind})"));
    }

    fn account(&mut self) -> i64 {
        let accounts: &[i64] = if self.random.per_cent(2) { &self.useless } else { &self.accounts };
        *self.random.pick(accounts)
    }

    /// A name that was used not long ago, or a new one.
    fn name(&mut self) -> String {
        self.names += i64::from(self.random.per_cent(70));
        let back = self.random.between(0, 3);
        format!("'order {}'", self.names - back)
    }

    /// Calls a function that answers with orders, and keeps those that are open.
    fn ask(&mut self, call: &str) {
        let query = format!("SELECT order_id, status FROM exchange.{call}");
        for answer in attempt(&mut self.session, &query).into_iter().flatten() {
            let (id, status) = answer.split_once('|').expect("there are two columns");
            let id = id.parse().expect("an id is a number");
            if ["open", "partially_filled"].contains(&status) {
                if !self.open.contains(&id) {
                    self.open.push(id);
                }
            } else {
                self.open.retain(|open| *open != id);
            }
        }
    }

    /// Changes one of the orders that were open when they were last heard of.
    fn change(&mut self, call: &str) {
        if !self.open.is_empty() {
            let id = self.random.pick(&self.open).to_string();
            self.ask(&call.replace("{}", &id));
        }
    }

    fn replacement(&mut self) -> String {
        // Of another instrument this may be off the tick, which is declined.
        let (_, tick, ..) = *self.random.pick(&INSTRUMENTS);
        let price = format!("price => {}", self.price(tick, 30));
        let quantity = format!("quantity => {}", self.random.between(1, 40) * 10);
        match self.random.between(0, 2) {
            0 => price,
            1 => quantity,
            _ => format!("{price}, {quantity}"),
        }
    }

    fn price(&mut self, tick: &str, away: i64) -> String {
        format!("{} * {tick}", MIDDLE + self.random.between(-away, away))
    }

    fn place_many(&mut self) {
        let most = if self.random.per_cent(10) { 500 } else { 60 };
        let length = self.random.between(1, most);
        let mut columns: [Vec<String>; 7] = Default::default();
        for _ in 0..length {
            let (symbol, tick, ..) = *self.random.pick(&INSTRUMENTS);
            let name = if self.random.per_cent(20) { self.name() } else { "NULL".to_owned() };
            let order = [
                format!("'{symbol}'"),
                format!("'{}'", self.random.pick(&["buy", "sell"])),
                self.price(tick, 15),
                (self.random.between(1, 40) * 10).to_string(),
                format!("'{}'", self.random.pick(&["GTC", "IOC", "IOC", "IOC", "FOK", "DAY"])),
                self.account().to_string(),
                name,
            ];
            columns.iter_mut().zip(order).for_each(|(column, value)| column.push(value));
        }
        let [symbols, sides, prices, quantities, times, accounts, names] =
            columns.map(|column| format!("ARRAY[{}]", column.join(", ")));
        self.ask(&format!(
            "place_orders({symbols}, {sides}::exchange.side[], {prices}, {quantities},
                          {times}::exchange.time_in_force[], {accounts}, {names}::text[])"
        ));
    }

    /// The arguments of one order of any kind.
    fn order(&mut self) -> String {
        let (symbol, tick, ..) = *self.random.pick(&INSTRUMENTS);
        let (side, account) = (*self.random.pick(&["buy", "sell"]), self.account());
        let quantity = self.random.between(1, 40) * 10;
        let away = if self.random.per_cent(3) { 120 } else { 25 };
        let price = self.price(tick, away);
        let (order_type, price, time_in_force, terms) = self.kind(tick, price, quantity);
        let mode = *self.random.pick(&[
            "cancel_newest",
            "cancel_oldest",
            "cancel_both",
            "decrement",
            "allow",
        ]);
        let mut arguments = format!(
            "'{symbol}', '{side}', {price}, {quantity}, '{time_in_force}', {account},
             order_type => '{order_type}', self_trade_prevention => '{mode}'{terms}"
        );
        if self.random.per_cent(20) {
            arguments += &format!(", client_order_id => {}", self.name());
        }
        if self.random.per_cent(15) && !self.open.is_empty() {
            let other = self.random.pick(&self.open);
            arguments += &format!(", one_cancels_other => {other}");
        }
        arguments
    }

    /// Order type, price, time in force and the terms that go with them.
    fn kind(
        &mut self,
        tick: &str,
        price: String,
        quantity: i64,
    ) -> (&'static str, String, &'static str, String) {
        let part = self.random.between(1, quantity / 10) * 10;
        let stays = *self.random.pick(&["GTC", "GTC", "DAY"]);
        let stop = format!(", stop_price => {}", self.price(tick, 25));
        let trigger =
            format!(", stop_trigger => '{}'", self.random.pick(&["last_trade", "best_quote"]));
        let none = String::new();
        let or_null = if self.random.per_cent(70) { "NULL".to_owned() } else { price.clone() };
        match self.random.between(0, 99) {
            0..30 => {
                let time = *self.random.pick(&["GTC", "GTC", "IOC", "FOK", "DAY"]);
                ("limit", price, time, none)
            }
            30..40 => ("market", or_null, *self.random.pick(&["GTC", "IOC", "FOK"]), none),
            40..43 => ("market", or_null, "IOC", format!(", minimum_quantity => {part}")),
            43..49 => ("stop", or_null, stays, stop + &trigger),
            49..56 => ("stop_limit", price, stays, stop + &trigger),
            56..62 => {
                let trail = format!(", trail => {} * {tick}", self.random.between(1, 15));
                ("trailing_stop", or_null, stays, trail)
            }
            62..70 => {
                let peg = *self.random.pick(&["best_bid", "best_ask", "midpoint"]);
                ("pegged", price, stays, format!(", peg => '{peg}'"))
            }
            70..76 => {
                let post_only = *self.random.pick(&["reject", "slide"]);
                ("limit", price, stays, format!(", post_only => '{post_only}'"))
            }
            76..82 => ("limit", price, stays, format!(", display_quantity => {part}")),
            82..87 => ("limit", price, stays, ", hidden => true".to_owned()),
            87..92 => ("limit", price, stays, ", all_or_none => true".to_owned()),
            92..95 => ("limit", price, stays, format!(", minimum_quantity => {part}")),
            _ => {
                let clock = &self.progress.clock;
                let moment_us = clock.moment_us();
                let end = clock.in_us(self.random.between(-moment_us / 20, moment_us * 4));
                ("limit", price, "GTD", format!(", expire_at => {end}"))
            }
        }
    }
}

/// Whoever runs the venue, and the clock.
struct Operator {
    session: Session,
    random: Random,
    progress: Arc<Progress>,
    accounts: i64,
    /// In which phases instruments were seen.
    phases: BTreeSet<String>,
}

impl Operator {
    /// Operates until there are enough commands, and returns the phases of instruments seen.
    fn operate(mut self) -> BTreeSet<String> {
        while !self.progress.is_over() {
            let next = self.progress.matched() + 30;
            wait_until("the traders go on", || {
                self.progress.matched() >= next || self.progress.is_over()
            });
            let call = self.call();
            attempt(&mut self.session, &call);
            self.phases.extend(self.session.rows("SELECT phase FROM exchange.quotes()"));
            if self.random.per_cent(50) {
                self.set_right();
            }
            self.advance();
        }
        self.phases
    }

    /// Lets everybody trade again.
    fn set_right(&mut self) {
        self.session.run(
            "SELECT exchange.resume_instrument(symbol) FROM exchange.instrument_states WHERE halted;
             SELECT exchange.verify_account(account_id) FROM exchange.accounts
             WHERE status = 'suspended'",
        );
        attempt(
            &mut self.session,
            "SELECT exchange.release_kill_switch(account_id) FROM exchange.accounts
             WHERE kill_switch",
        );
        // The simulated clock comes to the next day, and opens the market by the calendar.
        if matches!(self.progress.clock, Clock::Real) {
            self.session.run(
                "SELECT exchange.open_market() FROM exchange.pg_stat_exchange
                 WHERE market = 'closed'",
            );
        }
    }

    /// Moves a simulated clock: mostly by moments, to the next phase, and over the night.
    fn advance(&mut self) {
        let Clock::Simulated(now_us) = &self.progress.clock else { return };
        let until = match self.random.between(0, 99) {
            0..75 => self.random.between(1, 5_000_000),
            75..97 => self.random.between(1, 300_000_000),
            _ => self.random.between(1, 7_200_000_000),
        };
        let market = self.session.one("SELECT market FROM exchange.pg_stat_exchange");
        let to_next_phase = if market == "continuous" { 5 } else { 40 };
        let until = if self.random.per_cent(to_next_phase) {
            "(SELECT next_phase_at FROM exchange.pg_stat_exchange)".to_owned()
        } else {
            self.progress.clock.in_us(until)
        };
        let moved = self.session.number(&format!(
            "SELECT (extract(epoch FROM exchange.advance_clock(coalesce({until}, {}))) * 1000000)::bigint
                    - 946684800000000",
            self.progress.clock.in_us(3_600_000_000)
        ));
        now_us.store(moved, Ordering::Relaxed);
    }

    /// Something that only the venue may do.
    fn call(&mut self) -> String {
        let account = self.random.between(1, self.accounts);
        let (symbol, tick, _, _, currency) = *self.random.pick(&INSTRUMENTS);
        let amount = format!("{}.000000001", self.random.between(1, 5_000));
        let few = self.random.between(1, 500);
        let price = format!("{} * {tick}", MIDDLE + self.random.between(-10, 10));
        let or_null = |random: &mut Random, value: String| {
            if random.per_cent(60) { "NULL".to_owned() } else { value }
        };
        let call = match self.random.between(0, 99) {
            0..8 => format!("deposit({account}, '{currency}', {amount})"),
            8..14 => format!("withdraw({account}, '{currency}', {amount})"),
            14..20 => format!("deposit_shares({account}, '{symbol}', {few})"),
            20..26 => format!("withdraw_shares({account}, '{symbol}', {few})"),
            26..32 => {
                let name = *self.random.pick(&["NULL", "'rebate'", "'dear'", "'even'"]);
                format!("set_fee_schedule({account}, {name})")
            }
            32..36 => format!("set_credit_limit({account}, '{currency}', {amount})"),
            36..40 => format!("set_short_limit({account}, '{symbol}', {few})"),
            40..46 => {
                let account = or_null(&mut self.random, account.to_string());
                let quantity = or_null(&mut self.random, (few + 100).to_string());
                let value = or_null(&mut self.random, format!("{few} * 50"));
                let daily = or_null(&mut self.random, format!("{few} * 100"));
                let open = or_null(&mut self.random, (few / 50 + 5).to_string());
                format!(
                    "set_risk_limits({account}, '{symbol}', {quantity}, {value},
                                     {daily}, {daily}, {daily} * 12, {daily} * 12, {open})"
                )
            }
            46 => {
                format!("set_risk_limits({account}, order_value => {few} * 500, open_orders => 9)")
            }
            47..49 => format!("set_risk_limits({account})"),
            49..53 => format!("set_risk_limits({account}, '{symbol}')"),
            53..56 => format!("set_risk_limits(NULL, '{symbol}')"),
            56..61 => {
                let collar = or_null(&mut self.random, "0.06".to_owned());
                let band = or_null(&mut self.random, "0.012".to_owned());
                let halt_us = self.progress.clock.moment_us();
                format!(
                    "set_price_rules('{symbol}', {collar}, {band}, {halt_us} * interval '1 us', 0.02)"
                )
            }
            61..64 => format!("set_reference_price('{symbol}', {price})"),
            64..67 => format!("halt_instrument('{symbol}')"),
            67..69 => "halt_instrument()".to_owned(),
            69..75 => "resume_instrument()".to_owned(),
            75..78 => format!("suspend_account({account})"),
            78..84 => format!("verify_account({account})"),
            84..90 => format!("release_kill_switch({account})"),
            90..93 => {
                let chosen = "(SELECT coalesce(max(trade_id), 0) FROM exchange.trades)";
                format!("bust_trade({chosen} - {few} / 50)")
            }
            93..95 => "close_market()".to_owned(),
            95 => "open_market()".to_owned(),
            96 => {
                let rate = or_null(&mut self.random, "20000".to_owned());
                format!("set_rate_limit('mixed_{}', {rate}, {rate} / 50)", account % 4)
            }
            97 => {
                let side = *self.random.pick(&["NULL", "'buy'", "'sell'"]);
                format!("mass_cancel(symbol => '{symbol}', side => {side})")
            }
            _ => {
                let worker = self.random.pick(&WORKERS);
                return format!(
                    "SELECT pg_terminate_backend(pid) FROM exchange.workers
                     WHERE worker = '{worker}' AND pid IS NOT NULL"
                );
            }
        };
        format!("SELECT exchange.{call}")
    }
}

/// A venue with instruments, and by what it tells the time. Where that is simulated it trades by
/// the calendar, and it is the morning of a day.
fn venue(is_simulated: bool) -> (Venue, Clock) {
    let switch = if is_simulated { "on" } else { "off" };
    let mut settings = TIGHT.to_vec();
    settings.extend([("exchange.simulated_clock", switch), ("exchange.calendar", switch)]);
    let venue = Venue::start(&settings);
    let mut superuser = venue.superuser();
    for (symbol, tick, lot, highest, currency) in INSTRUMENTS {
        superuser.run(&format!(
            "SELECT exchange.create_instrument('{symbol}', {tick}, {lot}, {highest}, '{currency}')"
        ));
    }
    superuser.run(
        "SELECT exchange.create_fee_schedule('rebate', -0.0002, 0.0003);
         SELECT exchange.create_fee_schedule('dear', 0.01, 0.02, 0.005);
         SELECT exchange.create_fee_schedule('even', 0.000001, 0.000001)",
    );
    if !is_simulated {
        return (venue, Clock::Real);
    }
    let time_us = superuser.number(
        "SELECT (extract(epoch FROM exchange.advance_clock('2026-11-24 09:00 America/New_York'))
                 * 1000000)::bigint - 946684800000000",
    );
    (venue, Clock::Simulated(AtomicI64::new(time_us)))
}

/// Creates the roles and their accounts: of each role a rich one, which pays much or is paid for its
/// trades to begin with, and one that has little and owes soon.
fn open_accounts(superuser: &mut Session) -> Vec<(String, [i64; 2])> {
    let mut seats = Vec::new();
    for number in 0..ROLES {
        let role = format!("mixed_{number}");
        superuser.run(&format!("CREATE ROLE {role} LOGIN; GRANT exchange_trader TO {role}"));
        let [rich, poor] = [(); 2].map(|()| open_account(superuser, &role));
        superuser.run(&format!(
            "SELECT exchange.verify_account({rich}), exchange.verify_account({poor})"
        ));
        fund(superuser, &format!("account_id = {rich}"), "true");
        let schedule = if number % 2 == 0 { "rebate" } else { "dear" };
        superuser.run(&format!("SELECT exchange.set_fee_schedule({rich}, '{schedule}')"));
        superuser.run(&format!(
            "SELECT exchange.deposit({poor}, 'USD', 30000), exchange.deposit({poor}, 'EUR', 9000),
                    exchange.deposit_shares({poor}, 'ALFA', 2000)"
        ));
        seats.push((role, [rich, poor]));
    }
    seats
}

fn open_account(superuser: &mut Session, role: &str) -> i64 {
    superuser.number(&format!("SELECT exchange.open_account('{role}')"))
}

/// Opens the accounts of a role that cannot trade.
fn open_useless_accounts(superuser: &mut Session, role: &str) -> [i64; 3] {
    let accounts = [(); 3].map(|()| open_account(superuser, role));
    let [_, closed, empty] = accounts;
    superuser
        .run(&format!("SELECT exchange.close_account({closed}), exchange.verify_account({empty})"));
    accounts
}

/// Trades so many commands; the venue, the phases in which the operator saw instruments, and the
/// traders, whose sessions are still there. Meanwhile `watch` is called again and again.
fn trade(
    is_simulated: bool,
    wanted: u64,
    watch: Option<&mut dyn FnMut(&mut Session)>,
) -> (Venue, BTreeSet<String>, Vec<Trader>) {
    let seed = seed();
    let (venue, clock) = venue(is_simulated);
    let progress = Arc::new(Progress { wanted, matched: AtomicU64::new(0), clock });
    let connection = |role: &str| venue.cluster().connection(DATABASE, role);
    let mut superuser = venue.superuser();
    let seats = open_accounts(&mut superuser);
    let operator = Operator {
        session: patient(&connection(SUPERUSER)),
        random: Random::new(seed, ROLES),
        progress: Arc::clone(&progress),
        accounts: superuser.number("SELECT max(account_id) FROM exchange.accounts"),
        phases: BTreeSet::new(),
    };
    let traders: Vec<Trader> = (0..)
        .zip(seats)
        .map(|(number, (role, accounts))| Trader {
            connection: connection(&role),
            session: patient(&connection(&role)),
            random: Random::new(seed, number),
            progress: Arc::clone(&progress),
            accounts,
            useless: open_useless_accounts(&mut superuser, &role),
            open: Vec::new(),
            names: 10,
        })
        .collect();
    let traders: Vec<_> =
        traders.into_iter().map(|trader| std::thread::spawn(|| trader.trade())).collect();
    let operator = std::thread::spawn(|| operator.operate());
    if let Some(watch) = watch {
        while !progress.is_over() && !operator.is_finished() {
            watch(&mut superuser);
        }
    }
    let phases = joined(operator);
    let traders = traders.into_iter().map(joined).collect();
    // Busts are rare, and by chance there was none.
    superuser.wait_for_tables();
    superuser.run(
        "SELECT exchange.bust_trade(max(trade_id)) FROM exchange.trades
         HAVING NOT bool_or(busted_at IS NOT NULL)",
    );
    (venue, phases, traders)
}

/// A venue that traded orders of every kind over days of a simulated clock, which now stands still.
/// Its roles are `mixed_0` and so on.
pub fn traded_venue(commands: u64) -> Venue {
    let (venue, _, traders) = trade(true, commands, None);
    drop(traders);
    venue
}

/// The same, and while it trades `watch` is called again and again by the superuser.
pub fn watched_venue(commands: u64, mut watch: impl FnMut(&mut Session)) -> Venue {
    let (venue, _, traders) = trade(true, commands, Some(&mut watch));
    drop(traders);
    venue
}

/// Trades and audits; the phases in which the operator saw instruments.
fn trade_and_audit(is_simulated: bool) -> BTreeSet<String> {
    let (venue, phases, traders) = trade(is_simulated, commands(), None);
    let mut superuser = venue.superuser();
    if !is_simulated {
        come_to_rest(&mut superuser);
    }
    let verdict = audit::assert_sound(&venue, &[]);
    assert!(verdict.commands >= commands(), "{verdict}");
    assert_worth_looking_at(&mut superuser, if is_simulated { 2 } else { 1 });
    // The tables are all that the next start has, and it sees the same exchange in them; but
    // orders that are bound to a session end with the server.
    drop(traders);
    venue.restart();
    audit::assert_sound(&venue, &[]);
    assert_eq!(venue.worker_complaints_since(0), [""; 0]);
    phases
}

/// Waits until nothing happens any more by itself. Price bands could begin a halt whenever one
/// ends.
fn come_to_rest(superuser: &mut Session) {
    superuser.run("SELECT exchange.set_price_rules(symbol) FROM exchange.instruments");
    wait_until("nothing is due any more", || {
        superuser.wait_for_tables();
        superuser.is_true(
            "SELECT NOT EXISTS (SELECT FROM exchange.open_orders WHERE expire_at IS NOT NULL)
                AND NOT EXISTS (SELECT FROM exchange.instrument_states
                                WHERE halt_until IS NOT NULL)",
        )
    });
}

fn joined<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[test]
fn days_of_a_simulated_clock_end_in_the_tables_of_the_oracle() {
    let phases = trade_and_audit(true);
    println!("phases: {phases:?}");
    assert_eq!(phases.len(), 6, "{phases:?}");
}

#[test]
fn a_stream_by_the_real_clock_ends_in_the_tables_of_the_oracle() {
    let phases = trade_and_audit(false);
    println!("phases: {phases:?}");
    // Without the calendar there are four at the most, and halts of a moment may escape notice.
    assert!(phases.len() >= 3, "{phases:?}");
}

/// Whether everything happened that can, on so many days or more.
fn assert_worth_looking_at(session: &mut Session, days: u32) {
    for (what, column, least) in [
        ("order types", "order_type", 6),
        ("times in force", "time_in_force", 5),
        ("statuses", "status", 4),
        ("reasons for rejects", "reject_reason", 15),
        ("reasons for cancels", "cancel_reason", 9),
    ] {
        let seen = session.rows(&format!(
            "SELECT {column}, count(*) FROM exchange.orders WHERE {column} IS NOT NULL
             GROUP BY 1 ORDER BY 1"
        ));
        println!("{what}: {seen:?}");
        assert!(seen.len() >= least, "too few {what}: {seen:?}");
    }
    let rare = session.one(&format!(
        "SELECT count(*) FILTER (WHERE in_auction) > 0, count(busted_at) > 0, count(*) > 500,
                (SELECT count(*) FROM exchange.client_orders) > 100,
                (SELECT count(DISTINCT trade_date) FROM exchange.positions) >= {days}
         FROM exchange.trades"
    ));
    assert_eq!(rare, "t|t|t|t|t", "auctions, busts, trades, names, days");
}
