//! The files of a replay: a stream of orders, and the published book after each.
//!
//! A stream has the columns `seq,op,id,side,price,qty,row,expect`, with a header. Prices are
//! dollars × 10,000. A line of the book has, for each level, the ask's price and size and the
//! bid's price and size.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::order::Side;

/// An order stream.
pub type Stream = Vec<Event>;

/// A line of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub sequence: u64,
    /// What to send.
    pub action: Action,
    /// The row of the book file that the book must equal afterwards.
    pub row: Option<usize>,
}

/// What a line of a stream asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Place a limit order, which must rest.
    Add {
        /// The stream's name of the order.
        id: String,
        /// Its side.
        side: Side,
        /// Its price, in ten-thousandths of a dollar.
        price: i64,
        /// How much.
        quantity: i64,
    },
    /// Cancel an order.
    Cancel {
        /// The stream's name of the order.
        id: String,
    },
    /// Take a part of an order away.
    Reduce {
        /// The stream's name of the order.
        id: String,
        /// How much.
        by: i64,
    },
    /// Place an IOC order, which must trade with exactly these.
    Take {
        /// The side of the IOC order.
        side: Side,
        /// Its price, in ten-thousandths of a dollar.
        price: i64,
        /// How much.
        quantity: i64,
        /// The fills, in their order.
        fills: Vec<Fill>,
    },
    /// Send nothing.
    Nothing,
}

/// A fill that a stream expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The stream's name of the resting order.
    pub maker: String,
    /// The price, in ten-thousandths of a dollar.
    pub price: i64,
    /// How much.
    pub quantity: i64,
}

/// The published book after the events of a stream.
pub type Books = Vec<Vec<Level>>;

/// One level of a published book, prices in ten-thousandths of a dollar. No price: no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The price and size of the bids.
    pub bid: Option<(i64, i64)>,
    /// The price and size of the offers.
    pub ask: Option<(i64, i64)>,
}

/// Reads a stream from a file.
pub fn read_stream(path: &Path) -> Result<Stream> {
    read(path, parse_stream)
}

/// Reads published books from a file.
pub fn read_books(path: &Path) -> Result<Books> {
    read(path, parse_books)
}

fn read<T>(path: &Path, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    let text = std::fs::read_to_string(path);
    text.map_err(anyhow::Error::from)
        .and_then(|text| parse(&text))
        .with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a stream from the text of a file.
pub fn parse_stream(text: &str) -> Result<Stream> {
    let mut lines = text.lines().enumerate();
    let header = lines.next().map(|(_, line)| line.trim_end());
    const HEADER: &str = "seq,op,id,side,price,qty,row,expect";
    ensure!(header == Some(HEADER), "line 1 is not {HEADER}");
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| event(line.trim_end()).with_context(|| format!("line {}: {line}", i + 1)))
        .collect()
}

fn event(line: &str) -> Result<Event> {
    let fields: Vec<&str> = line.split(',').collect();
    let &[sequence, op, id, side, price, quantity, row, expect] = fields.as_slice() else {
        bail!("{} fields instead of 8", fields.len());
    };
    let row = (!row.is_empty()).then(|| number(row)).transpose()?;
    let named = || {
        ensure!(!id.is_empty(), "the order has no id");
        Ok(id.to_owned())
    };
    let action = match op {
        "add" => Action::Add {
            id: named()?,
            side: parse_side(side)?,
            price: number(price)?,
            quantity: number(quantity)?,
        },
        "cancel" => Action::Cancel { id: named()? },
        "reduce" => Action::Reduce { id: named()?, by: number(quantity)? },
        "take" => Action::Take {
            side: parse_side(side)?,
            price: number(price)?,
            quantity: number(quantity)?,
            fills: expect
                .split(';')
                .filter(|fill| !fill.is_empty())
                .map(fill)
                .collect::<Result<_>>()?,
        },
        "nop" => Action::Nothing,
        _ => bail!("unknown op {op}"),
    };
    Ok(Event { sequence: number(sequence)?, action, row })
}

