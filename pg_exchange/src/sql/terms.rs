//! What an order can ask for beyond side, price and quantity: from the arguments of
//! `exchange.place_order` to [`Terms`], and what does not go together.

use std::fmt::Write as _;

use matcher::{
    ClientOrderId, Instrument, NewOrder, OrderType, Peg, PostOnly, Refusal, Terms, TermsFault,
    TimeInForce, Trigger,
};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Oid;

use super::call::Call;
use super::instruments;
use super::labels;
use super::order_ack::AckFormat;
use super::submission::raise_refusal;
use crate::datum::Numeric;
use crate::errors::{raise, required};

// The places of the arguments of `exchange.place_order`, see sql/20_order_entry.sql.
const PRICE: usize = 2;
const TIME_IN_FORCE: usize = 4;
const CLIENT_ORDER_ID: usize = 6;
const ORDER_TYPE: usize = 7;
const STOP_PRICE: usize = 8;
const TRAIL: usize = 9;
const POST_ONLY: usize = 10;
const ALL_OR_NONE: usize = 11;
const MINIMUM_QUANTITY: usize = 12;
const DISPLAY_QUANTITY: usize = 13;
const HIDDEN: usize = 14;
const PEG: usize = 15;
const STOP_TRIGGER: usize = 16;
const EXPIRE_AT: usize = 17;
const ONE_CANCELS_OTHER: usize = 18;

/// The first microsecond of the year 2000, UTC, is 0; the last of the year 9999 is this.
pub const LAST_TIME_US: i64 = 252_455_615_999_999_999;

/// Whether the call asks for a plain limit order.
pub fn are_plain(call: &Call, format: &AckFormat) -> bool {
    [
        (ORDER_TYPE, format.order_types[0]),
        (POST_ONLY, format.post_only[0]),
        (STOP_TRIGGER, format.stop_triggers[0]),
    ]
    .into_iter()
    .all(|(place, usual)| call.argument::<Oid>(place) == Some(usual))
        && [ALL_OR_NONE, HIDDEN].iter().all(|place| call.argument::<bool>(*place) == Some(false))
        && [
            CLIENT_ORDER_ID,
            STOP_PRICE,
            TRAIL,
            MINIMUM_QUANTITY,
            DISPLAY_QUANTITY,
            PEG,
            EXPIRE_AT,
            ONE_CANCELS_OTHER,
        ]
        .iter()
        .all(|place| call.is_null(*place))
        // Good-till-date is not, and says so when its terms are looked at.
        && call.argument::<Oid>(TIME_IN_FORCE) != Some(format.times_in_force[4])
}

/// The terms that the call asks for, where they go together with each other and with the
/// order; else an error. A market order that should stay for good is made
/// immediate-or-cancel: nothing else can be meant.
pub fn of_call(
    call: &Call,
    format: &AckFormat,
    instrument: &Instrument,
    order: &mut NewOrder,
) -> Terms {
    use labels::value_of;
    let order_type = value_of(
        &format.order_types,
        OrderType::ALL,
        required(call.argument(ORDER_TYPE), "order_type"),
    );
    if order_type == OrderType::Market && order.time_in_force == TimeInForce::GoodTillCancel {
        order.time_in_force = TimeInForce::ImmediateOrCancel;
    }
    let price = |place, name| {
        let price = call.argument::<Numeric<'_>>(place);
        price.map_or(0, |price| instruments::price_ticks(instrument, name, price))
    };
    order.price_ticks = price(PRICE, "price");
    let mut terms = Terms {
        minimum_quantity: 0,
        display_quantity: 0,
        stop_price_ticks: price(STOP_PRICE, "stop_price"),
        trail_ticks: price(TRAIL, "trail"),
        expire_at_us: call.argument(EXPIRE_AT).map_or(0, expiry),
        linked_order: call.argument(ONE_CANCELS_OTHER).map_or(0, linked_order),
        session: 0,
        client_order_id: call.argument(CLIENT_ORDER_ID).map(client_order_id),
        order_type,
        post_only: value_of(
            &format.post_only,
            PostOnly::ALL,
            required(call.argument(POST_ONLY), "post_only"),
        ),
        peg: call.argument(PEG).map_or(Peg::None, |label| {
            value_of(&format.pegs, [Peg::BestBid, Peg::BestAsk, Peg::Midpoint], label)
        }),
        trigger: value_of(
            &format.stop_triggers,
            Trigger::ALL,
            required(call.argument(STOP_TRIGGER), "stop_trigger"),
        ),
        hidden: required(call.argument(HIDDEN), "hidden"),
        all_or_none: required(call.argument(ALL_OR_NONE), "all_or_none"),
    };
    // The engine reads 0 as not given.
    let part = |place, fault| match call.argument::<i64>(place) {
        Some(0) => raise_fault(fault, instrument, order, &terms),
        part => part.unwrap_or(0),
    };
    let minimum_quantity = part(MINIMUM_QUANTITY, TermsFault::MinimumQuantity);
    let display_quantity = part(DISPLAY_QUANTITY, TermsFault::DisplayQuantity);
    terms.minimum_quantity = minimum_quantity;
    terms.display_quantity = display_quantity;
    if let Some(fault) = terms.fault(order, instrument.lot_size) {
        raise_fault(fault, instrument, order, &terms);
    }
    terms
}

/// A client order id that a call gives, or an error.
pub fn client_order_id(text: &str) -> ClientOrderId {
    ClientOrderId::new(text).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "a client order id has 1 to 20 bytes",
            format!("'{text}' has {}.", text.len()),
            "Choose a shorter name; leave client_order_id out for none.",
        )
    })
}

