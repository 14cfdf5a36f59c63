//! The SQL of the documentation runs.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::replication::migrated_venue;
use tests::{Venue, wait_until};
use venue::cluster::{DATABASE, SUPERUSER};

/// Runs on a venue that has traded, and shows what comes: see [`crate::analysts`].
pub const COOKBOOK: &str = "cookbook.md";

pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// README.md and all of docs/ but the cookbook, those that there are.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> = fs::read_dir(project().join("docs"))
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .filter(|path| !path.ends_with(COOKBOOK))
        .collect();
    documents.sort();
    documents.insert(0, project().join("README.md"));
    documents
}

/// The SQL of a document, each statement in the line that it has there, so that psql names the
/// line of the document where something is wrong. Blocks of `sql` are statements; in blocks of
/// `text` and `console` what stands after the prompts of psql is.
pub fn script(markdown: &str) -> String {
    let mut block = None;
    let mut has_prompt = false;
    let mut lines = Vec::new();
    for line in markdown.lines() {
        let fence = line.trim_start().strip_prefix("```");
        let statement = match (fence, block) {
            (Some(language), None) => {
                block = Some(language.trim());
                None
            }
            (Some(_), Some(_)) => {
                block = None;
                // Each that has prompts is a session of its own, maybe of another role.
                std::mem::take(&mut has_prompt).then_some("DISCARD ALL;")
            }
            (None, Some("sql")) => Some(line),
            (None, Some("text" | "console")) => {
                let statement = after_prompt(line);
                has_prompt |= statement.is_some();
                statement
            }
            (None, _) => None,
        };
        lines.push(statement.unwrap_or_default());
    }
    lines.join("\n")
}

/// What is typed after a prompt such as `exchange=#` or `exchange->`.
fn after_prompt(line: &str) -> Option<&str> {
    let (prompt, statement) = line.split_once(' ')?;
    let database =
        ["=#", "-#", "(#", "=>", "->", "(>"].iter().find_map(|end| prompt.strip_suffix(end))?;
    let is_name = !database.is_empty()
        && database.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name.then_some(statement)
}

/// The errors that a document shows: the line of the statement, and what it says.
fn shown_errors(markdown: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = markdown.lines().collect();
    // An error stands right under its statement.
    let is_error = |at: usize| {
        lines[at].starts_with("ERROR:  ") && at > 0 && after_prompt(lines[at - 1]).is_some()
    };
    (0..lines.len()).filter(|&at| is_error(at)).map(|at| (at, lines[at].to_owned())).collect()
}

/// The errors of a script that the superuser runs by psql, and their lines.
fn errors_of(venue: &Venue, script: &str) -> Vec<(usize, String)> {
    psql(venue, SUPERUSER, script).errors
}

/// What psql says.
pub struct Said {
    /// What it prints.
    pub output: String,
    /// The errors, and the lines of the script that they are of.
    pub errors: Vec<(usize, String)>,
}

/// Runs a script by psql, as those do who paste it.
pub fn psql(venue: &Venue, role: &str, script: &str) -> Said {
    let cluster = venue.cluster();
    let mut psql = cluster
        .server_command("psql")
        .args(["--no-psqlrc", "--quiet", "--host"])
        .arg(cluster.socket_directory())
        .args(["--port", &cluster.port().to_string()])
        .args(["--username", role, "--dbname", DATABASE, "--file", "-"])
        .env("PAGER", "")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql can be run");
    let mut input = psql.stdin.take().expect("it was asked for");
    let output = std::thread::scope(|scope| {
        // It prints while it reads.
        scope.spawn(move || input.write_all(script.as_bytes()).expect("psql reads to the end"));
        psql.wait_with_output().expect("psql ends")
    });
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "psql ended early: {complaints}");
    Said {
        output: String::from_utf8(output.stdout).expect("psql writes UTF-8"),
        errors: complaints.lines().filter_map(error).collect(),
    }
}

/// A line of psql's such as `psql:<stdin>:35: ERROR:  no such order`, but for notices.
fn error(line: &str) -> Option<(usize, String)> {
    let (number, message) = line.strip_prefix("psql:<stdin>:")?.split_once(": ")?;
    let harmless = ["NOTICE:", "WARNING:", "INFO:"];
    let is_harmless = harmless.iter().any(|severity| message.starts_with(severity));
    (!is_harmless).then(|| (number.parse().expect("a line"), message.to_owned()))
}

#[test]
fn every_statement_of_the_documentation_runs() {
    let mut statements = 0;
    for document in documents() {
        let Ok(markdown) = fs::read_to_string(&document) else {
            println!("there is no {}", document.display());
            continue;
        };
        let script = script(&markdown);
        if script.trim().is_empty() {
            continue;
        }
        statements += 1;
        let venue = migrated_venue();
        // A document that opens the market shows how; the others take it to be open.
        if !script.contains("open_market()") {
            venue.superuser().run("SELECT exchange.open_market()");
        }
        let name = document.display();
        assert_eq!(errors_of(&venue, &script), shown_errors(&markdown), "{name}: found, and shown");
    }
    assert!(statements > 0, "README.md and docs/ have no SQL that could be run");
}

