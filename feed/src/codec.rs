//! Events as bytes, for the blocks of `exchange.market_data`.
//!
//! A block is a run of events in their order. The sequence number and the time of the first are
//! kept beside the bytes; the others are told by what differs from the event before. An event is
//! a byte that says its form and what differs, then, where it belongs to a later command, how many
//! sequence numbers were passed over and how much time went by, then its instrument, where it is
//! another one (the first event is compared with 0), and its fields in the order of their
//! declaration.
//!
//! The form is the kind of the event with everything that has few choices: sides, phases, which
//! prices there are, and whether a level is gone. Numbers are varints, seven bits a byte, low bits
//! first; those that may be below 0 are zigzag (0, -1, 1, -2, …). Everything has exactly one
//! encoding.
//!
//! Decoding trusts nothing: any bytes give events and then, maybe, an error.

use crate::event::{BestPrice, Change, Event, Kind};
use matcher::{InstrumentId, InstrumentPhase, MarketPhase, Sequence, Side, Symbol};
use std::fmt;

/// In the first byte: the event is of a later command than the one before.
const LATER_COMMAND: u8 = 0x80;
/// In the first byte: the event is of another instrument than the one before.
const OTHER_INSTRUMENT: u8 = 0x40;
const FORM: u8 = 0x3f;

/// What else is in the first byte.
mod form {
    pub const LISTED: u8 = 1;
    pub const BUSTED: u8 = 2;
    pub const UNCROSSED: u8 = 3;
    pub const REFRESH: u8 = 4;
    /// One for each phase of the market from here on.
    pub const MARKET_PHASE: u8 = 8;
    /// One for each phase of an instrument from here on.
    pub const INSTRUMENT_PHASE: u8 = 16;
    /// And the taker's side, and 2 in an auction.
    pub const TRADE: u8 = 24;
    /// And 1 with a bid, and 2 with an offer.
    pub const BEST_QUOTE: u8 = 28;
    /// And the side.
    pub const LEVEL: u8 = 32;
    /// And the side: quantity and orders are 0, and left out.
    pub const LEVEL_GONE: u8 = 34;
}

/// What is known of a form without looking at the fields: its kind, and of how many numbers its
/// fields are. (An instrument's name is none: see [`skip`].)
const FORMS: [Option<(Kind, u8)>; FORM as usize + 1] = {
    let mut forms = [None; FORM as usize + 1];
    forms[form::LISTED as usize] = Some((Kind::Listed, 3));
    forms[form::BUSTED as usize] = Some((Kind::Busted, 1));
    forms[form::UNCROSSED as usize] = Some((Kind::Uncrossed, 2));
    forms[form::REFRESH as usize] = Some((Kind::Refresh, 0));
    let mut choice = 0;
    while choice < MarketPhase::ALL.len() {
        forms[form::MARKET_PHASE as usize + choice] = Some((Kind::MarketPhase, 1));
        choice += 1;
    }
    choice = 0;
    while choice < InstrumentPhase::ALL.len() {
        forms[form::INSTRUMENT_PHASE as usize + choice] = Some((Kind::InstrumentPhase, 0));
        choice += 1;
    }
    choice = 0;
    while choice < 4 {
        forms[form::TRADE as usize + choice] = Some((Kind::Trade, 3));
        let prices = (choice & 1) + (choice >> 1);
        forms[form::BEST_QUOTE as usize + choice] = Some((Kind::BestQuote, 2 * prices as u8));
        choice += 1;
    }
    choice = 0;
    while choice < Side::ALL.len() {
        forms[form::LEVEL as usize + choice] = Some((Kind::Level, 3));
        forms[form::LEVEL_GONE as usize + choice] = Some((Kind::Level, 1));
        choice += 1;
    }
    forms
};

