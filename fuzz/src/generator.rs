//! Commands out of bytes: most of them such that orders meet, and some that are a mistake.

use crate::bytes::Bytes;
use matcher::codec::decode;
use matcher::*;

/// So tight that every bound is met within a few dozen commands.
pub const LIMITS: Limits = Limits {
    maximum_instruments: 4,
    maximum_accounts: 5,
    maximum_open_orders: 24,
    maximum_price_levels: 10,
    maximum_positions: 10,
    client_order_window: 16,
};

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3600 * SECOND_US;
const DAY_US: i64 = 24 * HOUR_US;
/// One of a currency.
const ONE: Money = 10_i128.pow(MONEY_SCALE as u32);

const SYMBOLS: [&str; 5] = ["NARROW", "LOTS", "WIDE", "WIDEST", "FIFTH"];
const ROLES: [&str; 4] = ["anna", "boris", "chen", "dora"];

/// An exchange that trades: instruments, accounts with money and shares, an open market.
pub fn opening() -> Vec<Command> {
    let mut commands = vec![
        Command::CreateInstrument(instrument(0, "USD", 1, 32)),
        Command::CreateInstrument(instrument(1, "EUR", 5, 100)),
        Command::CreateInstrument(instrument(2, "USD", 1, 1_000_000)),
        Command::CreateFeeSchedule(fee_schedule("house", [-100, 300, 200])),
    ];
    for account in 1..=3 {
        commands.push(Command::OpenAccount { owner: role(account as usize - 1) });
        commands.push(Command::SetAccountStatus { account, status: AccountStatus::Verified });
        for currency in 1..=2 {
            commands.push(Command::TransferCash { account, currency, amount: 1000 * ONE });
        }
        for instrument in 1..=3 {
            commands.push(Command::TransferShares { account, instrument, quantity: 500 });
        }
    }
    // Without money, and not verified.
    commands.push(Command::OpenAccount { owner: role(3) });
    commands.push(Command::SetFeeSchedule { account: 1, schedule: 1 });
    let rules = PriceRules { band_ppm: 500_000, ..PriceRules::default() };
    commands.push(Command::SetPriceRules { instrument: 2, rules });
    commands.push(Command::SetReferencePrice { instrument: 2, price_ticks: 9 });
    commands.push(Command::OpenMarket { trade_date: 1 });
    commands
}

/// What is next.
pub enum Step {
    /// A command, and by how many microseconds it is later than the last one.
    Command(i64, Command),
    /// The engine goes on as it comes back from its tables.
    Rebuild,
    /// The bytes stand for nothing.
    Nothing,
}

/// What the next bytes stand for.
pub fn next(bytes: &mut Bytes, exchange: &impl View) -> Step {
    let kind = bytes.byte();
    let time_delta_us = match kind {
        0..0x90 => 0,
        0x90..0xc0 => 10,
        0xc0..0xf0 => bytes.one_of(&[1, SECOND_US, 60 * SECOND_US, 300 * SECOND_US, 9 * HOUR_US]),
        0xf0..0xf4 => return Step::Rebuild,
        // Any command at all, as the journal has it.
        _ => match decode(&mut bytes.0) {
            Ok((time_delta_us, command)) => {
                return Step::Command((time_delta_us % DAY_US as u64) as i64, command);
            }
            Err(_) => return Step::Nothing,
        },
    };
    let draw = &mut Draw { bytes, exchange, counters: exchange.counters() };
    Step::Command(time_delta_us, draw.command(kind % 0x30))
}

struct Draw<'a, 'b, V> {
    bytes: &'a mut Bytes<'b>,
    exchange: &'a V,
    counters: Counters,
}

