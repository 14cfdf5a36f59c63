//! The state for whoever reads it.

use super::{Counters, Engine, PriceLevel};
use crate::outcome::Order;
use crate::slots::{NONE, Slot};
use crate::{
    Account, AccountId, Cash, Currency, CurrencyId, FeeSchedule, Indicative, Instrument,
    InstrumentId, InstrumentState, OrderId, Participant, Position, Side, TradeId, TradingDay, View,
};

impl View for Engine {
    fn counters(&self) -> Counters {
        self.counters
    }

    fn instruments(&self) -> &[Instrument] {
        self.registry.instruments()
    }

    fn instrument_state(&self, id: InstrumentId) -> Option<InstrumentState> {
        self.books.get(id).map(|book| InstrumentState { phase: book.phase, ..book.state })
    }

    fn currencies(&self) -> &[Currency] {
        &self.cash.currencies
    }

    fn fee_schedules(&self) -> &[FeeSchedule] {
        self.fees.schedules()
    }

    fn participants(&self) -> &[Participant] {
        self.registry.participants()
    }

    fn account_count(&self) -> u32 {
        self.registry.account_count()
    }

    fn account(&self, id: AccountId) -> Option<Account> {
        let entry = self.registry.account(id)?;
        Some(Account {
            owner: entry.owner,
            status: entry.status,
            killed: entry.killed,
            fee_schedule: entry.fee_schedule,
            limits: *self.limits.get(entry.limits),
            open_orders: entry.open_orders,
        })
    }

    fn cash(&self, account: AccountId, currency: CurrencyId) -> Option<Cash> {
        self.cash.view(account, currency)
    }

    fn all_cash(&self) -> Vec<Cash> {
        self.cash.of(None).collect()
    }

    fn position(&self, account: AccountId, instrument: InstrumentId) -> Option<Position> {
        let slot = self.positions.find(account, instrument);
        (slot != NONE).then(|| self.position_in(slot))
    }

    fn all_positions(&self) -> Vec<Position> {
        self.positions.slots(None).map(|slot| self.position_in(slot)).collect()
    }

    fn order(&self, id: OrderId) -> Option<Order> {
        self.books.find(id).map(|slot| self.describe(slot))
    }

    fn open_orders(&self) -> u32 {
        self.books.open_orders()
    }

    fn levels(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = PriceLevel> + '_ {
        self.books.displayed_levels(instrument, side)
    }

    fn level(&self, instrument: InstrumentId, side: Side, price_ticks: i64) -> Option<PriceLevel> {
        self.books.displayed_level(instrument, side, price_ticks)
    }

    fn queue(&self, instrument: InstrumentId, side: Side) -> impl Iterator<Item = Order> + '_ {
        self.books.queue_slots(instrument, side).map(|(slot, _)| self.describe(slot))
    }

    fn waiting(&self, instrument: InstrumentId) -> Vec<Order> {
        let slots = self.books.waiting_slots(instrument);
        let mut orders: Vec<Order> = slots.into_iter().map(|slot| self.describe(slot)).collect();
        orders.sort_unstable_by_key(|order| order.order_id);
        orders
    }

    fn indicative(&self, instrument: InstrumentId) -> Option<Indicative> {
        let is_collected = self.books.get(instrument)?.phase.is_auction();
        if is_collected { self.auction_price(instrument) } else { None }
    }

    fn schedule(&self) -> Vec<(TradingDay, u8)> {
        self.agenda.days().iter().copied().collect()
    }

    fn busted_trades(&self) -> Vec<TradeId> {
        self.busted_trades.iter().copied().collect()
    }

    fn client_orders(&self) -> Vec<Order> {
        self.client_orders.remembered(self.counters.sequence).copied().collect()
    }

    fn next_due_us(&self) -> i64 {
        self.agenda.next_due_us()
    }
}

impl Engine {
    fn position_in(&self, slot: Slot) -> Position {
        let holding = &self.positions.holdings[slot];
        Position {
            account: holding.account,
            instrument: holding.instrument,
            quantity: holding.quantity,
            open_quantity: holding.open_quantity,
            open_value_ticks: holding.open_value_ticks,
            open_orders: holding.open_orders,
            short_limit: holding.short_limit,
            limits: *self.limits.get(holding.limits),
            trade_date: holding.trade_date,
            traded_quantity: holding.traded_quantity,
            traded_value_ticks: holding.traded_value_ticks,
        }
    }
}
