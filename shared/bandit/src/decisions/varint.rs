//! Numbers in as few bytes as they need.

use super::encoding::PolicyDecodeError;

/// Appends a number as LEB128: seven bits a byte, the lowest first, the high bit of all but the last set.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        out.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return;
        }
    }
}

/// Takes the number off the front.
pub(super) fn number(bytes: &mut &[u8]) -> Result<u64, PolicyDecodeError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Err(PolicyDecodeError::Header { what: "it ends within a number" });
        };
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(PolicyDecodeError::Header { what: "a number of more than 64 bits" })
}

/// 0, −1, 1, −2, … as 0, 1, 2, 3, …
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}
