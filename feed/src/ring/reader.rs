//! Those who read the ring.

use crate::event::Event;
use matcher::Sequence;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};
use std::{fmt, hint, thread};

use super::mapping::ReadOnly;
use super::slot::{EVENT_WORDS, SEQUENCE, event_of};
use super::{OpenError, check_header, header, slot_of, written};

/// After it was overrun, a reader leaves the writer an eighth of the ring to write before it is
/// overrun again.
const HEAD_START: u64 = 8;

/// Why there is no next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The writer wrote over events before they were read. The reader stands behind them now.
    Overrun {
        /// How many.
        lost: u64,
    },
    /// The ring is not written any more, and everything in it was read: open the new one.
    Closed,
    /// A slot holds what is no event. The reader stands behind it now.
    Invalid {
        /// Of which event.
        position: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overrun { lost } => write!(f, "{lost} events were lost: read faster"),
            Self::Closed => f.write_str("the ring was closed: open the new one"),
            Self::Invalid { position } => write!(f, "event {position} of the ring is damaged"),
        }
    }
}

impl std::error::Error for ReadError {}

/// The ring has no longer all events that came after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooOld {
    /// It has those that came after this one.
    pub oldest: Sequence,
}

impl fmt::Display for TooOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ring has only what came after command {}", self.oldest)
    }
}

impl std::error::Error for TooOld {}

/// One who reads the ring. It takes nothing from the writer or from other readers.
#[derive(Debug)]
pub struct Reader {
    map: ReadOnly,
    mask: u64,
    /// Of the next event to read.
    position: u64,
    /// What is known to be there to be read.
    published: u64,
    /// Events up to this command are passed over.
    after: Sequence,
    path: PathBuf,
    /// Device and number of the file.
    inode: (u64, u64),
}

