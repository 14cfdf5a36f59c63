//! Every order type, term and time in force, and every reason for which an order is declined or
//! ends: what the caller is told, and what the tables say. The reasons that come with the phases
//! of the market are in `phases`.

use std::sync::atomic::{AtomicU32, Ordering};

use tests::{Session, SharedVenue, Venue, wait_until};

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.get()
}

/// How an order stands: columns that the answer and the table have in common.
const STANDING: &str =
    "status, price, filled_quantity, remaining_quantity, reject_reason, cancel_reason";

/// An instrument, and two accounts with 1,000,000 USD and 10,000 shares of it each.
struct Market {
    session: Session,
    symbol: String,
    alice: i64,
    bob: i64,
}

impl Market {
    fn new() -> Self {
        Self::of(venue())
    }

    fn of(venue: &Venue) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let symbol = format!("TYPE{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut session = venue.superuser();
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
        Self { session, symbol, alice, bob }
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
        assert_eq!(self.row(order, STANDING), expected, "the row of order {order}");
    }

    /// Columns of the row of an order.
    #[track_caller]
    fn row(&mut self, order: i64, columns: &str) -> String {
        self.session.wait_for_tables();
        self.session.one(&format!("SELECT {columns} FROM exchange.orders WHERE order_id = {order}"))
    }

    /// The executions of an order: price, quantity, liquidity.
    #[track_caller]
    fn fills(&mut self, order: i64) -> Vec<String> {
        self.session.wait_for_tables();
        self.session.rows(&format!(
            "SELECT price, quantity, liquidity FROM exchange.executions
             WHERE order_id = {order} ORDER BY trade_id"
        ))
    }

    /// Who traded against an incoming order, in the order of the trades: order id, price, quantity.
    #[track_caller]
    fn makers(&mut self, taker: i64) -> Vec<String> {
        self.session.wait_for_tables();
        self.session.rows(&format!(
            "SELECT maker.order_id, maker.price, maker.quantity
             FROM exchange.executions AS taker JOIN exchange.executions AS maker USING (trade_id)
             WHERE taker.order_id = {taker} AND maker.order_id <> {taker} ORDER BY trade_id"
        ))
    }

    /// The displayed book: quantity and price of the bids, price and quantity of the asks.
    #[track_caller]
    fn book(&mut self) -> Vec<String> {
        self.session.wait_for_books();
        self.session.rows(&format!(
            "SELECT bid_quantity, bid_price, ask_price, ask_quantity
             FROM exchange.order_book('{}')",
            self.symbol
        ))
    }

    /// A trade between the two that leaves nothing behind.
    #[track_caller]
    fn trade(&mut self, price: &str) {
        self.bob(&format!("'sell', {price}, 1"), &format!("open|{price}|0|1|-|-"));
        self.alice(&format!("'buy', {price}, 1"), &format!("filled|{price}|1|0|-|-"));
    }

    /// Cancels an order that waits.
    #[track_caller]
    fn cancel(&mut self, order: i64) {
        let answer = self.session.one(&format!(
            "SELECT status, cancel_reason, reject_reason FROM exchange.cancel_order({order})"
        ));
        assert_eq!(answer, "cancelled|requested|-");
    }

    /// Calls a function of the schema `exchange` with the symbol of this market as `SYMBOL`, and
    /// the accounts as `ALICE` and `BOB`.
    #[track_caller]
    fn call(&mut self, call: &str) {
        let call = call
            .replace("SYMBOL", &format!("'{}'", self.symbol))
            .replace("ALICE", &self.alice.to_string())
            .replace("BOB", &self.bob.to_string());
        self.session.run(&format!("SELECT exchange.{call}"));
    }
}

mod types {
    use super::*;

    #[test]
    fn a_limit_order_trades_at_the_resting_price_and_the_rest_rests() {
        let mut market = Market::new();
        let worse = market.bob("'sell', 10.02, 30", "open|10.02|0|30|-|-");
        let better = market.bob("'sell', 10.00, 100", "open|10.00|0|100|-|-");
        let taker = market.alice("'buy', 10.01, 150", "partially_filled|10.01|100|50|-|-");
        market.stands(better, "filled|10.00|100|0|-|-");
        market.stands(worse, "open|10.02|0|30|-|-");
        assert_eq!(market.fills(taker), ["10.00|100|taker"]);
        assert_eq!(market.fills(better), ["10.00|100|maker"]);
        assert_eq!(market.book(), ["50|10.01|10.02|30"]);
    }

    #[test]
    fn a_market_order_trades_down_to_its_protection_price() {
        let mut market = Market::new();
        market.bob("'sell', 10.00, 100", "open|10.00|0|100|-|-");
        market.bob("'sell', 11.00, 20", "open|11.00|0|20|-|-");
        market.bob("'sell', 11.01, 20", "open|11.01|0|20|-|-");
        let whole =
            market.alice("'buy', NULL, 60, order_type => 'market'", "filled|11.00|60|0|-|-");
        assert_eq!(market.row(whole, "time_in_force, order_type"), "IOC|market");
        let part = market
            .alice("'buy', NULL, 70, order_type => 'market'", "cancelled|11.00|60|0|-|immediate");
        assert_eq!(market.fills(part), ["10.00|40|taker", "11.00|20|taker"]);
        assert_eq!(market.book(), ["-|-|11.01|20"]);
    }

