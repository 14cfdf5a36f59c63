//! What the venue archives, its subscribers keep.

use tests::Venue;
use venue::cluster::{DATABASE, SUPERUSER};

use super::subscriber::Subscriber;

#[test]
fn a_reporting_database_keeps_what_the_venue_archives() {
    let venue = Venue::start(&[
        ("exchange.simulated_clock", "on"),
        ("exchange.time_zone", "America/New_York"),
    ]);
    let symbol = venue.instrument();
    let mut publisher = venue.superuser();
    let folder = format!("{}/archive", venue.cluster().data_directory().display());
    publisher.run(&format!(
        "SET timezone = 'America/New_York';
         SELECT exchange.close_market();
         SELECT exchange.create_publications();
         COPY (SELECT 1) TO PROGRAM 'mkdir -p \"{folder}\"'"
    ));
    let reports = Subscriber::reports(&venue.cluster().connection(DATABASE, SUPERUSER));
    reports.wait_until_copied(&[]);
    for date in ["2026-11-23", "2026-11-24"] {
        for statement in [
            format!("SELECT exchange.advance_clock('{date} 10:00')"),
            "SELECT exchange.open_market()".to_owned(),
            format!(
                "SELECT exchange.place_order('{symbol}', 'buy', 10, 5, self_trade_prevention => 'allow');
                 SELECT exchange.place_order('{symbol}', 'sell', 10, 5, self_trade_prevention => 'allow')"
            ),
            format!("SELECT exchange.advance_clock('{date} 16:00')"),
            "SELECT exchange.close_market()".to_owned(),
            format!("SELECT exchange.advance_clock('{date} 16:05')"),
            format!("SELECT * FROM exchange.close_day('{date}')"),
            "SELECT exchange.settle_obligations('2027-01-01')".to_owned(),
        ] {
            publisher.run(&statement);
        }
    }
    let gains = "SELECT * FROM exchange.tax_report(2026)";
    let gained = publisher.rows(gains);
    let all = |table: &str| format!("SELECT * FROM exchange.{table}");
    let before = ["trades", "executions", "finished_orders"]
        .map(|table| (table, publisher.rows(&all(table))));

    // A subscriber that is away is waited for, and then the day stays.
    reports.cluster().stop(venue::cluster::StopMode::Fast).expect("the subscriber stops");
    publisher.run("SET lock_timeout = '1s'");
    let call = format!("SELECT * FROM exchange.archive_day('2026-11-23', '{folder}')");
    let failure = publisher.failure(&call);
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("55000", "a subscriber has not confirmed the day")
    );
    assert!(failure.detail.contains("exchange_reports"), "{failure:?}");
    assert_eq!(publisher.rows(&all("trades")).len(), 2);
    reports.cluster().start().expect("the subscriber starts");
    reports.wait_until_caught_up(&venue, &[]);

    publisher.run("RESET lock_timeout");
    publisher.run(&call);
    assert_eq!(publisher.rows(&all("trades")).len(), 1);
    publisher.run(&format!(
        "SELECT exchange.open_market(); SELECT exchange.place_order('{symbol}', 'buy', 9, 5)"
    ));
    reports.wait_until_caught_up(&venue, &[]);
    let mut session = reports.session();
    session.run("SET timezone = 'America/New_York'");
    for (table, rows) in before {
        let mut kept = session.rows(&all(table));
        kept.sort();
        let mut rows = rows;
        rows.sort();
        assert_eq!(kept, rows, "{table}");
    }
    // It answers what the venue does not any more.
    let question = "SELECT count(*) FROM exchange.trade_history('2026-11-23', '2026-11-24')";
    assert_eq!(session.number(question), 4);
    assert_eq!(publisher.failure(question).code, "55000");
    assert_eq!(session.rows(gains), gained);
    assert_eq!(publisher.failure(gains).code, "55000");
}
