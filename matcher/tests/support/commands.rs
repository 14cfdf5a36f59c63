//! Random commands. Numbers are small and tight, so that everything meets everything.

use super::draw::Draw;
use matcher::*;

const SIDES: [Side; 2] = Side::ALL;

/// The commands that bring an exchange to life; random ones would take long to: four
/// instruments, five accounts that have something, a market that is open.
pub fn opening() -> Vec<Command> {
    let mut commands: Vec<Command> =
        (0..4).map(|symbol| Command::CreateInstrument(instrument(&mut Draw(symbol)))).collect();
    for account in 1..=5 {
        let owner = role(&mut Draw(u128::from(account) - 1));
        commands.push(Command::OpenAccount { owner });
        let status = AccountStatus::Verified;
        commands.push(Command::SetAccountStatus { account, status });
        for (currency, amount) in [(1, 20 * 10_i128.pow(9)), (2, 10_i128.pow(15))] {
            commands.push(Command::TransferCash { account, currency, amount });
        }
        for instrument in 1..=2 {
            commands.push(Command::TransferShares { account, instrument, quantity: 50 });
        }
    }
    commands.push(Command::OpenMarket { trade_date: 0 });
    commands
}

/// The command that a random word stands for, in an exchange that is so far.
pub fn command(exchange: &impl View, word: u128) -> Command {
    let draw = &mut Draw(word);
    let now = &exchange.counters();
    // Where nothing can happen, not for long.
    if now.market_phase == MarketPhase::Closed && draw.once_in(12) {
        return Command::OpenMarket { trade_date: now.trade_date };
    }
    match draw.below(1000) {
        0..250 => Command::PlaceOrder(plain_order(draw)),
        250..610 => order_with_terms(exchange, draw),
        610..680 => Command::CancelOrder {
            order_id: some_order(exchange, draw),
            participant: participant(draw),
        },
        680..705 => Command::ReduceOrder {
            order_id: some_order(exchange, draw),
            participant: participant(draw),
            by: draw.pick(&[1, 2, 5, 3, 0, 7, 10]),
        },
        705..775 => {
            let price_ticks = match draw.below(3) {
                0 => 0,
                _ => price(draw.below(5) as u32, draw),
            };
            Command::ReplaceOrder {
                order_id: some_order(exchange, draw),
                participant: participant(draw),
                price_ticks,
                quantity: match draw.below(12) {
                    11 => i64::MAX,
                    10 => -1,
                    quantity => quantity as i64 * draw.pick(&[1, 1, 5]),
                },
            }
        }
        775..790 => Command::CancelClientOrder {
            account: account(draw),
            client_order_id: client_order_id(draw),
            participant: participant(draw),
        },
        790..797 => Command::CancelOrders {
            participant: draw.pick(&[0, 1, 2, 3, 9]),
            account: draw.pick(&[0, 0, 1, 2, 3, 9]),
            instrument: draw.pick(&[0, 0, 1, 2, 3, 9]),
            side: draw.pick(&[None, Some(Side::Buy), Some(Side::Sell)]),
        },
        797..802 => Command::EndSession { session: draw.pick(&[1, 2, 3, 4, 0]) },
        802..810 => Command::CreateInstrument(instrument(draw)),
        810..818 => {
            Command::SetPriceRules { instrument: any_instrument(draw), rules: price_rules(draw) }
        }
        818..826 => {
            let instrument = any_instrument(draw);
            Command::SetReferencePrice { instrument, price_ticks: price(instrument, draw) }
        }
        826..829 => Command::RegisterParticipant { role: role(draw) },
        829..832 => Command::SetRateLimit {
            participant: draw.pick(&[1, 2, 3, 0, 9]),
            orders_per_second: draw.pick(&[0, 5, 1_000_000_000, 1_000_000_001]),
            burst: draw.pick(&[1, 3, 0, 1_000_000_001]),
        },
        832..838 => Command::OpenAccount { owner: role(draw) },
        838..853 => {
            let statuses = [AccountStatus::Verified, AccountStatus::Verified];
            let rare = [AccountStatus::Suspended, AccountStatus::Unverified];
            let status = match draw.below(40) {
                39 => AccountStatus::Closed,
                35..39 => draw.pick(&rare),
                _ => draw.pick(&statuses),
            };
            Command::SetAccountStatus { account: account(draw), status }
        }
        853..861 => Command::SetKillSwitch {
            account: account(draw),
            participant: draw.pick(&[0, 0, 0, 1, 2]),
            killed: draw.once_in(16),
        },
        861..866 => Command::CreateFeeSchedule(FeeSchedule {
            name: ScheduleName::new(draw.pick(&["a", "b", "c", "d", "e"])).unwrap(),
            maker_ppm: draw.pick(&[0, -1000, 500, -100_000, 100_001]),
            taker_ppm: draw.pick(&[0, 3000, 777, 100_000, -100_001]),
            auction_ppm: draw.pick(&[0, 1234, -333, 7]),
        }),
        866..872 => Command::SetFeeSchedule {
            account: account(draw),
            schedule: draw.pick(&[1, 2, 3, 0, 9]),
        },
        872..897 => Command::TransferCash {
            account: account(draw),
            currency: draw.pick(&[1, 2, 3, 1, 0, 9]),
            amount: money(draw),
        },
        897..922 => Command::TransferShares {
            account: account(draw),
            instrument: any_instrument(draw),
            quantity: match draw.below(40) {
                39 => MAXIMUM_TRANSFERRED_SHARES,
                38 => -MAXIMUM_TRANSFERRED_SHARES - 1,
                quantity => quantity as i64 - 12,
            },
        },
        922..928 => Command::SetCreditLimit {
            account: account(draw),
            currency: draw.pick(&[1, 2, 3, 0, 9]),
            limit: if draw.once_in(2) { 0 } else { money(draw) },
        },
        928..934 => Command::SetShortLimit {
            account: account(draw),
            instrument: any_instrument(draw),
            limit: draw.pick(&[0, 10, 30, 3, -1, MAXIMUM_SHORT_LIMIT + 1]),
        },
        934..946 => Command::SetRiskLimits {
            account: draw.pick(&[1, 2, 3, 4, 5, 6, 0, 0, 0, 9]),
            instrument: draw.pick(&[0, 0, 1, 2, 3, 4, 9]),
            limits: risk_limits(draw),
        },
        946..962 => {
            Command::OpenMarket { trade_date: now.trade_date + draw.pick(&[0, 1, 0, -1, 0]) }
        }
        962..964 => Command::CloseMarket,
        964..970 => Command::ScheduleDay(trading_day(now, draw)),
        970..972 => Command::ClearSchedule,
        972..974 => Command::HaltInstrument { instrument: draw.pick(&[1, 2, 3, 4, 1, 2, 3, 0, 9]) },
        974..985 => Command::ResumeInstrument { instrument: draw.pick(&[1, 2, 0, 0, 0, 4, 9]) },
        985..993 => {
            let instrument = any_instrument(draw);
            let trade_id = (now.last_trade_id + 1).saturating_sub(draw.below(12));
            Command::BustTrade(BustedTrade {
                trade_id,
                instrument,
                price_ticks: price(instrument, draw),
                quantity: 5 * draw.below(4) as i64,
                buyer: account(draw),
                seller: account(draw),
                buyer_fee: draw.pick(&[0, 1000, -1000, 10_i128.pow(30)]),
                seller_fee: draw.pick(&[0, -10, 12_345]),
            })
        }
        _ => Command::AdvanceClock,
    }
}

