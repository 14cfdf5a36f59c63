//! Money and shares: what comes in, what orders hold, what trades cost, what may be owed, and how
//! an account ends.

use std::sync::atomic::{AtomicU32, Ordering};

use tests::{Session, SharedVenue, Venue};

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.get()
}

/// An instrument of its own, in a currency of its own.
struct Books {
    session: Session,
    symbol: String,
    currency: String,
}

impl Books {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (symbol, currency) = (format!("BOOK{number}"), format!("CUR{number}"));
        let mut session = venue().superuser();
        session.run(&format!(
            "SELECT exchange.create_instrument('{symbol}', 0.01, currency => '{currency}')"
        ));
        Self { session, symbol, currency }
    }

    /// A verified account with so much money and so many shares.
    fn account(&mut self, money: &str, shares: i64) -> i64 {
        let account = self.session.number("SELECT exchange.open_account()");
        self.session.run(&format!("SELECT exchange.verify_account({account})"));
        if money != "0" {
            let currency = &self.currency;
            self.session.run(&format!("SELECT exchange.deposit({account}, '{currency}', {money})"));
        }
        if shares != 0 {
            let symbol = &self.symbol;
            self.session
                .run(&format!("SELECT exchange.deposit_shares({account}, '{symbol}', {shares})"));
        }
        account
    }

    /// A call of a function with the currency for `$C` and the symbol for `$S`.
    fn sql(&self, call: &str) -> String {
        let call = call.replace("$C", &format!("'{}'", self.currency));
        format!("SELECT exchange.{}", call.replace("$S", &format!("'{}'", self.symbol)))
    }

    /// What it returns.
    #[track_caller]
    fn call(&mut self, call: &str) -> String {
        let sql = self.sql(call);
        self.session.one(&sql)
    }

    /// The amount that it returns.
    #[track_caller]
    fn amount(&mut self, call: &str) -> String {
        let sql = self.sql(call);
        let amount = sql.strip_prefix("SELECT ").expect("it is a query");
        self.session.one(&format!("SELECT trim_scale({amount})"))
    }

    /// Whether the books of the currency and of the instrument are balanced.
    #[track_caller]
    fn assert_balanced(&mut self) {
        self.session.wait_for_tables();
        let balanced = self.session.rows(&format!(
            "SELECT difference = 0 FROM exchange.conservation WHERE what IN ('{}', '{}')",
            self.symbol, self.currency
        ));
        assert_eq!(balanced, ["t", "t"]);
    }

    /// The SQLSTATE of one that must fail, and help.
    #[track_caller]
    fn failure(&mut self, call: &str) -> String {
        let sql = self.sql(call);
        let failure = self.session.failure(&sql);
        assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{call}\n{failure}");
        failure.code
    }

    /// Enters an order: status, reject reason and id.
    fn order(&mut self, account: i64, order: &str) -> (String, i64) {
        let answer = self.session.one(&format!(
            "SELECT coalesce(reject_reason::text, status::text), order_id
             FROM exchange.place_order('{}', {order}, account_id => {account})",
            self.symbol
        ));
        let (outcome, id) = answer.split_once('|').expect("there are two columns");
        (outcome.to_owned(), id.parse().expect("an id is a number"))
    }

    #[track_caller]
    fn assert_order(&mut self, account: i64, order: &str, expected: &str) -> i64 {
        let (outcome, id) = self.order(account, order);
        assert_eq!(outcome, expected, "{order}");
        id
    }

    /// Balance, what is held, and what can be spent.
    #[track_caller]
    fn assert_money(&mut self, account: i64, expected: &str) {
        self.session.wait_for_tables();
        let money = self.session.one(&format!(
            "SELECT trim_scale(balance), trim_scale(held), trim_scale(available)
             FROM exchange.balances WHERE account_id = {account} AND currency = '{}'",
            self.currency
        ));
        assert_eq!(money, expected);
    }

    /// Position, what is held, and what can be sold.
    #[track_caller]
    fn assert_shares(&mut self, account: i64, expected: &str) {
        self.session.wait_for_tables();
        let shares = self.session.one(&format!(
            "SELECT quantity, held, available
             FROM exchange.holdings WHERE account_id = {account} AND symbol = '{}'",
            self.symbol
        ));
        assert_eq!(shares, expected);
    }
}