/// Why bytes are not events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end within an event.
    Truncated,
    /// No event begins with this byte, or none in its place.
    InvalidForm(u8),
    /// A number is larger than its field, encoded in more bytes than it needs, or there where it
    /// should have been left out.
    InvalidNumber,
    /// A symbol is empty, too long, or not UTF-8.
    InvalidText,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end within an event"),
            Self::InvalidForm(form) => write!(f, "no event begins with the byte {form:#04x} there"),
            Self::InvalidNumber => f.write_str("a number is too large or badly encoded"),
            Self::InvalidText => f.write_str("a symbol is empty, too long or not UTF-8"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Appends a block of events. To decode it takes the sequence number and the time of the first.
///
/// # Panics
/// If sequence numbers or times go backwards, or two events of one command differ in their time.
pub fn encode(events: &[Event], out: &mut Vec<u8>) {
    let Some(first) = events.first() else { return };
    let mut before = Event { instrument: 0, ..*first };
    for event in events {
        let mut head = form_of(&event.change);
        let at = out.len();
        out.push(0);
        if event.sequence != before.sequence {
            head |= LATER_COMMAND;
            assert!(
                event.sequence > before.sequence && event.time_us >= before.time_us,
                "{event:?} cannot come after {before:?}"
            );
            put_number(event.sequence - before.sequence - 1, out);
            put_number(event.time_us.abs_diff(before.time_us), out);
        } else {
            assert_eq!(event.time_us, before.time_us, "two times of command {}", event.sequence);
        }
        if event.instrument != before.instrument {
            head |= OTHER_INSTRUMENT;
            put_number(event.instrument.into(), out);
        }
        out[at] = head;
        put_fields(&event.change, out);
        before = *event;
    }
}

fn form_of(change: &Change) -> u8 {
    match *change {
        Change::Listed { .. } => form::LISTED,
        Change::Trade { taker_side, in_auction, .. } => {
            form::TRADE + taker_side as u8 + 2 * u8::from(in_auction)
        }
        Change::Busted { .. } => form::BUSTED,
        Change::Uncrossed { .. } => form::UNCROSSED,
        Change::InstrumentPhase { phase } => form::INSTRUMENT_PHASE + phase as u8,
        Change::MarketPhase { phase, .. } => form::MARKET_PHASE + phase as u8,
        Change::Refresh => form::REFRESH,
        Change::Level { side, quantity: 0, orders: 0, .. } => form::LEVEL_GONE + side as u8,
        Change::Level { side, .. } => form::LEVEL + side as u8,
        Change::BestQuote { bid, ask } => {
            form::BEST_QUOTE + u8::from(bid.is_some()) + 2 * u8::from(ask.is_some())
        }
    }
}

fn put_fields(change: &Change, out: &mut Vec<u8>) {
    match *change {
        Change::Listed { ref symbol, tick_digits, tick_scale, lot_size } => {
            let symbol = symbol.as_str().as_bytes();
            out.push(symbol.len() as u8);
            out.extend_from_slice(symbol);
            put_number(tick_digits.into(), out);
            put_number(tick_scale.into(), out);
            put_number(lot_size as u64, out);
        }
        Change::Trade { trade_id, price_ticks, quantity, .. } => {
            put_number(trade_id, out);
            put_number(price_ticks as u64, out);
            put_number(quantity as u64, out);
        }
        Change::Busted { trade_id } => put_number(trade_id, out),
        Change::Uncrossed { price_ticks, quantity } => {
            put_number(price_ticks as u64, out);
            put_number(quantity as u64, out);
        }
        Change::MarketPhase { trade_date, .. } => {
            put_number(((trade_date << 1 ^ trade_date >> 31) as u32).into(), out);
        }
        Change::InstrumentPhase { .. } | Change::Refresh => {}
        Change::Level { price_ticks, quantity, orders, .. } => {
            put_number(price_ticks as u64, out);
            if (quantity, orders) != (0, 0) {
                put_number(quantity as u64, out);
                put_number(orders.into(), out);
            }
        }
        Change::BestQuote { bid, ask } => {
            for best in [bid, ask].into_iter().flatten() {
                put_number(best.price_ticks as u64, out);
                put_number(best.quantity as u64, out);
            }
        }
    }
}

/// What is known of an event before its fields are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The command that it came of.
    pub sequence: Sequence,
    /// When: microseconds since 2000-01-01 UTC.
    pub time_us: i64,
    /// Of what; 0 for the whole market.
    pub instrument: InstrumentId,
    /// What happened.
    pub kind: Kind,
    form: u8,
    numbers: u8,
}

