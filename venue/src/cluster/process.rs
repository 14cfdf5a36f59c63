//! Running programs, and looking at processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

/// Runs a program and returns what it printed, without the white space around it.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed ({}):\n{printed}\n{}", output.status, complaint.trim());
    }
    Ok(printed)
}

/// Runs a program that prints nothing of interest unless it fails.
pub(super) fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Waits until a condition holds.
pub(super) fn wait_until(
    what: &str,
    patience: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !condition() {
        if Instant::now() > deadline {
            bail!("waited {patience:?} in vain until {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Whether a process exists and has not ended. A zombie has.
pub(super) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// The state of a process and its parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may contain anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// The first process of a running server.
#[derive(Debug)]
pub(super) struct Postmaster {
    pid: u32,
    started: SystemTime,
}

impl Postmaster {
    /// The server that runs in a data folder.
    pub(super) fn of(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let started = lines.nth(1)?.trim().parse().ok()?;
        // A server works in its data folder; any other process has the number of a dead one.
        let folder: PathBuf = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        let same = folder == fs::canonicalize(data).ok()?;
        same.then(|| Self { pid, started: SystemTime::UNIX_EPOCH + Duration::from_secs(started) })
    }

    /// Its process id, and then those of its children.
    pub(super) fn with_children(&self) -> Vec<u32> {
        let mut processes = vec![self.pid];
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes.extend(
            entries
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                .filter(|&pid| stat(pid).is_some_and(|(_, parent)| parent == self.pid)),
        );
        processes
    }

    /// Whether it started before a moment, as far as whole seconds tell.
    pub(super) fn started_before(&self, moment: SystemTime) -> bool {
        moment >= self.started + Duration::from_secs(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_alive_and_have_a_parent() {
        assert!(is_alive(std::process::id()));
        assert!(!is_alive(u32::MAX));
        assert!(stat(std::process::id()).is_some_and(|(_, parent)| parent > 0));
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let failure = output(&mut command).unwrap_err().to_string();
        for part in ["\"sh\"", "exit status: 3", "out", "err"] {
            assert!(failure.contains(part), "{part} is missing in: {failure}");
        }
    }
}
