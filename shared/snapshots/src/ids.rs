//! The ids of users, exact and compact.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::SnapshotError;

/// An id in the table: most others differ in the tag already, without a look at the text.
#[derive(Clone, Copy, Debug)]
struct Known {
    tag: u32,
    user: u32,
}

/// Bits of a hash that the table itself does not look at first.
#[expect(clippy::cast_possible_truncation, reason = "these are the bits that are wanted")]
fn tag(hash: u64) -> u32 {
    (hash >> 20) as u32
}

/// A set of ids, numbered in the order in which they came. The texts are in one arena.
#[derive(Debug, Default)]
pub(crate) struct Users {
    hasher: DefaultHashBuilder,
    table: HashTable<Known>,
    bytes: Vec<u8>,
    ends: Vec<u64>,
    /// A bit for each id, at a position that its hash says: most ids that are not in the set end here.
    filter: Vec<u64>,
}

impl Users {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The id of a number.
    pub(crate) fn id(&self, user: u32) -> &[u8] {
        Self::text(&self.bytes, &self.ends, user)
    }

    fn text<'a>(bytes: &'a [u8], ends: &[u64], user: u32) -> &'a [u8] {
        let user = user as usize;
        let start = if user == 0 { 0 } else { ends[user - 1] };
        &bytes[offset(start)..offset(ends[user])]
    }

    /// The number of an id, which is added if it is new.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] for more than 2³² − 1 ids.
    pub(crate) fn insert(&mut self, id: &[u8]) -> Result<u32, SnapshotError> {
        let Self { hasher, table, bytes, ends, .. } = self;
        let hash = hasher.hash_one(id);
        let same = |known: &Known| known.tag == tag(hash) && Self::text(bytes, ends, known.user) == id;
        if let Some(known) = table.find(hash, same) {
            return Ok(known.user);
        }
        let user = u32::try_from(ends.len())
            .ok()
            .filter(|&user| user < u32::MAX)
            .ok_or(SnapshotError::TooLarge { what: "users with a reward" })?;
        bytes.extend_from_slice(id);
        ends.push(bytes.len() as u64);
        let known = Known { tag: tag(hash), user };
        table.insert_unique(hash, known, |known| hasher.hash_one(Self::text(bytes, ends, known.user)));
        Ok(user)
    }

    /// Prepares [`Users::find`] for the ids that are in the set now.
    pub(crate) fn seal(&mut self) {
        let words = (self.len() / 4).next_power_of_two().max(16);
        self.filter = vec![0; words];
        for user in 0..self.ends.len() {
            let Ok(user) = u32::try_from(user) else { return };
            let hash = self.hasher.hash_one(Self::text(&self.bytes, &self.ends, user));
            let (word, bit) = self.filter_position(hash);
            self.filter[word] |= bit;
        }
    }

    /// What [`Users::may_have`] and [`Users::find`] know an id by.
    #[inline]
    pub(crate) fn hash(&self, id: &[u8]) -> u64 {
        self.hasher.hash_one(id)
    }

    /// False for most ids that were not in the set when it was sealed, and for no other.
    #[inline]
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        let (word, bit) = self.filter_position(hash);
        self.filter.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// The number of an id of this hash.
    #[inline]
    pub(crate) fn find(&self, hash: u64, id: &[u8]) -> Option<u32> {
        let same = |known: &Known| known.tag == tag(hash) && Self::text(&self.bytes, &self.ends, known.user) == id;
        self.table.find(hash, same).map(|known| known.user)
    }

    fn filter_position(&self, hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize & self.filter.len().wrapping_sub(1), 1 << (hash & 63))
    }
}

/// An offset into memory.
#[expect(clippy::cast_possible_truncation, reason = "the arena is in memory, so that its offsets fit")]
fn offset(offset: u64) -> usize {
    offset as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(users: &Users, id: &[u8]) -> Option<u32> {
        let hash = users.hash(id);
        let found = users.find(hash, id);
        assert!(found.is_none() || users.may_have(hash));
        found
    }

    #[test]
    fn ids_are_exact() {
        let mut users = Users::default();
        let ids: Vec<String> = (0..5_000).map(|i| format!("user-{i}")).collect();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(users.insert(id.as_bytes()).unwrap() as usize, i);
        }
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(users.insert(id.as_bytes()).unwrap() as usize, i);
        }
        assert_eq!(users.len(), 5_000);
        users.seal();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(find(&users, id.as_bytes()).unwrap() as usize, i);
            assert_eq!(find(&users, format!("{id}x").as_bytes()), None);
        }
        let others = (5_000..10_000).filter(|i| users.may_have(users.hash(format!("user-{i}").as_bytes()))).count();
        assert!(others < 1_000, "the filter lets {others} of 5000 pass");
    }

    #[test]
    fn an_empty_set_finds_nothing() {
        let mut users = Users::default();
        users.seal();
        assert_eq!(find(&users, b"a"), None);
        assert_eq!(find(&users, b""), None);
    }
}
