//! What the tables must say of each other, whatever the journal says.

use crate::Session;

/// Waits until the tables show everything, and panics where they contradict each other.
#[track_caller]
pub fn assert_consistent(session: &mut Session) {
    session.wait_for_books();
    session.wait_for_tables();
    let found = contradictions(session);
    assert!(found.is_empty(), "the tables contradict each other:\n{}", found.join("\n"));
}

/// Every rule that is broken, with some of the rows that break it.
pub fn contradictions(session: &mut Session) -> Vec<String> {
    auditor::rules::violations(session.client()).expect("the tables can be read")
}