/// The events of a block, see [`decode`]. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    input: &'a [u8],
    sequence: Sequence,
    time_us: i64,
    instrument: InstrumentId,
    is_first: bool,
}

/// The events of a block, given the sequence number and the time of the first.
pub fn decode(first_sequence: Sequence, first_time_us: i64, block: &[u8]) -> Events<'_> {
    Events {
        input: block,
        sequence: first_sequence,
        time_us: first_time_us,
        instrument: 0,
        is_first: true,
    }
}

impl Events<'_> {
    /// The next event that is wanted. Those that are not are skipped without being built, so much
    /// faster, and are checked only as far as it takes to find where they end.
    #[inline]
    pub fn next_where(
        &mut self,
        mut is_wanted: impl FnMut(&Head) -> bool,
    ) -> Option<Result<Event, DecodeError>> {
        while !self.input.is_empty() {
            let event = match self.take_head() {
                Ok(head) if is_wanted(&head) => take_event(&head, &mut self.input),
                Ok(head) => match skip(&head, &mut self.input) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            if event.is_err() {
                self.input = &[];
            }
            return Some(event);
        }
        None
    }

    #[inline]
    fn take_head(&mut self) -> Result<Head, DecodeError> {
        let mut input = self.input;
        let byte = take_byte(&mut input)?;
        let (kind, numbers) =
            FORMS[usize::from(byte & FORM)].ok_or(DecodeError::InvalidForm(byte))?;
        if byte & LATER_COMMAND != 0 {
            if self.is_first {
                return Err(DecodeError::InvalidForm(byte));
            }
            let passed = take_number(&mut input)?;
            let elapsed = take_number(&mut input)?;
            let sequence = self.sequence.checked_add(passed).and_then(|last| last.checked_add(1));
            self.sequence = sequence.ok_or(DecodeError::InvalidNumber)?;
            let time_us = self.time_us.checked_add_unsigned(elapsed);
            self.time_us = time_us.ok_or(DecodeError::InvalidNumber)?;
        }
        if byte & OTHER_INSTRUMENT != 0 {
            let before = std::mem::replace(&mut self.instrument, take_small(&mut input)?);
            if self.instrument == before {
                return Err(DecodeError::InvalidNumber);
            }
        }
        self.is_first = false;
        self.input = input;
        Ok(Head {
            sequence: self.sequence,
            time_us: self.time_us,
            instrument: self.instrument,
            kind,
            form: byte & FORM,
            numbers,
        })
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Event, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_where(|_| true)
    }
}

impl std::iter::FusedIterator for Events<'_> {}

#[inline]
fn take_event(head: &Head, input: &mut &[u8]) -> Result<Event, DecodeError> {
    let form = head.form;
    let change = match head.kind {
        Kind::Listed => Change::Listed {
            symbol: take_symbol(input)?,
            tick_digits: take_small(input)?,
            tick_scale: take_small(input)?,
            lot_size: take_number(input)? as i64,
        },
        Kind::Trade => Change::Trade {
            trade_id: take_number(input)?,
            price_ticks: take_number(input)? as i64,
            quantity: take_number(input)? as i64,
            taker_side: Side::ALL[usize::from((form - form::TRADE) & 1)],
            in_auction: (form - form::TRADE) & 2 != 0,
        },
        Kind::Busted => Change::Busted { trade_id: take_number(input)? },
        Kind::Uncrossed => Change::Uncrossed {
            price_ticks: take_number(input)? as i64,
            quantity: take_number(input)? as i64,
        },
        Kind::InstrumentPhase => Change::InstrumentPhase {
            phase: InstrumentPhase::ALL[usize::from(form - form::INSTRUMENT_PHASE)],
        },
        Kind::MarketPhase => {
            let zigzag: u32 = take_small(input)?;
            Change::MarketPhase {
                phase: MarketPhase::ALL[usize::from(form - form::MARKET_PHASE)],
                trade_date: (zigzag >> 1) as i32 ^ -((zigzag & 1) as i32),
            }
        }
        Kind::Refresh => Change::Refresh,
        Kind::Level => {
            let side = Side::ALL[usize::from(form & 1)];
            let price_ticks = take_number(input)? as i64;
            if form >= form::LEVEL_GONE {
                Change::Level { side, price_ticks, quantity: 0, orders: 0 }
            } else {
                let quantity = take_number(input)? as i64;
                let orders = take_small(input)?;
                if (quantity, orders) == (0, 0) {
                    return Err(DecodeError::InvalidNumber);
                }
                Change::Level { side, price_ticks, quantity, orders }
            }
        }
        Kind::BestQuote => {
            let mut best = |bit| match (form - form::BEST_QUOTE) & bit != 0 {
                true => Ok(Some(BestPrice {
                    price_ticks: take_number(input)? as i64,
                    quantity: take_number(input)? as i64,
                })),
                false => Ok(None),
            };
            Change::BestQuote { bid: best(1)?, ask: best(2)? }
        }
    };
    Ok(Event {
        sequence: head.sequence,
        time_us: head.time_us,
        instrument: head.instrument,
        change,
    })
}

