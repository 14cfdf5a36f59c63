//! How an order comes in, and why it may not.

use super::orders::{is_of_book, shown};
use super::{Answer, NaiveExchange};
use crate::outcome::Order;
use crate::{
    AccountStatus, CancelReason, Event, InstrumentId, InstrumentPhase, NewOrder, OrderId,
    OrderStatus, OrderType, Outcome, PostOnly, RejectReason, RiskLimits, Side, Terms, TimeInForce,
};
use std::collections::BTreeSet;

impl NaiveExchange {
    pub(super) fn place(&mut self, new: &NewOrder, terms: &Terms) -> Answer {
        if let Some(answer) = self.first_answer(new, terms) {
            return Answer::Fixed(Outcome::Order(answer));
        }
        let mut order = Order {
            order_id: self.counters.sequence,
            created_at_us: self.counters.time_us,
            priority: self.own_priority(),
            price_ticks: new.price_ticks,
            quantity: new.quantity,
            filled: 0,
            remaining: new.quantity,
            displayed: 0,
            turnover_ticks: 0,
            instrument: new.instrument,
            account: new.account,
            side: new.side,
            time_in_force: new.time_in_force,
            self_trade_prevention: new.self_trade_prevention,
            status: OrderStatus::Open,
            reject_reason: RejectReason::None,
            cancel_reason: CancelReason::None,
            fee_schedule: self.accounts[new.account as usize - 1].fee_schedule,
            triggered: false,
            terms: *terms,
        };
        let has_price = self.work_out_price(&mut order);
        let has_place = self.slide(&mut order);
        order.reject_reason = self.reject_reason(&order, None, has_price, has_place);
        if order.reject_reason != RejectReason::None {
            order.remaining = 0;
            order.status = OrderStatus::Rejected;
            order.terms.linked_order = 0;
            let (order_id, reason) = (order.order_id, order.reject_reason);
            self.events.push(Event::Rejected { order_id, reason });
            self.finished.insert(order_id, order);
            return Answer::Order(order_id);
        }
        self.position_mut(order.account, order.instrument);
        self.add(order);
        if terms.linked_order != 0 {
            self.order_mut(terms.linked_order).terms.linked_order = order.order_id;
        }
        self.enter(order.order_id, terms.minimum_quantity);
        Answer::Order(order.order_id)
    }

    /// What was answered when this name was used before.
    fn first_answer(&self, new: &NewOrder, terms: &Terms) -> Option<Order> {
        let id = self.names.get(&(new.account, terms.client_order_id?))?;
        self.answers.get(id).copied()
    }

    /// Remembers the answer to an order that the present command placed.
    pub(super) fn remember_answer(&mut self, order: &Order) {
        if order.order_id == self.counters.sequence
            && self.limits.client_order_window > 0
            && let Some(name) = order.terms.client_order_id
        {
            self.answers.insert(order.order_id, *order);
            self.names.insert((order.account, name), order.order_id);
        }
    }

    /// Forgets the answers that the window has passed.
    pub(super) fn forget_answers(&mut self) {
        let window = u64::from(self.limits.client_order_window);
        while let Some(oldest) = self.answers.first_entry()
            && *oldest.key() + window <= self.counters.sequence
        {
            oldest.remove();
        }
    }

    /// What market orders without a quote and trailing stops are measured from.
    fn market_price(&self, instrument: InstrumentId) -> Option<i64> {
        let state = self.state(instrument);
        [state.last_price_ticks, state.reference_price_ticks].into_iter().find(|&price| price != 0)
    }

    /// Kept within 1 and the maximum price.
    pub(super) fn kept_in_range(&self, instrument: InstrumentId, price_ticks: i64) -> i64 {
        price_ticks.clamp(1, self.instrument(instrument).maximum_price_ticks)
    }

    /// Fills in the stop price of a trailing stop, and a price that is left open. Whether
    /// there was something to work it out from.
    fn work_out_price(&self, order: &mut Order) -> bool {
        let instrument = order.instrument;
        let state = self.state(instrument);
        let market = self.market_price(instrument);
        if order.terms.order_type == OrderType::TrailingStop {
            let Some(market) = market else {
                order.price_ticks = 0;
                return false;
            };
            let stop = match order.side {
                Side::Buy => market + order.terms.trail_ticks,
                Side::Sell => market - order.terms.trail_ticks,
            };
            order.terms.stop_price_ticks = self.kept_in_range(instrument, stop);
        }
        if order.price_ticks != 0 {
            return true;
        }
        let quote = match self.phase(instrument) {
            InstrumentPhase::Continuous => self.quote(instrument, order.side.opposite()),
            _ => None,
        };
        let base = match order.terms.order_type {
            OrderType::Market => quote.or(market),
            _ => Some(order.terms.stop_price_ticks),
        };
        let Some(base) = base else { return false };
        let protection = base * i64::from(state.rules.protection_ppm) / 1_000_000;
        let price = match order.side {
            Side::Buy => base + protection,
            Side::Sell => base - protection,
        };
        order.price_ticks = self.kept_in_range(instrument, price);
        if order.terms.order_type == OrderType::Market
            && state.rules.collar_ppm > 0
            && let Some(market) = market
        {
            let collar = market * i64::from(state.rules.collar_ppm) / 1_000_000;
            order.price_ticks = order.price_ticks.clamp(market - collar, market + collar);
        }
        true
    }

