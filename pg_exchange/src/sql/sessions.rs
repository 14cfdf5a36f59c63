//! `cancel_on_disconnect`: orders that end with the session that placed them.

use std::cell::Cell;

use matcher::SessionId;
use pgrx::pg_sys::Datum;

use super::call::Call;
use super::submission::Desk;
use super::venue::Venue;
use crate::errors::required;
use crate::shared;

/// The session of this process in a venue, once it has one.
#[derive(Clone, Copy)]
struct Session {
    venue: Venue,
    id: SessionId,
    /// Whether orders are bound to it.
    binds: bool,
}

thread_local! {
    static SESSION: Cell<Option<Session>> = const { Cell::new(None) };
}

fn of(venue: Venue) -> Option<Session> {
    SESSION.get().filter(|session| session.venue == venue)
}

/// What the next orders are bound to; 0 for nothing.
#[inline]
pub fn current(venue: Venue) -> SessionId {
    of(venue).filter(|session| session.binds).map_or(0, |session| session.id)
}

/// `exchange.cancel_on_disconnect`
pub fn cancel_on_disconnect(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let venue = desk.venue();
    let binds: bool = required(call.argument(0), "enabled");
    let id = match of(venue) {
        Some(session) => Some(session.id),
        // Whoever does not bind anything needs no session.
        None => binds.then(|| venue.shared.sessions.open(shared::own_backend_number())),
    };
    SESSION.set(id.map(|id| Session { venue, id, binds }));
    call.null()
}