/// One of a few instruments, of which some cannot be created.
fn instrument(draw: &mut Draw) -> Instrument {
    let symbol = draw.pick(&["NARROW", "LOTS", "WIDE", "WIDEST", "FIFTH"]);
    let (lot_size, maximum_price_ticks, currency) = match symbol {
        "NARROW" => (1, 12, "USD"),
        "LOTS" => (5, 100, "USD"),
        "WIDE" => (1, 1_000_000, "EUR"),
        "WIDEST" => (1, MAXIMUM_PRICE_TICKS, "CHF"),
        _ => (1, 1, "JPY"),
    };
    let out_of_range = draw.below(9);
    Instrument {
        symbol: Symbol::new(symbol).unwrap(),
        currency: CurrencyCode::new(currency).unwrap(),
        tick_digits: if out_of_range == 1 { 0 } else { 1 },
        tick_scale: match out_of_range {
            2 => 10,
            6 => u8::MAX,
            _ => 2,
        },
        lot_size: if out_of_range == 3 { 0 } else { lot_size },
        maximum_price_ticks: match out_of_range {
            4 => 0,
            5 => MAXIMUM_PRICE_TICKS + 1,
            _ => maximum_price_ticks,
        },
    }
}

/// Mostly one that exists, and mostly one of two.
fn any_instrument(draw: &mut Draw) -> InstrumentId {
    match draw.below(162) {
        161 => 0,
        160 => 5,
        drawn => [1, 2, 1, 2, 3, 1, 2, 4][drawn as usize % 8],
    }
}

