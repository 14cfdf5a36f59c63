//! Between `numeric` and whole numbers, exactly and fast.
//!
//! The way in reads the stored form of a `numeric` (see the comment at the top of
//! `src/backend/utils/adt/numeric.c`; it cannot change without breaking every table on
//! disk). The way through `numeric_mul` and `numeric_int8` costs half a microsecond an
//! order, several times the match.

use pgrx::pg_sys;

const SIGN_MASK: u16 = 0xC000;
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const SHORT: u16 = 0x8000;
const SHORT_SIGN: u16 = 0x2000;
const SHORT_WEIGHT_SIGN: u16 = 0x0040;
const SHORT_WEIGHT_MASK: u16 = 0x003F;

/// Why a `numeric` is no whole number of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWhole {
    /// It has more decimals than the scale.
    Fraction,
    /// It is NaN, infinite, or too large.
    OutOfRange,
}

/// The `numeric` in `bytes` (without its length word), times 10^`scale`, as a whole number.
pub fn scaled(bytes: &[u8], scale: u8) -> Result<i128, NotWhole> {
    let mut words = bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]]));
    let header = words.next().ok_or(NotWhole::OutOfRange)?;
    let (negative, weight) = match header & SIGN_MASK {
        SHORT => {
            let weight = (header & SHORT_WEIGHT_MASK) as i32;
            let extended = if header & SHORT_WEIGHT_SIGN != 0 {
                weight - (i32::from(SHORT_WEIGHT_MASK) + 1)
            } else {
                weight
            };
            (header & SHORT_SIGN != 0, extended)
        }
        sign @ (POSITIVE | NEGATIVE) => {
            let weight = words.next().ok_or(NotWhole::OutOfRange)? as i16;
            (sign == NEGATIVE, i32::from(weight))
        }
        _ => return Err(NotWhole::OutOfRange),
    };
    // The first digit counts 10000^weight.
    let mut exponent = weight * 4 + i32::from(scale);
    let mut value: i128 = 0;
    for digit in words {
        let digit = i128::from(digit);
        if exponent >= 0 {
            let power = 10_i128.checked_pow(exponent as u32).ok_or(NotWhole::OutOfRange)?;
            let part = digit.checked_mul(power).ok_or(NotWhole::OutOfRange)?;
            value = value.checked_add(part).ok_or(NotWhole::OutOfRange)?;
        } else if exponent > -4 {
            let power = 10_i128.pow(exponent.unsigned_abs());
            if digit % power != 0 {
                return Err(NotWhole::Fraction);
            }
            value = value.checked_add(digit / power).ok_or(NotWhole::OutOfRange)?;
        } else if digit != 0 {
            return Err(NotWhole::Fraction);
        }
        exponent -= 4;
    }
    Ok(if negative { -value } else { value })
}

/// The `numeric` `value` / 10^`scale`, in the current memory context.
pub fn from_scaled(value: i128, scale: u8) -> pg_sys::Datum {
    match i64::try_from(value) {
        // SAFETY: a function of whole numbers, that allocates its result.
        Ok(value) => unsafe {
            pg_sys::Datum::from(pg_sys::int64_div_fast_to_numeric(value, scale.into()))
        },
        Err(_) => {
            let digits = format!("{value}e-{scale}\0");
            // SAFETY: `numeric_in` with its three arguments, the first a C string.
            unsafe {
                pgrx::direct_function_call_as_datum(
                    pg_sys::numeric_in,
                    &[
                        Some(pg_sys::Datum::from(digits.as_ptr())),
                        Some(pg_sys::Datum::from(pg_sys::InvalidOid)),
                        Some(pg_sys::Datum::from(-1_i32)),
                    ],
                )
            }
            .expect("numeric_in returns no NULL")
        }
    }
}

/// The same without zeros at the end, but for `least_scale` decimals.
pub fn from_scaled_short(mut value: i128, mut scale: u8, least_scale: u8) -> pg_sys::Datum {
    while scale > least_scale && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    from_scaled(value, scale)
}

/// The `numeric` `value` / 10^`scale` / `divisor`, in the current memory context.
pub fn from_ratio(value: i128, scale: u8, divisor: i64) -> pg_sys::Datum {
    if value % i128::from(divisor) == 0 {
        return from_scaled(value / i128::from(divisor), scale);
    }
    // SAFETY: `numeric_div` with two numerics.
    unsafe {
        pgrx::direct_function_call_as_datum(
            pg_sys::numeric_div,
            &[
                Some(from_scaled(value, scale)),
                Some(pg_sys::Datum::from(pg_sys::int64_to_numeric(divisor))),
            ],
        )
    }
    .expect("numeric_div returns no NULL")
}
