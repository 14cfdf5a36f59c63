//! What the clients were told.

use std::collections::btree_map::{BTreeMap, Entry};

use matcher::{Instrument, NewOrder, OrderId, View};

use super::{Replay, Replayed, names, told};
use crate::traders::{Ack, Memory, Request, Standing, Told};

/// Where clients were told something else than what the journal says.
pub(super) fn findings(replay: &Replay, clients: &[Memory]) -> Vec<String> {
    let mut acknowledged = BTreeMap::new();
    let mut findings = Vec::new();
    for client in clients {
        let mut audit = Client { replay, client, findings: Vec::new() };
        audit.check_ids(&mut acknowledged);
        audit.check_placed();
        audit.check_story();
        findings.extend(told(&format!("account {}:", client.account()), &audit.findings));
    }
    findings
}

struct Client<'a> {
    replay: &'a Replay,
    client: &'a Memory,
    findings: Vec<String>,
}

/// What may be in the journal of a request.
enum Expectation {
    /// This order.
    Order(i64),
    /// It, once, or nothing: the call ended with an error.
    Anything,
    /// It, once: the call ended with an error that said so.
    Once,
}

impl Client<'_> {
    fn find(&mut self, what: String) {
        self.findings.push(what);
    }

    fn order(&self, id: i64) -> Option<&Replayed> {
        self.replay.orders.get(&OrderId::try_from(id).ok()?)
    }

    fn sent_as(&self, order: &NewOrder) -> Request {
        let instrument: &Instrument =
            &self.replay.exchange.instruments()[order.instrument as usize - 1];
        Request {
            account: order.account as i32,
            symbol: instrument.symbol.to_string(),
            side: names::label(order.side),
            price: names::price(instrument, order.price_ticks),
            quantity: order.quantity,
            time_in_force: names::time_in_force(order.time_in_force).to_owned(),
        }
    }

    /// No two acknowledgements share an id, whoever got them.
    fn check_ids(&mut self, acknowledged: &mut BTreeMap<i64, i32>) {
        for entry in self.client.log() {
            let Told::Placed { ack, .. } = entry else { continue };
            match acknowledged.entry(ack.order_id) {
                Entry::Vacant(place) => drop(place.insert(self.client.account())),
                Entry::Occupied(other) => {
                    let other = other.get();
                    self.find(format!("order {} was given to account {other} too", ack.order_id));
                }
            }
        }
    }

    /// Every request that was acknowledged is in the journal once and as it was sent; every
    /// other one at most once; and there is nothing else.
    fn check_placed(&mut self) {
        let account = self.client.account();
        let mut requests = self.expectations();
        for (&id, replayed) in &self.replay.orders {
            let sent = self.sent_as(&replayed.placed);
            if sent.account != account {
                continue;
            }
            match requests.remove(&sent) {
                Some(Expectation::Order(told)) if told.cast_unsigned() != id => {
                    self.find(format!("{sent:?} was acknowledged as {told}, and is order {id}"));
                }
                Some(_) => {}
                None => self.find(format!("order {id} ({sent:?}) is there twice, or was not sent")),
            }
        }
        for (request, expectation) in requests {
            match expectation {
                Expectation::Order(id) => self.find(format!("order {id} ({request:?}) is lost")),
                Expectation::Once => {
                    self.find(format!("{request:?} stands, they said: it is lost"))
                }
                Expectation::Anything => {}
            }
        }
    }

    fn expectations(&self) -> BTreeMap<Request, Expectation> {
        let mut requests = BTreeMap::new();
        let mut expect = |request: &Request, expectation| {
            let other = requests.insert(request.clone(), expectation);
            assert!(other.is_none(), "no two requests are the same: {request:?}");
        };
        for entry in self.client.log() {
            match entry {
                Told::Placed { request, ack, .. } => {
                    expect(request, Expectation::Order(ack.order_id));
                }
                Told::Lost { requests, stands: true } => {
                    requests.iter().for_each(|request| expect(request, Expectation::Once));
                }
                Told::Lost { requests, stands: false } => {
                    requests.iter().for_each(|request| expect(request, Expectation::Anything));
                }
                Told::Changed { .. } | Told::NotOpen { .. } => {}
            }
        }
        requests
    }

    /// No answer contradicts a later one, nor the end.
    fn check_story(&mut self) {
        let mut last: BTreeMap<i64, Standing> = BTreeMap::new();
        for entry in self.client.log() {
            match entry {
                Told::Placed { request, ack, .. } => {
                    if ack.inputs != *request {
                        self.find(format!("{request:?} was acknowledged as {:?}", ack.inputs));
                    }
                    last.insert(ack.order_id, ack.standing.clone());
                }
                Told::Changed { ack, .. } => {
                    self.check_inputs(ack);
                    let earlier = last.insert(ack.order_id, ack.standing.clone());
                    self.check_follows(ack.order_id, earlier.as_ref(), &ack.standing);
                }
                Told::NotOpen { order_id, .. } => {
                    if self.order(*order_id).is_none_or(|order| order.order.status.is_open()) {
                        self.find(format!("order {order_id} was said to be finished"));
                    }
                }
                Told::Lost { .. } => {}
            }
        }
        for (id, earlier) in last {
            // That an order is missing was found by check_placed().
            let Some(end) = self.order(id).map(|replayed| Standing::of(&replayed.order)) else {
                continue;
            };
            self.check_follows(id, Some(&earlier), &end);
        }
    }

    fn check_inputs(&mut self, ack: &Ack) {
        let placed = self.order(ack.order_id).map(|replayed| self.sent_as(&replayed.placed));
        let told = &ack.inputs;
        if placed
            .is_none_or(|placed| placed != Request { quantity: placed.quantity, ..told.clone() })
        {
            self.find(format!(
                "order {} is not the one that it was told to be: {told:?}",
                ack.order_id
            ));
        }
    }

    fn check_follows(&mut self, id: i64, earlier: Option<&Standing>, later: &Standing) {
        if let Some(earlier) = earlier
            && !later.follows(earlier)
        {
            self.find(format!("order {id} was {earlier:?} and then {later:?}"));
        }
    }
}