impl Reader {
    /// Opens a ring. The reader stands at its end: it reads what is published from now on.
    ///
    /// # Errors
    /// [`OpenError::Closed`] while a new ring is made: try again.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(OpenError::io("open", path))?;
        let metadata = file.metadata().map_err(OpenError::io("look at", path))?;
        let map = ReadOnly::new(&file).map_err(OpenError::io("map", path))?;
        let capacity = check_header(|index| map.load(index), map.len(), path)?;
        if map.load(header::CLOSED) != 0 {
            return Err(OpenError::Closed);
        }
        let mut reader = Self {
            map,
            mask: capacity - 1,
            position: 0,
            published: 0,
            after: 0,
            path: path.to_owned(),
            inode: (metadata.dev(), metadata.ino()),
        };
        reader.seek_newest();
        Ok(reader)
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.mask + 1
    }

    /// Another one in each ring that is made.
    pub fn generation(&self) -> u64 {
        self.map.load(header::GENERATION)
    }

    /// The position of the event that is read next, from 0 without gaps in each generation.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The last command of which everything is published. What there is of it and of those before
    /// it is read before [`Reader::read`] next says that there is nothing.
    pub fn last_sequence(&self) -> Sequence {
        let sequence = self.map.load(header::LAST_SEQUENCE);
        fence(Ordering::Acquire);
        sequence
    }

    /// To read what is published from now on.
    pub fn seek_newest(&mut self) {
        self.published = self.load_published();
        self.position = self.published;
        self.after = 0;
    }

    /// To read from the oldest event that is still there.
    pub fn seek_oldest(&mut self) {
        self.published = self.load_published();
        self.position = self.first_there(self.published.saturating_sub(self.capacity()));
        self.after = 0;
    }

    /// To read what came after a command, such as the one that a snapshot is of: the next event is
    /// the first one of a later command, whether it is already there or not.
    ///
    /// # Errors
    /// If some of that may have been written over, or come before this ring was made. The
    /// reader stands where it stood.
    pub fn seek_after(&mut self, sequence: Sequence) -> Result<(), TooOld> {
        loop {
            let published = self.load_published();
            // What was written over is at the beginning, and sequence numbers never go backwards.
            let mut low = published.saturating_sub(self.capacity());
            let mut high = published;
            while low < high {
                let middle = low + (high - low) / 2;
                match self.sequence_at(middle) {
                    Some(found) if found > sequence => high = middle,
                    _ => low = middle + 1,
                }
            }
            // The event before says whether anything between is missing.
            let before = low.checked_sub(1).map_or_else(
                || Some(self.map.load(header::START_SEQUENCE)),
                |before| self.sequence_at(before),
            );
            if before.is_some_and(|before| before <= sequence) {
                self.published = published;
                self.position = low;
                self.after = sequence;
                return Ok(());
            }
            let oldest = match low {
                0 => before,
                _ if low < published => self.sequence_at(low),
                _ => None,
            };
            if let Some(oldest) = oldest {
                return Err(TooOld { oldest });
            }
            // The writer passed by meanwhile.
        }
    }

    /// The next event, or `None` if there is nothing new yet.
    ///
    /// # Errors
    /// See [`ReadError`]. After each of them the reader can be asked again.
    #[inline]
    pub fn read(&mut self) -> Result<Option<Event>, ReadError> {
        loop {
            if self.position == self.published && !self.is_more_published()? {
                return Ok(None);
            }
            let Some(words) = self.slot(self.position) else {
                return Err(self.overrun());
            };
            let position = self.position;
            self.position += 1;
            if words[SEQUENCE] > self.after {
                return match event_of(&words) {
                    Some(event) => Ok(Some(event)),
                    None => Err(ReadError::Invalid { position }),
                };
            }
        }
    }

    /// The next event, waiting for it: for some time by polling, which takes a whole core but
    /// less than a microsecond, then by sleeping, longer each time up to a millisecond.
    ///
    /// # Errors
    /// See [`ReadError`]. [`ReadError::Closed`] comes too where the file was removed or
    /// replaced by other means than [`super::Writer::create`].
    pub fn wait(&mut self) -> Result<Event, ReadError> {
        const POLL: Duration = Duration::from_micros(100);
        const POLLS: u32 = 64;
        const LONGEST_SLEEP: Duration = Duration::from_millis(1);
        const LOOK: Duration = Duration::from_secs(1);

        if let Some(event) = self.read()? {
            return Ok(event);
        }
        let began = Instant::now();
        while began.elapsed() < POLL {
            for _ in 0..POLLS {
                if let Some(event) = self.read()? {
                    return Ok(event);
                }
                hint::spin_loop();
            }
        }
        let mut sleep = Duration::from_micros(20);
        let mut looked = began;
        loop {
            thread::sleep(sleep);
            if let Some(event) = self.read()? {
                return Ok(event);
            }
            sleep = (sleep * 2).min(LONGEST_SLEEP);
            if looked.elapsed() >= LOOK {
                if self.is_replaced() {
                    // What was published before it was replaced.
                    return self.read()?.ok_or(ReadError::Closed);
                }
                looked = Instant::now();
            }
        }
    }

    /// All events from here on, waiting for each of them, until the ring is closed.
    pub fn blocking(&mut self) -> Blocking<'_> {
        Blocking { reader: self, is_closed: false }
    }

    /// Whether another file, or none, is now where this one was opened.
    pub fn is_replaced(&self) -> bool {
        !fs::metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.inode)
    }

    #[inline]
    fn load_published(&self) -> u64 {
        let published = self.map.load(header::PUBLISHED);
        fence(Ordering::Acquire);
        published
    }

    /// Looks for more, behind `self.published`.
    #[inline]
    fn is_more_published(&mut self) -> Result<bool, ReadError> {
        let before = self.published;
        self.published = self.load_published();
        if self.published != before {
            return Ok(true);
        }
        if self.map.load(header::CLOSED) == 0 {
            return Ok(false);
        }
        fence(Ordering::Acquire);
        // Something may have come between the two looks; from here on nothing will.
        self.published = self.load_published();
        if self.published != before { Ok(true) } else { Err(ReadError::Closed) }
    }

    /// The words of a published event, if it was not written over.
    #[inline]
    fn slot(&self, position: u64) -> Option<[u64; EVENT_WORDS]> {
        let index = slot_of(position, self.mask);
        let before = self.map.load(index);
        fence(Ordering::Acquire);
        let words = self.map.load_array(index + 1);
        fence(Ordering::Acquire);
        let after = self.map.load(index);
        (before == written(position) && after == before).then_some(words)
    }

    fn sequence_at(&self, position: u64) -> Option<Sequence> {
        self.slot(position).map(|words| words[SEQUENCE])
    }

    /// The first position from one on that is not written over: at the latest the end.
    fn first_there(&self, from: u64) -> u64 {
        (from..self.published)
            .find(|&position| self.slot(position).is_some())
            .unwrap_or(self.published)
    }

    #[cold]
    fn overrun(&mut self) -> ReadError {
        self.published = self.load_published();
        let capacity = self.capacity();
        let from = self.published.saturating_sub(capacity - capacity / HEAD_START);
        let next = self.first_there(from.max(self.position + 1));
        let lost = next - self.position;
        self.position = next;
        ReadError::Overrun { lost }
    }
}

/// All events of a ring from some on, waiting for each of them: see [`Reader::blocking`].
#[derive(Debug)]
pub struct Blocking<'a> {
    reader: &'a mut Reader,
    is_closed: bool,
}

impl Iterator for Blocking<'_> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_closed {
            return None;
        }
        let event = self.reader.wait();
        self.is_closed = event == Err(ReadError::Closed);
        Some(event)
    }
}

impl std::iter::FusedIterator for Blocking<'_> {}
