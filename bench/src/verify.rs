//! What the engine makes of a stream.

use crate::commands::Commands;
use crate::machine::Machine;
use crate::stream::trade_checksum;
use matcher::{Event, Limits, Stamp};

/// The number of trades, and the sum of [`trade_checksum`] over them. Panics if the engine refuses
/// a command, or is not consistent in itself at the end.
pub fn trades<M: Machine>(commands: &Commands, limits: Limits) -> (u64, u64) {
    let mut engine = M::new(limits);
    let mut events = Vec::new();
    let mut trades = 0;
    let mut checksum = 0u64;
    let timed = commands.timed.iter().map(|compact| compact.command());
    for command in commands.before.iter().copied().chain(timed) {
        engine.validate(Some(&command));
        let stamp = Stamp { sequence: engine.sequence() + 1, time_us: 0 };
        engine.apply(stamp, &command, &mut events);
        for event in events.drain(..) {
            if let Event::Trade(trade) = event {
                trades += 1;
                checksum = checksum.wrapping_add(trade_checksum(
                    commands.stream_id(trade.maker_order_id),
                    commands.stream_id(trade.taker_order_id),
                    trade.price_ticks,
                    trade.quantity as u64,
                ));
            }
        }
    }
    engine.validate(None);
    (trades, checksum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::SetUp;
    use crate::stream::generate;
    use matcher::{BareBooks, Engine};

    #[test]
    fn the_engine_trades_as_the_generator_however_it_is_set_up() {
        let stream = generate(3, 20_000, 500, 7);
        let limits = Limits {
            maximum_instruments: 3,
            maximum_accounts: 1000,
            maximum_open_orders: 1 << 14,
            maximum_price_levels: 1 << 14,
            maximum_positions: 3000,
            client_order_window: 1,
        };
        for set_up in [SetUp::Plain, SetUp::AllOn] {
            let commands = Commands::new(&stream, set_up);
            let expected = (stream.trades, stream.checksum);
            assert_eq!(trades::<Engine>(&commands, limits), expected, "{set_up:?}");
            assert_eq!(trades::<BareBooks>(&commands, limits), expected, "{set_up:?}");
        }
    }
}
