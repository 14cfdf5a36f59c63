//! Commands as bytes, for the journal.
//!
//! A command is one byte of kind, the time since the command before, and its fields in
//! the order of their declaration. Numbers are varints, seven bits a byte, low bits
//! first; every number has exactly one encoding. Texts are their length in a byte and
//! their UTF-8.
//!
//! Decoding trusts nothing: any bytes give either a command or an error.

use crate::command::Text;
use crate::{Command, Instrument, NewOrder, Side, TimeInForce};
use std::fmt;

const CANCEL_ORDER: u8 = 1;
const REDUCE_ORDER: u8 = 2;
const CREATE_INSTRUMENT: u8 = 3;
const OPEN_ACCOUNT: u8 = 4;
const OPEN_MARKET: u8 = 5;
const CLOSE_MARKET: u8 = 6;
const ADVANCE_CLOCK: u8 = 7;
/// Side and time in force are in the two bits above these.
const PLACE_ORDER: u8 = 0x10;
const SELL: u8 = 1;
const IMMEDIATE_OR_CANCEL: u8 = 2;

/// Why bytes are not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end within a command.
    Truncated,
    /// No command has this kind.
    UnknownKind(u8),
    /// A number is larger than its field, or encoded in more bytes than it needs.
    InvalidNumber,
    /// A text is empty, longer than its field, or not UTF-8.
    InvalidText,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end within a command"),
            Self::UnknownKind(kind) => write!(f, "no command is of kind {kind}"),
            Self::InvalidNumber => f.write_str("a number is too large or badly encoded"),
            Self::InvalidText => f.write_str("a text is empty, too long or not UTF-8"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Appends a command, and the time since the command before it.
pub fn encode(command: &Command, time_delta_us: u64, out: &mut Vec<u8>) {
    out.push(kind_of(command));
    put_number(time_delta_us, out);
    match command {
        Command::PlaceOrder(new) => {
            put_number(u64::from(new.instrument), out);
            put_number(u64::from(new.account), out);
            put_number(new.price_ticks as u64, out);
            put_number(new.quantity as u64, out);
        }
        Command::CancelOrder { order_id, participant } => {
            put_number(*order_id, out);
            put_number(u64::from(*participant), out);
        }
        Command::ReduceOrder { order_id, participant, by } => {
            put_number(*order_id, out);
            put_number(u64::from(*participant), out);
            put_number(*by as u64, out);
        }
        Command::CreateInstrument(instrument) => {
            put_text(&instrument.symbol, out);
            put_number(u64::from(instrument.tick_digits), out);
            put_number(u64::from(instrument.tick_scale), out);
            put_number(instrument.lot_size as u64, out);
            put_number(instrument.maximum_price_ticks as u64, out);
        }
        Command::OpenAccount { owner } => put_text(owner, out),
        Command::OpenMarket | Command::CloseMarket | Command::AdvanceClock => {}
    }
}

/// Takes one command, and the time since the command before it, off the front of
/// `input`. On an error `input` is left as it was.
pub fn decode(input: &mut &[u8]) -> Result<(u64, Command), DecodeError> {
    let mut rest = *input;
    let kind = take_byte(&mut rest)?;
    let time_delta_us = take_number(&mut rest)?;
    let command = take_command(kind, &mut rest)?;
    *input = rest;
    Ok((time_delta_us, command))
}

fn kind_of(command: &Command) -> u8 {
    match command {
        Command::PlaceOrder(new) => {
            let side = match new.side {
                Side::Buy => 0,
                Side::Sell => SELL,
            };
            let time_in_force = match new.time_in_force {
                TimeInForce::GoodTillCancel => 0,
                TimeInForce::ImmediateOrCancel => IMMEDIATE_OR_CANCEL,
            };
            PLACE_ORDER | side | time_in_force
        }
        Command::CancelOrder { .. } => CANCEL_ORDER,
        Command::ReduceOrder { .. } => REDUCE_ORDER,
        Command::CreateInstrument(_) => CREATE_INSTRUMENT,
        Command::OpenAccount { .. } => OPEN_ACCOUNT,
        Command::OpenMarket => OPEN_MARKET,
        Command::CloseMarket => CLOSE_MARKET,
        Command::AdvanceClock => ADVANCE_CLOCK,
    }
}

fn take_command(kind: u8, input: &mut &[u8]) -> Result<Command, DecodeError> {
    Ok(match kind {
        PLACE_ORDER..=0x13 => Command::PlaceOrder(NewOrder {
            side: if kind & SELL == 0 { Side::Buy } else { Side::Sell },
            time_in_force: if kind & IMMEDIATE_OR_CANCEL == 0 {
                TimeInForce::GoodTillCancel
            } else {
                TimeInForce::ImmediateOrCancel
            },
            instrument: take_small(input)?,
            account: take_small(input)?,
            price_ticks: take_number(input)? as i64,
            quantity: take_number(input)? as i64,
        }),
        CANCEL_ORDER => {
            Command::CancelOrder { order_id: take_number(input)?, participant: take_small(input)? }
        }
        REDUCE_ORDER => Command::ReduceOrder {
            order_id: take_number(input)?,
            participant: take_small(input)?,
            by: take_number(input)? as i64,
        },
        CREATE_INSTRUMENT => Command::CreateInstrument(Instrument {
            symbol: take_text(input)?,
            tick_digits: take_small(input)?,
            tick_scale: take_small(input)?,
            lot_size: take_number(input)? as i64,
            maximum_price_ticks: take_number(input)? as i64,
        }),
        OPEN_ACCOUNT => Command::OpenAccount { owner: take_text(input)? },
        OPEN_MARKET => Command::OpenMarket,
        CLOSE_MARKET => Command::CloseMarket,
        ADVANCE_CLOCK => Command::AdvanceClock,
        unknown => return Err(DecodeError::UnknownKind(unknown)),
    })
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
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = take_byte(input)?;
        let bits = u64::from(byte & 0x7f);
        // Of the tenth byte only one bit has room.
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
fn take_small<T: TryFrom<u64>>(input: &mut &[u8]) -> Result<T, DecodeError> {
    T::try_from(take_number(input)?).map_err(|_| DecodeError::InvalidNumber)
}

fn take_byte(input: &mut &[u8]) -> Result<u8, DecodeError> {
    let (&byte, rest) = input.split_first().ok_or(DecodeError::Truncated)?;
    *input = rest;
    Ok(byte)
}

fn put_text<const N: usize>(text: &Text<N>, out: &mut Vec<u8>) {
    let bytes = text.as_str().as_bytes();
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

fn take_text<const N: usize>(input: &mut &[u8]) -> Result<Text<N>, DecodeError> {
    let length = take_byte(input)? as usize;
    let (bytes, rest) = input.split_at_checked(length).ok_or(DecodeError::Truncated)?;
    let text = str::from_utf8(bytes).map_err(|_| DecodeError::InvalidText)?;
    *input = rest;
    Text::new(text).ok_or(DecodeError::InvalidText)
}
