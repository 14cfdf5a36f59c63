//! The one who writes the ring.

use crate::event::Event;
use matcher::Sequence;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};
use std::time::SystemTime;

use super::mapping::Writable;
use super::slot::{SEQUENCE, words_of};
use super::{
    FORMAT, MAGIC, MAXIMUM_CAPACITY, MINIMUM_CAPACITY, OpenError, check_header, file_length,
    header, identity, slot_of, written,
};

/// What a ring is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Slots, 64 bytes each: a power of two between [`MINIMUM_CAPACITY`] and
    /// [`MAXIMUM_CAPACITY`].
    pub capacity: u64,
    /// Permissions of the file, such as 0o640. Nobody but the owner may write it.
    pub mode: u32,
    /// The group of the file, by its number; else that of the process, or of the folder where
    /// the folder hands its own on.
    pub group: Option<u32>,
    /// Which exchange it is of: a writer goes on with the ring of its own only, for the sequence
    /// numbers of another one mean something else.
    pub exchange: u64,
}

/// The one who writes the ring. It never waits for a reader.
///
/// [`Writer::write`] adds events, and [`Writer::publish`] makes them visible, all of them at
/// once. To drop a writer leaves the ring to the next one, who goes on after
/// [`Writer::last_sequence`].
#[derive(Debug)]
pub struct Writer {
    map: Writable,
    mask: u64,
    /// Where the next event goes.
    position: u64,
    /// What readers see: events before this position, and all of them up to this command.
    published: u64,
    last_sequence: Sequence,
    /// The command of the last event.
    written_sequence: Sequence,
    /// Holds the lock.
    _file: File,
}

impl Writer {
    /// Makes a ring, in the place of the one that is there, if one is. `after` is the command that
    /// comes before the first that will be written: those that had none of their events left out.
    ///
    /// Readers of a ring that was there before are told that it is closed.
    ///
    /// # Errors
    /// [`OpenError::Locked`] if another process writes the ring that is there.
    pub fn create(path: &Path, settings: &Settings, after: Sequence) -> Result<Self, OpenError> {
        check_settings(path, settings)?;
        let old = close_old(path)?;

        let new_path = new_path(path);
        match fs::remove_file(&new_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::io("remove", &new_path)(error));
            }
            _ => {}
        }
        let writer = Self::fill_new(&new_path, settings, after, old.generation);
        let renamed = writer.and_then(|writer| {
            fs::rename(&new_path, path)
                .map_err(OpenError::io("put the new ring into the place of", path))?;
            Ok(writer)
        });
        if renamed.is_err() {
            // The error that matters is the first one.
            let _ = fs::remove_file(&new_path);
        }
        renamed
    }

    fn fill_new(
        path: &Path,
        settings: &Settings,
        after: Sequence,
        old_generation: u64,
    ) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let mut file = options.open(path).map_err(OpenError::io("create", path))?;
        lock(&file, path)?;
        // Zeros are written, not left out: memory whose page finds no room on the disk would end
        // the writer when it is touched.
        let length = file_length(settings.capacity);
        io::copy(&mut io::repeat(0).take(length), &mut file)
            .map_err(OpenError::io("write", path))?;

        let map = Writable::new(&file).map_err(OpenError::io("map", path))?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let generation = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).max(old_generation + 1);
        for (place, word) in [
            (header::FORMAT, FORMAT),
            (header::CAPACITY, settings.capacity),
            (header::GENERATION, generation),
            (header::START_SEQUENCE, after),
            (header::IDENTITY, identity(&file, path)?),
            (header::EXCHANGE, settings.exchange),
            (header::GROUP, group_word(settings)),
            (header::LAST_SEQUENCE, after),
            (header::MAGIC, MAGIC),
        ] {
            map.words()[place].store(word, Ordering::Relaxed);
        }
        // The group first: to change it may take permissions away.
        if settings.group.is_some() {
            std::os::unix::fs::fchown(&file, None, settings.group)
                .map_err(OpenError::io("set the group of", path))?;
        }
        file.set_permissions(Permissions::from_mode(settings.mode))
            .map_err(OpenError::io("set the permissions of", path))?;
        Ok(Self {
            map,
            mask: settings.capacity - 1,
            position: 0,
            published: 0,
            last_sequence: after,
            written_sequence: after,
            _file: file,
        })
    }

    /// Goes on with a ring whose writer is gone, wherever it ended: what it published is there,
    /// and what it had written but not published will be written over.
    ///
    /// # Errors
    /// [`OpenError::Unusable`] if the file is no such ring, is not as the settings say (who may
    /// read it included: those who may not any more could go on reading this one), is a copy, or
    /// went through a crash of the machine; [`OpenError::Closed`]; [`OpenError::Locked`]. All but
    /// the last say that the ring must be made anew.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self, OpenError> {
        check_settings(path, settings)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(OpenError::io("open", path))?;
        lock(&file, path)?;
        let map = Writable::new(&file).map_err(OpenError::io("map", path))?;
        let load = |index: usize| map.words()[index].load(Ordering::Acquire);
        let capacity = check_header(load, map.len(), path)?;
        if capacity != settings.capacity {
            let wanted = settings.capacity;
            return Err(OpenError::unusable(
                path,
                format!("it has {capacity} slots where {wanted} are wanted"),
            ));
        }
        if load(header::IDENTITY) != identity(&file, path)? {
            return Err(OpenError::unusable(
                path,
                "it is a copy, or was written before the machine was started",
            ));
        }
        if load(header::EXCHANGE) != settings.exchange {
            return Err(OpenError::unusable(path, "it is of another exchange"));
        }
        let mode = file.metadata().map_err(OpenError::io("look at", path))?.mode() & 0o7777;
        if mode != settings.mode || load(header::GROUP) != group_word(settings) {
            return Err(OpenError::unusable(path, "others are to read it than before"));
        }
        if load(header::CLOSED) != 0 {
            return Err(OpenError::Closed);
        }

        let mask = capacity - 1;
        let published = load(header::PUBLISHED);
        let mut last_sequence = load(header::LAST_SEQUENCE);
        // Where the writer before wrote what it did not publish, slots hold later positions.
        let is_damaged = |position: &u64| {
            let word = load(slot_of(*position, mask));
            word < written(*position) || ((word - 1) / 2 - position) & mask != 0
        };
        if published > u64::MAX / 4 {
            return Err(OpenError::unusable(path, format!("it is damaged: {published} events")));
        }
        if let Some(position) = (published.saturating_sub(capacity)..published).find(is_damaged) {
            return Err(OpenError::unusable(
                path,
                format!("its slot of event {position} is damaged"),
            ));
        }
        if let Some(newest) = published.checked_sub(1) {
            let slot = slot_of(newest, mask);
            if load(slot) == written(newest) {
                // It may have ended after it published the events and before it said so.
                last_sequence = last_sequence.max(load(slot + 1 + SEQUENCE));
                map.words()[header::LAST_SEQUENCE].store(last_sequence, Ordering::Release);
            }
        }
        Ok(Self {
            map,
            mask,
            position: published,
            published,
            last_sequence,
            written_sequence: last_sequence,
            _file: file,
        })
    }

    /// The last command of which everything is published.
    pub fn last_sequence(&self) -> Sequence {
        self.last_sequence
    }

    /// How many events were published: the position of the next one.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// Adds an event, which readers do not see yet.
    ///
    /// # Panics
    /// If the event is of a command before that of the last event, or of one that was published.
    #[inline]
    pub fn write(&mut self, event: &Event) {
        assert!(
            event.sequence >= self.written_sequence && event.sequence > self.last_sequence,
            "an event of command {} after one of {} and what was published, {}",
            event.sequence,
            self.written_sequence,
            self.last_sequence
        );
        self.written_sequence = event.sequence;
        let words = words_of(event);
        let slot = &self.map.words()[slot_of(self.position, self.mask)..][..1 + words.len()];
        slot[0].store(written(self.position) - 1, Ordering::Relaxed);
        // Whoever sees a word of this event sees that its slot changed.
        fence(Ordering::Release);
        for (place, word) in slot[1..].iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        slot[0].store(written(self.position), Ordering::Release);
        self.position += 1;
    }

    /// Makes everything visible that was written: everything there is of the commands up to
    /// `sequence`, whether or not there was something to write.
    ///
    /// # Panics
    /// If `sequence` is before the last event, or before what was published.
    #[inline]
    pub fn publish(&mut self, sequence: Sequence) {
        assert!(
            sequence >= self.written_sequence,
            "to publish command {sequence} after an event of {}",
            self.written_sequence
        );
        let words = self.map.words();
        if self.published != self.position {
            self.published = self.position;
            words[header::PUBLISHED].store(self.published, Ordering::Release);
        }
        // In this order: see `open`.
        words[header::LAST_SEQUENCE].store(sequence, Ordering::Release);
        self.last_sequence = sequence;
        self.written_sequence = sequence;
    }

    /// Tells readers that this ring is not written any more.
    pub fn close(self) {
        self.map.words()[header::CLOSED].store(1, Ordering::Release);
    }
}

