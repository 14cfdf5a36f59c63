//! The publisher: keeps the books on the boards, behind what is durable.

use std::collections::BTreeSet;
use std::time::Duration;

use matcher::{Engine, Event, InstrumentId, Side};
use pgrx::Spi;

use super::follower::Follower;
use super::journal::Batch;
use super::recovery::{self, Bounds};
use super::{Post, one_moment, transaction};
use crate::shared::control::WorkerState;

/// How long changes gather before the boards show them: less than anybody sees, and
/// under load a small part of the wake-ups.
const PAUSE: Duration = Duration::from_millis(1);

/// The work of the publisher.
pub fn run(post: Post) -> ! {
    post.wait_for_venue();
    let control = post.shared.control;
    let Some(tables) = one_moment(|| recovery::load(Bounds::of_settings())) else {
        post.close_venue()
    };
    let engine = post.or_halt(tables).engine;
    let mut publication = Publication::new(post, engine);
    publication.follow(control.durable.get());
    publication.show_all();
    control.published.set(publication.follower.sequence());
    post.set_state(WorkerState::Running);
    loop {
        post.check();
        let durable = control.durable.get();
        if durable == publication.follower.sequence() {
            post.sleep(|| control.durable.get() > durable);
            continue;
        }
        publication.follow(durable);
        publication.show_touched();
        control.published.advance(publication.follower.sequence());
        post.nap(PAUSE, || control.published.is_awaited());
    }
}

struct Publication {
    post: Post,
    follower: Follower,
    touched: BTreeSet<InstrumentId>,
    last_trades: Vec<Option<(i64, i64)>>,
}

impl Publication {
    fn new(post: Post, engine: Engine) -> Self {
        let last_trades = transaction(|| last_trades(&engine));
        Self { post, follower: Follower::new(engine), touched: BTreeSet::new(), last_trades }
    }

    fn follow(&mut self, end: u64) {
        while self.follower.sequence() < end {
            self.post.check();
            let batches = self.follower.read(self.post.shared, end, 4_096);
            for batch in self.post.or_halt(batches) {
                self.execute(&batch);
            }
        }
    }

    fn execute(&mut self, batch: &Batch) {
        let (touched, last_trades) = (&mut self.touched, &mut self.last_trades);
        let executed = self.follower.execute(batch, |_, _, _, _, events| {
            for event in events {
                match *event {
                    Event::Trade(trade) => {
                        touched.insert(trade.instrument);
                        last_trades[trade.instrument as usize - 1] =
                            Some((trade.price_ticks, trade.quantity));
                    }
                    Event::Rested { instrument, .. }
                    | Event::Cancelled { instrument, .. }
                    | Event::Reduced { instrument, .. } => {
                        touched.insert(instrument);
                    }
                    Event::InstrumentCreated { instrument } => {
                        touched.insert(instrument);
                        last_trades.push(None);
                    }
                    Event::Rejected { .. }
                    | Event::AccountOpened { .. }
                    | Event::MarketOpened
                    | Event::MarketClosed
                    | Event::ClockAdvanced { .. } => {}
                }
            }
        });
        self.post.or_halt(executed);
    }

    fn show_touched(&mut self) {
        for instrument in std::mem::take(&mut self.touched) {
            self.show(instrument);
        }
    }

    fn show_all(&mut self) {
        self.touched.clear();
        for instrument in 1..=self.follower.engine.instruments().len() as InstrumentId {
            self.show(instrument);
        }
    }

    fn show(&self, instrument: InstrumentId) {
        let engine = &self.follower.engine;
        self.post.shared.boards.write(
            instrument,
            engine.sequence(),
            self.last_trades[instrument as usize - 1],
            [&mut engine.levels(instrument, Side::Buy), &mut engine.levels(instrument, Side::Sell)],
        );
    }
}

/// The last trade of every instrument, price in ticks and quantity, as the tape has it.
fn last_trades(engine: &Engine) -> Vec<Option<(i64, i64)>> {
    let mut last = vec![None; engine.instruments().len()];
    let read = Spi::connect(|client| -> Result<(), pgrx::spi::SpiError> {
        let rows = client.select(
            "SELECT i.instrument_id, (t.price / i.tick_size)::bigint, t.quantity
             FROM exchange.instruments AS i
             CROSS JOIN LATERAL (
                 SELECT price, quantity FROM exchange.trades AS t
                 WHERE t.symbol = i.symbol
                 ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1) AS t",
            None,
            &[],
        )?;
        for row in rows {
            let id = row.get::<i32>(1)?.unwrap_or_default() as usize;
            let trade = row.get::<i64>(2)?.zip(row.get::<i64>(3)?);
            if let Some(place) = id.checked_sub(1).and_then(|index| last.get_mut(index)) {
                *place = trade;
            }
        }
        Ok(())
    });
    if let Err(error) = read {
        panic!("the tape cannot be read: {error}");
    }
    last
}
