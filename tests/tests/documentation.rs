//! The SQL of the documentation runs.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::replication::migrated_venue;
use tests::Venue;
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