    /// Whether an order would trade at once.
    fn would_trade(&self, order: &Order) -> bool {
        let quotes = self.quotes(order.instrument);
        self.phase(order.instrument) == InstrumentPhase::Continuous
            && self.first_acceptable(order, &quotes).is_some()
    }

    /// Makes the price of a post-only order that slides one at which it does not trade.
    /// Whether there is one.
    pub(super) fn slide(&self, order: &mut Order) -> bool {
        if order.terms.post_only != PostOnly::Slide || !self.would_trade(order) {
            return true;
        }
        let quotes = self.quotes(order.instrument);
        let best = self.first_acceptable(order, &quotes).expect("it would trade").price_ticks;
        let price = match order.side {
            Side::Buy => best - 1,
            Side::Sell => best + 1,
        };
        if self.kept_in_range(order.instrument, price) != price {
            return false;
        }
        order.price_ticks = price;
        true
    }

    /// Why an order is declined: a new one, or what the open order `replaced` is to become.
    pub(super) fn reject_reason(
        &self,
        order: &Order,
        replaced: Option<&Order>,
        has_price: bool,
        has_place: bool,
    ) -> RejectReason {
        let is_new = replaced.is_none();
        let state = self.state(order.instrument);
        let account = &self.accounts[order.account as usize - 1];
        let order_type = order.terms.order_type;
        let phase = self.phase(order.instrument);
        let may_rest = !order.time_in_force.is_immediate() || phase.is_auction();

        if phase == InstrumentPhase::Closed {
            return RejectReason::MarketClosed;
        }
        if phase == InstrumentPhase::Halted {
            return RejectReason::InstrumentHalted;
        }
        match account.status {
            AccountStatus::Unverified => return RejectReason::AccountNotVerified,
            AccountStatus::Suspended => return RejectReason::AccountSuspended,
            AccountStatus::Closed => return RejectReason::AccountClosed,
            AccountStatus::Verified => {}
        }
        if account.killed {
            return RejectReason::KillSwitch;
        }
        let is_for_now = match order.time_in_force {
            TimeInForce::FillOrKill => true,
            TimeInForce::ImmediateOrCancel => order_type != OrderType::Market,
            _ => false,
        };
        if phase.is_auction()
            && (is_for_now
                || order.terms.post_only != PostOnly::No
                || is_new && order.terms.minimum_quantity > 0)
        {
            return RejectReason::AuctionPhase;
        }
        if is_new && may_rest && self.instrument_of.len() as u32 >= self.limits.maximum_open_orders
        {
            return RejectReason::TooManyOpenOrders;
        }
        if has_price && may_rest && is_of_book(order) && !self.has_room_for_level(order, 0) {
            return RejectReason::TooManyPriceLevels;
        }
        if is_new && !self.has_room_for_position(order.account, order.instrument) {
            return RejectReason::TooManyPositions;
        }
        if !has_price {
            return RejectReason::NoReferencePrice;
        }
        if is_new && order.terms.linked_order != 0 {
            let linked = self.order(order.terms.linked_order);
            if linked.is_none_or(|linked| {
                linked.account != order.account || linked.terms.linked_order != 0
            }) {
                return RejectReason::LinkedOrderNotOpen;
            }
        }
        if is_new
            && order.time_in_force == TimeInForce::GoodTillDate
            && order.terms.expire_at_us <= self.counters.time_us
        {
            return RejectReason::AlreadyExpired;
        }
        let is_limit = order_type == OrderType::Limit || order.triggered;
        if (is_limit || order_type == OrderType::Market)
            && state.rules.collar_ppm > 0
            && let Some(base) = self.market_price(order.instrument)
            && (order.price_ticks - base).abs() * 1_000_000
                > base * i64::from(state.rules.collar_ppm)
        {
            return RejectReason::PriceCollar;
        }
        let broken = self.broken_limit(order, replaced, may_rest);
        if broken != RejectReason::None {
            return broken;
        }
        let replaced_id = replaced.map_or(0, |order| order.order_id);
        let short = self.shortage(order, replaced_id);
        if short != RejectReason::None {
            return short;
        }
        let posts_only = order.terms.post_only == PostOnly::Reject;
        if posts_only && self.would_trade(order) || !has_place {
            return RejectReason::PostOnlyWouldCross;
        }
        RejectReason::None
    }

    /// Whether a level can be at the price of an order, that of `except` left out.
    pub(super) fn has_room_for_level(&self, order: &Order, except: OrderId) -> bool {
        let in_books = || {
            let others = self.all_orders().filter(|other| other.order_id != except);
            others.filter(|other| is_of_book(other))
        };
        let level = |order: &Order| (order.instrument, order.side as u8, order.price_ticks);
        if in_books().any(|other| level(other) == level(order)) {
            return true;
        }
        // Looked at first because it is quick: there cannot be more levels than orders.
        self.instrument_of.len() < self.limits.maximum_price_levels as usize
            || in_books().map(level).collect::<BTreeSet<_>>().len()
                < self.limits.maximum_price_levels as usize
    }

