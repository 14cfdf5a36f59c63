//! What the engine and its oracle have in common.

use matcher::*;

pub trait Exchange: View + Sized {
    fn new(limits: Limits) -> Self;
    fn check(&self, command: &Command) -> Result<(), Refusal>;
    fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome;
    /// Panics unless the state is consistent in itself.
    fn validate(&self) {}
    /// Tells that a command will come.
    fn prefetch(&self, _: &Command) {}
}

impl Exchange for Engine {
    fn new(limits: Limits) -> Self {
        Engine::new(limits)
    }

    fn check(&self, command: &Command) -> Result<(), Refusal> {
        Engine::check(self, command)
    }

    fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome {
        Engine::apply(self, stamp, command, events)
    }

    fn validate(&self) {
        Engine::validate(self);
    }

    fn prefetch(&self, command: &Command) {
        self.prefetch_batch([*command]);
    }
}

impl Exchange for NaiveExchange {
    fn new(limits: Limits) -> Self {
        NaiveExchange::new(limits)
    }

    fn check(&self, command: &Command) -> Result<(), Refusal> {
        NaiveExchange::check(self, command)
    }

    fn apply(&mut self, stamp: Stamp, command: &Command, events: &mut Vec<Event>) -> Outcome {
        NaiveExchange::apply(self, stamp, command, events)
    }
}
