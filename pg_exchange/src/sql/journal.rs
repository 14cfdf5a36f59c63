//! The journal as rows: every command with who asked for it.

use matcher::{
    BustedTrade, Command, Money, NewOrder, OrderType, Peg, PostOnly, PriceRules, RiskLimits, Side,
    Stamp, Terms, TradingDay, Trigger,
};
use pgrx::pg_sys::Datum;
use pgrx::{IntoDatum, JsonB, PgSqlErrorCode};
use serde_json::{Map, Value, json};

use super::call::{Call, Rows};
use super::{kept, labels};
use crate::datum::text;
use crate::errors::{not_negative, raise, required};
use crate::workers::fault::Fault;
use crate::workers::journal;

/// `exchange.decode_journal`
pub fn decode_journal(call: Call) -> Datum {
    let commands: &[u8] = required(call.argument(0), "commands");
    let first_sequence = required(call.argument(1), "first_sequence");
    let first = Stamp {
        sequence: not_negative(first_sequence, "first_sequence") as u64,
        time_us: required(call.argument(2), "first_time_us"),
    };
    let mut rows = call.rows();
    for command in journal::decode(first, commands) {
        let (stamp, command) = command.unwrap_or_else(|error| {
            raise(
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                "these bytes are no commands",
                format!("{error}."),
                "Give the columns commands, first_sequence and first_time_us of one row of exchange.journal.",
            )
        });
        add(&mut rows, stamp, &command);
    }
    call.null()
}

/// `exchange.journal_commands`
pub fn journal_commands(call: Call) -> Datum {
    let sequence =
        |place, name: &str| not_negative(required(call.argument(place), name), name) as u64;
    let (from, to) = (sequence(0, "from_sequence"), sequence(1, "to_sequence"));
    let of_order = call.argument::<i64>(2).map(|id| not_negative(id, "of_order") as u64);
    if to < from {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "to_sequence is before from_sequence",
            format!("They are {to} and {from}."),
            "Give the lower one first.",
        );
    }
    // No command names an order that is placed later.
    let mut next = from.max(of_order.unwrap_or(0)).max(1);
    kept::expect_commands_after(next - 1);
    let mut rows = call.rows();
    while next <= to {
        pgrx::check_for_interrupts!();
        let batches = journal::read_after(next - 1).unwrap_or_else(damaged);
        if batches.is_empty() {
            break;
        }
        for batch in batches {
            for (stamp, command) in &batch.unwrap_or_else(damaged).commands {
                next = stamp.sequence + 1;
                let is_meant =
                    of_order.is_none_or(|order| order_of(*stamp, command) == Some(order));
                if stamp.sequence <= to && is_meant {
                    add(&mut rows, *stamp, command);
                }
            }
            if next > to {
                break;
            }
        }
    }
    call.null()
}

/// The error for a row that cannot be read.
fn damaged<T>(fault: Fault) -> T {
    raise(
        PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
        "exchange.journal is damaged",
        format!("{}.", fault.reason),
        "Restore it from a backup, or leave these commands out.",
    )
}

/// `exchange.checksum`
pub fn checksum(call: Call) -> Datum {
    let bytes: &[u8] = required(call.argument(0), "bytes");
    Datum::from(crc32c::crc32c(bytes))
}

/// The order that a command names.
fn order_of(stamp: Stamp, command: &Command) -> Option<u64> {
    match *command {
        Command::PlaceOrder(_) | Command::PlaceOrderWithTerms(..) => Some(stamp.sequence),
        Command::CancelOrder { order_id, .. }
        | Command::ReduceOrder { order_id, .. }
        | Command::ReplaceOrder { order_id, .. } => Some(order_id),
        _ => None,
    }
}

/// What a command is, in columns.
#[derive(Default)]
struct Described {
    command: &'static str,
    participant: Option<u32>,
    account: Option<u32>,
    instrument: Option<u32>,
    side: Option<Side>,
    price_ticks: Option<i64>,
    quantity: Option<i64>,
    details: Map<String, Value>,
}

fn add(rows: &mut Rows, stamp: Stamp, command: &Command) {
    let described = describe(command);
    let Described { participant, account, instrument, side, price_ticks, quantity, .. } = described;
    let (name, details) = (described.command, described.details);
    rows.add_made(|| {
        [
            Some(Datum::from(stamp.sequence)),
            Some(Datum::from(stamp.time_us)),
            Some(text(name)),
            participant.map(Datum::from),
            account.map(Datum::from),
            order_of(stamp, command).map(Datum::from),
            instrument.map(Datum::from),
            side.map(|side| text(labels::SIDES[side as usize])),
            price_ticks.map(Datum::from),
            quantity.map(Datum::from),
            (!details.is_empty()).then(|| JsonB(Value::Object(details)).into_datum()).flatten(),
        ]
    });
}

