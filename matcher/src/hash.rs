//! The hashes by which two engines compare what they saw and what they hold.
//!
//! Not cryptographic: they find divergence, not forgery. The mixing step is the folded
//! 64 × 64 → 128 bit multiplication of wyhash, one instruction and a few nanoseconds.

use crate::command::{Command, Stamp, Text};
use crate::event::Event;
use crate::outcome::{Order, Trade};
use crate::{Counters, Instrument, ParticipantId, RoleName};

/// Odd constants without pattern (digits of π), so that words of different positions
/// cannot stand in for each other.
const SALT: [u64; 8] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7345,
    0xa409_3822_299f_31d1,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6d,
    0xc0ac_29b7_c97c_50dd,
    0x3f84_d5b5_b547_0917,
];

/// The folded product: every bit of the result depends on every bit of both factors.
#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Hash of up to eight words. The products do not wait for each other, so that only one
/// multiplication a record lies on the chain of the running hash.
#[inline(always)]
fn digest<const N: usize>(words: [u64; N]) -> u64 {
    const { assert!(N.is_multiple_of(2) && N <= SALT.len()) };
    let mut sum = 0u64;
    let mut at = 0;
    while at < N {
        sum = sum
            .rotate_left(23)
            .wrapping_add(mix(words[at] ^ SALT[at], words[at + 1] ^ SALT[at + 1]));
        at += 2;
    }
    sum
}

#[inline(always)]
fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Adds the digest of one more record to a running hash.
#[inline(always)]
fn fold(hash: &mut u64, digest: u64) {
    *hash = mix(*hash ^ digest, SALT[0]) ^ digest.rotate_left(32);
}

/// What was asked, and when. Of an order only what its events do not tell.
#[inline(always)]
pub(crate) fn fold_command(hash: &mut u64, stamp: Stamp, command: &Command) {
    let untold = match command {
        Command::PlaceOrder(new) => pair(1 << 8 | new.time_in_force as u32, new.account),
        Command::CancelOrder { participant, .. } => pair(2 << 8, *participant),
        Command::ReduceOrder { participant, .. } => pair(3 << 8, *participant),
        Command::CreateInstrument(instrument) => instrument_digest(instrument),
        Command::OpenAccount { owner } => text_digest(owner),
        Command::OpenMarket | Command::CloseMarket | Command::AdvanceClock => 0,
    };
    let stamp = digest([stamp.sequence, stamp.time_us as u64]);
    fold(hash, stamp.wrapping_add(untold));
}

/// What came of it.
#[inline(always)]
pub(crate) fn fold_event(hash: &mut u64, event: &Event) {
    fold(hash, event_digest(event));
}

pub(crate) fn fold_counters(hash: &mut u64, counters: &Counters) {
    let words = [
        counters.sequence,
        counters.time_us as u64,
        counters.last_trade_id,
        counters.event_hash,
        u64::from(counters.market_open),
        0,
    ];
    fold(hash, digest(words));
}

pub(crate) fn fold_instrument(hash: &mut u64, instrument: &Instrument) {
    fold(hash, instrument_digest(instrument));
}

pub(crate) fn fold_account(hash: &mut u64, owner: ParticipantId) {
    fold(hash, digest([20, u64::from(owner)]));
}

pub(crate) fn fold_participant(hash: &mut u64, role: &RoleName) {
    fold(hash, digest([21, text_digest(role)]));
}

pub(crate) fn fold_order(hash: &mut u64, order: &Order) {
    let kind = u64::from(order.side as u8)
        | u64::from(order.time_in_force as u8) << 8
        | u64::from(order.status as u8) << 16
        | u64::from(order.reject_reason as u8) << 24;
    let words = [
        order.order_id,
        order.created_at_us as u64,
        order.price_ticks as u64,
        order.quantity as u64,
        order.remaining as u64,
        order.turnover_ticks as u64,
        pair(order.instrument, order.account),
        kind ^ (order.filled as u64).rotate_left(32),
    ];
    fold(hash, digest(words));
}

fn text_digest<const N: usize>(text: &Text<N>) -> u64 {
    let mut hash = 0;
    for chunk in text.as_str().as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        fold(&mut hash, digest([u64::from_le_bytes(word), chunk.len() as u64]));
    }
    hash
}

fn instrument_digest(instrument: &Instrument) -> u64 {
    digest([
        text_digest(&instrument.symbol),
        pair(instrument.tick_digits, u32::from(instrument.tick_scale)),
        instrument.lot_size as u64,
        instrument.maximum_price_ticks as u64,
    ])
}

