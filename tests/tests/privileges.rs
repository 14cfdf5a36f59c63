//! Who may do what: what is granted, what row-level security lets through, and what hostile
//! objects in a search path come to.

use std::collections::BTreeSet;

use tests::{Failure, Session, SharedVenue, Venue};

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.get()
}

/// The roles that privileges are granted to, beside everybody.
const GROUPS: [&str; 4] =
    ["exchange_admin", "exchange_analyst", "exchange_reporter", "exchange_trader"];

/// A role that is a member of no group, and so has what everybody has.
const VISITOR: &str = "visitor";

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circle {
    /// Every role of the cluster.
    Everybody,
    /// Who trades, who watches, and who runs the venue.
    TradersAndWatchers,
    /// Who enters orders, and who runs the venue.
    Traders,
    /// Who watches, and who runs the venue.
    Watchers,
    /// Who makes reports and replicas, and who runs the venue.
    Reporters,
    /// Who runs the venue.
    Admins,
}

impl Circle {
    /// Whether it includes a group, or the visitor.
    fn includes(self, role: &str) -> bool {
        let groups: &[&str] = match self {
            Self::Everybody => return true,
            Self::TradersAndWatchers => &GROUPS,
            Self::Traders => &["exchange_trader", "exchange_admin"],
            Self::Watchers => &["exchange_analyst", "exchange_reporter", "exchange_admin"],
            Self::Reporters => &["exchange_reporter", "exchange_admin"],
            Self::Admins => &["exchange_admin"],
        };
        groups.contains(&role)
    }
}

/// Every function, and who may call it.
const FUNCTIONS: &[(&str, Circle)] = &[
    ("book_snapshot", Circle::Everybody),
    ("candle_start", Circle::Everybody),
    ("candles_for", Circle::Everybody),
    ("day_statistics_for", Circle::Everybody),
    ("days", Circle::Everybody),
    ("busts_are_kept", Circle::Everybody),
    ("is_kept", Circle::Everybody),
    ("events_are_kept", Circle::Everybody),
    ("commands_are_kept", Circle::Everybody),
    ("executions_are_kept", Circle::Everybody),
    ("midnight", Circle::Everybody),
    ("period", Circle::Everybody),
    ("settlement_date", Circle::Everybody),
    ("trade_summary", Circle::Everybody),
    ("account_activity", Circle::TradersAndWatchers),
    ("account_movements", Circle::TradersAndWatchers),
    ("account_statement", Circle::TradersAndWatchers),
    ("effective_spreads", Circle::TradersAndWatchers),
    ("execution_quality", Circle::TradersAndWatchers),
    ("movements_between", Circle::TradersAndWatchers),
    ("net_obligations", Circle::TradersAndWatchers),
    ("order_to_trade_ratios", Circle::TradersAndWatchers),
    ("orders_and_executions", Circle::TradersAndWatchers),
    ("realised_gains", Circle::TradersAndWatchers),
    ("tax_lots", Circle::TradersAndWatchers),
    ("tax_report", Circle::TradersAndWatchers),
    ("trade_history", Circle::TradersAndWatchers),
    ("large_positions", Circle::Watchers),
    ("layering_candidates", Circle::Watchers),
    ("wash_trade_candidates", Circle::Watchers),
    ("audit_trail", Circle::Reporters),
    ("audit_trails", Circle::Reporters),
    ("check_day", Circle::Reporters),
    ("archive_refusal", Circle::Reporters),
    ("day_bounds", Circle::Reporters),
    ("day_partitions", Circle::Reporters),
    ("check_journal", Circle::Reporters),
    ("check_period", Circle::Reporters),
    ("day_reports", Circle::Reporters),
    ("export_day", Circle::Reporters),
    ("last_sequence_before", Circle::Reporters),
    ("close_day", Circle::Admins),
    ("fail_obligation", Circle::Admins),
    ("settle_obligations", Circle::Admins),
    ("checksum", Circle::Everybody),
    ("depth_history", Circle::Everybody),
    ("events_after", Circle::Everybody),
    ("order_book", Circle::Everybody),
    ("order_book_at", Circle::Everybody),
    ("order_book_l3", Circle::Everybody),
    ("quote_history", Circle::Everybody),
    ("quotes", Circle::Everybody),
    ("statistics", Circle::Everybody),
    ("trading_day_times", Circle::Everybody),
    ("wait_for", Circle::Everybody),
    ("worker_states", Circle::Everybody),
    ("recoveries", Circle::Everybody),
    ("halt_hint", Circle::Everybody),
    ("acknowledge", Circle::TradersAndWatchers),
    ("busts_since", Circle::TradersAndWatchers),
    ("create_consumer", Circle::TradersAndWatchers),
    ("drop_consumer", Circle::TradersAndWatchers),
    ("executions_after", Circle::TradersAndWatchers),
    ("fetch_events", Circle::TradersAndWatchers),
    ("find_consumer", Circle::TradersAndWatchers),
    ("leave_consumer", Circle::TradersAndWatchers),
    ("order_history", Circle::TradersAndWatchers),
    ("cancel_client_order", Circle::Traders),
    ("cancel_on_disconnect", Circle::Traders),
    ("cancel_order", Circle::Traders),
    ("cancel_orders", Circle::Traders),
    ("kill_switch", Circle::Traders),
    ("mass_cancel", Circle::Traders),
    ("place_order", Circle::Traders),
    ("place_orders", Circle::Traders),
    ("reduce_order", Circle::Traders),
    ("replace_order", Circle::Traders),
    ("decode_journal", Circle::Reporters),
    ("journal_commands", Circle::Reporters),
    ("replay_check", Circle::Reporters),
    ("add_day", Circle::Admins),
    ("archive_day", Circle::Admins),
    ("compress_file", Circle::Admins),
    ("advance_clock", Circle::Admins),
    ("bust_trade", Circle::Admins),
    ("close_account", Circle::Admins),
    ("close_market", Circle::Admins),
    ("create_drop_copy", Circle::Admins),
    ("create_fee_schedule", Circle::Admins),
    ("create_instrument", Circle::Admins),
    ("create_publications", Circle::Admins),
    ("deposit", Circle::Admins),
    ("deposit_shares", Circle::Admins),
    ("drop_copy_publication", Circle::Admins),
    ("function_signatures", Circle::Admins),
    ("halt_instrument", Circle::Admins),
    ("keep_mark", Circle::Admins),
    ("mark_complete", Circle::Admins),
    ("open_account", Circle::Admins),
    ("open_market", Circle::Admins),
    ("register_participant", Circle::Admins),
    ("release_kill_switch", Circle::Admins),
    ("reload_calendar", Circle::Admins),
    ("remove_drop_copy", Circle::Admins),
    ("replace_calendar_exception", Circle::Admins),
    ("replace_trading_hours", Circle::Admins),
    ("reset_statistics", Circle::Admins),
    ("restart_workers", Circle::Admins),
    ("resume_instrument", Circle::Admins),
    ("set_credit_limit", Circle::Admins),
    ("set_fee_schedule", Circle::Admins),
    ("set_price_rules", Circle::Admins),
    ("set_rate_limit", Circle::Admins),
    ("set_reference_price", Circle::Admins),
    ("set_risk_limits", Circle::Admins),
    ("set_short_limit", Circle::Admins),
    ("suspend_account", Circle::Admins),
    ("verify_account", Circle::Admins),
    ("withdraw", Circle::Admins),
    ("withdraw_shares", Circle::Admins),
];

