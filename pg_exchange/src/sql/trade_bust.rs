//! Cancelling trades.

use matcher::{BustedTrade, Command, Refusal};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum};
use pgrx::spi::{SpiResult, SpiTupleTable};

use super::call::Call;
use super::instruments;
use super::submission::{AnswerWhen, Desk, raise_refusal};
use super::venue::Venue;
use crate::datum::{FromDatum, Numeric};
use crate::errors::required;
use crate::price;
use crate::relation;

/// Both executions of a trade, the buyer's first. There is no index by trade, but one by
/// symbol and time. Operators are those of PostgreSQL, whatever the search path says.
const EXECUTIONS: &str = "
    SELECT e.symbol, e.price, e.quantity, e.account_id, e.fee
    FROM exchange.trades AS t
    JOIN exchange.executions AS e
        ON e.symbol OPERATOR(pg_catalog.=) t.symbol
        AND e.executed_at OPERATOR(pg_catalog.=) t.executed_at
        AND e.trade_id OPERATOR(pg_catalog.=) t.trade_id
    WHERE t.trade_id OPERATOR(pg_catalog.=) $1
    ORDER BY e.side";

/// `exchange.bust_trade`
pub fn bust_trade(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let trade_id: i64 = required(call.argument(0), "trade_id");
    let trade = find(&call, desk.venue(), trade_id);
    let unknown = || format!("There is no trade {trade_id}, or it is cancelled already.");
    let Some(trade) = trade else { raise_refusal(Refusal::UnknownTrade, unknown()) };
    let answer = desk.submit(&Command::BustTrade(trade), AnswerWhen::Projected);
    match answer.result {
        Ok(_) => Datum::from(answer.time_us),
        Err(Refusal::AccountStatus) => raise_refusal(
            Refusal::AccountStatus,
            format!("The accounts of trade {trade_id} are {} and {}.", trade.buyer, trade.seller),
        ),
        Err(refusal) => raise_refusal(refusal, unknown()),
    }
}

/// The trade as the tables have it, once they show all that was answered so far.
fn find(call: &Call, venue: Venue, trade_id: i64) -> Option<BustedTrade> {
    let shared = venue.shared;
    venue.wait_for(&shared.control.projected, shared.control.matched.get());
    as_owner(call, || {
        Spi::connect(|client| {
            let rows = client.select(EXECUTIONS, None, &[DatumWithOid::from(trade_id)])?;
            read(venue, trade_id, rows)
        })
    })
    .unwrap_or_else(|error| pgrx::error!("the executions of a trade cannot be read: {error}"))
}

fn read(venue: Venue, trade_id: i64, rows: SpiTupleTable<'_>) -> SpiResult<Option<BustedTrade>> {
    let mut trade: Option<BustedTrade> = None;
    for row in rows {
        let datum = |column: usize| -> SpiResult<Datum> {
            let value = row.get_datum_by_ordinal(column)?.value::<pgrx::AnyElement>()?;
            Ok(value.expect("the column is NOT NULL").datum())
        };
        // SAFETY: the columns are a text, a numeric, a bigint, an integer and a numeric.
        let (symbol, price, quantity, account, fee) = unsafe {
            (
                <&str>::from_datum(datum(1)?),
                Numeric::from_datum(datum(2)?),
                i64::from_datum(datum(3)?),
                i32::from_datum(datum(4)?) as u32,
                Numeric::from_datum(datum(5)?),
            )
        };
        let fee = fee.scaled(matcher::MONEY_SCALE).expect("a fee is money");
        let Some(trade) = &mut trade else {
            let (id, instrument) = instruments::by_symbol(&venue.shared.directory, symbol);
            let price_ticks = price::to_ticks(&instrument, price).expect("a price is on the tick");
            trade = Some(BustedTrade {
                trade_id: trade_id as u64,
                instrument: id,
                price_ticks: price_ticks as i64,
                quantity,
                buyer: account,
                seller: 0,
                buyer_fee: fee,
                seller_fee: 0,
            });
            continue;
        };
        (trade.seller, trade.seller_fee) = (account, fee);
    }
    Ok(trade.filter(|trade| trade.seller != 0))
}

/// Runs a query as the owner of the called function, who may read all tables, on what is
/// committed now: the call may have waited since its own snapshot was taken.
fn as_owner<T>(call: &Call, query: impl FnOnce() -> T) -> T {
    let mut user = pg_sys::InvalidOid;
    let mut context = 0;
    // SAFETY: in a transaction. Where the query raises an error, the end of the transaction
    // restores the user and pops the snapshot.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        pg_sys::SetUserIdAndSecContext(
            owner(call.function()),
            context
                | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32
                | pg_sys::SECURITY_RESTRICTED_OPERATION as i32,
        );
        pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
        let result = query();
        pg_sys::PopActiveSnapshot();
        pg_sys::SetUserIdAndSecContext(user, context);
        result
    }
}

/// Who owns a function.
fn owner(function: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: the cache takes a function's OID; the tuple is released.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(function));
        assert!(!tuple.is_null(), "the running function exists");
        let owner = (*relation::fixed_columns::<pg_sys::FormData_pg_proc>(tuple)).proowner;
        pg_sys::ReleaseSysCache(tuple);
        owner
    }
}
