//! The ring between processes: writers at full speed, writers that are killed, and a reader that
//! knows what every event must be.

mod support;

use feed::ring::{OpenError, Settings};
use feed::{BestPrice, Change, Event, ReadError, Reader, Writer};
use matcher::{InstrumentPhase, MarketPhase, Side, Symbol};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, fs, hint, thread};
use support::Folder;

/// As small as can be, so that the reader is overrun all the time.
const SETTINGS: Settings =
    Settings { capacity: feed::ring::MINIMUM_CAPACITY, mode: 0o640, group: None, exchange: 1 };

/// Every command has so many events.
const EVENTS_OF_COMMAND: u64 = 3;

/// The command of the event at a position. Every other one says nothing.
fn sequence_at(position: u64) -> u64 {
    position / EVENTS_OF_COMMAND * 2 + 1
}

/// A number that looks random and hangs on the position.
fn noise(position: u64, salt: u64) -> u64 {
    let mut bits = (position ^ salt << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^ bits >> 29
}

/// The event at a position: of every kind, and with every bit of every word telling.
fn event_at(position: u64) -> Event {
    let noise = |salt| noise(position, salt);
    let side = Side::ALL[(noise(0) & 1) as usize];
    let (price_ticks, quantity, trade_id) = (noise(1) as i64, noise(2) as i64, noise(3));
    let orders = noise(4) as u32;
    let best = |is_there, price, quantity| {
        (is_there != 0)
            .then_some(BestPrice { price_ticks: price as i64, quantity: quantity as i64 })
    };
    let change = match noise(5) % 9 {
        0 => Change::Listed {
            symbol: Symbol::new(&format!("{:015x}", noise(1) >> 4)).expect("15 bytes"),
            tick_digits: orders,
            tick_scale: noise(3) as u8,
            lot_size: quantity,
        },
        1 => {
            let in_auction = noise(6) & 1 == 0;
            Change::Trade { trade_id, price_ticks, quantity, taker_side: side, in_auction }
        }
        2 => Change::Busted { trade_id },
        3 => Change::Uncrossed { price_ticks, quantity },
        4 => Change::InstrumentPhase { phase: InstrumentPhase::ALL[(noise(6) % 6) as usize] },
        5 => Change::MarketPhase {
            phase: MarketPhase::ALL[(noise(6) % 4) as usize],
            trade_date: orders as i32,
        },
        6 => Change::Refresh,
        7 => Change::Level { side, price_ticks, quantity, orders },
        _ => Change::BestQuote {
            bid: best(noise(6) & 1, noise(1), noise(2)),
            ask: best(noise(6) & 2, noise(3), noise(4)),
        },
    };
    Event {
        sequence: sequence_at(position),
        time_us: noise(7) as i64,
        instrument: noise(8) as u32,
        change,
    }
}

/// Writes batches of some commands until so many events are published.
fn write_to(writer: &mut Writer, end: u64) {
    while writer.published() < end {
        let begin = writer.published();
        // Few at a time for a while, then more than the ring holds.
        let most = if begin >> 16 & 1 == 0 { 8 } else { 100 };
        let commands = 1 + noise(begin, 9) % most;
        let batch = begin..begin + commands * EVENTS_OF_COMMAND;
        for position in batch.clone() {
            writer.write(&event_at(position));
        }
        writer.publish(sequence_at(batch.end - 1));
    }
}

const ROLE: &str = "FEED_TEST_ROLE";
const RING: &str = "FEED_TEST_RING";

/// What the other process does: this test is only ever run by the others here.
#[test]
#[ignore = "the other process of the other tests"]
fn other_process() {
    let role = env::var(ROLE).expect("the tests here set it");
    let path = env::var(RING).expect("the tests here set it");
    let path = Path::new(&path);
    let say = |word: &str| {
        println!("\n{word}");
        std::io::stdout().flush().unwrap();
    };
    match role.as_str() {
        "write as much as it can" => {
            let mut writer = Writer::create(path, &SETTINGS, 0).unwrap();
            say("ready");
            std::io::stdin().read_line(&mut String::new()).unwrap();
            write_to(&mut writer, FULL_SPEED_EVENTS);
            writer.close();
        }
        "go on until killed" => {
            let mut writer = Writer::open(path, &SETTINGS).unwrap();
            let published = writer.published();
            assert_eq!(published % EVENTS_OF_COMMAND, 0);
            if let Some(newest) = published.checked_sub(1) {
                assert_eq!(writer.last_sequence(), sequence_at(newest));
            }
            say("ready");
            write_to(&mut writer, u64::MAX);
        }
        "make rings until killed" => {
            say("ready");
            loop {
                let mut writer = Writer::create(path, &SETTINGS, 0).unwrap();
                write_to(&mut writer, 1);
            }
        }
        _ => panic!("{role}"),
    }
}

/// Starts this program again, as the other process, and waits until it is ready.
fn start(role: &str, path: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "other_process", "--nocapture"])
        .env(ROLE, role)
        .env(RING, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.as_mut().unwrap());
    let is_ready = said.lines().map_while(Result::ok).any(|line| line == "ready");
    assert!(is_ready, "the other process ended: {:?}", child.wait());
    child
}

