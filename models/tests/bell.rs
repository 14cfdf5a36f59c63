//! Sleeping and waking: no wake-up is lost. What is lost here is a deadlock, which is found.

use std::time::Duration;

use loom::thread;
use models::shared::bell::{Bell, Cursor};
use models::shared::sync::{AtomicU32, Ordering};
use models::{Mistake, assert_found, check};

const LONG: Duration = Duration::from_secs(1);

fn shared<T: Default>() -> &'static T {
    Box::leak(Box::default())
}

fn work_comes_to_a_sleeper() {
    let (bell, work) = (shared::<Bell>(), shared::<AtomicU32>());
    let sleeper = thread::spawn(move || {
        let is_there = || work.load(Ordering::Acquire) == 1;
        while !is_there() {
            bell.sleep(LONG, is_there);
        }
    });
    work.store(1, Ordering::Release);
    bell.ring();
    sleeper.join().unwrap();
}

#[test]
fn a_sleeper_is_woken() {
    check(work_comes_to_a_sleeper);
    assert_found(Mistake::NoFence, "a_sleeper_is_woken");
}

/// Two bring work, and one of them only hurries whoever naps.
fn somebody_waits_for_a_napper() {
    let (bell, work) = (shared::<Bell>(), shared::<AtomicU32>());
    let napper = thread::spawn(move || {
        let is_hurried = || work.load(Ordering::Acquire) >= 2;
        while !is_hurried() {
            bell.nap(LONG, is_hurried);
        }
    });
    let other = thread::spawn(move || {
        work.fetch_add(1, Ordering::AcqRel);
        bell.ring();
        bell.rouse();
    });
    work.fetch_add(1, Ordering::AcqRel);
    bell.rouse();
    other.join().unwrap();
    napper.join().unwrap();
}

#[test]
fn a_napper_is_roused() {
    check(somebody_waits_for_a_napper);
    assert_found(Mistake::NoFence, "a_napper_is_roused");
}

/// Two wait for a cursor, for different places.
fn a_cursor_is_waited_for() {
    let cursor = shared::<Cursor>();
    let wait_for = |target| {
        thread::spawn(move || {
            while cursor.get() < target {
                cursor.wait(target, LONG, || {});
            }
        })
    };
    let waiters = [wait_for(1), wait_for(2)];
    cursor.advance(1);
    cursor.advance(2);
    for waiter in waiters {
        waiter.join().unwrap();
    }
    assert!(!cursor.is_awaited());
}

#[test]
fn whoever_waits_for_a_cursor_is_woken() {
    check(a_cursor_is_waited_for);
    assert_found(Mistake::NoFence, "whoever_waits_for_a_cursor_is_woken");
}
