//! The command `venue`: a private exchange in a folder, its demo day, and stream replays.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use postgres::Client;
use venue::cluster::{Cluster, DATABASE, Installation, SUPERUSER, StopMode};
use venue::connection::Connection;
use venue::day::{self, Options, Outcome};
use venue::{migrate, replay, reporting, show};

/// A private exchange in a folder: PostgreSQL with pg_exchange, on a Unix socket.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    command: Action,
}

#[derive(Args)]
struct Target {
    /// The folder of the private cluster
    #[arg(long, global = true, value_name = "FOLDER", default_value = "build/venue")]
    cluster: PathBuf,
    /// Another exchange than the private cluster's, as postgresql://…
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
}

#[derive(Subcommand)]
enum Action {
    /// Make the cluster if there is none, and start it; restart it if its library was replaced
    Start,
    /// Stop the cluster
    Stop,
    /// Stop the cluster and remove it with all its data
    Remove,
    /// Start the cluster and make it a venue: extension, instruments, accounts, publications
    Migrate {
        /// The day to trade, as in 2026-11-20: its morning is when the venue's clock starts
        #[arg(long)]
        date: Option<String>,
        /// The folder of the migrations
        #[arg(long, value_name = "FOLDER", default_value_os_t = migrate::project_migrations())]
        migrations: PathBuf,
    },
    /// Trade a synthetic day on a running venue
    Day(DayArguments),
    /// Show what a day left: book, trades, candles and status
    Show {
        /// Of which instrument
        #[arg(long, default_value = "AAPL")]
        symbol: String,
    },
    /// All of it: start, migrate, day and show
    Demo {
        #[command(flatten)]
        day: DayArguments,
        /// The instrument to show
        #[arg(long, default_value = "AAPL")]
        symbol: String,
    },
    /// Make a reporting database that follows the venue, in a private cluster beside it
    Report,
    /// Open psql on the venue
    Psql {
        /// Arguments for psql
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Replay an order stream and check every answer, fill and book
    Replay {
        /// The order stream (seq,op,id,side,price,qty,row,expect)
        stream: PathBuf,
        /// The instrument; it is created unless it exists
        #[arg(long)]
        symbol: String,
        /// The published books after each event
        #[arg(long)]
        book: Option<PathBuf>,
        /// The tick size of a new instrument
        #[arg(long, default_value = "0.01")]
        tick: rust_decimal::Decimal,
    },
}

#[derive(Args)]
struct DayArguments {
    /// Which day, as in 2026-11-20 [default: the last weekday before today]
    #[arg(long)]
    date: Option<String>,
    /// About how many commands to send
    #[arg(long, default_value_t = Options::default().commands)]
    commands: u64,
    /// The same seed trades the same day
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        // Whoever reads has read enough, as in `venue show | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("venue: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn run(Cli { target, command }: Cli) -> Result<ExitCode> {
    match command {
        Action::Start => drop(target.start()?),
        Action::Stop => {
            stop(&target.reports(), "reporting database")?;
            if !stop(&target.cluster, "venue")? {
                println!("The venue is not running.");
            }
        }
        Action::Remove => {
            remove(&target.reports(), "reporting database")?;
            if !remove(&target.cluster, "venue")? {
                println!("There is no venue.");
            }
        }
        Action::Migrate { date, migrations } => {
            on_interrupt()?;
            target.migrate(date.as_deref(), &migrations)?;
        }
        Action::Day(arguments) => {
            let stop = on_interrupt()?;
            return trade(&target.connection()?, arguments, &stop);
        }
        Action::Show { symbol } => target.show(&symbol)?,
        Action::Demo { day, symbol } => {
            let stop = on_interrupt()?;
            target.migrate(day.date.as_deref(), &migrate::project_migrations())?;
            let code = trade(&target.connection()?, day, &stop)?;
            if code != ExitCode::SUCCESS {
                return Ok(code);
            }
            target.show(&symbol)?;
        }
        Action::Report => target.report()?,
        Action::Psql { arguments } => return psql(&target.connection()?, &arguments),
        Action::Replay { stream, symbol, book, tick } => {
            return replay(&target.connection()?, &stream, &symbol, book.as_deref(), tick);
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Target {
    /// The settings of the private venue, beside the defaults of all private clusters.
    const SETTINGS: &[(&str, &str)] = &[
        ("cluster_name", "venue"),
        ("timezone", "America/New_York"),
        ("exchange.database", DATABASE),
        // Whoever looks at it wants to place an order, whatever the hour in New York.
        ("exchange.calendar", "off"),
    ];

    fn start(&self) -> Result<Cluster> {
        let cluster = Cluster::create(&self.cluster, Self::SETTINGS)?;
        if let Some(moved) = cluster.moved() {
            println!("{moved}");
        }
        if let Some(reason) = cluster.outdated("pg_exchange")? {
            println!("Restarting the venue: {reason}.");
            cluster.stop(StopMode::Fast)?;
        }
        cluster
            .start()
            .context("the venue does not start; is the extension installed (make install)?")?;
        Ok(cluster)
    }

    fn migrate(&self, date: Option<&str>, migrations: &Path) -> Result<()> {
        if self.url.is_none() {
            self.start()?.create_database(DATABASE)?;
        }
        migrate::run_on_morning(&self.connection()?, migrations, date)
    }

    /// The folder of the reporting database's cluster.
    fn reports(&self) -> PathBuf {
        let mut name = self.cluster.clone().into_os_string();
        name.push("-reports");
        name.into()
    }

    fn report(&self) -> Result<()> {
        let cluster = reporting::follow(&self.reports(), &self.connection()?)?;
        if let Some(moved) = cluster.moved() {
            println!("{moved}");
        }
        println!(
            "The reporting database follows the venue. Connect to it with\n    {}",
            reporting::connection(&cluster).psql_line()
        );
        Ok(())
    }

    fn connection(&self) -> Result<Connection> {
        if let Some(url) = &self.url {
            return Ok(Connection::from_url(url));
        }
        let cluster = Cluster::open(&self.cluster)?.filter(Cluster::is_running);
        let cluster = cluster.with_context(|| {
            format!("no venue runs in {}; start one with: make demo", self.cluster.display())
        })?;
        Ok(cluster.connection(DATABASE, SUPERUSER))
    }

    fn show(&self, symbol: &str) -> Result<()> {
        let connection = self.connection()?;
        show::show(&connection, &Installation::find()?.program("psql"), symbol)?;
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "The exchange is running. Connect to it with\n    {}\nand place an order with\n    \
             SELECT * FROM exchange.place_order('{symbol}', 'buy', NULL, 10, order_type => 'market');",
            connection.psql_line()
        )?;
        if self.url.is_none() {
            writeln!(out, "Stop it with\n    make stop")?;
        }
        Ok(())
    }
}

/// Stops the cluster in a folder; whether there was one that ran.
fn stop(folder: &Path, what: &str) -> Result<bool> {
    let Some(cluster) = Cluster::open(folder)?.filter(Cluster::is_running) else {
        return Ok(false);
    };
    cluster.stop(StopMode::Fast)?;
    println!("The {what} is stopped.");
    Ok(true)
}

/// Removes the cluster in a folder; whether there was one.
fn remove(folder: &Path, what: &str) -> Result<bool> {
    let Some(cluster) = Cluster::open(folder)? else { return Ok(false) };
    cluster.remove()?;
    println!("The {what} is removed.");
    Ok(true)
}

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Lets Ctrl-C end what is being done in good order. Returns what it sets.
fn on_interrupt() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            // The second time it is not to wait for anything. Another run goes on from here.
            std::process::exit(INTERRUPTED.into());
        }
        eprintln!("\nStopping. (Once more: at once.)");
    })?;
    Ok(stop)
}

