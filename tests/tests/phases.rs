//! The day of the market: what is collected and when, auctions, halts, orders that end with the
//! day, the calendar, and trades that are taken back. The clock is simulated.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{MutexGuard, OnceLock};

use tests::{Session, SharedVenue, Venue};

const SETTINGS: &[(&str, &str)] = &[
    ("exchange.simulated_clock", "on"),
    ("exchange.calendar", "on"),
    ("exchange.time_zone", "America/New_York"),
];

/// The venue of this theme, closed. There is one clock, so its tests take turns.
fn venue() -> (&'static Venue, MutexGuard<'static, ()>) {
    static VENUE: SharedVenue = SharedVenue::new(SETTINGS);
    static CLOSED: OnceLock<()> = OnceLock::new();
    let (venue, turn) = VENUE.alone();
    CLOSED.get_or_init(|| venue.superuser().run("SELECT exchange.close_market()"));
    (venue, turn)
}

/// How an order stands: columns that the answer and the table have in common.
const STANDING: &str =
    "status, price, filled_quantity, remaining_quantity, reject_reason, cancel_reason";

/// A trading day of its own, with an instrument and two accounts of 1,000,000 USD and 10,000 shares
/// of it each. It is New York's, and begins at 07:00, an hour before the pre-open.
struct Day {
    session: Session,
    date: String,
    symbol: String,
    alice: i64,
    bob: i64,
    _turn: MutexGuard<'static, ()>,
}

impl Day {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let symbol = format!("DAY{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let (venue, turn) = venue();
        let mut session = venue.superuser();
        session.run("SET timezone = 'America/New_York'");
        session.run(&format!("SELECT exchange.create_instrument('{symbol}', 0.01)"));
        let mut account = || {
            let account = session.number("SELECT exchange.open_account()");
            session.run(&format!(
                "SELECT exchange.verify_account({account});
                 SELECT exchange.deposit({account}, 'USD', 1000000);
                 SELECT exchange.deposit_shares({account}, '{symbol}', 10000)"
            ));
            account
        };
        let (alice, bob) = (account(), account());
        let mut day = Self { session, date: String::new(), symbol, alice, bob, _turn: turn };
        day.next();
        day
    }

    /// Goes to 07:00 of the next trading day.
    fn next(&mut self) {
        self.session.wait_for_tables();
        self.date = self.session.one(
            "SELECT min(t.trade_date)
             FROM exchange.engine_state
             CROSS JOIN LATERAL (
                 SELECT timestamptz '2000-01-01 00:00+00' + time_us * interval '1 us' AS time) AS c
             CROSS JOIN LATERAL (
                 SELECT greatest(c.time::date, '2026-06-01') AS today) AS d
             CROSS JOIN LATERAL exchange.trading_day_times(today + 1, today + 10) AS t",
        );
        self.at("07:00");
    }

    /// Moves the clock to a time of the day.
    #[track_caller]
    fn at(&mut self, time: &str) {
        self.session.run(&format!("SELECT exchange.advance_clock('{} {time}')", self.date));
    }

    /// Makes the tables show everything; the books must be balanced.
    #[track_caller]
    fn settle(&mut self) {
        self.session.wait_for_tables();
        let unbalanced =
            self.session.rows("SELECT * FROM exchange.conservation WHERE difference <> 0");
        assert_eq!(unbalanced, [""; 0]);
    }

    /// Enters an order of Alice: see [`Self::enter`].
    #[track_caller]
    fn alice(&mut self, arguments: &str, expected: &str) -> i64 {
        self.enter(self.alice, arguments, expected)
    }

    /// Enters an order of Bob: see [`Self::enter`].
    #[track_caller]
    fn bob(&mut self, arguments: &str, expected: &str) -> i64 {
        self.enter(self.bob, arguments, expected)
    }

    /// Enters an order by the arguments after the symbol. The answer and the row of the table
    /// must be as expected. Returns its id.
    #[track_caller]
    fn enter(&mut self, account: i64, arguments: &str, expected: &str) -> i64 {
        let call = format!(
            "exchange.place_order('{}', {arguments}, account_id => {account})",
            self.symbol
        );
        let answer = self.session.one(&format!("SELECT order_id, {STANDING} FROM {call}"));
        let (order, standing) = answer.split_once('|').expect("the id comes first");
        assert_eq!(standing, expected, "the answer of {call}");
        let order = order.parse().expect("an id is a number");
        self.stands(order, expected);
        order
    }

