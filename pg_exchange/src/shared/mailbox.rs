//! A backend's own place in shared memory: what it submits, and what it is answered.
//!
//! The state word says whose turn it is. The backend writes commands, then makes the
//! submission `Submitted`; the matcher makes it `Taken`, answers into the same mailbox,
//! and makes it `Answered`. As long as it is not taken, the backend can withdraw it, and
//! nothing was entered. The matcher never waits for a backend.

use matcher::{Command, Outcome, Refusal, Sequence};

use super::bell::Bell;
use super::sync::{AtomicU32, AtomicU64, Lent, Ordering};

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    /// The backend's: nothing is under way.
    Idle = 0,
    /// The matcher may take it, the backend may withdraw it.
    Submitted = 1,
    /// The matcher's.
    Taken = 2,
    /// The backend's: all answers are there.
    Answered = 3,
}

/// What a command came to.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Its sequence number; 0 if it was refused.
    pub sequence: Sequence,
    /// Its time, microseconds since 2000-01-01 UTC.
    pub time_us: i64,
    /// The outcome, or why it was refused.
    pub result: Result<Outcome, Refusal>,
}

const PHASE_BITS: u32 = 2;

/// The fixed part of a mailbox.
#[derive(Default)]
#[repr(C, align(128))]
pub struct Header {
    /// Running number of the submission and its phase.
    state: AtomicU64,
    /// How many commands it has.
    count: AtomicU32,
    /// How many are answered.
    answered: AtomicU32,
    /// Whether the sender waits until its commands are durable.
    durable: AtomicU32,
    /// Where the sender sleeps.
    pub bell: Bell,
    /// The last sequence number of its commands; 0 if all were refused.
    last_sequence: AtomicU64,
}

/// A command's place, and its answer's.
#[derive(Default)]
#[repr(C)]
pub struct Exchange {
    command: Lent<Command>,
    answer: Lent<Answer>,
}

// SAFETY: who may touch these is decided by `Header::state`, by acquire and release.
unsafe impl Sync for Exchange {}

/// The mailbox of one backend.
#[derive(Clone, Copy)]
pub struct Mailbox {
    header: &'static Header,
    exchanges: &'static [Exchange],
}

impl Mailbox {
    /// Over zeroed memory.
    pub fn new(header: &'static Header, exchanges: &'static [Exchange]) -> Self {
        Self { header, exchanges }
    }

    /// The most commands of one submission.
    pub fn capacity(&self) -> usize {
        self.exchanges.len()
    }

    /// Where its owner sleeps.
    pub fn bell(&self) -> &'static Bell {
        &self.header.bell
    }

    fn state(&self) -> (u64, Phase) {
        let state = self.header.state.load(Ordering::Acquire);
        let phase = match state & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Idle,
            1 => Phase::Submitted,
            2 => Phase::Taken,
            _ => Phase::Answered,
        };
        (state >> PHASE_BITS, phase)
    }

    /// Whose turn it is.
    pub fn phase(&self) -> Phase {
        self.state().1
    }

    fn change(&self, number: u64, from: Phase, to: Phase) -> bool {
        self.header
            .state
            .compare_exchange(
                number << PHASE_BITS | from as u64,
                number << PHASE_BITS | to as u64,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    // The backend's side.

    /// Writes a submission; the number that it got. The caller owns the mailbox and
    /// [`Mailbox::phase`] is `Idle` or `Answered`.
    pub fn submit(&self, commands: &[Command], durable: bool) -> u64 {
        let (number, phase) = self.state();
        assert!(matches!(phase, Phase::Idle | Phase::Answered), "a submission is under way");
        for (exchange, command) in self.exchanges[..commands.len()].iter().zip(commands) {
            // SAFETY: in these phases the mailbox is its backend's alone.
            unsafe { exchange.command.write(*command) };
        }
        self.header.count.store(commands.len() as u32, Ordering::Relaxed);
        self.header.answered.store(0, Ordering::Relaxed);
        self.header.durable.store(durable.into(), Ordering::Relaxed);
        self.header.last_sequence.store(0, Ordering::Relaxed);
        let number = number + 1;
        self.header.state.store(number << PHASE_BITS | Phase::Submitted as u64, Ordering::Release);
        number
    }

    /// Takes back what the matcher has not taken; whether that was so.
    pub fn withdraw(&self) -> bool {
        let (number, phase) = self.state();
        phase == Phase::Submitted && self.change(number, Phase::Submitted, Phase::Idle)
    }

    /// The answer to a command, once the phase is `Answered`.
    pub fn answer(&self, index: usize) -> Answer {
        assert!(index < self.header.answered.load(Ordering::Acquire) as usize);
        // SAFETY: the matcher wrote it before it counted it as answered, and writes it
        // again only for another submission, which is this backend's to make.
        unsafe { *self.exchanges[index].answer.get() }
    }

    /// The last sequence number of the submission; 0 if all its commands were refused.
    pub fn last_sequence(&self) -> Sequence {
        self.header.last_sequence.load(Ordering::Acquire)
    }

    // The matcher's side.

    /// Takes the submission of this number (modulo [`super::arrivals::NUMBER_MASK`]), if
    /// it is still there; how many commands it has.
    pub fn take(&self, number: u32) -> Option<usize> {
        let (current, phase) = self.state();
        (phase == Phase::Submitted
            && current & super::arrivals::NUMBER_MASK == u64::from(number)
            && self.change(current, Phase::Submitted, Phase::Taken))
        .then(|| self.count())
    }

    /// The number, modulo [`super::arrivals::NUMBER_MASK`], of a submission that a
    /// matcher took and did not finish.
    pub fn unfinished(&self) -> Option<u32> {
        let (number, phase) = self.state();
        (phase == Phase::Taken).then_some((number & super::arrivals::NUMBER_MASK) as u32)
    }

    /// How many commands the taken submission has.
    pub fn count(&self) -> usize {
        (self.header.count.load(Ordering::Relaxed) as usize).min(self.exchanges.len())
    }

    /// How many of them are answered.
    pub fn answered(&self) -> usize {
        self.header.answered.load(Ordering::Relaxed) as usize
    }

    /// Whether its sender waits until they are durable.
    pub fn is_durable_wanted(&self) -> bool {
        self.header.durable.load(Ordering::Relaxed) != 0
    }

    /// A command of the taken submission, where it lies: it is not to be looked at any
    /// more once the submission is finished.
    pub fn command(&self, index: usize) -> &Command {
        // SAFETY: the backend wrote it before the submission became `Submitted`, and
        // does not touch it while it is `Taken`.
        unsafe { self.exchanges[index].command.get() }
    }

    /// Answers the next command of the taken submission.
    pub fn put_answer(&self, index: usize, answer: Answer) {
        // SAFETY: while the submission is `Taken`, answers are the matcher's.
        unsafe { self.exchanges[index].answer.write(answer) };
        if answer.sequence != 0 {
            self.header.last_sequence.store(answer.sequence, Ordering::Relaxed);
        }
        self.header.answered.store(index as u32 + 1, Ordering::Release);
    }

    /// All commands are answered.
    pub fn finish(&self) {
        let (number, _) = self.state();
        let finished = self.change(number, Phase::Taken, Phase::Answered);
        assert!(finished, "a taken submission is the matcher's");
    }
}
