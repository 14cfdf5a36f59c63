//! Whoever runs the venue: opens and closes the market, halts instruments, moves money and shares,
//! cancels trades, and lets those trade again who pulled their kill switch.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use auditor::Testimony;
use auditor::testimony::{Attempt, Entry, Outcome, Transfer};
use rust_decimal::Decimal;
use tests::Session;
use tests::random::Random;
use venue::connection::Connection;

use super::call::Desk;
use super::orders::price;
use super::{INSTRUMENTS, Shared};

/// What accounts have to begin with, of each currency and each instrument: one is rich, the next
/// poor.
const MONEY: [i64; 2] = [100_000_000, 30_000];
const SHARES: [i64; 2] = [1_000_000, 2_000];
/// What an account may owe, once it may.
const CREDIT: i64 = 50_000;

pub(super) struct Operator {
    desk: Desk,
    seed: u64,
    number: usize,
    requests: u64,
    accounts: Vec<i32>,
    /// How many transfers it has made: no two are of the same amount.
    transfers: i64,
}

impl Operator {
    pub fn new(connection: Connection, shared: Arc<Shared>, seed: u64, number: usize) -> Self {
        let desk = Desk::new(connection, shared);
        Self { desk, seed, number, requests: 0, accounts: Vec::new(), transfers: 0 }
    }

    pub fn testimony(&self) -> Arc<Mutex<Testimony>> {
        self.desk.share_testimony()
    }

    /// Says in which life of the server the accounts are opened.
    pub fn register(&mut self, superuser: &mut Session) -> Result<()> {
        let name = superuser.one(auditor::Incarnations::QUERY);
        ensure!(self.desk.shared().incarnations().number(&name) == 0, "the server crashed already");
        Ok(())
    }

    /// Opens an account with money and shares.
    pub fn open_account(&mut self, superuser: &mut Session, role: &str) -> i32 {
        let account = superuser.number(&format!("SELECT exchange.open_account('{role}')")) as i32;
        superuser.run(&format!("SELECT exchange.verify_account({account})"));
        let wealth = self.accounts.len() % 2;
        self.accounts.push(account);
        let mut transfers = Vec::new();
        for currency in ["USD", "EUR"] {
            let amount = self.amount(MONEY[wealth]);
            transfers.push(Transfer { account, what: currency.to_owned(), shares: false, amount });
        }
        for (symbol, ..) in INSTRUMENTS {
            let amount = Decimal::from(SHARES[wealth] + self.serial());
            transfers.push(Transfer { account, what: symbol.to_owned(), shares: true, amount });
        }
        for transfer in transfers {
            superuser.run(&format!("SELECT exchange.{}", call(&transfer)));
            let sent = self.desk.shared().tick();
            let received = self.desk.shared().tick();
            let outcome = Outcome::Answered { answer: (), durable: true, received };
            let attempt = Attempt { incarnation: 0, sent, outcome };
            self.desk.testimony().add(Entry::Transferred { transfer, attempt });
        }
        account
    }

    fn serial(&mut self) -> i64 {
        self.transfers += 1;
        self.transfers
    }

    /// So much money, and a billionth part for each transfer that there was.
    fn amount(&mut self, units: i64) -> Decimal {
        Decimal::from(units) + Decimal::new(self.serial(), 9)
    }

    /// Operates as long as the gate opens; what the nth request is follows from the seed.
    pub fn work(&mut self) {
        while self.desk.shared().pass_gate() {
            if self.desk.connect().is_none() {
                continue;
            }
            let stream = ((self.number as u64) << 40) + self.requests;
            self.requests += 1;
            let mut random = Random::new(self.seed, stream);
            std::thread::sleep(Duration::from_millis(random.between(0, 60).cast_unsigned()));
            if random.per_cent(40) {
                self.set_right();
            } else {
                self.act(&mut random);
            }
        }
    }

