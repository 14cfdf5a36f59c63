//! What leaves the venue by logical replication.

mod archive;
mod catalog;
mod drop_copies;
mod journal;
mod network;
mod programs;
mod reporting;
mod slots;
mod subscriber;

use tests::Venue;
use venue::cluster::{DATABASE, SUPERUSER};
use venue::migrate;

/// A venue as the migrations make it, its market closed.
pub fn migrated_venue() -> Venue {
    migrated_venue_with(&[], None)
}

/// The same with settings, and on the morning of a day.
fn migrated_venue_with(settings: &[(&str, &str)], date: Option<&str>) -> Venue {
    let venue = Venue::empty(settings);
    venue.cluster().create_database(DATABASE).expect("the database can be created");
    let connection = venue.cluster().connection(DATABASE, SUPERUSER);
    let folder = migrate::project_migrations();
    match date {
        Some(_) => migrate::run_on_morning(&connection, &folder, date),
        None => migrate::run(&connection, &folder),
    }
    .expect("the migrations run");
    venue.wait_until_running();
    venue
}
