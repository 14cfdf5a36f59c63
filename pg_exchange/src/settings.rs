//! The settings, each with the reason for its default.

use std::ffi::{CStr, CString};

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, pg_sys};

static DATABASE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"exchange"));
// 12 MiB: a quarter of a second at the peak rate, far more than a commit takes.
static RING_SLOTS: GucSetting<i32> = GucSetting::<i32>::new(65_536);
static MAXIMUM_INSTRUMENTS: GucSetting<i32> = GucSetting::<i32>::new(1_024);
static MAXIMUM_ACCOUNTS: GucSetting<i32> = GucSetting::<i32>::new(65_536);
static MAXIMUM_OPEN_ORDERS: GucSetting<i32> = GucSetting::<i32>::new(1_048_576);
static MAXIMUM_PRICE_LEVELS: GucSetting<i32> = GucSetting::<i32>::new(262_144);
static MAXIMUM_POSITIONS: GucSetting<i32> = GucSetting::<i32>::new(1_048_576);
// Seconds at the peak rate, and most of a day at a usual one: longer than anybody retries.
static CLIENT_ORDER_WINDOW: GucSetting<i32> = GucSetting::<i32>::new(1_048_576);
// What a screen shows, and what feeds usually carry.
static BOOK_DEPTH: GucSetting<i32> = GucSetting::<i32>::new(32);
// Half a MiB a backend, touched only by those who send so many at once.
static MAXIMUM_BATCH: GucSetting<i32> = GucSetting::<i32>::new(1_024);
static MATCHER_CORE: GucSetting<i32> = GucSetting::<i32>::new(-1);
// Longer than the gap between the orders of one busy client, so that it need not be woken
// for each; an idle exchange sleeps all the same.
static SPIN_US: GucSetting<i32> = GucSetting::<i32>::new(50);
static TIME_ZONE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"America/New_York"));
static CALENDAR: GucSetting<bool> = GucSetting::<bool>::new(true);
static SIMULATED_CLOCK: GucSetting<bool> = GucSetting::<bool>::new(false);
// Beside other temporary data of extensions: backups leave that folder out.
static FEED_FILE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"pg_stat_tmp/exchange.feed"));
// 16 MiB: a second at the peak rate, far more than a reader that runs is ever behind.
static FEED_SLOTS: GucSetting<i32> = GucSetting::<i32>::new(262_144);
static FEED_GROUP: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static NOTIFY: GucSetting<bool> = GucSetting::<bool>::new(true);
// Long enough for short-lived orders to come and go as one row, short enough that nobody
// who looks at a table notices.
static PROJECTION_INTERVAL_MS: GucSetting<i32> = GucSetting::<i32>::new(20);
static ORDER_TIMEOUT_MS: GucSetting<i32> = GucSetting::<i32>::new(5_000);

