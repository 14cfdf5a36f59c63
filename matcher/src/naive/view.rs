//! The state for whoever compares it, worked out anew each time.

use super::NaiveExchange;
use super::orders::is_of_book;
use crate::outcome::Order;
use crate::{
    Account, AccountId, Cash, Counters, Currency, CurrencyId, FeeSchedule, Indicative, Instrument,
    InstrumentId, InstrumentState, OrderId, Participant, Position, PriceLevel, Side, TradeId,
    TradingDay, View,
};

impl View for NaiveExchange {
    fn counters(&self) -> Counters {
        self.counters
    }

    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn instrument_state(&self, id: InstrumentId) -> Option<InstrumentState> {
        let state = self.states.get((id as usize).checked_sub(1)?)?;
        Some(InstrumentState { phase: self.phase(id), ..*state })
    }

    fn currencies(&self) -> &[Currency] {
        &self.currencies
    }

    fn fee_schedules(&self) -> &[FeeSchedule] {
        &self.fee_schedules
    }

    fn participants(&self) -> &[Participant] {
        &self.participants
    }

    fn account_count(&self) -> u32 {
        self.accounts.len() as u32
    }

    fn account(&self, id: AccountId) -> Option<Account> {
        let account = self.accounts.get((id as usize).checked_sub(1)?)?;
        let open_orders = self.all_orders().filter(|order| order.account == id).count() as u32;
        Some(Account { open_orders, ..*account })
    }

    fn cash(&self, account: AccountId, currency: CurrencyId) -> Option<Cash> {
        let cash = self.cash.get(&(account, currency))?;
        Some(Cash { held: self.held(account, currency, 0), ..*cash })
    }

    fn all_cash(&self) -> Vec<Cash> {
        let keys = self.cash.keys();
        keys.map(|&(account, currency)| self.cash(account, currency).expect("its key")).collect()
    }

    fn position(&self, account: AccountId, instrument: InstrumentId) -> Option<Position> {
        let position = self.positions.get(&(account, instrument))?;
        let open = |side| self.open_quantity_and_value(account, instrument, side, 0);
        let (bought, sold) = (open(Side::Buy), open(Side::Sell));
        let orders = self.orders_of(instrument).filter(|order| order.account == account);
        Some(Position {
            open_quantity: [bought.0, sold.0],
            open_value_ticks: [bought.1, sold.1],
            open_orders: orders.count() as u32,
            ..*position
        })
    }

    fn all_positions(&self) -> Vec<Position> {
        let keys = self.positions.keys();
        keys.map(|&(account, id)| self.position(account, id).expect("its key")).collect()
    }

    fn order(&self, id: OrderId) -> Option<Order> {
        self.order(id)
    }

    fn open_orders(&self) -> u32 {
        self.instrument_of.len() as u32
    }

    fn levels(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = PriceLevel> + '_ {
        let mut levels: Vec<PriceLevel> = Vec::new();
        for order in self.queue(instrument, side).filter(|order| order.displayed > 0) {
            match levels.last_mut() {
                Some(level) if level.price_ticks == order.price_ticks => {
                    level.quantity += order.displayed;
                    level.orders += 1;
                }
                _ => levels.push(PriceLevel {
                    price_ticks: order.price_ticks,
                    quantity: order.displayed,
                    orders: 1,
                }),
            }
        }
        levels.into_iter()
    }

    fn queue(&self, instrument: InstrumentId, side: Side) -> impl Iterator<Item = Order> + '_ {
        let exists = self.instrument_ids().any(|id| id == instrument);
        let orders = if exists { self.book_side(instrument, side) } else { Vec::new() };
        orders.into_iter()
    }

    fn waiting(&self, instrument: InstrumentId) -> Vec<Order> {
        let orders = self.all_orders().filter(|order| order.instrument == instrument);
        orders.filter(|order| !is_of_book(order)).copied().collect()
    }

    fn indicative(&self, instrument: InstrumentId) -> Option<Indicative> {
        if self.instrument_state(instrument)?.phase.is_auction() {
            self.auction(instrument)
        } else {
            None
        }
    }

    fn schedule(&self) -> Vec<(TradingDay, u8)> {
        self.schedule.clone()
    }

    fn busted_trades(&self) -> Vec<TradeId> {
        self.busted_trades.iter().copied().collect()
    }

    fn client_orders(&self) -> Vec<Order> {
        self.answers.values().copied().collect()
    }

    fn next_due_us(&self) -> i64 {
        self.next_due().unwrap_or(i64::MAX)
    }
}