fn parse_side(letter: &str) -> Result<Side> {
    match letter {
        "B" => Ok(Side::Buy),
        "S" => Ok(Side::Sell),
        _ => bail!("unknown side {letter}"),
    }
}

fn fill(text: &str) -> Result<Fill> {
    let parts: Vec<&str> = text.split(':').collect();
    let &[maker, price, quantity] = parts.as_slice() else {
        bail!("a fill is maker:price:quantity, not {text}");
    };
    Ok(Fill { maker: maker.to_owned(), price: number(price)?, quantity: number(quantity)? })
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(text: &str) -> Result<T> {
    text.parse().with_context(|| format!("not a number: {text:?}"))
}

/// Reads published books from the text of a file.
pub fn parse_books(text: &str) -> Result<Books> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| book(line.trim_end()).with_context(|| format!("line {}: {line}", i + 1)))
        .collect()
}

fn book(line: &str) -> Result<Vec<Level>> {
    let numbers: Vec<i64> = line.split(',').map(number).collect::<Result<_>>()?;
    ensure!(numbers.len().is_multiple_of(4), "{} numbers, not four a level", numbers.len());
    // A price no order has marks an empty level.
    let some = |price, size| (size != 0).then_some((price, size));
    let levels = numbers.chunks_exact(4);
    Ok(levels.map(|l| Level { ask: some(l[0], l[1]), bid: some(l[2], l[3]) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_op_is_read() {
        let stream = parse_stream(
            "seq,op,id,side,price,qty,row,expect\n\
             0,add,a1,B,5700000,10,,\n\
             1,take,,S,5700000,6,0,a1:5700000:4;a2:5699900:2\n\
             2,reduce,a1,B,5700000,1,1,\n\
             3,cancel,a1,B,5700000,5,2,\n\
             4,nop,,,,,3,\n",
        )
        .unwrap();
        let fill = |maker: &str, price, quantity| Fill { maker: maker.into(), price, quantity };
        let id = || "a1".to_owned();
        let actions = [
            Action::Add { id: id(), side: Side::Buy, price: 5_700_000, quantity: 10 },
            Action::Take {
                side: Side::Sell,
                price: 5_700_000,
                quantity: 6,
                fills: vec![fill("a1", 5_700_000, 4), fill("a2", 5_699_900, 2)],
            },
            Action::Reduce { id: id(), by: 1 },
            Action::Cancel { id: id() },
            Action::Nothing,
        ];
        assert!(stream.iter().map(|event| &event.action).eq(&actions));
        assert!(stream.iter().map(|event| event.row).eq([
            None,
            Some(0),
            Some(1),
            Some(2),
            Some(3)
        ]));
        assert!(stream.iter().map(|event| event.sequence).eq(0..5));
    }

    #[test]
    fn errors_name_the_line() {
        let error = |line: &str| {
            let text = format!("seq,op,id,side,price,qty,row,expect\n{line}\n");
            format!("{:#}", parse_stream(&text).unwrap_err())
        };
        assert!(error("0,add,a,B,1,1,").starts_with("line 2: "));
        assert!(error("0,add,,B,1,1,,").contains("no id"));
        assert!(error("0,add,a,X,1,1,,").contains("unknown side X"));
        assert!(error("0,buy,a,B,1,1,,").contains("unknown op buy"));
        assert!(error("0,add,a,B,one,1,,").contains("not a number: \"one\""));
        assert!(error("0,take,,B,1,1,,a:1").contains("maker:price:quantity"));
        assert!(parse_stream("a,b\n").unwrap_err().to_string().starts_with("line 1 is not"));
    }

    #[test]
    fn empty_levels_are_none() {
        let books = parse_books("101,5,99,7,9999999999,0,-9999999999,0\n").unwrap();
        let first = Level { ask: Some((101, 5)), bid: Some((99, 7)) };
        assert_eq!(books, [[first, Level::default()]]);
        assert!(parse_books("1,2,3\n").is_err());
    }
}