#[test]
fn an_account_from_its_opening_to_its_end() {
    let mut books = Books::new();
    let account = books.session.number("SELECT exchange.open_account()");
    // It may be paid into before its holder is known; trading waits.
    assert_eq!(books.call(&format!("deposit({account}, $C, 100.5)")), "100.50");
    assert_eq!(books.call(&format!("deposit_shares({account}, $S, 30)")), "30");
    books.assert_order(account, "'buy', 1, 10", "account_not_verified");
    books.call(&format!("verify_account({account})"));
    assert_eq!(books.failure(&format!("verify_account({account})")), "55000");
    let order = books.assert_order(account, "'buy', 1, 10", "open");
    books.call(&format!("suspend_account({account})"));
    books.assert_order(account, "'buy', 1, 10", "account_suspended");
    // What waits stays, and is not in the way of what is free.
    books.assert_money(account, "100.5|10|90.5");
    assert_eq!(books.failure(&format!("withdraw({account}, $C, 90.500000001)")), "23514");
    assert_eq!(books.amount(&format!("withdraw({account}, $C, 90.5)")), "10");
    for left in ["an order", "money", "shares"] {
        assert_eq!(books.failure(&format!("close_account({account})")), "55000", "{left}");
        match left {
            "an order" => drop(books.call(&format!("cancel_order({order})"))),
            "money" => drop(books.call(&format!("withdraw({account}, $C, 10)"))),
            _ => drop(books.call(&format!("withdraw_shares({account}, $S, 30)"))),
        }
    }
    books.call(&format!("close_account({account})"));
    books.assert_order(account, "'buy', 1, 10", "account_closed");
    for call in [
        format!("verify_account({account})"),
        format!("suspend_account({account})"),
        format!("close_account({account})"),
        format!("deposit({account}, $C, 1)"),
        format!("deposit_shares({account}, $S, 1)"),
        format!("set_credit_limit({account}, $C, 1)"),
    ] {
        assert_eq!(books.failure(&call), "55000", "{call}");
    }
    let transfers = books.session.rows(&format!(
        "SELECT coalesce(currency, symbol), trim_scale(amount) FROM exchange.transfers
         WHERE account_id = {account} ORDER BY sequence"
    ));
    let (currency, symbol) = (&books.currency, &books.symbol);
    let expected = [
        format!("{currency}|100.5"),
        format!("{symbol}|30"),
        format!("{currency}|-90.5"),
        format!("{currency}|-10"),
        format!("{symbol}|-30"),
    ];
    assert_eq!(transfers, expected);
}

#[test]
fn orders_hold_what_they_could_cost_to_the_last_unit() {
    let mut books = Books::new();
    books.call("create_fee_schedule('holds', 0.0005, 0.001, 0.0001)");
    let (buyer, seller) = (books.account("1001.001", 0), books.account("0", 100));
    books.call(&format!("set_fee_schedule({buyer}, 'holds')"));
    // 100 at 10.01 are worth 1001, and cost 1.001 more at the highest of the rates.
    books.assert_order(buyer, "'buy', 10.01, 100", "insufficient_funds");
    books.call(&format!("deposit({buyer}, $C, 0.999999999)"));
    books.assert_order(buyer, "'buy', 10.01, 100", "insufficient_funds");
    books.call(&format!("deposit({buyer}, $C, 0.000000001)"));
    let order = books.assert_order(buyer, "'buy', 10.01, 100", "open");
    books.assert_money(buyer, "1002.001|1002.001|0");
    books.assert_order(buyer, "'buy', 0.01, 1", "insufficient_funds");
    assert_eq!(books.failure(&format!("withdraw({buyer}, $C, 0.000000001)")), "23514");
    books.call(&format!("reduce_order({order}, 40)"));
    books.assert_money(buyer, "1002.001|601.2006|400.8004");
    // A replacement is measured without what the order itself holds.
    let replaced = books.session.one(&format!(
        "SELECT price, quantity, reject_reason FROM exchange.replace_order({order}, 10.01, 100)"
    ));
    assert_eq!(replaced, "10.01|100|-");
    let declined = books.session.one(&format!(
        "SELECT price, quantity, status, reject_reason FROM exchange.replace_order({order}, 10.02)"
    ));
    assert_eq!(declined, "10.01|100|open|insufficient_funds");

    // Shares likewise.
    let offer = books.assert_order(seller, "'sell', 10.50, 60", "open");
    books.assert_shares(seller, "100|60|40");
    books.assert_order(seller, "'sell', 11, 41", "insufficient_shares");
    assert_eq!(books.failure(&format!("withdraw_shares({seller}, $S, 41)")), "23514");
    books.call(&format!("cancel_order({offer})"));
    books.assert_shares(seller, "100|0|100");
    // A trade takes from what is held: the maker paid 0.05 % of 400.40, and still holds for 60.
    books.assert_order(seller, "'sell', 10.01, 40", "filled");
    books.assert_money(buyer, "601.4008|601.2006|0.2002");
    books.assert_money(seller, "400.4|0|400.4");
    books.assert_shares(buyer, "40|0|40");
    books.assert_shares(seller, "60|0|60");
    books.call(&format!("mass_cancel({buyer})"));
    books.assert_money(buyer, "601.4008|0|601.4008");
}

