//! How many orders a participant may send: the error of those that are too many.

use matcher::ParticipantId;
use pgrx::PgSqlErrorCode;

use crate::errors::raise;
use crate::shared::Shared;

/// Lets so many orders of a participant in, or raises an error.
#[inline]
pub fn admit(shared: &Shared, participant: ParticipantId, orders: usize) {
    let Err(throttled) = shared.rate_limiter.admit(participant, orders) else { return };
    let (rate, burst) = (throttled.orders_per_second, throttled.burst);
    let detail = format!(
        "The participant may send {rate} orders a second and {burst} at once; the call has {orders}. Nothing was entered."
    );
    let hint = match throttled.retry_after_us {
        Some(wait_us) => format!("Try again in {} ms.", wait_us.div_ceil(1000)),
        None => format!("Split the arrays into calls of at most {burst} orders."),
    };
    raise(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        "the participant sends more orders than its rate limit allows",
        detail,
        hint,
    )
}