    #[test]
    fn a_market_order_may_have_a_price_of_its_own() {
        let mut market = Market::new();
        market.bob("'sell', 10.00, 10", "open|10.00|0|10|-|-");
        market.bob("'sell', 10.05, 10", "open|10.05|0|10|-|-");
        market
            .alice("'buy', 10.04, 20, order_type => 'market'", "cancelled|10.04|10|0|-|immediate");
    }

    #[test]
    fn a_market_order_without_a_quote_goes_by_the_last_trade_or_the_reference_price() {
        let mut market = Market::new();
        let sell = "'sell', NULL, 5, order_type => 'market'";
        market.alice(sell, "rejected|-|0|0|no_reference_price|-");
        market.call("set_reference_price(SYMBOL, 20)");
        market.alice(sell, "cancelled|18.00|0|0|-|immediate");
        market.trade("10.00");
        market.alice(sell, "cancelled|9.00|0|0|-|immediate");
    }

    #[test]
    fn a_stop_order_sells_where_the_price_falls_to_it() {
        let mut market = Market::new();
        market.trade("10.00");
        let stop = market.bob(
            "'sell', NULL, 50, order_type => 'stop', stop_price => 9.50",
            "open|8.55|0|50|-|-",
        );
        assert_eq!(market.row(stop, "stop_price, stop_trigger, triggered"), "9.50|last_trade|f");
        market.alice("'buy', 9.45, 100", "open|9.45|0|100|-|-");
        assert_eq!(market.book(), ["100|9.45|-|-"]);
        market.bob("'sell', 9.45, 10", "filled|9.45|10|0|-|-");
        market.stands(stop, "filled|8.55|50|0|-|-");
        assert_eq!(market.fills(stop), ["9.45|50|taker"]);
        assert_eq!(market.row(stop, "triggered"), "t");
        // Reached already: at once, and what is left does not stay.
        market.bob(
            "'sell', NULL, 100, order_type => 'stop', stop_price => 9.45",
            "cancelled|8.51|40|0|-|immediate",
        );
    }

    #[test]
    fn a_stop_order_buys_where_the_price_rises_to_it() {
        let mut market = Market::new();
        let stop = market
            .alice("'buy', NULL, 5, order_type => 'stop', stop_price => 11", "open|12.10|0|5|-|-");
        market.bob("'sell', 11.50, 5", "open|11.50|0|5|-|-");
        market.trade("10.99");
        market.stands(stop, "open|12.10|0|5|-|-");
        market.trade("11.00");
        assert_eq!(market.fills(stop), ["11.50|5|taker"]);
    }

    #[test]
    fn stop_orders_are_triggered_from_the_nearest_on() {
        let mut market = Market::new();
        let mut stop = |price: &str, limit: &str| {
            market.bob(
                &format!("'sell', NULL, 10, order_type => 'stop', stop_price => {price}"),
                &format!("open|{limit}|0|10|-|-"),
            )
        };
        let (third, first, second) =
            (stop("9.50", "8.55"), stop("9.60", "8.64"), stop("9.60", "8.64"));
        let bid = market.alice("'buy', 9.00, 26", "open|9.00|0|26|-|-");
        let trigger = market.bob("'sell', 9.00, 1", "filled|9.00|1|0|-|-");
        let expected = [
            format!("{trigger}|9.00|1"),
            format!("{first}|9.00|10"),
            format!("{second}|9.00|10"),
            format!("{third}|9.00|5"),
        ];
        assert_eq!(market.makers(bid), expected);
        market.stands(third, "cancelled|8.55|5|0|-|immediate");
    }

    #[test]
    fn a_stop_order_may_be_triggered_by_a_quote() {
        let mut market = Market::new();
        let bid = market.alice("'buy', 9.60, 50", "open|9.60|0|50|-|-");
        market.alice("'buy', 9.40, 50", "open|9.40|0|50|-|-");
        let terms = "'sell', NULL, 50, order_type => 'stop', stop_price => 9.50";
        let by_trade = market.bob(terms, "open|8.55|0|50|-|-");
        let by_quote =
            market.bob(&format!("{terms}, stop_trigger => 'best_quote'"), "open|8.55|0|50|-|-");
        assert_eq!(market.row(by_quote, "stop_trigger"), "best_quote");
        market.cancel(bid);
        assert_eq!(market.fills(by_quote), ["9.40|50|taker"]);
        // That was a trade at 9.40, which finds nobody any more.
        market.stands(by_trade, "cancelled|8.55|0|0|-|immediate");
    }

