//! Statistics, the workers, and waiting for a cursor.

use pgrx::pg_sys::{self, Datum, Oid};

use super::call::Call;
use super::functions::SIGNATURES;
use super::labels;
use super::venue::{self, Venue};
use crate::completeness::{self, Completeness};
use crate::datum::text;
use crate::errors::required;
use crate::extension;
use crate::shared::control::Role;
use crate::shared::recovery::Step;
use crate::shared::statistics::Quantiles;

fn double(value: f64) -> Option<Datum> {
    Some(Datum::from(value.to_bits()))
}

fn now_us() -> i64 {
    // SAFETY: reading the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// `exchange.statistics`
pub fn statistics(call: Call) -> Datum {
    let shared = venue::shared();
    let (control, statistics) = (shared.control, shared.statistics);
    let number = |value: u64| Some(Datum::from(value));
    let latency = |quantiles: Quantiles| {
        let some = quantiles.count > 0;
        let [p50, p99, p999] = quantiles.at;
        [number(quantiles.count)]
            .into_iter()
            .chain([p50, p99, p999, quantiles.max].map(|us| double(us).filter(|_| some)))
    };
    // Where no venue is served, that may be because this database has none that could be.
    let halted = control.halted().map(|(reason, _)| reason).or_else(|| {
        if control.venue().is_some() {
            return None;
        }
        let extension = extension::find()?;
        if !extension.is_served() {
            return Some(extension.mismatch());
        }
        (completeness::look()? == Completeness::Partial).then(|| completeness::PARTIAL.to_owned())
    });
    let (phase, trade_date) = control.market();
    let market = if halted.is_some() { "halted" } else { labels::MARKET_PHASES[phase as usize] };
    let next_step = shared.timetable.next_step();
    // Read from the back of the pipeline to its front, so that no lag is negative.
    let projected = control.projected.get();
    let published = control.published.get();
    let durable = control.durable.get();
    let matched = control.matched.get();
    let mut row = [None; 27];
    let columns = [
        Some(text(market)),
        halted.as_deref().map(text),
        number(matched),
        number(durable),
        number(published),
        number(projected),
        number(shared.ring.capacity()),
        number(matched.saturating_sub(durable)),
        number(shared.arrivals.len()),
        number(statistics.commands()),
        number(statistics.trades()),
        number(statistics.open_orders()),
        double(statistics.commands_per_second(now_us())),
    ]
    .into_iter()
    .chain(latency(statistics.matched.quantiles()))
    .chain(latency(statistics.durable.quantiles()))
    .chain([
        Some(Datum::from(statistics.reset_at_us())),
        (trade_date > 0).then(|| Datum::from(trade_date)),
        next_step.map(|(phase, _)| text(labels::MARKET_PHASES[phase as usize])),
        next_step.map(|(_, at_us)| Datum::from(at_us)),
    ]);
    for (place, column) in row.iter_mut().zip(columns) {
        *place = column;
    }
    call.rows().add_as_declared(row);
    call.null()
}

/// `exchange.reset_statistics`
pub fn reset_statistics(call: Call) -> Datum {
    venue::shared().statistics.reset(now_us());
    call.null()
}

/// `exchange.worker_states`
pub fn worker_states(call: Call) -> Datum {
    let shared = venue::shared();
    let mut rows = call.rows();
    for role in Role::ALL {
        let worker = shared.control.worker(role);
        let pid = worker.pid();
        rows.add_as_declared([
            Some(text(role.name())),
            (pid != 0).then(|| Datum::from(pid)),
            Some(text(worker.state().name())),
            (pid != 0).then(|| Datum::from(worker.started_at_us())),
            Some(Datum::from(worker.starts())),
        ]);
    }
    call.null()
}

/// `exchange.halt_hint`
pub fn halt_hint(call: Call) -> Datum {
    match venue::shared().control.halted() {
        Some((_, remedy)) => text(&remedy),
        None => call.null(),
    }
}

/// `exchange.restart_workers`
pub fn restart_workers(call: Call) -> Datum {
    Venue::restart(&call);
    call.null()
}

/// `exchange.recoveries`
pub fn recoveries(call: Call) -> Datum {
    let shared = venue::shared();
    let number = |value: u64| Some(Datum::from(value));
    let time = |time_us: i64| (time_us != 0).then(|| Datum::from(time_us));
    let mut rows = call.rows();
    for role in Role::ALL {
        let at = shared.recovery(role).progress();
        if at.step == Step::None {
            continue;
        }
        let is_loaded = at.step != Step::Loading;
        let until_us = if at.step == Step::Done { at.ended_at_us } else { now_us() };
        let seconds = (until_us - at.loaded_at_us) as f64 / 1e6;
        let replayed = at.sequence.saturating_sub(at.from);
        rows.add([
            Some(text(role.name())),
            Some(text(at.step.name())),
            number(at.open_orders),
            number(at.from).filter(|_| is_loaded),
            number(at.sequence).filter(|_| is_loaded),
            number(at.end).filter(|_| is_loaded),
            double(replayed as f64 / seconds).filter(|_| replayed > 0 && seconds > 0.0),
            time(at.began_at_us),
            time(at.loaded_at_us),
            time(at.ended_at_us),
        ]);
    }
    call.null()
}

/// `exchange.wait_for`
pub fn wait_for(call: Call) -> Datum {
    let label: Oid = required(call.argument(0), "reached");
    let venue = Venue::of(&call);
    let shared = venue.shared;
    let control = shared.control;
    let cursor = match labels::label_of(label).as_str() {
        "matched" => &control.matched,
        "durable" => &control.durable,
        "published" => &control.published,
        _ => &control.projected,
    };
    let target = match call.argument::<i64>(1) {
        Some(sequence) => u64::try_from(sequence).unwrap_or(0),
        None => control.matched.get(),
    };
    venue.wait_for(cursor, target);
    Datum::from(cursor.get())
}

/// `exchange.function_signatures`
pub fn function_signatures(call: Call) -> Datum {
    let mut rows = call.rows();
    for (symbol, signature) in SIGNATURES {
        rows.add([Some(text(symbol)), Some(text(signature))]);
    }
    call.null()
}