/// Every table and view, and who may read it.
const RELATIONS: &[(&str, Circle)] = &[
    ("archived_days", Circle::Everybody),
    ("archived_files", Circle::Reporters),
    ("archived_last_trades", Circle::Reporters),
    ("closed_days", Circle::Everybody),
    ("end_of_day_prices", Circle::Everybody),
    ("end_of_day_statements", Circle::TradersAndWatchers),
    ("settlement_changes", Circle::TradersAndWatchers),
    ("settlement_obligations", Circle::TradersAndWatchers),
    ("complete_since", Circle::Reporters),
    ("end_of_day_checks", Circle::Watchers),
    ("auctions", Circle::Everybody),
    ("best_quotes", Circle::Everybody),
    ("busted_trades", Circle::Everybody),
    ("calendar_exceptions", Circle::Everybody),
    ("candles", Circle::Everybody),
    ("day_statistics", Circle::Everybody),
    ("instrument_states", Circle::Everybody),
    ("instruments", Circle::Everybody),
    ("order_books", Circle::Everybody),
    ("order_books_l3", Circle::Everybody),
    ("market_data", Circle::Everybody),
    ("pg_stat_exchange", Circle::Everybody),
    ("replication_slots", Circle::Everybody),
    ("status", Circle::Everybody),
    ("trades", Circle::Everybody),
    ("trading_days", Circle::Everybody),
    ("trading_hours", Circle::Everybody),
    ("workers", Circle::Everybody),
    ("recovery", Circle::Everybody),
    ("accounts", Circle::TradersAndWatchers),
    ("balances", Circle::TradersAndWatchers),
    ("cash", Circle::TradersAndWatchers),
    ("client_orders", Circle::TradersAndWatchers),
    ("consumer_members", Circle::TradersAndWatchers),
    ("consumer_partitions", Circle::TradersAndWatchers),
    ("consumer_sessions", Circle::TradersAndWatchers),
    ("consumer_settings", Circle::TradersAndWatchers),
    ("consumers", Circle::TradersAndWatchers),
    ("executions", Circle::TradersAndWatchers),
    ("fee_schedules", Circle::TradersAndWatchers),
    ("finished_orders", Circle::TradersAndWatchers),
    ("holdings", Circle::TradersAndWatchers),
    ("open_orders", Circle::TradersAndWatchers),
    ("orders", Circle::TradersAndWatchers),
    ("participants", Circle::TradersAndWatchers),
    ("positions", Circle::TradersAndWatchers),
    ("risk_limits", Circle::TradersAndWatchers),
    ("transfers", Circle::TradersAndWatchers),
    ("conservation", Circle::Watchers),
    ("currencies", Circle::Watchers),
    ("drop_copies", Circle::Reporters),
    ("engine_state", Circle::Reporters),
    ("journal", Circle::Reporters),
    ("replay_mark_parts", Circle::Reporters),
    ("replay_marks", Circle::Reporters),
];

/// The tables that are edited by hand, by admins alone. Nobody may empty them with TRUNCATE.
const EDITED: [&str; 2] = ["calendar_exceptions", "trading_hours"];

/// The tables that the functions of consumers write as their callers, each its own rows.
const OF_CONSUMERS: [&str; 3] = ["consumer_partitions", "consumer_sessions", "consumer_settings"];

/// Whether a role may use a privilege on a table or view.
fn is_granted(role: &str, relation: &str, readers: Circle, privilege: &str) -> bool {
    match privilege {
        "SELECT" => readers.includes(role),
        "INSERT" | "UPDATE" | "DELETE" => {
            EDITED.contains(&relation) && Circle::Admins.includes(role)
                || OF_CONSUMERS.contains(&relation) && readers.includes(role)
        }
        _ => false,
    }
}

/// Compares the names of a list of this file with those of the catalog.
#[track_caller]
fn assert_complete(listed: &[(&str, Circle)], session: &mut Session, catalog: &str) {
    let there = session.rows(catalog);
    let listed: Vec<String> = listed.iter().map(|(name, _)| (*name).to_owned()).collect();
    let as_set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    let (expected, found) = (as_set(&listed), as_set(&there));
    let missing: Vec<_> = found.difference(&expected).collect();
    let gone: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "say in this file who may use {missing:?}");
    assert!(gone.is_empty(), "these are no more: {gone:?}");
    assert_eq!(there.len(), listed.len(), "a name is there twice: {there:?}");
}