    #[test]
    fn a_stop_limit_order_rests_at_its_price() {
        let mut market = Market::new();
        let stop = market.alice(
            "'buy', 10.60, 50, order_type => 'stop_limit', stop_price => 10.50",
            "open|10.60|0|50|-|-",
        );
        assert_eq!(market.book(), [""; 0]);
        market.trade("10.50");
        market.stands(stop, "open|10.60|0|50|-|-");
        assert_eq!(market.row(stop, "order_type, stop_price, triggered"), "stop_limit|10.50|t");
        assert_eq!(market.book(), ["50|10.60|-|-"]);
        market.bob("'sell', 10.60, 50", "filled|10.60|50|0|-|-");
        assert_eq!(market.fills(stop), ["10.60|50|maker"]);
    }

    #[test]
    fn a_trailing_stop_follows_and_does_not_go_back() {
        let mut market = Market::new();
        let terms = "'sell', NULL, 50, order_type => 'trailing_stop', trail => 0.50";
        market.bob(terms, "rejected|-|0|0|no_reference_price|-");
        market.trade("10.50");
        let stop = market.bob(terms, "open|9.00|0|50|-|-");
        let moved = "stop_price, price, trail, status";
        assert_eq!(market.row(stop, moved), "10.00|9.00|0.50|open");
        market.trade("11.00");
        assert_eq!(market.row(stop, moved), "10.50|9.50|0.50|open");
        market.trade("10.60");
        assert_eq!(market.row(stop, moved), "10.50|9.50|0.50|open");
        market.alice("'buy', 10.40, 50", "open|10.40|0|50|-|-");
        market.trade("10.50");
        assert_eq!(market.row(stop, moved), "10.50|9.50|0.50|filled");
        assert_eq!(market.fills(stop), ["10.40|50|taker"]);
    }

    #[test]
    fn a_trailing_stop_to_buy_begins_above_the_reference_price() {
        let mut market = Market::new();
        market.call("set_reference_price(SYMBOL, 20)");
        let stop = market.alice(
            "'buy', NULL, 5, order_type => 'trailing_stop', trail => 1",
            "open|23.10|0|5|-|-",
        );
        assert_eq!(market.row(stop, "stop_price"), "21.00");
        market.trade("18.00");
        assert_eq!(market.row(stop, "stop_price, price"), "19.00|21.10");
    }

    #[test]
    fn a_pegged_order_trades_at_the_midpoint() {
        let mut market = Market::new();
        market.alice("'buy', 10.80, 100", "open|10.80|0|100|-|-");
        market.bob("'sell', 11.01, 100", "open|11.01|0|100|-|-");
        let peg = market.alice(
            "'buy', 10.95, 30, order_type => 'pegged', peg => 'midpoint'",
            "open|10.95|0|30|-|-",
        );
        assert_eq!(market.row(peg, "order_type, peg, displayed_quantity"), "pegged|midpoint|0");
        assert_eq!(market.book(), ["100|10.80|11.01|100"]);
        // 10.905, rounded down for a buy.
        market.bob("'sell', 10.91, 30, 'IOC'", "cancelled|10.91|0|0|-|immediate");
        let taker = market.bob("'sell', 10.85, 30, 'IOC'", "filled|10.85|30|0|-|-");
        assert_eq!(market.makers(taker), [format!("{peg}|10.90|30")]);
        market.stands(peg, "filled|10.95|30|0|-|-");
        // And up for a sell.
        let peg = market.bob(
            "'sell', 10.85, 30, order_type => 'pegged', peg => 'midpoint'",
            "open|10.85|0|30|-|-",
        );
        market.alice("'buy', 10.91, 30, 'IOC'", "filled|10.91|30|0|-|-");
        assert_eq!(market.fills(peg), ["10.91|30|maker"]);
    }

    #[test]
    fn a_pegged_order_trades_after_what_it_follows() {
        let mut market = Market::new();
        let peg = market.alice(
            "'buy', 11.00, 30, order_type => 'pegged', peg => 'best_bid'",
            "open|11.00|0|30|-|-",
        );
        // There is nothing to follow.
        market.bob("'sell', 9.00, 30, 'IOC'", "cancelled|9.00|0|0|-|immediate");
        let bid = market.alice("'buy', 10.80, 100", "open|10.80|0|100|-|-");
        let taker = market.bob("'sell', 10.00, 120, 'IOC'", "filled|10.00|120|0|-|-");
        assert_eq!(market.makers(taker), [format!("{bid}|10.80|100"), format!("{peg}|10.80|20")]);
        market.stands(peg, "partially_filled|11.00|20|10|-|-");
    }

    #[test]
    fn a_pegged_order_does_not_go_beyond_its_own_price() {
        let mut market = Market::new();
        let peg = market.bob(
            "'sell', 10.50, 30, order_type => 'pegged', peg => 'best_ask'",
            "open|10.50|0|30|-|-",
        );
        let ask = market.bob("'sell', 10.40, 10", "open|10.40|0|10|-|-");
        // The ask is at 10.40, and the pegged order sells at 10.50.
        let taker = market.alice("'buy', 10.50, 20, 'IOC'", "filled|10.50|20|0|-|-");
        assert_eq!(market.makers(taker), [format!("{ask}|10.40|10"), format!("{peg}|10.50|10")]);
    }
}

