//! The simulated clock of an exchange, on for as long as a day is traded.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use postgres::Client;

use crate::connection::Connection;

/// The clock of the exchange stands still but for `exchange.advance_clock()` while this lives.
pub struct SimulatedClock {
    connection: Connection,
}

impl SimulatedClock {
    /// Turns the simulated clock on.
    pub fn start(connection: &Connection) -> Result<Self> {
        // From here on it is turned off again, whatever happens.
        let clock = Self { connection: connection.clone() };
        set(connection, "SET exchange.simulated_clock = on", "on")?;
        Ok(clock)
    }

    /// Turns the simulated clock off: the exchange goes by the real one again.
    pub fn stop(self) -> Result<()> {
        let connection = self.connection.clone();
        std::mem::forget(self);
        use_real_clock(&connection)
    }
}

impl Drop for SimulatedClock {
    fn drop(&mut self) {
        if let Err(error) = use_real_clock(&self.connection) {
            eprintln!(
                "The simulated clock of the exchange is still on ({error:#}).\n\
                 Turn it off with: ALTER SYSTEM RESET exchange.simulated_clock; SELECT pg_reload_conf();"
            );
        }
    }
}

/// Lets an exchange go by the real clock, whatever it goes by now. Opens a connection of its own:
/// others may be broken.
pub fn use_real_clock(connection: &Connection) -> Result<()> {
    set(connection, "RESET exchange.simulated_clock", "off")
}

/// Changes the setting in the server, and waits until it holds.
fn set(connection: &Connection, change: &str, value: &str) -> Result<()> {
    let mut client = connection.connect()?;
    let context = || format!("ALTER SYSTEM {change}");
    client.batch_execute(&format!("ALTER SYSTEM {change}")).with_context(context)?;
    client.batch_execute("SELECT pg_reload_conf()").with_context(context)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let found: String = client.query_one("SHOW exchange.simulated_clock", &[])?.get(0);
        if found == value {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "exchange.simulated_clock is still {found}, ten seconds after ALTER SYSTEM {change}"
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The time of the exchange: that of its last command, if there was one.
pub fn time(client: &mut Client) -> Result<Option<SystemTime>> {
    client.execute("SELECT exchange.wait_for('projected')", &[])?;
    let row = client.query_opt(
        "SELECT timestamptz '2000-01-01 00:00:00+00' + time_us * interval '1 microsecond'
         FROM exchange.engine_state",
        &[],
    )?;
    Ok(row.map(|row| row.get(0)))
}
