//! The order books of all instruments.
//!
//! * [`pool`]: bounded memory, addressed by slots.
//! * [`bitmap`], [`ladder`]: from price to level, and to the next level in use.
//! * [`level`], [`open_order`]: first come first served within a level.
//! * [`locator`], [`id_table`]: from order id to order.
//! * [`matching`]: what a new order does.
//! * [`prefetch`]: what a command will touch.
//! * [`restore`]: open orders out of the tables.
//! * [`walk`]: books from best to worst, for whoever reads them.
//! * [`validate`]: whether all of it agrees.

mod bitmap;
mod id_table;
mod ladder;
mod level;
mod locator;
mod matching;
mod open_order;
mod pool;
mod prefetch;
mod restore;
mod validate;
mod walk;

use crate::outcome::Order;
use crate::{AccountId, Instrument, InstrumentId, Limits, OrderId, OrderStatus, Side};
use ladder::{Ladder, Page};
use level::Level;
use locator::Locator;
use open_order::OpenOrder;
use pool::{NONE, Pool};

pub(crate) use pool::Slot;

/// The most open orders that an engine can be set to. Together with
/// [`maximum_quantity`] it keeps the sum of a level within `i64`.
pub const MAXIMUM_OPEN_ORDERS: u32 = 1 << 24;
/// The most price levels that an engine can be set to.
pub const MAXIMUM_PRICE_LEVELS: u32 = 1 << 28;
/// The most instruments that an engine can be set to.
pub const MAXIMUM_INSTRUMENTS: u32 = 1 << 20;
/// The highest `maximum_price_ticks` of an instrument.
pub const MAXIMUM_PRICE_TICKS: i64 = (1 << 27) - 1;

/// The largest quantity of one order. Neither its turnover at any price nor the sum of a
/// level full of such orders leaves `i64`.
pub fn maximum_quantity(maximum_price_ticks: i64) -> i64 {
    i64::MAX / maximum_price_ticks.max(i64::from(MAXIMUM_OPEN_ORDERS))
}

/// Ranks prices of a side: the lower the better. Both sides then compare alike.
#[inline(always)]
fn rank(side: Side, price_ticks: i64) -> i64 {
    match side {
        Side::Buy => -price_ticks,
        Side::Sell => price_ticks,
    }
}

/// The rank of the best price of an empty side.
const EMPTY: i64 = i64::MAX;

/// The book of one instrument. What an order looks at first lies in the first cache line.
#[repr(C, align(64))]
struct Book {
    /// [`rank`] of the best price of each side, or [`EMPTY`].
    best_rank: [i64; 2],
    /// The level of that price, or [`NONE`].
    best_level: [Slot; 2],
    maximum_price_ticks: i64,
    maximum_quantity: i64,
    lot_size: i64,
    ladder: Ladder,
}

/// What an order must satisfy to be sequenced.
#[derive(Clone, Copy)]
pub(crate) struct OrderBounds {
    pub(crate) maximum_price_ticks: i64,
    pub(crate) maximum_quantity: i64,
    pub(crate) lot_size: i64,
}

impl OrderBounds {
    #[inline(always)]
    pub(crate) fn is_lots(&self, quantity: i64) -> bool {
        // Division is slow, and most instruments trade single units.
        self.lot_size == 1 || quantity % self.lot_size == 0
    }
}

/// All books, and the pools that they share.
pub(crate) struct Books {
    /// By instrument id less one.
    books: Vec<Book>,
    orders: Pool<OpenOrder>,
    levels: Pool<Level>,
    pages: Pool<Page>,
    locator: Locator,
}

impl Books {
    pub(crate) fn new(limits: &Limits) -> Self {
        assert!(limits.maximum_instruments <= MAXIMUM_INSTRUMENTS);
        assert!(limits.maximum_open_orders <= MAXIMUM_OPEN_ORDERS);
        assert!(limits.maximum_price_levels <= MAXIMUM_PRICE_LEVELS);
        Self {
            books: Vec::with_capacity(limits.maximum_instruments as usize),
            orders: Pool::new(limits.maximum_open_orders),
            levels: Pool::new(limits.maximum_price_levels),
            pages: Pool::new(ladder::pages_for(limits.maximum_price_levels)),
            locator: Locator::new(limits.maximum_open_orders),
        }
    }

    /// Opens the book of the next instrument.
    pub(crate) fn create(&mut self, instrument: &Instrument) {
        assert!((1..=MAXIMUM_PRICE_TICKS).contains(&instrument.maximum_price_ticks));
        self.books.push(Book {
            best_rank: [EMPTY; 2],
            best_level: [NONE; 2],
            maximum_price_ticks: instrument.maximum_price_ticks,
            maximum_quantity: maximum_quantity(instrument.maximum_price_ticks),
            lot_size: instrument.lot_size,
            ladder: Ladder::new(instrument.maximum_price_ticks as u32),
        });
    }

