//! Whether the whole state agrees with itself.

use super::Engine;
use crate::account::Position;
use crate::slots::NONE;
use crate::{AccountId, Cash, CurrencyId, InstrumentId, InstrumentPhase, Money, Side, View};
use std::collections::BTreeMap;

impl Engine {
    /// Panics unless the state is consistent in itself. Slow: for tests.
    pub fn validate(&self) {
        assert_eq!(self.instruments().len(), self.books.len());
        self.books.validate();
        self.validate_what_follows_from_orders();
        self.validate_conservation();
        for instrument in 1..=self.books.len() as InstrumentId {
            let book = self.books.book(instrument);
            assert_eq!(book.state.halted, book.phase == InstrumentPhase::Halted);
            let is_halting = book.phase == InstrumentPhase::VolatilityHalt;
            assert!(!is_halting || book.state.halt_until_us > self.counters.time_us);
        }
    }

    fn validate_what_follows_from_orders(&self) {
        let mut positions: BTreeMap<(AccountId, InstrumentId), Position> = BTreeMap::new();
        let mut held: BTreeMap<(AccountId, CurrencyId), Money> = BTreeMap::new();
        let mut accounts: BTreeMap<AccountId, u32> = BTreeMap::new();
        for slot in self.open_slots(|_, _| true) {
            let order = self.describe(slot);
            let key = (order.account, order.instrument);
            let position = positions.entry(key).or_insert_with(|| Position::new(key.0, key.1));
            position.open_orders += 1;
            position.open_quantity[order.side as usize] += order.remaining;
            let ticks = order.price_ticks * order.remaining;
            position.open_value_ticks[order.side as usize] += i128::from(ticks);
            *accounts.entry(order.account).or_default() += 1;
            if order.side == Side::Buy {
                let currency = self.currency_of(order.instrument);
                *held.entry((order.account, currency)).or_default() +=
                    self.hold(order.instrument, order.fee_schedule, ticks);
            }
        }
        for position in self.all_positions() {
            let key = (position.account, position.instrument);
            let expected = positions.remove(&key).unwrap_or_else(|| Position::new(key.0, key.1));
            assert_eq!(position.open_orders, expected.open_orders);
            assert_eq!(position.open_quantity, expected.open_quantity);
            assert_eq!(position.open_value_ticks, expected.open_value_ticks);
            let slot = self.positions.find(position.account, position.instrument);
            let ids: Vec<_> =
                self.orders_of(slot).map(|order| self.books.orders[order].id).collect();
            assert!(ids.is_sorted() && ids.len() == position.open_orders as usize);
            assert!(self.positions.holdings[slot].cash != NONE);
        }
        assert!(positions.is_empty(), "an order has no position");
        for Cash { account, currency, held: found, .. } in self.all_cash() {
            assert_eq!(found, held.remove(&(account, currency)).unwrap_or(0));
        }
        assert!(held.is_empty(), "an order has no money");
        for account in 1..=self.account_count() {
            let open_orders = self.account(account).expect("below the count").open_orders;
            assert_eq!(open_orders, accounts.get(&account).copied().unwrap_or(0));
        }
    }

    fn validate_conservation(&self) {
        for (index, currency) in self.currencies().iter().enumerate() {
            let id = index as CurrencyId + 1;
            let balances = self.all_cash().into_iter().filter(|cash| cash.currency == id);
            let sum: Money = balances.map(|cash| cash.balance).sum();
            assert_eq!(sum + currency.fees, currency.transferred, "money is conserved");
        }
        for instrument in 1..=self.books.len() as InstrumentId {
            let positions = self.all_positions().into_iter();
            let of_instrument = positions.filter(|position| position.instrument == instrument);
            let sum: i64 = of_instrument.map(|position| position.quantity).sum();
            assert_eq!(sum, self.books.book(instrument).state.transferred, "so are shares");
        }
    }
}