    /// The row of an order is as expected.
    #[track_caller]
    fn stands(&mut self, order: i64, expected: &str) {
        let row = format!("SELECT {STANDING} FROM exchange.orders WHERE order_id = {order}");
        assert_eq!(self.rows(&row), [expected], "the row of order {order}");
    }

    /// What the tables show, once they show everything.
    #[track_caller]
    fn rows(&mut self, sql: &str) -> Vec<String> {
        self.settle();
        self.session.rows(sql)
    }

    /// The executions of an order: price, quantity, liquidity.
    #[track_caller]
    fn fills(&mut self, order: i64) -> Vec<String> {
        self.rows(&format!(
            "SELECT price, quantity, liquidity FROM exchange.executions
             WHERE order_id = {order} ORDER BY trade_id"
        ))
    }

    /// Columns of the state of the instrument.
    #[track_caller]
    fn state(&mut self, columns: &str) -> String {
        let sql = format!(
            "SELECT {columns} FROM exchange.instrument_states WHERE symbol = '{}'",
            self.symbol
        );
        self.rows(&sql).remove(0)
    }

    /// The instrument is in this phase, in the table and in shared memory.
    #[track_caller]
    fn is_in(&mut self, phase: &str) {
        assert_eq!(self.state("phase"), phase);
        self.session.wait_for_books();
        let quote =
            format!("SELECT phase FROM exchange.best_quotes WHERE symbol = '{}'", self.symbol);
        assert_eq!(self.session.one(&quote), phase);
    }

    /// What the auction would do if it were now: price, quantity, side and quantity of the
    /// imbalance; nothing where no orders are collected.
    #[track_caller]
    fn auction(&mut self) -> Vec<String> {
        self.session.wait_for_books();
        self.session.rows(&format!(
            "SELECT indicative_price, indicative_quantity, imbalance_side, imbalance_quantity
             FROM exchange.auctions WHERE symbol = '{}'",
            self.symbol
        ))
    }

    /// Calls a function of the schema `exchange` with the symbol of this day as `SYMBOL`, and the
    /// accounts as `ALICE` and `BOB`.
    #[track_caller]
    fn call(&mut self, call: &str) {
        let call = call
            .replace("SYMBOL", &format!("'{}'", self.symbol))
            .replace("ALICE", &self.alice.to_string())
            .replace("BOB", &self.bob.to_string());
        self.session.run(&format!("SELECT exchange.{call}"));
    }
}

mod auctions {
    use super::*;

