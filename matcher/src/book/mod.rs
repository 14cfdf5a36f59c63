//! The open orders of all instruments.
//!
//! * [`ladder`], [`bitmap`]: from price to level, and to the next level in use.
//! * [`level`], [`open_order`]: first come first served within a level.
//! * [`waiting`]: orders that are not in the book yet.
//! * [`locator`]: from order id to order.
//! * [`prefetch`]: what a command will touch.
//! * [`walk`]: books from best to worst, for whoever reads them.
//! * [`validate`]: whether all of it agrees.
//!
//! Nothing here knows money, accounts or rules: that is the [`crate::engine`]'s.

mod bitmap;
mod ladder;
mod level;
mod locator;
mod open_order;
mod prefetch;
mod validate;
mod waiting;
mod walk;

use crate::ledger::Valuation;
use crate::phase::InstrumentPhase;
use crate::slots::{NONE, Pool, Slot};
use crate::terms::{OrderType, Terms};
use crate::{CurrencyId, Instrument, InstrumentId, InstrumentState, Limits, OrderId, Side};
use ladder::{Ladder, Page};
pub(crate) use level::Level;
use locator::Locator;
pub(crate) use open_order::{Details, OpenOrder, Traits, first_priority};
use waiting::Waiting;

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
pub(crate) fn rank(side: Side, price_ticks: i64) -> i64 {
    match side {
        Side::Buy => -price_ticks,
        Side::Sell => price_ticks,
    }
}

/// The rank of the best price of an empty side.
const EMPTY: i64 = i64::MAX;

/// The book of one instrument, and what else changes of it. What an order looks at first lies
/// in the first cache line.
#[repr(C, align(64))]
pub(crate) struct Book {
    /// [`rank`] of the best price of each side, or [`EMPTY`].
    pub(crate) best_rank: [i64; 2],
    /// The level of that price, or [`NONE`].
    pub(crate) best_level: [Slot; 2],
    pub(crate) maximum_price_ticks: i64,
    pub(crate) maximum_quantity: i64,
    pub(crate) lot_size: i64,
    pub(crate) phase: InstrumentPhase,
    /// Whether orders wait outside of the book.
    pub(crate) has_waiting: bool,
    /// Whether a collar or limits of the instrument are to be looked at.
    pub(crate) is_guarded: bool,
    pub(crate) currency: CurrencyId,
    pub(crate) valuation: Valuation,
    /// The lowest and the highest price within the bands.
    pub(crate) band: [i64; 2],
    pub(crate) waiting: Waiting,
    ladders: [Ladder; 2],
    /// Its phase is that of the book.
    pub(crate) state: InstrumentState,
}