mod times_in_force {
    use super::*;

    #[test]
    fn orders_stay_as_long_as_they_say() {
        let mut market = Market::new();
        for (terms, expected) in [
            ("'GTC'", "GTC|-"),
            ("'DAY'", "DAY|-"),
            (
                "'GTD', expire_at => '2099-01-02 03:04:05.678901+00'",
                "GTD|2099-01-02 03:04:05.678901",
            ),
        ] {
            let order = market.alice(&format!("'buy', 9.00, 10, {terms}"), "open|9.00|0|10|-|-");
            let columns = "time_in_force, expire_at AT TIME ZONE 'UTC'";
            assert_eq!(market.row(order, columns), expected);
        }
    }

    #[test]
    fn immediate_or_cancel_trades_what_it_can() {
        let mut market = Market::new();
        market.bob("'sell', 11.00, 40", "open|11.00|0|40|-|-");
        let taker = market.alice("'buy', 11.00, 100, 'IOC'", "cancelled|11.00|40|0|-|immediate");
        assert_eq!(market.fills(taker), ["11.00|40|taker"]);
    }

    #[test]
    fn fill_or_kill_trades_as_a_whole() {
        let mut market = Market::new();
        market.bob("'sell', 11.00, 40", "open|11.00|0|40|-|-");
        market.bob("'sell', 11.01, 40", "open|11.01|0|40|-|-");
        let killed = market.alice("'buy', 11.00, 41, 'FOK'", "cancelled|11.00|0|0|-|fill_or_kill");
        assert_eq!(market.fills(killed), [""; 0]);
        let filled = market.alice("'buy', 11.01, 41, 'FOK'", "filled|11.01|41|0|-|-");
        assert_eq!(market.fills(filled), ["11.00|40|taker", "11.01|1|taker"]);
        market.alice(
            "'buy', NULL, 40, 'FOK', order_type => 'market'",
            "cancelled|12.11|0|0|-|fill_or_kill",
        );
    }

    #[test]
    fn the_time_of_a_good_till_date_order_must_be_to_come() {
        Market::new().alice(
            "'buy', 9.00, 10, 'GTD', expire_at => '2001-01-01'",
            "rejected|9.00|0|0|already_expired|-",
        );
    }
}

mod terms {
    use super::*;

    #[test]
    fn post_only_rejects_or_slides() {
        let mut market = Market::new();
        market.bob("'sell', 11.00, 100", "open|11.00|0|100|-|-");
        let rejected = market.alice(
            "'buy', 11.00, 10, post_only => 'reject'",
            "rejected|11.00|0|0|post_only_would_cross|-",
        );
        assert_eq!(market.row(rejected, "post_only"), "reject");
        market.alice("'buy', 10.98, 10, post_only => 'reject'", "open|10.98|0|10|-|-");
        market.alice("'buy', 11.05, 10, post_only => 'slide'", "open|10.99|0|10|-|-");
        market.bob("'sell', 10.00, 10, post_only => 'slide'", "open|11.00|0|10|-|-");
        assert_eq!(market.book(), ["10|10.99|11.00|110", "10|10.98|-|-"]);
    }

    #[test]
    fn all_or_none_waits_for_its_whole_quantity() {
        let mut market = Market::new();
        market.bob("'sell', 11.00, 40", "open|11.00|0|40|-|-");
        let whole = market.alice("'buy', 11.00, 100, all_or_none => true", "open|11.00|0|100|-|-");
        assert_eq!(market.row(whole, "all_or_none, displayed_quantity"), "t|0");
        assert_eq!(market.book(), ["-|-|11.00|40"]);
        market.bob("'sell', 11.00, 60", "filled|11.00|60|0|-|-");
        market.stands(whole, "filled|11.00|100|0|-|-");
        assert_eq!(market.fills(whole), ["11.00|40|taker", "11.00|60|taker"]);
    }

    #[test]
    fn a_minimum_must_trade_at_once() {
        let mut market = Market::new();
        market.bob("'sell', 11.00, 40", "open|11.00|0|40|-|-");
        market.alice(
            "'buy', 11.00, 100, minimum_quantity => 41",
            "cancelled|11.00|0|0|-|minimum_quantity",
        );
        let order = market
            .alice("'buy', 11.00, 100, minimum_quantity => 40", "partially_filled|11.00|40|60|-|-");
        assert_eq!(market.row(order, "minimum_quantity"), "40");
        // It does not count again.
        market.bob("'sell', 11.00, 1", "filled|11.00|1|0|-|-");
        market.stands(order, "partially_filled|11.00|41|59|-|-");
    }

