//! Following the commands: from the ring as long as it holds them, else from the journal.

use matcher::engine::PREFETCH_BATCH;
use matcher::{Command, Engine, Event, Outcome, Sequence, Stamp, View};

use super::fault::Fault;
use super::journal::{self, Batch, Batches};
use super::transaction;
use crate::shared::Shared;

/// Where the next commands are from.
pub enum Source {
    /// The ring.
    Ring(Option<Batch>),
    /// The journal.
    Journal(Batches),
}

impl Iterator for Source {
    type Item = Result<Batch, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Ring(batch) => batch.take().map(Ok),
            Self::Journal(batches) => batches.next(),
        }
    }
}

/// An engine that executes again what the matcher executed.
pub struct Follower {
    /// Its state, up to the last command that it was given.
    pub engine: Engine,
    events: Vec<Event>,
}

impl Follower {
    /// Goes on from the state of `engine`.
    pub fn new(engine: Engine) -> Self {
        Self { engine, events: Vec::new() }
    }

    /// The last command that it executed.
    pub fn sequence(&self) -> Sequence {
        self.engine.sequence()
    }

    /// The next commands up to `end`, at most about `limit`: some, if `end` is further
    /// than this follower is.
    pub fn read(&self, shared: &Shared, end: Sequence, limit: usize) -> Result<Source, Fault> {
        let next = self.sequence() + 1;
        let mut batch = Batch { row: next, ..Batch::default() };
        for sequence in next..=end.min(self.sequence() + limit as u64) {
            let Some(entry) = shared.ring.read(sequence) else { break };
            batch.event_hash = entry.event_hash;
            batch.commands.push((entry.stamp, entry.command));
        }
        if !batch.commands.is_empty() || next > end {
            return Ok(Source::Ring(Some(batch)));
        }
        let batches = transaction(|| journal::read_after(self.sequence()))?;
        if batches.is_empty() {
            return Err(Fault::of_missing_row(next, "it ends before"));
        }
        Ok(Source::Journal(batches))
    }

    /// Executes a batch, and hands out each command with what came of it. An error if
    /// the engine comes to anything else than the matcher did.
    pub fn execute(
        &mut self,
        batch: &Batch,
        mut each: impl FnMut(&Engine, Stamp, &Command, &Outcome, &[Event]),
    ) -> Result<(), Fault> {
        for (index, (stamp, command)) in batch.commands.iter().enumerate() {
            if index.is_multiple_of(PREFETCH_BATCH) {
                self.engine
                    .prefetch_batch(batch.commands[index..].iter().map(|(_, command)| command));
            }
            if stamp.sequence != self.sequence() + 1 {
                let what =
                    format!("command {} comes after command {}", stamp.sequence, self.sequence());
                return Err(Fault::of_replay(batch.row, what));
            }
            if stamp.time_us < self.engine.counters().time_us {
                let what = format!("command {} is earlier than the one before", stamp.sequence);
                return Err(Fault::of_replay(batch.row, what));
            }
            if *command != Command::AdvanceClock && self.engine.next_due_us() <= stamp.time_us {
                let what = format!("command {} comes before what was due", stamp.sequence);
                return Err(Fault::of_replay(batch.row, what));
            }
            if let Err(refusal) = self.engine.check(command) {
                let what = format!("command {} is refused: {refusal:?}", stamp.sequence);
                return Err(Fault::of_replay(batch.row, what));
            }
            self.events.clear();
            let outcome = self.engine.apply(*stamp, command, &mut self.events);
            each(&self.engine, *stamp, command, &outcome, &self.events);
        }
        if !batch.commands.is_empty() && self.engine.event_hash() != batch.event_hash {
            let what =
                format!("its events up to command {} are not those that it had", self.sequence());
            return Err(Fault::of_replay(batch.row, what));
        }
        Ok(())
    }
}
