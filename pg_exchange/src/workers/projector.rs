//! The projector: brings the tables up to what is durable, many commands a transaction.

use std::ffi::CString;
use std::time::Instant;

use matcher::{AccountId, Engine, ParticipantId, RoleName, View};
use pgrx::pg_sys::{self, Oid};

use super::progress::Progress;
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
        for batch in &batches {
            post.or_halt(projection.collect(batch));
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

/// The roles of what the directory does not show yet; invalid where a role is gone.
struct Roles {
    participants: Vec<Oid>,
    owners: Vec<Oid>,
}

impl Roles {
    /// In a transaction.
    fn look_up(post: Post, engine: &Engine) -> Self {
        let directory = &post.shared.directory;
        let participants = engine.participants();
        let role_of = |id: ParticipantId| role_of(&participants[id as usize - 1].role);
        let new_participants = directory.participant_count() + 1..=participants.len() as u32;
        let new_accounts = directory.account_count() + 1..=engine.account_count();
        Self {
            participants: new_participants.map(role_of).collect(),
            owners: new_accounts.map(|id| role_of(owner_of(engine, id))).collect(),
        }
    }
}

/// The OID of a role; invalid if there is none (any more).
fn role_of(name: &RoleName) -> Oid {
    let name = CString::new(name.as_str()).expect("role names have no NUL");
    // SAFETY: a look-up by a C string, in a transaction.
    unsafe { pg_sys::get_role_oid(name.as_ptr(), true) }
}

fn owner_of(engine: &Engine, id: AccountId) -> ParticipantId {
    engine.account(id).expect("accounts are never removed").owner
}

/// Lets backends see what is in the tables now, by these roles.
fn show_directory(post: Post, projection: &mut Projection, roles: Roles) {
    let (directory, engine) = (&post.shared.directory, &projection.follower.engine);
    for currency in &engine.currencies()[directory.currency_count() as usize..] {
        directory.add_currency(currency.code);
    }
    for schedule in &engine.fee_schedules()[directory.fee_schedule_count() as usize..] {
        directory.add_fee_schedule(schedule.name);
    }
    for instrument in &engine.instruments()[directory.instrument_count() as usize..] {
        directory.add_instrument(*instrument);
    }
    for role in roles.participants {
        directory.add_participant(role);
    }
    for id in projection.state.limited.drain(..) {
        let participant = &engine.participants()[id as usize - 1];
        directory.set_rate_limit(id, participant.orders_per_second, participant.burst);
    }
    for owner in roles.owners {
        let participant = owner_of(engine, directory.account_count() + 1);
        directory.add_account(AccountEntry { participant, owner });
    }
}
