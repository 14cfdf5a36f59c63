//! A disk of one cluster's own, in memory, that can be filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Enough for a cluster that is replaced every few minutes, and soon filled.
const SIZE: &str = "640m";

/// A mounted tmpfs, which is unmounted at the end.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one at a folder that is not there yet, for a server of the user `postgres`; only root
    /// may.
    pub fn mount(folder: &Path) -> Result<Self> {
        fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let options = format!("size={SIZE},mode=0700,uid=postgres,gid=postgres");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "pg_exchange-torture"])
            .arg(folder)
            .output()
            .context("there is no program mount")?;
        if !output.status.success() {
            fs::remove_dir(folder)?;
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Writes until there is no room for another byte; how many bytes that took.
    pub fn fill(&self) -> Result<u64> {
        const CHUNK: usize = 1 << 20;
        let mut file = File::create(self.ballast()).context("cannot fill the disk")?;
        let (mut size, mut written) = (CHUNK, 0);
        while size > 0 {
            match file.write(&vec![1; size]) {
                Ok(count) => written += count as u64,
                // What does not fit as a whole may fit in parts.
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => return Err(error).context("cannot fill the disk"),
            }
        }
        Ok(written)
    }

    /// Gives the room back.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("cannot free the disk")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Leaves it mounted, for whoever wants to look at what is on it.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.folder).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("cannot unmount {}", self.folder.display());
        }
    }
}
