//! The ring within one process: what goes in comes out, what is lost is counted, and a writer
//! goes on where the one before it ended.

mod support;

use feed::ring::{OpenError, Settings, TooOld};
use feed::{Change, Event, ReadError, Reader, Writer};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use support::{Folder, ring_of};

const CAPACITY: u64 = 64;
const SETTINGS: Settings = Settings { capacity: CAPACITY, mode: 0o640, group: None, exchange: 1 };

/// Bytes of the header, and where in it the published position and the last sequence are.
const HEADER: u64 = 4096;
const CLOSED: u64 = 48;
const PUBLISHED: u64 = 128;
const LAST_SEQUENCE: u64 = 136;

fn event(sequence: u64) -> Event {
    Event { sequence, time_us: 0, instrument: 1, change: Change::Busted { trade_id: sequence } }
}

/// One event for each of some commands, published together.
fn publish(writer: &mut Writer, sequences: std::ops::RangeInclusive<u64>) {
    for sequence in sequences.clone() {
        writer.write(&event(sequence));
    }
    writer.publish(*sequences.end());
}

/// The sequence numbers of what there is to read.
fn read_all(reader: &mut Reader) -> Vec<u64> {
    std::iter::from_fn(|| reader.read().unwrap()).map(|event| event.sequence).collect()
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    range.collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn events_survive(events in support::events()) {
        let folder = Folder::new();
        let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
        let mut reader = Reader::open(&folder.ring()).unwrap();
        // The ring takes sequence numbers above the one it starts after.
        let events: Vec<Event> = events
            .into_iter()
            .map(|event| Event { sequence: event.sequence.saturating_add(1), ..event })
            .collect();
        for event in &events {
            writer.write(event);
        }
        prop_assert_eq!(reader.read(), Ok(None), "not yet published");
        if let Some(last) = events.last() {
            writer.publish(last.sequence);
        }
        let read: Result<Vec<_>, _> =
            std::iter::from_fn(|| reader.read().transpose()).collect();
        prop_assert_eq!(read, Ok(events));
    }
}

#[test]
fn readers_begin_where_they_want() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 10).unwrap();
    publish(&mut writer, 11..=20);
    let mut reader = Reader::open(&folder.ring()).unwrap();
    assert_eq!(read_all(&mut reader), []);
    publish(&mut writer, 21..=22);
    assert_eq!(read_all(&mut reader), [21, 22]);
    reader.seek_oldest();
    assert_eq!(read_all(&mut reader), numbers(11..=22));
    reader.seek_newest();
    assert_eq!(read_all(&mut reader), []);

    for after in 10..=22 {
        reader.seek_after(after).unwrap();
        assert_eq!(read_all(&mut reader), numbers(after + 1..=22));
    }
    // What came before the ring was made is not in it.
    assert_eq!(reader.seek_after(9), Err(TooOld { oldest: 10 }));
    // A snapshot may be ahead of the ring.
    reader.seek_after(24).unwrap();
    publish(&mut writer, 23..=26);
    assert_eq!(read_all(&mut reader), [25, 26]);
}

#[test]
fn a_sequence_is_found_among_commands_of_several_events_and_of_none() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    for sequence in [3, 3, 3, 7, 7, 9] {
        writer.write(&event(sequence));
    }
    writer.publish(12);
    assert_eq!(writer.last_sequence(), 12);
    let mut reader = Reader::open(&folder.ring()).unwrap();
    assert_eq!(reader.last_sequence(), 12);
    for (after, expected) in [
        (0, &[3, 3, 3, 7, 7, 9][..]),
        (2, &[3, 3, 3, 7, 7, 9]),
        (3, &[7, 7, 9]),
        (6, &[7, 7, 9]),
        (7, &[9]),
        (9, &[]),
        (12, &[]),
    ] {
        reader.seek_after(after).unwrap();
        assert_eq!(read_all(&mut reader), expected, "after {after}");
    }
}

#[test]
fn an_empty_ring_is_joined_from_where_it_starts() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 5).unwrap();
    let mut reader = Reader::open(&folder.ring()).unwrap();
    assert_eq!(reader.last_sequence(), 5);
    assert_eq!(reader.seek_after(4), Err(TooOld { oldest: 5 }));
    reader.seek_after(5).unwrap();
    publish(&mut writer, 6..=7);
    assert_eq!(read_all(&mut reader), [6, 7]);
}

