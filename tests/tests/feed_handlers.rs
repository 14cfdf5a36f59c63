//! What `docs/feed.md` tells those who write a feed handler: books from a snapshot in SQL, joined on
//! its sequence number with the colocated feed.

use std::collections::BTreeMap;

use feed::{Book, Event, Reader};
use matcher::{InstrumentId, PriceLevel, Sequence, Side};
use tests::random::seed;
use tests::traders::{Floor, Trading, WhenDisconnected};
use tests::{Session, Venue, audit, wait_until};

/// The books that display something.
type Books = BTreeMap<InstrumentId, Book>;

fn snapshot(session: &mut Session) -> (Sequence, Books) {
    let query = "SELECT sequence, instrument_id, side = 'buy', price_ticks, quantity, orders
                 FROM exchange.book_snapshot()";
    let rows = session.client().query(query, &[]).expect("a snapshot can be taken");
    let mut books = Books::new();
    for row in &rows {
        let Some(is_bid) = row.get::<_, Option<bool>>(2) else { continue };
        let level = PriceLevel {
            price_ticks: row.get(3),
            quantity: row.get(4),
            orders: row.get::<_, i64>(5).try_into().expect("so many orders"),
        };
        let book = books.entry(row.get::<_, i32>(1).cast_unsigned()).or_default();
        book.set(if is_bid { Side::Buy } else { Side::Sell }, level);
    }
    (rows[0].get::<_, i64>(0).cast_unsigned(), books)
}

/// One who follows the feed from a snapshot on.
struct Handler {
    reader: Reader,
    books: Books,
    /// Read, and of a later command than was asked for.
    next: Option<Event>,
}

impl Handler {
    fn join(venue: &Venue, sequence: Sequence, books: &Books) -> Self {
        let path = venue.cluster().data_directory().join("pg_stat_tmp/exchange.feed");
        let mut reader = Reader::open(&path).expect("the feed can be opened");
        reader.seek_after(sequence).expect("the snapshot is new enough");
        Self { reader, books: books.clone(), next: None }
    }

    /// The books after a command, which may still be on its way.
    fn books_after(&mut self, sequence: Sequence) -> &Books {
        wait_until("the feed is so far", || self.reader.last_sequence() >= sequence);
        while let Some(event) =
            self.next.take().or_else(|| self.reader.read().expect("it keeps up"))
        {
            if event.sequence > sequence {
                self.next = Some(event);
                break;
            }
            self.books.entry(event.instrument).or_default().apply(&event.change);
        }
        self.books.retain(|_, book| *book != Book::default());
        &self.books
    }
}

#[test]
fn who_joins_a_snapshot_has_every_later_one() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, 4);
    let mut session = venue.superuser();
    let (sequence, books) = snapshot(&mut session);
    let mut handlers = vec![Handler::join(&venue, sequence, &books)];
    let memories = floor.newcomers();
    let trading = Trading::start(&venue, &floor, memories, WhenDisconnected::Reconnect, seed());
    for _ in 0..10 {
        trading.wait_for_calls(100);
        let (sequence, books) = snapshot(&mut session);
        for (joined, handler) in handlers.iter_mut().enumerate() {
            assert_eq!(*handler.books_after(sequence), books, "who joined at {joined}");
        }
        // In the middle of the trading.
        handlers.push(Handler::join(&venue, sequence, &books));
    }
    let memories = trading.finish();
    audit::assert_sound(&venue, &memories);
    session.wait_for_tables();
    let (sequence, books) = snapshot(&mut session);
    assert!(!books.is_empty(), "there is something to compare");
    for handler in &mut handlers {
        assert_eq!(*handler.books_after(sequence), books);
    }
}