impl<V: View> Draw<'_, '_, V> {
    fn command(&mut self, kind: u8) -> Command {
        match kind {
            0..7 => Command::PlaceOrder(self.new_order()),
            8..22 => {
                let new = self.new_order();
                let (new, terms) = self.with_terms(new);
                Command::PlaceOrderWithTerms(new, terms)
            }
            22 | 23 => Command::CancelOrder {
                order_id: self.some_order(),
                participant: self.participant(),
            },
            24 => Command::ReduceOrder {
                order_id: self.some_order(),
                participant: self.participant(),
                by: self.quantity(),
            },
            7 | 25 | 26 => Command::ReplaceOrder {
                order_id: self.some_order(),
                participant: self.participant(),
                price_ticks: self.bytes.one_of(&[1, 1, 1, 0]) * self.price(),
                quantity: self.bytes.one_of(&[1, 1, 1, 0]) * self.quantity(),
            },
            27 => Command::CancelClientOrder {
                account: self.account(),
                client_order_id: self.client_order_id(),
                participant: self.participant(),
            },
            28 => Command::CancelOrders {
                participant: self.participant(),
                account: self.bytes.within(0..5) as AccountId,
                instrument: self.bytes.within(0..5) as InstrumentId,
                side: self.bytes.one_of(&[None, Some(Side::Buy), Some(Side::Sell)]),
            },
            29 => Command::EndSession { session: self.bytes.within(0..4) },
            30 => Command::SetPriceRules {
                instrument: self.instrument(),
                rules: PriceRules {
                    collar_ppm: self.parts(),
                    band_ppm: self.parts(),
                    volatility_halt_us: match self.bytes.byte() {
                        0xff => i64::MAX,
                        0xfe => 0,
                        byte => [1, 10, SECOND_US, 300 * SECOND_US][usize::from(byte) % 4],
                    },
                    protection_ppm: self.parts(),
                },
            },
            31 => Command::SetReferencePrice {
                instrument: self.instrument(),
                price_ticks: self.price(),
            },
            32 => Command::OpenMarket { trade_date: self.trade_date() },
            33 => Command::CloseMarket,
            34 => Command::HaltInstrument { instrument: self.bytes.within(0..4) as u32 },
            35 => Command::ResumeInstrument { instrument: self.bytes.within(0..4) as u32 },
            36 => Command::ScheduleDay(self.trading_day()),
            37 => Command::TransferCash {
                account: self.account(),
                currency: self.bytes.within(0..4) as CurrencyId,
                amount: self.money() * self.bytes.one_of(&[1, -1]),
            },
            38 => Command::TransferShares {
                account: self.account(),
                instrument: self.instrument(),
                quantity: self.quantity().saturating_mul(self.bytes.one_of(&[1, -1, 100, -100])),
            },
            39 => Command::SetCreditLimit {
                account: self.account(),
                currency: self.bytes.within(0..4) as CurrencyId,
                limit: self.money(),
            },
            40 => Command::SetShortLimit {
                account: self.account(),
                instrument: self.instrument(),
                limit: self.quantity().saturating_mul(self.bytes.one_of(&[1, 10])),
            },
            41 => Command::SetRiskLimits {
                account: self.bytes.within(0..5) as AccountId,
                instrument: self.bytes.within(0..5) as InstrumentId,
                limits: self.risk_limits(),
            },
            42 => Command::SetKillSwitch {
                account: self.account(),
                participant: self.participant(),
                killed: self.bytes.one_of(&[true, false]),
            },
            43 => Command::BustTrade(self.busted_trade()),
            44 => Command::SetFeeSchedule {
                account: self.account(),
                schedule: self.bytes.within(0..4) as ScheduleId,
            },
            45 => self.administration(),
            46 => Command::SetAccountStatus {
                account: self.account(),
                status: self.bytes.one_of(&[
                    AccountStatus::Verified,
                    AccountStatus::Suspended,
                    AccountStatus::Closed,
                    AccountStatus::Unverified,
                ]),
            },
            _ => Command::AdvanceClock,
        }
    }

    /// What is done once or rarely.
    fn administration(&mut self) -> Command {
        match self.bytes.within(0..6) {
            0 => {
                let which = self.bytes.within(0..SYMBOLS.len() as u64) as usize;
                let lot_size = self.bytes.one_of(&[1, 5, 0]);
                let maximum = self.bytes.one_of(&[32, 1_000_000, MAXIMUM_PRICE_TICKS, i64::MAX]);
                let currency = self.bytes.one_of(&["USD", "EUR", "JPY"]);
                Command::CreateInstrument(instrument(which, currency, lot_size, maximum))
            }
            1 => {
                let name = self.bytes.one_of(&["house", "retail", "maker"]);
                let ppm = [(); 3].map(|()| self.bytes.one_of(&[0, 100_000, -100_000, 1, 100_001]));
                Command::CreateFeeSchedule(fee_schedule(name, ppm))
            }
            2 => Command::OpenAccount { owner: self.role() },
            3 => Command::RegisterParticipant { role: self.role() },
            4 => Command::SetRateLimit {
                participant: self.bytes.within(0..6) as ParticipantId,
                orders_per_second: self.bytes.byte().into(),
                burst: self.bytes.byte().into(),
            },
            _ => Command::ClearSchedule,
        }
    }

    fn new_order(&mut self) -> NewOrder {
        let [instrument, account, time_in_force, self_trade_prevention] = self.bytes.quarters();
        let side_and_prevention = self.bytes.byte();
        NewOrder {
            instrument: [1, 1, 2, 3][instrument],
            account: [1, 2, 3, 4][account],
            side: Side::ALL[usize::from(side_and_prevention) & 1],
            time_in_force: [
                TimeInForce::GoodTillCancel,
                TimeInForce::ImmediateOrCancel,
                TimeInForce::FillOrKill,
                TimeInForce::Day,
            ][time_in_force],
            self_trade_prevention: if side_and_prevention < 0xc0 {
                [
                    SelfTradePrevention::CancelNewest,
                    SelfTradePrevention::CancelOldest,
                    SelfTradePrevention::CancelBoth,
                    SelfTradePrevention::Decrement,
                ][self_trade_prevention]
            } else {
                SelfTradePrevention::Allow
            },
            price_ticks: self.price(),
            quantity: self.quantity(),
        }
    }

