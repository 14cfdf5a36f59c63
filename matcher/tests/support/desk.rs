//! A small exchange for examples, whose events read like sentences.

use super::exchange::Exchange;
use matcher::*;

/// Orders are named a, b, c, … in the order in which they were sent.
pub struct Desk<E> {
    pub exchange: E,
    pub time_us: i64,
    names: Vec<OrderId>,
}

/// An order to be sent.
#[derive(Clone, Copy)]
pub struct Draft {
    new: NewOrder,
    terms: Terms,
}

/// A plain limit order of an account in the first instrument.
pub fn buy(account: AccountId, quantity: i64, price_ticks: i64) -> Draft {
    draft(Side::Buy, account, quantity, price_ticks)
}

/// A plain limit order of an account in the first instrument.
pub fn sell(account: AccountId, quantity: i64, price_ticks: i64) -> Draft {
    draft(Side::Sell, account, quantity, price_ticks)
}

fn draft(side: Side, account: AccountId, quantity: i64, price_ticks: i64) -> Draft {
    let new = NewOrder {
        instrument: 1,
        account,
        price_ticks,
        quantity,
        side,
        time_in_force: TimeInForce::GoodTillCancel,
        self_trade_prevention: SelfTradePrevention::CancelNewest,
    };
    Draft { new, terms: Terms::PLAIN }
}

impl Draft {
    pub fn terms(mut self, change: impl Fn(&mut Terms)) -> Self {
        change(&mut self.terms);
        self
    }

    pub fn on(mut self, instrument: InstrumentId) -> Self {
        self.new.instrument = instrument;
        self
    }

    pub fn prevent(mut self, mode: SelfTradePrevention) -> Self {
        self.new.self_trade_prevention = mode;
        self
    }

    pub fn force(mut self, time_in_force: TimeInForce) -> Self {
        self.new.time_in_force = time_in_force;
        self
    }

    pub fn immediate(self) -> Self {
        self.force(TimeInForce::ImmediateOrCancel)
    }

    pub fn fill_or_kill(self) -> Self {
        self.force(TimeInForce::FillOrKill)
    }

    pub fn market(self) -> Self {
        self.immediate().terms(|terms| terms.order_type = OrderType::Market)
    }

    pub fn stop(self, stop_price_ticks: i64) -> Self {
        self.terms(|terms| {
            terms.order_type = OrderType::Stop;
            terms.stop_price_ticks = stop_price_ticks;
        })
    }

    pub fn stop_limit(self, stop_price_ticks: i64) -> Self {
        self.stop(stop_price_ticks).terms(|terms| terms.order_type = OrderType::StopLimit)
    }

    pub fn trailing(self, trail_ticks: i64) -> Self {
        self.terms(|terms| {
            terms.order_type = OrderType::TrailingStop;
            terms.trail_ticks = trail_ticks;
        })
    }

    pub fn on_quote(self) -> Self {
        self.terms(|terms| terms.trigger = Trigger::BestQuote)
    }

    pub fn pegged(self, peg: Peg) -> Self {
        self.terms(|terms| {
            terms.order_type = OrderType::Pegged;
            terms.peg = peg;
        })
    }

    pub fn iceberg(self, display_quantity: i64) -> Self {
        self.terms(|terms| terms.display_quantity = display_quantity)
    }

    pub fn hidden(self) -> Self {
        self.terms(|terms| terms.hidden = true)
    }

    pub fn all_or_none(self) -> Self {
        self.terms(|terms| terms.all_or_none = true)
    }

    pub fn minimum(self, quantity: i64) -> Self {
        self.terms(|terms| terms.minimum_quantity = quantity)
    }

    pub fn post_only(self, post_only: PostOnly) -> Self {
        self.terms(|terms| terms.post_only = post_only)
    }

    pub fn linked(self, linked_order: OrderId) -> Self {
        self.terms(|terms| terms.linked_order = linked_order)
    }

    pub fn named(self, name: &str) -> Self {
        self.terms(|terms| terms.client_order_id = ClientOrderId::new(name))
    }

    pub fn until(self, expire_at_us: i64) -> Self {
        self.force(TimeInForce::GoodTillDate).terms(|terms| terms.expire_at_us = expire_at_us)
    }

    pub fn command(self) -> Command {
        if self.terms == Terms::PLAIN {
            Command::PlaceOrder(self.new)
        } else {
            Command::PlaceOrderWithTerms(self.new, self.terms)
        }
    }
}

