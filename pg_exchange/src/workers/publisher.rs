//! The publisher: keeps the books on the boards, behind what is durable.

use std::collections::BTreeSet;

use matcher::{Engine, Event, InstrumentId, Side, View};
use pgrx::Spi;

use super::colocated_feed::ColocatedFeed;
use super::follower::Follower;
use super::journal::Batch;
use super::progress::Progress;
use super::recovery::{self, Bounds};
use super::{Post, one_moment, transaction};
use crate::shared::boards::Heading;
use crate::shared::control::WorkerState;

/// The work of the publisher.
pub fn run(post: Post) -> ! {
    post.wait_for_venue();
    post.wait_for_matcher();
    let control = post.shared.control;
    let mut progress = Progress::begin(post);
    let tables = one_moment(|| recovery::load(Bounds::in_force(), &mut progress));
    let Some(tables) = tables else { post.close_venue() };
    let engine = post.or_halt(tables).engine;
    let mut publication = Publication::new(post, engine);
    let end = control.durable.get();
    progress.replay(publication.follower.sequence(), end);
    while publication.follower.sequence() < end {
        publication.follow(end.min(publication.follower.sequence() + 65_536));
        progress.set_sequence(publication.follower.sequence());
    }
    publication.show_all();
    progress.end();
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
    }
}

struct Publication {
    post: Post,
    follower: Follower,
    feed: Option<ColocatedFeed>,
    touched: BTreeSet<InstrumentId>,
    /// Quantity of the last trade, by instrument; 0 for none yet. Its price is the engine's.
    last_quantities: Vec<i64>,
}

/// What an event changes on the boards.
enum Touches {
    Nothing,
    One(InstrumentId),
    All,
}

/// Every kind of event is named here, so that none is forgotten when there is a new one.
fn touches(engine: &Engine, event: &Event) -> Touches {
    match *event {
        Event::Trade(trade) => Touches::One(trade.instrument),
        Event::Rested { instrument, .. }
        | Event::Cancelled { instrument, .. }
        | Event::Reduced { instrument, .. }
        | Event::Replaced { instrument, .. }
        | Event::Triggered { instrument, .. }
        | Event::InstrumentCreated { instrument }
        | Event::InstrumentChanged { instrument }
        | Event::InstrumentPhaseChanged { instrument, .. }
        | Event::Uncrossed { instrument, .. } => Touches::One(instrument),
        // Where the order is finished by now, the event that says so names its instrument.
        Event::Refilled { order_id, .. } => {
            engine.order(order_id).map_or(Touches::Nothing, |order| Touches::One(order.instrument))
        }
        Event::MarketPhaseChanged { .. } => Touches::All,
        // Neither displayed nor a price that boards show.
        Event::StopMoved { .. }
        | Event::Rejected { .. }
        | Event::ReplaceRejected { .. }
        | Event::ParticipantRegistered { .. }
        | Event::ParticipantChanged { .. }
        | Event::AccountOpened { .. }
        | Event::AccountChanged { .. }
        | Event::FeeScheduleCreated { .. }
        | Event::CashTransferred { .. }
        | Event::SharesTransferred { .. }
        | Event::CreditLimitSet { .. }
        | Event::ShortLimitSet { .. }
        | Event::RiskLimitsSet { .. }
        | Event::Scheduled { .. }
        // The last trade stays the last one, busted or not.
        | Event::TradeBusted { .. }
        | Event::ClockAdvanced { .. } => Touches::Nothing,
    }
}

impl Publication {
    fn new(post: Post, engine: Engine) -> Self {
        let last_quantities = transaction(|| last_quantities(engine.instruments().len()));
        let feed = ColocatedFeed::open(&engine, post.shared.control);
        let follower = Follower::new(engine);
        Self { post, follower, feed, touched: BTreeSet::new(), last_quantities }
    }

    fn follow(&mut self, end: u64) {
        while self.follower.sequence() < end {
            self.post.check();
            let batches = self.follower.read(self.post.shared, end, 4_096);
            for batch in self.post.or_halt(batches) {
                self.execute(&self.post.or_halt(batch));
            }
        }
    }

    fn execute(&mut self, batch: &Batch) {
        let Self { follower, feed, touched, last_quantities, .. } = self;
        let executed = follower.execute(batch, |engine, stamp, _, _, events| {
            if let Some(feed) = feed {
                feed.follow(engine, stamp, events);
            }
            last_quantities.resize(engine.instruments().len(), 0);
            for event in events {
                if let Event::Trade(trade) = event {
                    last_quantities[trade.instrument as usize - 1] = trade.quantity;
                }
                match touches(engine, event) {
                    Touches::Nothing => {}
                    Touches::One(instrument) => {
                        touched.insert(instrument);
                    }
                    Touches::All => touched.extend(1..=engine.instruments().len() as InstrumentId),
                }
            }
        });
        self.post.or_halt(executed);
        if let Some(feed) = &mut self.feed {
            feed.publish(self.follower.sequence());
        }
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
        let state = engine.instrument_state(instrument).expect("the instrument exists");
        let above_0 = |price_ticks: i64| Some(price_ticks).filter(|ticks| *ticks > 0);
        let heading = Heading {
            sequence: engine.sequence(),
            last_trade: above_0(state.last_price_ticks)
                .map(|price_ticks| (price_ticks, self.last_quantities[instrument as usize - 1])),
            phase: state.phase,
            reference_price_ticks: above_0(state.reference_price_ticks),
            indicative: engine.indicative(instrument),
        };
        self.post.shared.boards.write(
            instrument,
            &heading,
            [&mut engine.levels(instrument, Side::Buy), &mut engine.levels(instrument, Side::Sell)],
        );
    }
}

/// The quantity of the last trade of every instrument, as the tape has it; 0 for none.
fn last_quantities(instruments: usize) -> Vec<i64> {
    let mut last = vec![0; instruments];
    let read = Spi::connect(|client| -> Result<(), pgrx::spi::SpiError> {
        let rows = client.select(
            "SELECT i.instrument_id, coalesce(t.quantity, a.quantity)
             FROM exchange.instruments AS i
             LEFT JOIN LATERAL (
                 SELECT quantity FROM exchange.trades AS t
                 WHERE t.symbol = i.symbol
                 ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1) AS t ON true
             LEFT JOIN exchange.archived_last_trades AS a ON a.symbol = i.symbol",
            None,
            &[],
        )?;
        for row in rows {
            let id = row.get::<i32>(1)?.unwrap_or_default() as usize;
            if let Some(place) = id.checked_sub(1).and_then(|index| last.get_mut(index)) {
                *place = row.get::<i64>(2)?.unwrap_or_default();
            }
        }
        Ok(())
    });
    if let Err(error) = read {
        panic!("the tape cannot be read: {error}");
    }
    last
}