fn account(draw: &mut Draw) -> AccountId {
    match draw.below(160) {
        159 => 0,
        158 => 7,
        155..158 => 6,
        drawn => 1 + drawn as u32 % 5,
    }
}

fn participant(draw: &mut Draw) -> ParticipantId {
    draw.pick(&[0, 0, 0, 1, 2, 3])
}

fn role(draw: &mut Draw) -> RoleName {
    let roles = ["anna", "boris", "chen", "anna", "boris", "dora", "emil", "fritz", "gerd"];
    RoleName::new(draw.pick(&roles)).unwrap()
}

/// An open order, or the number of one of the last commands, or of one that is to come.
fn some_order(exchange: &impl View, draw: &mut Draw) -> OrderId {
    let open = open_orders(exchange);
    if open.is_empty() || draw.once_in(6) {
        (exchange.counters().sequence + 1).saturating_sub(draw.below(40))
    } else {
        open[draw.below(open.len() as u64) as usize].order_id
    }
}

fn open_orders(exchange: &impl View) -> Vec<Order> {
    let instruments = 1..=exchange.instruments().len() as InstrumentId;
    let of_instrument = |id| {
        let buys = exchange.queue(id, Side::Buy);
        buys.chain(exchange.queue(id, Side::Sell)).chain(exchange.waiting(id))
    };
    instruments.flat_map(of_instrument).collect()
}

fn client_order_id(draw: &mut Draw) -> ClientOrderId {
    ClientOrderId::new(draw.pick(&["one", "two", "three"])).unwrap()
}

/// Prices close together, so that orders meet, and now and then far apart, so that levels
/// lie on different pages; sometimes out of range.
fn price(instrument: InstrumentId, draw: &mut Draw) -> i64 {
    let near = 4 + draw.below(8) as i64;
    match (instrument, draw.below(64)) {
        (_, 63) => 4 - near,
        (3 | 4, 30) => near * 83_000,
        (3 | 4, 28..30) => near * 4096,
        (3 | 4, 26..28) => near * 64,
        (3 | 4, _) => 500_000 + near,
        (_, 30) => near + 4,
        (_, 29) => near - 3,
        _ => near,
    }
}

fn quantity(instrument: InstrumentId, draw: &mut Draw) -> i64 {
    let lot_size = if instrument == 2 { 5 } else { 1 };
    match draw.below(130) {
        129 => 0,
        128 => i64::MAX,
        127 => maximum_quantity(MAXIMUM_PRICE_TICKS),
        126 => 7,
        drawn => lot_size * (1 + drawn as i64 % 9),
    }
}