#[test]
fn fees_are_those_of_when_the_order_was_sent() {
    let mut books = Books::new();
    books.call("create_fee_schedule('first', -0.0002, 0.0003)");
    books.call("create_fee_schedule('second', 0.01, 0.02)");
    let (maker, taker) = (books.account("1000", 1_000), books.account("100000", 0));
    for account in [maker, taker] {
        books.call(&format!("set_fee_schedule({account}, 'first')"));
    }
    let offer = books.assert_order(maker, "'sell', 10, 300", "open");
    books.call(&format!("set_fee_schedule({maker}, 'second')"));
    books.assert_order(taker, "'buy', 10, 100", "filled");
    books.call(&format!("set_fee_schedule({taker}, NULL)"));
    let second = books.assert_order(taker, "'buy', 10, 100", "filled");
    // The venue paid 0.2 to the maker, and took 0.3 from the taker; then 0.2, and nothing.
    books.assert_money(maker, "3000.4|0|3000.4");
    books.assert_money(taker, "97999.7|0|97999.7");
    let executions = books.session.rows(&format!(
        "SELECT order_id = {offer}, liquidity, trim_scale(fee) FROM exchange.executions
         WHERE symbol = '{}' ORDER BY trade_id, liquidity",
        books.symbol
    ));
    assert_eq!(executions, ["t|maker|-0.2", "f|taker|0.3", "t|maker|-0.2", "f|taker|0"]);
    let schedules = books.session.rows(&format!(
        "SELECT order_id = {second}, name FROM exchange.orders
         LEFT JOIN exchange.fee_schedules USING (fee_schedule_id)
         WHERE symbol = '{}' ORDER BY order_id",
        books.symbol
    ));
    assert_eq!(schedules, ["f|first", "f|first", "t|-"]);
    let earned = books.session.one(&format!(
        "SELECT trim_scale(fees), trim_scale(difference)
         FROM exchange.conservation WHERE what = '{}'",
        books.currency
    ));
    assert_eq!(earned, "-0.1|0");
}

#[test]
fn what_may_be_owed() {
    let mut books = Books::new();
    let (debtor, creditor) = (books.account("100", 0), books.account("1000", 1_000));
    books.call(&format!("set_credit_limit({debtor}, $C, 50.5)"));
    books.assert_money(debtor, "100|0|150.5");
    // Credit is for trading, and not paid out.
    assert_eq!(books.failure(&format!("withdraw({debtor}, $C, 100.1)")), "23514");
    books.assert_order(creditor, "'sell', 10, 15", "open");
    books.assert_order(debtor, "'buy', 10, 16", "insufficient_funds");
    books.assert_order(debtor, "'buy', 10, 15", "filled");
    books.assert_money(debtor, "-50|0|0.5");
    assert_eq!(books.failure(&format!("withdraw({debtor}, $C, 0.1)")), "23514");
    // A limit that is taken back ends it for new orders alone.
    books.call(&format!("set_credit_limit({debtor}, $C, 0)"));
    books.assert_money(debtor, "-50|0|-50");
    books.assert_order(debtor, "'buy', 0.01, 1", "insufficient_funds");

    books.assert_order(debtor, "'sell', 10, 16", "insufficient_shares");
    books.call(&format!("set_short_limit({debtor}, $S, 5)"));
    books.assert_order(creditor, "'buy', 10, 20", "open");
    books.assert_order(debtor, "'sell', 10, 21", "insufficient_shares");
    books.assert_order(debtor, "'sell', 10, 20", "filled");
    books.assert_shares(debtor, "-5|0|0");
    books.assert_money(debtor, "150|0|150");
    assert_eq!(books.failure(&format!("withdraw_shares({debtor}, $S, 1)")), "23514");
    assert_eq!(books.failure(&format!("close_account({debtor})")), "55000");
    books.assert_balanced();
}

