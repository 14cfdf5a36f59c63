//! The tests of CppTrader (MIT, © Ivan Shynkarenka) and liquibook (© Object Computing,
//! Inc.), in the words of this exchange.
//!
//! Where theirs knows what this exchange does not, it is said with what it has: a market
//! order that waits follows the best quote of the other side at any price.

use crate::differences::DIFFERENCES;
use crate::fixture;
use crate::venue::{Exchange, MAXIMUM_PRICE, Venue};
use matcher::{
    Engine, NaiveExchange, OrderStatus, OrderType, Peg, Side, Terms, TimeInForce, Trigger,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;

#[test]
fn cpptrader() {
    run_file::<Engine>("cpptrader.jsonl", 16);
}

#[test]
fn cpptrader_on_the_oracle() {
    run_file::<NaiveExchange>("cpptrader.jsonl", 16);
}

#[test]
fn liquibook() {
    run_file::<Engine>("liquibook_odd.jsonl", 45);
}

#[test]
fn liquibook_on_the_oracle() {
    run_file::<NaiveExchange>("liquibook_odd.jsonl", 45);
}

#[test]
fn differences_are_named_once() {
    let titles: Vec<&str> = DIFFERENCES.iter().map(|difference| difference.case).collect();
    let cases = ["cpptrader.jsonl", "liquibook_odd.jsonl"].into_iter().filter_map(fixture);
    let cases: Vec<String> =
        cases.flat_map(|text| cases_of(&text)).map(|case| title(&case)).collect();
    for (index, title) in titles.iter().enumerate() {
        assert!(!titles[..index].contains(title), "{title} is there twice");
        assert!(cases.is_empty() || cases.iter().any(|case| case == title), "no case is {title}");
    }
}

/// Runs all cases of a file, of which there are so many.
fn run_file<E: Exchange>(name: &str, cases: usize) {
    let Some(text) = fixture(name) else { return };
    let mut run = 0;
    for case in cases_of(&text) {
        let title = title(&case);
        let found = run_case::<E>(&case);
        match DIFFERENCES.iter().find(|difference| difference.case == title) {
            None => assert_eq!(found, Ok(()), "{title}"),
            Some(difference) => {
                let expected = Err(difference.found.to_owned());
                assert_eq!(found, expected, "{title}: {}", difference.reason);
                println!("{title}: {}, because {}", difference.found, difference.reason);
            }
        }
        run += 1;
    }
    assert_eq!(run, cases, "cases in {name}");
}

fn cases_of(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn title(case: &Value) -> String {
    case["test"].as_str().unwrap().to_owned()
}

/// Runs a case up to the first expectation that is not met, and tells that one.
fn run_case<E: Exchange>(case: &Value) -> Result<(), String> {
    let is_auction = items(&case["steps"]).any(|step| step["do"] == "uncross");
    let mut venue = if is_auction { Venue::<E>::pre_open() } else { Venue::open() };
    // Filled quantity and cost of each order when the block began.
    let mut block: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for step in items(&case["steps"]) {
        if step["mark"] == "block" {
            block = venue.names().map(|name| (name.to_owned(), venue.traded(name))).collect();
        } else if step.get("do").is_some() {
            perform(&mut venue, step);
        } else {
            expect(&venue, &block, step)?;
        }
    }
    Ok(())
}

fn perform<E: Exchange>(venue: &mut Venue<E>, step: &Value) {
    let name = || step["id"].as_str().unwrap();
    match step["do"].as_str().unwrap() {
        "new" => place(venue, name(), step),
        "cancel" => venue.cancel(name()),
        // Theirs is a new open quantity, ours counts what has traded.
        "replace" => {
            let order = venue.order(name());
            let price = step.get("px").map_or(order.price, number);
            let open = match step.get("dqty") {
                Some(difference) => order.remaining + number(difference),
                None => number(&step["qty"]),
            };
            match step.get("new_id") {
                Some(new_name) => {
                    let side = order.side;
                    venue.cancel(name());
                    let gtc = TimeInForce::GoodTillCancel;
                    venue.place(new_name.as_str().unwrap(), side, price, open, gtc, Terms::PLAIN);
                }
                None if open == 0 => venue.cancel(name()),
                None => venue.replace(name(), price, order.filled + open),
            }
        }
        // As ours.
        "mitigate" => venue.replace(name(), number(&step["px"]), number(&step["qty"])),
        "uncross" => venue.uncross(),
        other => panic!("step {other}"),
    }
}

/// Places an order of a case.
fn place<E: Exchange>(venue: &mut Venue<E>, name: &str, step: &Value) {
    let side = side(step["side"].as_str().unwrap());
    let limit = || number(&step["px"]).max(1);
    let stop = |order_type| Terms {
        order_type,
        stop_price_ticks: number(&step["stop"]),
        trigger: Trigger::BestQuote,
        ..Terms::PLAIN
    };
    let all_or_none = Terms { all_or_none: true, ..Terms::PLAIN };
    let (order_type, time_in_force) = (step["type"].as_str().unwrap(), step["tif"].as_str());
    let (price, terms) = match (order_type, time_in_force) {
        ("limit", Some("AON")) => (limit(), all_or_none),
        ("limit", _) => {
            let display_quantity = step.get("peak").map_or(0, number);
            (limit(), Terms { display_quantity, ..Terms::PLAIN })
        }
        ("market", Some("IOC")) => {
            let price = market_limit(venue, side, step.get("slippage"));
            (price, Terms { order_type: OrderType::Market, ..Terms::PLAIN })
        }
        ("market", Some("AON")) => (any_price(side), all_or_none),
        ("market", _) => {
            let peg = match side {
                Side::Buy => Peg::BestAsk,
                Side::Sell => Peg::BestBid,
            };
            (any_price(side), Terms { order_type: OrderType::Pegged, peg, ..Terms::PLAIN })
        }
        ("stop", _) => (any_price(side), stop(OrderType::Stop)),
        ("stop_limit", _) => (limit(), stop(OrderType::StopLimit)),
        ("TrailingBuyStop" | "TrailingSellStopLimit", _) => {
            return place_trailing_stop(venue, name, side, step);
        }
        other => panic!("order type {other:?}"),
    };
    let time_in_force = match time_in_force {
        Some("GTC" | "AON") => TimeInForce::GoodTillCancel,
        Some("IOC") => TimeInForce::ImmediateOrCancel,
        Some("FOK") => TimeInForce::FillOrKill,
        other => panic!("time in force {other:?}"),
    };
    venue.place(name, side, price, number(&step["qty"]), time_in_force, terms);
}

/// The arguments end with quantity, distance and step, of which there is none here. A
/// negative distance is in hundredths of a per cent of the best price of the other side.
fn place_trailing_stop<E: Exchange>(venue: &mut Venue<E>, name: &str, side: Side, step: &Value) {
    let arguments = items(&step["args"]).map(|text| text.as_str().unwrap().parse().unwrap());
    let arguments: Vec<i64> = arguments.collect();
    let [.., quantity, distance, _] = arguments[..] else { panic!("{step}") };
    let trail_ticks = match distance {
        0.. => distance,
        _ => venue.levels(side.opposite())[0].0 * -distance / 10_000,
    };
    let terms = Terms { order_type: OrderType::TrailingStop, trail_ticks, ..Terms::PLAIN };
    venue.place(name, side, 0, quantity, TimeInForce::GoodTillCancel, terms);
}

/// The limit of an order that trades at any price.
fn any_price(side: Side) -> i64 {
    match side {
        Side::Buy => MAXIMUM_PRICE,
        Side::Sell => 1,
    }
}

/// The limit of a market order: so far from the best price as the slippage allows.
fn market_limit<E: Exchange>(venue: &Venue<E>, side: Side, slippage: Option<&Value>) -> i64 {
    let best = venue.levels(side.opposite()).first().map(|level| level.0);
    match (side, best, slippage.map(number)) {
        (Side::Buy, Some(best), Some(slippage)) => best + slippage,
        (Side::Sell, Some(best), Some(slippage)) => best - slippage,
        _ => any_price(side),
    }
}

fn expect<E: Exchange>(
    venue: &Venue<E>,
    block: &BTreeMap<String, (i64, i64)>,
    step: &Value,
) -> Result<(), String> {
    // Sides are called bid and ask in one suite, bids and asks in the other.
    let sides = [("bid", "bids", Side::Buy), ("ask", "asks", Side::Sell)];
    let by_side = sides.iter().filter_map(|&(singular, plural, side)| {
        Some((singular, side, step.get(singular).or_else(|| step.get(plural))?))
    });
    let each_side = |found: &dyn Fn(Side) -> i64| {
        by_side.clone().try_for_each(|(name, side, expected)| {
            let what = format!("{} of the {name} side", step["expect"].as_str().unwrap());
            same(&what, found(side), number(expected))
        })
    };
    let stops = |side| venue.waiting(side).into_iter().filter(|o| o.terms.order_type.is_stop());
    let volume = |levels: Vec<(i64, u32, i64)>| levels.iter().map(|level| level.2).sum();
    let id = || step["id"].as_str().unwrap();
    match step["expect"].as_str().unwrap() {
        // Market orders that wait count here, and not in the depth.
        "orders" => each_side(&|side| {
            let levels = venue.depth(side);
            let pegged = venue.waiting(side).into_iter();
            let pegged = pegged.filter(|order| order.terms.order_type == OrderType::Pegged);
            levels.iter().map(|level| i64::from(level.1)).sum::<i64>() + pegged.count() as i64
        }),
        "volume" => each_side(&|side| volume(venue.depth(side))),
        "visible" => each_side(&|side| volume(venue.levels(side))),
        "stops" => each_side(&|side| stops(side).count() as i64),
        "stop_volume" => each_side(&|side| stops(side).map(|order| order.remaining).sum()),
        "depth" => by_side.clone().try_for_each(|(name, side, expected)| {
            let levels = venue.depth(side);
            // As many levels as the case knows; no level is written as zeros.
            items(expected).enumerate().try_for_each(|(index, expected)| {
                let (price, orders, quantity) = levels.get(index).copied().unwrap_or((0, 0, 0));
                let what = format!("level {index} of the {name} side");
                same(&what, vec![price, i64::from(orders), quantity], numbers(expected))
            })
        }),
        "head" => {
            let side = side(step["side"].as_str().unwrap());
            same("head", venue.head(side), step["id"].as_str())
        }
        "state" => {
            let status = match venue.order(id()).status {
                OrderStatus::Open | OrderStatus::PartiallyFilled => "open",
                OrderStatus::Filled => "complete",
                OrderStatus::Cancelled => "cancelled",
                OrderStatus::Rejected | OrderStatus::Expired => "rejected or expired",
            };
            let expected = match step["state"].as_str().unwrap() {
                "accepted" => "open",
                other => other,
            };
            if status != expected {
                return Err(format!("state of {}: {status} instead of {expected}", id()));
            }
            let fills = venue.fills.iter().filter(|fill| fill.0 == id() || fill.1 == id());
            let quantity: i64 = fills.map(|fill| fill.3).sum();
            if let Some(matched) = step.get("matched") {
                same(&format!("{} matched", id()), quantity > 0, matched.as_bool().unwrap())?;
            }
            if let Some(matched) = step.get("matched_qty") {
                same(&format!("{} matched", id()), quantity, number(matched))?;
            }
            Ok(())
        }
        "order_field" => {
            let order = venue.order(id());
            let field = step["field"].as_str().unwrap();
            let found = match field {
                "order_qty" => order.filled + order.remaining,
                "open_qty" => order.remaining,
                "Price" => order.price,
                "StopPrice" => order.stop_price,
                other => panic!("field {other}"),
            };
            same(&format!("{field} of {}", id()), found, number(&step["value"]))
        }
        "block" => step["orders"].as_object().unwrap().iter().try_for_each(|(name, expected)| {
            let (filled, cost) = venue.traded(name);
            let (filled_before, cost_before) = block.get(name).copied().unwrap_or_default();
            let found = vec![filled - filled_before, cost - cost_before];
            same(&format!("{name} in the block"), found, numbers(expected))
        }),
        other => panic!("expectation {other}"),
    }
}

/// Tells what is found where it is not as expected.
fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?} instead of {expected:?}"))
}

fn side(text: &str) -> Side {
    match text {
        "B" | "bid" | "buy" => Side::Buy,
        "S" | "ask" | "sell" => Side::Sell,
        other => panic!("side {other}"),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<i64> {
    items(value).map(number).collect()
}
