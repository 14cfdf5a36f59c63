//! The lives of a server: each begins with empty shared memory.

/// How the life of a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It runs.
    Running,
    /// It was stopped in good order: nothing may be lost.
    Stopped,
    /// It crashed: what was not durable is lost.
    Crashed,
}

/// All lives of a server, in their order.
#[derive(Clone, Debug, Default)]
pub struct Incarnations {
    known: Vec<(String, End)>,
}

impl Incarnations {
    /// A query for the name of the present life, for members of `pg_monitor`. The checkpointer is
    /// started with the shared memory, and never again in the same life.
    pub const QUERY: &str = "SELECT pid || ' since ' || extract(epoch FROM backend_start)
                             FROM pg_stat_activity WHERE backend_type = 'checkpointer'";

    /// The number of a life by its name; a new name is that of a new life, which runs.
    pub fn number(&mut self, name: &str) -> usize {
        let found = self.known.iter().position(|(known, _)| known == name);
        found.unwrap_or_else(|| {
            self.known.push((name.to_owned(), End::Running));
            self.known.len() - 1
        })
    }

    /// How a life ended.
    pub fn end(&self, number: usize) -> End {
        self.known[number].1
    }

    /// All lives but `present` are over: those that were not known to be ended so. Returns how
    /// many those were.
    pub fn end_others(&mut self, present: usize, end: End) -> usize {
        let mut ended = 0;
        for (number, (_, known)) in self.known.iter_mut().enumerate() {
            if number != present && *known == End::Running {
                *known = end;
                ended += 1;
            }
        }
        ended
    }

    /// How many lives are known.
    pub fn count(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_end_once() {
        let mut lives = Incarnations::default();
        assert_eq!((lives.number("a"), lives.number("b"), lives.number("a")), (0, 1, 0));
        assert_eq!(lives.end_others(1, End::Stopped), 1);
        assert_eq!(lives.number("c"), 2);
        assert_eq!(lives.end_others(2, End::Crashed), 1);
        assert_eq!(
            [0, 1, 2].map(|number| lives.end(number)),
            [End::Stopped, End::Crashed, End::Running]
        );
    }
}
