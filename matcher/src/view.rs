//! What can be seen of an exchange. The engine and its oracle show the same, in the same
//! words, so whoever compares them compares this.

use crate::hash;
use crate::outcome::Order;
use crate::{
    Account, AccountId, Cash, Counters, Currency, CurrencyId, FeeSchedule, Indicative, Instrument,
    InstrumentId, InstrumentState, OrderId, Participant, Position, PriceLevel, Side, TradeId,
    TradingDay,
};

/// The state of an exchange.
pub trait View {
    /// Everything that is neither of the following.
    fn counters(&self) -> Counters;
    /// All instruments; the id of each is its index plus one.
    fn instruments(&self) -> &[Instrument];
    /// What changes of an instrument; `None` if there is no such instrument.
    fn instrument_state(&self, id: InstrumentId) -> Option<InstrumentState>;
    /// All currencies; the id of each is its index plus one.
    fn currencies(&self) -> &[Currency];
    /// All fee schedules; the id of each is its index plus one.
    fn fee_schedules(&self) -> &[FeeSchedule];
    /// All participants; the id of each is its index plus one.
    fn participants(&self) -> &[Participant];
    /// How many accounts there are; their ids are 1 to this.
    fn account_count(&self) -> u32;
    /// An account.
    fn account(&self, id: AccountId) -> Option<Account>;
    /// The money of an account in a currency, if there ever was any or could have been.
    fn cash(&self, account: AccountId, currency: CurrencyId) -> Option<Cash>;
    /// All of them, by account and currency.
    fn all_cash(&self) -> Vec<Cash>;
    /// The position of an account in an instrument, if it ever had an order, a share or a
    /// limit there.
    fn position(&self, account: AccountId, instrument: InstrumentId) -> Option<Position>;
    /// All of them, by account and instrument.
    fn all_positions(&self) -> Vec<Position>;
    /// An order, while it is open.
    fn order(&self, id: OrderId) -> Option<Order>;
    /// Number of open orders.
    fn open_orders(&self) -> u32;
    /// The displayed levels of one side of a book, best first.
    fn levels(&self, instrument: InstrumentId, side: Side)
    -> impl Iterator<Item = PriceLevel> + '_;
    /// What is displayed at a price, if anything is.
    fn level(&self, instrument: InstrumentId, side: Side, price_ticks: i64) -> Option<PriceLevel> {
        self.levels(instrument, side).find(|level| level.price_ticks == price_ticks)
    }
    /// The orders of one side of a book, hidden ones included, in their order.
    fn queue(&self, instrument: InstrumentId, side: Side) -> impl Iterator<Item = Order> + '_;
    /// The open orders of an instrument that are not in its book (stop, pegged,
    /// all-or-none), by order id.
    fn waiting(&self, instrument: InstrumentId) -> Vec<Order>;
    /// What an auction would do now, while orders are collected for one; `None` where
    /// nothing would trade.
    fn indicative(&self, instrument: InstrumentId) -> Option<Indicative>;
    /// The days of the calendar, and how many of the four steps of each were taken.
    fn schedule(&self) -> Vec<(TradingDay, u8)>;
    /// Trades that were cancelled, by id.
    fn busted_trades(&self) -> Vec<TradeId>;
    /// The first answers to the client order ids that are remembered, by order id.
    fn client_orders(&self) -> Vec<Order>;
    /// When the next thing is due, see `docs/rules.md` 1.3; `i64::MAX` for never.
    fn next_due_us(&self) -> i64;

    /// Of the whole state, whatever way led to it.
    fn state_hash(&self) -> u64
    where
        Self: Sized,
    {
        hash::state_hash(self)
    }
}
