//! The projector: brings the tables up to what is durable, many commands a transaction.

use std::time::Instant;

use pgrx::pg_sys;

use super::directory::{self, Roles};
use super::progress::Progress;
use super::projection::Projection;
use super::recovery::{self, Bounds};
use super::{Post, one_moment, transaction};
use crate::settings;
use crate::shared::control::WorkerState;

/// Commands of one transaction, at most.
const LIMIT: usize = 50_000;

/// The work of the projector.
pub fn run(post: Post) -> ! {
    post.wait_for_venue();
    post.wait_for_matcher();
    commit_without_waiting();
    let control = post.shared.control;
    let bounds = Bounds::of_settings();
    let mut progress = Progress::begin(post);
    let tables = one_moment(|| recovery::load(bounds, &mut progress));
    let Some(tables) = tables else { post.close_venue() };
    let tables = post.or_halt(tables);
    let mut projection = Projection::new(tables, bounds);
    let roles = transaction(|| Roles::look_up(post, &projection.follower.engine));
    show_directory(post, &mut projection, roles);
    control.projected.set(projection.follower.sequence());
    post.shared.directory.set_complete();
    progress.replay(projection.follower.sequence(), projection.follower.sequence());
    progress.end();
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
        for batch in batches {
            post.or_halt(batch.and_then(|batch| projection.collect(&batch)));
        }
        let written = transaction(|| {
            projection.write().map(|()| Roles::look_up(post, &projection.follower.engine))
        });
        let Some(roles) = written else { post.close_venue() };
        show_directory(post, &mut projection, roles);
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

/// Lets backends see what is in the tables now, by these roles.
fn show_directory(post: Post, projection: &mut Projection, roles: Roles) {
    let Projection { follower, state, .. } = projection;
    directory::show(post, &follower.engine, state.limited.drain(..), roles);
}