/// Every kind of command is named here, so that none is forgotten when there is a new one.
fn describe(command: &Command) -> Described {
    let mut details = Map::new();
    let mut tell = |name: &str, value: Value| {
        details.insert(name.to_owned(), value);
    };
    // An account or instrument of 0 stands for all.
    let unless_0 = |id: u32| (id != 0).then_some(id);
    let described = match *command {
        Command::PlaceOrder(ref new) => placed(new, &Terms::PLAIN, &mut tell),
        Command::PlaceOrderWithTerms(ref new, ref terms) => placed(new, terms, &mut tell),
        Command::CancelOrder { participant, .. } => {
            Described { participant: Some(participant), ..named("cancel_order") }
        }
        Command::ReduceOrder { participant, by, .. } => Described {
            participant: Some(participant),
            quantity: Some(by),
            ..named("reduce_order")
        },
        Command::ReplaceOrder { participant, price_ticks, quantity, .. } => Described {
            participant: Some(participant),
            price_ticks: Some(price_ticks),
            quantity: Some(quantity),
            ..named("replace_order")
        },
        Command::CancelClientOrder { account, ref client_order_id, participant } => {
            tell("client_order_id", json!(client_order_id.as_str()));
            Described {
                participant: Some(participant),
                account: Some(account),
                ..named("cancel_client_order")
            }
        }
        Command::CancelOrders { participant, account, instrument, side } => Described {
            participant: Some(participant),
            account: unless_0(account),
            instrument: unless_0(instrument),
            side,
            ..named("cancel_orders")
        },
        Command::EndSession { session } => {
            tell("session_id", json!(session));
            named("end_session")
        }
        Command::CreateInstrument(ref listed) => {
            tell("symbol", json!(listed.symbol.as_str()));
            tell("currency", json!(listed.currency.as_str()));
            tell("tick_digits", json!(listed.tick_digits));
            tell("tick_scale", json!(listed.tick_scale));
            tell("lot_size", json!(listed.lot_size));
            tell("maximum_price_ticks", json!(listed.maximum_price_ticks));
            named("create_instrument")
        }
        Command::SetPriceRules { instrument, rules } => {
            let PriceRules { collar_ppm, band_ppm, volatility_halt_us, protection_ppm } = rules;
            tell("collar_ppm", json!(collar_ppm));
            tell("band_ppm", json!(band_ppm));
            tell("volatility_halt_us", json!(volatility_halt_us));
            tell("protection_ppm", json!(protection_ppm));
            Described { instrument: Some(instrument), ..named("set_price_rules") }
        }
        Command::SetReferencePrice { instrument, price_ticks } => Described {
            instrument: Some(instrument),
            price_ticks: Some(price_ticks),
            ..named("set_reference_price")
        },
        Command::RegisterParticipant { ref role } => {
            tell("role", json!(role.as_str()));
            named("register_participant")
        }
        Command::SetRateLimit { participant, orders_per_second, burst } => {
            tell("of_participant_id", json!(participant));
            tell("orders_per_second", json!(orders_per_second));
            tell("burst", json!(burst));
            named("set_rate_limit")
        }
        Command::OpenAccount { ref owner } => {
            tell("owner", json!(owner.as_str()));
            named("open_account")
        }
        Command::SetAccountStatus { account, status } => {
            tell("status", json!(labels::ACCOUNT_STATUSES[status as usize]));
            Described { account: Some(account), ..named("set_account_status") }
        }
        Command::SetKillSwitch { account, participant, killed } => {
            tell("killed", json!(killed));
            Described {
                participant: Some(participant),
                account: Some(account),
                ..named("set_kill_switch")
            }
        }
        Command::CreateFeeSchedule(ref schedule) => {
            tell("name", json!(schedule.name.as_str()));
            tell("maker_ppm", json!(schedule.maker_ppm));
            tell("taker_ppm", json!(schedule.taker_ppm));
            tell("auction_ppm", json!(schedule.auction_ppm));
            named("create_fee_schedule")
        }
        Command::SetFeeSchedule { account, schedule } => {
            tell("fee_schedule_id", json!(schedule));
            Described { account: Some(account), ..named("set_fee_schedule") }
        }
        Command::TransferCash { account, currency, amount } => {
            tell("currency_id", json!(currency));
            tell("amount", money(amount));
            Described { account: Some(account), ..named("transfer_cash") }
        }
        Command::TransferShares { account, instrument, quantity } => Described {
            account: Some(account),
            instrument: Some(instrument),
            quantity: Some(quantity),
            ..named("transfer_shares")
        },
        Command::SetCreditLimit { account, currency, limit } => {
            tell("currency_id", json!(currency));
            tell("limit", money(limit));
            Described { account: Some(account), ..named("set_credit_limit") }
        }
        Command::SetShortLimit { account, instrument, limit } => Described {
            account: Some(account),
            instrument: Some(instrument),
            quantity: Some(limit),
            ..named("set_short_limit")
        },
        Command::SetRiskLimits { account, instrument, ref limits } => {
            risk_limits(limits, &mut tell);
            Described {
                account: unless_0(account),
                instrument: unless_0(instrument),
                ..named("set_risk_limits")
            }
        }
        Command::OpenMarket { trade_date } => {
            tell("trade_date", date(trade_date));
            named("open_market")
        }
        Command::CloseMarket => named("close_market"),
        Command::ScheduleDay(day) => {
            let TradingDay { trade_date, pre_open_us, open_us, closing_auction_us, close_us } = day;
            tell("trade_date", date(trade_date));
            tell("pre_open_us", json!(pre_open_us));
            tell("open_us", json!(open_us));
            tell("closing_auction_us", json!(closing_auction_us));
            tell("close_us", json!(close_us));
            named("schedule_day")
        }
        Command::ClearSchedule => named("clear_schedule"),
        Command::HaltInstrument { instrument } => {
            Described { instrument: unless_0(instrument), ..named("halt_instrument") }
        }
        Command::ResumeInstrument { instrument } => {
            Described { instrument: unless_0(instrument), ..named("resume_instrument") }
        }
        Command::BustTrade(ref trade) => {
            let BustedTrade { trade_id, instrument, price_ticks, quantity, .. } = *trade;
            tell("trade_id", json!(trade_id));
            tell("buyer_account_id", json!(trade.buyer));
            tell("seller_account_id", json!(trade.seller));
            tell("buyer_fee", money(trade.buyer_fee));
            tell("seller_fee", money(trade.seller_fee));
            Described {
                instrument: Some(instrument),
                price_ticks: Some(price_ticks),
                quantity: Some(quantity),
                ..named("bust_trade")
            }
        }
        Command::AdvanceClock => named("advance_clock"),
    };
    Described { details, ..described }
}

