//! Candles: the trades of a batch added to the rows of `exchange.candles`.

use std::collections::HashMap;

use matcher::outcome::Trade;
use matcher::{Instrument, InstrumentId};
use pgrx::pg_sys::{self, Datum, Interval};

use crate::datum::text;
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
}

enum Length {
    /// The same number of microseconds each.
    Fixed(i64),
    /// A unit of the calendar, and a time after which the next one has begun for sure.
    Calendar(&'static str, i64),
}

const fn interval(time: i64, day: i32, month: i32) -> Interval {
    Interval { time, day, month }
}

const RESOLUTIONS: [Resolution; 6] = [
    Resolution { interval: interval(MINUTE_US, 0, 0), length: Length::Fixed(MINUTE_US) },
    Resolution { interval: interval(5 * MINUTE_US, 0, 0), length: Length::Fixed(5 * MINUTE_US) },
    Resolution { interval: interval(HOUR_US, 0, 0), length: Length::Fixed(HOUR_US) },
    Resolution { interval: interval(0, 1, 0), length: Length::Calendar("day", 36 * HOUR_US) },
    Resolution { interval: interval(0, 7, 0), length: Length::Calendar("week", 8 * DAY_US) },
    Resolution { interval: interval(0, 0, 1), length: Length::Calendar("month", 40 * DAY_US) },
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
        if table.storage() != self.storage {
            self.current.clear();
            self.storage = table.storage();
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
