//! Candles: the trades of a batch added to the rows of `exchange.candles`.

use std::collections::HashMap;

use matcher::outcome::Trade;
use matcher::{Instrument, InstrumentId};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum, Interval};

use super::busts::run;
use crate::datum::{text, timestamp};
use crate::price;
use crate::relation::{Row, TupleId, Writer};
use crate::settings;

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// A length of candles.
struct Resolution {
    interval: Interval,
    length: Length,
    source: Source,
}

/// What candles are made of when they are made anew: the longer ones of shorter ones, so that
/// not a month of trades is read for one of them.
enum Source {
    Trades,
    /// Candles of another resolution, by its place in [`RESOLUTIONS`]. They end where these
    /// do, in every time zone.
    Candles(usize),
}

/// The place of one minute in [`RESOLUTIONS`].
const MINUTE: usize = 0;
/// The place of one day.
const DAY: usize = 3;

enum Length {
    /// The same number of microseconds each.
    Fixed(i64),
    /// A unit of the calendar, and a time after which the next one has begun for sure.
    Calendar(&'static str, i64),
}

const fn fixed(length_us: i64, source: Source) -> Resolution {
    Resolution { interval: interval(length_us, 0, 0), length: Length::Fixed(length_us), source }
}

const fn interval(time: i64, day: i32, month: i32) -> Interval {
    Interval { time, day, month }
}

const RESOLUTIONS: [Resolution; 6] = [
    fixed(MINUTE_US, Source::Trades),
    fixed(5 * MINUTE_US, Source::Candles(MINUTE)),
    fixed(HOUR_US, Source::Candles(MINUTE)),
    Resolution {
        interval: interval(0, 1, 0),
        length: Length::Calendar("day", 36 * HOUR_US),
        source: Source::Candles(MINUTE),
    },
    Resolution {
        interval: interval(0, 7, 0),
        length: Length::Calendar("week", 8 * DAY_US),
        source: Source::Candles(DAY),
    },
    Resolution {
        interval: interval(0, 0, 1),
        length: Length::Calendar("month", 40 * DAY_US),
        source: Source::Candles(DAY),
    },
];

/// Where an interval begins, and where the next one does.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from_us: i64,
    to_us: i64,
}

impl Span {
    fn contains(&self, time_us: i64) -> bool {
        (self.from_us..self.to_us).contains(&time_us)
    }
}

struct Candle {
    at: Option<TupleId>,
    from_us: i64,
    open_ticks: i64,
    high_ticks: i64,
    low_ticks: i64,
    close_ticks: i64,
    volume: i64,
    turnover_ticks: i128,
    trade_count: i64,
    changed: bool,
}

/// The candles that trades may still change.
pub struct Candles {
    time_zone: String,
    spans: [Span; RESOLUTIONS.len()],
    current: HashMap<(InstrumentId, usize), Candle>,
    /// Trades that are not in the candles yet.
    trades: Vec<(i64, Trade)>,
    storage: u32,
}

impl Candles {
    /// None in memory yet: those that the table has are read when a trade needs them.
    pub fn new() -> Self {
        Self {
            time_zone: settings::time_zone().to_string_lossy().into_owned(),
            spans: Default::default(),
            current: HashMap::new(),
            trades: Vec::new(),
            storage: 0,
        }
    }

    /// Takes note of a trade.
    pub fn collect(&mut self, time_us: i64, trade: Trade) {
        self.trades.push((time_us, trade));
    }

    /// Writes what was collected. `None` if the table is not there.
    pub fn write(&mut self, instruments: &[Instrument]) -> Option<()> {
        if self.trades.is_empty() {
            return Some(());
        }
        let mut table = Writer::open("candles")?;
        if table.relation().storage() != self.storage {
            self.current.clear();
            self.storage = table.relation().storage();
        }
        let mut changed = Vec::new();
        for (time_us, trade) in std::mem::take(&mut self.trades) {
            let instrument = &instruments[trade.instrument as usize - 1];
            for resolution in 0..RESOLUTIONS.len() {
                let span = self.span(resolution, time_us);
                let key = (trade.instrument, resolution);
                if self.current.get(&key).is_none_or(|candle| candle.from_us != span.from_us) {
                    if let Some(mut past) = self.current.remove(&key).filter(|past| past.changed) {
                        past.write(&mut table, instrument, resolution);
                    }
                    let candle = Candle::find(&table, instrument, resolution, span.from_us)
                        .unwrap_or_else(|| Candle::empty(span.from_us));
                    self.current.insert(key, candle);
                }
                let candle = self.current.get_mut(&key).expect("inserted above");
                if !candle.changed {
                    changed.push(key);
                }
                candle.add(&trade);
            }
        }
        for (id, resolution) in changed {
            let candle = self.current.get_mut(&(id, resolution)).expect("only replaced above");
            if candle.changed {
                candle.write(&mut table, &instruments[id as usize - 1], resolution);
            }
        }
        table.close(&mut |_| ());
        Some(())
    }

