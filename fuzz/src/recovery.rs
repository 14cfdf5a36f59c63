//! An engine as it comes back from its tables.

use matcher::*;

/// An engine made of nothing but what another one shows.
pub fn rebuilt(engine: &Engine, limits: Limits) -> Result<Engine, RestoreError> {
    let mut copy = Engine::new(limits);
    copy.restore_counters(engine.counters());
    for currency in engine.currencies() {
        copy.restore_currency(*currency)?;
    }
    for schedule in engine.fee_schedules() {
        copy.restore_fee_schedule(*schedule)?;
    }
    for participant in engine.participants() {
        copy.restore_participant(*participant)?;
    }
    for account in (1..=engine.account_count()).filter_map(|id| engine.account(id)) {
        copy.restore_account(account)?;
    }
    for (id, instrument) in (1..).zip(engine.instruments()) {
        let state = engine.instrument_state(id).expect("it exists");
        copy.restore_instrument(*instrument, state)?;
    }
    for cash in engine.all_cash() {
        copy.restore_cash(cash)?;
    }
    for position in engine.all_positions() {
        copy.restore_position(position)?;
    }
    for trade_id in engine.busted_trades() {
        copy.restore_busted_trade(trade_id)?;
    }
    for (day, steps_taken) in engine.schedule() {
        copy.restore_trading_day(day, steps_taken)?;
    }
    for id in 1..=engine.instruments().len() as InstrumentId {
        let sides = engine.queue(id, Side::Buy).chain(engine.queue(id, Side::Sell));
        for order in sides.chain(engine.waiting(id)) {
            copy.restore_order(&order)?;
        }
    }
    for order in engine.client_orders() {
        copy.restore_client_order(&order)?;
    }
    copy.restore_finish()?;
    Ok(copy)
}
