//! Measures the exchange as its clients see it: a private cluster, pgbench and SQL.
//!
//! Everything that is compared is measured in turns, in one run, on one cluster; each
//! figure is the median of the turns. Absolute figures are of this machine, with the load
//! generator on the same cores.

mod colocated;
mod load;
mod pgbench;

use anyhow::Result;
use bench::figures::{at_least, at_most, median};
use bench::sender;
use postgres::Client;
use venue::cluster::{Cluster, SUPERUSER};

use pgbench::Pgbench;

const SYMBOLS: u16 = 100;

struct Plan {
    turns: usize,
    turn_seconds: u32,
    load_seconds: u32,
}

fn main() -> Result<()> {
    let plan = if std::env::args().any(|argument| argument == "--quick") {
        Plan { turns: 1, turn_seconds: 1, load_seconds: 3 }
    } else {
        Plan { turns: 5, turn_seconds: 3, load_seconds: 20 }
    };
    let cluster = Cluster::temporary(&[
        // So many that the orders of a whole run can rest.
        ("exchange.maximum_open_orders", "16777216"),
        // The market is open at any hour.
        ("exchange.calendar", "off"),
    ])?;
    cluster.start()?;
    cluster.create_database(venue::cluster::DATABASE)?;
    let mut client = cluster.connect(venue::cluster::DATABASE, SUPERUSER)?;
    sender::set_up(&mut client, SYMBOLS)?;
    client.batch_execute("CREATE TABLE one_row (id bigserial PRIMARY KEY, quantity bigint)")?;
    let pgbench = Pgbench::new(&cluster)?;

    println!(
        "\none call a transaction (pgbench, prepared statements, median of {} turns)",
        plan.turns
    );
    calls(&pgbench, &plan)?;
    println!("\narrays of 1,000 orders a call, durable and answered");
    arrays(&pgbench, &plan)?;
    println!("\nlatency of place_order, durable, at 10,000 orders/s");
    latency(&pgbench, &mut client, &plan)?;
    println!(
        "\nfrom the answer to an order to the event in the colocated feed, one order at a time"
    );
    colocated::run(&cluster, &mut client, 400 * plan.turns)?;
    println!(
        "\nthe whole exchange: {SYMBOLS} symbols, half new orders, 45 % cancels, 5 % marketable"
    );
    load::run(&cluster, &mut client, SYMBOLS, plan.load_seconds)
}

const PLACE_ORDER: &str = "SELECT * FROM exchange.place_order('IDLE', 'buy', 100.00, 1);";

fn calls(pgbench: &Pgbench, plan: &Plan) -> Result<()> {
    const WAYS: [(&str, &str, &str); 4] = [
        ("SELECT 1", "SELECT 1;", "on"),
        ("place_order, off", PLACE_ORDER, "off"),
        ("INSERT, durable", "INSERT INTO one_row (quantity) VALUES (1);", "on"),
        ("place_order, on", PLACE_ORDER, "on"),
    ];
    println!(
        "{:>8} {:>12} {:>18} {:>6} {:>14} {:>17} {:>17} {:>6} {:>14}",
        "clients", WAYS[0].0, WAYS[1].0, "ratio", "reach", WAYS[2].0, WAYS[3].0, "ratio", "reach"
    );
    for (clients, reach_off, reach_on) in [(1, 0.9, 0.8), (8, 0.6, 1.5), (64, 0.6, 1.5)] {
        let mut turns = [const { Vec::new() }; 4];
        for _ in 0..plan.turns {
            for (rates, (_, script, commit)) in turns.iter_mut().zip(WAYS) {
                rates.push(pgbench.rate(script, commit, clients, plan.turn_seconds)?);
            }
        }
        let [select, off, insert, on] = turns.map(median);
        println!(
            "{clients:>8} {select:>10.0}/s {off:>16.0}/s {:>6.2} {:>14} {insert:>15.0}/s {on:>15.0}/s {:>6.2} {:>14}",
            off / select,
            at_least(off / select, reach_off),
            on / insert,
            at_least(on / insert, reach_on),
        );
    }
    println!("what limits it: to wake and to be woken, a context switch a process on the way");
    Ok(())
}

fn arrays(pgbench: &Pgbench, plan: &Plan) -> Result<()> {
    // As a broker's program would send them, by parameters; the answers are counted, so
    // that what is measured is not their conversion to text.
    let script = "SELECT count(*) FROM exchange.place_orders(
        array_fill('IDLE'::text, ARRAY[1000]), array_fill('buy'::exchange.side, ARRAY[1000]),
        array_fill(100.00, ARRAY[1000]), array_fill(1::bigint, ARRAY[1000]),
        array_fill('IOC'::exchange.time_in_force, ARRAY[1000]));"
        .replace('\n', " ");
    println!("{:>8} {:>14} {:>16}", "clients", "orders/s", "reach");
    for clients in [1, 2, 4] {
        let rates = (0..plan.turns)
            .map(|_| pgbench.rate(&script, "on", clients, plan.turn_seconds))
            .collect::<Result<Vec<_>>>()?;
        let rate = median(rates) * 1000.0;
        println!("{clients:>8} {rate:>14.0} {:>16}", at_least(rate, 2e6));
    }
    println!("what limits it: the answers as rows, and the conversions of numeric");
    Ok(())
}

fn latency(pgbench: &Pgbench, client: &mut Client, plan: &Plan) -> Result<()> {
    client.batch_execute(
        "SELECT exchange.wait_for('projected'); SELECT exchange.reset_statistics()",
    )?;
    pgbench.rate_limited(PLACE_ORDER, "on", 8, plan.turn_seconds * plan.turns as u32, 10_000)?;
    let row = client.query_one(
        "SELECT durable_latency_us_p50, durable_latency_us_p99, durable_latency_us_p999,
                durable_latency_us_max, durable_answers
         FROM exchange.pg_stat_exchange",
        &[],
    )?;
    let us = |column: usize| row.get::<_, Option<f64>>(column).unwrap_or_default();
    println!(
        "p50 {:.0} µs (reach {}), p99 {:.0} µs (reach {}), p99.9 {:.0} µs, max {:.0} µs over {} calls",
        us(0),
        at_most(us(0), 300.0),
        us(1),
        at_most(us(1), 1000.0),
        us(2),
        us(3),
        row.get::<_, i64>(4)
    );
    Ok(())
}