#[test]
fn what_is_lost_is_counted() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    let mut reader = Reader::open(&folder.ring()).unwrap();
    publish(&mut writer, 1..=CAPACITY);
    assert_eq!(read_all(&mut reader), numbers(1..=CAPACITY), "a full ring is no overrun");

    reader.seek_oldest();
    assert_eq!(reader.read().unwrap().unwrap().sequence, 1);
    publish(&mut writer, 65..=100);
    // 101 events: of 64 the reader leaves an eighth to the writer.
    let Err(ReadError::Overrun { lost }) = reader.read() else { panic!("no overrun") };
    assert_eq!(lost, 43);
    assert_eq!(read_all(&mut reader), numbers(45..=100));

    // By many times its length.
    reader.seek_oldest();
    assert_eq!(reader.read().unwrap().unwrap().sequence, 37);
    for sequence in 101..=1_000 {
        publish(&mut writer, sequence..=sequence);
    }
    assert_eq!(reader.read(), Err(ReadError::Overrun { lost: 907 }));
    assert_eq!(reader.position(), 944);
    assert_eq!(read_all(&mut reader), numbers(945..=1_000));
}

#[test]
fn a_reader_that_is_overrun_within_an_event_does_not_take_it() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    publish(&mut writer, 1..=64);
    let mut reader = Reader::open(&folder.ring()).unwrap();
    reader.seek_oldest();
    // The writer is about to write the 65th event where the first one is.
    let file = OpenOptions::new().write(true).open(folder.ring()).unwrap();
    file.write_all_at(&(2 * 64 + 1_u64).to_ne_bytes(), HEADER).unwrap();
    let Err(ReadError::Overrun { lost: 8 }) = reader.read() else { panic!("it was read") };
    reader.seek_oldest();
    assert_eq!(read_all(&mut reader), numbers(2..=64));
    assert_eq!(reader.seek_after(0), Err(TooOld { oldest: 2 }));
    assert_eq!(reader.seek_after(1), Err(TooOld { oldest: 2 }));
    reader.seek_after(2).unwrap();
    assert_eq!(read_all(&mut reader), numbers(3..=64));
}

#[test]
fn too_old_a_sequence_is_refused() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    publish(&mut writer, 1..=100);
    let mut reader = Reader::open(&folder.ring()).unwrap();
    for after in 0..37 {
        assert_eq!(reader.seek_after(after), Err(TooOld { oldest: 37 }));
    }
    // The event of 37 is the oldest: before it events of the same command may be missing.
    for after in 37..=110 {
        reader.seek_after(after).unwrap();
        assert_eq!(read_all(&mut reader), numbers(after + 1..=100));
    }
}

#[test]
fn nothing_of_a_command_is_visible_before_all_of_it() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    let mut reader = Reader::open(&folder.ring()).unwrap();
    writer.write(&event(1));
    writer.write(&event(1));
    assert_eq!(reader.read(), Ok(None));
    assert_eq!(reader.last_sequence(), 0);
    writer.publish(2);
    assert_eq!(reader.last_sequence(), 2);
    assert_eq!(read_all(&mut reader), [1, 1]);
    // Commands that say nothing count too.
    writer.publish(5);
    assert_eq!(reader.last_sequence(), 5);
    assert_eq!(reader.read(), Ok(None));
}

#[test]
#[should_panic(expected = "an event of command 3 after one of 4")]
fn sequence_numbers_do_not_go_backwards() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    writer.write(&event(4));
    writer.write(&event(3));
}

#[test]
#[should_panic(expected = "what was published, 4")]
fn a_published_command_gets_no_more_events() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    publish(&mut writer, 4..=4);
    writer.write(&event(4));
}

#[test]
#[should_panic(expected = "to publish command 3 after an event of 4")]
fn a_part_of_a_command_is_not_published() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    writer.write(&event(4));
    writer.publish(3);
}

