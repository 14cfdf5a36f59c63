//! The tests of CppTrader (MIT, © Ivan Shynkarenka) and liquibook (© Object Computing,
//! Inc.), as far as they need only what the engine has.

use crate::fixture;
use crate::venue::{MAKER, MAXIMUM_PRICE, Venue};
use matcher::{OrderStatus, Side, TimeInForce};
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn cpptrader() {
    run_file("cpptrader.jsonl", 3);
}

#[test]
fn liquibook() {
    run_file("liquibook_odd.jsonl", 29);
}

/// Runs the cases of a file, of which so many are covered.
fn run_file(name: &str, covered: usize) {
    let Some(text) = fixture(name) else { return };
    let mut run = Vec::new();
    let mut uncovered: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let title = case["test"].as_str().unwrap().to_owned();
        match missing_feature(&case) {
            None => {
                println!("{title}");
                run_case(&case);
                run.push(title);
            }
            Some(feature) => uncovered.entry(feature).or_default().push(title),
        }
    }
    println!("{name}: {} cases covered", run.len());
    for (feature, titles) in &uncovered {
        println!("{name}: {} not covered for {feature}: {titles:?}", titles.len());
    }
    assert!(run.len() >= covered, "fewer cases of {name} are covered than before");
}

/// What the engine lacks for a case.
fn missing_feature(case: &Value) -> Option<String> {
    for feature in texts(&case["needs"]) {
        match feature {
            "IOC" | "modify" | "market" | "market slippage" => {}
            // Not so in each test that bears the label: see below.
            _ if feature.starts_with("resting market order") => {}
            _ => return Some(feature.to_owned()),
        }
    }
    // Ours are immediate-or-cancel: a market order must be complete at once.
    let mut market_order = None;
    for step in items(&case["steps"]) {
        if step["do"] == "new" && step["type"] == "market" && step["tif"] != "IOC" {
            market_order = step["id"].as_str();
        }
        if step["expect"] == "state"
            && step["id"].as_str() == market_order
            && step["state"] == "accepted"
        {
            return Some("resting market order".to_owned());
        }
    }
    None
}

fn run_case(case: &Value) {
    let mut venue = Venue::new();
    // Filled quantity and cost of each order when the block began.
    let mut block: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for step in items(&case["steps"]) {
        if step["mark"] == "block" {
            let totals = venue.orders.iter();
            block = totals.map(|(name, o)| (name.clone(), (o.filled, o.cost))).collect();
        } else if step.get("do").is_some() {
            perform(&mut venue, step);
        } else {
            expect(&venue, &block, step);
        }
    }
}

fn perform(venue: &mut Venue, step: &Value) {
    let name = step["id"].as_str().unwrap();
    match step["do"].as_str().unwrap() {
        "new" => {
            let side = side(step["side"].as_str().unwrap());
            let time_in_force = match step["tif"].as_str().unwrap() {
                _ if step["type"] == "market" => TimeInForce::ImmediateOrCancel,
                "IOC" => TimeInForce::ImmediateOrCancel,
                "GTC" => TimeInForce::GoodTillCancel,
                other => panic!("time in force {other}"),
            };
            let price = match step["type"].as_str().unwrap() {
                // Below a tick there is nothing: a sell at 0 is one at the lowest price.
                "limit" => number(&step["px"]).max(1),
                "market" => market_limit(venue, side, step.get("slippage")),
                other => panic!("order type {other}"),
            };
            venue.place(name, MAKER, side, price, number(&step["qty"]), time_in_force);
        }
        "cancel" => venue.cancel(name),
        "replace" => {
            let order = &venue.orders[name];
            let price = step.get("px").map_or(order.price, number);
            let quantity = match step.get("dqty") {
                Some(difference) => order.remaining + number(difference),
                None => number(&step["qty"]),
            };
            let new_name = step.get("new_id").map_or(name, |id| id.as_str().unwrap());
            venue.replace(name, new_name, price, quantity);
        }
        other => panic!("step {other}"),
    }
}

