//! How long the queries of `docs/cookbook.md` take on a venue that has traded their day, and by
//! which indexes.
//!
//! ```text
//! venue --cluster /tmp/big migrate --date 2026-11-20
//! venue --cluster /tmp/big day --date 2026-11-20 --commands 10000000
//! cargo run --release -p bench --bin cookbook -- /tmp/big [--plans]
//! ```
//!
//! The argument is the folder of a private cluster, or `postgresql://…`. Each query runs once to
//! fill the caches and then three times, as a member of `exchange_analyst`, to its last row; the
//! median is shown. Beside it is how much of that the server process waited for a core that
//! something else was using: about 0 on a machine that does nothing else. The program fails if a
//! query takes more than [`LONGEST`] beside that. The indexes are those of the plan that was
//! executed (`EXPLAIN ANALYZE`); `--plans` prints it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use postgres::{Client, SimpleQueryMessage};
use venue::cluster::{Cluster, DATABASE, SUPERUSER};
use venue::connection::Connection;

/// What a query may take.
const LONGEST: Duration = Duration::from_secs(1);

const RUNS: usize = 3;

/// A block of SQL of the cookbook.
struct Block {
    /// The heading that it stands under.
    question: String,
    sql: String,
}

impl Block {
    /// Whether it is a question, and no preparation of the session.
    fn is_query(&self) -> bool {
        ["SELECT", "WITH"].iter().any(|word| self.sql.starts_with(word))
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().context("which venue? give its folder, or postgresql://…")?;
    let prints_plans = arguments.any(|argument| argument == "--plans");
    let mut client = connection(&target)?.connect()?;
    client.batch_execute("SET ROLE exchange_analyst")?;
    describe(&mut client)?;

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cookbook.md");
    let document =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let backend = client.query_one("SELECT pg_backend_pid()", &[])?.get(0);
    println!("{:<55} {:>8} {:>8} {:>8} {:>5}  by", "", "first ms", "then ms", "waiting", "rows");
    let (mut queries, mut slow) = (0, 0);
    for block in blocks(&document) {
        if !block.is_query() {
            client.batch_execute(&block.sql)?;
            continue;
        }
        let question = &block.question;
        let Measured { first, median, waited, rows, plan } =
            measure(&mut client, backend, &block.sql).with_context(|| question.clone())?;
        queries += 1;
        slow += u32::from(median.saturating_sub(waited.unwrap_or_default()) > LONGEST);
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        println!(
            "{question:<55} {:>8.1} {:>8.1} {:>8} {rows:>5}  {}",
            milliseconds(first),
            milliseconds(median),
            waited.map_or("?".to_owned(), |waited| format!("{:.1}", milliseconds(waited))),
            ways(&plan).join(", "),
        );
        if prints_plans {
            println!("\n{}\n", plan.join("\n"));
        }
    }
    println!(
        "{queries} queries, {slow} of them above {} ms without the waiting",
        LONGEST.as_millis()
    );
    ensure!(queries > 0, "{} has no queries", path.display());
    ensure!(slow == 0, "{slow} queries are too slow");
    Ok(())
}

fn connection(target: &str) -> Result<Connection> {
    if target.starts_with("postgres://") || target.starts_with("postgresql://") {
        return Ok(Connection::from_url(target));
    }
    let cluster = Cluster::open(Path::new(target))?.filter(Cluster::is_running);
    let cluster = cluster.with_context(|| format!("no venue runs in {target}"))?;
    Ok(cluster.connection(DATABASE, SUPERUSER))
}

/// On what is measured.
fn describe(client: &mut Client) -> Result<()> {
    let row = client.query_one(
        "SELECT (SELECT count(*) FROM exchange.orders), (SELECT count(*) FROM exchange.executions),
                (SELECT count(*) FROM exchange.trades), current_setting('server_version'),
                current_setting('shared_buffers')",
        &[],
    )?;
    let [orders, executions, trades]: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    let [version, buffers]: [&str; 2] = [row.get(3), row.get(4)];
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{orders} orders, {executions} executions, {trades} trades; PostgreSQL {version}, \
         shared_buffers {buffers}, {cores} cores, load {}\n",
        load.split(' ').take(3).collect::<Vec<_>>().join(" ")
    );
    Ok(())
}