/// Room for everything.
pub const ROOMY: Limits = Limits {
    maximum_instruments: 300,
    maximum_accounts: 10,
    maximum_open_orders: 100,
    maximum_price_levels: 100,
    maximum_positions: 100,
    client_order_window: 4,
};

/// What a tick is worth: a hundredth.
pub const TICK: Money = 10_000_000;

impl<E: Exchange> Desk<E> {
    /// Two instruments, five accounts of five participants, each with ten thousand USD and
    /// a thousand shares of either, and a market that is closed.
    pub fn closed(limits: Limits) -> Self {
        let mut desk = Self { exchange: E::new(limits), time_us: 0, names: Vec::new() };
        for symbol in ["ONE", "TWO"] {
            desk.run(&Command::CreateInstrument(listing(symbol, "USD")));
        }
        for (account, role) in (1..).zip(["anna", "boris", "chen", "dora", "emil"]) {
            desk.run(&Command::OpenAccount { owner: RoleName::new(role).unwrap() });
            let status = AccountStatus::Verified;
            desk.run(&Command::SetAccountStatus { account, status });
            let amount = 10_000 * 10_i128.pow(9);
            desk.run(&Command::TransferCash { account, currency: 1, amount });
            for instrument in 1..=2 {
                desk.run(&Command::TransferShares { account, instrument, quantity: 1000 });
            }
        }
        desk
    }

    /// As [`Self::closed`], but trading continuously, on trade date 1.
    pub fn open() -> Self {
        Self::open_with(ROOMY)
    }

    pub fn open_with(limits: Limits) -> Self {
        let mut desk = Self::closed(limits);
        desk.run(&Command::OpenMarket { trade_date: 1 });
        desk
    }

    /// As [`Self::closed`], but collecting orders for the opening auction of trade date 1;
    /// at 100 µs it opens, at 200 the closing auction begins, at 300 it closes.
    pub fn pre_open() -> Self {
        let mut desk = Self::closed(ROOMY);
        desk.run(&Command::ScheduleDay(day(1, 10)));
        desk.advance_to(10);
        desk
    }

    /// Whether a command is refused.
    pub fn check(&self, command: &Command) -> Result<(), Refusal> {
        self.exchange.check(command)
    }

    pub fn outcome(&mut self, command: &Command) -> (Outcome, Vec<String>) {
        assert_eq!(self.exchange.check(command), Ok(()), "{command:?}");
        let sequence = self.exchange.counters().sequence + 1;
        let stamp = Stamp { sequence, time_us: self.time_us };
        let mut events = Vec::new();
        let outcome = self.exchange.apply(stamp, command, &mut events);
        self.exchange.validate();
        (outcome, events.iter().map(|event| self.sentence(event)).collect())
    }

    /// Runs a command; what happened.
    pub fn run(&mut self, command: &Command) -> Vec<String> {
        self.outcome(command).1
    }

    /// Sends an order, which gets the next name; what happened.
    pub fn place(&mut self, draft: Draft) -> Vec<String> {
        self.names.push(self.exchange.counters().sequence + 1);
        self.run(&draft.command())
    }

    /// Sends an order, which gets the next name; how it stands then.
    pub fn answer(&mut self, draft: Draft) -> Order {
        self.names.push(self.exchange.counters().sequence + 1);
        match self.outcome(&draft.command()).0 {
            Outcome::Order(order) => order,
            other => panic!("{other:?} is no order"),
        }
    }

    /// The id of a named order.
    pub fn id(&self, name: char) -> OrderId {
        self.names[name as usize - 'a' as usize]
    }

    /// A named order, which is open.
    pub fn order(&self, name: char) -> Order {
        self.exchange.order(self.id(name)).expect("it is open")
    }

    pub fn cancel(&mut self, name: char) -> Vec<String> {
        self.run(&Command::CancelOrder { order_id: self.id(name), participant: VENUE })
    }

    pub fn reduce(&mut self, name: char, by: i64) -> Vec<String> {
        self.run(&Command::ReduceOrder { order_id: self.id(name), participant: VENUE, by })
    }

    pub fn replace(&mut self, name: char, price_ticks: i64, quantity: i64) -> Vec<String> {
        self.run(&self.replacement(name, price_ticks, quantity))
    }

    pub fn replacement(&self, name: char, price_ticks: i64, quantity: i64) -> Command {
        let order_id = self.id(name);
        Command::ReplaceOrder { order_id, participant: VENUE, price_ticks, quantity }
    }

    /// Advances the clock; what was due.
    pub fn advance_to(&mut self, time_us: i64) -> Vec<String> {
        self.time_us = time_us;
        self.run(&Command::AdvanceClock)
    }