    /// Terms that mostly go together.
    fn with_terms(&mut self, new: NewOrder) -> (NewOrder, Terms) {
        let mut new = new;
        let mut terms = Terms::PLAIN;
        let [named, bound, linked, dated] = self.bytes.quarters();
        if named == 3 {
            terms.client_order_id = Some(self.client_order_id());
        }
        if bound == 3 {
            terms.session = self.bytes.within(0..4);
        }
        if linked == 3 {
            terms.linked_order = self.some_order();
        }
        if dated == 3 {
            new.time_in_force = TimeInForce::GoodTillDate;
            terms.expire_at_us = self.soon_us();
        }
        let immediate = new.time_in_force.is_immediate();
        let kind = self.bytes.byte();
        match (kind % 16, immediate) {
            (0..4, true) => self.add_market(&mut new, &mut terms),
            (_, true) => terms.minimum_quantity = self.quantity(),
            (0, _) => terms.all_or_none = true,
            (1, _) => terms.hidden = true,
            (2 | 3, _) => terms.display_quantity = self.quantity(),
            (4, _) => terms.post_only = PostOnly::Reject,
            (5, _) => terms.post_only = PostOnly::Slide,
            (6, _) => terms.minimum_quantity = self.quantity(),
            (7..13, _) => self.add_stop(&mut new, &mut terms),
            (_, _) => {
                terms.order_type = OrderType::Pegged;
                terms.peg = self.bytes.one_of(&[Peg::BestBid, Peg::BestAsk, Peg::Midpoint]);
            }
        }
        if kind >= 0xe0 {
            self.add_what_may_not_fit(&mut new, &mut terms);
        }
        (new, terms)
    }

    fn add_market(&mut self, new: &mut NewOrder, terms: &mut Terms) {
        terms.order_type = OrderType::Market;
        new.price_ticks *= self.bytes.one_of(&[0, 0, 0, 1]);
    }

    fn add_stop(&mut self, new: &mut NewOrder, terms: &mut Terms) {
        terms.order_type =
            self.bytes.one_of(&[OrderType::Stop, OrderType::StopLimit, OrderType::TrailingStop]);
        if terms.order_type == OrderType::TrailingStop {
            terms.trail_ticks = self.bytes.within(1..9) as i64;
        } else {
            terms.stop_price_ticks = self.price();
            terms.trigger = self.bytes.one_of(&Trigger::ALL);
        }
        if terms.order_type != OrderType::StopLimit {
            new.price_ticks *= self.bytes.one_of(&[0, 1]);
        }
    }

    fn add_what_may_not_fit(&mut self, new: &mut NewOrder, terms: &mut Terms) {
        match self.bytes.within(0..12) {
            0 => terms.minimum_quantity = self.quantity(),
            1 => terms.display_quantity = self.quantity(),
            2 => terms.stop_price_ticks = self.price(),
            3 => terms.trail_ticks = self.price(),
            4 => terms.expire_at_us = self.soon_us(),
            5 => terms.order_type = OrderType::Market,
            6 => terms.post_only = PostOnly::Slide,
            7 => terms.peg = Peg::Midpoint,
            8 => terms.trigger = Trigger::BestQuote,
            9 => terms.hidden = true,
            10 => terms.all_or_none = true,
            _ => new.time_in_force = TimeInForce::FillOrKill,
        }
    }

    /// Close together, so that orders meet; now and then far apart, so that levels lie on
    /// different pages.
    fn price(&mut self) -> i64 {
        let near = 1 + self.bytes.within(0..0x100) as i64;
        match near {
            ..0xd0 => 1 + near % 16,
            0xd0..0xf0 => near % 32 * 4096,
            0xf0..0xf8 => near % 8 * 64,
            _ => near % 8 - 4,
        }
    }

    fn quantity(&mut self) -> i64 {
        match self.bytes.byte() {
            byte @ 0..0x80 => i64::from(byte) % 16,
            byte @ 0x80..0xf0 => i64::from(byte) % 16 * 5,
            0xf0..0xf8 => maximum_quantity(MAXIMUM_PRICE_TICKS),
            0xf8..0xfe => 1 << 40,
            _ => i64::MAX,
        }
    }

    /// Millionths.
    fn parts(&mut self) -> u32 {
        match self.bytes.byte() {
            0xff => u32::MAX,
            byte => [0, 100_000, 400_000, 1_000_000][usize::from(byte) % 4],
        }
    }

