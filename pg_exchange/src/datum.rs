//! Values of SQL types as Rust sees them.

use std::ffi::CStr;

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum};

use crate::numeric;

/// A `numeric` value.
#[derive(Clone, Copy)]
pub struct Numeric<'call>(&'call [u8], Datum);

impl Numeric<'_> {
    /// The value times 10^`scale`, where that is whole.
    pub fn scaled(&self, scale: u8) -> Result<i128, numeric::NotWhole> {
        numeric::scaled(self.0, scale)
    }

    /// As Postgres writes it.
    pub fn text(&self) -> String {
        // SAFETY: `numeric_out` of a numeric makes a C string.
        unsafe {
            let text = pgrx::direct_function_call_as_datum(pg_sys::numeric_out, &[Some(self.1)])
                .expect("numeric_out returns no NULL");
            CStr::from_ptr(text.cast_mut_ptr()).to_string_lossy().into_owned()
        }
    }
}

/// A value of a type that is described by the SQL declaration of the function.
pub trait FromDatum<'call>: Sized {
    /// # Safety
    /// The datum is a non-NULL value of the SQL type that this Rust type stands for.
    unsafe fn from_datum(datum: Datum) -> Self;
}

impl FromDatum<'_> for i64 {
    unsafe fn from_datum(datum: Datum) -> Self {
        datum.value() as i64
    }
}

impl FromDatum<'_> for i32 {
    unsafe fn from_datum(datum: Datum) -> Self {
        datum.value() as i32
    }
}

impl FromDatum<'_> for bool {
    unsafe fn from_datum(datum: Datum) -> Self {
        datum.value() != 0
    }
}

impl FromDatum<'_> for pg_sys::Oid {
    unsafe fn from_datum(datum: Datum) -> Self {
        pg_sys::Oid::from(datum.value() as u32)
    }
}

impl FromDatum<'_> for pg_sys::Interval {
    unsafe fn from_datum(datum: Datum) -> Self {
        // SAFETY: an interval is passed by reference.
        unsafe { *datum.cast_mut_ptr::<pg_sys::Interval>() }
    }
}

/// The payload of a varlena value, detoasted.
///
/// # Safety
/// The datum is a non-NULL varlena value.
unsafe fn payload<'call>(datum: Datum) -> (&'call [u8], Datum) {
    // SAFETY: detoasting a varlena gives a plain one, in memory of the call. One that is
    // plain already, as almost all are, is not worth the way through Postgres.
    unsafe {
        let mut value = datum.cast_mut_ptr::<pg_sys::varlena>();
        if pgrx::varatt_is_1b_e(value) || pgrx::varatt_is_4b_c(value) {
            value = pg_sys::pg_detoast_datum_packed(value);
        }
        let bytes = std::slice::from_raw_parts(
            pgrx::vardata_any(value).cast::<u8>(),
            pgrx::varsize_any_exhdr(value),
        );
        (bytes, Datum::from(value))
    }
}

impl<'call> FromDatum<'call> for &'call str {
    unsafe fn from_datum(datum: Datum) -> Self {
        // SAFETY: a text is a varlena.
        let (bytes, _) = unsafe { payload(datum) };
        str::from_utf8(bytes).unwrap_or_else(|_| {
            crate::errors::raise(
                pgrx::PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
                "a text argument is not UTF-8",
                "",
                "Create the database with ENCODING 'UTF8'.",
            )
        })
    }
}

impl<'call> FromDatum<'call> for &'call [u8] {
    unsafe fn from_datum(datum: Datum) -> Self {
        // SAFETY: a bytea is a varlena.
        unsafe { payload(datum) }.0
    }
}

impl<'call> FromDatum<'call> for Numeric<'call> {
    unsafe fn from_datum(datum: Datum) -> Self {
        // SAFETY: a numeric is a varlena.
        let (bytes, datum) = unsafe { payload(datum) };
        Numeric(bytes, datum)
    }
}

impl<'call> FromDatum<'call> for &'call CStr {
    unsafe fn from_datum(datum: Datum) -> Self {
        // SAFETY: a name is a NUL-terminated array.
        unsafe { CStr::from_ptr(datum.cast_mut_ptr()) }
    }
}

/// A text datum in the current memory context.
pub fn text(value: &str) -> Datum {
    // SAFETY: copies the bytes.
    unsafe {
        Datum::from(pg_sys::cstring_to_text_with_len(
            value.as_ptr().cast(),
            i32::try_from(value.len()).expect("a text is below 2 GiB"),
        ))
    }
}

/// A bytea datum in the current memory context.
pub fn bytes(value: &[u8]) -> Datum {
    // A bytea is laid out as a text is.
    // SAFETY: copies the bytes.
    unsafe {
        Datum::from(pg_sys::cstring_to_text_with_len(
            value.as_ptr().cast(),
            i32::try_from(value.len()).expect("a bytea is below 1 GiB"),
        ))
    }
}

/// A date, in days since 2000-01-01, as SQL writes it: `2026-11-20`.
pub fn date_text(days: i32) -> String {
    let (mut year, mut month, mut day) = (0, 0, 0);
    // SAFETY: a calculation of PostgreSQL's, into three integers.
    unsafe {
        pg_sys::j2date(days + pg_sys::POSTGRES_EPOCH_JDATE as i32, &mut year, &mut month, &mut day);
    }
    format!("{year:04}-{month:02}-{day:02}")
}

/// A `timestamptz` of microseconds since 2000-01-01 UTC.
pub fn timestamp(time_us: i64) -> DatumWithOid<'static> {
    // SAFETY: that is what a timestamptz is.
    unsafe { DatumWithOid::new(time_us, pg_sys::TIMESTAMPTZOID) }
}

/// A `timestamptz` as SQL writes it.
pub fn time_text(time_us: i64) -> String {
    // SAFETY: a formatting function of PostgreSQL's; its buffer is copied at once.
    unsafe { CStr::from_ptr(pg_sys::timestamptz_to_str(time_us)).to_string_lossy().into_owned() }
}