fn plain_order(draw: &mut Draw) -> NewOrder {
    let instrument = any_instrument(draw);
    NewOrder {
        instrument,
        side: draw.pick(&SIDES),
        price_ticks: price(instrument, draw),
        quantity: quantity(instrument, draw),
        account: account(draw),
        time_in_force: draw.pick(&[
            TimeInForce::GoodTillCancel,
            TimeInForce::GoodTillCancel,
            TimeInForce::GoodTillCancel,
            TimeInForce::ImmediateOrCancel,
            TimeInForce::Day,
            TimeInForce::FillOrKill,
            // Without a time, which a plain order has not: it has expired already.
            TimeInForce::GoodTillDate,
        ]),
        self_trade_prevention: self_trade_prevention(draw),
    }
}

fn self_trade_prevention(draw: &mut Draw) -> SelfTradePrevention {
    draw.pick(&[
        SelfTradePrevention::CancelNewest,
        SelfTradePrevention::Allow,
        SelfTradePrevention::CancelOldest,
        SelfTradePrevention::Decrement,
        SelfTradePrevention::CancelBoth,
    ])
}

/// An order of any type, whose terms mostly go together.
fn order_with_terms(exchange: &impl View, draw: &mut Draw) -> Command {
    let instrument = any_instrument(draw);
    let order_type = draw.pick(&[
        OrderType::Limit,
        OrderType::Limit,
        OrderType::Market,
        OrderType::Pegged,
        OrderType::Limit,
        OrderType::Stop,
        OrderType::StopLimit,
        OrderType::TrailingStop,
        OrderType::Limit,
    ]);
    let mut new = NewOrder {
        instrument,
        side: draw.pick(&SIDES),
        price_ticks: price(instrument, draw),
        quantity: quantity(instrument, draw),
        account: account(draw),
        time_in_force: TimeInForce::GoodTillCancel,
        self_trade_prevention: self_trade_prevention(draw),
    };
    let mut terms = Terms { order_type, ..Terms::PLAIN };
    let part = |draw: &mut Draw| {
        let lot_size = if instrument == 2 { 5 } else { 1 };
        (lot_size * (1 + draw.below(3) as i64)).min(new.quantity)
    };
    match order_type {
        OrderType::Limit => match draw.below(8) {
            0 => terms.display_quantity = part(draw),
            1 => terms.hidden = true,
            2 => terms.all_or_none = true,
            3 => terms.post_only = draw.pick(&[PostOnly::Slide, PostOnly::Reject]),
            4 => terms.minimum_quantity = part(draw),
            5 => new.time_in_force = TimeInForce::FillOrKill,
            6 => new.time_in_force = TimeInForce::ImmediateOrCancel,
            _ => {}
        },
        OrderType::Market => {
            new.time_in_force =
                draw.pick(&[TimeInForce::ImmediateOrCancel, TimeInForce::FillOrKill]);
            if draw.once_in(4) {
                terms.minimum_quantity = part(draw);
            }
        }
        OrderType::Stop | OrderType::StopLimit => {
            terms.stop_price_ticks = price(instrument, draw);
            terms.trigger = draw.pick(&Trigger::ALL);
        }
        OrderType::TrailingStop => terms.trail_ticks = 1 + draw.below(3) as i64,
        OrderType::Pegged => {
            terms.peg = draw.pick(&[Peg::BestBid, Peg::Midpoint, Peg::BestAsk]);
        }
    }
    let needs_no_price =
        matches!(order_type, OrderType::Market | OrderType::Stop | OrderType::TrailingStop);
    if needs_no_price && !draw.once_in(3) {
        new.price_ticks = 0;
    }
    if new.time_in_force == TimeInForce::GoodTillCancel {
        match draw.below(6) {
            5 => new.time_in_force = TimeInForce::Day,
            4 => {
                new.time_in_force = TimeInForce::GoodTillDate;
                terms.expire_at_us = exchange.counters().time_us + draw.below(150) as i64;
            }
            _ => {}
        }
    }
    if draw.once_in(5) {
        terms.linked_order = some_order(exchange, draw);
        // The other order must be of the same account.
        if let Some(linked) = exchange.order(terms.linked_order)
            && !draw.once_in(4)
        {
            new.account = linked.account;
        }
    }
    if draw.once_in(5) {
        terms.client_order_id = Some(client_order_id(draw));
    }
    if draw.once_in(6) {
        terms.session = 1 + draw.below(3);
    }
    if draw.once_in(14) {
        spoil(&mut new, &mut terms, draw);
    }
    Command::PlaceOrderWithTerms(new, terms)
}

