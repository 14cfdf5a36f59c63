//! Real order streams with published books, from the folder beside the project that users do not
//! have: GOOG with ten levels and AMZN with one, as they were traded on 2012-06-21.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use tests::{Session, Venue, audit};
use venue::cluster::SUPERUSER;
use venue::replay::{self, Replay};

/// The folder of the streams, if it is there.
fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("NOT TESTED: the order streams are not in {}", folder.display());
    None
}

#[test]
fn goog_with_ten_levels() {
    replay_and_compare("GOOG", "goog_l10_first2000", 2_000);
}

#[test]
fn amzn_with_the_best_level() {
    replay_and_compare("AMZN", "amzn_l1_first3000", 3_000);
}

fn replay_and_compare(symbol: &str, name: &str, messages: usize) {
    let Some(folder) = fixtures() else { return };
    let stream_path = folder.join(format!("{name}_stream.csv"));
    let stream = replay::read_stream(&stream_path).expect("the stream can be read");
    let books = replay::read_books(&folder.join(format!("{name}_book.csv")))
        .expect("the books can be read");
    assert_eq!(books.len(), messages, "the file has a book a message");

    let venue = Venue::start(&[]);
    let mut session = venue.superuser();
    venue.list(&format!("'{symbol}', 0.01"));
    let [maker_account, taker_account] = [(); 2].map(|()| venue.account(SUPERUSER) as i32);
    let replay =
        Replay { symbol, maker_account, taker_account, stream: &stream, books: Some(&books) };
    let report = replay::run(session.client(), &replay).expect("the exchange can be talked to");
    println!("{symbol}: {report}");
    assert!(report.difference.is_none(), "{}", report.difference.unwrap_or_else(|| unreachable!()));
    assert_eq!(report.events, stream.len());

    let story = Story::read(&stream_path);
    assert_eq!(report.fills, story.fills.len(), "every fill of the stream was found");
    assert_eq!(report.books, story.books, "every book of the stream was found");
    story.compare(&mut session, symbol);
    audit::assert_sound(&venue, &[]);
}

/// What a stream says of its orders, read anew from its text: nothing here is shared with the
/// replay.
#[derive(Default)]
struct Story {
    /// In the order in which they were placed.
    orders: Vec<Order>,
    /// Where the orders with a name are in `orders`.
    names: HashMap<String, usize>,
    /// Maker, taker, price in ten-thousandths, quantity.
    fills: Vec<(usize, usize, i64, i64)>,
    /// Lines with a book to compare.
    books: usize,
}

#[derive(Clone, Copy)]
struct Order {
    side: &'static str,
    time_in_force: &'static str,
    price: i64,
    quantity: i64,
    filled: i64,
    cancelled: bool,
}

impl Story {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the stream can be read");
        let mut story = Self::default();
        for line in text.lines().skip(1) {
            story.go_on(line);
        }
        story
    }

    fn go_on(&mut self, line: &str) {
        let fields: Vec<&str> = line.trim_end().split(',').collect();
        let [_, op, id, side, price, quantity, row, expect] = fields[..] else { panic!("{line}") };
        let number = |text: &str| text.parse::<i64>().expect("a number");
        let side = if side == "B" { "buy" } else { "sell" };
        match op {
            "add" => {
                self.names.insert(id.to_owned(), self.orders.len());
                self.place(side, "GTC", number(price), number(quantity));
            }
            "take" => {
                let taker = self.place(side, "IOC", number(price), number(quantity));
                for fill in expect.split(';').filter(|fill| !fill.is_empty()) {
                    let [maker, price, quantity] = fill.split(':').collect::<Vec<_>>()[..] else {
                        panic!("{line}")
                    };
                    let (maker, quantity) = (self.names[maker], number(quantity));
                    self.fills.push((maker, taker, number(price), quantity));
                    self.orders[maker].filled += quantity;
                    self.orders[taker].filled += quantity;
                }
                self.orders[taker].cancelled = true;
            }
            "reduce" => self.named(id).quantity -= number(quantity),
            "cancel" => self.named(id).cancelled = true,
            "nop" => {}
            _ => panic!("{line}"),
        }
        self.books += usize::from(!row.is_empty());
    }

    fn place(
        &mut self,
        side: &'static str,
        time_in_force: &'static str,
        price: i64,
        quantity: i64,
    ) -> usize {
        let order = Order { side, time_in_force, price, quantity, filled: 0, cancelled: false };
        self.orders.push(order);
        self.orders.len() - 1
    }

    fn named(&mut self, id: &str) -> &mut Order {
        &mut self.orders[self.names[id]]
    }

    /// Compares the tables with the story, row by row.
    fn compare(&self, session: &mut Session, symbol: &str) {
        session.wait_for_tables();
        let ids = session.rows(&format!(
            "SELECT order_id FROM exchange.orders WHERE symbol = '{symbol}' ORDER BY order_id"
        ));
        assert_eq!(ids.len(), self.orders.len(), "an order a line");
        let found = session.rows(&format!(
            "SELECT side, time_in_force, (price * 10000)::bigint, quantity, filled_quantity,
                    remaining_quantity, status
             FROM exchange.orders WHERE symbol = '{symbol}' ORDER BY order_id"
        ));
        for ((order, row), id) in self.orders.iter().zip(found).zip(&ids) {
            assert_eq!(order.row(), row, "order {id}");
        }
        self.compare_trades(session, symbol, &ids);
    }

    fn compare_trades(&self, session: &mut Session, symbol: &str, ids: &[String]) {
        let trades = session.rows(&format!(
            "SELECT trade_id, (price * 10000)::bigint, quantity, taker_side
             FROM exchange.trades WHERE symbol = '{symbol}' ORDER BY trade_id"
        ));
        let expected: Vec<String> = (1..)
            .zip(&self.fills)
            .map(|(trade, (_, taker, price, quantity))| {
                format!("{trade}|{price}|{quantity}|{}", self.orders[*taker].side)
            })
            .collect();
        assert_eq!(trades, expected);
        let executions = session.rows(&format!(
            "SELECT trade_id, order_id, side, liquidity, (price * 10000)::bigint, quantity
             FROM exchange.executions WHERE symbol = '{symbol}' ORDER BY trade_id, liquidity"
        ));
        let expected: Vec<String> = (1..)
            .zip(&self.fills)
            .flat_map(|(trade, (maker, taker, price, quantity))| {
                [(maker, "maker"), (taker, "taker")].map(|(order, liquidity)| {
                    let (id, side) = (&ids[*order], self.orders[*order].side);
                    format!("{trade}|{id}|{side}|{liquidity}|{price}|{quantity}")
                })
            })
            .collect();
        assert_eq!(executions, expected);
    }
}

impl Order {
    fn row(&self) -> String {
        let Self { side, time_in_force, price, quantity, filled, cancelled } = self;
        let rest = quantity - filled;
        let (status, remaining) = match (rest, cancelled, filled) {
            (0, ..) => ("filled", 0),
            (_, true, _) => ("cancelled", 0),
            (_, false, 0) => ("open", rest),
            (..) => ("partially_filled", rest),
        };
        format!("{side}|{time_in_force}|{price}|{quantity}|{filled}|{remaining}|{status}")
    }
}
