//! Errors in the manner of Postgres: what happened, with what value, what to do next.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

/// Ends the call with an ERROR.
pub fn raise(
    code: PgSqlErrorCode,
    message: impl Into<String>,
    detail: impl Into<String>,
    hint: impl Into<String>,
) -> ! {
    let mut report = ErrorReport::new(code, message.into(), "");
    let (detail, hint) = (detail.into(), hint.into());
    if !detail.is_empty() {
        report = report.set_detail(detail);
    }
    if !hint.is_empty() {
        report = report.set_hint(hint);
    }
    report.report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

/// An argument that must not be NULL.
pub fn required<T>(value: Option<T>, name: &str) -> T {
    value.unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            format!("{name} must not be NULL"),
            "NULL stands for a value that is not known, and nothing can be entered with one.",
            format!("Give a value for {name}."),
        )
    })
}

/// A `bigint` argument that must not be below 0.
pub fn not_negative(value: i64, name: &str) -> i64 {
    if value < 0 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{name} must not be below 0"),
            format!("It is {value}."),
            "Give at least 0.",
        );
    }
    value
}

/// A literal for a hint that can be pasted.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
