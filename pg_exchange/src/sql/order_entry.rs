//! `place_order`, `cancel_order`, `reduce_order`, and the first two for arrays.

use matcher::outcome::Order;
use matcher::{Command, NewOrder, Outcome, Refusal, Side, TimeInForce};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{Datum, Oid};

use super::call::Call;
use super::finished_order;
use super::instruments;
use super::order_ack::{AckFormat, NotCancelled};
use super::submission::{AnswerWhen, Desk, expect, raise_refusal};
use crate::datum::Numeric;
use crate::errors::{raise, required};

fn side(format: &AckFormat, label: Oid) -> Side {
    if label == format.sides[0] { Side::Buy } else { Side::Sell }
}

fn time_in_force(format: &AckFormat, label: Oid) -> TimeInForce {
    if label == format.times_in_force[0] {
        TimeInForce::GoodTillCancel
    } else {
        TimeInForce::ImmediateOrCancel
    }
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
    let directory = &desk.venue().shared.directory;
    let (id, instrument) = instruments::of_call(directory, &call);
    let order = NewOrder {
        instrument: id,
        account: instruments::account(directory, call.argument::<i32>(5)),
        side: side(&format, required(call.argument(1), "side")),
        time_in_force: time_in_force(&format, required(call.argument(4), "time_in_force")),
        price_ticks: instruments::price_ticks(&instrument, required(call.argument(2), "price")),
        quantity: instruments::quantity(&instrument, required(call.argument(3), "quantity")),
    };
    let answer = desk.submit(&Command::PlaceOrder(order), AnswerWhen::of_session());
    let outcome = expect(answer, |_| format!("The order is {order:?}."));
    format.datum(format.row(&order_of(outcome), &instrument))
}

/// `exchange.place_orders`
pub fn place_orders(call: Call) -> Datum {
    let format = AckFormat::of(&call);
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let symbols: Vec<Option<&str>> = required(call.array(0), "symbols");
    let sides: Vec<Option<Oid>> = required(call.array(1), "sides");
    let prices: Vec<Option<Numeric<'_>>> = required(call.array(2), "prices");
    let quantities: Vec<Option<i64>> = required(call.array(3), "quantities");
    let times: Option<Vec<Option<Oid>>> = call.array(4);
    let accounts: Option<Vec<Option<i32>>> = call.array(5);
    let count = symbols.len();
    for (name, length) in [
        ("sides", sides.len()),
        ("prices", prices.len()),
        ("quantities", quantities.len()),
        ("times_in_force", times.as_ref().map_or(count, Vec::len)),
        ("account_ids", accounts.as_ref().map_or(count, Vec::len)),
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
    let commands: Vec<Command> = (0..count)
        .map(|index| {
            let symbol = required(symbols[index], "a symbol");
            let (id, instrument) = instruments::by_symbol(directory, symbol);
            let account =
                accounts.as_ref().map(|accounts| required(accounts[index], "an account id"));
            let time = times.as_ref().map_or(TimeInForce::GoodTillCancel, |times| {
                time_in_force(&format, required(times[index], "a time in force"))
            });
            Command::PlaceOrder(NewOrder {
                instrument: id,
                account: instruments::account(directory, account),
                side: side(&format, required(sides[index], "a side")),
                time_in_force: time,
                price_ticks: instruments::price_ticks(
                    &instrument,
                    required(prices[index], "a price"),
                ),
                quantity: instruments::quantity(
                    &instrument,
                    required(quantities[index], "a quantity"),
                ),
            })
        })
        .collect();
    let mut rows = call.rows();
    desk.submit_all(&commands, AnswerWhen::of_session(), |command, answer| {
        let order = order_of(expect(answer, |_| format!("The command is {command:?}.")));
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
fn change_order(call: Call, desk: &Desk, id: i64, command: impl Fn(u32) -> Command) -> Datum {
    let format = AckFormat::of(&call);
    let directory = &desk.venue().shared.directory;
    let send = |participant| desk.submit(&command(participant), AnswerWhen::of_session()).result;
    let mut result = match instruments::participant(directory) {
        Some(participant) => send(participant),
        None => Err(Refusal::NotOwner),
    };
    if result == Err(Refusal::NotOwner) {
        for participant in instruments::participants(directory) {
            result = send(participant);
            if result != Err(Refusal::NotOwner) {
                break;
            }
        }
    }
    match result {
        Ok(outcome) => {
            let order = order_of(outcome);
            let instrument = instruments::by_id(directory, order.instrument);
            format.datum(format.row(&order, &instrument))
        }
        Err(Refusal::UnknownOrder) => finished_order::acknowledge(desk.venue(), &format, id),
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

/// `exchange.cancel_orders`
pub fn cancel_orders(call: Call) -> Datum {
    let format = AckFormat::of(&call);
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let ids: Vec<Option<i64>> = required(call.array(0), "order_ids");
    let ids: Vec<i64> = ids.into_iter().map(order_id).collect();
    let mut results = vec![Err(Refusal::NotOwner); ids.len()];
    // As the caller itself, then what was not its own as those whom it may act for.
    let own = instruments::participant(directory);
    cancel_as(&desk, own.into_iter(), &ids, &mut results);
    if results.contains(&Err(Refusal::NotOwner)) {
        let others = instruments::participants(directory).into_iter();
        cancel_as(&desk, others, &ids, &mut results);
    }
    let mut rows = call.rows();
    for (id, result) in ids.into_iter().zip(results) {
        match result {
            Ok(outcome) => {
                let order = order_of(outcome);
                let instrument = instruments::by_id(directory, order.instrument);
                rows.add(format.row(&order, &instrument));
            }
            Err(Refusal::NotOwner) => rows.add(format.rejection(id, NotCancelled::NotOwner)),
            Err(_) => rows.add(format.rejection(id, NotCancelled::OrderNotOpen)),
        }
    }
    call.null()
}

/// Sends a cancel, as each participant in turn, for what is still refused as another's.
fn cancel_as(
    desk: &Desk,
    participants: impl Iterator<Item = u32>,
    ids: &[i64],
    results: &mut [Result<Outcome, Refusal>],
) {
    for participant in participants {
        let (left, commands): (Vec<usize>, Vec<Command>) = (0..ids.len())
            .filter(|index| results[*index] == Err(Refusal::NotOwner))
            .map(|index| (index, Command::CancelOrder { order_id: ids[index] as u64, participant }))
            .unzip();
        let mut left = left.into_iter();
        desk.submit_all(&commands, AnswerWhen::of_session(), |_, answer| {
            results[left.next().expect("as many as commands")] = answer.result;
        });
    }
}
