//! Where calls arrive: what several push, one pops, once each.

use loom::thread;
use models::shared::arrivals::{Arrival, Arrivals, Positions};
use models::shared::sync::AtomicU64;
use models::{Mistake, assert_found, check, dies_after};

/// A queue in memory that stays, as shared memory does.
fn queue(cells: usize) -> &'static Arrivals {
    let positions = Box::leak(Box::default());
    let cells = Box::leak((0..cells).map(|_| AtomicU64::default()).collect());
    let queue = Box::leak(Box::new(Arrivals::new(positions as &Positions, cells)));
    queue.initialise();
    queue
}

fn of(backend: u32, number: u32) -> Arrival {
    Arrival { backend, number }
}

/// Takes what is there.
fn drain(queue: &Arrivals) -> Vec<Arrival> {
    std::iter::from_fn(|| queue.pop()).collect()
}

fn two_push_while_one_pops() {
    let queue = queue(2);
    let producer = |backend| {
        thread::spawn(move || {
            assert!(queue.push(of(backend, 7)), "two fit");
        })
    };
    let producers = [producer(1), producer(2)];
    let mut popped = drain(queue);
    for producer in producers {
        producer.join().unwrap();
    }
    popped.extend(drain(queue));
    popped.sort_by_key(|arrival| arrival.backend);
    assert_eq!(popped, [of(1, 7), of(2, 7)]);
    assert!(queue.is_empty());
    assert_eq!(queue.len(), 0);
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice() {
    check(two_push_while_one_pops);
    assert_found(Mistake::NotAtOnce, "nothing_is_lost_and_nothing_comes_twice");
}

/// The queue is full with one cell of the lap before, and goes around.
fn one_producer_goes_around() {
    let queue = queue(2);
    let producer = thread::spawn(move || {
        let mut number = 0;
        while number < 4 {
            if queue.push(of(1, number)) {
                number += 1;
            } else {
                thread::yield_now();
            }
        }
    });
    let mut expected = 0;
    while expected < 4 {
        match queue.pop() {
            Some(arrival) => {
                assert_eq!(arrival, of(1, expected), "in its order");
                expected += 1;
            }
            None => thread::yield_now(),
        }
    }
    producer.join().unwrap();
    assert_eq!(queue.pop(), None);
}

#[test]
fn a_full_queue_says_so_and_goes_around_in_order() {
    check(one_producer_goes_around);
}

/// One producer is killed between any two steps; the other, and the matcher, go on.
fn a_producer_dies(steps: u32) {
    let queue = queue(2);
    let victim = thread::spawn(move || {
        dies_after(steps, || assert!(queue.push(of(1, 7))));
    });
    let survivor = thread::spawn(move || assert!(queue.push(of(2, 7)), "there is room"));
    let mut popped = drain(queue);
    victim.join().unwrap();
    survivor.join().unwrap();
    popped.extend(drain(queue));
    popped.sort_by_key(|arrival| arrival.backend);
    assert!(popped == [of(2, 7)] || popped == [of(1, 7), of(2, 7)], "{popped:?}");
    // It is as good as new.
    assert!(queue.push(of(3, 1)) && queue.push(of(3, 2)) && !queue.push(of(3, 3)));
    assert_eq!(drain(queue), [of(3, 1), of(3, 2)]);
}

#[test]
fn a_producer_that_dies_stalls_nobody() {
    // A push takes no more steps than that where nobody else comes first.
    for steps in 0..6 {
        check(move || a_producer_dies(steps));
    }
}