fn trade(
    connection: &Connection,
    DayArguments { date, commands, seed }: DayArguments,
    stop: &AtomicBool,
) -> Result<ExitCode> {
    let options = Options { date, commands, seed, quiet: false };
    match day::trade(connection, &options, stop)? {
        Outcome::Traded(totals) => println!("The day is traded: {totals}.\n"),
        Outcome::Over(day) => println!(
            "{} is over on this exchange: there is nothing to trade. (`make reset demo` trades it \
             again, on a new exchange.)\n",
            day.date
        ),
        Outcome::Interrupted(time, totals) => {
            println!(
                "Interrupted at {time} of the simulated day, after {totals}.\nThe exchange is \
                 running, with its open orders, and its clock stands still. Run this again to \
                 trade the rest of the day."
            );
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn psql(connection: &Connection, arguments: &[String]) -> Result<ExitCode> {
    let psql = Installation::find()?.program("psql");
    // psql handles Ctrl-C itself: let it be the process that gets it.
    let error = std::os::unix::process::CommandExt::exec(
        std::process::Command::new(&psql).args(connection.arguments()).args(arguments),
    );
    Err(error).with_context(|| format!("cannot run {}", psql.display()))
}

fn replay(
    connection: &Connection,
    stream: &Path,
    symbol: &str,
    book: Option<&Path>,
    tick: rust_decimal::Decimal,
) -> Result<ExitCode> {
    let stream = replay::read_stream(stream)?;
    let books = book.map(replay::read_books).transpose()?;
    let mut client = connection.connect()?;
    let [maker_account, taker_account] = prepare(&mut client, symbol, tick)?;
    let replay = replay::Replay {
        symbol,
        maker_account,
        taker_account,
        stream: &stream,
        books: books.as_ref(),
    };
    let report = replay::run(&mut client, &replay)?;
    println!("{symbol}: {report}");
    match report.difference {
        None => Ok(ExitCode::SUCCESS),
        Some(difference) => {
            eprintln!("The first difference: {difference}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Makes what a replay needs: the instrument, if there is none; two accounts with money and
/// shares; an open market.
fn prepare(client: &mut Client, symbol: &str, tick: rust_decimal::Decimal) -> Result<[i32; 2]> {
    let listed = "SELECT FROM exchange.instruments WHERE symbol = $1";
    if client.query_opt(listed, &[&symbol])?.is_none() {
        client.execute("SELECT exchange.create_instrument($1, $2)", &[&symbol, &tick])?;
    }
    let accounts = [replay::open_account(client, symbol)?, replay::open_account(client, symbol)?];
    day::open_market(client)?;
    Ok(accounts)
}
