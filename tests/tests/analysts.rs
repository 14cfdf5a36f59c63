//! What `docs/cookbook.md` shows is what comes, on the day that it is about.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use tests::{SharedVenue, Venue};
use venue::cluster::{DATABASE, SUPERUSER};
use venue::{day, migrate};

use crate::documentation::{COOKBOOK, project, psql, script};

/// The day of the cookbook, which says how to trade it.
const DATE: &str = "2026-11-20";
const COMMANDS: u64 = 200_000;
const SEED: u64 = 42;

/// Who asks.
const ANALYST: &str = "analyst";

/// If this is set, what the cookbook shows is replaced by what comes.
const REWRITE: &str = "PG_EXCHANGE_REWRITE_COOKBOOK";

/// The venue after that day.
fn venue() -> &'static Venue {
    static VENUE: SharedVenue =
        SharedVenue::made_by(traded_venue, &[("timezone", "America/New_York")]);
    VENUE.get()
}

/// A venue as the migrations make it, after a trading day.
fn traded_venue(settings: &[(&str, &str)]) -> Venue {
    let venue = Venue::empty(settings);
    venue.cluster().create_database(DATABASE).expect("the database can be created");
    let connection = venue.cluster().connection(DATABASE, SUPERUSER);
    migrate::run_on_morning(&connection, &migrate::project_migrations(), Some(DATE))
        .expect("the migrations run");
    let options =
        day::Options { date: Some(DATE.to_owned()), commands: COMMANDS, seed: SEED, quiet: true };
    let outcome = day::trade(&connection, &options, &AtomicBool::new(false));
    let outcome = outcome.expect("the day can be traded");
    assert!(matches!(outcome, day::Outcome::Traded(_)), "{outcome:?}");
    let mut superuser = venue.superuser();
    superuser.run("SELECT exchange.wait_for('projected')");
    superuser.run(&format!("CREATE ROLE {ANALYST} LOGIN IN ROLE exchange_analyst"));
    venue
}

/// What psql prints before each block of `sql`.
const MARK: &str = "-- the next block";

/// The script of a document that tells its blocks of `sql` apart in what psql prints.
fn marked_script(markdown: &str) -> String {
    let lines = script(markdown);
    let mark = format!("\\echo {MARK}");
    let marked = lines.lines().zip(markdown.lines()).map(|(statement, line)| {
        // Where a fence is, the script has an empty line.
        if line == "```sql" { mark.as_str() } else { statement }
    });
    marked.collect::<Vec<&str>>().join("\n") + "\n"
}

/// What psql printed for each block.
fn outputs(printed: &str) -> Vec<Vec<&str>> {
    let mut outputs: Vec<Vec<&str>> = Vec::new();
    for line in printed.lines() {
        if line == MARK {
            outputs.push(Vec::new());
        } else {
            // psql fills columns up, and leaves a line free after each table.
            outputs.last_mut().expect("a mark comes first").push(line.trim_end());
        }
    }
    for output in &mut outputs {
        while output.last().is_some_and(|line| line.is_empty()) {
            output.pop();
        }
    }
    outputs
}

/// A document in which each block of `sql` is followed by a block of `text` with its output, if it
/// has any.
fn with_outputs(markdown: &str, outputs: &[Vec<&str>]) -> String {
    let mut outputs = outputs.iter();
    let mut document = Vec::new();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        document.push(line);
        if line != "```sql" {
            continue;
        }
        document.extend(lines.by_ref().take_while(|line| *line != "```"));
        document.push("```");
        // The output that it has now.
        if lines.peek() == Some(&"```text") {
            while lines.next().is_some_and(|line| line != "```") {}
        }
        let output = outputs.next().expect("an output for each block");
        if !output.is_empty() {
            document.push("```text");
            document.extend(output);
            document.push("```");
        }
    }
    assert_eq!(outputs.next(), None, "more outputs than blocks");
    document.join("\n") + "\n"
}

