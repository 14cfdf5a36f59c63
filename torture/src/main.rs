//! The command line of the torture.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tests::random;
use torture::campaign::{Campaign, Plan};
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
    /// The exchange has a fault put in: to find it is to succeed.
    #[arg(long)]
    expect_finding: bool,
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
        (Err(finding), true) => {
            println!("\nfound, as it should be: {finding:#}");
            println!("torture: 1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        (Ok(()), true) => {
            println!("\nthe fault that was put in was not found");
            println!("torture: 0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}
