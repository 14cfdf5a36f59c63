//! PostgreSQL's own programs, run against a server as its owner.

use std::process::Command;

use venue::cluster::SUPERUSER;

use crate::Venue;

/// A program that takes the options of a client.
pub fn client(venue: &Venue, program: &str) -> Command {
    let cluster = venue.cluster();
    let mut command = cluster.server_command(program);
    command.arg("--host").arg(cluster.socket_directory()).args([
        "--port",
        &cluster.port().to_string(),
        "--username",
        SUPERUSER,
    ]);
    command
}

/// Runs a program to its end: what it printed. One that fails panics with what it said.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let (succeeded, output) = try_run(command);
    assert!(succeeded, "{command:?}\n{output}");
    output
}

/// Runs a program to its end: whether it succeeded, and what it printed or, where it failed, all that
/// it said.
pub fn try_run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let succeeded = output.status.success();
    let complaint = if succeeded { String::new() } else { text(&output.stderr) };
    (succeeded, text(&output.stdout) + &complaint)
}
