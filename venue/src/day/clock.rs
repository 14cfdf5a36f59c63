//! The simulated clock of an exchange, on for as long as a day is traded.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use postgres::Client;

use crate::connection::Connection;

/// Lets the clock of an exchange stand still but for `exchange.advance_clock()`.
pub fn use_simulated_clock(connection: &Connection) -> Result<()> {
    set(connection, "exchange.simulated_clock", Some("on"))
}

/// Lets an exchange go by the real clock, whatever it goes by now. Opens a connection of its own:
/// others may be broken.
pub fn use_real_clock(connection: &Connection) -> Result<()> {
    set(connection, "exchange.simulated_clock", None)
}

/// Lets the calendar of an exchange open and close its market.
pub(super) fn use_calendar(connection: &Connection) -> Result<()> {
    set(connection, "exchange.calendar", Some("on"))
}

/// Lets an exchange go by its calendar or not, as its own settings say.
pub(super) fn leave_calendar(connection: &Connection) -> Result<()> {
    set(connection, "exchange.calendar", None)
}

/// Whether the calendar of the exchange opens and closes its market.
pub(super) fn calendar_is_on(client: &mut Client) -> Result<bool> {
    Ok(client.query_one("SHOW exchange.calendar", &[])?.get::<_, &str>(0) == "on")
}

/// Changes a setting of the server, or leaves it to the server's own files, and waits until that
/// is read.
fn set(connection: &Connection, setting: &str, value: Option<&str>) -> Result<()> {
    let mut client = connection.connect()?;
    let change = match value {
        Some(value) => format!("ALTER SYSTEM SET {setting} = {value}"),
        None => format!("ALTER SYSTEM RESET {setting}"),
    };
    let read_at = |client: &mut Client| -> Result<SystemTime> {
        Ok(client.query_one("SELECT pg_conf_load_time()", &[])?.get(0))
    };
    let before = read_at(&mut client)?;
    client.batch_execute(&change).with_context(|| change.clone())?;
    client.batch_execute("SELECT pg_reload_conf()").context("SELECT pg_reload_conf()")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while read_at(&mut client)? == before {
        if Instant::now() > deadline {
            bail!("the server has not read its settings, ten seconds after: {change}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
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
