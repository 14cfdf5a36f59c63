//! The settings of a private cluster.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The file in the data folder that holds them. `ALTER SYSTEM` goes before it.
pub(super) const FILE: &str = "venue.conf";

/// What every private cluster has, unless its maker says otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("shared_preload_libraries", "pg_exchange"),
    ("listen_addresses", ""),
    // Only a part of the socket's name, and never that of the system's own cluster.
    ("port", "54321"),
    ("max_connections", "200"),
    ("shared_buffers", "256MB"),
    ("wal_level", "logical"),
    // A trading day writes a few gigabytes of WAL: fewer checkpoints write less of it.
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "15min"),
    ("wal_buffers", "16MB"),
    // A subscriber that is gone does not fill the disk: it has to copy the tables anew.
    ("max_slot_wal_keep_size", "8GB"),
    ("max_worker_processes", "32"),
    ("log_line_prefix", "%m [%p] %b %q%u@%d "),
];

/// The defaults, each replaced by the setting of the same name if there is one.
pub(super) fn with_defaults(settings: &[(&str, &str)]) -> Result<Vec<(String, String)>> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in DEFAULTS.iter().chain(settings) {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if name.is_empty() || !name.chars().all(known) || value.contains('\n') {
            bail!("not a setting: {name} = {value}");
        }
        match all.iter_mut().find(|(found, _)| found == name) {
            Some((_, found)) => *found = (*value).to_owned(),
            None => all.push(((*name).to_owned(), (*value).to_owned())),
        }
    }
    Ok(all)
}

/// The port among them.
pub(super) fn port(settings: &[(String, String)]) -> Result<u16> {
    let (_, value) = settings.iter().find(|(name, _)| name == "port").context("no port is set")?;
    value.parse().with_context(|| format!("not a port: {value}"))
}

/// The port in the text of a settings file.
pub(super) fn rendered_port(text: &str) -> Result<u16> {
    text.lines()
        .find_map(|line| line.strip_prefix("port = '")?.strip_suffix('\'')?.parse().ok())
        .with_context(|| format!("there is no port in {FILE}"))
}

/// The text of the settings file.
pub(super) fn render(settings: &[(String, String)], socket: &Path) -> String {
    let quote = |value: &str| value.replace('\'', "''");
    let mut text = String::from("# Written by pg_exchange's venue tool; do not edit.\n");
    let _ = writeln!(text, "unix_socket_directories = '{}'", quote(&socket.to_string_lossy()));
    for (name, value) in settings {
        let _ = writeln!(text, "{name} = '{}'", quote(value));
    }
    text
}

/// The text of a settings file with other values for some settings.
pub(super) fn replaced(text: &str, settings: &[(&str, &str)]) -> String {
    let is_replaced =
        |line: &str| settings.iter().any(|(name, _)| line.starts_with(&format!("{name} = ")));
    let mut text: String =
        text.lines().filter(|line| !is_replaced(line)).flat_map(|line| [line, "\n"]).collect();
    for (name, value) in settings {
        let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
    }
    text
}

/// Makes a new cluster's `postgresql.conf` read the settings file.
pub(super) fn include(postgresql_conf: &Path) -> Result<()> {
    fs::OpenOptions::new()
        .append(true)
        .open(postgresql_conf)
        .and_then(|mut file| writeln!(file, "include = '{FILE}'"))
        .with_context(|| format!("cannot add to {}", postgresql_conf.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_settings_win_and_are_quoted() {
        let settings = with_defaults(&[("port", "6000"), ("exchange.time_zone", "it's")]).unwrap();
        assert_eq!(port(&settings).unwrap(), 6000);
        let text = render(&settings, Path::new("/a/b"));
        assert_eq!(text.matches("port = ").count(), 1);
        assert_eq!(rendered_port(&text).unwrap(), 6000);
        assert!(text.contains("exchange.time_zone = 'it''s'\n"));
        assert!(text.contains("unix_socket_directories = '/a/b'\n"));
    }

    #[test]
    fn settings_are_replaced_by_name() {
        let text = "# A comment\nport = '1'\nports = '2'\n";
        assert_eq!(
            replaced(text, &[("port", "it's")]),
            "# A comment\nports = '2'\nport = 'it''s'\n"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(with_defaults(&[("a = b", "c")]).is_err());
        assert!(with_defaults(&[("a", "b\nc = d")]).is_err());
        assert!(port(&with_defaults(&[("port", "x")]).unwrap()).is_err());
    }
}
