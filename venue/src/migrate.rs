//! Turns an empty database into a venue, and an older venue into the newest, by the SQL files
//! in `migrations/`. sqlx runs them, so `sqlx migrate run` does the same.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use postgres::Client;
use postgres::error::SqlState;
use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Connection as _, PgConnection};

use crate::connection::Connection;
use crate::day::{TradingDay, exchange_time, use_real_clock, use_simulated_clock};

/// The migration that creates the extension.
const EXTENSION: i64 = 1;

/// The folder `migrations/` of the project that this was built from.
pub fn project_migrations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations")
}

/// The folder of the migrations that make a reporting database.
pub fn reporting_migrations() -> PathBuf {
    project_migrations().join("reporting")
}

/// Runs what has not run yet, by the real clock: how a venue is set up.
pub fn run(connection: &Connection, folder: &Path) -> Result<()> {
    apply(connection, folder, None)
}

/// The same for a venue that is to trade a day of the past, as the demo does: its clock starts
/// on the morning of that day, since the clock of an exchange never goes back.
///
/// Where the clock is past that morning already, this is [`run`].
pub fn run_on_morning(connection: &Connection, folder: &Path, date: Option<&str>) -> Result<()> {
    if !is_pending(connection, folder)? {
        return run(connection, folder);
    }
    let mut client = connection.connect()?;
    let morning = TradingDay::find(&mut client, date)?.morning;
    use_simulated_clock(connection)?;
    let migrated = apply_on(morning, connection, folder, &mut client);
    // After an error too.
    use_real_clock(connection).context("the simulated clock of the exchange is still on")?;
    migrated
}

fn apply_on(
    morning: SystemTime,
    connection: &Connection,
    folder: &Path,
    client: &mut Client,
) -> Result<()> {
    apply(connection, folder, Some(EXTENSION))?;
    wait_for_matcher(client)?;
    match client.execute("SELECT exchange.advance_clock($1)", &[&morning]) {
        Ok(_) => {}
        Err(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => {
            // It is that late already. If by the real clock, leave it to that.
            if exchange_time(client)?.is_some_and(|time| time > morning) {
                use_real_clock(connection)?;
            }
        }
        Err(error) => return Err(error).context("exchange.advance_clock()"),
    }
    apply(connection, folder, None)
}

/// Waits until the matcher has noticed the extension. It read the settings before, and would go
/// by what they said then.
fn wait_for_matcher(client: &mut Client) -> Result<()> {
    let query = "SELECT state FROM exchange.workers WHERE worker = 'matcher'";
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let state: String = client.query_one(query, &[])?.get(0);
        if state == "running" {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "the matcher is still {state} a minute after CREATE EXTENSION: see the server log"
            );
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn apply(connection: &Connection, folder: &Path, target: Option<i64>) -> Result<()> {
    with_migrator(connection, folder, async |migrator, connection| {
        match target {
            Some(target) => migrator.run_to(target, connection).await,
            None => migrator.run(connection).await,
        }
        .context("the migrations cannot be applied; correct what follows, and run this again")
    })
}

fn is_pending(connection: &Connection, folder: &Path) -> Result<bool> {
    with_migrator(connection, folder, async |migrator, connection| {
        connection.ensure_migrations_table("_sqlx_migrations").await?;
        let applied = connection.list_applied_migrations("_sqlx_migrations").await?;
        let is_applied = |version| applied.iter().any(|migration| migration.version == version);
        Ok(migrator.iter().any(|migration| !is_applied(migration.version)))
    })
}

fn with_migrator<T>(
    connection: &Connection,
    folder: &Path,
    work: impl AsyncFnOnce(&Migrator, &mut PgConnection) -> Result<T>,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let migrator = Migrator::new(folder)
            .await
            .with_context(|| format!("cannot read the migrations in {}", folder.display()))?;
        let url = connection.url();
        let mut connection = PgConnection::connect(&url)
            .await
            .with_context(|| format!("cannot connect to {url}"))?;
        let result = work(&migrator, &mut connection).await;
        let _ = connection.close().await;
        result
    })
}