/// Changes something that may not go together with the rest.
fn spoil(new: &mut NewOrder, terms: &mut Terms, draw: &mut Draw) {
    match draw.below(14) {
        0 => new.price_ticks = 0,
        1 => new.time_in_force = TimeInForce::GoodTillCancel,
        2 => terms.stop_price_ticks = draw.below(2) as i64 * 5,
        3 => terms.trail_ticks = draw.below(2) as i64 * 3,
        4 => terms.peg = draw.pick(&[Peg::None, Peg::Midpoint]),
        5 => terms.expire_at_us = draw.below(2) as i64,
        6 => terms.post_only = PostOnly::Slide,
        7 => terms.minimum_quantity = 1 + draw.below(20) as i64,
        8 => terms.display_quantity = 1 + draw.below(20) as i64,
        9 => terms.hidden = true,
        10 => terms.all_or_none = true,
        11 => new.time_in_force = TimeInForce::FillOrKill,
        12 => terms.trigger = Trigger::BestQuote,
        _ => {
            terms.stop_price_ticks = draw.pick(&[-1, i64::MAX]);
            terms.trail_ticks = draw.pick(&[0, -1, i64::MIN]);
        }
    }
}

fn money(draw: &mut Draw) -> Money {
    let unit = draw.pick(&[10_i128.pow(8), 10_i128.pow(9), 10_i128.pow(13), 1]);
    match draw.below(50) {
        49 => MAXIMUM_MONEY + 1,
        48 => -MAXIMUM_MONEY - 1,
        47 => draw.pick(&[MAXIMUM_MONEY, -MAXIMUM_MONEY]),
        amount => unit * (i128::from(amount) - 16),
    }
}

fn price_rules(draw: &mut Draw) -> PriceRules {
    let parts = [0, 0, 0, 300_000, 0, 500_000, 0, 1_000_000, 5, 0, 400_000, 0];
    PriceRules {
        collar_ppm: draw.pick(&parts),
        band_ppm: draw.pick(&parts),
        volatility_halt_us: match draw.below(20) {
            19 => 0,
            18 => 86_400_000_001,
            drawn => 1 + 5 * drawn as i64,
        },
        protection_ppm: draw.pick(&[300_000, 100_000, 0, 1_000_000, 2, 1_000_001]),
    }
}

fn risk_limits(draw: &mut Draw) -> RiskLimits {
    let mut limits = RiskLimits::NONE;
    let quantity = draw.pick(&[8, 20, 40, 20, 3]);
    let value = 10_i128.pow(7) * draw.pick(&[50, 200, 20]);
    match draw.below(16) {
        7 => limits.order_quantity = quantity,
        8 => limits.order_value = value,
        9 => limits.daily_bought_quantity = 3 * quantity,
        10 => limits.daily_sold_quantity = 3 * quantity,
        11 => limits.daily_bought_value = 5 * value,
        12 => limits.daily_sold_value = 5 * value,
        13 => limits.open_orders = draw.below(8) as u32,
        14 => {
            limits.daily_sold_quantity = quantity;
            limits.order_value = value;
            limits.open_orders = 5;
        }
        15 => limits.order_value = -1,
        _ => {}
    }
    limits
}

/// A day that lasts some hundred commands, and sometimes is out of order.
fn trading_day(now: &Counters, draw: &mut Draw) -> TradingDay {
    let mut next = now.time_us + 400 * draw.below(4) as i64 - 20;
    let mut step = |draw: &mut Draw| {
        next += 20 + draw.below(120) as i64;
        if draw.once_in(40) { next - 30 } else { next }
    };
    TradingDay {
        trade_date: now.trade_date + draw.pick(&[1, 2, 0, 3, 4, -1]),
        pre_open_us: step(draw),
        open_us: step(draw),
        closing_auction_us: step(draw),
        close_us: step(draw),
    }
}
