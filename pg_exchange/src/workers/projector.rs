//! The projector: brings the tables up to what is durable, many commands a transaction.

use std::time::Instant;

use pgrx::pg_sys;

use super::projection::Projection;
use super::recovery::{self, Bounds};
use super::{Post, one_moment, transaction};
use crate::settings;
use crate::shared::control::WorkerState;
use crate::shared::directory::AccountEntry;

/// Commands of one transaction, at most.
const LIMIT: usize = 50_000;

/// The work of the projector.
pub fn run(post: Post) -> ! {
    post.wait_for_venue();
    commit_without_waiting();
    let control = post.shared.control;
    let bounds = Bounds::of_settings();
    let Some(tables) = one_moment(|| recovery::load(bounds)) else { post.close_venue() };
    let tables = post.or_halt(tables);
    let owners = tables.owners.clone();
    let mut projection = Projection::new(tables, bounds);
    show_directory(post, &projection, &owners);
    control.projected.set(projection.follower.sequence());
    post.shared.directory.set_complete();
    post.set_state(WorkerState::Running);
    let mut last_commit = Instant::now();
    loop {
        post.check();
        let (durable, projected) = (control.durable.get(), projection.follower.sequence());
        if durable == projected {
            if !transaction(|| post.is_venue_there()) {
                post.close_venue();
            }
            post.sleep(|| control.durable.get() > projected);
            continue;
        }
        // Let changes gather, so that an order that comes and goes is one row; but not
        // while somebody waits for them.
        let rest = settings::projection_interval().saturating_sub(last_commit.elapsed());
        if !rest.is_zero()
            && !control.projected.is_awaited()
            && control.durable.get() - projected < LIMIT as u64
        {
            post.nap(rest, || control.projected.is_awaited());
            continue;
        }
        last_commit = Instant::now();
        let batches = post.or_halt(projection.follower.read(post.shared, durable, LIMIT));
        for batch in &batches {
            post.or_halt(projection.collect(batch));
        }
        let Some(owners) = transaction(|| projection.write()) else { post.close_venue() };
        show_directory(post, &projection, &owners);
        control.projected.advance(projection.follower.sequence());
    }
}

/// The tables can be made again from the journal, so their commits need not wait for the
/// disk.
fn commit_without_waiting() {
    // SAFETY: a setting of this process, by C strings.
    unsafe {
        pg_sys::SetConfigOption(
            c"synchronous_commit".as_ptr(),
            c"off".as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// Lets backends see instruments and accounts that are in the tables now. `owners` are
/// the roles of the last accounts.
fn show_directory(post: Post, projection: &Projection, owners: &[pg_sys::Oid]) {
    let (directory, engine) = (&post.shared.directory, &projection.follower.engine);
    for instrument in &engine.instruments()[directory.instrument_count() as usize..] {
        directory.add_instrument(*instrument);
    }
    let accounts = engine.accounts();
    let first_owner = accounts.len() - owners.len();
    for id in directory.account_count() as usize..accounts.len() {
        directory.add_account(AccountEntry {
            participant: accounts[id],
            owner: owners[id - first_owner],
        });
    }
}
