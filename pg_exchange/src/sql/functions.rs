//! The functions that SQL can call: the C symbol, the types of the arguments as SQL
//! declares them, and what runs.
//!
//! `#[pg_extern]` would convert every argument and result by itself; order entry is too
//! fast for that, and the SQL declarations are written by hand anyway. A test compares
//! [`SIGNATURES`] with the catalog.

use pgrx::pg_sys::{self, Datum, Pg_finfo_record};

use super::call::Call;
use super::{market_data, monitoring, order_entry, reference_data};

static API_VERSION_1: Pg_finfo_record = Pg_finfo_record { api_version: 1 };

macro_rules! sql_functions {
    ($($symbol:ident, $info:ident, $signature:literal => $function:path;)*) => {
        /// The C symbol and the argument types of every function.
        pub const SIGNATURES: &[(&str, &str)] = &[$((stringify!($symbol), $signature)),*];

        $(
            #[doc(hidden)]
            #[unsafe(no_mangle)]
            pub extern "C" fn $info() -> &'static Pg_finfo_record {
                &API_VERSION_1
            }

            #[doc(hidden)]
            #[unsafe(no_mangle)]
            #[pgrx::pg_guard]
            pub unsafe extern "C-unwind" fn $symbol(fcinfo: pg_sys::FunctionCallInfo) -> Datum {
                // SAFETY: Postgres calls a V1 function with the info of the call.
                $function(unsafe { Call::new(fcinfo) })
            }
        )*
    };
}

sql_functions! {
    create_instrument_wrapper, pg_finfo_create_instrument_wrapper,
        "text, numeric, bigint, numeric" => reference_data::create_instrument;
    open_account_wrapper, pg_finfo_open_account_wrapper,
        "name" => reference_data::open_account;
    open_market_wrapper, pg_finfo_open_market_wrapper,
        "" => reference_data::open_market;
    close_market_wrapper, pg_finfo_close_market_wrapper,
        "" => reference_data::close_market;
    advance_clock_wrapper, pg_finfo_advance_clock_wrapper,
        "timestamp with time zone" => reference_data::advance_clock;
    place_order_wrapper, pg_finfo_place_order_wrapper,
        "text, exchange.side, numeric, bigint, exchange.time_in_force, integer"
        => order_entry::place_order;
    place_orders_wrapper, pg_finfo_place_orders_wrapper,
        "text[], exchange.side[], numeric[], bigint[], exchange.time_in_force[], integer[]"
        => order_entry::place_orders;
    cancel_order_wrapper, pg_finfo_cancel_order_wrapper,
        "bigint" => order_entry::cancel_order;
    cancel_orders_wrapper, pg_finfo_cancel_orders_wrapper,
        "bigint[]" => order_entry::cancel_orders;
    reduce_order_wrapper, pg_finfo_reduce_order_wrapper,
        "bigint, bigint" => order_entry::reduce_order;
    wait_for_wrapper, pg_finfo_wait_for_wrapper,
        "exchange.cursor, bigint" => monitoring::wait_for;
    order_book_wrapper, pg_finfo_order_book_wrapper,
        "text, integer" => market_data::order_book;
    quotes_wrapper, pg_finfo_quotes_wrapper,
        "" => market_data::quotes;
    statistics_wrapper, pg_finfo_statistics_wrapper,
        "" => monitoring::statistics;
    reset_statistics_wrapper, pg_finfo_reset_statistics_wrapper,
        "" => monitoring::reset_statistics;
    worker_states_wrapper, pg_finfo_worker_states_wrapper,
        "" => monitoring::worker_states;
    function_signatures_wrapper, pg_finfo_function_signatures_wrapper,
        "" => monitoring::function_signatures;
}
