//! Runs pgbench against a private cluster.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use venue::cluster::{Cluster, DATABASE, SUPERUSER};

/// pgbench for one cluster.
pub struct Pgbench<'cluster> {
    cluster: &'cluster Cluster,
    script: PathBuf,
}

impl<'cluster> Pgbench<'cluster> {
    /// With a script file of its own.
    pub fn new(cluster: &'cluster Cluster) -> Result<Self> {
        let script =
            std::env::temp_dir().join(format!("pg_exchange-bench-{}.sql", std::process::id()));
        Ok(Self { cluster, script })
    }

    /// Transactions a second.
    pub fn rate(&self, script: &str, commit: &str, clients: u32, seconds: u32) -> Result<f64> {
        self.run(script, commit, clients, seconds, &[])
    }

    /// The same, but begun at `rate` a second.
    pub fn rate_limited(
        &self,
        script: &str,
        commit: &str,
        clients: u32,
        seconds: u32,
        rate: u32,
    ) -> Result<f64> {
        self.run(script, commit, clients, seconds, &["--rate", &rate.to_string()])
    }

    fn run(
        &self,
        script: &str,
        commit: &str,
        clients: u32,
        seconds: u32,
        more: &[&str],
    ) -> Result<f64> {
        fs::write(&self.script, script).context("the script of pgbench cannot be written")?;
        let mut command = self.cluster.server_command("pgbench");
        command
            .env("PGOPTIONS", format!("-c synchronous_commit={commit}"))
            .env("PGHOST", self.cluster.socket_directory())
            .env("PGPORT", self.cluster.port().to_string())
            .args(["--no-vacuum", "--protocol", "prepared", "--username", SUPERUSER])
            .args(["--client", &clients.to_string(), "--jobs", &clients.min(2).to_string()])
            .args(["--time", &seconds.to_string()])
            .args(more)
            .arg("--file")
            .arg(&self.script)
            .arg(DATABASE);
        let output = command.output().context("pgbench cannot be started")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "pgbench failed: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text.lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok())
            .with_context(|| format!("pgbench names no rate: {text}"))
    }
}

impl Drop for Pgbench<'_> {
    fn drop(&mut self) {
        // It is in the system's temporary folder; whether it stays does not matter.
        let _ = fs::remove_file(&self.script);
    }
}
