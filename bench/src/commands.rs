//! The stream as commands of the engine.

use crate::stream::{self, Kind, Stream};
use matcher::{
    Command, Instrument, NewOrder, OrderId, RoleName, Side, Symbol, TimeInForce, VENUE,
};

/// Accounts that the orders of the stream are spread over.
const ACCOUNTS: u32 = 1000;
/// Owners of the accounts.
const PARTICIPANTS: u32 = 50;

/// A stream whose orders are named as the engine names them: by sequence number.
pub struct Commands {
    /// Instruments, accounts, the opening of the market and the prefill.
    pub before: Vec<Command>,
    /// What is measured.
    pub timed: Vec<Command>,
    /// By sequence number: the order id of the stream, 0 where the command is no order.
    stream_ids: Vec<u32>,
}

impl Commands {
    /// Translates a stream.
    pub fn new(stream: &Stream) -> Self {
        let mut all = set_up(stream.symbols);
        let mut stream_ids = vec![0; all.len() + 1];
        let mut sequences: Vec<OrderId> = vec![0; stream.highest_id as usize + 1];
        let timed_from = all.len() + stream.prefill;
        for record in &stream.records {
            // Accounts that lie in memory as those of real orders would: anywhere.
            let account = (record.order_id * 7919 % u64::from(ACCOUNTS)) as u32 + 1;
            let id = record.order_id as usize;
            all.push(match record.kind {
                Kind::New => Command::PlaceOrder(NewOrder {
                    instrument: u32::from(record.symbol) + 1,
                    account,
                    side: match record.side {
                        stream::Side::Buy => Side::Buy,
                        stream::Side::Sell => Side::Sell,
                    },
                    time_in_force: TimeInForce::GoodTillCancel,
                    price_ticks: record.price,
                    quantity: i64::from(record.quantity),
                }),
                Kind::Cancel => Command::CancelOrder {
                    order_id: sequences[id],
                    participant: owner_of(account),
                },
            });
            stream_ids.push(match record.kind {
                Kind::New => record.order_id as u32,
                Kind::Cancel => 0,
            });
            if record.kind == Kind::New {
                sequences[id] = all.len() as OrderId;
            }
        }
        let timed = all.split_off(timed_from);
        Self { before: all, timed, stream_ids }
    }

    /// What the stream calls the order.
    pub fn stream_id(&self, order_id: OrderId) -> u64 {
        u64::from(self.stream_ids[order_id as usize])
    }
}

/// Accounts are dealt out to the participants in turn.
fn owner_of(account: u32) -> u32 {
    let owner = (account - 1) % PARTICIPANTS + 1;
    assert!(owner != VENUE, "cancels prove their ownership");
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