    /// Number of books.
    pub(crate) fn len(&self) -> usize {
        self.books.len()
    }

    #[inline(always)]
    fn book(&self, instrument: InstrumentId) -> &Book {
        &self.books[instrument as usize - 1]
    }

    /// The bounds of an instrument's orders, if there is the instrument.
    #[inline(always)]
    pub(crate) fn bounds(&self, instrument: InstrumentId) -> Option<OrderBounds> {
        let book = self.books.get((instrument as usize).wrapping_sub(1))?;
        Some(OrderBounds {
            maximum_price_ticks: book.maximum_price_ticks,
            maximum_quantity: book.maximum_quantity,
            lot_size: book.lot_size,
        })
    }

    /// Number of open orders.
    pub(crate) fn open_orders(&self) -> u32 {
        self.orders.in_use()
    }

    /// Whether no more orders can rest.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.orders.is_full()
    }

    /// Whether an order of `side` at `price_ticks` could find no level to rest at.
    #[inline(always)]
    pub(crate) fn lacks_level(
        &self,
        instrument: InstrumentId,
        side: Side,
        price_ticks: i64,
    ) -> bool {
        self.levels.is_full() && {
            let level = self.book(instrument).ladder.get(&self.pages, price_ticks as u32);
            level == NONE || self.levels[level].side() != side
        }
    }

    /// The slot of an open order.
    #[inline(always)]
    pub(crate) fn find(&self, id: OrderId) -> Option<Slot> {
        let slot = self.locator.find(id, |slot| self.orders[slot].id);
        (slot != NONE).then_some(slot)
    }

    /// The order in a slot that [`Books::find`] gave.
    #[inline(always)]
    pub(crate) fn order(&self, slot: Slot) -> Order {
        let order = &self.orders[slot];
        order.describe(&self.levels[order.level])
    }

    /// Whose the order in a slot is.
    #[inline(always)]
    pub(crate) fn account(&self, slot: Slot) -> AccountId {
        self.orders[slot].account
    }

    /// Takes an order out of its book; returns it as it is then, and what was cancelled.
    #[inline(always)]
    pub(crate) fn cancel(&mut self, slot: Slot) -> (Order, i64) {
        let orders = self.orders.slots_mut();
        let order = orders[slot as usize];
        let OpenOrder { remaining, next, previous, level: level_slot, .. } = order;
        assert!(order.id != 0 && remaining > 0);
        let level = &mut self.levels[level_slot];
        let resting = order.describe(level);

        // Where the list ends this writes to slot NONE, which nobody reads.
        orders[previous as usize].next = next;
        orders[next as usize].previous = previous;
        level.head = if previous == NONE { next } else { level.head };
        level.tail = if next == NONE { previous } else { level.tail };
        level.quantity -= remaining;
        level.orders -= 1;
        if level.orders == 0 {
            self.remove_level(level_slot);
        }
        self.release(slot);
        (Order { remaining: 0, status: OrderStatus::Cancelled, ..resting }, remaining)
    }

    /// Makes an order smaller in its place.
    pub(crate) fn reduce(&mut self, slot: Slot, by: i64) -> Order {
        let order = &mut self.orders[slot];
        assert!(by > 0 && by < order.remaining);
        order.quantity -= by;
        order.remaining -= by;
        let level = &mut self.levels[order.level];
        level.quantity -= by;
        assert!(level.quantity > 0);
        order.describe(level)
    }

    /// Gives the slot of an order that is in no list any more back.
    #[inline(always)]
    fn release(&mut self, slot: Slot) {
        let id = std::mem::take(&mut self.orders[slot].id);
        assert!(id != 0, "an order leaves the book once");
        self.locator.remove(id, slot);
        self.orders.put_back(slot);
    }

    /// Takes a level without orders out of its book.
    fn remove_level(&mut self, slot: Slot) {
        let level = self.levels[slot];
        assert!(level.orders == 0 && level.quantity == 0);
        assert!(level.head == NONE && level.tail == NONE);
        let side = level.side();
        let book = &mut self.books[level.instrument() as usize - 1];
        if book.best_level[side as usize] == slot {
            let next = match side {
                Side::Buy => book.ladder.next_below(&self.pages, level.price),
                Side::Sell => book.ladder.next_above(&self.pages, level.price),
            };
            book.best_level[side as usize] = next;
            book.best_rank[side as usize] = match next {
                NONE => EMPTY,
                next => rank(side, self.levels[next].price_ticks()),
            };
        }
        book.ladder.remove(&mut self.pages, level.price);
        self.levels.put_back(slot);
    }
}