    #[test]
    fn an_iceberg_shows_a_part_and_queues_again() {
        let mut market = Market::new();
        let iceberg =
            market.bob("'sell', 11.00, 250, display_quantity => 100", "open|11.00|0|250|-|-");
        let other = market.bob("'sell', 11.00, 60", "open|11.00|0|60|-|-");
        assert_eq!(market.row(iceberg, "display_quantity, displayed_quantity"), "100|100");
        assert_eq!(market.book(), ["-|-|11.00|160"]);
        let taker = market.alice("'buy', 11.00, 190", "filled|11.00|190|0|-|-");
        let expected = [
            format!("{iceberg}|11.00|100"),
            format!("{other}|11.00|60"),
            format!("{iceberg}|11.00|30"),
        ];
        assert_eq!(market.makers(taker), expected);
        market.stands(iceberg, "partially_filled|11.00|130|120|-|-");
        assert_eq!(market.row(iceberg, "displayed_quantity"), "70");
        assert_eq!(market.book(), ["-|-|11.00|70"]);
    }

    #[test]
    fn a_hidden_order_trades_after_what_is_displayed() {
        let mut market = Market::new();
        let hidden = market.bob("'sell', 11.00, 50, hidden => true", "open|11.00|0|50|-|-");
        let displayed = market.bob("'sell', 11.00, 10", "open|11.00|0|10|-|-");
        assert_eq!(market.row(hidden, "hidden, displayed_quantity"), "t|0");
        assert_eq!(market.book(), ["-|-|11.00|10"]);
        let taker = market.alice("'buy', 11.00, 30", "filled|11.00|30|0|-|-");
        let expected = [format!("{displayed}|11.00|10"), format!("{hidden}|11.00|20")];
        assert_eq!(market.makers(taker), expected);
        assert_eq!(market.book(), [""; 0]);
    }

    #[test]
    fn one_cancels_the_other() {
        let mut market = Market::new();
        let profit = market.bob("'sell', 12.00, 100", "open|12.00|0|100|-|-");
        let link = format!("one_cancels_other => {profit}");
        let stop = format!("'sell', NULL, 100, order_type => 'stop', stop_price => 10, {link}");
        let loss = market.bob(&stop, "open|9.00|0|100|-|-");
        assert_eq!(market.row(loss, "linked_order_id"), profit.to_string());
        assert_eq!(market.row(profit, "linked_order_id"), loss.to_string());
        // It has a link already, and is not Alice's.
        market.bob(&stop, "rejected|9.00|0|0|linked_order_not_open|-");
        market
            .alice(&format!("'buy', 9.00, 1, {link}"), "rejected|9.00|0|0|linked_order_not_open|-");
        // A part is enough.
        market.alice("'buy', 12.00, 1", "filled|12.00|1|0|-|-");
        market.stands(loss, "cancelled|9.00|0|0|-|linked_order");
        market.stands(profit, "partially_filled|12.00|1|99|-|-");
        assert_eq!(market.row(profit, "linked_order_id"), "-");
    }

    #[test]
    fn a_linked_order_stays_when_the_other_is_cancelled() {
        let mut market = Market::new();
        let first = market.bob("'sell', 12.00, 100", "open|12.00|0|100|-|-");
        let second = market.bob(
            &format!("'sell', 13.00, 100, one_cancels_other => {first}"),
            "open|13.00|0|100|-|-",
        );
        market.cancel(first);
        market.stands(second, "open|13.00|0|100|-|-");
        assert_eq!(market.row(second, "linked_order_id"), "-");
    }

    #[test]
    fn orders_of_one_account_do_not_trade_with_each_other() {
        // Of an ask of 10 and a bid of 15 at its price: how the two stand then, by mode.
        for (mode, bid, ask) in [
            ("cancel_newest", "cancelled|11.00|0|0|-|self_trade", "open|11.00|0|10|-|-"),
            ("cancel_oldest", "open|11.00|0|15|-|-", "cancelled|11.00|0|0|-|self_trade"),
            ("cancel_both", "cancelled|11.00|0|0|-|self_trade", "cancelled|11.00|0|0|-|self_trade"),
            ("decrement", "open|11.00|0|5|-|-", "cancelled|11.00|0|0|-|self_trade"),
            ("allow", "partially_filled|11.00|10|5|-|-", "filled|11.00|10|0|-|-"),
        ] {
            let mut market = Market::new();
            let resting = market.bob("'sell', 11.00, 10", "open|11.00|0|10|-|-");
            let incoming =
                market.bob(&format!("'buy', 11.00, 15, self_trade_prevention => '{mode}'"), bid);
            market.stands(resting, ask);
            assert_eq!(market.row(incoming, "self_trade_prevention"), mode);
        }
    }

    #[test]
    fn the_default_cancels_the_newest_after_what_it_traded() {
        let mut market = Market::new();
        market.alice("'sell', 10.99, 5", "open|10.99|0|5|-|-");
        market.bob("'sell', 11.00, 10", "open|11.00|0|10|-|-");
        let order = market.bob("'buy', 11.00, 15", "cancelled|11.00|5|0|-|self_trade");
        assert_eq!(market.row(order, "self_trade_prevention"), "cancel_newest");
    }

