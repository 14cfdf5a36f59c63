//! Each rule of `docs/rules.md` by an example that was worked out by hand, for the engine
//! and for its oracle.

mod support;

use matcher::*;
use support::Exchange;
use support::desk::{Desk, ROOMY, TICK, buy, day, listing, sell};

/// Makes a test of each example for the engine, and one for the naive exchange.
macro_rules! examples {
    ($($(#[$meta:meta])* fn $name:ident($desk:ident: $kind:expr) $body:block)*) => {
        $(
            $(#[$meta])*
            fn $name<E: Exchange>() {
                #[allow(unused_mut, reason = "some only look")]
                let mut $desk: Desk<E> = $kind;
                $body
            }
        )*

        mod engine {
            $(#[test] fn $name() { super::$name::<matcher::Engine>(); })*
        }

        mod naive {
            $(#[test] fn $name() { super::$name::<matcher::NaiveExchange>(); })*
        }
    };
}

/// Five per cent around the reference price, halts of a millisecond.
const BANDS: PriceRules = PriceRules {
    collar_ppm: 0,
    band_ppm: 50_000,
    volatility_halt_us: 1000,
    protection_ppm: 100_000,
};

fn risk(change: impl Fn(&mut RiskLimits)) -> RiskLimits {
    let mut limits = RiskLimits::NONE;
    change(&mut limits);
    limits
}

examples! {
    // Limit orders, and how long they stay.

    fn orders_trade_by_price_then_time(desk: Desk::open()) {
        assert_eq!(desk.place(sell(1, 5, 101)), ["a rests 5 at 101"]);
        assert_eq!(desk.place(sell(2, 5, 100)), ["b rests 5 at 100"]);
        assert_eq!(desk.place(sell(3, 5, 100)), ["c rests 5 at 100"]);
        assert_eq!(desk.place(buy(4, 12, 101)), [
            "b trades 5 at 100 with d",
            "c trades 5 at 100 with d",
            "a trades 2 at 101 with d",
        ]);
        assert_eq!(desk.place(buy(4, 5, 102)), ["a trades 3 at 101 with e", "e rests 2 at 102"]);
        let order = desk.order('e');
        assert_eq!((order.quantity, order.filled, order.remaining), (5, 3, 2));
        assert_eq!((order.status, order.turnover_ticks), (OrderStatus::PartiallyFilled, 303));
    }

    fn immediate_or_cancel(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        assert_eq!(
            desk.place(buy(2, 8, 100).immediate()),
            ["a trades 5 at 100 with b", "b cancelled 3 (Immediate)"]
        );
        let order = desk.answer(buy(2, 8, 100).immediate());
        assert_eq!((order.status, order.remaining), (OrderStatus::Cancelled, 0));
        assert_eq!(order.cancel_reason, CancelReason::Immediate);
    }

    fn fill_or_kill(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        desk.place(sell(1, 5, 102));
        assert_eq!(desk.place(buy(2, 8, 101).fill_or_kill()), ["c cancelled 8 (FillOrKill)"]);
        assert_eq!(
            desk.place(buy(2, 8, 102).fill_or_kill()),
            ["a trades 5 at 100 with d", "b trades 3 at 102 with d"]
        );
    }

    /// What an iceberg does not show comes after the order of one's own account.
    fn fill_or_kill_is_not_filled_in_part_before_an_own_order(desk: Desk::open()) {
        desk.place(sell(1, 10, 100).iceberg(5));
        desk.place(sell(2, 5, 100));
        assert_eq!(desk.place(buy(2, 10, 100).fill_or_kill()), ["c cancelled 10 (FillOrKill)"]);
        assert_eq!(
            desk.place(buy(2, 5, 100).fill_or_kill()),
            ["a trades 5 at 100 with d", "a shows 5"]
        );
    }

    fn fill_or_kill_has_all_of_an_iceberg_before_a_hidden_own_order(desk: Desk::open()) {
        desk.place(sell(2, 5, 100).hidden());
        desk.place(sell(1, 10, 100).iceberg(5));
        assert_eq!(desk.place(buy(2, 10, 100).fill_or_kill()), [
            "b trades 5 at 100 with c",
            "b shows 5",
            "b trades 5 at 100 with c",
        ]);
    }

    /// A linked pair is no liquidity twice.
    fn fill_or_kill_counts_one_of_two_linked_orders(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        desk.place(sell(1, 5, 101).linked(desk.id('a')));
        assert_eq!(desk.place(buy(2, 10, 101).fill_or_kill()), ["c cancelled 10 (FillOrKill)"]);
        desk.place(sell(3, 5, 101));
        assert_eq!(desk.place(buy(2, 10, 101).fill_or_kill()), [
            "a trades 5 at 100 with e",
            "b cancelled 5 (LinkedOrder)",
            "d trades 5 at 101 with e",
        ]);
    }

    fn minimum_quantity(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        assert_eq!(desk.place(buy(2, 10, 100).minimum(6)), ["b cancelled 10 (MinimumQuantity)"]);
        assert_eq!(
            desk.place(buy(2, 10, 100).minimum(5)),
            ["a trades 5 at 100 with c", "c rests 5 at 100"]
        );
    }

    fn good_till_date(desk: Desk::open()) {
        assert_eq!(desk.place(buy(1, 5, 100).until(50)), ["a rests 5 at 100"]);
        desk.place(buy(1, 5, 100).until(40));
        assert_eq!(desk.exchange.next_due_us(), 40);
        assert_eq!(
            desk.advance_to(60),
            ["clock at 60", "b cancelled 5 (Expired)", "a cancelled 5 (Expired)"]
        );
        assert_eq!(desk.exchange.next_due_us(), i64::MAX);
        assert_eq!(desk.place(buy(1, 5, 100).until(60)), ["c rejected (AlreadyExpired)"]);
        let order = desk.answer(buy(1, 5, 100).until(60));
        assert_eq!(order.status, OrderStatus::Rejected);
    }

    fn day_orders_end_with_the_market(desk: Desk::open()) {
        desk.place(buy(1, 5, 100).force(TimeInForce::Day));
        desk.place(buy(1, 5, 100));
        desk.place(sell(1, 5, 90).stop_limit(95).force(TimeInForce::Day));
        assert_eq!(desk.run(&Command::CloseMarket), [
            "market Closed on day 1",
            "a cancelled 5 (Expired)",
            "c cancelled 5 (Expired)",
        ]);
        assert_eq!(desk.place(buy(1, 5, 100)), ["d rejected (MarketClosed)"]);
        assert_eq!(desk.cancel('b'), ["b cancelled 5 (Requested)"]);
    }

    // Market orders.

    fn market_orders_are_protected(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        desk.place(sell(1, 5, 110));
        desk.place(sell(1, 5, 111));
        assert_eq!(desk.place(buy(2, 20, 0).market()), [
            "a trades 5 at 100 with d",
            "b trades 5 at 110 with d",
            "d cancelled 10 (Immediate)",
        ]);
        let order = desk.answer(buy(2, 1, 0).market());
        assert_eq!((order.price_ticks, order.filled), (122, 1), "ten per cent above 111");
    }

    fn market_orders_with_a_limit_keep_it(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        desk.place(sell(1, 5, 101));
        assert_eq!(
            desk.place(buy(2, 8, 100).market()),
            ["a trades 5 at 100 with c", "c cancelled 3 (Immediate)"]
        );
    }

    fn market_orders_need_something_to_start_from(desk: Desk::open()) {
        let order = desk.answer(sell(1, 5, 0).market());
        assert_eq!(order.reject_reason, RejectReason::NoReferencePrice);
        assert_eq!(order.price_ticks, 0);
        desk.set_rules(PriceRules::default(), 200);
        assert_eq!(desk.answer(sell(1, 5, 0).market()).price_ticks, 180);
        desk.trade_at(100);
        assert_eq!(desk.answer(sell(1, 5, 0).market()).price_ticks, 90);
        desk.place(buy(2, 1, 50));
        assert_eq!(desk.answer(sell(1, 5, 0).market()).price_ticks, 45);
    }

    fn market_orders_stay_within_the_collar(desk: Desk::open()) {
        let rules = PriceRules { collar_ppm: 50_000, ..PriceRules::default() };
        desk.set_rules(rules, 100);
        assert_eq!(desk.answer(buy(1, 5, 0).market()).price_ticks, 105);
        assert_eq!(desk.answer(sell(1, 5, 0).market()).price_ticks, 95);
    }

    fn market_orders_in_an_auction(desk: Desk::pre_open()) {
        desk.set_rules(PriceRules::default(), 100);
        assert_eq!(desk.place(buy(1, 5, 0).market()), ["a rests 5 at 110"]);
        desk.place(sell(2, 3, 100));
        assert_eq!(desk.advance_to(100), [
            "clock at 100",
            "market Continuous on day 1",
            "uncrossed 3 at 100",
            "a trades 3 at 100 with b in the auction",
            "a cancelled 2 (AuctionEnded)",
        ]);
    }

    // Post-only.

    fn post_only_rejects(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        assert_eq!(
            desk.place(buy(2, 5, 100).post_only(PostOnly::Reject)),
            ["b rejected (PostOnlyWouldCross)"]
        );
        assert_eq!(desk.place(buy(2, 5, 99).post_only(PostOnly::Reject)), ["c rests 5 at 99"]);
    }

    fn post_only_slides(desk: Desk::open()) {
        desk.place(sell(1, 5, 100).hidden());
        desk.place(sell(1, 5, 101));
        assert_eq!(desk.place(buy(2, 5, 105).post_only(PostOnly::Slide)), ["c rests 5 at 99"]);
        assert_eq!(desk.place(sell(3, 5, 99).post_only(PostOnly::Slide)), ["d rests 5 at 100"]);
        desk.place(sell(3, 5, 1).on(2));
        let slides = buy(2, 5, 7).on(2).post_only(PostOnly::Slide);
        assert_eq!(desk.place(slides), ["f rejected (PostOnlyWouldCross)"]);
    }

    /// An all-or-none order that is larger would not trade.
    fn post_only_looks_at_acceptable_orders(desk: Desk::open()) {
        desk.place(sell(1, 10, 100).all_or_none());
        assert_eq!(desk.place(buy(2, 5, 100).post_only(PostOnly::Reject)), ["b rests 5 at 100"]);
        assert_eq!(
            desk.place(buy(2, 10, 100).post_only(PostOnly::Reject)),
            ["c rejected (PostOnlyWouldCross)"]
        );
    }

    // Icebergs and hidden orders.

    fn icebergs_show_a_part_at_a_time(desk: Desk::open()) {
        assert_eq!(desk.place(sell(1, 10, 100).iceberg(4)), ["a rests 10 at 100"]);
        desk.place(sell(2, 3, 100));
        assert_eq!(desk.levels(Side::Sell), [(100, 7, 2)]);
        assert_eq!(desk.place(buy(3, 8, 100)), [
            "a trades 4 at 100 with c",
            "a shows 4",
            "b trades 3 at 100 with c",
            "a trades 1 at 100 with c",
        ]);
        assert_eq!(desk.levels(Side::Sell), [(100, 3, 1)]);
        assert_eq!(desk.order('a').priority, (desk.id('c') << PRIORITY_BITS) | 1);
        assert_eq!(desk.place(buy(3, 4, 100)), [
            "a trades 3 at 100 with d",
            "a shows 2",
            "a trades 1 at 100 with d",
        ]);
        assert_eq!(desk.levels(Side::Sell), [(100, 1, 1)]);
    }

    fn icebergs_lose_first_what_they_do_not_show(desk: Desk::open()) {
        desk.place(sell(1, 10, 100).iceberg(4));
        assert_eq!(desk.reduce('a', 5), ["a reduced to 5"]);
        assert_eq!(desk.levels(Side::Sell), [(100, 4, 1)]);
        assert_eq!(desk.reduce('a', 2), ["a reduced to 3"]);
        assert_eq!(desk.levels(Side::Sell), [(100, 3, 1)]);
    }

    fn hidden_orders_trade_after_displayed_ones(desk: Desk::open()) {
        desk.place(sell(1, 5, 100).hidden());
        desk.place(sell(2, 5, 100));
        assert_eq!(desk.levels(Side::Sell), [(100, 5, 1)]);
        assert_eq!(
            desk.place(buy(3, 7, 100)),
            ["b trades 5 at 100 with c", "a trades 2 at 100 with c"]
        );
        assert_eq!(desk.levels(Side::Sell), []);
        assert_eq!(desk.order('a').displayed, 0);
    }

    // All-or-none.

    fn all_or_none_waits_for_its_whole_quantity(desk: Desk::open()) {
        assert_eq!(desk.place(sell(1, 5, 100).all_or_none()), ["a rests 5 at 100"]);
        assert_eq!(desk.place(buy(2, 3, 101)), ["b rests 3 at 101"]);
        assert_eq!(desk.place(buy(3, 2, 100)), [
            "c rests 2 at 100",
            "b trades 3 at 101 with a",
            "c trades 2 at 100 with a",
        ]);
    }

    fn all_or_none_trades_as_a_whole_with_a_larger_order(desk: Desk::open()) {
        desk.place(sell(1, 5, 100).all_or_none());
        desk.place(sell(2, 2, 100));
        assert_eq!(
            desk.place(buy(3, 6, 100)),
            ["b trades 2 at 100 with c", "c rests 4 at 100"],
            "what is left is less than all of it"
        );
        assert_eq!(desk.place(buy(4, 5, 100)), ["a trades 5 at 100 with d"]);
    }

    fn the_best_all_or_none_order_is_the_first(desk: Desk::open()) {
        desk.place(buy(1, 8, 100).all_or_none());
        desk.place(buy(2, 8, 101).all_or_none());
        desk.place(buy(1, 8, 101).all_or_none());
        assert_eq!(desk.place(sell(3, 5, 100)), ["d rests 5 at 100"]);
        assert_eq!(desk.place(sell(4, 3, 100)), [
            "e rests 3 at 100",
            "d trades 5 at 100 with b",
            "e trades 3 at 100 with b",
        ]);
    }

    // Stop orders.

    fn stop_orders_become_market_orders(desk: Desk::open()) {
        desk.trade_at(100);
        assert_eq!(desk.place(buy(1, 5, 0).stop(105)), ["a rests 5 at 115"]);
        desk.place(sell(2, 3, 106));
        desk.place(sell(3, 1, 105));
        assert_eq!(desk.place(buy(4, 1, 105)), [
            "c trades 1 at 105 with d",
            "a triggered",
            "b trades 3 at 106 with a",
            "a cancelled 2 (Immediate)",
        ]);
    }

    fn stop_limit_orders_become_limit_orders(desk: Desk::open()) {
        desk.trade_at(100);
        desk.place(sell(1, 5, 94).stop_limit(95));
        desk.place(buy(2, 1, 95));
        assert_eq!(
            desk.place(sell(3, 1, 95)),
            ["b trades 1 at 95 with c", "a triggered", "a rests 5 at 94"]
        );
        let order = desk.order('a');
        assert!(order.triggered);
        assert_eq!(order.priority, (desk.id('c') << PRIORITY_BITS) | 1);
        assert_eq!(desk.levels(Side::Sell), [(94, 5, 1)]);
    }

    fn a_stop_price_that_is_reached_already_triggers_at_once(desk: Desk::open()) {
        desk.trade_at(100);
        assert_eq!(
            desk.place(buy(1, 5, 99).stop_limit(100)),
            ["a rests 5 at 99", "a triggered", "a rests 5 at 99"]
        );
    }

    fn a_stop_order_can_trigger_the_next(desk: Desk::open()) {
        desk.trade_at(100);
        desk.place(sell(1, 5, 97).stop_limit(98));
        desk.place(sell(2, 5, 96).stop_limit(97));
        desk.place(buy(3, 5, 97));
        desk.place(buy(4, 1, 98));
        assert_eq!(desk.place(sell(5, 1, 98)), [
            "d trades 1 at 98 with e",
            "a triggered",
            "c trades 5 at 97 with a",
            "b triggered",
            "b rests 5 at 96",
        ]);
    }

    fn stop_orders_trigger_by_stop_price_then_id(desk: Desk::open()) {
        desk.trade_at(100);
        desk.place(sell(1, 1, 80).stop_limit(90));
        desk.place(sell(1, 1, 81).stop_limit(92));
        desk.place(sell(1, 1, 82).stop_limit(92));
        desk.place(buy(2, 1, 85));
        assert_eq!(desk.place(sell(3, 1, 85)), [
            "d trades 1 at 85 with e",
            "b triggered",
            "b rests 1 at 81",
            "c triggered",
            "c rests 1 at 82",
            "a triggered",
            "a rests 1 at 80",
        ]);
    }

    fn stop_orders_can_watch_the_quote(desk: Desk::open()) {
        desk.place(buy(1, 5, 105).stop_limit(103).on_quote());
        desk.place(buy(1, 5, 105).stop_limit(103));
        assert_eq!(desk.place(sell(2, 5, 103)), [
            "c rests 5 at 103",
            "a triggered",
            "c trades 5 at 103 with a",
            "b triggered",
            "b rests 5 at 105",
        ]);
    }

    fn trailing_stops_follow_the_market(desk: Desk::open()) {
        desk.trade_at(100);
        assert_eq!(desk.place(sell(1, 5, 0).trailing(5)), ["a rests 5 at 86"]);
        desk.place(sell(2, 1, 110));
        assert_eq!(desk.place(buy(3, 1, 110)), [
            "b trades 1 at 110 with c",
            "a moves its stop to 105, its limit to 96",
        ]);
        desk.place(buy(2, 1, 106));
        assert_eq!(desk.place(sell(3, 1, 106)), ["d trades 1 at 106 with e"], "it only rises");
        desk.place(buy(2, 1, 105));
        assert_eq!(desk.place(sell(3, 1, 105)), [
            "f trades 1 at 105 with g",
            "a triggered",
            "a cancelled 5 (Immediate)",
        ]);
    }

    fn trailing_stops_of_buys_follow_downwards(desk: Desk::open()) {
        desk.trade_at(100);
        assert_eq!(desk.place(buy(1, 5, 107).trailing(5)), ["a rests 5 at 107"]);
        assert_eq!(desk.order('a').terms.stop_price_ticks, 105);
        desk.place(buy(2, 1, 90));
        assert_eq!(desk.place(sell(3, 1, 90)), [
            "b trades 1 at 90 with c",
            "a moves its stop to 95, its limit to 97",
        ]);
    }

    fn trailing_stops_need_a_market(desk: Desk::open()) {
        assert_eq!(desk.place(sell(1, 5, 0).trailing(5)), ["a rejected (NoReferencePrice)"]);
        assert_eq!(desk.place(sell(1, 5, 90).trailing(5)), ["b rejected (NoReferencePrice)"]);
    }

    fn a_triggered_order_can_have_the_level_that_it_used_up(desk: Desk::open_with(Limits {
        maximum_price_levels: 2,
        ..ROOMY
    })) {
        desk.trade_at(100);
        desk.place(sell(1, 5, 94).stop_limit(95));
        desk.place(buy(2, 1, 50));
        desk.place(buy(2, 2, 95));
        assert_eq!(desk.place(sell(3, 1, 95).immediate()), [
            "c trades 1 at 95 with d",
            "a triggered",
            "c trades 1 at 95 with a",
            "a rests 4 at 94",
        ], "the level of c is free again");
    }

    fn no_room_for_a_triggered_order(desk: Desk::open_with(Limits {
        maximum_price_levels: 2,
        ..ROOMY
    })) {
        desk.place(sell(1, 5, 104).stop_limit(95));
        desk.place(buy(2, 1, 50));
        desk.place(buy(2, 2, 95));
        assert_eq!(desk.place(sell(3, 1, 95).immediate()), [
            "c trades 1 at 95 with d",
            "a triggered",
            "a cancelled 5 (NoRoom)",
        ]);
    }

    // Pegged orders.

    fn pegged_orders_follow_the_quote(desk: Desk::open()) {
        desk.place(buy(1, 10, 100));
        desk.place(sell(2, 10, 110));
        assert_eq!(desk.place(buy(3, 5, 120).pegged(Peg::Midpoint)), ["c rests 5 at 120"]);
        assert_eq!(desk.place(sell(4, 5, 105)), ["c trades 5 at 105 with d"]);
        assert_eq!(desk.place(buy(3, 5, 120).pegged(Peg::BestBid)), ["e rests 5 at 120"]);
        assert_eq!(
            desk.place(sell(4, 12, 100)),
            ["a trades 10 at 100 with f", "e trades 2 at 100 with f"]
        );
        assert_eq!(desk.place(sell(4, 3, 100)), ["g rests 3 at 100"], "there is no bid to follow");
        assert_eq!(desk.levels(Side::Buy), []);
    }

    fn the_middle_is_rounded_against_the_pegged_order(desk: Desk::open()) {
        desk.place(buy(1, 10, 100));
        desk.place(sell(2, 10, 105));
        desk.place(buy(3, 1, 120).pegged(Peg::Midpoint));
        assert_eq!(desk.place(sell(4, 1, 101)), ["c trades 1 at 102 with d"]);
        desk.place(sell(3, 1, 90).pegged(Peg::Midpoint));
        assert_eq!(desk.place(buy(4, 1, 104)), ["e trades 1 at 103 with f"]);
    }

    fn pegged_orders_are_never_beyond_their_limit(desk: Desk::open()) {
        desk.place(buy(1, 10, 100));
        desk.place(buy(2, 5, 98).pegged(Peg::BestBid));
        assert_eq!(
            desk.place(sell(3, 12, 98)),
            ["a trades 10 at 100 with c", "b trades 2 at 98 with c"]
        );
    }

    fn pegged_orders_take_what_they_can(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        assert_eq!(
            desk.place(buy(2, 8, 105).pegged(Peg::BestAsk)),
            ["b rests 8 at 105", "a trades 5 at 100 with b"]
        );
        assert_eq!(desk.order('b').remaining, 3);
    }

    // Linked orders.

    fn one_cancels_the_other(desk: Desk::open()) {
        desk.place(sell(1, 5, 110));
        desk.place(sell(1, 5, 90).stop_limit(95).linked(desk.id('a')));
        assert_eq!(desk.order('a').terms.linked_order, desk.id('b'));
        assert_eq!(
            desk.place(buy(2, 2, 110)),
            ["a trades 2 at 110 with c", "b cancelled 5 (LinkedOrder)"]
        );
        assert_eq!(desk.order('a').terms.linked_order, 0);
    }

    fn an_incoming_order_cancels_the_one_it_is_linked_with(desk: Desk::open()) {
        desk.place(sell(1, 5, 110));
        desk.place(buy(2, 5, 100));
        assert_eq!(
            desk.place(sell(1, 3, 100).linked(desk.id('a'))),
            ["b trades 3 at 100 with c", "a cancelled 5 (LinkedOrder)"]
        );
    }

    fn a_cancelled_order_leaves_the_other_alone(desk: Desk::open()) {
        desk.place(sell(1, 5, 110));
        desk.place(sell(1, 5, 111).linked(desk.id('a')));
        assert_eq!(desk.cancel('a'), ["a cancelled 5 (Requested)"]);
        assert_eq!(desk.order('b').terms.linked_order, 0);
    }

    fn a_link_needs_an_open_order_of_the_account_without_one(desk: Desk::open()) {
        desk.place(sell(1, 5, 110));
        let rejected = |name: &str| [format!("{name} rejected (LinkedOrderNotOpen)")];
        assert_eq!(desk.place(sell(2, 5, 110).linked(desk.id('a'))), rejected("b"));
        assert_eq!(desk.place(sell(1, 5, 110).linked(999)), rejected("c"));
        desk.place(sell(1, 5, 110).linked(desk.id('a')));
        assert_eq!(desk.place(sell(1, 5, 110).linked(desk.id('a'))), rejected("e"));
    }

    fn two_linked_orders_do_not_trade_with_each_other(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        let other = buy(1, 5, 100).linked(desk.id('a')).prevent(SelfTradePrevention::Allow);
        assert_eq!(desk.place(other), ["a cancelled 5 (LinkedOrder)", "b rests 5 at 100"]);
    }

    /// What ends in another instrument is settled there too.
    fn a_linked_order_of_another_instrument_moves_its_quote(desk: Desk::open()) {
        desk.place(sell(1, 5, 110));
        desk.place(sell(1, 5, 103).on(2).linked(desk.id('a')));
        desk.place(sell(2, 5, 105).on(2));
        desk.place(buy(3, 5, 105).on(2).stop_limit(105).on_quote());
        assert_eq!(desk.place(buy(4, 1, 110)), [
            "a trades 1 at 110 with e",
            "b cancelled 5 (LinkedOrder)",
            "d triggered",
            "c trades 5 at 105 with d",
        ]);
    }

    // Self-trade prevention.

    fn self_trades_cancel_the_newest(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        assert_eq!(desk.place(buy(1, 8, 100)), ["b cancelled 8 (SelfTrade)"]);
        assert_eq!(desk.order('a').remaining, 5);
    }

    fn self_trades_cancel_the_oldest(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        assert_eq!(
            desk.place(buy(1, 8, 100).prevent(SelfTradePrevention::CancelOldest)),
            ["a cancelled 5 (SelfTrade)", "b rests 8 at 100"]
        );
    }

    fn self_trades_cancel_both(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        assert_eq!(
            desk.place(buy(1, 8, 100).prevent(SelfTradePrevention::CancelBoth)),
            ["a cancelled 5 (SelfTrade)", "b cancelled 8 (SelfTrade)"]
        );
    }

    fn self_trades_decrement(desk: Desk::open()) {
        let decrement = SelfTradePrevention::Decrement;
        desk.place(sell(1, 5, 100));
        assert_eq!(
            desk.place(buy(1, 8, 100).prevent(decrement)),
            ["a cancelled 5 (SelfTrade)", "b reduced to 3", "b rests 3 at 100"]
        );
        assert_eq!(desk.order('b').quantity, 3);
        assert_eq!(
            desk.place(sell(1, 1, 100).prevent(decrement)),
            ["b reduced to 2", "c cancelled 1 (SelfTrade)"]
        );
        assert_eq!(
            desk.place(sell(1, 2, 100).prevent(decrement)),
            ["b cancelled 2 (SelfTrade)", "d cancelled 2 (SelfTrade)"]
        );
    }

    fn self_trades_decrement_what_an_iceberg_shows(desk: Desk::open()) {
        desk.place(sell(1, 10, 100).iceberg(4));
        assert_eq!(desk.place(buy(1, 6, 100).prevent(SelfTradePrevention::Decrement)), [
            "a reduced to 6",
            "a shows 4",
            "b reduced to 2",
            "a reduced to 4",
            "b cancelled 2 (SelfTrade)",
        ]);
        assert_eq!(desk.levels(Side::Sell), [(100, 2, 1)]);
    }

    fn self_trades_can_be_allowed(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        let assets = desk.assets(1);
        assert_eq!(
            desk.place(buy(1, 5, 100).prevent(SelfTradePrevention::Allow)),
            ["a trades 5 at 100 with b"]
        );
        assert_eq!(desk.assets(1), assets);
    }

    // Changing orders.

    fn a_reduced_order_keeps_its_place(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        desk.place(sell(2, 5, 100));
        assert_eq!(desk.reduce('a', 2), ["a reduced to 3"]);
        assert_eq!(desk.replace('a', 100, 2), ["a reduced to 2"]);
        assert_eq!(
            desk.place(buy(3, 3, 100)),
            ["a trades 2 at 100 with c", "b trades 1 at 100 with c"]
        );
    }

    fn a_replaced_order_loses_its_place(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        desk.place(sell(2, 5, 100));
        let (outcome, told) = desk.outcome(&desk.replacement('a', 0, 6));
        assert_eq!(told, ["a replaced by 6 at 100", "a rests 6 at 100"]);
        let sequence = desk.exchange.counters().sequence;
        assert_eq!(desk.order('a').priority, sequence << PRIORITY_BITS);
        assert_eq!(outcome, Outcome::Order(desk.order('a')));
        assert_eq!(desk.place(buy(3, 5, 100)), ["b trades 5 at 100 with c"]);
        desk.place(buy(3, 4, 98));
        assert_eq!(
            desk.replace('a', 98, 0),
            ["a replaced by 6 at 98", "d trades 4 at 98 with a", "a rests 2 at 98"]
        );
        let order = desk.order('a');
        assert_eq!((order.quantity, order.filled, order.created_at_us), (6, 4, 0));
    }

    fn a_replacement_by_nothing_new_changes_nothing(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        let before = desk.order('a');
        assert!(desk.replace('a', 100, 5).is_empty());
        assert!(desk.replace('a', 0, 5).is_empty());
        assert_eq!(desk.order('a'), before);
    }

    fn a_replacement_by_what_has_traded_cancels(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        desk.place(buy(2, 3, 100));
        assert_eq!(desk.replace('a', 0, 3), ["a cancelled 2 (Requested)"]);
    }

    fn a_declined_replacement_leaves_the_order(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        let before = desk.order('a');
        let (outcome, told) = desk.outcome(&desk.replacement('a', 0, 1001));
        assert_eq!(told, ["a not replaced (InsufficientShares)"]);
        let reject_reason = RejectReason::InsufficientShares;
        assert_eq!(outcome, Outcome::Order(Order { reject_reason, ..before }));
        assert_eq!(desk.order('a'), before);
        assert_eq!(
            desk.replace('a', 0, 1000),
            ["a replaced by 1000 at 100", "a rests 1000 at 100"]
        );
    }

    fn a_post_only_order_stays_so_when_replaced(desk: Desk::open()) {
        desk.place(sell(1, 5, 100));
        desk.place(buy(2, 5, 98).post_only(PostOnly::Slide));
        desk.place(buy(2, 5, 98).post_only(PostOnly::Reject));
        assert_eq!(desk.replace('b', 101, 0), ["b replaced by 5 at 99", "b rests 5 at 99"]);
        assert_eq!(desk.replace('c', 101, 0), ["c not replaced (PostOnlyWouldCross)"]);
    }

    fn which_orders_can_be_replaced(desk: Desk::open()) {
        desk.trade_at(100);
        desk.place(buy(1, 5, 115).stop(110));
        desk.place(buy(1, 5, 115).trailing(5));
        desk.place(buy(1, 5, 115).stop_limit(110));
        desk.place(buy(1, 5, 99).pegged(Peg::BestBid));
        for name in ['a', 'b'] {
            let refused = desk.check(&desk.replacement(name, 114, 0));
            assert_eq!(refused, Err(Refusal::NotReplaceable));
        }
        assert_eq!(desk.replace('c', 114, 0), ["c replaced by 5 at 114", "c rests 5 at 114"]);
        assert_eq!(desk.replace('d', 98, 6), ["d replaced by 6 at 98", "d rests 6 at 98"]);
        assert_eq!(desk.check(&desk.replacement('c', 0, 0)), Err(Refusal::ValueOutOfRange));
    }

    fn many_orders_can_be_cancelled_at_once(desk: Desk::open()) {
        desk.place(buy(1, 5, 50).on(2));
        desk.place(buy(1, 5, 50));
        desk.place(sell(1, 5, 150));
        desk.place(sell(2, 5, 150));
        desk.place(buy(1, 5, 170).stop(160));
        let all_of_anna =
            Command::CancelOrders { participant: 1, account: 0, instrument: 0, side: None };
        let buys = Command::CancelOrders {
            participant: VENUE,
            account: 1,
            instrument: 1,
            side: Some(Side::Buy),
        };
        let (outcome, told) = desk.outcome(&buys);
        assert_eq!(outcome, Outcome::Cancelled(2));
        assert_eq!(told, ["b cancelled 5 (Requested)", "e cancelled 5 (Requested)"]);
        let (outcome, told) = desk.outcome(&all_of_anna);
        assert_eq!(outcome, Outcome::Cancelled(2));
        assert_eq!(told, ["c cancelled 5 (Requested)", "a cancelled 5 (Requested)"]);
        let of_boris =
            Command::CancelOrders { participant: 1, account: 2, instrument: 0, side: None };
        assert_eq!(desk.check(&of_boris), Err(Refusal::NotOwner));
    }

    fn orders_end_with_their_session(desk: Desk::open()) {
        desk.place(buy(1, 5, 50).terms(|terms| terms.session = 7));
        desk.place(buy(1, 5, 50).terms(|terms| terms.session = 8));
        desk.place(buy(1, 5, 50));
        let (outcome, told) = desk.outcome(&Command::EndSession { session: 7 });
        assert_eq!(outcome, Outcome::Cancelled(1));
        assert_eq!(told, ["a cancelled 5 (SessionEnded)"]);
        let told = desk.run(&Command::EndSession { session: 0 });
        assert_eq!(told, ["b cancelled 5 (SessionEnded)"]);
    }

    fn a_retry_is_answered_with_the_first_answer(desk: Desk::open()) {
        let first = desk.answer(buy(1, 5, 100).named("n1"));
        desk.place(sell(2, 5, 100));
        let (outcome, told) = desk.outcome(&buy(1, 9, 90).named("n1").command());
        assert_eq!(outcome, Outcome::Order(first), "as it was then, though it has traded since");
        assert!(told.is_empty());
        assert_ne!(desk.answer(buy(2, 5, 90).named("n1")).order_id, first.order_id);
        // The window of four commands is over.
        let second = desk.answer(buy(1, 9, 90).named("n1"));
        assert_eq!(second.order_id, desk.exchange.counters().sequence);
        let ids: Vec<_> =
            desk.exchange.client_orders().iter().map(|order| order.order_id).collect();
        assert_eq!(ids, [second.order_id - 1, second.order_id]);
    }

    fn a_rejected_order_is_remembered_too(desk: Desk::closed(ROOMY)) {
        let first = desk.answer(buy(1, 5, 100).named("n1"));
        assert_eq!(first.reject_reason, RejectReason::MarketClosed);
        desk.run(&Command::OpenMarket { trade_date: 1 });
        let (outcome, _) = desk.outcome(&buy(1, 5, 100).named("n1").command());
        assert_eq!(outcome, Outcome::Order(first));
    }

    fn an_order_can_be_cancelled_by_its_name(desk: Desk::open()) {
        let name = ClientOrderId::new("n1").unwrap();
        desk.place(buy(1, 5, 100).named("n1"));
        let cancel = |participant| Command::CancelClientOrder {
            account: 1,
            client_order_id: name,
            participant,
        };
        assert_eq!(desk.check(&cancel(2)), Err(Refusal::NotOwner));
        assert_eq!(desk.run(&cancel(1)), ["a cancelled 5 (Requested)"]);
        assert_eq!(desk.check(&cancel(1)), Err(Refusal::UnknownOrder));
    }

    // Auctions, phases, the calendar.

    fn an_auction_trades_most_at_one_price(desk: Desk::pre_open()) {
        assert_eq!(desk.place(buy(1, 10, 102)), ["a rests 10 at 102"]);
        assert_eq!(desk.exchange.indicative(1), None);
        desk.place(buy(2, 5, 101));
        desk.place(sell(3, 8, 99));
        desk.place(sell(4, 4, 101));
        let expected = Indicative { price_ticks: 101, quantity: 12, imbalance: 3 };
        assert_eq!(desk.exchange.indicative(1), Some(expected));
        assert_eq!(desk.advance_to(100), [
            "clock at 100",
            "market Continuous on day 1",
            "uncrossed 12 at 101",
            "a trades 8 at 101 with c in the auction",
            "a trades 2 at 101 with d in the auction",
            "b trades 2 at 101 with d in the auction",
        ]);
        let state = desk.exchange.instrument_state(1).unwrap();
        assert_eq!((state.last_price_ticks, state.reference_price_ticks), (101, 101));
        assert_eq!(desk.levels(Side::Buy), [(101, 3, 1)]);
        assert_eq!(desk.exchange.indicative(1), None, "it trades continuously");
    }

    fn of_equal_prices_the_least_imbalance_decides(desk: Desk::pre_open()) {
        desk.place(buy(1, 10, 105));
        desk.place(sell(2, 10, 95));
        desk.place(sell(2, 5, 100));
        desk.set_rules(PriceRules::default(), 103);
        let expected = Indicative { price_ticks: 99, quantity: 10, imbalance: 0 };
        assert_eq!(desk.exchange.indicative(1), Some(expected));
    }

    fn then_the_closest_to_the_reference_price(desk: Desk::pre_open()) {
        desk.place(buy(1, 5, 110));
        desk.place(sell(2, 5, 90));
        let price = |desk: &Desk<E>| desk.exchange.indicative(1).unwrap().price_ticks;
        assert_eq!(price(&desk), 90);
        for (reference, expected) in [(100, 100), (200, 110), (20, 90)] {
            desk.set_rules(PriceRules::default(), reference);
            assert_eq!(price(&desk), expected);
        }
    }

    fn what_is_not_for_an_auction(desk: Desk::pre_open()) {
        for draft in [
            buy(1, 5, 100).fill_or_kill(),
            buy(1, 5, 100).immediate(),
            buy(1, 5, 100).post_only(PostOnly::Slide),
            buy(1, 5, 100).minimum(1),
        ] {
            assert_eq!(desk.answer(draft).reject_reason, RejectReason::AuctionPhase);
        }
    }

    fn icebergs_and_hidden_orders_take_part_whole(desk: Desk::pre_open()) {
        desk.place(buy(1, 10, 100).iceberg(4));
        desk.place(buy(2, 5, 100).hidden());
        desk.place(sell(3, 7, 100));
        assert_eq!(desk.advance_to(100)[2..], [
            "uncrossed 7 at 100",
            "a trades 7 at 100 with c in the auction",
        ]);
        let order = desk.order('a');
        assert_eq!((order.remaining, order.displayed), (3, 3));
    }

    fn an_iceberg_shows_a_whole_part_after_an_auction(desk: Desk::open()) {
        desk.place(sell(1, 10, 100).iceberg(4));
        desk.place(buy(2, 1, 100));
        assert_eq!(desk.levels(Side::Sell), [(100, 3, 1)]);
        desk.run(&Command::ScheduleDay(day(2, 10)));
        desk.advance_to(10);
        desk.place(buy(2, 4, 100));
        assert_eq!(desk.advance_to(100)[2..], [
            "uncrossed 4 at 100",
            "a trades 4 at 100 with c in the auction",
        ]);
        assert_eq!(desk.levels(Side::Sell), [(100, 4, 1)]);
        assert_eq!(desk.order('a').priority, desk.id('a') << PRIORITY_BITS, "in its place");
    }

    fn linked_orders_in_an_auction(desk: Desk::pre_open()) {
        desk.place(buy(1, 5, 100));
        desk.place(buy(1, 5, 99).linked(desk.id('a')));
        desk.place(sell(2, 3, 100));
        assert_eq!(desk.advance_to(100)[2..], [
            "uncrossed 3 at 100",
            "a trades 3 at 100 with c in the auction",
            "b cancelled 5 (LinkedOrder)",
        ]);
    }

    fn orders_of_one_account_trade_in_an_auction(desk: Desk::pre_open()) {
        desk.place(buy(1, 5, 100));
        desk.place(sell(1, 5, 100));
        assert_eq!(desk.advance_to(100)[2..], [
            "uncrossed 5 at 100",
            "a trades 5 at 100 with b in the auction",
        ]);
    }

    fn waiting_orders_have_their_turn_after_the_auction(desk: Desk::pre_open()) {
        desk.place(buy(1, 5, 120).stop_limit(100));
        desk.place(sell(2, 8, 100));
        desk.place(buy(3, 2, 100));
        desk.place(buy(4, 1, 100).all_or_none());
        assert_eq!(desk.advance_to(100)[2..], [
            "uncrossed 2 at 100",
            "b trades 2 at 100 with c in the auction",
            "a triggered",
            "b trades 5 at 100 with a",
            "b trades 1 at 100 with d",
        ]);
    }

    fn a_day_of_the_calendar(desk: Desk::closed(ROOMY)) {
        desk.run(&Command::ScheduleDay(day(7, 10)));
        assert_eq!(desk.exchange.next_due_us(), 10);
        assert_eq!(desk.advance_to(10), ["clock at 10", "market PreOpen on day 7"]);
        assert_eq!(desk.advance_to(100), ["clock at 100", "market Continuous on day 7"]);
        desk.trade_at(100);
        assert_eq!(desk.advance_to(200), ["clock at 200", "market ClosingAuction on day 7"]);
        desk.place(buy(1, 5, 103));
        desk.place(sell(2, 5, 103).force(TimeInForce::Day));
        desk.place(sell(2, 5, 104).force(TimeInForce::Day));
        assert_eq!(desk.advance_to(300), [
            "clock at 300",
            "uncrossed 5 at 103",
            "a trades 5 at 103 with b in the auction",
            "market Closed on day 7",
            "c cancelled 5 (Expired)",
        ]);
        assert_eq!(desk.exchange.schedule(), []);
        assert_eq!(desk.exchange.next_due_us(), i64::MAX);
    }

    fn a_late_clock_takes_all_steps(desk: Desk::open()) {
        desk.place(buy(1, 5, 100).until(150));
        desk.run(&Command::ScheduleDay(day(2, 10)));
        desk.run(&Command::ScheduleDay(day(3, 400)));
        assert_eq!(desk.advance_to(450), [
            "clock at 450",
            "market PreOpen on day 2",
            "market Continuous on day 2",
            "a cancelled 5 (Expired)",
            "market ClosingAuction on day 2",
            "market Closed on day 2",
            "market PreOpen on day 3",
        ]);
        assert_eq!(desk.exchange.schedule(), [(day(3, 400), 1)]);
        desk.run(&Command::ScheduleDay(day(4, 800)));
        desk.run(&Command::ClearSchedule);
        assert_eq!(desk.exchange.schedule(), [(day(3, 400), 1)]);
    }

    fn which_days_can_be_scheduled(desk: Desk::open()) {
        desk.time_us = 20;
        desk.run(&Command::AdvanceClock);
        let refused = |desk: &Desk<E>, day| {
            desk.check(&Command::ScheduleDay(day)) == Err(Refusal::Schedule)
        };
        assert!(refused(&desk, day(0, 110)), "before the trade date");
        assert!(refused(&desk, TradingDay { open_us: 300, ..day(1, 110) }));
        assert!(refused(&desk, TradingDay {
            pre_open_us: 1,
            open_us: 2,
            closing_auction_us: 3,
            close_us: 20,
            trade_date: 1,
        }), "over");
        desk.run(&Command::ScheduleDay(day(2, 110)));
        assert!(refused(&desk, day(2, 500)), "there already");
        assert!(refused(&desk, day(3, 390)), "before the close of the day before");
        for trade_date in 3..=33 {
            desk.run(&Command::ScheduleDay(day(trade_date, i64::from(trade_date) * 300 - 300)));
        }
        assert!(refused(&desk, day(40, 100_000)), "no room");
    }

    fn closing_makes_the_last_price_the_reference(desk: Desk::open()) {
        desk.set_rules(PriceRules::default(), 90);
        desk.trade_at(100);
        assert_eq!(desk.run(&Command::CloseMarket), ["market Closed on day 1"]);
        assert_eq!(desk.exchange.instrument_state(1).unwrap().reference_price_ticks, 100);
        let open = |trade_date| Command::OpenMarket { trade_date };
        assert_eq!(desk.check(&open(0)), Err(Refusal::MarketPhase));
        assert_eq!(desk.check(&Command::CloseMarket), Err(Refusal::MarketPhase));
        assert_eq!(desk.run(&open(1)), ["market Continuous on day 1"]);
        assert_eq!(desk.check(&open(2)), Err(Refusal::MarketPhase));
    }

    fn bands_halt_an_instrument(desk: Desk::open()) {
        desk.set_rules(BANDS, 100);
        desk.place(sell(1, 5, 105));
        desk.place(sell(2, 5, 106));
        assert_eq!(desk.place(buy(3, 8, 106)), [
            "a trades 5 at 105 with c",
            "instrument 1 VolatilityHalt",
            "c rests 3 at 106",
        ]);
        assert_eq!(desk.exchange.next_due_us(), 1000);
        assert_eq!(desk.place(buy(3, 8, 106).immediate()), ["d rejected (AuctionPhase)"]);
        assert_eq!(desk.advance_to(1000), [
            "clock at 1000",
            "instrument 1 Continuous",
            "uncrossed 3 at 106",
            "b trades 3 at 106 with c in the auction",
        ]);
        assert_eq!(desk.exchange.instrument_state(1).unwrap().reference_price_ticks, 106);
    }

    fn what_must_trade_at_once_ends_with_a_halt(desk: Desk::open()) {
        desk.set_rules(BANDS, 100);
        desk.place(sell(1, 5, 106));
        assert_eq!(
            desk.place(buy(2, 5, 106).immediate()),
            ["instrument 1 VolatilityHalt", "b cancelled 5 (VolatilityHalt)"]
        );
        desk.advance_to(1000);
        assert_eq!(desk.place(buy(2, 5, 106).fill_or_kill()), ["c cancelled 5 (FillOrKill)"]);
    }

    fn a_halted_instrument_takes_no_orders(desk: Desk::open()) {
        desk.place(buy(1, 5, 100));
        let halt = Command::HaltInstrument { instrument: 1 };
        let resume = Command::ResumeInstrument { instrument: 1 };
        assert_eq!(desk.check(&resume), Err(Refusal::InstrumentHalt));
        assert_eq!(desk.run(&halt), ["instrument 1 Halted"]);
        assert_eq!(desk.check(&halt), Err(Refusal::InstrumentHalt));
        assert_eq!(desk.place(sell(2, 5, 100)), ["b rejected (InstrumentHalted)"]);
        assert_eq!(desk.replace('a', 101, 0), ["a not replaced (InstrumentHalted)"]);
        assert_eq!(desk.reduce('a', 1), ["a reduced to 4"]);
        assert_eq!(desk.cancel('a'), ["a cancelled 4 (Requested)"]);
        let all = Command::HaltInstrument { instrument: 0 };
        assert_eq!(desk.run(&all), ["instrument 2 Halted"]);
        let all = Command::ResumeInstrument { instrument: 0 };
        assert_eq!(desk.run(&all), ["instrument 1 Continuous", "instrument 2 Continuous"]);
    }

    fn a_resumed_instrument_is_uncrossed(desk: Desk::pre_open()) {
        desk.place(buy(1, 5, 100));
        desk.place(sell(2, 5, 100));
        desk.run(&Command::HaltInstrument { instrument: 1 });
        assert_eq!(desk.advance_to(100), ["clock at 100", "market Continuous on day 1"]);
        assert_eq!(desk.run(&Command::ResumeInstrument { instrument: 1 }), [
            "instrument 1 Continuous",
            "uncrossed 5 at 100",
            "a trades 5 at 100 with b in the auction",
        ]);
    }

    // Limits of all kinds.

    fn collars(desk: Desk::open()) {
        let rules = PriceRules { collar_ppm: 100_000, ..PriceRules::default() };
        desk.set_rules(rules, 100);
        assert_eq!(desk.place(buy(1, 5, 111)), ["a rejected (PriceCollar)"]);
        assert_eq!(desk.place(buy(1, 5, 110).fill_or_kill()), ["b cancelled 5 (FillOrKill)"]);
        assert_eq!(desk.place(sell(1, 5, 89)), ["c rejected (PriceCollar)"]);
        assert_eq!(desk.place(sell(1, 5, 89).stop_limit(90)), ["d rests 5 at 89"]);
        desk.trade_at(105);
        assert_eq!(desk.place(buy(1, 5, 115).post_only(PostOnly::Reject)), ["e rests 5 at 115"]);
    }

    fn limits_of_an_order(desk: Desk::open()) {
        let limits = risk(|limits| {
            limits.order_quantity = 10;
            limits.order_value = 500 * TICK;
        });
        desk.run(&Command::SetRiskLimits { account: 1, instrument: 0, limits });
        assert_eq!(desk.place(buy(1, 11, 1)), ["a rejected (OrderQuantityLimit)"]);
        assert_eq!(desk.place(buy(1, 5, 101)), ["b rejected (OrderValueLimit)"]);
        assert_eq!(desk.place(buy(1, 5, 100)), ["c rests 5 at 100"]);
        assert_eq!(desk.replace('c', 101, 0), ["c not replaced (OrderValueLimit)"]);
        assert_eq!(desk.place(buy(2, 11, 101)), ["d rests 11 at 101"]);
    }

    fn limits_of_a_day(desk: Desk::open()) {
        let limits = risk(|limits| limits.daily_bought_quantity = 10);
        desk.run(&Command::SetRiskLimits { account: 0, instrument: 1, limits });
        let limits = risk(|limits| limits.daily_sold_value = 300 * TICK);
        desk.run(&Command::SetRiskLimits { account: 2, instrument: 1, limits });
        desk.place(sell(2, 2, 100));
        desk.place(buy(1, 8, 100));
        assert_eq!(desk.place(buy(1, 3, 50)), ["c rejected (DailyQuantityLimit)"]);
        assert_eq!(desk.place(buy(1, 2, 50)), ["d rests 2 at 50"], "two traded, six and two wait");
        assert_eq!(desk.place(sell(2, 1, 101)), ["e rejected (DailyValueLimit)"]);
        assert_eq!(desk.replace('b', 0, 9), ["b not replaced (DailyQuantityLimit)"]);
        desk.run(&Command::CloseMarket);
        desk.run(&Command::OpenMarket { trade_date: 2 });
        assert_eq!(desk.place(buy(1, 2, 50)), ["f rests 2 at 50"], "a new day");
    }

    fn limits_of_open_orders(desk: Desk::open()) {
        let limits = risk(|limits| limits.open_orders = 1);
        desk.run(&Command::SetRiskLimits { account: 1, instrument: 1, limits });
        let limits = risk(|limits| limits.open_orders = 2);
        desk.run(&Command::SetRiskLimits { account: 1, instrument: 0, limits });
        desk.place(buy(1, 5, 50));
        assert_eq!(desk.place(buy(1, 5, 50)), ["b rejected (OpenOrdersLimit)"]);
        assert_eq!(desk.place(buy(1, 5, 50).immediate()), ["c cancelled 5 (Immediate)"]);
        assert_eq!(desk.place(buy(1, 5, 50).on(2)), ["d rests 5 at 50"]);
        assert_eq!(desk.place(buy(1, 5, 50).on(2)), ["e rejected (OpenOrdersLimit)"]);
    }

    fn buys_need_money(desk: Desk::open()) {
        // Ten thousand USD are 1000 shares at 1000 ticks of a cent.
        assert_eq!(desk.place(buy(1, 1000, 1000)), ["a rests 1000 at 1000"]);
        assert_eq!(desk.place(buy(1, 1, 1)), ["b rejected (InsufficientFunds)"]);
        let out = Command::TransferCash { account: 1, currency: 1, amount: -1 };
        assert_eq!(desk.check(&out), Err(Refusal::InsufficientFunds));
        desk.run(&Command::SetCreditLimit { account: 1, currency: 1, limit: TICK });
        assert_eq!(desk.place(buy(1, 1, 1)), ["c rests 1 at 1"]);
        assert_eq!(desk.check(&out), Err(Refusal::InsufficientFunds), "credit is not paid out");
        desk.place(sell(2, 1000, 900));
        assert_eq!(desk.assets(1), (0, 2000), "a maker trades at its own price");
        let cash = desk.exchange.cash(1, 1).unwrap();
        assert_eq!((cash.held, cash.available()), (TICK, 0));
    }

    fn sells_need_shares(desk: Desk::open()) {
        desk.place(sell(1, 600, 100));
        assert_eq!(desk.place(sell(1, 401, 100)), ["b rejected (InsufficientShares)"]);
        let out = Command::TransferShares { account: 1, instrument: 1, quantity: -401 };
        assert_eq!(desk.check(&out), Err(Refusal::InsufficientShares));
        desk.run(&Command::SetShortLimit { account: 1, instrument: 1, limit: 1 });
        assert_eq!(desk.place(sell(1, 401, 100)), ["c rests 401 at 100"]);
        desk.place(buy(2, 1001, 100).fill_or_kill());
        assert_eq!(desk.assets(1).1, -1);
    }

    fn fees(desk: Desk::open()) {
        let name = ScheduleName::new("standard").unwrap();
        let schedule =
            FeeSchedule { name, maker_ppm: -1000, taker_ppm: 3000, auction_ppm: 2000 };
        let (outcome, _) = desk.outcome(&Command::CreateFeeSchedule(schedule));
        assert_eq!(outcome, Outcome::FeeSchedule(1));
        for account in 1..=2 {
            desk.run(&Command::SetFeeSchedule { account, schedule: 1 });
        }
        let (seller, buyer) = (desk.assets(1).0, desk.assets(2).0);
        desk.place(sell(1, 5, 100));
        desk.place(buy(2, 10, 100));
        let value = 500 * TICK;
        assert_eq!(desk.assets(1).0, seller + value + value / 1000);
        assert_eq!(desk.assets(2).0, buyer - value - 3 * value / 1000);
        assert_eq!(desk.exchange.currencies()[0].fees, 2 * value / 1000);
        assert_eq!(desk.exchange.cash(2, 1).unwrap().held, value + 3 * value / 1000);
        assert_eq!(desk.order('b').fee_schedule, 1);
    }

    fn fees_of_an_auction(desk: Desk::pre_open()) {
        let name = ScheduleName::new("standard").unwrap();
        let schedule = FeeSchedule { name, maker_ppm: 0, taker_ppm: 0, auction_ppm: 2000 };
        desk.run(&Command::CreateFeeSchedule(schedule));
        desk.run(&Command::SetFeeSchedule { account: 1, schedule: 1 });
        let before = desk.assets(1).0;
        desk.place(buy(1, 5, 100));
        desk.place(sell(2, 5, 100));
        desk.advance_to(100);
        assert_eq!(desk.assets(1), (before - 501 * TICK, 1005));
        assert_eq!(desk.exchange.currencies()[0].fees, TICK);
    }

    fn who_may_trade(desk: Desk::open()) {
        desk.run(&Command::OpenAccount { owner: RoleName::new("anna").unwrap() });
        assert_eq!(desk.exchange.account(6).unwrap().owner, 1);
        assert_eq!(desk.place(buy(6, 5, 50)), ["a rejected (AccountNotVerified)"]);
        let set = |status| Command::SetAccountStatus { account: 6, status };
        desk.run(&set(AccountStatus::Suspended));
        assert_eq!(desk.place(buy(6, 5, 50)), ["b rejected (AccountSuspended)"]);
        desk.run(&Command::TransferCash { account: 6, currency: 1, amount: 1 });
        let close = set(AccountStatus::Closed);
        assert_eq!(desk.check(&close), Err(Refusal::AccountNotEmpty));
        desk.run(&Command::TransferCash { account: 6, currency: 1, amount: -1 });
        assert_eq!(desk.run(&close), ["account 6 changed"]);
        assert_eq!(desk.place(buy(6, 5, 50)), ["c rejected (AccountClosed)"]);
        assert_eq!(desk.check(&set(AccountStatus::Verified)), Err(Refusal::AccountStatus));
    }

    fn the_kill_switch(desk: Desk::open()) {
        desk.place(buy(1, 5, 50).on(2));
        desk.place(buy(1, 5, 50));
        desk.place(buy(2, 5, 50));
        let kill = |participant, killed| Command::SetKillSwitch { account: 1, participant, killed };
        assert_eq!(desk.check(&kill(2, true)), Err(Refusal::NotOwner));
        let (outcome, told) = desk.outcome(&kill(1, true));
        assert_eq!(outcome, Outcome::Cancelled(2));
        assert_eq!(told, [
            "account 1 changed",
            "b cancelled 5 (KillSwitch)",
            "a cancelled 5 (KillSwitch)",
        ]);
        assert_eq!(desk.place(buy(1, 5, 50)), ["d rejected (KillSwitch)"]);
        assert_eq!(desk.check(&kill(1, false)), Err(Refusal::NotOwner));
        assert_eq!(desk.run(&kill(VENUE, false)), ["account 1 changed"]);
        assert_eq!(desk.place(buy(1, 5, 50)), ["e rests 5 at 50"]);
    }

    fn a_busted_trade_is_undone(desk: Desk::open()) {
        let before = (desk.assets(1), desk.assets(2));
        desk.place(sell(1, 5, 100));
        desk.place(buy(2, 5, 100));
        assert_ne!((desk.assets(1), desk.assets(2)), before);
        let trade = BustedTrade {
            trade_id: 1,
            instrument: 1,
            price_ticks: 100,
            quantity: 5,
            buyer: 2,
            seller: 1,
            buyer_fee: 0,
            seller_fee: 0,
        };
        let refused = |desk: &Desk<E>, trade| desk.check(&Command::BustTrade(trade)).unwrap_err();
        let unknown = Refusal::UnknownTrade;
        assert_eq!(refused(&desk, BustedTrade { trade_id: 2, ..trade }), unknown);
        assert_eq!(refused(&desk, BustedTrade { trade_id: 0, ..trade }), unknown);
        assert_eq!(refused(&desk, BustedTrade { price_ticks: 1001, ..trade }), unknown);
        assert_eq!(refused(&desk, BustedTrade { quantity: 0, ..trade }), unknown);
        assert_eq!(refused(&desk, BustedTrade { buyer_fee: 51 * TICK, ..trade }), unknown);
        assert_eq!(refused(&desk, BustedTrade { buyer: 6, ..trade }), Refusal::UnknownAccount);
        desk.run(&Command::BustTrade(trade));
        assert_eq!((desk.assets(1), desk.assets(2)), before);
        assert_eq!(desk.exchange.busted_trades(), [1]);
        assert_eq!(refused(&desk, trade), unknown);
    }

    // Room.

    fn room_for_open_orders(desk: Desk::open_with(Limits { maximum_open_orders: 1, ..ROOMY })) {
        desk.place(buy(1, 5, 50));
        assert_eq!(desk.place(buy(1, 5, 50)), ["b rejected (TooManyOpenOrders)"]);
        assert_eq!(desk.place(buy(1, 5, 50).stop_limit(60)), ["c rejected (TooManyOpenOrders)"]);
        assert_eq!(desk.place(sell(2, 5, 50).immediate()), ["a trades 5 at 50 with d"]);
    }

    fn room_for_levels(desk: Desk::open_with(Limits { maximum_price_levels: 1, ..ROOMY })) {
        desk.place(buy(1, 5, 50));
        assert_eq!(desk.place(buy(1, 5, 50).hidden()), ["b rests 5 at 50"]);
        assert_eq!(desk.place(buy(1, 5, 49)), ["c rejected (TooManyPriceLevels)"]);
        assert_eq!(desk.place(buy(1, 5, 49).all_or_none()), ["d rests 5 at 49"]);
        assert_eq!(desk.replace('a', 49, 0), ["a not replaced (TooManyPriceLevels)"]);
    }

    fn room_for_positions(desk: Desk::open_with(Limits { maximum_positions: 10, ..ROOMY })) {
        desk.run(&Command::CreateInstrument(listing("THREE", "EUR")));
        assert_eq!(desk.place(buy(1, 5, 50).on(3)), ["a rejected (TooManyPositions)"]);
        let transfer = Command::TransferShares { account: 1, instrument: 3, quantity: 1 };
        assert_eq!(desk.check(&transfer), Err(Refusal::TooManyPositions));
        let transfer = Command::TransferCash { account: 1, currency: 2, amount: 1 };
        assert_eq!(desk.check(&transfer), Ok(()), "there are but five cash records");
    }

    fn room_for_fee_schedules_and_currencies(desk: Desk::open()) {
        let schedule = |number: usize| {
            let name = ScheduleName::new(&format!("s{number}")).unwrap();
            Command::CreateFeeSchedule(FeeSchedule {
                name,
                maker_ppm: 0,
                taker_ppm: 0,
                auction_ppm: 0,
            })
        };
        for number in 1..=MAXIMUM_FEE_SCHEDULES {
            desk.run(&schedule(number));
        }
        assert_eq!(desk.check(&schedule(1)), Err(Refusal::ScheduleExists));
        assert_eq!(desk.check(&schedule(251)), Err(Refusal::TooManySchedules));
        for number in 2..=MAXIMUM_CURRENCIES {
            let name = format!("C{number}");
            desk.run(&Command::CreateInstrument(listing(&name, &name)));
        }
        let one_more = Command::CreateInstrument(listing("MORE", "MORE"));
        assert_eq!(desk.check(&one_more), Err(Refusal::TooManyCurrencies));
        assert_eq!(desk.check(&Command::CreateInstrument(listing("MORE", "USD"))), Ok(()));
    }

    fn what_does_not_go_together_is_refused(desk: Desk::open()) {
        let refused = |fault| Err(Refusal::Terms(fault));
        let check = |draft: support::desk::Draft| desk.check(&draft.command());
        assert_eq!(check(buy(1, 5, 0).hidden()), refused(TermsFault::PriceMissing));
        assert_eq!(
            check(buy(1, 5, 0).market().force(TimeInForce::Day)),
            refused(TermsFault::MarketMustBeImmediate)
        );
        assert_eq!(check(buy(1, 5, 100).stop_limit(0)), refused(TermsFault::StopPrice));
        assert_eq!(check(buy(1, 5, 0).trailing(0)), refused(TermsFault::TrailDistance));
        assert_eq!(check(buy(1, 5, 9).pegged(Peg::None)), refused(TermsFault::PegMissing));
        assert_eq!(check(buy(1, 5, 9).hidden().until(0)), refused(TermsFault::ExpiryTime));
        assert_eq!(
            check(buy(1, 5, 9).immediate().post_only(PostOnly::Slide)),
            refused(TermsFault::PostOnly)
        );
        assert_eq!(check(buy(1, 5, 9).minimum(6)), refused(TermsFault::MinimumQuantity));
        assert_eq!(check(buy(1, 5, 9).iceberg(6)), refused(TermsFault::DisplayQuantity));
        assert_eq!(check(buy(1, 5, 9).immediate().hidden()), refused(TermsFault::Hidden));
        let never_rests = buy(1, 5, 9).fill_or_kill();
        assert_eq!(check(never_rests.all_or_none()), refused(TermsFault::AllOrNone));
        assert_eq!(check(buy(1, 5, 9).stop(9).immediate()), refused(TermsFault::MustRest));
        assert_eq!(check(buy(1, 5, 9).hidden().on_quote()), refused(TermsFault::Trigger));
        assert_eq!(check(buy(1, 5, 0)), Err(Refusal::PriceOutOfRange));
        assert_eq!(check(buy(1, 5, 1001).hidden()), Err(Refusal::PriceOutOfRange));
        assert_eq!(check(buy(1, 5, 9).stop_limit(1001)), Err(Refusal::PriceOutOfRange));
        assert_eq!(check(buy(1, 5, 9).trailing(-1)), Err(Refusal::PriceOutOfRange));
        assert_eq!(check(buy(1, 0, 9).hidden()), Err(Refusal::QuantityOutOfRange));
    }
}