#[test]
fn statements_keep_their_line() {
    let markdown = "\
# Title
```sql
SELECT 1,
       2;
```
Text exchange=# SELECT 3;
```console
exchange=# SELECT *
exchange-# FROM t;
 a | b
---+---
$ make demo
exchange=> SELECT 4;
```
```sh
SELECT 5;
```";
    let expected =
        "\n\nSELECT 1,\n       2;\n\n\n\nSELECT *\nFROM t;\n\n\n\nSELECT 4;\nDISCARD ALL;\n\n\n";
    assert_eq!(script(markdown), expected);
}

#[test]
fn what_does_not_run_is_found() {
    let venue = migrated_venue();
    assert_eq!(errors_of(&venue, "SELECT exchange.open_market();\n\\d exchange.trades\n"), []);
    let script = "SELECT 1;\n\nSELECT *\nFROM exchange.nothing;\n\\nonsense\nSELECT 2;\n";
    let errors = errors_of(&venue, script);
    let [(4, missing), (5, nonsense)] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(missing, "ERROR:  relation \"exchange.nothing\" does not exist");
    assert!(nonsense.contains("invalid command"), "{nonsense}");
}

#[test]
fn an_error_may_be_shown() {
    let markdown = "\
```console
exchange=# SELECT *
exchange-# FROM exchange.nothing;
ERROR:  relation \"exchange.nothing\" does not exist
LINE 2: FROM exchange.nothing;
```";
    let shown = (3, "ERROR:  relation \"exchange.nothing\" does not exist".to_owned());
    assert_eq!(shown_errors(markdown), [shown]);
}

/// The programs in Python of a document.
fn programs(markdown: &str) -> Vec<String> {
    let blocks = markdown.split("\n```python\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

/// A program that runs for as long as this lives.
struct Program(Child);

impl Program {
    fn start(venue: &Venue, program: &str) -> Self {
        let child = Command::new(crate::analysts::python())
            .args(["-u", "-c", program])
            .env("PGHOST", venue.cluster().socket_directory())
            .env("PGPORT", venue.cluster().port().to_string())
            .env("PGUSER", SUPERUSER)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python can be run");
        Self(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended with an error already, which it printed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_programs_of_the_documentation_run() {
    let venue = migrated_venue();
    let mut session = venue.superuser();
    session.run("SELECT exchange.open_market()");
    let markdown = fs::read_to_string(project().join("docs/market_data.md")).expect("it is there");
    let programs = programs(&markdown);
    let [listener, recorder] = programs.as_slice() else { panic!("other programs: {programs:#?}") };

    // What the second one follows, and where it writes.
    for made in ["CREATE TABLE traded ", "SELECT exchange.create_consumer('recorder');"] {
        let statement = markdown.lines().find(|line| line.starts_with(made));
        session.run(statement.unwrap_or_else(|| panic!("it does not say: {made}")));
    }
    let mut listener = Program::start(&venue, listener);
    let _recorders = [Program::start(&venue, recorder), Program::start(&venue, recorder)];
    wait_until("the programs are there", || {
        session.is_true(
            "SELECT (SELECT count(*) = 2 FROM exchange.consumer_members WHERE name = 'recorder')
                AND EXISTS (SELECT FROM pg_stat_activity
                            WHERE state = 'idle' AND query LIKE '%events_after%' AND pid <> pg_backend_pid())",
        )
    });
    for symbol in ["AAPL", "MSFT", "AAPL"] {
        session.place(&format!("'{symbol}', 'sell', 300, 5"));
        session.place(&format!("'{symbol}', 'buy', 300, 5"));
    }

    let lines = BufReader::new(listener.0.stdout.take().expect("it was asked for")).lines();
    let told: Vec<String> = lines
        .map(|line| line.expect("it prints UTF-8"))
        .filter(|line| line.contains("trade"))
        .take(2)
        .collect();
    let tape = session.rows(
        "SELECT sequence, event, price, quantity FROM exchange.events_after(0, 'AAPL')
         WHERE event = 'trade'",
    );
    assert_eq!(told, tape.iter().map(|row| row.replace('|', " ")).collect::<Vec<_>>());
    let recorded = "SELECT sequence, symbol, price, quantity FROM traded ORDER BY sequence";
    wait_until("every trade is recorded", || session.rows(recorded).len() >= 3);
    assert_eq!(session.rows(recorded).len(), 3, "{:?}", session.rows(recorded));
}