    /// Which risk limit an order would break.
    fn broken_limit(
        &self,
        order: &Order,
        replaced: Option<&Order>,
        may_rest: bool,
    ) -> RejectReason {
        let (account, instrument, side) = (order.account, order.instrument, order.side);
        let position = self.positions.get(&(account, instrument));
        let of_account = self.accounts[account as usize - 1].limits;
        let of_instrument = self.state(instrument).limits;
        let of_position = position.map_or(RiskLimits::NONE, |position| position.limits);
        let all = [of_account, of_instrument, of_position];

        if all.iter().any(|limits| order.quantity > limits.order_quantity) {
            return RejectReason::OrderQuantityLimit;
        }
        let value = self.value(instrument, order.price_ticks, order.quantity);
        if all.iter().any(|limits| value > limits.order_value) {
            return RejectReason::OrderValueLimit;
        }

        let except = replaced.map_or(0, |order| order.order_id);
        let traded = self.traded_today(account, instrument, side);
        let open = self.open_quantity_and_value(account, instrument, side, except);
        let quantity = traded.0 + open.0 + order.remaining;
        if all.iter().any(|limits| {
            quantity
                > match side {
                    Side::Buy => limits.daily_bought_quantity,
                    Side::Sell => limits.daily_sold_quantity,
                }
        }) {
            return RejectReason::DailyQuantityLimit;
        }
        let own_ticks = i128::from(order.price_ticks) * i128::from(order.remaining);
        let tick_value = self.instrument(instrument).tick_value();
        let value = (traded.1 + open.1 + own_ticks).saturating_mul(tick_value);
        if all.iter().any(|limits| {
            value
                > match side {
                    Side::Buy => limits.daily_bought_value,
                    Side::Sell => limits.daily_sold_value,
                }
        }) {
            return RejectReason::DailyValueLimit;
        }

        if replaced.is_none() && may_rest {
            let of_account_now = self.all_orders().filter(|other| other.account == account);
            let here_now = self.orders_of(instrument).filter(|other| other.account == account);
            let here_now = here_now.count() as u32;
            if of_account_now.count() as u32 >= of_account.open_orders
                || here_now >= of_instrument.open_orders
                || here_now >= of_position.open_orders
            {
                return RejectReason::OpenOrdersLimit;
            }
        }
        RejectReason::None
    }

    /// Whether an account cannot pay for an order, or deliver it.
    fn shortage(&self, order: &Order, replaced: OrderId) -> RejectReason {
        let (account, instrument) = (order.account, order.instrument);
        match order.side {
            Side::Buy => {
                let currency = self.currency_of(instrument);
                let cash = self.cash.get(&(account, currency));
                let (balance, credit) =
                    cash.map_or((0, 0), |cash| (cash.balance, cash.credit_limit));
                if self.hold(order) > balance - self.held(account, currency, replaced) + credit {
                    return RejectReason::InsufficientFunds;
                }
            }
            Side::Sell => {
                let position = self.positions.get(&(account, instrument));
                let (quantity, short_limit) =
                    position.map_or((0, 0), |position| (position.quantity, position.short_limit));
                let open =
                    self.open_quantity_and_value(account, instrument, Side::Sell, replaced).0;
                if order.remaining > quantity - open + short_limit {
                    return RejectReason::InsufficientShares;
                }
            }
        }
        RejectReason::None
    }

    /// What comes of an order that was accepted. So much of it must trade at once.
    pub(super) fn enter(&mut self, id: OrderId, minimum_quantity: i64) {
        let order = self.order(id).expect("it is open");
        if !is_of_book(&order) {
            self.tell_rested(id);
            return;
        }
        if self.phase(order.instrument) == InstrumentPhase::Continuous {
            if order.time_in_force == TimeInForce::FillOrKill
                && !self.is_feasible(&order, order.remaining)
            {
                self.cancel(id, CancelReason::FillOrKill);
                return;
            }
            if minimum_quantity > 0 && !self.is_feasible(&order, minimum_quantity) {
                self.cancel(id, CancelReason::MinimumQuantity);
                return;
            }
            let was_halted = self.match_order(id);
            if self.order(id).is_none() {
                return;
            }
            if order.time_in_force.is_immediate() {
                self.cancel_rest(id, was_halted);
                return;
            }
        }
        self.rest(id);
    }

    /// Cancels what is left of an order that must trade at once.
    pub(super) fn cancel_rest(&mut self, id: OrderId, was_halted: bool) {
        let reason =
            if was_halted { CancelReason::VolatilityHalt } else { CancelReason::Immediate };
        self.cancel(id, reason);
    }

    /// An order, or what is left of it, comes to rest in the book.
    pub(super) fn rest(&mut self, id: OrderId) {
        let order = self.order_mut(id);
        order.displayed = shown(order);
        self.tell_rested(id);
    }
}
