//! Physical backups: an archive of WAL, base backups, and clusters that go back to a moment.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Cluster, settings, temporary_folder};

/// What a cluster needs beside the defaults to keep its WAL: beside its data folder.
pub const ARCHIVED: &[(&str, &str)] = &[
    ("archive_mode", "on"),
    (
        "archive_command",
        "mkdir -p ../archive && test ! -f ../archive/%f && cp %p ../archive/%f.part && mv ../archive/%f.part ../archive/%f",
    ),
];

impl Cluster {
    /// Where a cluster with [`ARCHIVED`] keeps its WAL.
    pub fn archive(&self) -> PathBuf {
        self.place.data().with_file_name("archive")
    }

    /// Makes a base backup of the running server, beside its data folder; where it is.
    pub fn back_up(&self, name: &str) -> Result<PathBuf> {
        let folder = self.place.data().with_file_name(name);
        let mut copy = self.server_command("pg_basebackup");
        copy.args(["--dbname", &self.connection_string("postgres")])
            .args(["--checkpoint", "fast", "--no-sync", "--pgdata"])
            .arg(&folder);
        self.run(copy)?;
        Ok(folder)
    }

    /// A cluster that a base backup and an archive make, in a new folder under the system's temporary
    /// one, which [`Drop`] stops and removes. It is not started yet. When it is, it goes on to
    /// `target`, a setting of PostgreSQL such as `recovery_target_time`, and is a server of its own from
    /// there.
    pub fn temporary_restored(
        backup: &Path,
        archive: &Path,
        target: (&str, &str),
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let fetch = format!("cp '{}/%f' \"%p\"", archive.display());
        let mut all = settings.to_vec();
        all.extend([
            ("restore_command", &*fetch),
            target,
            ("recovery_target_action", "promote"),
            // It must not write into the archive of the other one.
            ("archive_mode", "off"),
        ]);
        let all = settings::with_defaults(&all)?;
        let mut restored = Self::at(&temporary_folder(), settings::port(&all)?)?;
        restored.temporary = true;
        restored.place.make(&restored.account)?;
        restored.fill(|data| {
            let mut copy = restored.account.command("cp");
            copy.arg("--archive").arg(backup).arg(data);
            restored.run(copy)
        })?;
        let text = settings::render(&all, restored.socket_directory());
        restored.place.write_settings(&text, &restored.account)?;
        let signal = restored.place.data().join("recovery.signal");
        fs::write(&signal, "").with_context(|| format!("cannot write {}", signal.display()))?;
        restored.account.own(&signal)?;
        Ok(restored)
    }
}