const ALL_FUNCTIONS: &str =
    "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'exchange'::regnamespace";
/// Partitions of days are looked at by themselves: see [`partitions_of_days_are_granted_to_nobody`].
const ALL_RELATIONS: &str = "SELECT relname FROM pg_class
     WHERE relnamespace = 'exchange'::regnamespace AND relkind NOT IN ('i', 'I', 'c', 't')
       AND NOT (relispartition AND relname ~ '_[0-9]{8}$')";

#[test]
fn the_catalog_grants_what_is_written_here() {
    let mut superuser = venue().superuser();
    assert_complete(FUNCTIONS, &mut superuser, ALL_FUNCTIONS);
    assert_complete(RELATIONS, &mut superuser, ALL_RELATIONS);
    let mut wrong = Vec::new();
    let mut compare = |what: String, expected: bool, sql: String| {
        if superuser.is_true(&sql) != expected {
            wrong.push(format!("{what} should be {expected}"));
        }
    };
    for role in GROUPS.into_iter().chain(["public"]) {
        for (name, callers) in FUNCTIONS {
            compare(
                format!("EXECUTE of {name} for {role}"),
                callers.includes(role),
                format!(
                    "SELECT DISTINCT has_function_privilege('{role}', oid, 'EXECUTE') FROM pg_proc
                     WHERE pronamespace = 'exchange'::regnamespace AND proname = '{name}'"
                ),
            );
        }
        for (name, readers) in RELATIONS {
            for privilege in
                ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]
            {
                compare(
                    format!("{privilege} on {name} for {role}"),
                    is_granted(role, name, *readers, privilege),
                    format!(
                        "SELECT has_table_privilege('{role}', 'exchange.{name}', '{privilege}')"
                    ),
                );
            }
        }
        compare(
            format!("CREATE in the schema for {role}"),
            false,
            format!("SELECT has_schema_privilege('{role}', 'exchange', 'CREATE')"),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let to_others = superuser.rows(
        "SELECT objid::regclass, a.grantee::regrole FROM (
             SELECT oid AS objid, relacl AS acl, relowner AS owner FROM pg_class
             WHERE relnamespace = 'exchange'::regnamespace
             UNION ALL
             SELECT attrelid, attacl, 0 FROM pg_attribute
             WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'exchange'::regnamespace)
         ) AS objects CROSS JOIN LATERAL aclexplode(acl) AS a
         WHERE a.grantee NOT IN (0, owner) AND a.grantee::regrole::text NOT LIKE 'exchange%'",
    );
    assert!(to_others.is_empty(), "{to_others:?}");
    let grants_of_columns = superuser.rows(
        "SELECT attrelid::regclass, attname FROM pg_attribute AS a
         WHERE attacl IS NOT NULL AND attrelid IN
             (SELECT oid FROM pg_class WHERE relnamespace = 'exchange'::regnamespace)",
    );
    assert!(grants_of_columns.is_empty(), "{grants_of_columns:?}");
    let attributes = superuser.rows(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'exchange\\_%'
           AND NOT (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication
                    OR rolbypassrls)
           AND shobj_description(oid, 'pg_authid') <> ''
         ORDER BY 1",
    );
    assert_eq!(attributes, GROUPS);
}

/// Whether the server refused the use of this very object.
fn is_refused(failure: &Failure, kind: &str, name: &str) -> bool {
    failure.code == "42501" && failure.message == format!("permission denied for {kind} {name}")
}

/// What is not as written here, when a session of a role tries everything.
fn try_everything(session: &mut Session, role: &str, calls: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut attempt = |what: &str, sql: &str, kinds: [&str; 2], name: &str, expected: bool| {
        session.run("BEGIN");
        let answer = session.try_rows(sql);
        session.run("ROLLBACK");
        let is_allowed = match &answer {
            Ok(_) => true,
            Err(failure) => !kinds.iter().any(|kind| is_refused(failure, kind, name)),
        };
        // What is allowed may fail by its arguments, but not for want of another privilege.
        let is_half_allowed =
            is_allowed && answer.is_err_and(|failure| failure.message.starts_with("permission"));
        if is_allowed != expected || is_half_allowed {
            wrong.push(format!("{role}: {what} {name} should be {expected}: {sql}"));
        }
    };
    for call in calls {
        let (name, arguments) = call.split_once('|').expect("there are two columns");
        let (_, callers) = FUNCTIONS.iter().find(|(listed, _)| *listed == name).expect("listed");
        let sql = format!("SELECT exchange.{name}({arguments})");
        attempt("to call", &sql, ["function"; 2], name, callers.includes(role));
    }
    let is_view = |name: &str| {
        [
            "auctions",
            "balances",
            "best_quotes",
            "conservation",
            "consumer_members",
            "consumers",
            "complete_since",
            "day_statistics",
            "drop_copies",
            "holdings",
            "order_books",
            "order_books_l3",
            "pg_stat_exchange",
            "recovery",
            "replication_slots",
            "status",
            "workers",
        ]
        .contains(&name)
    };
    for (name, readers) in RELATIONS {
        let kinds =
            if *name == "complete_since" { ["materialized view"; 2] } else { ["table", "view"] };
        let sql = format!("SELECT * FROM exchange.{name}");
        attempt("to read", &sql, kinds, name, readers.includes(role));
        // PostgreSQL refuses these for views before it asks who wants to.
        if is_view(name) {
            continue;
        }
        for (privilege, sql) in [
            ("INSERT", format!("INSERT INTO exchange.{name} DEFAULT VALUES")),
            ("DELETE", format!("DELETE FROM exchange.{name}")),
            ("TRUNCATE", format!("TRUNCATE exchange.{name}")),
        ] {
            let expected = is_granted(role, name, *readers, privilege);
            attempt(privilege, &sql, kinds, name, expected);
        }
    }
    for (name, column) in [
        ("accounts", "owner"),
        ("cash", "balance"),
        ("engine_state", "sequence"),
        ("open_orders", "account_id"),
        ("trades", "price"),
        ("calendar_exceptions", "name"),
        ("consumer_partitions", "acknowledged"),
    ] {
        let sql = format!("UPDATE exchange.{name} SET {column} = {column}");
        let (_, readers) = RELATIONS.iter().find(|(listed, _)| *listed == name).expect("listed");
        let expected = is_granted(role, name, *readers, "UPDATE");
        attempt("UPDATE", &sql, ["table"; 2], name, expected);
    }
    wrong
}

