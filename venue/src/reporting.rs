//! A reporting database: a cluster without the extension, whose tables follow those of a venue by
//! logical replication.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cluster::{Cluster, SUPERUSER};
use crate::connection::Connection;
use crate::migrate;

/// The database.
pub const DATABASE: &str = "reports";

/// The name under which the server of the reporting database knows its venue: the subscription
/// connects to this service.
pub const SERVICE: &str = "pg_exchange";

/// What its cluster has beside the defaults of all private clusters.
pub const SETTINGS: &[(&str, &str)] = &[
    ("cluster_name", "reports"),
    ("shared_preload_libraries", ""),
    // Nobody follows this one.
    ("wal_level", "replica"),
    ("max_slot_wal_keep_size", "-1"),
];

/// Starts the cluster in a folder and makes it follow a venue; the first call makes it. Returns when
/// all tables are copied and followed.
pub fn follow(folder: &Path, venue: &Connection) -> Result<Cluster> {
    let cluster = Cluster::create(folder, SETTINGS)?;
    follow_in(&cluster, venue)?;
    Ok(cluster)
}

/// The same in a cluster that was made with [`SETTINGS`].
pub fn follow_in(cluster: &Cluster, venue: &Connection) -> Result<()> {
    start(cluster, venue)?;
    wait_until_copied(cluster)
}

/// Starts a cluster that was made with [`SETTINGS`], and makes its reporting database follow a venue.
pub fn start(cluster: &Cluster, venue: &Connection) -> Result<()> {
    cluster.define_service(SERVICE, venue)?;
    cluster.start()?;
    cluster.create_database(DATABASE)?;
    migrate::run(&connection(cluster), &migrate::reporting_migrations())
}

/// Where the reporting database is.
pub fn connection(cluster: &Cluster) -> Connection {
    cluster.connection(DATABASE, SUPERUSER)
}

/// Waits until the first copy of every table is done. PostgreSQL begins a copy that failed anew, for
/// ever: where that does not help, it is an error here.
pub fn wait_until_copied(cluster: &Cluster) -> Result<()> {
    const PATIENCE: i64 = 40;
    let mut client = connection(cluster).connect()?;
    loop {
        let row = client
            .query_one(
                "SELECT (SELECT coalesce(bool_and(srsubstate = 'r'), false) FROM pg_subscription_rel),
                        (SELECT sum(sync_error_count + apply_error_count)::bigint
                         FROM pg_stat_subscription_stats)",
                &[],
            )
            .context("cannot see how far the copy is")?;
        if row.get(0) {
            return Ok(());
        }
        if row.get::<_, Option<i64>>(1).unwrap_or(0) > PATIENCE {
            bail!(
                "the tables of the venue cannot be copied; the server log ends with:\n{}",
                cluster.log_tail()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
