//! The synthetic day and the replay on a real exchange. The extension must be installed.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postgres::Client;
use venue::cluster::{Cluster, DATABASE, SUPERUSER};
use venue::connection::Connection;
use venue::day::{self, Options, Outcome};
use venue::migrate;
use venue::replay::{self, Replay};

/// A private venue, as the demo makes one.
struct Venue(Cluster);

impl Venue {
    fn new() -> Self {
        let venue = Self::empty();
        migrate::run_on_morning(&venue.connection(), &migrate::project_migrations(), DATE).unwrap();
        venue
    }

    /// Without the extension.
    fn empty() -> Self {
        let settings = [("shared_buffers", "32MB"), ("exchange.calendar", "off")];
        let cluster = Cluster::temporary(&settings).unwrap();
        cluster.start().unwrap();
        cluster.create_database(DATABASE).unwrap();
        Self(cluster)
    }

    fn connection(&self) -> Connection {
        self.0.connection(DATABASE, SUPERUSER)
    }

    fn client(&self) -> Client {
        self.0.connect(DATABASE, SUPERUSER).unwrap()
    }

    fn trade(&self, stop: &AtomicBool) -> Outcome {
        let date = DATE.map(str::to_owned);
        let options = Options { date, commands: 3_000, seed: 7, quiet: true };
        day::trade(&self.connection(), &options, stop).unwrap()
    }
}

const DATE: Option<&str> = Some("2026-11-20");

fn one<T: for<'a> postgres::types::FromSql<'a>>(client: &mut Client, query: &str) -> T {
    client.query_one(query, &[]).unwrap().get(0)
}

/// All that the tables say, as one hash.
fn tables(client: &mut Client) -> String {
    one(
        client,
        "SELECT md5(concat(
            (SELECT string_agg(o::text, ';' ORDER BY order_id) FROM exchange.orders AS o),
            (SELECT string_agg(e::text, ';' ORDER BY trade_id, order_id) FROM exchange.executions AS e),
            (SELECT string_agg(t::text, ';' ORDER BY trade_id) FROM exchange.trades AS t),
            (SELECT string_agg(c::text, ';' ORDER BY symbol, resolution, opened_at)
             FROM exchange.candles AS c),
            (SELECT string_agg(c::text, ';' ORDER BY account_id) FROM exchange.cash AS c),
            (SELECT string_agg(p::text, ';' ORDER BY account_id, symbol)
             FROM exchange.positions AS p)))",
    )
}

#[test]
fn the_same_seed_gives_the_same_tables_and_a_day_is_traded_once() {
    let (one_venue, other) = (Venue::new(), Venue::new());
    let never = AtomicBool::new(false);
    for venue in [&one_venue, &other] {
        let outcome = venue.trade(&never);
        assert!(
            matches!(outcome, Outcome::Traded(totals) if totals.marketable > 50),
            "{outcome:?}"
        );
    }
    let before = tables(&mut one_venue.client());
    assert_eq!(before, tables(&mut other.client()));

    assert!(matches!(other.trade(&never), Outcome::Over(day) if Some(&*day.date) == DATE));
    let mut client = other.client();
    assert_eq!(before, tables(&mut client));
    assert_eq!(one::<String>(&mut client, "SHOW exchange.simulated_clock"), "off");
    let in_session: bool = one(
        &mut client,
        "SELECT min(created_at) = pre_open_at AND max(updated_at) <= close_at
         FROM exchange.orders, exchange.trading_day_times('2026-11-20', '2026-11-20')
         GROUP BY pre_open_at, close_at",
    );
    assert!(in_session);
    // Nobody was short of money or shares.
    assert_eq!(
        one::<i64>(
            &mut client,
            "SELECT count(*) FROM exchange.orders
             WHERE status = 'rejected' AND reject_reason <> 'post_only_would_cross'",
        ),
        0
    );
    // It opened and closed with an auction, and its day orders are over.
    let auctions: String = one(
        &mut client,
        "SELECT string_agg(time, ' ' ORDER BY time)
         FROM (SELECT DISTINCT to_char(executed_at AT TIME ZONE 'America/New_York', 'HH24:MI')
               FROM exchange.trades WHERE in_auction) AS auctions (time)",
    );
    assert_eq!(auctions, "09:30 16:00");
    let day_orders: (i64, i64) = {
        let row = client.query_one(
            "SELECT count(*) FILTER (WHERE status = 'expired'),
                    count(*) FILTER (WHERE status IN ('open', 'partially_filled'))
             FROM exchange.orders WHERE time_in_force = 'DAY'",
            &[],
        );
        let row = row.unwrap();
        (row.get(0), row.get(1))
    };
    assert!(day_orders.0 > 0 && day_orders.1 == 0, "{day_orders:?}");
    // Whoever comes now can trade, and all money and shares are there.
    assert_eq!(
        one::<String>(&mut client, "SELECT market FROM exchange.pg_stat_exchange"),
        "continuous"
    );
    assert_eq!(
        one::<i64>(&mut client, "SELECT count(*) FROM exchange.conservation WHERE difference <> 0"),
        0
    );
}

#[test]
fn an_interrupted_day_goes_on_where_it_stopped() {
    let venue = Venue::new();
    let stop = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let trading = scope.spawn(|| venue.trade(&stop));
        let mut client = venue.client();
        while one::<i64>(&mut client, "SELECT count(*) FROM exchange.trades") == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
        trading.join().unwrap()
    });
    let mut client = venue.client();
    let open: i64 = one(&mut client, "SELECT count(*) FROM exchange.open_orders");
    assert!(open > 0);
    match outcome {
        Outcome::Interrupted(..) => {
            assert_eq!(one::<String>(&mut client, "SHOW exchange.simulated_clock"), "on");
            stop.store(false, Ordering::Relaxed);
            assert!(matches!(venue.trade(&stop), Outcome::Traded(_)));
        }
        // It was faster than we were.
        outcome => assert!(matches!(outcome, Outcome::Traded(_))),
    }
    assert_eq!(one::<String>(&mut client, "SHOW exchange.simulated_clock"), "off");
}

