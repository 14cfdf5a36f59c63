//! The reader in C of `docs/feed.md` reads what this crate writes.

mod support;

use feed::ring::Settings;
use feed::{BestPrice, Change, Event, Writer};
use matcher::Side;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Folder, ring_of};

const SETTINGS: Settings = Settings { capacity: 64, mode: 0o640, group: None, exchange: 1 };

/// The program in the document, compiled.
fn reader_in_c(folder: &Folder) -> PathBuf {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/feed.md");
    let document = fs::read_to_string(document).unwrap();
    let (_, program) = document.split_once("```c\n").expect("the document has a reader in C");
    let (program, _) = program.split_once("```").unwrap();
    let (source, binary) = (folder.path("reader.c"), folder.path("reader"));
    fs::write(&source, program).unwrap();
    let compiled = Command::new("cc")
        .args(["-O2", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&binary, &source])
        .status()
        .expect("cc is there");
    assert!(compiled.success());
    binary
}

fn output(program: &Path, ring: &Path) -> String {
    let output = Command::new(program).arg(ring).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// What the program prints of an event.
fn line(event: &Event) -> String {
    let side = |side| if side == Side::Buy { "buy" } else { "sell" };
    let change = match event.change {
        Change::Listed { symbol, tick_digits, tick_scale, lot_size } => {
            format!("listed {symbol} {tick_digits} {tick_scale} {lot_size}")
        }
        Change::Trade { trade_id, price_ticks, quantity, taker_side, in_auction } => format!(
            "trade {price_ticks} {quantity} {trade_id} {}{}",
            side(taker_side),
            if in_auction { " auction" } else { "" }
        ),
        Change::Busted { trade_id } => format!("bust {trade_id}"),
        Change::Uncrossed { price_ticks, quantity } => format!("auction {price_ticks} {quantity}"),
        Change::InstrumentPhase { phase } => format!("instrument phase {}", phase as u8),
        Change::MarketPhase { phase, trade_date } => {
            format!("market phase {} {trade_date}", phase as u8)
        }
        Change::Refresh => "refresh".to_owned(),
        Change::Level { side: of, price_ticks, quantity, orders } => {
            format!("level {} {price_ticks} {quantity} {orders}", side(of))
        }
        Change::BestQuote { bid, ask } => {
            let show = |name: &str, best: Option<BestPrice>| {
                best.map_or(String::new(), |best| {
                    format!(" {name} {} {}", best.price_ticks, best.quantity)
                })
            };
            format!("quote{}{}", show("bid", bid), show("ask", ask))
        }
    };
    format!("{} {} {} {change}\n", event.sequence, event.time_us, event.instrument)
}

#[test]
fn the_reader_in_c_reads_every_kind_of_event() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    let events = ring_of::every_kind(7);
    for event in &events {
        writer.write(event);
    }
    writer.publish(7);
    writer.close();
    let expected: String = events.iter().map(line).collect();
    assert_eq!(output(&reader_in_c(&folder), &folder.ring()), expected);
}

#[test]
fn the_reader_in_c_notices_an_overrun() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.ring(), &SETTINGS, 0).unwrap();
    let event = |position: u64| Event {
        sequence: position + 1,
        time_us: 0,
        instrument: 1,
        change: Change::Busted { trade_id: position },
    };
    for position in 0..100 {
        writer.write(&event(position));
    }
    writer.publish(100);
    writer.close();
    // The next event is being written where the oldest one was.
    let file = OpenOptions::new().write(true).open(folder.ring()).unwrap();
    file.write_all_at(&(2 * 100 + 1_u64).to_ne_bytes(), 4096 + 36 * 64).unwrap();
    let expected: String = std::iter::once("lost 8\n".to_owned())
        .chain((44..100).map(|at| line(&event(at))))
        .collect();
    assert_eq!(output(&reader_in_c(&folder), &folder.ring()), expected);
}