#[test]
fn every_function_and_table_is_tried_as_every_role() {
    // What admins may call stops this venue, halts it and closes its accounts.
    let venue = Venue::start(&[]);
    venue.instrument();
    let mut superuser = venue.superuser();
    superuser.run(&format!("CREATE ROLE {VISITOR} LOGIN"));
    for group in GROUPS {
        superuser.run(&format!("CREATE ROLE member_of_{group} LOGIN IN ROLE {group}"));
    }
    // With NULL for everything: what is permitted fails by that, or has nothing to do.
    let calls = superuser.rows(
        "SELECT proname, (SELECT string_agg('NULL::' || format_type(a.type, NULL), ', ' ORDER BY a.place)
                          FROM unnest(proargtypes) WITH ORDINALITY AS a (type, place))
         FROM pg_proc WHERE pronamespace = 'exchange'::regnamespace ORDER BY proname",
    );
    let calls: Vec<String> = calls.iter().map(|call| call.replace("|-", "|")).collect();
    let mut wrong = try_everything(&mut venue.session(VISITOR), VISITOR, &calls);
    for group in GROUPS {
        let mut member = venue.session(&format!("member_of_{group}"));
        wrong.extend(try_everything(&mut member, group, &calls));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_public_names_no_owner() {
    let mut superuser = venue().superuser();
    let public: Vec<_> = RELATIONS
        .iter()
        .filter(|(_, readers)| *readers == Circle::Everybody)
        .map(|(name, _)| format!("'{name}'"))
        .collect();
    let telling =
        "('account_id', 'owner', 'role', 'participant_id', 'client_order_id', 'session_id')";
    let named = superuser.rows(&format!(
        "SELECT attrelid::regclass, attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid
         WHERE c.relnamespace = 'exchange'::regnamespace AND c.relname IN ({})
           AND attname IN {telling}",
        public.join(", "),
    ));
    assert!(named.is_empty(), "{named:?}");
    let named = superuser.rows(&format!(
        "SELECT p.oid::regprocedure, a.name FROM pg_proc AS p
         CROSS JOIN LATERAL unnest(proargnames, proargmodes) AS a (name, mode)
         WHERE pronamespace = 'exchange'::regnamespace AND a.mode IN ('o', 't')
           AND has_function_privilege('public', p.oid, 'EXECUTE') AND a.name IN {telling}"
    ));
    assert!(named.is_empty(), "{named:?}");

    let symbol = venue().instrument();
    let (broker, _) = venue().broker();
    let mut broker = venue().session(&broker);
    let order = broker.place(&format!("'{symbol}', 'buy', 1, 10, client_order_id => 'mine'"));
    broker.place(&format!("'{symbol}', 'sell', 1, 4"));
    broker.wait_for_tables();
    broker.wait_for_books();
    let visitor = venue().role();
    let mut visitor = venue().session(&visitor);
    for (query, expected) in [
        (
            format!(
                "SELECT price, quantity, taker_side FROM exchange.trades WHERE symbol = '{symbol}'"
            ),
            "1.00|4|sell".to_owned(),
        ),
        (
            format!(
                "SELECT side, price, queue_position, order_id, remaining_quantity FROM exchange.order_book_l3('{symbol}')"
            ),
            format!("buy|1.00|1|{order}|6"),
        ),
        (
            format!(
                "SELECT bid_orders, bid_quantity FROM exchange.order_book('{symbol}') WHERE level = 1"
            ),
            "1|6".to_owned(),
        ),
    ] {
        assert_eq!(visitor.one(&query), expected, "{query}");
    }
}

/// Two brokers who have something in every table.
struct Rivals {
    names: [String; 2],
    accounts: [i64; 2],
    sessions: [Session; 2],
    symbol: String,
    /// Of each, an open order, which has a client order id.
    orders: [i64; 2],
}

/// The client order id of the open orders of both.
const CLIENT_ORDER_ID: &str = "resting";

fn rivals() -> Rivals {
    let symbol = venue().instrument();
    let (first, first_account) = venue().broker();
    let (second, second_account) = venue().broker();
    let (names, accounts) = ([first, second], [first_account, second_account]);
    let mut sessions = [venue().session(&names[0]), venue().session(&names[1])];
    let mut superuser = venue().superuser();
    for account in accounts {
        superuser.run(&format!(
            "SELECT exchange.set_risk_limits({account}, NULL, order_quantity => 1000000);
             SELECT exchange.set_risk_limits({account}, '{symbol}', order_quantity => 1000000)"
        ));
    }
    superuser.run(&format!(
        "SELECT exchange.set_risk_limits(NULL, '{symbol}', order_quantity => 2000000)"
    ));
    sessions[0].place(&format!("'{symbol}', 'sell', 2, 5"));
    sessions[1].place(&format!("'{symbol}', 'buy', 2, 5"));
    let orders = [("buy", 1), ("sell", 3)].map(|(side, price)| {
        let session = &mut sessions[usize::from(side == "sell")];
        session.place(&format!(
            "'{symbol}', '{side}', {price}, 7, client_order_id => '{CLIENT_ORDER_ID}'"
        ))
    });
    superuser.wait_for_tables();
    // A date long ago, on which both owed each other something.
    superuser.run(&format!(
        "INSERT INTO exchange.closed_days
         VALUES ('2001-01-02', '2001-01-02', '2001-01-03', 1, 0, 0, 0, 0, now(), current_user)
         ON CONFLICT DO NOTHING;
         INSERT INTO exchange.end_of_day_statements
         SELECT '2001-01-02', account_id, 'instrument', '{symbol}', 1, 0, 0, 0, 0, 0, 0, 1
         FROM unnest(ARRAY{accounts:?}) AS account_id;
         INSERT INTO exchange.settlement_obligations
         SELECT '2001-01-02', account_id, '{symbol}', 'USD', '2001-01-03', 1, -1, 0, 'pending', now()
         FROM unnest(ARRAY{accounts:?}) AS account_id;
         SELECT exchange.fail_obligation('2001-01-02', account_id, '{symbol}', 'late')
         FROM unnest(ARRAY{accounts:?}::integer[]) AS account_id"
    ));
    Rivals { names, accounts, sessions, symbol, orders }
}

/// The tables and views with a row or more for each account.
fn of_accounts(superuser: &mut Session) -> Vec<String> {
    superuser.rows(
        "SELECT c.relname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'exchange'::regnamespace AND a.attname = 'account_id'
           AND c.relkind IN ('r', 'p', 'v')
           AND NOT (c.relispartition AND c.relname ~ '_[0-9]{8}$') ORDER BY 1",
    )
}

/// How many rows a table shows a session, and a digest of them.
fn content(session: &mut Session, relation: &str, condition: &str) -> String {
    session.one(&format!(
        "SELECT count(*), coalesce(sum(hashtext(r::text)::numeric), 0)
         FROM exchange.{relation} AS r WHERE {condition}"
    ))
}

#[test]
fn a_broker_sees_what_is_its_own_in_every_table() {
    let Rivals { names, accounts, mut sessions, symbol, .. } = rivals();
    let mut superuser = venue().superuser();
    let relations = of_accounts(&mut superuser);
    assert_eq!(relations.len(), 15, "{relations:?}");
    for ((session, account), name) in sessions.iter_mut().zip(accounts).zip(names) {
        for relation in &relations {
            let own = content(&mut superuser, relation, &format!("account_id = {account}"));
            assert!(!own.starts_with("0|"), "{relation} has nothing of account {account}");
            // Limits of account 0 are everybody's; other tests set such limits too.
            let own_alone = if relation == "risk_limits" { "account_id <> 0" } else { "true" };
            assert_eq!(content(session, relation, own_alone), own, "{relation}");
            let others = session.number(&format!(
                "SELECT count(*) FROM exchange.{relation} WHERE account_id NOT IN (0, {account})"
            ));
            assert_eq!(others, 0, "{relation}");
        }
        assert_eq!(session.one("SELECT owner FROM exchange.accounts"), name);
        assert_eq!(session.one("SELECT role FROM exchange.participants"), name);
        assert_eq!(
            session.one(&format!(
                "SELECT order_quantity FROM exchange.risk_limits WHERE account_id = 0 AND symbol = '{symbol}'"
            )),
            "2000000"
        );
        // What row-level security is asked about first, the reader does not choose.
        session.run(
            "CREATE FUNCTION pg_temp.leak(integer) RETURNS boolean LANGUAGE plpgsql COST 0.0001
             AS $$ BEGIN RAISE WARNING 'account %', $1; RETURN true; END $$",
        );
        session.take_notices();
        for relation in &relations {
            session.run(&format!("SELECT FROM exchange.{relation} WHERE pg_temp.leak(account_id)"));
        }
        let own = [format!("account {account}"), "account 0".to_owned()];
        let leaked: Vec<_> = session
            .take_notices()
            .into_iter()
            .filter(|heard| !own.contains(&heard.message))
            .collect();
        assert!(leaked.is_empty(), "{leaked:?}");
    }
}

#[test]
fn who_watches_sees_everything() {
    let Rivals { names, accounts: [first, second], .. } = rivals();
    let mut superuser = venue().superuser();
    let relations = of_accounts(&mut superuser);
    for group in ["exchange_admin", "exchange_analyst", "exchange_reporter"] {
        let role = venue().role();
        superuser.run(&format!("GRANT {group} TO {role}"));
        let mut watcher = venue().session(&role);
        let mut compare = |relation: &str, condition: &str| {
            let everything = content(&mut superuser, relation, condition);
            assert!(!everything.starts_with("0|"), "{relation} has nothing of them");
            assert_eq!(content(&mut watcher, relation, condition), everything, "{relation}");
        };
        for relation in &relations {
            compare(relation, &format!("account_id IN ({first}, {second})"));
        }
        compare("participants", &format!("role IN ('{}', '{}')", names[0], names[1]));
    }
}

#[test]
fn row_level_security_is_on_where_rows_are_of_accounts() {
    let open = venue().superuser().rows(
        "SELECT DISTINCT c.relname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'exchange'::regnamespace
           AND a.attname IN ('account_id', 'owner', 'role', 'participant_id')
           AND NOT (c.relispartition AND c.relname ~ '_[0-9]{8}$')
           AND (c.relkind IN ('r', 'p')
                AND NOT (c.relrowsecurity
                         AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'own_rows')
                         AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'all_rows'))
             OR c.relkind = 'v'
                AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false))",
    );
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn partitions_of_days_are_granted_to_nobody() {
    let mut superuser = venue().superuser();
    // As a venue may have set it for tables of its own.
    superuser.run(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA exchange GRANT SELECT ON TABLES TO PUBLIC;
         SELECT exchange.add_day('exchange.executions', '2031-01-01'),
                exchange.add_day('exchange.finished_orders', '2031-01-01');
         ALTER DEFAULT PRIVILEGES IN SCHEMA exchange REVOKE SELECT ON TABLES FROM PUBLIC",
    );
    let open = superuser.rows(
        "SELECT p.partition FROM exchange.day_partitions() AS p
         JOIN pg_class AS c ON c.oid = format('exchange.%I', p.partition)::regclass
         WHERE CASE WHEN p.table_name IN ('executions', 'finished_orders')
                    THEN NOT c.relrowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)
                    ELSE c.relacl IS NOT NULL END",
    );
    assert!(open.is_empty(), "{open:?}");
    let partitions = "SELECT count(*) > 5 FROM exchange.day_partitions()";
    assert!(superuser.is_true(partitions));
}