    /// Makes the candles that a time is in anew, out of the trades that were not busted.
    /// Where there are none, there is no candle.
    pub fn make_anew(&mut self, symbol: &str, time_us: i64) {
        for (index, resolution) in RESOLUTIONS.iter().enumerate() {
            let span = self.span(index, time_us);
            let mut arguments = vec![
                symbol.into(),
                interval_argument(index),
                timestamp(span.from_us),
                timestamp(span.to_us),
            ];
            let source = match resolution.source {
                Source::Trades => TRADES_IN_SPAN,
                Source::Candles(of) => {
                    arguments.push(interval_argument(of));
                    CANDLES_IN_SPAN
                }
            };
            run(&format!("WITH made AS ({source}) {REPLACE_BY_MADE}"), &arguments);
        }
        // The rows lie elsewhere now.
        self.current.clear();
    }

    fn span(&mut self, resolution: usize, time_us: i64) -> Span {
        let span = &mut self.spans[resolution];
        if !span.contains(time_us) {
            *span = match RESOLUTIONS[resolution].length {
                Length::Fixed(length_us) => {
                    let from_us = time_us - time_us.rem_euclid(length_us);
                    Span { from_us, to_us: from_us + length_us }
                }
                Length::Calendar(unit, beyond_us) => {
                    let from_us = truncate(unit, time_us, &self.time_zone);
                    let to_us = truncate(unit, from_us + beyond_us, &self.time_zone);
                    Span { from_us, to_us }
                }
            };
        }
        *span
    }
}

/// One row: what a candle of a symbol ($1) from one time ($3) to another ($4) is.
const TRADES_IN_SPAN: &str = "
    SELECT (array_agg(price ORDER BY trade_id))[1] AS open, max(price) AS high,
           min(price) AS low, (array_agg(price ORDER BY trade_id DESC))[1] AS close,
           least(sum(quantity), 9223372036854775807)::bigint AS volume,
           sum(price * quantity) AS turnover, count(*) AS trade_count
    FROM exchange.trades
    WHERE symbol = $1 AND executed_at >= $3 AND executed_at < $4 AND busted_at IS NULL";

/// The same, of the candles of a resolution ($5).
const CANDLES_IN_SPAN: &str = "
    SELECT (array_agg(open ORDER BY opened_at))[1] AS open, max(high) AS high,
           min(low) AS low, (array_agg(close ORDER BY opened_at DESC))[1] AS close,
           least(sum(volume), 9223372036854775807)::bigint AS volume,
           sum(turnover) AS turnover, coalesce(sum(trade_count), 0)::bigint AS trade_count
    FROM exchange.candles
    WHERE symbol = $1 AND resolution = $5 AND opened_at >= $3 AND opened_at < $4";

/// Makes the candle of a symbol ($1) and resolution ($2) that one, or removes it where
/// nothing traded.
const REPLACE_BY_MADE: &str = ", removed AS (
        DELETE FROM exchange.candles AS candle USING made
        WHERE made.trade_count = 0
          AND candle.symbol = $1 AND candle.resolution = $2 AND candle.opened_at = $3)
    UPDATE exchange.candles AS candle
    SET open = made.open, high = made.high, low = made.low, close = made.close,
        volume = made.volume, turnover = made.turnover, trade_count = made.trade_count
    FROM made
    WHERE made.trade_count > 0
      AND candle.symbol = $1 AND candle.resolution = $2 AND candle.opened_at = $3";

