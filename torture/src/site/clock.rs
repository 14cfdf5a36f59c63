//! A clock of one server's own that can be set back.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// A library for the server's processes, and the file that tells them the time.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    path: PathBuf,
    file: File,
}

impl Clock {
    /// Compiles the library into a folder; fails where there is no C compiler.
    pub fn make(folder: &Path) -> Result<Self> {
        let source = folder.join("clock.c");
        fs::write(&source, include_str!("clock.c")).context("cannot write clock.c")?;
        let library = folder.join("clock.so");
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .args([&library, &source])
            .output()
            .context("there is no C compiler (cc)")?;
        ensure!(
            output.status.success(),
            "cc cannot compile clock.c: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let path = folder.join("clock.offset");
        fs::write(&path, 0_i64.to_ne_bytes()).context("cannot write the offset of the clock")?;
        // The server is another user.
        for file in [&library, &path] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
        }
        let file = File::options().write(true).open(&path)?;
        Ok(Self { library, path, file })
    }

    /// What the environment of the server must have.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        [("LD_PRELOAD", text(&self.library)), ("TORTURE_CLOCK", text(&self.path))]
    }

    /// Sets the clock back by so much from the time that it is; zero sets it right again.
    pub fn set_back(&self, by: Duration) -> Result<()> {
        let offset_us = -i64::try_from(by.as_micros())?;
        // Eight bytes at once: nobody sees one half of them.
        Ok(self.file.write_all_at(&offset_us.to_ne_bytes(), 0)?)
    }
}
