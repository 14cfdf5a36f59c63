//! Where a cluster's files are.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::account::Account;
use super::process::Postmaster;

/// The longest path of a socket that PostgreSQL takes is 107 bytes; some room is left.
const LONGEST_SOCKET_PATH: usize = 100;

/// The folders of a cluster.
#[derive(Debug)]
pub(super) struct Place {
    /// Holds the data folder, the log and, usually, the socket's folder.
    home: PathBuf,
    socket: PathBuf,
    moved: Option<String>,
}

impl Place {
    /// The folders of the cluster that is asked for at `directory`, or under the system's
    /// temporary folder where the server could not use that.
    pub(super) fn find(directory: &Path, account: &Account, port: u16) -> Result<Self> {
        let asked = std::path::absolute(directory)
            .with_context(|| format!("cannot make sense of {}", directory.display()))?;
        let mut moved = None;
        let closed = asked
            .ancestors()
            .skip(1)
            .find(|folder| folder.exists())
            .filter(|folder| !account.can_enter(folder));
        let home = if let Some(folder) = closed {
            let home = substitute(&asked, "");
            moved = Some(format!(
                "The postgres user cannot enter {}: the cluster is in {}.",
                folder.display(),
                home.display()
            ));
            home
        } else {
            asked.clone()
        };
        let mut socket = home.join("socket");
        let longest = socket.join(format!(".s.PGSQL.{port}.lock"));
        if longest.as_os_str().len() > LONGEST_SOCKET_PATH {
            socket = substitute(&asked, "-socket");
        }
        Ok(Self { home, socket, moved })
    }

    /// Makes the folders, if they are not there.
    pub(super) fn make(&self, account: &Account) -> Result<()> {
        if let Some(parent) = self.home.parent().filter(|parent| !parent.exists()) {
            fs::create_dir_all(parent)
                .and_then(|()| fs::set_permissions(parent, fs::Permissions::from_mode(0o755)))
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        account.private_folder(&self.home)?;
        account.private_folder(&self.socket)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.data().join(super::settings::FILE)
    }

    /// Where the server looks up the services that its subscriptions connect to.
    pub(super) fn services(&self) -> PathBuf {
        self.home.join("pg_service.conf")
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn moved(&self) -> Option<&str> {
        self.moved.as_deref()
    }

    /// Writes the settings if they are not the ones that are there already.
    pub(super) fn write_settings(&self, text: &str, account: &Account) -> Result<()> {
        write(&self.settings(), text, account)
    }

    /// Makes the server a standby from its next start on.
    pub(super) fn write_standby_signal(&self, account: &Account) -> Result<()> {
        let signal = self.data().join("standby.signal");
        fs::write(&signal, "").with_context(|| format!("cannot write {}", signal.display()))?;
        account.own(&signal)
    }

    /// Writes the services that the server knows. There may be a password among them; the folder is
    /// closed to others.
    pub(super) fn write_services(&self, text: &str, account: &Account) -> Result<()> {
        write(&self.services(), text, account)
    }

    /// Removes the lock files of a server that is gone. PostgreSQL does that too, but not where
    /// the process id in them is in use again, or is a zombie's.
    pub(super) fn remove_stale_locks(&self, port: u16) -> Result<()> {
        debug_assert!(Postmaster::of(&self.data()).is_none());
        let locks =
            [self.data().join("postmaster.pid"), self.socket.join(format!(".s.PGSQL.{port}.lock"))];
        for lock in locks.iter().filter(|lock| lock.exists()) {
            fs::remove_file(lock).with_context(|| format!("cannot remove {}", lock.display()))?;
        }
        Ok(())
    }

    pub(super) fn remove(&self) -> Result<()> {
        for folder in [&self.socket, &self.home] {
            if folder.exists() {
                fs::remove_dir_all(folder)
                    .with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
        Ok(())
    }
}

/// Writes a file of the server's unless it says this already.
fn write(path: &Path, text: &str, account: &Account) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    account.own(path)
}

/// A folder under the system's temporary one that stands in for `asked`, always the same.
fn substitute(asked: &Path, suffix: &str) -> PathBuf {
    // FNV-1a: short, and the same in every build of this program.
    let hash =
        asked.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3_u64)
        });
    std::env::temp_dir().join(format!("pg_exchange-{hash:016x}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitutes_are_stable_and_distinct() {
        let one = substitute(Path::new("/root/project/build/venue"), "");
        assert_eq!(one, substitute(Path::new("/root/project/build/venue"), ""));
        assert_ne!(one, substitute(Path::new("/root/project2/build/venue"), ""));
        assert!(one.starts_with(std::env::temp_dir()));
    }
}