/// The writer ends at every store of the way: what the file then holds is made by hand.
#[test]
fn the_next_writer_goes_on_wherever_the_one_before_ended() {
    // How many events were written and not published, and how far the next one came: its first
    // word, none, some or all of the others, its first word again.
    for unpublished in [0, 1, 5, CAPACITY - 1, CAPACITY, CAPACITY + 3] {
        for stage in 0..4_usize {
            // Whether the position was stored when it ended, and the sequence was not.
            for is_between in [false, true] {
                if is_between && (unpublished, stage) != (0, 0) {
                    continue;
                }
                let folder = Folder::new();
                let path = folder.ring();
                let mut writer = Writer::create(&path, &SETTINGS, 0).unwrap();
                publish(&mut writer, 1..=70);
                let mut reader = Reader::open(&path).unwrap();
                publish(&mut writer, 71..=75);
                for sequence in 76..76 + unpublished {
                    writer.write(&event(sequence));
                }
                drop(writer);
                let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
                let put = |at: u64, word: u64| file.write_all_at(&word.to_ne_bytes(), at).unwrap();
                let position = 75 + unpublished;
                let slot = HEADER + position % CAPACITY * 64;
                if stage > 0 {
                    put(slot, 2 * position + 1);
                }
                if stage > 1 {
                    put(slot + 8, u64::MAX);
                }
                if stage > 2 {
                    put(slot + 16, u64::MAX);
                    put(slot, 2 * position + 2);
                }
                if is_between {
                    put(LAST_SEQUENCE, 70);
                }

                let mut writer = Writer::open(&path, &SETTINGS).unwrap_or_else(|error| {
                    panic!("{unpublished} {stage} {is_between}: {error}");
                });
                assert_eq!((writer.published(), writer.last_sequence()), (75, 75));
                publish(&mut writer, 76..=80);
                // Slots that the first writer wrote over without publishing are lost for good.
                let mut read = Vec::new();
                let mut lost_events = 0;
                loop {
                    match reader.read() {
                        Ok(Some(event)) => read.push(event.sequence),
                        Ok(None) => break,
                        Err(ReadError::Overrun { lost }) => lost_events += lost,
                        Err(error) => panic!("{error}"),
                    }
                }
                let kept = numbers(71 + lost_events..=80);
                assert_eq!(read, kept, "{unpublished} {stage} {is_between}");
                let written = position + u64::from(stage > 0);
                assert_eq!(lost_events, written.saturating_sub(CAPACITY + 70).min(5));
            }
        }
    }
}

#[test]
fn what_cannot_be_gone_on_with_is_refused() {
    let folder = Folder::new();
    let path = folder.ring();
    let refusal = |settings: &Settings| Writer::open(&path, settings).unwrap_err().to_string();
    let mut writer = Writer::create(&path, &SETTINGS, 0).unwrap();
    publish(&mut writer, 1..=10);
    assert!(matches!(Writer::open(&path, &SETTINGS), Err(OpenError::Locked { .. })));
    assert!(matches!(Writer::create(&path, &SETTINGS, 0), Err(OpenError::Locked { .. })));
    drop(writer);
    assert_eq!(Writer::open(&path, &SETTINGS).unwrap().last_sequence(), 10);
    let other = Settings { capacity: 128, ..SETTINGS };
    assert!(refusal(&other).ends_with("it has 64 slots where 128 are wanted"));

    let group = Some(fs::metadata(&path).unwrap().gid());
    for other in [Settings { mode: 0o600, ..SETTINGS }, Settings { group, ..SETTINGS }] {
        assert!(refusal(&other).ends_with("others are to read it than before"));
    }

    let whole = fs::read(&path).unwrap();
    let damaged = |at: u64, word: u64, expected: &str| {
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&word.to_ne_bytes(), at).unwrap();
        let refused = refusal(&SETTINGS);
        assert!(refused.contains(expected), "{refused}");
        file.write_all_at(&whole, 0).unwrap();
    };
    damaged(0, 1, "no ring of public events");
    damaged(8, 9, "its format is 9");
    damaged(16, 65, "65 slots in 8192 bytes");
    damaged(16, 128, "128 slots in 8192 bytes");
    damaged(40, 0, "a copy");
    damaged(CLOSED, 1, "closed");
    damaged(56, 2, "of another exchange");
    // Pages that did not reach the disk.
    damaged(HEADER + 3 * 64, 0, "its slot of event 3 is damaged");
    damaged(HEADER + 3 * 64, 7, "its slot of event 3 is damaged");
    damaged(PUBLISHED, 11, "its slot of event 10 is damaged");
    damaged(PUBLISHED, 1 << 40, "is damaged");
    damaged(PUBLISHED, u64::MAX, "is damaged");
    damaged(HEADER + 9 * 64, 2 * 74 + 2, "its slot of event 9 is damaged");
    Writer::open(&path, &SETTINGS).unwrap();

    // A copy, and what is no file of this kind at all.
    let copy = folder.path("copy");
    fs::copy(&path, &copy).unwrap();
    assert!(Writer::open(&copy, &SETTINGS).unwrap_err().to_string().contains("a copy"));
    fs::write(&copy, "short").unwrap();
    assert!(Writer::open(&copy, &SETTINGS).unwrap_err().to_string().contains("it has 5 bytes"));
    assert!(Reader::open(&copy).unwrap_err().to_string().contains("it has 5 bytes"));
    assert!(matches!(
        Writer::open(&folder.path("nothing"), &SETTINGS),
        Err(OpenError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound
    ));
}

#[test]
fn impossible_settings_are_refused() {
    let folder = Folder::new();
    let refusal = |settings| Writer::create(&folder.ring(), &settings, 0).unwrap_err().to_string();
    for capacity in [0, 1, 63, 65, 1 << 31, u64::MAX] {
        assert!(refusal(Settings { capacity, ..SETTINGS }).contains("must be a power of two"));
    }
    for mode in [0o660, 0o642, 0o100_640, 0o4640] {
        assert!(refusal(Settings { mode, ..SETTINGS }).contains("nobody but the owner"));
    }
    assert!(!folder.ring().exists());
}