    #[test]
    fn the_pre_open_collects_and_the_opening_trades_the_most_at_one_price() {
        let mut day = Day::new();
        day.at("07:59:59.999999");
        day.is_in("closed");
        day.alice("'buy', 10.05, 100", "rejected|10.05|0|0|market_closed|-");
        day.at("08:00");
        day.is_in("pre_open");
        assert_eq!(day.auction(), ["-|-|-|-"]);
        let best_bid = day.alice("'buy', 10.05, 100", "open|10.05|0|100|-|-");
        let bid = day.alice("'buy', 10.02, 100", "open|10.02|0|100|-|-");
        let worst_bid = day.alice("'buy', 10.00, 100", "open|10.00|0|100|-|-");
        assert_eq!(day.auction(), ["-|-|-|-"]);
        let best_ask = day.bob("'sell', 9.95, 50", "open|9.95|0|50|-|-");
        assert_eq!(day.auction(), ["10.03|50|buy|50"]);
        let ask = day.bob("'sell', 10.00, 100", "open|10.00|0|100|-|-");
        let worst_ask = day.bob("'sell', 10.02, 100", "open|10.02|0|100|-|-");
        // At 10.00 only 150 would trade, at 10.03 only 100.
        assert_eq!(day.auction(), ["10.02|200|sell|50"]);
        day.at("09:29:59.999999");
        day.stands(best_bid, "open|10.05|0|100|-|-");
        day.at("09:30");
        day.is_in("continuous");
        assert_eq!(day.auction(), [""; 0]);
        day.stands(best_bid, "filled|10.05|100|0|-|-");
        day.stands(bid, "filled|10.02|100|0|-|-");
        day.stands(worst_bid, "open|10.00|0|100|-|-");
        day.stands(best_ask, "filled|9.95|50|0|-|-");
        day.stands(ask, "filled|10.00|100|0|-|-");
        day.stands(worst_ask, "partially_filled|10.02|50|50|-|-");
        assert_eq!(day.fills(best_bid), ["10.02|50|auction", "10.02|50|auction"]);
        assert_eq!(day.fills(worst_ask), ["10.02|50|auction"]);
        let (symbol, date) = (day.symbol.clone(), day.date.clone());
        let trades = day.rows(&format!(
            "SELECT price, sum(quantity), in_auction, executed_at = '{date} 09:30'
             FROM exchange.trades WHERE symbol = '{symbol}' GROUP BY 1, 3, 4"
        ));
        assert_eq!(trades, ["10.02|200|t|t"]);
        assert_eq!(day.state("last_price, reference_price"), "10.02|10.02");
        // From here on orders trade as they come.
        let taker = day.alice("'buy', 10.02, 50", "filled|10.02|50|0|-|-");
        assert_eq!(day.fills(taker), ["10.02|50|taker"]);
    }

    #[test]
    fn of_equal_volumes_the_least_imbalance_then_the_closest_to_the_reference() {
        // 100 trade at each price from 10.00 to 10.10, and 50 bids are left over up to 10.05.
        for (reference, price) in [(None, "10.06"), (Some(9), "10.06"), (Some(11), "10.10")] {
            let mut day = Day::new();
            if let Some(reference) = reference {
                day.call(&format!("set_reference_price(SYMBOL, {reference})"));
            }
            day.at("08:00");
            let bid = day.alice("'buy', 10.10, 100", "open|10.10|0|100|-|-");
            day.alice("'buy', 10.05, 50", "open|10.05|0|50|-|-");
            day.bob("'sell', 10.00, 100", "open|10.00|0|100|-|-");
            assert_eq!(day.auction(), [format!("{price}|100|-|-")]);
            day.at("09:30");
            assert_eq!(day.fills(bid), [format!("{price}|100|auction")]);
        }
    }

    #[test]
    fn a_reference_price_among_the_candidates_is_the_price() {
        let mut day = Day::new();
        day.call("set_reference_price(SYMBOL, 10.08)");
        day.at("08:00");
        let bid = day.alice("'buy', 10.10, 100", "open|10.10|0|100|-|-");
        day.bob("'sell', 10.00, 100", "open|10.00|0|100|-|-");
        assert_eq!(day.auction(), ["10.08|100|-|-"]);
        day.at("09:30");
        assert_eq!(day.fills(bid), ["10.08|100|auction"]);
    }

    #[test]
    fn market_orders_take_part_and_end_with_the_auction() {
        let mut day = Day::new();
        day.call("set_reference_price(SYMBOL, 10)");
        day.at("08:00");
        day.bob("'sell', 10.00, 60", "open|10.00|0|60|-|-");
        let market = day.alice("'buy', NULL, 100, order_type => 'market'", "open|11.00|0|100|-|-");
        day.alice("'buy', 10.00, 10, 'FOK'", "rejected|10.00|0|0|auction_phase|-");
        day.alice("'buy', 10.00, 10, 'IOC'", "rejected|10.00|0|0|auction_phase|-");
        assert_eq!(day.auction(), ["10.00|60|buy|40"]);
        day.at("09:30");
        day.stands(market, "cancelled|11.00|60|0|-|auction_ended");
        assert_eq!(day.fills(market), ["10.00|60|auction"]);
    }

