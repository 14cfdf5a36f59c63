//! The hashes by which two engines compare what they saw and what they hold.
//!
//! Not cryptographic: they find divergence, not forgery. The mixing step is the folded
//! 64 × 64 → 128 bit multiplication of wyhash, one instruction and a few nanoseconds.
//!
//! Structures are taken apart whole, so that a field that is added is not forgotten here.

use crate::command::{Command, FeeSchedule, PriceRules, RiskLimits, Stamp, Text, TradingDay};
use crate::event::Event;
use crate::outcome::{Order, Trade};
use crate::{
    Account, Cash, Counters, Currency, Instrument, InstrumentId, InstrumentState, Money,
    Participant, Position, Side, Terms, View, codec,
};

/// Odd constants without pattern (digits of π), so that words of different positions
/// cannot stand in for each other.
const SALT: [u64; 12] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7345,
    0xa409_3822_299f_31d1,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6d,
    0xc0ac_29b7_c97c_50dd,
    0x3f84_d5b5_b547_0917,
    0x9216_d5d9_8979_fb1b,
    0xd131_0ba6_98df_b5ad,
    0x2ffd_72db_d01a_dfb7,
    0xb8e1_afed_6a26_7e97,
];

/// The folded product: every bit of the result depends on every bit of both factors.
#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Hash of up to twelve words. The products do not wait for each other, so that only one
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

/// The two halves of a wide number.
#[inline(always)]
fn halves(number: i128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

/// Adds the digest of one more record to a running hash.
#[inline(always)]
fn fold(hash: &mut u64, digest: u64) {
    *hash = mix(*hash ^ digest, SALT[0]) ^ digest.rotate_left(32);
}

/// What was asked, and when. Of a plain order only what its events do not tell.
#[inline(always)]
pub(crate) fn fold_command(hash: &mut u64, stamp: Stamp, command: &Command) {
    let untold = match command {
        Command::PlaceOrder(new) => {
            let form = (new.time_in_force as u32) << 8 | new.self_trade_prevention as u32;
            pair(1 << 16 | form, new.account)
        }
        Command::PlaceOrderWithTerms(new, terms) => {
            let form = (new.side as u32) << 16
                | (new.time_in_force as u32) << 8
                | new.self_trade_prevention as u32;
            digest([
                pair(new.instrument, new.account),
                new.price_ticks as u64,
                new.quantity as u64,
                pair(2 << 24 | form, 0),
                terms_digest(terms),
                0,
            ])
        }
        Command::CancelOrder { order_id, participant } => {
            digest([*order_id, pair(3 << 16, *participant)])
        }
        Command::ReduceOrder { order_id, participant, by } => {
            digest([*order_id, pair(4 << 16, *participant), *by as u64, 0])
        }
        Command::ReplaceOrder { order_id, participant, price_ticks, quantity } => {
            digest([*order_id, pair(5 << 16, *participant), *price_ticks as u64, *quantity as u64])
        }
        Command::AdvanceClock => 0,
        rare => encoded_digest(rare),
    };
    let stamp = digest([stamp.sequence, stamp.time_us as u64]);
    fold(hash, stamp.wrapping_add(untold));
}

/// Of a command as the journal has it, which leaves nothing out.
#[cold]
fn encoded_digest(command: &Command) -> u64 {
    let mut bytes = Vec::with_capacity(128);
    codec::encode(command, 0, &mut bytes);
    bytes_digest(&bytes)
}

/// What came of it.
#[inline(always)]
pub(crate) fn fold_event(hash: &mut u64, event: &Event) {
    fold(hash, event_digest(event));
}

/// Of everything that can be seen of an exchange.
pub(crate) fn state_hash(view: &impl View) -> u64 {
    let mut state = 0;
    fold(&mut state, counters_digest(&view.counters()));
    fold_all(&mut state, view.currencies().iter().map(currency_digest));
    fold_all(&mut state, view.fee_schedules().iter().map(fee_schedule_digest));
    fold_all(&mut state, view.participants().iter().map(participant_digest));
    let accounts = (1..=view.account_count()).map(|id| view.account(id));
    fold_all(&mut state, accounts.map(|account| account.as_ref().map_or(0, account_digest)));
    fold_all(&mut state, view.instruments().iter().map(instrument_digest));
    let instruments = 1..=view.instruments().len() as InstrumentId;
    let states = instruments.clone().map(|id| view.instrument_state(id));
    fold_all(&mut state, states.map(|found| found.as_ref().map_or(0, instrument_state_digest)));
    fold_all(&mut state, view.all_cash().iter().map(cash_digest));
    fold_all(&mut state, view.all_positions().iter().map(position_digest));
    fold_all(&mut state, view.schedule().iter().map(|(day, steps)| day_digest(day, *steps)));
    fold_all(&mut state, view.busted_trades().into_iter());
    fold_all(&mut state, view.client_orders().iter().map(order_digest));
    for id in instruments {
        fold_all(&mut state, view.queue(id, Side::Buy).map(|order| order_digest(&order)));
        fold_all(&mut state, view.queue(id, Side::Sell).map(|order| order_digest(&order)));
        fold_all(&mut state, view.waiting(id).iter().map(order_digest));
    }
    state
}

/// Adds a list, and how long it is, so that nothing can be of the list beside it.
fn fold_all(hash: &mut u64, digests: impl Iterator<Item = u64>) {
    let mut length = 0;
    for digest in digests {
        fold(hash, digest);
        length += 1;
    }
    fold(hash, length);
}

fn bytes_digest(bytes: &[u8]) -> u64 {
    let mut hash = 0;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        fold(&mut hash, digest([u64::from_le_bytes(word), chunk.len() as u64]));
    }
    hash
}