#[test]
fn a_broker_touches_what_is_its_own_alone() {
    let Rivals { names, accounts, mut sessions, symbol, orders } = rivals();
    let [victim_order, attacker_order] = orders;
    let [victim_account, attacker_account] = accounts;
    let attacker = &mut sessions[1];
    let mut superuser = venue().superuser();
    let of_victim = format!("account_id = {victim_account}");
    let mut state = || {
        superuser.wait_for_tables();
        ["accounts", "orders", "executions", "balances", "holdings"]
            .map(|relation| content(&mut superuser, relation, &of_victim))
    };
    let before = state();
    for (call, code) in [
        (format!("cancel_order({victim_order})"), "42501"),
        (format!("reduce_order({victim_order}, 1)"), "42501"),
        (format!("replace_order({victim_order}, 1.5)"), "42501"),
        (format!("replace_order({victim_order}, quantity => 1)"), "42501"),
        (format!("cancel_client_order('{CLIENT_ORDER_ID}', {victim_account})"), "42501"),
        (format!("mass_cancel({victim_account})"), "42501"),
        (format!("mass_cancel({victim_account}, '{symbol}', 'buy')"), "42501"),
        (format!("kill_switch({victim_account})"), "42501"),
        (format!("place_order('{symbol}', 'buy', 1, 1, account_id => {victim_account})"), "42501"),
        (
            format!(
                "place_order('{symbol}', 'buy', 1, 1, account_id => {victim_account},
                             client_order_id => '{CLIENT_ORDER_ID}')"
            ),
            "42501",
        ),
        (
            format!(
                "place_orders(ARRAY['{symbol}', '{symbol}'], ARRAY['buy', 'buy']::exchange.side[],
                              ARRAY[1, 1], ARRAY[1, 1],
                              account_ids => ARRAY[{attacker_account}, {victim_account}])"
            ),
            "42501",
        ),
        (format!("verify_account({victim_account})"), "42501"),
        (format!("withdraw({victim_account}, 'USD', 1)"), "42501"),
        (format!("release_kill_switch({attacker_account})"), "42501"),
        (format!("deposit({attacker_account}, 'USD', 1)"), "42501"),
    ] {
        let failure = attacker.failure(&format!("SELECT exchange.{call}"));
        assert_eq!(failure.code, code, "{call}\n{failure}");
        assert!(!failure.to_string().contains(&names[0]), "{call} tells the owner\n{failure}");
    }
    // One after the other, those of others are left out, and nothing is told of them.
    assert_eq!(
        attacker.one(&format!(
            "SELECT status, reject_reason, account_id, symbol, side, price, quantity, client_order_id
             FROM exchange.cancel_orders(ARRAY[{victim_order}])"
        )),
        "rejected|not_owner|-|-|-|-|-|-"
    );
    // An order is not tied to another's.
    let tied = attacker.try_rows(&format!(
        "SELECT status, reject_reason FROM exchange.place_order(
             '{symbol}', 'sell', 9, 1, one_cancels_other => {victim_order})"
    ));
    match tied {
        Ok(answer) => assert_eq!(answer, ["rejected|linked_order_not_open"]),
        Err(failure) => assert_eq!(failure.code, "42501", "{failure}"),
    }
    assert_eq!(state(), before);
    // Without an account, these mean one's own.
    assert_eq!(attacker.number("SELECT exchange.mass_cancel()"), 1);
    let again = attacker.place(&format!("'{symbol}', 'sell', 3, 7"));
    assert_eq!(attacker.number("SELECT exchange.kill_switch()"), 1);
    for order in [attacker_order, again] {
        attacker.wait_for_tables();
        let status = format!("SELECT status FROM exchange.orders WHERE order_id = {order}");
        assert_eq!(attacker.one(&status), "cancelled");
    }
    assert_eq!(state(), before);
    assert_eq!(sessions[0].number(&format!("SELECT exchange.mass_cancel({victim_account})")), 1);
}