/// The blocks of `sql` of a document.
fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut heading = "";
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix('#') {
            heading = title.trim_start_matches('#').trim();
        } else if line.starts_with("```") {
            let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if line == "```sql" {
                blocks.push(Block { question: heading.to_owned(), sql: inside.join("\n") });
            }
        }
    }
    blocks
}

/// What a query took.
struct Measured {
    first: Duration,
    median: Duration,
    /// Of the run of the median.
    waited: Option<Duration>,
    rows: usize,
    /// Line by line.
    plan: Vec<String>,
}

fn measure(client: &mut Client, backend: i32, sql: &str) -> Result<Measured> {
    let (first, rows) = time(client, sql)?;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let before = waited(backend);
        let (elapsed, _) = time(client, sql)?;
        runs.push((elapsed, waited(backend).zip(before).map(|(after, before)| after - before)));
    }
    runs.sort_unstable();
    let (median, waited) = runs[RUNS / 2];
    Ok(Measured { first, median, waited, rows, plan: plan(client, sql)? })
}

/// How long a process of this machine has waited for a core, if the kernel counts that.
fn waited(process: i32) -> Option<Duration> {
    let counters = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    Some(Duration::from_nanos(counters.split(' ').nth(1)?.parse().ok()?))
}

/// Runs a query to its last row: how long that took, and how many rows came.
fn time(client: &mut Client, sql: &str) -> Result<(Duration, usize)> {
    let started = Instant::now();
    let messages = client.simple_query(sql)?;
    let elapsed = started.elapsed();
    let rows = messages.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_)));
    Ok((elapsed, rows.count()))
}

/// The plan by which a query was executed, line by line.
fn plan(client: &mut Client, sql: &str) -> Result<Vec<String>> {
    let messages = client.simple_query(&format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {sql}"))?;
    let lines = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(lines.collect())
}

/// The indexes of a plan; its functions; and the tables that were read from end to end.
fn ways(plan: &[String]) -> Vec<String> {
    let mut ways = BTreeSet::new();
    for line in plan.iter().filter(|line| !line.contains("never executed")) {
        let after = |words: &str| Some(line.split_once(words)?.1.split(' ').next()?.to_owned());
        let index = after("Bitmap Index Scan on ")
            .or_else(|| if line.contains("Index") { after(" using ") } else { None });
        let function = after("Function Scan on ").map(|name| format!("{name}()"));
        let table = after("Seq Scan on ").map(|name| format!("all of {name}"));
        ways.extend(index.or(function).or(table));
    }
    ways.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_the_heading_before_them() {
        let markdown = "# A\n```sql\nSET a = 1;\n```\n## B\n### What?\n```sql\nSELECT 1,\n  2;\n```\n\
                        ```text\n# 3\n```\n";
        let found = blocks(markdown);
        let found: Vec<_> =
            found.iter().map(|block| (&*block.question, &*block.sql, block.is_query())).collect();
        assert_eq!(found, [("A", "SET a = 1;", false), ("What?", "SELECT 1,\n  2;", true)]);
    }

    #[test]
    fn ways_are_what_was_executed() {
        let plan = [
            "Nested Loop  (cost=0.29..5.0 rows=1 width=8) (actual rows=8 loops=1)",
            "  ->  Index Only Scan using a_pkey on a  (cost=0.2..1 rows=1 width=8) (actual rows=1 loops=1)",
            "  ->  Bitmap Heap Scan on b  (cost=0.2..1 rows=1 width=8) (actual rows=1 loops=1)",
            "        ->  Bitmap Index Scan on b_symbol  (cost=0.2..1 rows=1 width=0) (actual rows=1 loops=1)",
            "  ->  Parallel Index Scan Backward using c_at on c t  (cost=0.2..1 rows=1) (actual rows=1 loops=1)",
            "  ->  Index Scan using d_pkey on d  (cost=0.2..1 rows=1 width=8) (never executed)",
            "  ->  Parallel Seq Scan on e x  (cost=0.2..1 rows=1 width=8) (actual rows=1 loops=1)",
            "  ->  Function Scan on f  (cost=0.2..1 rows=1 width=8) (actual rows=1 loops=1)",
        ];
        let expected = ["a_pkey", "all of e", "b_symbol", "c_at", "f()"];
        assert_eq!(ways(&plan.map(str::to_owned)), expected);
    }
}
