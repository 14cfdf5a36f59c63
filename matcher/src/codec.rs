//! Commands as bytes, for the journal.
//!
//! A command is one byte of kind, the time since the command before, and its fields in
//! the order of their declaration. Numbers are varints, seven bits a byte, low bits
//! first; those that may be below 0 are zigzag (0, -1, 1, -2, …). Texts are their length in
//! a byte and their UTF-8. What most commands leave out (terms, risk limits) is a set of
//! bits that says what there is, and only that. Everything has exactly one encoding.
//!
//! Decoding trusts nothing: any bytes give either a command or an error.

use crate::command::Text;
use crate::{
    AccountStatus, BustedTrade, Command, FeeSchedule, Instrument, Money, NewOrder, OrderType, Peg,
    PostOnly, PriceRules, RiskLimits, SelfTradePrevention, Side, Terms, TimeInForce, TradingDay,
    Trigger,
};
use std::fmt;

/// The first byte of each command.
mod kind {
    pub const CANCEL_ORDER: u8 = 1;
    pub const REDUCE_ORDER: u8 = 2;
    pub const CREATE_INSTRUMENT: u8 = 3;
    pub const OPEN_ACCOUNT: u8 = 4;
    pub const OPEN_MARKET: u8 = 5;
    pub const CLOSE_MARKET: u8 = 6;
    pub const ADVANCE_CLOCK: u8 = 7;
    pub const REPLACE_ORDER: u8 = 8;
    pub const CANCEL_CLIENT_ORDER: u8 = 9;
    pub const CANCEL_ORDERS: u8 = 10;
    pub const END_SESSION: u8 = 11;
    pub const SET_PRICE_RULES: u8 = 12;
    pub const SET_REFERENCE_PRICE: u8 = 13;
    pub const REGISTER_PARTICIPANT: u8 = 14;
    pub const SET_RATE_LIMIT: u8 = 15;
    pub const SET_ACCOUNT_STATUS: u8 = 16;
    pub const SET_KILL_SWITCH: u8 = 17;
    pub const CREATE_FEE_SCHEDULE: u8 = 18;
    pub const SET_FEE_SCHEDULE: u8 = 19;
    pub const TRANSFER_CASH: u8 = 20;
    pub const TRANSFER_SHARES: u8 = 21;
    pub const SET_CREDIT_LIMIT: u8 = 22;
    pub const SET_SHORT_LIMIT: u8 = 23;
    pub const SET_RISK_LIMITS: u8 = 24;
    pub const SCHEDULE_DAY: u8 = 25;
    pub const CLEAR_SCHEDULE: u8 = 26;
    pub const HALT_INSTRUMENT: u8 = 27;
    pub const RESUME_INSTRUMENT: u8 = 28;
    pub const BUST_TRADE: u8 = 29;
    /// From here on a kind for each [`super::ORDER_FORMS`].
    pub const PLACE_ORDER: u8 = 0x40;
    /// The same, for orders with terms.
    pub const PLACE_ORDER_WITH_TERMS: u8 = 0x80;
}

/// Side, time in force and self-trade prevention of an order are in its kind.
const ORDER_FORMS: u8 =
    (Side::ALL.len() * TimeInForce::ALL.len() * SelfTradePrevention::ALL.len()) as u8;
const LAST_PLACE_ORDER: u8 = kind::PLACE_ORDER + ORDER_FORMS - 1;
const LAST_PLACE_ORDER_WITH_TERMS: u8 = kind::PLACE_ORDER_WITH_TERMS + ORDER_FORMS - 1;

// Choices are their index here, which is their own number.
const BOTH_SIDES_OR_ONE: [Option<Side>; 3] = [None, Some(Side::Buy), Some(Side::Sell)];
const NO_OR_YES: [bool; 2] = [false, true];