    #[test]
    fn stop_pegged_and_all_or_none_orders_wait_for_continuous_trading() {
        let mut day = Day::new();
        day.at("08:00");
        let stop = day.alice(
            "'buy', NULL, 10, order_type => 'stop', stop_price => 10",
            "open|11.00|0|10|-|-",
        );
        let peg = day.alice(
            "'buy', 10.10, 10, order_type => 'pegged', peg => 'best_ask'",
            "open|10.10|0|10|-|-",
        );
        let whole = day.alice("'buy', 10.00, 10, all_or_none => true", "open|10.00|0|10|-|-");
        day.bob("'sell', 10.00, 50", "open|10.00|0|50|-|-");
        assert_eq!(day.auction(), ["-|-|-|-"]);
        day.alice("'buy', 10.00, 5", "open|10.00|0|5|-|-");
        assert_eq!(day.auction(), ["10.00|5|sell|45"]);
        day.at("09:30");
        // The auction's trade reached the stop; then the peg, then the whole.
        for order in [stop, peg, whole] {
            assert_eq!(day.fills(order), ["10.00|10|taker"]);
        }
    }

    #[test]
    fn the_closing_auction_ends_the_day() {
        let mut day = Day::new();
        day.at("15:49:59.999999");
        day.is_in("continuous");
        let early = day.bob("'sell', 10.00, 10", "open|10.00|0|10|-|-");
        day.at("15:50");
        day.is_in("closing_auction");
        let bid = day.alice("'buy', 10.00, 30", "open|10.00|0|30|-|-");
        let late = day.bob("'sell', 10.00, 10", "open|10.00|0|10|-|-");
        assert_eq!(day.auction(), ["10.00|20|buy|10"]);
        day.at("15:59:59.999999");
        day.stands(bid, "open|10.00|0|30|-|-");
        day.at("16:00");
        day.is_in("closed");
        assert_eq!(day.auction(), [""; 0]);
        assert_eq!(day.fills(bid), ["10.00|10|auction", "10.00|10|auction"]);
        assert_eq!(day.fills(early), ["10.00|10|auction"]);
        assert_eq!(day.fills(late), ["10.00|10|auction"]);
        assert_eq!(day.state("last_price, reference_price"), "10.00|10.00");
        day.bob("'sell', 10.00, 10", "rejected|10.00|0|0|market_closed|-");
    }
}

mod ends {
    use super::*;

    #[test]
    fn day_orders_expire_at_the_close_and_others_stay() {
        let mut day = Day::new();
        day.at("08:00");
        let early = day.alice("'buy', 9.00, 10, 'DAY'", "open|9.00|0|10|-|-");
        day.at("12:00");
        let stop = day.alice(
            "'buy', NULL, 10, 'DAY', order_type => 'stop', stop_price => 20",
            "open|22.00|0|10|-|-",
        );
        let kept = day.alice("'buy', 9.00, 10", "open|9.00|0|10|-|-");
        let part = day.alice("'buy', 9.01, 10, 'DAY'", "open|9.01|0|10|-|-");
        day.bob("'sell', 9.01, 4", "filled|9.01|4|0|-|-");
        day.at("15:59:59.999999");
        day.stands(early, "open|9.00|0|10|-|-");
        day.at("16:00");
        day.stands(early, "expired|9.00|0|0|-|expired");
        day.stands(stop, "expired|22.00|0|0|-|expired");
        day.stands(part, "expired|9.01|4|0|-|expired");
        day.stands(kept, "open|9.00|0|10|-|-");
        // The last trade of the day is what the next one starts from.
        assert_eq!(day.state("reference_price"), "9.01");
        day.next();
        day.at("09:30");
        day.bob("'sell', 9.00, 10", "filled|9.00|10|0|-|-");
        day.stands(kept, "filled|9.00|10|0|-|-");
    }