    fn money(&mut self) -> Money {
        match self.bytes.byte() {
            byte @ 0..0xc0 => Money::from(byte) * ONE / 10,
            byte @ 0xc0..0xe0 => Money::from(byte),
            0xe0..0xf0 => MAXIMUM_MONEY,
            _ => MAXIMUM_MONEY + 1,
        }
    }

    fn instrument(&mut self) -> InstrumentId {
        self.bytes.one_of(&[1, 2, 3, 1, 2, 3, 4, 0])
    }

    fn account(&mut self) -> AccountId {
        self.bytes.one_of(&[1, 2, 3, 1, 2, 3, 4, 0])
    }

    fn participant(&mut self) -> ParticipantId {
        self.bytes.one_of(&[VENUE, VENUE, 1, 2])
    }

    fn role(&mut self) -> RoleName {
        role(self.bytes.within(0..ROLES.len() as u64) as usize)
    }

    fn client_order_id(&mut self) -> ClientOrderId {
        ClientOrderId::new(self.bytes.one_of(&["a", "b", "c"])).expect("it is short")
    }

    /// An open order, or the number of one of the last commands.
    fn some_order(&mut self) -> OrderId {
        let byte = self.bytes.byte();
        let open = if byte < 0xd0 { self.open_orders() } else { Vec::new() };
        match open.len() {
            0 => (self.counters.sequence + 1).saturating_sub(u64::from(byte) % 32),
            count => open[usize::from(byte) % count],
        }
    }

    fn open_orders(&self) -> Vec<OrderId> {
        let instruments = 1..=self.exchange.instruments().len() as InstrumentId;
        let orders = instruments.flat_map(|id| {
            let buys = self.exchange.queue(id, Side::Buy);
            buys.chain(self.exchange.queue(id, Side::Sell)).chain(self.exchange.waiting(id))
        });
        orders.map(|order| order.order_id).collect()
    }

    /// Not much before or after now.
    fn soon_us(&mut self) -> i64 {
        let delta = self.bytes.one_of(&[1, SECOND_US, 5, 61 * SECOND_US, 0, -1, DAY_US]);
        self.counters.time_us + delta
    }

    fn trade_date(&mut self) -> i32 {
        self.counters.trade_date.saturating_add(self.bytes.one_of(&[0, 1, 2, -1]))
    }

    fn trading_day(&mut self) -> TradingDay {
        let pre_open_us = self.soon_us();
        let mut after = |time_us: i64| time_us + self.bytes.one_of(&[1, SECOND_US, HOUR_US, 0]);
        let open_us = after(pre_open_us);
        let closing_auction_us = after(open_us);
        let close_us = after(closing_auction_us);
        let trade_date = self.trade_date();
        TradingDay { trade_date, pre_open_us, open_us, closing_auction_us, close_us }
    }

    /// Each bound as often missing as not.
    fn risk_limits(&mut self) -> RiskLimits {
        let mut limits = RiskLimits::NONE;
        let present = self.bytes.byte();
        let is_present = |bit: u8| present >> bit & 1 != 0;
        if is_present(0) {
            limits.order_quantity = self.quantity();
        }
        if is_present(1) {
            limits.order_value = self.money();
        }
        if is_present(2) {
            limits.daily_bought_quantity = self.quantity();
        }
        if is_present(3) {
            limits.daily_sold_quantity = self.quantity();
        }
        if is_present(4) {
            limits.daily_bought_value = self.money();
        }
        if is_present(5) {
            limits.daily_sold_value = self.money();
        }
        if is_present(6) {
            limits.open_orders = self.bytes.within(0..6) as u32;
        }
        limits
    }

    fn busted_trade(&mut self) -> BustedTrade {
        let last = self.counters.last_trade_id;
        BustedTrade {
            trade_id: (last + 1).saturating_sub(self.bytes.within(0..8)),
            instrument: self.instrument(),
            price_ticks: self.price(),
            quantity: self.quantity(),
            buyer: self.account(),
            seller: self.account(),
            buyer_fee: self.money() / 1000,
            seller_fee: -self.money() / 1000,
        }
    }
}

fn role(index: usize) -> RoleName {
    RoleName::new(ROLES[index]).expect("it is short")
}

fn instrument(which: usize, currency: &str, lot_size: i64, maximum: i64) -> Instrument {
    Instrument {
        symbol: Symbol::new(SYMBOLS[which]).expect("it is short"),
        currency: CurrencyCode::new(currency).expect("it is short"),
        tick_digits: 1,
        tick_scale: 2,
        lot_size,
        maximum_price_ticks: maximum,
    }
}

fn fee_schedule(name: &str, [maker_ppm, taker_ppm, auction_ppm]: [i32; 3]) -> FeeSchedule {
    let name = ScheduleName::new(name).expect("it is short");
    FeeSchedule { name, maker_ppm, taker_ppm, auction_ppm }
}