/// Which terms an order has. The usual ones are the low bits: they fit a byte.
mod term {
    pub const CLIENT_ORDER_ID: u64 = 1;
    pub const SESSION: u64 = 1 << 1;
    pub const ORDER_TYPE: u64 = 1 << 2;
    pub const POST_ONLY: u64 = 1 << 3;
    pub const STOP_PRICE: u64 = 1 << 4;
    pub const DISPLAY_QUANTITY: u64 = 1 << 5;
    pub const EXPIRE_AT: u64 = 1 << 6;
    pub const LINKED_ORDER: u64 = 1 << 7;
    pub const MINIMUM_QUANTITY: u64 = 1 << 8;
    pub const TRAIL: u64 = 1 << 9;
    pub const PEG: u64 = 1 << 10;
    pub const BEST_QUOTE: u64 = 1 << 11;
    pub const HIDDEN: u64 = 1 << 12;
    pub const ALL_OR_NONE: u64 = 1 << 13;
    pub const ALL: u64 = (1 << 14) - 1;
}

/// Why bytes are not a command, or not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end within a command or a record.
    Truncated,
    /// No command has this kind, or no record.
    UnknownKind(u8),
    /// A number is larger than its field, encoded in more bytes than it needs, or there
    /// where it should have been left out.
    InvalidNumber,
    /// A text is empty, longer than its field, or not UTF-8.
    InvalidText,
    /// A byte stands for none of the choices of its field.
    InvalidChoice,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end too early"),
            Self::UnknownKind(kind) => write!(f, "nothing is of kind {kind}"),
            Self::InvalidNumber => f.write_str("a number is too large or badly encoded"),
            Self::InvalidText => f.write_str("a text is empty, too long or not UTF-8"),
            Self::InvalidChoice => f.write_str("a byte is none of the choices of its field"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Appends a command, and the time since the command before it.
pub fn encode(command: &Command, time_delta_us: u64, out: &mut Vec<u8>) {
    out.push(kind_of(command));
    put_number(time_delta_us, out);
    match *command {
        Command::PlaceOrder(ref new) => put_new_order(new, out),
        Command::PlaceOrderWithTerms(ref new, ref terms) => {
            put_new_order(new, out);
            put_terms(terms, out);
        }
        Command::CancelOrder { order_id, participant } => {
            put_number(order_id, out);
            put_number(participant.into(), out);
        }
        Command::ReduceOrder { order_id, participant, by } => {
            put_number(order_id, out);
            put_number(participant.into(), out);
            put_number(by as u64, out);
        }
        Command::ReplaceOrder { order_id, participant, price_ticks, quantity } => {
            put_number(order_id, out);
            put_number(participant.into(), out);
            put_number(price_ticks as u64, out);
            put_number(quantity as u64, out);
        }
        Command::CancelClientOrder { account, ref client_order_id, participant } => {
            put_number(account.into(), out);
            put_text(client_order_id, out);
            put_number(participant.into(), out);
        }
        Command::CancelOrders { participant, account, instrument, side } => {
            put_number(participant.into(), out);
            put_number(account.into(), out);
            put_number(instrument.into(), out);
            out.push(side.map_or(0, |side| 1 + side as u8));
        }
        Command::EndSession { session } => put_number(session, out),
        Command::CreateInstrument(ref instrument) => {
            put_text(&instrument.symbol, out);
            put_text(&instrument.currency, out);
            put_number(instrument.tick_digits.into(), out);
            put_number(instrument.tick_scale.into(), out);
            put_number(instrument.lot_size as u64, out);
            put_number(instrument.maximum_price_ticks as u64, out);
        }
        Command::SetPriceRules { instrument, rules } => {
            put_number(instrument.into(), out);
            put_number(rules.collar_ppm.into(), out);
            put_number(rules.band_ppm.into(), out);
            put_number(rules.volatility_halt_us as u64, out);
            put_number(rules.protection_ppm.into(), out);
        }
        Command::SetReferencePrice { instrument, price_ticks } => {
            put_number(instrument.into(), out);
            put_number(price_ticks as u64, out);
        }
        Command::RegisterParticipant { ref role } => put_text(role, out),
        Command::SetRateLimit { participant, orders_per_second, burst } => {
            put_number(participant.into(), out);
            put_number(orders_per_second.into(), out);
            put_number(burst.into(), out);
        }
        Command::OpenAccount { ref owner } => put_text(owner, out),
        Command::SetAccountStatus { account, status } => {
            put_number(account.into(), out);
            out.push(status as u8);
        }
        Command::SetKillSwitch { account, participant, killed } => {
            put_number(account.into(), out);
            put_number(participant.into(), out);
            out.push(killed.into());
        }
        Command::CreateFeeSchedule(ref schedule) => {
            put_text(&schedule.name, out);
            put_signed(schedule.maker_ppm.into(), out);
            put_signed(schedule.taker_ppm.into(), out);
            put_signed(schedule.auction_ppm.into(), out);
        }
        Command::SetFeeSchedule { account, schedule } => {
            put_number(account.into(), out);
            put_number(schedule.into(), out);
        }
        Command::TransferCash { account, currency, amount } => {
            put_number(account.into(), out);
            put_number(currency.into(), out);
            put_signed_money(amount, out);
        }
        Command::TransferShares { account, instrument, quantity } => {
            put_number(account.into(), out);
            put_number(instrument.into(), out);
            put_signed(quantity, out);
        }
        Command::SetCreditLimit { account, currency, limit } => {
            put_number(account.into(), out);
            put_number(currency.into(), out);
            put_money(limit as u128, out);
        }
        Command::SetShortLimit { account, instrument, limit } => {
            put_number(account.into(), out);
            put_number(instrument.into(), out);
            put_number(limit as u64, out);
        }
        Command::SetRiskLimits { account, instrument, ref limits } => {
            put_number(account.into(), out);
            put_number(instrument.into(), out);
            put_risk_limits(limits, out);
        }
        Command::OpenMarket { trade_date } => put_signed(trade_date.into(), out),
        Command::ScheduleDay(day) => {
            put_signed(day.trade_date.into(), out);
            put_number(day.pre_open_us as u64, out);
            put_number(day.open_us as u64, out);
            put_number(day.closing_auction_us as u64, out);
            put_number(day.close_us as u64, out);
        }
        Command::HaltInstrument { instrument } | Command::ResumeInstrument { instrument } => {
            put_number(instrument.into(), out);
        }
        Command::BustTrade(trade) => {
            put_number(trade.trade_id, out);
            put_number(trade.instrument.into(), out);
            put_number(trade.price_ticks as u64, out);
            put_number(trade.quantity as u64, out);
            put_number(trade.buyer.into(), out);
            put_number(trade.seller.into(), out);
            put_signed_money(trade.buyer_fee, out);
            put_signed_money(trade.seller_fee, out);
        }
        Command::CloseMarket | Command::ClearSchedule | Command::AdvanceClock => {}
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
        Command::PlaceOrder(new) => kind::PLACE_ORDER + form_of(new),
        Command::PlaceOrderWithTerms(new, _) => kind::PLACE_ORDER_WITH_TERMS + form_of(new),
        Command::CancelOrder { .. } => kind::CANCEL_ORDER,
        Command::ReduceOrder { .. } => kind::REDUCE_ORDER,
        Command::ReplaceOrder { .. } => kind::REPLACE_ORDER,
        Command::CancelClientOrder { .. } => kind::CANCEL_CLIENT_ORDER,
        Command::CancelOrders { .. } => kind::CANCEL_ORDERS,
        Command::EndSession { .. } => kind::END_SESSION,
        Command::CreateInstrument(_) => kind::CREATE_INSTRUMENT,
        Command::SetPriceRules { .. } => kind::SET_PRICE_RULES,
        Command::SetReferencePrice { .. } => kind::SET_REFERENCE_PRICE,
        Command::RegisterParticipant { .. } => kind::REGISTER_PARTICIPANT,
        Command::SetRateLimit { .. } => kind::SET_RATE_LIMIT,
        Command::OpenAccount { .. } => kind::OPEN_ACCOUNT,
        Command::SetAccountStatus { .. } => kind::SET_ACCOUNT_STATUS,
        Command::SetKillSwitch { .. } => kind::SET_KILL_SWITCH,
        Command::CreateFeeSchedule(_) => kind::CREATE_FEE_SCHEDULE,
        Command::SetFeeSchedule { .. } => kind::SET_FEE_SCHEDULE,
        Command::TransferCash { .. } => kind::TRANSFER_CASH,
        Command::TransferShares { .. } => kind::TRANSFER_SHARES,
        Command::SetCreditLimit { .. } => kind::SET_CREDIT_LIMIT,
        Command::SetShortLimit { .. } => kind::SET_SHORT_LIMIT,
        Command::SetRiskLimits { .. } => kind::SET_RISK_LIMITS,
        Command::OpenMarket { .. } => kind::OPEN_MARKET,
        Command::CloseMarket => kind::CLOSE_MARKET,
        Command::ScheduleDay(_) => kind::SCHEDULE_DAY,
        Command::ClearSchedule => kind::CLEAR_SCHEDULE,
        Command::HaltInstrument { .. } => kind::HALT_INSTRUMENT,
        Command::ResumeInstrument { .. } => kind::RESUME_INSTRUMENT,
        Command::BustTrade(_) => kind::BUST_TRADE,
        Command::AdvanceClock => kind::ADVANCE_CLOCK,
    }
}

fn take_command(kind: u8, input: &mut &[u8]) -> Result<Command, DecodeError> {
    Ok(match kind {
        kind::PLACE_ORDER..=LAST_PLACE_ORDER => {
            Command::PlaceOrder(take_new_order(kind - kind::PLACE_ORDER, input)?)
        }
        kind::PLACE_ORDER_WITH_TERMS..=LAST_PLACE_ORDER_WITH_TERMS => {
            let new = take_new_order(kind - kind::PLACE_ORDER_WITH_TERMS, input)?;
            Command::PlaceOrderWithTerms(new, take_terms(input)?)
        }
        kind::CANCEL_ORDER => {
            Command::CancelOrder { order_id: take_number(input)?, participant: take_small(input)? }
        }
        kind::REDUCE_ORDER => Command::ReduceOrder {
            order_id: take_number(input)?,
            participant: take_small(input)?,
            by: take_number(input)? as i64,
        },
        kind::REPLACE_ORDER => Command::ReplaceOrder {
            order_id: take_number(input)?,
            participant: take_small(input)?,
            price_ticks: take_number(input)? as i64,
            quantity: take_number(input)? as i64,
        },
        kind::CANCEL_CLIENT_ORDER => Command::CancelClientOrder {
            account: take_small(input)?,
            client_order_id: take_text(input)?,
            participant: take_small(input)?,
        },
        kind::CANCEL_ORDERS => Command::CancelOrders {
            participant: take_small(input)?,
            account: take_small(input)?,
            instrument: take_small(input)?,
            side: take_choice(&BOTH_SIDES_OR_ONE, input)?,
        },
        kind::END_SESSION => Command::EndSession { session: take_number(input)? },
        kind::CREATE_INSTRUMENT => Command::CreateInstrument(Instrument {
            symbol: take_text(input)?,
            currency: take_text(input)?,
            tick_digits: take_small(input)?,
            tick_scale: take_small(input)?,
            lot_size: take_number(input)? as i64,
            maximum_price_ticks: take_number(input)? as i64,
        }),
        kind::SET_PRICE_RULES => Command::SetPriceRules {
            instrument: take_small(input)?,
            rules: PriceRules {
                collar_ppm: take_small(input)?,
                band_ppm: take_small(input)?,
                volatility_halt_us: take_number(input)? as i64,
                protection_ppm: take_small(input)?,
            },
        },
        kind::SET_REFERENCE_PRICE => Command::SetReferencePrice {
            instrument: take_small(input)?,
            price_ticks: take_number(input)? as i64,
        },
        kind::REGISTER_PARTICIPANT => Command::RegisterParticipant { role: take_text(input)? },
        kind::SET_RATE_LIMIT => Command::SetRateLimit {
            participant: take_small(input)?,
            orders_per_second: take_small(input)?,
            burst: take_small(input)?,
        },
        kind::OPEN_ACCOUNT => Command::OpenAccount { owner: take_text(input)? },
        kind::SET_ACCOUNT_STATUS => Command::SetAccountStatus {
            account: take_small(input)?,
            status: take_choice(&AccountStatus::ALL, input)?,
        },
        kind::SET_KILL_SWITCH => Command::SetKillSwitch {
            account: take_small(input)?,
            participant: take_small(input)?,
            killed: take_choice(&NO_OR_YES, input)?,
        },
        kind::CREATE_FEE_SCHEDULE => Command::CreateFeeSchedule(FeeSchedule {
            name: take_text(input)?,
            maker_ppm: take_small_signed(input)?,
            taker_ppm: take_small_signed(input)?,
            auction_ppm: take_small_signed(input)?,
        }),
        kind::SET_FEE_SCHEDULE => {
            Command::SetFeeSchedule { account: take_small(input)?, schedule: take_small(input)? }
        }
        kind::TRANSFER_CASH => Command::TransferCash {
            account: take_small(input)?,
            currency: take_small(input)?,
            amount: take_signed_money(input)?,
        },
        kind::TRANSFER_SHARES => Command::TransferShares {
            account: take_small(input)?,
            instrument: take_small(input)?,
            quantity: take_signed(input)?,
        },
        kind::SET_CREDIT_LIMIT => Command::SetCreditLimit {
            account: take_small(input)?,
            currency: take_small(input)?,
            limit: take_money(input)? as Money,
        },
        kind::SET_SHORT_LIMIT => Command::SetShortLimit {
            account: take_small(input)?,
            instrument: take_small(input)?,
            limit: take_number(input)? as i64,
        },
        kind::SET_RISK_LIMITS => Command::SetRiskLimits {
            account: take_small(input)?,
            instrument: take_small(input)?,
            limits: take_risk_limits(input)?,
        },
        kind::OPEN_MARKET => Command::OpenMarket { trade_date: take_small_signed(input)? },
        kind::CLOSE_MARKET => Command::CloseMarket,
        kind::SCHEDULE_DAY => Command::ScheduleDay(TradingDay {
            trade_date: take_small_signed(input)?,
            pre_open_us: take_number(input)? as i64,
            open_us: take_number(input)? as i64,
            closing_auction_us: take_number(input)? as i64,
            close_us: take_number(input)? as i64,
        }),
        kind::CLEAR_SCHEDULE => Command::ClearSchedule,
        kind::HALT_INSTRUMENT => Command::HaltInstrument { instrument: take_small(input)? },
        kind::RESUME_INSTRUMENT => Command::ResumeInstrument { instrument: take_small(input)? },
        kind::BUST_TRADE => Command::BustTrade(BustedTrade {
            trade_id: take_number(input)?,
            instrument: take_small(input)?,
            price_ticks: take_number(input)? as i64,
            quantity: take_number(input)? as i64,
            buyer: take_small(input)?,
            seller: take_small(input)?,
            buyer_fee: take_signed_money(input)?,
            seller_fee: take_signed_money(input)?,
        }),
        kind::ADVANCE_CLOCK => Command::AdvanceClock,
        unknown => return Err(DecodeError::UnknownKind(unknown)),
    })
}

fn form_of(new: &NewOrder) -> u8 {
    let times_in_force = TimeInForce::ALL.len() as u8;
    let sides = Side::ALL.len() as u8;
    (new.self_trade_prevention as u8 * times_in_force + new.time_in_force as u8) * sides
        + new.side as u8
}

fn put_new_order(new: &NewOrder, out: &mut Vec<u8>) {
    put_number(new.instrument.into(), out);
    put_number(new.account.into(), out);
    put_number(new.price_ticks as u64, out);
    put_number(new.quantity as u64, out);
}

/// `form` is below [`ORDER_FORMS`].
fn take_new_order(form: u8, input: &mut &[u8]) -> Result<NewOrder, DecodeError> {
    let form = usize::from(form);
    let above_side = form / Side::ALL.len();
    Ok(NewOrder {
        side: Side::ALL[form % Side::ALL.len()],
        time_in_force: TimeInForce::ALL[above_side % TimeInForce::ALL.len()],
        self_trade_prevention: SelfTradePrevention::ALL[above_side / TimeInForce::ALL.len()],
        instrument: take_small(input)?,
        account: take_small(input)?,
        price_ticks: take_number(input)? as i64,
        quantity: take_number(input)? as i64,
    })
}

pub(crate) fn put_terms(terms: &Terms, out: &mut Vec<u8>) {
    let present = [
        (term::CLIENT_ORDER_ID, terms.client_order_id.is_some()),
        (term::SESSION, terms.session != 0),
        (term::ORDER_TYPE, terms.order_type != OrderType::Limit),
        (term::POST_ONLY, terms.post_only != PostOnly::No),
        (term::STOP_PRICE, terms.stop_price_ticks != 0),
        (term::DISPLAY_QUANTITY, terms.display_quantity != 0),
        (term::EXPIRE_AT, terms.expire_at_us != 0),
        (term::LINKED_ORDER, terms.linked_order != 0),
        (term::MINIMUM_QUANTITY, terms.minimum_quantity != 0),
        (term::TRAIL, terms.trail_ticks != 0),
        (term::PEG, terms.peg != Peg::None),
        (term::BEST_QUOTE, terms.trigger == Trigger::BestQuote),
        (term::HIDDEN, terms.hidden),
        (term::ALL_OR_NONE, terms.all_or_none),
    ];
    put_number(present.into_iter().map(|(bit, is_present)| bit * u64::from(is_present)).sum(), out);
    if let Some(client_order_id) = &terms.client_order_id {
        put_text(client_order_id, out);
    }
    let numbers = [
        terms.session,
        terms.order_type as u64,
        terms.post_only as u64,
        terms.stop_price_ticks as u64,
        terms.display_quantity as u64,
        terms.expire_at_us as u64,
        terms.linked_order,
        terms.minimum_quantity as u64,
        terms.trail_ticks as u64,
        terms.peg as u64,
    ];
    for number in numbers.into_iter().filter(|&number| number != 0) {
        put_number(number, out);
    }
}

pub(crate) fn take_terms(input: &mut &[u8]) -> Result<Terms, DecodeError> {
    let present = take_number(input)?;
    if present & !term::ALL != 0 {
        return Err(DecodeError::InvalidNumber);
    }
    let has = |bit| present & bit != 0;
    let number = |bit, input: &mut &[u8]| match has(bit) {
        true => match take_number(input)? {
            0 => Err(DecodeError::InvalidNumber),
            number => Ok(number),
        },
        false => Ok(0),
    };
    Ok(Terms {
        client_order_id: match has(term::CLIENT_ORDER_ID) {
            true => Some(take_text(input)?),
            false => None,
        },
        session: number(term::SESSION, input)?,
        order_type: choice(&OrderType::ALL, number(term::ORDER_TYPE, input)?)?,
        post_only: choice(&PostOnly::ALL, number(term::POST_ONLY, input)?)?,
        stop_price_ticks: number(term::STOP_PRICE, input)? as i64,
        display_quantity: number(term::DISPLAY_QUANTITY, input)? as i64,
        expire_at_us: number(term::EXPIRE_AT, input)? as i64,
        linked_order: number(term::LINKED_ORDER, input)?,
        minimum_quantity: number(term::MINIMUM_QUANTITY, input)? as i64,
        trail_ticks: number(term::TRAIL, input)? as i64,
        peg: choice(&Peg::ALL, number(term::PEG, input)?)?,
        trigger: if has(term::BEST_QUOTE) { Trigger::BestQuote } else { Trigger::LastTrade },
        hidden: has(term::HIDDEN),
        all_or_none: has(term::ALL_OR_NONE),
    })
}

/// As numbers, in the order of the fields: what they are encoded as where they are there.
fn limit_numbers(limits: &RiskLimits) -> [u128; 7] {
    [
        u128::from(limits.order_quantity as u64),
        limits.order_value as u128,
        u128::from(limits.daily_bought_quantity as u64),
        u128::from(limits.daily_sold_quantity as u64),
        limits.daily_bought_value as u128,
        limits.daily_sold_value as u128,
        u128::from(limits.open_orders),
    ]
}

pub(crate) fn put_risk_limits(limits: &RiskLimits, out: &mut Vec<u8>) {
    let (numbers, none) = (limit_numbers(limits), limit_numbers(&RiskLimits::NONE));
    let is_present = |index: &usize| numbers[*index] != none[*index];
    out.push((0..numbers.len()).filter(is_present).map(|index| 1 << index).sum());
    for index in (0..numbers.len()).filter(is_present) {
        put_money(numbers[index], out);
    }
}

pub(crate) fn take_risk_limits(input: &mut &[u8]) -> Result<RiskLimits, DecodeError> {
    let mut numbers = limit_numbers(&RiskLimits::NONE);
    let present = take_byte(input)?;
    if present >> numbers.len() != 0 {
        return Err(DecodeError::InvalidChoice);
    }
    for (index, number) in numbers.iter_mut().enumerate() {
        if present & 1 << index != 0 {
            let none = std::mem::replace(number, take_money(input)?);
            if *number == none {
                return Err(DecodeError::InvalidNumber);
            }
        }
    }
    let quantity = |number: u128| match u64::try_from(number) {
        Ok(number) => Ok(number as i64),
        Err(_) => Err(DecodeError::InvalidNumber),
    };
    Ok(RiskLimits {
        order_quantity: quantity(numbers[0])?,
        order_value: numbers[1] as Money,
        daily_bought_quantity: quantity(numbers[2])?,
        daily_sold_quantity: quantity(numbers[3])?,
        daily_bought_value: numbers[4] as Money,
        daily_sold_value: numbers[5] as Money,
        open_orders: u32::try_from(numbers[6]).map_err(|_| DecodeError::InvalidNumber)?,
    })
}

/// A varint of one width, put and taken.
macro_rules! varint {
    ($put:ident, $take:ident, $number:ty) => {
        #[inline]
        pub(crate) fn $put(mut number: $number, out: &mut Vec<u8>) {
            while number >= 0x80 {
                out.push(number as u8 | 0x80);
                number >>= 7;
            }
            out.push(number as u8);
        }

        #[inline]
        pub(crate) fn $take(input: &mut &[u8]) -> Result<$number, DecodeError> {
            let mut number = 0;
            for shift in (0..<$number>::BITS).step_by(7) {
                let byte = take_byte(input)?;
                let bits = <$number>::from(byte & 0x7f);
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
    };
}

varint!(put_number, take_number, u64);
varint!(put_money, take_money, u128);

/// A number of a narrower type.
pub(crate) fn take_small<T: TryFrom<u64>>(input: &mut &[u8]) -> Result<T, DecodeError> {
    T::try_from(take_number(input)?).map_err(|_| DecodeError::InvalidNumber)
}

pub(crate) fn put_signed(number: i64, out: &mut Vec<u8>) {
    put_number((number << 1 ^ number >> 63) as u64, out);
}

pub(crate) fn take_signed(input: &mut &[u8]) -> Result<i64, DecodeError> {
    let zigzag = take_number(input)?;
    Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
}

pub(crate) fn take_small_signed(input: &mut &[u8]) -> Result<i32, DecodeError> {
    i32::try_from(take_signed(input)?).map_err(|_| DecodeError::InvalidNumber)
}

pub(crate) fn put_signed_money(amount: Money, out: &mut Vec<u8>) {
    put_money((amount << 1 ^ amount >> 127) as u128, out);
}

pub(crate) fn take_signed_money(input: &mut &[u8]) -> Result<Money, DecodeError> {
    let zigzag = take_money(input)?;
    Ok((zigzag >> 1) as Money ^ -((zigzag & 1) as Money))
}

/// The choice that a number stands for.
fn choice<T: Copy>(choices: &[T], number: u64) -> Result<T, DecodeError> {
    let chosen = usize::try_from(number).ok().and_then(|index| choices.get(index));
    chosen.copied().ok_or(DecodeError::InvalidChoice)
}

pub(crate) fn take_choice<T: Copy>(choices: &[T], input: &mut &[u8]) -> Result<T, DecodeError> {
    choice(choices, take_byte(input)?.into())
}

fn take_byte(input: &mut &[u8]) -> Result<u8, DecodeError> {
    let (&byte, rest) = input.split_first().ok_or(DecodeError::Truncated)?;
    *input = rest;
    Ok(byte)
}

pub(crate) fn put_text<const N: usize>(text: &Text<N>, out: &mut Vec<u8>) {
    let bytes = text.as_str().as_bytes();
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

pub(crate) fn take_text<const N: usize>(input: &mut &[u8]) -> Result<Text<N>, DecodeError> {
    let length = take_byte(input)? as usize;
    let (bytes, rest) = input.split_at_checked(length).ok_or(DecodeError::Truncated)?;
    let text = str::from_utf8(bytes).map_err(|_| DecodeError::InvalidText)?;
    *input = rest;
    Text::new(text).ok_or(DecodeError::InvalidText)
}