    /// Lets everybody trade again.
    fn set_right(&mut self) {
        for call in [
            "exchange.resume_instrument(symbol) FROM exchange.instrument_states WHERE halted",
            "exchange.verify_account(account_id) FROM exchange.accounts WHERE status = 'suspended'",
            "exchange.release_kill_switch(account_id) FROM exchange.accounts WHERE kill_switch",
            "exchange.open_market() FROM exchange.pg_stat_exchange WHERE market = 'closed'",
        ] {
            self.desk.call(&format!("SELECT {call}"));
        }
    }

    fn act(&mut self, random: &mut Random) {
        let account = *random.pick(&self.accounts);
        let (symbol, tick, _, _, currency) = *random.pick(&INSTRUMENTS);
        let units = random.between(1, 5_000);
        let few = random.between(1, 500);
        let price = price(random, tick, 10);
        let or_null = |random: &mut Random, value: String| {
            if random.per_cent(60) { "NULL".to_owned() } else { value }
        };
        let call = match random.between(0, 99) {
            0..20 => {
                let amount = self.amount(units) * Decimal::from(*random.pick(&[1, 1, -1]));
                let what = currency.to_owned();
                return self.transfer(Transfer { account, what, shares: false, amount });
            }
            20..35 => {
                let amount = Decimal::from(self.serial() * *random.pick(&[1, 1, -1]));
                let what = symbol.to_owned();
                return self.transfer(Transfer { account, what, shares: true, amount });
            }
            35..45 => return self.bust(random),
            45..52 => {
                let name = *random.pick(&["NULL", "'rebate'", "'dear'", "'even'"]);
                format!("set_fee_schedule({account}, {name})")
            }
            52..58 => {
                let quantity = or_null(random, (few + 100).to_string());
                let value = or_null(random, format!("{few} * 50"));
                let open = or_null(random, (few / 50 + 5).to_string());
                format!(
                    "set_risk_limits({account}, '{symbol}', {quantity}, {value}, open_orders => {open})"
                )
            }
            58..66 => format!("set_risk_limits({account}, '{symbol}')"),
            66..74 => {
                let collar = or_null(random, "0.06".to_owned());
                let band = or_null(random, "0.012".to_owned());
                format!("set_price_rules('{symbol}', {collar}, {band}, '5 ms', 0.02)")
            }
            74..78 => format!("set_reference_price('{symbol}', {price})"),
            78..84 => format!("halt_instrument('{symbol}')"),
            84..86 => "halt_instrument()".to_owned(),
            86..90 => format!("suspend_account({account})"),
            90..94 => "close_market()".to_owned(),
            94..97 => format!("set_credit_limit({account}, '{currency}', {CREDIT})"),
            _ => {
                self.desk.testimony().add(Entry::CancelledAll { account: Some(account) });
                format!("mass_cancel({account})")
            }
        };
        self.desk.call(&format!("SELECT exchange.{call}"));
    }

    fn transfer(&mut self, transfer: Transfer) {
        let call = format!("SELECT exchange.{}", call(&transfer));
        let attempt = self.desk.call(&call).with(|_| ());
        self.desk.testimony().add(Entry::Transferred { transfer, attempt });
    }

    /// Cancels one of the last trades.
    fn bust(&mut self, random: &mut Random) {
        let back = random.between(0, 9);
        let query = format!(
            "SELECT trade_id FROM exchange.trades WHERE busted_at IS NULL
             ORDER BY trade_id DESC LIMIT 1 OFFSET {back}"
        );
        let found = self.desk.call(&query);
        let Some(trade_id) = found.answer().and_then(|rows| rows.first()?.parse::<i64>().ok())
        else {
            return;
        };
        let call = format!("SELECT exchange.bust_trade({trade_id})");
        let attempt = self.desk.call(&call).with(|_| ());
        self.desk.testimony().add(Entry::Busted { trade_id, attempt });
    }
}

/// The call that makes a transfer.
fn call(transfer: &Transfer) -> String {
    let Transfer { account, what, shares, amount } = transfer;
    let function = match (shares, amount.is_sign_negative()) {
        (false, false) => "deposit",
        (false, true) => "withdraw",
        (true, false) => "deposit_shares",
        (true, true) => "withdraw_shares",
    };
    format!("{function}({account}, '{what}', {})", amount.abs())
}