    #[test]
    fn a_decremented_order_becomes_smaller() {
        let mut market = Market::new();
        let resting = market.bob("'sell', 11.00, 10", "open|11.00|0|10|-|-");
        market.bob(
            "'buy', 11.00, 4, self_trade_prevention => 'decrement'",
            "cancelled|11.00|0|0|-|self_trade",
        );
        market.stands(resting, "open|11.00|0|6|-|-");
        assert_eq!(market.row(resting, "quantity"), "6");
    }

    #[test]
    fn a_retry_is_answered_as_the_first_call_was() {
        let mut market = Market::new();
        let named = "'buy', 9.00, 10, client_order_id => 'A-1'";
        let order = market.alice(named, "open|9.00|0|10|-|-");
        assert_eq!(market.row(order, "client_order_id"), "A-1");
        market.bob("'sell', 9.00, 10", "filled|9.00|10|0|-|-");
        market.stands(order, "filled|9.00|10|0|-|-");
        let (symbol, alice) = (market.symbol.clone(), market.alice);
        let mut again = |arguments: &str| {
            market.session.one(&format!(
                "SELECT order_id, client_order_id, {STANDING}
                 FROM exchange.place_order('{symbol}', {arguments}, account_id => {alice})"
            ))
        };
        assert_eq!(again(named), format!("{order}|A-1|open|9.00|0|10|-|-"));
        // The name decides, not the terms.
        let other = "'sell', 8.00, 77, client_order_id => 'A-1'";
        assert_eq!(again(other), format!("{order}|A-1|open|9.00|0|10|-|-"));
        market.bob(named, "open|9.00|0|10|-|-");
        market.session.wait_for_tables();
        let count = format!("SELECT count(*) FROM exchange.orders WHERE symbol = '{symbol}'");
        assert_eq!(market.session.number(&count), 3);
    }

    #[test]
    fn a_rejected_order_is_remembered_by_its_name_too() {
        let mut market = Market::new();
        let poor = "'sell', 9.00, 10001, client_order_id => 'B-1'";
        let order = market.alice(poor, "rejected|9.00|0|0|insufficient_shares|-");
        market.call("deposit_shares(ALICE, SYMBOL, 1)");
        let again = market.alice(poor, "rejected|9.00|0|0|insufficient_shares|-");
        assert_eq!(again, order);
    }
}

mod reject_reasons {
    use super::*;

    const BUY: &str = "'buy', 9.00, 10";

    fn rejected(reason: &str) -> String {
        format!("rejected|9.00|0|0|{reason}|-")
    }

    #[test]
    fn a_halted_instrument_takes_no_orders() {
        let mut market = Market::new();
        market.call("halt_instrument(SYMBOL)");
        market.alice(BUY, &rejected("instrument_halted"));
        market.call("resume_instrument(SYMBOL)");
        market.alice(BUY, "open|9.00|0|10|-|-");
    }

    #[test]
    fn an_account_must_be_verified_and_neither_suspended_nor_closed() {
        let mut market = Market::new();
        let account = market.session.number("SELECT exchange.open_account()");
        market.enter(account, BUY, &rejected("account_not_verified"));
        market.call(&format!("verify_account({account})"));
        market.enter(account, BUY, &rejected("insufficient_funds"));
        market.call(&format!("suspend_account({account})"));
        market.enter(account, BUY, &rejected("account_suspended"));
        market.call(&format!("close_account({account})"));
        market.enter(account, BUY, &rejected("account_closed"));
    }

    #[test]
    fn a_kill_switch_cancels_and_rejects_until_it_is_released() {
        let mut market = Market::new();
        let open = market.alice(BUY, "open|9.00|0|10|-|-");
        let alice = market.alice;
        let cancelled = market.session.number(&format!("SELECT exchange.kill_switch({alice})"));
        assert_eq!(cancelled, 1);
        market.stands(open, "cancelled|9.00|0|0|-|kill_switch");
        market.alice(BUY, &rejected("kill_switch"));
        market.bob(BUY, "open|9.00|0|10|-|-");
        market.call("release_kill_switch(ALICE)");
        market.alice(BUY, "open|9.00|0|10|-|-");
    }

    #[test]
    fn a_limit_price_must_be_within_the_collar() {
        let mut market = Market::new();
        market.call("set_reference_price(SYMBOL, 10)");
        market.call("set_price_rules(SYMBOL, collar => 0.1)");
        market.alice(BUY, "open|9.00|0|10|-|-");
        market.alice("'buy', 8.99, 10", "rejected|8.99|0|0|price_collar|-");
        market.bob("'sell', 11.01, 10", "rejected|11.01|0|0|price_collar|-");
        // From the last trade on, once there is one.
        market.bob("'sell', 9.00, 10", "filled|9.00|10|0|-|-");
        market.alice("'buy', 8.99, 10", "open|8.99|0|10|-|-");
        market.bob("'sell', 9.91, 10", "rejected|9.91|0|0|price_collar|-");
    }

