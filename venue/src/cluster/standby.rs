//! Clusters that follow another one by streaming replication, and change places with it.

use std::fs;

use anyhow::{Context, Result};

use super::{Cluster, SUPERUSER, settings, temporary_folder};

/// What both clusters of a pair need beside the defaults.
pub const REPLICATED: &[(&str, &str)] = &[
    // pg_rewind must know every page that the old primary changed.
    ("wal_log_hints", "on"),
    // And finds the WAL since the last checkpoint before they parted, on both sides.
    ("wal_keep_size", "1GB"),
    // A promotion may come to wait this long where settings were read again right before it: the
    // default is 5 s.
    ("wal_retrieve_retry_interval", "200ms"),
];

impl Cluster {
    /// A standby of a running cluster, in a new folder under the system's temporary one, which
    /// [`Drop`] stops and removes. It is not started yet.
    ///
    /// `name` is its `application_name`, by which the primary's `synchronous_standby_names` knows it,
    /// and that of its replication slot there: lower-case letters, digits and underscores.
    pub fn temporary_standby(
        primary: &Self,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let settings = settings::with_defaults(settings)?;
        let mut standby = Self::at(&temporary_folder(), settings::port(&settings)?)?;
        standby.temporary = true;
        standby.place.make(&standby.account)?;
        primary.make_slot(name)?;
        standby.fill(|data| {
            let mut copy = standby.server_command("pg_basebackup");
            copy.args(["--dbname", &primary.connection_string("postgres"), "--slot", name])
                .args(["--wal-method", "stream", "--checkpoint", "fast", "--no-sync", "--pgdata"])
                .arg(data);
            standby.run(copy)
        })?;
        let text = settings::render(&settings, standby.socket_directory());
        standby.follow(primary, name, &text)?;
        Ok(standby)
    }

    /// Ends the recovery of a running standby: from here on it is a primary of its own. Returns when
    /// it accepts writes.
    pub fn promote(&self) -> Result<()> {
        self.run(self.pg_ctl("promote"))
    }

    /// Makes sure that a cluster that is down does not come up as a primary again, whoever starts it.
    pub fn fence(&self) -> Result<()> {
        self.place.write_standby_signal(&self.account)
    }

    /// Makes a cluster that is down the standby `name` of the one that was promoted in its place, and
    /// takes away from it what the other one never got. It is not started yet.
    ///
    /// It may have been killed: its own WAL is replayed first.
    pub fn rejoin(&self, primary: &Self, name: &str) -> Result<()> {
        let path = self.place.settings();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // The timeline of a new primary is on its disk from its next checkpoint on.
        primary.connect("postgres", SUPERUSER)?.batch_execute("CHECKPOINT")?;
        primary.make_slot(name)?;
        self.place.remove_stale_locks(self.port)?;
        let mut rewind = self.server_command("pg_rewind");
        rewind
            .args(["--source-server", &primary.connection_string("postgres"), "--target-pgdata"])
            .arg(self.data_directory());
        if self.temporary {
            rewind.arg("--no-sync");
        }
        self.run(rewind)?;
        // pg_rewind has copied the settings of the other cluster, too.
        self.follow(primary, name, &text)
    }

    /// Makes this cluster the standby of another one from its next start on; `text` is its settings.
    fn follow(&self, primary: &Self, name: &str, text: &str) -> Result<()> {
        let primary_conninfo = format!(
            "{}application_name={name}",
            conninfo(&primary.connection("postgres", SUPERUSER).parameters()?)
        );
        let settings = [("primary_conninfo", &*primary_conninfo), ("primary_slot_name", name)];
        self.place.write_settings(&settings::replaced(text, &settings), &self.account)?;
        self.fence()
    }

    /// Has the server keep the WAL that a standby does not have yet, from now on.
    fn make_slot(&self, name: &str) -> Result<()> {
        self.connect("postgres", SUPERUSER)?
            .execute(
                "SELECT pg_create_physical_replication_slot($1, true)
                 WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)",
                &[&name],
            )
            .map(drop)
            .with_context(|| format!("cannot make the replication slot {name}"))
    }
}

/// The lines of a service as a connection string of libpq, with a space at its end.
fn conninfo(parameters: &str) -> String {
    let quoted = parameters.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| {
        format!("{name}='{}' ", value.replace('\\', r"\\").replace('\'', r"\'"))
    });
    quoted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted() {
        assert_eq!(conninfo("host=/tmp/it's a\\b\nport=1\n"), r"host='/tmp/it\'s a\\b' port='1' ");
    }
}