    #[test]
    fn good_till_date_orders_expire_at_their_time() {
        let mut day = Day::new();
        day.at("10:00");
        let date = day.date.clone();
        let until = |time: &str| format!("'buy', 9.00, 10, 'GTD', expire_at => '{date} {time}'");
        day.alice(&until("10:00"), "rejected|9.00|0|0|already_expired|-");
        let noon = day.alice(&until("12:00:00.000001"), "open|9.00|0|10|-|-");
        let night = day.alice(&until("22:00"), "open|9.00|0|10|-|-");
        day.at("12:00");
        day.stands(noon, "open|9.00|0|10|-|-");
        day.at("12:00:00.000001");
        day.stands(noon, "expired|9.00|0|0|-|expired");
        day.at("21:59:59.999999");
        day.stands(night, "open|9.00|0|10|-|-");
        // Also where the clock passes it in one step.
        day.next();
        day.stands(night, "expired|9.00|0|0|-|expired");
        let open =
            format!("SELECT count(*) FROM exchange.open_orders WHERE account_id = {}", day.alice);
        assert_eq!(day.rows(&open), ["0"]);
    }
}

mod halts {
    use super::*;

    #[test]
    fn a_volatility_halt_ends_by_itself_with_an_auction() {
        let mut day = Day::new();
        day.call("set_reference_price(SYMBOL, 10)");
        day.call("set_price_rules(SYMBOL, band => 0.05, volatility_halt => '5 minutes')");
        day.at("10:00");
        day.bob("'sell', 10.50, 10", "open|10.50|0|10|-|-");
        let ask = day.bob("'sell', 10.60, 10", "open|10.60|0|10|-|-");
        // 10.50 is within 5 % of 10, and 10.60 is not.
        let bid = day.alice("'buy', 10.60, 30", "partially_filled|10.60|10|20|-|-");
        day.is_in("volatility_halt");
        let (date, until) = (day.date.clone(), "halt_until, reference_price, last_price, halted");
        assert!(day.state(until).starts_with(&format!("{date} 10:05:00-")));
        assert!(day.state(until).ends_with("|10.00|10.50|f"));
        assert_eq!(day.auction(), ["10.60|10|buy|10"]);
        day.at("10:04:59.999999");
        let late = day.bob("'sell', 10.55, 10", "open|10.55|0|10|-|-");
        assert_eq!(day.auction(), ["10.60|20|-|-"]);
        day.is_in("volatility_halt");
        day.at("10:05");
        day.is_in("continuous");
        day.stands(bid, "filled|10.60|30|0|-|-");
        let fills = ["10.50|10|taker", "10.60|10|auction", "10.60|10|auction"];
        assert_eq!(day.fills(bid), fills);
        assert_eq!(day.fills(ask), ["10.60|10|auction"]);
        assert_eq!(day.fills(late), ["10.60|10|auction"]);
        assert_eq!(day.state(until), "-|10.60|10.60|f");
        // The bands are around the new reference price now.
        day.bob("'sell', 11.13, 1", "open|11.13|0|1|-|-");
        day.alice("'buy', 11.13, 1", "filled|11.13|1|0|-|-");
    }

    #[test]
    fn a_volatility_halt_does_not_outlive_the_day() {
        let mut day = Day::new();
        day.call("set_reference_price(SYMBOL, 10)");
        day.call("set_price_rules(SYMBOL, band => 0.05, volatility_halt => '1 day')");
        day.at("15:00");
        day.bob("'sell', 11.00, 10", "open|11.00|0|10|-|-");
        let bid = day.alice("'buy', 11.00, 10", "open|11.00|0|10|-|-");
        day.is_in("volatility_halt");
        day.at("15:50");
        day.is_in("closing_auction");
        assert_eq!(day.state("halt_until"), "-");
        day.at("16:00");
        assert_eq!(day.fills(bid), ["11.00|10|auction"]);
        day.next();
        day.at("09:30");
        day.is_in("continuous");
    }