    #[test]
    fn risk_limits_of_an_order() {
        let mut market = Market::new();
        market.call("set_risk_limits(ALICE, SYMBOL, order_quantity => 9)");
        market.alice(BUY, &rejected("order_quantity_limit"));
        market.alice("'buy', 9.00, 9", "open|9.00|0|9|-|-");
        market.call("set_risk_limits(ALICE, SYMBOL)");
        market.call("set_risk_limits(symbol => SYMBOL, order_value => 89.99)");
        market.bob(BUY, &rejected("order_value_limit"));
        market.bob("'buy', 8.99, 10", "open|8.99|0|10|-|-");
    }

    #[test]
    fn risk_limits_of_a_day() {
        let mut market = Market::new();
        market.call("set_risk_limits(ALICE, SYMBOL, daily_bought_quantity => 100)");
        let first = market.alice("'buy', 9.00, 91", "open|9.00|0|91|-|-");
        market.alice(BUY, &rejected("daily_quantity_limit"));
        market.alice("'sell', 9.50, 200", "open|9.50|0|200|-|-");
        market.cancel(first);
        market.alice(BUY, "open|9.00|0|10|-|-");
        market.bob("'sell', 9.00, 10", "filled|9.00|10|0|-|-");
        // What has traded counts on.
        market.alice("'buy', 9.00, 91", &rejected("daily_quantity_limit"));
        market.call("set_risk_limits(ALICE, SYMBOL, daily_bought_value => 180)");
        market.alice("'buy', 9.00, 11", &rejected("daily_value_limit"));
        market.alice(BUY, "open|9.00|0|10|-|-");
    }

    #[test]
    fn a_limit_of_open_orders() {
        let mut market = Market::new();
        market.call("set_risk_limits(ALICE, open_orders => 1)");
        market.alice(BUY, "open|9.00|0|10|-|-");
        market.alice(BUY, &rejected("open_orders_limit"));
        // What does not rest needs no room.
        market.alice("'buy', 9.00, 10, 'IOC'", "cancelled|9.00|0|0|-|immediate");
    }

    #[test]
    fn an_account_must_be_able_to_pay_and_to_deliver() {
        let mut market = Market::new();
        market.alice("'buy', 100.00, 10001", "rejected|100.00|0|0|insufficient_funds|-");
        let all = market.alice("'buy', 100.00, 10000", "open|100.00|0|10000|-|-");
        market.alice("'buy', 0.01, 1", "rejected|0.01|0|0|insufficient_funds|-");
        market.cancel(all);
        market.alice("'buy', 0.01, 1", "open|0.01|0|1|-|-");
        market.bob("'sell', 9.00, 10001", &rejected("insufficient_shares"));
        market.bob("'sell', 9.00, 10000", "open|9.00|0|10000|-|-");
        market.bob("'sell', 9.00, 1", &rejected("insufficient_shares"));
        // Credit, and selling short.
        market.call("set_credit_limit(ALICE, 'USD', 5)");
        market.alice("'buy', 0.05, 20000100", "rejected|0.05|0|0|insufficient_funds|-");
        market.alice("'buy', 0.05, 20000099", "open|0.05|0|20000099|-|-");
        market.call("set_short_limit(BOB, SYMBOL, 1)");
        market.bob("'sell', 9.00, 1", "open|9.00|0|1|-|-");
    }

    #[test]
    fn a_change_needs_an_open_order_of_ones_own() {
        let mut market = Market::new();
        let bid = market.alice(BUY, "open|9.00|0|10|-|-");
        let role = venue().trader();
        market.session.run(&format!("SELECT exchange.open_account('{role}')"));
        let mut other = venue().session(&role);
        let many = format!("SELECT {STANDING} FROM exchange.cancel_orders(ARRAY[{bid}])");
        assert_eq!(other.one(&many).split('|').nth(4), Some("not_owner"));
        market.stands(bid, "open|9.00|0|10|-|-");
        market.bob("'sell', 9.00, 10", "filled|9.00|10|0|-|-");
        let one = format!("SELECT {STANDING} FROM exchange.cancel_order({bid})");
        assert_eq!(market.session.one(&one), "filled|9.00|10|0|order_not_open|-");
        let answer = market.session.one(&many);
        assert!(answer.starts_with("rejected|") && answer.contains("|order_not_open|"), "{answer}");
        market.stands(bid, "filled|9.00|10|0|-|-");
    }

    #[test]
    fn a_replacement_that_is_declined_leaves_the_order_as_it_was() {
        let mut market = Market::new();
        let bid = market.alice(BUY, "open|9.00|0|10|-|-");
        let replace =
            |terms: &str| format!("SELECT {STANDING} FROM exchange.replace_order({bid}, {terms})");
        let answer = market.session.one(&replace("quantity => 2000000"));
        assert_eq!(answer, "open|9.00|0|10|insufficient_funds|-");
        market.stands(bid, "open|9.00|0|10|-|-");
        let answer = market.session.one(&replace("price => 9.10, quantity => 20"));
        assert_eq!(answer, "open|9.10|0|20|-|-");
        market.stands(bid, "open|9.10|0|20|-|-");
    }