/// Passes over the fields of an event.
#[inline]
fn skip(head: &Head, input: &mut &[u8]) -> Result<(), DecodeError> {
    if head.form == form::LISTED {
        take_symbol(input)?;
    }
    let mut numbers = head.numbers;
    // Several numbers at once: the last byte of each is below 0x80.
    while let Some(&bytes) = input.first_chunk::<8>() {
        let mut ends = !u64::from_le_bytes(bytes) & 0x8080_8080_8080_8080;
        let found = ends.count_ones() as u8;
        if found < numbers {
            numbers -= found;
            *input = &input[8..];
            continue;
        }
        if numbers > 0 {
            for _ in 1..numbers {
                ends &= ends - 1;
            }
            *input = &input[ends.trailing_zeros() as usize / 8 + 1..];
        }
        return Ok(());
    }
    while numbers > 0 {
        if take_byte(input)? < 0x80 {
            numbers -= 1;
        }
    }
    Ok(())
}

#[inline]
fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn take_number(input: &mut &[u8]) -> Result<u64, DecodeError> {
    // Most are of one to three bytes.
    match **input {
        [a @ ..0x80, ref rest @ ..] => {
            *input = rest;
            Ok(a.into())
        }
        [a, b @ 1..0x80, ref rest @ ..] => {
            *input = rest;
            Ok(u64::from(a & 0x7f) | u64::from(b) << 7)
        }
        [a, b @ 0x80..=0xff, c @ 1..0x80, ref rest @ ..] => {
            *input = rest;
            Ok(u64::from(a & 0x7f) | u64::from(b & 0x7f) << 7 | u64::from(c) << 14)
        }
        _ => take_any_number(input),
    }
}

#[cold]
fn take_any_number(input: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = take_byte(input)?;
        let bits = u64::from(byte & 0x7f);
        // The last byte has room for fewer than seven bits.
        if bits << shift >> shift != bits {
            return Err(DecodeError::InvalidNumber);
        }
        number |= bits << shift;
        if byte < 0x80 {
            let is_shortest = byte != 0 || shift == 0;
            return if is_shortest { Ok(number) } else { Err(DecodeError::InvalidNumber) };
        }
    }
    Err(DecodeError::InvalidNumber)
}

/// A number of a narrower type.
#[inline]
fn take_small<T: TryFrom<u64>>(input: &mut &[u8]) -> Result<T, DecodeError> {
    T::try_from(take_number(input)?).map_err(|_| DecodeError::InvalidNumber)
}

#[inline]
fn take_byte(input: &mut &[u8]) -> Result<u8, DecodeError> {
    let (&byte, rest) = input.split_first().ok_or(DecodeError::Truncated)?;
    *input = rest;
    Ok(byte)
}

fn take_symbol(input: &mut &[u8]) -> Result<Symbol, DecodeError> {
    let length = take_byte(input)?;
    let (bytes, rest) = input.split_at_checked(length.into()).ok_or(DecodeError::Truncated)?;
    let text = str::from_utf8(bytes).map_err(|_| DecodeError::InvalidText)?;
    *input = rest;
    Symbol::new(text).ok_or(DecodeError::InvalidText)
}
