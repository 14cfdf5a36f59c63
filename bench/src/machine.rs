//! What is measured: the whole engine, or its books alone.

use matcher::{BareBooks, Command, Engine, Event, Limits, Outcome, Sequence, Stamp};

/// Something that executes commands.
pub trait Machine {
    /// As it begins.
    fn new(limits: Limits) -> Self;
    /// Of the last command.
    fn sequence(&self) -> Sequence;
    /// See [`Engine::prefetch_batch`].
    fn prefetch_batch(&self, commands: &[Command]);
    /// See [`Engine::apply`].
    fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome;
    /// Panics unless it would take the command, and agrees with itself; as far as it can tell.
    fn validate(&self, next: Option<&Command>);
}

impl Machine for Engine {
    fn new(limits: Limits) -> Self {
        Engine::new(limits)
    }

    fn sequence(&self) -> Sequence {
        self.sequence()
    }

    fn prefetch_batch(&self, commands: &[Command]) {
        self.prefetch_batch(commands);
    }

    #[inline(always)]
    fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome {
        self.apply(stamp, command, events)
    }

    fn validate(&self, next: Option<&Command>) {
        match next {
            Some(command) => self.check(command).expect("every command of the stream is valid"),
            None => self.validate(),
        }
    }
}

impl Machine for BareBooks {
    fn new(limits: Limits) -> Self {
        BareBooks::new(limits)
    }

    fn sequence(&self) -> Sequence {
        self.sequence()
    }

    fn prefetch_batch(&self, commands: &[Command]) {
        self.prefetch_batch(commands);
    }

    #[inline(always)]
    fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome {
        self.apply(stamp, command, events)
    }

    fn validate(&self, _next: Option<&Command>) {}
}
