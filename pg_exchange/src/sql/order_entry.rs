//! `place_order`, `cancel_order`, `reduce_order`, `replace_order`, and the first two for
//! arrays.

use matcher::outcome::Order;
use matcher::{
    Command, Instrument, NewOrder, Outcome, ParticipantId, Refusal, SelfTradePrevention, Side,
    Terms, TimeInForce,
};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{Datum, Oid};
use rustc_hash::FxHashMap;

use super::authority;
use super::call::Call;
use super::finished_order;
use super::instruments;
use super::labels::value_of;
use super::order_ack::{AckFormat, NotChanged};
use super::placed_order;
use super::sessions;
use super::submission::{AnswerWhen, Desk, expect, raise_refusal};
use super::terms;
use super::throttle::admit;
use crate::datum::Numeric;
use crate::errors::{quoted, raise, required};

/// A side that a call names.
pub fn side(format: &AckFormat, label: Oid) -> Side {
    value_of(&format.sides, Side::ALL, label)
}

fn time_in_force(format: &AckFormat, label: Oid) -> TimeInForce {
    let times = TimeInForce::ALL;
    value_of(&format.times_in_force, times, label)
}

fn self_trade_prevention(format: &AckFormat, label: Oid) -> SelfTradePrevention {
    let modes = SelfTradePrevention::ALL;
    value_of(&format.self_trade_preventions, modes, label)
}

fn order_of(outcome: Outcome) -> Order {
    match outcome {
        Outcome::Order(order) => order,
        other => unreachable!("a command about an order came to {other:?}"),
    }
}

/// `exchange.place_order`
pub fn place_order(call: Call) -> Datum {
    let format = AckFormat::of(&call);
    let desk = Desk::open(&call);
    let venue = desk.venue();
    let directory = &venue.shared.directory;
    let (id, instrument) = instruments::of_call(directory, &call);
    let account = authority::account(directory, call.argument::<i32>(5));
    let side = side(format, required(call.argument(1), "side"));
    let time_in_force = time_in_force(format, required(call.argument(4), "time_in_force"));
    let is_plain = terms::are_plain(&call, format);
    let mut order = NewOrder {
        instrument: id,
        account: account.id,
        side,
        time_in_force,
        price_ticks: if is_plain { price(&instrument, call.argument(2)) } else { 0 },
        quantity: instruments::quantity(&instrument, required(call.argument(3), "quantity")),
        self_trade_prevention: self_trade_prevention(
            format,
            required(call.argument(19), "self_trade_prevention"),
        ),
    };
    let mut terms = Terms::PLAIN;
    if !is_plain {
        terms = terms::of_call(&call, format, &instrument, &mut order);
    }
    terms.session = sessions::current(venue);
    let command = if is_plain && terms.session == 0 {
        Command::PlaceOrder(order)
    } else {
        Command::PlaceOrderWithTerms(order, terms)
    };
    admit(venue.shared, account.participant, 1);
    let answer = desk.submit(&command, AnswerWhen::of_session());
    let outcome = expect(answer, |_| terms::describe(&instrument, &order, &terms));
    format.datum(format.row(&order_of(outcome), &instrument))
}

fn price(instrument: &Instrument, price: Option<Numeric<'_>>) -> i64 {
    instruments::price_ticks(instrument, "price", required(price, "price"))
}

