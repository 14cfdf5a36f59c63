//! The engine as the tables show it. Together with the journal after that moment they
//! are all there is to know: there is no other snapshot.

use matcher::engine::Counters;
use matcher::outcome::{Order, OrderStatus, RejectReason};
use matcher::{Engine, Instrument, InstrumentId, Limits, RoleName, Side, Symbol, TimeInForce};
use pgrx::pg_sys::{self, Oid};
use rustc_hash::FxHashMap;

use crate::price;
use crate::relation::{Relation, Row, TupleId};
use crate::settings;
use crate::sql::labels;

/// The tables, and where the rows of what still changes lie.
pub struct Tables {
    /// The engine after the command that the tables show.
    pub engine: Engine,
    /// Open orders: the order, its row.
    pub open_orders: Vec<(Order, TupleId)>,
    /// The one row of `exchange.engine_state`, if there is one yet.
    pub engine_state: Option<TupleId>,
    /// The owners' roles, by account.
    pub owners: Vec<Oid>,
}

/// The bounds that decide which orders are rejected. They are part of what makes two
/// engines agree, so the tables say under which the commands after them are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of `exchange.maximum_open_orders`.
    pub open_orders: u32,
    /// Of `exchange.maximum_price_levels`.
    pub price_levels: u32,
}

impl Bounds {
    /// As they are set.
    pub fn of_settings() -> Self {
        let limits = settings::limits();
        Self { open_orders: limits.maximum_open_orders, price_levels: limits.maximum_price_levels }
    }

    /// As the tables have them; `None` before the workers have first run.
    pub fn of_tables() -> Option<Self> {
        let mut bounds = None;
        Relation::open("engine_state", pg_sys::AccessShareLock)?.scan(|_, row: &Row<8>| {
            bounds = Some(Self {
                open_orders: row.get::<i32>(6) as u32,
                price_levels: row.get::<i32>(7) as u32,
            });
        });
        bounds
    }
}

/// Reads the tables, into an engine of these bounds. In a transaction that sees one moment
/// of them. `None` if they are not there.
pub fn load(bounds: Bounds) -> Option<Result<Tables, String>> {
    let open = |name| Relation::open(name, pg_sys::AccessShareLock);
    let (instruments, accounts) = (open("instruments")?, open("accounts")?);
    let (open_orders, engine_state) = (open("open_orders")?, open("engine_state")?);
    Some(restore(bounds, &instruments, &accounts, &open_orders, &engine_state))
}

fn restore(
    bounds: Bounds,
    instruments: &Relation,
    accounts: &Relation,
    open_orders: &Relation,
    engine_state: &Relation,
) -> Result<Tables, String> {
    let mut engine = Engine::new(Limits {
        maximum_open_orders: bounds.open_orders,
        maximum_price_levels: bounds.price_levels,
        ..settings::limits()
    });

    let mut state = None;
    engine_state.scan(|at, row: &Row<8>| {
        let counters = Counters {
            sequence: row.get::<i64>(1) as u64,
            time_us: row.get(2),
            last_trade_id: row.get::<i64>(3) as u64,
            event_hash: row.get::<i64>(4) as u64,
            market_open: row.get(5),
        };
        state = Some((at, counters));
    });
    if let Some((_, counters)) = state {
        engine.restore_counters(counters);
    }

    let mut rows = Vec::new();
    instruments.scan(|_, row: &Row<6>| {
        rows.push((row.get::<i32>(0), instrument_of(row)));
    });
    rows.sort_by_key(|(id, _)| *id);
    let in_table = |table: &str, error: &dyn std::fmt::Display| {
        format!("exchange.{table} cannot be loaded: {error}")
    };
    for (id, instrument) in rows {
        let instrument = instrument.map_err(|error| in_table("instruments", &error))?;
        let restored = engine
            .restore_instrument(instrument)
            .map_err(|error| in_table("instruments", &error))?;
        if i64::from(restored) != i64::from(id) {
            return Err(in_table("instruments", &format!("instrument {restored} is missing")));
        }
    }

    let mut rows = Vec::new();
    accounts.scan(|_, row: &Row<3>| {
        rows.push((row.get::<i32>(0), RoleName::new(row.get::<&str>(1))));
    });
    rows.sort_by_key(|(id, _)| *id);
    let mut owners = Vec::new();
    for (id, owner) in rows {
        let owner = owner.ok_or_else(|| in_table("accounts", &"an owner is no role name"))?;
        let restored =
            engine.restore_account(owner).map_err(|error| in_table("accounts", &error))?;
        if i64::from(restored) != i64::from(id) {
            return Err(in_table("accounts", &format!("account {restored} is missing")));
        }
        owners.push(role_of(&owner));
    }

    let enums = Enums::of(open_orders);
    let by_symbol: FxHashMap<&str, InstrumentId> = (1..)
        .zip(engine.instruments())
        .map(|(id, instrument)| (instrument.symbol.as_str(), id))
        .collect();
    let mut orders = Vec::new();
    let mut wrong = None;
    open_orders.scan(|at, row: &Row<15>| {
        match order_of(row, &enums, engine.instruments(), &by_symbol) {
            Ok(order) => orders.push((row.get::<i64>(12), order, at)),
            Err(error) => wrong = Some(format!("order {}: {error}", row.get::<i64>(0))),
        }
    });
    if let Some(error) = wrong {
        return Err(in_table("open_orders", &error));
    }
    // Within a level by priority, as they queue.
    orders.sort_by_key(|(priority, order, _)| {
        (order.instrument, order.side as u8, order.price_ticks, *priority)
    });
    for (_, order, _) in &orders {
        engine.restore_order(order).map_err(|error| in_table("open_orders", &error))?;
    }
    Ok(Tables {
        engine,
        open_orders: orders.into_iter().map(|(_, order, at)| (order, at)).collect(),
        engine_state: state.map(|(at, _)| at),
        owners,
    })
}

