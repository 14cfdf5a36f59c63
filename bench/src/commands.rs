//! The stream as commands of the engine.

use crate::stream::{self, Kind, Record, Stream};
use matcher::{
    AccountStatus, Command, CurrencyCode, FeeSchedule, Instrument, NewOrder, OrderId, PriceRules,
    RiskLimits, RoleName, ScheduleName, SelfTradePrevention, Side, Symbol, TimeInForce, VENUE,
};

/// Accounts that the orders of the stream are spread over.
const ACCOUNTS: u64 = 1000;
/// Owners of the accounts.
const PARTICIPANTS: u64 = 50;
/// What each account begins with, in units of 10⁻⁹ of the currency and in shares of each
/// instrument: more than it can spend.
const MONEY: i128 = 10_i128.pow(24);
const SHARES: i64 = 1 << 40;

/// What the engine does beside matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// Holds and moves money and shares, which it always does.
    Plain,
    /// And everything else: fees, the limits of account, instrument and position, a collar
    /// and bands. No order of the stream is outside of them.
    AllOn,
}

/// A record whose order is named as the engine names it: by the sequence number of the
/// command that placed it. As large as a record of the stream.
#[derive(Clone, Copy)]
pub struct CompactCommand {
    order_id: OrderId,
    price: u32,
    quantity: u32,
    instrument: u16,
    /// Of a new order its account, of a cancel the participant who asks.
    who: u16,
    kind: Kind,
    side: Side,
}

const _: () = assert!(size_of::<CompactCommand>() == 24);

impl CompactCommand {
    fn new(record: &Record, order_id: OrderId) -> Self {
        let account = record.order_id % ACCOUNTS + 1;
        let owner = owner_of(account);
        Self {
            order_id,
            price: u32::try_from(record.price).expect("prices of the stream are small"),
            quantity: record.quantity,
            instrument: record.symbol + 1,
            who: match record.kind {
                Kind::New => account as u16,
                Kind::Cancel => owner as u16,
            },
            kind: record.kind,
            side: match record.side {
                stream::Side::Buy => Side::Buy,
                stream::Side::Sell => Side::Sell,
            },
        }
    }

    /// The command as a sender would write it.
    pub fn command(&self) -> Command {
        match self.kind {
            Kind::New => Command::PlaceOrder(NewOrder {
                instrument: self.instrument.into(),
                account: self.who.into(),
                side: self.side,
                time_in_force: TimeInForce::GoodTillCancel,
                price_ticks: self.price.into(),
                quantity: self.quantity.into(),
                // As in the comparison, where orders have no owners.
                self_trade_prevention: SelfTradePrevention::Allow,
            }),
            Kind::Cancel => {
                Command::CancelOrder { order_id: self.order_id, participant: self.who.into() }
            }
        }
    }
}

/// A stream for the engine.
pub struct Commands {
    /// Instruments, accounts and what they have, the opening of the market and the prefill.
    pub before: Vec<Command>,
    /// What is measured.
    pub timed: Vec<CompactCommand>,
    /// By sequence number: the order id of the stream, 0 where the command is no order.
    stream_ids: Vec<u64>,
}

impl Commands {
    /// Translates a stream.
    pub fn new(stream: &Stream, set_up: SetUp) -> Self {
        let mut before = market(stream.symbols, set_up);
        let mut timed = Vec::with_capacity(stream.records.len());
        let mut stream_ids = vec![0; before.len() + 1];
        let mut sequences: Vec<OrderId> = vec![0; stream.highest_id as usize + 1];
        for (index, record) in stream.records.iter().enumerate() {
            let sequence = stream_ids.len() as OrderId;
            let order_id = &mut sequences[record.order_id as usize];
            stream_ids.push(match record.kind {
                Kind::New => record.order_id,
                Kind::Cancel => 0,
            });
            if record.kind == Kind::New {
                *order_id = sequence;
            }
            let compact = CompactCommand::new(record, *order_id);
            if index < stream.prefill {
                before.push(compact.command());
            } else {
                timed.push(compact);
            }
        }
        Self { before, timed, stream_ids }
    }

    /// What the stream calls the order.
    pub fn stream_id(&self, order_id: OrderId) -> u64 {
        self.stream_ids[order_id as usize]
    }
}

/// Accounts are dealt out to the participants in turn.
fn owner_of(account: u64) -> u64 {
    let owner = (account - 1) % PARTICIPANTS + 1;
    assert!(owner != u64::from(VENUE), "cancels prove their ownership");
    owner
}

/// An open market in which every account can pay for every order.
fn market(symbols: u16, set_up: SetUp) -> Vec<Command> {
    let instruments = 1..=u32::from(symbols);
    let accounts = 1..=ACCOUNTS as u32;
    let mut commands = Vec::new();
    for symbol in 0..symbols {
        commands.push(Command::CreateInstrument(Instrument {
            symbol: Symbol::new(&format!("S{symbol}")).expect("it is short"),
            currency: CurrencyCode::new("USD").expect("it is short"),
            tick_digits: 1,
            tick_scale: 2,
            lot_size: 1,
            maximum_price_ticks: 10_000_000,
        }));
    }
    for account in accounts.clone() {
        let owner = RoleName::new(&format!("broker_{}", owner_of(account.into())));
        commands.push(Command::OpenAccount { owner: owner.expect("it is short") });
        commands.push(Command::SetAccountStatus { account, status: AccountStatus::Verified });
        commands.push(Command::TransferCash { account, currency: 1, amount: MONEY });
        let shares = |instrument| Command::TransferShares { account, instrument, quantity: SHARES };
        commands.extend(instruments.clone().map(shares));
    }
    if set_up == SetUp::AllOn {
        commands.push(Command::CreateFeeSchedule(FeeSchedule {
            name: ScheduleName::new("standard").expect("it is short"),
            maker_ppm: -20,
            taker_ppm: 300,
            auction_ppm: 100,
        }));
        let limits = |account, instrument| Command::SetRiskLimits {
            account,
            instrument,
            limits: WIDE_LIMITS,
        };
        for account in accounts {
            commands.push(Command::SetFeeSchedule { account, schedule: 1 });
            commands.push(limits(account, 0));
            commands.extend(instruments.clone().map(|instrument| limits(account, instrument)));
        }
        for instrument in instruments {
            commands.push(limits(0, instrument));
            commands.push(Command::SetPriceRules { instrument, rules: WIDE_RULES });
            let price_ticks = REFERENCE_PRICE_TICKS;
            commands.push(Command::SetReferencePrice { instrument, price_ticks });
        }
    }
    commands.push(Command::OpenMarket { trade_date: 1 });
    commands
}

/// Limits that have to be checked and that no account comes to.
const WIDE_LIMITS: RiskLimits = RiskLimits {
    order_quantity: 1 << 40,
    order_value: MONEY,
    daily_bought_quantity: 1 << 50,
    daily_sold_quantity: 1 << 50,
    daily_bought_value: MONEY,
    daily_sold_value: MONEY,
    open_orders: 1 << 30,
};

/// The widest collar and bands that there are.
const WIDE_RULES: PriceRules = PriceRules {
    collar_ppm: 1_000_000,
    band_ppm: 1_000_000,
    volatility_halt_us: 300_000_000,
    protection_ppm: 100_000,
};

/// So high that the bands hold all prices of the stream.
const REFERENCE_PRICE_TICKS: i64 = 50_000;