#[test]
fn members_of_an_owner_act_for_it_as_far_as_they_inherit() {
    let symbol = venue().instrument();
    let (desk, account) = venue().broker();
    let mut superuser = venue().superuser();
    let [trader, guest] = [venue().role(), venue().role()];
    superuser.run(&format!("ALTER ROLE {guest} NOINHERIT; GRANT {desk} TO {trader}, {guest}"));
    let mut trader = venue().session(&trader);
    let order = trader.place(&format!("'{symbol}', 'buy', 1, 1, account_id => {account}"));
    trader.wait_for_tables();
    let own = "SELECT account_id, order_id FROM exchange.open_orders";
    let expected = format!("{account}|{order}");
    assert_eq!(trader.one(own), expected);
    let mut guest = venue().session(&guest);
    assert_eq!(guest.failure(own).code, "42501");
    let cancel = format!("SELECT status FROM exchange.cancel_order({order})");
    assert_eq!(guest.failure(&cancel).code, "42501");
    guest.run(&format!("SET ROLE {desk}"));
    assert_eq!(guest.one(own), expected);
    assert_eq!(guest.one(&cancel), "cancelled");
    // Nor does one inherit through a group that does not itself.
    let [club, clubman] = [venue().role(), venue().role()];
    superuser.run(&format!(
        "ALTER ROLE {club} NOINHERIT; GRANT {desk} TO {club}; GRANT {club}, exchange_trader TO {clubman}"
    ));
    let mut clubman = venue().session(&clubman);
    assert_eq!(clubman.rows("SELECT FROM exchange.orders"), [""; 0]);
    let place =
        format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1, account_id => {account})");
    assert_eq!(clubman.failure(&place).code, "42501");
    // Who may trade, and owns nothing, sees and moves nothing.
    let idle = venue().role();
    superuser.run(&format!("GRANT exchange_trader TO {idle}"));
    let mut idle = venue().session(&idle);
    for relation in of_accounts(&mut superuser) {
        let query = format!("SELECT count(*) FROM exchange.{relation} WHERE account_id <> 0");
        assert_eq!(idle.number(&query), 0, "{relation}");
    }
    assert_eq!(idle.failure("SELECT exchange.mass_cancel()").code, "42704");
    assert_eq!(idle.failure("SELECT exchange.kill_switch()").code, "42704");
}