fn interval_argument(resolution: usize) -> DatumWithOid<'static> {
    // SAFETY: that is an interval.
    unsafe { DatumWithOid::new(interval_datum(resolution), pg_sys::INTERVALOID) }
}

/// `date_trunc(unit, time, time_zone)`
fn truncate(unit: &str, time_us: i64, time_zone: &str) -> i64 {
    // SAFETY: the function of this SQL signature, with a text, a timestamptz and a text.
    let truncated = unsafe {
        pgrx::direct_function_call_as_datum(
            pg_sys::timestamptz_trunc_zone,
            &[Some(text(unit)), Some(Datum::from(time_us)), Some(text(time_zone))],
        )
    };
    truncated.expect("date_trunc returns no NULL").value() as i64
}

impl Candle {
    fn empty(from_us: i64) -> Self {
        Self {
            at: None,
            from_us,
            open_ticks: 0,
            high_ticks: 0,
            low_ticks: 0,
            close_ticks: 0,
            volume: 0,
            turnover_ticks: 0,
            trade_count: 0,
            changed: false,
        }
    }

    /// The candle as the table has it: from before the last start.
    fn find(
        table: &Writer,
        instrument: &Instrument,
        resolution: usize,
        from_us: i64,
    ) -> Option<Self> {
        let keys = [
            (pg_sys::F_TEXTEQ, text(instrument.symbol.as_str())),
            (pg_sys::F_INTERVAL_EQ, interval_datum(resolution)),
            (pg_sys::F_TIMESTAMPTZ_EQ, Datum::from(from_us)),
        ];
        let (at, row): (_, Row<10>) = table.relation().find("candles_pkey", &keys)?;
        let ticks = |column: usize| {
            price::to_ticks(instrument, row.get(column)).expect("a candle has prices on the tick")
        };
        let price_ticks = |column: usize| i64::try_from(ticks(column)).expect("a price fits");
        Some(Self {
            at: Some(at),
            from_us,
            open_ticks: price_ticks(3),
            high_ticks: price_ticks(4),
            low_ticks: price_ticks(5),
            close_ticks: price_ticks(6),
            volume: row.get(7),
            turnover_ticks: ticks(8),
            trade_count: row.get(9),
            changed: false,
        })
    }

    fn add(&mut self, trade: &Trade) {
        let price_ticks = trade.price_ticks;
        if self.trade_count == 0 {
            self.open_ticks = price_ticks;
            self.high_ticks = price_ticks;
            self.low_ticks = price_ticks;
        }
        self.high_ticks = self.high_ticks.max(price_ticks);
        self.low_ticks = self.low_ticks.min(price_ticks);
        self.close_ticks = price_ticks;
        // A volume beyond 2^63 would take the sum of all quantities ever traded.
        self.volume = self.volume.saturating_add(trade.quantity);
        self.turnover_ticks += i128::from(price_ticks) * i128::from(trade.quantity);
        self.trade_count += 1;
        self.changed = true;
    }

    fn write(&mut self, table: &mut Writer, instrument: &Instrument, resolution: usize) {
        let price = |ticks: i128| Some(price::from_ticks(instrument, ticks));
        let row = [
            Some(text(instrument.symbol.as_str())),
            Some(interval_datum(resolution)),
            Some(Datum::from(self.from_us)),
            price(self.open_ticks.into()),
            price(self.high_ticks.into()),
            price(self.low_ticks.into()),
            price(self.close_ticks.into()),
            Some(Datum::from(self.volume)),
            price(self.turnover_ticks),
            Some(Datum::from(self.trade_count)),
        ];
        match self.at {
            Some(at) => self.at = Some(table.update(at, row)),
            None => {
                table.insert(row, &mut |_| ());
                table.flush(&mut |at| self.at = Some(at));
            }
        }
        self.changed = false;
    }
}

fn interval_datum(resolution: usize) -> Datum {
    static INTERVALS: [Interval; RESOLUTIONS.len()] = {
        let mut intervals = [interval(0, 0, 0); RESOLUTIONS.len()];
        let mut index = 0;
        while index < RESOLUTIONS.len() {
            intervals[index] = RESOLUTIONS[index].interval;
            index += 1;
        }
        intervals
    };
    Datum::from(&raw const INTERVALS[resolution])
}
