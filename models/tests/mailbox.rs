//! Mailboxes: a submission is taken or withdrawn, never both; answers are to what was asked; and
//! whoever dies, the next one goes on.

use loom::thread;
use matcher::{Command, Outcome, Stamp};
use models::shared::arrivals::{Arrival, Arrivals, Positions};
use models::shared::mailbox::{Answer, Exchange, Header, Mailbox, Phase};
use models::shared::ring::{Origin, Ring, Slot};
use models::shared::sync::AtomicU64;
use models::{Mistake, assert_found, check, dies_after};

fn leak<T: Default>(count: usize) -> &'static [T] {
    Box::leak((0..count).map(|_| T::default()).collect())
}

fn mailbox() -> Mailbox {
    Mailbox::new(&leak::<Header>(1)[0], leak::<Exchange>(2))
}

/// A command that is recognised by its number.
fn command(number: u64) -> Command {
    Command::CancelOrder { order_id: number, participant: 0 }
}

fn number_of(command: &Command) -> u64 {
    match *command {
        Command::CancelOrder { order_id, .. } => order_id,
        _ => panic!("nobody sent {command:?}"),
    }
}

fn answer(sequence: u64) -> Answer {
    Answer { sequence, time_us: 0, result: Ok(Outcome::Done) }
}

/// Answers a taken submission: to each command its own number.
fn serve(mailbox: Mailbox, count: usize) {
    for index in 0..count {
        mailbox.put_answer(index, answer(number_of(mailbox.command(index))));
    }
    mailbox.finish();
}

fn wait_for_answers(mailbox: Mailbox) {
    while mailbox.phase() != Phase::Answered {
        thread::yield_now();
    }
}

fn one_withdraws_while_one_takes() {
    let mailbox = mailbox();
    let matcher = thread::spawn(move || {
        let taken = mailbox.take(1);
        if let Some(count) = taken {
            assert_eq!(count, 2);
            serve(mailbox, count);
        }
        taken.is_some()
    });
    assert_eq!(mailbox.submit(&[command(11), command(12)], false), 1);
    // As after a timeout.
    let is_withdrawn = mailbox.withdraw();
    if is_withdrawn {
        assert_eq!(mailbox.submit(&[command(21)], false), 2);
    } else {
        wait_for_answers(mailbox);
        assert_eq!([0, 1].map(|index| mailbox.answer(index).sequence), [11, 12]);
        assert_eq!(mailbox.last_sequence(), 12);
    }
    let was_taken = matcher.join().unwrap();
    assert!(!(is_withdrawn && was_taken), "both had it");
    if is_withdrawn {
        // What is there now has another number.
        assert_eq!(mailbox.take(1), None);
        assert_eq!(mailbox.take(2), Some(1));
        serve(mailbox, 1);
        assert_eq!(mailbox.answer(0).sequence, 21);
    }
}

#[test]
fn a_submission_is_taken_or_withdrawn() {
    check(one_withdraws_while_one_takes);
    assert_found(Mistake::NotAtOnce, "a_submission_is_taken_or_withdrawn");
    assert_found(Mistake::NoOrdering, "a_submission_is_taken_or_withdrawn");
}

/// Executes the commands of a taken submission from `start` on, as the matcher does: into the ring
/// first, then the answer.
fn execute(ring: &Ring, mailbox: Mailbox, start: usize) {
    for index in start..mailbox.count() {
        let sequence = last_of(ring).map_or(0, |(sequence, _)| sequence) + 1;
        let origin =
            Origin { backend: 0, number: 1, index: index as u32, wake_when_durable: false };
        ring.write(Stamp { sequence, time_us: 0 }, mailbox.command(index), 0, origin);
        mailbox.put_answer(index, answer(sequence));
    }
    mailbox.finish();
}

/// The last command in the ring, and which of the submission it is.
fn last_of(ring: &Ring) -> Option<(u64, usize)> {
    let entries = (1..=ring.capacity()).map_while(|sequence| ring.read(sequence));
    entries.last().map(|entry| (entry.stamp.sequence, entry.origin.index as usize))
}

/// More than the matcher takes.
const MATCHER_STEPS: u32 = 40;

/// The matcher is killed between any two steps, and the next one finishes what it was at.
fn a_matcher_dies(steps: u32) {
    let mailbox = mailbox();
    let ring: &'static Ring = Box::leak(Box::new(Ring::new(leak::<Slot>(4))));
    let backend = thread::spawn(move || {
        mailbox.submit(&[command(11), command(12)], false);
        wait_for_answers(mailbox);
        assert_eq!([0, 1].map(|index| mailbox.answer(index).sequence), [1, 2]);
    });
    let victim = thread::spawn(move || {
        let ended = dies_after(steps, || {
            if mailbox.take(1).is_some() {
                execute(ring, mailbox, 0);
            }
        });
        assert!(ended || steps + 1 < MATCHER_STEPS, "there are more places to die at");
    });
    victim.join().unwrap();
    if mailbox.unfinished() == Some(1) {
        let last = last_of(ring);
        if let Some((sequence, index)) = last {
            mailbox.put_answer(index, answer(sequence));
        }
        execute(ring, mailbox, last.map_or(0, |(_, index)| index + 1));
    }
    // Where it was not there yet when the one before looked.
    while mailbox.phase() != Phase::Answered {
        match mailbox.take(1) {
            Some(_) => execute(ring, mailbox, 0),
            None => thread::yield_now(),
        }
    }
    backend.join().unwrap();
    let executed = (1..=3).map_while(|sequence| ring.read(sequence));
    let executed: Vec<_> = executed.map(|entry| number_of(&entry.command)).collect();
    assert_eq!(executed, [11, 12], "each once");
}

#[test]
fn what_a_dead_matcher_was_at_is_executed_once() {
    for steps in 0..MATCHER_STEPS {
        check(move || a_matcher_dies(steps));
    }
}

/// More than a backend takes.
const BACKEND_STEPS: u32 = 16;

/// A backend is killed between any two steps of entering an order, and another one gets its mailbox.
fn a_backend_dies(steps: u32) {
    let mailbox = mailbox();
    let positions = &leak::<Positions>(1)[0];
    let arrivals: &'static Arrivals =
        Box::leak(Box::new(Arrivals::new(positions, leak::<AtomicU64>(4))));
    arrivals.initialise();
    let submit = move |number| {
        let submission = mailbox.submit(&[command(number)], false);
        assert!(arrivals.push(Arrival { backend: 0, number: submission as u32 }), "there is room");
    };
    let backends = thread::spawn(move || {
        let ended = dies_after(steps, || submit(11));
        assert!(ended || steps + 1 < BACKEND_STEPS, "there are more places to die at");
        // What the next one with this number does first.
        while !mailbox.withdraw() && !matches!(mailbox.phase(), Phase::Idle | Phase::Answered) {
            thread::yield_now();
        }
        submit(21);
        wait_for_answers(mailbox);
        assert_eq!(mailbox.answer(0).sequence, 21, "the answer to its own");
    });
    let mut served = Vec::new();
    while served.last() != Some(&21) {
        let Some(arrival) = arrivals.pop() else {
            thread::yield_now();
            continue;
        };
        if let Some(count) = mailbox.take(arrival.number) {
            served.push(number_of(mailbox.command(0)));
            serve(mailbox, count);
        }
    }
    backends.join().unwrap();
    assert!(served == [21] || served == [11, 21], "{served:?}");
}

#[test]
fn a_dead_backend_leaves_a_mailbox_that_works() {
    for steps in 0..BACKEND_STEPS {
        check(move || a_backend_dies(steps));
    }
}