    #[test]
    fn a_halted_instrument_waits_for_the_venue() {
        let mut day = Day::new();
        day.at("09:00");
        let bid = day.alice("'buy', 10.00, 10", "open|10.00|0|10|-|-");
        let other = day.alice("'buy', 9.00, 10", "open|9.00|0|10|-|-");
        let ask = day.bob("'sell', 10.00, 10", "open|10.00|0|10|-|-");
        day.call("halt_instrument(SYMBOL)");
        day.is_in("halted");
        assert_eq!(day.auction(), [""; 0]);
        // The opening passes it by.
        day.at("09:30");
        day.is_in("halted");
        day.stands(bid, "open|10.00|0|10|-|-");
        day.alice("'buy', 10.00, 10", "rejected|10.00|0|0|instrument_halted|-");
        day.call(&format!("cancel_order({other})"));
        day.stands(other, "cancelled|9.00|0|0|-|requested");
        let symbol = day.symbol.clone();
        let again = day.session.failure(&format!("SELECT exchange.halt_instrument('{symbol}')"));
        assert_eq!(again.code, "55000", "{again}");
        day.call("resume_instrument(SYMBOL)");
        day.is_in("continuous");
        assert_eq!(day.state("halted"), "f");
        assert_eq!(day.fills(bid), ["10.00|10|auction"]);
        assert_eq!(day.fills(ask), ["10.00|10|auction"]);
        let again = day.session.failure(&format!("SELECT exchange.resume_instrument('{symbol}')"));
        assert_eq!(again.code, "55000", "{again}");
    }

    #[test]
    fn a_halt_lasts_over_the_close_and_day_orders_end_in_it() {
        let mut day = Day::new();
        day.at("10:00");
        let order = day.alice("'buy', 9.00, 10, 'DAY'", "open|9.00|0|10|-|-");
        day.call("halt_instrument(SYMBOL)");
        day.at("16:00");
        day.stands(order, "expired|9.00|0|0|-|expired");
        day.next();
        day.at("12:00");
        assert_eq!(day.state("phase, halted"), "halted|t");
        // NULL is all instruments that are halted: this one.
        day.call("resume_instrument()");
        assert_eq!(day.state("phase, halted"), "continuous|f");
    }
}

mod busts {
    use super::*;

    /// The candles of a day's instrument, the shortest first.
    #[track_caller]
    fn candles(day: &mut Day) -> Vec<String> {
        let symbol = day.symbol.clone();
        day.rows(&format!(
            "SELECT resolution, open, high, low, close, volume, turnover, trade_count
             FROM exchange.candles WHERE symbol = '{symbol}' ORDER BY resolution, opened_at"
        ))
    }

    /// What Alice, Bob and the venue have: money, shares of the instrument.
    #[track_caller]
    fn possessions(day: &mut Day) -> Vec<String> {
        let (symbol, alice, bob) = (day.symbol.clone(), day.alice, day.bob);
        day.rows(&format!(
            "SELECT b.balance, b.held, h.quantity, h.held
             FROM exchange.balances AS b JOIN exchange.holdings AS h USING (account_id)
             WHERE account_id IN ({alice}, {bob}) AND symbol = '{symbol}' ORDER BY account_id"
        ))
    }

