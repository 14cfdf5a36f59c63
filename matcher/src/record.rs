//! An engine as records, one after the other, and each of them as bytes: to keep the engine as it
//! was after a command, so that a replay can begin there.
//!
//! A record is a byte of kind and its fields in the order in which they are listed here, written as
//! those of commands are: see [`crate::codec`]. The records of an engine come in the order that
//! [`crate::restore`] wants. What follows from the orders is written and not restored.
//!
//! Decoding trusts nothing: any bytes give either a record or an error.

use crate::codec::{self, DecodeError};
use crate::command::Text;
use crate::outcome::Order;
use crate::{
    Account, AccountStatus, CancelReason, Cash, Counters, Currency, Engine, FeeSchedule,
    Instrument, InstrumentId, InstrumentPhase, InstrumentState, MarketPhase, Money, OrderStatus,
    Participant, Position, PriceRules, RejectReason, RestoreError, RiskLimits, SelfTradePrevention,
    Side, Terms, TimeInForce, TradeId, TradingDay, View,
};

/// A part of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// What is of the whole exchange.
    Counters(Counters),
    /// The next currency.
    Currency(Currency),
    /// The next fee schedule.
    FeeSchedule(FeeSchedule),
    /// The next participant.
    Participant(Participant),
    /// The next account.
    Account(Account),
    /// The next instrument.
    Instrument(Instrument, InstrumentState),
    /// The money of an account in a currency.
    Cash(Cash),
    /// What an account has of an instrument.
    Position(Position),
    /// A trade that was cancelled.
    BustedTrade(TradeId),
    /// A day of the calendar, and how many of its four steps were taken.
    TradingDay(TradingDay, u8),
    /// An open order.
    Order(Order),
    /// The first answer to a client order id.
    ClientOrder(Order),
}

/// Hands out the records of an exchange in their order.
pub fn for_each_record(view: &impl View, mut each: impl FnMut(&Record)) {
    each(&Record::Counters(view.counters()));
    view.currencies().iter().for_each(|currency| each(&Record::Currency(*currency)));
    view.fee_schedules().iter().for_each(|schedule| each(&Record::FeeSchedule(*schedule)));
    view.participants().iter().for_each(|participant| each(&Record::Participant(*participant)));
    for id in 1..=view.account_count() {
        each(&Record::Account(view.account(id).expect("ids are dense")));
    }
    for (id, instrument) in (1..).zip(view.instruments()) {
        let state = view.instrument_state(id).expect("ids are dense");
        each(&Record::Instrument(*instrument, state));
    }
    view.all_cash().into_iter().for_each(|cash| each(&Record::Cash(cash)));
    view.all_positions().into_iter().for_each(|position| each(&Record::Position(position)));
    view.busted_trades().into_iter().for_each(|trade_id| each(&Record::BustedTrade(trade_id)));
    view.schedule().into_iter().for_each(|(day, taken)| each(&Record::TradingDay(day, taken)));
    for instrument in 1..=view.instruments().len() as InstrumentId {
        let book = Side::ALL.into_iter().flat_map(|side| view.queue(instrument, side));
        book.chain(view.waiting(instrument)).for_each(|order| each(&Record::Order(order)));
    }
    view.client_orders().into_iter().for_each(|answer| each(&Record::ClientOrder(answer)));
}

impl Engine {
    /// Enters the next record of an engine into a fresh one. [`Engine::restore_finish`] comes
    /// after the last.
    pub fn restore(&mut self, record: &Record) -> Result<(), RestoreError> {
        match record {
            Record::Counters(counters) => {
                self.restore_counters(*counters);
                Ok(())
            }
            Record::Currency(currency) => self.restore_currency(*currency).map(drop),
            Record::FeeSchedule(schedule) => self.restore_fee_schedule(*schedule).map(drop),
            Record::Participant(participant) => self.restore_participant(*participant).map(drop),
            Record::Account(account) => self.restore_account(*account).map(drop),
            Record::Instrument(instrument, state) => {
                self.restore_instrument(*instrument, *state).map(drop)
            }
            Record::Cash(cash) => self.restore_cash(*cash),
            Record::Position(position) => self.restore_position(*position),
            Record::BustedTrade(trade_id) => self.restore_busted_trade(*trade_id),
            Record::TradingDay(day, steps_taken) => self.restore_trading_day(*day, *steps_taken),
            Record::Order(order) => self.restore_order(order),
            Record::ClientOrder(answer) => self.restore_client_order(answer),
        }
    }
}

/// Something that is written and read in one way.
trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(input: &mut &[u8]) -> Result<Self, DecodeError>;
}

/// By functions of the codec of commands.
macro_rules! by_codec {
    ($($field:ty: $put:expr, $take:expr;)*) => {$(
        impl Field for $field {
            fn put(&self, out: &mut Vec<u8>) {
                $put(self, out);
            }

            fn take(input: &mut &[u8]) -> Result<Self, DecodeError> {
                $take(input)
            }
        }
    )*};
}

