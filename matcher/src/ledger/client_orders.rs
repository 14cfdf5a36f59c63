//! The names that brokers gave to their orders, and what each was first answered.

use crate::outcome::Order;
use crate::{AccountId, ClientOrderId, Sequence};
use std::collections::{BTreeMap, VecDeque};

/// Names of the last so many commands.
pub(crate) struct ClientOrders {
    window: u64,
    /// By order id.
    answers: VecDeque<Order>,
    by_name: BTreeMap<(AccountId, ClientOrderId), Sequence>,
}

impl ClientOrders {
    pub(crate) fn new(window: u32) -> Self {
        Self { window: window.into(), answers: VecDeque::new(), by_name: BTreeMap::new() }
    }

    fn is_remembered(&self, order_id: Sequence, now: Sequence) -> bool {
        order_id + self.window > now
    }

    /// The first answer to a name, if it is remembered in the command `now`.
    pub(crate) fn find(
        &self,
        account: AccountId,
        name: &ClientOrderId,
        now: Sequence,
    ) -> Option<&Order> {
        let order_id = *self.by_name.get(&(account, *name))?;
        if !self.is_remembered(order_id, now) {
            return None;
        }
        let at = self.answers.binary_search_by_key(&order_id, |order| order.order_id);
        Some(&self.answers[at.expect("every name has its answer")])
    }

    /// Remembers an answer, and forgets what is too old in its command.
    pub(crate) fn remember(&mut self, answer: &Order) {
        let name = answer.terms.client_order_id.expect("it has a name");
        while let Some(oldest) = self.answers.front()
            && !self.is_remembered(oldest.order_id, answer.order_id)
        {
            let oldest = self.answers.pop_front().expect("it is there");
            let name = oldest.terms.client_order_id.expect("it has a name");
            // The name may have been used again since.
            if self.by_name.get(&(oldest.account, name)) == Some(&oldest.order_id) {
                self.by_name.remove(&(oldest.account, name));
            }
        }
        if self.is_remembered(answer.order_id, answer.order_id) {
            self.answers.push_back(*answer);
            self.by_name.insert((answer.account, name), answer.order_id);
        }
    }

    /// The last order whose name was remembered.
    pub(crate) fn last(&self) -> Option<Sequence> {
        self.answers.back().map(|order| order.order_id)
    }

    /// What is remembered after the command `now`, by order id.
    pub(crate) fn remembered(&self, now: Sequence) -> impl Iterator<Item = &Order> {
        self.answers.iter().filter(move |order| self.is_remembered(order.order_id, now))
    }
}
