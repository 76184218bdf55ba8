//! What makes two events one: the hash of their idempotency key.

use sha2::{Digest as _, Sha256};

use crate::kind::Kind;

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;

/// What no digit is worth: more than any digit.
const NO_DIGIT: u8 = 16;
/// What a byte is worth as a hexadecimal digit.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit: u8 = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit as usize] as usize] = digit;
        values[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

/// The first 16 bytes of a SHA-256 over the kind and the idempotency key, or over the place of an event that came without one.
/// Of n events two different ones share a key with probability n²/2¹²⁹: 10⁻¹⁹ for 10¹⁰ events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(pub [u8; KEY_BYTES]);

impl EventKey {
    /// Of an event with an idempotency key.
    #[must_use]
    pub fn given(kind: Kind, key: &str) -> Self {
        Self::of(&[kind.as_str(), "key", key])
    }

    /// Of an event without one: its place, so that an object that is read twice counts once.
    #[must_use]
    pub fn of_place(kind: Kind, object: &str, index: usize) -> Self {
        Self::of(&[kind.as_str(), "place", object, &index.to_string()])
    }

    fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // The length before the text: no two lists of parts give the same bytes.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&digest[..KEY_BYTES]);
        Self(key)
    }

    /// As 32 hexadecimal digits.
    #[must_use]
    pub fn hex(self) -> String {
        let digit = |number: u8| char::from(b"0123456789abcdef"[usize::from(number)]);
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// From 32 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return None;
        }
        let (mut key, mut wrong) = ([0; KEY_BYTES], 0);
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
            wrong |= (high | low) & NO_DIGIT;
            *byte = high << 4 | low & 15;
        }
        (wrong == 0).then_some(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_kind_and_by_what_they_are_of() {
        let keys = [
            EventKey::given(Kind::Exposures, "a"),
            EventKey::given(Kind::Rewards, "a"),
            EventKey::given(Kind::Exposures, "b"),
            EventKey::of_place(Kind::Exposures, "a", 0),
            EventKey::of_place(Kind::Exposures, "a", 1),
            EventKey::of_place(Kind::Exposures, "a1", 0),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn hexadecimal_digits_go_there_and_back() {
        let key = EventKey::given(Kind::Exposures, "a");
        assert_eq!(EventKey::from_hex(&key.hex()), Some(key));
        for wrong in ["", "0", &key.hex()[1..], &key.hex().replace(|c: char| c.is_ascii_digit(), "x")] {
            assert_eq!(EventKey::from_hex(wrong), None, "{wrong}");
        }
    }
}