    #[test]
    fn a_busted_trade_is_taken_back_everywhere() {
        let mut day = Day::new();
        day.call("create_fee_schedule('busts', maker_rate => 0.001, taker_rate => 0.002)");
        day.call("set_fee_schedule(ALICE, 'busts'), exchange.set_fee_schedule(BOB, 'busts')");
        for (time, price, quantity) in
            [("10:00", "10.00", 10), ("10:00:10", "12.00", 5), ("10:01", "11.00", 1)]
        {
            day.at(time);
            let open = format!("open|{price}|0|{quantity}|-|-");
            day.bob(&format!("'sell', {price}, {quantity}"), &open);
            let filled = format!("filled|{price}|{quantity}|0|-|-");
            day.alice(&format!("'buy', {price}, {quantity}"), &filled);
        }
        let symbol = day.symbol.clone();
        let fees = "SELECT fees FROM exchange.currencies WHERE currency = 'USD'";
        // 171 and 2 per mille of it; 171 less 1 per mille of it.
        let before = ["999828.658|0|10016|0", "1000170.829|0|9984|0"];
        assert_eq!(possessions(&mut day), before);
        assert_eq!(day.rows(fees), ["0.513"]);
        let minute = "00:01:00|10.00|12.00|10.00|12.00|15|160.00|2";
        let second = "00:01:00|11.00|11.00|11.00|11.00|1|11.00|1";
        let longer = |candle: &str| {
            ["00:05:00", "01:00:00", "1 day", "7 days", "1 mon"]
                .map(|resolution| format!("{resolution}|{candle}"))
        };
        let mut expected = vec![minute.to_owned(), second.to_owned()];
        expected.extend(longer("10.00|12.00|10.00|11.00|16|171.00|3"));
        assert_eq!(candles(&mut day), expected);

        day.at("10:02");
        let trade = |price: &str| {
            format!(
                "SELECT trade_id FROM exchange.trades WHERE symbol = '{symbol}' AND price = {price}"
            )
        };
        let highest = day.session.number(&trade("12"));
        day.call(&format!("bust_trade({highest})"));
        // 60 and 12 cents come back; 60 less 6 cents goes back.
        let after = ["999888.778|0|10011|0", "1000110.889|0|9989|0"];
        assert_eq!(possessions(&mut day), after);
        assert_eq!(day.rows(fees), ["0.333"]);
        let minute = "00:01:00|10.00|10.00|10.00|10.00|10|100.00|1";
        let mut expected = vec![minute.to_owned(), second.to_owned()];
        expected.extend(longer("10.00|11.00|10.00|11.00|11|111.00|2"));
        assert_eq!(candles(&mut day), expected);
        let date = day.date.clone();
        for (table, count) in [("trades", "1"), ("executions", "2"), ("busted_trades", "1")] {
            let busted = day.rows(&format!(
                "SELECT trade_id, busted_at = '{date} 10:02', count(*)
                 FROM exchange.{table} WHERE busted_at IS NOT NULL GROUP BY 1, 2"
            ));
            assert_eq!(busted, [format!("{highest}|t|{count}")], "{table}");
        }
        // Orders and prices stay.
        let orders = day.rows(&format!(
            "SELECT DISTINCT status, filled_quantity FROM exchange.orders
             WHERE symbol = '{symbol}' AND price = 12"
        ));
        assert_eq!(orders, ["filled|5"]);
        assert_eq!(day.state("last_price"), "11.00");
        // Once only, and only what there is.
        for missing in [highest, 1_000_000] {
            let failure = day.session.failure(&format!("SELECT exchange.bust_trade({missing})"));
            assert_eq!(failure.code, "42704", "{failure}");
        }

        // The only trade of a minute: that has no candle any more.
        let last = day.session.number(&trade("11"));
        day.call(&format!("bust_trade({last})"));
        let mut expected = vec![minute.to_owned()];
        expected.extend(longer("10.00|10.00|10.00|10.00|10|100.00|1"));
        assert_eq!(candles(&mut day), expected);
        let first = day.session.number(&trade("10"));
        day.call(&format!("bust_trade({first})"));
        assert_eq!(candles(&mut day), [""; 0]);
        let start = ["1000000.00|0|10000|0", "1000000.00|0|10000|0"];
        assert_eq!(possessions(&mut day), start);
        assert_eq!(day.rows(fees), ["0.00"]);
    }

    #[test]
    fn a_trade_of_yesterday_can_be_busted_where_the_shares_are_gone() {
        let mut day = Day::new();
        day.at("08:00");
        day.alice("'buy', 10.00, 10", "open|10.00|0|10|-|-");
        day.bob("'sell', 10.00, 10", "open|10.00|0|10|-|-");
        day.at("10:00");
        let before = ["999900.00|0|10010|0", "1000100.00|0|9990|0"];
        assert_eq!(possessions(&mut day), before);
        day.next();
        day.call("withdraw_shares(ALICE, SYMBOL, 10005)");
        let symbol = day.symbol.clone();
        let trade = day
            .session
            .number(&format!("SELECT trade_id FROM exchange.trades WHERE symbol = '{symbol}'"));
        day.call(&format!("bust_trade({trade})"));
        let after = ["1000000.00|0|-5|0", "1000000.00|0|10000|0"];
        assert_eq!(possessions(&mut day), after);
        assert_eq!(candles(&mut day), [""; 0]);
        assert_eq!(day.state("last_price, reference_price"), "10.00|10.00");
    }
}

mod calendar {
    use super::*;