#[test]
fn a_new_ring_closes_the_old_one() {
    let folder = Folder::new();
    let path = folder.ring();
    let mut writer = Writer::create(&path, &SETTINGS, 0).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    publish(&mut writer, 1..=3);
    drop(writer);
    let mut writer = Writer::create(&path, &Settings { capacity: 128, ..SETTINGS }, 3).unwrap();
    publish(&mut writer, 4..=5);

    // What there is comes first.
    assert!(reader.is_replaced());
    assert_eq!(
        reader.blocking().map(|event| event.map(|event| event.sequence)).collect::<Vec<_>>(),
        [Ok(1), Ok(2), Ok(3), Err(ReadError::Closed)]
    );
    assert_eq!(reader.read(), Err(ReadError::Closed));

    let mut next = Reader::open(&path).unwrap();
    assert!(!next.is_replaced());
    assert!(next.generation() > reader.generation());
    next.seek_after(3).unwrap();
    assert_eq!(read_all(&mut next), [4, 5]);
    // Nothing else is left in the folder.
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

    writer.close();
    assert!(matches!(Reader::open(&path), Err(OpenError::Closed)));
    assert!(matches!(
        Writer::open(&path, &SETTINGS),
        Err(OpenError::Closed | OpenError::Unusable { .. })
    ));
}

#[test]
fn a_ring_takes_the_place_of_what_is_none() {
    let folder = Folder::new();
    for contents in ["", "short", &"x".repeat(10_000)] {
        fs::write(folder.ring(), contents).unwrap();
        // As a writer leaves it that ends while it makes one.
        fs::write(folder.path("ring.new"), contents).unwrap();
        Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
        Reader::open(&folder.ring()).unwrap();
    }
}

/// Where a program waits for events and somebody takes the file away.
#[test]
fn a_waiting_reader_notices_that_the_file_is_gone() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    let mut reader = Reader::open(&folder.ring()).unwrap();
    publish(&mut writer, 1..=1);
    fs::remove_file(folder.ring()).unwrap();
    assert_eq!(reader.wait().unwrap().sequence, 1);
    assert_eq!(reader.wait(), Err(ReadError::Closed));
}

#[test]
fn a_slot_that_is_no_event_is_said_to_be_none() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    publish(&mut writer, 1..=3);
    let file = OpenOptions::new().write(true).open(folder.ring()).unwrap();
    file.write_all_at(&(200_u64 << 32).to_ne_bytes(), HEADER + 64 + 24).unwrap();
    let mut reader = Reader::open(&folder.ring()).unwrap();
    reader.seek_oldest();
    assert_eq!(reader.read().unwrap().unwrap().sequence, 1);
    assert_eq!(reader.read(), Err(ReadError::Invalid { position: 1 }));
    assert_eq!(reader.read().unwrap().unwrap().sequence, 3);
}

#[test]
fn the_file_is_as_the_settings_say() {
    let folder = Folder::new();
    for mode in [0o640, 0o600, 0o644, 0o440] {
        let group = fs::metadata(folder.path("")).unwrap().gid();
        let settings = Settings { mode, group: Some(group), ..SETTINGS };
        Writer::create(&folder.ring(), &settings, 0).unwrap();
        let metadata = fs::metadata(folder.ring()).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode);
        assert_eq!(metadata.gid(), group);
        Writer::open(&folder.ring(), &settings).unwrap();
        // None of it is a hole.
        assert!(metadata.blocks() * 512 >= metadata.len());
        assert_eq!(metadata.len(), HEADER + CAPACITY * 64);
    }
}

/// The way of each event through a slot, word by word: other languages read them, too.
#[test]
fn words_of_today_are_words_of_tomorrow() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 99).unwrap();
    let events = ring_of::every_kind(100);
    for event in &events {
        writer.write(event);
    }
    writer.publish(120);
    let bytes = fs::read(folder.ring()).unwrap();
    let words: Vec<u64> =
        bytes.chunks_exact(8).map(|bytes| u64::from_ne_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(words[0], u64::from_le_bytes(*b"PGXFEED1"));
    assert_eq!(words[1..3], [1, CAPACITY]);
    assert_eq!((words[4], words[6]), (99, 0));
    assert_eq!(words[16..18], [events.len() as u64, 120]);
    for (position, expected) in ring_of::every_kind_in_words(100).into_iter().enumerate() {
        let slot = &words[512 + position * 8..][..8];
        assert_eq!(slot[0], 2 * position as u64 + 2);
        assert_eq!(slot[1..], expected, "{:?}", events[position]);
    }
}
