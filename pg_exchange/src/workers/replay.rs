//! The commands of the journal once more, from any of them on, in an engine of their time.

use std::ops::ControlFlow;

use matcher::{Command, Engine, Event, Outcome, Sequence, Stamp};

use super::fault::Fault;
use super::follower::Follower;
use super::journal::{self, Batch};
use super::marks::Mark;
use super::recovery::Bounds;

/// An engine that executes the journal again.
pub struct Replay {
    follower: Follower,
    bounds: Bounds,
    /// Where the next mark is, if there is one.
    next_mark: Option<Mark>,
}

impl Replay {
    /// Begins at a mark.
    pub fn from_mark(mark: &Mark) -> Result<Self, String> {
        Ok(Self {
            follower: Follower::new(mark.load()?),
            bounds: mark.bounds,
            next_mark: Mark::first_from(mark.sequence + 1),
        })
    }

    /// Begins at the last mark at a command or before it; where there is none, before the first
    /// command.
    pub fn begin(sequence: Sequence) -> Result<Self, Fault> {
        match Mark::last_before(sequence) {
            Some(mark) => Ok(Self::from_mark(&mark)?),
            None => Ok(Self::from_nothing()),
        }
    }

    /// Begins before the first command.
    pub fn from_nothing() -> Self {
        let bounds = Bounds::in_force();
        Self {
            follower: Follower::new(Engine::new(bounds.limits())),
            bounds,
            next_mark: Mark::first_from(1),
        }
    }

    /// The engine after the last command that was executed.
    pub fn engine(&self) -> &Engine {
        &self.follower.engine
    }

    /// The last command that was executed.
    pub fn sequence(&self) -> Sequence {
        self.follower.sequence()
    }

    /// Under which the next command is executed.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Executes the journal until `each` breaks, and to the end of that row, where the hash is
    /// compared; or until its end. What is wrong with it, if something is.
    pub fn run(
        &mut self,
        mut each: impl FnMut(&Engine, Bounds, Stamp, &Command, &Outcome, &[Event]) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        let mut goes_on = true;
        while goes_on {
            let batches = journal::read_after(self.sequence())?;
            goes_on = !batches.is_empty();
            for batch in batches {
                if !goes_on {
                    break;
                }
                pgrx::check_for_interrupts!();
                self.execute(&batch?, |engine, bounds, stamp, command, outcome, events| {
                    if goes_on {
                        goes_on =
                            each(engine, bounds, stamp, command, outcome, events).is_continue();
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Executes a batch that follows on the last command, and hands out each command with what
    /// came of it. An error if the engine comes to anything else than the matcher did; then it
    /// stands after the last command that it could execute.
    pub fn execute(
        &mut self,
        batch: &Batch,
        mut each: impl FnMut(&Engine, Bounds, Stamp, &Command, &Outcome, &[Event]),
    ) -> Result<(), Fault> {
        self.change_bounds()?;
        let bounds = self.bounds;
        self.follower.execute(batch, |engine, stamp, command, outcome, events| {
            each(engine, bounds, stamp, command, outcome, events);
        })
    }

    /// Goes on from the next mark, where the last command was that mark's, and other bounds are in
    /// force from there on. They change only where workers begin anew, so at the end of a row.
    fn change_bounds(&mut self) -> Result<(), Fault> {
        while let Some(mark) = self.next_mark
            && mark.sequence <= self.sequence()
        {
            if mark.bounds != self.bounds {
                self.follower = Follower::new(mark.load()?);
                self.bounds = mark.bounds;
            }
            self.next_mark = Mark::first_from(mark.sequence + 1);
        }
        Ok(())
    }
}