/// Declares the settings. `postgresql.conf` was read already, so their values are there
/// when this returns.
pub fn define() {
    let text = |name, short, long, setting| {
        GucRegistry::define_string_guc(
            name,
            short,
            long,
            setting,
            GucContext::Postmaster,
            GucFlags::default(),
        );
    };
    let number = |name, short, long, setting, least, most| {
        GucRegistry::define_int_guc(
            name,
            short,
            long,
            setting,
            least,
            most,
            GucContext::Postmaster,
            GucFlags::default(),
        );
    };
    text(
        c"exchange.database",
        c"The database whose venue the workers serve.",
        c"They wait until it exists and pg_exchange is created in it.",
        &DATABASE,
    );
    text(
        c"exchange.time_zone",
        c"The time zone of the trading hours, and in which candles of a day, a week or a month begin.",
        c"",
        &TIME_ZONE,
    );
    text(
        c"exchange.feed_file",
        c"The file that programs on this machine read the public events from, by mapping it.",
        c"Relative to the data folder; empty for none. Best on a file system in memory.",
        &FEED_FILE,
    );
    text(
        c"exchange.feed_group",
        c"The group of the operating system that may read exchange.feed_file.",
        c"Empty for that of the server.",
        &FEED_GROUP,
    );
    number(
        c"exchange.feed_slots",
        c"How many events exchange.feed_file holds, rounded up to a power of two; 64 bytes each.",
        c"A reader that is further behind loses the oldest ones, and knows how many.",
        &FEED_SLOTS,
        feed::ring::MINIMUM_CAPACITY as i32,
        feed::ring::MAXIMUM_CAPACITY as i32,
    );
    number(
        c"exchange.ring_slots",
        c"How many commands the sequencer ring holds, rounded up to a power of two.",
        c"Callers wait while so many commands are not durable yet.",
        &RING_SLOTS,
        64,
        1 << 24,
    );
    number(
        c"exchange.maximum_instruments",
        c"The most instruments.",
        c"",
        &MAXIMUM_INSTRUMENTS,
        1,
        matcher::MAXIMUM_INSTRUMENTS as i32,
    );
    number(c"exchange.maximum_accounts", c"The most accounts.", c"", &MAXIMUM_ACCOUNTS, 1, 1 << 24);
    number(
        c"exchange.maximum_open_orders",
        c"The most orders in all books together.",
        c"Orders above it are rejected.",
        &MAXIMUM_OPEN_ORDERS,
        1,
        matcher::MAXIMUM_OPEN_ORDERS as i32,
    );
    number(
        c"exchange.maximum_price_levels",
        c"The most price levels in all books together.",
        c"Orders above it are rejected.",
        &MAXIMUM_PRICE_LEVELS,
        64,
        matcher::MAXIMUM_PRICE_LEVELS as i32,
    );
    number(
        c"exchange.maximum_positions",
        c"The most positions of accounts in instruments, and of cash records.",
        c"Orders that would need one more are rejected.",
        &MAXIMUM_POSITIONS,
        1,
        1 << 26,
    );
    number(
        c"exchange.client_order_window",
        c"For how many commands a client_order_id is remembered, so that a retry is no second order.",
        c"0: not at all.",
        &CLIENT_ORDER_WINDOW,
        0,
        1 << 26,
    );
    number(
        c"exchange.book_depth",
        c"How many price levels a side exchange.order_book() can show.",
        c"",
        &BOOK_DEPTH,
        1,
        1_024,
    );
    number(
        c"exchange.maximum_batch",
        c"How many orders a backend hands to the matcher at once.",
        c"Longer arrays are sent in several batches.",
        &MAXIMUM_BATCH,
        1,
        65_536,
    );
    number(
        c"exchange.matcher_core",
        c"The processor core that the matcher is pinned to; -1 for none.",
        c"",
        &MATCHER_CORE,
        -1,
        1_023,
    );
    GucRegistry::define_bool_guc(
        c"exchange.calendar",
        c"The market opens and closes by exchange.trading_hours and exchange.calendar_exceptions.",
        c"Off: by exchange.open_market() and exchange.close_market() alone; a day that has begun still ends by the calendar.",
        &CALENDAR,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"exchange.simulated_clock",
        c"The clock of the exchange is moved by exchange.advance_clock() alone.",
        c"For simulations: a day can be traded again to the microsecond.",
        &SIMULATED_CLOCK,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"exchange.notify",
        c"Whoever listens to the channel exchange.SYMBOL is notified when the tables show something new of it.",
        c"At most once a transaction of the projector; the payload is the sequence.",
        &NOTIFY,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"exchange.spin_us",
        c"How many microseconds matcher and journaler poll for work before they sleep, at most.",
        c"They do so only while it pays off; polling saves a wake-up, and takes a core from others.",
        &SPIN_US,
        0,
        1_000_000,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"exchange.projection_interval",
        c"How long the projector collects changes before it writes them to the tables.",
        c"",
        &PROJECTION_INTERVAL_MS,
        0,
        10_000,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"exchange.order_timeout",
        c"How long a call waits for the matcher to take its orders before it fails.",
        c"Nothing was entered when it fails so.",
        &ORDER_TIMEOUT_MS,
        1,
        3_600_000,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    // SAFETY: called from _PG_init with a static C string, as the manual asks.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"exchange".as_ptr()) };
}

fn text_of(setting: &GucSetting<Option<CString>>, default: &CStr) -> CString {
    setting.get().unwrap_or_else(|| default.to_owned())
}

/// The database whose venue the workers serve.
pub fn database() -> CString {
    text_of(&DATABASE, c"exchange")
}

/// The time zone of the trading hours, and in which candles of a day and more begin.
pub fn time_zone() -> CString {
    text_of(&TIME_ZONE, c"UTC")
}

/// Slots of the ring, a power of two.
pub fn ring_slots() -> usize {
    (RING_SLOTS.get() as usize).next_power_of_two()
}

/// The bounds of the engine.
pub fn limits() -> matcher::Limits {
    matcher::Limits {
        maximum_instruments: MAXIMUM_INSTRUMENTS.get() as u32,
        maximum_accounts: MAXIMUM_ACCOUNTS.get() as u32,
        maximum_open_orders: MAXIMUM_OPEN_ORDERS.get() as u32,
        maximum_price_levels: MAXIMUM_PRICE_LEVELS.get() as u32,
        maximum_positions: MAXIMUM_POSITIONS.get() as u32,
        client_order_window: CLIENT_ORDER_WINDOW.get() as u32,
    }
}

/// Levels a side of a book board.
pub fn book_depth() -> usize {
    BOOK_DEPTH.get() as usize
}

/// Commands of one submission.
pub fn maximum_batch() -> usize {
    MAXIMUM_BATCH.get() as usize
}

/// The core that the matcher is pinned to.
pub fn matcher_core() -> Option<usize> {
    usize::try_from(MATCHER_CORE.get()).ok()
}

/// How long a worker polls before it sleeps, at most.
pub fn spin() -> std::time::Duration {
    std::time::Duration::from_micros(SPIN_US.get() as u64)
}

/// Whether the market opens and closes by the calendar.
pub fn calendar() -> bool {
    CALENDAR.get()
}

/// Whether the clock stands still between calls of `exchange.advance_clock()`.
pub fn simulated_clock() -> bool {
    SIMULATED_CLOCK.get()
}

/// The file of the colocated feed; `None` for none.
pub fn feed_file() -> Option<std::path::PathBuf> {
    let name = text_of(&FEED_FILE, c"").into_string().ok().filter(|name| !name.is_empty())?;
    Some(name.into())
}

/// The group that may read it; `None` for that of the server.
pub fn feed_group() -> Option<CString> {
    FEED_GROUP.get().filter(|name| !name.is_empty())
}

/// Slots of the colocated feed, a power of two.
pub fn feed_slots() -> u64 {
    (FEED_SLOTS.get() as u64).next_power_of_two()
}

/// Whether listeners are notified.
pub fn notify() -> bool {
    NOTIFY.get()
}

/// How long the projector collects.
pub fn projection_interval() -> std::time::Duration {
    std::time::Duration::from_millis(PROJECTION_INTERVAL_MS.get() as u64)
}

/// How long a call waits for the matcher to take its orders.
pub fn order_timeout() -> std::time::Duration {
    std::time::Duration::from_millis(ORDER_TIMEOUT_MS.get() as u64)
}