/// The limit that makes a limit order a market order: the extreme price, or so far from
/// the best one as the slippage allows.
fn market_limit(venue: &Venue, side: Side, slippage: Option<&Value>) -> i64 {
    let best = venue.depth(side.opposite()).first().map(|level| level.0);
    match (side, best, slippage.map(number)) {
        (Side::Buy, Some(best), Some(slippage)) => best + slippage,
        (Side::Sell, Some(best), Some(slippage)) => best - slippage,
        (Side::Buy, ..) => MAXIMUM_PRICE,
        (Side::Sell, ..) => 1,
    }
}

fn expect(venue: &Venue, block: &BTreeMap<String, (i64, i64)>, step: &Value) {
    let named = |step: &Value| &venue.orders[step["id"].as_str().unwrap()];
    // Sides are called bid and ask in one suite, bids and asks in the other.
    let sides = [("bid", "bids", Side::Buy), ("ask", "asks", Side::Sell)];
    let by_side = || {
        sides.iter().filter_map(|&(singular, plural, side)| {
            Some((side, step.get(singular).or_else(|| step.get(plural))?))
        })
    };
    match step["expect"].as_str().unwrap() {
        "orders" => {
            for (side, expected) in by_side() {
                assert_eq!(venue.queue(side).len() as i64, number(expected), "{step}");
            }
        }
        "volume" => {
            for (side, expected) in by_side() {
                let volume: i64 = venue.depth(side).iter().map(|level| level.2).sum();
                assert_eq!(volume, number(expected), "{step}");
            }
        }
        "depth" => {
            for (side, expected) in by_side() {
                let levels = venue.depth(side);
                // As many levels as the case knows; no level is written as zeros.
                for (index, expected) in items(expected).enumerate() {
                    let (price, orders, quantity) = levels.get(index).copied().unwrap_or((0, 0, 0));
                    let found = [price, i64::from(orders), quantity];
                    let expected: Vec<i64> = items(expected).map(number).collect();
                    assert_eq!(found, *expected, "{step}");
                }
            }
        }
        "head" => {
            let queue = venue.queue(side(step["side"].as_str().unwrap()));
            assert_eq!(queue.first().copied(), step["id"].as_str(), "{step}");
        }
        "state" => {
            let order = named(step);
            let expected = match step["state"].as_str().unwrap() {
                "accepted" => order.status.is_open(),
                "complete" => order.status == OrderStatus::Filled,
                "cancelled" => order.status == OrderStatus::Cancelled,
                other => panic!("state {other}"),
            };
            assert!(expected, "{step}: {order:?}");
            let of_last: Vec<_> = venue.fills.iter().filter(|fill| step["id"] == *fill.0).collect();
            if let Some(matched) = step.get("matched") {
                assert_eq!(!of_last.is_empty(), matched.as_bool().unwrap(), "{step}");
            }
            if let Some(matched) = step.get("matched_qty") {
                let quantity: i64 = of_last.iter().map(|fill| fill.3).sum();
                assert_eq!(quantity, number(matched), "{step}");
            }
        }
        "order_field" => {
            let order = named(step);
            let found = match step["field"].as_str().unwrap() {
                "order_qty" => order.filled + order.remaining,
                "open_qty" => order.remaining,
                other => panic!("field {other}"),
            };
            assert_eq!(found, number(&step["value"]), "{step}");
        }
        "block" => {
            for (name, expected) in step["orders"].as_object().unwrap() {
                let order = &venue.orders[name];
                let (filled, cost) = block.get(name).copied().unwrap_or_default();
                let found = [order.filled - filled, order.cost - cost];
                let expected: Vec<i64> = items(expected).map(number).collect();
                assert_eq!(found, *expected, "{name} in {step}");
            }
        }
        other => panic!("expectation {other}"),
    }
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

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    items(value).map(|text| text.as_str().unwrap())
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}
