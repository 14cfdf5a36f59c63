//! The colocated feed: the public events in a file that programs on this machine map.

use std::ffi::CStr;
use std::hash::Hasher;
use std::ops::ControlFlow;
use std::path::Path;

use feed::ring::{OpenError, Settings, Writer};
use feed::{Disclosure, Event};
use matcher::{Engine, Stamp};
use pgrx::pg_sys;

use super::market_data::{self, Place};
use super::transaction;
use crate::recovery_mode;
use crate::settings;
use crate::shared::control::Control;

/// Who may read the file beside the server: its group.
const MODE: u32 = 0o640;

/// The feed, and what it has told.
pub struct ColocatedFeed {
    disclosure: Disclosure,
    writer: Writer,
    events: Vec<Event>,
}

impl ColocatedFeed {
    /// Goes on with the file that is there, or makes it. `engine` is the state that the tables
    /// show. `None` where there is to be none, or there can be none: the log says why, and the
    /// exchange goes on without.
    pub fn open(engine: &Engine, control: &Control) -> Option<Self> {
        let path = settings::feed_file()?;
        let settings = Settings {
            capacity: settings::feed_slots(),
            mode: MODE,
            group: match settings::feed_group() {
                Some(name) => Some(group_of(&name)?),
                None => None,
            },
            exchange: exchange(control),
        };
        match writer(&path, &settings, engine, control) {
            Ok(writer) => {
                Some(Self { disclosure: Disclosure::of(engine), writer, events: Vec::new() })
            }
            Err(error) => {
                pgrx::warning!("exchange publisher: there is no colocated feed: {error}");
                None
            }
        }
    }

    /// Takes note of a command.
    pub fn follow(&mut self, engine: &Engine, stamp: Stamp, events: &[matcher::Event]) {
        self.disclosure.follow(engine, stamp, events, &mut self.events);
        // What the publisher before this one has told was executed again to come so far.
        if stamp.sequence > self.writer.last_sequence() {
            self.events.iter().for_each(|event| self.writer.write(event));
        }
        self.events.clear();
    }

    /// Shows everything up to a command.
    pub fn publish(&mut self, sequence: u64) {
        if sequence > self.writer.last_sequence() {
            self.writer.publish(sequence);
        }
    }
}

/// A writer that has told all that `engine` has done, and nothing that is not durable.
fn writer(
    path: &Path,
    settings: &Settings,
    engine: &Engine,
    control: &Control,
) -> Result<Writer, String> {
    let sequence = engine.sequence();
    let create = || Writer::create(path, settings, sequence).map_err(|error| error.to_string());
    let mut writer = match Writer::open(path, settings) {
        // A backup was restored, or what it told was lost.
        Ok(writer) if writer.last_sequence() > control.durable.get() => {
            drop(writer);
            return create();
        }
        Ok(writer) => writer,
        Err(error @ OpenError::Locked { .. }) => return Err(error.to_string()),
        Err(_) => return create(),
    };
    // While nobody published, the projector went on: the tables have what is missing.
    let told = writer.last_sequence();
    if told >= sequence {
        return Ok(writer);
    }
    let mut missing = Vec::new();
    let is_missing = |head: &feed::codec::Head| (told + 1..=sequence).contains(&head.sequence);
    transaction(|| {
        market_data::for_each_event(&Place::of_sequence(told + 1), is_missing, |event| {
            missing.push(*event);
            match missing.len() as u64 > settings.capacity {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    })?;
    if missing.len() as u64 > settings.capacity {
        drop(writer);
        return create();
    }
    missing.iter().for_each(|event| writer.write(event));
    writer.publish(sequence);
    Ok(writer)
}

/// A number for this history of this venue: another one in another cluster, after the extension
/// was created anew, and after a restore from a backup.
fn exchange(control: &Control) -> u64 {
    let (database, extension) = control.venue().unwrap_or_default();
    let mut hasher = rustc_hash::FxHasher::default();
    // SAFETY: it is read anywhere while the server is up.
    let cluster = unsafe { pg_sys::GetSystemIdentifier() };
    hasher.write_u64(cluster);
    hasher.write_u32(recovery_mode::timeline());
    hasher.write_u32(database);
    hasher.write_u32(extension);
    hasher.finish()
}

/// The number of a group of the operating system.
fn group_of(name: &CStr) -> Option<u32> {
    // SAFETY: a C string; the answer is read before anything else is asked.
    let group = unsafe { libc::getgrnam(name.as_ptr()).as_ref().map(|group| group.gr_gid) };
    if group.is_none() {
        let name = name.to_string_lossy();
        pgrx::warning!(
            "exchange publisher: there is no colocated feed: exchange.feed_group names no group: {name}"
        );
    }
    group
}