    /// Of what orders are counted by, the venue has room for a few.
    #[test]
    fn a_full_venue_takes_no_more() {
        const LEVELS: i64 = 64;
        let venue = Venue::start(&[
            ("exchange.maximum_price_levels", "64"),
            ("exchange.maximum_open_orders", "66"),
            ("exchange.maximum_positions", "2"),
        ]);
        let mut market = Market::of(&venue);
        let carol = market.session.number("SELECT exchange.open_account()");
        market.call(&format!("verify_account({carol})"));
        market.enter(carol, BUY, &rejected("too_many_positions"));
        for price in 1..LEVELS {
            let terms = format!("'buy', {price}, 10");
            market.alice(&terms, &format!("open|{price}.00|0|10|-|-"));
        }
        market.bob("'sell', 100, 10", "open|100.00|0|10|-|-");
        market.alice("'buy', 90, 5", "rejected|90.00|0|0|too_many_price_levels|-");
        // A stop order needs a level when it is triggered, and finds none.
        let stop = market.alice(
            "'buy', 90, 5, order_type => 'stop_limit', stop_price => 100",
            "open|90.00|0|5|-|-",
        );
        market.alice("'buy', 100, 5, 'IOC'", "filled|100.00|5|0|-|-");
        market.stands(stop, "cancelled|90.00|0|0|-|no_room");
        market.alice(BUY, "open|9.00|0|10|-|-");
        market.alice(BUY, "open|9.00|0|10|-|-");
        market.alice(BUY, &rejected("too_many_open_orders"));
        market.alice("'buy', 100, 5, 'IOC'", "filled|100.00|5|0|-|-");
    }
}

mod cancel_reasons {
    use super::*;

    #[test]
    fn a_cancel_and_a_replacement_by_what_has_traded_are_requested() {
        let mut market = Market::new();
        let bid = market.alice("'buy', 9.00, 10", "open|9.00|0|10|-|-");
        market.bob("'sell', 9.00, 4", "filled|9.00|4|0|-|-");
        let call = format!("SELECT {STANDING} FROM exchange.replace_order({bid}, quantity => 4)");
        assert_eq!(market.session.one(&call), "cancelled|9.00|4|0|-|requested");
        market.stands(bid, "cancelled|9.00|4|0|-|requested");
        let bid = market.alice("'buy', 9.00, 10", "open|9.00|0|10|-|-");
        market.cancel(bid);
        market.stands(bid, "cancelled|9.00|0|0|-|requested");
        market.alice("'buy', 9.00, 10", "open|9.00|0|10|-|-");
        let bid = market.alice("'buy', 9.00, 10", "open|9.00|0|10|-|-");
        let ask = market.alice("'sell', 9.50, 10", "open|9.50|0|10|-|-");
        let call =
            format!("SELECT exchange.mass_cancel({}, '{}', 'buy')", market.alice, market.symbol);
        assert_eq!(market.session.number(&call), 2);
        market.stands(bid, "cancelled|9.00|0|0|-|requested");
        market.stands(ask, "open|9.50|0|10|-|-");
    }

    #[test]
    fn the_orders_of_a_session_end_with_it() {
        let mut market = Market::new();
        let place = format!(
            "SELECT order_id FROM exchange.place_order('{}', 'buy', 9, 10, account_id => {})",
            market.symbol, market.alice
        );
        let mut session = venue().superuser();
        let unbound = session.number(&place);
        session.run("SELECT exchange.cancel_on_disconnect()");
        let bound = session.number(&place);
        market.stands(bound, "open|9.00|0|10|-|-");
        assert_eq!(market.row(bound, "session_id IS NOT NULL"), "t");
        drop(session);
        wait_until("the order is cancelled", || market.row(bound, "status") == "cancelled");
        market.stands(bound, "cancelled|9.00|0|0|-|session_ended");
        market.stands(unbound, "open|9.00|0|10|-|-");
    }

    #[test]
    fn beyond_the_price_bands_a_volatility_halt_begins_and_orders_are_collected() {
        let mut market = Market::new();
        market.call("set_reference_price(SYMBOL, 10)");
        market.call("set_price_rules(SYMBOL, band => 0.05, volatility_halt => '1 day')");
        market.bob("'sell', 10.50, 10", "open|10.50|0|10|-|-");
        market.bob("'sell', 10.51, 10", "open|10.51|0|10|-|-");
        let order =
            market.alice("'buy', 10.51, 20, 'IOC'", "cancelled|10.51|10|0|-|volatility_halt");
        assert_eq!(market.fills(order), ["10.50|10|taker"]);
        for terms in [
            "'FOK'",
            "'IOC'",
            "post_only => 'reject'",
            "post_only => 'slide'",
            "minimum_quantity => 1",
        ] {
            let terms = format!("'buy', 10.51, 20, {terms}");
            market.alice(&terms, "rejected|10.51|0|0|auction_phase|-");
        }
        market.alice("'buy', 10.60, 20", "open|10.60|0|20|-|-");
        // 10.50, the last trade, and 10 % of it.
        market.alice("'buy', NULL, 20, order_type => 'market'", "open|11.55|0|20|-|-");
    }
}