fn text_digest<const N: usize>(text: &Text<N>) -> u64 {
    bytes_digest(text.as_str().as_bytes())
}

fn money_digest(amount: Money) -> u64 {
    digest(halves(amount))
}

fn counters_digest(counters: &Counters) -> u64 {
    let Counters { sequence, time_us, last_trade_id, event_hash, market_phase, trade_date } =
        *counters;
    digest([
        sequence,
        time_us as u64,
        last_trade_id,
        event_hash,
        pair(market_phase as u32, trade_date as u32),
        0,
    ])
}

fn currency_digest(currency: &Currency) -> u64 {
    let Currency { ref code, fees, transferred } = *currency;
    digest([text_digest(code), money_digest(fees), money_digest(transferred), 0])
}

fn fee_schedule_digest(schedule: &FeeSchedule) -> u64 {
    let FeeSchedule { ref name, maker_ppm, taker_ppm, auction_ppm } = *schedule;
    digest([
        text_digest(name),
        pair(maker_ppm as u32, taker_ppm as u32),
        u64::from(auction_ppm as u32),
        0,
    ])
}

fn participant_digest(participant: &Participant) -> u64 {
    let Participant { ref role, orders_per_second, burst } = *participant;
    digest([text_digest(role), pair(orders_per_second, burst)])
}

fn account_digest(account: &Account) -> u64 {
    let Account { owner, status, killed, fee_schedule, ref limits, open_orders } = *account;
    let flags = u32::from_le_bytes([status as u8, u8::from(killed), fee_schedule, 0]);
    digest([pair(owner, flags), u64::from(open_orders), limits_digest(limits), 0])
}

fn limits_digest(limits: &RiskLimits) -> u64 {
    let RiskLimits {
        order_quantity,
        order_value,
        daily_bought_quantity,
        daily_sold_quantity,
        daily_bought_value,
        daily_sold_value,
        open_orders,
    } = *limits;
    digest([
        order_quantity as u64,
        money_digest(order_value),
        daily_bought_quantity as u64,
        daily_sold_quantity as u64,
        money_digest(daily_bought_value),
        money_digest(daily_sold_value),
        u64::from(open_orders),
        0,
    ])
}

fn instrument_digest(instrument: &Instrument) -> u64 {
    let Instrument {
        ref symbol,
        ref currency,
        tick_digits,
        tick_scale,
        lot_size,
        maximum_price_ticks,
    } = *instrument;
    digest([
        text_digest(symbol),
        text_digest(currency),
        pair(tick_digits, u32::from(tick_scale)),
        lot_size as u64,
        maximum_price_ticks as u64,
        0,
    ])
}

fn instrument_state_digest(state: &InstrumentState) -> u64 {
    let InstrumentState {
        phase,
        halted,
        halt_until_us,
        reference_price_ticks,
        last_price_ticks,
        ref rules,
        ref limits,
        transferred,
    } = *state;
    digest([
        pair(phase as u32, u32::from(halted)),
        halt_until_us as u64,
        reference_price_ticks as u64,
        last_price_ticks as u64,
        rules_digest(rules),
        limits_digest(limits),
        transferred as u64,
        0,
    ])
}

fn rules_digest(rules: &PriceRules) -> u64 {
    let PriceRules { collar_ppm, band_ppm, volatility_halt_us, protection_ppm } = *rules;
    digest([pair(collar_ppm, band_ppm), volatility_halt_us as u64, u64::from(protection_ppm), 0])
}

fn cash_digest(cash: &Cash) -> u64 {
    let Cash { account, currency, balance, held, credit_limit } = *cash;
    digest([
        pair(account, currency.into()),
        money_digest(balance),
        money_digest(held),
        money_digest(credit_limit),
    ])
}

