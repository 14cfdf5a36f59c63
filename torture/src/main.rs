//! The command line of the torture.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tests::random;
use torture::campaign::{Campaign, Plan, Unsound};
use torture::faults::Kind;

/// Tortures the exchange that is installed in the PostgreSQL of PG_CONFIG, in private clusters.
#[derive(Debug, Parser)]
struct Arguments {
    /// No round begins after so long.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// What faults and requests follow from; by default a new one.
    #[arg(long)]
    seed: Option<u64>,
    /// Only these faults, with commas between them.
    #[arg(long, value_enum, value_delimiter = ',')]
    faults: Vec<Kind>,
    /// How many traders there are.
    #[arg(long, default_value_t = 16)]
    traders: usize,
    /// Rounds at most.
    #[arg(long, default_value_t = u64::MAX)]
    rounds: u64,
    /// The exchange has a fault put in: to find that orders are lost is to succeed.
    #[arg(long)]
    expect_finding: bool,
}

/// The first order that was found to be lost.
fn lost(finding: &anyhow::Error) -> Option<&str> {
    let Unsound(verdict) = finding.downcast_ref()?;
    verdict.findings.iter().map(String::as_str).find(|finding| finding.contains("is lost"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(random::new_seed);
    println!("seed {seed}");
    let faults =
        if arguments.faults.is_empty() { Kind::ALL.to_vec() } else { arguments.faults.clone() };
    let mut campaign = Campaign::new(Plan {
        seed,
        duration: Duration::from_secs(arguments.seconds),
        faults: faults.clone(),
        traders: arguments.traders,
        rounds: arguments.rounds,
        keeps_finding: !arguments.expect_finding,
    });
    let result = campaign.run();
    match (&result, arguments.expect_finding) {
        (Ok(()), false) => {
            println!("\n{}", campaign.figures());
            println!("torture: {} passed, 0 failed", campaign.figures().audits());
            ExitCode::SUCCESS
        }
        (Err(finding), false) => {
            let faults: Vec<String> = faults.iter().map(Kind::to_string).collect();
            println!("\nFOUND: {finding:#}\n");
            println!("Again: scripts/torture --seed {seed} --faults {}", faults.join(","));
            println!("torture: {} passed, 1 failed", campaign.figures().audits());
            ExitCode::FAILURE
        }
        (Err(finding), true) if lost(finding).is_some() => {
            println!("\nfound, as it should be: {}", lost(finding).unwrap_or_default());
            println!("torture: 1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        (result, true) => {
            let because = result.as_ref().err().map(|error| format!(": {error:#}"));
            println!("\nno loss was found{}", because.unwrap_or_default());
            println!("torture: 0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}
