//! The matcher of a standby: it executes the journal as the server replays it, and fills the ring, so
//! that the publisher has what it has on the primary. When the server is promoted the engine is
//! warm, and the market goes on where the journal ends.

use std::time::{Duration, Instant};

use matcher::{Counters, Engine, Event, ParticipantId, Stamp, View};
use pgrx::pg_sys;

use super::directory::{self, Roles};
use super::follower::Follower;
use super::journal::{self, Batch, Batches};
use super::matching;
use super::progress::Progress;
use super::recovery::{self, Bounds};
use super::{Post, end, one_moment, transaction};
use crate::recovery_mode::{is_standby, replayed_lsn};
use crate::relation::Relation;
use crate::shared::control::{Role, WorkerState};
use crate::shared::ring::Origin;

/// Nobody is told when WAL was replayed, so it is looked for: often as long as some comes, and
/// else seldom enough to cost nothing.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
const IDLE_PAUSE: Duration = Duration::from_millis(20);
/// How long after the last WAL the server counts as idle.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// Follows the journal until the server is promoted; the engine after the last command of it.
pub fn follow(post: Post) -> Engine {
    let mut standby = Standby::load(post);
    standby.look();
    post.shared.directory.set_complete();
    post.set_state(WorkerState::Following);
    post.shared.control.ring_all();
    pgrx::log!(
        "exchange matcher: following the primary server from command {} on",
        standby.follower.sequence()
    );
    let mut replayed = 0;
    let mut moved_at = Instant::now();
    // Asked before the last look, which then sees all that there is.
    while is_standby() {
        post.check();
        // Before the look, so that nothing that comes meanwhile is missed.
        let lsn = replayed_lsn();
        if lsn != replayed {
            replayed = lsn;
            moved_at = Instant::now();
            standby.look();
        }
        let pause = if moved_at.elapsed() < BUSY_FOR { BUSY_PAUSE } else { IDLE_PAUSE };
        post.sleep_for(pause, || replayed_lsn() != lsn || !is_standby());
    }
    standby.look();
    standby.take_over()
}

struct Standby {
    post: Post,
    follower: Follower,
    /// Under which the follower executes.
    bounds: Bounds,
    /// Participants whose rate limits the directory does not show yet.
    limited: Vec<ParticipantId>,
    calendar_changed: bool,
    /// What the statistics have counted.
    counted: Counters,
}

/// What there is to see at a moment.
struct Sight {
    projected: u64,
    batches: Batches,
}

impl Standby {
    fn load(post: Post) -> Self {
        let mut progress = Progress::begin(post);
        let Some((bounds, tables)) = one_moment(|| {
            let bounds = Bounds::in_force();
            recovery::load(bounds, &mut progress).map(|tables| (bounds, tables))
        }) else {
            post.close_venue()
        };
        let engine = post.or_halt(tables).engine;
        // What comes after is not known beforehand.
        progress.replay(engine.sequence(), engine.sequence());
        progress.end();
        Self {
            post,
            bounds,
            limited: (1..=engine.participants().len() as ParticipantId).collect(),
            calendar_changed: true,
            counted: engine.counters(),
            follower: Follower::new(engine),
        }
    }

    /// Executes all that the journal has by now.
    fn look(&mut self) {
        loop {
            self.post.check();
            let sight = self.see();
            let control = self.post.shared.control;
            let is_all = sight.batches.is_empty();
            for batch in sight.batches {
                self.execute(&self.post.or_halt(batch));
            }
            self.show();
            // Not ahead of the others, even for a moment.
            control.projected.set(sight.projected.min(self.follower.sequence()));
            if is_all {
                return;
            }
        }
    }

    fn see(&self) -> Sight {
        let seen = transaction(|| {
            // As long as this is open, a DROP of the extension is not replayed.
            let _journal = Relation::open("journal", pg_sys::AccessShareLock)?;
            if !self.post.is_venue_there() {
                return None;
            }
            let (projected, bounds) = recovery::position().unwrap_or((0, self.bounds));
            // Other bounds make another engine: it begins anew, with the tables that have them.
            (bounds == self.bounds).then_some(())?;
            let batches = journal::read_after(self.follower.sequence());
            Some(batches.map(|batches| Sight { projected, batches }))
        });
        let Some(sight) = seen else { self.post.close_venue() };
        self.post.or_halt(sight)
    }

    fn execute(&mut self, batch: &Batch) {
        let Self { post, follower, limited, calendar_changed, .. } = self;
        let shared = post.shared;
        let matched = shared.control.matched.get();
        let executed = follower.execute(batch, |engine, stamp: Stamp, command, _, events| {
            // What a matcher before this one has followed is there already.
            if stamp.sequence > matched {
                shared.ring.write(stamp, command, engine.event_hash(), Origin::NONE);
            }
            *calendar_changed |= matching::changes_calendar(command);
            limited.extend(events.iter().filter_map(|event| match event {
                Event::ParticipantChanged { participant } => Some(*participant),
                _ => None,
            }));
        });
        post.or_halt(executed);
    }

    /// Lets everybody see how far it has come.
    fn show(&mut self) {
        let Self { post, follower, limited, .. } = self;
        let (shared, engine) = (post.shared, &follower.engine);
        let roles = transaction(|| Roles::look_up(*post, engine));
        directory::show(*post, engine, limited.drain(..), roles);
        matching::show_market(shared, engine, std::mem::take(&mut self.calendar_changed));
        matching::count(shared, engine, &mut self.counted);
        let counters = engine.counters();
        if counters.sequence > shared.control.matched.get() {
            shared.control.matched.advance(counters.sequence);
            shared.control.durable.advance(counters.sequence);
            shared.control.worker(Role::Publisher).bell.ring();
        }
    }

    /// From here on this server takes orders.
    fn take_over(self) -> Engine {
        let Self { post, follower, bounds, .. } = self;
        // The tables have to say so first, which takes what a start does.
        if bounds != Bounds::of_settings() {
            pgrx::log!("exchange matcher: this server has other bounds, beginning anew");
            post.shared.control.close_venue();
            end();
        }
        pgrx::log!("exchange matcher: promoted, going on after command {}", follower.sequence());
        post.shared.control.set_following(false);
        // For the workers that write.
        post.shared.control.worker(Role::Launcher).bell.rouse();
        follower.engine
    }
}