by_codec! {
    u8: |number: &u8, out| codec::put_number((*number).into(), out), codec::take_small;
    u32: |number: &u32, out| codec::put_number((*number).into(), out), codec::take_small;
    u64: |number: &u64, out| codec::put_number(*number, out), codec::take_number;
    i32: |number: &i32, out| codec::put_signed((*number).into(), out), codec::take_small_signed;
    i64: |number: &i64, out| codec::put_signed(*number, out), codec::take_signed;
    Money: |amount: &Money, out| codec::put_signed_money(*amount, out), codec::take_signed_money;
    Terms: codec::put_terms, codec::take_terms;
    RiskLimits: codec::put_risk_limits, codec::take_risk_limits;
}

impl<const N: usize> Field for Text<N> {
    fn put(&self, out: &mut Vec<u8>) {
        codec::put_text(self, out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, DecodeError> {
        codec::take_text(input)
    }
}

impl<T: Field> Field for [T; 2] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|field| field.put(out));
    }

    fn take(input: &mut &[u8]) -> Result<Self, DecodeError> {
        Ok([T::take(input)?, T::take(input)?])
    }
}

/// One of a few, as its place among them.
macro_rules! choices {
    ($($choice:ty: $all:expr;)*) => {$(
        impl Field for $choice {
            fn put(&self, out: &mut Vec<u8>) {
                let place = $all.iter().position(|choice| choice == self);
                out.push(place.expect("all of them are listed") as u8);
            }

            fn take(input: &mut &[u8]) -> Result<Self, DecodeError> {
                codec::take_choice(&$all, input)
            }
        }
    )*};
}

choices! {
    bool: [false, true];
    Side: Side::ALL;
    TimeInForce: TimeInForce::ALL;
    SelfTradePrevention: SelfTradePrevention::ALL;
    OrderStatus: OrderStatus::ALL;
    RejectReason: RejectReason::ALL;
    CancelReason: CancelReason::ALL;
    AccountStatus: AccountStatus::ALL;
    MarketPhase: MarketPhase::ALL;
    InstrumentPhase: InstrumentPhase::ALL;
}

/// Field by field. Structures are taken apart whole, so that a field that is added is not
/// forgotten here.
macro_rules! structures {
    ($($structure:ident { $($field:ident),* $(,)? })*) => {$(
        impl Field for $structure {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.put(out);)*
            }

            fn take(input: &mut &[u8]) -> Result<Self, DecodeError> {
                Ok(Self { $($field: Field::take(input)?),* })
            }
        }
    )*};
}

structures! {
    Counters { sequence, time_us, last_trade_id, event_hash, market_phase, trade_date }
    Currency { code, fees, transferred }
    FeeSchedule { name, maker_ppm, taker_ppm, auction_ppm }
    Participant { role, orders_per_second, burst }
    Account { owner, status, killed, fee_schedule, limits, open_orders }
    Instrument { symbol, currency, tick_digits, tick_scale, lot_size, maximum_price_ticks }
    InstrumentState {
        phase, halted, halt_until_us, reference_price_ticks, last_price_ticks, rules, limits,
        transferred,
    }
    PriceRules { collar_ppm, band_ppm, volatility_halt_us, protection_ppm }
    Cash { account, currency, balance, held, credit_limit }
    Position {
        account, instrument, quantity, open_quantity, open_value_ticks, open_orders, short_limit,
        limits, trade_date, traded_quantity, traded_value_ticks,
    }
    TradingDay { trade_date, pre_open_us, open_us, closing_auction_us, close_us }
    Order {
        order_id, created_at_us, priority, price_ticks, quantity, filled, remaining, displayed,
        turnover_ticks, instrument, account, side, time_in_force, self_trade_prevention, status,
        reject_reason, cancel_reason, fee_schedule, triggered, terms,
    }
}

/// The kinds of records, by their first byte, with what each has.
macro_rules! records {
    ($($kind:literal => $record:ident($($field:ident),*);)*) => {
        /// Appends a record.
        pub fn encode(record: &Record, out: &mut Vec<u8>) {
            match record {
                $(Record::$record($($field),*) => {
                    out.push($kind);
                    $($field.put(out);)*
                })*
            }
        }

        /// Takes one record off the front of `input`. On an error `input` is left as it was.
        pub fn decode(input: &mut &[u8]) -> Result<Record, DecodeError> {
            let mut rest = *input;
            let record = match u8::take(&mut rest)? {
                $($kind => Record::$record($({ let $field = Field::take(&mut rest)?; $field }),*),)*
                unknown => return Err(DecodeError::UnknownKind(unknown)),
            };
            *input = rest;
            Ok(record)
        }
    };
}

records! {
    1 => Counters(counters);
    2 => Currency(currency);
    3 => FeeSchedule(schedule);
    4 => Participant(participant);
    5 => Account(account);
    6 => Instrument(instrument, state);
    7 => Cash(cash);
    8 => Position(position);
    9 => BustedTrade(trade_id);
    10 => TradingDay(day, steps_taken);
    11 => Order(order);
    12 => ClientOrder(answer);
}
