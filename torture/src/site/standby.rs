//! Who follows the exchange by streaming replication.

use anyhow::{Result, anyhow};
use tests::Session;
use venue::cluster::{Cluster, DATABASE, SUPERUSER, StopMode};

use super::SETTINGS;

/// Its name.
pub(super) const STANDBY: &str = "standby";

/// A running standby, stopped and removed at the end.
#[derive(Debug)]
pub struct Standby {
    /// Its server.
    pub cluster: Cluster,
    /// Whether durable answers wait for it.
    pub is_synchronous: bool,
}

impl Standby {
    pub(super) fn make(primary: &Cluster, is_synchronous: bool) -> Result<Self> {
        let mut settings = SETTINGS.to_vec();
        settings.push(("wal_retrieve_retry_interval", "100ms"));
        let cluster = Cluster::temporary_standby(primary, STANDBY, &settings)?;
        cluster.start()?;
        Ok(Self { cluster, is_synchronous })
    }

    /// A session of the superuser.
    pub fn superuser(&self) -> Result<Session> {
        let connection = self.cluster.connection(DATABASE, SUPERUSER);
        Session::try_connect(&connection)
            .map_err(|failure| anyhow!("the superuser cannot connect to the standby: {failure}"))
    }

    /// Stops it and leaves everything as it is, to be looked at.
    pub(super) fn keep(self) -> Result<()> {
        self.cluster.stop(StopMode::Immediate)?;
        println!("the standby is kept in {}", self.cluster.data_directory().display());
        std::mem::forget(self);
        Ok(())
    }
}
