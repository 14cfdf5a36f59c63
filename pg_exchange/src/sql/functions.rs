//! The functions that SQL can call: the C symbol, the types of the arguments as SQL
//! declares them, and what runs.
//!
//! `#[pg_extern]` would convert every argument and result by itself; order entry is too
//! fast for that, and the SQL declarations are written by hand anyway. A test compares
//! [`SIGNATURES`] with the catalog.

use pgrx::pg_sys::{self, Datum, Pg_finfo_record};

use super::call::Call;
use super::{
    accounts, archive, fees, journal, limits, market_data, mass_cancel, monitoring, order_book_at,
    order_entry, order_history, phases, public_events, reference_data, replay_check, replay_marks,
    schedule, sessions, trade_bust,
};

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
        "text, numeric, bigint, numeric, text" => reference_data::create_instrument;
    set_price_rules_wrapper, pg_finfo_set_price_rules_wrapper,
        "text, numeric, numeric, interval, numeric" => reference_data::set_price_rules;
    set_reference_price_wrapper, pg_finfo_set_reference_price_wrapper,
        "text, numeric" => reference_data::set_reference_price;
    open_market_wrapper, pg_finfo_open_market_wrapper,
        "" => phases::open_market;
    close_market_wrapper, pg_finfo_close_market_wrapper,
        "" => phases::close_market;
    halt_instrument_wrapper, pg_finfo_halt_instrument_wrapper,
        "text" => phases::halt_instrument;
    resume_instrument_wrapper, pg_finfo_resume_instrument_wrapper,
        "text" => phases::resume_instrument;
    advance_clock_wrapper, pg_finfo_advance_clock_wrapper,
        "timestamp with time zone" => phases::advance_clock;
    bust_trade_wrapper, pg_finfo_bust_trade_wrapper,
        "bigint" => trade_bust::bust_trade;
    register_participant_wrapper, pg_finfo_register_participant_wrapper,
        "name" => accounts::register_participant;
    open_account_wrapper, pg_finfo_open_account_wrapper,
        "name" => accounts::open_account;
    verify_account_wrapper, pg_finfo_verify_account_wrapper,
        "integer" => accounts::verify_account;
    suspend_account_wrapper, pg_finfo_suspend_account_wrapper,
        "integer" => accounts::suspend_account;
    close_account_wrapper, pg_finfo_close_account_wrapper,
        "integer" => accounts::close_account;
    deposit_wrapper, pg_finfo_deposit_wrapper,
        "integer, text, numeric" => accounts::deposit;
    withdraw_wrapper, pg_finfo_withdraw_wrapper,
        "integer, text, numeric" => accounts::withdraw;
    deposit_shares_wrapper, pg_finfo_deposit_shares_wrapper,
        "integer, text, bigint" => accounts::deposit_shares;
    withdraw_shares_wrapper, pg_finfo_withdraw_shares_wrapper,
        "integer, text, bigint" => accounts::withdraw_shares;
    create_fee_schedule_wrapper, pg_finfo_create_fee_schedule_wrapper,
        "text, numeric, numeric, numeric" => fees::create_fee_schedule;
    set_fee_schedule_wrapper, pg_finfo_set_fee_schedule_wrapper,
        "integer, text" => fees::set_fee_schedule;
    set_rate_limit_wrapper, pg_finfo_set_rate_limit_wrapper,
        "name, integer, integer" => limits::set_rate_limit;
    set_credit_limit_wrapper, pg_finfo_set_credit_limit_wrapper,
        "integer, text, numeric" => limits::set_credit_limit;
    set_short_limit_wrapper, pg_finfo_set_short_limit_wrapper,
        "integer, text, bigint" => limits::set_short_limit;
    set_risk_limits_wrapper, pg_finfo_set_risk_limits_wrapper,
        "integer, text, bigint, numeric, bigint, bigint, numeric, numeric, integer"
        => limits::set_risk_limits;
    place_order_wrapper, pg_finfo_place_order_wrapper,
        "text, exchange.side, numeric, bigint, exchange.time_in_force, integer, text, \
         exchange.order_type, numeric, numeric, exchange.post_only, boolean, bigint, \
         bigint, boolean, exchange.peg, exchange.stop_trigger, timestamp with time zone, \
         bigint, exchange.self_trade_prevention"
        => order_entry::place_order;
    place_orders_wrapper, pg_finfo_place_orders_wrapper,
        "text[], exchange.side[], numeric[], bigint[], exchange.time_in_force[], \
         integer[], text[]"
        => order_entry::place_orders;
    cancel_order_wrapper, pg_finfo_cancel_order_wrapper,
        "bigint" => order_entry::cancel_order;
    cancel_orders_wrapper, pg_finfo_cancel_orders_wrapper,
        "bigint[]" => order_entry::cancel_orders;
    cancel_client_order_wrapper, pg_finfo_cancel_client_order_wrapper,
        "text, integer" => order_entry::cancel_client_order;
    reduce_order_wrapper, pg_finfo_reduce_order_wrapper,
        "bigint, bigint" => order_entry::reduce_order;
    replace_order_wrapper, pg_finfo_replace_order_wrapper,
        "bigint, numeric, bigint" => order_entry::replace_order;
    mass_cancel_wrapper, pg_finfo_mass_cancel_wrapper,
        "integer, text, exchange.side" => mass_cancel::mass_cancel;
    kill_switch_wrapper, pg_finfo_kill_switch_wrapper,
        "integer" => mass_cancel::kill_switch;
    release_kill_switch_wrapper, pg_finfo_release_kill_switch_wrapper,
        "integer" => mass_cancel::release_kill_switch;
    cancel_on_disconnect_wrapper, pg_finfo_cancel_on_disconnect_wrapper,
        "boolean" => sessions::cancel_on_disconnect;
    wait_for_wrapper, pg_finfo_wait_for_wrapper,
        "exchange.cursor, bigint" => monitoring::wait_for;
    order_book_wrapper, pg_finfo_order_book_wrapper,
        "text, integer" => market_data::order_book;
    quotes_wrapper, pg_finfo_quotes_wrapper,
        "" => market_data::quotes;
    events_after_wrapper, pg_finfo_events_after_wrapper,
        "bigint, text, integer" => public_events::events_after;
    quote_history_wrapper, pg_finfo_quote_history_wrapper,
        "text, timestamp with time zone, timestamp with time zone" => public_events::quote_history;
    depth_history_wrapper, pg_finfo_depth_history_wrapper,
        "text, timestamp with time zone, timestamp with time zone, interval, integer"
        => public_events::depth_history;
    order_book_at_time_wrapper, pg_finfo_order_book_at_time_wrapper,
        "text, timestamp with time zone, integer" => order_book_at::order_book_at_time;
    order_book_at_sequence_wrapper, pg_finfo_order_book_at_sequence_wrapper,
        "text, bigint, integer" => order_book_at::order_book_at_sequence;
    order_history_wrapper, pg_finfo_order_history_wrapper,
        "bigint" => order_history::order_history;
    keep_mark_wrapper, pg_finfo_keep_mark_wrapper,
        "bigint" => replay_marks::keep_mark;
    replay_check_wrapper, pg_finfo_replay_check_wrapper,
        "bigint, bigint" => replay_check::replay_check;
    decode_journal_wrapper, pg_finfo_decode_journal_wrapper,
        "bytea, bigint, bigint" => journal::decode_journal;
    journal_commands_wrapper, pg_finfo_journal_commands_wrapper,
        "bigint, bigint, bigint" => journal::journal_commands;
    compress_file_wrapper, pg_finfo_compress_file_wrapper,
        "text" => archive::compress_file;
    checksum_wrapper, pg_finfo_checksum_wrapper,
        "bytea" => journal::checksum;
    reload_calendar_wrapper, pg_finfo_reload_calendar_wrapper,
        "" => schedule::reload_calendar;
    statistics_wrapper, pg_finfo_statistics_wrapper,
        "" => monitoring::statistics;
    reset_statistics_wrapper, pg_finfo_reset_statistics_wrapper,
        "" => monitoring::reset_statistics;
    halt_hint_wrapper, pg_finfo_halt_hint_wrapper,
        "" => monitoring::halt_hint;
    restart_workers_wrapper, pg_finfo_restart_workers_wrapper,
        "" => monitoring::restart_workers;
    recoveries_wrapper, pg_finfo_recoveries_wrapper,
        "" => monitoring::recoveries;
    worker_states_wrapper, pg_finfo_worker_states_wrapper,
        "" => monitoring::worker_states;
    function_signatures_wrapper, pg_finfo_function_signatures_wrapper,
        "" => monitoring::function_signatures;
}
