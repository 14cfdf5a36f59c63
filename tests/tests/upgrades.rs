//! Earlier versions of the extension, and the way from them to this one.

mod objects;

use tests::{Session, Venue, wait_until};
use venue::cluster::{DATABASE, SUPERUSER};

/// The versions that can be updated.
const EARLIER: [&str; 1] = ["0.1.0"];

/// This one.
const NEWEST: &str = env!("CARGO_PKG_VERSION");

fn create(session: &mut Session, version: &str) {
    session.run(&format!("CREATE EXTENSION pg_exchange VERSION '{version}'"));
}

fn version(session: &mut Session) -> String {
    session.one("SELECT extversion FROM pg_extension WHERE extname = 'pg_exchange'")
}

#[test]
fn an_updated_database_has_the_objects_of_a_new_one() {
    let venue = Venue::empty(&[]);
    let database = |name: &str, version: &str| {
        venue.cluster().create_database(name).expect("the database can be created");
        let mut session = venue.session_in(name, SUPERUSER);
        create(&mut session, version);
        session
    };
    let mut new = database("new", NEWEST);
    for earlier in EARLIER {
        let mut updated = database(&format!("updated from {earlier}"), earlier);
        let before = objects::of(&mut updated);
        updated.run("ALTER EXTENSION pg_exchange UPDATE");
        assert_eq!(version(&mut updated), NEWEST);
        let (expected, found) = (objects::of(&mut new), objects::of(&mut updated));
        let differences = objects::differences(&expected, &found);
        assert!(differences.is_empty(), "updated from {earlier}:\n{}", differences.join("\n"));
        // The comparison sees what an update changes.
        assert!(!objects::differences(&expected, &before).is_empty());
    }
}
