//! Telling listeners that there is something new of an instrument: `NOTIFY "exchange.AAPL"`.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};

use feed::{Change, Event};
use matcher::{Instrument, InstrumentId, Sequence};
use pgrx::pg_sys;

use crate::settings;

// Not in the bindings of pgrx.
unsafe extern "C-unwind" {
    fn Async_Notify(channel: *const c_char, payload: *const c_char);
}

/// How full the queue of notifications may be, as a part of it, before no more are added to it: a
/// listener that never reads must not stop the projector, whose commit would fail at a full queue.
const FULL: f64 = 0.5;

/// Notifies those who listen.
#[derive(Default)]
pub struct Notifications {
    was_full: bool,
}

impl Notifications {
    /// Tells of these events, with the commit of this transaction: once an instrument, with the
    /// last command that changed something.
    pub fn send(&mut self, events: &[Event], instruments: &[Instrument]) {
        if !settings::notify() {
            return;
        }
        let changed: BTreeMap<InstrumentId, Sequence> = events
            .iter()
            .filter(|event| is_worth_a_wake_up(&event.change))
            .map(|event| (event.instrument, event.sequence))
            .collect();
        if changed.is_empty() || self.is_full() {
            return;
        }
        for (id, sequence) in changed {
            let symbol = instruments[id as usize - 1].symbol;
            let channel = CString::new(format!("exchange.{symbol}"));
            let payload = CString::new(sequence.to_string());
            if let (Ok(channel), Ok(payload)) = (channel, payload) {
                // SAFETY: in a transaction; both are copied. An error passes through as any other.
                unsafe {
                    pg_sys::ffi::pg_guard_ffi_boundary(|| {
                        Async_Notify(channel.as_ptr(), payload.as_ptr());
                    });
                }
            }
        }
    }

    fn is_full(&mut self) -> bool {
        // SAFETY: the function of this SQL signature, without arguments.
        let usage =
            unsafe { pgrx::direct_function_call::<f64>(pg_sys::pg_notification_queue_usage, &[]) };
        let is_full = usage.is_some_and(|usage| usage > FULL);
        if is_full && !self.was_full {
            pgrx::warning!(
                "exchange projector: listeners are not notified any more: the queue of notifications is half full, because a session that listens is in a transaction for too long"
            );
        }
        self.was_full = is_full;
        is_full
    }
}

/// Trades, phases and best quotes are; deeper levels change too often.
fn is_worth_a_wake_up(change: &Change) -> bool {
    match change {
        Change::Trade { .. }
        | Change::Busted { .. }
        | Change::Uncrossed { .. }
        | Change::InstrumentPhase { .. }
        | Change::Listed { .. }
        | Change::BestQuote { .. } => true,
        Change::MarketPhase { .. } | Change::Refresh | Change::Level { .. } => false,
    }
}