fn position_digest(position: &Position) -> u64 {
    let Position {
        account,
        instrument,
        quantity,
        open_quantity: [open_bought, open_sold],
        open_value_ticks: [open_bought_value, open_sold_value],
        open_orders,
        short_limit,
        ref limits,
        trade_date,
        traded_quantity: [bought, sold],
        traded_value_ticks: [bought_value, sold_value],
    } = *position;
    let open = digest([
        open_bought as u64,
        open_sold as u64,
        money_digest(open_bought_value),
        money_digest(open_sold_value),
    ]);
    let traded =
        digest([bought as u64, sold as u64, money_digest(bought_value), money_digest(sold_value)]);
    digest([
        pair(account, instrument),
        quantity as u64,
        pair(open_orders, trade_date as u32),
        short_limit as u64,
        limits_digest(limits),
        open,
        traded,
        0,
    ])
}

fn day_digest(day: &TradingDay, steps_taken: u8) -> u64 {
    let TradingDay { trade_date, pre_open_us, open_us, closing_auction_us, close_us } = *day;
    digest([
        pair(trade_date as u32, steps_taken.into()),
        pre_open_us as u64,
        open_us as u64,
        closing_auction_us as u64,
        close_us as u64,
        0,
    ])
}

fn order_digest(order: &Order) -> u64 {
    let Order {
        order_id,
        created_at_us,
        priority,
        price_ticks,
        quantity,
        filled,
        remaining,
        displayed,
        turnover_ticks,
        instrument,
        account,
        side,
        time_in_force,
        self_trade_prevention,
        status,
        reject_reason,
        cancel_reason,
        fee_schedule,
        triggered,
        ref terms,
    } = *order;
    let form = u64::from_le_bytes([
        side as u8,
        time_in_force as u8,
        self_trade_prevention as u8,
        status as u8,
        reject_reason as u8,
        cancel_reason as u8,
        fee_schedule,
        u8::from(triggered),
    ]);
    digest([
        order_id,
        created_at_us as u64,
        priority,
        price_ticks as u64,
        quantity as u64,
        filled as u64,
        remaining as u64,
        displayed as u64,
        turnover_ticks as u64,
        pair(instrument, account),
        form,
        terms_digest(terms),
    ])
}

fn terms_digest(terms: &Terms) -> u64 {
    let Terms {
        minimum_quantity,
        display_quantity,
        stop_price_ticks,
        trail_ticks,
        expire_at_us,
        linked_order,
        session,
        ref client_order_id,
        order_type,
        post_only,
        peg,
        trigger,
        hidden,
        all_or_none,
    } = *terms;
    let form = u64::from_le_bytes([
        order_type as u8,
        post_only as u8,
        peg as u8,
        trigger as u8,
        u8::from(hidden),
        u8::from(all_or_none),
        0,
        0,
    ]);
    digest([
        minimum_quantity as u64,
        display_quantity as u64,
        stop_price_ticks as u64,
        trail_ticks as u64,
        expire_at_us as u64,
        linked_order,
        session,
        client_order_id.as_ref().map_or(0, text_digest),
        form,
        0,
    ])
}

