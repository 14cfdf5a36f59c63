//! The stream as commands of the engine.

use crate::stream::{self, Kind, Record, Stream};
use matcher::{Command, Instrument, NewOrder, OrderId, RoleName, Side, Symbol, TimeInForce, VENUE};

/// Accounts that the orders of the stream are spread over.
const ACCOUNTS: u64 = 1000;
/// Owners of the accounts.
const PARTICIPANTS: u64 = 50;

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
            }),
            Kind::Cancel => {
                Command::CancelOrder { order_id: self.order_id, participant: self.who.into() }
            }
        }
    }
}

/// A stream for the engine.
pub struct Commands {
    /// Instruments, accounts, the opening of the market and the prefill.
    pub before: Vec<Command>,
    /// What is measured.
    pub timed: Vec<CompactCommand>,
    /// By sequence number: the order id of the stream, 0 where the command is no order.
    stream_ids: Vec<u64>,
}

impl Commands {
    /// Translates a stream.
    pub fn new(stream: &Stream) -> Self {
        let mut before = set_up(stream.symbols);
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

fn set_up(symbols: u16) -> Vec<Command> {
    let instruments = (0..symbols).map(|symbol| {
        Command::CreateInstrument(Instrument {
            symbol: Symbol::new(&format!("S{symbol}")).expect("it is short"),
            tick_digits: 1,
            tick_scale: 2,
            lot_size: 1,
            maximum_price_ticks: 10_000_000,
        })
    });
    let accounts = (1..=ACCOUNTS).map(|account| {
        let owner = RoleName::new(&format!("broker_{}", owner_of(account)));
        Command::OpenAccount { owner: owner.expect("it is short") }
    });
    instruments.chain(accounts).chain([Command::OpenMarket]).collect()
}