fn expiry(expire_at_us: i64) -> i64 {
    if !(1..=LAST_TIME_US).contains(&expire_at_us) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "expire_at is out of range",
            "It is not in the years 2000 to 9999.",
            "Give time_in_force 'GTC' to an order that is not to end by itself.",
        );
    }
    expire_at_us
}

fn linked_order(order_id: i64) -> u64 {
    if order_id < 1 {
        raise_refusal(
            Refusal::UnknownOrder,
            format!("one_cancels_other is {order_id}, and order ids begin at 1."),
        );
    }
    order_id as u64
}

/// The order in the words of SQL: whatever of it is not as in a plain limit order.
pub fn describe(instrument: &Instrument, order: &NewOrder, terms: &Terms) -> String {
    let price = |ticks| instruments::price_text(instrument, ticks);
    let mut text = format!(
        "The order has order_type {}, time_in_force {}, quantity {}",
        labels::ORDER_TYPES[terms.order_type as usize],
        labels::TIMES_IN_FORCE[order.time_in_force as usize],
        order.quantity,
    );
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a String does not fail.
            let _ = write!(text, ", {name} {value}");
        }
    };
    let number = |value: i64| (value != 0).then(|| value.to_string());
    let flag = |value: bool| value.then(|| "true".to_owned());
    add("price", (order.price_ticks != 0).then(|| price(order.price_ticks)));
    add("stop_price", (terms.stop_price_ticks != 0).then(|| price(terms.stop_price_ticks)));
    add("trail", (terms.trail_ticks != 0).then(|| price(terms.trail_ticks)));
    add(
        "post_only",
        (terms.post_only != PostOnly::No)
            .then(|| labels::POST_ONLY[terms.post_only as usize].to_owned()),
    );
    add("all_or_none", flag(terms.all_or_none));
    add("minimum_quantity", number(terms.minimum_quantity));
    add("display_quantity", number(terms.display_quantity));
    add("hidden", flag(terms.hidden));
    add("peg", (terms.peg != Peg::None).then(|| labels::PEGS[terms.peg as usize - 1].to_owned()));
    add(
        "stop_trigger",
        (terms.trigger != Trigger::LastTrade)
            .then(|| labels::STOP_TRIGGERS[terms.trigger as usize].to_owned()),
    );
    add("expire_at", flag(terms.expire_at_us != 0).map(|_| "given".to_owned()));
    text.push('.');
    text
}

/// The error for terms that do not go together.
pub fn raise_fault(
    fault: TermsFault,
    instrument: &Instrument,
    order: &NewOrder,
    terms: &Terms,
) -> ! {
    raise_refusal(Refusal::Terms(fault), describe(instrument, order, terms))
}

/// SQLSTATE, message and hint of a fault.
pub fn explain(fault: TermsFault) -> (PgSqlErrorCode, &'static str, &'static str) {
    let (message, hint) = match fault {
        TermsFault::PriceMissing => {
            return (
                PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                "price must not be NULL",
                "Give a limit price; only market, stop and trailing_stop orders need none.",
            );
        }
        TermsFault::MarketMustBeImmediate => (
            "a market order does not stay",
            "Leave time_in_force out, or give 'IOC' or 'FOK'; for an order that stays give order_type 'limit'.",
        ),
        TermsFault::StopPrice => (
            "stop_price goes with stop and stop_limit orders, which need one",
            "Give stop_price with order_type 'stop' or 'stop_limit', and leave it out of others; that of a trailing_stop follows from the market.",
        ),
        TermsFault::TrailDistance => (
            "trail goes with trailing_stop orders, which need one",
            "Give trail with order_type 'trailing_stop', and leave it out of others.",
        ),
        TermsFault::PegMissing => (
            "peg goes with pegged orders, which need one",
            "Give peg 'best_bid', 'best_ask' or 'midpoint' with order_type 'pegged', and leave it out of others.",
        ),
        TermsFault::ExpiryTime => (
            "expire_at goes with time_in_force GTD, which needs one",
            "Give both, as time_in_force => 'GTD', expire_at => now() + interval '1 hour', or neither.",
        ),
        TermsFault::PostOnly => (
            "post_only does not go with these terms",
            "It goes with limit orders that may rest (not IOC or FOK) and have neither all_or_none nor minimum_quantity.",
        ),
        TermsFault::MinimumQuantity => (
            "minimum_quantity does not go with these terms",
            "Give 1 to the quantity, in lots; it goes with limit and market orders that are neither FOK nor all_or_none.",
        ),
        TermsFault::DisplayQuantity => (
            "display_quantity does not go with these terms",
            "Give 1 to the quantity, in lots; it goes with limit orders that may rest (not IOC or FOK) and are neither hidden nor all_or_none.",
        ),
        TermsFault::Hidden => (
            "hidden does not go with these terms",
            "It goes with limit orders that may rest (not IOC or FOK) and are not all_or_none, which are not displayed anyway.",
        ),
        TermsFault::AllOrNone => (
            "all_or_none does not go with these terms",
            "It goes with limit orders that may rest; an order that must trade at once as a whole is time_in_force 'FOK'.",
        ),
        TermsFault::MustRest => (
            "stop and pegged orders are neither IOC nor FOK",
            "Give them time_in_force 'GTC', 'DAY' or 'GTD'.",
        ),
        TermsFault::Trigger => {
            ("stop_trigger goes with stop and stop_limit orders", "Leave stop_trigger out.")
        }
    };
    (PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, hint)
}