/// The low half of the second word has the kind, so that none can pass for another.
#[inline(always)]
fn event_digest(event: &Event) -> u64 {
    match *event {
        Event::Trade(ref trade) => trade_digest(trade),
        Event::Rested { order_id, instrument, side, price_ticks, remaining } => digest([
            order_id,
            pair(instrument, 2 << 8 | side as u32),
            price_ticks as u64,
            remaining as u64,
        ]),
        Event::Cancelled { order_id, instrument, side, price_ticks, quantity, reason } => digest([
            order_id,
            pair(instrument, (reason as u32) << 16 | 3 << 8 | side as u32),
            price_ticks as u64,
            quantity as u64,
        ]),
        Event::Reduced { order_id, instrument, side, price_ticks, remaining } => digest([
            order_id,
            pair(instrument, 4 << 8 | side as u32),
            price_ticks as u64,
            remaining as u64,
        ]),
        Event::Rejected { order_id, reason } => digest([order_id, 5 << 8 | reason as u64]),
        Event::InstrumentCreated { instrument } => digest([instrument.into(), 6 << 8]),
        Event::AccountOpened { account, participant } => {
            digest([pair(account, participant), 7 << 8])
        }
        Event::MarketPhaseChanged { phase, trade_date } => {
            digest([pair(phase as u32, trade_date as u32), 8 << 8])
        }
        Event::InstrumentPhaseChanged { instrument, phase } => {
            digest([pair(instrument, phase as u32), 9 << 8])
        }
        Event::ClockAdvanced { time_us } => digest([time_us as u64, 10 << 8]),
        Event::Replaced { order_id, instrument, side, old_price_ticks, price_ticks, quantity } => {
            digest([
                order_id,
                pair(instrument, 11 << 8 | side as u32),
                old_price_ticks as u64,
                price_ticks as u64,
                quantity as u64,
                0,
            ])
        }
        Event::ReplaceRejected { order_id, reason } => digest([order_id, 12 << 8 | reason as u64]),
        Event::Refilled { order_id, displayed } => digest([order_id, 13 << 8, displayed as u64, 0]),
        Event::Triggered { order_id, instrument } => digest([order_id, pair(instrument, 14 << 8)]),
        Event::StopMoved { order_id, stop_price_ticks, price_ticks } => {
            digest([order_id, 15 << 8, stop_price_ticks as u64, price_ticks as u64])
        }
        Event::InstrumentChanged { instrument } => digest([instrument.into(), 16 << 8]),
        Event::ParticipantRegistered { participant } => digest([participant.into(), 17 << 8]),
        Event::ParticipantChanged { participant } => digest([participant.into(), 18 << 8]),
        Event::AccountChanged { account } => digest([account.into(), 19 << 8]),
        Event::FeeScheduleCreated { schedule } => digest([schedule.into(), 20 << 8]),
        Event::CashTransferred { account, currency, amount } => {
            let [low, high] = halves(amount);
            digest([pair(account, currency.into()), 21 << 8, low, high])
        }
        Event::SharesTransferred { account, instrument, quantity } => {
            digest([pair(account, instrument), 22 << 8, quantity as u64, 0])
        }
        Event::CreditLimitSet { account, currency } => {
            digest([pair(account, currency.into()), 23 << 8])
        }
        Event::ShortLimitSet { account, instrument } => {
            digest([pair(account, instrument), 24 << 8])
        }
        Event::RiskLimitsSet { account, instrument } => {
            digest([pair(account, instrument), 25 << 8])
        }
        Event::Uncrossed { instrument, price_ticks, quantity } => {
            digest([instrument.into(), 26 << 8, price_ticks as u64, quantity as u64])
        }
        Event::Scheduled { trade_date } => digest([u64::from(trade_date as u32), 27 << 8]),
        Event::TradeBusted { trade_id, instrument, buyer, seller } => {
            digest([trade_id, pair(instrument, 28 << 8), pair(buyer, seller), 0])
        }
    }
}

#[inline(always)]
fn trade_digest(trade: &Trade) -> u64 {
    let Trade {
        trade_id,
        instrument,
        taker_side,
        in_auction,
        price_ticks,
        quantity,
        maker_order_id,
        taker_order_id,
        maker_account,
        taker_account,
        maker_remaining,
        maker_fee,
        taker_fee,
    } = *trade;
    let [maker_fee_low, maker_fee_high] = halves(maker_fee);
    let [taker_fee_low, taker_fee_high] = halves(taker_fee);
    digest([
        trade_id,
        pair(instrument, u32::from(in_auction) << 16 | 1 << 8 | taker_side as u32),
        price_ticks as u64,
        quantity as u64,
        maker_order_id,
        taker_order_id,
        pair(maker_account, taker_account),
        maker_remaining as u64,
        maker_fee_low,
        maker_fee_high,
        taker_fee_low,
        taker_fee_high,
    ])
}