/// One who knows what every event must be.
struct Checker {
    reader: Reader,
    read: u64,
    lost: u64,
    overruns: u64,
}

impl Checker {
    fn new(path: &Path) -> Self {
        let mut reader = Reader::open(path).unwrap();
        reader.seek_oldest();
        Self { lost: reader.position(), reader, read: 0, overruns: 0 }
    }

    /// Reads what there is, and says whether there was something. `None`: the ring is closed.
    fn read(&mut self) -> Option<bool> {
        let position = self.reader.position();
        match self.reader.read() {
            Ok(Some(event)) => {
                assert_eq!(event, event_at(position), "at {position}");
                assert_eq!(self.reader.position(), position + 1);
                self.read += 1;
                Some(true)
            }
            Ok(None) => {
                assert_eq!(position % EVENTS_OF_COMMAND, 0, "a part of a command is visible");
                Some(false)
            }
            Err(ReadError::Overrun { lost }) => {
                assert_eq!(self.reader.position(), position + lost);
                assert!(lost > 0);
                self.lost += lost;
                self.overruns += 1;
                Some(true)
            }
            Err(ReadError::Closed) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

const FULL_SPEED_EVENTS: u64 = 10_000_000;

#[test]
fn no_event_is_torn_or_miscounted_at_full_speed() {
    let folder = Folder::new();
    let mut child = start("write as much as it can", &folder.ring());
    let mut checker = Checker::new(&folder.ring());
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    while checker.read().is_some() {
        // By turns it keeps up and falls behind.
        if checker.read >> 16 & 1 == 1 {
            for _ in 0..20 {
                hint::spin_loop();
            }
        }
    }
    assert!(child.wait().unwrap().success());
    let position = checker.reader.position();
    assert!(position >= FULL_SPEED_EVENTS);
    assert_eq!(checker.read + checker.lost, position);
    assert!(checker.read > 0 && checker.overruns > 0, "{} {}", checker.read, checker.overruns);
}

#[test]
fn a_writer_may_be_killed_at_any_instruction() {
    const KILLS: u64 = 200;
    let folder = Folder::new();
    Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    let mut checker = Checker::new(&folder.ring());
    for kill in 0..KILLS {
        let mut child = start("go on until killed", &folder.ring());
        let end = checker.reader.position() + 1 + noise(kill, 10) % 20_000;
        while checker.reader.position() < end {
            if checker.read() == Some(false) {
                thread::yield_now();
            }
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        // Up to its end, which may be within an event, and which nobody sees.
        while checker.read().expect("it is not closed") {}
    }
    assert_eq!(checker.read + checker.lost, checker.reader.position());
    assert!(checker.read > 0);
}

#[test]
fn a_writer_may_be_killed_while_it_makes_a_ring() {
    let folder = Folder::new();
    let mut generation = 0;
    let mut seen = 0;
    for kill in 0..100 {
        let mut child = start("make rings until killed", &folder.ring());
        let rings = seen + 1 + noise(kill, 11) % 5;
        while seen < rings {
            match Reader::open(&folder.ring()) {
                Ok(reader) => {
                    assert!(reader.generation() >= generation);
                    seen += u64::from(reader.generation() > generation);
                    generation = reader.generation();
                }
                Err(OpenError::Closed) => {}
                Err(OpenError::Io { error, .. })
                    if error.kind() == std::io::ErrorKind::NotFound && generation == 0 => {}
                Err(error) => panic!("{error}"),
            }
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        // What it left is either gone on with or made anew.
        match Writer::open(&folder.ring(), &SETTINGS) {
            Ok(mut writer) => {
                write_to(&mut writer, 1);
                Checker::new(&folder.ring()).read();
            }
            Err(OpenError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A reader cannot write: its mapping does not let it, and the file does not let it map more.
#[test]
fn readers_can_only_read() {
    let folder = Folder::new();
    let writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    let permissions = || -> Vec<String> {
        let path = folder.ring();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines()
            .filter(|line| line.ends_with(path.to_str().unwrap()))
            .map(|line| line.split(' ').nth(1).unwrap().to_owned())
            .collect()
    };
    drop(writer);
    let reader = Reader::open(&folder.ring()).unwrap();
    assert_eq!(permissions(), ["r--s"]);
    drop(reader);
    assert_eq!(permissions(), [""; 0]);
}

/// As another user: with the group one can read, and not write; without it neither.
#[test]
fn the_group_reads_and_nobody_else() {
    const NOBODY: u32 = 65_534;
    const READERS: u32 = 54_321;
    let folder = Folder::new();
    if fs::metadata(folder.path("")).unwrap().uid() != 0 {
        eprintln!("not tried: only root can be somebody else");
        return;
    }
    fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let settings = Settings { group: Some(READERS), ..SETTINGS };
    Writer::create(&folder.ring(), &settings, 0).unwrap();
    let can = |group: u32, script: &str| {
        Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(folder.ring())
            .uid(NOBODY)
            .gid(group)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    assert!(can(READERS, "head -c 64 \"$1\""));
    assert!(!can(READERS, ": >> \"$1\""));
    assert!(!can(READERS, "rm -f \"$1\""));
    assert!(!can(NOBODY, "head -c 64 \"$1\""));
}
