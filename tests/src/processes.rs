//! Signals to the processes of a server.

use rustix::process::{Pid, Signal, kill_process};

use crate::wait_until;

/// Sends a signal; `false` if there is no such process.
pub fn signal(pid: i32, signal: Signal) -> bool {
    let pid = Pid::from_raw(pid).expect("a process id is above 0");
    match kill_process(pid, signal) {
        Ok(()) => true,
        Err(rustix::io::Errno::SRCH) => false,
        Err(error) => panic!("process {} cannot be signalled: {error}", pid.as_raw_nonzero()),
    }
}

/// Kills a process with SIGKILL, and returns when it is gone.
pub fn kill(pid: i32) {
    signal(pid, Signal::KILL);
    wait_until("a killed process is gone", || !is_alive(pid));
}

/// Whether there is such a process. A zombie is none.
pub fn is_alive(pid: i32) -> bool {
    !matches!(state(pid), None | Some('Z'))
}

/// The letter of a process's state in `/proc`.
fn state(pid: i32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may contain anything.
    text.rsplit_once(')')?.1.trim_start().chars().next()
}

/// A process that does not run while this lives.
#[derive(Debug)]
pub struct Stopped(i32);

impl Stopped {
    /// Stops a process (SIGSTOP), and returns when it is stopped.
    pub fn new(pid: i32) -> Self {
        assert!(signal(pid, Signal::STOP), "there is no process {pid} to stop");
        wait_until("a process is stopped", || matches!(state(pid), Some('T' | 't')));
        Self(pid)
    }

    /// Lets it run again.
    pub fn resume(self) {}
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(self.0, Signal::CONT);
    }
}