#[inline(always)]
fn event_digest(event: &Event) -> u64 {
    match event {
        Event::Trade(trade) => trade_digest(trade),
        Event::Rested { order_id, instrument, side, price_ticks, remaining } => digest([
            *order_id,
            pair(*instrument, 2 << 8 | *side as u32),
            *price_ticks as u64,
            *remaining as u64,
        ]),
        Event::Cancelled { order_id, instrument, side, price_ticks, quantity } => digest([
            *order_id,
            pair(*instrument, 3 << 8 | *side as u32),
            *price_ticks as u64,
            *quantity as u64,
        ]),
        Event::Reduced { order_id, instrument, side, price_ticks, remaining } => digest([
            *order_id,
            pair(*instrument, 4 << 8 | *side as u32),
            *price_ticks as u64,
            *remaining as u64,
        ]),
        Event::Rejected { order_id, reason } => digest([*order_id, 5 << 8 | *reason as u64]),
        Event::InstrumentCreated { instrument } => digest([6 << 8, u64::from(*instrument)]),
        Event::AccountOpened { account, participant } => {
            digest([7 << 8, pair(*account, *participant)])
        }
        Event::MarketOpened => digest([8 << 8, 0]),
        Event::MarketClosed => digest([9 << 8, 0]),
        Event::ClockAdvanced { time_us } => digest([10 << 8, *time_us as u64]),
    }
}

#[inline(always)]
fn trade_digest(trade: &Trade) -> u64 {
    digest([
        trade.trade_id,
        pair(trade.instrument, 1 << 8 | trade.taker_side as u32),
        trade.price_ticks as u64,
        trade.quantity as u64,
        trade.maker_order_id,
        trade.taker_order_id,
        pair(trade.maker_account, trade.taker_account),
        trade.maker_remaining as u64,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InstrumentId, Side};
    use std::collections::BTreeSet;

    /// Engine and oracle share this module, so no comparison of the two would find a
    /// field that is left out of a hash.
    #[test]
    fn every_field_and_kind_of_event_counts() {
        let trade = Trade {
            trade_id: 1,
            instrument: 1,
            taker_side: Side::Buy,
            price_ticks: 1,
            quantity: 1,
            maker_order_id: 1,
            taker_order_id: 1,
            maker_account: 1,
            taker_account: 1,
            maker_remaining: 1,
        };
        let mut events = vec![
            Event::Trade(trade),
            Event::Trade(Trade { trade_id: 2, ..trade }),
            Event::Trade(Trade { instrument: 2, ..trade }),
            Event::Trade(Trade { taker_side: Side::Sell, ..trade }),
            Event::Trade(Trade { price_ticks: 2, ..trade }),
            Event::Trade(Trade { quantity: 2, ..trade }),
            Event::Trade(Trade { maker_order_id: 2, ..trade }),
            Event::Trade(Trade { taker_order_id: 2, ..trade }),
            Event::Trade(Trade { maker_account: 2, ..trade }),
            Event::Trade(Trade { taker_account: 2, ..trade }),
            Event::Trade(Trade { maker_remaining: 2, ..trade }),
            Event::MarketOpened,
            Event::MarketClosed,
        ];
        let variations: [(u64, InstrumentId, Side, i64, i64); 6] = [
            (1, 1, Side::Buy, 1, 1),
            (2, 1, Side::Buy, 1, 1),
            (1, 2, Side::Buy, 1, 1),
            (1, 1, Side::Sell, 1, 1),
            (1, 1, Side::Buy, 2, 1),
            (1, 1, Side::Buy, 1, 2),
        ];
        for (order_id, instrument, side, price_ticks, quantity) in variations {
            let remaining = quantity;
            events.extend([
                Event::Rested { order_id, instrument, side, price_ticks, remaining },
                Event::Cancelled { order_id, instrument, side, price_ticks, quantity },
                Event::Reduced { order_id, instrument, side, price_ticks, remaining },
            ]);
        }
        for number in 1..=2 {
            events.extend([
                Event::InstrumentCreated { instrument: number },
                Event::AccountOpened { account: number, participant: 1 },
                Event::AccountOpened { account: number, participant: 2 },
                Event::ClockAdvanced { time_us: number.into() },
            ]);
        }
        let hashes: BTreeSet<u64> = events.iter().map(event_digest).collect();
        assert_eq!(hashes.len(), events.len());
    }
}
