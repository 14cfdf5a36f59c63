//! What the tests of the whole exchange have in common. Every test talks to a real cluster,
//! through SQL, as users do.
//!
//! * [`venues`]: clusters with an exchange in them, one a theme or one a test.
//! * [`session`]: a client, with answers as psql prints them and errors in all their parts.
//! * [`waiting`]: waiting for conditions, with a deadline.
//! * [`consistency`]: what the tables must say of each other.
//! * [`processes`]: stopping and killing server processes.
//! * [`random`]: seeds that are printed and can be given.
//! * [`traders`]: clients that trade at random and remember what they were told.
//! * [`audit`]: whether the tables are what the journal says, and what the traders were told.
//!
//! What goes wrong in here panics: it is the test that fails.

pub mod audit;
pub mod consistency;
pub mod content;
pub mod processes;
pub mod programs;
pub mod random;
pub mod session;
pub mod traders;
pub mod venues;
pub mod waiting;

pub use session::{Failure, Session, WITH_ITSELF};
pub use venues::{SharedVenue, Venue};
pub use waiting::wait_until;

/// A text, such as a plan, without the days in the names of partitions and of their indexes.
pub fn without_days(text: &str) -> String {
    const DAY: usize = "_20261125".len();
    let is_day = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next() == Some(b'_') && part.len() == DAY && bytes.all(|byte| byte.is_ascii_digit())
    };
    let mut without = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if rest.get(..DAY).is_some_and(is_day) {
            rest = &rest[DAY..];
        } else {
            without.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    without
}