#[test]
fn limits_of_accounts_instruments_and_both() {
    let mut books = Books::new();
    let (alice, bob) = (books.account("100000", 1_000), books.account("100000", 1_000));
    books.call(&format!("set_risk_limits({alice}, open_orders => 3, order_value => 5000)"));
    books.call("set_risk_limits(symbol => $S, order_quantity => 100)");
    books.call(&format!(
        "set_risk_limits({alice}, $S, daily_bought_quantity => 150, daily_sold_value => 600)"
    ));
    // Of the instrument, for everybody.
    books.assert_order(bob, "'buy', 1, 101", "order_quantity_limit");
    // Of the account, in every instrument.
    books.assert_order(alice, "'buy', 50.01, 100", "order_value_limit");
    // Of the account in the instrument: what is open counts as what was traded.
    books.assert_order(alice, "'buy', 10, 100", "open");
    books.assert_order(alice, "'buy', 10, 51", "daily_quantity_limit");
    books.assert_order(bob, "'sell', 10, 100", "filled");
    books.assert_order(alice, "'buy', 10, 51", "daily_quantity_limit");
    let last = books.assert_order(alice, "'buy', 9, 50", "open");
    books.assert_order(alice, "'sell', 12, 51", "daily_value_limit");
    books.assert_order(alice, "'sell', 12, 25", "open");
    books.assert_order(alice, "'sell', 12, 24", "open");
    books.assert_order(alice, "'sell', 12, 1", "open_orders_limit");
    books.call(&format!("cancel_order({last})"));
    books.assert_order(alice, "'sell', 12, 1", "open");
    let limits = books.session.rows(&format!(
        "SELECT account_id = {alice}, symbol = '{0}', order_quantity, trim_scale(order_value),
                daily_bought_quantity, trim_scale(daily_sold_value), open_orders
         FROM exchange.risk_limits
         WHERE symbol = '{0}' OR account_id = {alice} ORDER BY account_id, symbol",
        books.symbol
    ));
    assert_eq!(limits, ["f|t|100|-|-|-|-", "t|f|-|5000|-|-|3", "t|t|-|-|150|600|-"]);
    // All at once: what is not given is no limit any more.
    books.call(&format!("set_risk_limits({alice})"));
    books.call(&format!("set_risk_limits({alice}, $S)"));
    books.call("set_risk_limits(symbol => $S)");
    books.assert_order(alice, "'buy', 9, 1000", "open");
    let none = format!(
        "SELECT count(*) FROM exchange.risk_limits WHERE symbol = '{}' OR account_id = {alice}",
        books.symbol
    );
    assert_eq!(books.session.number(&none), 0);
}

#[test]
fn a_broker_pulls_its_kill_switch_and_the_venue_releases_it() {
    // A venue of its own: it pays into every account that there is.
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let (role, first) = venue.broker();
    let second = venue.account(&role);
    let (other, others_account) = venue.broker();
    let (mut broker, mut other) = (venue.session(&role), venue.session(&other));
    let place = |session: &mut Session, account: i64| {
        session.one(&format!(
            "SELECT coalesce(reject_reason::text, status::text)
             FROM exchange.place_order('{symbol}', 'buy', 1, 10, 'GTC', {account})"
        ))
    };
    for account in [first, first, second] {
        assert_eq!(place(&mut broker, account), "open");
    }
    assert_eq!(place(&mut other, others_account), "open");
    let failure = other.failure(&format!("SELECT exchange.kill_switch({first})"));
    assert_eq!(failure.code, "42501", "{failure}");
    assert_eq!(broker.number(&format!("SELECT exchange.kill_switch({first})")), 2);
    assert_eq!(place(&mut broker, first), "kill_switch");
    assert_eq!(place(&mut broker, second), "open");
    // All of its accounts; the first is pulled already.
    assert_eq!(broker.number("SELECT exchange.kill_switch()"), 2);
    assert_eq!(place(&mut broker, second), "kill_switch");
    assert_eq!(place(&mut other, others_account), "open");
    let failure = broker.failure(&format!("SELECT exchange.release_kill_switch({first})"));
    assert_eq!(failure.code, "42501", "{failure}");
    let mut superuser = venue.superuser();
    superuser.wait_for_tables();
    let reasons = superuser.rows(&format!(
        "SELECT cancel_reason, count(*) FROM exchange.orders
         WHERE symbol = '{symbol}' AND status = 'cancelled' GROUP BY 1"
    ));
    assert_eq!(reasons, ["kill_switch|4"]);
    superuser.run(&format!("SELECT exchange.release_kill_switch({first})"));
    assert_eq!(place(&mut broker, first), "open");
    assert_eq!(place(&mut broker, second), "kill_switch");
    let failure = superuser.failure(&format!("SELECT exchange.release_kill_switch({first})"));
    assert_eq!(failure.code, "55000", "{failure}");
}

#[test]
fn a_currency_comes_with_its_instrument() {
    let mut books = Books::new();
    let account = books.account("10", 0);
    let mut others = Books::new();
    let failure = books.session.failure(&format!("SELECT exchange.deposit({account}, 'NONE', 1)"));
    assert_eq!(failure.code, "42704", "{failure}");
    // Money of one currency pays for nothing in another.
    others.assert_order(account, "'buy', 1, 1", "insufficient_funds");
}