/// Engine and oracle share this module, so no comparison of the two would find a field
/// that is left out of a hash.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::NewOrder;
    use crate::{
        AccountId, AccountStatus, CancelReason, CurrencyId, Indicative, InstrumentPhase,
        MarketPhase, OrderId, OrderStatus, OrderType, Peg, PostOnly, PriceLevel, RejectReason,
        SelfTradePrevention, TimeInForce, TradeId, Trigger,
    };
    use std::collections::BTreeSet;

    /// A plain value, and for each of its fields one in which only that field is another.
    macro_rules! varied {
        ($name:ident { $($field:ident: $plain:expr => $other:expr),* $(,)? }) => {{
            let plain = $name { $($field: $plain),* };
            vec![plain, $({
                let mut other = plain;
                #[allow(irrefutable_let_patterns, reason = "structs have one form only")]
                if let $name { $field: field, .. } = &mut other {
                    *field = $other;
                }
                other
            }),*]
        }};
    }

    fn assert_all_differ<T>(values: &[T], digest: impl Fn(&T) -> u64) {
        let digests: BTreeSet<u64> = values.iter().map(digest).collect();
        assert_eq!(digests.len(), values.len());
    }

    fn text<const N: usize>(text: &str) -> Text<N> {
        Text::new(text).unwrap()
    }

    /// Two numbers that differ only in their upper halves.
    const LOW: i128 = 1;
    const HIGH: i128 = 1 | 1 << 64;

    fn trades() -> Vec<Trade> {
        let mut trades = varied!(Trade {
            trade_id: 1 => 2,
            instrument: 1 => 2,
            taker_side: Side::Buy => Side::Sell,
            in_auction: false => true,
            price_ticks: 1 => 2,
            quantity: 1 => 2,
            maker_order_id: 1 => 2,
            taker_order_id: 1 => 2,
            maker_account: 1 => 2,
            taker_account: 1 => 2,
            maker_remaining: 1 => 2,
            maker_fee: LOW => HIGH,
            taker_fee: LOW => HIGH,
        });
        let plain = trades[0];
        trades.push(Trade { maker_fee: -1, ..plain });
        trades.push(Trade { taker_fee: -1, ..plain });
        trades
    }

    #[test]
    fn every_field_and_kind_of_event_counts() {
        use Event::*;
        let (buy, sell) = (Side::Buy, Side::Sell);
        let events = [
            trades().into_iter().map(Event::Trade).collect(),
            varied!(Rested {
                order_id: 1 => 2, instrument: 1 => 2, side: buy => sell, price_ticks: 1 => 2,
                remaining: 1 => 2,
            }),
            varied!(Cancelled {
                order_id: 1 => 2, instrument: 1 => 2, side: buy => sell, price_ticks: 1 => 2,
                quantity: 1 => 2, reason: CancelReason::Requested => CancelReason::Expired,
            }),
            varied!(Reduced {
                order_id: 1 => 2, instrument: 1 => 2, side: buy => sell, price_ticks: 1 => 2,
                remaining: 1 => 2,
            }),
            varied!(Replaced {
                order_id: 1 => 2, instrument: 1 => 2, side: Side::Buy => Side::Sell,
                old_price_ticks: 1 => 2, price_ticks: 1 => 2, quantity: 1 => 2,
            }),
            varied!(ReplaceRejected {
                order_id: 1 => 2, reason: RejectReason::MarketClosed => RejectReason::KillSwitch,
            }),
            varied!(Refilled { order_id: 1 => 2, displayed: 1 => 2 }),
            varied!(Triggered { order_id: 1 => 2, instrument: 1 => 2 }),
            varied!(StopMoved {
                order_id: 1 => 2, stop_price_ticks: 1 => 2, price_ticks: 1 => 2,
            }),
            varied!(Rejected {
                order_id: 1 => 2, reason: RejectReason::MarketClosed => RejectReason::KillSwitch,
            }),
            varied!(InstrumentCreated { instrument: 1 => 2 }),
            varied!(InstrumentChanged { instrument: 1 => 2 }),
            varied!(ParticipantRegistered { participant: 1 => 2 }),
            varied!(ParticipantChanged { participant: 1 => 2 }),
            varied!(AccountOpened { account: 1 => 2, participant: 1 => 2 }),
            varied!(AccountChanged { account: 1 => 2 }),
            varied!(FeeScheduleCreated { schedule: 1 => 2 }),
            varied!(CashTransferred {
                account: 1 => 2, currency: 1 => 2, amount: LOW => HIGH,
            }),
            varied!(SharesTransferred {
                account: 1 => 2, instrument: 1 => 2, quantity: 1 => -1,
            }),
            varied!(CreditLimitSet { account: 1 => 2, currency: 1 => 2 }),
            varied!(ShortLimitSet { account: 1 => 2, instrument: 1 => 2 }),
            varied!(RiskLimitsSet { account: 1 => 2, instrument: 1 => 2 }),
            varied!(MarketPhaseChanged {
                phase: MarketPhase::Closed => MarketPhase::PreOpen, trade_date: 1 => -1,
            }),
            varied!(InstrumentPhaseChanged {
                instrument: 1 => 2, phase: InstrumentPhase::Closed => InstrumentPhase::Halted,
            }),
            varied!(Uncrossed { instrument: 1 => 2, price_ticks: 1 => 2, quantity: 1 => 2 }),
            varied!(Scheduled { trade_date: 1 => -1 }),
            varied!(TradeBusted {
                trade_id: 1 => 2, instrument: 1 => 2, buyer: 1 => 2, seller: 1 => 2,
            }),
            varied!(ClockAdvanced { time_us: 1 => 2 }),
        ];
        assert_all_differ(&events.concat(), event_digest);
    }

    fn new_orders() -> Vec<NewOrder> {
        varied!(NewOrder {
            instrument: 1 => 2,
            account: 1 => 2,
            price_ticks: 1 => 2,
            quantity: 1 => 2,
            side: Side::Buy => Side::Sell,
            time_in_force: TimeInForce::GoodTillCancel => TimeInForce::Day,
            self_trade_prevention: SelfTradePrevention::CancelNewest => SelfTradePrevention::Allow,
        })
    }

    fn terms() -> Vec<Terms> {
        varied!(Terms {
            minimum_quantity: 0 => 1,
            display_quantity: 0 => 1,
            stop_price_ticks: 0 => 1,
            trail_ticks: 0 => 1,
            expire_at_us: 0 => 1,
            linked_order: 0 => 1,
            session: 0 => 1,
            client_order_id: None => Some(text("A1")),
            order_type: OrderType::Limit => OrderType::Stop,
            post_only: PostOnly::No => PostOnly::Slide,
            peg: Peg::None => Peg::Midpoint,
            trigger: Trigger::LastTrade => Trigger::BestQuote,
            hidden: false => true,
            all_or_none: false => true,
        })
    }

    fn orders() -> Vec<Order> {
        varied!(Order {
            order_id: 1 => 2,
            created_at_us: 1 => 2,
            priority: 1 => 2,
            price_ticks: 1 => 2,
            quantity: 1 => 2,
            filled: 1 => 2,
            remaining: 1 => 2,
            displayed: 1 => 2,
            turnover_ticks: 1 => 2,
            instrument: 1 => 2,
            account: 1 => 2,
            side: Side::Buy => Side::Sell,
            time_in_force: TimeInForce::GoodTillCancel => TimeInForce::Day,
            self_trade_prevention: SelfTradePrevention::CancelNewest => SelfTradePrevention::Allow,
            status: OrderStatus::Open => OrderStatus::Filled,
            reject_reason: RejectReason::None => RejectReason::KillSwitch,
            cancel_reason: CancelReason::None => CancelReason::Expired,
            fee_schedule: 1 => 2,
            triggered: false => true,
            terms: Terms::PLAIN => terms()[1],
        })
    }

    fn limits() -> Vec<RiskLimits> {
        varied!(RiskLimits {
            order_quantity: i64::MAX => 1,
            order_value: LOW => HIGH,
            daily_bought_quantity: i64::MAX => 1,
            daily_sold_quantity: i64::MAX => 1,
            daily_bought_value: LOW => HIGH,
            daily_sold_value: LOW => HIGH,
            open_orders: u32::MAX => 1,
        })
    }

    fn counters() -> Vec<Counters> {
        varied!(Counters {
            sequence: 1 => 2,
            time_us: 1 => 2,
            last_trade_id: 1 => 2,
            event_hash: 1 => 2,
            market_phase: MarketPhase::Closed => MarketPhase::PreOpen,
            trade_date: 1 => -1,
        })
    }

    fn currencies() -> Vec<Currency> {
        varied!(Currency {
            code: text("USD") => text("EUR"),
            fees: LOW => HIGH,
            transferred: LOW => HIGH,
        })
    }

    fn fee_schedules() -> Vec<FeeSchedule> {
        varied!(FeeSchedule {
            name: text("retail") => text("market maker"),
            maker_ppm: 1 => -1,
            taker_ppm: 1 => -1,
            auction_ppm: 1 => -1,
        })
    }

    fn participants() -> Vec<Participant> {
        varied!(Participant {
            role: text("anna") => text("boris"),
            orders_per_second: 1 => 2,
            burst: 1 => 2,
        })
    }

    fn accounts() -> Vec<Account> {
        varied!(Account {
            owner: 1 => 2,
            status: AccountStatus::Unverified => AccountStatus::Closed,
            killed: false => true,
            fee_schedule: 1 => 2,
            limits: RiskLimits::NONE => limits()[1],
            open_orders: 1 => 2,
        })
    }

    fn instruments() -> Vec<Instrument> {
        varied!(Instrument {
            symbol: text("AAPL") => text("TSLA"),
            currency: text("USD") => text("EUR"),
            tick_digits: 1 => 2,
            tick_scale: 1 => 2,
            lot_size: 1 => 2,
            maximum_price_ticks: 1 => 2,
        })
    }

    fn rules() -> Vec<PriceRules> {
        varied!(PriceRules {
            collar_ppm: 1 => 2,
            band_ppm: 1 => 2,
            volatility_halt_us: 1 => 2,
            protection_ppm: 1 => 2,
        })
    }

    fn instrument_states() -> Vec<InstrumentState> {
        varied!(InstrumentState {
            phase: InstrumentPhase::Closed => InstrumentPhase::Halted,
            halted: false => true,
            halt_until_us: 1 => 2,
            reference_price_ticks: 1 => 2,
            last_price_ticks: 1 => 2,
            rules: rules()[0] => rules()[1],
            limits: RiskLimits::NONE => limits()[1],
            transferred: 1 => 2,
        })
    }

    fn all_cash() -> Vec<Cash> {
        varied!(Cash {
            account: 1 => 2,
            currency: 1 => 2,
            balance: LOW => HIGH,
            held: LOW => HIGH,
            credit_limit: LOW => HIGH,
        })
    }

    fn positions() -> Vec<Position> {
        let (plain, first, second) = ([1; 2], [2, 1], [1, 2]);
        let (wide, wide_first, wide_second) = ([LOW; 2], [HIGH, LOW], [LOW, HIGH]);
        let mut positions = varied!(Position {
            account: 1 => 2,
            instrument: 1 => 2,
            quantity: 1 => -1,
            open_quantity: plain => first,
            open_value_ticks: wide => wide_first,
            open_orders: 1 => 2,
            short_limit: 1 => 2,
            limits: RiskLimits::NONE => limits()[1],
            trade_date: 1 => 2,
            traded_quantity: plain => first,
            traded_value_ticks: wide => wide_first,
        });
        let plain = positions[0];
        positions.extend([
            Position { open_quantity: second, ..plain },
            Position { open_value_ticks: wide_second, ..plain },
            Position { traded_quantity: second, ..plain },
            Position { traded_value_ticks: wide_second, ..plain },
        ]);
        positions
    }

    fn trading_days() -> Vec<TradingDay> {
        varied!(TradingDay {
            trade_date: 1 => -1,
            pre_open_us: 1 => 2,
            open_us: 1 => 2,
            closing_auction_us: 1 => 2,
            close_us: 1 => 2,
        })
    }

    #[test]
    fn every_field_of_the_state_counts() {
        assert_all_differ(&counters(), counters_digest);
        assert_all_differ(&currencies(), currency_digest);
        assert_all_differ(&fee_schedules(), fee_schedule_digest);
        assert_all_differ(&participants(), participant_digest);
        assert_all_differ(&accounts(), account_digest);
        assert_all_differ(&limits(), limits_digest);
        assert_all_differ(&instruments(), instrument_digest);
        assert_all_differ(&instrument_states(), instrument_state_digest);
        assert_all_differ(&rules(), rules_digest);
        assert_all_differ(&all_cash(), cash_digest);
        assert_all_differ(&positions(), position_digest);
        assert_all_differ(&trading_days(), |day| day_digest(day, 0));
        assert_all_differ(&[0, 1], |&steps| day_digest(&trading_days()[0], steps));
        assert_all_differ(&orders(), order_digest);
        assert_all_differ(&terms(), terms_digest);
    }

    /// Of a plain order, side, instrument, price and quantity are told by its events.
    #[test]
    fn commands_count() {
        use Command::*;
        let plain = new_orders()[0];
        let other_form = new_orders().into_iter().filter(|new| {
            let told = NewOrder {
                account: new.account,
                time_in_force: new.time_in_force,
                self_trade_prevention: new.self_trade_prevention,
                ..plain
            };
            *new == told
        });
        let commands = [
            other_form.map(Command::PlaceOrder).collect(),
            new_orders()
                .into_iter()
                .map(|new| Command::PlaceOrderWithTerms(new, Terms::PLAIN))
                .collect(),
            terms()[1..].iter().map(|terms| Command::PlaceOrderWithTerms(plain, *terms)).collect(),
            varied!(CancelOrder { order_id: 1 => 2, participant: 1 => 2 }),
            varied!(ReduceOrder { order_id: 1 => 2, participant: 1 => 2, by: 1 => 2 }),
            varied!(ReplaceOrder {
                order_id: 1 => 2, participant: 1 => 2, price_ticks: 1 => 2, quantity: 1 => 2,
            }),
            varied!(HaltInstrument { instrument: 1 => 2 }),
            varied!(ResumeInstrument { instrument: 1 => 2 }),
            varied!(TransferCash {
                account: 1 => 2, currency: 1 => 2, amount: LOW => HIGH,
            }),
            vec![Command::CloseMarket, Command::ClearSchedule, Command::AdvanceClock],
        ];
        let of = |stamp, command: &Command| {
            let mut hash = 0;
            fold_command(&mut hash, stamp, command);
            hash
        };
        let stamps = varied!(Stamp { sequence: 1 => 2, time_us: 1 => 2 });
        assert_all_differ(&commands.concat(), |command| of(stamps[0], command));
        assert_all_differ(&stamps, |stamp| of(*stamp, &Command::AdvanceClock));
    }

    /// An exchange that shows what it is told to.
    #[derive(Clone)]
    struct Shown {
        counters: Counters,
        currencies: Vec<Currency>,
        fee_schedules: Vec<FeeSchedule>,
        participants: Vec<Participant>,
        accounts: Vec<Account>,
        instruments: Vec<Instrument>,
        instrument_state: InstrumentState,
        all_cash: Vec<Cash>,
        all_positions: Vec<Position>,
        schedule: Vec<(TradingDay, u8)>,
        busted_trades: Vec<TradeId>,
        client_orders: Vec<Order>,
        queues: [Vec<Order>; 2],
        waiting: Vec<Order>,
    }

    /// What is not hashed follows from what is.
    impl View for Shown {
        fn counters(&self) -> Counters {
            self.counters
        }
        fn instruments(&self) -> &[Instrument] {
            &self.instruments
        }
        fn instrument_state(&self, _: InstrumentId) -> Option<InstrumentState> {
            Some(self.instrument_state)
        }
        fn currencies(&self) -> &[Currency] {
            &self.currencies
        }
        fn fee_schedules(&self) -> &[FeeSchedule] {
            &self.fee_schedules
        }
        fn participants(&self) -> &[Participant] {
            &self.participants
        }
        fn account_count(&self) -> u32 {
            self.accounts.len() as u32
        }
        fn account(&self, id: AccountId) -> Option<Account> {
            Some(self.accounts[id as usize - 1])
        }
        fn cash(&self, _: AccountId, _: CurrencyId) -> Option<Cash> {
            unreachable!()
        }
        fn all_cash(&self) -> Vec<Cash> {
            self.all_cash.clone()
        }
        fn position(&self, _: AccountId, _: InstrumentId) -> Option<Position> {
            unreachable!()
        }
        fn all_positions(&self) -> Vec<Position> {
            self.all_positions.clone()
        }
        fn order(&self, _: OrderId) -> Option<Order> {
            unreachable!()
        }
        fn open_orders(&self) -> u32 {
            unreachable!()
        }
        fn levels(&self, _: InstrumentId, _: Side) -> impl Iterator<Item = PriceLevel> + '_ {
            [].into_iter()
        }
        fn queue(&self, _: InstrumentId, side: Side) -> impl Iterator<Item = Order> + '_ {
            self.queues[side as usize].iter().copied()
        }
        fn waiting(&self, _: InstrumentId) -> Vec<Order> {
            self.waiting.clone()
        }
        fn indicative(&self, _: InstrumentId) -> Option<Indicative> {
            unreachable!()
        }
        fn schedule(&self) -> Vec<(TradingDay, u8)> {
            self.schedule.clone()
        }
        fn busted_trades(&self) -> Vec<TradeId> {
            self.busted_trades.clone()
        }
        fn client_orders(&self) -> Vec<Order> {
            self.client_orders.clone()
        }
        fn next_due_us(&self) -> i64 {
            unreachable!()
        }
    }

    #[test]
    fn everything_that_is_shown_counts() {
        let plain = Shown {
            counters: counters()[0],
            currencies: vec![],
            fee_schedules: vec![],
            participants: vec![],
            accounts: vec![],
            instruments: vec![instruments()[0]],
            instrument_state: instrument_states()[0],
            all_cash: vec![],
            all_positions: vec![],
            schedule: vec![],
            busted_trades: vec![],
            client_orders: vec![],
            queues: [vec![], vec![]],
            waiting: vec![],
        };
        let changes: [fn(&mut Shown); 16] = [
            |_| {},
            |shown| shown.counters = counters()[1],
            |shown| shown.currencies.push(currencies()[0]),
            |shown| shown.fee_schedules.push(fee_schedules()[0]),
            |shown| shown.participants.push(participants()[0]),
            |shown| shown.accounts.push(accounts()[0]),
            |shown| shown.instruments.push(instruments()[1]),
            |shown| shown.instrument_state = instrument_states()[1],
            |shown| shown.all_cash.push(all_cash()[0]),
            |shown| shown.all_positions.push(positions()[0]),
            |shown| shown.schedule.push((trading_days()[0], 0)),
            |shown| shown.busted_trades.push(1),
            |shown| shown.client_orders.push(orders()[0]),
            |shown| shown.queues[Side::Buy as usize].push(orders()[0]),
            |shown| shown.queues[Side::Sell as usize].push(orders()[0]),
            |shown| shown.waiting.push(orders()[0]),
        ];
        assert_all_differ(&changes, |change| {
            let mut shown = plain.clone();
            change(&mut shown);
            state_hash(&shown)
        });
    }
}
