//! Messages of an exchange as an order stream, and the book that it published after each.
//! Every fill and every row of the book must be the same.

use crate::fixture;
use crate::venue::{Exchange, Venue};
use matcher::{Engine, NaiveExchange, Side, Terms, TimeInForce};

#[test]
fn goog() {
    run::<Engine>("goog_l10_first2000", 1970);
}

#[test]
fn goog_on_the_oracle() {
    run::<NaiveExchange>("goog_l10_first2000", 1970);
}

#[test]
fn amzn() {
    run::<Engine>("amzn_l1_first3000", 2999);
}

#[test]
fn amzn_on_the_oracle() {
    run::<NaiveExchange>("amzn_l1_first3000", 2999);
}

/// Runs a stream, whose events name so many rows of the book.
fn run<E: Exchange>(name: &str, rows_expected: usize) {
    let Some(stream) = fixture(&format!("{name}_stream.csv")) else { return };
    let Some(book) = fixture(&format!("{name}_book.csv")) else { return };
    let rows: Vec<&str> = book.lines().collect();
    let mut rows_seen = 0;
    let mut fills_seen = 0;
    let mut venue = Venue::<E>::open();
    for line in stream.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [sequence, operation, id, side, price, quantity, row, expected] = fields[..] else {
            panic!("{line}");
        };
        let side = || match side {
            "B" => Side::Buy,
            "S" => Side::Sell,
            other => panic!("side {other}"),
        };
        let number = |text: &str| text.parse::<i64>().unwrap();
        match operation {
            "add" => {
                let gtc = TimeInForce::GoodTillCancel;
                venue.place(id, side(), number(price), number(quantity), gtc, Terms::PLAIN);
                assert!(venue.fills.is_empty() && venue.order(id).status.is_open(), "{line}");
            }
            "cancel" => venue.cancel(id),
            "reduce" => venue.reduce(id, number(quantity)),
            "take" => {
                let taker = format!("taker {sequence}");
                let ioc = TimeInForce::ImmediateOrCancel;
                let (price, quantity) = (number(price), number(quantity));
                venue.place(&taker, side(), price, quantity, ioc, Terms::PLAIN);
                let fills: Vec<String> = venue
                    .fills
                    .iter()
                    .map(|(_, maker, price, quantity)| format!("{maker}:{price}:{quantity}"))
                    .collect();
                assert_eq!(fills.join(";"), expected, "{line}");
                fills_seen += fills.len();
            }
            "nop" => {}
            other => panic!("operation {other}"),
        }
        if !row.is_empty() {
            let expected = rows[row.parse::<usize>().unwrap()];
            let levels = expected.split(',').count() / 4;
            assert_eq!(book_row(&venue, levels), expected, "{line}");
            rows_seen += 1;
        }
    }
    println!("{name}: {rows_seen} rows of the book and {fills_seen} fills are the same");
    assert_eq!(rows_seen, rows_expected);
}

/// The book as the exchange publishes it: ask price, ask size, bid price, bid size for
/// each level.
fn book_row<E: Exchange>(venue: &Venue<E>, levels: usize) -> String {
    let (asks, bids) = (venue.levels(Side::Sell), venue.levels(Side::Buy));
    let row: Vec<String> = (0..levels)
        .map(|level| {
            let ask = asks.get(level).copied().unwrap_or((9999999999, 0, 0));
            let bid = bids.get(level).copied().unwrap_or((-9999999999, 0, 0));
            format!("{},{},{},{}", ask.0, ask.2, bid.0, bid.2)
        })
        .collect();
    row.join(",")
}