/// The OID of a role; invalid if there is none (any more).
pub fn role_of(name: &RoleName) -> Oid {
    let name = std::ffi::CString::new(name.as_str()).expect("role names have no NUL");
    // SAFETY: a look-up by a C string, in a transaction.
    unsafe { pg_sys::get_role_oid(name.as_ptr(), true) }
}

fn instrument_of(row: &Row<6>) -> Result<Instrument, String> {
    let name: &str = row.get(1);
    let wrong = |what: &str| format!("{name}: {what}");
    let (tick_digits, tick_scale) =
        price::tick_size(row.get(2)).ok_or_else(|| wrong("the tick size is out of range"))?;
    let mut instrument = Instrument {
        symbol: Symbol::new(name).ok_or_else(|| wrong("the symbol is out of range"))?,
        tick_digits,
        tick_scale,
        lot_size: row.get(3),
        maximum_price_ticks: 0,
    };
    instrument.maximum_price_ticks = price::to_ticks(&instrument, row.get(4))
        .ok()
        .and_then(|ticks| i64::try_from(ticks).ok())
        .ok_or_else(|| wrong("the maximum price is out of range"))?;
    Ok(instrument)
}

/// OIDs of the enum labels in `exchange.orders`.
pub struct Enums {
    /// By [`Side`].
    pub sides: [Oid; 2],
    /// By [`TimeInForce`].
    pub times_in_force: [Oid; 2],
    /// By [`OrderStatus`], from 1.
    pub statuses: [Oid; 5],
    /// By [`RejectReason`], from 1.
    pub reject_reasons: [Oid; 5],
}

impl Enums {
    /// From the columns of `exchange.orders` or one of its partitions.
    pub fn of(orders: &Relation) -> Self {
        Self {
            sides: labels::oids_of(orders.type_of(3), labels::SIDES),
            times_in_force: labels::oids_of(orders.type_of(4), labels::TIMES_IN_FORCE),
            statuses: labels::oids_of(orders.type_of(5), labels::STATUSES),
            reject_reasons: labels::oids_of(orders.type_of(6), labels::REJECT_REASONS),
        }
    }
}

/// An open order from its row, in the order of `exchange.orders`.
fn order_of(
    row: &Row<15>,
    enums: &Enums,
    instruments: &[Instrument],
    by_symbol: &FxHashMap<&str, InstrumentId>,
) -> Result<Order, String> {
    let symbol: &str = row.get(2);
    let id = *by_symbol.get(symbol).ok_or_else(|| format!("there is no symbol {symbol}"))?;
    let instrument = &instruments[id as usize - 1];
    let ticks = |column: usize| {
        let ticks = price::to_ticks(instrument, row.get(column)).ok()?;
        i64::try_from(ticks).ok()
    };
    let is = |column: usize, label: Oid| row.get::<Oid>(column) == label;
    Ok(Order {
        order_id: row.get::<i64>(0) as u64,
        account: row.get::<i32>(1) as u32,
        instrument: id,
        side: if is(3, enums.sides[0]) { Side::Buy } else { Side::Sell },
        time_in_force: if is(4, enums.times_in_force[0]) {
            TimeInForce::GoodTillCancel
        } else {
            TimeInForce::ImmediateOrCancel
        },
        status: if is(5, enums.statuses[0]) {
            OrderStatus::Open
        } else {
            OrderStatus::PartiallyFilled
        },
        reject_reason: RejectReason::None,
        price_ticks: ticks(7).ok_or("its price is off the tick")?,
        quantity: row.get(8),
        filled: row.get(9),
        remaining: row.get(10),
        turnover_ticks: ticks(11).ok_or("its turnover is off the tick")?,
        created_at_us: row.get(13),
    })
}
