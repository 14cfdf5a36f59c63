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
        let cluster = Cluster::temporary(&[("shared_buffers", "32MB")]).unwrap();
        cluster.start().unwrap();
        cluster.create_database(DATABASE).unwrap();
        let venue = Self(cluster);
        migrate::run_on_morning(&venue.connection(), &migrate::project_migrations(), DATE).unwrap();
        venue
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
             FROM exchange.candles AS c)))",
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
        "SELECT min(created_at) >= '2026-11-20 09:30 America/New_York'
            AND max(updated_at) < '2026-11-20 16:00 America/New_York' FROM exchange.orders",
    );
    assert!(in_session);
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
    assert_eq!(one::<String>(&mut client, "SHOW exchange.simulated_clock"), "off");
    let open: i64 = one(&mut client, "SELECT count(*) FROM exchange.open_orders");
    assert!(open > 0);
    match outcome {
        Outcome::Interrupted(..) => {
            stop.store(false, Ordering::Relaxed);
            assert!(matches!(venue.trade(&stop), Outcome::Traded(_)));
        }
        // It was faster than we were.
        outcome => assert!(matches!(outcome, Outcome::Traded(_))),
    }
}

#[test]
fn a_second_run_completes_migrations_that_failed() {
    let cluster = Cluster::temporary(&[("shared_buffers", "32MB")]).unwrap();
    cluster.start().unwrap();
    cluster.create_database(DATABASE).unwrap();
    let venue = Venue(cluster);
    // The same migrations, but that the third fails at its end.
    let folder = venue.0.data_directory().with_file_name("broken");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(migrate::project_migrations()).unwrap() {
        let entry = entry.unwrap();
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
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM pg_publication"), 1);
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
        let replay = Replay {
            symbol,
            maker_account: 1,
            taker_account: 2,
            stream: &stream,
            books: Some(&books),
        };
        replay::run(&mut client, &replay).unwrap()
    };
    let report = replay("AAPL", STREAM, BOOKS);
    assert_eq!(report.difference, None);
    assert_eq!((report.events, report.commands, report.fills), (8, 7, 3));
    assert_eq!((report.books, report.orders), (7, 5));

    let first =
        |report: replay::Report| report.difference.map(|found| (found.sequence, found.what));
    let wrong_book = BOOKS.replace("1000100,3,999900,3", "1000100,3,999900,2");
    let found = first(replay("NVDA", STREAM, &wrong_book)).unwrap();
    assert_eq!(found, (4, "level 1 of the book (row 3 of its file)".to_owned()));
    // The fills are wrong at event 2, before the book is.
    let wrong_fill = STREAM.replace("a:1000100:5;b:1000100:2", "b:1000100:5;a:1000100:2");
    let found = first(replay("TSLA", &wrong_fill, &wrong_book)).unwrap();
    assert_eq!(found, (2, "the executions".to_owned()));
    let too_much = STREAM.replace("4,reduce,c,B,999900,1,3,", "4,cancel,c,B,999900,4,3,");
    let found = first(replay("MSFT", &too_much, BOOKS)).unwrap();
    assert_eq!(found, (4, "level 1 of the book (row 3 of its file)".to_owned()));
}
