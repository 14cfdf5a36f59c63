//! Following the commands: from the ring as long as it holds them, else from the journal.

use matcher::engine::PREFETCH_BATCH;
use matcher::{Command, Engine, Event, Outcome, Sequence, Stamp, View};

use super::journal::{self, Batch};
use super::{Post, transaction};
use crate::shared::Shared;

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
    pub fn read(&self, shared: &Shared, end: Sequence, limit: usize) -> Result<Vec<Batch>, String> {
        let next = self.sequence() + 1;
        let mut batch = Batch::default();
        for sequence in next..=end.min(self.sequence() + limit as u64) {
            let Some(entry) = shared.ring.read(sequence) else { break };
            batch.event_hash = entry.event_hash;
            batch.commands.push((entry.stamp, entry.command));
        }
        if !batch.commands.is_empty() || next > end {
            return Ok(vec![batch]);
        }
        let batches = transaction(|| journal::read_after(self.sequence()))?;
        if batches.is_empty() {
            return Err(format!("command {next} is neither in the ring nor in the journal"));
        }
        Ok(batches)
    }

    /// Executes a batch, and hands out each command with what came of it. An error if
    /// the engine comes to anything else than the matcher did.
    pub fn execute(
        &mut self,
        batch: &Batch,
        mut each: impl FnMut(&Engine, Stamp, &Command, &Outcome, &[Event]),
    ) -> Result<(), String> {
        for (index, (stamp, command)) in batch.commands.iter().enumerate() {
            if index.is_multiple_of(PREFETCH_BATCH) {
                self.engine
                    .prefetch_batch(batch.commands[index..].iter().map(|(_, command)| command));
            }
            if stamp.sequence != self.sequence() + 1 {
                return Err(format!(
                    "command {} comes after command {}",
                    stamp.sequence,
                    self.sequence()
                ));
            }
            if stamp.time_us < self.engine.counters().time_us {
                return Err(format!("command {} is earlier than the one before", stamp.sequence));
            }
            if *command != Command::AdvanceClock && self.engine.next_due_us() <= stamp.time_us {
                return Err(format!("command {} comes before what was due", stamp.sequence));
            }
            if let Err(refusal) = self.engine.check(command) {
                return Err(format!("command {} is refused: {refusal:?}", stamp.sequence));
            }
            self.events.clear();
            let outcome = self.engine.apply(*stamp, command, &mut self.events);
            each(&self.engine, *stamp, command, &outcome, &self.events);
        }
        if !batch.commands.is_empty() && self.engine.event_hash() != batch.event_hash {
            return Err(format!(
                "the events up to command {} differ from those of the matcher",
                self.sequence()
            ));
        }
        Ok(())
    }
}

impl Post {
    /// What a follower came to; anything wrong stops the market.
    pub fn or_halt<T>(&self, result: Result<T, String>) -> T {
        result.unwrap_or_else(|reason| self.halt(&reason))
    }
}