    /// Makes this the last price of the first instrument, by a trade of two nameless orders.
    pub fn trade_at(&mut self, price_ticks: i64) {
        for draft in [sell(5, 1, price_ticks), buy(4, 1, price_ticks)] {
            self.run(&draft.command());
        }
        let state = self.exchange.instrument_state(1).unwrap();
        assert_eq!(state.last_price_ticks, price_ticks);
    }

    pub fn set_rules(&mut self, rules: PriceRules, reference: i64) {
        self.run(&Command::SetPriceRules { instrument: 1, rules });
        self.run(&Command::SetReferencePrice { instrument: 1, price_ticks: reference });
    }

    /// Displayed price, quantity and number of orders of the first instrument, best first.
    pub fn levels(&self, side: Side) -> Vec<(i64, i64, u32)> {
        let levels = self.exchange.levels(1, side);
        levels.map(|level| (level.price_ticks, level.quantity, level.orders)).collect()
    }

    /// What is left in an account in units of money, and in the first instrument.
    pub fn assets(&self, account: AccountId) -> (Money, i64) {
        let cash = self.exchange.cash(account, 1).unwrap();
        (cash.balance, self.exchange.position(account, 1).unwrap().quantity)
    }

    fn name(&self, id: OrderId) -> String {
        match self.names.iter().position(|named| *named == id) {
            Some(index) => char::from(b'a' + index as u8).to_string(),
            None => format!("#{id}"),
        }
    }

    fn sentence(&self, event: &Event) -> String {
        match *event {
            Event::Trade(trade) => {
                let Trade { quantity, price_ticks, .. } = trade;
                let maker = self.name(trade.maker_order_id);
                let taker = self.name(trade.taker_order_id);
                let place = if trade.in_auction { " in the auction" } else { "" };
                format!("{maker} trades {quantity} at {price_ticks} with {taker}{place}")
            }
            Event::Rested { order_id, price_ticks, remaining, .. } => {
                format!("{} rests {remaining} at {price_ticks}", self.name(order_id))
            }
            Event::Cancelled { order_id, quantity, reason, .. } => {
                format!("{} cancelled {quantity} ({reason:?})", self.name(order_id))
            }
            Event::Reduced { order_id, remaining, .. } => {
                format!("{} reduced to {remaining}", self.name(order_id))
            }
            Event::Replaced { order_id, price_ticks, quantity, .. } => {
                format!("{} replaced by {quantity} at {price_ticks}", self.name(order_id))
            }
            Event::ReplaceRejected { order_id, reason } => {
                format!("{} not replaced ({reason:?})", self.name(order_id))
            }
            Event::Refilled { order_id, displayed } => {
                format!("{} shows {displayed}", self.name(order_id))
            }
            Event::Triggered { order_id, .. } => format!("{} triggered", self.name(order_id)),
            Event::StopMoved { order_id, stop_price_ticks, price_ticks } => {
                let name = self.name(order_id);
                format!("{name} moves its stop to {stop_price_ticks}, its limit to {price_ticks}")
            }
            Event::Rejected { order_id, reason } => {
                format!("{} rejected ({reason:?})", self.name(order_id))
            }
            Event::MarketPhaseChanged { phase, trade_date } => {
                format!("market {phase:?} on day {trade_date}")
            }
            Event::InstrumentPhaseChanged { instrument, phase } => {
                format!("instrument {instrument} {phase:?}")
            }
            Event::Uncrossed { price_ticks, quantity, .. } => {
                format!("uncrossed {quantity} at {price_ticks}")
            }
            Event::ClockAdvanced { time_us } => format!("clock at {time_us}"),
            Event::AccountChanged { account } => format!("account {account} changed"),
            other => format!("{other:?}"),
        }
    }
}

/// A trading day that begins then and has a step every hundred microseconds.
pub fn day(trade_date: i32, pre_open_us: i64) -> TradingDay {
    let hundreds = pre_open_us / 100 * 100;
    TradingDay {
        trade_date,
        pre_open_us,
        open_us: hundreds + 100,
        closing_auction_us: hundreds + 200,
        close_us: hundreds + 300,
    }
}

pub fn listing(symbol: &str, currency: &str) -> Instrument {
    Instrument {
        symbol: Symbol::new(symbol).unwrap(),
        currency: CurrencyCode::new(currency).unwrap(),
        tick_digits: 1,
        tick_scale: 2,
        lot_size: 1,
        maximum_price_ticks: 1000,
    }
}
