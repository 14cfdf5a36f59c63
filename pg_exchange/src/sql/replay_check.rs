//! Whether the journal, executed again, gives what was recorded, and what the tables show.

use matcher::{Engine, Record, Sequence, View, record};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;

use super::call::{Call, Rows};
use super::kept;
use super::replay_marks::raise_unless_journaled;
use crate::datum::text;
use crate::errors::raise;
use crate::workers::journal::{self, Batch, Row};
use crate::workers::marks::Mark;
use crate::workers::progress::Progress;
use crate::workers::recovery::{self, Bounds};
use crate::workers::replay::Replay;

/// `exchange.replay_check`
pub fn replay_check(call: Call) -> Datum {
    let from = match call.argument::<i64>(0) {
        Some(from) => Sequence::try_from(from).unwrap_or(0),
        None => kept::last_archived().unwrap_or(0) + 1,
    };
    let to = call.argument::<i64>(1).map(|to| Sequence::try_from(to).unwrap_or(0));
    if from == 0 || to.is_some_and(|to| to < from) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the sequences are out of range",
            match to {
                Some(to) => format!("They are {from} and {to}."),
                None => format!("It begins with {from}."),
            },
            "Give at least 1, which is the first command, and the lower one first.",
        );
    }
    kept::expect_commands_after(from - 1);
    let to = to.unwrap_or_else(journal::last_sequence);
    raise_unless_journaled(from.max(to));
    let mut check = Check {
        rows: call.rows(),
        from,
        shown: recovery::position().map(|(sequence, _)| sequence),
        next_mark: None,
        replay: None,
        expected: from,
        differs_since: None,
    };
    check.begin();
    check.read(to);
    check.end(to);
    call.null()
}

/// A check under way.
struct Check {
    rows: Rows,
    /// Rows before that are reported only where something is wrong.
    from: Sequence,
    /// The command that the tables show, until they were compared.
    shown: Option<Sequence>,
    /// The next mark to compare with.
    next_mark: Option<Mark>,
    /// `None` where it cannot go on, until there is a mark to go on from.
    replay: Option<Replay>,
    /// The command that comes next in the journal.
    expected: Sequence,
    /// The first of the last rows whose events were not those that it says.
    differs_since: Option<Sequence>,
}

/// What is reported.
#[derive(Default)]
struct Report {
    checked: &'static str,
    first_sequence: Sequence,
    last_sequence: Sequence,
    commands: Option<u64>,
    checksum_ok: Option<bool>,
    recorded_hash: Option<u64>,
    computed_hash: Option<u64>,
    problem: Option<String>,
}

impl Check {
    fn report(&mut self, report: &Report) {
        self.rows.add_made(|| {
            [
                Some(text(report.checked)),
                Some(Datum::from(report.first_sequence)),
                Some(Datum::from(report.last_sequence)),
                report.commands.map(Datum::from),
                report.checksum_ok.map(Datum::from),
                report.recorded_hash.map(Datum::from),
                report.computed_hash.map(Datum::from),
                Some(Datum::from(report.problem.is_none())),
                report.problem.as_deref().map(text),
            ]
        });
    }

    /// Begins with the last mark before the first command that can be loaded. What is wrong with
    /// those that cannot is reported when the replay comes to them.
    fn begin(&mut self) {
        let mut before = self.from - 1;
        let replay = loop {
            let Some(mark) = Mark::last_before(before) else { break Replay::from_nothing() };
            match Replay::from_mark(&mark) {
                Ok(replay) => break replay,
                Err(_) if mark.sequence == 0 => break Replay::from_nothing(),
                Err(_) => before = mark.sequence - 1,
            }
        };
        self.expected = replay.sequence() + 1;
        self.go_on(replay);
    }

    /// Goes on from a mark that is in a row, or just before it, if there is one.
    fn begin_anew(&mut self, row: &Row) {
        let mark = Mark::first_from(row.first_sequence - 1);
        let Some(mark) = mark.filter(|mark| mark.sequence < row.last_sequence) else { return };
        match Replay::from_mark(&mark) {
            Ok(replay) => self.go_on(replay),
            Err(problem) => self.report_bad_mark(mark.sequence, problem),
        }
    }

    fn go_on(&mut self, replay: Replay) {
        self.next_mark = Mark::first_from(replay.sequence() + 1);
        if self.shown == Some(replay.sequence()) {
            self.compare_tables(replay.engine(), replay.bounds());
        }
        self.differs_since = None;
        self.replay = Some(replay);
    }

    /// Goes through the rows of the journal up to that of a command.
    fn read(&mut self, to: Sequence) {
        let mut before: Option<Row> = None;
        loop {
            let seen = before.as_ref().map(|row| row.first_sequence);
            let next = seen.map_or(self.expected, |seen| seen + 1);
            let rows = journal::rows_from(next);
            let mut is_at_end = true;
            for row in rows.unwrap_or_else(|error| panic!("the journal cannot be read: {error}")) {
                // Which row a command is in is found out by where rows begin.
                if seen.is_some_and(|seen| row.first_sequence <= seen)
                    || before.is_none() && row.last_sequence < self.expected
                {
                    continue;
                }
                pgrx::check_for_interrupts!();
                is_at_end = false;
                self.check_gap(row.first_sequence.min(to + 1));
                if row.first_sequence > to {
                    return;
                }
                self.check_row(&row, before.as_ref());
                before = Some(row);
            }
            if is_at_end {
                self.check_gap(to + 1);
                return;
            }
        }
    }

