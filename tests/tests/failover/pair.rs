//! A primary and its standby.

use std::time::{Duration, Instant};

use tests::{Venue, wait_until};
use venue::cluster::REPLICATED;

/// Both servers, whichever has which part. Orders wait until they are on both.
pub struct Pair {
    pub primary: Venue,
    pub standby: Venue,
    /// The name of the standby, and of the primary when it was one, or will be.
    names: [&'static str; 2],
}

impl Pair {
    pub fn start() -> Self {
        let names = ["west", "east"];
        let primary = Venue::start(REPLICATED);
        let standby = primary.standby(names[0], REPLICATED);
        let pair = Self { primary, standby, names };
        pair.make_synchronous();
        pair
    }

    /// Has orders wait for the standby, and returns when they do.
    pub fn make_synchronous(&self) {
        self.set(&self.primary, "synchronous_standby_names", Some("ANY 1 (east, west)"));
        let mut session = self.primary.superuser();
        // The checkpointer tells all others whether there is somebody to wait for. It reads its
        // settings before it makes a checkpoint.
        session.run("CHECKPOINT");
        wait_until("the standby is synchronous", || {
            session.is_true(
                "SELECT count(*) = 1 FROM pg_stat_replication
                 WHERE state = 'streaming' AND sync_state = 'quorum'",
            )
        });
    }

    /// Has orders wait for nobody.
    pub fn make_asynchronous(&self) {
        self.set(&self.primary, "synchronous_standby_names", None);
        self.primary.superuser().run("CHECKPOINT");
    }

    /// The standby hears nothing of the primary any more.
    pub fn detach(&self) {
        self.set(&self.standby, "primary_conninfo", Some(""));
        let mut session = self.primary.superuser();
        wait_until("the standby is away", || {
            session.is_true("SELECT NOT EXISTS (SELECT FROM pg_stat_replication)")
        });
    }

    /// It follows again.
    pub fn attach(&self) {
        self.set(&self.standby, "primary_conninfo", None);
    }

    /// Changes a setting of a server, and returns when its sessions see it.
    fn set(&self, server: &Venue, name: &str, value: Option<&str>) {
        let mut session = server.superuser();
        session.run(&match value {
            Some(value) => format!("ALTER SYSTEM SET {name} = '{value}'"),
            None => format!("ALTER SYSTEM RESET {name}"),
        });
        session.run("SELECT pg_reload_conf()");
        let in_file = format!(
            "SELECT current_setting('{name}') IS NOT DISTINCT FROM
                    (SELECT setting FROM pg_file_settings
                     WHERE name = '{name}' AND applied ORDER BY seqno DESC LIMIT 1)
                 OR NOT EXISTS (SELECT FROM pg_file_settings WHERE name = '{name}')
                    AND current_setting('{name}') =
                        (SELECT boot_val FROM pg_settings WHERE name = '{name}')"
        );
        wait_until("the setting is read", || session.is_true(&in_file));
    }

    /// The primary is gone: the standby becomes one, and the old one its standby to be. How long it
    /// took until it accepted an order.
    pub fn promote(&mut self) -> Duration {
        let mut session = self.standby.superuser();
        let began = Instant::now();
        session.run("SELECT pg_promote(wait => false)");
        wait_until("the promoted server accepts an order", || {
            let answer = session.try_rows(
                "SELECT exchange.place_order(symbol, 'buy', 0.01, 1)
                 FROM exchange.instruments LIMIT 1",
            );
            match answer {
                Ok(_) => true,
                // It is a standby yet, or its workers have not begun.
                Err(failure) => {
                    assert!(["25006", "57P03"].contains(&&*failure.code), "{failure}");
                    false
                }
            }
        });
        let took = began.elapsed();
        std::mem::swap(&mut self.primary, &mut self.standby);
        // pg_rewind copies what a server was told by ALTER SYSTEM: see detach().
        self.set(&self.primary, "primary_conninfo", None);
        self.names.swap(0, 1);
        took
    }

    /// The old primary comes back as a standby; how long it took until orders wait for it.
    pub fn rejoin(&self) -> Duration {
        let began = Instant::now();
        let old = self.standby.cluster();
        old.rejoin(self.primary.cluster(), self.names[0]).expect("it is rewound");
        old.start().expect("the standby starts");
        self.make_synchronous();
        began.elapsed()
    }

    /// Waits until the standby shows all that the primary has.
    pub fn wait_until_caught_up(&self) {
        let mut session = self.primary.superuser();
        session.wait_for_tables();
        let end = session.one("SELECT pg_current_wal_insert_lsn()");
        // Commits that nobody waits for are written a little later.
        session.run("SELECT pg_logical_emit_message(true, 'tests', 'all is written')");
        let mut standby = self.standby.superuser();
        wait_until("the standby has caught up", || {
            standby.is_true(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'"))
        });
    }
}
