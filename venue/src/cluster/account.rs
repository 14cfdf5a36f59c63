//! As whom the server programs run: PostgreSQL refuses to run as root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::process;

/// The operating system's user that runs servers when we are root.
const SERVER_USER: &str = "postgres";

/// The user that owns the server's files and processes.
#[derive(Clone, Debug)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    /// Whether that is another than our own.
    switch: bool,
}

impl Account {
    pub(super) fn for_servers() -> Result<Self> {
        let own = fs::metadata("/proc/self").context("cannot read /proc/self")?;
        if own.uid() != 0 {
            return Ok(Self { uid: own.uid(), gid: own.gid(), switch: false });
        }
        Ok(Self { uid: id("-u")?, gid: id("-g")?, switch: true })
    }

    /// A command that runs as this user, without the caller's PostgreSQL environment.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = if self.switch {
            let mut command = Command::new("runuser");
            command.args(["-u", SERVER_USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PG")) {
                command.env_remove(name);
            }
        }
        // Root's current folder may be closed to the server's user.
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// Whether this user may pass through a folder.
    pub(super) fn can_enter(&self, folder: &Path) -> bool {
        !self.switch
            || self
                .command("test")
                .arg("-x")
                .arg(folder)
                .status()
                .is_ok_and(|status| status.success())
    }

    /// Gives a file to this user.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        if self.switch {
            chown(path, Some(self.uid), Some(self.gid))
                .with_context(|| format!("cannot give {} to {SERVER_USER}", path.display()))?;
        }
        Ok(())
    }

    /// Makes a folder that only this user (and root) may enter, or takes one that is such.
    pub(super) fn private_folder(&self, path: &Path) -> Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => self.own(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                // Under a shared folder such as /tmp the name may have been taken by others.
                let found = fs::symlink_metadata(path)
                    .with_context(|| format!("cannot look at {}", path.display()))?;
                if !found.is_dir() || found.uid() != self.uid || found.mode() & 0o077 != 0 {
                    bail!(
                        "{} is not a private folder of user id {} (found: user id {}, mode {:o}).\n\
                         It was made by another user or program: remove it, or run as that user.",
                        path.display(),
                        self.uid,
                        found.uid(),
                        found.mode() & 0o7777,
                    );
                }
                Ok(())
            }
            Err(error) => Err(error).with_context(|| format!("cannot make {}", path.display())),
        }
    }
}

fn id(what: &str) -> Result<u32> {
    process::output(Command::new("id").args([what, SERVER_USER]))
        .and_then(|output| Ok(output.parse()?))
        .with_context(|| {
            format!(
                "root cannot run a PostgreSQL server, and there is no user {SERVER_USER} to run it.\n\
                 Debian's package postgresql-15 makes one; or run this as an ordinary user."
            )
        })
}