    /// Reports what is missing before a command.
    fn check_gap(&mut self, next: Sequence) {
        if next > self.expected {
            self.replay = None;
            self.report(&Report {
                checked: "journal",
                first_sequence: self.expected,
                last_sequence: next - 1,
                problem: Some("the journal has no row for these commands".to_owned()),
                ..Report::default()
            });
            self.expected = next;
        }
    }

    fn check_row(&mut self, row: &Row, before: Option<&Row>) {
        if self.replay.is_none() {
            self.begin_anew(row);
        }
        let mut report = Report {
            checked: "journal",
            first_sequence: row.first_sequence,
            last_sequence: row.last_sequence,
            checksum_ok: Some(row.is_whole()),
            recorded_hash: Some(row.event_hash),
            ..Report::default()
        };
        report.problem = self.execute(row, before, &mut report).err();
        self.expected = self.expected.max(row.last_sequence + 1);
        if row.last_sequence >= self.from || report.problem.is_some() {
            self.report(&report);
        }
    }

    /// Executes a row; what is wrong with it, if something is.
    fn execute(
        &mut self,
        row: &Row,
        before: Option<&Row>,
        report: &mut Report,
    ) -> Result<(), String> {
        let replay = self.replay.take();
        if let Some(before) = before.filter(|before| row.first_sequence <= before.last_sequence) {
            return Err(format!(
                "the row of command {} has some of its commands already",
                before.first_sequence
            ));
        }
        let mut commands = row.decode()?;
        report.commands = Some(commands.len() as u64);
        let Some(mut replay) = replay else {
            return Err("what comes before it is not known, so it was not executed".to_owned());
        };
        // A mark may be in the middle of a row.
        let done = (replay.sequence() + 1).saturating_sub(row.first_sequence);
        commands.drain(..done as usize);
        let batch = Batch { row: row.first_sequence, commands, event_hash: row.event_hash };
        let executed = replay.execute(&batch, |engine, bounds, stamp, _, _, _| {
            self.compare(engine, bounds, stamp.sequence);
        });
        let executed = executed.map_err(|fault| fault.reason);
        if replay.sequence() != row.last_sequence {
            return executed;
        }
        report.computed_hash = Some(replay.engine().event_hash());
        self.replay = Some(replay);
        match (&executed, self.differs_since) {
            (Ok(()), _) => self.differs_since = None,
            (Err(_), None) => self.differs_since = Some(row.first_sequence),
            (Err(_), Some(first)) => {
                return Err(format!(
                    "its events are not those that it had, since the row of command {first}"
                ));
            }
        }
        executed
    }

    /// Compares what the tables and the marks have of a command with what the replay came to.
    fn compare(&mut self, engine: &Engine, bounds: Bounds, sequence: Sequence) {
        if self.shown == Some(sequence) {
            self.compare_tables(engine, bounds);
        }
        if let Some(mark) = self.next_mark.filter(|mark| mark.sequence == sequence) {
            // With other bounds, other answers to client order ids are remembered.
            let kept = mark.load();
            self.compare_with("mark", engine, kept, mark.bounds == bounds);
            self.next_mark = Mark::first_from(sequence + 1);
        }
    }

    fn compare_tables(&mut self, engine: &Engine, bounds: Bounds) {
        self.shown = None;
        if let Some(tables) = recovery::load(bounds, &mut Progress::unseen()) {
            let tables = tables.map(|tables| tables.engine).map_err(|fault| fault.reason);
            self.compare_with("tables", engine, tables, true);
        }
    }

    fn compare_with(
        &mut self,
        checked: &'static str,
        engine: &Engine,
        kept: Result<Engine, String>,
        with_client_orders: bool,
    ) {
        let problem = match &kept {
            Ok(kept) if kept.state_hash() == engine.state_hash() => None,
            Ok(kept) => difference(kept, engine, with_client_orders),
            Err(error) => Some(error.clone()),
        };
        self.report(&Report {
            checked,
            first_sequence: engine.sequence(),
            last_sequence: engine.sequence(),
            recorded_hash: kept.ok().map(|kept| kept.event_hash()),
            computed_hash: Some(engine.event_hash()),
            problem,
            ..Report::default()
        });
    }

    fn report_bad_mark(&mut self, sequence: Sequence, problem: String) {
        self.report(&Report {
            checked: "mark",
            first_sequence: sequence,
            last_sequence: sequence,
            problem: Some(problem),
            ..Report::default()
        });
    }

    /// Says so where the tables could not be compared.
    fn end(&mut self, to: Sequence) {
        if let Some(shown) = self.shown.filter(|shown| (1..=to).contains(shown)) {
            self.report(&Report {
                checked: "tables",
                first_sequence: shown,
                last_sequence: shown,
                problem: Some("the replay did not come to the command that they show".to_owned()),
                ..Report::default()
            });
        }
    }
}

/// The first record in which an engine differs from what was kept of it.
fn difference(kept: &Engine, replayed: &Engine, with_client_orders: bool) -> Option<String> {
    let records = |engine: &Engine| {
        let mut records = Vec::new();
        record::for_each_record(engine, |record| {
            if with_client_orders || !matches!(record, Record::ClientOrder(_)) {
                records.push(*record);
            }
        });
        records
    };
    let (kept, replayed) = (records(kept), records(replayed));
    let longest = kept.len().max(replayed.len());
    let place = (0..longest).find(|&place| kept.get(place) != replayed.get(place))?;
    let told = |records: &[Record]| {
        records.get(place).map_or("nothing more".to_owned(), |record| format!("{record:?}"))
    };
    Some(format!("it has {}, and the replay {}", told(&kept), told(&replayed)))
}