#[test]
fn the_cookbook_shows_what_comes() {
    let path = project().join("docs").join(COOKBOOK);
    let markdown = fs::read_to_string(&path).expect("the cookbook can be read");
    let said = psql(venue(), ANALYST, &marked_script(&markdown));
    assert_eq!(said.errors, [], "line and error");
    let outputs = outputs(&said.output);
    assert!(outputs.len() > 20, "{} questions", outputs.len());
    let document = with_outputs(&markdown, &outputs);
    if std::env::var_os(REWRITE).is_some() {
        return fs::write(&path, document).expect("the cookbook can be written");
    }
    let differs = markdown.lines().zip(document.lines()).position(|(shown, comes)| shown != comes);
    if let Some(line) = differs {
        let shown = markdown.lines().nth(line).unwrap_or_default();
        let comes = document.lines().nth(line).unwrap_or_default();
        panic!(
            "{}, line {}, shows\n{shown}\nand what comes is\n{comes}\n{REWRITE}=1 writes it there",
            path.display(),
            line + 1
        );
    }
    assert_eq!(markdown, document);
}

/// A Python with what the examples need, made when that changes.
pub fn python() -> PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(make_python).clone()
}

fn make_python() -> PathBuf {
    let requirements = project().join("examples/requirements.txt");
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples");
    let python = environment.join("bin/python");
    let wanted = fs::read_to_string(&requirements).expect("the requirements can be read");
    let installed = environment.join("requirements.txt");
    if fs::read_to_string(&installed).ok().as_deref() != Some(&wanted) {
        let clear = ["-m", "venv", "--clear"];
        run(Command::new("python3").args(clear).arg(&environment));
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python).args(install).arg("--requirement").arg(&requirements));
        fs::write(&installed, wanted).expect("the environment can be written to");
    }
    python
}

/// Runs a command to its end, and returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}, {complaints}", output.status);
    String::from_utf8(output.stdout).expect("it writes UTF-8")
}

/// Draws the candles of a symbol into a new file.
fn draw(python: &Path, symbol: &str) -> PathBuf {
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{symbol}.png"));
    let connection = venue().cluster().connection(DATABASE, ANALYST).url();
    let mut example = Command::new(python);
    example.arg(project().join("examples/candles.py"));
    example.args([&connection, symbol, DATE]).arg(&picture);
    let described = run(&mut example);
    assert!(described.contains("turnover"), "{described}");
    picture
}

/// Of a million pixels, as many as are not the same in two pictures.
fn difference(python: &Path, one: &Path, other: &Path) -> u32 {
    const COMPARE: &str = "
import sys
import numpy
from PIL import Image
one, other = (numpy.asarray(Image.open(name).convert('RGB')) for name in sys.argv[1:])
same = one.shape == other.shape
print(round(1e6 * (one != other).any(axis=2).mean()) if same else 1_000_000)
";
    let printed = run(Command::new(python).args(["-c", COMPARE]).args([one, other]));
    printed.trim().parse().expect("a number")
}

#[test]
fn the_picture_of_candles_is_what_the_example_draws() {
    let shown = project().join("docs/candles.png");
    let python = python();
    let drawn = draw(&python, "AAPL");
    if std::env::var_os(REWRITE).is_some() {
        fs::copy(&drawn, &shown).expect("the picture can be written");
    }
    // Another processor may round a line to the next pixel.
    const BOUND: u32 = 2_000;
    let parts = difference(&python, &drawn, &shown);
    assert!(parts < BOUND, "{parts} pixels in a million differ: {REWRITE}=1 draws it anew");
    let other = difference(&python, &draw(&python, "MSFT"), &shown);
    assert!(other > 10 * BOUND, "of another symbol only {other} pixels in a million differ");
}

#[test]
fn outputs_find_their_blocks() {
    let markdown = "\
# Title
```sql
SET a = 1;
```
Words.
```sql
SELECT 1 AS one,
       2 AS two;
```
```text
what was shown before
```
```sql
SELECT 3 AS three;
```
";
    let script = "\n\\echo -- the next block\nSET a = 1;\n\n\n\\echo -- the next block\n\
                  SELECT 1 AS one,\n       2 AS two;\n\n\n\n\n\
                  \\echo -- the next block\nSELECT 3 AS three;\n";
    assert_eq!(marked_script(markdown), script);
    let printed = "-- the next block\n-- the next block\n one | two \n-----+-----\n   1 |   2\n\
                   (1 row)\n\n-- the next block\n three \n";
    let expected = "\
# Title
```sql
SET a = 1;
```
Words.
```sql
SELECT 1 AS one,
       2 AS two;
```
```text
 one | two
-----+-----
   1 |   2
(1 row)
```
```sql
SELECT 3 AS three;
```
```text
 three
```
";
    assert_eq!(with_outputs(markdown, &outputs(printed)), expected);
    assert_eq!(with_outputs(expected, &outputs(printed)), expected);
}