    /// The trading days of some dates: the date, and the four times in UTC.
    #[track_caller]
    fn days(session: &mut Session, from: &str, to: &str) -> Vec<String> {
        session.rows(&format!(
            "SELECT trade_date, to_char(pre_open_at, 'DD HH24:MI'), to_char(open_at, 'HH24:MI'),
                    to_char(closing_auction_at, 'HH24:MI'), to_char(close_at, 'HH24:MI')
             FROM exchange.trading_day_times('{from}', '{to}')"
        ))
    }

    #[test]
    fn weekends_holidays_early_closes_and_daylight_saving() {
        let (venue, _turn) = venue();
        let mut session = venue.superuser();
        session.run("SET timezone = 'UTC'");
        let thanksgiving = [
            "2026-11-25|25 13:00|14:30|20:50|21:00",
            "2026-11-27|27 13:00|14:30|17:50|18:00",
            "2026-11-30|30 13:00|14:30|20:50|21:00",
        ];
        assert_eq!(days(&mut session, "2026-11-25", "2026-11-30"), thanksgiving);
        let end_of_summer_time =
            ["2026-10-30|30 12:00|13:30|19:50|20:00", "2026-11-02|02 13:00|14:30|20:50|21:00"];
        assert_eq!(days(&mut session, "2026-10-30", "2026-11-02"), end_of_summer_time);
        assert_eq!(days(&mut session, "2026-11-28", "2026-11-29"), [""; 0]);
    }

    /// The phase of the market and the trade date, from a time of 2026 on.
    #[track_caller]
    fn phase(session: &mut Session, time: &str) -> String {
        session.run(&format!("SELECT exchange.advance_clock('2026-{time}')"));
        session.wait_for_tables();
        session.one("SELECT market_phase, trade_date FROM exchange.engine_state")
    }

    /// It needs these very dates, so it has a clock of its own.
    #[test]
    fn the_market_goes_by_the_exceptions() {
        let venue = Venue::start(SETTINGS);
        let mut session = venue.superuser();
        session.run("SET timezone = 'America/New_York'");
        session.run("SELECT exchange.close_market()");
        session.run("SELECT exchange.create_instrument('TURKEY', 0.01)");
        assert_eq!(phase(&mut session, "11-25 12:00"), "continuous|2026-11-25");
        // Thanksgiving.
        assert_eq!(phase(&mut session, "11-26 12:00"), "closed|2026-11-25");
        // The day after.
        assert_eq!(phase(&mut session, "11-27 09:29:59.999999"), "pre_open|2026-11-27");
        assert_eq!(phase(&mut session, "11-27 12:49:59.999999"), "continuous|2026-11-27");
        assert_eq!(phase(&mut session, "11-27 12:50"), "closing_auction|2026-11-27");
        assert_eq!(phase(&mut session, "11-27 13:00"), "closed|2026-11-27");
        // A Saturday.
        assert_eq!(phase(&mut session, "11-28 12:00"), "closed|2026-11-27");
        session.run(
            "INSERT INTO exchange.calendar_exceptions (trade_date, name) VALUES
             ('2026-11-30', 'Snow')",
        );
        session.run(
            "INSERT INTO exchange.calendar_exceptions (trade_date, name, is_closed, close) VALUES
             ('2026-12-01', 'More snow', false, '11:00')",
        );
        session.run("SELECT exchange.reload_calendar()");
        session.wait_for_tables();
        let next = session.rows(
            "SELECT trade_date, close_at FROM exchange.trading_days ORDER BY trade_date LIMIT 2",
        );
        assert_eq!(
            next,
            ["2026-12-01|2026-12-01 11:00:00-05", "2026-12-02|2026-12-02 16:00:00-05"]
        );
        assert_eq!(phase(&mut session, "11-30 12:00"), "closed|2026-11-27");
        assert_eq!(phase(&mut session, "12-01 10:49:59.999999"), "continuous|2026-12-01");
        assert_eq!(phase(&mut session, "12-01 10:50"), "closing_auction|2026-12-01");
        assert_eq!(phase(&mut session, "12-01 11:00"), "closed|2026-12-01");
        // In one step over many days: the trade date tells that they were all gone through.
        assert_eq!(phase(&mut session, "12-24 12:00"), "continuous|2026-12-24");
        assert_eq!(phase(&mut session, "12-25 12:00"), "closed|2026-12-24");
    }
}