/// Objects of the names that the extension's own code uses, each of which raises an error.
const TRAPS: &str = r#"
CREATE FUNCTION {schema}.trap() RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'hostile code ran as %', current_user; END $$;
DO $do$
DECLARE
    types CONSTANT text[] := ARRAY['text', 'name', 'integer', 'bigint', 'numeric', 'date', 'oid',
        'timestamptz', 'exchange.side', 'exchange.instrument_phase', 'double precision', 'time'];
    one text; other text; operator text;
BEGIN
    FOREACH one IN ARRAY types LOOP
        FOREACH other IN ARRAY types LOOP
            EXECUTE format('CREATE FUNCTION {schema}.compare(%s, %s) RETURNS boolean LANGUAGE sql
                            AS $$ SELECT {schema}.trap(); SELECT true $$', one, other);
            EXECUTE format('CREATE FUNCTION {schema}.compute(%1$s, %2$s) RETURNS %1$s LANGUAGE sql
                            AS $$ SELECT {schema}.trap(); SELECT $1 $$', one, other);
            FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>='] LOOP
                EXECUTE format('CREATE OPERATOR {schema}.%s (FUNCTION = {schema}.compare,
                                LEFTARG = %s, RIGHTARG = %s)', operator, one, other);
            END LOOP;
            FOREACH operator IN ARRAY ARRAY['+', '-', '*', '||'] LOOP
                EXECUTE format('CREATE OPERATOR {schema}.%s (FUNCTION = {schema}.compute,
                                LEFTARG = %s, RIGHTARG = %s)', operator, one, other);
            END LOOP;
        END LOOP;
        EXECUTE format('CREATE FUNCTION {schema}.negate(%1$s) RETURNS %1$s LANGUAGE sql
                        AS $$ SELECT {schema}.trap(); SELECT $1 $$', one);
        EXECUTE format('CREATE OPERATOR {schema}.- (FUNCTION = {schema}.negate, RIGHTARG = %s)', one);
        EXECUTE format('CREATE FUNCTION {schema}.format(text, %s) RETURNS text LANGUAGE sql
                        AS $$ SELECT {schema}.trap(); SELECT $1 $$', one);
    END LOOP;
END
$do$;
CREATE FUNCTION {schema}.current_setting(text) RETURNS text LANGUAGE sql
    AS $$ SELECT {schema}.trap(); SELECT 'UTC' $$;
CREATE FUNCTION {schema}.generate_series(integer, integer) RETURNS SETOF integer LANGUAGE sql
    AS $$ SELECT {schema}.trap(); SELECT 1 $$;
CREATE FUNCTION {schema}.pg_has_role(oid, text) RETURNS boolean LANGUAGE sql
    AS $$ SELECT {schema}.trap(); SELECT true $$;
CREATE FUNCTION {schema}.round(double precision) RETURNS double precision LANGUAGE sql
    AS $$ SELECT {schema}.trap(); SELECT $1 $$;
CREATE FUNCTION {schema}.trim_scale(numeric) RETURNS numeric LANGUAGE sql
    AS $$ SELECT {schema}.trap(); SELECT $1 $$;
CREATE VIEW {schema}.pg_roles AS SELECT oid, rolname FROM pg_catalog.pg_roles CROSS JOIN {schema}.trap();
"#;

/// Tables of the extension's names, and of the system's, that hold nothing of it.
const DECOYS: &str = "
CREATE {kind} TABLE {prefix}open_orders (order_id bigint, account_id integer, symbol text);
CREATE {kind} TABLE {prefix}orders (order_id bigint);
CREATE {kind} TABLE {prefix}accounts (account_id integer, owner text);
CREATE {kind} TABLE {prefix}executions (trade_id bigint);
CREATE {kind} TABLE {prefix}trades (trade_id bigint);
CREATE {kind} TABLE {prefix}trading_hours (pre_open text);
CREATE {kind} TABLE {prefix}pg_class (oid oid, relname text);
CREATE {kind} TABLE {prefix}pg_authid (oid oid, rolname text);";

/// Lets a role have a schema full of traps, and puts it first in the path of its session.
fn set_traps(session: &mut Session, role: &str) {
    let schema = format!("traps_of_{role}");
    venue().superuser().run(&format!("CREATE SCHEMA {schema} AUTHORIZATION {role}"));
    session.run(&TRAPS.replace("{schema}", &schema));
    session.run(&DECOYS.replace("{kind}", "").replace("{prefix}", &format!("{schema}.")));
    session.run(&DECOYS.replace("{kind}", "TEMPORARY").replace("{prefix}", ""));
    session.run(&format!("SET search_path = {schema}, pg_temp, pg_catalog, public"));
    // They are traps.
    for trapped in
        ["SELECT 1::bigint = 1::bigint", "SELECT FROM pg_roles", "SELECT round(1::float8)"]
    {
        let failure = session.failure(trapped);
        assert_eq!(failure.message, format!("hostile code ran as {role}"), "{trapped}");
    }
    assert_eq!(session.rows("SELECT FROM pg_class"), [""; 0]);
}

#[test]
fn hostile_objects_in_a_search_path_change_nothing() {
    let Rivals { names, accounts, mut sessions, symbol, .. } = rivals();
    let session = &mut sessions[0];
    let queries = [
        format!("SELECT * FROM exchange.order_book_l3('{symbol}')"),
        format!("SELECT * FROM exchange.order_book('{symbol}')"),
        "SELECT * FROM exchange.trading_day_times('2026-11-25', '2026-12-01')".to_owned(),
        "SELECT * FROM exchange.accounts".to_owned(),
        "SELECT * FROM exchange.participants".to_owned(),
        "SELECT * FROM exchange.orders ORDER BY order_id".to_owned(),
        "SELECT * FROM exchange.open_orders".to_owned(),
        "SELECT * FROM exchange.finished_orders".to_owned(),
        "SELECT * FROM exchange.executions".to_owned(),
        "SELECT * FROM exchange.balances".to_owned(),
        "SELECT * FROM exchange.holdings".to_owned(),
        "SELECT * FROM exchange.auctions".to_owned(),
    ];
    let before: Vec<_> = queries.iter().map(|query| session.rows(query)).collect();
    set_traps(session, &names[0]);
    for (query, expected) in queries.iter().zip(before) {
        let mut rows = session.rows(query);
        // Other tests list instruments, and every account has shares of them. No condition leaves
        // them out: its operator would be a trap.
        rows.retain(|row| !query.contains("holdings") || expected.contains(row));
        assert_eq!(rows, expected, "{query}");
    }
    session.run(
        "SELECT * FROM exchange.status; SELECT * FROM exchange.pg_stat_exchange;
                 SELECT * FROM exchange.best_quotes; SELECT * FROM exchange.workers",
    );
    let order = session.place(&format!("'{symbol}', 'buy', 1, 1"));
    session.run(&format!(
        "SELECT exchange.replace_order({order}, 1.5); SELECT exchange.cancel_order({order});
         SELECT exchange.mass_cancel({})",
        accounts[0]
    ));
    session.wait_for_tables();
    assert_eq!(session.rows("SELECT * FROM exchange.open_orders"), [""; 0]);
}

#[test]
fn hostile_objects_do_not_run_as_the_venue() {
    let Rivals { accounts, symbol, .. } = rivals();
    let role = venue().role();
    let mut superuser = venue().superuser();
    superuser.run(&format!("GRANT exchange_admin TO {role}"));
    let trade = superuser
        .number(&format!("SELECT trade_id FROM exchange.trades WHERE symbol = '{symbol}'"));
    let mut admin = venue().session(&role);
    set_traps(&mut admin, &role);
    // This one reads the tables as the owner of the extension.
    admin.run(&format!("SELECT exchange.bust_trade({trade})"));
    let busted =
        format!("SELECT busted_at IS NOT NULL FROM exchange.trades WHERE trade_id = {trade}");
    assert!(superuser.is_true(&busted));
    admin.run(&format!(
        "SELECT exchange.deposit({}, 'USD', 1);
         SELECT exchange.set_risk_limits(NULL, '{symbol}');
         SELECT exchange.open_account('{role}');
         SELECT * FROM exchange.conservation",
        accounts[0]
    ));
    // The triggers of the calendar: an INSERT replaces what is there.
    admin.run(
        "BEGIN; INSERT INTO exchange.trading_hours (open) VALUES ('09:00');
         INSERT INTO exchange.calendar_exceptions (trade_date, name) VALUES ('2026-12-25', 'Trap')",
    );
    admin.run("SET search_path = DEFAULT");
    assert_eq!(admin.one("SELECT open FROM exchange.trading_hours"), "09:00:00");
    assert_eq!(
        admin.one("SELECT name FROM exchange.calendar_exceptions WHERE trade_date = '2026-12-25'"),
        "Trap"
    );
    admin.run("ROLLBACK");
}

#[test]
fn an_account_belongs_to_the_name_of_a_role() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let (broker, account) = venue.broker();
    let place = format!("'{symbol}', 'buy', 1, 1");
    venue.session(&broker).place(&place);
    let mut superuser = venue.superuser();
    superuser.wait_for_tables();
    // The tables go by the name from the rename on, the engine from the next start on.
    superuser.run(&format!("ALTER ROLE {broker} RENAME TO renamed"));
    let mut renamed = venue.session("renamed");
    let own = "SELECT count(*) FROM exchange.accounts";
    assert_eq!(renamed.number(own), 0);
    renamed.place(&place);
    venue.restart();
    venue.wait_until_running();
    let mut renamed = venue.session("renamed");
    let failure = renamed.failure(&format!("SELECT exchange.place_order({place})"));
    assert_eq!(failure.code, "42704", "{failure}");
    let failure =
        renamed.failure(&format!("SELECT exchange.place_order({place}, account_id => {account})"));
    assert_eq!(failure.code, "42501", "{failure}");
    // Back under its old name it has everything again.
    let mut superuser = venue.superuser();
    superuser.run(&format!("ALTER ROLE renamed RENAME TO {broker}"));
    venue.restart();
    venue.wait_until_running();
    let mut broker = venue.session(&broker);
    assert_eq!(broker.number(own), 1);
    assert_eq!(broker.number("SELECT exchange.mass_cancel()"), 2);
}