fn named(command: &'static str) -> Described {
    Described { command, ..Described::default() }
}

fn placed(new: &NewOrder, terms: &Terms, tell: &mut impl FnMut(&str, Value)) -> Described {
    let NewOrder { time_in_force, self_trade_prevention, .. } = *new;
    tell("time_in_force", json!(labels::TIMES_IN_FORCE[time_in_force as usize]));
    let prevention = labels::SELF_TRADE_PREVENTIONS[self_trade_prevention as usize];
    tell("self_trade_prevention", json!(prevention));
    let Terms { order_type, post_only, peg, trigger, .. } = *terms;
    if order_type != OrderType::Limit {
        tell("order_type", json!(labels::ORDER_TYPES[order_type as usize]));
    }
    if post_only != PostOnly::No {
        tell("post_only", json!(labels::POST_ONLY[post_only as usize]));
    }
    if peg != Peg::None {
        tell("peg", json!(labels::PEGS[peg as usize - 1]));
    }
    if trigger != Trigger::LastTrade {
        tell("stop_trigger", json!(labels::STOP_TRIGGERS[trigger as usize]));
    }
    if let Some(client_order_id) = &terms.client_order_id {
        tell("client_order_id", json!(client_order_id.as_str()));
    }
    for (name, value) in [
        ("minimum_quantity", terms.minimum_quantity),
        ("display_quantity", terms.display_quantity),
        ("stop_price_ticks", terms.stop_price_ticks),
        ("trail_ticks", terms.trail_ticks),
        ("expire_at_us", terms.expire_at_us),
        ("linked_order_id", terms.linked_order as i64),
        ("session_id", terms.session as i64),
    ] {
        if value != 0 {
            tell(name, json!(value));
        }
    }
    for (name, is_so) in [("hidden", terms.hidden), ("all_or_none", terms.all_or_none)] {
        if is_so {
            tell(name, json!(true));
        }
    }
    Described {
        account: Some(new.account),
        instrument: Some(new.instrument),
        side: Some(new.side),
        price_ticks: Some(new.price_ticks),
        quantity: Some(new.quantity),
        ..named("place_order")
    }
}

fn risk_limits(limits: &RiskLimits, tell: &mut impl FnMut(&str, Value)) {
    const NONE: RiskLimits = RiskLimits::NONE;
    for (name, limit, none) in [
        ("order_quantity", limits.order_quantity, NONE.order_quantity),
        ("daily_bought_quantity", limits.daily_bought_quantity, NONE.daily_bought_quantity),
        ("daily_sold_quantity", limits.daily_sold_quantity, NONE.daily_sold_quantity),
        ("open_orders", limits.open_orders.into(), NONE.open_orders.into()),
    ] {
        if limit != none {
            tell(name, json!(limit));
        }
    }
    for (name, limit) in [
        ("order_value", limits.order_value),
        ("daily_bought_value", limits.daily_bought_value),
        ("daily_sold_value", limits.daily_sold_value),
    ] {
        if limit != Money::MAX {
            tell(name, money(limit));
        }
    }
}

/// Money in units of the currency, as text: it can be larger than what every reader of JSON
/// takes for a number.
fn money(amount: Money) -> Value {
    let unit = 10_u128.pow(matcher::MONEY_SCALE.into());
    let (whole, part) = (amount.unsigned_abs() / unit, amount.unsigned_abs() % unit);
    let sign = if amount < 0 { "-" } else { "" };
    json!(format!("{sign}{whole}.{part:09}"))
}

/// A date as `exchange` has it: days since 2000-01-01.
fn date(days: i32) -> Value {
    json!(crate::datum::date_text(days))
}