impl Book {
    /// The best price of a side, displayed or not.
    pub(crate) fn best_price(&self, side: Side) -> Option<i64> {
        let rank = self.best_rank[side as usize];
        (rank != EMPTY).then_some(rank.abs())
    }

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
    pub(crate) orders: Pool<OpenOrder>,
    details: Pool<Details>,
    pub(crate) levels: Pool<Level>,
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
            details: Pool::new(limits.maximum_open_orders),
            levels: Pool::new(limits.maximum_price_levels),
            pages: Pool::new(ladder::pages_for(limits.maximum_price_levels)),
            locator: Locator::new(limits.maximum_open_orders),
        }
    }

    /// Opens the book of the next instrument.
    pub(crate) fn create(&mut self, instrument: &Instrument, currency: CurrencyId) {
        assert!((1..=MAXIMUM_PRICE_TICKS).contains(&instrument.maximum_price_ticks));
        let ladder = || Ladder::new(instrument.maximum_price_ticks as u32);
        self.books.push(Book {
            best_rank: [EMPTY; 2],
            best_level: [NONE; 2],
            maximum_price_ticks: instrument.maximum_price_ticks,
            maximum_quantity: maximum_quantity(instrument.maximum_price_ticks),
            lot_size: instrument.lot_size,
            phase: InstrumentPhase::Closed,
            has_waiting: false,
            is_guarded: false,
            currency,
            valuation: Valuation::of(instrument),
            band: [i64::MIN, i64::MAX],
            waiting: Waiting::default(),
            ladders: [ladder(), ladder()],
            state: InstrumentState::default(),
        });
    }

    /// Number of books.
    pub(crate) fn len(&self) -> usize {
        self.books.len()
    }

    /// The book of an instrument, if there is the instrument.
    #[inline(always)]
    pub(crate) fn get(&self, instrument: InstrumentId) -> Option<&Book> {
        self.books.get((instrument as usize).wrapping_sub(1))
    }

    /// The book of an instrument that exists.
    #[inline(always)]
    pub(crate) fn book(&self, instrument: InstrumentId) -> &Book {
        &self.books[instrument as usize - 1]
    }

    /// The book of an instrument that exists.
    #[inline(always)]
    pub(crate) fn book_mut(&mut self, instrument: InstrumentId) -> &mut Book {
        &mut self.books[instrument as usize - 1]
    }

    /// Number of open orders.
    pub(crate) fn open_orders(&self) -> u32 {
        self.orders.in_use()
    }

    /// Whether no more orders can be open.
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
            let ladder = &self.book(instrument).ladders[side as usize];
            ladder.get(&self.pages, price_ticks as u32) == NONE
        }
    }

    /// The slot of an open order.
    #[inline(always)]
    pub(crate) fn find(&self, id: OrderId) -> Option<Slot> {
        let slot = self.locator.find(id, |slot| self.orders[slot].id);
        (slot != NONE).then_some(slot)
    }

    /// Makes an order open; where it waits is still to be said.
    #[inline(always)]
    pub(crate) fn add(&mut self, order: OpenOrder) -> Slot {
        let slot = self.orders.take();
        self.orders[slot] = order;
        let orders = &self.orders;
        self.locator.insert(order.id, slot, |slot| orders[slot].id);
        slot
    }

    /// Gives the slot of an order that is in no list any more back.
    #[inline(always)]
    pub(crate) fn release(&mut self, slot: Slot) {
        let details = self.orders[slot].details;
        if details != NONE {
            self.details.put_back(details);
        }
        self.release_plain(slot);
    }

    /// Gives the slot of an order that is in no list any more back, which has no details.
    #[inline(always)]
    pub(crate) fn release_plain(&mut self, slot: Slot) {
        let id = std::mem::take(&mut self.orders[slot].id);
        assert!(id != 0, "an order ends once");
        self.locator.remove(id, slot);
        self.orders.put_back(slot);
    }

    /// What is special about an order, if something is.
    #[inline(always)]
    pub(crate) fn details(&self, slot: Slot) -> Option<&Details> {
        let details = self.orders[slot].details;
        (details != NONE).then(|| &self.details[details])
    }

    /// What is special about an order, of which it is now known that something is.
    pub(crate) fn details_mut(&mut self, slot: Slot) -> &mut Details {
        if self.orders[slot].details == NONE {
            let details = self.details.take();
            let order = &self.orders[slot];
            let price_ticks =
                if order.level == NONE { 0 } else { self.levels[order.level].price_ticks() };
            self.details[details] =
                Details { price_ticks, priority: first_priority(order.id), ..Details::default() };
            self.orders[slot].details = details;
        }
        let details = self.orders[slot].details;
        &mut self.details[details]
    }

    /// What an order asked for.
    #[inline(always)]
    pub(crate) fn terms(&self, slot: Slot) -> &Terms {
        const PLAIN: Terms = Terms::PLAIN;
        self.details(slot).map_or(&PLAIN, |details| &details.terms)
    }

    /// The limit of an order.
    #[inline(always)]
    pub(crate) fn price_ticks(&self, slot: Slot) -> i64 {
        let order = &self.orders[slot];
        if order.level != NONE {
            self.levels[order.level].price_ticks()
        } else {
            self.details[order.details].price_ticks
        }
    }

    /// The place of an order among others of its price.
    pub(crate) fn priority(&self, slot: Slot) -> u64 {
        let order = &self.orders[slot];
        self.details(slot).map_or_else(|| first_priority(order.id), |details| details.priority)
    }

    /// What of an order in a level is displayed.
    #[inline(always)]
    pub(crate) fn displayed(&self, slot: Slot) -> i64 {
        let order = &self.orders[slot];
        if !order.traits.has(Traits::HIDDEN | Traits::ICEBERG) {
            order.remaining
        } else if order.traits.has(Traits::HIDDEN) {
            0
        } else {
            self.details[order.details].displayed
        }
    }

    /// Puts an order at the tail of the displayed or the hidden ones of its level.
    pub(crate) fn enter_level(&mut self, instrument: InstrumentId, slot: Slot, price_ticks: i64) {
        if self.orders[slot].traits.has(Traits::HIDDEN) {
            self.enter_hidden(instrument, slot, price_ticks);
        } else {
            let displayed = self.displayed(slot);
            self.enter_displayed(instrument, slot, price_ticks, displayed);
        }
    }

    /// The level of an order's side at a price, made if there is none.
    #[inline(always)]
    fn level_for(&mut self, instrument: InstrumentId, side: Side, price_ticks: i64) -> Slot {
        let price = price_ticks as u32;
        match self.book(instrument).ladders[side as usize].get(&self.pages, price) {
            NONE => self.create_level(instrument, side, price),
            level => level,
        }
    }

    /// Puts an order that displays so much at the tail of the displayed ones of its level.
    #[inline(always)]
    pub(crate) fn enter_displayed(
        &mut self,
        instrument: InstrumentId,
        slot: Slot,
        price_ticks: i64,
        displayed: i64,
    ) {
        let level_slot = self.level_for(instrument, self.orders[slot].side, price_ticks);
        let orders = self.orders.slots_mut();
        let level = &mut self.levels[level_slot];
        let previous = level.displayed_tail;
        // Slot NONE, which nobody reads, is written where the list begins or ends.
        let next = if previous == NONE { level.head } else { orders[previous as usize].next };
        orders[previous as usize].next = slot;
        orders[next as usize].previous = slot;
        level.head = if previous == NONE { slot } else { level.head };
        level.tail = if next == NONE { slot } else { level.tail };
        level.displayed_tail = slot;
        level.quantity += displayed;
        level.orders += 1;
        let order = &mut orders[slot as usize];
        order.level = level_slot;
        order.previous = previous;
        order.next = next;
    }

    fn enter_hidden(&mut self, instrument: InstrumentId, slot: Slot, price_ticks: i64) {
        let level_slot = self.level_for(instrument, self.orders[slot].side, price_ticks);
        let orders = self.orders.slots_mut();
        let level = &mut self.levels[level_slot];
        let previous = level.tail;
        orders[previous as usize].next = slot;
        level.head = if previous == NONE { slot } else { level.head };
        level.tail = slot;
        let order = &mut orders[slot as usize];
        order.level = level_slot;
        order.previous = previous;
        order.next = NONE;
    }

    /// Takes an order out of its level.
    #[inline(always)]
    pub(crate) fn leave_level(&mut self, slot: Slot) {
        if self.orders[slot].traits.has(Traits::HIDDEN) {
            self.leave_list(slot);
        } else {
            self.leave_displayed(slot, self.displayed(slot));
        }
    }

    /// Takes an order that displays so much out of its level.
    #[inline(always)]
    pub(crate) fn leave_displayed(&mut self, slot: Slot, displayed: i64) {
        let OpenOrder { level, previous, .. } = self.orders[slot];
        let level = &mut self.levels[level];
        // All before a displayed order are displayed.
        level.displayed_tail =
            if level.displayed_tail == slot { previous } else { level.displayed_tail };
        level.quantity -= displayed;
        level.orders -= 1;
        self.leave_list(slot);
    }

    #[inline(always)]
    fn leave_list(&mut self, slot: Slot) {
        let orders = self.orders.slots_mut();
        let OpenOrder { next, previous, level: level_slot, .. } = orders[slot as usize];
        let level = &mut self.levels[level_slot];
        orders[previous as usize].next = next;
        orders[next as usize].previous = previous;
        level.head = if previous == NONE { next } else { level.head };
        level.tail = if next == NONE { previous } else { level.tail };
        orders[slot as usize].level = NONE;
        if level.head == NONE {
            self.remove_level(level_slot);
        }
    }

    fn create_level(&mut self, instrument: InstrumentId, side: Side, price: u32) -> Slot {
        let slot = self.levels.take();
        self.levels[slot] = Level::new(instrument, side, price);
        let book = &mut self.books[instrument as usize - 1];
        book.ladders[side as usize].insert(&mut self.pages, price, slot);
        let rank = rank(side, i64::from(price));
        assert!(rank != book.best_rank[side as usize]);
        if rank < book.best_rank[side as usize] {
            book.best_rank[side as usize] = rank;
            book.best_level[side as usize] = slot;
        }
        slot
    }

    /// Takes a level without orders out of its book.
    fn remove_level(&mut self, slot: Slot) {
        let level = self.levels[slot];
        assert!(level.orders == 0 && level.quantity == 0 && level.tail == NONE);
        let side = level.side();
        if self.book(level.instrument()).best_level[side as usize] == slot {
            let next = self.next_level(level.instrument(), side, level.price);
            let next_rank = match next {
                NONE => EMPTY,
                next => rank(side, self.levels[next].price_ticks()),
            };
            let book = self.book_mut(level.instrument());
            book.best_level[side as usize] = next;
            book.best_rank[side as usize] = next_rank;
        }
        let book = &mut self.books[level.instrument() as usize - 1];
        book.ladders[side as usize].remove(&mut self.pages, level.price);
        self.levels.put_back(slot);
    }

    /// Lists an order among those that wait outside of the book. What it waits for is in its
    /// details.
    pub(crate) fn enter_waiting(&mut self, instrument: InstrumentId, slot: Slot) {
        self.list_waiting(instrument, slot, true);
        self.book_mut(instrument).has_waiting = true;
    }

    /// Takes an order out of the list in which it waits outside of the book.
    pub(crate) fn leave_waiting(&mut self, instrument: InstrumentId, slot: Slot) {
        self.list_waiting(instrument, slot, false);
        let book = self.book_mut(instrument);
        book.has_waiting = !book.waiting.is_empty();
    }

    fn list_waiting(&mut self, instrument: InstrumentId, slot: Slot, enter: bool) {
        let OpenOrder { id, side, details, .. } = self.orders[slot];
        let Details { price_ticks, priority, terms, .. } = self.details[details];
        let waiting = &mut self.books[instrument as usize - 1].waiting;
        let changed = if terms.order_type.is_stop() {
            let stop_price = terms.stop_price_ticks;
            if terms.order_type == OrderType::TrailingStop {
                if enter {
                    waiting.trailing.insert(id)
                } else {
                    waiting.trailing.remove(&id)
                };
            }
            if enter {
                waiting.insert_stop(terms.trigger, side, stop_price, id);
            } else {
                waiting.remove_stop(terms.trigger, side, stop_price, id);
            }
            true
        } else if terms.order_type == OrderType::Pegged {
            let pegged = &mut waiting.pegged[side as usize];
            let key = (priority, slot);
            if enter { pegged.insert(key) } else { pegged.remove(&key) }
        } else {
            let all_or_none = &mut waiting.all_or_none[side as usize];
            let key = (rank(side, price_ticks), priority, slot);
            if enter { all_or_none.insert(key) } else { all_or_none.remove(&key) }
        };
        assert!(changed, "an order waits once");
    }
}