/// `exchange.place_orders`
pub fn place_orders(call: Call) -> Datum {
    let format = AckFormat::of(&call);
    let desk = Desk::open(&call);
    let venue = desk.venue();
    let directory = &venue.shared.directory;
    let symbols: Vec<Option<&str>> = required(call.array(0), "symbols");
    let sides: Vec<Option<Oid>> = required(call.array(1), "sides");
    let prices: Vec<Option<Numeric<'_>>> = required(call.array(2), "prices");
    let quantities: Vec<Option<i64>> = required(call.array(3), "quantities");
    let times: Option<Vec<Option<Oid>>> = call.array(4);
    let accounts: Option<Vec<Option<i32>>> = call.array(5);
    let names: Option<Vec<Option<&str>>> = call.array(6);
    let count = symbols.len();
    for (name, length) in [
        ("sides", sides.len()),
        ("prices", prices.len()),
        ("quantities", quantities.len()),
        ("times_in_force", times.as_ref().map_or(count, Vec::len)),
        ("account_ids", accounts.as_ref().map_or(count, Vec::len)),
        ("client_order_ids", names.as_ref().map_or(count, Vec::len)),
    ] {
        if length != count {
            raise(
                PgSqlErrorCode::ERRCODE_ARRAY_ELEMENT_ERROR,
                format!("symbols and {name} differ in length"),
                format!("symbols has {count} elements, {name} has {length}."),
                "Give one element an order in every array.",
            );
        }
    }
    let session = sessions::current(venue);
    let mut orders_by_participant = FxHashMap::<ParticipantId, usize>::default();
    let commands: Vec<Command> = (0..count)
        .map(|index| {
            let symbol = required(symbols[index], "a symbol");
            let (id, instrument) = instruments::by_symbol(directory, symbol);
            let account =
                accounts.as_ref().map(|accounts| required(accounts[index], "an account id"));
            let account = authority::account(directory, account);
            let time = times.as_ref().map_or(TimeInForce::GoodTillCancel, |times| {
                time_in_force(format, required(times[index], "a time in force"))
            });
            let order = NewOrder {
                instrument: id,
                account: account.id,
                side: side(format, required(sides[index], "a side")),
                time_in_force: time,
                price_ticks: instruments::price_ticks(
                    &instrument,
                    "price",
                    required(prices[index], "a price"),
                ),
                quantity: instruments::quantity(
                    &instrument,
                    required(quantities[index], "a quantity"),
                ),
                self_trade_prevention: SelfTradePrevention::default(),
            };
            let client_order_id = names.as_ref().and_then(|names| names[index]);
            let terms = Terms {
                session,
                client_order_id: client_order_id.map(terms::client_order_id),
                ..Terms::PLAIN
            };
            if let Some(fault) = terms.fault(&order, instrument.lot_size) {
                terms::raise_fault(fault, &instrument, &order, &terms);
            }
            *orders_by_participant.entry(account.participant).or_default() += 1;
            if terms == Terms::PLAIN {
                Command::PlaceOrder(order)
            } else {
                Command::PlaceOrderWithTerms(order, terms)
            }
        })
        .collect();
    for (participant, orders) in orders_by_participant {
        admit(venue.shared, participant, orders);
    }
    let mut rows = call.rows();
    desk.submit_all(&commands, AnswerWhen::of_session(), |command, answer| {
        let outcome = expect(answer, |_| match command {
            Command::PlaceOrder(order) | Command::PlaceOrderWithTerms(order, _) => {
                let instrument = instruments::by_id(directory, order.instrument);
                terms::describe(&instrument, order, &Terms::PLAIN)
            }
            other => unreachable!("{other:?} is not of this call"),
        });
        let order = order_of(outcome);
        let instrument = instruments::by_id(directory, order.instrument);
        rows.add(format.row(&order, &instrument));
    });
    call.null()
}

fn order_id(id: Option<i64>) -> i64 {
    required(id, "order_id")
}

/// Sends a command about one order, for whichever participant the caller may act for
/// owns it.
fn change_order(
    call: Call,
    desk: &Desk,
    id: i64,
    mut command: impl FnMut(ParticipantId) -> Command,
) -> Datum {
    let format = AckFormat::of(&call);
    let directory = &desk.venue().shared.directory;
    let mut result = Err(Refusal::NotOwner);
    for participant in authority::actors(directory) {
        result = desk.submit(&command(participant), AnswerWhen::of_session()).result;
        if result != Err(Refusal::NotOwner) {
            break;
        }
    }
    match result {
        Ok(outcome) => {
            let order = order_of(outcome);
            let instrument = instruments::by_id(directory, order.instrument);
            format.datum(format.row(&order, &instrument))
        }
        Err(Refusal::UnknownOrder) => finished_order::acknowledge(desk.venue(), format, id),
        Err(refusal) => raise_refusal(refusal, format!("The order is {id}.")),
    }
}

/// `exchange.cancel_order`
pub fn cancel_order(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let id = order_id(call.argument(0));
    change_order(call, &desk, id, |participant| Command::CancelOrder {
        order_id: id as u64,
        participant,
    })
}

/// `exchange.reduce_order`
pub fn reduce_order(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let id = order_id(call.argument(0));
    let by: i64 = required(call.argument(1), "by");
    if by < 1 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "an order is reduced by more than 0",
            format!("by is {by}."),
            "Place another order to trade more.",
        );
    }
    change_order(call, &desk, id, |participant| Command::ReduceOrder {
        order_id: id as u64,
        participant,
        by,
    })
}