#[test]
fn a_day_that_is_not_in_the_calendar_is_traded_without_auctions() {
    let venue = Venue::empty();
    let sunday = "2026-11-22";
    let migrations = migrate::project_migrations();
    migrate::run_on_morning(&venue.connection(), &migrations, Some(sunday)).unwrap();
    let date = Some(sunday.to_owned());
    let options = Options { date, commands: 3_000, seed: 7, quiet: true };
    let outcome = day::trade(&venue.connection(), &options, &AtomicBool::new(false)).unwrap();
    assert!(matches!(outcome, Outcome::Traded(totals) if totals.marketable > 50), "{outcome:?}");
    let mut client = venue.client();
    let auctions = "SELECT count(*) FROM exchange.trades WHERE in_auction";
    assert_eq!(one::<i64>(&mut client, auctions), 0);
}

#[test]
fn a_second_run_completes_migrations_that_failed() {
    let venue = Venue::empty();
    // The same migrations, but that the third fails at its end.
    let folder = venue.0.data_directory().with_file_name("broken");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(migrate::project_migrations()).unwrap() {
        let entry = entry.unwrap();
        // Those of reporting databases are not the venue's.
        if entry.file_type().unwrap().is_dir() {
            continue;
        }
        let mut text = fs::read_to_string(entry.path()).unwrap();
        if entry.file_name().to_str().unwrap().starts_with("0003") {
            text.push_str("SELECT 1 / 0;\n");
        }
        fs::write(folder.join(entry.file_name()), text).unwrap();
    }
    let failure = migrate::run(&venue.connection(), &folder).unwrap_err();
    assert!(format!("{failure:#}").contains("division by zero"), "{failure:#}");

    // Listing an instrument is not undone by the ROLLBACK of a migration.
    let mut client = venue.client();
    let listed = "SELECT count(*) FROM exchange.instruments";
    assert_eq!(one::<i64>(&mut client, listed), 100);
    migrate::run(&venue.connection(), &migrate::project_migrations()).unwrap();
    migrate::run(&venue.connection(), &migrate::project_migrations()).unwrap();
    assert_eq!(one::<i64>(&mut client, listed), 100);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM exchange.accounts"), 41);
    // Nothing was done twice either.
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM exchange.transfers"), 41 * 101);
    let schedules = "SELECT count(*) FROM exchange.fee_schedules";
    assert_eq!(one::<i64>(&mut client, schedules), 1);
    let not_ready = "SELECT count(*) FROM exchange.accounts
                     WHERE status <> 'verified' OR fee_schedule_id IS NULL";
    assert_eq!(one::<i64>(&mut client, not_ready), 0);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM pg_publication"), 3);
}

const STREAM: &str = "seq,op,id,side,price,qty,row,expect
0,add,a,S,1000100,5,,
1,add,b,S,1000100,5,0,
2,take,,B,1000200,7,1,a:1000100:5;b:1000100:2
3,add,c,B,999900,4,2,
4,reduce,c,B,999900,1,3,
5,nop,,,,,3,
6,cancel,b,S,1000100,3,4,
7,take,,S,999900,9,5,c:999900:3
";

const BOOKS: &str = "1000100,10,-9999999999,0
1000100,3,-9999999999,0
1000100,3,999900,4
1000100,3,999900,3
9999999999,0,999900,3
9999999999,0,-9999999999,0
";

#[test]
fn a_replay_finds_what_is_wrong_first() {
    let venue = Venue::new();
    let mut client = venue.client();
    day::open_market(&mut client).unwrap();
    let mut replay = |symbol: &str, stream: &str, books: &str| {
        let (stream, books) =
            (replay::parse_stream(stream).unwrap(), replay::parse_books(books).unwrap());
        client.execute("SELECT exchange.create_instrument($1, 0.01)", &[&symbol]).unwrap();
        let replay = Replay {
            symbol,
            maker_account: replay::open_account(&mut client, symbol).unwrap(),
            taker_account: replay::open_account(&mut client, symbol).unwrap(),
            stream: &stream,
            books: Some(&books),
        };
        replay::run(&mut client, &replay).unwrap()
    };
    let report = replay("RIGHT", STREAM, BOOKS);
    assert_eq!(report.difference, None);
    assert_eq!((report.events, report.commands, report.fills), (8, 7, 3));
    assert_eq!((report.books, report.orders), (7, 5));

    let first =
        |report: replay::Report| report.difference.map(|found| (found.sequence, found.what));
    let wrong_book = BOOKS.replace("1000100,3,999900,3", "1000100,3,999900,2");
    let found = first(replay("BOOK", STREAM, &wrong_book)).unwrap();
    assert_eq!(found, (4, "level 1 of the book (row 3 of its file)".to_owned()));
    // The fills are wrong at event 2, before the book is.
    let wrong_fill = STREAM.replace("a:1000100:5;b:1000100:2", "b:1000100:5;a:1000100:2");
    let found = first(replay("FILL", &wrong_fill, &wrong_book)).unwrap();
    assert_eq!(found, (2, "the executions".to_owned()));
    let too_much = STREAM.replace("4,reduce,c,B,999900,1,3,", "4,cancel,c,B,999900,4,3,");
    let found = first(replay("CANCEL", &too_much, BOOKS)).unwrap();
    assert_eq!(found, (4, "level 1 of the book (row 3 of its file)".to_owned()));
}