fn group_word(settings: &Settings) -> u64 {
    settings.group.map_or(0, |group| u64::from(group) + 1)
}

fn check_settings(path: &Path, settings: &Settings) -> Result<(), OpenError> {
    let Settings { capacity, mode, .. } = *settings;
    let capacities = MINIMUM_CAPACITY..=MAXIMUM_CAPACITY;
    if !capacities.contains(&capacity) || !capacity.is_power_of_two() {
        return Err(OpenError::unusable(
            path,
            format!(
                "a ring of {capacity} slots: it must be a power of two, \
                 {MINIMUM_CAPACITY} to {MAXIMUM_CAPACITY}"
            ),
        ));
    }
    if mode & !0o777 != 0 || mode & 0o022 != 0 {
        return Err(OpenError::unusable(
            path,
            format!("mode {mode:o}: nobody but the owner may write it, as with 640"),
        ));
    }
    Ok(())
}

/// Where a ring is made before it is put into its place.
fn new_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn lock(file: &File, path: &Path) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OpenError::io("lock", path)(error)),
    }
}

/// What was there before.
#[derive(Default)]
struct Old {
    generation: u64,
    /// Holds its lock until the new ring is in its place.
    _file: Option<File>,
}

/// Closes the ring that is there, if one is. What is no ring is left alone, until the new ring
/// takes its place.
fn close_old(path: &Path) -> Result<Old, OpenError> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Old::default()),
        Err(error) => return Err(OpenError::io("open", path)(error)),
    };
    lock(&file, path)?;
    let map = match Writable::new(&file) {
        Ok(map) => map,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Old::default()),
        Err(error) => return Err(OpenError::io("map", path)(error)),
    };
    let words = map.words();
    if words[header::MAGIC].load(Ordering::Relaxed) != MAGIC {
        return Ok(Old::default());
    }
    words[header::CLOSED].store(1, Ordering::Release);
    let generation = words[header::GENERATION].load(Ordering::Relaxed);
    Ok(Old { generation, _file: Some(file) })
}