/// `exchange.replace_order`
pub fn replace_order(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let venue = desk.venue();
    let id = order_id(call.argument(0));
    let price: Option<Numeric<'_>> = call.argument(1);
    let quantity: Option<i64> = call.argument(2);
    if price.is_none() && quantity.is_none() {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "price and quantity must not both be NULL",
            "NULL keeps what the order has, so nothing would change.",
            "Give the new price, the new quantity, or both.",
        );
    }
    if quantity.is_some_and(|quantity| quantity < 1) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the quantity must be above 0",
            format!("The new quantity of order {id} is {}.", quantity.unwrap_or(0)),
            "Use exchange.cancel_order() to take all of it away.",
        );
    }
    // Only its instrument says how many ticks a price is.
    let price_ticks = match price {
        None => 0,
        Some(price) => match placed_order::instrument(venue, id) {
            Some(instrument) => {
                let instrument = instruments::by_id(&venue.shared.directory, instrument);
                instruments::price_ticks(&instrument, "price", price)
            }
            None => return finished_order::acknowledge(venue, AckFormat::of(&call), id),
        },
    };
    change_order(call, &desk, id, |participant| {
        admit(venue.shared, participant, 1);
        Command::ReplaceOrder {
            order_id: id as u64,
            participant,
            price_ticks,
            quantity: quantity.unwrap_or(0),
        }
    })
}

/// `exchange.cancel_orders`
pub fn cancel_orders(call: Call) -> Datum {
    let format = AckFormat::of(&call);
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let ids: Vec<Option<i64>> = required(call.array(0), "order_ids");
    let ids: Vec<i64> = ids.into_iter().map(order_id).collect();
    let mut results = vec![Err(Refusal::NotOwner); ids.len()];
    // As the caller itself, then what was not its own as those whom it may act for.
    for participant in authority::actors(directory) {
        cancel_as(&desk, participant, &ids, &mut results);
        if !results.contains(&Err(Refusal::NotOwner)) {
            break;
        }
    }
    // What has ended an order that is said not to be open may not be durable yet.
    if AnswerWhen::of_session() == AnswerWhen::Durable && results.iter().any(Result::is_err) {
        let control = &desk.venue().shared.control;
        desk.venue().wait_for(&control.durable, control.matched.get());
    }
    let mut rows = call.rows();
    for (id, result) in ids.into_iter().zip(results) {
        match result {
            Ok(outcome) => {
                let order = order_of(outcome);
                let instrument = instruments::by_id(directory, order.instrument);
                rows.add(format.row(&order, &instrument));
            }
            Err(Refusal::NotOwner) => rows.add(format.rejection(id, NotChanged::NotOwner)),
            Err(_) => rows.add(format.rejection(id, NotChanged::OrderNotOpen)),
        }
    }
    call.null()
}

/// Sends a cancel, as a participant, for what is still refused as another's.
fn cancel_as(
    desk: &Desk,
    participant: ParticipantId,
    ids: &[i64],
    results: &mut [Result<Outcome, Refusal>],
) {
    let (left, commands): (Vec<usize>, Vec<Command>) = (0..ids.len())
        .filter(|index| results[*index] == Err(Refusal::NotOwner))
        .map(|index| (index, Command::CancelOrder { order_id: ids[index] as u64, participant }))
        .unzip();
    let mut left = left.into_iter();
    desk.submit_all(&commands, AnswerWhen::of_session(), |_, answer| {
        results[left.next().expect("as many as commands")] = answer.result;
    });
}

/// `exchange.cancel_client_order`
pub fn cancel_client_order(call: Call) -> Datum {
    let format = AckFormat::of(&call);
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let name: &str = required(call.argument(0), "client_order_id");
    let client_order_id = terms::client_order_id(name);
    let account = authority::account_or_venue(directory, call.argument::<i32>(1));
    let command = Command::CancelClientOrder {
        account: account.id,
        client_order_id,
        participant: account.participant,
    };
    let outcome = match desk.submit(&command, AnswerWhen::of_session()).result {
        Ok(outcome) => outcome,
        Err(Refusal::UnknownOrder) => raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            "no open order has this client order id",
            format!(
                "Account {} has no open order '{name}': it is finished, or never was.",
                account.id
            ),
            format!(
                "SELECT order_id, status FROM exchange.orders WHERE account_id = {} AND client_order_id = {}; shows what became of it.",
                account.id,
                quoted(name)
            ),
        ),
        Err(refusal) => raise_refusal(refusal, format!("The account is {}.", account.id)),
    };
    let order = order_of(outcome);
    let instrument = instruments::by_id(directory, order.instrument);
    format.datum(format.row(&order, &instrument))
}
